/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static struct reshard_plan *rebalance(
    const struct reshard_map *map, uint32_t flags, const double *weights)
{
    struct reshard_rebalance_request request;
    struct reshard_plan *plan = NULL;
    reshard_rebalance_request_init(&request);
    request.flags = flags;
    request.weights = weights;
    request.weight_count = weights ? reshard_map_shard_count(map) : 0;
    cr_assert_eq(reshard_plan_rebalance(map, &request, NULL, &plan), RESHARD_OK);
    return plan;
}

/* Every single slot goes from a shard above its final count to one below. */
static void check_prefixes(
    const struct reshard_plan *plan, const uint32_t *before, const uint32_t *after)
{
    uint32_t have[2048];
    memcpy(have, before, sizeof have);
    for (uint32_t i = 0; i < reshard_plan_move_count(plan); i++) {
        struct reshard_move move = fixture_move(plan, i);
        for (uint32_t k = 0; k < move.slot_count; k++) {
            cr_assert_gt(have[move.source]--, after[move.source]);
            cr_assert_lt(have[move.target]++, after[move.target]);
        }
    }
}

static void count_owners(const reshard_shard_id *owners, uint32_t slot_count, uint32_t *have)
{
    memset(have, 0, 2048 * sizeof *have);
    for (uint32_t slot = 0; slot < slot_count; slot++)
        have[owners[slot]]++;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Moves that it takes when the shards of a bit set get the ceilings of their quotas and the others
 * the floors; UINT32_MAX when that is no largest-remainder share. */
static uint32_t brute_moves(uint32_t winners, uint32_t total, uint32_t sum, uint32_t shard_count,
    const uint32_t *have, const double *weights)
{
    uint32_t given = 0, moves = 0, least_won = UINT32_MAX, most_lost = 0;
    for (uint32_t i = 1; i <= shard_count; i++) {
        uint32_t share = total * (uint32_t)weights[i - 1];
        uint32_t wins = winners >> (i - 1) & 1;
        uint32_t target = share / sum + wins;
        given += target;
        moves += have[i] - min_u32(have[i], target);
        if (wins)
            least_won = min_u32(least_won, share % sum);
        else
            most_lost = share % sum > most_lost ? share % sum : most_lost;
    }
    return given == total && least_won >= most_lost ? moves : UINT32_MAX;
}

/* Fewest moves to any largest-remainder share of the owned slots: try every set of winners. */
static uint32_t brute_minimum(uint32_t shard_count, const uint32_t *have, const double *weights)
{
    uint32_t total = 0, sum = 0, best = UINT32_MAX;
    for (uint32_t i = 1; i <= shard_count; i++) {
        total += have[i];
        sum += (uint32_t)weights[i - 1];
    }
    for (uint32_t winners = 0; winners < 1u << shard_count; winners++)
        best = min_u32(best, brute_moves(winners, total, sum, shard_count, have, weights));
    return best;
}

static void brute_case(const struct reshard_map *map, uint32_t slot_count, uint32_t shard_count,
    const reshard_shard_id *owners, const double *weights)
{
    reshard_shard_id after[8];
    uint32_t have[2048], have_after[2048];
    struct reshard_plan *plan = rebalance(map, RESHARD_REBALANCE_EMPTY_SHARDS, weights);
    struct reshard_plan_totals totals = fixture_totals(plan);
    memcpy(after, owners, slot_count * sizeof *owners);
    fixture_run(plan, after);
    count_owners(owners, slot_count, have);
    count_owners(after, slot_count, have_after);
    check_prefixes(plan, have, have_after);
    cr_assert_eq(totals.slots_moved, brute_minimum(shard_count, have, weights));
    cr_assert_eq(totals.slots_minimum, totals.slots_moved);
    cr_assert_eq(totals.ranges_before, fixture_ranges(owners, slot_count));
    cr_assert_eq(totals.ranges_after, fixture_ranges(after, slot_count));
    /* Exact: from where the plan leads nothing more moves. */
    cr_assert_eq(brute_minimum(shard_count, have_after, weights), 0);
    reshard_plan_destroy(plan);
}

/* Every assignment of up to 8 slots to up to 4 shards (and to nobody, up to 6), several weights. */
Test(request, rebalance_all_small_maps_move_the_minimum, .timeout = 300)
{
    static const double weights[][4] = {{1, 1, 1, 1}, {1, 2, 3, 4}, {5, 1, 1, 1}, {3, 3, 2, 2}};
    uint32_t cases = 0;
    for (uint32_t shards = 1; shards <= 4; shards++)
        for (uint32_t slots = 1; slots <= 8; slots++) {
            uint32_t base = slots <= 6 ? shards + 1 : shards;
            uint64_t assignments = 1;
            for (uint32_t i = 0; i < slots; i++)
                assignments *= base;
            for (uint64_t number = 0; number < assignments; number++) {
                reshard_shard_id owners[8];
                uint64_t digits = number;
                for (uint32_t i = 0; i < slots; i++, digits /= base)
                    owners[i] = (uint32_t)(digits % base) + (base == shards);
                struct reshard_map *map = fixture_map(slots, shards, owners, NULL);
                for (size_t w = 0; w < 4; w++, cases++)
                    brute_case(map, slots, shards, owners, weights[w]);
                reshard_map_destroy(map);
            }
        }
    cr_assert_eq(cases, 469048);
}

/* Fewest ranges of all ways to reach the same counts with the fewest moves. */
static uint32_t brute_ranges(
    uint32_t slots, uint32_t shards, const reshard_shard_id *before, const uint32_t *have_after,
    uint32_t moves)
{
    uint32_t best = UINT32_MAX, assignments = 1;
    for (uint32_t i = 0; i < slots; i++)
        assignments *= shards;
    for (uint32_t number = 0; number < assignments; number++) {
        reshard_shard_id owners[8];
        uint32_t have[5] = {0}, changed = 0, digits = number;
        for (uint32_t i = 0; i < slots; i++, digits /= shards) {
            owners[i] = digits % shards + 1;
            have[owners[i]]++;
            changed += owners[i] != before[i];
        }
        if (changed != moves || memcmp(have, have_after, (shards + 1) * sizeof *have) != 0)
            continue;
        uint32_t ranges = fixture_ranges(owners, slots);
        best = ranges < best ? ranges : best;
    }
    return best;
}

Test(request, rebalance_small_maps_stay_near_the_fewest_ranges)
{
    enum { SLOTS = 7, SHARDS = 3, ASSIGNMENTS = 2187 };
    uint32_t got = 0, best = 0;
    for (uint32_t number = 0; number < ASSIGNMENTS; number++) {
        reshard_shard_id owners[SLOTS];
        uint32_t have[2048], digits = number;
        for (uint32_t i = 0; i < SLOTS; i++, digits /= SHARDS)
            owners[i] = digits % SHARDS + 1;
        struct reshard_map *map = fixture_map(SLOTS, SHARDS, owners, NULL);
        struct reshard_plan *plan = rebalance(map, RESHARD_REBALANCE_EMPTY_SHARDS, NULL);
        struct reshard_plan_totals totals = fixture_totals(plan);
        reshard_shard_id after[SLOTS];
        memcpy(after, owners, sizeof owners);
        fixture_run(plan, after);
        count_owners(after, SLOTS, have);
        got += totals.ranges_after;
        best += brute_ranges(SLOTS, SHARDS, owners, have, totals.slots_moved);
        reshard_plan_destroy(plan);
        reshard_map_destroy(map);
    }
    cr_log_info("ranges %u, fewest possible %u", got, best);
    cr_assert_geq(got, best);
    cr_assert_leq(got * 100, best * 110, "ranges %u, fewest possible %u", got, best);
}

static struct reshard_map *random_map(
    uint64_t *seed, uint32_t slots, uint32_t shards, reshard_shard_id *owners, double *weights)
{
    uint32_t run = 1 + fixture_random(seed, 60);
    for (uint32_t slot = 0; slot < slots;) {
        reshard_shard_id owner = fixture_random(seed, shards + 1);
        for (uint32_t left = 1 + fixture_random(seed, run); left && slot < slots; left--)
            owners[slot++] = owner;
    }
    for (uint32_t i = 0; i < shards; i++)
        weights[i] = fixture_random(seed, 3) ? 1.0 : 0.1 + fixture_random(seed, 1000) / 100.0;
    return fixture_map(slots, shards, owners, weights);
}

Test(request, rebalance_random_maps_are_exact_monotone_and_final, .timeout = 300)
{
    enum { SLOTS = 4096 };
    static reshard_shard_id owners[SLOTS], after[SLOTS];
    static uint32_t have[2048], have_after[2048];
    for (uint64_t number = 1; number <= 300; number++) {
        double weights[1000];
        uint64_t seed = number;
        uint32_t slots = 1 + fixture_random(&seed, SLOTS);
        uint32_t shards = 1 + fixture_random(&seed, 200);
        struct reshard_map *map = random_map(&seed, slots, shards, owners, weights);
        uint32_t flags = fixture_random(&seed, 2);
        struct reshard_plan *plan = rebalance(map, flags, NULL);
        struct reshard_plan_totals totals = fixture_totals(plan);
        memcpy(after, owners, sizeof owners);
        fixture_run(plan, after);
        count_owners(owners, slots, have);
        count_owners(after, slots, have_after);
        check_prefixes(plan, have, have_after);
        cr_assert_eq(totals.slots_moved, totals.slots_minimum, "seed %llu",
            (unsigned long long)number);
        cr_assert_eq(totals.ranges_before, fixture_ranges(owners, slots));
        cr_assert_eq(totals.ranges_after, fixture_ranges(after, slots));
        cr_assert_leq(totals.ranges_after, totals.ranges_before + totals.move_count,
            "seed %llu", (unsigned long long)number);
        for (uint32_t i = 1; i <= shards; i++)
            cr_assert(flags || have[i] || !have_after[i]);
        reshard_map_destroy(map);
        map = fixture_map(slots, shards, after, weights);
        struct reshard_plan *again = rebalance(map, flags, NULL);
        cr_assert_eq(reshard_plan_move_count(again), 0, "seed %llu", (unsigned long long)number);
        reshard_plan_destroy(again);
        reshard_plan_destroy(plan);
        reshard_map_destroy(map);
    }
}

Test(request, rebalance_threshold_lets_small_differences_be)
{
    const reshard_shard_id owners[] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 2};
    struct reshard_map *map = fixture_map(10, 2, owners, NULL);
    struct reshard_rebalance_request request;
    struct reshard_plan *plan = NULL;
    reshard_rebalance_request_init(&request);
    request.threshold_percent = 20;
    cr_assert_eq(reshard_plan_rebalance(map, &request, NULL, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), 0);
    reshard_plan_destroy(plan);
    request.threshold_percent = 19;
    cr_assert_eq(reshard_plan_rebalance(map, &request, NULL, &plan), RESHARD_OK);
    cr_assert_eq(fixture_totals(plan).slots_moved, 1);
    cr_assert_eq(fixture_totals(plan).ranges_after, 2, "the border shifts");
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}

