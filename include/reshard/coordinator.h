/* SPDX-License-Identifier: MIT */
/** @file coordinator.h
 * The coordinator: the one writer of the map's journal; it drives migrations through their
 * phases. Like a node it does nothing by itself: events in, actions out (SEND, APPEND, LOAD,
 * COMPACT). Its journal is the authority: whoever appends under the highest term is it.
 */
#ifndef RESHARD_COORDINATOR_H
#define RESHARD_COORDINATOR_H

#include <reshard/action.h>
#include <reshard/event.h>
#include <reshard/map.h>
#include <reshard/phase.h>
#include <reshard/plan.h>

RESHARD_BEGIN_DECLS

/** A coordinator. Opaque; one owner thread. */
struct reshard_coordinator;

/** What a coordinator is and how it drives. Zero fields mean the default beside them. */
struct reshard_coordinator_config {
    uint32_t struct_size;     /**< sizeof(struct reshard_coordinator_config) */
    uint32_t flags;           /**< 0 */
    reshard_node_id node;     /**< node whose address its messages carry, not 0 */
    uint64_t unique;          /**< id of this run: differs at every start, not 0 */
    uint32_t slot_count;      /**< RESHARD_SLOT_COUNT_DEFAULT */
    uint32_t in_flight_limit; /**< migrations that run at once: 64 */
    uint32_t attempt_limit;   /**< freezes before it is called not converging: 16 */
    uint32_t copy_limit;      /**< copies that may start over; one more aborts: 8 */
    uint64_t retry_ns;        /**< repeat an order: 200,000,000 */
    uint64_t freeze_ns;       /**< freeze budget of an attempt: 1,000,000,000 */
    uint64_t lag_size;        /**< freeze only when at most so many bytes lag: 1,048,576 */
    uint64_t backoff_ns;      /**< wait after a freeze that ran out, doubling: 100,000,000 */
    uint64_t linger_ns;       /**< keep the source's data after the flip: 0 */
    uint64_t bandwidth;       /**< bytes per second of one copy: 0 = no limit */
    struct reshard_allocator allocator; /**< all-zero = malloc */
    uint64_t converge_ns;     /**< not converging: a lag without new low for so long: 30 s */
    uint32_t compact_count;   /**< records after which the journal is compacted: 4,096 */
    uint32_t copies_in_limit; /**< copies that run at once into one shard, those whose writes
                                   pause included; others wait, prepared, so that no copy is in
                                   the way of another's freeze: 0 = no limit but in_flight_limit */
    uint64_t bandwidth_total; /**< bytes per second of all copies and walks together, divided
                                   equally among those that run and are not paused; what drains
                                   in a freeze, or goes back, is not held up: 0 = no limit */
    uint64_t gather_ns;       /**< RESHARD_MIGRATION_OPERATOR: a migration's end waits so long for
                                   another change to be appended with, and so long its opening
                                   and its end are told to those alone that have a part in it. An
                                   APPEND then carries all changes that wait, a record each:
                                   0 = nothing waits */
    uint64_t freeze_gather_ns; /**< a copy that has caught up waits so long, at most, for those that
                                   come into the same shard, so that writes pause once for all
                                   of them: 0 = it freezes at once */
};

/** A migration to be opened, for reshard_coordinator_open. */
struct reshard_migration_spec {
    uint32_t struct_size;     /**< sizeof(struct reshard_migration_spec) */
    uint32_t mode;            /**< RESHARD_MODE_* */
    reshard_shard_id source;  /**< owns all the slots */
    reshard_shard_id target;  /**< another shard, with a primary */
    uint32_t migration_flags; /**< RESHARD_MIGRATION_* */
    uint32_t priority;        /**< higher starts first */
    uint32_t range_count;     /**< items in ranges, > 0 */
    uint32_t reserved;        /**< 0 */
    const struct reshard_range *ranges; /**< borrowed for the call */
    uint64_t bandwidth;       /**< bytes per second; 0 = the config's */
};

/** Progress of one open migration. */
struct reshard_progress {
    uint32_t struct_size;           /**< sizeof(struct reshard_progress), set by the caller */
    uint32_t phase;                 /**< RESHARD_PHASE_* */
    reshard_migration_id migration; /**< its id */
    reshard_shard_id source;        /**< gives */
    reshard_shard_id target;        /**< gets */
    uint32_t mode;                  /**< RESHARD_MODE_* */
    uint32_t slot_count;            /**< slots it moves */
    uint64_t keys;                  /**< keys moved so far */
    uint64_t bytes;                 /**< bytes moved so far */
    uint64_t lag_size;              /**< bytes behind */
    uint64_t rate;                  /**< bytes per second, smoothed */
    uint64_t eta_ns;                /**< estimated drain of the lag; UINT64_MAX = unknown */
    uint32_t attempts;              /**< freezes so far */
    uint32_t copies;                /**< copies started */
    int32_t last_error;             /**< newest reason for a step back */
    uint32_t state;                 /**< RESHARD_RUN_* bits */
    uint64_t pause_ns;              /**< write pause of this attempt so far */
    uint64_t pause_total_ns;        /**< of all attempts */
    uint64_t started_ns;            /**< host's time at its opening, or at recovery */
};

