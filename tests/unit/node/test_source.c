/* SPDX-License-Identifier: MIT */
/* Room node, tests: the source in mode snapshot, by rule. */
#include "rig.h"

static struct rig rig;

static void source_to(uint32_t phase)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, phase);
}

Test(source, path_straight_writes_four_records_and_ends_empty)
{
    rig_boot(&rig, 1);
    rig_free(&rig);
    source_to(RESHARD_PHASE_CLEANUP);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_PREPARED), 1);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_HELD), 1);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_RELEASED), 1);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_PURGE), 1);
    for (uint64_t key = 0; key < RIG_KEYS; key++)
        cr_assert_eq(rig.store.live[key] == 0, key % RIG_SLOTS < 8);
    rig_free(&rig);
}

Test(source, restart_during_copy_answers_lost_r7)
{
    source_to(RESHARD_PHASE_COPY);
    rig_restart(&rig);
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE);
    struct reshard__message late = rig_order_message(&rig, RESHARD_PHASE_COPY);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    struct reshard_digest before = rig_digest(&rig);
    rig_receive(&rig, 9, &late);
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE_CAPTURE);
    rig_free(&rig);
}

Test(source, copy_of_empty_slots_waits_for_the_target)
{
    source_to(RESHARD_PHASE_PREPARE);
    memset(rig.store.live, 0, sizeof rig.store.live);
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    struct reshard__message ready = rig_ack(&rig, 0, 0);
    rig_receive(&rig, 2, &ready);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_COPIED);
    rig_free(&rig);
}

Test(source, copy_under_an_id_opens_once_r7)
{
    source_to(RESHARD_PHASE_COPY);
    struct reshard__part *part = rig_part(&rig);
    reshard__stream_drop(rig.node, part); /* as when memory ran out */
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    rig_free(&rig);
}

Test(source, copy_of_another_order_is_lost_r7)
{
    source_to(RESHARD_PHASE_CATCHUP);
    rig.copy.n += 7;
    rig_order(&rig, RESHARD_PHASE_CATCHUP);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    rig_free(&rig);
}

Test(source, first_chunk_waits_for_the_fence_r9)
{
    source_to(RESHARD_PHASE_PREPARE);
    rig.automatic &= ~RIG_BIT(FENCE);
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE_CAPTURE);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_EXPORT));
    rig.automatic &= ~RIG_BIT(EXPORT);
    rig_do(&rig, RESHARD_ACTION_FENCE);
    cr_assert(rig_find(&rig, RESHARD_ACTION_EXPORT));
    rig_free(&rig);
}

Test(source, final_position_waits_for_the_fence_r9)
{
    source_to(RESHARD_PHASE_CATCHUP);
    rig.automatic &= ~RIG_BIT(FENCE);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    cr_assert_null(rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_FIN));
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_PARK);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_SERVE);
    uint8_t item[RIG_ITEM]; /* a write that was admitted before */
    size_t size = rig_item_put(item, 1, 5);
    rig.store.live[1] = 5;
    cr_assert_eq(reshard_node_record(rig.node, 1, item, size), RESHARD_OK);
    uint64_t before = rig_part(&rig)->stream.applied;
    rig_do(&rig, RESHARD_ACTION_FENCE);
    const struct reshard__message *fin = rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_FIN);
    cr_assert(fin);
    cr_assert_eq(fin->final_sequence, before + 1);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_FROZEN);
    rig_free(&rig);
}

Test(source, final_position_waits_for_a_fence_that_failed_r9)
{
    source_to(RESHARD_PHASE_CATCHUP);
    rig.automatic &= ~RIG_BIT(FENCE);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    rig_fail(&rig, RESHARD_ACTION_FENCE, RESHARD_E_NOMEM); /* asked again, by the clock */
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    cr_assert_null(rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_FIN));
    rig_tick(&rig, 1000);
    rig_do(&rig, RESHARD_ACTION_FENCE);
    cr_assert_not_null(rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_FIN));
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_FROZEN);
    rig_free(&rig);
}

/* What a frozen source had not read would be missing at the target. */
Test(source, freeze_before_the_copy_was_read_is_lost)
{
    source_to(RESHARD_PHASE_PREPARE);
    rig.automatic &= ~RIG_BIT(EXPORT);
    rig_order(&rig, RESHARD_PHASE_COPY);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    cr_assert_null(rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_FIN));
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE_CAPTURE);
    rig_free(&rig);
}