Test(request, rebalance_open_migrations_stay_and_count_at_their_target)
{
    struct reshard_map *map = fixture_even(100, 4, 2);
    fixture_open(map, 1, 3, 0, 29);
    struct reshard_plan *plan = rebalance(map, RESHARD_REBALANCE_EMPTY_SHARDS, NULL);
    /* Shard 3 is to have 30, though its share is 25: 70 for the others. Shard 1 has 20. */
    reshard_shard_id after[100];
    uint32_t have[2048];
    fixture_owners(map, after);
    for (uint32_t slot = 0; slot < 30; slot++)
        after[slot] = 3;
    fixture_run(plan, after);
    count_owners(after, 100, have);
    cr_assert_eq(have[3], 30);
    cr_assert(have[1] >= 23 && have[2] >= 23 && have[4] >= 23);
    cr_assert_eq(fixture_totals(plan).slots_moved, 50 - have[2]);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}

static struct reshard_plan *reshard(const struct reshard_map *map, reshard_shard_id target,
    uint32_t count, const reshard_shard_id *sources, uint32_t source_count)
{
    struct reshard_reshard_request request;
    struct reshard_plan *plan = NULL;
    reshard_reshard_request_init(&request);
    request.target = target;
    request.slot_count = count;
    request.sources = sources;
    request.source_count = source_count;
    cr_assert_eq(reshard_plan_reshard(map, &request, NULL, &plan), RESHARD_OK);
    return plan;
}

