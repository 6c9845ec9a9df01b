/* SPDX-License-Identifier: MIT */
/* Runs the rows of phase_table.h. */
#include "phase/phase.h"

#define ARRAY_COUNT(array) (sizeof(array) / sizeof *(array))

#define PHASE_NAME(name, writer, reader, invariant) [RESHARD_PHASE_##name] = #name,
static const char *const phase_names[RESHARD_PHASE_COUNT] = {RESHARD__PHASE_ROWS(PHASE_NAME)};

#define EVENT_STRING(name, meaning) #name,
static const char *const event_names[] = {RESHARD__EVENT_ROWS(EVENT_STRING)};

#define STANCE_STRING(name, r, w, d, meaning) #name,
static const char *const stance_names[] = {RESHARD__STANCE_ROWS(STANCE_STRING)};

#define MOVE_LABEL(label, from, event, to) LABEL_##label,
#define IGNORE_LABEL(label, from, event) LABEL_##label,
enum { RESHARD__MOVE_ROWS(MOVE_LABEL) RESHARD__IGNORE_ROWS(IGNORE_LABEL) LABEL_COUNT };

/* One initialiser a pair: a second row for a pair fails to compile (-Woverride-init). */
#define MOVE_CELL(label, from, event, to) \
    [RESHARD_PHASE_##from][RESHARD__EVENT_##event] = { \
        RESHARD__STEP_MOVE, RESHARD_PHASE_##to, LABEL_##label},
#define IGNORE_CELL(label, from, event) \
    [RESHARD_PHASE_##from][RESHARD__EVENT_##event] = { \
        RESHARD__STEP_IGNORE, RESHARD_PHASE_##from, LABEL_##label},
static const struct reshard__step steps[RESHARD_PHASE_COUNT][RESHARD__EVENT_COUNT] = {
    RESHARD__MOVE_ROWS(MOVE_CELL) RESHARD__IGNORE_ROWS(IGNORE_CELL)};

#define NEED_CELL(phase, source, target, event) \
    [RESHARD_PHASE_##phase] = {{RESHARD__RESULT_##source, RESHARD__RESULT_##target}, \
        RESHARD__EVENT_##event, true},
static const struct reshard__need needs[RESHARD_PHASE_COUNT] = {RESHARD__NEED_ROWS(NEED_CELL)};

#define SETBACK_CELL(result, source, target) \
    [RESHARD__RESULT_##result] = {{RESHARD__EVENT_##source, RESHARD__EVENT_##target}, true},
static const struct {
    uint8_t events[2];
    bool leads;
} setbacks[RESHARD__RESULT_COUNT] = {RESHARD__SETBACK_ROWS(SETBACK_CELL)};

#define DUTY_CELL(phase, source, target) \
    [RESHARD_PHASE_##phase] = {RESHARD__DUTY_##source, RESHARD__DUTY_##target},
static const uint8_t duties[RESHARD_PHASE_COUNT][2] = {RESHARD__DUTY_ROWS(DUTY_CELL)};

#define STANCE_CELL(name, read, write, remove, meaning) \
    [RESHARD__STANCE_##name] = {0, RESHARD_##read, RESHARD_##write, RESHARD_##remove},
static const uint8_t stance_verdicts[RESHARD__STANCE_COUNT][RESHARD_OP_COUNT] = {
    RESHARD__STANCE_ROWS(STANCE_CELL)};

#define KEYED_CELL(stance, asking, presence, read, write, remove) \
    [RESHARD__STANCE_##stance][RESHARD__ASKING_##asking][RESHARD__PRESENCE_##presence] = { \
        0, RESHARD_##read, RESHARD_##write, RESHARD_##remove},
static const uint8_t keyed_verdicts[RESHARD__STANCE_COUNT][RESHARD__ASKING_COUNT]
                                   [RESHARD__PRESENCE_COUNT][RESHARD_OP_COUNT] = {
                                       RESHARD__KEYED_ROWS(KEYED_CELL)};

struct reshard__step reshard__phase_step(uint32_t phase, enum reshard__event event)
{
    RESHARD_ASSERT(phase < RESHARD_PHASE_COUNT);
    RESHARD_ASSERT(event < RESHARD__EVENT_COUNT);
    return steps[phase][event];
}

struct reshard__need reshard__phase_need(uint32_t phase)
{
    RESHARD_ASSERT(phase < RESHARD_PHASE_COUNT);
    return needs[phase];
}

bool reshard__phase_setback(uint32_t result, uint32_t side, enum reshard__event *event_out)
{
    RESHARD_ASSERT(side == RESHARD_SIDE_SOURCE || side == RESHARD_SIDE_TARGET);
    if (result >= RESHARD__RESULT_COUNT || !setbacks[result].leads)
        return false;
    *event_out = (enum reshard__event)setbacks[result].events[side - RESHARD_SIDE_SOURCE];
    return true;
}

bool reshard__phase_ended(uint32_t phase)
{
    return phase == RESHARD_PHASE_DONE || phase == RESHARD_PHASE_REVERTED;
}

enum reshard__duty reshard__phase_duty(uint32_t phase, uint32_t side)
{
    RESHARD_ASSERT(side == RESHARD_SIDE_SOURCE || side == RESHARD_SIDE_TARGET);
    if (phase >= RESHARD_PHASE_COUNT)
        return RESHARD__DUTY_NONE;
    return (enum reshard__duty)duties[phase][side - RESHARD_SIDE_SOURCE];
}

uint32_t reshard__route_stance(enum reshard__stance stance, uint32_t op)
{
    RESHARD_ASSERT(stance < RESHARD__STANCE_COUNT);
    RESHARD_ASSERT(op > 0 && op < RESHARD_OP_COUNT);
    return stance_verdicts[stance][op];
}

uint32_t reshard__route_keyed(enum reshard__stance stance, enum reshard__asking asking,
    enum reshard__presence presence, uint32_t op)
{
    uint32_t verdict = reshard__route_stance(stance, op);
    if (verdict != RESHARD_LOOKUP)
        return verdict;
    verdict = keyed_verdicts[stance][asking][presence][op];
    if (verdict)
        return verdict;
    return stance >= RESHARD__STANCE_TARGET_STAGED ? RESHARD_MOVED : RESHARD_PARK;
}

const char *reshard_phase_name(uint32_t phase)
{
    return phase < RESHARD_PHASE_COUNT ? phase_names[phase] : "?";
}

const char *reshard_verdict_name(uint32_t verdict)
{
    static const char *const names[] = {"?", "SERVE", "SERVE_CAPTURE", "MOVED", "ASK", "PARK",
        "TRYAGAIN", "CROSSSLOT", "DOWN", "LOOKUP"};
    return verdict < ARRAY_COUNT(names) ? names[verdict] : "?";
}

const char *reshard__event_name(enum reshard__event event)
{
    return event < ARRAY_COUNT(event_names) ? event_names[event] : "?";
}

const char *reshard__stance_name(enum reshard__stance stance)
{
    return stance < ARRAY_COUNT(stance_names) ? stance_names[stance] : "?";
}
