/* SPDX-License-Identifier: MIT */
/* Room node: mode keywise: keys that move one by one (R16 ... R22, R27).
 *
 * Per stream one chunk is in flight, of one or several keys; all of them are locked until it ended.
 * Giver: PICK → CHUNK → (acknowledged) → REMOVE, durable → CONFIRM → unlock. Receiver: MARK record
 * → APPLY, durable with the stream's id and the number → ACK. In MOVE the source gives, in UNMOVE
 * the target does. Files: keywise.c what both share; keywise_give.c; keywise_take.c;
 * keywise_route.c.
 */
#ifndef RESHARD_NODE_KEYWISE_H
#define RESHARD_NODE_KEYWISE_H

#include "node/items.h"

enum reshard__flight {
    RESHARD__FLIGHT_IDLE,
    RESHARD__FLIGHT_PICKING,
    RESHARD__FLIGHT_SENT,
    RESHARD__FLIGHT_REMOVING
};

struct reshard__keywise {
    struct reshard__order_id stream; /* live in this run; {0, 0} = none */
    struct reshard__order_id opened; /* newest stream that was opened here as giver */
    bool unmoving;                   /* an UNMOVE was recorded */

    /* giver */
    bool reconciled; /* the receiver said: none pending, for this stream (R18) */
    struct reshard__order_id early; /* a stream of which it was said before it opened here */
    enum reshard__flight flight;
    uint64_t sequence; /* number of the newest chunk */
    struct reshard__chunk *chunk;
    struct reshard__keys keys; /* sent in this stream, transfer not ended: locked */
    struct reshard__keys sent; /* of them, those that the chunk in flight carries */
    bool cancelled;            /* a write went through: this try does not count (R19) */
    uint32_t tries;
    uint64_t sent_ns;
    uint64_t cursor;
    uint64_t fence;       /* number of the one that opened MOVE */
    uint64_t looked_ns;   /* order after which the operator's slots were looked through last */
    size_t pick_capacity; /* grows when one key does not fit */
    bool empty;           /* nothing is left to give */
    bool confirms;        /* CONFIRM of `sequence` is told again with each order */
    struct reshard__keys asked; /* keys that an operator picked */

    /* receiver */
    uint64_t last;                   /* newest number that is durable here */
    struct reshard__chunk *incoming; /* number last + 1, on its way to the store */
    bool incoming_applied;
    struct reshard__order_id mark_stream; /* durable: `pending` are the keys of this number */
    uint64_t mark_sequence;
    struct reshard__keys pending;  /* marks of the chunk that came last */
    bool confirmed;                /* they are settled; in the journal they still stand */
    struct reshard__keys old;      /* marks of earlier streams: neither served nor given (R18) */
    bool told;                     /* the other side was told: none pending */
    bool heard;                    /* UNMOVE, source: the target said so too (R18) */
    bool old_cleared;              /* durable: no OLD mark is left in this stream */
    uint64_t asked_ns;             /* when questions and chunks were told again last */
    struct reshard__keys dropping; /* OLD keys whose own copy is to go */
    struct reshard__keys dropped;  /* those that the store was asked to drop */

    /* R22: keys that a request without token waits for */
    struct reshard__keys questions;
    struct reshard__keys absent;  /* the source said so: for ever, within this migration */
    struct reshard__keys present; /* the source has it: TRYAGAIN, once */
    struct reshard__keys marking; /* of the incoming chunk: what the MARK names */
};

/* ---- keywise.c ---- */
int32_t reshard__keywise_make(struct reshard_node *node, struct reshard__part *part);
void reshard__keywise_free(struct reshard_node *node, struct reshard__part *part);
bool reshard__keywise_gives(const struct reshard__part *part);
reshard_node_id reshard__keywise_peer(
    const struct reshard_node *node, const struct reshard__part *part);
/* Fold a MOVE, UNMOVE, MARK or CLEAR record. NOMEM: nothing changed. */
int32_t reshard__keywise_fold(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__record *record);
/* The stance that MOVE and UNMOVE records command after a restart (R16). */
void reshard__keywise_stance(struct reshard_node *node, struct reshard__part *part);
/* Remember a key; false, and an event, without memory. */
bool reshard__keywise_note(struct reshard_node *node, const struct reshard__part *part,
    struct reshard__keys *keys, const uint8_t *key, size_t key_size);
void reshard__keywise_chunk(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message);
void reshard__keywise_acknowledged(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message);
void reshard__keywise_complete(struct reshard_node *node, struct reshard__part *part,
    struct reshard__entry *entry, const struct reshard_completion *completion);
/* Nothing has come through the stream yet, or it goes both ways: "none pending" is told again. */
bool reshard__keywise_begins(const struct reshard__part *part);
void reshard__keywise_tick(struct reshard_node *node, struct reshard__part *part);
uint64_t reshard__keywise_deadline(
    const struct reshard_node *node, const struct reshard__part *part);
/* A bare message of this part's stream. */
struct reshard__message reshard__keywise_message(
    const struct reshard__part *part, uint32_t type, uint32_t kind);

/* ---- keywise_give.c ---- */
uint32_t reshard__duty_give(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_give_back(struct reshard_node *node, struct reshard__part *part);
/* HOLD, keywise: R27. */
uint32_t reshard__keywise_hold(struct reshard_node *node, struct reshard__part *part);
/* A PREPARE ends a hold; routing stays that of MOVE (R16). */
void reshard__keywise_prepared(struct reshard_node *node, struct reshard__part *part);
void reshard__give_drop(struct reshard_node *node, struct reshard__part *part);
void reshard__give_heard(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message);
void reshard__give_acknowledged(
    struct reshard_node *node, struct reshard__part *part, uint64_t sequence);
void reshard__give_picked(struct reshard_node *node, struct reshard__part *part,
    struct reshard__entry *entry, const struct reshard_completion *completion);
void reshard__give_removed(struct reshard_node *node, struct reshard__part *part);
void reshard__give_tick(struct reshard_node *node, struct reshard__part *part);

/* ---- keywise_take.c ---- */
uint32_t reshard__duty_take(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_take_back(struct reshard_node *node, struct reshard__part *part);
void reshard__take_chunk(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message);
void reshard__take_answer(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message);
void reshard__take_applied(struct reshard_node *node, struct reshard__part *part,
    const struct reshard_completion *completion);
void reshard__take_synced(struct reshard_node *node, struct reshard__part *part,
    const struct reshard_completion *completion);
void reshard__take_dropped(struct reshard_node *node, struct reshard__part *part);
void reshard__take_tick(struct reshard_node *node, struct reshard__part *part);
/* Tell the other side, once a stream and again with each tick: no OLD mark is left here. */
void reshard__none_pending_tell(struct reshard_node *node, struct reshard__part *part);
/* Resolve OLD marks; true when none is left and that is durable. */
bool reshard__marks_settled(struct reshard_node *node, struct reshard__part *part);

/* ---- keywise_route.c ---- */
/* The verdict where keys decide; the token for an ASK. */
uint32_t reshard__keywise_route(struct reshard_node *node, struct reshard__part *part,
    enum reshard__stance stance, const struct reshard_node_request *request, uint64_t *token_out);

#endif
