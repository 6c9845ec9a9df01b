/* SPDX-License-Identifier: MIT */
/* What counts, and what it leads to: R5, R14. */
#include "fixture.h"
#include <criterion/criterion.h>

static struct fixture fixture;

static reshard_migration_id reached(uint32_t mode, uint32_t phase)
{
    fixture_init(&fixture);
    fixture.config.retry_ns = 200000000;
    fixture_open(&fixture);
    reshard_migration_id migration = fixture_migration(&fixture, mode, 0, 9);
    fixture_reach(&fixture, migration, phase);
    return migration;
}

Test(reports, those_of_another_order_epoch_node_or_migration_do_not_count)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_COPY);
    struct reshard__message good =
        fixture_report(&fixture, migration, SOURCE, RESHARD__RESULT_COPIED);
    struct reshard_digest before = fixture_digest(&fixture), after;
    struct reshard__message bad[6] = {good, good, good, good, good, good};
    bad[0].order.n--;
    bad[1].order.term++;
    bad[2].phase = RESHARD_PHASE_PREPARE;
    bad[3].epoch++;
    bad[4].migration++;
    bad[5].order.n++;
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(fixture_say(&fixture, 11, &bad[i]), RESHARD_OK);
        after = fixture_digest(&fixture);
        cr_assert(fixture_same(&before, &after), "%d", i);
    }
    static const reshard_node_id strangers[] = {12, 22, 1, 99};
    for (int i = 0; i < 4; i++)
        cr_assert_eq(fixture_say(&fixture, strangers[i], &good), RESHARD_OK);
    after = fixture_digest(&fixture);
    cr_assert(fixture_same(&before, &after));
    cr_assert_eq(fixture_say(&fixture, 11, &good), RESHARD_OK);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_CATCHUP);
    fixture_close(&fixture);
}

/* Answers state the current condition and replace earlier ones (R6). */
Test(reports, later_ones_replace_earlier_ones)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_PREPARED);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_WORKING);
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_PREPARED);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_PREPARE);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_PREPARED);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_COPY);
    fixture_close(&fixture);
}

static void say_frozen(reshard_migration_id migration, uint32_t side, uint64_t attempt_off,
    uint64_t final_sequence, uint64_t digest)
{
    struct reshard__message report = fixture_report(&fixture, migration, side,
        side == SOURCE ? RESHARD__RESULT_FROZEN : RESHARD__RESULT_READY);
    report.attempt -= attempt_off;
    report.final_sequence = final_sequence;
    report.digest.low = digest;
    cr_assert_eq(fixture_say(&fixture, side == SOURCE ? 11 : 21, &report), RESHARD_OK);
}

Test(reports, freeze_ends_with_one_attempt_position_and_digest_on_both_sides)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    say_frozen(migration, SOURCE, 0, 9, 5);
    say_frozen(migration, TARGET, 1, 9, 5);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_FREEZE, "attempt");
    say_frozen(migration, TARGET, 0, 8, 5);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_FREEZE, "position");
    say_frozen(migration, TARGET, 0, 9, 5);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_HOLD);
    fixture_close(&fixture);
}

Test(reports, freeze_with_differing_digests_copies_again)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    struct reshard__order_id copy = fixture_order(&fixture, migration, SOURCE)->copy;
    say_frozen(migration, SOURCE, 0, 9, 5);
    say_frozen(migration, TARGET, 0, 9, 6);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_COPY);
    cr_assert(reshard__order_above(fixture_order(&fixture, migration, SOURCE)->copy, copy));
    cr_assert_eq(fixture_progress(&fixture, migration).last_error, RESHARD_E_CHECKSUM);
    struct reshard_event event;
    cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_MISMATCH, &event), 1);
    cr_assert_eq(event.migration, migration);
    fixture_close(&fixture);
}

Test(reports, freeze_without_a_digest_on_one_side_compares_none)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    say_frozen(migration, SOURCE, 0, 9, 5);
    say_frozen(migration, TARGET, 0, 9, 0);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_HOLD);
    fixture_close(&fixture);
}

Test(reports, hold_of_another_attempt_does_not_commit)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_READY);
    struct reshard__message report =
        fixture_report(&fixture, migration, SOURCE, RESHARD__RESULT_HELD);
    report.attempt--;
    cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_OK);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_HOLD);
    report.attempt++;
    cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_OK);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_SETTLE);
    fixture_close(&fixture);
}

