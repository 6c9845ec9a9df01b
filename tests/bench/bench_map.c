/* SPDX-License-Identifier: MIT */
/* Room map, benchmark: lookup, apply, delta, digest and clone at 16,384 slots x 3 shards and 2^20 x
 * 1,000, each against bare arrays (or one memcpy of the slots' bytes) in the same run; and the
 * bytes a slot takes against the limit of 16. Prints medians of the repeats. */
#include "map/map.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    REPEATS = 31,
    LOOKUPS = 1 << 16,
    INDICES = 1 << 20,
    BATCH = 64,
    BATCHES = 200,
    RUN = 16,
    DIGESTS = 1000
};

struct bench {
    struct reshard_map *map;
    struct reshard_map *scratch; /* a clone that a repeat may change */
    uint32_t slot_count;
    uint32_t shard_count;
    uint32_t node_count;
    size_t live_bytes;
    size_t peak_bytes;
    uint32_t *indices; /* slots in random order */
    uint32_t at;       /* first index of the next measurement: short ones, since a busy machine
                          interrupts long ones more often than their peers */
    uint32_t *owners;  /* the bare arrays */
    uint64_t *words;
    uint8_t *copy;
};

static volatile uint64_t sink;

static void fail(const char *what)
{
    fprintf(stderr, "bench_map: %s\n", what);
    exit(1);
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, REPEATS, sizeof times[0], by_value);
    return times[REPEATS / 2];
}

/* Median time of one call of `work`, which returns what was done as a number to keep, and of its
 * peer, by turns, so that a busy machine hits both alike. */
static double measure(struct bench *bench, uint64_t (*work)(struct bench *),
    void (*before)(struct bench *), uint64_t (*peer)(struct bench *), double *peer_out)
{
    double times[REPEATS];
    double peer_times[REPEATS] = {0};
    for (int i = -1; i < REPEATS; i++) { /* one to warm up */
        if (before)
            before(bench);
        double start = now_ns();
        sink += work(bench);
        double middle = now_ns();
        if (peer)
            sink += peer(bench);
        if (i < 0)
            continue;
        times[i] = middle - start;
        peer_times[i] = now_ns() - middle;
    }
    *peer_out = median(peer_times);
    return median(times);
}

static void *bench_resize(void *user_data, void *ptr, size_t old_size, size_t new_size)
{
    struct bench *bench = user_data;
    bench->live_bytes += new_size - old_size;
    if (bench->live_bytes > bench->peak_bytes)
        bench->peak_bytes = bench->live_bytes;
    if (new_size)
        return realloc(ptr, new_size);
    free(ptr);
    return NULL;
}

static void apply(struct reshard_map *map, const struct reshard_change *change)
{
    int32_t status = reshard_map_apply(map, change);
    if (status)
        fail(reshard_strname(status));
}

static struct reshard_change of_kind(uint32_t kind)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kind;
    return change;
}

/* Runs of 16 slots go round the shards, so that a shard's slots are no single range. */
static void assign_shard(struct reshard_map *map, const struct bench *bench, uint32_t shard)
{
    static struct reshard_range ranges[RESHARD_SLOT_COUNT_MAX / RUN];
    struct reshard_change change = of_kind(RESHARD_CHANGE_ASSIGN);
    change.shard = shard;
    change.ranges = ranges;
    for (uint32_t first = (shard - 1) * RUN; first < bench->slot_count;
         first += RUN * bench->shard_count)
        ranges[change.range_count++] = (struct reshard_range){first, first + RUN - 1};
    apply(map, &change);
}

static void put_members(struct reshard_map *map, const struct bench *bench)
{
    struct reshard_change change = of_kind(RESHARD_CHANGE_SHARD_PUT);
    change.weight = 1.0;
    for (change.shard = 1; change.shard <= bench->shard_count; change.shard++)
        apply(map, &change);
    change = of_kind(RESHARD_CHANGE_NODE_PUT);
    change.role = RESHARD_ROLE_REPLICA;
    change.name = change.address = "node-0000.example.net:7000";
    change.name_size = 9;
    change.address_size = 26;
    for (uint64_t node = 1; node <= bench->node_count; node++) {
        change.node = node * UINT64_C(0x9E3779B97F4A7C15); /* in no order */
        change.shard = 1 + (reshard_shard_id)(node % bench->shard_count);
        apply(map, &change);
    }
}

