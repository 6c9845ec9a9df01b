/* SPDX-License-Identifier: MIT */
/* The store's hooks as the driver calls them. */
#include "memory_store.h"

#include "base/base.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>

enum { SLOT_COUNT = 16, CHUNK = 512 };

static const struct reshard_range ALL = {0, SLOT_COUNT - 1};

static uint32_t slot_of(const uint8_t *key, size_t key_size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < key_size; i++)
        sum = sum * 31 + key[i];
    return sum % SLOT_COUNT;
}

static void put(struct memory_store *store, uint64_t number, uint64_t value)
{
    struct memory_record record = {MEMORY_RECORD_PUT, 0, (const uint8_t *)&number, sizeof number,
        (const uint8_t *)&value, sizeof value};
    cr_assert_eq(memory_store_write(store, &record), RESHARD_OK);
}

static void drop(struct memory_store *store, uint64_t number)
{
    struct memory_record record = {
        MEMORY_RECORD_DELETE, 0, (const uint8_t *)&number, sizeof number, NULL, 0};
    cr_assert_eq(memory_store_write(store, &record), RESHARD_OK);
}

static uint64_t get(const struct memory_store *store, uint64_t number)
{
    struct memory_record record;
    uint64_t value = 0;
    if (!memory_store_read(store, (const uint8_t *)&number, sizeof number, 0, &record))
        memcpy(&value, record.value, sizeof value);
    return value;
}

struct fixture {
    struct memory_store *source;
    struct memory_store *target;
    struct reshard_store give;
    struct reshard_store take;
    struct reshard_action action;
    struct reshard_completion completion;
    uint8_t buffer[CHUNK];
};

static struct fixture setup(uint32_t mode)
{
    struct fixture it;
    memset(&it, 0, sizeof it);
    it.source = memory_store_create(SLOT_COUNT, slot_of);
    it.target = memory_store_create(SLOT_COUNT, slot_of);
    memory_store_hooks(it.source, &it.give);
    memory_store_hooks(it.target, &it.take);
    it.action.migration = 5;
    it.action.mode = mode;
    it.action.copy_term = 1;
    it.action.copy_n = 2;
    it.action.ranges = &ALL;
    it.action.range_count = 1;
    return it;
}

static void teardown(struct fixture *it)
{
    memory_store_destroy(it->source);
    memory_store_destroy(it->target);
}

static int32_t call(struct fixture *it, const struct reshard_store *store, reshard_hook hook)
{
    memset(&it->completion, 0, sizeof it->completion);
    it->action.side = store == &it->give ? RESHARD_SIDE_SOURCE : RESHARD_SIDE_TARGET;
    it->action.buffer = it->buffer;
    it->action.capacity = sizeof it->buffer;
    return hook(store->user_data, &it->action, &it->completion);
}

static int32_t apply(struct fixture *it, const uint8_t *payload, size_t size)
{
    it->action.payload = payload;
    it->action.payload_size = size;
    it->action.sequence++;
    return call(it, &it->take, it->take.apply);
}

/* Export one chunk and apply it; 1 when it was the last. */
static int step(struct fixture *it)
{
    cr_assert_eq(call(it, &it->give, it->give.export_data), RESHARD_OK);
    struct reshard_completion exported = it->completion;
    cr_assert_leq(exported.size, CHUNK);
    cr_assert_eq(apply(it, it->buffer, (size_t)exported.size), RESHARD_OK);
    it->action.cursor = exported.cursor;
    return (int)exported.done;
}

static struct reshard_digest digest(struct fixture *it, const struct reshard_store *store)
{
    cr_assert_eq(call(it, store, store->digest), RESHARD_OK);
    return it->completion.digest;
}

Test(memory_store, a_copy_under_writes_ends_equal)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    uint64_t seed = 5;
    for (uint64_t i = 1; i <= 2000; i++)
        put(it.source, i, i);
    uint8_t captured[60000];
    size_t captured_size = 0;
    while (!step(&it)) {
        uint64_t number = 1 + reshard__random_next(&seed) % 3000, value = number + 1;
        struct memory_record record = {MEMORY_RECORD_PUT, 0, (const uint8_t *)&number,
            sizeof number, (const uint8_t *)&value, sizeof value};
        if (number % 3 == 0)
            record = (struct memory_record){
                MEMORY_RECORD_DELETE, 0, (const uint8_t *)&number, sizeof number, NULL, 0};
        cr_assert_eq(memory_store_write(it.source, &record), RESHARD_OK);
        memory_record_write(&record, captured + captured_size);
        captured_size += memory_record_size(&record);
    }
    cr_assert_eq(apply(&it, captured, captured_size), RESHARD_OK);
    struct reshard_digest here = digest(&it, &it.give), there = digest(&it, &it.take);
    cr_assert_eq(here.low, there.low);
    cr_assert_eq(here.high, there.high);
    teardown(&it);
}

