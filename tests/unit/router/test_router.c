/* SPDX-License-Identifier: MIT */
#include "cluster.h"
#include "support/alloc.h"
#include <string.h>

/* The router learns that a slot moved. */
static void moved(struct reshard_router *router, uint32_t slot, reshard_shard_id shard,
    uint64_t version)
{
    struct reshard_request request;
    struct reshard_answer answer;
    uint64_t wait_ns;
    reshard_request_init(&request);
    reshard_answer_init(&answer);
    answer.kind = RESHARD_ANSWER_MOVED;
    answer.shard = shard;
    answer.version = version;
    cr_assert_eq(reshard_router_begin(router, slot, 0, &request), RESHARD_OK);
    cr_assert_eq(reshard_router_answer(router, &request, &answer, &wait_ns), RESHARD_OK);
}

Test(router, create_refuses_bad_configs)
{
    struct reshard_router_config good;
    struct reshard_router_config bad[9];
    int32_t expected[9] = {RESHARD_E_FLAGS, RESHARD_E_SLOT_COUNT, RESHARD_E_SLOT_COUNT,
        RESHARD_E_ARGUMENT, RESHARD_E_ARGUMENT, RESHARD_E_ARGUMENT, RESHARD_E_ARGUMENT,
        RESHARD_E_NULL, RESHARD_E_STRUCT_SIZE};
    struct reshard_router *router = NULL;
    struct reshard_hasher hasher;
    reshard_hasher_init(&hasher);
    reshard_router_config_init(&good);
    for (int i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].flags = 1;
    bad[1].slot_count = 0;
    bad[2].slot_count = RESHARD_SLOT_COUNT_MAX + 1;
    bad[3].redirects_max = 0;
    bad[4].redirects_max = RESHARD_ROUTER_REDIRECTS_MAX + 1;
    bad[5].backoff_base_ns = 0;
    bad[6].backoff_max_ns = bad[6].backoff_base_ns - 1;
    bad[7].zone_size = 1;
    bad[8].struct_size = 4;
    for (int i = 0; i < 9; i++)
        cr_assert_eq(reshard_router_create(&bad[i], &router), expected[i], "case %d", i);
    good.hasher = &hasher;
    good.slot_count = 32768;
    cr_assert_eq(reshard_router_create(&good, &router), RESHARD_E_SLOT_COUNT);
    hasher.algorithm = 77;
    cr_assert_eq(reshard_router_create(&good, &router), RESHARD_E_KIND);
    good.hasher = NULL;
    good.zone = "z";
    good.zone_size = RESHARD_ZONE_SIZE_MAX + 1;
    cr_assert_eq(reshard_router_create(&good, &router), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_router_create(NULL, &router), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_create(&good, NULL), RESHARD_E_NULL);
    cr_assert_null(router);
    reshard_router_destroy(NULL);
}

