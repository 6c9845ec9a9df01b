/* SPDX-License-Identifier: MIT */
/* Room node, tests: the source's stream: order, window, retransmission, trimming (R9). */
#include "rig.h"

static struct rig rig;

static void record(uint64_t key, uint64_t value)
{
    uint8_t item[RIG_ITEM];
    size_t size = rig_item_put(item, key, value);
    rig.store.live[key] = value;
    cr_assert_eq(
        reshard_node_record(rig.node, (uint32_t)(key % RIG_SLOTS), item, size), RESHARD_OK);
    rig_run(&rig);
}

static void greet(void)
{
    struct reshard__message ready = rig_ack(&rig, 0, 0);
    rig_receive(&rig, 2, &ready);
}

Test(stream, capture_during_an_export_comes_behind_it_r9)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig.store.key_limit = 2;
    rig.automatic &= ~RIG_BIT(EXPORT);
    rig_order(&rig, RESHARD_PHASE_COPY);
    greet();
    struct reshard_completion completion;
    reshard_completion_init(&completion);
    const struct reshard_action *action = rig_find(&rig, RESHARD_ACTION_EXPORT);
    cr_assert_eq(rig_store_do(&rig.store, action, &completion), RESHARD_OK); /* reads key 1 */
    record(1, 999);
    uint8_t bytes[1000];
    size_t size = 0;
    while (size + RIG_ITEM <= sizeof bytes)
        size += rig_item_put(bytes + size, 2, 102);
    for (int i = 0; i < 3; i++) /* so that the first captured chunk is full */
        cr_assert_eq(reshard_node_record(rig.node, 2, bytes, size), RESHARD_OK);
    rig_run(&rig);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 0);
    cr_assert_eq(rig_complete(&rig, RESHARD_ACTION_EXPORT, &completion), RESHARD_OK);
    rig.automatic = RIG_ALL;
    rig_run(&rig);
    rig_ack_all(&rig);
    rig_ack_all(&rig);
    uint64_t last = 0, seen = 0;
    for (size_t i = 0; i < rig.sent_count; i++) {
        const struct reshard__message *message = &rig.sent[i].message;
        if (message->type != RESHARD__CHUNK)
            continue;
        cr_assert_eq(message->sequence, last + 1);
        last = message->sequence;
        for (size_t at = 0; at < message->payload.size; at += RIG_ITEM)
            if (message->payload.data[at + 8] == 1)
                memcpy(&seen, message->payload.data + at + 10, sizeof seen);
    }
    cr_assert_eq(seen, 999);
    rig_free(&rig);
}

Test(stream, nothing_is_sent_before_the_target_is_ready)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, 0), 0);
    greet();
    cr_assert_gt(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 0);
    rig_free(&rig);
}

/* A greeting of the copy that the next orders open, `ahead` of the newest one. */
static void greet_early(uint64_t ahead, uint64_t sequence)
{
    struct reshard__message early = rig_ack(&rig, sequence, 0);
    early.copy = (struct reshard__order_id){rig.order_term, rig.order_n + ahead};
    rig_receive(&rig, 2, &early);
}

/* The target may be in the copy before the source is: it says so only once in a while. */
Test(stream, target_that_was_ready_before_the_own_order_is_not_waited_for)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    greet_early(1, 0);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, 0), 0);
    rig_order(&rig, RESHARD_PHASE_COPY);
    size_t sent = rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA);
    cr_assert_gt(sent, 0);
    rig_tick(&rig, 1000); /* what is lost comes again by the clock, as ever */
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 2 * sent);
    rig_free(&rig);
}

Test(stream, target_that_was_ready_for_another_copy_counts_for_nothing)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    greet_early(2, 0); /* one that is lost before it is opened here */
    greet_early(1, 0); /* late */
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, 0), 0);
    rig_order(&rig, RESHARD_PHASE_COPY); /* the one that was greeted ends with the one before */
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, 0), 0);
    rig_free(&rig);
}

Test(stream, greeting_that_cannot_be_of_a_copy_to_come_changes_nothing)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    greet_early(2, 0);
    struct reshard_digest before = rig_digest(&rig);
    greet_early(2, 0);
    greet_early(1, 0);
    greet_early(0, 0);
    greet_early(3, 1); /* has chunks of a copy that nobody opened */
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_restart(&rig);
    before = rig_digest(&rig);
    greet_early(1, 0); /* no copy is opened before a new PREPARE (R7) */
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_free(&rig);
}

