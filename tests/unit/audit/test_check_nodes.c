/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <criterion/criterion.h>

static struct world world;

/* The audit's only finding, about this node. */
static struct reshard_finding only(uint32_t code, reshard_node_id node)
{
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    struct reshard_finding finding = world_only(audit, code);
    cr_assert_eq(finding.node, node);
    finding.ranges = NULL;
    reshard_audit_destroy(audit);
    return finding;
}

Test(check_nodes, silent_primary_is_reported_with_its_slots)
{
    world_make(&world, 4);
    world_node(&world, 20)->reachable = false;
    struct reshard_finding finding = only(RESHARD_FINDING_UNREACHABLE, 20);
    cr_assert_eq(finding.shard, 2);
    cr_assert_eq(finding.slot_count, 16);
    cr_assert_eq(finding.severity, RESHARD_SEVERITY_ERROR);
    world_free(&world);
}

Test(check_nodes, silent_replica_is_reported_without_slots)
{
    world_make(&world, 4);
    world_node(&world, 21)->reachable = false;
    struct reshard_finding finding = only(RESHARD_FINDING_UNREACHABLE, 21);
    cr_assert_eq(finding.range_count, 0);
    cr_assert_eq(finding.severity, RESHARD_SEVERITY_WARNING);
    world_free(&world);
}

Test(check_nodes, node_that_nobody_asked_is_unreachable)
{
    world_make(&world, 4);
    world.node_count--; /* the last replica */
    only(RESHARD_FINDING_UNREACHABLE, 41);
    world_free(&world);
}

Test(check_nodes, older_map_is_behind)
{
    world_make(&world, 4);
    world_node(&world, 30)->version -= 2;
    struct reshard_finding finding = only(RESHARD_FINDING_BEHIND, 30);
    cr_assert_eq(finding.version + 2, finding.other_version);
    cr_assert_eq(finding.other_version, reshard_map_version(world.map));
    world_free(&world);
}

Test(check_nodes, newer_map_is_ahead)
{
    world_make(&world, 4);
    world_node(&world, 30)->version++;
    struct reshard_finding finding = only(RESHARD_FINDING_AHEAD, 30);
    cr_assert_eq(finding.severity, RESHARD_SEVERITY_CRITICAL);
    world_free(&world);
}

Test(check_nodes, other_digest_of_the_same_version_is_diverged)
{
    world_make(&world, 4);
    world_node(&world, 31)->digest.low ^= 1;
    only(RESHARD_FINDING_DIVERGED, 31);
    world_free(&world);
}

Test(check_nodes, digest_that_was_not_given_is_not_compared)
{
    world_make(&world, 4);
    world_node(&world, 31)->digest = (struct reshard_digest){0, 0};
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    cr_assert_eq(reshard_audit_finding_count(audit), 0);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(check_nodes, unknown_node_is_a_stranger)
{
    world_make(&world, 4);
    world_stranger(&world, 77);
    only(RESHARD_FINDING_STRANGER, 77);
    world_free(&world);
}

Test(check_nodes, other_shard_or_role_than_the_map_is_reported)
{
    world_make(&world, 4);
    world_node(&world, 31)->shard = 1;
    struct reshard_finding finding = only(RESHARD_FINDING_MEMBERSHIP, 31);
    cr_assert_eq(finding.shard, 1);
    cr_assert_eq(finding.other_shard, 3);
    world_node(&world, 31)->shard = 3;
    world_node(&world, 31)->role = RESHARD_ROLE_PRIMARY;
    only(RESHARD_FINDING_MEMBERSHIP, 31);
    world_free(&world);
}

Test(check_nodes, without_a_map_the_newest_view_is_the_reference)
{
    world_make(&world, 4);
    world_node(&world, 11)->version--;
    world_node(&world, 21)->digest.high++;
    world_node(&world, 31)->reachable = false;
    struct reshard_audit *audit = world_audit(&world, 20, NULL, NULL);
    cr_assert_eq(reshard_audit_finding_count(audit), 3);
    cr_assert_eq(world_count(audit, RESHARD_FINDING_BEHIND), 1);
    cr_assert_eq(world_count(audit, RESHARD_FINDING_DIVERGED), 1);
    cr_assert_eq(world_count(audit, RESHARD_FINDING_UNREACHABLE), 1);
    reshard_audit_destroy(audit);
    world_free(&world);
}

/* A node that is behind cannot know its place yet: BEHIND says it all. */
Test(check_nodes, membership_of_a_node_that_is_behind_is_not_judged)
{
    world_make(&world, 4);
    world_node(&world, 31)->version--;
    world_node(&world, 31)->shard = 1;
    only(RESHARD_FINDING_BEHIND, 31);
    world_free(&world);
}

Test(check_nodes, role_that_was_not_told_is_not_judged)
{
    world_make(&world, 4);
    world_node(&world, 31)->role = 0;
    world_node(&world, 30)->role = 0;
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    cr_assert_eq(reshard_audit_finding_count(audit), 0);
    reshard_audit_destroy(audit);
    world_free(&world);
}