static uint64_t build(struct bench *bench)
{
    put_members(bench->map, bench);
    for (uint32_t shard = 1; shard <= bench->shard_count; shard++)
        assign_shard(bench->map, bench, shard);
    return reshard_map_version(bench->map);
}

static void scratch_clone(struct bench *bench)
{
    reshard_map_destroy(bench->scratch);
    if (reshard_map_clone(bench->map, NULL, &bench->scratch) != RESHARD_OK)
        fail("clone");
}

static void scratch_empty(struct bench *bench)
{
    reshard_map_destroy(bench->scratch);
    if (reshard_map_create(bench->slot_count, NULL, &bench->scratch) != RESHARD_OK)
        fail("create");
    put_members(bench->scratch, bench);
}

static uint64_t lookup_map(struct bench *bench)
{
    uint64_t sum = 0;
    const struct reshard_map *map = bench->map;
    bench->at = (bench->at + LOOKUPS) % INDICES; /* other slots each time, the peer's next */
    const uint32_t *indices = bench->indices + bench->at;
    for (uint32_t i = 0; i < LOOKUPS; i++)
        sum += reshard_map_slot_owner(map, indices[i]);
    return sum;
}

/* Not inlined either, as a call into the library is not. */
__attribute__((noinline)) static uint32_t bare_owner(const uint32_t *owners, uint32_t slot)
{
    return owners[slot];
}

static uint64_t lookup_bare(struct bench *bench)
{
    uint64_t sum = 0;
    const uint32_t *owners = bench->owners;
    const uint32_t *indices = bench->indices + bench->at;
    for (uint32_t i = 0; i < LOOKUPS; i++)
        sum += bare_owner(owners, indices[i]);
    return sum;
}

static uint64_t assign_map(struct bench *bench)
{
    for (uint32_t shard = 1; shard <= bench->shard_count; shard++)
        assign_shard(bench->scratch, bench, shard);
    return reshard_map_version(bench->scratch);
}

/* The same stores, slot by slot, into a bare array of words. */
static uint64_t assign_bare(struct bench *bench)
{
    for (uint32_t shard = 1; shard <= bench->shard_count; shard++)
        for (uint32_t first = (shard - 1) * RUN; first < bench->slot_count;
             first += RUN * bench->shard_count)
            for (uint32_t slot = first; slot < first + RUN && slot < bench->slot_count; slot++)
                bench->words[slot] =
                    (bench->words[slot] & ~(uint64_t)UINT32_MAX) + shard + (UINT64_C(1) << 32);
    return bench->words[bench->slot_count - 1];
}

/* Migration number `index`: the batch of slots that it moves, all of one owner. */
static uint32_t batch_first(const struct bench *bench, uint32_t index, uint32_t size)
{
    return (index * 5 % (bench->slot_count / RUN)) * RUN + (size < RUN ? index % RUN : 0);
}

static struct reshard_change open_of(
    const struct bench *bench, uint32_t index, uint32_t size, struct reshard_range *ranges)
{
    struct reshard_change change = of_kind(RESHARD_CHANGE_MIGRATION_OPEN);
    uint32_t step = RUN * bench->shard_count; /* to the next run of the same owner */
    uint32_t first = batch_first(bench, index, size) % (bench->slot_count - 4 * step);
    first -= first % RUN;
    change.migration = reshard_map_last_migration(bench->scratch) + 1;
    change.source = reshard_map_slot_owner(bench->scratch, first);
    change.target = 1 + change.source % bench->shard_count;
    change.mode = RESHARD_MODE_SNAPSHOT;
    change.ranges = ranges;
    change.range_count = (size + RUN - 1) / RUN;
    for (uint32_t i = 0; i < change.range_count; i++)
        ranges[i] = (struct reshard_range){
            first + i * step, first + i * step + (size < RUN ? size : RUN) - 1};
    return change;
}

static void migrate(struct bench *bench, const struct reshard_change *open)
{
    struct reshard_change change = of_kind(RESHARD_CHANGE_MIGRATION_COMMIT);
    change.migration = open->migration;
    apply(bench->scratch, open);
    apply(bench->scratch, &change);
    change.kind = RESHARD_CHANGE_MIGRATION_END;
    apply(bench->scratch, &change);
}

