/* SPDX-License-Identifier: MIT */
/* Room host of slotd, copies of slots: how much one export reads while clients ask and while nobody
 * does, by keys and bytes, and that it hands out each key once; how far a copy that comes in is
 * said to be safe. */
#include "host.h"
#include "place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_KEYS = 4000, LARGE_KEYS = 100, LARGE_SIZE = 10240, BURST_KEYS = 256,
    BURST_SIZE = 131072, STEP_NS = 500000 };

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

static void turn_next(struct rig *rig, uint64_t later_ns)
{
    rig->host.exported = false;
    rig->host.turn_ns += later_ns;
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
        turn_next(rig, STEP_NS);
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
    cr_expect_leq(asked.keys_most, BURST_KEYS);
    cr_expect_gt(idle.keys_most, 4 * asked.keys_most);
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
    cr_expect_gt(asked.exports, idle.exports);
    rig_free(&rig);
}

Test(host_store, second_export_of_a_turn_waits_for_the_next_while_clients_ask)
{
    static const struct reshard_range ranges[] = {{0, STORE_SLOT_COUNT - 1}};
    static uint8_t chunks[2][HOST_CHUNK_SIZE];
    struct rig rig;
    struct reshard_action actions[2];
    struct reshard_completion completion = {.struct_size = sizeof completion};
    rig_make(&rig, SMALL_KEYS, 100);
    rig.host.clients_ask = true;
    turn_next(&rig, STEP_NS);
    for (int index = 0; index < 2; index++)
        actions[index] = (struct reshard_action){.struct_size = sizeof actions[index],
            .migration = 1 + (reshard_migration_id)index, .ranges = ranges, .range_count = 1,
            .buffer = chunks[index], .capacity = sizeof chunks[index]};
    cr_expect_eq(rig.hooks.export_data(&rig.host, &actions[0], &completion), RESHARD_OK);
    cr_expect_eq(rig.hooks.export_data(&rig.host, &actions[1], &completion), RESHARD_PENDING);
    cr_expect_not(host_export_go_on(&rig.host), "the turn has had its export");
    turn_next(&rig, STEP_NS / 2);
    cr_expect_not(host_export_go_on(&rig.host), "turns follow each other too fast");
    cr_expect_eq(chunks[1][0], 0);
    turn_next(&rig, STEP_NS / 2);
    cr_expect(host_export_go_on(&rig.host));
    cr_expect_neq(chunks[1][0], 0, "read now");
    cr_expect(rig.host.exported);
    turn_next(&rig, STEP_NS);
    cr_expect_not(host_export_go_on(&rig.host), "none waits");
    rig_free(&rig);
}

/* The first export of a copy, in this turn. */
static int32_t export_first(struct rig *rig, struct reshard_completion *completion)
{
    static const struct reshard_range ranges[] = {{0, STORE_SLOT_COUNT - 1}};
    static uint8_t chunk[HOST_CHUNK_SIZE];
    struct reshard_action action = {.struct_size = sizeof action, .migration = 1,
        .ranges = ranges, .range_count = 1, .buffer = chunk, .capacity = sizeof chunk};
    return rig->hooks.export_data(&rig->host, &action, completion);
}

/* Keys of one that is made so long after another. */
static uint64_t keys_after(struct rig *rig, uint64_t rest_ns)
{
    struct reshard_completion completion = {.struct_size = sizeof completion};
    turn_next(rig, rest_ns);
    cr_assert_eq(export_first(rig, &completion), RESHARD_OK);
    return completion.keys;
}

Test(host_store, export_reads_more_after_a_rest_and_no_more_than_four_steps)
{
    struct rig rig;
    rig_make(&rig, SMALL_KEYS, 100);
    rig.host.clients_ask = true;
    uint64_t step = keys_after(&rig, STEP_NS);
    cr_expect_geq(keys_after(&rig, 4 * STEP_NS), 4 * step - 4);
    cr_expect_leq(keys_after(&rig, 1000 * STEP_NS), 4 * step + 4);
    rig_free(&rig);
}

