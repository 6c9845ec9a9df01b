/* SPDX-License-Identifier: MIT */
/* Whatever a client has cached: once all nodes have the same map, a request arrives after at most
 * one MOVED and one ASK; while they have not, it ends within the limit. Once all changes were
 * applied, it goes to the owner at once. */
#include "cluster.h"
#include "base/base.h"
#include <stdio.h>

enum { VERSIONS_MAX = 200, SHARDS_MAX = 6 };

struct history {
    uint64_t random;
    uint32_t shard_count;
    struct reshard_map *map;                     /* the newest */
    struct reshard_map *versions[VERSIONS_MAX]; /* clones of some states, ascending */
    uint32_t version_count;
    uint32_t needed[10 * SHARDS_MAX + 10]; /* node → lowest version that it can have */
    uint32_t known[10 * SHARDS_MAX + 10];  /* node → version that it has */
    bool by_node;                          /* answers name nodes, and the client never refreshes */
    bool told;                             /* they carry the version; always, if not by node */
};

static uint32_t draw(struct history *history, uint32_t below)
{
    return (uint32_t)(reshard__random_next(&history->random) % below);
}

static void keep(struct history *history)
{
    struct reshard_map *clone;
    cr_assert_eq(reshard_map_clone(history->map, NULL, &clone), RESHARD_OK);
    history->versions[history->version_count++] = clone;
}

/* A shard's nodes took part in a change: they know it. */
static void participates(struct history *history, reshard_shard_id shard)
{
    for (uint32_t i = 0; i < 3; i++)
        history->needed[10 * shard + i] = history->version_count;
}

static void step(struct history *history)
{
    struct reshard_map *map = history->map;
    uint32_t what = draw(history, 10);
    reshard_shard_id shard = 1 + draw(history, history->shard_count);
    if (what == 0 && history->shard_count < SHARDS_MAX) {
        cluster_put_shard(map, ++history->shard_count);
        participates(history, history->shard_count);
    } else if (what == 1) {
        cluster_primary(map, shard, 10 * shard + draw(history, 3));
        participates(history, shard);
    } else if (reshard_map_migration_count(map)) {
        struct reshard_map_migration open = {.struct_size = sizeof open};
        reshard_map_migration_at(map, 0, &open);
        participates(history, open.source);
        participates(history, open.target);
        cluster_commit(map);
    } else {
        uint32_t slot = draw(history, CLUSTER_SLOTS);
        reshard_shard_id source = reshard_map_slot_owner(map, slot);
        if (source == shard)
            return;
        participates(history, source);
        participates(history, shard);
        cluster_open(map, source, shard, slot, slot);
    }
    keep(history);
}

static reshard_node_id primary_of(const struct reshard_map *map, reshard_shard_id shard)
{
    struct reshard_map_shard known = {.struct_size = sizeof known};
    return reshard_map_shard_find(map, shard, &known) ? 0 : known.primary;
}

static void name(const struct history *history, const struct reshard_map *map,
    reshard_shard_id shard, struct reshard_answer *answer)
{
    if (history->by_node)
        answer->node = primary_of(map, shard);
    else
        answer->shard = shard;
}

/* What a node says; true = it served. Keys of slots that move are gone from their source. */
static bool ask_node(const struct history *history, const struct reshard_hop *hop,
    struct reshard_answer *answer)
{
    const struct reshard_map *map = history->map;
    const struct reshard_map *own = history->versions[history->known[hop->node]];
    reshard_shard_id owner = reshard_map_slot_owner(map, hop->slot);
    reshard_migration_id migration = reshard_map_slot_migration(map, hop->slot);
    struct reshard_map_migration open = {.struct_size = sizeof open};
    if (migration)
        cr_assert_eq(reshard_map_migration_find(map, migration, &open), RESHARD_OK);
    reshard_answer_init(answer);
    answer->version = history->told ? reshard_map_version(own) : 0;
    bool asking = (hop->flags & RESHARD_HOP_ASKING) && migration && hop->migration == migration;
    if (asking && hop->node == primary_of(map, open.target))
        return true;
    if (hop->node == primary_of(map, owner)) {
        answer->kind = RESHARD_ANSWER_ASK;
        answer->migration = migration;
        name(history, map, open.target, answer);
        return !migration;
    }
    reshard_shard_id believed = reshard_map_slot_owner(own, hop->slot);
    answer->kind = RESHARD_ANSWER_MOVED;
    if (primary_of(own, believed) == hop->node)
        answer->kind = RESHARD_ANSWER_TRYAGAIN; /* parks until it has the map */
    else
        name(history, own, believed, answer);
    return false;
}