Test(router, empty_cache_is_stale_until_refreshed)
{
    struct reshard_map *map = cluster_make(2);
    struct reshard_router *router = cluster_router(NULL, NULL, NULL);
    cr_assert_eq(reshard_router_stale(router), 1);
    cr_assert_eq(reshard_router_version(router), 0);
    cr_assert_eq(reshard_router_refresh(router, map), RESHARD_OK);
    cr_assert_eq(reshard_router_stale(router), 0);
    cr_assert_eq(reshard_router_version(router), reshard_map_version(map));
    cr_assert_eq(reshard_router_slot_owner(router, 0), 1);
    cr_assert_eq(reshard_router_slot_owner(router, CLUSTER_SLOTS), 0);
    cr_assert_eq(reshard_router_stale(NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_slot_owner(NULL, 0), 0);
    reshard_router_destroy(router);
    reshard_map_destroy(map);
}

Test(router, refresh_refuses_older_and_foreign_maps)
{
    struct reshard_map *map = cluster_make(2);
    struct reshard_map *other;
    struct reshard_router *router = cluster_router(map, NULL, NULL);
    cr_assert_eq(reshard_map_create(CLUSTER_SLOTS, NULL, &other), RESHARD_OK);
    cr_assert_eq(reshard_router_refresh(router, other), RESHARD_E_VERSION);
    reshard_map_destroy(other);
    cr_assert_eq(reshard_map_create(CLUSTER_SLOTS + 1, NULL, &other), RESHARD_OK);
    cr_assert_eq(reshard_router_refresh(router, other), RESHARD_E_SLOT_COUNT);
    cr_assert_eq(reshard_router_refresh(router, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_refresh(router, map), RESHARD_OK);
    reshard_map_destroy(other);
    reshard_router_destroy(router);
    reshard_map_destroy(map);
}

Test(router, moved_patches_the_slot_until_a_map_knows_it)
{
    struct reshard_map *map = cluster_make(2);
    uint64_t version = reshard_map_version(map);
    struct reshard_router *router = cluster_router(map, NULL, NULL);
    moved(router, 5, 2, version + 3); /* open, commit, end */
    moved(router, 6, 2, 0);
    cr_assert_eq(reshard_router_slot_owner(router, 5), 2);
    cr_assert_eq(reshard_router_slot_owner(router, 6), 2);
    cr_assert_eq(reshard_router_slot_owner(router, 4), 1);
    cr_assert_eq(reshard_router_stale(router), 1);
    cr_assert_eq(reshard_router_refresh(router, map), RESHARD_OK); /* not newer */
    cr_assert_eq(reshard_router_slot_owner(router, 5), 2);
    cr_assert_eq(reshard_router_slot_owner(router, 6), 1);
    cr_assert_eq(reshard_router_stale(router), 1);
    cluster_open(map, 1, 2, 5, 5);
    cluster_commit(map);
    cluster_open(map, 2, 1, 5, 5);
    cluster_commit(map);
    cr_assert_eq(reshard_router_refresh(router, map), RESHARD_OK);
    cr_assert_eq(reshard_router_slot_owner(router, 5), 1);
    cr_assert_eq(reshard_router_stale(router), 0);
    reshard_router_destroy(router);
    reshard_map_destroy(map);
}

Test(router, apply_follows_deltas_and_drops_what_they_settle)
{
    struct reshard_map *map = cluster_make(2);
    struct reshard_router *router = cluster_router(map, NULL, NULL);
    uint64_t cursor = reshard_map_version(map);
    struct reshard_change change;
    moved(router, 5, 2, 0);
    moved(router, 40, 1, 0);
    cluster_open(map, 1, 2, 5, 5);
    cluster_commit(map);
    cluster_assign(map, RESHARD_CHANGE_UNASSIGN, 2, 40, 40);
    reshard_change_init(&change);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(reshard_router_stale(router), 1);
        cr_assert_eq(reshard_router_slot_owner(router, 5), 2); /* as was told, also when opened */
        cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_OK);
        cr_assert_eq(reshard_router_apply(router, &change), RESHARD_OK);
        cr_assert_eq(reshard_router_apply(router, &change), RESHARD_E_REPEATED);
    }
    cr_assert_eq(reshard_router_stale(router), 0);
    cr_assert_eq(reshard_router_slot_owner(router, 5), 2);
    cr_assert_eq(reshard_router_slot_owner(router, 40), 0);
    change.version += 2;
    cr_assert_eq(reshard_router_apply(router, &change), RESHARD_E_VERSION);
    change.struct_size = 1;
    cr_assert_eq(reshard_router_apply(router, &change), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(reshard_router_apply(router, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_router_apply(NULL, &change), RESHARD_E_NULL);
    reshard_router_destroy(router);
    reshard_map_destroy(map);
}

/* A primary that changed is the last of the deltas: nothing else rebuilds what requests read. */
Test(router, primary_that_changes_by_a_delta_is_asked)
{
    struct reshard_map *map = cluster_make(2);
    struct reshard_router *router = cluster_router(map, NULL, NULL);
    uint64_t cursor = reshard_map_version(map);
    struct reshard_change change;
    struct reshard_request request;
    struct reshard_hop hop;
    reshard_change_init(&change);
    reshard_request_init(&request);
    reshard_hop_init(&hop);
    cr_assert_eq(reshard_router_begin(router, 40, RESHARD_REQUEST_WRITE, &request), RESHARD_OK);
    struct reshard_answer answer = {.struct_size = sizeof answer,
        .kind = RESHARD_ANSWER_MOVED, .shard = 2};
    uint64_t wait_ns;
    cr_assert_eq(reshard_router_answer(router, &request, &answer, &wait_ns), RESHARD_OK);
    cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_E_EMPTY);
    cluster_primary(map, 2, 21);
    cr_assert_eq(reshard_map_delta_next(map, &cursor, &change), RESHARD_OK);
    cr_assert_eq(reshard_router_apply(router, &change), RESHARD_OK);
    cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_OK);
    cr_assert_eq(hop.node, 21);
    reshard_router_destroy(router);
    reshard_map_destroy(map);
}

