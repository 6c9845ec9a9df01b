/* SPDX-License-Identifier: MIT */
/* Room node, tests: what completed actions mean. */
#include "rig.h"

static struct rig rig;

Test(actions, store_action_that_fails_is_told_and_asked_again)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    rig.automatic &= ~RIG_BIT(DIGEST);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    rig_fail(&rig, RESHARD_ACTION_DIGEST, RESHARD_E_UNKNOWN);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_HOOK_FAILED), 1);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_DIGEST));
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns + 1000);
    rig_tick(&rig, 1000);
    rig_do(&rig, RESHARD_ACTION_DIGEST);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_FROZEN);
    rig_free(&rig);
}

Test(actions, store_actions_of_a_part_come_one_after_the_other)
{
    rig_target_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_COPY);
    rig.automatic &= ~RIG_BIT(APPLY);
    rig_give(&rig, 3, 5, 55);
    rig_give(&rig, 4, 5, 56);
    cr_assert_eq(rig.open_count, 2);
    cr_assert_eq(rig.open[1].after, rig.open[0].id);
    rig_free(&rig);
}

Test(actions, action_is_completed_once)
{
    rig_target_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_COPY);
    rig.automatic &= ~RIG_BIT(APPLY);
    rig_give(&rig, 3, 5, 55);
    uint64_t id = rig_find(&rig, RESHARD_ACTION_APPLY)->id;
    rig_do(&rig, RESHARD_ACTION_APPLY);
    struct reshard_digest before = rig_digest(&rig);
    cr_assert_eq(reshard_node_complete(rig.node, id, NULL, rig.now_ns), RESHARD_E_ARGUMENT);
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_free(&rig);
}

Test(actions, wake_that_fails_is_no_failure)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    rig.automatic &= ~RIG_BIT(WAKE);
    rig_tick(&rig, 50000);
    (void)rig_events(&rig, 0);
    rig_fail(&rig, RESHARD_ACTION_WAKE, RESHARD_E_HOOK_MISSING);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_HOOK_FAILED), 0);
    rig_free(&rig);
}
