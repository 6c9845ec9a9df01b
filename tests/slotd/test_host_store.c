/* SPDX-License-Identifier: MIT */
/* Room host of slotd, copies of slots: how much one export reads while clients ask and while nobody
 * does, by keys and bytes, and that it hands out each key once. */
#include "host.h"
#include "place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_KEYS = 4000, LARGE_KEYS = 100, LARGE_SIZE = 10240, BURST_SIZE = 131072 };

struct rig {
    struct place place;
    struct host_sync sync;
    struct host_store host;
    struct reshard_store hooks;
};

/* What the exports of a copy were. */
struct copy {
    uint64_t keys;
    uint64_t keys_most; /* in one of them */
    uint64_t size_most;
    int exports;
};

static void rig_make(struct rig *rig, int keys, size_t size)
{
    char name[32];
    char *value = calloc(1, size + 1);
    *rig = (struct rig){.place = place_make()};
    rig->sync = (struct host_sync){.store = rig->place.store, .released = UINT64_MAX};
    rig->host = (struct host_store){.store = rig->place.store, .sync = &rig->sync};
    host_store_hooks(&rig->host, &rig->hooks);
    memset(value, 'v', size);
    for (int key = 0; key < keys; key++) {
        (void)snprintf(name, sizeof name, "key:%d", key);
        place_put(rig->place.store, name, value);
    }
    free(value);
}

static struct copy copy_all(struct rig *rig)
{
    static const struct reshard_range ranges[] = {{0, 99}, {100, STORE_SLOT_COUNT - 1}};
    static uint8_t chunk[HOST_CHUNK_SIZE];
    struct copy copy = {0};
    uint64_t cursor = 0;
    for (bool done = false; !done; copy.exports++) {
        struct reshard_completion completion = {.struct_size = sizeof completion};
        struct reshard_action action = {.struct_size = sizeof action, .migration = 1,
            .ranges = ranges, .range_count = 2, .cursor = cursor, .buffer = chunk,
            .capacity = sizeof chunk};
        cr_assert_eq(rig->hooks.export_data(&rig->host, &action, &completion), RESHARD_OK);
        copy.keys += completion.keys;
        copy.keys_most = completion.keys > copy.keys_most ? completion.keys : copy.keys_most;
        copy.size_most = completion.size > copy.size_most ? completion.size : copy.size_most;
        cursor = completion.cursor;
        done = completion.done != 0;
    }
    return copy;
}

static void rig_free(struct rig *rig)
{
    host_store_free(&rig->host);
    place_remove(&rig->place);
}

Test(host_store, small_keys_are_read_in_small_numbers_while_clients_ask)
{
    struct rig rig;
    rig_make(&rig, SMALL_KEYS, 100);
    struct copy idle = copy_all(&rig);
    rig.host.clients_ask = true;
    struct copy asked = copy_all(&rig);
    cr_expect_eq(idle.keys, SMALL_KEYS);
    cr_expect_eq(asked.keys, SMALL_KEYS);
    cr_expect_leq(asked.keys_most, BURST_SIZE / 1024);
    cr_expect_gt(idle.keys_most, 8 * asked.keys_most);
    rig_free(&rig);
}

Test(host_store, large_keys_are_read_in_small_sizes_while_clients_ask)
{
    struct rig rig;
    rig_make(&rig, LARGE_KEYS, LARGE_SIZE);
    struct copy idle = copy_all(&rig);
    rig.host.clients_ask = true;
    struct copy asked = copy_all(&rig);
    cr_expect_eq(idle.keys, LARGE_KEYS);
    cr_expect_eq(asked.keys, LARGE_KEYS);
    cr_expect_leq(asked.size_most, BURST_SIZE);
    cr_expect_gt(asked.exports, 2 * idle.exports);
    rig_free(&rig);
}

Test(host_store, export_says_that_it_worked)
{
    struct rig rig;
    rig_make(&rig, 1, 1);
    cr_expect_not(rig.host.worked);
    (void)copy_all(&rig);
    cr_expect(rig.host.worked);
    rig_free(&rig);
}