/* R14, row by row. */
Test(reports, setbacks_lead_where_their_rows_say)
{
    static const struct {
        uint32_t mode, phase, side, result, to;
        int32_t error;
    } rows[] = {
        {1, RESHARD_PHASE_COPY, SOURCE, RESHARD__RESULT_LOST, RESHARD_PHASE_PREPARE,
            RESHARD_E_STALE},
        {1, RESHARD_PHASE_CATCHUP, SOURCE, RESHARD__RESULT_LOST, RESHARD_PHASE_PREPARE,
            RESHARD_E_STALE},
        {1, RESHARD_PHASE_FREEZE, SOURCE, RESHARD__RESULT_LOST, RESHARD_PHASE_PREPARE,
            RESHARD_E_STALE},
        {1, RESHARD_PHASE_HOLD, SOURCE, RESHARD__RESULT_LOST, RESHARD_PHASE_PREPARE,
            RESHARD_E_STALE},
        {1, RESHARD_PHASE_COPY, TARGET, RESHARD__RESULT_LOST, RESHARD_PHASE_COPY,
            RESHARD_E_STALE},
        {1, RESHARD_PHASE_CATCHUP, TARGET, RESHARD__RESULT_LOST, RESHARD_PHASE_COPY,
            RESHARD_E_STALE},
        {1, RESHARD_PHASE_FREEZE, TARGET, RESHARD__RESULT_LOST, RESHARD_PHASE_COPY,
            RESHARD_E_STALE},
        {1, RESHARD_PHASE_HOLD, TARGET, RESHARD__RESULT_LOST, RESHARD_PHASE_COPY,
            RESHARD_E_STALE},
        {1, RESHARD_PHASE_FREEZE, SOURCE, RESHARD__RESULT_EXPIRED, RESHARD_PHASE_CATCHUP,
            RESHARD_E_LIMIT},
        {1, RESHARD_PHASE_FREEZE, TARGET, RESHARD__RESULT_MISMATCH, RESHARD_PHASE_COPY,
            RESHARD_E_CHECKSUM},
        {1, RESHARD_PHASE_HOLD, SOURCE, RESHARD__RESULT_REFUSED, RESHARD_PHASE_CATCHUP,
            RESHARD_E_STATE},
        {2, RESHARD_PHASE_MOVE, SOURCE, RESHARD__RESULT_LOST, RESHARD_PHASE_PREPARE,
            RESHARD_E_STALE},
        {2, RESHARD_PHASE_HOLD, SOURCE, RESHARD__RESULT_LOST, RESHARD_PHASE_PREPARE,
            RESHARD_E_STALE},
        {2, RESHARD_PHASE_HOLD, TARGET, RESHARD__RESULT_LOST, RESHARD_PHASE_PREPARE,
            RESHARD_E_STALE},
        {2, RESHARD_PHASE_HOLD, SOURCE, RESHARD__RESULT_REFUSED, RESHARD_PHASE_HOLD,
            RESHARD_E_STATE},
        {1, RESHARD_PHASE_PREPARE, SOURCE, RESHARD__RESULT_LOST, RESHARD_PHASE_PREPARE, 0},
        {1, RESHARD_PHASE_SETTLE, TARGET, RESHARD__RESULT_LOST, RESHARD_PHASE_SETTLE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reshard_migration_id migration = reached(rows[i].mode, rows[i].phase);
        uint64_t n = fixture_order(&fixture, migration, SOURCE)->order.n;
        fixture_tell(&fixture, migration, rows[i].side, rows[i].result);
        cr_assert_eq(fixture_phase(&fixture, migration), rows[i].to, "row %zu", i);
        cr_assert_eq(
            fixture_progress(&fixture, migration).last_error, rows[i].error, "row %zu", i);
        bool moved = rows[i].to != rows[i].phase || rows[i].phase == RESHARD_PHASE_COPY;
        cr_assert_eq(
            fixture_order(&fixture, migration, SOURCE)->order.n, n + moved, "row %zu", i);
        fixture_reach(&fixture, migration,
            rows[i].phase == RESHARD_PHASE_HOLD && rows[i].mode == 2 && !moved
                ? RESHARD_PHASE_SETTLE
                : RESHARD_PHASE_COUNT);
        fixture_close(&fixture);
    }
}

Test(reports, unmove_lost_at_the_target_is_ordered_anew)
{
    reshard_migration_id migration = reached(RESHARD_MODE_KEYWISE, RESHARD_PHASE_MOVE);
    cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, migration), RESHARD_OK);
    fixture_pump(&fixture);
    uint64_t n = fixture_order(&fixture, migration, TARGET)->order.n;
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_UNMOVE);
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_LOST);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_UNMOVE);
    cr_assert_eq(fixture_order(&fixture, migration, TARGET)->order.n, n + 1);
    fixture_close(&fixture);
}

Test(reports, leftovers_at_the_target_abort)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_PREPARE);
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_LEFTOVERS);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_UNDO);
    cr_assert_eq(fixture_progress(&fixture, migration).last_error, RESHARD_E_IN_USE);
    fixture_close(&fixture);
}

Test(reports, damaged_target_is_told_once_and_stays_in_settle)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_SETTLE);
    (void)fixture_events(&fixture, 0, NULL);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_SETTLED);
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_DAMAGED);
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_DAMAGED);
    struct reshard_event event;
    cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_REFUSED, &event), 1);
    cr_assert_eq(event.status, RESHARD_E_CHECKSUM);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_SETTLE);
    fixture_close(&fixture);
}

