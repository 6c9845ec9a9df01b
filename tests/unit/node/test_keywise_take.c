/* SPDX-License-Identifier: MIT */
/* Room node, tests: the receiver of a keywise stream, by rule (R17, R18, R20). */
#include "rig.h"

static struct rig rig;

static void take_begin(void)
{
    rig_target_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
}

static uint64_t token(void)
{
    return rig.migration << 1;
}

static void confirm(uint64_t sequence)
{
    struct reshard__message message = rig_chunk(&rig, RESHARD__CHUNK_CONFIRM, sequence);
    rig_receive(&rig, 1, &message);
}

static void answer(uint64_t key, uint32_t what)
{
    uint8_t bytes[2] = {(uint8_t)key, 0};
    struct reshard__message message = rig_ack(&rig, 0, 0);
    message.answer = what;
    message.payload.data = bytes;
    message.payload.size = sizeof bytes;
    rig_receive(&rig, 1, &message);
}

/* A new stream, as after the source lost the old one. */
static void stream_again(void)
{
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    rig.copy = (struct reshard__order_id){rig.order_term, rig.order_n};
}

Test(keywise_take, mark_data_and_number_are_durable_before_the_answer_r17)
{
    take_begin();
    rig.store.sync_later = true;
    rig.automatic &= ~(RIG_BIT(APPEND) | RIG_BIT(APPLY) | RIG_BIT(SYNC));
    rig_clear(&rig);
    rig_give(&rig, 1, 3, 33);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_APPLY));
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_newest_record(&rig), RESHARD__RECORD_MARK);
    rig_do(&rig, RESHARD_ACTION_APPLY);
    cr_assert_eq(rig_count(&rig, RESHARD__ACK, 0), 0);
    rig_do(&rig, RESHARD_ACTION_SYNC);
    cr_assert_eq(rig_last(&rig, RESHARD__ACK, 0)->sequence, 1);
    rig_free(&rig);
}

/* R16: the record of PREPARE doubles as that of MOVE; without one MOVE writes its own. */
Test(keywise_take, move_is_recorded_with_prepare_or_by_itself)
{
    rig_target_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    size_t appends = rig.append_count;
    rig.automatic &= ~RIG_BIT(SYNC); /* no record, nothing staged: not asked */
    rig_order(&rig, RESHARD_PHASE_MOVE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_KEEPING);
    cr_assert_eq(rig.append_count, appends);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_MOVE), 0);
    rig_free(&rig);
    rig_boot(&rig, 2);
    rig_open(&rig, 1, RESHARD_MODE_KEYWISE);
    rig_map(&rig);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_KEEPING);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_MOVE), 1);
    rig_free(&rig);
}

Test(keywise_take, chunk_out_of_line_is_dropped_r17)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    confirm(1);
    rig.store.live[3] = 77; /* a client that was asked here */
    struct reshard_digest before = rig_digest(&rig);
    rig.automatic &= ~RIG_BIT(APPLY);
    rig_give(&rig, 1, 3, 33);
    rig_give(&rig, 3, 3, 34);
    rig.copy.n--;
    rig_give(&rig, 2, 3, 35);
    rig.copy.n++;
    cr_assert(rig_same(before, rig_digest(&rig)));
    cr_assert_eq(rig.store.live[3], 77);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_APPLY)); /* nor left to the store to drop */
    rig.automatic |= RIG_BIT(APPLY);
    rig_give(&rig, 2, 4, 44);
    cr_assert_eq(rig.store.live[4], 44);
    struct reshard__message odd = rig_chunk(&rig, RESHARD__CHUNK_DATA, 3);
    odd.payload.data = (const uint8_t *)"abc";
    odd.payload.size = 3;
    rig_receive(&rig, 1, &odd); /* no items */
    rig_give(&rig, 3, 5, 55);
    cr_assert_eq(rig.store.live[5], 55);
    rig_free(&rig);
}

