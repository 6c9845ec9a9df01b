/* SPDX-License-Identifier: MIT */
/* Room node, tests: data that no record explains. */
#include "rig.h"

static struct rig rig;

static uint32_t aside(uint32_t *first)
{
    uint32_t cursor = 0, count = 0;
    struct reshard_range range;
    while (reshard_node_quarantine_next(rig.node, &cursor, &range) == RESHARD_OK) {
        if (count == 0)
            *first = range.first;
        count += range.last - range.first + 1;
    }
    return count;
}

static void found(uint32_t first, uint32_t last)
{
    struct reshard_range range = {first, last};
    cr_assert_eq(reshard_node_found(rig.node, &range, 1), RESHARD_OK);
    rig_run(&rig);
}

Test(quarantine, data_without_a_reason_is_set_aside_and_stays)
{
    uint32_t first = 99;
    rig_boot(&rig, 2);
    found(3, 5);
    cr_assert_eq(aside(&first), 3);
    cr_assert_eq(first, 3);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_QUARANTINE), 1);
    cr_assert_eq(rig_newest_record(&rig), RESHARD__RECORD_QUARANTINE);
    size_t records = rig.record_count;
    found(4, 5); /* nothing new */
    cr_assert_eq(rig.record_count, records);
    rig_restart(&rig);
    cr_assert_eq(aside(&first), 3);
    uint32_t cursor = 4;
    struct reshard_range range;
    cr_assert_eq(reshard_node_quarantine_next(rig.node, &cursor, &range), RESHARD_OK);
    cr_assert(range.first == 4 && range.last == 5 && cursor == 6);
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LEFTOVERS); /* R13 */
    rig_free(&rig);
}

Test(quarantine, data_with_a_reason_is_not)
{
    uint32_t first;
    rig_boot(&rig, 1);
    found(0, 15); /* the owner's */
    cr_assert_eq(aside(&first), 0);
    rig_free(&rig);
    rig_target_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_COPY);
    found(0, 8); /* a migration's, and one that is not */
    cr_assert_eq(aside(&first), 1);
    cr_assert_eq(first, 8);
    rig_free(&rig);
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_LINGER);
    found(0, 15); /* kept until the clean-up */
    cr_assert_eq(aside(&first), 0);
    rig_free(&rig);
}

Test(quarantine, purge_comes_only_on_request_and_after_the_record)
{
    uint32_t first;
    struct reshard_range some = {3, 4}, more = {3, 9};
    rig_boot(&rig, 2);
    for (uint64_t key = 0; key < RIG_KEYS; key++)
        rig.store.live[key] = 5;
    rig.automatic &= ~(RIG_BIT(APPEND) | RIG_BIT(PURGE));
    found(3, 5);
    cr_assert_eq(reshard_node_purge(rig.node, &more, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_purge(rig.node, &some, 1), RESHARD_OK);
    rig_run(&rig);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_PURGE));
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(reshard_node_purge(rig.node, &some, 1), RESHARD_E_STATE); /* under way */
    rig_fail(&rig, RESHARD_ACTION_PURGE, RESHARD_E_UNKNOWN);
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns + 1000);
    rig_tick(&rig, 1000);
    rig_do(&rig, RESHARD_ACTION_PURGE); /* half */
    cr_assert_eq(aside(&first), 3);
    rig_do(&rig, RESHARD_ACTION_PURGE);
    cr_assert_eq(aside(&first), 1);
    cr_assert_eq(first, 5);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig.store.live[3], 0);
    cr_assert_eq(rig.store.live[5], 5);
    rig_restart(&rig);
    cr_assert_eq(aside(&first), 1);
    rig_free(&rig);
}

Test(quarantine, input_that_is_wrong_is_refused)
{
    struct reshard_range wrong = {5, 99}, range;
    uint32_t cursor = 0;
    rig_boot(&rig, 2);
    cr_assert_eq(reshard_node_found(NULL, &wrong, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_found(rig.node, NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_found(rig.node, &wrong, 1), RESHARD_E_SLOT);
    cr_assert_eq(reshard_node_purge(NULL, &wrong, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_purge(rig.node, &wrong, 1), RESHARD_E_SLOT);
    cr_assert_eq(reshard_node_purge(rig.node, NULL, 0), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_quarantine_next(NULL, &cursor, &range), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_quarantine_next(rig.node, NULL, &range), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_quarantine_next(rig.node, &cursor, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_quarantine_next(rig.node, &cursor, &range), RESHARD_E_EMPTY);
    rig_free(&rig);
}

Test(quarantine, lack_of_memory_changes_nothing)
{
    struct reshard_range some = {3, 5};
    uint32_t first;
    rig_boot(&rig, 2);
    for (size_t n = 1;; n++) {
        struct reshard_digest before = rig_digest(&rig);
        rig.alloc.fail_at = rig.alloc.calls + n;
        int32_t status = reshard_node_found(rig.node, &some, 1);
        rig.alloc.fail_at = 0;
        if (status == RESHARD_OK)
            break;
        cr_assert_eq(status, RESHARD_E_NOMEM);
        cr_assert(rig_same(before, rig_digest(&rig)));
    }
    rig_tick(&rig, 1000);
    cr_assert_eq(aside(&first), 3);
    rig.failing = true;
    cr_assert_eq(reshard_node_purge(rig.node, &some, 1), RESHARD_OK);
    rig_run(&rig);
    rig_tick(&rig, 1000);
    cr_assert_eq(aside(&first), 0);
    rig_free(&rig);
}
