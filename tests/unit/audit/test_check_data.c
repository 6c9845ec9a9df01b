/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <criterion/criterion.h>

static struct world world;

static struct reshard_finding only(uint32_t code)
{
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    struct reshard_finding finding = world_only(audit, code);
    finding.ranges = NULL;
    reshard_audit_destroy(audit);
    return finding;
}

Test(check_data, keys_of_foreign_slots_are_orphans)
{
    for (int sparse = 0; sparse < 2; sparse++) {
        world_make(&world, 4);
        world.sparse = sparse;
        world_node(&world, 20)->keys[3] = 7;
        world_node(&world, 20)->keys[60] = 8;
        struct reshard_finding finding = only(RESHARD_FINDING_ORPHAN);
        cr_assert_eq(finding.node, 20);
        cr_assert_eq(finding.shard, 2);
        cr_assert_eq(finding.keys, 15);
        cr_assert_eq(finding.slot_count, 2);
        world_free(&world);
    }
}

Test(check_data, keys_under_quarantine_are_reported_as_such)
{
    world_make(&world, 4);
    world_node(&world, 20)->keys[3] = 7;
    world_node(&world, 20)->quarantined[3] = true;
    struct reshard_finding finding = only(RESHARD_FINDING_QUARANTINE);
    cr_assert_eq(finding.keys, 7);
    cr_assert_eq(finding.severity, RESHARD_SEVERITY_NOTE);
    world_free(&world);
}

Test(check_data, open_migration_is_a_note_until_it_is_stuck)
{
    world_make(&world, 4);
    reshard_migration_id migration = world_open(&world, 1, 2, 0, 7, 1000);
    struct reshard_audit *audit =
        world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
    struct reshard_finding finding = world_only(audit, RESHARD_FINDING_MIGRATION_OPEN);
    cr_assert_eq(finding.migration, migration);
    cr_assert_eq(finding.shard, 1);
    cr_assert_eq(finding.other_shard, 2);
    cr_assert_eq(finding.slot_count, 8);
    cr_assert_eq(finding.idle_ns, 1000); /* the least */
    cr_assert_eq(finding.age_ns, 1009);  /* the largest */
    cr_assert_eq(finding.phase, 3);
    cr_assert_eq(finding.severity, RESHARD_SEVERITY_NOTE);
    reshard_audit_destroy(audit);
    for (uint32_t i = 0; i < world.report_count; i++)
        world.reports[i].idle_ns += 1;
    audit = world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
    cr_assert_eq(world_only(audit, RESHARD_FINDING_MIGRATION_STUCK).idle_ns, 1001);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(check_data, staged_keys_of_an_open_migration_are_no_orphans_but_others_are)
{
    world_make(&world, 4);
    world_open(&world, 1, 2, 0, 7, 0);
    world_node(&world, 30)->keys[5] = 1;
    struct reshard_audit *audit =
        world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
    cr_assert_eq(reshard_audit_finding_count(audit), 2);
    cr_assert_eq(world_count(audit, RESHARD_FINDING_ORPHAN), 1);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(check_data, migration_that_the_map_does_not_have_is_left_over)
{
    world_make(&world, 4);
    world_report(&world, 20, 99, 1, 2, 3, 5, 0);
    world_node(&world, 20)->keys[4] = 1; /* explained by its record */
    struct reshard_finding finding = only(RESHARD_FINDING_MIGRATION_LEFTOVER);
    cr_assert_eq(finding.node, 20);
    cr_assert_eq(finding.migration, 99);
    cr_assert_eq(finding.slot_count, 3);
    world_node(&world, 20)->version--;
    only(RESHARD_FINDING_BEHIND); /* it will hear how it ended */
    world_free(&world);
}

Test(check_data, reports_of_silent_nodes_do_not_count)
{
    world_make(&world, 4);
    world_open(&world, 1, 2, 0, 7, 5000);
    for (uint32_t i = 0; i < world.report_count; i++)
        world.reports[i].idle_ns = world.reports[i].node == 20 ? 0 : 5000;
    world_node(&world, 20)->reachable = false;
    struct reshard_audit *audit =
        world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
    cr_assert_eq(world_count(audit, RESHARD_FINDING_MIGRATION_STUCK), 1);
    reshard_audit_destroy(audit);
    world_free(&world);
}
