/* SPDX-License-Identifier: MIT */
/* Room node, tests: orders in, reports out (R3 ... R6). */
#include "rig.h"

static struct rig rig;

Test(orders, map_that_is_ahead_is_asked_for_r4)
{
    rig_boot(&rig, 1);
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig.order_n = 1;
    struct reshard__message order = rig_order_message(&rig, RESHARD_PHASE_PREPARE);
    order.map_version++;
    struct reshard_digest before = rig_digest(&rig);
    rig_receive(&rig, 9, &order);
    cr_assert(rig_same(before, rig_digest(&rig)));
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 0);
    const struct reshard__message *hello = rig_last(&rig, RESHARD__HELLO, 0);
    cr_assert(hello && hello->node == 1 && hello->boot == 1 && hello->slot_count == RIG_SLOTS);
    cr_assert(hello->map_version < order.map_version);
    rig_free(&rig);
}

Test(orders, map_that_is_not_durable_counts_for_nothing_r4)
{
    rig_boot(&rig, 2);
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_ABORT);
    rig_order(&rig, RESHARD_PHASE_UNDO);
    cr_assert_neq(rig_result(&rig), RESHARD__RESULT_UNDONE);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_UNDONE);
    rig_free(&rig);
}

Test(orders, decision_that_does_not_fit_is_ignored_r4)
{
    static const uint32_t undecided[] = {RESHARD_PHASE_SETTLE, RESHARD_PHASE_LINGER,
        RESHARD_PHASE_CLEANUP, RESHARD_PHASE_UNMOVE, RESHARD_PHASE_UNDO, RESHARD_PHASE_NONE,
        RESHARD_PHASE_COMMIT, RESHARD_PHASE_DONE, RESHARD_PHASE_ABORT, RESHARD_PHASE_REVERTED, 99};
    static const uint32_t committed[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_COPY,
        RESHARD_PHASE_CATCHUP, RESHARD_PHASE_FREEZE, RESHARD_PHASE_HOLD, RESHARD_PHASE_UNDO};
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    rig_clear(&rig);
    struct reshard_digest before = rig_digest(&rig);
    rig.order_n += 100;
    for (size_t i = 0; i < sizeof undecided / sizeof *undecided; i++) {
        rig_again(&rig, undecided[i]);
        cr_assert(rig_same(before, rig_digest(&rig)), "%u", undecided[i]);
    }
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    before = rig_digest(&rig);
    for (size_t i = 0; i < sizeof committed / sizeof *committed; i++) {
        rig_again(&rig, committed[i]);
        cr_assert(rig_same(before, rig_digest(&rig)), "%u", committed[i]);
    }
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 0);
    rig_free(&rig);
}

Test(orders, lower_number_is_ignored_and_equal_one_answered_r6)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    rig_clear(&rig);
    struct reshard_digest before = rig_digest(&rig);
    rig_again(&rig, RESHARD_PHASE_CATCHUP);
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 1);
    cr_assert_eq(rig_result(&rig), RESHARD__RESULT_STREAMING);
    rig_again(&rig, RESHARD_PHASE_FREEZE); /* the same number, another phase */
    rig.order_n--;
    rig_again(&rig, RESHARD_PHASE_CATCHUP);
    rig_again(&rig, RESHARD_PHASE_PREPARE);
    rig.order_n += 100;
    rig.order_term--;
    rig_again(&rig, RESHARD_PHASE_PREPARE); /* a lower term counts first */
    cr_assert(rig_same(before, rig_digest(&rig)));
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 1);
    rig_free(&rig);
}

Test(orders, first_one_is_answered_with_news_alone_and_a_repeated_one_always_r6)
{
    rig_boot(&rig, 2);
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    rig.automatic &= ~RIG_BIT(APPEND);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 0);
    rig_again(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 1);
    cr_assert_eq(rig_last(&rig, RESHARD__REPORT, 0)->result, RESHARD__RESULT_WORKING);
    rig_do(&rig, RESHARD_ACTION_APPEND);
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 2);
    cr_assert_eq(rig_last(&rig, RESHARD__REPORT, 0)->result, RESHARD__RESULT_PREPARED);
    rig.automatic = RIG_ALL;
    rig_order(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_part(&rig)->result, RESHARD__RESULT_KEEPING);
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 2, "nobody waits for it");
    rig_again(&rig, RESHARD_PHASE_COPY);
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 3);
    cr_assert_eq(rig_last(&rig, RESHARD__REPORT, 0)->result, RESHARD__RESULT_KEEPING);
    rig_free(&rig);
}

Test(orders, number_of_the_record_is_the_floor_after_a_restart)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    rig_restart(&rig);
    rig_clear(&rig);
    struct reshard_digest before = rig_digest(&rig);
    rig.order_n--;
    rig_again(&rig, RESHARD_PHASE_PREPARE);
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_free(&rig);
}

