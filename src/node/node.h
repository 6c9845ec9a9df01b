/* SPDX-License-Identifier: MIT */
/* Room node (floor 6): plays source and target of migrations, routes requests.
 *
 * Guarantees: a node promises nothing that its own journal does not hold durably; an order is taken
 * once, reported in its current condition as often as it is repeated; late, foreign and repeated
 * messages change nothing. Level-triggered: a duty is a function of the part's state that asks for
 * the next step and is run again whenever something about the part changed, so that any step can
 * fail and be asked for again.
 *
 * Files: node.c inputs; parts.c the table of parts; table.c words for route; route.c; maps.c the
 * map's way from MAP messages into the journal; log.c the own journal; follow.c a replica's;
 * orders.c orders and reports; source.c and target.c the duties; stream.c capture and chunks;
 * keywise*.c keys one by one.
 */
#ifndef RESHARD_NODE_NODE_H
#define RESHARD_NODE_NODE_H

#include "base/gate.h"
#include "phase/phase.h"
#include "wire/own_journal.h"
#include <reshard/node.h>
#include <stdatomic.h>

/* What an entry of the outbox was asked for; 0 needs no thought at completion. */
enum reshard__purpose {
    RESHARD__PURPOSE_NONE,
    RESHARD__PURPOSE_CHUNK, /* SEND of a chunk: its reference is given back */
    RESHARD__PURPOSE_LOG,   /* APPEND, COMPACT, LOAD of the own journal */
    RESHARD__PURPOSE_STORE, /* a store action of a part */
    RESHARD__PURPOSE_QUARANTINE
};

/* Bits of store actions that are open for a part. */
enum {
    RESHARD__BUSY_EXPORT = 1,
    RESHARD__BUSY_SYNC = 2,
    RESHARD__BUSY_ACTIVATE = 4,
    RESHARD__BUSY_DISCARD = 8,
    RESHARD__BUSY_PURGE = 16,
    RESHARD__BUSY_FENCE = 32,
    RESHARD__BUSY_DIGEST = 64,
    RESHARD__BUSY_PICK = 128,
    RESHARD__BUSY_REMOVE = 256,
    RESHARD__BUSY_APPLY = 512 /* counted in apply_open */
};

enum { RESHARD__SPARES_MAX = 8 };

/* A piece of a copy or tail. Owned by its stream until trimmed, then by the sends that still
 * reference it. */
struct reshard__chunk {
    struct reshard__chunk *next;
    uint64_t sequence;   /* 0 = captured, not numbered yet */
    uint32_t references; /* SEND actions that point into data */
    bool dead;           /* trimmed: freed with the last reference */
    size_t size;
    size_t capacity;
    uint8_t data[];
};

struct reshard__chunk_list {
    struct reshard__chunk *head;
    struct reshard__chunk *tail;
};

/* Source, snapshot: one copy and its tail. Invariant (R9): a chunk is numbered when no EXPORT is
 * in flight, exported before captured, so that no older state follows a newer one. */
struct reshard__stream {
    struct reshard__order_id copy; /* {0, 0} = no live capture */
    bool greeted;                  /* the target is ready for this copy */
    bool exported;                 /* EXPORT said done */
    uint64_t cursor;
    uint64_t export_capacity; /* of the next EXPORT, where one key is larger than a chunk; or 0 */
    uint64_t fence;           /* number of the fence that opened the capture */
    struct reshard__chunk_list numbered; /* sequence > durable, ascending */
    struct reshard__chunk_list captured; /* not numbered, oldest first */
    struct reshard__chunk *send_next;    /* first numbered chunk that is to be sent */
    uint64_t numbered_last;
    uint64_t sent;
    uint64_t applied;
    uint64_t durable;
    uint64_t export_end;      /* sequence of the last exported chunk */
    uint64_t window_bytes;    /* numbered, not durable */
    uint64_t captured_bytes;  /* not numbered */
    uint64_t unapplied_bytes; /* numbered, not applied */
    uint64_t backed_at;       /* applied value at which the sending went back last; + 1 */
    uint64_t progress_ns;     /* last acknowledgement that moved */
    uint64_t free_ns;         /* bandwidth budget: not before */
};

