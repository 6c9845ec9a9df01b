/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <criterion/criterion.h>

static struct world world;

static struct reshard_fix *make(struct reshard_audit **audit, uint32_t flags)
{
    struct reshard_fix *fix = NULL;
    *audit = world_audit(&world, 20, NULL, world.map);
    cr_assert_eq(reshard_audit_fix(*audit, world.map, flags, &fix), RESHARD_OK);
    return fix;
}

/* The fix's only step. */
static struct reshard_fix_step only(uint32_t kind, uint32_t flags)
{
    struct reshard_audit *audit;
    struct reshard_fix *fix = make(&audit, flags);
    struct reshard_fix_step step;
    if (reshard_fix_step_count(fix) != 1)
        world_print_fix(fix);
    cr_assert_eq(reshard_fix_step_count(fix), 1);
    reshard_fix_step_init(&step);
    cr_assert_eq(reshard_fix_step_at(fix, 0, &step), RESHARD_OK);
    cr_assert_eq(step.kind, kind);
    step.ranges = NULL;
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    return step;
}

Test(fix, healthy_cluster_needs_no_steps)
{
    struct reshard_audit *audit;
    world_make(&world, 3);
    struct reshard_fix *fix =
        make(&audit, RESHARD_FIX_BALANCE | RESHARD_FIX_PURGE | RESHARD_FIX_ABORT);
    cr_assert_eq(reshard_fix_step_count(fix), 0);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(fix, nodes_get_the_map_or_a_hand)
{
    world_make(&world, 4);
    world_node(&world, 21)->version--;
    cr_assert_eq(only(RESHARD_FIX_STEP_SEND_MAP, 0).node, 21);
    world_node(&world, 21)->version += 2;
    struct reshard_fix_step step = only(RESHARD_FIX_STEP_RECOVER, 0);
    cr_assert_eq(step.version, reshard_map_version(world.map) + 1);
    cr_assert_eq(step.flags, RESHARD_FIX_BY_HAND);
    world_sync(&world);
    world_node(&world, 21)->digest.low++;
    cr_assert_eq(only(RESHARD_FIX_STEP_SEND_MAP, 0).code, RESHARD_FINDING_DIVERGED);
    world_sync(&world);
    world_node(&world, 21)->role = RESHARD_ROLE_PRIMARY;
    cr_assert_eq(only(RESHARD_FIX_STEP_SEND_MAP, 0).code, RESHARD_FINDING_MEMBERSHIP);
    world_node(&world, 21)->role = RESHARD_ROLE_REPLICA;
    world_node(&world, 21)->reachable = false;
    cr_assert_eq(only(RESHARD_FIX_STEP_REVIVE, 0).shard, 2);
    world_node(&world, 21)->reachable = true;
    world_stranger(&world, 55);
    cr_assert_eq(only(RESHARD_FIX_STEP_ENROL, 0).node, 55);
    world_free(&world);
}

Test(fix, stuck_migration_is_resumed_or_aborted_on_request)
{
    world_make(&world, 2);
    reshard_migration_id migration = world_open(&world, 1, 2, 0, 0, 5000);
    cr_assert_eq(only(RESHARD_FIX_STEP_RESUME, 0).migration, migration);
    cr_assert_eq(only(RESHARD_FIX_STEP_ABORT, RESHARD_FIX_ABORT).migration, migration);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_COMMIT;
    change.migration = migration;
    change.attempt = 1;
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    reshard_map_shard_find(world.map, 1, &shard);
    change.source_epoch = shard.epoch;
    reshard_map_shard_find(world.map, 2, &shard);
    change.target_epoch = shard.epoch;
    world_change(&world, &change);
    world_sync(&world);
    only(RESHARD_FIX_STEP_RESUME, RESHARD_FIX_ABORT); /* forward only */
    world_free(&world);
}

Test(fix, leftover_migration_is_closed)
{
    world_make(&world, 4);
    world_report(&world, 20, 99, 1, 2, 3, 5, 0);
    struct reshard_fix_step step = only(RESHARD_FIX_STEP_CLOSE, 0);
    cr_assert_eq(step.node, 20);
    cr_assert_eq(step.migration, 99);
    world_free(&world);
}

Test(fix, shard_without_primary_is_promoted_by_hand)
{
    struct reshard_change change;
    world_make(&world, 4);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 9;
    change.weight = 1e-9;
    world_change(&world, &change);
    world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, 1, 3, 3);
    world_change_slots(&world, RESHARD_CHANGE_ASSIGN, 9, 3, 3);
    world_node(&world, 10)->owned[3] = false;
    world_node(&world, 10)->keys[3] = world_node(&world, 11)->keys[3] = 0;
    world_sync(&world);
    struct reshard_fix_step step = only(RESHARD_FIX_STEP_PROMOTE, 0);
    cr_assert_eq(step.shard, 9);
    cr_assert_eq(step.node, 0);
    cr_assert_eq(step.flags, RESHARD_FIX_BY_HAND);
    world_free(&world);
}

