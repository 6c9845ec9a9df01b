/* SPDX-License-Identifier: MIT */
/* Properties of the transition table. Each is a function of a table, so that it can be shown a
 * damaged one in which it must fire. */
#include "phase/phase.h"
#include <criterion/criterion.h>
#include <string.h>

typedef struct reshard__step table[RESHARD_PHASE_COUNT][RESHARD__EVENT_COUNT];

static void table_read(table steps)
{
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++)
        for (int event = 0; event < RESHARD__EVENT_COUNT; event++)
            steps[phase][event] = reshard__phase_step(phase, (enum reshard__event)event);
}

static void table_move(table steps, uint32_t from, enum reshard__event event, uint32_t to)
{
    steps[from][event].kind = RESHARD__STEP_MOVE;
    steps[from][event].to = (uint8_t)to;
}

static const bool setback[RESHARD__EVENT_COUNT] = {
    [RESHARD__EVENT_LOST_SOURCE] = true,
    [RESHARD__EVENT_LOST_TARGET] = true,
    [RESHARD__EVENT_LOST_MOVE] = true,
    [RESHARD__EVENT_MISMATCH] = true,
    [RESHARD__EVENT_REFUSED] = true,
    [RESHARD__EVENT_EXPIRED] = true,
    [RESHARD__EVENT_EPOCH_CHANGED] = true,
    [RESHARD__EVENT_PAUSE_ASKED] = true,
};

/* Whether from this phase, setbacks aside, every way ends within `steps_left` moves. */
static bool ends(table steps, uint32_t phase, int steps_left)
{
    if (reshard__phase_ended(phase))
        return true;
    if (steps_left == 0)
        return false;
    int ways = 0;
    for (int event = 0; event < RESHARD__EVENT_COUNT; event++) {
        if (setback[event] || steps[phase][event].kind != RESHARD__STEP_MOVE)
            continue;
        ways++;
        if (!ends(steps, steps[phase][event].to, steps_left - 1))
            return false;
    }
    return ways > 0;
}

static bool all_end(table steps)
{
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++)
        if (!ends(steps, phase, RESHARD_PHASE_COUNT))
            return false;
    return true;
}

/* What ended stays so, and nothing leads to NONE. */
static bool ends_are_final(table steps)
{
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++)
        for (int event = 0; event < RESHARD__EVENT_COUNT; event++) {
            bool moves = steps[phase][event].kind == RESHARD__STEP_MOVE;
            if (moves && (reshard__phase_ended(phase) ||
                             steps[phase][event].to == RESHARD_PHASE_NONE))
                return false;
        }
    return true;
}

static uint32_t follow(table steps, uint32_t phase, enum reshard__event event)
{
    return steps[phase][event].kind == RESHARD__STEP_MOVE ? steps[phase][event].to : phase;
}

static bool undecided(uint32_t phase)
{
    return phase >= RESHARD_PHASE_PREPARE && phase <= RESHARD_PHASE_HOLD;
}

/* Asked in any phase before the decision's way into the journal, an abort ends in REVERTED. */
static bool abort_reverts(table steps, bool keywise)
{
    enum reshard__event aborted =
        keywise ? RESHARD__EVENT_ABORTED_KEYWISE : RESHARD__EVENT_ABORTED_SNAPSHOT;
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++) {
        if (!undecided(phase))
            continue;
        uint32_t at = follow(steps, phase, RESHARD__EVENT_ABORT_ASKED);
        if (at != RESHARD_PHASE_ABORT)
            return false;
        at = follow(steps, at, aborted);
        if (keywise && at != RESHARD_PHASE_UNMOVE)
            return false;
        at = follow(steps, at, RESHARD__EVENT_UNMOVED);
        at = follow(steps, at, RESHARD__EVENT_UNDONE);
        if (at != RESHARD_PHASE_REVERTED)
            return false;
    }
    return true;
}

static bool reaches(table steps, uint32_t from, uint32_t to, bool *seen)
{
    seen[from] = true;
    for (int event = 0; event < RESHARD__EVENT_COUNT; event++) {
        uint32_t next = follow(steps, from, (enum reshard__event)event);
        if (next == to || (!seen[next] && reaches(steps, next, to, seen)))
            return true;
    }
    return false;
}

