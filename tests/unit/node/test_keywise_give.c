/* SPDX-License-Identifier: MIT */
/* Room node, tests: the giver of a keywise stream, by rule (R16 ... R19, R27). */
#include "rig.h"

static struct rig rig;

/* Prepared, and MOVE ordered; keys go one by one, nothing is acknowledged. */
static void move_begin(uint32_t conflict)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig_stop(&rig);
    rig.config.conflict = conflict;
    rig.store.key_limit = 1;
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_run(&rig);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    rig_clear(&rig);
}

static void acknowledge(uint64_t sequence)
{
    struct reshard__message ack = rig_ack(&rig, sequence, sequence);
    rig_receive(&rig, 2, &ack);
}

static uint32_t verdict(uint64_t key, uint32_t op)
{
    return rig_ask(&rig, key, op, false, 0).verdict;
}

Test(keywise_give, nothing_moves_before_both_sides_recorded_r16)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig.store.live[1] = 0;
    size_t appends = rig.append_count;
    rig_none_pending(&rig, 2); /* too early: there is no stream yet */
    cr_assert_eq(verdict(1, RESHARD_OP_READ), RESHARD_SERVE);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    cr_assert_eq(rig.append_count, appends, "recorded with PREPARED");
    cr_assert_eq(verdict(1, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 0);
    rig_none_pending(&rig, 2);
    cr_assert_eq(verdict(1, RESHARD_OP_READ), RESHARD_ASK);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 1);
    rig_free(&rig);
}

/* The receiver may be in the stream before the giver is: it says so only once in a while. */
Test(keywise_give, receiver_heard_before_the_own_order_is_not_asked_again_r16)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig.store.live[1] = 0;
    rig.order_n++;
    rig_none_pending(&rig, 2);
    rig.order_n--;
    cr_assert_eq(verdict(1, RESHARD_OP_READ), RESHARD_SERVE);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    cr_assert_eq(verdict(1, RESHARD_OP_READ), RESHARD_ASK);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 1);
    rig_free(&rig);
}

Test(keywise_give, receiver_heard_for_another_stream_counts_for_nothing_r18)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig.store.live[1] = 0;
    rig_none_pending(&rig, 2);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    cr_assert_eq(verdict(1, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 0);
    rig_free(&rig);
}

/* The walk keeps to the order's budget; what was picked before is not held up. */
Test(keywise_give, walk_keeps_to_the_budget)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig.store.key_limit = 1;
    rig_order(&rig, RESHARD_PHASE_MOVE);
    struct reshard__message order = rig_order_message(&rig, RESHARD_PHASE_MOVE);
    order.budget = 1;
    rig_receive(&rig, 9, &order);
    rig_none_pending(&rig, 2);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 1);
    uint64_t free_ns = rig_part(&rig)->stream.free_ns;
    uint64_t chunk_size = rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA)->payload.size;
    cr_assert_eq(free_ns, rig.now_ns + chunk_size * UINT64_C(1000000000));
    acknowledge(1);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 1);
    cr_assert_leq(reshard_node_deadline(rig.node), free_ns);
    rig_tick(&rig, free_ns - rig.now_ns);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 2);
    rig_free(&rig);
}

/* After a restart nobody knows whether keys moved: from the record on, the answer is ASK. */
Test(keywise_give, restart_in_prepare_has_the_routing_of_move_r16)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig.store.live[1] = 0;
    cr_assert_eq(verdict(1, RESHARD_OP_WRITE), RESHARD_SERVE);
    rig_restart(&rig);
    cr_assert_eq(verdict(1, RESHARD_OP_WRITE), RESHARD_ASK);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(verdict(1, RESHARD_OP_WRITE), RESHARD_ASK);
    rig_free(&rig);
}