Test(memory_store, staging_is_invisible_until_it_is_activated)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    for (uint64_t i = 1; i <= 300; i++)
        put(it.source, i, i);
    while (!step(&it))
        ;
    cr_assert_eq(get(it.target, 7), 0);
    cr_assert_eq(memory_store_staged_keys(it.target), 300);
    cr_assert_eq(call(&it, &it.take, it.take.sync), RESHARD_OK);
    cr_assert_eq(it.completion.sequence, it.action.sequence);
    cr_assert_eq(it.completion.copy_n, 2);
    for (size_t twice = 0; twice < 2; twice++) {
        cr_assert_eq(call(&it, &it.take, it.take.activate), RESHARD_OK);
        cr_assert_eq(memory_store_staged_keys(it.target), 0);
        for (uint64_t i = 1; i <= 300; i++)
            cr_assert_eq(get(it.target, i), i);
    }
    teardown(&it);
}

Test(memory_store, discard_drops_the_staging_and_nothing_else)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    put(it.source, 1, 10);
    put(it.target, 2, 20);
    while (!step(&it))
        ;
    for (size_t twice = 0; twice < 2; twice++)
        cr_assert_eq(call(&it, &it.take, it.take.discard), RESHARD_OK);
    cr_assert_eq(memory_store_staged_keys(it.target), 0);
    cr_assert_eq(get(it.target, 2), 20);
    cr_assert_eq(call(&it, &it.take, it.take.sync), RESHARD_OK);
    cr_assert_eq(it.completion.copy_n, 0);
    teardown(&it);
}

Test(memory_store, a_chunk_that_was_applied_is_not_applied_again)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    put(it.source, 1, 10);
    cr_assert(step(&it));
    uint8_t old[CHUNK];
    memcpy(old, it.buffer, sizeof old);
    size_t old_size = it.action.payload_size;
    put(it.source, 1, 11);
    it.action.cursor = 0;
    cr_assert(step(&it));
    it.action.sequence = 0;
    cr_assert_eq(apply(&it, old, old_size), RESHARD_OK);
    cr_assert_eq(digest(&it, &it.take).low, digest(&it, &it.give).low);
    it.action.copy_n = 3; /* another copy starts with nothing */
    it.action.sequence = 0;
    cr_assert_eq(apply(&it, old, old_size), RESHARD_OK);
    cr_assert_neq(digest(&it, &it.take).low, digest(&it, &it.give).low);
    teardown(&it);
}

Test(memory_store, apply_refuses_bytes_and_slots_that_are_not_its_own)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    put(it.source, 1, 10);
    cr_assert_eq(call(&it, &it.give, it.give.export_data), RESHARD_OK);
    size_t size = (size_t)it.completion.size;
    cr_assert_eq(apply(&it, it.buffer, size - 1), RESHARD_E_TRUNCATED);
    uint64_t number = 1;
    uint32_t slot = slot_of((const uint8_t *)&number, sizeof number);
    struct reshard_range other = {(slot + 1) % SLOT_COUNT, (slot + 1) % SLOT_COUNT};
    it.action.ranges = &other;
    cr_assert_eq(apply(&it, it.buffer, size), RESHARD_E_SLOT);
    teardown(&it);
}

Test(memory_store, export_gives_the_slots_asked_for_only)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    const struct reshard_range some[] = {{2, 3}, {9, 9}};
    uint64_t expected = 0, found = 0;
    for (uint64_t i = 1; i <= 500; i++)
        put(it.source, i, i);
    expected = memory_store_slot_keys(it.source, 2) + memory_store_slot_keys(it.source, 3) +
               memory_store_slot_keys(it.source, 9);
    it.action.ranges = some;
    it.action.range_count = 2;
    do {
        cr_assert_eq(call(&it, &it.give, it.give.export_data), RESHARD_OK);
        found += it.completion.keys;
        it.action.cursor = it.completion.cursor;
    } while (!it.completion.done);
    cr_assert_eq(found, expected);
    cr_assert_gt(found, 0);
    teardown(&it);
}

Test(memory_store, a_key_larger_than_a_chunk_says_what_it_needs)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    static const uint8_t value[CHUNK];
    struct memory_record record = {
        MEMORY_RECORD_PUT, 0, (const uint8_t *)"k", 1, value, sizeof value};
    cr_assert_eq(memory_store_write(it.source, &record), RESHARD_OK);
    cr_assert_eq(call(&it, &it.give, it.give.export_data), RESHARD_E_SPACE);
    cr_assert_eq(it.completion.size, memory_record_size(&record));
    teardown(&it);
}

