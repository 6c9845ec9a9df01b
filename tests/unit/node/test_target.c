/* SPDX-License-Identifier: MIT */
/* Room node, tests: the target in mode snapshot, by rule. */
#include "rig.h"

static struct rig rig;

static void target_to(uint32_t phase)
{
    rig_target_to(&rig, RESHARD_MODE_SNAPSHOT, phase);
}

Test(target, path_straight_writes_four_records_and_serves)
{
    target_to(RESHARD_PHASE_CLEANUP);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_OPEN), 2);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_SEAL), 1);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_ACTIVE), 1);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_WRITE), RESHARD_SERVE);
    cr_assert_eq(rig.store.live[3], 33);
    cr_assert_eq(rig.store.live[4], 44);
    rig_free(&rig);
}

Test(target, copy_id_is_durable_before_data_comes_r8)
{
    target_to(RESHARD_PHASE_PREPARE);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_order(&rig, RESHARD_PHASE_COPY);
    rig_give(&rig, 1, 3, 33);
    cr_assert_not(rig.store.stagings[0].used);
    cr_assert_null(rig_last(&rig, RESHARD__ACK, 0));
    rig_do(&rig, RESHARD_ACTION_APPEND);
    rig_give(&rig, 1, 3, 33);
    cr_assert_eq(rig.store.stagings[0].staged[3], 33);
    rig_free(&rig);
}

Test(target, copy_again_after_ready_and_a_restart_wipes_nothing_r8)
{
    target_to(RESHARD_PHASE_COPY);
    struct reshard__message late = rig_order_message(&rig, RESHARD_PHASE_COPY);
    rig_order(&rig, RESHARD_PHASE_CATCHUP);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    rig_fin(&rig, 2);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY);
    rig_restart(&rig);
    rig.automatic &= ~RIG_BIT(DISCARD);
    struct reshard_digest before = rig_digest(&rig);
    rig_receive(&rig, 9, &late);
    cr_assert(rig_same(before, rig_digest(&rig)));
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_DISCARD));
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY);
    rig_free(&rig);
}

Test(target, ready_waits_for_the_sync_r8)
{
    rig_boot(&rig, 2);
    rig_free(&rig);
    target_to(RESHARD_PHASE_COPY);
    rig.store.sync_later = true;
    rig.automatic &= ~RIG_BIT(SYNC);
    rig_give(&rig, 3, 5, 55);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    rig_clear(&rig);
    rig_fin(&rig, 3);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_READY);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_SEAL), 0);
    rig_do(&rig, RESHARD_ACTION_SYNC);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY);
    rig_free(&rig);
}

Test(target, seal_of_one_log_needs_no_sync_before_it_r8)
{
    rig_boot(&rig, 2);
    rig_free(&rig);
    target_to(RESHARD_PHASE_COPY);
    rig.node->config.flags = RESHARD_NODE_ONE_LOG;
    rig.store.sync_later = true;
    rig.automatic &= ~(RIG_BIT(SYNC) | RIG_BIT(APPEND));
    rig_give(&rig, 3, 5, 55);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    rig_clear(&rig);
    rig_fin(&rig, 3);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_SYNC));
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_READY, "the seal itself is waited for");
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_SEAL), 1);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY);
    cr_assert_eq(reshard_node_deadline(rig.node), UINT64_MAX, "nothing is left to be synced");
    rig_free(&rig);
}

Test(target, seal_is_durable_before_ready_is_said_r8)
{
    target_to(RESHARD_PHASE_CATCHUP);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_clear(&rig);
    rig_fin(&rig, 2);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_READY);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_PARK);
    rig_free(&rig);
}

Test(target, chunks_out_of_line_change_nothing_r8)
{
    target_to(RESHARD_PHASE_COPY);
    struct reshard_digest before = rig_digest(&rig);
    rig_clear(&rig);
    rig_give(&rig, 2, 3, 99); /* repeated */
    rig_give(&rig, 4, 3, 99); /* too early */
    const struct reshard__message *ack = rig_last(&rig, RESHARD__ACK, 0);
    cr_assert(ack && ack->sequence == 2 && ack->flags == RESHARD__ACK_GAP);
    rig.copy.n--; /* of another copy */
    rig_give(&rig, 3, 3, 99);
    rig.copy.n++;
    struct reshard__message odd = rig_chunk(&rig, RESHARD__CHUNK_VOID, 3);
    rig_receive(&rig, 1, &odd);
    rig.migration = 77; /* of no migration */
    rig_give(&rig, 3, 3, 99);
    rig.migration = 1;
    cr_assert(rig_same(before, rig_digest(&rig)));
    cr_assert_eq(rig.store.stagings[0].staged[3], 33);
    rig_free(&rig);
}

Test(target, fin_of_another_attempt_seals_nothing_r5)
{
    target_to(RESHARD_PHASE_CATCHUP);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    rig_clear(&rig);
    rig.attempt--;
    rig_fin(&rig, 2);
    rig.attempt++;
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_READY);
    rig_fin(&rig, 3); /* more is to come */
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_READY);
    const struct reshard__message *ack = rig_last(&rig, RESHARD__ACK, 0);
    cr_assert(ack && ack->flags == RESHARD__ACK_GAP);
    rig_free(&rig);
}

