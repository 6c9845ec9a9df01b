/* SPDX-License-Identifier: MIT */
/* Room bus: one link: greeting, frames in, frames out. */
#include "bus_room.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>

static const char magic[] = "slotbus1";

static void on_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    buffer_free(&link->input);
    buffer_free(&link->output);
    buffer_free(&link->sending);
    free(link);
}

void bus__link_close(struct link *link, const char *reason)
{
    if (link->closed)
        return;
    link->closed = true;
    if (reason != NULL)
        log_event(LOG_INFO, "bus_closed", "peer=%016llx reason=\"%s\"",
            (unsigned long long)link->peer, reason);
    if (link->target != NULL)
        link->target->link = NULL;
    struct link **at = &link->bus->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    uv_close((uv_handle_t *)&link->tcp, on_closed);
}

struct link *bus__link_open(struct bus *bus, struct target *target)
{
    struct link *link = memory_take(sizeof(*link));
    link->bus = bus;
    link->target = target;
    link->since_ns = clock_monotonic_ns();
    link->tcp.data = link;
    link->next = bus->links;
    bus->links = link;
    (void)uv_tcp_init(bus->loop, &link->tcp);
    return link;
}

static void frame_put(
    struct link *link, uint8_t kind, struct bytes header, struct bytes payload)
{
    uint8_t head[FRAME_HEADER_SIZE];
    put_u32(head, (uint32_t)(1 + header.size + payload.size));
    head[4] = kind;
    buffer_append(&link->output, head, sizeof(head));
    buffer_append(&link->output, header.data, header.size);
    buffer_append(&link->output, payload.data, payload.size);
}

bool bus__link_put(
    struct link *link, uint8_t kind, struct bytes header, struct bytes payload)
{
    size_t waiting = link->output.size + link->sending.size;
    /* One frame more than the limit: a key that moves may be larger than it. */
    if (!link->proven || link->closed || waiting > OUTPUT_SIZE_MAX ||
        header.size + payload.size > FRAME_SIZE_MAX - 1)
        return false;
    frame_put(link, kind, header, payload);
    link->bus->sent++;
    return true;
}

static void on_written(uv_write_t *write, int status)
{
    struct link *link = write->data;
    link->writing = false;
    buffer_clear(&link->sending, LINK_READ_SIZE);
    if (link->closed)
        return;
    if (status != 0)
        bus__link_close(link, uv_err_name(status));
    else
        bus__link_flush(link);
}

void bus__link_flush(struct link *link)
{
    if (link->writing || link->closed || link->output.size == 0)
        return;
    struct buffer free_one = link->sending;
    uv_buf_t out = uv_buf_init((char *)link->output.data, (unsigned)link->output.size);
    int sent = uv_try_write((uv_stream_t *)&link->tcp, &out, 1);
    if (sent >= 0 && (size_t)sent == link->output.size) {
        buffer_clear(&link->output, LINK_READ_SIZE);
        return;
    }
    size_t done = sent > 0 ? (size_t)sent : 0;
    link->sending = link->output;
    link->output = free_one;
    uv_buf_t rest =
        uv_buf_init((char *)link->sending.data + done, (unsigned)(link->sending.size - done));
    link->write.data = link;
    link->writing = uv_write(&link->write, (uv_stream_t *)&link->tcp, &rest, 1, on_written) == 0;
    if (!link->writing)
        bus__link_close(link, "cannot write");
}

/* ---- frames in ---- */

static bool hello_take(struct link *link, struct bytes hello)
{
    struct bus_identity own;
    uint8_t proof[PROOF_SIZE];
    if (link->greeted || hello.size != HELLO_SIZE || memcmp(hello.data, magic, 8) != 0)
        return false;
    link->bus->hooks.identify(link->bus->hooks.user_data, &own);
    memcpy(link->peer_hello, hello.data, HELLO_SIZE);
    link->greeted = true;
    link->peer = get_u64(hello.data + 8);
    link->foreign = memcmp(hello.data + 16, own.cluster, BUS_CLUSTER_SIZE) != 0;
    if (link->peer == own.node || link->peer == 0)
        return false;
    bus__proof(link, true, proof);
    frame_put(link, FRAME_PROOF, (struct bytes){proof, sizeof(proof)}, (struct bytes){NULL, 0});
    bus__link_flush(link);
    return !link->closed;
}

static bool proof_take(struct link *link, struct bytes proof)
{
    uint8_t wanted[PROOF_SIZE];
    if (!link->greeted || link->proven || proof.size != PROOF_SIZE)
        return false;
    bus__proof(link, false, wanted);
    if (!bus__proof_equal(wanted, proof.data)) {
        log_event(LOG_WARNING, "bus_refused", "peer=%016llx reason=\"wrong secret\"",
            (unsigned long long)link->peer);
        return false;
    }
    link->proven = true;
    if (link->target != NULL)
        link->target->delay_ns = 0;
    link->bus->hooks.linked(link->bus->hooks.user_data, link->peer);
    return !link->closed;
}

