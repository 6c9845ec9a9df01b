/* SPDX-License-Identifier: MIT */
/* Phases: the straight paths, aborts, fail-over, limits, back-off. */
#include "fixture.h"
#include <criterion/criterion.h>

static struct fixture fixture;

static reshard_migration_id reached(uint32_t mode, uint32_t phase)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    reshard_migration_id migration = fixture_migration(&fixture, mode, 0, 9);
    fixture_reach(&fixture, migration, phase);
    return migration;
}

static void phases_are(const uint32_t *phases, size_t count, uint32_t mode)
{
    reshard_migration_id migration = reached(mode, RESHARD_PHASE_COUNT);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_COUNT);
    struct reshard_event event = {.struct_size = sizeof event};
    size_t seen = 0;
    while (reshard_coordinator_event_next(fixture.coordinator, &event) == RESHARD_OK)
        if (event.kind == RESHARD_EVENT_PHASE) {
            cr_assert_lt(seen, count);
            cr_assert_eq(event.phase_to, phases[seen], "%zu: %s", seen,
                reshard_phase_name(event.phase_to));
            cr_assert_eq(event.phase_from, seen ? phases[seen - 1] : RESHARD_PHASE_NONE);
            seen++;
        } else if (event.kind == RESHARD_EVENT_END) {
            cr_assert_eq(event.phase_to, phases[count - 1]);
            cr_assert_eq(seen, count);
        }
    cr_assert_eq(seen, count);
    fixture_close(&fixture);
}

Test(runs, snapshot_takes_the_straight_path)
{
    static const uint32_t phases[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_COPY,
        RESHARD_PHASE_CATCHUP, RESHARD_PHASE_FREEZE, RESHARD_PHASE_HOLD, RESHARD_PHASE_COMMIT,
        RESHARD_PHASE_SETTLE, RESHARD_PHASE_LINGER, RESHARD_PHASE_CLEANUP, RESHARD_PHASE_DONE};
    phases_are(phases, sizeof phases / sizeof *phases, RESHARD_MODE_SNAPSHOT);
}

Test(runs, keywise_takes_the_straight_path)
{
    static const uint32_t phases[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_MOVE,
        RESHARD_PHASE_HOLD, RESHARD_PHASE_COMMIT, RESHARD_PHASE_SETTLE, RESHARD_PHASE_LINGER,
        RESHARD_PHASE_CLEANUP, RESHARD_PHASE_DONE};
    phases_are(phases, sizeof phases / sizeof *phases, RESHARD_MODE_KEYWISE);
}

Test(runs, abort_from_each_undecided_phase_reverts)
{
    static const struct {
        uint32_t mode, phase;
    } rows[] = {{1, RESHARD_PHASE_PREPARE}, {1, RESHARD_PHASE_COPY}, {1, RESHARD_PHASE_CATCHUP},
        {1, RESHARD_PHASE_FREEZE}, {1, RESHARD_PHASE_HOLD}, {2, RESHARD_PHASE_PREPARE},
        {2, RESHARD_PHASE_MOVE}, {2, RESHARD_PHASE_HOLD}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reshard_migration_id migration = reached(rows[i].mode, rows[i].phase);
        cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, migration), RESHARD_OK);
        fixture_pump(&fixture);
        cr_assert_eq(fixture_phase(&fixture, migration),
            rows[i].mode == 1 ? RESHARD_PHASE_UNDO : RESHARD_PHASE_UNMOVE);
        cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, migration), RESHARD_OK);
        cr_assert(fixture_progress(&fixture, migration).state & RESHARD_RUN_ABORTING);
        fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
        const struct reshard_map *map = reshard_coordinator_map(fixture.coordinator);
        cr_assert_eq(reshard_map_slot_owner(map, 0), 1);
        cr_assert_eq(reshard_map_migration_count(map), 0);
        struct reshard_event event;
        cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_END, &event), 1);
        cr_assert_eq(event.phase_to, RESHARD_PHASE_REVERTED);
        fixture_close(&fixture);
    }
}

