/* SPDX-License-Identifier: MIT */
/* Room coordinator (floor 6): the one writer of the journal; drives migrations.
 *
 * Guarantees: it acts on what the journal holds, never on what it asked for (R2); it sends nothing
 * before its term is durable with its own id (R1); it counts a report only for its current order,
 * from the shard's current primary (R5).
 *
 * Files: coordinator.c inputs; ledger.c the journal; restore.c what is read of it; runs.c phases;
 * orders.c what is sent; reports.c what participants say, classified; peers.c the map's way out;
 * control.c what operators ask; jobs.c plans that are run; observe.c.
 */
#ifndef RESHARD_COORDINATOR_COORDINATOR_H
#define RESHARD_COORDINATOR_COORDINATOR_H

#include "base/gate.h"
#include "phase/phase.h"
#include "wire/own_journal.h"
#include <reshard/coordinator.h>

/* What a side last said under the current order. */
struct reshard__side {
    bool counted;
    uint32_t result;
    struct reshard__order_id copy;
    uint64_t attempt;
    uint64_t final_sequence;
    uint64_t epoch;
    struct reshard_digest digest;
};

/* One open migration. */
struct reshard__run {
    reshard_migration_id migration;
    uint32_t phase; /* assigned in reshard__phase_enter alone */
    uint32_t row;   /* of the transition table: the one that led to the phase */
    uint32_t mode;
    reshard_shard_id shards[2]; /* source, target */
    uint32_t slot_count;
    uint32_t priority;
    uint64_t bandwidth;
    uint64_t budget; /* bytes per second that the newest order named, 0 = no limit */
    bool waiting; /* open, and behind the limit of migrations in flight */
    uint32_t state; /* RESHARD_RUN_* but WAITING */
    uint32_t migration_flags;
    uint64_t job;   /* that opened it, 0 = none ... */
    uint32_t batch; /* ... as its batch */
    struct reshard__order_id order;
    uint64_t map_version; /* that orders rest on */
    struct reshard__order_id copy;
    uint64_t attempt;
    struct reshard__side sides[2];
    uint64_t epochs[2];    /* of the shards, when the order was made */
    uint64_t sent_ns;      /* when the order was sent last */
    uint64_t entered_ns;   /* when the phase was entered */
    uint64_t not_before_ns; /* freeze no earlier: back-off */
    uint64_t backoff_ns;
    bool caught; /* CATCHUP: what lags fits a freeze, as far as is known */
    bool queued; /* the change that the phase brings is on its way: COMMIT, ABORT, END */
    uint32_t attempts;
    uint32_t copies;
    int32_t last_error;
    uint64_t keys;
    uint64_t bytes;
    uint64_t lag_bytes;
    uint64_t lag_low;    /* lowest lag of this CATCHUP ... */
    uint64_t lag_low_ns; /* ... and since when there was no lower one */
    uint64_t rate;
    uint64_t rate_ns;
    uint64_t rate_bytes;
    uint64_t pause_ns;       /* of this attempt, as the source last said */
    uint64_t pause_total_ns; /* of earlier attempts */
    uint64_t started_ns;
};

/* A node that is told of the map. */
struct reshard__peer {
    reshard_node_id node;
    reshard_shard_id shard;
    uint64_t boot;
    uint64_t told; /* map version that was sent last */
};

/* Bytes that several sends share. */
struct reshard__shared {
    uint32_t references;
    size_t size;
    uint8_t data[];
};

/* The journal. One change is on its way at a time; `next` holds those that wait behind it. */
struct reshard__ledger {
    struct reshard__journal journal;
    uint64_t waiting_size; /* bytes that `next` retains of what waits */
    uint64_t version;      /* of the map behind what is being appended */
    uint64_t gather_ns;    /* what waits waits until then for another change, 0 = it does not */
};

/* A plan that is run. */
struct reshard__job {
    reshard_job_id job;
    uint32_t state; /* RESHARD_JOB_* */
    struct reshard_job_spec spec;
    struct reshard_batches *batches;
    uint32_t batch_count;
    uint32_t slot_count;
    uint32_t done_count;
    uint32_t failed_count;
    uint32_t slots_done;
    int32_t last_error;
    uint64_t keys; /* of migrations that are closed */
    uint64_t bytes;
    uint64_t started_ns;
    uint16_t *tries; /* by batch: how often it was reverted */
    uint8_t *skip;   /* by batch: given up */
};

struct reshard_coordinator {
    struct reshard__mem mem;
    struct reshard_coordinator_config config;
    struct reshard__outbox outbox;
    struct reshard_map *map;  /* what is durable */
    struct reshard_map *next; /* and what waits to be appended */
    struct reshard__ledger ledger;
    struct reshard__gate gate; /* ended = RESHARD_E_FENCED: a higher term took over */
    bool leads;
    uint64_t now_ns;
    uint64_t term;
    uint64_t beat_ns; /* when the map's version is told again */
    uint64_t tell_ns; /* when all are told what some were not told yet; UINT64_MAX = all were */
    struct reshard__run *runs; /* ascending ids */
    size_t run_count;
    size_t run_capacity;
    size_t copy_count; /* runs that share the total bandwidth ... */
    bool shares_due;   /* ... and some of them have not heard of their new share */
    bool copies_due;   /* a phase was entered that may let another copy, or freeze */
    bool peers_stale; /* no memory to follow the map's nodes */
    struct reshard__job *jobs;
    size_t job_count;
    size_t job_capacity;
    uint64_t job_last;
    bool jobs_due; /* something happened that may let a batch start ... */
    uint64_t jobs_at_ns; /* ... or it is time to look again */
    struct reshard__peer *peers; /* ascending ids, as the map has them */
    size_t peer_count;
    size_t peer_capacity;
    struct reshard__scratch scratch;
};

