/* SPDX-License-Identifier: MIT */
/** @file driver.h
 * The driver: runs the actions of a node or a coordinator through three structs of callbacks.
 * It adds nothing but order: an action starts when the one it names in `after` has completed.
 *
 * Every callback returns
 *   RESHARD_OK       done; outputs are in *completion
 *   RESHARD_PENDING  under way; reshard_driver_complete(action->id) will tell
 *   a negative code  failed; E_FENCED and E_UNKNOWN have their meaning at append
 * Callbacks run only when no state is half changed. They may call reshard_driver_* and the
 * library's other functions; what they feed is queued and taken after they return.
 */
#ifndef RESHARD_DRIVER_H
#define RESHARD_DRIVER_H

#include <reshard/coordinator.h>
#include <reshard/node.h>

RESHARD_BEGIN_DECLS

/** A driver of one node or one coordinator. Opaque; same owner thread. */
struct reshard_driver;

enum {
    RESHARD_PENDING = 1 /**< a hook's answer: reshard_driver_complete will tell */
};

/** One hook. user_data: of its struct. action: borrowed until it completes. completion: zeroed,
 * to be filled where the action's kind says so (action.h).
 */
typedef int32_t (*reshard_hook)(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion);

/** How bytes travel. */
struct reshard_transport {
    uint32_t struct_size; /**< sizeof(struct reshard_transport) */
    uint32_t flags;       /**< 0 */
    void *user_data;      /**< handed to the hooks */
    reshard_hook send;    /**< REQUIRED: RESHARD_ACTION_SEND */
};

/** Durable records: the node's own journal, or the coordinator's, which is the authority. */
struct reshard_journal {
    uint32_t struct_size; /**< sizeof(struct reshard_journal) */
    uint32_t flags;       /**< 0 */
    void *user_data;      /**< handed to the hooks */
    reshard_hook append;  /**< REQUIRED: RESHARD_ACTION_APPEND */
    reshard_hook load;    /**< REQUIRED: RESHARD_ACTION_LOAD; calls reshard_driver_restore */
    reshard_hook compact; /**< OPTIONAL (never compacted): RESHARD_ACTION_COMPACT */
};

/** The data. Not used by a coordinator. */
struct reshard_store {
    uint32_t struct_size;     /**< sizeof(struct reshard_store) */
    uint32_t flags;           /**< 0 */
    void *user_data;          /**< handed to the hooks */
    reshard_hook export_data; /**< REQUIRED for snapshot: RESHARD_ACTION_EXPORT */
    reshard_hook apply;       /**< REQUIRED: RESHARD_ACTION_APPLY */
    reshard_hook sync;        /**< REQUIRED: RESHARD_ACTION_SYNC */
    reshard_hook activate;    /**< REQUIRED for snapshot: RESHARD_ACTION_ACTIVATE */
    reshard_hook discard;     /**< REQUIRED: RESHARD_ACTION_DISCARD */
    reshard_hook purge;       /**< REQUIRED: RESHARD_ACTION_PURGE */
    reshard_hook fence;       /**< OPTIONAL (one thread: completes at once) */
    reshard_hook digest;      /**< OPTIONAL (no comparison): RESHARD_ACTION_DIGEST */
    reshard_hook pick;        /**< REQUIRED for keywise: RESHARD_ACTION_PICK */
    reshard_hook remove;      /**< REQUIRED for keywise: RESHARD_ACTION_REMOVE */
    reshard_hook wake;        /**< OPTIONAL (nothing is parked): RESHARD_ACTION_WAKE */
};

/** Drive a node.
 * @param node [in, borrowed] outlives the driver.
 * @param transport [in, copied] hooks.
 * @param journal [in, copied] hooks of the node's own journal.
 * @param store [in, copied] hooks.
 * @param allocator [in, copied] NULL = malloc.
 * @param driver_out [out] the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_HOOK_MISSING, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_driver_create_node(struct reshard_node *node,
    const struct reshard_transport *transport, const struct reshard_journal *journal,
    const struct reshard_store *store, const struct reshard_allocator *allocator,
    struct reshard_driver **driver_out);

/** Drive a coordinator.
 * @param coordinator [in, borrowed] outlives the driver.
 * @param transport [in, copied] hooks.
 * @param journal [in, copied] hooks of the authority.
 * @param allocator [in, copied] NULL = malloc.
 * @param driver_out [out] the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_HOOK_MISSING, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_driver_create_coordinator(struct reshard_coordinator *coordinator,
    const struct reshard_transport *transport, const struct reshard_journal *journal,
    const struct reshard_allocator *allocator, struct reshard_driver **driver_out);

/** Free a driver; not what it drives.
 * @param driver [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API void reshard_driver_destroy(struct reshard_driver *driver);

/** Load the own journal through the `load` hook, then start the node or the coordinator.
 * @param driver [in,out] non-NULL.
 * @param now_ns [in] the host's time.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_NOMEM, E_HOOK, or a code of class data.
 * Calls: load.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_driver_start(struct reshard_driver *driver, uint64_t now_ns);

/** Inside a load hook: feed records, in order, from the first.
 * @param driver [in,out] whose load hook runs.
 * @param bytes [in, borrowed for the call] one or more whole framed records.
 * @param size [in] bytes.
 * @return as reshard_node_restore.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: yes, in load.
 */
RESHARD_API int32_t reshard_driver_restore(
    struct reshard_driver *driver, const uint8_t *bytes, size_t size);

/** Feed a message; from inside a hook it is copied and taken later.
 * @param driver [in,out] started.
 * @param from [in] the sender.
 * @param bytes [in, borrowed] as reshard_node_receive.
 * @param size [in] bytes.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_NOMEM, or a code of class data.
 * Calls: nothing.  Allocates: yes.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_driver_receive(struct reshard_driver *driver, reshard_node_id from,
    const uint8_t *bytes, size_t size);

/** Complete an action whose hook said RESHARD_PENDING.
 * @param driver [in,out] non-NULL.
 * @param id [in] of that action.
 * @param completion [in] how it ended; NULL = RESHARD_OK.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT, E_STRUCT_SIZE, E_STRUCT_TAIL, E_NOMEM.
 * Calls: nothing.  Allocates: yes.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_driver_complete(struct reshard_driver *driver, uint64_t id,
    const struct reshard_completion *completion);

/** Run: let time pass, start every action that may start, take what was fed, until nothing is
 * left to start or `action_limit` actions were started.
 * @param driver [in,out] started.
 * @param now_ns [in] the host's time.
 * @param action_limit [in] 0 = no limit.
 * @param deadline_out [out] when to run again at the latest; 0 = at once (the limit was
 *   reached), UINT64_MAX = when something is fed. NULL allowed.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_REENTRANT, E_NOMEM (run again), E_FENCED (a
 *   coordinator that was superseded).
 * Calls: all hooks.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_driver_run(struct reshard_driver *driver, uint64_t now_ns,
    uint32_t action_limit, uint64_t *deadline_out);

RESHARD_END_DECLS

#endif
