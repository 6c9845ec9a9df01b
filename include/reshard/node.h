/* SPDX-License-Identifier: MIT */
/** @file node.h
 * A node: the engine inside one process that plays source and target of any number of
 * migrations and routes requests. It does nothing by itself: the host feeds what happened and
 * pulls what is to be done (action.h). Time is the host's monotonic clock in nanoseconds.
 */
#ifndef RESHARD_NODE_H
#define RESHARD_NODE_H

#include <reshard/action.h>
#include <reshard/event.h>
#include <reshard/map.h>
#include <reshard/phase.h>

RESHARD_BEGIN_DECLS

/** A node. Opaque; one owner thread, but reshard_node_route from any. */
struct reshard_node;

/** What a node is and how much it may use. Zero fields mean the default beside them. */
struct reshard_node_config {
    uint32_t struct_size;     /**< sizeof(struct reshard_node_config) */
    uint32_t flags;           /**< RESHARD_NODE_* */
    reshard_node_id node;     /**< own id, not 0 */
    uint32_t slot_count;      /**< RESHARD_SLOT_COUNT_DEFAULT */
    uint32_t migration_limit; /**< open migrations at once: 256 */
    uint64_t boot;            /**< differs at every start of the process: random, a counter */
    uint64_t chunk_size;      /**< bytes of a chunk: 262,144; 1,024 ... 33,554,432 */
    uint64_t window_size;     /**< bytes sent and not yet durable, a migration: 8,388,608 */
    uint64_t tail_size;       /**< bytes captured and not yet durable before writes are
                                   throttled, a migration: 67,108,864 */
    uint64_t retry_ns;        /**< send again what is not acknowledged: 200,000,000 */
    uint64_t alarm_ns;        /**< held without a coordinator: raise an event: 1,000,000,000 */
    uint32_t conflict;        /**< keywise: RESHARD_CONFLICT_LOCK */
    uint32_t conflict_limit;  /**< keywise retry: tries before it locks: 3 */
    struct reshard_allocator allocator; /**< all-zero = malloc */
    uint32_t check;     /**< RESHARD_CHECK_* of the data that this node sends: CHECK_DIGEST */
    uint32_t reserved;  /**< 0 */
    uint64_t compact_count; /**< records of the own journal after which it is compacted: 4,096 */
    uint64_t pick_size;     /**< keywise: bytes of keys that go, and are locked, at once; a larger
                                 one goes alone: 65,536; 1,024 ... 33,554,432 */
    uint64_t flight_size;   /**< bytes of a copy sent and not yet applied, a migration, above which
                                 no more is read: window_size. A small one keeps the memory that a
                                 copy passes through small, and what is sent behind it near */
    uint64_t gather_ns;     /**< RESHARD_MIGRATION_OPERATOR, keywise: the record that settles a side
                                 waits so long, at most, to be synced with others, and is told once
                                 it is; 0 = it is synced at once. A SYNC that ends it must cover the
                                 journal, too */
};

/** Bits of `flags`. */
enum {
    RESHARD_NODE_FOLLOWS = 1, /**< the journal may be another node's, that of the shard's primary;
                                   see reshard_node_restore. Without it such a journal is refused */
    RESHARD_NODE_ONE_LOG = 2  /**< journal and store are one log: a record that is durable proves
                                   that all that was applied before it is. A target then seals a
                                   copy without a SYNC before, and in mode snapshot both sides act
                                   on the decision before their record of it is synced: it is
                                   before they say so */
};

/** What finds damage to the data on its way, mode snapshot (field `check`). Everything else, and
 * all data of mode keywise, is always under a checksum of its message. */
enum {
    RESHARD_CHECK_DIGEST = 0,  /**< the comparison of digests before the owner changes */
    RESHARD_CHECK_PAYLOADS = 1 /**< besides, each message's checksum, at both ends: for hosts
                                    without a digest hook whose transport may corrupt, and to send
                                    one damaged chunk again instead of the whole copy */
};

/** What a write to a key in flight does, keywise (field `conflict`). */
enum {
    RESHARD_CONFLICT_LOCK = 1, /**< it parks for one round trip */
    RESHARD_CONFLICT_RETRY = 2 /**< it goes through, the key is sent again */
};

