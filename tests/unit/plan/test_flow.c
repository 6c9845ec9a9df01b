/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>
#include <string.h>

/* Let flow move slots of a map; the pieces are carried out on owners. */
static size_t flow(const struct reshard_map *map, const uint32_t *surplus,
    const uint32_t *deficit, reshard_shard_id *owners)
{
    struct reshard__plan_view view;
    struct reshard__plan_pieces pieces;
    uint32_t gives[64], gets[64];
    memset(&pieces, 0, sizeof pieces);
    cr_assert_eq(reshard__plan_view_load(&view, map, NULL), RESHARD_OK);
    memcpy(gives, surplus, view.shard_count * sizeof *gives);
    memcpy(gets, deficit, view.shard_count * sizeof *gets);
    cr_assert_eq(reshard__plan_flow(&view, gives, gets, &pieces), RESHARD_OK);
    fixture_owners(map, owners);
    for (size_t i = 0; i < pieces.count; i++)
        for (uint32_t slot = pieces.items[i].first; slot <= pieces.items[i].last; slot++) {
            cr_assert_eq(owners[slot], pieces.items[i].source + 1);
            owners[slot] = pieces.items[i].target + 1;
        }
    for (uint32_t i = 0; i < view.shard_count; i++)
        cr_assert(gives[i] == 0 && gets[i] == 0);
    for (uint32_t slot = 0; slot < view.slot_count; slot++)
        if (owners[slot] && !(view.slots[slot] & RESHARD__PLAN_PINNED))
            cr_assert_eq(view.slots[slot] + 1, owners[slot]);
    size_t count = pieces.count;
    reshard__plan_pieces_free(&view.mem, &pieces);
    reshard__plan_view_free(&view);
    return count;
}

static void expect(const reshard_shard_id *owners, const char *text)
{
    char got[65] = {0};
    for (size_t i = 0; i < strlen(text); i++)
        got[i] = (char)('0' + owners[i]);
    cr_assert_str_eq(got, text);
}

Test(flow, neighbours_shift_their_border)
{
    const reshard_shard_id before[] = {1, 1, 1, 1, 2, 2, 3, 3, 3};
    const uint32_t surplus[] = {2, 0, 1}, deficit[] = {0, 3, 0};
    struct reshard_map *map = fixture_map(9, 3, before, NULL);
    reshard_shard_id after[9];
    cr_assert_eq(flow(map, surplus, deficit, after), 2);
    expect(after, "112222233");
    reshard_map_destroy(map);
}

Test(flow, borders_shift_before_larger_deficits_are_served)
{
    const reshard_shard_id before[] = {2, 0, 1, 1, 1, 1, 3, 0, 4, 4, 4};
    const uint32_t surplus[] = {1, 0, 0, 2}, deficit[] = {0, 2, 1, 0};
    struct reshard_map *map = fixture_map(11, 4, before, NULL);
    reshard_shard_id after[11];
    flow(map, surplus, deficit, after);
    expect(after, "20111330422");
    reshard_map_destroy(map);
}

Test(flow, cut_lies_beside_a_shard_that_gives_later)
{
    const reshard_shard_id before[] = {1, 1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 0};
    const uint32_t surplus[] = {2, 2, 0}, deficit[] = {0, 0, 4};
    struct reshard_map *map = fixture_map(13, 3, before, NULL);
    reshard_shard_id after[13];
    flow(map, surplus, deficit, after);
    expect(after, "1111122333310");
    reshard_map_destroy(map);
}

Test(flow, whole_runs_go_before_runs_are_cut)
{
    const reshard_shard_id before[] = {1, 1, 2, 1, 2, 1, 1, 1, 2, 3};
    const uint32_t surplus[] = {3, 0, 0, 0}, deficit[] = {0, 0, 0, 3};
    struct reshard_map *map = fixture_map(10, 4, before, NULL);
    reshard_shard_id after[10];
    cr_assert_eq(flow(map, surplus, deficit, after), 1);
    expect(after, "1121244423");
    reshard_map_destroy(map);
}

Test(flow, ends_of_neighbours_that_give_to_one_target_join)
{
    const reshard_shard_id before[] = {1, 1, 1, 1, 2, 2, 2, 2};
    const uint32_t surplus[] = {2, 2, 0}, deficit[] = {0, 0, 4};
    struct reshard_map *map = fixture_map(8, 3, before, NULL);
    reshard_shard_id after[8];
    flow(map, surplus, deficit, after);
    expect(after, "11333322");
    reshard_map_destroy(map);
}