/* redis-cli rounds down for all but the largest source: it moves 1 here. */
Test(request, reshard_four_of_five_equal_sources_moves_four)
{
    struct reshard_map *map = fixture_even(100, 6, 5);
    struct reshard_plan *plan = reshard(map, 6, 4, NULL, 0);
    cr_assert_eq(fixture_totals(plan).slots_moved, 4);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(fixture_move(plan, i).slot_count, 1);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}

Test(request, reshard_random_counts_move_exactly_and_in_proportion, .timeout = 300)
{
    enum { SLOTS = 1000 };
    static reshard_shard_id owners[SLOTS], after[SLOTS];
    static uint32_t have[2048], have_after[2048];
    for (uint64_t number = 1; number <= 500; number++) {
        double weights[40];
        uint64_t seed = number;
        uint32_t slots = 2 + fixture_random(&seed, SLOTS - 1);
        uint32_t shards = 2 + fixture_random(&seed, 20);
        struct reshard_map *map = random_map(&seed, slots, shards, owners, weights);
        uint32_t target = 1 + fixture_random(&seed, shards);
        count_owners(owners, slots, have);
        uint32_t rest = slots - have[0] - have[target];
        if (rest) {
            uint32_t count = 1 + fixture_random(&seed, rest);
            struct reshard_plan *plan = reshard(map, target, count, NULL, 0);
            memcpy(after, owners, sizeof owners);
            fixture_run(plan, after);
            count_owners(after, slots, have_after);
            cr_assert_eq(fixture_totals(plan).slots_moved, count, "seed %d", (int)number);
            cr_assert_eq(have_after[target], have[target] + count, "seed %d", (int)number);
            for (uint32_t i = 1; i <= shards; i++)
                if (i != target)
                    cr_assert_lt(fabs((double)count * have[i] / rest -
                        (have[i] - have_after[i])), 1.0, "seed %d", (int)number);
            reshard_plan_destroy(plan);
        }
        reshard_map_destroy(map);
    }
}