/* What the own journal says of a part: the fold of its records. */
struct reshard__stored {
    uint32_t kind;                      /* RESHARD__RECORD_* of the newest, 0 = none */
    struct reshard__order_id order;     /* of the newest: orders not above it were executed */
    uint64_t attempt;                   /* HELD */
    struct reshard__order_id open_copy; /* OPEN */
    bool sealed;                        /* a SEAL, and no OPEN of another copy since */
    uint64_t seal_attempt;
    uint64_t seal_final;
    struct reshard_digest seal_digest;
    bool moving; /* keywise: MOVE was recorded, no UNDONE since (R16) */
};

struct reshard__keywise; /* keywise.h */

/* One side of one migration in this node. */
struct reshard__part {
    reshard_migration_id migration;
    uint32_t side;
    uint32_t mode;
    uint32_t migration_flags;
    uint32_t cell; /* index into cells */
    reshard_shard_id source;
    reshard_shard_id target;
    struct reshard_range *ranges;
    size_t range_count;
    bool closed;           /* the map has it closed: freed when nothing is open */
    uint32_t open_actions; /* store actions and chunk sends that point into this part */

    /* the newest order */
    struct reshard__order_id order;
    uint32_t phase; /* ordered, 0 = none in this run */
    struct reshard__order_id order_copy;
    uint64_t attempt;
    uint64_t map_version; /* that the order rests on */
    uint64_t order_flags;
    uint64_t budget;
    uint64_t freeze_ns;
    reshard_node_id coordinator;
    uint64_t heard_ns;

    /* reports */
    uint32_t result;   /* last computed */
    uint32_t reported; /* what who waits knows: last sent under this order, or WORKING */
    uint64_t reported_ns;
    uint64_t reported_lag;

    /* the own journal */
    struct reshard__stored stored;
    struct reshard__record want; /* kind 0 = nothing to be written */
    bool writing;                /* `want` is in the append that is open */
    bool unmove_live;            /* keywise target: UNMOVE was recorded in this run */
    bool prepared_live;          /* source: a PREPARE was executed in this run (R7) */

    /* store actions */
    uint32_t busy;
    bool wake_due;        /* there was no room for a WAKE */
    uint64_t ticket;      /* completions with another one are of an earlier copy */
    uint64_t last_action; /* id of the newest store action: the next starts after it */
    uint64_t retry_at_ns; /* a store action failed: not before */
    uint64_t fence_asked;
    uint64_t fence_done;
    bool digest_known; /* `digest` is of (attempt, position) */
    uint64_t digest_position;
    uint64_t digest_attempt;
    struct reshard_digest digest;
    uint64_t purge_cursor;
    bool purged;
    bool discarded;
    bool activated;
    bool keeping; /* a SYNC of the record that settles the part is under way ... */
    bool kept;    /* ... or has ended */
    uint64_t keep_ns; /* until then the record waits for a sync of others, 0 = it is not told yet */

    /* source, snapshot */
    struct reshard__stream stream;
    struct reshard__order_id opened; /* newest copy that was opened here, live or lost since */
    struct reshard__order_id early;  /* a copy that was greeted before its order came here */
    uint64_t frozen_attempt;         /* 0 = not frozen */
    uint64_t frozen_fence;
    uint64_t expired_attempt; /* highest attempt that ran out */
    uint64_t freeze_deadline_ns;
    bool frozen_final; /* final sequence and digest stand, FIN goes out */
    uint64_t held_fence;
    uint64_t pause_began_ns; /* 0 = writes go on */
    uint64_t pause_ns;       /* earlier pauses */
    bool alarmed;
    uint64_t keys;
    uint64_t bytes;

    /* target, snapshot */
    bool position_known; /* SYNC told what staging holds */
    bool receiving;      /* staging of stored.open_copy is ready for chunks */
    uint64_t queued;     /* sequence of the newest chunk handed to APPLY */
    uint64_t applied;
    uint64_t synced;
    uint64_t unsynced_bytes;
    uint32_t apply_open;
    uint64_t chunk_ns; /* when the newest chunk came */
    uint64_t fin_attempt;
    uint64_t fin_final;
    struct reshard__order_id fin_copy;
    struct reshard_digest fin_digest;
    uint64_t mismatch_attempt;

