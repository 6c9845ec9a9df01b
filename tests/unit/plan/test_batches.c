/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>
#include <string.h>

static struct reshard_plan *rebalance(const struct reshard_map *map, const uint64_t *slot_bytes)
{
    struct reshard_rebalance_request request;
    struct reshard_plan *plan = NULL;
    reshard_rebalance_request_init(&request);
    request.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
    request.slot_bytes = slot_bytes;
    request.slot_bytes_count = slot_bytes ? reshard_map_slot_count(map) : 0;
    cr_assert_eq(reshard_plan_rebalance(map, &request, NULL, &plan), RESHARD_OK);
    return plan;
}

static struct reshard_move batch(const struct reshard_batches *batches, uint32_t index)
{
    struct reshard_move move;
    memset(&move, 0, sizeof move);
    move.struct_size = sizeof move;
    cr_assert_eq(reshard_batches_at(batches, index, &move), RESHARD_OK);
    return move;
}

static reshard_migration_id start(
    struct reshard_map *map, const struct reshard_batches *batches, uint32_t index)
{
    struct reshard_move move = batch(batches, index);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_OPEN;
    change.migration = reshard_map_last_migration(map) + 1;
    change.source = move.source;
    change.target = move.target;
    change.mode = RESHARD_MODE_SNAPSHOT;
    change.ranges = move.ranges;
    change.range_count = move.range_count;
    fixture_apply(map, &change);
    return change.migration;
}

static struct reshard_batches *cut(
    const struct reshard_plan *plan, const struct reshard_batch_limits *limits)
{
    struct reshard_batches *batches = NULL;
    cr_assert_eq(reshard_batches_create(plan, limits, NULL, &batches), RESHARD_OK);
    return batches;
}

/* Carry out a batch on owners; it says what it is, and keeps the limits. */
static void check_batch(const struct reshard_move *move, const struct reshard_batch_limits *limits,
    const uint64_t *bytes, reshard_shard_id *owners)
{
    uint32_t slots = 0;
    uint64_t weight = 0;
    for (uint32_t r = 0; r < move->range_count; r++)
        for (uint32_t s = move->ranges[r].first; s <= move->ranges[r].last; s++) {
            cr_assert_eq(owners[s], move->source);
            owners[s] = move->target;
            slots++;
            weight += bytes[s];
        }
    cr_assert(slots > 0 && slots == move->slot_count && weight == move->bytes);
    cr_assert(!limits->slots_max || slots <= limits->slots_max);
    cr_assert(!limits->bytes_max || weight <= limits->bytes_max || slots == 1);
}

Test(batches, cut_keeps_limits_and_covers_the_plan)
{
    enum { SLOTS = 600 };
    for (uint64_t number = 1; number <= 300; number++) {
        uint64_t seed = number, bytes[SLOTS], sum = 0;
        struct reshard_batch_limits limits;
        reshard_shard_id direct[SLOTS], batched[SLOTS];
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            bytes[slot] = fixture_random(&seed, 100);
            direct[slot] = 1 + fixture_random(&seed, 1 + fixture_random(&seed, 5));
        }
        struct reshard_map *map = fixture_map(SLOTS, 8, direct, NULL);
        struct reshard_plan *plan = rebalance(map, bytes);
        reshard_batch_limits_init(&limits);
        limits.slots_max = fixture_random(&seed, 2) ? 1 + fixture_random(&seed, 40) : 0;
        limits.bytes_max = fixture_random(&seed, 2) ? 50 + fixture_random(&seed, 500) : 0;
        struct reshard_batches *batches = cut(plan, &limits);
        memcpy(batched, direct, sizeof direct);
        fixture_run(plan, direct);
        for (uint32_t i = 0; i < reshard_batches_count(batches); i++) {
            struct reshard_move move = batch(batches, i);
            check_batch(&move, &limits, bytes, batched);
            sum += move.bytes;
        }
        cr_assert_eq(memcmp(direct, batched, sizeof direct), 0, "seed %d", (int)number);
        cr_assert_eq(sum, fixture_totals(plan).bytes_moved);
        if (!limits.slots_max && !limits.bytes_max)
            cr_assert_eq(reshard_batches_count(batches), reshard_plan_move_count(plan));
        reshard_batches_destroy(batches);
        reshard_plan_destroy(plan);
        reshard_map_destroy(map);
    }
}