Test(orders, closed_migration_is_answered_with_its_end_r4)
{
    static const uint8_t answers[][2] = {{RESHARD_PHASE_SETTLE, RESHARD__RESULT_SETTLED},
        {RESHARD_PHASE_LINGER, RESHARD__RESULT_SETTLED},
        {RESHARD_PHASE_CLEANUP, RESHARD__RESULT_PURGED},
        {RESHARD_PHASE_UNDO, RESHARD__RESULT_UNDONE}, {RESHARD_PHASE_UNMOVE, RESHARD__RESULT_EMPTY},
        {RESHARD_PHASE_COPY, RESHARD__RESULT_KEEPING}};
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CLEANUP);
    rig_decide(&rig, RESHARD_CHANGE_MIGRATION_END);
    rig_tick(&rig, 1);
    rig_tick(&rig, UINT64_C(6000000000)); /* the end needs no record of its own, but in time one */
    cr_assert_null(rig_part(&rig));
    struct reshard_digest before = rig_digest(&rig);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        rig_clear(&rig);
        rig_again(&rig, answers[i][0]);
        cr_assert_eq(rig_result(&rig), answers[i][1], "%u", answers[i][0]);
        cr_assert_eq(rig.sent[0].to, 9);
    }
    rig_clear(&rig);
    rig_again(&rig, 99);
    rig.migration = 2; /* of a future */
    rig_again(&rig, RESHARD_PHASE_UNDO);
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 0);
    cr_assert(rig_same(before, rig_digest(&rig)));
    rig_free(&rig);
}

Test(orders, open_migration_without_a_part_is_never_answered_as_closed)
{
    rig_init(&rig, 2);
    rig.config.migration_limit = 1;
    cr_assert_eq(rig_start(&rig), RESHARD_OK);
    rig_run(&rig);
    rig_map(&rig);
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    static const struct reshard_range high = {8, 15};
    rig_change(&rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_OPEN,
                         .migration = 2,
                         .source = 1,
                         .target = 2,
                         .mode = RESHARD_MODE_SNAPSHOT,
                         .ranges = &high,
                         .range_count = 1});
    uint8_t buffer[512];
    uint64_t from = reshard_map_version(rig.node->next);
    struct reshard__message map = rig_map_message(&rig, from, buffer, sizeof buffer);
    rig_receive(&rig, 9, &map);
    cr_assert_eq(rig_events(&rig, RESHARD_EVENT_REFUSED), 1);
    rig_tick(&rig, UINT64_C(6000000000));
    rig_clear(&rig);
    rig.migration = 2;
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 0);
    rig_free(&rig);
}

Test(orders, report_says_what_the_order_asked)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    const struct reshard__message *report = rig_last(&rig, RESHARD__REPORT, 0);
    cr_assert_eq(report->migration, 1);
    cr_assert_eq(report->order.term, rig.order_term);
    cr_assert_eq(report->order.n, rig.order_n);
    cr_assert_eq(report->phase, RESHARD_PHASE_FREEZE);
    cr_assert_eq(report->attempt, rig.attempt);
    cr_assert_eq(report->epoch, 1);
    cr_assert_eq(report->progress_keys, 32);
    cr_assert_eq(report->final_sequence, rig_part(&rig)->stream.numbered_last);
    cr_assert(report->digest.low);
    rig_free(&rig);
}

Test(orders, node_that_is_not_the_primary_takes_none_r5)
{
    rig_boot(&rig, 3); /* a replica of the source */
    rig_open(&rig, 1, RESHARD_MODE_SNAPSHOT);
    struct reshard_digest before = rig_digest(&rig);
    rig_order(&rig, RESHARD_PHASE_PREPARE);
    cr_assert(rig_same(before, rig_digest(&rig)));
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 0);
    rig_free(&rig);
}

Test(orders, lag_of_a_tail_is_told_while_it_changes)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    rig_clear(&rig);
    uint8_t item[RIG_ITEM];
    size_t size = rig_item_put(item, 1, 5);
    cr_assert_eq(reshard_node_record(rig.node, 1, item, size), RESHARD_OK);
    rig_run(&rig);
    cr_assert_eq(rig_count(&rig, RESHARD__REPORT, 0), 0);
    rig_tick(&rig, 5000000);
    cr_assert_eq(rig_last(&rig, RESHARD__REPORT, 0)->lag_bytes, size);
    rig_ack_all(&rig); /* none left: at once */
    cr_assert_eq(rig_last(&rig, RESHARD__REPORT, 0)->lag_bytes, 0);
    rig_free(&rig);
}

Test(orders, message_to_nobody_is_not_sent)
{
    rig_boot(&rig, 1);
    struct reshard__message hello = {.type = RESHARD__HELLO};
    reshard__message_send(rig.node, 0, &hello, NULL, NULL);
    rig_run(&rig);
    cr_assert_eq(rig.sent_count, 0);
    cr_assert_eq(reshard__primary_of(rig.node, 1), 1);
    cr_assert_eq(reshard__primary_of(rig.node, 9), 0);
    rig_free(&rig);
}
