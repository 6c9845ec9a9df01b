/* SPDX-License-Identifier: MIT */
/* Room copy: see copy.h. */
#include "copy.h"

#include "slotd.h"

#include <stdlib.h>
#include <uv.h>

enum { LINE_SIZE_MAX = 4096, READ_SIZE = 1024 };

struct copy {
    struct slotd *slotd;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct buffer sending;
    struct buffer line; /* of an answer, as far as it has come */
    char read_buffer[READ_SIZE];
    size_t answers;     /* that are still to come */
    struct buffer error;
    int state;
    bool writing;
    bool closing;
};

static void on_closed(uv_handle_t *handle)
{
    struct copy *copy = handle->data;
    buffer_free(&copy->sending);
    buffer_free(&copy->line);
    buffer_free(&copy->error);
    free(copy);
}

void copy_close(struct copy *copy)
{
    copy->closing = true;
    uv_close((uv_handle_t *)&copy->tcp, on_closed);
}

static void state_set(struct copy *copy, int state)
{
    copy->state = state;
    copy->slotd->wake_wanted = true;
}

int copy_state(const struct copy *copy)
{
    return copy->state;
}

const char *copy_error(const struct copy *copy)
{
    return (const char *)copy->error.data;
}

static void answered(struct copy *copy)
{
    bool error = copy->line.size > 0 && copy->line.data[0] == '-';
    if (error && copy->error.size == 0) {
        buffer_append(&copy->error, copy->line.data + 1, copy->line.size - 1);
        buffer_append(&copy->error, "", 1);
    }
    buffer_clear(&copy->line, LINE_SIZE_MAX);
    copy->answers--;
}

static bool bytes_take(struct copy *copy, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        if (copy->answers == 0 || copy->line.size == LINE_SIZE_MAX)
            return false;
        if (bytes[at] == '\n')
            answered(copy);
        else if (bytes[at] != '\r')
            buffer_append(&copy->line, bytes + at, 1);
    }
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *memory)
{
    struct copy *copy = handle->data;
    (void)suggested;
    *memory = uv_buf_init(copy->read_buffer, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *memory)
{
    struct copy *copy = stream->data;
    if (copy->closing || size == 0)
        return;
    if (size < 0 || !bytes_take(copy, memory->base, (size_t)size)) {
        (void)uv_read_stop(stream);
        state_set(copy, COPY_LOST);
    } else if (copy->answers == 0) {
        state_set(copy, COPY_READY);
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct copy *copy = connect->data;
    if (copy->closing)
        return;
    bool reads = status == 0 &&
        uv_read_start((uv_stream_t *)&copy->tcp, on_alloc, on_read) == 0;
    (void)uv_tcp_nodelay(&copy->tcp, 1);
    state_set(copy, reads ? COPY_READY : COPY_LOST);
}

/* Numbers only: a name's lookup would take a thread that syncs need. */
static bool connect_begin(struct copy *copy, const char *host, int port)
{
    struct sockaddr_storage address;
    int result = uv_ip4_addr(host, port, (struct sockaddr_in *)&address);
    if (result != 0)
        result = uv_ip6_addr(host, port, (struct sockaddr_in6 *)&address);
    copy->connect.data = copy;
    return result == 0 &&
        uv_tcp_connect(
            &copy->connect, &copy->tcp, (struct sockaddr *)&address, on_connected) == 0;
}

struct copy *copy_open(struct slotd *slotd, const char *host, int port)
{
    struct copy *copy = memory_take(sizeof(*copy));
    copy->slotd = slotd;
    copy->tcp.data = copy;
    (void)uv_tcp_init(slotd->loop, &copy->tcp);
    state_set(copy, connect_begin(copy, host, port) ? COPY_WAITS : COPY_NO_ADDRESS);
    return copy;
}

static void on_written(uv_write_t *write, int status)
{
    struct copy *copy = write->data;
    copy->writing = false;
    buffer_clear(&copy->sending, 0);
    if (!copy->closing && status != 0)
        state_set(copy, COPY_LOST);
}

/* An answer may come before libuv says that its request is out: then that has been said in the
 * same pass of the loop, or the other side makes no sense. */
void copy_send(struct copy *copy, struct buffer *requests, size_t answers)
{
    copy->state = COPY_LOST;
    if (copy->writing)
        return;
    copy->sending = *requests;
    *requests = (struct buffer){0};
    uv_buf_t out = uv_buf_init((char *)copy->sending.data, (unsigned)copy->sending.size);
    copy->answers = answers;
    copy->write.data = copy;
    copy->writing =
        uv_write(&copy->write, (uv_stream_t *)&copy->tcp, &out, 1, on_written) == 0;
    if (copy->writing)
        copy->state = COPY_WAITS;
}
