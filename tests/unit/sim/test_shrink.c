/* SPDX-License-Identifier: MIT */
/* A failure becomes small, in decisions and in sizes, and what is left fails in the same way. */
#include "sim/sim.h"
#include <criterion/criterion.h>
#include <reshard-sim/sim.h>
#include <string.h>

enum { SEEDS = 60, DECISIONS = 20000, EVENTS_MAX = 25 };

static struct reshard_sim_decision decisions[DECISIONS];

static struct reshard_sim_report run(const struct reshard_sim_swarm *swarm)
{
    struct reshard_sim_report report;
    reshard_sim_report_init(&report);
    cr_assert_eq(reshard_sim_swarm_run(swarm, NULL, NULL, swarm->replay ? NULL : decisions,
                     swarm->replay ? 0 : DECISIONS, &report),
        RESHARD_OK);
    return report;
}

/* The first seed that shows that hosts break their contract in this way. */
static struct reshard_sim_report fail(struct reshard_sim_swarm *swarm, uint32_t sabotage)
{
    struct reshard_sim_report report = {0};
    reshard_sim_swarm_init(swarm);
    swarm->sabotage = 1u << sabotage;
    for (uint64_t seed = 1; seed < SEEDS && !report.violated; seed++) {
        swarm->seed = seed;
        report = run(swarm);
    }
    cr_assert(report.violated);
    cr_assert_leq(report.decision_count, DECISIONS);
    return report;
}

Test(shrink, failure_shrunk_is_small_and_fails_alike)
{
    static const uint32_t sabotages[] = {
        RESHARD_SABOTAGE_PURGE, RESHARD_SABOTAGE_DISCARD, RESHARD_SABOTAGE_FENCE_TERM};
    for (size_t i = 0; i < sizeof sabotages / sizeof *sabotages; i++) {
        struct reshard_sim_swarm swarm;
        struct reshard_sim_report report = fail(&swarm, sabotages[i]);
        uint64_t count = report.decision_count;
        cr_assert_eq(reshard_sim_shrink(&swarm, decisions, &count, report.checker), RESHARD_OK);
        cr_expect(swarm.skipped[0][0], "no operation is left out");
        cr_expect_lt(swarm.chaos_limit_ms, UINT32_MAX);
        swarm.replay = 1;
        swarm.decisions = decisions;
        swarm.decision_count = count;
        struct reshard_sim_report again = run(&swarm);
        cr_expect(again.violated);
        cr_expect_str_eq(again.checker, report.checker);
        uint64_t events = reshard_sim_report_events(&again);
        cr_expect_leq(events, EVENTS_MAX, "%s: %llu left", report.checker,
            (unsigned long long)events);
        cr_expect_leq(again.faults, count);
    }
}

Test(shrink, nothing_fails_is_refused)
{
    struct reshard_sim_swarm swarm;
    reshard_sim_swarm_init(&swarm);
    swarm.seed = 1;
    uint64_t count = run(&swarm).decision_count;
    cr_expect_eq(reshard_sim_shrink(&swarm, decisions, &count, "commit"), RESHARD_E_STATE);
    cr_expect_eq(swarm.node_limit, UINT32_MAX);
    cr_expect_eq(swarm.skipped[0][0], 0);
    cr_expect_eq(reshard_sim_shrink(NULL, decisions, &count, "commit"), RESHARD_E_NULL);
    cr_expect_eq(reshard_sim_shrink(&swarm, NULL, &count, "commit"), RESHARD_E_NULL);
    cr_expect_eq(reshard_sim_shrink(&swarm, decisions, NULL, "commit"), RESHARD_E_NULL);
    cr_expect_eq(reshard_sim_shrink(&swarm, decisions, &count, NULL), RESHARD_E_NULL);
}

Test(shrink, limits_lowered_by_hand_count)
{
    struct reshard_sim_swarm swarm;
    reshard_sim_swarm_init(&swarm);
    swarm.seed = 3;
    cr_expect_gt(run(&swarm).operations, 300);
    memset(swarm.skipped, 0xFF, sizeof swarm.skipped);
    swarm.key_limit = 1;
    swarm.node_limit = 2;
    swarm.replica_limit = 0;
    uint64_t judged = run(&swarm).operations; /* what is read at the end */
    swarm.unread = ~UINT64_C(0);
    uint64_t unread = run(&swarm).operations;
    cr_expect_eq(unread, judged - 1);
    swarm.unread = 2; /* no such key */
    swarm.skipped[1][0] = ~UINT64_C(5);       /* the first and the third of client 2 */
    struct reshard_sim_report report = run(&swarm);
    cr_expect_not(report.violated, "%s", report.checker);
    cr_expect_eq(report.operations, judged + 2);
    cr_expect_geq(report.migrations, 1);
    cr_expect_eq(reshard_sim_report_events(&report),
        report.faults + report.operations + report.migrations);
    cr_expect_eq(reshard_sim_report_events(NULL), 0);
}

/* Those behind it, and of the other clients, begin all the same. */
Test(shrink, operation_left_out_leaves_the_others)
{
    struct reshard_sim_swarm swarm;
    reshard_sim_swarm_init(&swarm);
    swarm.seed = 5;
    struct reshard_sim_report all = run(&swarm);
    swarm.skipped[2][1] = ~UINT64_C(0); /* client 3 stops in the middle */
    struct reshard_sim_report fewer = run(&swarm);
    cr_expect_eq(all.operations - fewer.operations, 120 - 64);
    swarm.step_limit = 500;
    cr_expect_eq(run(&swarm).steps, 500);
}