Test(router, whole_history_by_deltas_gives_the_same_cache)
{
    struct reshard_map *map = cluster_make(4);
    struct reshard_router *router = cluster_router(NULL, "a", NULL);
    uint64_t cursor = 0;
    struct reshard_change change;
    reshard_change_init(&change);
    while (reshard_map_delta_next(map, &cursor, &change) == RESHARD_OK)
        cr_assert_eq(reshard_router_apply(router, &change), RESHARD_OK);
    cr_assert_eq(reshard_router_version(router), reshard_map_version(map));
    for (uint32_t slot = 0; slot < CLUSTER_SLOTS; slot++)
        cr_assert_eq(reshard_router_slot_owner(router, slot), reshard_map_slot_owner(map, slot));
    reshard_router_destroy(router);
    reshard_map_destroy(map);
}

/* Create, refresh, apply, learn. */
static int32_t everything(const struct reshard_map *map, const struct reshard_allocator *allocator)
{
    struct reshard_router_config config;
    struct reshard_router *router = NULL;
    struct reshard_request request;
    struct reshard_answer answer;
    struct reshard_change change;
    uint64_t wait_ns = 77;
    reshard_router_config_init(&config);
    config.slot_count = CLUSTER_SLOTS;
    config.allocator = allocator;
    int32_t status = reshard_router_create(&config, &router);
    if (status) {
        cr_assert_null(router);
        return status;
    }
    status = reshard_router_refresh(router, map);
    if (status)
        cr_assert_eq(reshard_router_version(router), 0);
    for (uint32_t slot = 0; slot < 40 && !status; slot++) {
        reshard_request_init(&request);
        reshard_answer_init(&answer);
        answer.kind = RESHARD_ANSWER_MOVED;
        answer.shard = 2;
        reshard_router_begin(router, slot, 0, &request);
        struct reshard_request before = request;
        status = reshard_router_answer(router, &request, &answer, &wait_ns);
        if (!status)
            continue;
        cr_assert_eq(memcmp(&before, &request, sizeof request), 0);
        cr_assert_eq(reshard_router_slot_owner(router, slot), slot < 32 ? 1 : 2);
    }
    for (uint32_t i = 0; i < 20 && !status; i++) {
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_NODE_PUT;
        change.node = 100 + i;
        change.shard = 1;
        change.role = RESHARD_ROLE_REPLICA;
        uint64_t version = reshard_router_version(router);
        status = reshard_router_apply(router, &change);
        cr_assert_eq(reshard_router_version(router), version + (status == RESHARD_OK));
    }
    reshard_router_destroy(router);
    return status;
}

Test(router, any_failing_allocation_is_reported_and_leaks_nothing)
{
    struct support_alloc alloc;
    struct reshard_map *map = cluster_make(2);
    int32_t status = RESHARD_E_NOMEM;
    for (size_t n = 1; status; n++) {
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        alloc.fail_at = n;
        status = everything(map, &allocator);
        cr_assert(status == RESHARD_OK || status == RESHARD_E_NOMEM);
        cr_assert_eq(status == RESHARD_OK, alloc.failed == 0);
        cr_assert(support_alloc_clean(&alloc), "allocation %zu", n);
    }
    cr_assert_gt(alloc.calls, 10);
    reshard_map_destroy(map);
}