/** Bits of a migration's state (field `state`). */
enum {
    RESHARD_RUN_PAUSED = 1,         /**< paused by the operator: no step forward */
    RESHARD_RUN_ABORTING = 2,       /**< the operator asked for an abort */
    RESHARD_RUN_NOT_CONVERGING = 4, /**< writes outrun the copy */
    RESHARD_RUN_FINISHING = 8,      /**< the linger time is cut short */
    RESHARD_RUN_WAITING = 16        /**< open, and not started: a limit is reached */
};

/** A job: a plan that a coordinator runs. 0 means none. Never reused by one coordinator. */
typedef uint64_t reshard_job_id;

/** How a plan is run, for reshard_coordinator_submit. */
struct reshard_job_spec {
    uint32_t struct_size; /**< sizeof(struct reshard_job_spec) */
    uint32_t flags;       /**< RESHARD_JOB_EXACT or 0 */
    uint32_t mode;        /**< RESHARD_MODE_* of its migrations */
    uint32_t priority;    /**< of its migrations: higher starts first */
    uint32_t retry_limit; /**< how often a batch that was reverted is tried again: 0 ... 255 */
    uint32_t reserved;    /**< 0 */
    uint64_t bandwidth;   /**< bytes per second of one copy; 0 = the config's */
    const struct reshard_batch_limits *limits; /**< borrowed for the call; NULL = none; open
                                                    migrations never exceed in_flight_limit */
};

/** Flags of a job. */
enum {
    RESHARD_JOB_EXACT = 1 /**< refuse a plan that was made for another version of the map */
};

/** Bits of a job's state (field `state`). */
enum {
    RESHARD_JOB_PAUSED = 1,   /**< no batch starts, its migrations are paused */
    RESHARD_JOB_ABORTING = 2, /**< no batch starts, what is not decided goes back */
    RESHARD_JOB_ENDED = 4,    /**< nothing of it is open, nothing will start */
    RESHARD_JOB_OVERTAKEN = 8 /**< some slots are neither at source nor at target any more */
};

/** Progress of a job. */
struct reshard_job_progress {
    uint32_t struct_size;  /**< sizeof(struct reshard_job_progress), set by the caller */
    uint32_t state;        /**< RESHARD_JOB_* bits */
    reshard_job_id job;    /**< its id */
    uint32_t batch_count;  /**< batches that the plan was cut into */
    uint32_t done_count;   /**< batches whose slots are at their target */
    uint32_t failed_count; /**< batches that were given up; last_error says why */
    uint32_t open_count;   /**< its migrations that are open */
    uint32_t slot_count;   /**< slots in all batches */
    uint32_t slots_done;   /**< of them at their target */
    int32_t last_error;    /**< newest reason why a batch was reverted or did not start */
    uint32_t reserved;     /**< 0 */
    uint64_t keys;         /**< keys moved by its migrations so far */
    uint64_t bytes;        /**< bytes moved by its migrations so far */
    uint64_t started_ns;   /**< host's time at its submission */
};

/** Who a message is for, where a process is both a node and a coordinator. */
enum {
    RESHARD_RECEIVER_NODE = 1,       /**< feed it to the node */
    RESHARD_RECEIVER_COORDINATOR = 2 /**< feed it to the coordinator */
};

