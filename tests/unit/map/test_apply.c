/* SPDX-License-Identifier: MIT */
/* Room map, tests: each kind of change, by hand: what it does and what refuses it. */
#include "map/map.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static struct reshard_change of_kind(uint32_t kind)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kind;
    return change;
}

static int32_t shard_put(struct reshard_map *map, reshard_shard_id shard, double weight)
{
    struct reshard_change change = of_kind(RESHARD_CHANGE_SHARD_PUT);
    change.shard = shard;
    change.weight = weight;
    return reshard_map_apply(map, &change);
}

static int32_t shard_remove(struct reshard_map *map, reshard_shard_id shard)
{
    struct reshard_change change = of_kind(RESHARD_CHANGE_SHARD_REMOVE);
    change.shard = shard;
    return reshard_map_apply(map, &change);
}

static int32_t node_put(
    struct reshard_map *map, reshard_node_id node, reshard_shard_id shard, uint32_t role)
{
    struct reshard_change change = of_kind(RESHARD_CHANGE_NODE_PUT);
    change.node = node;
    change.shard = shard;
    change.role = role;
    change.name = "name";
    change.name_size = 4;
    change.address = "host:1";
    change.address_size = 6;
    return reshard_map_apply(map, &change);
}

static int32_t node_remove(struct reshard_map *map, reshard_node_id node)
{
    struct reshard_change change = of_kind(RESHARD_CHANGE_NODE_REMOVE);
    change.node = node;
    return reshard_map_apply(map, &change);
}

static int32_t primary(struct reshard_map *map, reshard_shard_id shard, reshard_node_id node)
{
    struct reshard_change change = of_kind(RESHARD_CHANGE_SHARD_PRIMARY);
    change.shard = shard;
    change.node = node;
    return reshard_map_apply(map, &change);
}

static int32_t assign(
    struct reshard_map *map, uint32_t kind, reshard_shard_id shard, uint32_t first, uint32_t last)
{
    struct reshard_range range = {first, last};
    struct reshard_change change = of_kind(kind);
    change.shard = shard;
    change.ranges = &range;
    change.range_count = 1;
    return reshard_map_apply(map, &change);
}

static int32_t open_migration(struct reshard_map *map, reshard_migration_id id,
    reshard_shard_id source, reshard_shard_id target, uint32_t first, uint32_t last)
{
    struct reshard_range range = {first, last};
    struct reshard_change change = of_kind(RESHARD_CHANGE_MIGRATION_OPEN);
    change.migration = id;
    change.source = source;
    change.target = target;
    change.mode = RESHARD_MODE_SNAPSHOT;
    change.ranges = &range;
    change.range_count = 1;
    return reshard_map_apply(map, &change);
}

static int32_t commit(struct reshard_map *map, reshard_migration_id id, uint64_t source_epoch,
    uint64_t target_epoch)
{
    struct reshard_change change = of_kind(RESHARD_CHANGE_MIGRATION_COMMIT);
    change.migration = id;
    change.attempt = 7;
    change.source_epoch = source_epoch;
    change.target_epoch = target_epoch;
    return reshard_map_apply(map, &change);
}

static int32_t decide(struct reshard_map *map, uint32_t kind, reshard_migration_id id)
{
    struct reshard_change change = of_kind(kind);
    change.migration = id;
    return reshard_map_apply(map, &change);
}

/* Shards 1 and 2 with primaries 11 and 12 (epoch 1), shard 1 owns 0 ... 15 of 16. */
static struct reshard_map *two_shards(void)
{
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(16, NULL, &map), RESHARD_OK);
    for (uint32_t shard = 1; shard <= 2; shard++) {
        cr_assert_eq(shard_put(map, shard, 1.0), RESHARD_OK);
        cr_assert_eq(node_put(map, 10 + shard, shard, RESHARD_ROLE_REPLICA), RESHARD_OK);
        cr_assert_eq(primary(map, shard, 10 + shard), RESHARD_OK);
    }
    cr_assert_eq(assign(map, RESHARD_CHANGE_ASSIGN, 1, 0, 15), RESHARD_OK);
    cr_assert(reshard__map_sound(map));
    return map;
}

