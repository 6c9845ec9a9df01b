/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { KINDS = 4, SLOTS = 60 };

static const reshard_shard_id first_shard[] = {1};
static const double bad_weights[] = {1, NAN, 1, 1};
static const struct reshard_range crossing[] = {{0, 3}, {2, 5}};
static const struct reshard_range outside[] = {{50, 60}};
static uint64_t numbers[2 * SLOTS];

/* Four shards, three with slots. */
static struct reshard_map *some_map(void)
{
    for (uint32_t i = 0; i < 2 * SLOTS; i++)
        numbers[i] = 1 + (i * 7919) % 97;
    return fixture_even(SLOTS, 4, 3);
}

/* One plan of each kind. */
static int32_t make(const struct reshard_map *map, int kind,
    const struct reshard_allocator *allocator, struct reshard_plan **plan)
{
    struct reshard_reshard_request reshard;
    struct reshard_rebalance_request rebalance;
    struct reshard_drain_request drain;
    struct reshard_load_request load;
    switch (kind) {
    case 0:
        reshard_reshard_request_init(&reshard);
        reshard.target = 4;
        reshard.slot_count = 10;
        return reshard_plan_reshard(map, &reshard, allocator, plan);
    case 1:
        reshard_rebalance_request_init(&rebalance);
        rebalance.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
        rebalance.slot_bytes = numbers;
        rebalance.slot_bytes_count = SLOTS;
        return reshard_plan_rebalance(map, &rebalance, allocator, plan);
    case 2:
        reshard_drain_request_init(&drain);
        drain.shards = first_shard;
        drain.shard_count = 1;
        return reshard_plan_drain(map, &drain, allocator, plan);
    default:
        reshard_load_request_init(&load);
        load.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
        load.dimension_count = 2;
        load.loads = numbers;
        load.load_count = 2 * SLOTS;
        return reshard_plan_load(map, &load, allocator, plan);
    }
}

Test(plan, failing_any_allocation_changes_and_leaks_nothing)
{
    struct reshard_map *map = some_map();
    struct reshard_digest before, after;
    cr_assert_eq(reshard_map_digest(map, &before), RESHARD_OK);
    for (int kind = 0; kind < KINDS; kind++) {
        struct support_alloc alloc;
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        struct reshard_plan *plan = NULL;
        cr_assert_eq(make(map, kind, &allocator, &plan), RESHARD_OK);
        reshard_plan_destroy(plan);
        cr_assert(support_alloc_clean(&alloc));
        size_t calls = alloc.calls;
        cr_assert_gt(calls, 5);
        for (size_t at = 1; at <= calls; at++) {
            allocator = support_alloc_init(&alloc);
            alloc.fail_at = at;
            plan = (struct reshard_plan *)&alloc;
            cr_assert_eq(make(map, kind, &allocator, &plan), RESHARD_E_NOMEM, "%zu", at);
            cr_assert(plan == (struct reshard_plan *)&alloc);
            cr_assert(support_alloc_clean(&alloc), "kind %d, allocation %zu", kind, at);
        }
    }
    cr_assert_eq(reshard_map_digest(map, &after), RESHARD_OK);
    cr_assert(before.low == after.low && before.high == after.high);
    reshard_map_destroy(map);
}

Test(plan, equal_requests_give_equal_hashes_and_others_differ)
{
    struct reshard_map *map = some_map();
    struct reshard_digest hashes[KINDS], again;
    for (int kind = 0; kind < KINDS; kind++) {
        struct reshard_plan *a = NULL, *b = NULL;
        cr_assert_eq(make(map, kind, NULL, &a), RESHARD_OK);
        cr_assert_eq(make(map, kind, NULL, &b), RESHARD_OK);
        cr_assert_eq(reshard_plan_hash(a, &hashes[kind]), RESHARD_OK);
        cr_assert_eq(reshard_plan_hash(b, &again), RESHARD_OK);
        cr_assert(again.low == hashes[kind].low && again.high == hashes[kind].high);
        b->ranges[0].last++;
        cr_assert_eq(reshard_plan_hash(b, &again), RESHARD_OK);
        cr_assert_neq(again.low, hashes[kind].low);
        b->ranges[0].last--;
        b->moves[0].target++;
        cr_assert_eq(reshard_plan_hash(b, &again), RESHARD_OK);
        cr_assert_neq(again.low, hashes[kind].low);
        reshard_plan_destroy(a);
        reshard_plan_destroy(b);
        for (int other = 0; other < kind; other++)
            cr_assert_neq(hashes[kind].low, hashes[other].low);
    }
    reshard_map_destroy(map);
}

