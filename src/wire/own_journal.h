/* SPDX-License-Identifier: MIT */
/* Room wire: the journal that an engine writes, for the coordinator's and for a node's.
 *
 * Guarantees: one write (APPEND or COMPACT) is under way at a time; after one whose outcome is not
 * known nothing is written before a LOAD told it; what landed is settled by the engine before the
 * next write; records that were read once are not taken twice.
 */
#ifndef RESHARD_WIRE_OWN_JOURNAL_H
#define RESHARD_WIRE_OWN_JOURNAL_H

#include "base/outbox.h"
#include "wire/wire.h"

enum reshard__journal_state {
    RESHARD__JOURNAL_IDLE,
    RESHARD__JOURNAL_WRITING,
    RESHARD__JOURNAL_LANDED, /* durable; the engine has not followed yet */
    RESHARD__JOURNAL_UNSURE, /* the outcome of a write is not known: LOAD is to be asked */
    RESHARD__JOURNAL_LOADING
};

/* What a completion said of the write. */
enum reshard__journal_verdict {
    RESHARD__JOURNAL_DURABLE, /* settle it */
    RESHARD__JOURNAL_ABSENT,  /* it is not there; the same may be written again */
    RESHARD__JOURNAL_DOUBT,   /* nobody knows */
    RESHARD__JOURNAL_FOREIGN  /* somebody else writes this journal */
};

/* What the engine does next. */
enum reshard__journal_turn {
    RESHARD__JOURNAL_WAIT,
    RESHARD__JOURNAL_SETTLE, /* follow what landed, then reshard__journal_settled */
    RESHARD__JOURNAL_WRITE   /* the journal is free */
};

struct reshard__journal {
    uint64_t term;          /* of the records that are written */
    uint32_t purpose;       /* of its entries in the outbox */
    uint64_t retry_ns;      /* between two doubts */
    uint64_t compact_count; /* records until a compaction is due */

    enum reshard__journal_state state;
    struct reshard__journal_position position; /* durable */
    struct reshard__journal_position next;     /* behind what is being written */
    struct reshard__journal_position check;    /* of the records that a LOAD feeds */
    struct reshard__journal_position begin;    /* where the restore that failed had begun */
    bool restore_failed;
    bool compacting;      /* what is being written is a COMPACT */
    bool compact_missing; /* the host has no such hook: a journal that only grows */
    bool doubted;         /* since the last write that landed */
    uint64_t retry_at_ns; /* nothing is asked before */
    uint64_t base_index;  /* of the last record of the last compaction, or before the first */
    uint64_t compact_at;  /* index before which no compaction is tried: the last one failed */
    uint64_t append_count;
    uint8_t *buffer;
    size_t buffer_size;
    size_t used;
};

void reshard__journal_free(struct reshard__journal *journal, const struct reshard__mem *mem);

/* ---- writing: begin, put each record, push ---- */

void reshard__journal_begin(struct reshard__journal *journal);
/* False: no memory; begin again later. */
bool reshard__journal_put(struct reshard__journal *journal, const struct reshard__mem *mem,
    const struct reshard__record *record);
/* A record of `kind` whose blob `encode` makes of `item`: SPACE and the size where it does not fit.
 */
typedef int32_t (*reshard__blob_encode)(
    const void *item, uint8_t *buffer, size_t capacity, size_t *size_out);
bool reshard__journal_put_blob(struct reshard__journal *journal, const struct reshard__mem *mem,
    uint32_t kind, reshard__blob_encode encode, const void *item);
bool reshard__journal_put_change(struct reshard__journal *journal, const struct reshard__mem *mem,
    const struct reshard_change *change);
bool reshard__journal_put_map(struct reshard__journal *journal, const struct reshard__mem *mem,
    const struct reshard_map *map);
/* Ask for the write of what was put; `kind` = APPEND or COMPACT. Needs room in the outbox. */
struct reshard__entry *reshard__journal_push(
    struct reshard__journal *journal, struct reshard__outbox *outbox, uint32_t kind);

/* ---- following ---- */

/* Whose turn it is; asks for a LOAD where one is due. */
enum reshard__journal_turn reshard__journal_turn(
    struct reshard__journal *journal, struct reshard__outbox *outbox, uint64_t now_ns);
/* A LOAD, APPEND or COMPACT was completed. */
enum reshard__journal_verdict reshard__journal_complete(
    struct reshard__journal *journal, uint32_t kind, int32_t status, uint64_t now_ns);
/* The engine has followed what landed. */
void reshard__journal_settled(struct reshard__journal *journal);
/* There was no memory: not before retry_ns have passed. */
void reshard__journal_later(struct reshard__journal *journal, uint64_t now_ns);
/* When the next turn comes by the clock alone; UINT64_MAX = never. */
uint64_t reshard__journal_deadline(const struct reshard__journal *journal, uint64_t now_ns);

bool reshard__journal_compact_due(const struct reshard__journal *journal);
/* A compaction could not be made: not before as many records came again. */
void reshard__journal_compact_later(struct reshard__journal *journal);

/* ---- reading ---- */

/* Records as the host feeds them: before the start each new one goes to `take`; for a LOAD they are
 * only followed to their end. A call that failed is repeated with the same bytes, and takes up
 * where it failed. STATE: started, and no LOAD is under way. */
typedef int32_t (*reshard__journal_take)(void *engine, const struct reshard__record *record);
int32_t reshard__journal_restore(struct reshard__journal *journal, bool started,
    const uint8_t *bytes, size_t size, reshard__journal_take take, void *engine);

#endif