/** A request with keys, for reshard_node_route_keys. */
struct reshard_node_request {
    uint32_t struct_size;        /**< sizeof(struct reshard_node_request) */
    uint32_t op;                 /**< RESHARD_OP_* */
    uint32_t slot;               /**< of all its keys */
    uint32_t asking;             /**< 1 = it came with ASKING */
    uint64_t token;              /**< the token it came with, 0 = the protocol carries none */
    uint32_t key_count;          /**< distinct keys */
    uint32_t present_count;      /**< of them here, visible, not expired */
    const uint8_t *const *keys;  /**< key_count pointers */
    const size_t *key_sizes;     /**< key_count sizes */
};

/** The answer for a request. */
struct reshard_route {
    uint32_t struct_size;    /**< sizeof(struct reshard_route), set by the caller */
    uint32_t verdict;        /**< RESHARD_SERVE ... RESHARD_LOOKUP */
    reshard_shard_id shard;  /**< MOVED, ASK: where to */
    uint32_t flags;          /**< 0 */
    uint64_t token;          /**< ASK: to be carried with it where the protocol can */
};

/** What a migration looks like from this node. */
struct reshard_node_migration {
    uint32_t struct_size;           /**< sizeof(struct reshard_node_migration), by the caller */
    uint32_t side;                  /**< RESHARD_SIDE_* */
    reshard_migration_id migration; /**< its id */
    uint32_t mode;                  /**< RESHARD_MODE_* */
    uint32_t phase;                 /**< RESHARD_PHASE_* of the newest order, 0 = none yet */
    uint64_t sequence;              /**< chunks sent (source), applied (target) */
    uint64_t durable_sequence;      /**< of them durable at the target */
    uint64_t lag_size;              /**< bytes captured or read and not yet applied */
    uint64_t keys;                  /**< keys exported or moved so far */
    uint64_t bytes;                 /**< bytes exported or moved so far */
    uint64_t pause_ns;              /**< write pause so far, all attempts */
    uint64_t seal_attempt;          /**< target: attempt that is sealed durably, 0 = none */
};