/* Redirects that a request took, or -1: given up. */
static int send(struct history *history, struct reshard_router *router, uint32_t slot)
{
    struct reshard_request request;
    struct reshard_answer answer;
    reshard_request_init(&request);
    cr_assert_eq(
        reshard_router_begin(router, slot, RESHARD_REQUEST_WRITE, &request), RESHARD_OK);
    for (int turns = 0; turns < 100; turns++) {
        struct reshard_hop hop;
        uint64_t wait_ns = 0;
        reshard_hop_init(&hop);
        if (!history->by_node && reshard_router_stale(router))
            cr_assert_eq(reshard_router_refresh(router, history->map), RESHARD_OK);
        int32_t status = reshard_router_next(router, &request, &hop);
        if (status == RESHARD_E_EMPTY) {
            cr_assert_eq(reshard_router_refresh(router, history->map), RESHARD_OK);
            continue;
        }
        cr_assert_eq(status, RESHARD_OK);
        if (ask_node(history, &hop, &answer))
            return (int)request.redirects;
        status = reshard_router_answer(router, &request, &answer, &wait_ns);
        if (status == RESHARD_E_REDIRECTS)
            return -1;
        cr_assert_eq(status, RESHARD_OK);
        cr_assert_leq(request.redirects, RESHARD_ROUTER_REDIRECTS_MAX);
    }
    cr_assert(false, "a request without end");
    return -1;
}

static void learn(struct history *history, struct reshard_router *router)
{
    uint64_t cursor = reshard_router_version(router);
    struct reshard_change change;
    reshard_change_init(&change);
    if (draw(history, 2)) {
        uint32_t index = draw(history, history->version_count);
        int32_t status = reshard_router_refresh(router, history->versions[index]);
        cr_assert(status == RESHARD_OK || status == RESHARD_E_VERSION);
        return;
    }
    for (uint32_t i = draw(history, 5); i > 0; i--) {
        if (reshard_map_delta_next(history->map, &cursor, &change) != RESHARD_OK)
            return;
        cr_assert_eq(reshard_router_apply(router, &change), RESHARD_OK);
    }
}

/* Nodes know at least what they took part in; `all`: everything. */
static void nodes_learn(struct history *history, bool all)
{
    for (uint32_t node = 0; node < sizeof history->known / sizeof *history->known; node++) {
        uint32_t newest = history->version_count - 1;
        uint32_t lowest = all ? newest : history->needed[node];
        if (lowest > newest)
            lowest = newest;
        history->known[node] = lowest + draw(history, newest - lowest + 1);
    }
}

/* A cache that was told every change needs nobody's help, unless a MOVED without a version, of a
 * node that may have lagged, stands against it. */
static void check_deltas(struct history *history, struct reshard_router *router, uint64_t seed)
{
    uint64_t cursor = reshard_router_version(router);
    struct reshard_change change;
    struct reshard_request request;
    struct reshard_hop hop;
    reshard_change_init(&change);
    reshard_request_init(&request);
    reshard_hop_init(&hop);
    while (reshard_map_delta_next(history->map, &cursor, &change) == RESHARD_OK)
        cr_assert_eq(reshard_router_apply(router, &change), RESHARD_OK);
    if (!history->told)
        return;
    cr_assert_eq(reshard_router_stale(router), 0, "seed %llu", (unsigned long long)seed);
    for (uint32_t slot = 0; slot < CLUSTER_SLOTS; slot++) {
        reshard_shard_id owner = reshard_map_slot_owner(history->map, slot);
        cr_assert_eq(
            reshard_router_begin(router, slot, RESHARD_REQUEST_WRITE, &request), RESHARD_OK);
        cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_OK);
        cr_assert_eq(hop.node, primary_of(history->map, owner), "seed %llu slot %u",
            (unsigned long long)seed, slot);
    }
}

static void check_seed(uint64_t seed, uint32_t *given_up)
{
    struct history history = {.random = seed, .shard_count = 2};
    history.by_node = draw(&history, 2);
    history.told = !history.by_node || draw(&history, 2);
    history.map = cluster_make(history.shard_count);
    keep(&history);
    struct reshard_router *router = cluster_router(NULL, NULL, NULL);
    for (int round = 0; round < 30; round++) {
        for (uint32_t i = draw(&history, 6); i > 0; i--)
            step(&history);
        learn(&history, router);
        nodes_learn(&history, false);
        for (int i = 0; i < 3; i++)
            *given_up += send(&history, router, draw(&history, CLUSTER_SLOTS)) < 0;
        nodes_learn(&history, true);
        int redirects = send(&history, router, draw(&history, CLUSTER_SLOTS));
        cr_assert(redirects >= 0 && redirects <= 2, "seed %llu round %d: %d redirects",
            (unsigned long long)seed, round, redirects);
    }
    check_deltas(&history, router, seed);
    cr_assert_eq(reshard_router_refresh(router, history.map), RESHARD_OK);
    cr_assert_eq(reshard_router_stale(router), 0);
    for (uint32_t slot = 0; slot < CLUSTER_SLOTS; slot++)
        cr_assert_eq(reshard_router_slot_owner(router, slot),
            reshard_map_slot_owner(history.map, slot), "seed %llu", (unsigned long long)seed);
    reshard_router_destroy(router);
    for (uint32_t i = 0; i < history.version_count; i++)
        reshard_map_destroy(history.versions[i]);
    reshard_map_destroy(history.map);
}

Test(property, requests_arrive_within_two_redirects_when_stable, .timeout = 120)
{
    uint32_t given_up = 0;
    for (uint64_t seed = 1; seed <= 400; seed++)
        check_seed(seed, &given_up);
    cr_assert_lt(given_up, 400 * 30 * 3 / 20); /* even while nodes lag, few are given up */
}