    struct reshard__keywise *keywise; /* NULL in mode snapshot */
};

/* The own journal. One APPEND is open at a time and carries all that is wanted when it starts. */
struct reshard__log {
    struct reshard__journal journal;
    uint64_t map_version;        /* the durable map's, after the open write */
    uint64_t quarantine_changes; /* that the open write carries */
    uint64_t waiting_ns;         /* since when changes of the map wait to be written, 0 = none do */
    bool identity;               /* the first record stands */
    bool synced;                 /* the open write outlives a loss of power, and all before it */
};

struct reshard_node {
    struct reshard__mem mem;
    struct reshard_node_config config;
    struct reshard__outbox outbox;
    struct reshard_map *map;  /* durable here: routing rests on it (R24) */
    struct reshard_map *next; /* with the changes that are still to be written */
    bool next_snapshot;       /* next came whole and is to be written whole */
    bool map_missed;          /* a MAP came while it could not be taken: asked for again */
    reshard_node_id map_from; /* who sent the newest MAP */
    struct reshard__log log;
    struct reshard__gate gate;
    bool following;     /* follow.c: the journal is the primary's, fed record by record */
    bool parts_missing; /* there was no memory, or no place, for a part: again with each tick */
    reshard_shard_id parts_shard;    /* whose migrations up to parts_upto were looked for */
    reshard_migration_id parts_upto;
    uint64_t now_ns;
    struct reshard__part **parts; /* ascending ids */
    size_t part_count;
    size_t part_capacity;
    struct reshard__chunk *spares[RESHARD__SPARES_MAX]; /* of chunk_size, while parts are open */
    size_t spare_count;
    _Atomic uint64_t *cells;         /* migration_limit; words.h */
    uint64_t *cells_used;            /* bitmap */
    _Atomic uint64_t *words;         /* slot_count */
    struct reshard__scratch scratch; /* ranges of a change that is being decoded */
    reshard_shard_id shard;          /* own, by the durable map; 0 = none */
    _Atomic uint32_t primary;        /* 1 = acts for its shard, by the durable map */
    struct reshard_range *quarantine;
    size_t quarantine_count;
    size_t quarantine_capacity;
    uint64_t quarantine_changes; /* since start; those that are durable */
    uint64_t quarantine_durable;
    struct reshard_range *purge; /* of them, those that are to be purged */
    size_t purge_count;
    size_t purge_capacity;
    uint64_t purge_cursor;
    uint64_t purge_retry_ns;
    bool purge_open;
};

/* ---- node.c ---- */
/* Every input of a started node stands between these. */
int32_t reshard__node_feed_begin(struct reshard_node *node, uint64_t now_ns);
int32_t reshard__node_feed_end(struct reshard_node *node, int32_t status);

/* ---- parts.c ---- */
struct reshard__part *reshard__part_find(const struct reshard_node *node, reshard_migration_id id);
/* Make parts for the open migrations of `next` that this node's shard takes part in as primary. */
int32_t reshard__parts_open(struct reshard_node *node);
/* The same, in a running node: what fails is tried again. */
void reshard__parts_follow(struct reshard_node *node);
/* Close the parts whose migration the durable map has closed; free those with nothing open. */
void reshard__parts_close(struct reshard_node *node);
void reshard__part_free(struct reshard_node *node, struct reshard__part *part);
enum reshard__stance reshard__part_stance(
    const struct reshard_node *node, const struct reshard__part *part);
/* An operator waits for each of its slots. */
bool reshard__part_by_hand(const struct reshard__part *part);
/* The one place where a stance changes: tells the pause, wakes what was parked. */
void reshard__part_stand(
    struct reshard_node *node, struct reshard__part *part, enum reshard__stance stance);
/* Tell the host that parked requests may be routed again; without room, with the next input. */
void reshard__part_wake(struct reshard_node *node, struct reshard__part *part);
/* Ask for a store action of a part, after the part's earlier ones; NULL when it is busy with one of
 * this kind, when an earlier one failed a moment ago, or when there is no room. */
