/* SPDX-License-Identifier: MIT */
/* Room map, tests: each kind of change, by hand: what it does and what refuses it. */
#include "support/alloc.h"
#include "unit/map/fixture.h"
#include <criterion/criterion.h>

Test(apply, a_migration_moves_its_slots_at_commit)
{
    struct reshard_map *map = map_of_two_shards();
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    uint64_t version = reshard_map_version(map);
    cr_assert_eq(do_open(map, 5, 1, 2, 4, 7), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_owner(map, 4), 1);
    cr_assert_eq(reshard_map_slot_migration(map, 4), 5);
    cr_assert_eq(reshard_map_slot_migration(map, 8), 0);
    cr_assert_eq(reshard_map_migration_find(map, 5, &migration), RESHARD_OK);
    cr_assert_eq(migration.version, version + 1);
    cr_assert_eq(migration.slot_count, 4);
    cr_assert_eq(do_commit(map, 5, 0, 1), RESHARD_E_EPOCH);
    cr_assert_eq(do_commit(map, 5, 1, 2), RESHARD_E_EPOCH);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_END, 5), RESHARD_E_STATE);
    cr_assert_eq(do_commit(map, 5, 1, 1), RESHARD_OK);
    cr_assert_eq(do_commit(map, 5, 1, 1), RESHARD_E_REPEATED);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_ABORT, 5), RESHARD_E_DECIDED);
    cr_assert_eq(reshard_map_slot_owner(map, 4), 2);
    cr_assert_eq(reshard_map_slot_epoch(map, 4), 2);
    cr_assert_eq(reshard_map_slot_owner(map, 8), 1);
    cr_assert(reshard__map_sound(map));
    cr_assert_eq(do_open(map, 6, 2, 1, 4, 4), RESHARD_E_OVERLAP);
    cr_assert_eq(do_shard_remove(map, 1), RESHARD_E_IN_USE);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_END, 5), RESHARD_OK);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_END, 5), RESHARD_E_MIGRATION);
    cr_assert_eq(do_open(map, 5, 2, 1, 4, 4), RESHARD_E_REUSED);
    cr_assert_eq(do_open(map, 6, 2, 1, 4, 4), RESHARD_OK);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(apply, an_aborted_migration_leaves_the_slots)
{
    struct reshard_map *map = map_of_two_shards();
    cr_assert_eq(do_open(map, 1, 1, 2, 0, 3), RESHARD_OK);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_ABORT, 1), RESHARD_OK);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_ABORT, 1), RESHARD_E_REPEATED);
    cr_assert_eq(do_commit(map, 1, 1, 1), RESHARD_E_DECIDED);
    cr_assert_eq(reshard_map_slot_owner(map, 0), 1);
    cr_assert_eq(reshard_map_slot_epoch(map, 0), 1);
    cr_assert_eq(reshard_map_slot_migration(map, 0), 1);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_END, 1), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_migration(map, 0), 0);
    cr_assert_eq(reshard_map_migration_count(map), 0);
    reshard_map_destroy(map);
}

