/* SPDX-License-Identifier: MIT */
/** @file driver.h
 * The driver: runs the actions of a node or a coordinator through three structs of callbacks.
 * It adds nothing but order: an action starts when the one it names in `after` has completed.
 *
 * Every callback returns
 *   RESHARD_OK       done; outputs are in *completion
 *   RESHARD_PENDING  under way; reshard_driver_complete(action->id) will tell
 *   a negative code  failed; E_FENCED and E_UNKNOWN have their meaning at append
 * (any other positive value counts as E_HOOK). A failed action is completed with that code (and,
 * if it is E_SPACE, with the completion's size: how much would do); what follows is the engine's
 * business: it asks again, later, as a new action. A hook that completed its own action before it
 * returns must return RESHARD_PENDING.
 *
 * Callbacks run only when no state is half changed, one at a time for each driver. They may call
 * reshard_driver_receive, _complete and, in load, _restore; what they feed is queued and taken
 * after they return. They may also call what owns no driver state: reshard_node_route, _record,
 * _map and the like. reshard_driver_run and _start answer E_REENTRANT there; destroy is forbidden.
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

/** One hook. user_data: of its struct. action: borrowed until it completes, at the same address.
 * completion: zeroed, to be filled where the action's kind says so (action.h), valid until the
 * hook returns; its status is the hook's result and need not be set.
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
    reshard_hook append;  /**< REQUIRED: RESHARD_ACTION_APPEND; the action's durability tells which
                               records need no sync of their own */
    reshard_hook load;    /**< REQUIRED: RESHARD_ACTION_LOAD; calls reshard_driver_restore */
    reshard_hook compact; /**< OPTIONAL (never compacted: completes with E_HOOK_MISSING):
                               RESHARD_ACTION_COMPACT */
};

/** The data. Not used by a coordinator. One of the two modes must be whole; an action whose hook
 * is missing completes with E_HOOK_MISSING. */
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
    reshard_hook digest;      /**< OPTIONAL (no comparison: answers 0): RESHARD_ACTION_DIGEST;
                                   both sides of a migration have it, or none */
    reshard_hook pick;        /**< REQUIRED for keywise: RESHARD_ACTION_PICK */
    reshard_hook remove;      /**< REQUIRED for keywise: RESHARD_ACTION_REMOVE */
    reshard_hook wake;        /**< OPTIONAL (nothing is parked): RESHARD_ACTION_WAKE */
};

/** Zero a struct of hooks and set its struct_size.
 * @param transport [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_transport_init(struct reshard_transport *transport);

/** Zero a struct of hooks and set its struct_size.
 * @param journal [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_journal_init(struct reshard_journal *journal);

/** Zero a struct of hooks and set its struct_size.
 * @param store [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_store_init(struct reshard_store *store);

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

/** Load the own journal through the `load` hook, then start the node or the coordinator. A load
 * that failed is tried again by the next call; a load that succeeded is not repeated.
 * @param driver [in,out] non-NULL.
 * @param now_ns [in] the host's time.
 * @return RESHARD_OK; RESHARD_PENDING: the hook said so, the first run after its completion goes
 *   on and returns what this call would have; or E_NULL, E_STATE (started, or loading), E_NOMEM,
 *   E_HOOK (the hook failed with a code that is neither E_NOMEM nor of class data), or a code of
 *   class data.
 * Calls: load.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_driver_start(struct reshard_driver *driver, uint64_t now_ns);

/** Inside a load hook, or between its RESHARD_PENDING and its completion: feed records, in order,
 * from the first.
 * @param driver [in,out] whose load is under way.
 * @param bytes [in, borrowed for the call] one or more whole framed records.
 * @param size [in] bytes.
 * @return as reshard_node_restore, or E_NULL, E_STATE (no load is under way).
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: yes, in load.
 */
RESHARD_API int32_t reshard_driver_restore(
    struct reshard_driver *driver, const uint8_t *bytes, size_t size);

/** Feed a message, at the time of the newest run; run afterwards. From inside a hook it is copied,
 * taken after the hook returned, and kept as long as any action needs it.
 * @param driver [in,out] started.
 * @param from [in] the sender.
 * @param bytes [in, borrowed] as reshard_node_receive; from inside a hook: for the call.
 * @param size [in] bytes.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_NOMEM (nothing changed), or a code of class data (not
 *   from inside a hook: there bad bytes show as an event only).
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_driver_receive(struct reshard_driver *driver, reshard_node_id from,
    const uint8_t *bytes, size_t size);

/** Complete an action whose hook said RESHARD_PENDING, or is about to. The next run that returns
 * RESHARD_OK has taken it, and not before that are the keys of a PICK locked: no write to them till
 * then. A hook of a PICK is called again where the engine had no memory for what it read.
 * @param driver [in,out] non-NULL.
 * @param id [in] of that action.
 * @param completion [in, copied] how it ended; NULL = RESHARD_OK and nothing else.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (no such action is under way, or a positive status),
 *   E_STRUCT_SIZE, E_STRUCT_TAIL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_driver_complete(struct reshard_driver *driver, uint64_t id,
    const struct reshard_completion *completion);

/** Run: let time pass, start every action that may start, take what was fed, until nothing is
 * left to start or `action_limit` actions were started.
 * @param driver [in,out] started.
 * @param now_ns [in] the host's time.
 * @param action_limit [in] 0 = no limit.
 * @param deadline_out [out] when to run again at the latest; 0 = at once (the limit was
 *   reached, or the call failed), UINT64_MAX = when something is fed. NULL allowed.
 * @return RESHARD_OK, or E_NULL, E_STATE (not started), E_REENTRANT, E_NOMEM (run again: nothing
 *   is lost), E_FENCED (a coordinator that was superseded; all was done), what the end of an
 *   asynchronous start has to tell, or a code with which the engine refused a completion (that
 *   action is over; run again).
 * Calls: all hooks, allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_driver_run(struct reshard_driver *driver, uint64_t now_ns,
    uint32_t action_limit, uint64_t *deadline_out);

RESHARD_END_DECLS

#endif
