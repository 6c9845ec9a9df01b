/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { SLOTS = 16384, SHARDS = 100 };

static uint64_t loads[2 * SLOTS];
static reshard_shard_id owners[SLOTS], after[SLOTS];

static double worst_of(const reshard_shard_id *who, uint32_t slots, uint32_t shards,
    uint32_t dimensions, const double *capacities)
{
    static double sums[1024];
    double worst = 0;
    for (uint32_t d = 0; d < dimensions; d++) {
        double total = 0, capacity = 0;
        memset(sums, 0, sizeof sums);
        for (uint32_t slot = 0; slot < slots; slot++) {
            sums[who[slot]] += (double)loads[d * slots + slot];
            total += who[slot] ? (double)loads[d * slots + slot] : 0;
        }
        for (uint32_t i = 0; i < shards; i++)
            capacity += capacities ? capacities[d * shards + i] : 1;
        for (uint32_t i = 0; i < shards && total > 0; i++)
            worst = fmax(worst, sums[i + 1] / total * capacity /
                    (capacities ? capacities[d * shards + i] : 1));
    }
    return worst;
}

static struct reshard_plan *plan_load(const struct reshard_map *map, uint32_t dimensions,
    const double *capacities, uint64_t bytes_max)
{
    struct reshard_load_request request;
    struct reshard_plan *plan = NULL;
    reshard_load_request_init(&request);
    request.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
    request.dimension_count = dimensions;
    request.loads = loads;
    request.load_count = dimensions * reshard_map_slot_count(map);
    request.capacities = capacities;
    request.capacity_count = capacities ? dimensions * reshard_map_shard_count(map) : 0;
    request.bytes_max = bytes_max;
    cr_assert_eq(reshard_plan_load(map, &request, NULL, &plan), RESHARD_OK);
    return plan;
}

static void fill_zipf(uint64_t *to, uint32_t slots, uint64_t *seed)
{
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t at = fixture_random(seed, i + 1);
        to[i] = to[at];
        to[at] = (uint64_t)(1e12 / pow(i + 1, 1.1));
    }
}

Test(load, zipf_worst_shard_is_near_the_lower_bound)
{
    uint64_t seed = 9;
    fill_zipf(loads, SLOTS, &seed);
    fill_zipf(loads + SLOTS, SLOTS, &seed);
    double bound = 1, total = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        total += (double)loads[slot];
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        bound = fmax(bound, (double)loads[slot] / total * SHARDS);
    struct reshard_map *map = fixture_even(SLOTS, SHARDS, SHARDS);
    fixture_owners(map, owners);
    struct reshard_plan *plan = plan_load(map, 2, NULL, UINT64_MAX);
    memcpy(after, owners, sizeof owners);
    fixture_run(plan, after);
    double worst = worst_of(after, SLOTS, SHARDS, 2, NULL);
    cr_assert_leq(worst, bound * 1.05);
    struct reshard_plan_totals totals = fixture_totals(plan);
    cr_assert_float_eq((double)totals.overload_after / 1e6, worst, 1e-4);
    cr_assert_float_eq((double)totals.overload_before / 1e6,
        worst_of(owners, SLOTS, SHARDS, 2, NULL), 1e-4);
    cr_assert_eq(totals.ranges_after, fixture_ranges(after, SLOTS));
    /* All but the giants' shards are within the tolerance of 1 %: at most one giant each. */
    double sums[SHARDS + 1] = {0};
    uint32_t over = 0, giants = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        sums[after[slot]] += (double)loads[slot] / total * SHARDS;
        giants += (double)loads[slot] / total * SHARDS > 1.01;
    }
    for (uint32_t i = 1; i <= SHARDS; i++)
        over += sums[i] > 1.0101;
    cr_assert_leq(over, giants);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}

static void draw_case(uint64_t *seed, uint32_t slots, uint32_t shards, double *capacities)
{
    for (uint32_t slot = 0; slot < slots; slot++)
        owners[slot] = 1 + fixture_random(seed, shards);
    for (uint32_t i = 0; i < 2 * slots; i++)
        loads[i] = fixture_random(seed, 5)
            ? fixture_random(seed, 1000)
            : reshard__random_next(seed) >> (34 + fixture_random(seed, 20));
    for (uint32_t i = 0; i < 2 * 12; i++)
        capacities[i] = 0.5 + fixture_random(seed, 100) / 50.0;
}

/* Carry out one move on `after`; returns its bytes. */
static uint64_t carry_out(const struct reshard_move *move)
{
    uint64_t bytes = 0;
    for (uint32_t r = 0; r < move->range_count; r++)
        for (uint32_t s = move->ranges[r].first; s <= move->ranges[r].last; s++) {
            cr_assert_eq(after[s], move->source);
            cr_assert_eq(after[s], owners[s], "no slot moves twice");
            after[s] = move->target;
            bytes += loads[s];
        }
    return bytes;
}

