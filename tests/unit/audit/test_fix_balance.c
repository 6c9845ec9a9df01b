/* SPDX-License-Identifier: MIT */
#include "world.h"
#include <criterion/criterion.h>

static struct world world;

static uint32_t moves(uint32_t imbalance_permille, uint32_t flags)
{
    struct reshard_audit *audit = world_audit(&world, imbalance_permille, NULL, world.map);
    struct reshard_fix *fix;
    uint32_t slots = 0;
    cr_assert_eq(reshard_audit_fix(audit, world.map, flags, &fix), RESHARD_OK);
    for (uint32_t i = 0; i < reshard_fix_step_count(fix); i++) {
        struct reshard_fix_step step;
        reshard_fix_step_init(&step);
        cr_assert_eq(reshard_fix_step_at(fix, i, &step), RESHARD_OK);
        cr_assert_eq(step.kind, RESHARD_FIX_STEP_MOVE);
        slots += step.slot_count;
    }
    world_run(&world, fix);
    reshard_fix_destroy(fix);
    reshard_audit_destroy(audit);
    return slots;
}

Test(fix_balance, imbalance_is_moved_away_on_request_only)
{
    world_make(&world, 4);
    world_finish(&world, world_open(&world, 1, 2, 0, 3, 0), true); /* 12, 20, 16, 16 */
    cr_assert_eq(moves(20, 0), 0);
    cr_assert_eq(moves(RESHARD_AUDIT_BALANCE_IGNORED, RESHARD_FIX_BALANCE), 0);
    cr_assert_eq(moves(500, RESHARD_FIX_BALANCE), 0);
    cr_assert_eq(moves(20, RESHARD_FIX_BALANCE), 4);
    cr_assert_eq(moves(0, RESHARD_FIX_BALANCE), 0);
    world_free(&world);
}

Test(fix_balance, threshold_of_more_than_all_is_taken_as_all)
{
    world_make(&world, 4);
    for (reshard_shard_id shard = 2; shard <= 4; shard++)
        world_finish(&world,
            world_open(&world, shard, 1, 16 * (shard - 1), 16 * shard - 1, 0), true);
    cr_assert_eq(moves(2000, RESHARD_FIX_BALANCE), 48); /* four times its share */
    world_free(&world);
}