Test(keywise_take, void_takes_a_number_without_data)
{
    take_begin();
    struct reshard__message nothing = rig_chunk(&rig, RESHARD__CHUNK_VOID, 1);
    rig_receive(&rig, 1, &nothing);
    cr_assert_eq(rig_last(&rig, RESHARD__ACK, 0)->sequence, 1);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_give(&rig, 2, 3, 33);
    nothing.sequence = 2;
    rig_receive(&rig, 1, &nothing); /* its mark is being written: it counts */
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig.store.live[3], 33);
    cr_assert_eq(rig_last(&rig, RESHARD__ACK, 0)->sequence, 2);
    rig.automatic = RIG_ALL & ~RIG_BIT(APPLY);
    rig_give(&rig, 3, 4, 44);
    nothing.sequence = 3;
    rig_receive(&rig, 1, &nothing); /* it is being applied: it counts */
    rig_do(&rig, RESHARD_ACTION_APPLY);
    cr_assert_eq(rig.store.live[4], 44);
    rig_free(&rig);
}

/* Another record is under way, so that the mark waits: nothing of the chunk came anywhere. */
Test(keywise_take, void_takes_a_mark_that_waits)
{
    take_begin();
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_change(&rig, (struct reshard_change){
                         .kind = RESHARD_CHANGE_SHARD_PUT, .shard = 9, .weight = 1.0});
    rig_map(&rig);
    rig_give(&rig, 1, 3, 33);
    struct reshard__message nothing = rig_chunk(&rig, RESHARD__CHUNK_VOID, 1);
    rig_receive(&rig, 1, &nothing);
    cr_assert_eq(rig_last(&rig, RESHARD__ACK, 0)->sequence, 1);
    rig.automatic = RIG_ALL;
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_MARK), 0);
    cr_assert_eq(rig.store.live[3], 0);
    rig_give(&rig, 2, 4, 44);
    cr_assert_eq(rig.store.live[4], 44);
    rig_free(&rig);
}

Test(keywise_take, mark_of_unknown_outcome_is_asked_about_and_kept_r18)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    stream_again();
    const struct reshard__message *query = rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_QUERY);
    cr_assert(query && query->payload.data[0] == 3);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_PENDING), 0);
    cr_assert_eq(rig_ask(&rig, 3, RESHARD_OP_READ, true, token()).verdict, RESHARD_PARK);
    rig_give(&rig, 1, 4, 44); /* nothing is taken meanwhile */
    cr_assert_eq(rig.store.live[4], 0);
    answer(9, RESHARD__ANSWER_HAVE); /* of a key that is no mark */
    answer(3, RESHARD__ANSWER_NOT_HAVE);
    cr_assert_eq(rig.store.live[3], 33);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_PENDING), 1);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_CLEAR), 1);
    cr_assert_eq(rig_ask(&rig, 3, RESHARD_OP_READ, true, token()).verdict, RESHARD_SERVE);
    answer(3, RESHARD__ANSWER_HAVE); /* late: no mark any more */
    cr_assert_eq(rig.store.live[3], 33);
    rig_free(&rig);
}

Test(keywise_take, mark_that_the_source_has_is_dropped_r18)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    rig_restart(&rig);
    stream_again();
    rig.automatic &= ~RIG_BIT(REMOVE);
    rig_tick(&rig, 1000);
    cr_assert_geq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_QUERY), 1);
    answer(3, RESHARD__ANSWER_HAVE);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_PENDING), 0);
    cr_assert_eq(rig_ask(&rig, 3, RESHARD_OP_READ, true, token()).verdict, RESHARD_PARK);
    rig_do(&rig, RESHARD_ACTION_REMOVE);
    cr_assert_eq(rig.store.live[3], 0);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_PENDING), 1);
    rig_free(&rig);
}

Test(keywise_take, mark_that_was_confirmed_is_asked_about_all_the_same)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    confirm(1); /* not in the journal: a restart could not know it */
    stream_again();
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_QUERY), 1);
    rig_free(&rig);
}

/* What answers resolved in memory still stands in the journal: a CLEAR ends it, whatever began
 * before it was written. */
Test(keywise_take, marks_that_were_resolved_end_by_a_durable_clear_r18)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    stream_again();
    rig.automatic &= ~RIG_BIT(REMOVE);
    answer(3, RESHARD__ANSWER_HAVE);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_do(&rig, RESHARD_ACTION_REMOVE);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_CLEAR), 0);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_PENDING), 1);
    cr_assert_eq(rig_record_count(&rig, RESHARD__RECORD_CLEAR), 1);
    rig_free(&rig);
}