Test(host_store, exports_of_a_turn_do_not_wait_when_nobody_asks)
{
    struct rig rig;
    rig_make(&rig, 1, 1);
    for (int count = 0; count < 2; count++) {
        struct reshard_completion completion = {.struct_size = sizeof completion};
        cr_expect_eq(export_first(&rig, &completion), RESHARD_OK);
        cr_expect_eq(completion.keys, 1);
        cr_expect(rig.host.exported);
    }
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

Test(host_store, wake_at_a_target_says_that_its_slots_are_served)
{
    struct rig rig;
    struct reshard_completion completion = {.struct_size = sizeof completion};
    struct reshard_action action = {.struct_size = sizeof action, .migration = 7,
        .side = RESHARD_SIDE_SOURCE};
    rig_make(&rig, 0, 0);
    cr_expect_eq(rig.hooks.wake(&rig.host, &action, &completion), RESHARD_OK);
    cr_expect(rig.host.wake_wanted);
    cr_expect_eq(rig.host.served, 0);
    action.side = RESHARD_SIDE_TARGET;
    cr_expect_eq(rig.hooks.wake(&rig.host, &action, &completion), RESHARD_OK);
    cr_expect_eq(rig.host.served, 7);
    rig_free(&rig);
}

static struct reshard_action action_of(reshard_migration_id migration, uint64_t sequence)
{
    static const struct reshard_range range = {1, 1};
    return (struct reshard_action){.struct_size = sizeof(struct reshard_action),
        .migration = migration, .mode = RESHARD_MODE_SNAPSHOT, .ranges = &range, .range_count = 1,
        .copy_term = 1, .copy_n = 2, .sequence = sequence};
}

static void chunk_apply(struct rig *rig, reshard_migration_id migration, uint64_t sequence)
{
    struct reshard_completion completion = {.struct_size = sizeof completion};
    struct reshard_action action = action_of(migration, sequence);
    struct buffer records = {0};
    store_record_clear(1, &records);
    action.payload = records.data;
    action.payload_size = records.size;
    cr_assert_eq(rig->hooks.apply(&rig->host, &action, &completion), RESHARD_OK);
    cr_expect_eq(completion.sequence, 0); /* not safe yet */
    buffer_free(&records);
}

static void sync_run(struct rig *rig)
{
    struct store_log_sync *sync = store_log_sync_begin(rig->place.store);
    host_sync_begun(&rig->sync);
    store_log_sync_work(sync);
    store_log_sync_end(sync);
    host_sync_ended(&rig->sync);
}

/* What SYNC says at once; UINT64_MAX: it waits. */
static uint64_t safe_now(struct rig *rig, reshard_migration_id migration)
{
    struct reshard_completion completion = {.struct_size = sizeof completion};
    struct reshard_action action = action_of(migration, 0);
    int32_t status = rig->hooks.sync(&rig->host, &action, &completion);
    host_sync_forget(&rig->sync, NULL);
    return status == RESHARD_OK ? completion.sequence : UINT64_MAX;
}

Test(host_store, copy_that_goes_on_does_not_wait_to_hear_how_much_of_it_is_safe)
{
    struct rig rig;
    rig_make(&rig, 0, 0);
    rig.sync.durability = DURABILITY_BATCH;
    chunk_apply(&rig, 1, 1);
    cr_expect_eq(safe_now(&rig, 1), 0);
    sync_run(&rig);
    chunk_apply(&rig, 1, 2);
    cr_expect_eq(safe_now(&rig, 1), 1);
    cr_expect_eq(safe_now(&rig, 1), 1, "nothing new");
    sync_run(&rig);
    cr_expect_eq(safe_now(&rig, 1), 2);
    rig_free(&rig);
}

Test(host_store, copies_side_by_side_are_told_apart)
{
    struct rig rig;
    rig_make(&rig, 0, 0);
    rig.sync.durability = DURABILITY_BATCH;
    for (reshard_migration_id migration = 1; migration <= HOST_STAGED_COUNT; migration++)
        chunk_apply(&rig, migration, 1);
    sync_run(&rig);
    chunk_apply(&rig, 1, 2);
    cr_expect_eq(safe_now(&rig, HOST_STAGED_COUNT), 1);
    sync_run(&rig);
    cr_expect_eq(safe_now(&rig, 1), 2);
    rig_free(&rig);
}

Test(host_store, copy_that_many_came_behind_waits_for_a_sync)
{
    struct rig rig;
    rig_make(&rig, 0, 0);
    rig.sync.durability = DURABILITY_BATCH;
    chunk_apply(&rig, 2, 1);
    chunk_apply(&rig, 2 + HOST_STAGED_COUNT, 1);
    store_commit(rig.place.store);
    cr_expect_eq(safe_now(&rig, 2), UINT64_MAX);
    cr_expect_eq(safe_now(&rig, 2 + HOST_STAGED_COUNT), 0);
    rig.sync.released = 0; /* and with replicas any copy does */
    rig.sync.logged = 1;
    cr_expect_eq(safe_now(&rig, 2 + HOST_STAGED_COUNT), UINT64_MAX);
    rig_free(&rig);
}