Test(apply, a_migration_moves_its_slots_at_commit)
{
    struct reshard_map *map = two_shards();
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    uint64_t version = reshard_map_version(map);
    cr_assert_eq(open_migration(map, 5, 1, 2, 4, 7), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_owner(map, 4), 1);
    cr_assert_eq(reshard_map_slot_migration(map, 4), 5);
    cr_assert_eq(reshard_map_slot_migration(map, 8), 0);
    cr_assert_eq(reshard_map_migration_find(map, 5, &migration), RESHARD_OK);
    cr_assert_eq(migration.version, version + 1);
    cr_assert_eq(migration.slot_count, 4);
    cr_assert_eq(commit(map, 5, 0, 1), RESHARD_E_EPOCH);
    cr_assert_eq(commit(map, 5, 1, 2), RESHARD_E_EPOCH);
    cr_assert_eq(decide(map, RESHARD_CHANGE_MIGRATION_END, 5), RESHARD_E_STATE);
    cr_assert_eq(commit(map, 5, 1, 1), RESHARD_OK);
    cr_assert_eq(commit(map, 5, 1, 1), RESHARD_E_REPEATED);
    cr_assert_eq(decide(map, RESHARD_CHANGE_MIGRATION_ABORT, 5), RESHARD_E_DECIDED);
    cr_assert_eq(reshard_map_slot_owner(map, 4), 2);
    cr_assert_eq(reshard_map_slot_epoch(map, 4), 2);
    cr_assert_eq(reshard_map_slot_owner(map, 8), 1);
    cr_assert(reshard__map_sound(map));
    cr_assert_eq(open_migration(map, 6, 2, 1, 4, 4), RESHARD_E_OVERLAP);
    cr_assert_eq(shard_remove(map, 1), RESHARD_E_IN_USE);
    cr_assert_eq(decide(map, RESHARD_CHANGE_MIGRATION_END, 5), RESHARD_OK);
    cr_assert_eq(decide(map, RESHARD_CHANGE_MIGRATION_END, 5), RESHARD_E_MIGRATION);
    cr_assert_eq(open_migration(map, 5, 2, 1, 4, 4), RESHARD_E_REUSED);
    cr_assert_eq(open_migration(map, 6, 2, 1, 4, 4), RESHARD_OK);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(apply, an_aborted_migration_leaves_the_slots)
{
    struct reshard_map *map = two_shards();
    cr_assert_eq(open_migration(map, 1, 1, 2, 0, 3), RESHARD_OK);
    cr_assert_eq(decide(map, RESHARD_CHANGE_MIGRATION_ABORT, 1), RESHARD_OK);
    cr_assert_eq(decide(map, RESHARD_CHANGE_MIGRATION_ABORT, 1), RESHARD_E_REPEATED);
    cr_assert_eq(commit(map, 1, 1, 1), RESHARD_E_DECIDED);
    cr_assert_eq(reshard_map_slot_owner(map, 0), 1);
    cr_assert_eq(reshard_map_slot_epoch(map, 0), 1);
    cr_assert_eq(reshard_map_slot_migration(map, 0), 1);
    cr_assert_eq(decide(map, RESHARD_CHANGE_MIGRATION_END, 1), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_migration(map, 0), 0);
    cr_assert_eq(reshard_map_migration_count(map), 0);
    reshard_map_destroy(map);
}

Test(apply, owners_of_moving_slots_stay)
{
    struct reshard_map *map = two_shards();
    cr_assert_eq(open_migration(map, 1, 1, 2, 2, 3), RESHARD_OK);
    cr_assert_eq(assign(map, RESHARD_CHANGE_UNASSIGN, 1, 0, 3), RESHARD_E_OVERLAP);
    cr_assert_eq(assign(map, RESHARD_CHANGE_UNASSIGN, 2, 0, 1), RESHARD_E_OWNER);
    cr_assert_eq(assign(map, RESHARD_CHANGE_UNASSIGN, 1, 0, 1), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_owner(map, 0), 0);
    cr_assert_eq(reshard_map_slot_epoch(map, 0), 2);
    cr_assert_eq(assign(map, RESHARD_CHANGE_ASSIGN, 2, 0, 2), RESHARD_E_OWNER);
    cr_assert_eq(assign(map, RESHARD_CHANGE_ASSIGN, 2, 0, 16), RESHARD_E_SLOT);
    cr_assert_eq(assign(map, RESHARD_CHANGE_ASSIGN, 9, 0, 1), RESHARD_E_SHARD);
    cr_assert_eq(assign(map, RESHARD_CHANGE_ASSIGN, 2, 0, 1), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_epoch(map, 0), 3);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(apply, a_primary_stays_with_its_shard)
{
    struct reshard_map *map = two_shards();
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    struct reshard_map_node node = {.struct_size = sizeof node};
    cr_assert_eq(node_remove(map, 11), RESHARD_E_IN_USE);
    cr_assert_eq(node_put(map, 11, 2, RESHARD_ROLE_PRIMARY), RESHARD_E_IN_USE);
    cr_assert_eq(node_put(map, 11, 1, RESHARD_ROLE_REPLICA), RESHARD_E_IN_USE);
    cr_assert_eq(node_put(map, 11, 1, RESHARD_ROLE_PRIMARY), RESHARD_OK);
    cr_assert_eq(node_put(map, 13, 1, RESHARD_ROLE_PRIMARY), RESHARD_E_STATE);
    cr_assert_eq(node_put(map, 13, 2, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(primary(map, 1, 13), RESHARD_E_STATE);
    cr_assert_eq(primary(map, 1, 14), RESHARD_E_NODE);
    cr_assert_eq(node_put(map, 13, 1, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(primary(map, 1, 13), RESHARD_OK);
    cr_assert_eq(reshard_map_shard_find(map, 1, &shard), RESHARD_OK);
    cr_assert_eq(shard.primary, 13);
    cr_assert_eq(shard.epoch, 2);
    cr_assert_eq(shard.node_count, 2);
    cr_assert_eq(shard.slot_count, 16);
    cr_assert_eq(reshard_map_node_find(map, 11, &node), RESHARD_OK);
    cr_assert_eq(node.role, RESHARD_ROLE_REPLICA);
    cr_assert_eq(node_remove(map, 11), RESHARD_OK);
    cr_assert_eq(node_put(map, 11, 0, RESHARD_ROLE_REPLICA), RESHARD_E_REUSED);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(apply, a_shard_in_use_stays)
{
    struct reshard_map *map = two_shards();
    cr_assert_eq(shard_put(map, 3, 2.0), RESHARD_OK);
    cr_assert_eq(node_put(map, 20, 3, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(shard_remove(map, 3), RESHARD_E_IN_USE);
    cr_assert_eq(node_put(map, 20, 0, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(open_migration(map, 1, 1, 3, 0, 0), RESHARD_OK);
    cr_assert_eq(shard_remove(map, 3), RESHARD_E_IN_USE);
    cr_assert_eq(decide(map, RESHARD_CHANGE_MIGRATION_ABORT, 1), RESHARD_OK);
    cr_assert_eq(decide(map, RESHARD_CHANGE_MIGRATION_END, 1), RESHARD_OK);
    cr_assert_eq(shard_remove(map, 3), RESHARD_OK);
    cr_assert_eq(shard_remove(map, 3), RESHARD_E_SHARD);
    cr_assert_eq(shard_put(map, 3, 1.0), RESHARD_E_REUSED);
    reshard_map_destroy(map);
}

Test(apply, a_weight_is_finite_and_positive)
{
    struct reshard_map *map = two_shards();
    const double bad[] = {0.0, -0.0, -1.0, NAN, -NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(shard_put(map, 1, bad[i]), RESHARD_E_WEIGHT, "weight %zu", i);
    const double good[] = {1e-310, 1.7976931348623157e308, 5e-324};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_assert_eq(shard_put(map, 1, good[i]), RESHARD_OK, "weight %zu", i);
    reshard_map_destroy(map);
}

Test(apply, a_version_is_applied_once_and_in_order)
{
    struct reshard_map *map = two_shards();
    uint64_t version = reshard_map_version(map);
    struct reshard_change change = of_kind(RESHARD_CHANGE_TERM);
    change.term = 3;
    change.unique = 99;
    change.version = version;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_REPEATED);
    change.version = version + 2;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_VERSION);
    change.version = version + 1;
    cr_assert_eq(reshard_map_check(map, &change), RESHARD_OK);
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_OK);
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_REPEATED);
    change.version = 0;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_TERM);
    uint64_t unique;
    cr_assert_eq(reshard_map_term(map, &unique), 3);
    cr_assert_eq(unique, 99);
    cr_assert_eq(reshard_map_version(map), version + 1);
    reshard_map_destroy(map);
}

Test(apply, malformed_changes_are_named)
{
    struct reshard_map *map = two_shards();
    struct reshard_digest before;
    struct reshard_digest after;
    reshard_map_digest(map, &before);
    struct reshard_change change = of_kind(0);
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_KIND);
    change.kind = 13;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_KIND);
    cr_assert_eq(reshard_map_apply(NULL, &change), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_apply(map, NULL), RESHARD_E_NULL);
    change = of_kind(RESHARD_CHANGE_TERM);
    change.term = 5;
    change.struct_size = 8;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_STRUCT_SIZE);
    change.struct_size = sizeof change;
    change.attempt = 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_ARGUMENT, "a field of another kind");
    change = of_kind(RESHARD_CHANGE_NODE_PUT);
    change.role = RESHARD_ROLE_REPLICA;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_ARGUMENT, "node 0");
    change.node = 50;
    change.name_size = 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_NULL);
    change.name_size = RESHARD_NAME_SIZE_MAX + 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_ARGUMENT);
    change = of_kind(RESHARD_CHANGE_ASSIGN);
    change.shard = 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_ARGUMENT, "no ranges");
    change.range_count = 1;
    cr_assert_eq(reshard_map_apply(map, &change), RESHARD_E_NULL);
    reshard_map_digest(map, &after);
    cr_assert(before.low == after.low && before.high == after.high);
    reshard_map_destroy(map);
}
