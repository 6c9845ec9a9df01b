/* SPDX-License-Identifier: MIT */
/** @file sim.h
 * libreshard-sim: a whole cluster in one thread and in virtual time, driven by a script or by a
 * seed: coordinators, nodes, clients, a network and disks that fail as told. Same inputs, same
 * transcript, byte for byte. The script language stands in tests/scenario/README.md.
 */
#ifndef RESHARD_SIM_H
#define RESHARD_SIM_H

#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** A simulated cluster. Opaque; one owner thread. */
struct reshard_sim;

/** Hosts that break their contract on purpose, to show that a checker fires. */
enum {
    RESHARD_SABOTAGE_NONE = 0,
    RESHARD_SABOTAGE_FENCE = 1,      /**< FENCE completes while admitted requests still run */
    RESHARD_SABOTAGE_SYNC = 2,       /**< SYNC answers what is not durable */
    RESHARD_SABOTAGE_RECORD = 3,     /**< captured writes are not recorded */
    RESHARD_SABOTAGE_PURGE = 4,      /**< PURGE deletes nothing */
    RESHARD_SABOTAGE_DISCARD = 5,    /**< DISCARD drops nothing */
    RESHARD_SABOTAGE_DIGEST = 6,     /**< DIGEST compares nothing */
    RESHARD_SABOTAGE_JOURNAL = 7,    /**< a node's APPEND answers what is not durable */
    RESHARD_SABOTAGE_FENCE_TERM = 8, /**< the authority lets lower terms write */
    RESHARD_SABOTAGE_ROUTE = 9,      /**< requests are executed whatever the verdict */
    RESHARD_SABOTAGE_MAP = 10,       /**< a node starts with a map that nobody decided */
    RESHARD_SABOTAGE_WAKE = 11,      /**< parked requests are forgotten */
    RESHARD_SABOTAGE_CORRUPT = 12,   /**< damaged messages are counted as sound ones */
    RESHARD_SABOTAGE_DEPOSE = 13,    /**< a deposed primary goes on as if nothing had happened */
    RESHARD_SABOTAGE_APPLY = 14,     /**< APPLY answers and stores nothing */
    RESHARD_SABOTAGE_CLOCK = 15,     /**< a host that is due never tells its engine the time */
    RESHARD_SABOTAGE_EXPIRY = 16,    /**< keys whose time has come stay */
    RESHARD_SABOTAGE_FOLLOW = 17,    /**< a hold counts as durable that no replica has */
    RESHARD_SABOTAGE_ORDER = 18,     /**< no host: a search takes it that moves look at nothing */
    RESHARD_SABOTAGE_READS = 19,     /**< replicas acknowledge while reads admitted before run */
    RESHARD_SABOTAGE_DEATH = 20,     /**< no host: the simulation dies where a source holds */
    RESHARD_SABOTAGE_COUNT = 21      /**< one more than the highest */
};

/** Takes a piece of the transcript.
 * @param user_data [in] as given.
 * @param text [in, borrowed for the call] whole lines, not NUL-terminated.
 * @param size [in] bytes.
 */
typedef void (*reshard_sim_print)(void *user_data, const char *text, size_t size);

/** How a run ended. */
struct reshard_sim_report {
    uint32_t struct_size;      /**< sizeof(struct reshard_sim_report), set by the caller */
    uint32_t line;             /**< scenario: line that failed, 0 = none */
    uint32_t violated;         /**< 1 = an invariant broke */
    uint32_t failed;           /**< 1 = an expectation or a statement failed */
    char checker[32];          /**< which invariant, NUL-terminated */
    uint64_t steps;            /**< things that happened */
    uint64_t faults;           /**< injected */
    uint64_t requests;         /**< answered to clients */
    uint64_t operations;       /**< that clients began */
    uint64_t migrations;       /**< that were opened */
    uint64_t virtual_ns;       /**< time that passed inside */
    uint64_t transcript;       /**< XXH3-64 of the transcript */
    uint64_t decision_count;   /**< decisions other than "nothing special" */
    uint64_t rows[96];         /**< how often each row of the transition table was taken */
    uint64_t digest;           /**< XXH3-64 of all that happened: times, messages, answers */
    uint64_t allocations;      /**< that engines asked for */
    uint64_t hook_calls;       /**< actions that hosts were asked to do */
    uint64_t complaints;       /**< calls that failed for want of memory, and events HOOK_FAILED */
    uint64_t gathered;         /**< times that the coordinators' journal took several records */
};