static bool frame_take(struct link *link, uint8_t kind, struct bytes payload)
{
    if (kind == FRAME_HELLO)
        return hello_take(link, payload);
    if (kind == FRAME_PROOF)
        return proof_take(link, payload);
    if (!link->proven || kind == 0 || kind >= BUS_KIND_LIMIT)
        return false;
    struct bus_message *message = memory_resize(NULL, sizeof(*message) + payload.size);
    *message = (struct bus_message){
        .from = link->peer, .foreign = link->foreign, .kind = kind, .size = payload.size};
    if (payload.size > 0)
        memcpy(message->data, payload.data, payload.size);
    link->bus->received++;
    link->bus->hooks.receive(link->bus->hooks.user_data, message);
    return !link->closed;
}

/* Take the whole frames at the head of the bytes; returns their size, or -1: close the link. */
static ssize_t frames_take(struct link *link, struct bytes bytes)
{
    size_t done = 0;
    while (bytes.size - done >= FRAME_HEADER_SIZE) {
        const uint8_t *at = bytes.data + done;
        size_t size = get_u32(at);
        if (size == 0 || size > (link->proven ? (size_t)FRAME_SIZE_MAX : 1 + HELLO_SIZE))
            return -1;
        if (bytes.size - done < 4 + size)
            break;
        if (!frame_take(link, at[4], (struct bytes){at + FRAME_HEADER_SIZE, size - 1}))
            return -1;
        done += 4 + size;
    }
    return (ssize_t)done;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *memory)
{
    struct link *link = handle->data;
    (void)suggested;
    *memory = uv_buf_init((char *)link->bus->read_buffer, LINK_READ_SIZE);
}

/* What lacks of the frame whose head is in `input`, or of that head. */
static size_t frame_lack(const struct link *link)
{
    size_t size = FRAME_HEADER_SIZE;
    if (link->input.size >= size)
        size = 4 + get_u32(link->input.data);
    return size - link->input.size;
}

/* A frame that came in part is completed where it lies. Returns its size, 0 when it lacks more, or
 * -1: close the link. */
static ssize_t frame_complete(struct link *link, struct bytes *bytes)
{
    ssize_t done = 0;
    while (done == 0 && bytes->size > 0) {
        size_t lack = frame_lack(link);
        lack = lack < bytes->size ? lack : bytes->size;
        buffer_append(&link->input, bytes->data, lack);
        *bytes = (struct bytes){bytes->data + lack, bytes->size - lack};
        done = frames_take(link, (struct bytes){link->input.data, link->input.size});
    }
    if (done > 0)
        buffer_consume(&link->input, (size_t)done);
    return done;
}

void bus__link_feed(struct link *link, struct bytes bytes)
{
    ssize_t done = link->input.size > 0 ? frame_complete(link, &bytes) : 0;
    if (done >= 0 && bytes.size > 0) {
        done = frames_take(link, bytes);
        if (done >= 0)
            buffer_append(&link->input, bytes.data + done, bytes.size - (size_t)done);
    }
    if (done < 0)
        bus__link_close(link, "not a message");
    else if (link->input.size == 0)
        buffer_clear(&link->input, LINK_READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *memory)
{
    struct link *link = stream->data;
    if (size < 0)
        bus__link_close(link, size == UV_EOF ? NULL : uv_err_name((int)size));
    else
        bus__link_feed(link, (struct bytes){(const uint8_t *)memory->base, (size_t)size});
}

void bus__link_greet(struct link *link)
{
    struct bus_identity own;
    link->bus->hooks.identify(link->bus->hooks.user_data, &own);
    memcpy(link->hello, magic, 8);
    put_u64(link->hello + 8, own.node);
    memcpy(link->hello + 16, own.cluster, BUS_CLUSTER_SIZE);
    if (uv_random(NULL, NULL, link->hello + 16 + BUS_CLUSTER_SIZE, NONCE_SIZE, 0, NULL) != 0)
        log_fatal("bus_failed", "call=random");
    (void)uv_tcp_nodelay(&link->tcp, 1);
    (void)uv_tcp_keepalive(&link->tcp, 1, 15);
    frame_put(
        link, FRAME_HELLO, (struct bytes){link->hello, HELLO_SIZE}, (struct bytes){NULL, 0});
    bus__link_flush(link);
    if (!link->closed)
        (void)uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_read);
}
