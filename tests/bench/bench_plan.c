/* SPDX-License-Identifier: MIT */
/* Benchmark of the planner: time, moves against the lower bound, ranges, worst overload; beside
 * each plan a naive greedy that moves slot by slot from the fullest to the emptiest shard. */
#include "base/base.h"
#include <math.h>
#include <reshard/plan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 7 };

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, REPEATS, sizeof *times, compare);
    return times[REPEATS / 2];
}

static void must(int32_t status, const char *what)
{
    if (status) {
        (void)fprintf(stderr, "%s: %s\n", what, reshard_strname(status));
        exit(1);
    }
}

static void *room(size_t count, size_t size)
{
    void *ptr = calloc(count, size);
    if (!ptr)
        exit(1);
    return ptr;
}

static uint32_t below(uint64_t *seed, uint32_t bound)
{
    return (uint32_t)((reshard__random_next(seed) >> 32) * bound >> 32);
}

/* owners[slot] is a shard 1 ... shard_count. */
static struct reshard_map *make_map(
    uint32_t slot_count, uint32_t shard_count, const reshard_shard_id *owners)
{
    struct reshard_map *map = NULL;
    struct reshard_change change;
    struct reshard_range *ranges = room(slot_count, sizeof *ranges);
    uint32_t *next = room(slot_count, sizeof *next);
    uint32_t *heads = room(shard_count + 1, sizeof *heads);
    must(reshard_map_create(slot_count, NULL, &map), "create");
    for (uint32_t slot = slot_count; slot > 0; slot--) {
        next[slot - 1] = heads[owners[slot - 1]];
        heads[owners[slot - 1]] = slot;
    }
    for (uint32_t shard = 1; shard <= shard_count; shard++) {
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_SHARD_PUT;
        change.shard = shard;
        change.weight = 1.0;
        must(reshard_map_apply(map, &change), "shard");
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_ASSIGN;
        change.shard = shard;
        change.ranges = ranges;
        for (uint32_t at = heads[shard]; at; at = next[at - 1]) {
            if (change.range_count && ranges[change.range_count - 1].last + 2 == at)
                ranges[change.range_count - 1].last = at - 1;
            else
                ranges[change.range_count++] = (struct reshard_range){at - 1, at - 1};
        }
        if (change.range_count)
            must(reshard_map_apply(map, &change), "assign");
    }
    free(ranges);
    free(next);
    free(heads);
    return map;
}

static uint32_t count_ranges(const reshard_shard_id *owners, uint32_t slot_count)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < slot_count; slot++)
        count += slot == 0 || owners[slot] != owners[slot - 1];
    return count;
}

/* Slot by slot from the fullest shard to the emptiest until they differ by at most one. */
static uint32_t naive_rebalance(uint32_t slot_count, uint32_t shard_count, reshard_shard_id *owners)
{
    uint32_t *have = room(shard_count + 1, sizeof *have);
    uint32_t *cursor = room(shard_count + 1, sizeof *cursor);
    uint32_t moved = 0;
    for (uint32_t slot = 0; slot < slot_count; slot++)
        have[owners[slot]]++;
    for (;;) {
        uint32_t most = 1, least = 1;
        for (uint32_t shard = 2; shard <= shard_count; shard++) {
            most = have[shard] > have[most] ? shard : most;
            least = have[shard] < have[least] ? shard : least;
        }
        if (have[most] - have[least] <= 1)
            break;
        while (owners[cursor[most]] != most)
            cursor[most]++;
        owners[cursor[most]] = least;
        have[most]--;
        have[least]++;
        moved++;
    }
    free(have);
    free(cursor);
    return moved;
}

/* Contiguous, or in runs of `run` slots with random owners. */
static reshard_shard_id *make_owners(uint32_t slots, uint32_t shards, uint32_t run)
{
    uint64_t seed = 1;
    reshard_shard_id *owners = room(slots, sizeof *owners);
    for (uint32_t slot = 0; slot < slots; slot++) {
        if (run == 0)
            owners[slot] = (uint32_t)((uint64_t)slot * shards / slots) + 1;
        else
            owners[slot] = slot % run ? owners[slot - 1] : 1 + below(&seed, shards);
    }
    return owners;
}