/* The decision record is the border: behind it no way leads to the other end. */
static bool decisions_are_final(table steps)
{
    static const uint32_t forward[] = {RESHARD_PHASE_SETTLE, RESHARD_PHASE_LINGER,
        RESHARD_PHASE_CLEANUP, RESHARD_PHASE_DONE};
    static const uint32_t back[] = {
        RESHARD_PHASE_UNMOVE, RESHARD_PHASE_UNDO, RESHARD_PHASE_REVERTED};
    for (size_t i = 0; i < 4; i++) {
        bool seen[RESHARD_PHASE_COUNT] = {false};
        if (reaches(steps, forward[i], RESHARD_PHASE_REVERTED, seen))
            return false;
    }
    for (size_t i = 0; i < 3; i++) {
        bool seen[RESHARD_PHASE_COUNT] = {false};
        if (reaches(steps, back[i], RESHARD_PHASE_DONE, seen))
            return false;
    }
    return true;
}

/* The target is activated by the journal's word alone, and only a held source lets it be asked. */
static bool commits_by_hold(table steps)
{
    for (uint32_t phase = 0; phase < RESHARD_PHASE_COUNT; phase++)
        for (int event = 0; event < RESHARD__EVENT_COUNT; event++) {
            if (steps[phase][event].kind != RESHARD__STEP_MOVE || phase == steps[phase][event].to)
                continue;
            uint32_t to = steps[phase][event].to;
            if (to == RESHARD_PHASE_SETTLE && event != RESHARD__EVENT_COMMITTED)
                return false;
            if (to == RESHARD_PHASE_COMMIT &&
                (phase != RESHARD_PHASE_HOLD || event != RESHARD__EVENT_HELD))
                return false;
        }
    return true;
}

static bool sound(table steps)
{
    return all_end(steps) && ends_are_final(steps) && abort_reverts(steps, false) &&
           abort_reverts(steps, true) && decisions_are_final(steps) && commits_by_hold(steps);
}

Test(properties, table_is_sound)
{
    table steps;
    table_read(steps);
    cr_assert(all_end(steps));
    cr_assert(ends_are_final(steps));
    cr_assert(abort_reverts(steps, false));
    cr_assert(abort_reverts(steps, true));
    cr_assert(decisions_are_final(steps));
    cr_assert(commits_by_hold(steps));
}

Test(properties, checkers_fire_on_damaged_tables)
{
    static const struct {
        uint32_t from;
        enum reshard__event event;
        uint32_t to;
    } damages[] = {
        {RESHARD_PHASE_HOLD, RESHARD__EVENT_HELD, RESHARD_PHASE_FREEZE},
        {RESHARD_PHASE_CLEANUP, RESHARD__EVENT_PURGED, RESHARD_PHASE_SETTLE},
        {RESHARD_PHASE_DONE, RESHARD__EVENT_ABORT_ASKED, RESHARD_PHASE_ABORT},
        {RESHARD_PHASE_FREEZE, RESHARD__EVENT_ABORT_ASKED, RESHARD_PHASE_CATCHUP},
        {RESHARD_PHASE_ABORT, RESHARD__EVENT_ABORTED_KEYWISE, RESHARD_PHASE_UNDO},
        {RESHARD_PHASE_LINGER, RESHARD__EVENT_LOST_TARGET, RESHARD_PHASE_UNDO},
        {RESHARD_PHASE_UNDO, RESHARD__EVENT_EPOCH_CHANGED, RESHARD_PHASE_PREPARE},
        {RESHARD_PHASE_FREEZE, RESHARD__EVENT_READY, RESHARD_PHASE_COMMIT},
        {RESHARD_PHASE_COMMIT, RESHARD__EVENT_HELD, RESHARD_PHASE_SETTLE},
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        table steps;
        table_read(steps);
        cr_assert(sound(steps));
        table_move(steps, damages[i].from, damages[i].event, damages[i].to);
        cr_assert_not(sound(steps), "damage %zu is not seen", i);
    }
    for (uint32_t phase = RESHARD_PHASE_PREPARE; phase <= RESHARD_PHASE_HOLD; phase++) {
        table steps;
        table_read(steps);
        steps[phase][RESHARD__EVENT_ABORT_ASKED].kind = RESHARD__STEP_REJECT;
        cr_assert_not(sound(steps), "no abort in %s is not seen", reshard_phase_name(phase));
    }
}