struct reshard__entry *reshard__part_ask(
    struct reshard_node *node, struct reshard__part *part, uint32_t kind, uint32_t busy);
/* Whether the slots' digest at a position of the stream is known; else it is asked for. */
bool reshard__part_digest(struct reshard_node *node, struct reshard__part *part, uint64_t position);
/* The node has become primary: the part's pause, if it is in one, begins here. */
void reshard__part_lead(struct reshard_node *node, struct reshard__part *part);
/* The node is primary no more: who was parked is told where to go. */
void reshard__part_depose(struct reshard_node *node, struct reshard__part *part);
/* The stance that the part's records and the durable map's decision command, at start and when a
 * decision arrives. */
void reshard__part_settle_stance(struct reshard_node *node, struct reshard__part *part);
/* Whether what was settled last is safe from a loss of power; else a SYNC is asked for: at once,
 * or, where an operator works by hand, when nothing else was synced for a while. */
bool reshard__part_kept(struct reshard_node *node, struct reshard__part *part);
/* Whether the records that settle the part may be loose until then: a write that is answered is
 * behind them in the same log, and nothing is told before. So the coordinator counts nobody whose
 * record can go with the power, and repeats SETTLE. Who lost it stands as in HOLD, of which all is
 * synced: a source that serves nothing (and by hand has no key left), a sealed target that has all
 * keys and is not yet the owner. Neither can go back: the decision is durable. */
bool reshard__part_settles_loose(
    const struct reshard_node *node, const struct reshard__part *part);
/* A new fence; its number is reached by fence_done when it completed. */
uint64_t reshard__part_fence(struct reshard_node *node, struct reshard__part *part);

/* ---- table.c ---- */
void reshard__words_range(struct reshard_node *node, const struct reshard_range *range);
void reshard__words_all(struct reshard_node *node);

/* The open part that a slot belongs to, the newest, or NULL. */
struct reshard__part *reshard__part_of_slot(const struct reshard_node *node, uint32_t slot);

/* ---- follow.c ---- */
/* At start: whether the journal that was restored leaves this node a follower. */
void reshard__follow_begin(struct reshard_node *node);
/* True while the node follows; ends it when the newest map names this node primary. */
bool reshard__follow_goes_on(struct reshard_node *node);
/* Routing after a record of a part. */
void reshard__follow_part(struct reshard_node *node, struct reshard__part *part);

/* ---- actions.c ---- */
int32_t reshard__action_completed(struct reshard_node *node, struct reshard__entry *entry,
    const struct reshard_completion *completion);

/* ---- maps.c ---- */
int32_t reshard__maps_receive(struct reshard_node *node, const struct reshard__message *message);
/* Bring the durable map to `version` by the changes that `next` retains. E_NOMEM: go on later. */
int32_t reshard__maps_adopt(struct reshard_node *node, uint64_t version);
/* Take a change or a snapshot from a record: before start, or following. NOMEM: feed it again. */
int32_t reshard__maps_restore(struct reshard_node *node, const struct reshard__record *record);
void reshard__maps_role(struct reshard_node *node);
/* Whether waiting changes should be written now, not with the next record. */
bool reshard__maps_urgent(const struct reshard_node *node);

/* ---- log.c ---- */
/* True when the part's newest record is of this kind and order; else it is wanted. */
bool reshard__log_has(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__record *record);
/* Write what is wanted, if the journal is free. */
void reshard__log_flush(struct reshard_node *node);
void reshard__log_complete(
    struct reshard_node *node, uint32_t kind, const struct reshard_completion *completion);
int32_t reshard__log_restore(struct reshard_node *node, const uint8_t *bytes, size_t size);

/* Add a record to what is being written. False: no memory. */
bool reshard__log_write(struct reshard_node *node, const struct reshard__record *record);

/* ---- compact.c ---- */
/* Records that fold to what the open parts have durably. False: no memory. */
bool reshard__log_compact_parts(struct reshard_node *node);

/* ---- quarantine.c ---- */
int32_t reshard__quarantine_restore(
    struct reshard_node *node, const struct reshard__record *record);

/* Ask for the purge that was requested, when it may be. */
void reshard__quarantine_pump(struct reshard_node *node);
/* NOMEM: nothing changed. */
int32_t reshard__quarantine_purged(
    struct reshard_node *node, const struct reshard_completion *completion);

