/* SPDX-License-Identifier: MIT */
/** @file phase.h
 * Phases, verdicts and the pure tables behind them: what follows what, who does what, who
 * answers which request. The README's diagram and tables are rendered from the same rows.
 */
#ifndef RESHARD_PHASE_H
#define RESHARD_PHASE_H

#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** Where a migration stands (field `phase`). Held by the coordinator; orders name it. */
enum {
    RESHARD_PHASE_NONE = 0,      /**< no migration */
    RESHARD_PHASE_PREPARE = 1,   /**< both sides record their intent durably */
    RESHARD_PHASE_COPY = 2,      /**< snapshot: capture is open, the copy runs */
    RESHARD_PHASE_CATCHUP = 3,   /**< snapshot: the captured tail is streamed */
    RESHARD_PHASE_MOVE = 4,      /**< keywise: keys move one by one */
    RESHARD_PHASE_FREEZE = 5,    /**< snapshot: writes stop, the target proves that it has all */
    RESHARD_PHASE_HOLD = 6,      /**< the source votes: reads stop too */
    RESHARD_PHASE_COMMIT = 7,    /**< the decision is on its way into the journal */
    RESHARD_PHASE_SETTLE = 8,    /**< source releases, target activates */
    RESHARD_PHASE_LINGER = 9,    /**< the source keeps the data, hidden */
    RESHARD_PHASE_CLEANUP = 10,  /**< the source purges */
    RESHARD_PHASE_DONE = 11,     /**< end: the target owns the slots */
    RESHARD_PHASE_ABORT = 12,    /**< the decision against it is on its way into the journal */
    RESHARD_PHASE_UNMOVE = 13,   /**< keywise: moved keys go back */
    RESHARD_PHASE_UNDO = 14,     /**< both sides forget */
    RESHARD_PHASE_REVERTED = 15, /**< end: the source owns the slots */
    RESHARD_PHASE_COUNT = 16     /**< one more than the highest */
};

/** What a request wants (field `op`). */
enum {
    RESHARD_OP_READ = 1,   /**< changes nothing */
    RESHARD_OP_WRITE = 2,  /**< may create or change keys */
    RESHARD_OP_REMOVE = 3, /**< may delete, expire or evict keys (and change others) */
    RESHARD_OP_COUNT = 4   /**< one more than the highest */
};

/** What the host does with a request. */
enum {
    RESHARD_SERVE = 1,         /**< execute */
    RESHARD_SERVE_CAPTURE = 2, /**< execute, then reshard_node_record its outcome */
    RESHARD_MOVED = 3,         /**< redirect for good, to the shard that is named */
    RESHARD_ASK = 4,           /**< redirect this request only, with the token */
    RESHARD_PARK = 5,          /**< keep it until the slots wake, then route again */
    RESHARD_TRYAGAIN = 6,      /**< several keys, half of them moved */
    RESHARD_CROSSSLOT = 7,     /**< keys of several slots */
    RESHARD_DOWN = 8,          /**< nobody owns the slot */
    RESHARD_LOOKUP = 9         /**< depends on the keys: reshard_node_route_keys */
};

/** Name of a phase.
 * @param phase [in] any value.
 * @return such as "CATCHUP"; "?" for unknown ones. Static.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_phase_name(uint32_t phase);

/** Name of a verdict.
 * @param verdict [in] any value.
 * @return such as "SERVE_CAPTURE"; "?" for unknown ones. Static.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API const char *reshard_verdict_name(uint32_t verdict);

RESHARD_END_DECLS

#endif
