/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <criterion/criterion.h>

static struct world world;

static uint32_t imbalances(uint32_t permille)
{
    struct reshard_audit *audit = world_audit(&world, permille, NULL, world.map);
    uint32_t count = world_count(audit, RESHARD_FINDING_IMBALANCE);
    cr_assert_eq(count, reshard_audit_finding_count(audit));
    reshard_audit_destroy(audit);
    return count;
}

static void weigh(reshard_shard_id shard, double weight)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = shard;
    change.weight = weight;
    world_change(&world, &change);
    world_sync(&world);
}

Test(balance, shards_beyond_the_threshold_are_reported)
{
    world_make(&world, 4);
    reshard_migration_id migration = world_open(&world, 1, 2, 0, 3, 0);
    world_finish(&world, migration, true); /* 12, 20, 16, 16 */
    cr_assert_eq(imbalances(20), 2);
    cr_assert_eq(imbalances(187), 2);
    cr_assert_eq(imbalances(188), 0); /* 20 is 16 * 1.188 rounded up */
    cr_assert_eq(imbalances(1000000), 0);
    cr_assert_eq(imbalances(RESHARD_AUDIT_BALANCE_IGNORED), 0);
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    struct reshard_finding finding;
    reshard_finding_init(&finding);
    cr_assert_eq(reshard_audit_finding_at(audit, 1, &finding), RESHARD_OK);
    cr_assert_eq(finding.shard, 2);
    cr_assert_eq(finding.have, 20);
    cr_assert_eq(finding.want, 16);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(balance, rounding_to_whole_slots_does_not_count)
{
    for (uint32_t shards = 1; shards <= 7; shards++) {
        world_make(&world, shards);
        cr_assert_eq(imbalances(0), 0, "%u shards", shards);
        world_free(&world);
    }
}

Test(balance, shares_follow_weights_however_extreme)
{
    world_make(&world, 4);
    for (reshard_shard_id shard = 1; shard <= 4; shard++)
        weigh(shard, 1e308);
    cr_assert_eq(imbalances(0), 0);
    weigh(1, 1e-300);
    cr_assert_eq(imbalances(20), 4); /* 0, and a third each */
    world_free(&world);
}

Test(balance, open_migrations_count_for_their_target)
{
    world_make(&world, 4);
    world_open(&world, 1, 2, 0, 3, 0);
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    cr_assert_eq(world_count(audit, RESHARD_FINDING_IMBALANCE), 2);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(balance, aborted_migrations_count_for_their_source)
{
    struct reshard_change change;
    world_make(&world, 4);
    reshard_migration_id migration = world_open(&world, 1, 2, 0, 3, 0);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_ABORT;
    change.migration = migration;
    world_change(&world, &change);
    world_sync(&world);
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    cr_assert_eq(world_count(audit, RESHARD_FINDING_IMBALANCE), 0);
    reshard_audit_destroy(audit);
    world_free(&world);
}
