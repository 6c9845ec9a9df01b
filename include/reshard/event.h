/* SPDX-License-Identifier: MIT */
/** @file event.h
 * Events for logs and metrics: what happened, as structs. Losing them loses nothing but
 * knowledge: a bounded ring keeps the newest, and each carries its number, so gaps show.
 */
#ifndef RESHARD_EVENT_H
#define RESHARD_EVENT_H

#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** Kinds of event (field `kind`). */
enum {
    RESHARD_EVENT_PHASE = 1,     /**< coordinator: phase_from → phase_to; value = row of the
                                       transition table, from 0 */
    RESHARD_EVENT_ORDERED = 2,   /**< node: took an order into phase_to */
    RESHARD_EVENT_ATTEMPT = 3,   /**< coordinator: freeze attempt `value` begins */
    RESHARD_EVENT_PAUSE = 4,     /**< node, source: writes have stopped */
    RESHARD_EVENT_RESUME = 5,    /**< node, source: writes go on; value = pause in ns */
    RESHARD_EVENT_REFUSED = 6,   /**< a participant refused an order; status says why */
    RESHARD_EVENT_LOST = 7,      /**< a participant lost its copy; it starts over */
    RESHARD_EVENT_EXPIRED = 8,   /**< the freeze budget ran out; value = attempt */
    RESHARD_EVENT_MISMATCH = 9,  /**< digests differ; the copy starts over */
    RESHARD_EVENT_NOT_CONVERGING = 10, /**< writes outrun the copy, or freezes keep expiring */
    /** source: held, and no coordinator answers; value = ns. A hold ends by the decision, or by a
     * PREPARE above it: of a successor, or of the same coordinator that went back from HOLD. */
    RESHARD_EVENT_HELD_ALONE = 11,
    RESHARD_EVENT_QUARANTINE = 12, /**< data that no record explains was set aside */
    RESHARD_EVENT_HOOK_FAILED = 13, /**< a hook failed; status, value = kind of action */
    RESHARD_EVENT_FENCED = 14,   /**< coordinator: a higher term took over; it stopped */
    RESHARD_EVENT_TERM = 15,     /**< coordinator: term `value` is durable; it drives */
    RESHARD_EVENT_MAP = 16,      /**< node: map version `value` is durable here */
    RESHARD_EVENT_END = 17,      /**< coordinator: the migration ended in phase_to */
    RESHARD_EVENT_THROTTLED = 18, /**< source: the tail is at its limit; writes park */
    RESHARD_EVENT_BAD_MESSAGE = 19, /**< bytes that were refused; status says why */
    RESHARD_EVENT_JOB = 20, /**< coordinator: job `value` ended; status: OK, E_LIMIT (batches were
                                 given up), E_PLAN (overtaken), E_STATE (aborted) */
    RESHARD_EVENT_NO_MEMORY = 21, /**< work is put off for want of memory and tried again; status
                                 E_NOMEM, value = kind of action it was for, 0 = several */
    RESHARD_EVENT_KIND_COUNT = 22 /**< one more than the highest */
};

/** One event. */
struct reshard_event {
    uint32_t struct_size;           /**< sizeof(struct reshard_event), set by the caller */
    uint32_t kind;                  /**< RESHARD_EVENT_* */
    uint64_t number;                /**< 1, 2, 3, ... per object */
    uint64_t now_ns;                /**< the host's time when it happened */
    reshard_migration_id migration; /**< 0 = of none */
    reshard_node_id node;           /**< the node concerned, 0 = this one */
    uint32_t phase_from;            /**< RESHARD_PHASE_* */
    uint32_t phase_to;              /**< RESHARD_PHASE_* */
    int32_t status;                 /**< why */
    uint32_t side;                  /**< RESHARD_SIDE_*, 0 = none */
    uint64_t term;                  /**< of the order */
    uint64_t order;                 /**< n of the order */
    uint64_t value;                 /**< see the kind */
};

/** Name of a kind of event.
 * @param kind [in] any value.
 * @return such as "PHASE"; "?" for unknown ones. Static.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_event_name(uint32_t kind);

RESHARD_END_DECLS

#endif
