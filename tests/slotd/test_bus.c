/* SPDX-License-Identifier: MIT */
/* Room bus of slotd: two nodes in one loop: who shares the secret is heard, nobody else is. */
#include "bus.h"

#include "log.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS_MAX = 20000 };

struct end {
    struct bus *bus;
    struct end *other;
    uint64_t node;
    uint8_t cluster;
    int port;
    int linked;
    size_t received;
    bool foreign;
    struct buffer last;
};

static void on_identify(void *user_data, struct bus_identity *identity_out)
{
    struct end *end = user_data;
    *identity_out = (struct bus_identity){.node = end->node};
    memset(identity_out->cluster, end->cluster, BUS_CLUSTER_SIZE);
}

static bool on_locate(void *user_data, uint64_t node, struct bus_address *address_out)
{
    const struct end *end = user_data;
    if (node != end->other->node)
        return false;
    *address_out = (struct bus_address){"127.0.0.1", end->other->port};
    return true;
}

static void on_receive(void *user_data, struct bus_message *message)
{
    struct end *end = user_data;
    cr_expect_eq(message->from, end->other->node);
    end->received++;
    end->foreign = message->foreign;
    end->last.size = 0;
    buffer_append(&end->last, message->data, message->size);
    free(message);
}

static void on_linked(void *user_data, uint64_t node)
{
    struct end *end = user_data;
    cr_expect_eq(node, end->other->node);
    end->linked++;
}

struct pair {
    uv_loop_t loop;
    struct end ends[2];
};

static void pair_open(struct pair *pair, const char *first, const char *second)
{
    const char *secrets[2] = {first, second};
    memset(pair, 0, sizeof *pair);
    log_level(LOG_ERROR);
    cr_assert_eq(uv_loop_init(&pair->loop), 0);
    for (int index = 0; index < 2; index++) {
        struct end *end = &pair->ends[index];
        struct bus_hooks hooks = {end, on_identify, on_locate, on_receive, on_linked};
        end->node = (uint64_t)index + 10;
        end->other = &pair->ends[1 - index];
        end->bus = bus_open(&pair->loop, "127.0.0.1", &end->port, secrets[index], &hooks);
        cr_assert(end->bus != NULL && end->port > 0);
    }
}

static void pair_close(struct pair *pair)
{
    for (int index = 0; index < 2; index++)
        bus_shut(pair->ends[index].bus);
    (void)uv_run(&pair->loop, UV_RUN_DEFAULT);
    for (int index = 0; index < 2; index++) {
        bus_free(pair->ends[index].bus);
        buffer_free(&pair->ends[index].last);
    }
    cr_expect_eq(uv_loop_close(&pair->loop), 0, "a handle is left");
}

static void turns(struct pair *pair, int count)
{
    while (count-- > 0) {
        for (int index = 0; index < 2; index++)
            bus_flush(pair->ends[index].bus);
        if (uv_run(&pair->loop, UV_RUN_NOWAIT) == 0)
            break;
    }
}

/* Dial until both know each other. */
static bool linked(struct pair *pair)
{
    for (int count = 0; count < TURNS_MAX; count++) {
        bus_link(pair->ends[0].bus, pair->ends[1].node);
        turns(pair, 1);
        if (pair->ends[0].linked > 0 && pair->ends[1].linked > 0)
            return true;
    }
    return false;
}

static bool send_text(struct end *end, uint8_t kind, const char *text)
{
    return bus_send(end->bus, end->other->node, kind, bytes_of("head:"), bytes_of(text));
}

static bool arrived(struct pair *pair, struct end *end, size_t count)
{
    for (int turn = 0; turn < TURNS_MAX && end->received < count; turn++)
        turns(pair, 1);
    return end->received == count;
}

Test(bus, messages_go_both_ways)
{
    struct pair pair;
    pair_open(&pair, "secret", "secret");
    cr_expect_not(send_text(&pair.ends[0], BUS_LIBRARY, "too early"));
    cr_assert(linked(&pair));
    cr_expect(bus_linked(pair.ends[0].bus, pair.ends[1].node));
    for (int index = 0; index < 2; index++) {
        cr_assert(send_text(&pair.ends[index], BUS_REQUEST, "hello"));
        cr_assert(arrived(&pair, pair.ends[index].other, 1));
        struct buffer *last = &pair.ends[1 - index].last;
        cr_expect(bytes_equal((struct bytes){last->data, last->size}, bytes_of("head:hello")));
    }
    uint64_t sent = 0, received = 0;
    bus_counts(pair.ends[0].bus, &sent, &received);
    cr_expect(sent == 1 && received == 1);
    pair_close(&pair);
}

Test(bus, another_secret_is_never_heard)
{
    struct pair pair;
    pair_open(&pair, "secret", "guessed");
    for (int count = 0; count < 300; count++) {
        bus_link(pair.ends[0].bus, pair.ends[1].node);
        (void)send_text(&pair.ends[0], BUS_REQUEST, "forged");
        turns(&pair, 1);
    }
    cr_expect_eq(pair.ends[0].linked + pair.ends[1].linked, 0);
    cr_expect_eq(pair.ends[0].received + pair.ends[1].received, 0);
    pair_close(&pair);
}

Test(bus, another_cluster_is_foreign)
{
    struct pair pair;
    pair_open(&pair, "secret", "secret");
    pair.ends[0].cluster = 7;
    pair.ends[1].cluster = 8;
    struct bus_address address = {"127.0.0.1", pair.ends[1].port};
    for (int count = 0; count < TURNS_MAX && pair.ends[1].received == 0; count++) {
        (void)bus_send_address(pair.ends[0].bus, &address, BUS_REQUEST, bytes_of("join"));
        turns(&pair, 1);
    }
    cr_assert_gt(pair.ends[1].received, 0);
    cr_expect(pair.ends[1].foreign);
    pair_close(&pair);
}

Test(bus, large_frames_arrive_whole_and_what_waits_is_bounded)
{
    struct pair pair;
    size_t size = (size_t)70 << 20;
    uint8_t *large = malloc(size);
    cr_assert_not_null(large);
    for (size_t at = 0; at < size; at++)
        large[at] = (uint8_t)(at * 31 >> 3);
    pair_open(&pair, "secret", "secret");
    cr_assert(linked(&pair));
    struct bytes payload = {large, size};
    struct bytes none = {NULL, 0};
    cr_assert(bus_send(pair.ends[0].bus, pair.ends[1].node, BUS_STREAM, none, payload));
    cr_expect_not(bus_send(pair.ends[0].bus, pair.ends[1].node, BUS_STREAM, none, payload),
        "64 MB and a frame wait at most");
    cr_assert(arrived(&pair, &pair.ends[1], 1));
    struct buffer *last = &pair.ends[1].last;
    cr_expect(bytes_equal((struct bytes){last->data, last->size}, payload));
    free(large);
    pair_close(&pair);
}

Test(bus, cut_links_are_known_at_both_ends)
{
    struct pair pair;
    pair_open(&pair, "secret", "secret");
    cr_assert(linked(&pair));
    bus_cut(pair.ends[1].bus);
    cr_expect_not(bus_linked(pair.ends[1].bus, pair.ends[0].node));
    for (int count = 0; count < TURNS_MAX && bus_linked(pair.ends[0].bus, pair.ends[1].node);
         count++)
        turns(&pair, 1);
    cr_expect_not(send_text(&pair.ends[0], BUS_REQUEST, "lost"));
    pair_close(&pair);
}