/* ---- ledger.c ---- */
/* Queue a change: checked against all that is queued before it. */
int32_t reshard__ledger_queue(
    struct reshard_coordinator *coordinator, const struct reshard_change *change);
/* Append the next queued change, if the journal is free. */
void reshard__ledger_flush(struct reshard_coordinator *coordinator);
/* The change that was queued last, when it is the only one, waits a while for another. */
void reshard__ledger_complete(struct reshard_coordinator *coordinator, uint32_t kind,
    const struct reshard_completion *completion);

/* ---- restore.c ---- */
int32_t reshard__ledger_restore(
    struct reshard_coordinator *coordinator, const uint8_t *bytes, size_t size);

/* ---- runs.c ---- */
struct reshard__run *reshard__run_find(
    const struct reshard_coordinator *coordinator, reshard_migration_id migration);
/* A run for an open migration of `next`, in phase NONE. Room must have been made. */
struct reshard__run *reshard__run_add(
    struct reshard_coordinator *coordinator, const struct reshard_map_migration *migration);
int32_t reshard__runs_reserve(struct reshard_coordinator *coordinator, size_t count);
void reshard__run_remove(struct reshard_coordinator *coordinator, struct reshard__run *run);
void reshard__phase_enter(
    struct reshard_coordinator *coordinator, struct reshard__run *run, uint32_t phase);
/* Give an event to the table and act on the row. Returns RESHARD__STEP_*. */
uint32_t reshard__run_step(struct reshard_coordinator *coordinator, struct reshard__run *run,
    enum reshard__event event);
void reshard__runs_recover(struct reshard_coordinator *coordinator);
/* Start what waits, by priority, as the limit allows. */
void reshard__runs_start(struct reshard_coordinator *coordinator);
/* Whether as many copies run into the target as may: one that is frozen counts, too, one that waits
 * for others does not. */
bool reshard__copy_waits(
    const struct reshard_coordinator *coordinator, const struct reshard__run *run);
/* Whether another copy is on its way into the target: writes are to pause once for both. */
bool reshard__freeze_waits(
    const struct reshard_coordinator *coordinator, const struct reshard__run *run);
/* Lead on whatever waited for another run. */
void reshard__copies_follow(struct reshard_coordinator *coordinator);
void reshard__run_tick(struct reshard_coordinator *coordinator, struct reshard__run *run);
/* A change became durable. */
void reshard__runs_follow(
    struct reshard_coordinator *coordinator, const struct reshard_change *change);
void reshard__run_tell(struct reshard_coordinator *coordinator, uint32_t kind,
    const struct reshard__run *run, int32_t status, uint64_t value);

/* ---- orders.c ---- */
struct reshard_map_shard reshard__shard_of(
    const struct reshard_coordinator *coordinator, reshard_shard_id id);
/* Send the current order to the participants that it concerns (R6). */
void reshard__order_send(struct reshard_coordinator *coordinator, struct reshard__run *run);
/* Count the runs that copy; their shares change with it. */
void reshard__shares_follow(struct reshard_coordinator *coordinator);
/* Order anew those whose share has changed. */
void reshard__shares_send(struct reshard_coordinator *coordinator);

/* ---- control.c ---- */
int32_t reshard__migration_open(struct reshard_coordinator *coordinator,
    const struct reshard_migration_spec *spec, struct reshard__run **run_out);
int32_t reshard__run_abort(struct reshard_coordinator *coordinator, struct reshard__run *run);
int32_t reshard__run_pause(
    struct reshard_coordinator *coordinator, struct reshard__run *run, bool paused);

/* ---- jobs.c ---- */
/* Start what batches may start, end what is over. */
void reshard__jobs_pump(struct reshard_coordinator *coordinator);
/* A migration was closed. */
void reshard__jobs_follow(struct reshard_coordinator *coordinator, const struct reshard__run *run);
void reshard__jobs_free(struct reshard_coordinator *coordinator);

/* ---- reports.c ---- */
void reshard__report_receive(struct reshard_coordinator *coordinator, reshard_node_id from,
    const struct reshard__message *message);
/* Whether what was reported so far leads on; acts on it. */
void reshard__run_classify(struct reshard_coordinator *coordinator, struct reshard__run *run);

/* ---- peers.c ---- */
int32_t reshard__peers_follow(struct reshard_coordinator *coordinator);
void reshard__peers_tell(struct reshard_coordinator *coordinator);
void reshard__peers_tell_shards(
    struct reshard_coordinator *coordinator, reshard_shard_id source, reshard_shard_id target);
void reshard__peers_beat(struct reshard_coordinator *coordinator);
int32_t reshard__hello_receive(struct reshard_coordinator *coordinator, reshard_node_id from,
    const struct reshard__message *message);
void reshard__shared_release(
    struct reshard_coordinator *coordinator, struct reshard__shared *shared);

#endif