/* R26: the primary changes while the commit is on its way into the journal behind it. */
Test(runs, commit_under_an_old_epoch_is_refused_and_collected_again)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_READY);
    fixture.hold = true;
    cr_assert_eq(fixture_primary(&fixture, 2, 22), RESHARD_OK);
    uint64_t n = fixture_order(&fixture, migration, SOURCE)->order.n;
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_HELD);
    /* COMMIT was entered and left: the queued fail-over refuses it. */
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_HOLD);
    cr_assert_eq(fixture_progress(&fixture, migration).last_error, RESHARD_E_EPOCH);
    cr_assert_gt(fixture_order(&fixture, migration, SOURCE)->order.n, n);
    fixture_release(&fixture);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_HOLD);
    uint64_t version = reshard_map_version(reshard_coordinator_map(fixture.coordinator));
    cr_assert_eq(fixture_order(&fixture, migration, TARGET)->map_version, version);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_HELD);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_HOLD, "the heir said nothing");
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_READY);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_SETTLE);
    fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
    fixture_close(&fixture);
}

Test(runs, failover_in_each_phase_orders_the_heir)
{
    static const struct {
        uint32_t mode, phase, to;
    } rows[] = {{1, RESHARD_PHASE_PREPARE, RESHARD_PHASE_PREPARE},
        {1, RESHARD_PHASE_COPY, RESHARD_PHASE_PREPARE},
        {1, RESHARD_PHASE_CATCHUP, RESHARD_PHASE_PREPARE},
        {1, RESHARD_PHASE_FREEZE, RESHARD_PHASE_FREEZE},
        {1, RESHARD_PHASE_HOLD, RESHARD_PHASE_HOLD},
        {1, RESHARD_PHASE_SETTLE, RESHARD_PHASE_SETTLE},
        {1, RESHARD_PHASE_CLEANUP, RESHARD_PHASE_CLEANUP},
        {2, RESHARD_PHASE_MOVE, RESHARD_PHASE_PREPARE},
        {2, RESHARD_PHASE_HOLD, RESHARD_PHASE_HOLD}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (uint32_t side = SOURCE; side <= TARGET; side++) {
            reshard_migration_id migration = reached(rows[i].mode, rows[i].phase);
            /* A target has nothing to do in CLEANUP, and is not ordered. */
            uint32_t ordered = rows[i].phase == RESHARD_PHASE_CLEANUP ? SOURCE : side;
            uint64_t n = fixture_order(&fixture, migration, ordered)->order.n;
            uint64_t attempt = fixture_order(&fixture, migration, ordered)->attempt;
            cr_assert_eq(fixture_primary(&fixture, side, 10 * side + 2), RESHARD_OK);
            cr_assert_eq(fixture_phase(&fixture, migration), rows[i].to, "row %zu", i);
            const struct reshard__message *order = fixture_order(&fixture, migration, ordered);
            cr_assert_eq(order->order.n, n + 1);
            cr_assert_eq(order->attempt, attempt);
            fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
            fixture_close(&fixture);
        }
}

/* Memory was short when the fail-over became durable: the tick makes up for it. */
Test(runs, failover_that_was_missed_is_seen_by_the_tick)
{
    reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    struct reshard__run *run = reshard__run_find(fixture.coordinator, migration);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_HELD);
    struct reshard__message held =
        fixture_report(&fixture, migration, SOURCE, RESHARD__RESULT_HELD);
    run->waiting = true; /* looks away */
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    run->waiting = false;
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_READY);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_HOLD,
        "the hold was reported by a deposed primary");
    fixture_pass(&fixture, 1);
    cr_assert_gt(fixture_order(&fixture, migration, SOURCE)->order.n, held.order.n);
    fixture_reach(&fixture, migration, RESHARD_PHASE_COUNT);
    fixture_close(&fixture);
}

