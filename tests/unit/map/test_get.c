/* SPDX-License-Identifier: MIT */
/* Room map, tests: what the getters answer, for what is there, for what is not, for NULL. */
#include "unit/map/fixture.h"
#include <criterion/criterion.h>
#include <string.h>

Test(get, members_are_as_they_were_put)
{
    struct reshard_map *map = map_of_everything(NULL);
    struct reshard_map_node node = {.struct_size = sizeof node};
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    cr_assert_eq(reshard_map_node_count(map), 6);
    cr_assert_eq(reshard_map_node_at(map, 0, &node), RESHARD_OK);
    cr_assert(node.node == 11 && node.shard == 1 && node.role == RESHARD_ROLE_PRIMARY);
    cr_assert(node.name_size == 4 && memcmp(node.name, "name", 4) == 0);
    cr_assert(node.address_size == 6 && memcmp(node.address, "host:1", 6) == 0);
    cr_assert_eq(node.zone_size, 0);
    cr_assert_eq(reshard_map_node_at(map, 6, &node), RESHARD_E_NODE);
    cr_assert_eq(reshard_map_node_find(map, 30, &node), RESHARD_E_NODE);
    cr_assert_eq(node.node, 11, "an error leaves the output");
    cr_assert_eq(reshard_map_shard_count(map), 3);
    cr_assert_eq(reshard_map_shard_at(map, 2, &shard), RESHARD_OK);
    cr_assert(shard.shard == 3 && shard.primary == 13 && shard.weight == 1.5);
    cr_assert(shard.epoch == 1 && shard.slot_count == 0 && shard.node_count == 2);
    cr_assert_eq(reshard_map_shard_at(map, 3, &shard), RESHARD_E_SHARD);
    cr_assert_eq(reshard_map_shard_find(map, 9, &shard), RESHARD_E_SHARD);
    cr_assert_eq(reshard_map_shard_find(map, 2, &shard), RESHARD_OK);
    cr_assert_eq(shard.slot_count, 6);
    reshard_map_destroy(map);
}

Test(get, migrations_are_as_they_stand)
{
    struct reshard_map *map = map_of_everything(NULL);
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    cr_assert_eq(reshard_map_migration_count(map), 3);
    cr_assert_eq(reshard_map_last_migration(map), 4);
    cr_assert_eq(reshard_map_migration_at(map, 1, &migration), RESHARD_OK);
    cr_assert(migration.migration == 2 && migration.decision == RESHARD_DECISION_COMMIT);
    cr_assert(migration.attempt == 7 && migration.version == 21 && migration.range_count == 1);
    cr_assert(migration.ranges[0].first == 4 && migration.ranges[0].last == 5);
    cr_assert_eq(reshard_map_migration_find(map, 4, &migration), RESHARD_OK);
    cr_assert_eq(migration.decision, RESHARD_DECISION_ABORT);
    cr_assert_eq(reshard_map_migration_find(map, 3, &migration), RESHARD_E_MIGRATION);
    cr_assert_eq(reshard_map_migration_at(map, 3, &migration), RESHARD_E_MIGRATION);
    migration.struct_size = 4;
    cr_assert_eq(reshard_map_migration_at(map, 0, &migration), RESHARD_E_STRUCT_SIZE);
    reshard_map_destroy(map);
}

Test(get, owners_come_as_maximal_runs)
{
    static const struct {
        uint32_t first, last;
        reshard_shard_id owner;
    } expected[] = {{0, 3, 1}, {4, 5, 2}, {6, 9, 1}, {10, 11, 0}, {12, 15, 2}};
    struct reshard_map *map = map_of_everything(NULL);
    struct reshard_range run;
    reshard_shard_id owner;
    uint32_t epoch;
    uint32_t cursor = 0;
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(reshard_map_owner_next(map, &cursor, &run, &owner), RESHARD_OK);
        cr_assert(run.first == expected[i].first && run.last == expected[i].last &&
                  owner == expected[i].owner);
    }
    cr_assert_eq(reshard_map_owner_next(map, &cursor, &run, &owner), RESHARD_E_EMPTY);
    cr_assert_eq(run.first, 12);
    cursor = 5;
    cr_assert_eq(reshard__map_run_next(map, &cursor, &run, &owner, &epoch), RESHARD_OK);
    cr_assert(run.first == 5 && run.last == 5 && owner == 2 && epoch == 2 && cursor == 6);
    reshard_map_destroy(map);
}