static void print_rebalance(const char *name, double took, double goal_ms, uint32_t moved,
    const struct reshard_plan_totals *totals, uint32_t ranges_after)
{
    double minimum = totals->slots_minimum ? totals->slots_minimum : 1;
    printf("%-34s %9.2f ", name, took);
    if (goal_ms > 0)
        printf("%9.2f %5s", goal_ms, took <= goal_ms ? "met" : "MISS");
    else
        printf("%9s %5s", "", "");
    printf("  %8u %8u %6.3f  %8u %8u\n", moved, totals->slots_minimum, moved / minimum,
        totals->ranges_before, ranges_after);
}

static void bench_rebalance(
    const char *name, uint32_t slots, uint32_t shards, uint32_t added, uint32_t run, double goal_ms)
{
    uint32_t all = shards + added;
    double times[REPEATS];
    reshard_shard_id *owners = make_owners(slots, shards, run);
    struct reshard_map *map = make_map(slots, all, owners);
    struct reshard_rebalance_request request;
    struct reshard_plan *plan = NULL;
    struct reshard_plan_totals totals;
    memset(&totals, 0, sizeof totals);
    totals.struct_size = sizeof totals;
    reshard_rebalance_request_init(&request);
    request.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
    for (int i = -1; i < REPEATS; i++) {
        reshard_plan_destroy(plan);
        plan = NULL;
        double start = now_ms();
        must(reshard_plan_rebalance(map, &request, NULL, &plan), "rebalance");
        if (i >= 0)
            times[i] = now_ms() - start;
    }
    must(reshard_plan_totals(plan, &totals), "totals");
    print_rebalance(
        name, median(times), goal_ms, totals.slots_moved, &totals, totals.ranges_after);
    double start = now_ms();
    uint32_t moved = naive_rebalance(slots, all, owners);
    double took = now_ms() - start;
    print_rebalance("  naive greedy", took, 0, moved, &totals, count_ranges(owners, slots));
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
    free(owners);
}

/* One load case: loads[dimension][slot], uniform capacities. */
struct load_case {
    uint32_t slots;
    uint32_t shards;
    uint32_t dimensions;
    uint64_t *loads;
    reshard_shard_id *owners;
};

/* Zipf(exponent) over a random permutation of the slots. */
static void fill_zipf(uint64_t *loads, uint32_t slots, double exponent, uint64_t *seed)
{
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t at = below(seed, i + 1);
        loads[i] = loads[at];
        loads[at] = (uint64_t)(1e12 / pow(i + 1, exponent));
    }
}

/* Worst load / mean over shards and dimensions. */
static double worst_of(const struct load_case *one, const reshard_shard_id *owners)
{
    double worst = 0;
    double *sums = room(one->shards + 1, sizeof *sums);
    for (uint32_t d = 0; d < one->dimensions; d++) {
        double total = 0;
        memset(sums, 0, (one->shards + 1) * sizeof *sums);
        for (uint32_t slot = 0; slot < one->slots; slot++) {
            sums[owners[slot]] += (double)one->loads[(size_t)d * one->slots + slot];
            total += (double)one->loads[(size_t)d * one->slots + slot];
        }
        for (uint32_t shard = 1; shard <= one->shards; shard++)
            worst = fmax(worst, sums[shard] * one->shards / total);
    }
    free(sums);
    return worst;
}

/* No plan can do better than max(mean, heaviest slot). */
static double bound_of(const struct load_case *one)
{
    double bound = 1;
    for (uint32_t d = 0; d < one->dimensions; d++) {
        double total = 0, heaviest = 0;
        for (uint32_t slot = 0; slot < one->slots; slot++) {
            double value = (double)one->loads[(size_t)d * one->slots + slot];
            total += value;
            heaviest = fmax(heaviest, value);
        }
        bound = fmax(bound, heaviest * one->shards / total);
    }
    return bound;
}

