/* SPDX-License-Identifier: MIT */
/* Room node, tests: routing where keys decide (R21, R22). */
#include "rig.h"

static struct rig rig;

static uint32_t verdict(uint64_t key, bool asking, uint64_t token)
{
    return rig_ask(&rig, key, RESHARD_OP_WRITE, asking, token).verdict;
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

Test(keywise_route, slot_alone_does_not_decide)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    cr_assert_eq(rig_route(&rig, 0, RESHARD_OP_READ), RESHARD_LOOKUP);
    cr_assert_eq(rig_route(&rig, 9, RESHARD_OP_READ), RESHARD_SERVE);
    rig_free(&rig);
}

Test(keywise_route, token_names_migration_and_direction_r21)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    struct reshard_route route = rig_ask(&rig, 3, RESHARD_OP_READ, false, 0);
    cr_assert_eq(route.verdict, RESHARD_ASK);
    cr_assert_eq(route.shard, 2);
    cr_assert_eq(route.token, 2);
    rig_free(&rig);
    rig_target_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    cr_assert_eq(verdict(3, true, 2), RESHARD_SERVE); /* absent, and still */
    cr_assert_eq(verdict(3, true, 3), RESHARD_MOVED);
    cr_assert_eq(verdict(3, true, 4), RESHARD_MOVED);
    cr_assert_eq(verdict(3, false, 2), RESHARD_MOVED);
    rig_free(&rig);
}

Test(keywise_route, bare_request_is_served_once_the_source_says_absent_r22)
{
    rig_target_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    rig.store.live[4] = 44;
    cr_assert_eq(verdict(4, true, 0), RESHARD_SERVE);
    cr_assert_eq(verdict(3, true, 0), RESHARD_PARK);
    rig_clear(&rig);
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns);
    rig_tick(&rig, 0);
    const struct reshard__message *query = rig_last(&rig, RESHARD__CHUNK, RESHARD__CHUNK_QUERY);
    cr_assert(query && query->flags == RESHARD__QUERY_BARE && query->payload.data[0] == 3);
    uint64_t wakes = rig.wake_count;
    answer(3, RESHARD__ANSWER_HAVE);
    cr_assert_gt(rig.wake_count, wakes);
    cr_assert_eq(verdict(3, true, 0), RESHARD_TRYAGAIN); /* once */
    cr_assert_eq(verdict(3, true, 0), RESHARD_PARK);
    answer(3, RESHARD__ANSWER_ABSENT);
    cr_assert_eq(verdict(3, true, 0), RESHARD_SERVE);
    cr_assert_eq(verdict(3, true, 0), RESHARD_SERVE); /* for good */
    rig_free(&rig);
}

Test(keywise_route, key_under_a_pending_mark_parks_a_bare_request_r22)
{
    rig_target_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    rig_give(&rig, 1, 3, 33);
    cr_assert_eq(verdict(3, true, 0), RESHARD_PARK);
    cr_assert_eq(verdict(3, true, 2), RESHARD_SERVE);
    struct reshard__message confirm = rig_chunk(&rig, RESHARD__CHUNK_CONFIRM, 1);
    rig_receive(&rig, 1, &confirm);
    cr_assert_eq(verdict(3, true, 0), RESHARD_SERVE);
    rig_free(&rig);
}

static uint32_t asked(uint64_t key)
{
    uint8_t bytes[2] = {(uint8_t)key, 0};
    struct reshard__message query = rig_chunk(&rig, RESHARD__CHUNK_QUERY, 0);
    query.flags = RESHARD__QUERY_BARE;
    query.payload.data = bytes;
    query.payload.size = sizeof bytes;
    rig_clear(&rig);
    rig_receive(&rig, 2, &query);
    const struct reshard__message *ack = rig_last(&rig, RESHARD__ACK, 0);
    return ack ? ack->answer : RESHARD__ANSWER_NONE;
}

Test(keywise_route, source_says_absent_only_where_that_is_for_good_r22)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig.store.live[3] = 0;
    cr_assert_eq(asked(3), RESHARD__ANSWER_NOT_HAVE);
    rig_free(&rig);
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    rig.store.live[4] = 44;
    cr_assert_eq(asked(3), RESHARD__ANSWER_ABSENT);
    cr_assert_eq(asked(4), RESHARD__ANSWER_HAVE);
    rig_free(&rig);
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_HOLD);
    cr_assert_eq(asked(3), RESHARD__ANSWER_ABSENT);
    rig_free(&rig);
}

/* A write that was admitted by its slot alone, before MOVE, may still create what is absent. */
Test(keywise_route, absent_key_waits_for_the_writes_of_before_r21)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig.store.live[3] = 0;
    rig.automatic &= ~(RIG_BIT(PICK) | RIG_BIT(FENCE));
    (void)asked(3); /* looked for before MOVE, answered behind it */
    rig_order(&rig, RESHARD_PHASE_MOVE);
    rig_none_pending(&rig, 2);
    rig_do(&rig, RESHARD_ACTION_PICK);
    cr_assert_eq(rig_last(&rig, RESHARD__ACK, 0)->answer, RESHARD__ANSWER_NOT_HAVE);
    cr_assert(rig_find(&rig, RESHARD_ACTION_FENCE));
    cr_assert_eq(verdict(3, false, 0), RESHARD_PARK);
    cr_assert_eq(verdict(4, false, 0), RESHARD_SERVE);
    uint64_t wakes = rig.wake_count;
    rig_do(&rig, RESHARD_ACTION_FENCE);
    cr_assert_gt(rig.wake_count, wakes);
    cr_assert_eq(verdict(3, false, 0), RESHARD_ASK);
    rig.automatic |= RIG_BIT(PICK);
    cr_assert_eq(asked(3), RESHARD__ANSWER_ABSENT);
    rig_free(&rig);
}

