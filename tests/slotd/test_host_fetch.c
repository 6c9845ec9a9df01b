/* SPDX-License-Identifier: MIT */
/* Room host of slotd, values in pieces that move with one key: nobody sees them before they are
 * whole; answers that do not come, come twice or are of another value spoil nothing. */
#include "host.h"
#include "log.h"
#include "place.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS_MAX = 64, ITEMS_MAX = 4096 };
#define VALUE_SIZE ((size_t)STORE_PIECE_SIZE * 9 + 5)

struct rig {
    struct place source;
    struct place target;
    struct host_sync sync;
    struct host_store host; /* at the target */
    struct buffer requests[REQUESTS_MAX];
    size_t count;
    size_t answered;
    uint8_t items[ITEMS_MAX];
    struct reshard_action action;
};

static bool on_giver_send(void *user_data, const struct reshard_action *action,
    struct bytes header, struct bytes payload)
{
    struct rig *rig = user_data;
    cr_assert_eq(action->migration, 7);
    if (rig->count == REQUESTS_MAX)
        return false;
    struct buffer *request = &rig->requests[rig->count++];
    buffer_append(request, header.data, header.size);
    buffer_append(request, payload.data, payload.size);
    return true;
}

static char *value_make(void)
{
    char *value = malloc(VALUE_SIZE + 1);
    cr_assert_not_null(value);
    for (size_t at = 0; at < VALUE_SIZE; at++)
        value[at] = (char)('a' + at % 23);
    value[VALUE_SIZE] = '\0';
    return value;
}

static void rig_fill(struct rig *rig)
{
    char *value = value_make();
    place_put(rig->source.store, "{t}large", value);
    place_put(rig->source.store, "{t}larger", value);
    place_put(rig->source.store, "{t}small", "value");
    free(value);
}

/* Keys are picked at the source; the action that brings them to the target. */
static struct rig *rig_make(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    cr_assert_not_null(rig);
    rig->source = place_make();
    rig->target = place_make();
    rig->sync = (struct host_sync){.store = rig->target.store, .released = UINT64_MAX};
    rig->host = (struct host_store){.store = rig->target.store, .sync = &rig->sync,
        .giver_send = on_giver_send, .user_data = rig};
    rig_fill(rig);
    struct host_store giver = {.store = rig->source.store};
    uint32_t slot = place_key("{t}").slot;
    struct reshard_range range = {slot, slot};
    struct reshard_completion completion = {.struct_size = sizeof completion};
    struct reshard_action pick = {.struct_size = sizeof pick, .ranges = &range, .range_count = 1,
        .buffer = rig->items, .capacity = ITEMS_MAX};
    cr_assert_eq(host_pick(&giver, &pick, &completion), RESHARD_OK);
    cr_assert_eq(completion.keys, 3, "the items name the values, and do not hold them");
    rig->action = (struct reshard_action){.struct_size = sizeof rig->action, .id = 1,
        .migration = 7, .mode = RESHARD_MODE_KEYWISE, .copy_term = 1, .copy_n = 2, .sequence = 5,
        .payload = rig->items, .payload_size = completion.size};
    return rig;
}

static void rig_remove(struct rig *rig)
{
    host_fetch_free(&rig->host);
    for (size_t index = 0; index < rig->count; index++)
        buffer_free(&rig->requests[index]);
    place_remove(&rig->source);
    place_remove(&rig->target);
    free(rig);
}

static int32_t apply(struct rig *rig)
{
    struct reshard_store hooks;
    struct reshard_completion completion = {.struct_size = sizeof completion};
    host_store_hooks(&rig->host, &hooks);
    return hooks.apply(&rig->host, &rig->action, &completion);
}

static void answer(struct rig *rig, size_t index)
{
    struct buffer bytes = {0};
    struct bytes request = {rig->requests[index].data, rig->requests[index].size};
    cr_assert(host_fetch_answer(rig->source.store, request, &bytes));
    host_fetch_take(&rig->host, (struct bytes){bytes.data, bytes.size});
    buffer_free(&bytes);
    store_commit(rig->target.store);
}

static void answer_all(struct rig *rig)
{
    while (rig->answered < rig->count)
        answer(rig, rig->answered++);
}