Test(apply, owners_of_moving_slots_stay)
{
    struct reshard_map *map = map_of_two_shards();
    cr_assert_eq(do_open(map, 1, 1, 2, 2, 3), RESHARD_OK);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_UNASSIGN, 1, 0, 3), RESHARD_E_OVERLAP);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_UNASSIGN, 2, 0, 1), RESHARD_E_OWNER);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_UNASSIGN, 1, 0, 1), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_owner(map, 0), 0);
    cr_assert_eq(reshard_map_slot_epoch(map, 0), 2);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 2, 0, 2), RESHARD_E_OWNER);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 2, 0, 16), RESHARD_E_SLOT);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 9, 0, 1), RESHARD_E_SHARD);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_ASSIGN, 2, 0, 1), RESHARD_OK);
    cr_assert_eq(reshard_map_slot_epoch(map, 0), 3);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(apply, a_primary_stays_with_its_shard)
{
    struct reshard_map *map = map_of_two_shards();
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    struct reshard_map_node node = {.struct_size = sizeof node};
    cr_assert_eq(do_node_remove(map, 11), RESHARD_E_IN_USE);
    cr_assert_eq(do_node_put(map, 11, 2, RESHARD_ROLE_PRIMARY), RESHARD_E_IN_USE);
    cr_assert_eq(do_node_put(map, 11, 1, RESHARD_ROLE_REPLICA), RESHARD_E_IN_USE);
    cr_assert_eq(do_node_put(map, 11, 1, RESHARD_ROLE_PRIMARY), RESHARD_OK);
    cr_assert_eq(do_node_put(map, 13, 1, RESHARD_ROLE_PRIMARY), RESHARD_E_STATE);
    cr_assert_eq(do_node_put(map, 13, 2, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(do_primary(map, 1, 13), RESHARD_E_STATE);
    cr_assert_eq(do_primary(map, 1, 14), RESHARD_E_NODE);
    cr_assert_eq(do_node_put(map, 13, 1, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(do_primary(map, 1, 13), RESHARD_OK);
    cr_assert_eq(reshard_map_shard_find(map, 1, &shard), RESHARD_OK);
    cr_assert_eq(shard.primary, 13);
    cr_assert_eq(shard.epoch, 2);
    cr_assert_eq(shard.node_count, 2);
    cr_assert_eq(shard.slot_count, 16);
    cr_assert_eq(reshard_map_node_find(map, 11, &node), RESHARD_OK);
    cr_assert_eq(node.role, RESHARD_ROLE_REPLICA);
    cr_assert_eq(do_node_remove(map, 11), RESHARD_OK);
    cr_assert_eq(do_node_put(map, 11, 0, RESHARD_ROLE_REPLICA), RESHARD_E_REUSED);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(apply, the_last_node_leaves_an_empty_shard_only)
{
    struct reshard_map *map = map_of_two_shards();
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_UNASSIGN, 1, 0, 14), RESHARD_OK);
    cr_assert_eq(do_node_remove(map, 11), RESHARD_E_IN_USE);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_UNASSIGN, 1, 15, 15), RESHARD_OK);
    cr_assert_eq(do_node_put(map, 14, 1, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(do_node_remove(map, 11), RESHARD_E_IN_USE);
    cr_assert_eq(do_node_remove(map, 14), RESHARD_OK);
    cr_assert_eq(do_node_remove(map, 11), RESHARD_OK);
    cr_assert_eq(reshard_map_shard_find(map, 1, &shard), RESHARD_OK);
    cr_assert_eq(shard.primary, 0);
    cr_assert_eq(shard.epoch, 1);
    cr_assert_eq(shard.node_count, 0);
    cr_assert(reshard__map_sound(map));
    cr_assert_eq(do_shard_remove(map, 1), RESHARD_OK);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(apply, the_last_primary_of_an_empty_shard_may_join_another)
{
    struct reshard_map *map = map_of_two_shards();
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    cr_assert_eq(do_node_put(map, 11, 2, RESHARD_ROLE_REPLICA), RESHARD_E_IN_USE);
    cr_assert_eq(do_assign(map, RESHARD_CHANGE_UNASSIGN, 1, 0, 15), RESHARD_OK);
    cr_assert_eq(do_node_put(map, 14, 1, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(do_node_put(map, 11, 2, RESHARD_ROLE_REPLICA), RESHARD_E_IN_USE);
    cr_assert_eq(do_node_remove(map, 14), RESHARD_OK);
    cr_assert_eq(do_node_put(map, 11, 1, RESHARD_ROLE_REPLICA), RESHARD_E_IN_USE);
    cr_assert_eq(do_node_put(map, 11, 2, RESHARD_ROLE_PRIMARY), RESHARD_E_IN_USE);
    cr_assert_eq(do_node_put(map, 11, 2, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(reshard_map_shard_find(map, 1, &shard), RESHARD_OK);
    cr_assert_eq(shard.primary, 0);
    cr_assert_eq(shard.node_count, 0);
    cr_assert(reshard__map_sound(map));
    cr_assert_eq(do_shard_remove(map, 1), RESHARD_OK);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
}

Test(apply, a_shard_in_use_stays)
{
    struct reshard_map *map = map_of_two_shards();
    cr_assert_eq(do_shard_put(map, 3, 2.0), RESHARD_OK);
    cr_assert_eq(do_node_put(map, 20, 3, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(do_shard_remove(map, 3), RESHARD_E_IN_USE);
    cr_assert_eq(do_node_put(map, 20, 0, RESHARD_ROLE_REPLICA), RESHARD_OK);
    cr_assert_eq(do_open(map, 1, 1, 3, 0, 0), RESHARD_OK);
    cr_assert_eq(do_shard_remove(map, 3), RESHARD_E_IN_USE);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_ABORT, 1), RESHARD_OK);
    cr_assert_eq(do_decide(map, RESHARD_CHANGE_MIGRATION_END, 1), RESHARD_OK);
    cr_assert_eq(do_shard_remove(map, 3), RESHARD_OK);
    cr_assert_eq(do_shard_remove(map, 3), RESHARD_E_SHARD);
    cr_assert_eq(do_shard_put(map, 3, 1.0), RESHARD_E_REUSED);
    reshard_map_destroy(map);
}

Test(apply, a_version_is_applied_once_and_in_order)
{
    struct reshard_map *map = map_of_two_shards();
    uint64_t version = reshard_map_version(map);
    struct reshard_change change = change_of_kind(RESHARD_CHANGE_TERM);
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

/* Two shards and 30 more members of each sort, so that every table grows. */
static int32_t grow(struct reshard_map *map)
{
    int32_t status = RESHARD_OK;
    for (uint32_t i = 1; i <= 30 && !status; i++) {
        status = do_shard_put(map, i, 1.0);
        if (!status)
            status = do_node_put(map, 100 + i, i, RESHARD_ROLE_REPLICA);
        if (!status)
            status = do_primary(map, i, 100 + i);
        if (!status)
            status = do_assign(map, RESHARD_CHANGE_ASSIGN, i, i, i);
        if (!status && i > 1)
            status = do_open(map, i, i, i - 1, i, i);
    }
    return status;
}

Test(apply, failing_allocation_of_any_table_leaves_a_sound_map)
{
    int32_t status = RESHARD_E_NOMEM;
    for (size_t fail_at = 1; status == RESHARD_E_NOMEM; fail_at++) {
        struct support_alloc alloc;
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        struct reshard_map *map = NULL;
        alloc.fail_at = fail_at;
        status = reshard_map_create(64, &allocator, &map);
        if (!status)
            status = grow(map);
        if (map)
            cr_assert(reshard__map_sound(map), "allocation %zu", fail_at);
        reshard_map_destroy(map);
        cr_assert(support_alloc_clean(&alloc), "allocation %zu", fail_at);
    }
    cr_assert_eq(status, RESHARD_OK);
}

Test(apply, a_map_that_follows_shares_what_both_retain)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard_map *ahead = NULL, *map = NULL;
    size_t refusals = 0;
    cr_assert_eq(reshard_map_create(64, &allocator, &ahead), RESHARD_OK);
    cr_assert_eq(reshard_map_create(64, &allocator, &map), RESHARD_OK);
    cr_assert_eq(grow(ahead), RESHARD_OK);
    cr_assert_eq(do_term(ahead, 9, 1), RESHARD_OK);
    while (reshard_map_version(map) < reshard_map_version(ahead)) {
        uint64_t version = reshard_map_version(map);
        alloc.fail_at = alloc.calls + 1;
        if (reshard__map_follow(map, ahead)) {
            refusals++;
            cr_assert(reshard__map_sound(map) && reshard_map_version(map) == version);
            alloc.fail_at = 0;
            cr_assert_eq(reshard__map_follow(map, ahead), RESHARD_OK);
        }
        cr_assert_eq(reshard__map_change(map, version + 1),
            reshard__map_change(ahead, version + 1), "version %u", (unsigned)version + 1);
    }
    cr_assert_gt(refusals, 5);
    cr_assert_eq(reshard_map_equal(map, ahead), 1);
    cr_assert(digests_equal(map, ahead) && reshard__map_sound(ahead));
    reshard_map_destroy(ahead);
    cr_assert(reshard__map_sound(map));
    reshard_map_destroy(map);
    cr_assert(support_alloc_clean(&alloc));
}
