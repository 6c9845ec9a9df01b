/* SPDX-License-Identifier: MIT */
/* The whole matrix of phases and events as text, needs, duties, setbacks and names. */
#include "phase/phase.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Columns, by number of the event:
 *  0 OPENED             6 EMPTY              12 GRACE_OVER     18 MISMATCH
 *  1 PREPARED_SNAPSHOT  7 HELD               13 PURGED         19 REFUSED
 *  2 PREPARED_KEYWISE   8 COMMITTED          14 UNMOVED        20 EXPIRED
 *  3 COPIED             9 ABORTED_SNAPSHOT   15 UNDONE         21 EPOCH_CHANGED
 *  4 CAUGHT_UP         10 ABORTED_KEYWISE    16 LOST_SOURCE    22 ABORT_ASKED
 *  5 READY             11 SETTLED            17 LOST_TARGET    23 PAUSE_ASKED
 * 24 LOST_MOVE
 * Cells: -- rejected, == ignored, else the first two letters of the phase it moves to (CM COMMIT,
 * CA CATCHUP, UM UNMOVE, UN UNDO). */
static const char expected[] =
    "           0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24\n"
    "NONE      PR -- -- -- -- -- -- -- SE UN UM -- -- -- -- -- -- -- -- -- -- -- -- -- --\n"
    "PREPARE   -- CO MO -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- PR AB == --\n"
    "COPY      -- -- -- CA -- -- -- -- -- -- -- -- -- -- -- -- PR CO -- -- -- PR AB == --\n"
    "CATCHUP   -- -- -- -- FR -- -- -- -- -- -- -- -- -- -- -- PR CO -- -- -- PR AB == --\n"
    "MOVE      -- -- -- -- -- -- HO -- -- -- -- -- -- -- -- -- PR -- -- -- -- PR AB == --\n"
    "FREEZE    -- -- -- -- -- HO -- -- -- -- -- -- -- -- -- -- PR CO CO -- CA FR AB CA --\n"
    "HOLD      -- -- -- -- -- -- -- CM -- -- -- -- -- -- -- -- PR CO -- CA -- HO AB == PR\n"
    "COMMIT    -- -- -- -- -- -- -- -- SE UN UM -- -- -- -- -- -- -- -- -- -- HO -- -- --\n"
    "SETTLE    -- -- -- -- -- -- -- -- -- -- -- LI -- -- -- -- -- -- -- -- -- SE -- -- --\n"
    "LINGER    -- -- -- -- -- -- -- -- -- -- -- -- CL -- -- -- -- -- -- -- -- == -- -- --\n"
    "CLEANUP   -- -- -- -- -- -- -- -- -- -- -- -- -- DO -- -- -- -- -- -- -- CL -- -- --\n"
    "DONE      -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- --\n"
    "ABORT     -- -- -- -- -- -- -- -- SE UN UM -- -- -- -- -- -- -- -- -- -- == == -- --\n"
    "UNMOVE    -- -- -- -- -- -- -- -- -- -- -- -- -- -- UN -- -- UM -- -- -- UM == -- --\n"
    "UNDO      -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- RE -- -- -- -- -- UN == -- --\n"
    "REVERTED  -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- -- --\n";

static const char *const codes[RESHARD_PHASE_COUNT] = {"NO", "PR", "CO", "CA", "MO", "FR", "HO",
    "CM", "SE", "LI", "CL", "DO", "AB", "UM", "UN", "RE"};

static const char *cell(struct reshard__step step)
{
    if (step.kind == RESHARD__STEP_REJECT)
        return "--";
    return step.kind == RESHARD__STEP_IGNORE ? "==" : codes[step.to];
}

Test(phase, step_every_pair_stands_in_the_matrix)
{
    char actual[sizeof expected];
    size_t used = (size_t)snprintf(actual, sizeof actual, "         ");
    for (int event = 0; event < RESHARD__EVENT_COUNT; event++)
        used += (size_t)snprintf(actual + used, sizeof actual - used, " %2d", event);
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++) {
        used += (size_t)snprintf(
            actual + used, sizeof actual - used, "\n%-9s", reshard_phase_name(phase));
        for (int event = 0; event < RESHARD__EVENT_COUNT; event++)
            used += (size_t)snprintf(actual + used, sizeof actual - used, " %s",
                cell(reshard__phase_step(phase, (enum reshard__event)event)));
    }
    (void)snprintf(actual + used, sizeof actual - used, "\n");
    cr_assert_str_eq(actual, expected);
}

Test(phase, step_every_pair_is_of_one_kind)
{
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++)
        for (int event = 0; event < RESHARD__EVENT_COUNT; event++) {
            struct reshard__step step = reshard__phase_step(phase, (enum reshard__event)event);
            cr_assert_leq(step.kind, RESHARD__STEP_MOVE);
            cr_assert_lt(step.to, RESHARD_PHASE_COUNT);
            if (step.kind == RESHARD__STEP_IGNORE)
                cr_assert_eq(step.to, phase);
        }
}