Test(target, restart_in_copy_goes_on_at_the_durable_position)
{
    target_to(RESHARD_PHASE_COPY);
    rig_restart(&rig);
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_COPY);
    const struct reshard__message *ack = rig_last(&rig, RESHARD__ACK, 0);
    cr_assert(ack && ack->sequence == 2 && ack->durable_sequence == 2);
    rig_give(&rig, 3, 5, 55);
    cr_assert_eq(rig.store.stagings[0].staged[5], 55);
    rig_free(&rig);
}

Test(target, restart_with_another_staging_is_lost)
{
    target_to(RESHARD_PHASE_COPY);
    rig.store.stagings[0].used = false;
    rig_restart(&rig);
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_COPY);
    rig_order(&rig, RESHARD_PHASE_CATCHUP);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    rig_free(&rig);
}

Test(target, apply_that_fails_alone_comes_again)
{
    target_to(RESHARD_PHASE_COPY);
    rig.automatic &= ~RIG_BIT(APPLY);
    rig_give(&rig, 3, 5, 55);
    rig_fail(&rig, RESHARD_ACTION_APPLY, RESHARD_E_NOMEM);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_HOOK_FAILED), 1);
    rig_give(&rig, 3, 5, 55); /* too soon */
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_APPLY));
    rig_tick(&rig, 1000);
    rig_give(&rig, 3, 5, 55);
    rig_do(&rig, RESHARD_ACTION_APPLY);
    cr_assert_eq(rig.store.stagings[0].staged[5], 55);
    rig_free(&rig);
}

Test(target, apply_that_fails_below_another_loses_the_copy)
{
    target_to(RESHARD_PHASE_COPY);
    rig.automatic &= ~RIG_BIT(APPLY);
    rig_give(&rig, 3, 5, 55);
    rig_give(&rig, 4, 6, 66);
    rig_fail(&rig, RESHARD_ACTION_APPLY, RESHARD_E_NOMEM);
    rig_do(&rig, RESHARD_ACTION_APPLY);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_CATCHUP);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    rig_free(&rig);
}

Test(target, digests_that_differ_are_a_mismatch)
{
    target_to(RESHARD_PHASE_CATCHUP);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    rig.store.stagings[0].staged[5] = 1;
    struct reshard__message fin = rig_chunk(&rig, RESHARD__CHUNK_FIN, 2);
    fin.final_sequence = 2;
    fin.digest.low = 1234;
    rig_receive(&rig, 1, &fin);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_MISMATCH);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_MISMATCH), 1);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_SEAL), 0);
    rig_again(&rig, RESHARD_PHASE_FREEZE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_MISMATCH);
    rig_free(&rig);
}

Test(target, side_without_digests_compares_nothing)
{
    target_to(RESHARD_PHASE_CATCHUP);
    rig.store.digest_none = true;
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    struct reshard__message fin = rig_chunk(&rig, RESHARD__CHUNK_FIN, 2);
    fin.final_sequence = 2;
    fin.digest.low = 1234;
    rig_receive(&rig, 1, &fin);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY);
    rig_free(&rig);
}

Test(target, settle_without_a_seal_is_damaged_r12)
{
    target_to(RESHARD_PHASE_CATCHUP);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig.automatic &= ~RIG_BIT(ACTIVATE);
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_DAMAGED);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_ACTIVATE));
    cr_assert_neq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_SERVE);
    rig_free(&rig);
}

Test(target, settle_with_the_seal_of_another_attempt_is_damaged_r12)
{
    target_to(RESHARD_PHASE_HOLD);
    rig.attempt += 3;
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_DAMAGED);
    cr_assert_neq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_SERVE);
    rig_free(&rig);
}

Test(target, freeze_that_comes_late_keeps_the_seal_of_an_activated_staging_r12)
{
    target_to(RESHARD_PHASE_FREEZE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY);
    rig.store.stagings[0].used = false; /* activated; it died before it could record that */
    rig_restart(&rig);
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_FREEZE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_READY);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
    rig_free(&rig);
}

Test(target, serving_waits_for_the_active_record_r12)
{
    target_to(RESHARD_PHASE_HOLD);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_PARK); /* R23: the map alone */
    rig.automatic &= ~(RIG_BIT(APPEND) | RIG_BIT(ACTIVATE));
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    if (rig_find(&rig, RESHARD_ACTION_APPEND))
        rig_do(&rig, RESHARD_ACTION_APPEND); /* the map */
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_PARK);
    rig_do(&rig, RESHARD_ACTION_ACTIVATE);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_PARK);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
    rig_restart(&rig);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_SERVE);
    rig_free(&rig);
}