Test(keywise_give, restart_keeps_the_routing_of_move_and_is_lost_r16)
{
    move_begin(RESHARD_CONFLICT_LOCK);
    rig_none_pending(&rig, 2);
    acknowledge(1);
    cr_assert_eq(rig.store.live[0], 0);
    rig_restart(&rig);
    cr_assert_eq(verdict(0, RESHARD_OP_READ), RESHARD_ASK);
    cr_assert_eq(verdict(1, RESHARD_OP_WRITE), RESHARD_SERVE);
    cr_assert_eq(verdict(1, RESHARD_OP_REMOVE), RESHARD_PARK); /* R18 */
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_MOVE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(verdict(0, RESHARD_OP_READ), RESHARD_ASK);
    cr_assert_eq(verdict(1, RESHARD_OP_REMOVE), RESHARD_PARK);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    cr_assert_eq(verdict(1, RESHARD_OP_REMOVE), RESHARD_PARK);
    rig_none_pending(&rig, 2);
    cr_assert_eq(verdict(17, RESHARD_OP_REMOVE), RESHARD_SERVE);
    rig_free(&rig);
}

Test(keywise_give, key_goes_only_by_the_acknowledgement_of_its_number_r17)
{
    move_begin(RESHARD_CONFLICT_LOCK);
    rig_none_pending(&rig, 2);
    rig.automatic &= ~RIG_BIT(REMOVE);
    struct reshard__message other = rig_ack(&rig, 1, 1);
    other.copy.n--; /* of another stream */
    struct reshard_digest before = rig_digest(&rig);
    rig_receive(&rig, 2, &other);
    acknowledge(0);
    acknowledge(2);
    cr_assert(rig_same(before, rig_digest(&rig)));
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_REMOVE));
    acknowledge(1);
    cr_assert(rig_find(&rig, RESHARD_ACTION_REMOVE));
    cr_assert_eq(verdict(0, RESHARD_OP_READ), RESHARD_SERVE); /* not ASK before it is gone */
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_CONFIRM), 0);
    rig_do(&rig, RESHARD_ACTION_REMOVE);
    cr_assert_eq(verdict(0, RESHARD_OP_READ), RESHARD_ASK);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_CONFIRM), 1);
    rig_free(&rig);
}

Test(keywise_give, removal_that_fails_is_asked_again)
{
    move_begin(RESHARD_CONFLICT_LOCK);
    rig_none_pending(&rig, 2);
    rig.automatic &= ~RIG_BIT(REMOVE);
    acknowledge(1);
    rig_fail(&rig, RESHARD_ACTION_REMOVE, RESHARD_E_UNKNOWN);
    cr_assert_eq(verdict(0, RESHARD_OP_WRITE), RESHARD_PARK);
    rig_tick(&rig, 1000);
    rig_do(&rig, RESHARD_ACTION_REMOVE);
    cr_assert_eq(verdict(0, RESHARD_OP_WRITE), RESHARD_ASK);
    rig_free(&rig);
}

Test(keywise_give, key_in_flight_is_locked_r19)
{
    move_begin(RESHARD_CONFLICT_LOCK);
    rig_none_pending(&rig, 2);
    cr_assert_eq(verdict(0, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(verdict(0, RESHARD_OP_WRITE), RESHARD_PARK);
    cr_assert_eq(verdict(0, RESHARD_OP_REMOVE), RESHARD_PARK);
    cr_assert_eq(verdict(1, RESHARD_OP_REMOVE), RESHARD_SERVE);
    uint64_t wakes = rig.wake_count;
    acknowledge(1);
    cr_assert_gt(rig.wake_count, wakes);
    rig_free(&rig);
}

Test(keywise_give, write_cancels_the_try_and_void_takes_its_number_r19)
{
    move_begin(RESHARD_CONFLICT_RETRY);
    rig_none_pending(&rig, 2);
    cr_assert_eq(verdict(0, RESHARD_OP_REMOVE), RESHARD_PARK);
    cr_assert_eq(verdict(0, RESHARD_OP_WRITE), RESHARD_SERVE);
    rig.store.live[0] = 999;
    cr_assert_eq(verdict(0, RESHARD_OP_REMOVE), RESHARD_PARK); /* between tries, too */
    rig_clear(&rig);
    rig_tick(&rig, 1000);
    const struct reshard__message *chunk = rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_VOID);
    cr_assert(chunk && chunk->sequence == 1);
    acknowledge(1);
    cr_assert_eq(rig.store.live[0], 999); /* what was acknowledged is not what is here */
    chunk = rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA);
    cr_assert(chunk && chunk->sequence == 2);
    acknowledge(2);
    cr_assert_eq(rig.store.live[0], 0);
    rig_free(&rig);
}

