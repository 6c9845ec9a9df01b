/* SPDX-License-Identifier: MIT */
/* Room load: connections to nodes, requests out and answers in. An answer belongs to the oldest
 * request of its connection. Connects to 127.0.0.0/8 only. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void request_begin(struct buffer *buffer, size_t arg_count)
{
    buffer_append_format(buffer, "*%zu\r\n", arg_count);
}

void request_arg(struct buffer *buffer, const void *data, size_t size)
{
    buffer_append_format(buffer, "$%zu\r\n", size);
    buffer_append(buffer, data, size);
    buffer_append(buffer, "\r\n", 2);
}

static bool loopback(const char *host, int64_t port)
{
    struct sockaddr_in address;
    return strncmp(host, "127.", 4) == 0 && port > 0 && port < 65536 &&
        uv_ip4_addr(host, (int)port, &address) == 0;
}

struct node *node_find(struct load *load, struct bytes host, int64_t port)
{
    char name[HOST_SIZE] = "";
    if (host.size >= HOST_SIZE || load->node_count == NODES_MAX)
        return NULL;
    memcpy(name, host.data, host.size);
    for (uint32_t index = 0; index < load->node_count; index++)
        if (load->nodes[index].port == port && strcmp(load->nodes[index].host, name) == 0)
            return &load->nodes[index];
    if (!loopback(name, port))
        return NULL;
    struct node *node = &load->nodes[load->node_count++];
    memcpy(node->host, name, HOST_SIZE);
    node->port = (int)port;
    for (int index = 0; index < LINKS_MAX; index++) {
        node->links[index].load = load;
        node->links[index].node = node;
    }
    return node;
}

static void queue_put(struct link *link, int32_t index)
{
    if (link->queue_size == link->queue_capacity) {
        size_t capacity = link->queue_capacity ? link->queue_capacity * 2 : 16;
        int32_t *queue = memory_take(capacity * sizeof(*queue));
        for (size_t at = 0; at < link->queue_size; at++)
            queue[at] = link->queue[(link->queue_head + at) % link->queue_capacity];
        free(link->queue);
        link->queue = queue;
        link->queue_head = 0;
        link->queue_capacity = capacity;
    }
    link->queue[(link->queue_head + link->queue_size++) % link->queue_capacity] = index;
}

static int32_t queue_take(struct link *link)
{
    int32_t index = link->queue[link->queue_head];
    link->queue_head = (link->queue_head + 1) % link->queue_capacity;
    link->queue_size--;
    return index;
}

/* Those who waited are told only now: a retry must not find the old connection. */
static void on_close(uv_handle_t *handle)
{
    struct link *link = handle->data;
    link->state = LINK_CLOSED;
    link->writing = false;
    buffer_clear(&link->input, 0);
    buffer_clear(&link->output, 0);
    buffer_clear(&link->sending, 0);
    for (size_t left = link->queue_size; left > 0; left--) {
        int32_t index = queue_take(link);
        if (index >= 0)
            worker_dropped(link->load, &link->load->workers[index]);
    }
}

static void link_end(struct link *link)
{
    if (link->state == LINK_CLOSING || link->state == LINK_CLOSED)
        return;
    link->state = LINK_CLOSING;
    uv_close((uv_handle_t *)&link->tcp, on_close);
}

static bool framed(const uint8_t *line, const uint8_t *end)
{
    return end >= line + 2 && line[0] != 0 && strchr("+-:$*", line[0]) != NULL;
}

/* One line, or a bulk with its line: returns its bytes; 0 = not all there yet, -1 = not RESP2. */
static int64_t item_read(struct reply_item *item, struct bytes input)
{
    const uint8_t *end = input.size > 0 ? memchr(input.data, '\n', input.size) : NULL;
    if (!end)
        return 0;
    if (!framed(input.data, end))
        return -1;
    size_t size = (size_t)(end - input.data) + 1;
    *item = (struct reply_item){
        .kind = (char)input.data[0], .text = {input.data + 1, size - 3}};
    if (item->kind == '+' || item->kind == '-')
        return (int64_t)size;
    if (!bytes_number(item->text, &item->number))
        return -1;
    if (item->kind != '$' || item->number < 0)
        return (int64_t)size;
    if (input.size - size < (uint64_t)item->number + 2)
        return 0;
    item->text = (struct bytes){input.data + size, (size_t)item->number};
    return (int64_t)size + item->number + 2;
}

