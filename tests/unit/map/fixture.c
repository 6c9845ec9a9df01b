/* SPDX-License-Identifier: MIT */
/* Room map, tests: shared helpers. See fixture.h. */
#include "unit/map/fixture.h"
#include <criterion/criterion.h>

struct reshard_change change_of_kind(uint32_t kind)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kind;
    return change;
}

int32_t do_term(struct reshard_map *map, uint64_t term, uint64_t unique)
{
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_TERM);
    change.term = term;
    change.unique = unique;
    return reshard_map_apply(map, &change);
}

int32_t do_shard_put(struct reshard_map *map, reshard_shard_id shard, double weight)
{
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_SHARD_PUT);
    change.shard = shard;
    change.weight = weight;
    return reshard_map_apply(map, &change);
}

int32_t do_shard_remove(struct reshard_map *map, reshard_shard_id shard)
{
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_SHARD_REMOVE);
    change.shard = shard;
    return reshard_map_apply(map, &change);
}

int32_t do_node_put(
    struct reshard_map *map, reshard_node_id node, reshard_shard_id shard, uint32_t role)
{
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_NODE_PUT);
    change.node = node;
    change.shard = shard;
    change.role = role;
    change.name = "name";
    change.name_size = 4;
    change.address = "host:1";
    change.address_size = 6;
    return reshard_map_apply(map, &change);
}

int32_t do_node_remove(struct reshard_map *map, reshard_node_id node)
{
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_NODE_REMOVE);
    change.node = node;
    return reshard_map_apply(map, &change);
}

int32_t do_primary(struct reshard_map *map, reshard_shard_id shard, reshard_node_id node)
{
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_SHARD_PRIMARY);
    change.shard = shard;
    change.node = node;
    return reshard_map_apply(map, &change);
}

int32_t do_assign(
    struct reshard_map *map, uint32_t kind, reshard_shard_id shard, uint32_t first, uint32_t last)
{
    struct reshard_range range = {first, last};
    struct reshard_change change = change_of_kind(kind);
    change.shard = shard;
    change.ranges = &range;
    change.range_count = 1;
    return reshard_map_apply(map, &change);
}

int32_t do_open(struct reshard_map *map, reshard_migration_id id, reshard_shard_id source,
    reshard_shard_id target, uint32_t first, uint32_t last)
{
    struct reshard_range range = {first, last};
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_MIGRATION_OPEN);
    change.migration = id;
    change.source = source;
    change.target = target;
    change.mode = RESHARD_MODE_SNAPSHOT;
    change.ranges = &range;
    change.range_count = 1;
    return reshard_map_apply(map, &change);
}

int32_t do_commit(
    struct reshard_map *map, reshard_migration_id id, uint64_t source_epoch, uint64_t target_epoch)
{
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_MIGRATION_COMMIT);
    change.migration = id;
    change.attempt = 7;
    change.source_epoch = source_epoch;
    change.target_epoch = target_epoch;
    return reshard_map_apply(map, &change);
}

int32_t do_decide(struct reshard_map *map, uint32_t kind, reshard_migration_id id)
{
    struct reshard_change change = change_of_kind(kind);
    change.migration = id;
    return reshard_map_apply(map, &change);
}

struct reshard_map *map_of_two_shards(void)
{
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(16, NULL, &map), RESHARD_OK);
    for (uint32_t shard = 1; shard <= 2; shard++) {
        cr_assert_eq(do_shard_put(map, shard, 1.0), RESHARD_OK);
        cr_assert_eq(do_node_put(map, 10 + shard, shard, RESHARD_ROLE_REPLICA), RESHARD_OK);
        cr_assert_eq(do_primary(map, shard, 10 + shard), RESHARD_OK);
    }
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 1, 0, 15), RESHARD_OK);
    cr_assert(reshard__map_sound(map));
    return map;
}

struct reshard_map *map_of_everything(const struct reshard_allocator *allocator)
{
    struct reshard_map *map = NULL;
    if (reshard_map_create(16, allocator, &map) != RESHARD_OK)
        return NULL;
    cr_assert_eq(do_term(map, 3, 77), RESHARD_OK);
    for (uint32_t shard = 1; shard <= 3; shard++) {
        cr_assert_eq(do_shard_put(map, shard, shard * 0.5), RESHARD_OK);
        cr_assert_eq(do_node_put(map, 10 + shard, shard, RESHARD_ROLE_REPLICA), RESHARD_OK);
        cr_assert_eq(do_node_put(map, 20 + shard, shard, RESHARD_ROLE_REPLICA), RESHARD_OK);
        cr_assert_eq(do_primary(map, shard, 10 + shard), RESHARD_OK);
    }
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 1, 0, 9), RESHARD_OK);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 2, 12, 15), RESHARD_OK);
    cr_assert_eq(do_shard_put(map, 9, 1.0), RESHARD_OK);
    cr_assert_eq(do_shard_remove(map, 9), RESHARD_OK);
    cr_assert_eq(do_node_put(map, 30, 0, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(do_node_remove(map, 30), RESHARD_OK);
    cr_assert_eq(do_open(map, 1, 1, 3, 0, 1), RESHARD_OK);
    cr_assert_eq(do_open(map, 2, 1, 2, 4, 5), RESHARD_OK);
    cr_assert_eq(do_open(map, 4, 2, 3, 13, 13), RESHARD_OK);
    cr_assert_eq(do_commit(map, 2, 1, 1), RESHARD_OK);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_ABORT, 4), RESHARD_OK);
    return map;
}

int digests_equal(const struct reshard_map *a, const struct reshard_map *b)
{
    struct reshard_digest x;
    struct reshard_digest y;
    cr_assert_eq(reshard_map_digest(a, &x), RESHARD_OK);
    cr_assert_eq(reshard_map_digest(b, &y), RESHARD_OK);
    return x.low == y.low && x.high == y.high;
}