/* The same under a successor's PREPARE: what was admitted before MOVE still runs. */
Test(keywise_route, absent_key_waits_for_the_writes_of_before_in_a_new_term_too)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_PREPARE);
    rig.store.live[3] = 0;
    rig.automatic &= ~RIG_BIT(FENCE);
    rig_order(&rig, RESHARD_PHASE_MOVE);
    rig_none_pending(&rig, 2);
    rig.order_term++;
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_PREPARED);
    cr_assert_eq(verdict(3, false, 0), RESHARD_PARK);
    cr_assert_eq(verdict(4, false, 0), RESHARD_SERVE);
    uint64_t wakes = rig.wake_count;
    rig_do(&rig, RESHARD_ACTION_FENCE);
    cr_assert_gt(rig.wake_count, wakes);
    cr_assert_eq(verdict(3, false, 0), RESHARD_ASK);
    rig_free(&rig);
}

Test(keywise_route, several_keys_half_moved_try_again)
{
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    uint8_t bytes[2][2] = {{3, 0}, {19, 0}};
    const uint8_t *keys[2] = {bytes[0], bytes[1]};
    size_t key_sizes[2] = {2, 2};
    struct reshard_node_request request = {.struct_size = sizeof request,
        .op = RESHARD_OP_READ,
        .slot = 3,
        .key_count = 2,
        .present_count = 1,
        .keys = keys,
        .key_sizes = key_sizes};
    struct reshard_route route = {.struct_size = sizeof route};
    cr_assert_eq(reshard_node_route_keys(rig.node, &request, &route), RESHARD_OK);
    cr_assert_eq(route.verdict, RESHARD_TRYAGAIN);
    request.present_count = 0;
    cr_assert_eq(reshard_node_route_keys(rig.node, &request, &route), RESHARD_OK);
    cr_assert_eq(route.verdict, RESHARD_ASK);
    rig_free(&rig);
}

/* A key of any length is answered for by name; what is too long for a message is not looked up. */
Test(keywise_route, question_about_a_long_key_is_answered_whole_r22)
{
    static uint8_t key[3000];
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    struct reshard__message message = rig_chunk(&rig, RESHARD__CHUNK_QUERY, 0);
    message.flags = RESHARD__QUERY_BARE;
    message.payload.data = key;
    message.payload.size = sizeof key;
    rig.automatic &= ~RIG_BIT(PICK);
    rig_clear(&rig);
    rig_receive(&rig, 2, &message);
    struct reshard_completion none;
    reshard_completion_init(&none);
    none.done = 1;
    cr_assert_eq(rig_complete(&rig, RESHARD_ACTION_PICK, &none), RESHARD_OK);
    rig_run(&rig);
    const struct reshard__message *ack = rig_last(&rig, RESHARD__ACK, 0);
    cr_assert(ack && ack->answer == RESHARD__ANSWER_ABSENT);
    cr_assert_eq(ack->payload.size, sizeof key);
    rig_free(&rig);
}

/* A store that answers late: nobody asks any more, and what carried the question is given back. */
Test(keywise_route, question_in_a_migration_that_was_closed_is_not_answered_r22)
{
    uint8_t key[2] = {3, 0};
    rig_source_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    struct reshard__message message = rig_chunk(&rig, RESHARD__CHUNK_QUERY, 0);
    message.flags = RESHARD__QUERY_BARE;
    message.payload.data = key;
    message.payload.size = sizeof key;
    rig.automatic &= ~RIG_BIT(PICK);
    rig_receive(&rig, 2, &message);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_END);
    rig_tick(&rig, 1);
    rig_tick(&rig, UINT64_C(6000000000));
    cr_assert(rig_part(&rig)->closed);
    rig_clear(&rig);
    struct reshard_completion none;
    reshard_completion_init(&none);
    none.done = 1;
    cr_assert_eq(rig_complete(&rig, RESHARD_ACTION_PICK, &none), RESHARD_OK);
    rig_run(&rig);
    cr_assert_eq(rig_count(&rig, RESHARD__ACK, 0), 0);
    cr_assert_null(rig_part(&rig));
    rig_free(&rig);
}

/* What is remembered of answers is bounded: the oldest are asked for again. */
Test(keywise_route, answers_are_remembered_up_to_a_limit_r22)
{
    enum { MANY = 1100 };
    rig_target_to(&rig, RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    struct reshard__part *part = rig_part(&rig);
    for (uint32_t i = 0; i < MANY; i++) {
        uint8_t key[4] = {(uint8_t)i, (uint8_t)(i >> 8), 1, 1};
        cr_assert(reshard__keywise_note(rig.node, part, &part->keywise->absent, key, sizeof key));
    }
    cr_assert_eq(verdict(3, true, 0), RESHARD_PARK);
    cr_assert_eq(part->keywise->absent.count, 0);
    cr_assert_eq(part->keywise->questions.count, 1);
    rig_free(&rig);
}