/* Random maps: no prefix of the moves raises the worst overload, the budget is kept, slots of open
 * migrations stay, and what is reported is true. */
Test(load, random_plans_never_raise_the_worst_and_keep_the_budget, .timeout = 300)
{
    for (uint64_t number = 1; number <= 1000; number++) {
        uint64_t seed = number;
        /* Few slots make the cases where moves grouped by pair would not do. */
        uint32_t slots = 1 + fixture_random(&seed, number % 4 ? 40 : 400);
        uint32_t shards = 1 + fixture_random(&seed, 12);
        uint32_t dimensions = 1 + fixture_random(&seed, 2);
        double capacities[2 * 12], total = 0;
        draw_case(&seed, slots, shards, capacities);
        for (uint32_t slot = 0; slot < slots; slot++)
            total += (double)loads[slot];
        uint64_t budget = fixture_random(&seed, 2) ? (uint64_t)(total / 10) : UINT64_MAX;
        struct reshard_map *map = fixture_map(slots, shards, owners, NULL);
        struct reshard_plan *plan = plan_load(map, dimensions, capacities, budget);
        memcpy(after, owners, sizeof owners);
        double worst = worst_of(after, slots, shards, dimensions, capacities);
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < reshard_plan_move_count(plan); i++) {
            struct reshard_move move = fixture_move(plan, i);
            bytes += carry_out(&move);
            double now = worst_of(after, slots, shards, dimensions, capacities);
            cr_assert_leq(now, worst * (1 + 1e-5), "seed %d, move %u", (int)number, i);
            worst = now;
        }
        struct reshard_plan_totals totals = fixture_totals(plan);
        cr_assert_eq(bytes, totals.bytes_moved);
        cr_assert_leq(bytes, budget);
        cr_assert_float_eq((double)totals.overload_after / 1e6, worst, worst * 1e-4);
        reshard_plan_destroy(plan);
        reshard_map_destroy(map);
    }
}

/* Small cases against every assignment: the heuristic's loss stays within a half. */
Test(load, small_cases_stay_near_the_best_of_all_assignments)
{
    enum { FEW = 6, WHO = 3, ALL = 729 };
    double sum = 0, most = 0;
    for (uint64_t number = 1; number <= 400; number++) {
        uint64_t seed = number;
        double best = INFINITY;
        for (uint32_t i = 0; i < 2 * FEW; i++)
            loads[i] = 1 + fixture_random(&seed, 50);
        for (uint32_t all = 0; all < ALL; all++) {
            for (uint32_t i = 0, digits = all; i < FEW; i++, digits /= WHO)
                after[i] = 1 + digits % WHO;
            best = fmin(best, worst_of(after, FEW, WHO, 2, NULL));
        }
        for (uint32_t i = 0; i < FEW; i++)
            owners[i] = 1 + fixture_random(&seed, WHO);
        struct reshard_map *map = fixture_map(FEW, WHO, owners, NULL);
        struct reshard_plan *plan = plan_load(map, 2, NULL, UINT64_MAX);
        memcpy(after, owners, sizeof owners);
        fixture_run(plan, after);
        double ratio = worst_of(after, FEW, WHO, 2, NULL) / best;
        sum += ratio;
        most = fmax(most, ratio);
        reshard_plan_destroy(plan);
        reshard_map_destroy(map);
    }
    cr_log_info("against the best: mean %.3f, worst %.3f", sum / 400, most);
    cr_assert_leq(sum / 400, 1.15);
    cr_assert_leq(most, 2.0);
}

Test(load, balanced_map_gives_an_empty_plan)
{
    struct reshard_map *map = fixture_even(400, 4, 4);
    for (uint32_t i = 0; i < 400; i++)
        loads[i] = 1000;
    struct reshard_plan *plan = plan_load(map, 1, NULL, UINT64_MAX);
    cr_assert_eq(reshard_plan_move_count(plan), 0);
    cr_assert_eq(fixture_totals(plan).overload_after, 1000000);
    reshard_plan_destroy(plan);
    memset(loads, 0, sizeof loads);
    plan = plan_load(map, 1, NULL, UINT64_MAX);
    cr_assert_eq(reshard_plan_move_count(plan), 0);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}

Test(load, open_migrations_stay)
{
    struct reshard_map *map = fixture_even(40, 2, 1);
    for (uint32_t i = 0; i < 40; i++)
        loads[i] = UINT64_C(1) << 40;
    fixture_open(map, 1, 2, 0, 9);
    struct reshard_plan *plan = plan_load(map, 1, NULL, UINT64_MAX);
    cr_assert_eq(fixture_totals(plan).overload_before, 1500000);
    cr_assert_eq(fixture_totals(plan).slots_moved, 10);
    for (uint32_t i = 0; i < reshard_plan_move_count(plan); i++)
        cr_assert_geq(fixture_move(plan, i).ranges[0].first, 10);
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
}