Test(phase, labels_are_all_different)
{
#define LABEL_MOVE(label, from, event, to) #label,
#define LABEL_IGNORE(label, from, event) #label,
    static const char *const labels[] = {
        RESHARD__MOVE_ROWS(LABEL_MOVE) RESHARD__IGNORE_ROWS(LABEL_IGNORE)};
    size_t count = sizeof labels / sizeof *labels;
    cr_assert_gt(count, 60);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(labels[i], labels[j]);
}

/* Phases that participants are ordered into; the others only write into the journal. */
static bool ordered(uint32_t phase)
{
    return phase != RESHARD_PHASE_NONE && phase != RESHARD_PHASE_COMMIT &&
           phase != RESHARD_PHASE_ABORT && !reshard__phase_ended(phase);
}

Test(phase, duty_both_sides_have_one_in_each_ordered_phase)
{
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++)
        for (uint32_t side = RESHARD_SIDE_SOURCE; side <= RESHARD_SIDE_TARGET; side++) {
            enum reshard__duty duty = reshard__phase_duty(phase, side);
            cr_assert_eq(duty != RESHARD__DUTY_NONE, ordered(phase), "%s",
                reshard_phase_name(phase));
        }
    cr_assert_eq(reshard__phase_duty(RESHARD_PHASE_COUNT, RESHARD_SIDE_SOURCE),
        RESHARD__DUTY_NONE, "a phase off the wire that nobody knows");
    cr_assert_eq(
        reshard__phase_duty(RESHARD_PHASE_FREEZE, RESHARD_SIDE_TARGET), RESHARD__DUTY_SEAL);
}

Test(phase, need_each_ordered_phase_but_linger_waits_for_an_event_that_it_takes)
{
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++) {
        struct reshard__need need = reshard__phase_need(phase);
        bool by_clock = phase == RESHARD_PHASE_LINGER;
        cr_assert_eq(need.waits, ordered(phase) && !by_clock, "%s", reshard_phase_name(phase));
        if (!need.waits)
            continue;
        struct reshard__step step = reshard__phase_step(phase, (enum reshard__event)need.event);
        cr_assert_eq(step.kind, RESHARD__STEP_MOVE, "%s", reshard_phase_name(phase));
        cr_assert(need.results[0] != RESHARD__RESULT_ANY || need.results[1] != RESHARD__RESULT_ANY);
    }
}

Test(phase, setback_each_side_has_its_own_event)
{
    enum reshard__event event = RESHARD__EVENT_OPENED;
    cr_assert(
        reshard__phase_setback(RESHARD__RESULT_LOST, RESHARD_SIDE_SOURCE, &event));
    cr_assert_eq(event, RESHARD__EVENT_LOST_SOURCE);
    cr_assert(
        reshard__phase_setback(RESHARD__RESULT_LOST, RESHARD_SIDE_TARGET, &event));
    cr_assert_eq(event, RESHARD__EVENT_LOST_TARGET);
    cr_assert(
        reshard__phase_setback(RESHARD__RESULT_LEFTOVERS, RESHARD_SIDE_TARGET, &event));
    cr_assert_eq(event, RESHARD__EVENT_ABORT_ASKED);
    event = RESHARD__EVENT_OPENED;
    cr_assert_not(
        reshard__phase_setback(RESHARD__RESULT_WORKING, RESHARD_SIDE_SOURCE, &event));
    cr_assert_not(reshard__phase_setback(UINT32_MAX, RESHARD_SIDE_SOURCE, &event));
    cr_assert_eq(event, RESHARD__EVENT_OPENED);
}

Test(phase, names_are_the_rows_names)
{
    cr_assert_str_eq(reshard_phase_name(RESHARD_PHASE_CATCHUP), "CATCHUP");
    cr_assert_str_eq(reshard_phase_name(RESHARD_PHASE_COUNT), "?");
    cr_assert_str_eq(reshard_verdict_name(RESHARD_SERVE), "SERVE");
    cr_assert_str_eq(reshard_verdict_name(RESHARD_LOOKUP), "LOOKUP");
    cr_assert_str_eq(reshard_verdict_name(RESHARD_LOOKUP + 1), "?");
    cr_assert_str_eq(reshard_verdict_name(0), "?");
    cr_assert_str_eq(reshard__event_name(RESHARD__EVENT_LOST_TARGET), "LOST_TARGET");
    cr_assert_str_eq(reshard__event_name(RESHARD__EVENT_COUNT), "?");
    cr_assert_str_eq(reshard__stance_name(RESHARD__STANCE_TARGET_SEALED), "TARGET_SEALED");
    cr_assert_str_eq(reshard__stance_name(RESHARD__STANCE_COUNT), "?");
}