/* Of a target that gives back: it sends on what its CLEAR freed. */
static uint32_t clear_durability(bool back)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    if (back) {
        rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
        rig_order(&rig, RESHARD_PHASE_UNMOVE);
        rig.copy = (struct reshard__order_id){rig.order_term, rig.order_n};
    } else {
        stream_again();
    }
    rig.automatic &= ~RIG_BIT(APPEND);
    answer(3, RESHARD__ANSWER_NOT_HAVE);
    const struct reshard_action *append = rig_find(&rig, RESHARD_ACTION_APPEND);
    cr_assert(append);
    uint32_t durability = append->durability;
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_newest_record(&rig), RESHARD__RECORD_CLEAR);
    rig_free(&rig);
    return durability;
}

Test(keywise_take, clear_behind_which_keys_go_back_outlives_the_power_r18)
{
    cr_assert_eq(clear_durability(false), RESHARD_DURABILITY_ORDERED);
    cr_assert_eq(clear_durability(true), RESHARD_DURABILITY_FULL);
}

/* The stream before has ended: what it was told of a key may be old. */
Test(keywise_take, answer_of_the_stream_before_touches_no_mark_that_aged_r18)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    stream_again();
    answer(3, RESHARD__ANSWER_HAVE);
    cr_assert_eq(rig.store.live[3], 0);
    rig_give(&rig, 1, 3, 35);
    cr_assert_eq(rig.store.live[3], 35);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    answer(3, RESHARD__ANSWER_HAVE); /* repeated, late */
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    cr_assert_eq(rig.store.live[3], 35);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_QUERY), 1);
    rig_free(&rig);
}

Test(keywise_take, restart_within_a_stream_goes_on)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    rig_restart(&rig);
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_MOVE);
    rig_give(&rig, 1, 3, 34);
    cr_assert_eq(rig.store.live[3], 33);
    cr_assert_eq(rig_last(&rig, RESHARD__ACK, 0)->sequence, 1);
    rig_give(&rig, 2, 4, 44);
    cr_assert_eq(rig.store.live[4], 44);
    rig_free(&rig);
}

Test(keywise_take, stream_begins_behind_what_is_being_applied_r17)
{
    take_begin();
    rig.automatic &= ~RIG_BIT(APPLY);
    rig_give(&rig, 1, 3, 33);
    stream_again();
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_WORKING);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_QUERY), 0);
    rig_do(&rig, RESHARD_ACTION_APPLY);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_QUERY), 1);
    rig_free(&rig);
}

/* Before its first order it has nothing to ask with: a deadline in the past would never go by. */
Test(keywise_take, restart_with_old_marks_asks_for_no_tick)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    stream_again();
    rig_restart(&rig);
    rig_tick(&rig, 1000);
    cr_assert_gt(reshard_node_deadline(rig.node), rig.now_ns);
    rig_free(&rig);
}

/* The target gives back what it got. */
static void unmove(void)
{
    take_begin();
    rig_give(&rig, 1, 3, 33);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_clear(&rig);
    rig_order(&rig, RESHARD_PHASE_UNMOVE);
    rig.copy = (struct reshard__order_id){rig.order_term, rig.order_n};
}

Test(keywise_take, target_in_unmove_settles_marks_before_it_gives_r20)
{
    unmove();
    rig_none_pending(&rig, 1);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 0);
    cr_assert_eq(rig_ask(&rig, 3, RESHARD_OP_READ, true, token()).verdict, RESHARD_PARK);
    struct reshard_route back = rig_ask(&rig, 4, RESHARD_OP_WRITE, true, token());
    cr_assert_eq(back.verdict, RESHARD_ASK); /* it never creates a key */
    cr_assert_eq(back.shard, 1);
    cr_assert_eq(back.token, token() | 1);
    answer(3, RESHARD__ANSWER_NOT_HAVE);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_PENDING), 1);
    const struct reshard__message *chunk = rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA);
    cr_assert(chunk && chunk->sequence == 1);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_EMPTY);
    struct reshard__message ack = rig_ack(&rig, 1, 1);
    rig_receive(&rig, 1, &ack);
    cr_assert_eq(rig.store.live[3], 0);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_EMPTY);
    rig_free(&rig);
}

