/* SPDX-License-Identifier: MIT */
/* Room host of slotd, keys that move one by one: what is picked here can be applied there, and
 * bytes that no pick wrote are refused. */
#include "host.h"
#include "place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 4096, KEYS = 20 };

struct rig {
    struct place place;
    struct host_sync sync;
    struct host_store host;
};

static void rig_make(struct rig *rig)
{
    *rig = (struct rig){.place = place_make()};
    rig->sync = (struct host_sync){.store = rig->place.store, .released = UINT64_MAX};
    rig->host = (struct host_store){.store = rig->place.store, .sync = &rig->sync};
}

static void rig_fill(struct rig *rig)
{
    char name[32];
    for (int key = 0; key < KEYS; key++) {
        (void)snprintf(name, sizeof name, "{t}%d", key);
        place_put(rig->place.store, name, "value");
    }
}

static struct reshard_range slot_of_t(void)
{
    uint32_t slot = place_key("{t}").slot;
    return (struct reshard_range){slot, slot};
}

/* All keys of the slot, picked in buffers of `capacity`; how many picks that took. */
static int pick_all(struct rig *rig, size_t capacity, struct buffer *items)
{
    struct reshard_range range = slot_of_t();
    uint8_t *buffer = malloc(capacity);
    uint64_t cursor = 0;
    int picks = 0;
    for (bool done = false; !done; picks++) {
        struct reshard_completion completion = {.struct_size = sizeof completion};
        struct reshard_action action = {.struct_size = sizeof action, .ranges = &range,
            .range_count = 1, .cursor = cursor, .buffer = buffer, .capacity = capacity};
        cr_assert_eq(host_pick(&rig->host, &action, &completion), RESHARD_OK);
        cr_assert_leq(completion.size, capacity);
        buffer_append(items, buffer, completion.size);
        cursor = completion.cursor;
        done = completion.done != 0;
    }
    free(buffer);
    return picks;
}

Test(host_keys, picked_keys_are_applied_elsewhere)
{
    struct rig source, target;
    struct buffer items = {0};
    rig_make(&source);
    rig_make(&target);
    rig_fill(&source);
    cr_expect_gt(pick_all(&source, 200, &items), 3);
    cr_assert_eq(
        host_items_apply(&target.host, (struct bytes){items.data, items.size}), RESHARD_OK);
    cr_expect_eq(store_key_count(target.place.store), KEYS);
    cr_expect(place_has(target.place.store, "{t}7", "value"));
    struct reshard_completion completion = {.struct_size = sizeof completion};
    struct reshard_action action = {.struct_size = sizeof action, .payload = items.data,
        .payload_size = items.size};
    cr_assert_eq(host_remove(&source.host, &action, &completion), RESHARD_OK);
    cr_expect_eq(store_key_count(source.place.store), 0);
    buffer_free(&items);
    place_remove(&source.place);
    place_remove(&target.place);
}

Test(host_keys, key_that_does_not_fit_says_its_size)
{
    struct rig rig;
    uint8_t buffer[8];
    struct reshard_range range = slot_of_t();
    rig_make(&rig);
    rig_fill(&rig);
    struct reshard_completion completion = {.struct_size = sizeof completion};
    struct reshard_action action = {.struct_size = sizeof action, .ranges = &range,
        .range_count = 1, .buffer = buffer, .capacity = sizeof buffer};
    cr_expect_eq(host_pick(&rig.host, &action, &completion), RESHARD_E_SPACE);
    cr_expect_gt(completion.size, sizeof buffer);
    cr_expect_eq(completion.keys, 0);
    place_remove(&rig.place);
}

Test(host_keys, cut_or_changed_items_are_refused_or_sound)
{
    struct rig source, target;
    struct buffer items = {0};
    rig_make(&source);
    rig_make(&target);
    rig_fill(&source);
    (void)pick_all(&source, CAPACITY, &items);
    int refused = 0;
    for (size_t at = 0; at < items.size; at++) {
        uint8_t *copy = malloc(items.size);
        cr_assert_not_null(copy);
        memcpy(copy, items.data, items.size);
        copy[at] ^= (uint8_t)(1 + at % 255);
        (void)host_items_apply(&target.host, (struct bytes){copy, items.size});
        uint8_t *cut = realloc(copy, at + 1);
        cr_assert_not_null(cut);
        memcpy(cut, items.data, at);
        refused += host_items_apply(&target.host, (struct bytes){cut, at}) != RESHARD_OK;
        free(cut);
    }
    /* Only a cut between two keys is none. */
    cr_expect_eq(refused, (int)items.size - KEYS);
    cr_expect_eq(
        host_items_apply(&target.host, (struct bytes){items.data, items.size}), RESHARD_OK);
    cr_expect(place_has(target.place.store, "{t}3", "value"));
    buffer_free(&items);
    place_remove(&source.place);
    place_remove(&target.place);
}