/* Shards 3, 40 and 900: no guess by distance is right but the first. */
Test(router, shards_with_gaps_are_found)
{
    static const reshard_shard_id shards[] = {3, 40, 500, 900};
    struct reshard_map *map;
    struct reshard_change change;
    struct reshard_request request;
    struct reshard_hop hop;
    cr_assert_eq(reshard_map_create(CLUSTER_SLOTS, NULL, &map), RESHARD_OK);
    for (uint32_t i = 0; i < 4; i++) {
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_SHARD_PUT;
        change.shard = shards[i];
        change.weight = 1.0;
        cluster_change(map, &change);
        cluster_put_node(map, 10 * shards[i], shards[i], "a");
        cluster_primary(map, shards[i], 10 * shards[i]);
        cluster_assign(map, RESHARD_CHANGE_ASSIGN, shards[i], i, i);
    }
    struct reshard_router *router = cluster_router(map, NULL, NULL);
    reshard_request_init(&request);
    reshard_hop_init(&hop);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(reshard_router_begin(router, i, 0, &request), RESHARD_OK);
        cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_OK);
        cr_assert_eq(hop.node, 10 * shards[i]);
        moved(router, i, shards[i] + 1, 0); /* of which no map says who it is */
        cr_assert_eq(reshard_router_begin(router, i, 0, &request), RESHARD_OK);
        cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_E_EMPTY);
    }
    moved(router, 9, 1, 0); /* below the first */
    cr_assert_eq(reshard_router_begin(router, 9, 0, &request), RESHARD_OK);
    cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_E_EMPTY);
    reshard_router_destroy(router);
    reshard_map_destroy(map);
}

Test(router, own_hasher_of_the_same_slots_is_taken)
{
    struct reshard_router_config config;
    struct reshard_router *router = NULL;
    struct reshard_hasher hasher;
    struct reshard_request request;
    const struct reshard_key key = {"{u}a", 4};
    uint32_t slot;
    reshard_hasher_init(&hasher);
    hasher.algorithm = RESHARD_HASH_XXH3;
    hasher.slot_count = 1000;
    reshard_router_config_init(&config);
    config.slot_count = 1000;
    config.hasher = &hasher;
    cr_assert_eq(reshard_router_create(&config, &router), RESHARD_OK);
    reshard_request_init(&request);
    cr_assert_eq(reshard_router_begin_keys(router, &key, 1, 0, &request), RESHARD_OK);
    cr_assert_eq(reshard_slot_of_key(&hasher, key.data, key.key_size, &slot), RESHARD_OK);
    cr_assert_eq(request.slot, slot);
    cr_assert_eq(reshard_router_version(NULL), 0);
    cr_assert_eq(reshard_router_refresh(NULL, NULL), RESHARD_E_NULL);
    reshard_router_destroy(router);
}

/* Replicas that wait for a shard are none to read from. */
Test(router, nodes_without_a_shard_are_nobodys_replicas)
{
    struct reshard_map *map = cluster_make(2);
    struct reshard_request request;
    struct reshard_hop hop;
    cluster_put_node(map, 99, 0, "a");
    struct reshard_router *router = cluster_router(map, "a", NULL);
    reshard_request_init(&request);
    reshard_hop_init(&hop);
    for (uint32_t slot = 0; slot < CLUSTER_SLOTS; slot++) {
        cr_assert_eq(
            reshard_router_begin(router, slot, RESHARD_REQUEST_REPLICA, &request), RESHARD_OK);
        cr_assert_eq(reshard_router_next(router, &request, &hop), RESHARD_OK);
        cr_assert_neq(hop.node, 99);
    }
    reshard_router_destroy(router);
    reshard_map_destroy(map);
}