Test(runs, limit_and_priority_decide_what_starts)
{
    fixture_init(&fixture);
    fixture.config.in_flight_limit = 2;
    fixture_open(&fixture);
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.mode = RESHARD_MODE_SNAPSHOT;
    reshard_migration_id ids[5];
    static const uint32_t priorities[5] = {0, 0, 1, 5, 5};
    for (uint32_t i = 0; i < 5; i++) {
        spec.priority = priorities[i];
        ids[i] = fixture_migration_of(&fixture, &spec, 4 * i, 4 * i + 3);
    }
    for (uint32_t i = 0; i < 5; i++)
        cr_assert_eq(
            fixture_progress(&fixture, ids[i]).state, i < 2 ? 0 : RESHARD_RUN_WAITING);
    fixture_reach(&fixture, ids[0], RESHARD_PHASE_COUNT);
    cr_assert_eq(fixture_phase(&fixture, ids[3]), RESHARD_PHASE_PREPARE, "priority, then age");
    cr_assert_eq(fixture_phase(&fixture, ids[4]), RESHARD_PHASE_NONE);
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, ids[4], 1), RESHARD_OK);
    fixture_reach(&fixture, ids[1], RESHARD_PHASE_COUNT);
    cr_assert_eq(fixture_phase(&fixture, ids[2]), RESHARD_PHASE_PREPARE);
    fixture_reach(&fixture, ids[2], RESHARD_PHASE_COUNT);
    cr_assert_eq(fixture_phase(&fixture, ids[4]), RESHARD_PHASE_NONE, "paused before it began");
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, ids[4], 0), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(fixture_phase(&fixture, ids[4]), RESHARD_PHASE_PREPARE);
    fixture_close(&fixture);
}

/* `count` migrations into shard 2, one copy at a time; the third of four is keywise. */
static void copies_open(reshard_migration_id *ids, uint32_t count, uint64_t gather_ns)
{
    struct reshard_migration_spec spec;
    fixture_init(&fixture);
    fixture.config.copies_in_limit = 1;
    fixture.config.freeze_gather_ns = gather_ns;
    fixture_open(&fixture);
    reshard_migration_spec_init(&spec);
    for (uint32_t i = 0; i < count; i++) {
        spec.mode = i == 2 ? RESHARD_MODE_KEYWISE : RESHARD_MODE_SNAPSHOT;
        ids[i] = fixture_migration_of(&fixture, &spec, 4 * i, 4 * i + 3);
    }
}

static void prepared(reshard_migration_id migration)
{
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_PREPARED);
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_PREPARED);
}

Test(runs, copies_into_one_shard_wait_prepared_until_the_one_before_is_decided)
{
    reshard_migration_id ids[4];
    copies_open(ids, 4, 0);
    for (uint32_t i = 0; i < 4; i++)
        prepared(ids[i]);
    cr_assert_eq(fixture_phase(&fixture, ids[0]), RESHARD_PHASE_COPY);
    cr_assert_eq(fixture_phase(&fixture, ids[1]), RESHARD_PHASE_PREPARE);
    cr_assert_eq(fixture_phase(&fixture, ids[2]), RESHARD_PHASE_MOVE, "keywise copies nothing");
    fixture_reach(&fixture, ids[0], RESHARD_PHASE_HOLD);
    cr_assert_eq(fixture_phase(&fixture, ids[1]), RESHARD_PHASE_PREPARE);
    fixture_reach(&fixture, ids[0], RESHARD_PHASE_SETTLE);
    cr_assert_eq(fixture_phase(&fixture, ids[1]), RESHARD_PHASE_COPY);
    cr_assert_eq(fixture_phase(&fixture, ids[3]), RESHARD_PHASE_PREPARE);
    cr_assert_eq(reshard_coordinator_abort(fixture.coordinator, ids[1]), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(fixture_phase(&fixture, ids[3]), RESHARD_PHASE_COPY);
    fixture_close(&fixture);
}

static void copied(reshard_migration_id migration)
{
    fixture_reach(&fixture, migration, RESHARD_PHASE_CATCHUP);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_STREAMING);
}

Test(runs, copies_that_caught_up_freeze_together)
{
    reshard_migration_id ids[2];
    copies_open(ids, 2, 1000000);
    prepared(ids[0]);
    prepared(ids[1]);
    copied(ids[0]);
    cr_assert_eq(fixture_phase(&fixture, ids[0]), RESHARD_PHASE_CATCHUP);
    cr_assert_eq(fixture_phase(&fixture, ids[1]), RESHARD_PHASE_COPY);
    copied(ids[1]);
    cr_assert_eq(fixture_phase(&fixture, ids[0]), RESHARD_PHASE_FREEZE);
    cr_assert_eq(fixture_phase(&fixture, ids[1]), RESHARD_PHASE_FREEZE);
    fixture_close(&fixture);
}

