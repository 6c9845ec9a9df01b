/* SPDX-License-Identifier: MIT */
/** @file search.h
 * Exhaustive search of small simulated worlds: in every order that is possible, with every fault
 * that a configuration allows, the real engines do what they do, and invariants are checked after
 * every step.
 */
#ifndef RESHARD_SIM_SEARCH_H
#define RESHARD_SIM_SEARCH_H

#include <reshard-sim/sim.h>

RESHARD_BEGIN_DECLS

/** Takes how far a search is, every 1,024 states: `done` were left by all their moves, `found` were
 * met so far, `least` are there at least. Calls no function of this library. */
typedef void (*reshard_sim_progress)(
    void *user_data, uint64_t done, uint64_t found, uint64_t least);

/** An exhaustive search of one small world: every order of what can happen in it, with every fault
 * that its configuration allows. */
struct reshard_sim_search {
    uint32_t struct_size; /**< sizeof(struct reshard_sim_search) */
    uint32_t sabotage;    /**< bits 1 << RESHARD_SABOTAGE_* */
    const char *name;     /**< of the configuration: reshard_sim_search_name() */
    uint64_t state_limit; /**< give up above so many states; 0 = never */
    uint64_t verify;      /**< see of every so many worlds that are met again whether they lead
                               where they led before, and of every so many transitions that were
                               not made where they lead; 0 = never */
    const struct reshard_sim_decision *decisions; /**< replay: moves; ordinal = what it is about */
    uint64_t decision_count;                      /**< items */
    reshard_sim_print log; /**< replay: takes the event log; NULL = none */
    void *log_data;        /**< handed to log */
    uint32_t trace;        /**< replay: 1 = messages when they are sent, 2 = actions too */
    uint32_t idle;         /**< 1 = decide also when a message arrives that can change nothing
                               whenever it does: many times as many states, and the same ends */
    reshard_sim_progress progress; /**< search: told how far it is; NULL = nobody */
    void *progress_data;           /**< handed to progress */
    uint32_t tell;     /**< search: 1 = before each move decisions_out and decision_count tell the
                            way to it: of a process that dies, memory that it shared has it */
    uint32_t reserved; /**< 0 */
};

/** What came out. */
struct reshard_sim_search_report {
    uint32_t struct_size;     /**< sizeof(struct reshard_sim_search_report), set by the caller */
    uint32_t violated;        /**< 1 = an invariant broke */
    char checker[32];         /**< which one; "stuck": from some state no end is reachable */
    uint32_t closed;          /**< 1 = there are no other states */
    uint32_t reserved;        /**< 0 */
    uint64_t states;          /**< distinct ones */
    uint64_t transitions;     /**< moves between them */
    uint64_t ends;            /**< states in which everything has ended */
    struct reshard_digest ends_digest; /**< of them all, whatever their order */
    uint64_t dead;            /**< states from which no end is reachable */
    uint64_t depth;           /**< moves to the state that was found last */
    uint64_t verified;        /**< worlds that were met again and led to the same states */
    uint64_t decision_count;  /**< moves of the shortest way to the violation */
    uint64_t states_min;      /**< fewer states: the search lost something */
    uint64_t transitions_min; /**< fewer transitions: the same */
    uint64_t recalled;        /**< transitions that were not made: their moves had been, in worlds
                                   that had all in common that these look at */
};

/** Zero a search and set its struct_size.
 * @param search [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_sim_search_init(struct reshard_sim_search *search);

/** Zero a report and set its struct_size.
 * @param report [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_sim_search_report_init(struct reshard_sim_search_report *report);

/** Name of a configuration.
 * @param index [in] from 0.
 * @return its name; NULL behind the last one. Static.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_sim_search_name(uint32_t index);

/** Search a configuration, breadth first: the way to a violation is a shortest one.
 * @param search [in, borrowed for the call] what to search.
 * @param decisions_out [out] that way; NULL allowed.
 * @param capacity [in] room in decisions_out.
 * @param report_out [in,out] its struct_size is set by the caller; decision_count may be above
 *   capacity; see `tell`.
 * @return RESHARD_OK when it ran, whatever the report says; or E_NULL, E_STRUCT_SIZE, E_ARGUMENT
 *   (no such configuration), E_NOMEM.
 * Calls: the search's progress.  Allocates: yes, up to some hundred bytes a state.
 * Threads: any.  Re-entry: no.
 */
RESHARD_API int32_t reshard_sim_search_run(const struct reshard_sim_search *search,
    struct reshard_sim_decision *decisions_out, uint64_t capacity,
    struct reshard_sim_search_report *report_out);

/** Go such a way again, and tell what happens on it.
 * @param search [in, borrowed for the call] the configuration, and the decisions.
 * @param print [in] takes the transcript; NULL allowed.
 * @param print_data [in] handed to print.
 * @param report_out [in,out] its struct_size is set by the caller: violated, checker, depth.
 * @return as reshard_sim_search_run(); E_ARGUMENT also for a decision that is not possible there.
 * Calls: print, and the search's log.  Allocates: yes.  Threads: any.  Re-entry: no.
 */
RESHARD_API int32_t reshard_sim_search_replay(const struct reshard_sim_search *search,
    reshard_sim_print print, void *print_data, struct reshard_sim_search_report *report_out);

RESHARD_END_DECLS

#endif