Test(stream, window_that_is_full_stops_the_export)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig_stop(&rig);
    rig.config.window_size = 1024;
    rig.store.key_limit = 1;
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_COPY);
    greet();
    uint64_t numbered = rig_part(&rig)->stream.numbered_last;
    cr_assert_lt(numbered, 32);
    struct reshard__message applied = rig_ack(&rig, numbered, 0); /* applied is not durable */
    rig_receive(&rig, 2, &applied);
    cr_assert_eq(rig_part(&rig)->stream.numbered_last, numbered);
    for (int i = 0; i < 64; i++)
        rig_ack_all(&rig);
    cr_assert_eq(rig_part(&rig)->stream.numbered_last, 32);
    rig_free(&rig);
}

Test(stream, flight_that_is_full_stops_the_export_until_it_is_applied)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig_stop(&rig);
    rig.config.flight_size = 1024;
    rig.store.key_limit = 1;
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_COPY);
    greet();
    const struct reshard__stream *stream = &rig_part(&rig)->stream;
    uint64_t numbered = stream->numbered_last;
    cr_assert_lt(numbered, 32);
    cr_assert_leq(stream->unapplied_bytes, 1024);
    struct reshard__message applied = rig_ack(&rig, numbered, 0); /* no need to be durable */
    rig_receive(&rig, 2, &applied);
    cr_assert_gt(stream->numbered_last, numbered);
    for (int i = 0; i < 64; i++)
        rig_ack_all(&rig);
    cr_assert_eq(stream->numbered_last, 32);
    rig_free(&rig);
}

Test(stream, acknowledgement_that_does_not_fit_changes_nothing)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    uint64_t last = rig_part(&rig)->stream.numbered_last;
    struct reshard_digest before = rig_digest(&rig);
    struct reshard__message acks[] = {rig_ack(&rig, last + 1, last), rig_ack(&rig, last, last),
        rig_ack(&rig, last - 1, last - 1), rig_ack(&rig, last, last), rig_ack(&rig, last, last)};
    acks[1].copy.n--;
    acks[3].migration = 99;
    acks[4].copy = (struct reshard__order_id){0, 0};
    for (size_t i = 0; i < sizeof acks / sizeof *acks; i++) {
        rig_receive(&rig, 2, &acks[i]);
        cr_assert(rig_same(before, rig_digest(&rig)), "%zu", i);
    }
    rig_free(&rig);
}

Test(stream, lost_chunk_is_sent_again_by_gap_and_by_clock)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    record(1, 500);
    uint64_t last = rig_part(&rig)->stream.sent;
    rig_clear(&rig);
    struct reshard__message gap = rig_ack(&rig, last - 1, last - 1);
    gap.flags = RESHARD__ACK_GAP;
    rig_receive(&rig, 2, &gap);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 1);
    rig_receive(&rig, 2, &gap); /* once a position; the clock does the rest */
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 1);
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns + 1000);
    rig_tick(&rig, 1000);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 2);
    rig_free(&rig);
}

Test(stream, target_that_fell_back_gets_what_was_not_durable)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    uint64_t durable = rig_part(&rig)->stream.durable;
    record(1, 500);
    record(2, 501);
    struct reshard__message ahead = rig_ack(&rig, rig_part(&rig)->stream.numbered_last, durable);
    rig_receive(&rig, 2, &ahead);
    rig_clear(&rig);
    struct reshard__message half = rig_ack(&rig, durable + 1, durable); /* late, not a restart */
    rig_receive(&rig, 2, &half);
    cr_assert_eq(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 0);
    struct reshard__message back = rig_ack(&rig, durable, durable);
    rig_receive(&rig, 2, &back);
    cr_assert_gt(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 0);
    cr_assert_gt(reshard__stream_lag(rig_part(&rig)), 0);
    rig_free(&rig);
}

Test(stream, export_that_fails_comes_again)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig.automatic &= ~RIG_BIT(EXPORT);
    rig_order(&rig, RESHARD_PHASE_COPY);
    rig_fail(&rig, RESHARD_ACTION_EXPORT, RESHARD_E_UNKNOWN);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_EXPORT));
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_HOOK_FAILED), 1);
    rig_tick(&rig, 1000);
    struct reshard_completion much = {.struct_size = sizeof much, .size = 1 << 20};
    cr_assert_eq(rig_complete(&rig, RESHARD_ACTION_EXPORT, &much), RESHARD_OK);
    rig_tick(&rig, 1000);
    struct reshard_completion none = {.struct_size = sizeof none, .done = 1};
    cr_assert_eq(rig_complete(&rig, RESHARD_ACTION_EXPORT, &none), RESHARD_OK);
    cr_assert(rig_part(&rig)->stream.exported);
    rig_free(&rig);
}