static uint64_t position(struct rig *rig)
{
    struct host_position found = {0};
    cr_assert(host_position_get(rig->target.store, 7, &found));
    return found.sequence;
}

static void expect_all(struct rig *rig)
{
    char *value = value_make();
    cr_expect_null(rig->host.fetches);
    cr_expect_eq(position(rig), 5);
    cr_expect(place_has(rig->target.store, "{t}large", value));
    cr_expect(place_has(rig->target.store, "{t}larger", value));
    cr_expect(place_has(rig->target.store, "{t}small", "value"));
    cr_expect_eq(store_key_count(rig->target.store), 3);
    free(value);
}

Test(host_fetch, values_in_pieces_come_behind_their_keys)
{
    struct rig *rig = rig_make();
    cr_assert_eq(apply(rig), RESHARD_PENDING);
    cr_expect_eq(rig->count, 4, "a few are asked for at once, not all");
    for (; rig->answered < 10; rig->answered++) {
        cr_expect(place_has(rig->target.store, "{t}large", NULL), "not before it is whole");
        cr_expect_eq(position(rig), 0);
        answer(rig, rig->answered);
    }
    cr_expect_eq(store_key_count(rig->target.store), 2, "the first of two is whole");
    cr_expect_eq(position(rig), 0);
    answer_all(rig);
    expect_all(rig);
    cr_expect_eq(apply(rig), RESHARD_OK, "it has been applied");
    rig_remove(rig);
}

Test(host_fetch, answers_that_are_lost_or_come_twice_do_no_harm)
{
    struct rig *rig = rig_make();
    cr_assert_eq(apply(rig), RESHARD_PENDING);
    answer(rig, 0);
    answer(rig, 0);
    answer(rig, 2); /* 1 was lost */
    cr_expect_eq(store_key_count(rig->target.store), 1);
    rig->answered = rig->count;
    host_fetch_tick(&rig->host, clock_monotonic_ns());
    cr_expect_eq(rig->count, rig->answered, "it is not late yet");
    host_fetch_tick(&rig->host, clock_monotonic_ns() + 2000000000);
    cr_expect_gt(rig->count, rig->answered);
    answer_all(rig);
    expect_all(rig);
    rig_remove(rig);
}

/* The APPLY fails, and is asked for again. */
Test(host_fetch, value_that_is_another_one_ends_the_fetch)
{
    struct rig *rig = rig_make();
    cr_assert_eq(apply(rig), RESHARD_PENDING);
    answer(rig, 0);
    place_put(rig->source.store, "{t}large", "other");
    place_put(rig->source.store, "{t}larger", "other");
    answer(rig, 1);
    cr_expect_null(rig->host.fetches);
    cr_expect_eq(position(rig), 0);
    cr_expect_eq(store_key_count(rig->target.store), 1, "only what came whole");
    cr_expect_eq(apply(rig), RESHARD_PENDING);
    host_fetch_tick(&rig->host, clock_monotonic_ns() + 6000000000);
    cr_expect_null(rig->host.fetches, "nobody answered");
    struct reshard_completion completion = {.struct_size = sizeof completion};
    cr_assert_eq(host_remove(&rig->host, &rig->action, &completion), RESHARD_OK);
    cr_expect_eq(store_key_count(rig->target.store), 0);
    rig_remove(rig);
}

Test(host_fetch, bytes_that_nobody_sent_are_refused)
{
    struct rig *rig = rig_make();
    struct buffer bytes = {0};
    cr_assert_eq(apply(rig), RESHARD_PENDING);
    for (size_t size = 0; size < rig->requests[0].size; size++)
        cr_expect_not(host_fetch_answer(rig->source.store,
            (struct bytes){rig->requests[0].data, size}, &bytes));
    cr_assert(host_fetch_answer(rig->source.store,
        (struct bytes){rig->requests[0].data, rig->requests[0].size}, &bytes));
    for (size_t size = 0; size < bytes.size; size += size < 100 ? 1 : 9999)
        if (size != 8) /* that says: it is not there */
            host_fetch_take(&rig->host, (struct bytes){bytes.data, size});
    answer_all(rig);
    expect_all(rig);
    buffer_free(&bytes);
    rig_remove(rig);
}