/* Bytes of the whole reply in front, or as above. */
static int64_t reply_read(struct replies *replies, struct bytes input)
{
    size_t at = 0;
    replies->count = 0;
    for (int64_t left = 1; left > 0; left--) {
        struct reply_item item = {0};
        int64_t size = item_read(&item, (struct bytes){input.data + at, input.size - at});
        if (size <= 0)
            return size;
        at += (size_t)size;
        if (item.kind == '*' && item.number > 0)
            left += item.number;
        if (replies->count == replies->capacity) {
            replies->capacity = replies->capacity ? replies->capacity * 2 : 64;
            replies->items = memory_resize(
                replies->items, replies->capacity * sizeof(*replies->items));
        }
        replies->items[replies->count++] = item;
    }
    return (int64_t)at;
}

static void input_run(struct link *link)
{
    struct load *load = link->load;
    size_t done = 0;
    while (link->state == LINK_OPEN && done < link->input.size) {
        struct bytes rest = {link->input.data + done, link->input.size - done};
        int64_t size = reply_read(&load->replies, rest);
        if (size == 0)
            break;
        if (size < 0 || link->queue_size == 0) {
            phase_error(load, bytes_of("an answer that is not RESP, or to nothing"));
            link_end(link);
            return;
        }
        int32_t index = queue_take(link);
        if (index >= 0)
            worker_answered(load, &load->workers[index], link->node);
        done += (size_t)size;
    }
    buffer_consume(&link->input, done);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    struct link *link = handle->data;
    (void)size;
    *out = uv_buf_init((char *)buffer_reserve(&link->input, 65536), 65536);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *chunk)
{
    struct link *link = stream->data;
    (void)chunk;
    if (size < 0) {
        link_end(link);
        return;
    }
    link->input.size += (size_t)size;
    input_run(link);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct link *link = request->data;
    if (status < 0 || link->state != LINK_CONNECTING) {
        link_end(link);
        return;
    }
    link->state = LINK_OPEN;
    (void)uv_tcp_nodelay(&link->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_read);
}

static void link_open(struct link *link)
{
    struct sockaddr_in address;
    (void)uv_ip4_addr(link->node->host, link->node->port, &address);
    (void)uv_tcp_init(&link->load->loop, &link->tcp);
    link->tcp.data = link->connect.data = link->write.data = link;
    link->state = LINK_CONNECTING;
    if (uv_tcp_connect(&link->connect, &link->tcp, (struct sockaddr *)&address, on_connect) < 0)
        link_end(link);
}

struct buffer *link_take(struct load *load, struct node *node, uint32_t index, bool asking)
{
    struct link *link = &node->links[index % load->link_count];
    if (link->state == LINK_CLOSING)
        return NULL;
    if (link->state == LINK_CLOSED)
        link_open(link);
    if (asking) {
        queue_put(link, -1);
        request_begin(&link->output, 1);
        request_arg(&link->output, "ASKING", 6);
    }
    queue_put(link, (int32_t)index);
    link->dirty = true;
    return &link->output;
}

static void on_write(uv_write_t *request, int status)
{
    struct link *link = request->data;
    link->writing = false;
    if (status < 0)
        link_end(link);
}

/* All requests of a turn leave together. */
static void link_flush(struct link *link)
{
    if (!link->dirty || link->writing || link->state != LINK_OPEN)
        return;
    struct buffer sent = link->sending;
    link->sending = link->output;
    link->output = sent;
    link->output.size = 0;
    link->dirty = false;
    uv_buf_t chunk = uv_buf_init((char *)link->sending.data, (unsigned)link->sending.size);
    int size = uv_try_write((uv_stream_t *)&link->tcp, &chunk, 1);
    if (size == (int)link->sending.size)
        return;
    if (size > 0) {
        chunk.base += size;
        chunk.len -= (size_t)size;
    }
    link->writing = true;
    if (uv_write(&link->write, (uv_stream_t *)&link->tcp, &chunk, 1, on_write) < 0)
        link_end(link);
}

void links_flush(uv_prepare_t *flush)
{
    struct load *load = flush->data;
    for (uint32_t node = 0; node < load->node_count; node++)
        for (uint32_t index = 0; index < load->link_count; index++)
            link_flush(&load->nodes[node].links[index]);
}

void links_close(struct load *load)
{
    for (uint32_t node = 0; node < load->node_count; node++)
        for (uint32_t index = 0; index < load->link_count; index++) {
            struct link *link = &load->nodes[node].links[index];
            if (link->state == LINK_CONNECTING || link->state == LINK_OPEN) {
                link->queue_size = 0;
                link_end(link);
            }
        }
}