/* ---- orders.c ---- */
void reshard__order_receive(
    struct reshard_node *node, reshard_node_id from, const struct reshard__message *order);
/* Run the part's duty again and report what changed. */
void reshard__part_advance(struct reshard_node *node, struct reshard__part *part);
void reshard__report_send(struct reshard_node *node, struct reshard__part *part);
void reshard__hello_send(struct reshard_node *node, reshard_node_id to);
/* Encode a message into a SEND; the payload, if any, lies in `chunk` or is borrowed otherwise. */
void reshard__message_send(struct reshard_node *node, reshard_node_id to,
    const struct reshard__message *message, struct reshard__part *part,
    struct reshard__chunk *chunk);
/* Primary of a shard by the newest map, 0 = none. */
reshard_node_id reshard__primary_of(const struct reshard_node *node, reshard_shard_id shard);
void reshard__event_tell(struct reshard_node *node, uint32_t kind, const struct reshard__part *part,
    int32_t status, uint64_t value);

/* ---- source.c, target.c: duties answer RESHARD__RESULT_* ---- */
uint32_t reshard__duty_prepare(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_export(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_stream(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_freeze(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_hold(struct reshard_node *node, struct reshard__part *part);
/* Park everything, fence, write HELD: the last step of HOLD in both modes. */
uint32_t reshard__source_hold(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_release(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_purge(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_resume(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_stage(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_receive(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_seal(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_keep(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_activate(struct reshard_node *node, struct reshard__part *part);
uint32_t reshard__duty_discard(struct reshard_node *node, struct reshard__part *part);
void reshard__source_tick(struct reshard_node *node, struct reshard__part *part);
void reshard__target_tick(struct reshard_node *node, struct reshard__part *part);
void reshard__target_chunk(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message);
void reshard__target_acknowledge(struct reshard_node *node, struct reshard__part *part);
/* A store action of the target completed with a status of its own. */
void reshard__target_applied(struct reshard_node *node, struct reshard__part *part,
    uint64_t sequence, uint64_t size, const struct reshard_completion *completion);
void reshard__target_synced(struct reshard_node *node, struct reshard__part *part,
    const struct reshard_completion *completion);
/* Whether a range of slots stands under a record of another part, or in quarantine (R13). */
bool reshard__target_leftovers(const struct reshard_node *node, const struct reshard__part *part);

/* ---- stream.c ---- */
void reshard__stream_open(
    struct reshard_node *node, struct reshard__part *part, struct reshard__order_id copy);
void reshard__stream_drop(struct reshard_node *node, struct reshard__part *part);
/* Number, export and send as far as window, budget and room allow. */
void reshard__stream_pump(struct reshard_node *node, struct reshard__part *part);
void reshard__stream_exported(struct reshard_node *node, struct reshard__part *part,
    struct reshard__chunk *chunk, const struct reshard_completion *completion);
void reshard__stream_acknowledged(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__message *message);
void reshard__stream_tick(struct reshard_node *node, struct reshard__part *part);
void reshard__stream_record(
    struct reshard_node *node, struct reshard__part *part, const uint8_t *bytes, size_t size);
/* The budget of the order, in bytes per second: of a copy, its tail, or a keywise walk. */
bool reshard__budget_allows(const struct reshard_node *node, const struct reshard__part *part);
void reshard__budget_charge(
    const struct reshard_node *node, struct reshard__part *part, uint64_t size);
/* Bytes captured or read and not yet applied at the target. */
uint64_t reshard__stream_lag(const struct reshard__part *part);
/* The owner lets go of a chunk; NULL is allowed. */
void reshard__chunk_drop(struct reshard_node *node, struct reshard__chunk *chunk);
void reshard__spares_free(struct reshard_node *node);
void reshard__chunk_release(struct reshard_node *node, struct reshard__chunk *chunk);
struct reshard__chunk *reshard__chunk_alloc(struct reshard_node *node, size_t capacity);

static inline bool reshard__order_none(struct reshard__order_id order)
{
    return order.term == 0 && order.n == 0;
}

#endif