/* A query is looked up beside the pick of a stream that ends: the next stream waits for that all
 * the same, or two picks of one stream would be under way. */
Test(keywise_take, way_back_opens_behind_a_pick_whatever_a_query_does_r17)
{
    uint8_t key[2] = {3, 0};
    unmove();
    rig.automatic &= ~RIG_BIT(PICK);
    struct reshard__message query = rig_chunk(&rig, RESHARD__CHUNK_QUERY, 0);
    query.payload.data = key;
    query.payload.size = sizeof key;
    rig_receive(&rig, 1, &query);
    answer(3, RESHARD__ANSWER_NOT_HAVE);
    rig_none_pending(&rig, 1);
    rig_do(&rig, RESHARD_ACTION_PICK); /* the query's */
    cr_assert_eq(rig_count(&rig, RESHARD__ACK, 0), 1);
    cr_assert_eq(rig.open_count, 1, "the walk's");
    rig_order(&rig, RESHARD_PHASE_UNMOVE);
    rig_none_pending(&rig, 1);
    cr_assert_eq(rig.open_count, 1);
    rig_do(&rig, RESHARD_ACTION_PICK);
    rig_free(&rig);
}

Test(keywise_take, target_that_restarts_in_unmove_is_lost_r17)
{
    unmove();
    rig_restart(&rig);
    rig_clear(&rig);
    rig_again(&rig, RESHARD_PHASE_UNMOVE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    rig_order(&rig, RESHARD_PHASE_UNMOVE);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_LOST);
    rig_free(&rig);
}

Test(keywise_take, source_in_unmove_parks_removals_until_the_target_has_no_mark_r18)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    rig.store.live[1] = 5;
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_order(&rig, RESHARD_PHASE_UNMOVE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_UNMOVING);
    cr_assert_eq(rig_ask(&rig, 1, RESHARD_OP_WRITE, false, 0).verdict, RESHARD_SERVE);
    cr_assert_eq(rig_ask(&rig, 1, RESHARD_OP_REMOVE, false, 0).verdict, RESHARD_PARK);
    cr_assert_eq(rig_ask(&rig, 2, RESHARD_OP_READ, false, 0).verdict, RESHARD_ASK);
    uint64_t wakes = rig.wake_count;
    rig_none_pending(&rig, 2);
    cr_assert_gt(rig.wake_count, wakes);
    cr_assert_eq(rig_ask(&rig, 1, RESHARD_OP_REMOVE, false, 0).verdict, RESHARD_SERVE);
    rig_give(&rig, 1, 2, 22); /* from the target */
    cr_assert_eq(rig.store.live[2], 22);
    cr_assert_eq(rig_ask(&rig, 2, RESHARD_OP_READ, false, 0).verdict, RESHARD_ASK);
    confirm(1);
    cr_assert_eq(rig_ask(&rig, 2, RESHARD_OP_READ, false, 0).verdict, RESHARD_SERVE);
    cr_assert_eq(rig_ask(&rig, 4, RESHARD_OP_WRITE, true, token() | 1).verdict, RESHARD_SERVE);
    rig_free(&rig);
}

/* A chunk that is being applied belongs to the stream before: the way back opens behind it. */
Test(keywise_take, way_back_waits_for_what_is_being_applied_r20)
{
    rig_target_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    rig_part(&rig)->busy |= RESHARD__BUSY_APPLY;
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_order(&rig, RESHARD_PHASE_UNMOVE);
    cr_assert(!reshard__order_equal(rig_part(&rig)->keywise->opened, rig_part(&rig)->order));
    rig_part(&rig)->busy &= ~(uint32_t)RESHARD__BUSY_APPLY;
    rig_again(&rig, RESHARD_PHASE_UNMOVE);
    cr_assert(reshard__order_equal(rig_part(&rig)->keywise->opened, rig_part(&rig)->order));
    rig_free(&rig);
}