/** Zero a report and set its struct_size.
 * @param report [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_sim_report_init(struct reshard_sim_report *report);

/** Run a scenario.
 * @param text [in, borrowed for the call] the script.
 * @param size [in] bytes.
 * @param print [in] takes the transcript; NULL allowed.
 * @param print_data [in] handed to print.
 * @param report_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK when it ran to its end, whatever the report says; or E_NULL, E_STRUCT_SIZE,
 *   E_SYNTAX (report_out->line tells where).
 * Calls: print.  Allocates: yes; a simulator without memory ends the process.  Threads: any.
 *   Re-entry: no.
 */
RESHARD_API int32_t reshard_sim_scenario(const char *text, size_t size, reshard_sim_print print,
    void *print_data, struct reshard_sim_report *report_out);

/** Run a scenario and write its event log: one JSON object a line, the seed's first. Every object
 * has `type`, and all but the first `t`, in virtual nanoseconds: seed, host (a process came up,
 * went down, froze), message (t sent, at arrives), lost, migration, phase, event, owners (runs of
 * first, last, shard, migration that are not what was told before), request, say (a line of the
 * transcript), violation, end.
 * @param text [in, borrowed for the call] the script.
 * @param size [in] bytes.
 * @param print [in] takes the transcript; NULL allowed.
 * @param print_data [in] handed to print.
 * @param log [in] takes the log, a line a call; NULL allowed.
 * @param log_data [in] handed to log.
 * @param report_out [in,out] its struct_size is set by the caller.
 * @return as reshard_sim_scenario().
 * Calls: print, log.  Allocates: yes, as reshard_sim_scenario() does.  Threads: any.  Re-entry: no.
 */
RESHARD_API int32_t reshard_sim_scenario_log(const char *text, size_t size,
    reshard_sim_print print, void *print_data, reshard_sim_print log, void *log_data,
    struct reshard_sim_report *report_out);

enum { RESHARD_SIM_MOMENT_BITS = 12 }; /**< of a decision's ordinal */

/** One decision that was not "nothing special". */
struct reshard_sim_decision {
    uint32_t kind;    /**< what was decided on */
    uint32_t value;   /**< what was decided, from 1 */
    uint64_t ordinal; /**< virtual ns << RESHARD_SIM_MOMENT_BITS, and how many came before then */
};

/** Counts of faults: as many for each mode and phase; see reshard_sim_cell(). */
enum { RESHARD_SIM_CELLS = 2048 };

struct reshard_sim_store; /* store.h */

enum {
    RESHARD_SIM_CLIENTS = 3,     /**< of a random run */
    RESHARD_SIM_OPERATIONS = 128 /**< of each, at most */
};

struct reshard_sim_swarm;

/** Runs what a shrinking tries, in a way of its own: in another process, when the failure is that
 * the process dies.
 * @param user_data [in] trial_data.
 * @param swarm [in, borrowed for the call] what to run.
 * @param report_out [in,out] an initialised report; on return that of the run, with `violated` and
 *   `checker` as the hook judges it.
 * @return RESHARD_OK when it ran.
 */
typedef int32_t (*reshard_sim_trial)(void *user_data, const struct reshard_sim_swarm *swarm,
    struct reshard_sim_report *report_out);