Test(get, slots_outside_answer_zero)
{
    struct reshard_map *map = map_of_everything(NULL);
    cr_assert_eq(reshard_map_slot_owner(map, 15), 2);
    cr_assert_eq(reshard_map_slot_migration(map, 13), 4);
    for (uint32_t slot = 16; slot; slot *= 2) {
        cr_assert_eq(reshard_map_slot_owner(map, slot), 0);
        cr_assert_eq(reshard_map_slot_epoch(map, slot), 0);
        cr_assert_eq(reshard_map_slot_migration(map, slot), 0);
    }
    cr_assert_eq(reshard__map_removed_node(map, 0), 30);
    cr_assert_eq(reshard__map_removed_node(map, 1), 0);
    cr_assert_eq(reshard__map_removed_shard(map, 0), 9);
    cr_assert_eq(reshard__map_removed_shard(map, 1), 0);
    reshard_map_destroy(map);
}

Test(get, null_maps_answer_zero_or_refuse)
{
    uint32_t cursor = 0;
    uint64_t unique = 5;
    struct reshard_range run;
    reshard_shard_id owner;
    struct reshard_map_node node = {.struct_size = sizeof node};
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    cr_assert_eq(reshard_map_slot_count(NULL), 0);
    cr_assert_eq(reshard_map_version(NULL), 0);
    cr_assert_eq(reshard_map_term(NULL, &unique), 0);
    cr_assert_eq(unique, 0);
    cr_assert_eq(reshard_map_last_migration(NULL), 0);
    cr_assert_eq(reshard_map_slot_owner(NULL, 0), 0);
    cr_assert_eq(reshard_map_slot_migration(NULL, 0), 0);
    cr_assert_eq(reshard_map_node_count(NULL), 0);
    cr_assert_eq(reshard_map_shard_count(NULL), 0);
    cr_assert_eq(reshard_map_migration_count(NULL), 0);
    cr_assert_eq(reshard_map_owner_next(NULL, &cursor, &run, &owner), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_node_at(NULL, 0, &node), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_node_find(NULL, 0, &node), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_shard_at(NULL, 0, &shard), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_shard_find(NULL, 0, &shard), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_migration_at(NULL, 0, &migration), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_migration_find(NULL, 0, &migration), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_equal(NULL, NULL), RESHARD_E_NULL);
    reshard_change_init(NULL);
}

Test(get, null_outputs_are_refused)
{
    struct reshard_map *map = map_of_everything(NULL);
    uint32_t cursor = 0;
    struct reshard_range run;
    reshard_shard_id owner;
    cr_assert_eq(reshard_map_owner_next(map, NULL, &run, &owner), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_owner_next(map, &cursor, NULL, &owner), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_owner_next(map, &cursor, &run, NULL), RESHARD_E_NULL);
    cr_assert_eq(cursor, 0);
    cr_assert_eq(reshard_map_node_at(map, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_node_find(map, 11, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_shard_at(map, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_shard_find(map, 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_migration_at(map, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_migration_find(map, 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_map_equal(map, NULL), RESHARD_E_NULL);
    reshard_map_destroy(map);
}

Test(get, the_header_is_what_the_map_was_told)
{
    struct reshard_map *map = map_of_everything(NULL);
    struct reshard__map_header header = {0};
    reshard__map_header(map, &header);
    cr_assert_eq(header.version, reshard_map_version(map));
    cr_assert(header.term == 3 && header.unique == 77 && header.last_migration == 4);
    reshard_map_destroy(map);
}