/* R12 where journal and store are one log: what is written behind the record is lost with it. */
Test(target, of_one_log_serves_before_its_record_is_synced_and_says_so_after_r12)
{
    target_to(RESHARD_PHASE_HOLD);
    rig.node->config.flags = RESHARD_NODE_ONE_LOG;
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig.automatic &= ~(RIG_BIT(APPEND) | RIG_BIT(SYNC));
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_PARK);
    cr_assert_eq(rig_find(&rig, RESHARD_ACTION_APPEND)->durability, RESHARD_DURABILITY_WRITE);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    rig_fail(&rig, RESHARD_ACTION_SYNC, RESHARD_E_HOOK);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    rig_tick(&rig, rig.node->config.retry_ns);
    rig_again(&rig, RESHARD_PHASE_SETTLE);
    rig_do(&rig, RESHARD_ACTION_SYNC);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
    rig_again(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_SYNC));
    rig_free(&rig);
}

Test(target, of_one_log_syncs_what_a_restart_finds_before_it_says_so_r12)
{
    target_to(RESHARD_PHASE_HOLD);
    rig.node->config.flags = RESHARD_NODE_ONE_LOG;
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig.automatic &= ~RIG_BIT(SYNC);
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    rig_restart(&rig);
    rig.node->config.flags = RESHARD_NODE_ONE_LOG;
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    rig_do(&rig, RESHARD_ACTION_SYNC);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
    rig_free(&rig);
}

Test(target, committed_map_alone_never_serves_r23)
{
    target_to(RESHARD_PHASE_HOLD);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig_restart(&rig);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_PARK);
    rig_free(&rig);
}

Test(target, committed_map_without_any_record_never_serves_r23)
{
    rig_boot(&rig, 2);
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig_tick(&rig, 1);
    rig_tick(&rig, UINT64_C(6000000000)); /* the decision waited for a record */
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_PARK);
    rig_restart(&rig);
    cr_assert_eq(rig_route(&rig, 3, RESHARD_OP_READ), RESHARD_PARK);
    rig_free(&rig);
}

Test(target, prepare_refuses_slots_under_another_record_r13)
{
    target_to(RESHARD_PHASE_COPY);
    struct reshard__part *part = rig_part(&rig);
    cr_assert_not(reshard__target_leftovers(rig.node, part));
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_END, .migration = 1});
    rig_free(&rig);

    rig_boot(&rig, 2);
    struct reshard_range slots[] = {{6, 6}};
    uint8_t blob[64];
    struct reshard__record record = {.kind = RESHARD__RECORD_QUARANTINE};
    cr_assert_eq(
        reshard__ranges_encode(slots, 1, blob, sizeof blob, &record.blob.size), RESHARD_OK);
    record.blob.data = blob;
    cr_assert_eq(reshard__quarantine_restore(rig.node, &record), RESHARD_OK);
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LEFTOVERS);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_OPEN), 0);
    rig_free(&rig);
}

Test(target, undo_discards_and_forgets)
{
    target_to(RESHARD_PHASE_HOLD);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig.automatic &= ~RIG_BIT(DISCARD);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_UNDO);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_UNDONE);
    rig_fail(&rig, RESHARD_ACTION_DISCARD, RESHARD_E_UNKNOWN);
    rig_tick(&rig, 1000);
    rig_do(&rig, RESHARD_ACTION_DISCARD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_UNDONE);
    cr_assert_not(rig.store.stagings[0].used);
    reshard_shard_id to;
    cr_assert_eq(reshard_node_route(rig.node, 3, RESHARD_OP_READ, &to), RESHARD_MOVED);
    cr_assert_eq(to, 1);
    rig_free(&rig);
}

Test(target, undo_of_what_was_never_prepared_is_undone_r4)
{
    rig_boot(&rig, 2);
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_order(&rig, RESHARD_PHASE_UNDO);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_UNDONE);
    rig_free(&rig);
}

Test(target, sync_is_asked_by_the_clock_when_the_source_rests)
{
    target_to(RESHARD_PHASE_COPY);
    rig.store.sync_later = true;
    rig_give(&rig, 3, 5, 55);
    const struct reshard__message *ack = rig_last(&rig, RESHARD__ACK, 0);
    cr_assert(ack && ack->sequence == 3 && ack->durable_sequence == 2);
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns + 500);
    rig_clear(&rig);
    rig_tick(&rig, 500);
    ack = rig_last(&rig, RESHARD__ACK, 0);
    cr_assert(ack && ack->durable_sequence == 3);
    rig_free(&rig);
}

/* What is being applied belongs to the copy before: its staging goes when that has ended. */
Test(target, new_copy_waits_for_what_is_being_applied_r8)
{
    rig_target_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_COPY);
    rig.automatic &= ~RIG_BIT(APPLY);
    struct reshard__message chunk = rig_chunk(&rig, RESHARD__CHUNK_DATA, 1);
    uint8_t item[RIG_ITEM] = {2};
    chunk.payload.data = item;
    chunk.payload.size = sizeof item;
    rig_receive(&rig, 1, &chunk);
    cr_assert(rig_find(&rig, RESHARD_ACTION_APPLY));
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_DISCARD));
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    rig_fail(&rig, RESHARD_ACTION_APPLY, RESHARD_E_HOOK);
    rig_tick(&rig, 10000);
    rig_again(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_newest_record(&rig), RESHARD__RECORD_OPEN);
    cr_assert_eq(rig_part(&rig)->applied, 0);
    rig_free(&rig);
}
