/* SPDX-License-Identifier: MIT */
/* Room router, benchmark: where a request goes next at 2^20 slots and 1,000 shards, against a bare
 * array of owners in the same run; and an audit of 1,000 nodes beside one pass over their slots.
 * Prints medians of the repeats. */
#include "base/base.h"
#include <reshard/audit.h>
#include <reshard/router.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 7, SLOTS = 1 << 20, SHARDS = 1000, REQUESTS = 1 << 18, PATCHES = 4000 };

struct bench {
    struct reshard_map *map;
    struct reshard_router *router;
    uint32_t *owners; /* the bare arrays */
    reshard_node_id *primaries;
    uint32_t *slots; /* to be asked for, in random order */
};

static volatile uint64_t sink;
static volatile uint64_t nothing; /* 0, but the compiler does not know */

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

static double measure(const struct bench *bench, uint64_t (*work)(const struct bench *))
{
    double times[REPEATS];
    for (int i = -1; i < REPEATS; i++) { /* one to warm up */
        double start = now_ns();
        sink += work(bench);
        if (i >= 0)
            times[i] = now_ns() - start;
    }
    qsort(times, REPEATS, sizeof times[0], by_value);
    return times[REPEATS / 2];
}

static void must(int32_t status)
{
    if (status == RESHARD_OK)
        return;
    fprintf(stderr, "bench_router: %s\n", reshard_strname(status));
    exit(1);
}

static void *must_alloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        must(RESHARD_E_NOMEM);
    return memory;
}

static void add_shard(struct bench *bench, reshard_shard_id shard)
{
    struct reshard_range range = {(uint32_t)((uint64_t)(shard - 1) * SLOTS / SHARDS),
        (uint32_t)((uint64_t)shard * SLOTS / SHARDS - 1)};
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = shard;
    change.weight = 1.0;
    must(reshard_map_apply(bench->map, &change));
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = shard;
    change.shard = shard;
    change.role = RESHARD_ROLE_REPLICA;
    must(reshard_map_apply(bench->map, &change));
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = shard;
    change.node = shard;
    must(reshard_map_apply(bench->map, &change));
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_ASSIGN;
    change.shard = shard;
    change.ranges = &range;
    change.range_count = 1;
    must(reshard_map_apply(bench->map, &change));
}

/* One request after the other, as a client's thread has them: each waits for the one before. */
static uint64_t work_bare(const struct bench *bench)
{
    uint64_t sum = 0;
    uint64_t mask = nothing;
    for (uint32_t i = 0; i < REQUESTS; i++)
        sum += bench->primaries[bench->owners[bench->slots[i + (sum & mask)]]];
    return sum;
}

static uint64_t work_router(const struct bench *bench)
{
    struct reshard_request request;
    struct reshard_hop hop;
    uint64_t sum = 0;
    uint64_t mask = nothing;
    reshard_request_init(&request);
    reshard_hop_init(&hop);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        must(reshard_router_begin(
            bench->router, bench->slots[i + (sum & mask)], RESHARD_REQUEST_WRITE, &request));
        must(reshard_router_next(bench->router, &request, &hop));
        sum += hop.node;
    }
    return sum;
}

static uint64_t work_pass(const struct bench *bench)
{
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        sum += reshard_map_slot_owner(bench->map, slot);
    return sum;
}

static uint64_t work_audit(const struct bench *bench)
{
    struct reshard_audit_config config;
    struct reshard_audit *audit;
    static struct reshard_range ranges[SHARDS];
    reshard_audit_config_init(&config);
    config.slot_count = SLOTS;
    must(reshard_audit_create(&config, &audit));
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct reshard_view view;
        ranges[i].first = (uint32_t)((uint64_t)i * SLOTS / SHARDS);
        ranges[i].last = (uint32_t)((uint64_t)(i + 1) * SLOTS / SHARDS - 1);
        reshard_view_init(&view);
        view.flags = RESHARD_VIEW_REACHABLE;
        view.node = view.shard = i + 1;
        view.role = RESHARD_ROLE_PRIMARY;
        view.map_version = reshard_map_version(bench->map);
        view.owned = &ranges[i];
        view.owned_count = 1;
        must(reshard_audit_add_view(audit, &view));
    }
    must(reshard_audit_run(audit, bench->map));
    uint64_t count = reshard_audit_finding_count(audit);
    reshard_audit_destroy(audit);
    if (count)
        must(RESHARD_E_STATE); /* it is healthy */
    return count;
}

static void patch(const struct bench *bench)
{
    struct reshard_request request;
    struct reshard_answer answer;
    uint64_t wait_ns;
    reshard_request_init(&request);
    reshard_answer_init(&answer);
    answer.kind = RESHARD_ANSWER_MOVED;
    for (uint32_t i = 0; i < PATCHES; i++) {
        answer.shard = 1 + i % SHARDS;
        must(reshard_router_begin(bench->router, bench->slots[i], 0, &request));
        must(reshard_router_answer(bench->router, &request, &answer, &wait_ns));
    }
}

static void set_up(struct bench *bench)
{
    struct reshard_router_config config;
    uint64_t random = 1;
    must(reshard_map_create(SLOTS, NULL, &bench->map));
    for (uint32_t shard = 1; shard <= SHARDS; shard++)
        add_shard(bench, shard);
    reshard_router_config_init(&config);
    config.slot_count = SLOTS;
    must(reshard_router_create(&config, &bench->router));
    must(reshard_router_refresh(bench->router, bench->map));
    bench->owners = must_alloc(SLOTS, sizeof *bench->owners);
    bench->primaries = must_alloc(SHARDS + 1, sizeof *bench->primaries);
    bench->slots = must_alloc(REQUESTS, sizeof *bench->slots);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        bench->owners[slot] = reshard_map_slot_owner(bench->map, slot);
    for (uint32_t shard = 0; shard <= SHARDS; shard++)
        bench->primaries[shard] = shard;
    for (uint32_t i = 0; i < REQUESTS; i++)
        bench->slots[i] = (uint32_t)(reshard__random_next(&random) % SLOTS);
}

int main(void)
{
    struct bench bench;
    memset(&bench, 0, sizeof bench);
    set_up(&bench);
    double bare = measure(&bench, work_bare) / REQUESTS;
    double routed = measure(&bench, work_router) / REQUESTS;
    patch(&bench);
    double patched = measure(&bench, work_router) / REQUESTS;
    double pass = measure(&bench, work_pass) / 1e6;
    double audit = measure(&bench, work_audit) / 1e6;
    printf("2^20 slots, 1,000 shards                 this        peer    ratio\n");
    printf("next hop (begin + next)            %7.1f ns  %7.1f ns  %6.1f x\n", routed, bare,
        routed / bare);
    printf("next hop, 4,000 patches            %7.1f ns  %7.1f ns  %6.1f x\n", patched, bare,
        patched / bare);
    printf("audit of 1,000 healthy nodes       %7.1f ms  %7.1f ms  %6.1f x\n", audit, pass,
        audit / pass);
    reshard_router_destroy(bench.router);
    reshard_map_destroy(bench.map);
    free(bench.owners);
    free(bench.primaries);
    free(bench.slots);
    return 0;
}