Test(plan, changed_map_is_refused)
{
    struct reshard_map *map = some_map(), *other = NULL;
    struct reshard_plan *plan = NULL;
    struct reshard_digest of_map, of_plan;
    cr_assert_eq(make(map, 1, NULL, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_check(plan, map), RESHARD_OK);
    cr_assert_eq(reshard_plan_map_version(plan), reshard_map_version(map));
    cr_assert_eq(reshard_map_digest(map, &of_map), RESHARD_OK);
    cr_assert_eq(reshard_plan_map_digest(plan, &of_plan), RESHARD_OK);
    cr_assert(of_map.low == of_plan.low && of_map.high == of_plan.high);
    /* The same version, another history. */
    other = fixture_even(SLOTS, 4, 2);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 1;
    change.weight = 2.0;
    fixture_apply(other, &change);
    cr_assert_eq(reshard_map_version(other), reshard_map_version(map));
    cr_assert_eq(reshard_plan_check(plan, other), RESHARD_E_PLAN);
    reshard_map_destroy(other);
    other = fixture_even(SLOTS + 1, 4, 3); /* the same version, other slots */
    cr_assert_eq(reshard_map_version(other), reshard_map_version(map));
    cr_assert_eq(reshard_plan_check(plan, other), RESHARD_E_PLAN);
    fixture_apply(map, &change);
    cr_assert_eq(reshard_plan_check(plan, map), RESHARD_E_PLAN);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
    reshard_map_destroy(other);
}

Test(plan, null_and_misplaced_arguments_are_refused)
{
    struct reshard_map *map = some_map();
    struct reshard_plan *plan = NULL;
    struct reshard_digest digest;
    struct reshard_move move;
    struct reshard_plan_totals totals;
    memset(&move, 0, sizeof move);
    memset(&totals, 0, sizeof totals);
    cr_assert_eq(make(map, 1, NULL, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_reshard(NULL, NULL, NULL, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_rebalance(map, NULL, NULL, &plan), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_drain(map, NULL, NULL, &plan), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_load(map, NULL, NULL, &plan), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_rebalance(NULL, NULL, NULL, &plan), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_drain(NULL, NULL, NULL, &plan), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_load(NULL, NULL, NULL, &plan), RESHARD_E_NULL);
    struct reshard_reshard_request request;
    reshard_reshard_request_init(&request);
    cr_assert_eq(reshard_plan_reshard(map, NULL, NULL, &plan), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_reshard(map, &request, NULL, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_move_at(NULL, 0, &move), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_totals(NULL, &totals), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_map_version(NULL), 0);
    cr_assert_eq(reshard_plan_map_digest(NULL, &digest), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_move_count(NULL), 0);
    cr_assert_eq(reshard_plan_check(plan, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_check(NULL, map), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_hash(plan, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_hash(NULL, &digest), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_map_digest(plan, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_move_at(plan, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_plan_move_at(plan, 0, &move), RESHARD_E_STRUCT_SIZE);
    move.struct_size = sizeof move;
    cr_assert_eq(
        reshard_plan_move_at(plan, reshard_plan_move_count(plan), &move), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_plan_totals(plan, &totals), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(reshard_plan_totals(plan, NULL), RESHARD_E_NULL);
    reshard_plan_destroy(plan);
    reshard_plan_destroy(NULL);
    reshard_map_destroy(map);
}

/* Every request starts from a good one; `expect` is what one spoilt field gives. */
#define REFUSED(call, request, field, value, expect) \
    do { \
        __typeof__(request) spoilt = request; \
        spoilt.field = value; \
        struct reshard_plan *out = (struct reshard_plan *)&spoilt; \
        cr_assert_eq(call(map, &spoilt, NULL, &out), expect, "%s = %s", #field, #value); \
        cr_assert(out == (struct reshard_plan *)&spoilt); \
    } while (0)

Test(plan, bad_reshard_requests_are_refused)
{
    struct reshard_map *map = some_map();
    struct reshard_reshard_request count, ranges;
    const reshard_shard_id twice[] = {1, 1}, unknown[] = {1, 9}, target[] = {4}, third[] = {3};
    const struct reshard_range good[] = {{0, 1}, {5, 9}};
    reshard_reshard_request_init(&count);
    count.target = 4;
    ranges = count;
    count.slot_count = 3;
    ranges.ranges = good;
    ranges.range_count = 2;
    REFUSED(reshard_plan_reshard, count, struct_size, 3, RESHARD_E_STRUCT_SIZE);
    REFUSED(reshard_plan_reshard, count, flags, 1, RESHARD_E_FLAGS);
    REFUSED(reshard_plan_reshard, count, reserved, 1, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_reshard, count, target, 9, RESHARD_E_SHARD);
    REFUSED(reshard_plan_reshard, count, target, 0, RESHARD_E_SHARD);
    REFUSED(reshard_plan_reshard, count, slot_count, 0, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_reshard, count, slot_count, SLOTS + 1, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_reshard, count, slot_count, UINT32_MAX, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_reshard, count, range_count, 1, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_reshard, count, source_count, 1, RESHARD_E_NULL);
    REFUSED(reshard_plan_reshard, count, slot_bytes, numbers, RESHARD_E_SLOT_COUNT);
    count.source_count = 2;
    count.sources = twice;
    REFUSED(reshard_plan_reshard, count, flags, 0, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_reshard, count, sources, unknown, RESHARD_E_SHARD);
    count.source_count = 1;
    REFUSED(reshard_plan_reshard, count, sources, target, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_reshard, count, slot_count, 21, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_reshard, ranges, ranges, NULL, RESHARD_E_NULL);
    REFUSED(reshard_plan_reshard, ranges, ranges, crossing, RESHARD_E_OVERLAP);
    ranges.range_count = 1;
    REFUSED(reshard_plan_reshard, ranges, ranges, outside, RESHARD_E_SLOT);
    ranges.source_count = 1;
    REFUSED(reshard_plan_reshard, ranges, sources, third, RESHARD_E_OWNER);
    ranges.source_count = 0;
    fixture_open(map, 1, 2, 1, 1);
    REFUSED(reshard_plan_reshard, ranges, flags, 0, RESHARD_E_OVERLAP);
    reshard_map_destroy(map);
}

Test(plan, bad_rebalance_and_drain_requests_are_refused)
{
    struct reshard_map *map = some_map();
    struct reshard_rebalance_request request;
    struct reshard_drain_request drain;
    const reshard_shard_id two[] = {1, 2}, all[] = {1, 2, 3, 4}, twice[] = {1, 1};
    uint64_t large[SLOTS] = {UINT64_MAX, 1};
    reshard_rebalance_request_init(&request);
    REFUSED(reshard_plan_rebalance, request, struct_size, 5000, RESHARD_E_STRUCT_SIZE);
    REFUSED(reshard_plan_rebalance, request, flags, 2, RESHARD_E_FLAGS);
    REFUSED(reshard_plan_rebalance, request, threshold_percent, 101, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_rebalance, request, weight_count, 4, RESHARD_E_NULL);
    REFUSED(reshard_plan_rebalance, request, weights, bad_weights, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_rebalance, request, reserved, 7, RESHARD_E_ARGUMENT);
    request.weight_count = 4;
    REFUSED(reshard_plan_rebalance, request, weights, bad_weights, RESHARD_E_WEIGHT);
    request.weight_count = 0;
    request.slot_bytes_count = SLOTS;
    REFUSED(reshard_plan_rebalance, request, slot_bytes, large, RESHARD_E_OVERFLOW);
    REFUSED(reshard_plan_rebalance, request, slot_bytes, NULL, RESHARD_E_NULL);
    reshard_drain_request_init(&drain);
    REFUSED(reshard_plan_drain, drain, flags, 0, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_drain, drain, struct_size, 1, RESHARD_E_STRUCT_SIZE);
    REFUSED(reshard_plan_drain, drain, shard_count, 1, RESHARD_E_NULL);
    drain.shards = all;
    drain.shard_count = 4;
    REFUSED(reshard_plan_drain, drain, flags, 0, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_drain, drain, flags, 1, RESHARD_E_FLAGS);
    drain.shard_count = 2;
    REFUSED(reshard_plan_drain, drain, shards, twice, RESHARD_E_ARGUMENT);
    drain.targets = two;
    REFUSED(reshard_plan_drain, drain, target_count, 2, RESHARD_E_ARGUMENT);
    reshard_map_destroy(map);
}

Test(plan, bad_load_requests_are_refused)
{
    struct reshard_map *map = some_map();
    struct reshard_load_request load;
    uint64_t large[SLOTS] = {UINT64_MAX, 1};
    reshard_load_request_init(&load);
    load.dimension_count = 1;
    load.loads = numbers;
    load.load_count = SLOTS;
    REFUSED(reshard_plan_load, load, flags, 2, RESHARD_E_FLAGS);
    REFUSED(reshard_plan_load, load, dimension_count, 0, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_load, load, dimension_count, 9, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_load, load, dimension_count, 2, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_load, load, loads, NULL, RESHARD_E_NULL);
    REFUSED(reshard_plan_load, load, loads, large, RESHARD_E_OVERFLOW);
    REFUSED(reshard_plan_load, load, load_count, SLOTS - 1, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_load, load, tolerance_permille, 1001, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_load, load, capacities, bad_weights, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_load, load, reserved, 1, RESHARD_E_ARGUMENT);
    REFUSED(reshard_plan_load, load, slot_bytes, numbers, RESHARD_E_SLOT_COUNT);
    load.capacity_count = 4;
    REFUSED(reshard_plan_load, load, capacities, bad_weights, RESHARD_E_WEIGHT);
    REFUSED(reshard_plan_load, load, capacities, NULL, RESHARD_E_NULL);
    reshard_map_destroy(map);
}

Test(plan, empty_map_gives_empty_plans)
{
    struct reshard_map *map = NULL;
    struct reshard_rebalance_request request;
    struct reshard_load_request load;
    struct reshard_plan *plan = NULL;
    cr_assert_eq(reshard_map_create(SLOTS, NULL, &map), RESHARD_OK);
    reshard_rebalance_request_init(&request);
    cr_assert_eq(reshard_plan_rebalance(map, &request, NULL, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), 0);
    reshard_plan_destroy(plan);
    reshard_load_request_init(&load);
    load.dimension_count = 1;
    load.loads = numbers;
    load.load_count = SLOTS;
    cr_assert_eq(reshard_plan_load(map, &load, NULL, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), 0);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}
