/* SPDX-License-Identifier: MIT */
/** @file linear.h
 * Whether what clients saw of one key could have been shown by one copy of it: linearizability of a
 * register with reads, writes and removals. Wing and Gong (1993), Testing and Verifying Concurrent
 * Objects; Lowe (2017), Testing for Linearizability. Knows nothing of the simulator: feed it the
 * history of any store, key by key.
 */
#ifndef RESHARD_SIM_LINEAR_H
#define RESHARD_SIM_LINEAR_H

#include <reshard/phase.h>
#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** The value of a key that is absent. */
#define RESHARD_LINEAR_ABSENT UINT64_C(0)
/** `returned` of an operation without an answer: it took effect at any later time, or never. */
#define RESHARD_LINEAR_OPEN UINT64_MAX

/** One operation, as its client saw it. */
struct reshard_linear_operation {
    uint32_t op;       /**< RESHARD_OP_* */
    uint32_t reserved; /**< 0 */
    uint64_t value;    /**< WRITE: written; READ: read, or RESHARD_LINEAR_ABSENT; REMOVE: ignored */
    uint64_t invoked;  /**< when it began, on any one clock */
    uint64_t returned; /**< when it was answered, >= invoked; or RESHARD_LINEAR_OPEN */
};

/** How to check. Zero means a default. */
struct reshard_linear_config {
    uint32_t struct_size; /**< sizeof(struct reshard_linear_config) */
    uint32_t reserved;    /**< 0 */
    uint64_t initial;     /**< value before the first operation */
    uint64_t states_size; /**< bytes that remembered states may take; default 64 MiB */
    uint64_t step_limit;  /**< steps before it gives up; 0 = none */
    const struct reshard_allocator *allocator; /**< NULL = libc's; lent for the call */
};

/** What came out. */
struct reshard_linear_report {
    uint32_t struct_size; /**< sizeof(struct reshard_linear_report), set by the caller */
    uint32_t linear;      /**< 1 = one copy could have shown it */
    uint64_t steps;       /**< operations tried */
    uint64_t states;      /**< states remembered */
    uint64_t stuck;       /**< not linear: index of the answered operation that the search came
                               furthest to and found no place for */
};

/** Zero a config and set its struct_size.
 * @param config [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_linear_config_init(struct reshard_linear_config *config);

/** Zero a report and set its struct_size.
 * @param report [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_linear_report_init(struct reshard_linear_report *report);

/** Check the history of one key. An operation comes before another when it returned before the
 * other was invoked; equal times overlap. Same input, same steps.
 * @param operations [in, borrowed for the call] in any order; NULL allowed when count is 0.
 * @param count [in] items, < 2^30.
 * @param config [in, borrowed for the call] NULL = defaults.
 * @param report_out [in,out] its struct_size is set by the caller; written on RESHARD_OK only.
 * @return RESHARD_OK when it is decided, either way; E_LIMIT when step_limit came first; or E_NULL,
 *   E_STRUCT_SIZE, E_ARGUMENT (an unknown op, returned < invoked, count), E_NOMEM.
 * Calls: the allocator.  Allocates: about 100 bytes an operation, and states_size; all freed when
 * it returns.  When states_size is used up it remembers no more: still exact, perhaps slower.
 *   Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_linear_check(const struct reshard_linear_operation *operations,
    size_t count, const struct reshard_linear_config *config,
    struct reshard_linear_report *report_out);

RESHARD_END_DECLS

#endif