static double bytes_between(
    const struct load_case *one, const reshard_shard_id *before, const reshard_shard_id *after)
{
    double bytes = 0;
    for (uint32_t slot = 0; slot < one->slots; slot++)
        bytes += before[slot] == after[slot] ? 0 : (double)one->loads[slot];
    return bytes;
}

static const uint64_t *sort_weights;
static int heavier(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    if (sort_weights[x] != sort_weights[y])
        return sort_weights[x] < sort_weights[y] ? 1 : -1;
    return (x > y) - (x < y);
}

/* The full re-spread: heaviest slot first onto the lightest shard, whoever had it. By the sum of
 * relative loads over the dimensions. */
static void respread(const struct load_case *one, reshard_shard_id *owners)
{
    uint32_t *order = room(one->slots, sizeof *order);
    uint64_t *weights = room(one->slots, sizeof *weights);
    uint64_t *sums = room(one->shards + 1, sizeof *sums);
    for (uint32_t d = 0; d < one->dimensions; d++) {
        double total = 0;
        for (uint32_t slot = 0; slot < one->slots; slot++)
            total += (double)one->loads[(size_t)d * one->slots + slot];
        for (uint32_t slot = 0; slot < one->slots; slot++)
            weights[slot] +=
                (uint64_t)((double)one->loads[(size_t)d * one->slots + slot] / total * 1e15);
    }
    for (uint32_t slot = 0; slot < one->slots; slot++)
        order[slot] = slot;
    sort_weights = weights;
    qsort(order, one->slots, sizeof *order, heavier);
    for (uint32_t i = 0; i < one->slots; i++) {
        uint32_t least = 1;
        for (uint32_t shard = 2; shard <= one->shards; shard++)
            least = sums[shard] < sums[least] ? shard : least;
        owners[order[i]] = least;
        sums[least] += weights[order[i]];
    }
    free(order);
    free(weights);
    free(sums);
}

static void apply_plan(const struct reshard_plan *plan, reshard_shard_id *owners)
{
    for (uint32_t i = 0; i < reshard_plan_move_count(plan); i++) {
        struct reshard_move move;
        memset(&move, 0, sizeof move);
        move.struct_size = sizeof move;
        must(reshard_plan_move_at(plan, i, &move), "move");
        for (uint32_t r = 0; r < move.range_count; r++)
            for (uint32_t slot = move.ranges[r].first; slot <= move.ranges[r].last; slot++)
                owners[slot] = move.target;
    }
}

static void print_load(const char *name, double took, const char *goal, const struct load_case *one,
    const reshard_shard_id *after, uint32_t moves)
{
    double total = 0;
    for (uint32_t slot = 0; slot < one->slots; slot++)
        total += (double)one->loads[slot];
    double worst = worst_of(one, after);
    printf("%-34s %9.2f %14s  %8.3f %8.3f %8.3f %6.3f  %6.1f%% %8u %8u %7u\n", name, took, goal,
        worst_of(one, one->owners), worst, bound_of(one), worst / bound_of(one),
        100 * bytes_between(one, one->owners, after) / total,
        count_ranges(one->owners, one->slots), count_ranges(after, one->slots), moves);
}

static void bench_load(const char *name, struct load_case *one, uint64_t bytes_max, double goal_ms)
{
    double times[REPEATS];
    struct reshard_map *map = make_map(one->slots, one->shards, one->owners);
    reshard_shard_id *after = room(one->slots, sizeof *after);
    struct reshard_load_request request;
    struct reshard_plan *plan = NULL;
    reshard_load_request_init(&request);
    request.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
    request.dimension_count = one->dimensions;
    request.loads = one->loads;
    request.load_count = one->dimensions * one->slots;
    request.bytes_max = bytes_max;
    for (int i = -1; i < REPEATS; i++) {
        reshard_plan_destroy(plan);
        plan = NULL;
        double start = now_ms();
        must(reshard_plan_load(map, &request, NULL, &plan), "load");
        if (i >= 0)
            times[i] = now_ms() - start;
    }
    memcpy(after, one->owners, one->slots * sizeof *after);
    apply_plan(plan, after);
    char goal[32];
    double took = median(times);
    double ratio = worst_of(one, after) / bound_of(one);
    bool met = took <= goal_ms && (ratio <= 1.05 || bytes_max != UINT64_MAX);
    (void)snprintf(goal, sizeof goal, "%.0f %s", goal_ms, met ? "met" : "MISS");
    print_load(name, took, goal, one, after, reshard_plan_move_count(plan));
    if (bytes_max == UINT64_MAX) {
        double start = now_ms();
        respread(one, after);
        took = now_ms() - start;
        print_load("  full re-spread", took, "", one, after, 0);
    }
    reshard_plan_destroy(plan);
    reshard_map_destroy(map);
    free(after);
}

