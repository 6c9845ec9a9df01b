/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <criterion/criterion.h>

static struct world world;

static struct reshard_fix *fix_of(uint32_t flags)
{
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    struct reshard_fix *fix = NULL;
    cr_assert_eq(reshard_audit_fix(audit, world.map, flags, &fix), RESHARD_OK);
    reshard_audit_destroy(audit); /* a fix outlives its audit */
    return fix;
}

/* The kinds of the fix's steps, as decimal digits in base 100; runs them. */
static uint64_t kinds(uint32_t flags)
{
    struct reshard_fix *fix = fix_of(flags);
    uint64_t kinds = 0;
    for (uint32_t i = 0; i < reshard_fix_step_count(fix); i++) {
        struct reshard_fix_step step;
        reshard_fix_step_init(&step);
        cr_assert_eq(reshard_fix_step_at(fix, i, &step), RESHARD_OK);
        kinds = 100 * kinds + step.kind;
    }
    world_run(&world, fix);
    reshard_fix_destroy(fix);
    return kinds;
}

Test(fix_slots, orphans_are_hidden_and_deleted_only_on_request)
{
    world_make(&world, 4);
    world_node(&world, 20)->keys[3] = 7;
    cr_assert_eq(kinds(0), RESHARD_FIX_STEP_QUARANTINE);
    cr_assert_eq(world_node(&world, 20)->keys[3], 7);
    cr_assert_eq(kinds(0), 0); /* under quarantine it stays */
    cr_assert_eq(kinds(RESHARD_FIX_PURGE), RESHARD_FIX_STEP_PURGE);
    cr_assert_eq(world_node(&world, 20)->keys[3], 0);
    world_node(&world, 20)->keys[3] = 7;
    cr_assert_eq(kinds(RESHARD_FIX_GIVE),
        100 * RESHARD_FIX_STEP_QUARANTINE + RESHARD_FIX_STEP_GIVE);
    world_node(&world, 20)->keys[3] = 7;
    cr_assert_eq(kinds(RESHARD_FIX_PURGE),
        100 * RESHARD_FIX_STEP_QUARANTINE + RESHARD_FIX_STEP_PURGE);
    world_free(&world);
}

Test(fix_slots, second_owner_is_released_and_its_data_not_purged_at_once)
{
    world_make(&world, 4);
    world_node(&world, 20)->owned[3] = true;
    world_node(&world, 20)->keys[3] = 7;
    cr_assert_eq(kinds(RESHARD_FIX_PURGE), RESHARD_FIX_STEP_RELEASE);
    cr_assert_eq(world_node(&world, 20)->keys[3], 7);
    cr_assert(world_node(&world, 20)->quarantined[3]);
    world_node(&world, 20)->quarantined[3] = false;
    world_node(&world, 20)->owned[3] = true;
    cr_assert_eq(
        kinds(RESHARD_FIX_GIVE), 100 * RESHARD_FIX_STEP_RELEASE + RESHARD_FIX_STEP_GIVE);
    world_free(&world);
}

Test(fix_slots, wrong_owner_hands_its_data_over_before_the_owner_serves)
{
    world_make(&world, 4);
    world_node(&world, 20)->owned[3] = true;
    world_node(&world, 20)->keys[3] = 7;
    world_node(&world, 10)->owned[3] = false;
    cr_assert_eq(kinds(RESHARD_FIX_PURGE),
        10000 * RESHARD_FIX_STEP_RELEASE + 100 * RESHARD_FIX_STEP_GIVE + RESHARD_FIX_STEP_SERVE);
    cr_assert(world_node(&world, 10)->owned[3]);
    world_free(&world);
}

Test(fix_slots, unserved_slot_is_served_after_confirmation)
{
    struct reshard_fix_step step;
    world_make(&world, 4);
    world_node(&world, 10)->owned[3] = false;
    struct reshard_fix *fix = fix_of(0);
    cr_assert_eq(reshard_fix_step_count(fix), 1);
    reshard_fix_step_init(&step);
    cr_assert_eq(reshard_fix_step_at(fix, 0, &step), RESHARD_OK);
    cr_assert_eq(step.kind, RESHARD_FIX_STEP_SERVE);
    cr_assert_eq(step.flags, RESHARD_FIX_CONFIRM);
    cr_assert_eq(step.node, 10);
    cr_assert_eq(step.code, RESHARD_FINDING_UNSERVED);
    reshard_fix_destroy(fix);
    world_free(&world);
}

Test(fix_slots, last_server_goes_on_while_the_owner_is_down)
{
    world_make(&world, 4);
    world_node(&world, 10)->reachable = false;
    world_node(&world, 20)->owned[3] = true;
    world_node(&world, 30)->owned[3] = true;
    struct reshard_fix *fix = fix_of(0);
    /* 30 stops, 20 goes on until 10 is back. */
    cr_assert_eq(world_steps(fix, RESHARD_FIX_STEP_RELEASE), 1);
    cr_assert_eq(world_steps(fix, RESHARD_FIX_STEP_SERVE), 0);
    cr_assert_eq(world_steps(fix, RESHARD_FIX_STEP_REVIVE), 1);
    reshard_fix_destroy(fix);
    world_free(&world);
}

Test(fix_slots, deposed_primary_stops_and_keeps_its_shards_data)
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
        world_node(&world, 10)->owned[slot] = slot == 3;
    }
    cr_assert_eq(kinds(RESHARD_FIX_GIVE), RESHARD_FIX_STEP_RELEASE);
    cr_assert_eq(world_node(&world, 10)->keys[3], 5);
    world_free(&world);
}