Test(stream, export_of_a_copy_that_ended_is_dropped)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig.automatic &= ~RIG_BIT(EXPORT);
    rig_order(&rig, RESHARD_PHASE_COPY);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_COPY);
    rig_do(&rig, RESHARD_ACTION_EXPORT); /* the first one */
    cr_assert_eq(rig_part(&rig)->stream.numbered_last, 0);
    rig.automatic = RIG_ALL;
    rig_run(&rig);
    cr_assert_gt(rig_part(&rig)->stream.numbered_last, 0);
    rig_free(&rig);
}

Test(stream, chunk_being_sent_outlives_its_copy)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    rig.automatic &= ~RIG_BIT(SEND);
    record(1, 500);
    cr_assert(rig_find(&rig, RESHARD_ACTION_SEND));
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_COPY);
    rig.automatic = RIG_ALL;
    rig_run(&rig);
    rig_free(&rig);
}

Test(stream, pause_starts_no_export)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig.order_flags = RESHARD__ORDER_PAUSED;
    rig.automatic &= ~RIG_BIT(EXPORT);
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_null(rig_find(&rig, RESHARD_ACTION_EXPORT));
    rig.order_flags = 0;
    rig_again(&rig, RESHARD_PHASE_COPY);
    cr_assert(rig_find(&rig, RESHARD_ACTION_EXPORT));
    rig_free(&rig);
}

Test(stream, budget_spreads_the_copy_over_time)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig.store.key_limit = 1;
    rig.order_n++;
    rig.copy = (struct reshard__order_id){rig.order_term, rig.order_n};
    struct reshard__message order = rig_order_message(&rig, RESHARD_PHASE_COPY);
    order.budget = 18000; /* a chunk a millisecond */
    rig_receive(&rig, 9, &order);
    greet();
    size_t count = rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA);
    cr_assert_leq(count, 2);
    cr_assert_leq(reshard_node_deadline(rig.node), rig.now_ns + 2000000);
    rig_tick(&rig, 1000000);
    rig_ack_all(&rig);
    cr_assert_gt(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), count);
    rig_free(&rig);
}

Test(stream, record_without_memory_loses_the_copy_not_the_write)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    uint8_t bytes[1000];
    size_t size = 0;
    while (size + RIG_ITEM <= sizeof bytes)
        size += rig_item_put(bytes + size, 1, 500);
    rig.alloc.fail_at = rig.alloc.calls + 1;
    rig.alloc.fail_onwards = true;
    for (int i = 0; i < 40; i++) /* chunks that were kept are used first */
        cr_assert_eq(reshard_node_record(rig.node, 1, bytes, size), RESHARD_OK);
    rig.alloc.fail_at = 0;
    rig_tick(&rig, 1);
    cr_assert_geq(rig_events(&rig, RESHARD_EVENT_LOST), 1);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_LOST);
    rig_free(&rig);
}

/* Flags of the chunks that a copy sends. */
static uint64_t data_flags(uint32_t check)
{
    uint64_t flags = 0;
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    rig_stop(&rig);
    rig.config.check = check;
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    rig_order(&rig, RESHARD_PHASE_COPY);
    greet();
    cr_assert_gt(rig_count(&rig, RESHARD__CHUNK, RESHARD__CHUNK_DATA), 0);
    for (size_t i = 0; i < rig.sent_count; i++)
        if (rig.sent[i].message.type == RESHARD__CHUNK)
            flags |= rig.sent[i].message.flags;
    rig_free(&rig);
    return flags;
}

Test(stream, payloads_are_in_the_checksum_where_the_config_asks_for_it)
{
    cr_assert_eq(data_flags(RESHARD_CHECK_DIGEST), RESHARD__CHUNK_UNCOVERED);
    cr_assert_eq(data_flags(RESHARD_CHECK_PAYLOADS), 0);
}

Test(stream, check_that_does_not_exist_is_refused)
{
    struct reshard_node_config config;
    struct reshard_node *node = NULL;
    reshard_node_config_init(&config);
    config.node = 1;
    config.check = RESHARD_CHECK_PAYLOADS + 1;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_E_ARGUMENT);
    config.check = RESHARD_CHECK_PAYLOADS;
    config.reserved = 1;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_E_FLAGS);
    cr_assert_null(node);
}