/** Zero a config and set its struct_size.
 * @param config [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_node_config_init(struct reshard_node_config *config);

/** Make a node. It serves nothing and answers nobody before reshard_node_start.
 * @param config [in, copied] non-NULL.
 * @param node_out [out] the node; the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS, E_NODE (id 0),
 *   E_SLOT_COUNT, E_ARGUMENT (a size or limit outside its range), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_node_create(
    const struct reshard_node_config *config, struct reshard_node **node_out);

/** Free a node. Actions that are still pulled are void.
 * @param node [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API void reshard_node_destroy(struct reshard_node *node);

/** Feed records of the own journal: after create, before start, in order; and again from the
 * first for a LOAD action.
 *
 * Following. A node with RESHARD_NODE_FOLLOWS whose map does not name it primary follows: its
 * journal is its primary's. The host replicates the journal beside the data, in one order, and
 * feeds each record here, after start too, when it and the data before it are applied on this
 * replica; a new replica is fed all that the primary has before its start. A follower writes
 * nothing, takes no order and asks for no store action. It routes by the records that it has:
 * reads of its shard's slots at rest, of a snapshot's source until the hold, of a target once it
 * is active; all else, keywise moves included, goes to the owner's primary. When the primary
 * compacts, the new records are fed as the others.
 * As soon as a map, by record or by message, names a follower primary, it takes no record any
 * more, writes that map behind the last one, and when this is durable acts as after a restart
 * with that journal (PROTOCOL R7, R25). A primary that is deposed stops acting, but does not
 * follow: its journal may hold what the heir's does not. Make it anew, from the heir's journal
 * and data.
 *
 * What a primary's host owes: an action that says "durably" (APPEND, COMPACT, SYNC, ACTIVATE,
 * REMOVE, PURGE) completes when every replica that may serve reads or be promoted has applied
 * it, or when that replica serves no reads any more and cannot be promoted. A replica that lost
 * touch stops serving by its own clock (a lease), before the primary stops waiting for it.
 * A replica has applied a record when the reads that it admitted before, too, have ended or were
 * routed again: nobody asks it for a fence. So it does before it is promoted, and when its lease
 * ends.
 * An answer to a client waits likewise for what it rests on, an ASK too: it says that the key is
 * not here, and a removal that a fail-over undoes would bring the key back behind what the other
 * side has answered since. Nor may a loss of power undo it: where clients' writes are answered
 * before they are durable, an ASK waits until the removals before it are, also on each replica
 * that may be promoted.
 * A primary that starts again may find in its journal what no replica has: it begins when all have
 * it, or serve no more.
 * Then a read at a replica shows one state that the shard's primary had, never one that misses
 * a write acknowledged by a later owner of the slot; it may lag behind its own primary by what
 * the host's replication lags, and so may go back between two replicas.
 * @param node [in,out] non-NULL.
 * @param bytes [in, borrowed for the call] one or more whole framed records.
 * @param size [in] bytes.
 * @return RESHARD_OK, or E_NULL, E_STATE (started, and neither follows nor loads), E_NODE (another
 *   node's journal), E_NOMEM (feed the same bytes again), or a code of class data: the journal
 *   is damaged at this record; nothing of it was taken.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_restore(
    struct reshard_node *node, const uint8_t *bytes, size_t size);

/** Begin: route by what was restored, resume what was open.
 * @param node [in,out] non-NULL.
 * @param now_ns [in] the host's time.
 * @return RESHARD_OK, or E_NULL, E_STATE (started), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_start(struct reshard_node *node, uint64_t now_ns);

/** Adopt a first map on a node that has none: how a cluster is born without a coordinator.
 * @param node [in,out] started, not following, its map at version 0.
 * @param map [in, copied] the map.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_SLOT_COUNT, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_adopt(struct reshard_node *node, const struct reshard_map *map);

/** Feed one message from another node. Bad bytes change nothing.
 * @param node [in,out] started.
 * @param from [in] the sender, as the host's transport authenticated it.
 * @param bytes [in, borrowed] one whole message: until every APPLY action whose payload points
 *   into it is completed; hosts whose apply is synchronous run their actions before they reuse it.
 * @param size [in] bytes.
 * @param now_ns [in] the host's time.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_NOMEM (nothing changed; it may be fed again), or a
 *   code of class data, and then an event tells too.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_receive(struct reshard_node *node, reshard_node_id from,
    const uint8_t *bytes, size_t size, uint64_t now_ns);

/** Let time pass.
 * @param node [in,out] started.
 * @param now_ns [in] the host's time; an earlier one than before counts as no time passed.
 * @return RESHARD_OK, or E_NULL, E_STATE, E_NOMEM (tick again).
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_tick(struct reshard_node *node, uint64_t now_ns);

/** When the next tick is due.
 * @param node [in] non-NULL.
 * @return a time in nanoseconds; UINT64_MAX = no tick is needed.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint64_t reshard_node_deadline(const struct reshard_node *node);

/** Route one request, by slot. Wait-free: one atomic load when the slot is at rest, two when it
 * migrates.
 * @param node [in] started.
 * @param slot [in] 0 <= slot < slot_count; a larger one answers RESHARD_DOWN.
 * @param op [in] RESHARD_OP_*.
 * @param shard_out [out] MOVED: the owner; ASK: the other side; otherwise 0. NULL allowed.
 * @return the verdict. RESHARD_LOOKUP: ask reshard_node_route_keys on the owner thread.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_node_route(const struct reshard_node *node, uint32_t slot,
    uint32_t op, reshard_shard_id *shard_out);

/** Route one request whose answer depends on its keys, its ASKING or its token.
 * @param node [in] started.
 * @param request [in, borrowed for the call] the request.
 * @param route_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_SLOT, E_ARGUMENT.
 * Calls: allocator.  Allocates: to ask the other side about a key that came with ASKING and no
 *   token; without memory the verdict is TRYAGAIN.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_node_route_keys(struct reshard_node *node,
    const struct reshard_node_request *request, struct reshard_route *route_out);

/** Record what a write did that was routed RESHARD_SERVE_CAPTURE: the key's state after it, or
 * its deletion, in the form that the host's apply understands; such forms may stand one behind
 * the other in one payload. Call it before the write is answered. When memory runs out the copy
 * is lost and starts over; no write is.
 * @param node [in,out] started.
 * @param slot [in] the key's.
 * @param bytes [in, copied] the state.
 * @param size [in] 1 ... 2^26 bytes; larger values are recorded in pieces.
 * @return RESHARD_OK, also when nothing captures the slot any more, or E_NULL, E_SLOT, E_ARGUMENT.
 * Calls: allocator.  Allocates: one buffer a chunk.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_node_record(
    struct reshard_node *node, uint32_t slot, const uint8_t *bytes, size_t size);

/** Pull the next action.
 * @param node [in,out] non-NULL.
 * @param action_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_EMPTY, E_NULL, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_node_action_next(
    struct reshard_node *node, struct reshard_action *action_out);

/** Complete an action.
 * @param node [in,out] non-NULL.
 * @param id [in] of an action that was pulled and not completed.
 * @param completion [in] how it ended; NULL = RESHARD_OK and nothing else.
 * @param now_ns [in] the host's time.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (no such action open), E_STRUCT_SIZE, E_STRUCT_TAIL,
 *   E_NOMEM (nothing changed, complete it again; a PICK with what is read then).
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_complete(struct reshard_node *node, uint64_t id,
    const struct reshard_completion *completion, uint64_t now_ns);

/** Pull the next event.
 * @param node [in,out] non-NULL.
 * @param event_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_EMPTY, E_NULL, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_node_event_next(
    struct reshard_node *node, struct reshard_event *event_out);

/** The node's durable map.
 * @param node [in] non-NULL.
 * @return borrowed until the next call that feeds the node; never NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API const struct reshard_map *reshard_node_map(const struct reshard_node *node);

/** The newest map that this node was told, durable here or not. A follower finds in it whom to
 * follow: its durable map ends where its old primary's records did. Nothing may be served by it.
 * @param node [in] non-NULL.
 * @return borrowed until the next call that feeds the node; never NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API const struct reshard_map *reshard_node_newest_map(const struct reshard_node *node);

/** Greet a node where a coordinator may run: it answers with what this node's map lacks. For a host
 * whose node has just started or joined and need not wait for the coordinator's next beat.
 * @param node [in,out] started.
 * @param to [in] the coordinator's node.
 * @return RESHARD_OK, or E_NULL, E_NODE (id 0), E_STATE, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_greet(struct reshard_node *node, reshard_node_id to);

/** Migrations that this node takes part in, by position.
 * @param node [in] non-NULL.
 * @param index [in] from 0.
 * @param migration_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_EMPTY behind the last, E_NULL, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_node_migration_at(const struct reshard_node *node, uint32_t index,
    struct reshard_node_migration *migration_out);

/** Digest of the node's state: equal states have equal digests. For tests and simulators.
 * @param node [in] non-NULL.
 * @param digest_out [out] the digest.
 * @return RESHARD_OK, or E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_node_digest(
    const struct reshard_node *node, struct reshard_digest *digest_out);

/** Move keys by name: an operator-driven migration (RESHARD_MIGRATION_OPERATOR) in phase MOVE that
 * gives from this node. Keys that are not here are passed over. A WAKE for the slot tells when
 * some have gone; then the host looks which of them it still has.
 * @param node [in,out] started.
 * @param slot [in] the keys'.
 * @param keys [in, copied] key_count pointers.
 * @param key_sizes [in] key_count sizes, bytes.
 * @param key_count [in] keys, > 0.
 * @return RESHARD_OK, or E_NULL, E_SLOT, E_ARGUMENT (no keys), E_STATE (not started, or no such
 *   migration gives from here now), E_SIZE (a key above 2^32 - 1 bytes), E_NOMEM (no key taken).
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_move_keys(struct reshard_node *node, uint32_t slot,
    const uint8_t *const *keys, const size_t *key_sizes, uint32_t key_count);

/** Tell which slots the host holds data of, once after each start. What neither ownership nor a
 * record of an open migration explains is set aside: a durable record, an event QUARANTINE (value =
 * slots set aside now), no migration to these slots until they are purged. Nothing is deleted.
 * @param node [in,out] started.
 * @param ranges [in, borrowed for the call] sorted, disjoint, not adjacent.
 * @param range_count [in] items.
 * @return RESHARD_OK, or E_NULL, E_SLOT, E_OVERLAP, E_STATE (not started, or following), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_found(
    struct reshard_node *node, const struct reshard_range *ranges, size_t range_count);

/** Next range of slots that are set aside, from a cursor.
 * @param node [in] non-NULL.
 * @param cursor [in,out] a slot, 0 first; moves behind the range.
 * @param range_out [out] the range.
 * @return RESHARD_OK, or E_EMPTY behind the last, E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_node_quarantine_next(
    const struct reshard_node *node, uint32_t *cursor, struct reshard_range *range_out);

/** Purge slots that are set aside: PURGE actions with migration 0, then they are so no longer, and
 * an event QUARANTINE tells. A restart forgets the request, not the slots.
 * @param node [in,out] started.
 * @param ranges [in, copied] sorted, disjoint, not adjacent.
 * @param range_count [in] items, > 0.
 * @return RESHARD_OK, or E_NULL, E_SLOT, E_OVERLAP, E_STATE (not started, following, a slot
 *   is not set aside, no ranges, or an earlier purge is under way), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: E_REENTRANT.
 */
RESHARD_API int32_t reshard_node_purge(
    struct reshard_node *node, const struct reshard_range *ranges, size_t range_count);

RESHARD_END_DECLS

#endif