Test(source, freeze_that_runs_out_serves_and_refuses_the_hold_r10)
{
    source_to(RESHARD_PHASE_FREEZE);
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns + 50000);
    rig_tick(&rig, 49999);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_PARK);
    rig_tick(&rig, 1);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE_CAPTURE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_EXPIRED);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_EXPIRED), 1);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_REFUSED);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE_CAPTURE);
    rig_free(&rig);
}

Test(source, hold_of_another_attempt_is_refused_r10)
{
    source_to(RESHARD_PHASE_FREEZE);
    rig.attempt += 5;
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_REFUSED);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_HELD), 0);
    rig_free(&rig);
}

Test(source, hold_disarms_the_deadline_before_its_record_is_durable_r10)
{
    source_to(RESHARD_PHASE_FREEZE);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    rig_tick(&rig, 100000000);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_HELD);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_HELD);
    rig_free(&rig);
}

Test(source, hold_waits_for_its_fence_before_it_votes)
{
    source_to(RESHARD_PHASE_FREEZE);
    rig.automatic &= ~RIG_BIT(FENCE);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    rig_fail(&rig, RESHARD_ACTION_FENCE, RESHARD_E_NOMEM); /* asked again, by the clock */
    rig_tick(&rig, 1000);
    rig_do(&rig, RESHARD_ACTION_FENCE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_HELD);
    rig_free(&rig);
}

Test(source, hold_survives_a_restart_and_only_a_prepare_ends_it_r11)
{
    source_to(RESHARD_PHASE_HOLD);
    rig_restart(&rig);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_HELD);
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    rig_order(&rig, RESHARD_PHASE_CATCHUP);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    rig_tick(&rig, 100000000);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    rig.order_term++;
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE);
    cr_assert(rig.wake_count > 0);
    rig_free(&rig);
}

Test(source, hold_is_not_ended_by_the_copy_that_it_rests_on_r11)
{
    source_to(RESHARD_PHASE_HOLD);
    rig_order(&rig, RESHARD_PHASE_CATCHUP);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    rig_order(&rig, RESHARD_PHASE_FREEZE);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    rig_free(&rig);
}

Test(source, hold_without_a_coordinator_asks_around_and_tells)
{
    source_to(RESHARD_PHASE_HOLD);
    (void)rig_events(&rig, 0);
    rig_clear(&rig);
    rig_tick(&rig, 99999);
    cr_assert_eq(rig_count(&rig, RESHARD__HELLO, 0), 0);
    rig_tick(&rig, 2);
    cr_assert_eq(rig_count(&rig, RESHARD__HELLO, 0), 3);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_HELD_ALONE), 1);
    rig_tick(&rig, 2000000);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_HELD_ALONE), 0);
    rig_free(&rig);
}

Test(source, release_is_durable_before_it_answers_moved)
{
    source_to(RESHARD_PHASE_HOLD);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_PARK);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_SETTLED);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    reshard_shard_id to;
    cr_assert_eq(reshard_node_route(rig.node, 0, RESHARD_OP_READ, &to), RESHARD_MOVED);
    cr_assert_eq(to, 2);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
    rig_restart(&rig);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_MOVED);
    rig_free(&rig);
}

Test(source, of_one_log_answers_moved_before_its_record_is_synced_and_settles_after)
{
    source_to(RESHARD_PHASE_HOLD);
    rig.node->config.flags = RESHARD_NODE_ONE_LOG;
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig.automatic &= ~(RIG_BIT(APPEND) | RIG_BIT(SYNC));
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_SETTLE);
    cr_assert_eq(rig_find(&rig, RESHARD_ACTION_APPEND)->durability, RESHARD_DURABILITY_WRITE);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_MOVED);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    rig_do(&rig, RESHARD_ACTION_SYNC);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_SETTLED);
    rig_free(&rig);
}

Test(source, purge_without_a_release_changes_nothing_r13)
{
    source_to(RESHARD_PHASE_HOLD);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig.automatic &= ~RIG_BIT(PURGE);
    rig_order(&rig, RESHARD_PHASE_CLEANUP);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_REFUSED);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_PURGE));
    cr_assert_eq(rig.store.live[1], 101);
    rig_free(&rig);
}