/* There and back, so that each batch finds its slots at one owner. */
static uint64_t migrate_all(struct bench *bench, uint32_t size)
{
    struct reshard_range ranges[BATCH / RUN];
    for (uint32_t i = 0; i < BATCHES / 2; i++) {
        struct reshard_change open = open_of(bench, i, size, ranges);
        migrate(bench, &open);
        reshard_shard_id source = open.source;
        open.source = open.target;
        open.target = source;
        open.migration++;
        migrate(bench, &open);
    }
    return reshard_map_version(bench->scratch);
}

static uint64_t migrate_batches(struct bench *bench)
{
    return migrate_all(bench, BATCH);
}

static uint64_t migrate_slots(struct bench *bench)
{
    return migrate_all(bench, 1);
}

/* What a migration of a batch stores into bare arrays: mark, owner and epoch, unmark. */
static uint64_t migrate_bare(struct bench *bench)
{
    uint32_t step = RUN * bench->shard_count;
    for (uint32_t i = 0; i < BATCHES; i++) {
        uint32_t first = batch_first(bench, i / 2, BATCH) % (bench->slot_count - 4 * step);
        volatile uint32_t *marks = bench->owners;
        for (int pass = 0; pass < 3; pass++)
            for (uint32_t run = 0; run < BATCH / RUN; run++)
                for (uint32_t slot = 0; slot < RUN; slot++)
                    if (pass == 1)
                        bench->words[first + run * step + slot] += UINT64_C(1) << 32;
                    else
                        marks[first + run * step + slot] ^= 1;
    }
    return bench->words[0];
}

static uint64_t delta_read(struct bench *bench)
{
    uint64_t cursor = reshard_map_version(bench->scratch) - 3 * BATCHES;
    uint64_t count = 0;
    struct reshard_change change = of_kind(0);
    while (reshard_map_delta_next(bench->scratch, &cursor, &change) == RESHARD_OK)
        count += change.range_count + 1;
    return count;
}

static uint64_t delta_bare(struct bench *bench)
{
    uint64_t count = 0;
    static struct reshard_change changes[3 * BATCHES];
    struct reshard_change change;
    (void)bench;
    for (uint32_t i = 0; i < 3 * BATCHES; i++) {
        memcpy(&change, (struct reshard_change *volatile){&changes[i]}, sizeof change);
        count += change.range_count + 1;
    }
    return count;
}

static uint64_t delta_follow(struct bench *bench)
{
    uint64_t cursor = reshard_map_version(bench->map);
    struct reshard_map *follower = NULL;
    struct reshard_change change = of_kind(0);
    if (reshard_map_clone(bench->map, NULL, &follower) != RESHARD_OK)
        fail("clone");
    double start = now_ns();
    while (reshard_map_delta_next(bench->scratch, &cursor, &change) == RESHARD_OK)
        apply(follower, &change);
    double took = now_ns() - start;
    if (reshard_map_equal(follower, bench->scratch) != 1)
        fail("the follower differs");
    reshard_map_destroy(follower);
    return (uint64_t)took;
}

static uint64_t digest_map(struct bench *bench)
{
    struct reshard_digest digest = {0, 0};
    uint64_t sum = 0;
    for (int i = 0; i < DIGESTS; i++) {
        reshard_map_digest(bench->map, &digest);
        sum += digest.low;
    }
    return sum;
}

/* From nothing, with every other invariant: what a digest that is not kept would cost at least. */
static uint64_t sound_map(struct bench *bench)
{
    return reshard__map_sound(bench->map);
}

static uint64_t clone_map(struct bench *bench)
{
    scratch_clone(bench);
    return reshard_map_version(bench->scratch);
}

static uint64_t copy_bare(struct bench *bench)
{
    memcpy(bench->copy, bench->words, 8 * (size_t)bench->slot_count);
    memcpy(
        bench->copy + 8 * (size_t)bench->slot_count, bench->owners, 4 * (size_t)bench->slot_count);
    return bench->copy[bench->slot_count];
}

static uint64_t find_members(struct bench *bench)
{
    struct reshard_map_node node = {.struct_size = sizeof node};
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= bench->node_count; i++) {
        reshard_map_node_find(bench->map, i * UINT64_C(0x9E3779B97F4A7C15), &node);
        reshard_map_shard_find(bench->map, node.shard, &shard);
        sum += shard.slot_count;
    }
    return sum;
}

static void row(struct bench *bench, const char *what, double count,
    uint64_t (*work)(struct bench *), void (*before)(struct bench *),
    uint64_t (*peer)(struct bench *), double peer_repeats, const char *peer_name)
{
    double peer_ns;
    double ns = measure(bench, work, before, peer, &peer_ns);
    printf("%-42s %12.1f ns", what, ns / count);
    if (peer)
        printf("   %9.4g x  %s", ns / peer_ns / peer_repeats, peer_name);
    printf("\n");
}

