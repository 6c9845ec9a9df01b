/* SPDX-License-Identifier: MIT */
/* Room phase (floor 5): THE transition table, the duty table, the routing table.
 *
 * Guarantees: every (phase, event) pair is a move, an explicit ignore or a reject; the same rows
 * are executed here and rendered in the README. Pure: touches no state.
 */
#ifndef RESHARD_PHASE_PHASE_H
#define RESHARD_PHASE_PHASE_H

#include "base/base.h"
#include <reshard/action.h>
#include "phase/phase_table.h"
#include <reshard/phase.h>

/* Internals switch over private enums, so that compilers warn about a missing name. */
#define EVENT_NAME(name, meaning) RESHARD__EVENT_##name,
enum reshard__event { RESHARD__EVENT_ROWS(EVENT_NAME) RESHARD__EVENT_COUNT };
#undef EVENT_NAME

#define STANCE_NAME(name, r, w, d, meaning) RESHARD__STANCE_##name,
enum reshard__stance { RESHARD__STANCE_ROWS(STANCE_NAME) RESHARD__STANCE_COUNT };
#undef STANCE_NAME

#define ASKING_NAME(name, meaning) RESHARD__ASKING_##name,
enum reshard__asking { RESHARD__ASKING_ROWS(ASKING_NAME) RESHARD__ASKING_COUNT };
#undef ASKING_NAME

#define PRESENCE_NAME(name, meaning) RESHARD__PRESENCE_##name,
enum reshard__presence { RESHARD__PRESENCE_ROWS(PRESENCE_NAME) RESHARD__PRESENCE_COUNT };
#undef PRESENCE_NAME

/* What an order makes a participant do. */
enum reshard__duty {
    RESHARD__DUTY_NONE, /* no such order for this side: refused */
    RESHARD__DUTY_PREPARE,
    RESHARD__DUTY_STAGE,
    RESHARD__DUTY_EXPORT,
    RESHARD__DUTY_STREAM,
    RESHARD__DUTY_RECEIVE,
    RESHARD__DUTY_GIVE,
    RESHARD__DUTY_TAKE,
    RESHARD__DUTY_FREEZE,
    RESHARD__DUTY_SEAL,
    RESHARD__DUTY_HOLD,
    RESHARD__DUTY_KEEP,
    RESHARD__DUTY_RELEASE,
    RESHARD__DUTY_ACTIVATE,
    RESHARD__DUTY_PURGE,
    RESHARD__DUTY_TAKE_BACK,
    RESHARD__DUTY_GIVE_BACK,
    RESHARD__DUTY_RESUME,
    RESHARD__DUTY_DISCARD,
    RESHARD__DUTY_COUNT
};

/* What a participant reports: its current condition under an order (REPORT's `result`). The values
 * are on the wire: append-only. */
enum {
    RESHARD__RESULT_WORKING = 0,
    RESHARD__RESULT_PREPARED = 1,
    RESHARD__RESULT_COPIED = 2,  /* source: every exported chunk is applied */
    RESHARD__RESULT_STREAMING = 3, /* source in CATCHUP: lag_bytes tells how far */
    RESHARD__RESULT_FROZEN = 4,
    RESHARD__RESULT_READY = 5,
    RESHARD__RESULT_HELD = 6,
    RESHARD__RESULT_SETTLED = 7,
    RESHARD__RESULT_PURGED = 8,
    RESHARD__RESULT_EMPTY = 9,     /* keywise: the giver holds nothing, nothing in flight */
    RESHARD__RESULT_UNMOVING = 10, /* source in UNMOVE */
    RESHARD__RESULT_UNDONE = 11,
    RESHARD__RESULT_LOST = 12,
    RESHARD__RESULT_REFUSED = 13,
    RESHARD__RESULT_EXPIRED = 14,
    RESHARD__RESULT_MISMATCH = 15,
    RESHARD__RESULT_DAMAGED = 16, /* target at SETTLE without a sound seal: an operator is needed */
    RESHARD__RESULT_LEFTOVERS = 17, /* target: the slots stand under another record */
    RESHARD__RESULT_KEEPING = 18,  /* nothing to do in this phase */
    RESHARD__RESULT_COUNT = 19,
    RESHARD__RESULT_ANY = 20 /* in the table of needs: no report is waited for */
};

/* Bits of `flags`; on the wire, append-only. */
enum {
    RESHARD__ORDER_PAUSED = 1, /* ORDER: start no new piece of data */
    RESHARD__QUERY_BARE = 1,   /* CHUNK QUERY: for a request without token (R22); 2 of CHUNK DATA
                                  stands in wire.h */
    RESHARD__ACK_GAP = 1       /* ACK: a chunk came whose predecessor is missing */
};

enum { RESHARD__STEP_REJECT, RESHARD__STEP_IGNORE, RESHARD__STEP_MOVE };

struct reshard__step {
    uint8_t kind;  /* RESHARD__STEP_* */
    uint8_t to;    /* RESHARD_PHASE_* */
    uint8_t label; /* row number in its list, for renderings */
};

/* The row for a pair; STEP_REJECT where there is none. */
struct reshard__step reshard__phase_step(uint32_t phase, enum reshard__event event);

/* What a phase waits for. */
struct reshard__need {
    uint8_t results[2]; /* of source and target */
    uint8_t event;      /* enum reshard__event */
    bool waits;         /* false: the phase waits for no report */
};
struct reshard__need reshard__phase_need(uint32_t phase);
/* The event of a report that leads back; false where the result is none of those. */
bool reshard__phase_setback(uint32_t result, uint32_t side, enum reshard__event *event_out);

/* Whether nothing follows: DONE or REVERTED. */
bool reshard__phase_ended(uint32_t phase);

enum reshard__duty reshard__phase_duty(uint32_t phase, uint32_t side);
uint32_t reshard__route_stance(enum reshard__stance stance, uint32_t op);
uint32_t reshard__route_keyed(enum reshard__stance stance, enum reshard__asking asking,
    enum reshard__presence presence, uint32_t op);
const char *reshard__event_name(enum reshard__event event);
const char *reshard__stance_name(enum reshard__stance stance);

#endif