Test(source, purge_goes_on_after_a_restart_by_itself)
{
    source_to(RESHARD_PHASE_LINGER);
    rig.automatic &= ~RIG_BIT(PURGE);
    rig_order(&rig, RESHARD_PHASE_CLEANUP);
    rig_do(&rig, RESHARD_ACTION_PURGE); /* half of it */
    cr_assert_eq(rig.store.live[1], 0);
    cr_assert_eq(rig.store.live[55], 155);
    rig_restart(&rig);
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns + 1);
    rig.automatic = RIG_ALL;
    rig_tick(&rig, 1);
    rig_tick(&rig, 1);
    cr_assert_eq(rig.store.live[55], 0);
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_CLEANUP);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_PURGED);
    rig_free(&rig);
}

Test(source, purge_under_way_keeps_the_slots_from_coming_back_r13)
{
    source_to(RESHARD_PHASE_LINGER);
    rig.automatic &= ~RIG_BIT(PURGE);
    rig_order(&rig, RESHARD_PHASE_CLEANUP);
    cr_assert_not_null(rig_find(&rig, RESHARD_ACTION_PURGE));
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_END, .migration = 1});
    rig_open_back(&rig, 2, RESHARD_MODE_SNAPSHOT); /* another node said PURGED */
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LEFTOVERS);
    rig_do(&rig, RESHARD_ACTION_PURGE);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_PREPARED);
    rig_free(&rig);
}

Test(source, undo_from_every_phase_serves_again)
{
    static const uint32_t phases[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_COPY,
        RESHARD_PHASE_CATCHUP, RESHARD_PHASE_FREEZE, RESHARD_PHASE_HOLD};
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        source_to(phases[i]);
        rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
        rig_order(&rig, RESHARD_PHASE_UNDO);
        cr_assert_eq(rig_result(&rig), RESHARD__RESULT_UNDONE);
        cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE);
        cr_assert_eq(rig_newest_record(&rig), RESHARD__RECORD_UNDONE);
        rig_restart(&rig);
        cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_SERVE);
        rig_free(&rig);
    }
}

Test(source, tail_at_its_limit_parks_writes_until_half_is_gone)
{
    source_to(RESHARD_PHASE_CATCHUP);
    uint8_t bytes[1024];
    size_t size = 0;
    while (size + RIG_ITEM <= sizeof bytes)
        size += rig_item_put(bytes + size, 1, 9);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(reshard_node_record(rig.node, 1, bytes, size), RESHARD_OK);
    rig_run(&rig);
    cr_assert_eq(rig_route(&rig, 1, RESHARD_OP_WRITE), RESHARD_PARK);
    cr_assert_eq(rig_route(&rig, 1, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_THROTTLED), 1);
    for (int i = 0; i < 4; i++)
        rig_ack_all(&rig);
    cr_assert_eq(rig_route(&rig, 1, RESHARD_OP_WRITE), RESHARD_SERVE_CAPTURE);
    rig_free(&rig);
}

Test(source, freeze_budget_without_end_does_not_wrap)
{
    source_to(RESHARD_PHASE_CATCHUP);
    struct reshard__message message = rig_order_message(&rig, RESHARD_PHASE_FREEZE);
    message.order.n = ++rig.order_n;
    message.attempt = ++rig.attempt;
    message.freeze_ns = UINT64_MAX;
    rig_receive(&rig, 9, &message);
    rig_tick(&rig, UINT64_C(1000000000000));
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_WRITE), RESHARD_PARK);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_EXPIRED), 0);
    rig_free(&rig);
}

/* The write has happened; a node that has stopped for good keeps it, and says nothing. */
Test(source, write_at_a_node_that_stopped_is_still_taken)
{
    const uint8_t state[8] = {1};
    source_to(RESHARD_PHASE_COPY);
    rig.node->gate.ended = RESHARD_E_FATAL;
    uint64_t before = rig_part(&rig)->stream.captured_bytes;
    cr_assert_eq(reshard_node_record(rig.node, 0, state, sizeof state), RESHARD_OK);
    cr_assert_eq(rig_part(&rig)->stream.captured_bytes, before + sizeof state);
    rig_free(&rig);
}