static void rows_apply(struct bench *bench)
{
    double follows[REPEATS];
    row(bench, "apply assign, per slot", bench->slot_count, assign_map, scratch_empty, assign_bare,
        1, "bare array stores");
    row(bench, "apply open+commit+end of 64 slots", BATCHES, migrate_batches, scratch_clone,
        migrate_bare, 1, "bare array stores");
    row(bench, "delta read, per change", 3 * BATCHES, delta_read, NULL, delta_bare, 1,
        "memcpy of a change");
    for (int i = 0; i < REPEATS; i++)
        follows[i] = (double)delta_follow(bench);
    printf("%-42s %12.1f ns\n", "delta replayed on a follower, per change",
        median(follows) / (3 * BATCHES));
    row(bench, "apply open+commit+end of 1 slot", BATCHES, migrate_slots, scratch_clone, NULL, 1,
        NULL);
}

static void rows_state(struct bench *bench)
{
    row(bench, "digest", DIGESTS, digest_map, NULL, copy_bare, DIGESTS,
        "memcpy of the slots (12 B each)");
    row(bench, "every invariant and the digest anew", 1, sound_map, NULL, copy_bare, 1,
        "memcpy of the slots");
    row(bench, "clone with retained changes", 1, clone_map, NULL, copy_bare, 1,
        "memcpy of the slots");
    row(bench, "find a node and its shard", bench->node_count, find_members, NULL, NULL, 1, NULL);
}

static void arrays_make(struct bench *bench)
{
    uint64_t seed = 1;
    size_t slots = bench->slot_count;
    bench->indices = malloc(INDICES * sizeof *bench->indices);
    bench->owners = malloc(slots * sizeof *bench->owners);
    bench->words = malloc(slots * sizeof *bench->words);
    bench->copy = malloc(slots * 12);
    if (!bench->indices || !bench->owners || !bench->words || !bench->copy)
        fail("memory");
    for (uint32_t i = 0; i < INDICES; i++)
        bench->indices[i] = (uint32_t)(reshard__random_next(&seed) % slots);
    for (uint32_t slot = 0; slot < slots; slot++) {
        bench->owners[slot] = reshard_map_slot_owner(bench->map, slot);
        bench->words[slot] = bench->owners[slot];
    }
    memset(bench->copy, 1, slots * 12);
}

static void run(uint32_t slot_count, uint32_t shard_count, uint32_t node_count)
{
    struct bench bench = {
        .slot_count = slot_count, .shard_count = shard_count, .node_count = node_count};
    const struct reshard_allocator allocator = {
        .struct_size = sizeof allocator, .resize = bench_resize, .user_data = &bench};
    if (reshard_map_create(slot_count, &allocator, &bench.map) != RESHARD_OK)
        fail("create");
    size_t empty = bench.live_bytes;
    double start = now_ns();
    sink += build(&bench);
    double built = now_ns() - start;
    printf("\n%u slots x %u shards, %u nodes\n", slot_count, shard_count, node_count);
    printf("%-42s %12.2f B    limit 16 B a slot\n", "memory of the slots, per slot",
        (double)empty / slot_count);
    printf("%-42s %12.2f B    with members and retained changes\n", "memory of the map, per slot",
        (double)bench.live_bytes / slot_count);
    printf("%-42s %12.2f ms\n", "built by changes", built / 1e6);
    arrays_make(&bench);
    row(&bench, "owner lookup, random slots", LOOKUPS, lookup_map, NULL, lookup_bare, 1,
        "bare array load behind a call");
    for (uint32_t i = 0; i < INDICES; i++)
        bench.indices[i] = i % slot_count;
    row(&bench, "owner lookup, ascending slots", LOOKUPS, lookup_map, NULL, lookup_bare, 1,
        "bare array load behind a call");
    rows_apply(&bench);
    rows_state(&bench);
    reshard_map_destroy(bench.scratch);
    reshard_map_destroy(bench.map);
    free(bench.indices);
    free(bench.owners);
    free(bench.words);
    free(bench.copy);
}

int main(void)
{
    run(RESHARD_SLOT_COUNT_DEFAULT, 3, 9);
    run(RESHARD_SLOT_COUNT_MAX, 1000, 10000);
    return 0;
}