Test(request, reshard_ranges_move_those_slots)
{
    const reshard_shard_id owners[] = {1, 1, 2, 2, 3, 3, 0, 1};
    const struct reshard_range ranges[] = {{1, 2}, {4, 5}};
    struct reshard_map *map = fixture_map(8, 3, owners, NULL);
    struct reshard_reshard_request request;
    struct reshard_plan *plan = NULL;
    reshard_reshard_request_init(&request);
    request.target = 3;
    request.ranges = ranges;
    request.range_count = 2;
    cr_assert_eq(reshard_plan_reshard(map, &request, NULL, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), 2, "what shard 3 has stays");
    struct reshard_move move = fixture_move(plan, 0);
    cr_assert(move.source == 1 && move.target == 3 && move.ranges[0].first == 1);
    move = fixture_move(plan, 1);
    cr_assert(move.source == 2 && move.ranges[0].first == 2 && move.ranges[0].last == 2);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}

Test(request, reshard_ranges_bring_adjacent_slots_of_a_source_together)
{
    const reshard_shard_id owners[] = {1, 1, 1, 2, 2, 1, 0, 3};
    const struct reshard_range ranges[] = {{0, 1}, {3, 5}};
    const struct reshard_range nobody = {6, 6};
    struct reshard_map *map = fixture_map(8, 3, owners, NULL);
    struct reshard_reshard_request request;
    struct reshard_plan *plan = NULL;
    reshard_reshard_request_init(&request);
    request.target = 3;
    request.ranges = ranges;
    request.range_count = 2;
    cr_assert_eq(reshard_plan_reshard(map, &request, NULL, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), 2);
    struct reshard_move move = fixture_move(plan, 0);
    cr_assert(move.source == 1 && move.range_count == 2 && move.slot_count == 3);
    cr_assert(move.ranges[0].first == 0 && move.ranges[0].last == 1);
    move = fixture_move(plan, 1);
    cr_assert(move.source == 2 && move.range_count == 1 && move.ranges[0].last == 4);
    reshard_plan_destroy(plan);
    plan = NULL;
    request.ranges = &nobody;
    request.range_count = 1;
    cr_assert_eq(reshard_plan_reshard(map, &request, NULL, &plan), RESHARD_E_OWNER);
    cr_assert_null(plan);
    reshard_map_destroy(map);
}

Test(request, drain_empties_and_moves_nothing_else)
{
    static reshard_shard_id owners[1000], after[1000];
    static uint32_t have[2048], have_after[2048];
    for (uint64_t number = 1; number <= 300; number++) {
        double weights[30];
        uint64_t seed = number;
        uint32_t shards = 2 + fixture_random(&seed, 20);
        struct reshard_map *map = random_map(&seed, 1000, shards, owners, weights);
        struct reshard_drain_request request;
        struct reshard_plan *plan = NULL;
        reshard_shard_id drained[2] = {1 + fixture_random(&seed, shards - 1), shards};
        reshard_drain_request_init(&request);
        request.shards = drained;
        request.shard_count = shards > 2 ? 2 : 1;
        cr_assert_eq(reshard_plan_drain(map, &request, NULL, &plan), RESHARD_OK);
        memcpy(after, owners, sizeof owners);
        fixture_run(plan, after);
        count_owners(owners, 1000, have);
        count_owners(after, 1000, have_after);
        uint32_t gone = have[drained[0]] + (request.shard_count == 2 ? have[shards] : 0);
        cr_assert_eq(have_after[drained[0]], 0, "seed %d", (int)number);
        cr_assert_eq(fixture_totals(plan).slots_moved, gone, "seed %d", (int)number);
        check_prefixes(plan, have, have_after);
        reshard_plan_destroy(plan);
        reshard_map_destroy(map);
    }
}

Test(request, drain_named_targets_get_all)
{
    struct reshard_map *map = fixture_even(90, 5, 3);
    const reshard_shard_id shards[] = {2};
    const reshard_shard_id targets[] = {4, 5};
    struct reshard_drain_request request;
    struct reshard_plan *plan = NULL;
    reshard_drain_request_init(&request);
    request.shards = shards;
    request.shard_count = 1;
    request.targets = targets;
    request.target_count = 2;
    cr_assert_eq(reshard_plan_drain(map, &request, NULL, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), 2);
    cr_assert_eq(fixture_move(plan, 0).slot_count, 15);
    cr_assert_eq(fixture_totals(plan).ranges_after, 4);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}
