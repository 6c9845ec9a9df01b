/* SPDX-License-Identifier: MIT */
/* Fuzz target: the framing of slotd's bus. The first byte says how the rest is cut into reads, and
 * whether the peer has proven itself. Whatever the bytes are: nothing reaches the receiver before
 * the proof, messages and fate are the same however the bytes are cut, and a link holds no more
 * than what came. */
#include "bus_room.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void expect(bool condition)
{
    if (!condition)
        __builtin_trap();
}

struct trace {
    struct buffer text;
    const struct link *link;
};

static void on_identify(void *user_data, struct bus_identity *identity_out)
{
    (void)user_data;
    *identity_out = (struct bus_identity){.node = 7};
}

static bool on_locate(void *user_data, uint64_t node, struct bus_address *address_out)
{
    (void)user_data;
    (void)node;
    (void)address_out;
    return false;
}

static void on_receive(void *user_data, struct bus_message *message)
{
    struct trace *trace = user_data;
    expect(trace->link->proven && message->kind > 0 && message->kind < BUS_KIND_LIMIT);
    buffer_append_format(&trace->text, "%d:%zu:", message->kind, message->size);
    buffer_append(&trace->text, message->data, message->size);
    free(message);
}

static void on_linked(void *user_data, uint64_t node)
{
    struct trace *trace = user_data;
    buffer_append_format(&trace->text, "linked %llu;", (unsigned long long)node);
}

/* A link that came in, over one end of a socket pair. */
static struct link *link_make(struct bus *bus, int sockets[2], bool proven)
{
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    struct link *link = bus__link_open(bus, NULL);
    expect(uv_tcp_open(&link->tcp, sockets[0]) == 0);
    memset(link->hello, 1, sizeof(link->hello));
    link->proven = link->greeted = proven;
    return link;
}

/* Feed all in reads of `step` bytes; what came of it goes onto `trace`. */
static void feed(const uint8_t *bytes, size_t size, size_t step, bool proven, struct trace *trace)
{
    uv_loop_t loop;
    int sockets[2];
    struct bus *bus = calloc(1, sizeof(*bus));
    expect(bus != NULL && uv_loop_init(&loop) == 0);
    bus->loop = &loop;
    bus->hooks = (struct bus_hooks){trace, on_identify, on_locate, on_receive, on_linked};
    memcpy(bus->secret, "secret", 7);
    struct link *link = link_make(bus, sockets, proven);
    trace->link = link;
    for (size_t at = 0; at < size && !link->closed; at += step) {
        size_t rest = size - at;
        bus__link_feed(link, (struct bytes){bytes + at, rest < step ? rest : step});
        expect(link->closed || link->input.size <= at + step);
    }
    buffer_append_text(&trace->text, link->closed ? "closed" : "open");
    if (!link->closed)
        bus__link_close(link, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    expect(uv_loop_close(&loop) == 0);
    (void)close(sockets[1]);
    free(bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct trace whole = {0};
    struct trace cut = {0};
    if (size == 0)
        return 0;
    log_level(LOG_ERROR);
    bool proven = (bytes[0] & 1) != 0;
    feed(bytes + 1, size - 1, size, proven, &whole);
    feed(bytes + 1, size - 1, 1 + (bytes[0] >> 1) % 16, proven, &cut);
    expect(bytes_equal((struct bytes){whole.text.data, whole.text.size},
        (struct bytes){cut.text.data, cut.text.size}));
    buffer_free(&whole.text);
    buffer_free(&cut.text);
    return 0;
}
