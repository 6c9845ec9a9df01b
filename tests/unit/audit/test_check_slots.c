/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <criterion/criterion.h>

static struct world world;

/* The audit's only finding, of the slots 3 and 4. */
static struct reshard_finding only(uint32_t code, const struct reshard_map *map)
{
    struct reshard_audit *audit =
        world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, map);
    struct reshard_finding finding = world_only(audit, code);
    cr_assert_eq(finding.range_count, 1);
    cr_assert_eq(finding.ranges[0].first, 3);
    cr_assert_eq(finding.ranges[0].last, 4);
    finding.ranges = NULL;
    reshard_audit_destroy(audit);
    return finding;
}

static void claim(reshard_node_id node, bool owned)
{
    world_node(&world, node)->owned[3] = world_node(&world, node)->owned[4] = owned;
}

Test(check_slots, slots_of_no_shard_are_uncovered)
{
    world_make(&world, 4);
    world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, 1, 3, 4);
    world_sync(&world);
    claim(10, false);
    cr_assert_eq(only(RESHARD_FINDING_UNCOVERED, world.map).severity, RESHARD_SEVERITY_ERROR);
    world_free(&world);
}

Test(check_slots, slots_that_nobody_serves_are_uncovered_without_a_map)
{
    world_make(&world, 4);
    claim(10, false);
    only(RESHARD_FINDING_UNCOVERED, NULL);
    world_free(&world);
}

Test(check_slots, second_claimant_is_reported_beside_the_owner)
{
    world_make(&world, 4);
    claim(40, true);
    struct reshard_finding finding = only(RESHARD_FINDING_TWO_OWNERS, world.map);
    cr_assert_eq(finding.node, 40);
    cr_assert_eq(finding.other_node, 10);
    cr_assert_eq(finding.severity, RESHARD_SEVERITY_CRITICAL);
    only(RESHARD_FINDING_TWO_OWNERS, NULL);
    world_free(&world);
}

Test(check_slots, deposed_primary_that_serves_on_is_reported)
{
    struct reshard_change change;
    world_make(&world, 4);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = 1;
    change.node = 11;
    world_change(&world, &change);
    world_sync(&world);
    world_node(&world, 10)->role = RESHARD_ROLE_REPLICA;
    world_node(&world, 11)->role = RESHARD_ROLE_PRIMARY;
    for (uint32_t slot = 0; slot < 16; slot++) {
        world_node(&world, 11)->owned[slot] = true;
        world_node(&world, 10)->owned[slot] = slot == 3 || slot == 4;
    }
    struct reshard_finding finding = only(RESHARD_FINDING_TWO_OWNERS, world.map);
    cr_assert_eq(finding.node, 10);
    cr_assert_eq(finding.other_node, 11);
    world_free(&world);
}

Test(check_slots, sole_claimant_that_is_not_the_owner_is_reported)
{
    world_make(&world, 4);
    claim(10, false);
    claim(40, true);
    struct reshard_finding finding = only(RESHARD_FINDING_WRONG_OWNER, world.map);
    cr_assert_eq(finding.node, 40);
    cr_assert_eq(finding.shard, 4);
    cr_assert_eq(finding.other_shard, 1);
    world_free(&world);
}

Test(check_slots, slots_that_their_primary_does_not_serve_are_reported)
{
    world_make(&world, 4);
    claim(10, false);
    struct reshard_finding finding = only(RESHARD_FINDING_UNSERVED, world.map);
    cr_assert_eq(finding.node, 10);
    cr_assert_eq(finding.shard, 1);
    world_free(&world);
}

Test(check_slots, slots_of_a_shard_without_primary_are_headless)
{
    struct reshard_change change;
    world_make(&world, 4);
    world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, 1, 3, 4);
    claim(10, false);
    world_node(&world, 10)->keys[3] = world_node(&world, 10)->keys[4] = 0;
    world_node(&world, 11)->keys[3] = world_node(&world, 11)->keys[4] = 0;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 9;
    change.weight = 1.0;
    world_change(&world, &change);
    world_change_slots(&world, RESHARD_CHANGE_ASSIGN, 9, 3, 4);
    world_sync(&world);
    cr_assert_eq(only(RESHARD_FINDING_HEADLESS, world.map).shard, 9);
    world_free(&world);
}

Test(check_slots, participants_of_an_open_migration_are_not_reported)
{
    world_make(&world, 4);
    world_open(&world, 1, 4, 3, 4, 0);
    claim(10, false); /* held */
    only(RESHARD_FINDING_MIGRATION_OPEN, world.map);
    only(RESHARD_FINDING_MIGRATION_OPEN, NULL);
    claim(40, true); /* active, the map does not know yet */
    only(RESHARD_FINDING_MIGRATION_OPEN, world.map);
    world_free(&world);
}