/* In-flight counts of a map, held against the limits after each start. */
static void check_in_flight(
    const struct reshard_map *map, const struct reshard_batch_limits *limits)
{
    uint32_t in[64] = {0}, out[64] = {0};
    uint32_t count = reshard_map_migration_count(map);
    cr_assert_leq(count, limits->in_flight_max);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_migration migration;
        memset(&migration, 0, sizeof migration);
        migration.struct_size = sizeof migration;
        cr_assert_eq(reshard_map_migration_at(map, i, &migration), RESHARD_OK);
        cr_assert_leq(++in[migration.target], limits->in_flight_in_max);
        cr_assert_leq(++out[migration.source], limits->in_flight_out_max);
    }
}

/* A coordinator without a memory: it asks, starts, and finishes one at random when told to wait.
 * The batches object is made anew all the time, as after a restart. */
Test(batches, next_runs_a_plan_to_its_end_from_the_map_alone)
{
    for (uint64_t number = 1; number <= 40; number++) {
        uint64_t seed = number;
        struct reshard_map *map = fixture_even(1024, 12, 8);
        struct reshard_plan *plan = rebalance(map, NULL);
        struct reshard_batch_limits limits;
        reshard_migration_id open[8];
        uint32_t open_count = 0, index = 0, started = 0;
        int32_t status;
        reshard_batch_limits_init(&limits);
        limits.slots_max = 16;
        limits.in_flight_max = 1 + fixture_random(&seed, 6);
        limits.in_flight_in_max = 1 + fixture_random(&seed, 3);
        limits.in_flight_out_max = 1 + fixture_random(&seed, 3);
        struct reshard_batches *batches = cut(plan, &limits);
        uint32_t total = reshard_batches_count(batches);
        while ((status = reshard_batches_next(batches, map, NULL, 0, &index)) != RESHARD_E_EMPTY) {
            if (status == RESHARD_OK) {
                open[open_count++] = start(map, batches, index);
                started++;
                check_in_flight(map, &limits);
            } else {
                cr_assert_eq(status, RESHARD_E_BUSY);
                cr_assert_gt(open_count, 0);
                uint32_t pick = fixture_random(&seed, open_count);
                fixture_commit(map, open[pick]);
                fixture_end(map, open[pick]);
                open[pick] = open[--open_count];
            }
            reshard_batches_destroy(batches);
            batches = cut(plan, &limits);
        }
        cr_assert_eq(started, total);
        reshard_shard_id owners[1024];
        fixture_owners(map, owners);
        for (uint32_t shard = 1; shard <= 12; shard++)
            cr_assert(fixture_count(owners, 1024, shard) >= 85 &&
                fixture_count(owners, 1024, shard) <= 86);
        reshard_batches_destroy(batches);
        reshard_plan_destroy(plan);
        reshard_map_destroy(map);
    }
}

Test(batches, next_starts_with_the_bottleneck)
{
    /* Shard 2 gives 30, shard 1 gives 8; both to shards 3 and 4. */
    reshard_shard_id owners[76];
    for (uint32_t slot = 0; slot < 76; slot++)
        owners[slot] = slot < 27 ? 1 : 2;
    struct reshard_map *map = fixture_map(76, 4, owners, NULL);
    struct reshard_plan *plan = rebalance(map, NULL);
    struct reshard_batches *batches = cut(plan, NULL);
    uint32_t index = UINT32_MAX;
    cr_assert_eq(reshard_batches_next(batches, map, NULL, 0, &index), RESHARD_OK);
    cr_assert_eq(batch(batches, index).source, 2);
    uint8_t skip[8] = {0};
    skip[index] = 1;
    uint32_t second = UINT32_MAX;
    cr_assert_eq(reshard_batches_next(
        batches, map, skip, reshard_batches_count(batches), &second), RESHARD_OK);
    cr_assert_neq(second, index);
    memset(skip, 1, sizeof skip);
    cr_assert_eq(reshard_batches_next(
        batches, map, skip, reshard_batches_count(batches), &second), RESHARD_E_BUSY);
    reshard_batches_destroy(batches);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}

Test(batches, overtaken_plan_is_said_to_be)
{
    struct reshard_map *map = fixture_even(20, 3, 1);
    struct reshard_drain_request request;
    struct reshard_plan *plan = NULL;
    const reshard_shard_id drained[] = {1}, targets[] = {2};
    uint32_t index = 77;
    reshard_drain_request_init(&request);
    request.shards = drained;
    request.shard_count = 1;
    request.targets = targets;
    request.target_count = 1;
    cr_assert_eq(reshard_plan_drain(map, &request, NULL, &plan), RESHARD_OK);
    struct reshard_batches *batches = cut(plan, NULL);
    reshard_migration_id other = fixture_open(map, 1, 3, 4, 5);
    cr_assert_eq(reshard_batches_next(batches, map, NULL, 0, &index), RESHARD_E_BUSY);
    fixture_commit(map, other);
    fixture_end(map, other);
    cr_assert_eq(reshard_batches_next(batches, map, NULL, 0, &index), RESHARD_E_PLAN);
    cr_assert_eq(index, 77);
    reshard_batches_destroy(batches);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}