Test(keywise_give, key_that_was_tried_often_is_locked_after_all_r19)
{
    move_begin(RESHARD_CONFLICT_RETRY);
    rig_none_pending(&rig, 2);
    uint64_t sequence = 1;
    while (verdict(0, RESHARD_OP_WRITE) == RESHARD_SERVE) {
        acknowledge(sequence++);
        cr_assert_lt(sequence, 10);
    }
    cr_assert_eq(verdict(0, RESHARD_OP_WRITE), RESHARD_PARK);
    cr_assert_eq(sequence, 4);
    rig_free(&rig);
}

Test(keywise_give, try_that_carries_less_removes_only_what_it_carried)
{
    move_begin(RESHARD_CONFLICT_RETRY);
    rig.store.key_limit = 2;
    rig_none_pending(&rig, 2); /* keys 0 and 1 */
    cr_assert_eq(verdict(0, RESHARD_OP_WRITE), RESHARD_SERVE);
    rig.store.key_limit = 1; /* as if values had grown */
    acknowledge(1);
    acknowledge(2);
    cr_assert_eq(rig.store.live[0], 0);
    cr_assert_eq(rig.store.live[1], 101);
    cr_assert_eq(verdict(1, RESHARD_OP_REMOVE), RESHARD_PARK);
    acknowledge(3);
    cr_assert_eq(rig.store.live[1], 0);
    rig_free(&rig);
}

Test(keywise_give, hold_before_the_stream_is_reconciled_is_lost_r27)
{
    move_begin(RESHARD_CONFLICT_LOCK);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    cr_assert_eq(verdict(0, RESHARD_OP_READ), RESHARD_SERVE);
    rig_free(&rig);
}

Test(keywise_give, hold_before_it_is_empty_is_lost_r27)
{
    move_begin(RESHARD_CONFLICT_LOCK);
    rig_none_pending(&rig, 2);
    rig_order(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_HELD), 0);
    rig_free(&rig);
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_HOLD);
    cr_assert_eq(verdict(0, RESHARD_OP_READ), RESHARD_PARK);
    rig_restart(&rig);
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_HOLD);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_HELD);
    cr_assert_eq(verdict(0, RESHARD_OP_READ), RESHARD_PARK);
    rig_free(&rig);
}

Test(keywise_give, pick_that_fails_or_lies_is_asked_again)
{
    move_begin(RESHARD_CONFLICT_LOCK);
    rig.store.pick_space = 100000; /* one key larger than the first buffer */
    rig.automatic &= ~RIG_BIT(PICK);
    rig_none_pending(&rig, 2);
    rig_do(&rig, RESHARD_ACTION_PICK);
    const struct reshard_action *action = rig_find(&rig, RESHARD_ACTION_PICK);
    cr_assert(action && action->capacity == 100000);
    rig_fail(&rig, RESHARD_ACTION_PICK, RESHARD_E_UNKNOWN);
    rig_tick(&rig, 1000);
    struct reshard_completion lie = {.struct_size = sizeof lie, .size = 3, .keys = 1};
    cr_assert_eq(rig_complete(&rig, RESHARD_ACTION_PICK, &lie), RESHARD_OK);
    rig_tick(&rig, 1000);
    rig_do(&rig, RESHARD_ACTION_PICK);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 1);
    rig_free(&rig);
}

Test(keywise_give, pick_that_cannot_be_locked_tells_of_memory_and_is_asked_again)
{
    for (uint64_t call = 1; call <= 4; call++) { /* of the keys that go, of the locked ones */
        move_begin(RESHARD_CONFLICT_LOCK);
        rig.automatic &= ~RIG_BIT(PICK);
        rig_none_pending(&rig, 2);
        (void)rig_events(&rig, RESHARD_EVENT_NO_MEMORY);
        rig.alloc.fail_at = rig.alloc.calls + call;
        rig_do(&rig, RESHARD_ACTION_PICK);
        rig.alloc.fail_at = 0;
        cr_assert_eq(rig_events(&rig, RESHARD_EVENT_NO_MEMORY), 1);
        cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 0);
        rig_tick(&rig, 1000);
        rig_do(&rig, RESHARD_ACTION_PICK);
        cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 1);
        rig_free(&rig);
    }
}

