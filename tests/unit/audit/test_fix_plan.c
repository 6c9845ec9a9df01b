/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <criterion/criterion.h>

static struct world world;

Test(fix_plan, plan_holds_assignments_and_moves)
{
    struct reshard_plan *plan = NULL;
    struct reshard_fix *fix;
    world_make(&world, 4);
    world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, 1, 0, 7);
    for (uint32_t slot = 0; slot < 8; slot++) {
        world_node(&world, 10)->owned[slot] = false;
        world_node(&world, 20)->keys[slot] = 9; /* most keys: shard 2 gets them */
    }
    world_sync(&world);
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    cr_assert_eq(reshard_audit_fix(audit, world.map, RESHARD_FIX_BALANCE, &fix), RESHARD_OK);
    cr_assert_eq(reshard_fix_plan(fix, world.map, NULL, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_fix_plan(NULL, world.map, NULL, &plan), RESHARD_E_NULL);
    cr_assert_eq(reshard_fix_plan(fix, world.map, NULL, &plan), RESHARD_OK);
    cr_assert_eq(reshard_plan_check(plan, world.map), RESHARD_OK);
    cr_assert_eq(reshard_plan_move_count(plan), world_steps(fix, RESHARD_FIX_STEP_ASSIGN)
            + world_steps(fix, RESHARD_FIX_STEP_MOVE));
    struct reshard_move move = {.struct_size = sizeof move};
    cr_assert_eq(reshard_plan_move_at(plan, 0, &move), RESHARD_OK);
    cr_assert_eq(move.source, 0);
    cr_assert_eq(move.target, 2);
    cr_assert_eq(move.slot_count, 8);
    reshard_plan_destroy(plan);
    plan = NULL;
    world_change_slots(&world, RESHARD_CHANGE_UNASSIGN, 4, 63, 63);
    cr_assert_eq(reshard_fix_plan(fix, world.map, NULL, &plan), RESHARD_E_PLAN);
    cr_assert_null(plan);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    world_free(&world);
}