Test(batches, bad_arguments_are_refused)
{
    struct reshard_map *map = fixture_even(20, 3, 2), *other = fixture_even(21, 3, 2);
    struct reshard_plan *plan = rebalance(map, NULL);
    struct reshard_batches *batches = NULL;
    struct reshard_batch_limits limits;
    uint32_t index;
    uint8_t skip[1] = {0};
    reshard_batch_limits_init(&limits);
    limits.flags = 1;
    cr_assert_eq(reshard_batches_create(plan, &limits, NULL, &batches), RESHARD_E_FLAGS);
    limits.flags = 0;
    limits.struct_size = 8;
    cr_assert_eq(reshard_batches_create(plan, &limits, NULL, &batches), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(reshard_batches_create(NULL, NULL, NULL, &batches), RESHARD_E_NULL);
    cr_assert_eq(reshard_batches_create(plan, NULL, NULL, NULL), RESHARD_E_NULL);
    cr_assert_null(batches);
    batches = cut(plan, NULL);
    cr_assert_eq(reshard_batches_next(batches, other, NULL, 0, &index), RESHARD_E_SLOT_COUNT);
    cr_assert_eq(reshard_batches_next(batches, map, NULL, 1, &index), RESHARD_E_NULL);
    cr_assert_eq(reshard_batches_next(batches, map, skip, 1, &index), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_batches_next(batches, map, NULL, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_batches_next(batches, NULL, NULL, 0, &index), RESHARD_E_NULL);
    cr_assert_eq(reshard_batches_next(NULL, map, NULL, 0, &index), RESHARD_E_NULL);
    struct reshard_move move;
    memset(&move, 0, sizeof move);
    cr_assert_eq(reshard_batches_at(batches, 0, &move), RESHARD_E_STRUCT_SIZE);
    move.struct_size = sizeof move;
    cr_assert_eq(reshard_batches_at(batches, 99, &move), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_batches_at(batches, 0, NULL), RESHARD_E_NULL);
    reshard_batches_destroy(batches);
    reshard_batches_destroy(NULL);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
    reshard_map_destroy(other);
}

Test(batches, failing_any_allocation_leaks_nothing)
{
    struct reshard_map *map = fixture_even(200, 6, 4);
    struct reshard_plan *plan = rebalance(map, NULL);
    struct reshard_batch_limits limits;
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_batches *batches = NULL;
    reshard_batch_limits_init(&limits);
    limits.slots_max = 3;
    cr_assert_eq(reshard_batches_create(plan, &limits, &allocator, &batches), RESHARD_OK);
    reshard_batches_destroy(batches);
    cr_assert(support_alloc_clean(&alloc));
    size_t calls = alloc.calls;
    for (size_t at = 1; at <= calls; at++) {
        allocator = support_alloc_init(&alloc);
        alloc.fail_at = at;
        batches = NULL;
        cr_assert_eq(
            reshard_batches_create(plan, &limits, &allocator, &batches), RESHARD_E_NOMEM);
        cr_assert_null(batches);
        cr_assert(support_alloc_clean(&alloc));
    }
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}

Test(batches, empty_plan_has_none)
{
    struct reshard_map *map = fixture_even(12, 3, 3);
    struct reshard_plan *plan = rebalance(map, NULL);
    struct reshard_batches *batches = NULL;
    struct reshard_move move = {.struct_size = sizeof move};
    uint32_t index = 7;
    cr_assert_eq(reshard_plan_move_count(plan), 0);
    cr_assert_eq(reshard_batches_create(plan, NULL, NULL, &batches), RESHARD_OK);
    cr_assert_eq(reshard_batches_count(batches), 0);
    cr_assert_eq(reshard_batches_count(NULL), 0);
    cr_assert_eq(reshard_batches_at(batches, 0, &move), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_batches_at(NULL, 0, &move), RESHARD_E_NULL);
    cr_assert_eq(reshard_batches_next(batches, map, NULL, 0, &index), RESHARD_E_EMPTY);
    cr_assert_eq(index, 7);
    reshard_batches_destroy(batches);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}