Test(flow, pinned_and_unowned_slots_stay)
{
    const reshard_shard_id before[] = {1, 1, 0, 1, 1, 1, 2, 2};
    const uint32_t surplus[] = {3, 0, 0}, deficit[] = {0, 0, 3};
    struct reshard_map *map = fixture_map(8, 3, before, NULL);
    reshard_shard_id after[8];
    fixture_open(map, 1, 2, 3, 4);
    flow(map, surplus, deficit, after);
    expect(after, "33011322");
    reshard_map_destroy(map);
}

/* Random surpluses and deficits of equal sums; returns how many shards have one, less the last. */
static uint32_t draw_demands(uint64_t *seed, const reshard_shard_id *before, uint32_t slots,
    uint32_t shards, uint32_t *surplus, uint32_t *deficit)
{
    uint32_t pairs = 0, *rest = &deficit[shards - 1];
    for (uint32_t i = 0; i + 1 < shards; i++) {
        uint32_t have = fixture_count(before, slots, i + 1);
        surplus[i] = fixture_random(seed, 2) ? fixture_random(seed, have + 1) : 0;
        *rest += surplus[i];
        pairs += surplus[i] != 0;
    }
    for (uint32_t i = 0; i + 1 < shards; i++)
        if (surplus[i] == 0 && *rest) {
            deficit[i] = fixture_random(seed, *rest);
            *rest -= deficit[i];
            pairs += deficit[i] != 0;
        }
    return pairs;
}

Test(flow, random_demands_are_met)
{
    for (uint64_t number = 1; number <= 2000; number++) {
        uint64_t seed = number;
        uint32_t slots = 1 + fixture_random(&seed, 200);
        uint32_t shards = 2 + fixture_random(&seed, 10);
        reshard_shard_id before[200], after[200];
        uint32_t surplus[64] = {0}, deficit[64] = {0};
        for (uint32_t slot = 0; slot < slots; slot++)
            before[slot] = slot && fixture_random(&seed, 4) ? before[slot - 1]
                                                            : fixture_random(&seed, shards);
        uint32_t pairs = draw_demands(&seed, before, slots, shards, surplus, deficit);
        struct reshard_map *map = fixture_map(slots, shards, before, NULL);
        flow(map, surplus, deficit, after);
        for (uint32_t i = 0; i < shards; i++)
            cr_assert_eq(fixture_count(after, slots, i + 1) + surplus[i],
                fixture_count(before, slots, i + 1) + deficit[i], "seed %d", (int)number);
        /* Shifted borders and whole runs are free: only the last cut of a pair costs a range. */
        cr_assert_leq(fixture_ranges(after, slots), fixture_ranges(before, slots) + pairs,
            "seed %d", (int)number);
        reshard_map_destroy(map);
    }
}

/* Many pieces of each sort, so that any of them may be the one that has no place. */
Test(flow, failing_any_allocation_leaks_nothing)
{
    for (uint64_t number = 1; number <= 12; number++) {
        uint64_t seed = number;
        reshard_shard_id owners[200];
        struct support_alloc alloc;
        int32_t status = RESHARD_E_NOMEM;
        for (uint32_t slot = 0; slot < 200; slot++)
            owners[slot] = 1 + fixture_random(&seed, 2 + (uint32_t)number);
        struct reshard_map *map = fixture_map(200, 3 + (uint32_t)number, owners, NULL);
        struct reshard_rebalance_request request;
        reshard_rebalance_request_init(&request);
        request.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
        for (size_t at = 1; status == RESHARD_E_NOMEM; at++) {
            struct reshard_allocator allocator = support_alloc_init(&alloc);
            struct reshard_plan *plan = NULL;
            alloc.fail_at = at;
            status = reshard_plan_rebalance(map, &request, &allocator, &plan);
            cr_assert_eq(status == RESHARD_OK, plan != NULL);
            reshard_plan_destroy(plan);
            cr_assert(support_alloc_clean(&alloc), "seed %d, allocation %zu", (int)number, at);
        }
        cr_assert_eq(status, RESHARD_OK);
        reshard_map_destroy(map);
    }
}