/** Tell who a message is for, without checking it.
 * @param bytes [in] one whole message.
 * @param size [in] bytes.
 * @return RESHARD_RECEIVER_NODE, RESHARD_RECEIVER_COORDINATOR, or E_NULL, E_TRUNCATED, E_KIND.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_message_receiver(const uint8_t *bytes, size_t size);

/** Zero a config and set its struct_size.
 * @param config [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_coordinator_config_init(struct reshard_coordinator_config *config);

/** Zero a spec and set its struct_size.
 * @param spec [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_migration_spec_init(struct reshard_migration_spec *spec);

/** Zero a job's spec and set its struct_size.
 * @param spec [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_job_spec_init(struct reshard_job_spec *spec);

/** Make a coordinator.
 * @param config [in, copied] non-NULL.
 * @param coordinator_out [out] the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS, E_NODE, E_SLOT_COUNT,
 *   E_ARGUMENT, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_coordinator_create(const struct reshard_coordinator_config *config,
    struct reshard_coordinator **coordinator_out);

/** Free a coordinator. What it drove goes on under its successor.
 * @param coordinator [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API void reshard_coordinator_destroy(struct reshard_coordinator *coordinator);

/** Feed records of the journal: before start, in order; and again from the first for a LOAD. A call
 * that failed may be repeated with the same bytes.
 * @param coordinator [in,out] non-NULL.
 * @param bytes [in, borrowed for the call] one or more whole framed records.
 * @param size [in] bytes.
 * @return RESHARD_OK, or E_NULL, E_STATE (started, and no LOAD is under way), E_NOMEM,
 *   E_SLOT_COUNT (another map's), or a code of class data, or what reshard_map_apply says.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_restore(
    struct reshard_coordinator *coordinator, const uint8_t *bytes, size_t size);

/** Begin: take the next term. Sends nothing until that is known to be durable.
 * @param coordinator [in,out] not started.
 * @param now_ns [in] the host's time.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_start(
    struct reshard_coordinator *coordinator, uint64_t now_ns);

/** Feed one message from a node.
 * @param coordinator [in,out] started.
 * @param from [in] the sender, as the host's transport authenticated it.
 * @param bytes [in, borrowed for the call] one whole message.
 * @param size [in] bytes.
 * @param now_ns [in] the host's time.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_NOMEM, or a code of class data (nothing changed).
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_receive(struct reshard_coordinator *coordinator,
    reshard_node_id from, const uint8_t *bytes, size_t size, uint64_t now_ns);

/** Let time pass.
 * @param coordinator [in,out] started.
 * @param now_ns [in] the host's time.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_NOMEM (tick again).
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_tick(
    struct reshard_coordinator *coordinator, uint64_t now_ns);

/** When the next tick is due.
 * @param coordinator [in] non-NULL.
 * @return a time in nanoseconds; UINT64_MAX = no tick is needed.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint64_t reshard_coordinator_deadline(const struct reshard_coordinator *coordinator);

/** Change the map: nodes, shards, primaries, first owners. It is journalled, applied and told to
 * all nodes. Changes are taken in order; more may be asked for while one is under way.
 * @param coordinator [in,out] started.
 * @param change [in, copied] any kind but TERM and MIGRATION_*; version 0.
 * @return RESHARD_OK: queued; or what reshard_map_check says of it against the map and what is
 *   queued before it, E_LIMIT (1,024 are queued, or RESHARD_MAP_RETAINED_BYTES), E_FENCED, E_STATE,
 *   E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_change(
    struct reshard_coordinator *coordinator, const struct reshard_change *change);

/** Open a migration.
 * @param coordinator [in,out] started.
 * @param spec [in, copied] what moves where.
 * @param migration_out [out] its id. NULL allowed.
 * @return RESHARD_OK: queued; or E_NULL, E_MODE, E_SHARD, E_OWNER, E_OVERLAP, E_SLOT, E_NODE (a
 *   shard without primary), E_ARGUMENT, E_FLAGS, E_LIMIT, E_FENCED, E_STATE (it does not lead yet),
 *   E_NOMEM. The map journals neither priority nor bandwidth: a successor has the config's.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_open(struct reshard_coordinator *coordinator,
    const struct reshard_migration_spec *spec, reshard_migration_id *migration_out);

/** Ask for an abort. It competes with the commit: the event END tells which won.
 * @param coordinator [in,out] started.
 * @param migration [in] an open one.
 * @return RESHARD_OK, or E_NULL, E_MIGRATION, E_DECIDED (committed), E_STATE (it does not lead yet,
 *   or the opening is not durable yet), E_FENCED, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_abort(
    struct reshard_coordinator *coordinator, reshard_migration_id migration);

/** Pause: it stays in its phase, a freeze is ended; data stops flowing. Resume: it goes on. The
 * map does not journal it: a successor recovers the migration from PREPARE and goes on, unless it
 * is told to pause again, which it takes as soon as it leads. A host whose pauses must outlive its
 * coordinator keeps the list of them and repeats it then.
 * @param coordinator [in,out] started.
 * @param migration [in] an open one.
 * @param paused [in] 1 = pause, 0 = resume.
 * @return RESHARD_OK, or E_NULL, E_MIGRATION, E_DECIDED, E_ARGUMENT, E_STATE, E_FENCED, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_pause(
    struct reshard_coordinator *coordinator, reshard_migration_id migration, uint32_t paused);

/** Finish: cut the linger time short. One under RESHARD_MIGRATION_OPERATOR leaves MOVE only after
 * this, once its source holds no key of the slots; a successor has to be told again.
 * @param coordinator [in,out] started.
 * @param migration [in] an open one.
 * @return RESHARD_OK, or E_NULL, E_MIGRATION, E_STATE, E_FENCED, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_finish(
    struct reshard_coordinator *coordinator, reshard_migration_id migration);

/** Progress of an open migration.
 * @param coordinator [in] non-NULL.
 * @param migration [in] an open one.
 * @param progress_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_MIGRATION, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_coordinator_progress(const struct reshard_coordinator *coordinator,
    reshard_migration_id migration, struct reshard_progress *progress_out);

/** Run a plan: its batches become migrations as the limits allow, bottleneck first. What is done
 * and what is in flight is read off the map, so that a plan may be submitted again to a
 * successor, who knows no jobs. A move without source (a fix) becomes an ASSIGN.
 * @param coordinator [in,out] leading.
 * @param plan [in] of a map with the same slot_count; may be destroyed afterwards.
 * @param spec [in, copied] how.
 * @param job_out [out] its id, to be closed by reshard_coordinator_job_close. NULL allowed.
 * @return RESHARD_OK: it runs, and ends with the event JOB; or E_NULL, E_STRUCT_SIZE,
 *   E_STRUCT_TAIL, E_FLAGS, E_MODE, E_ARGUMENT, E_SLOT_COUNT, E_PLAN (RESHARD_JOB_EXACT),
 *   E_STATE, E_FENCED, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_submit(struct reshard_coordinator *coordinator,
    const struct reshard_plan *plan, const struct reshard_job_spec *spec, reshard_job_id *job_out);

/** Abort a job: no more batches, and an abort of each of its migrations that is not decided.
 * @param coordinator [in,out] started.
 * @param job [in] one that was not closed.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (no such job), E_STATE (ended, or it does not lead),
 *   E_FENCED, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_job_abort(
    struct reshard_coordinator *coordinator, reshard_job_id job);

/** Pause a job and each of its migrations that can be, or let them go on. Like the job itself, it
 * ends with the coordinator: see reshard_coordinator_pause.
 * @param coordinator [in,out] started.
 * @param job [in] one that was not closed.
 * @param paused [in] 1 = pause, 0 = resume.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (no such job, paused), E_STATE (ended, or it does not
 *   lead), E_FENCED, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_job_pause(
    struct reshard_coordinator *coordinator, reshard_job_id job, uint32_t paused);

/** Forget a job. Its open migrations go on.
 * @param coordinator [in,out] started.
 * @param job [in] one that was not closed.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (no such job), E_STATE, E_FENCED, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_job_close(
    struct reshard_coordinator *coordinator, reshard_job_id job);

/** Progress of a job.
 * @param coordinator [in] non-NULL.
 * @param job [in] one that was not closed.
 * @param progress_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (no such job), E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_coordinator_job_progress(const struct reshard_coordinator *coordinator,
    reshard_job_id job, struct reshard_job_progress *progress_out);

/** Pull the next action. A coordinator that was superseded has none.
 * @param coordinator [in,out] non-NULL.
 * @param action_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_EMPTY, E_NULL, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_coordinator_action_next(
    struct reshard_coordinator *coordinator, struct reshard_action *action_out);

/** Complete an action.
 * @param coordinator [in,out] non-NULL.
 * @param id [in] of an action that was pulled and not completed.
 * @param completion [in] how it ended; NULL = RESHARD_OK and nothing else.
 * @param now_ns [in] the host's time.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT, E_STRUCT_SIZE, E_STRUCT_TAIL, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_coordinator_complete(struct reshard_coordinator *coordinator,
    uint64_t id, const struct reshard_completion *completion, uint64_t now_ns);

/** Pull the next event.
 * @param coordinator [in,out] non-NULL.
 * @param event_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_EMPTY, E_NULL, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_coordinator_event_next(
    struct reshard_coordinator *coordinator, struct reshard_event *event_out);

/** The map: what the journal holds.
 * @param coordinator [in] non-NULL.
 * @return borrowed until the next call that feeds the coordinator; never NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API const struct reshard_map *reshard_coordinator_map(
    const struct reshard_coordinator *coordinator);

/** Whether its term is durable and no higher one is known.
 * @param coordinator [in] non-NULL.
 * @return 1 it drives, 0 not yet, E_FENCED it was superseded, E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_coordinator_leads(const struct reshard_coordinator *coordinator);

/** Digest of the state. For tests and simulators.
 * @param coordinator [in] non-NULL.
 * @param digest_out [out] the digest.
 * @return RESHARD_OK, or E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_coordinator_digest(
    const struct reshard_coordinator *coordinator, struct reshard_digest *digest_out);

RESHARD_END_DECLS

#endif