static void say_lag(reshard_migration_id migration, uint64_t bytes, uint64_t lag_bytes)
{
    struct reshard__message report =
        fixture_report(&fixture, migration, SOURCE, RESHARD__RESULT_STREAMING);
    report.progress_bytes = bytes;
    report.progress_keys = bytes / 10;
    report.lag_bytes = lag_bytes;
    cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_OK);
}

Test(reports, catchup_freezes_when_the_lag_is_small)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    uint64_t limit = fixture.coordinator->config.lag_size;
    say_lag(migration, 0, limit + 1);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_CATCHUP);
    say_lag(migration, 0, limit);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_FREEZE);
    fixture_close(&fixture);
}

/* A lag below the limit that would take longer than half the freeze budget does not fit either. */
Test(reports, catchup_freezes_when_the_lag_drains_in_the_budget)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    say_lag(migration, 0, 900000000);
    fixture.now_ns += 1000000000;
    say_lag(migration, 100000, 900000000);
    struct reshard_progress progress = fixture_progress(&fixture, migration);
    cr_assert_eq(progress.rate, 100000);
    cr_assert_eq(progress.eta_ns, UINT64_C(9000000000000));
    cr_assert_eq(progress.keys, 10000);
    say_lag(migration, 100000, 50001);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_CATCHUP, "0.5 s is 50,000");
    say_lag(migration, 100000, 50000);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_FREEZE);
    fixture_close(&fixture);
}

Test(reports, lag_without_a_new_low_is_not_converging)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
    uint64_t span_ns = fixture.coordinator->config.converge_ns;
    (void)fixture_events(&fixture, 0, NULL);
    say_lag(migration, 0, 90000000);
    fixture.now_ns += span_ns - 1;
    say_lag(migration, 0, 99000000);
    cr_assert_eq(fixture_progress(&fixture, migration).state, 0);
    fixture.now_ns += 1;
    say_lag(migration, 0, 91000000);
    cr_assert_eq(fixture_progress(&fixture, migration).state, RESHARD_RUN_NOT_CONVERGING);
    say_lag(migration, 0, 92000000);
    struct reshard_event event;
    cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_NOT_CONVERGING, &event), 1);
    cr_assert_eq(event.value, 91000000);
    /* A new low takes the verdict back. */
    say_lag(migration, 0, 89999999);
    cr_assert_eq(fixture_progress(&fixture, migration).state, 0);
    fixture.now_ns += span_ns - 1;
    say_lag(migration, 0, 90000000);
    cr_assert_eq(fixture_progress(&fixture, migration).state, 0);
    fixture_close(&fixture);
}

/* That freezes keep expiring is not taken back by a lag that shrinks. */
Test(reports, lag_with_a_new_low_does_not_excuse_attempts)
{
    fixture_init(&fixture);
    fixture.config.attempt_limit = 1;
    fixture_open(&fixture);
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    fixture_reach(&fixture, migration, RESHARD_PHASE_FREEZE);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_EXPIRED);
    cr_assert_eq(fixture_progress(&fixture, migration).state, RESHARD_RUN_NOT_CONVERGING);
    say_lag(migration, 0, 90000000);
    say_lag(migration, 0, 80000000);
    cr_assert_eq(fixture_progress(&fixture, migration).state, RESHARD_RUN_NOT_CONVERGING);
    fixture_close(&fixture);
}

Test(reports, operators_move_ends_only_when_finish_was_asked)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.mode = RESHARD_MODE_KEYWISE;
    spec.migration_flags = RESHARD_MIGRATION_OPERATOR;
    reshard_migration_id migration = fixture_migration_of(&fixture, &spec, 0, 9);
    fixture_reach(&fixture, migration, RESHARD_PHASE_MOVE);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_EMPTY);
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_MOVE);
    cr_assert_eq(reshard_coordinator_finish(fixture.coordinator, migration), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_HOLD);
    fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
    fixture_close(&fixture);
}

Test(reports, write_pause_is_summed_over_attempts)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    struct reshard__message report =
        fixture_report(&fixture, migration, SOURCE, RESHARD__RESULT_WORKING);
    report.pause_ns = 30;
    cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_OK);
    report.pause_ns = 20; /* late */
    cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_OK);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_EXPIRED);
    fixture_pass(&fixture, UINT64_C(1000000000));
    fixture_reach(&fixture, migration, RESHARD_PHASE_FREEZE);
    report = fixture_report(&fixture, migration, SOURCE, RESHARD__RESULT_WORKING);
    report.pause_ns = 5;
    cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_OK);
    struct reshard_progress progress = fixture_progress(&fixture, migration);
    cr_assert_eq(progress.pause_ns, 5);
    cr_assert_eq(progress.pause_total_ns, 35);
    cr_assert_eq(progress.attempts, 2);
    fixture_close(&fixture);
}