/* As a process would that dies when the third fault strikes. */
static int32_t trial_dies(
    void *user_data, const struct reshard_sim_swarm *swarm, struct reshard_sim_report *report_out)
{
    ++*(size_t *)user_data;
    struct reshard_sim_report report = run(swarm);
    report.violated = report.faults >= 3;
    memcpy(report.checker, "assert", sizeof "assert");
    *report_out = report;
    return RESHARD_OK;
}

Test(shrink, trial_judges_what_is_tried)
{
    struct reshard_sim_swarm swarm;
    size_t trials = 0;
    reshard_sim_swarm_init(&swarm);
    swarm.seed = 1;
    uint64_t count = run(&swarm).decision_count;
    cr_assert_gt(count, 3);
    cr_assert_eq(reshard_sim_shrink(&swarm, decisions, &count, "assert"), RESHARD_E_STATE);
    swarm.trial = trial_dies;
    swarm.trial_data = &trials;
    cr_assert_eq(reshard_sim_shrink(&swarm, decisions, &count, "commit"), RESHARD_E_STATE);
    cr_assert_eq(trials, 1);
    cr_assert_eq(reshard_sim_shrink(&swarm, decisions, &count, "assert"), RESHARD_OK);
    cr_assert_gt(trials, 10);
    cr_assert_eq(count, 3);
}

/* Without the decisions that keep a random run busy. */
static uint64_t moves_drop(uint64_t count)
{
    uint64_t left = 0;
    for (uint64_t i = 0; i < count; i++)
        if (decisions[i].kind != CHOICE_MOVE)
            decisions[left++] = decisions[i];
    return left;
}

Test(shrink, migrations_are_opened_as_decided)
{
    uint64_t all = 0, left = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct reshard_sim_swarm swarm;
        reshard_sim_swarm_init(&swarm);
        swarm.seed = seed;
        struct reshard_sim_report first = run(&swarm);
        swarm.replay = 1;
        swarm.decisions = decisions;
        swarm.decision_count = first.decision_count;
        struct reshard_sim_report again = run(&swarm);
        cr_expect_eq(again.transcript, first.transcript);
        cr_expect_eq(again.steps, first.steps);
        swarm.decision_count = moves_drop(first.decision_count);
        cr_expect_leq(first.faults, swarm.decision_count, "to open one is no fault");
        all += first.migrations;
        left += run(&swarm).migrations;
    }
    cr_expect_lt(left, all);
}

enum { LASTS = 40, TENTH_NS = 100000 };

/* The crash must strike when the delays before it are over, to the tenth of a millisecond. */
static int32_t trial_in_time(
    void *user_data, const struct reshard_sim_swarm *swarm, struct reshard_sim_report *report_out)
{
    uint64_t due_ns = 0;
    ++*(size_t *)user_data;
    report_out->violated = 0;
    for (uint64_t i = 0; i < swarm->decision_count; i++) {
        const struct reshard_sim_decision *decision = &swarm->decisions[i];
        uint64_t time_ns = decision->ordinal >> RESHARD_SIM_MOMENT_BITS;
        if (decision->kind == CHOICE_DELAY)
            due_ns += (uint64_t)TENTH_NS << decision->value;
        else if (due_ns <= time_ns && time_ns < due_ns + TENTH_NS)
            report_out->violated = 1;
    }
    report_out->faults = swarm->decision_count;
    report_out->steps = 1;
    memcpy(report_out->checker, "assert", sizeof "assert");
    return RESHARD_OK;
}

/* None of the delays can go alone: what comes behind it must come earlier. */
Test(shrink, time_goes_with_what_took_it)
{
    struct reshard_sim_swarm swarm;
    size_t trials = 0;
    reshard_sim_swarm_init(&swarm);
    swarm.trial = trial_in_time;
    swarm.trial_data = &trials;
    uint64_t time_ns = 0, count = 0;
    for (; count < LASTS; count++, time_ns += 2 * TENTH_NS)
        decisions[count] = (struct reshard_sim_decision){.kind = CHOICE_DELAY, .value = 1,
            .ordinal = time_ns << RESHARD_SIM_MOMENT_BITS};
    decisions[count++] = (struct reshard_sim_decision){.kind = CHOICE_CRASH, .value = 1,
        .ordinal = time_ns << RESHARD_SIM_MOMENT_BITS};
    cr_assert_eq(reshard_sim_shrink(&swarm, decisions, &count, "assert"), RESHARD_OK);
    cr_expect_leq(count, 3, "%llu of %d left after %zu trials", (unsigned long long)count, LASTS,
        trials);
}

static struct reshard_sim_report live;
static uint64_t told;

static void follow(void *user_data, const char *text, size_t size)
{
    (void)user_data;
    (void)text;
    (void)size;
    cr_assert_geq(live.decision_count, told);
    for (; told < live.decision_count; told++)
        cr_assert_neq(decisions[told].value, 0);
}

/* A process that dies leaves behind, in memory that it shared, what it had decided until then. */
Test(shrink, decisions_and_figures_are_told_while_it_runs)
{
    struct reshard_sim_swarm swarm;
    reshard_sim_swarm_init(&swarm);
    swarm.seed = 1;
    swarm.step_limit = 1500;
    reshard_sim_report_init(&live);
    memset(decisions, 0, sizeof decisions);
    cr_assert_eq(
        reshard_sim_swarm_run(&swarm, follow, NULL, decisions, DECISIONS, &live), RESHARD_OK);
    cr_assert_gt(told, 10);
    cr_assert_gt(live.steps, 0);
}