/** A random run: everything follows from the seed, or from the seed and a list of decisions. */
struct reshard_sim_swarm {
    uint32_t struct_size; /**< sizeof(struct reshard_sim_swarm) */
    uint32_t mode;        /**< RESHARD_MODE_*; 0 = as the seed says */
    uint64_t seed;        /**< sizes, load and faults */
    uint32_t sabotage;    /**< bits 1 << RESHARD_SABOTAGE_* */
    uint32_t replay;      /**< 1 = decide by `decisions`, 0 = at random */
    uint32_t trace;       /**< 1 = messages, 2 = actions too */
    uint32_t focus;       /**< RESHARD_PHASE_*: while a migration is in it much more strikes, and
                               it lasts; 0 = as the seed says */
    const struct reshard_sim_decision *decisions; /**< replay: ascending within a kind */
    uint64_t decision_count;                      /**< items */
    reshard_sim_print log; /**< takes the event log; NULL = none */
    void *log_data;        /**< handed to log */
    uint32_t key_limit;       /**< keys, at most; UINT32_MAX = as many as the seed says */
    uint32_t node_limit;      /**< primaries, likewise, from 2 */
    uint32_t replica_limit;   /**< replicas, likewise */
    uint32_t chaos_limit_ms;  /**< how long faults happen, in virtual time, likewise */
    uint32_t calm_limit_ms;   /**< how soon everything must end after that, likewise */
    uint64_t step_limit;      /**< steps, at most: the run ends there, and holds */
    uint64_t *cells;       /**< RESHARD_SIM_CELLS counts, added to; NULL = none */
    const struct reshard_sim_store *store; /**< the nodes' store; NULL = the built-in one */
    /** By client, a bit for each of its operations: 1 = it is left out, the others stay. */
    uint64_t skipped[RESHARD_SIM_CLIENTS][RESHARD_SIM_OPERATIONS / 64];
    uint64_t unread; /**< likewise by key, the first 64: nobody reads it once all has ended */
    reshard_sim_trial trial; /**< shrinking: runs what is tried; NULL = reshard_sim_swarm_run() */
    void *trial_data;        /**< handed to trial */
};

/** Zero a swarm, set its struct_size, and limit nothing.
 * @param swarm [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_sim_swarm_init(struct reshard_sim_swarm *swarm);

/** Run one seed: a cluster under load, migrations, operators and faults; then the faults stop and
 * everything must come to its end, with nothing lost.
 * @param swarm [in, borrowed for the call] what to run.
 * @param print [in] takes the transcript; NULL allowed.
 * @param print_data [in] handed to print.
 * @param decisions_out [out] what was decided; NULL allowed.
 * @param capacity [in] room in decisions_out.
 * @param report_out [in,out] its struct_size is set by the caller; decision_count may be above
 *   capacity. Its figures and decisions_out are kept up while it runs: of a process that dies,
 *   memory that it shared tells how far it was.
 * @return RESHARD_OK when it ran, whatever the report says; or E_NULL, E_STRUCT_SIZE,
 *   E_HOOK_MISSING (of the store).
 * Calls: print, the store.  Allocates: yes.  Threads: any.  Re-entry: no.
 */
RESHARD_API int32_t reshard_sim_swarm_run(const struct reshard_sim_swarm *swarm,
    reshard_sim_print print, void *print_data, struct reshard_sim_decision *decisions_out,
    uint64_t capacity, struct reshard_sim_report *report_out);

/** How much somebody who reads a run has to follow.
 * @param report [in] of a run.
 * @return faults that struck (decisions other than "nothing special": messages lost, delayed or
 *   repeated, crashes, an operator's wishes ...), operations that clients began, and migrations
 *   that were opened. 0 for NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint64_t reshard_sim_report_events(const struct reshard_sim_report *report);

/** Make a failure smaller: take decisions and clients' operations away, and lower the swarm's
 * limits, as long as the same checker still fires. A few thousand runs at most.
 * @param swarm [in,out] a failing run; its limits are lowered, its `skipped` and `unread` grow.
 * @param decisions [in,out] its decisions; on return the fewest that were found.
 * @param count [in,out] items.
 * @param checker [in] the checker that must fire, NUL-terminated.
 * @return RESHARD_OK, or E_NULL, E_STATE (it does not fire to begin with).
 * Calls: the swarm's trial.  Allocates: yes.  Threads: any.  Re-entry: no.
 */
RESHARD_API int32_t reshard_sim_shrink(struct reshard_sim_swarm *swarm,
    struct reshard_sim_decision *decisions, uint64_t *count, const char *checker);

/** Name of a fault of the catalogue.
 * @param fault [in] from 0.
 * @return such as "crash-source"; NULL behind the last. Static.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_sim_fault(uint32_t fault);

/** Place of a count: how often a fault met a migration of this mode in this phase.
 * @param fault [in] as reshard_sim_fault().
 * @param mode [in] RESHARD_MODE_*.
 * @param phase [in] RESHARD_PHASE_*.
 * @return an index below RESHARD_SIM_CELLS; RESHARD_SIM_CELLS where no such count exists.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_sim_cell(uint32_t fault, uint32_t mode, uint32_t phase);

/** Label of a row of the transition table.
 * @param row [in] 0 <= row < 96.
 * @return such as "T12"; NULL where no such row exists. Static.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_sim_row(uint32_t row);

RESHARD_END_DECLS

#endif