static void lags(reshard_migration_id migration, uint64_t lag_size)
{
    struct reshard__message report =
        fixture_report(&fixture, migration, SOURCE, RESHARD__RESULT_STREAMING);
    report.lag_bytes = lag_size;
    cr_assert_eq(fixture_say(&fixture, 11, &report), RESHARD_OK);
}

Test(runs, copy_that_caught_up_waits_for_one_that_lags)
{
    reshard_migration_id ids[2];
    copies_open(ids, 2, 1000000);
    for (uint32_t i = 0; i < 2; i++)
        fixture_reach(&fixture, ids[i], RESHARD_PHASE_CATCHUP);
    lags(ids[0], 0);
    cr_assert_eq(fixture_phase(&fixture, ids[0]), RESHARD_PHASE_CATCHUP, "nothing is known");
    lags(ids[1], 1 << 24);
    lags(ids[0], 0);
    cr_assert_eq(fixture_phase(&fixture, ids[0]), RESHARD_PHASE_CATCHUP);
    lags(ids[1], 1000);
    for (uint32_t i = 0; i < 2; i++)
        cr_assert_eq(fixture_phase(&fixture, ids[i]), RESHARD_PHASE_FREEZE);
    fixture_close(&fixture);
}

Test(runs, copy_waits_for_others_to_freeze_with_no_longer_than_told)
{
    reshard_migration_id ids[2];
    copies_open(ids, 2, 1000000);
    copied(ids[0]);
    cr_assert_leq(reshard_coordinator_deadline(fixture.coordinator), fixture.now_ns + 1000000);
    fixture_pass(&fixture, 999999);
    cr_assert_eq(fixture_phase(&fixture, ids[0]), RESHARD_PHASE_CATCHUP);
    fixture_pass(&fixture, 1);
    cr_assert_eq(fixture_phase(&fixture, ids[0]), RESHARD_PHASE_FREEZE);
    prepared(ids[1]);
    cr_assert_eq(fixture_phase(&fixture, ids[1]), RESHARD_PHASE_PREPARE, "not beside a freeze");
    fixture_reach(&fixture, ids[0], RESHARD_PHASE_SETTLE);
    cr_assert_eq(fixture_phase(&fixture, ids[1]), RESHARD_PHASE_COPY);
    fixture_close(&fixture);
}

Test(runs, copy_that_is_paused_is_not_waited_for)
{
    reshard_migration_id ids[2];
    copies_open(ids, 2, 1000000);
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, ids[1], 1), RESHARD_OK);
    copied(ids[0]);
    cr_assert_eq(fixture_phase(&fixture, ids[0]), RESHARD_PHASE_FREEZE);
    fixture_close(&fixture);
}

Test(runs, copies_that_memory_held_up_go_on_later)
{
    enum { COPIES = 12 };
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        reshard_migration_id ids[COPIES];
        copies_open(ids, 2, 1000000);
        for (uint32_t i = 2; i < COPIES; i++)
            ids[i] = fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 4 * i, 4 * i + 3);
        for (uint32_t i = 0; i < COPIES; i++)
            prepared(ids[i]);
        for (uint32_t i = 0; i + 1 < COPIES; i++)
            copied(ids[i]);
        fixture_reach(&fixture, ids[COPIES - 1], RESHARD_PHASE_CATCHUP);
        struct reshard__message report =
            fixture_report(&fixture, ids[COPIES - 1], SOURCE, RESHARD__RESULT_STREAMING);
        fixture.alloc.fail_at = fixture.alloc.calls + n;
        (void)fixture_say(&fixture, 11, &report);
        failed = fixture.alloc.failed > 0;
        fixture.alloc.fail_at = 0;
        fixture_tell(&fixture, ids[COPIES - 1], SOURCE, RESHARD__RESULT_STREAMING);
        fixture_pass(&fixture, 2 * fixture.coordinator->config.retry_ns);
        for (uint32_t i = 0; i < COPIES; i++)
            cr_assert_eq(fixture_phase(&fixture, ids[i]), RESHARD_PHASE_FREEZE);
        fixture_close(&fixture);
        cr_assert_lt(n, 100);
    }
}

