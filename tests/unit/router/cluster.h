/* SPDX-License-Identifier: MIT */
/* Room router, tests: a map to route by: shards 1 ... n, node 10 * shard is the primary, the next
 * two are replicas in zones "a" and "b"; slots in equal parts. */
#ifndef TESTS_ROUTER_CLUSTER_H
#define TESTS_ROUTER_CLUSTER_H

#include <criterion/criterion.h>
#include <reshard/router.h>

enum { CLUSTER_SLOTS = 64 };

static inline void cluster_change(struct reshard_map *map, const struct reshard_change *change)
{
    int32_t status = reshard_map_apply(map, change);
    cr_assert_eq(status, RESHARD_OK, "change %u: %s", change->kind, reshard_strname(status));
}

static inline void cluster_put_node(
    struct reshard_map *map, reshard_node_id node, reshard_shard_id shard, const char *zone)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = node;
    change.shard = shard;
    change.role = RESHARD_ROLE_REPLICA;
    change.name = change.address = "host";
    change.name_size = change.address_size = 4;
    change.zone = zone;
    change.zone_size = 1;
    cluster_change(map, &change);
}

static inline void cluster_primary(
    struct reshard_map *map, reshard_shard_id shard, reshard_node_id node)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = shard;
    change.node = node;
    cluster_change(map, &change);
}

static inline void cluster_put_shard(struct reshard_map *map, reshard_shard_id shard)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = shard;
    change.weight = 1.0;
    cluster_change(map, &change);
    cluster_put_node(map, 10 * shard, shard, "p");
    cluster_put_node(map, 10 * shard + 1, shard, "a");
    cluster_put_node(map, 10 * shard + 2, shard, "b");
    cluster_primary(map, shard, 10 * shard);
}

static inline void cluster_assign(
    struct reshard_map *map, uint32_t kind, reshard_shard_id shard, uint32_t first, uint32_t last)
{
    struct reshard_range range = {first, last};
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kind;
    change.shard = shard;
    change.ranges = &range;
    change.range_count = 1;
    cluster_change(map, &change);
}

static inline struct reshard_map *cluster_make(uint32_t shard_count)
{
    struct reshard_map *map;
    cr_assert_eq(reshard_map_create(CLUSTER_SLOTS, NULL, &map), RESHARD_OK);
    for (uint32_t shard = 1; shard <= shard_count; shard++)
        cluster_put_shard(map, shard);
    for (uint32_t shard = 1; shard <= shard_count; shard++)
        cluster_assign(map, RESHARD_CHANGE_ASSIGN, shard,
            (shard - 1) * CLUSTER_SLOTS / shard_count, shard * CLUSTER_SLOTS / shard_count - 1);
    return map;
}

static inline void cluster_open(struct reshard_map *map, reshard_shard_id source,
    reshard_shard_id target, uint32_t first, uint32_t last)
{
    struct reshard_range range = {first, last};
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_OPEN;
    change.migration = reshard_map_last_migration(map) + 1;
    change.source = source;
    change.target = target;
    change.mode = RESHARD_MODE_KEYWISE;
    change.ranges = &range;
    change.range_count = 1;
    cluster_change(map, &change);
}

/* Commit and close the oldest open migration. */
static inline void cluster_commit(struct reshard_map *map)
{
    struct reshard_map_migration open = {.struct_size = sizeof open};
    struct reshard_map_shard source = {.struct_size = sizeof source};
    struct reshard_map_shard target = {.struct_size = sizeof target};
    struct reshard_change change;
    cr_assert_eq(reshard_map_migration_at(map, 0, &open), RESHARD_OK);
    reshard_map_shard_find(map, open.source, &source);
    reshard_map_shard_find(map, open.target, &target);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_COMMIT;
    change.migration = open.migration;
    change.attempt = 1;
    change.source_epoch = source.epoch;
    change.target_epoch = target.epoch;
    cluster_change(map, &change);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_END;
    change.migration = open.migration;
    cluster_change(map, &change);
}

static inline struct reshard_router *cluster_router(
    const struct reshard_map *map, const char *zone, const struct reshard_allocator *allocator)
{
    struct reshard_router_config config;
    struct reshard_router *router;
    reshard_router_config_init(&config);
    config.slot_count = CLUSTER_SLOTS;
    config.seed = 7;
    config.zone = zone;
    config.zone_size = zone ? 1 : 0;
    config.allocator = allocator;
    cr_assert_eq(reshard_router_create(&config, &router), RESHARD_OK);
    if (map)
        cr_assert_eq(reshard_router_refresh(router, map), RESHARD_OK);
    return router;
}

#endif