Test(fix, check_refuses_another_map)
{
    struct reshard_audit *audit;
    world_make(&world, 3);
    struct reshard_fix *fix = make(&audit, 0);
    cr_assert_eq(reshard_fix_check(fix, world.map), RESHARD_OK);
    cr_assert_eq(reshard_fix_check(NULL, world.map), RESHARD_E_NULL);
    cr_assert_eq(reshard_fix_check(fix, NULL), RESHARD_E_NULL);
    world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, 1, 3, 3);
    cr_assert_eq(reshard_fix_check(fix, world.map), RESHARD_E_PLAN);
    struct reshard_fix *other = NULL;
    cr_assert_eq(reshard_audit_fix(audit, world.map, 0, &other), RESHARD_E_PLAN);
    cr_assert_null(other);
    /* The same version, another history. */
    struct world elsewhere;
    world_make(&elsewhere, 3);
    world_change_slots(&elsewhere, RESHARD_CHANGE_UNASSIGN, 1, 4, 4);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    fix = make(&audit, 0);
    cr_assert_eq(reshard_map_version(elsewhere.map), reshard_map_version(world.map));
    cr_assert_eq(reshard_fix_check(fix, world.map), RESHARD_OK);
    cr_assert_eq(reshard_fix_check(fix, elsewhere.map), RESHARD_E_PLAN);
    world_free(&elsewhere);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(fix, fix_refuses_bad_calls)
{
    struct reshard_fix *fix = NULL;
    struct reshard_fix_step step;
    world_make(&world, 3);
    struct reshard_audit *audit = world_audit(&world, 20, NULL, NULL);
    cr_assert_eq(reshard_audit_fix(audit, world.map, 0, &fix), RESHARD_E_STATE);
    cr_assert_eq(reshard_audit_fix(audit, world.map, 16, &fix), RESHARD_E_FLAGS);
    cr_assert_eq(reshard_audit_fix(audit, world.map, RESHARD_FIX_GIVE | RESHARD_FIX_PURGE, &fix),
        RESHARD_E_FLAGS);
    cr_assert_eq(reshard_audit_fix(NULL, world.map, 0, &fix), RESHARD_E_NULL);
    cr_assert_eq(reshard_audit_fix(audit, NULL, 0, &fix), RESHARD_E_NULL);
    cr_assert_eq(reshard_audit_fix(audit, world.map, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_audit_run(audit, world.map), RESHARD_OK);
    cr_assert_eq(reshard_audit_fix(audit, world.map, 0, &fix), RESHARD_OK);
    reshard_fix_step_init(&step);
    cr_assert_eq(reshard_fix_step_at(fix, 0, &step), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_fix_step_at(NULL, 0, &step), RESHARD_E_NULL);
    cr_assert_eq(reshard_fix_step_at(fix, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_fix_step_count(NULL), 0);
    reshard_fix_destroy(fix);
    reshard_fix_destroy(NULL);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(fix, shard_without_primary_gets_a_node_that_answers)
{
    struct reshard_change change;
    world_make(&world, 4);
    world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, 1, 3, 4);
    world_node(&world, 10)->owned[3] = world_node(&world, 10)->owned[4] = false;
    for (uint32_t slot = 3; slot <= 4; slot++)
        world_node(&world, 10)->keys[slot] = world_node(&world, 11)->keys[slot] = 0;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 9;
    change.weight = 1.0;
    world_change(&world, &change);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = 91;
    change.shard = 9;
    change.role = RESHARD_ROLE_REPLICA;
    world_change(&world, &change);
    world_change_slots(&world, RESHARD_CHANGE_ASSIGN, 9, 3, 4);
    world_stranger(&world, 91)->shard = 9;
    world_node(&world, 91)->role = RESHARD_ROLE_REPLICA;
    world_sync(&world);
    struct reshard_audit *audit =
        world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
    struct reshard_fix *fix = NULL;
    struct reshard_fix_step step;
    cr_assert_eq(reshard_audit_fix(audit, world.map, RESHARD_FIX_BALANCE, &fix), RESHARD_OK);
    cr_assert_eq(reshard_fix_step_count(fix), 1, "a balance that is ignored is not fixed");
    reshard_fix_step_init(&step);
    cr_assert_eq(reshard_fix_step_at(fix, 0, &step), RESHARD_OK);
    cr_assert_eq(step.kind, RESHARD_FIX_STEP_PROMOTE);
    cr_assert_eq(step.shard, 9);
    cr_assert_eq(step.node, 91);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(fix, map_of_other_slots_is_refused)
{
    struct reshard_map *map;
    struct reshard_fix *fix = NULL;
    world_make(&world, 3);
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    cr_assert_eq(reshard_map_create(WORLD_SLOTS + 1, NULL, &map), RESHARD_OK);
    cr_assert_eq(reshard_audit_fix(audit, map, 0, &fix), RESHARD_E_PLAN);
    cr_assert_null(fix);
    reshard_map_destroy(map);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(fix, audit_that_never_ran_has_no_fix)
{
    struct reshard_audit_config config;
    struct reshard_audit *audit = NULL;
    struct reshard_fix *fix = NULL;
    world_make(&world, 3);
    reshard_audit_config_init(&config);
    config.slot_count = WORLD_SLOTS;
    cr_assert_eq(reshard_audit_create(&config, &audit), RESHARD_OK);
    cr_assert_eq(reshard_audit_fix(audit, world.map, 0, &fix), RESHARD_E_STATE);
    cr_assert_null(fix);
    reshard_audit_destroy(audit);
    world_free(&world);
}