Test(runs, backoff_doubles_and_freezes_that_expire_are_not_converging)
{
    fixture_init(&fixture);
    fixture.config.attempt_limit = 3;
    fixture.config.backoff_ns = 1000000;
    fixture_open(&fixture);
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    fixture_reach(&fixture, migration, RESHARD_PHASE_FREEZE);
    (void)fixture_events(&fixture, 0, NULL);
    for (uint32_t attempt = 1; attempt <= 9; attempt++) {
        uint64_t wait_ns = UINT64_C(1000000) << (attempt < 7 ? attempt - 1 : 6);
        fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_EXPIRED);
        fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_STREAMING);
        cr_assert_leq(
            reshard_coordinator_deadline(fixture.coordinator), fixture.now_ns + wait_ns);
        fixture_pass(&fixture, wait_ns - 1);
        cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_CATCHUP);
        fixture_pass(&fixture, 1);
        cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_FREEZE, "%u", attempt);
        bool converging = attempt < 3;
        cr_assert_eq(fixture_progress(&fixture, migration).state,
            converging ? 0 : RESHARD_RUN_NOT_CONVERGING);
    }
    struct reshard_event event;
    cr_assert_eq(fixture_events(&fixture, RESHARD_EVENT_NOT_CONVERGING, &event), 1);
    cr_assert_eq(event.value, 3);
    fixture_close(&fixture);
}

Test(runs, copies_that_start_over_too_often_abort)
{
    fixture_init(&fixture);
    fixture.config.copy_limit = 2;
    fixture_open(&fixture);
    reshard_migration_id migration =
        fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    fixture_reach(&fixture, migration, RESHARD_PHASE_COPY);
    for (int i = 0; i < 2; i++) {
        fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_LOST);
        cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_COPY);
    }
    fixture_tell(&fixture, migration, TARGET, RESHARD__RESULT_LOST);
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_UNDO);
    cr_assert_eq(fixture_progress(&fixture, migration).last_error, RESHARD_E_LIMIT);
    fixture_close(&fixture);
}

static void prepared_with(reshard_migration_id migration, uint64_t source_n, uint64_t target_n)
{
    for (uint32_t side = SOURCE; side <= TARGET; side++) {
        struct reshard__message report =
            fixture_report(&fixture, migration, side, RESHARD__RESULT_PREPARED);
        report.copy.term = 1;
        report.copy.n = side == SOURCE ? source_n : target_n;
        cr_assert_eq(fixture_say(&fixture, side == SOURCE ? 11 : 21, &report), RESHARD_OK);
    }
}

/* After a restart of the coordinator the copy resumes when both still have the same. */
Test(runs, copy_resumes_when_both_sides_have_it)
{
    for (uint64_t other = 0; other < 2; other++) {
        reshard_migration_id migration = reached(RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_CATCHUP);
        fixture_restart(&fixture);
        cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
        prepared_with(migration, 2, 2 + other);
        const struct reshard__message *order = fixture_order(&fixture, migration, TARGET);
        cr_assert_eq(order->phase, RESHARD_PHASE_COPY);
        cr_assert_eq(order->copy.term, other ? 2 : 1);
        cr_assert_eq(fixture_progress(&fixture, migration).copies, other);
        fixture_close(&fixture);
    }
}

Test(runs, linger_keeps_the_data_for_its_time_or_until_finish)
{
    for (int finish = 0; finish < 2; finish++) {
        fixture_init(&fixture);
        fixture.config.linger_ns = UINT64_C(5000000000);
        fixture_open(&fixture);
        reshard_migration_id migration =
            fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
        fixture_reach(&fixture, migration, RESHARD_PHASE_LINGER);
        fixture_pass(&fixture, fixture.config.linger_ns - 1);
        cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_LINGER);
        if (finish)
            cr_assert_eq(
                reshard_coordinator_finish(fixture.coordinator, migration), RESHARD_OK);
        else
            fixture_pass(&fixture, 1);
        fixture_pump(&fixture);
        cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_CLEANUP);
        fixture_close(&fixture);
    }
}