Test(memory_store, purge_empties_the_slots_and_only_them)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    const struct reshard_range some = {0, 7};
    for (uint64_t i = 1; i <= 500; i++)
        put(it.source, i, i);
    it.action.ranges = &some;
    cr_assert_eq(call(&it, &it.give, it.give.purge), RESHARD_OK);
    cr_assert_eq(it.completion.done, 1);
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        cr_assert_eq(memory_store_slot_keys(it.source, slot) == 0, slot <= 7);
    teardown(&it);
}

Test(memory_store, purge_of_many_slots_asks_to_be_called_again)
{
    enum { MANY = 3000 };
    struct memory_store *store = memory_store_create(SLOT_COUNT, slot_of);
    memory_store_destroy(store);
    struct reshard_store hooks;
    struct reshard_action action = {0};
    struct reshard_range all = {0, MANY - 1};
    /* one key a slot */
    extern uint32_t test_slot_of_number(const uint8_t *key, size_t key_size);
    store = memory_store_create(MANY, test_slot_of_number);
    memory_store_hooks(store, &hooks);
    for (uint64_t i = 0; i < MANY; i++)
        put(store, i, i);
    action.ranges = &all;
    action.range_count = 1;
    uint64_t calls = 0, keys = 0;
    struct reshard_completion completion;
    do {
        memset(&completion, 0, sizeof completion);
        cr_assert_eq(hooks.purge(hooks.user_data, &action, &completion), RESHARD_OK);
        action.cursor = completion.cursor;
        keys += completion.keys;
        calls++;
    } while (!completion.done);
    cr_assert_eq(keys, MANY);
    cr_assert_eq(calls, 3);
    memory_store_destroy(store);
}

uint32_t test_slot_of_number(const uint8_t *key, size_t key_size);
uint32_t test_slot_of_number(const uint8_t *key, size_t key_size)
{
    uint64_t number;
    cr_assert_eq(key_size, sizeof number);
    memcpy(&number, key, sizeof number);
    return (uint32_t)number;
}

Test(memory_store, keys_move_one_pick_at_a_time)
{
    struct fixture it = setup(RESHARD_MODE_KEYWISE);
    memory_store_limit_picks(it.source, 3);
    for (uint64_t i = 1; i <= 100; i++)
        put(it.source, i, i);
    uint64_t moved = 0, cancelled = 0;
    for (;;) {
        it.action.payload_size = 0;
        cr_assert_eq(call(&it, &it.give, it.give.pick), RESHARD_OK);
        struct reshard_completion picked = it.completion;
        cr_assert_leq(picked.keys, 3);
        bool whole = it.action.cursor == 0;
        it.action.cursor = picked.done ? 0 : picked.cursor;
        if (whole && picked.done && picked.keys == 0)
            break;
        if (picked.keys && ++cancelled % 4 == 0)
            continue; /* a transfer that did not come about: another round finds the keys */
        cr_assert_eq(apply(&it, it.buffer, (size_t)picked.size), RESHARD_OK);
        cr_assert_eq(call(&it, &it.give, it.give.remove), RESHARD_OK);
        moved += picked.keys;
    }
    cr_assert_eq(moved, 100);
    for (uint64_t i = 1; i <= 100; i++) {
        cr_assert_eq(get(it.source, i), 0);
        cr_assert_eq(get(it.target, i), i);
    }
    teardown(&it);
}

Test(memory_store, an_expired_key_is_not_read_and_still_travels)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    struct memory_record record = {
        MEMORY_RECORD_PUT, 50, (const uint8_t *)"k", 1, (const uint8_t *)"v", 1};
    struct memory_record read;
    cr_assert_eq(memory_store_write(it.source, &record), RESHARD_OK);
    cr_assert_eq(memory_store_read(it.source, record.key, 1, 49, &read), RESHARD_OK);
    cr_assert_eq(memory_store_read(it.source, record.key, 1, 50, &read), RESHARD_E_EMPTY);
    cr_assert(step(&it));
    cr_assert_eq(call(&it, &it.take, it.take.activate), RESHARD_OK);
    cr_assert_eq(memory_store_read(it.target, record.key, 1, 49, &read), RESHARD_OK);
    cr_assert_eq(read.expiry_ns, 50);
    teardown(&it);
}

static void woken(void *user_data, const struct reshard_range *ranges, size_t range_count)
{
    *(size_t *)user_data += range_count * (ranges[0].last - ranges[0].first + 1);
}

Test(memory_store, wake_reaches_the_host)
{
    struct fixture it = setup(RESHARD_MODE_SNAPSHOT);
    size_t slots = 0;
    cr_assert_eq(call(&it, &it.give, it.give.wake), RESHARD_OK);
    memory_store_on_wake(it.source, woken, &slots);
    cr_assert_eq(call(&it, &it.give, it.give.wake), RESHARD_OK);
    cr_assert_eq(slots, SLOT_COUNT);
    put(it.source, 1, 1);
    drop(it.source, 1);
    drop(it.source, 2);
    cr_assert_eq(get(it.source, 1), 0);
    teardown(&it);
}