Test(keywise_give, pick_asks_for_as_much_as_is_configured)
{
    move_begin(RESHARD_CONFLICT_LOCK);
    rig.automatic &= ~RIG_BIT(PICK);
    rig_none_pending(&rig, 2);
    cr_assert_eq(rig_find(&rig, RESHARD_ACTION_PICK)->capacity, 65536);
    rig_free(&rig);
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig_stop(&rig);
    rig.config.pick_size = 4000;
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_run(&rig);
    rig.automatic &= ~RIG_BIT(PICK);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    rig_none_pending(&rig, 2);
    cr_assert_eq(rig_find(&rig, RESHARD_ACTION_PICK)->capacity, 4000);
    rig_free(&rig);
}

Test(keywise_give, pick_of_a_stream_that_ended_is_dropped)
{
    move_begin(RESHARD_CONFLICT_LOCK);
    rig.automatic &= ~RIG_BIT(PICK);
    rig_none_pending(&rig, 2);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_do(&rig, RESHARD_ACTION_PICK);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, 0), 0);
    cr_assert_eq(verdict(0, RESHARD_OP_WRITE), RESHARD_SERVE);
    rig_free(&rig);
}

Test(keywise_give, confirm_is_told_again)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    rig_clear(&rig);
    rig_tick(&rig, 1000);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_CONFIRM), 1);
    rig_free(&rig);
}

Test(keywise_give, keys_by_name_need_an_operators_move)
{
    uint8_t bytes[2] = {1, 0};
    const uint8_t *keys[1] = {bytes};
    size_t sizes[1] = {2};
    move_begin(RESHARD_CONFLICT_LOCK);
    cr_assert_eq(reshard_node_move_keys(NULL, 1, keys, sizes, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_move_keys(rig.node, 1, NULL, sizes, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_move_keys(rig.node, 1, keys, NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_move_keys(rig.node, 99, keys, sizes, 1), RESHARD_E_SLOT);
    cr_assert_eq(reshard_node_move_keys(rig.node, 1, keys, sizes, 0), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_node_move_keys(rig.node, 1, keys, sizes, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_node_move_keys(rig.node, 12, keys, sizes, 1), RESHARD_E_STATE);
    rig_free(&rig);
}

/* A list that is being picked belongs to the stream before. */
Test(keywise_give, stream_waits_for_what_is_being_picked_r17)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    rig_part(&rig)->busy |= RESHARD__BUSY_PICK;
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    cr_assert(!reshard__order_equal(rig_part(&rig)->keywise->stream, rig_part(&rig)->order));
    rig_part(&rig)->busy &= ~(uint32_t)RESHARD__BUSY_PICK;
    rig_again(&rig, RESHARD_PHASE_MOVE);
    cr_assert(reshard__order_equal(rig_part(&rig)->keywise->stream, rig_part(&rig)->order));
    rig_free(&rig);
}

/* An operator who has moved the last key finishes next: that nothing is left is said before. */
Test(keywise_give, last_key_by_hand_is_told_before_anybody_asks)
{
    uint8_t name[2] = {3, 0};
    const uint8_t *names[1] = {name};
    size_t sizes[1] = {sizeof name};
    rig_boot(&rig, 1);
    rig.migration_flags = RESHARD_MIGRATION_OPERATOR;
    rig.store.live[3] = 33;
    rig_open(&rig, 1, RESHARD_MODE_KEYWISE);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    rig_none_pending(&rig, 2);
    cr_assert_eq(reshard_node_move_keys(rig.node, 3, names, sizes, 1), RESHARD_OK);
    rig_run(&rig);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_EMPTY);
    acknowledge(1);
    cr_assert_eq(rig.store.live[3], 0);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_EMPTY);
    rig_free(&rig);
}