static void bench_zipf(uint32_t slots, uint32_t shards, bool correlated, bool budget)
{
    uint64_t seed = 42;
    char name[64];
    struct load_case one = {slots, shards, 2, NULL, NULL};
    one.loads = room((size_t)slots * 2, sizeof *one.loads);
    one.owners = room(slots, sizeof *one.owners);
    fill_zipf(one.loads, slots, 1.1, &seed);
    if (correlated)
        memcpy(one.loads + slots, one.loads, slots * sizeof *one.loads);
    else
        fill_zipf(one.loads + slots, slots, 1.1, &seed);
    double total = 0;
    for (uint32_t slot = 0; slot < slots; slot++) {
        one.owners[slot] = (uint32_t)((uint64_t)slot * shards / slots) + 1;
        total += (double)one.loads[slot];
    }
    (void)snprintf(name, sizeof name, "zipf %ux%u %s", slots, shards,
        correlated ? "same" : "crossed");
    double goal = 100.0 * slots / 16384;
    bench_load(name, &one, UINT64_MAX, goal);
    for (int percent = 5; budget && percent <= 20; percent *= 2) {
        (void)snprintf(name, sizeof name, "  budget %d%% of the bytes", percent);
        bench_load(name, &one, (uint64_t)(total * percent / 100), goal);
    }
    free(one.loads);
    free(one.owners);
}

/* Loads without giants: uniform 0 ... 1, where only tight packing gets near the mean. */
static void bench_uniform(uint32_t slots, uint32_t shards)
{
    uint64_t seed = 43;
    struct load_case one = {slots, shards, 2, NULL, NULL};
    one.loads = room((size_t)slots * 2, sizeof *one.loads);
    one.owners = room(slots, sizeof *one.owners);
    for (size_t i = 0; i < (size_t)slots * 2; i++)
        one.loads[i] = 1 + below(&seed, 1000000);
    for (uint32_t slot = 0; slot < slots; slot++)
        one.owners[slot] = 1 + below(&seed, shards);
    bench_load("uniform, random owners", &one, UINT64_MAX, 100.0 * slots / 16384);
    free(one.loads);
    free(one.owners);
}

int main(void)
{
    printf("%-34s %9s %9s %5s  %8s %8s %6s  %8s %8s\n", "rebalance", "ms", "goal", "", "moved",
        "minimum", "ratio", "ranges", "after");
    bench_rebalance("16384 x 1000 + 100, contiguous", 16384, 1000, 100, 0, 5);
    bench_rebalance("16384 x 1000 + 100, runs of 4", 16384, 1000, 100, 4, 5);
    bench_rebalance("16384 x 1000 + 100, single slots", 16384, 1000, 100, 1, 5);
    bench_rebalance("2^20 x 1000 + 100, contiguous", 1 << 20, 1000, 100, 0, 250);
    bench_rebalance("2^20 x 1000 + 100, runs of 16", 1 << 20, 1000, 100, 16, 250);
    bench_rebalance("2^20 x 1000 + 100, single slots", 1 << 20, 1000, 100, 1, 250);
    printf("\n%-34s %9s %14s  %8s %8s %8s %6s  %7s %8s %8s %7s\n", "load, worst / mean", "ms",
        "goal", "before", "after", "bound", "ratio", "bytes", "ranges", "after", "moves");
    bench_zipf(16384, 100, true, true);
    bench_zipf(16384, 100, false, true);
    bench_zipf(16384, 1000, false, false);
    bench_zipf(1 << 17, 1000, false, false);
    bench_uniform(16384, 100);
    return 0;
}
