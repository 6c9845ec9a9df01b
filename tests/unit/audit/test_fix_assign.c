/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <criterion/criterion.h>

static struct world world;

/* Slots 0 ... 15 of shard 1 lose their owner, and their data unless `keep`. */
static void uncover(bool keep)
{
    world_make(&world, 4);
    world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, 1, 0, 15);
    for (uint32_t slot = 0; slot < 16; slot++) {
        world_node(&world, 10)->owned[slot] = false;
        if (!keep)
            world_node(&world, 10)->keys[slot] = world_node(&world, 11)->keys[slot] = 0;
    }
    world_sync(&world);
}

/* Slots that the shard has after the fix, which left nothing to be found. */
static uint32_t slots_after(reshard_shard_id shard, uint32_t flags)
{
    struct reshard_audit *audit =
        world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
    struct reshard_fix *fix;
    cr_assert_eq(reshard_audit_fix(audit, world.map, flags, &fix), RESHARD_OK);
    world_run(&world, fix);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    audit = world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
    world_print(audit);
    cr_assert_eq(reshard_audit_finding_count(audit), 0);
    reshard_audit_destroy(audit);
    struct reshard_map_shard known = {.struct_size = sizeof known};
    cr_assert_eq(reshard_map_shard_find(world.map, shard, &known), RESHARD_OK);
    world_free(&world);
    return known.slot_count;
}

Test(fix_assign, slots_go_where_their_keys_are)
{
    uncover(true);
    cr_assert_eq(slots_after(1, 0), 16);
}

Test(fix_assign, slots_without_keys_go_to_who_lacks_most)
{
    uncover(false);
    cr_assert_eq(slots_after(1, 0), 16);
}

Test(fix_assign, most_keys_win_and_the_others_are_given_away)
{
    uncover(false);
    world_node(&world, 20)->keys[3] = 9;
    world_node(&world, 30)->keys[3] = 8;
    cr_assert_eq(slots_after(2, RESHARD_FIX_GIVE), 17);
}

Test(fix_assign, keys_under_quarantine_say_nothing_about_the_owner)
{
    uncover(false);
    world_node(&world, 20)->keys[3] = 9;
    world_node(&world, 20)->quarantined[3] = true;
    world_node(&world, 30)->keys[3] = 8;
    cr_assert_eq(slots_after(3, RESHARD_FIX_PURGE), 17);
}

Test(fix_assign, who_serves_a_slot_keeps_it)
{
    uncover(true);
    world_node(&world, 40)->owned[3] = true;
    world_node(&world, 40)->keys[3] = 1;
    cr_assert_eq(slots_after(4, RESHARD_FIX_GIVE), 17);
}

Test(fix_assign, slots_without_keys_avoid_shards_that_are_down)
{
    uncover(false);
    world_node(&world, 10)->reachable = false;
    struct reshard_audit *audit =
        world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
    struct reshard_fix *fix;
    cr_assert_eq(reshard_audit_fix(audit, world.map, 0, &fix), RESHARD_OK);
    cr_assert_eq(world_steps(fix, RESHARD_FIX_STEP_REVIVE), 1);
    cr_assert_eq(world_steps(fix, RESHARD_FIX_STEP_ASSIGN), 3);
    for (uint32_t i = 0; i < reshard_fix_step_count(fix); i++) {
        struct reshard_fix_step step;
        reshard_fix_step_init(&step);
        reshard_fix_step_at(fix, i, &step);
        if (step.kind == RESHARD_FIX_STEP_ASSIGN) {
            cr_assert_neq(step.shard, 1);
            cr_assert(step.slot_count == 5 || step.slot_count == 6);
        }
    }
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(fix_assign, map_without_shards_gets_no_assignment)
{
    world_make(&world, 0);
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    struct reshard_fix *fix;
    world_only(audit, RESHARD_FINDING_UNCOVERED);
    cr_assert_eq(reshard_audit_fix(audit, world.map, RESHARD_FIX_BALANCE, &fix), RESHARD_OK);
    cr_assert_eq(reshard_fix_step_count(fix), 0);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(fix_assign, claims_of_shards_that_are_down_do_not_count)
{
    uncover(false);
    world_node(&world, 11)->owned[3] = true; /* a replica that serves, of a primary that is down */
    world_node(&world, 10)->reachable = false;
    struct reshard_audit *audit =
        world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
    struct reshard_fix *fix;
    cr_assert_eq(reshard_audit_fix(audit, world.map, 0, &fix), RESHARD_OK);
    for (uint32_t i = 0; i < reshard_fix_step_count(fix); i++) {
        struct reshard_fix_step step;
        reshard_fix_step_init(&step);
        reshard_fix_step_at(fix, i, &step);
        cr_assert(step.kind != RESHARD_FIX_STEP_ASSIGN || step.shard != 1);
    }
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    world_free(&world);
}
