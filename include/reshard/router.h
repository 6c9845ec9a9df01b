/* SPDX-License-Identifier: MIT */
/** @file router.h
 * A client's view: a cached slot map that answers where a request goes next, learns from
 * redirects, deltas and snapshots, and bounds how long a request is sent around. Pure: the
 * client does the networking and the waiting.
 *
 * A request is a small struct of the caller: begin it with its slot or keys, then loop: next
 * says where to send it; when the answer is no result but a redirect or a refusal, give it to
 * answer, wait as long as that says, and ask next again.
 */
#ifndef RESHARD_ROUTER_H
#define RESHARD_ROUTER_H

#include <reshard/map.h>
#include <reshard/slot.h>
#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** A router. Opaque; one owner thread. */
struct reshard_router;

/** Limits of a router. */
enum {
    RESHARD_ROUTER_REDIRECTS_MAX = 5, /**< MOVED and ASK that one request may follow */
    RESHARD_ROUTER_PATCHES_MAX = 4096 /**< slots learnt from MOVED that are kept beside the map */
};

/** Parameters of a router. */
struct reshard_router_config {
    uint32_t struct_size;     /**< sizeof(struct reshard_router_config) */
    uint32_t flags;           /**< 0 */
    uint32_t slot_count;      /**< 1 ... RESHARD_SLOT_COUNT_MAX */
    uint32_t redirects_max;   /**< 1 ... RESHARD_ROUTER_REDIRECTS_MAX, which init sets */
    uint32_t retries_max;     /**< how often one request is tried again without a redirect:
                                   after TRYAGAIN, DOWN, UNREACHABLE; 16 after init */
    uint32_t zone_size;       /**< bytes of zone; 0 = no preference */
    const char *zone;         /**< copied: replicas in this failure zone are preferred */
    uint64_t seed;            /**< of the jitter and of the choice among replicas; give each
                                   client another one */
    uint64_t backoff_base_ns; /**< the first wait, jitter aside; > 0; 10 ms after init */
    uint64_t backoff_max_ns;  /**< no wait is longer; >= backoff_base_ns; 1 s after init */
    const struct reshard_hasher *hasher; /**< copied by create, with the same slot_count; NULL =
                                              RESHARD_HASH_CRC16 */
    const struct reshard_allocator *allocator; /**< copied by create; NULL = malloc */
};

/** Flags of a request (field `flags`). */
enum {
    RESHARD_REQUEST_WRITE = 1,  /**< it may change data: goes to the primary */
    RESHARD_REQUEST_REPLICA = 2 /**< a replica may answer; not with WRITE */
};

/** One request on its way. Kept by the caller; its fields are the router's. */
struct reshard_request {
    uint32_t struct_size;     /**< sizeof(struct reshard_request) */
    uint32_t flags;           /**< RESHARD_REQUEST_* */
    uint32_t slot;            /**< where its keys lie */
    uint32_t redirects;       /**< MOVED and ASK so far */
    uint32_t retries;         /**< TRYAGAIN, DOWN and UNREACHABLE so far */
    uint32_t asking;          /**< 1: the next hop is the one that ASK named */
    uint32_t direction;       /**< of the ASK */
    reshard_shard_id shard;   /**< where the last redirect pointed; 0 = ask the cache */
    reshard_node_id node;     /**< the same, as a node; 0 = the shard's primary */
    reshard_node_id avoid;    /**< did not answer, or not as it was to be; avoided */
    reshard_migration_id migration; /**< the ASK's token */
    uint64_t random;          /**< state of its jitter */
    uint64_t blocked;         /**< the state of the cache that leads in a circle; 0 = none */
};

/** Flags of a hop (field `flags`). */
enum {
    RESHARD_HOP_ASKING = 1, /**< say ASKING first, with the token where the protocol has one */
    RESHARD_HOP_REPLICA = 2 /**< the node is a replica: say READONLY where the protocol has it */
};

/** Where to send a request. Filled by the library. */
struct reshard_hop {
    uint32_t struct_size;           /**< sizeof(struct reshard_hop), set by the caller */
    uint32_t flags;                 /**< RESHARD_HOP_* */
    reshard_node_id node;           /**< where to */
    reshard_shard_id shard;         /**< its shard; 0 = the cache does not know it */
    uint32_t slot;                  /**< the request's */
    reshard_migration_id migration; /**< ASKING: the token */
    uint32_t direction;             /**< ASKING: 0 towards the target, 1 back to the source */
    uint32_t address_size;          /**< bytes */
    const char *address;            /**< from the cached map, not NUL-terminated; borrowed until the
                                         next refresh or apply; NULL = the cache does not know it */
};

/** What a node answered instead of a result (field `kind`). */
enum {
    RESHARD_ANSWER_MOVED = 1,      /**< shard or node, version: the slot lives there for good */
    RESHARD_ANSWER_ASK = 2,        /**< shard or node, migration, direction: this request only */
    RESHARD_ANSWER_TRYAGAIN = 3,   /**< not now */
    RESHARD_ANSWER_DOWN = 4,       /**< the slot has no owner, or the cluster is down */
    RESHARD_ANSWER_UNREACHABLE = 5 /**< node: no connection, or none in time, and it is known that
                                        the request was not executed or may be repeated */
};

/** An answer. */
struct reshard_answer {
    uint32_t struct_size;           /**< sizeof(struct reshard_answer) */
    uint32_t kind;                  /**< RESHARD_ANSWER_* */
    reshard_node_id node;           /**< MOVED, ASK: where to, 0 = the primary of shard;
                                         UNREACHABLE: who; otherwise 0 */
    reshard_shard_id shard;         /**< MOVED, ASK: where to, 0 = the shard of node */
    uint32_t direction;             /**< ASK: 0 towards the target, 1 back to the source */
    reshard_migration_id migration; /**< ASK: the token; 0 where the protocol has none */
    uint64_t version;               /**< MOVED, ASK: map version of who answers; 0 = not known */
};

/** Zero a config and set its struct_size and its defaults.
 * @param config [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_router_config_init(struct reshard_router_config *config);

/** Zero a request and set its struct_size.
 * @param request [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_request_init(struct reshard_request *request);

/** Zero a hop and set its struct_size.
 * @param hop [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_hop_init(struct reshard_hop *hop);

/** Zero an answer and set its struct_size.
 * @param answer [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_answer_init(struct reshard_answer *answer);

/** Make a router with an empty cache, which is stale.
 * @param config [in, copied] non-NULL.
 * @param router_out [out] the router; the caller destroys it.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS, E_SLOT_COUNT (also
 *   when the hasher has another one), E_ARGUMENT (redirects_max, zone_size, back-off), an error of
 *   the hasher, E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_router_create(
    const struct reshard_router_config *config, struct reshard_router **router_out);

/** Free a router.
 * @param router [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API void reshard_router_destroy(struct reshard_router *router);

/** Replace the cache. What MOVED taught of newer versions than this one is kept, and nothing
 * else of it.
 * @param router [in,out] non-NULL.
 * @param map [in] copied.
 * @return RESHARD_OK, or E_NULL, E_SLOT_COUNT, E_VERSION (older than the cache), E_NOMEM.
 * Calls: allocator.  Allocates: yes.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_router_refresh(
    struct reshard_router *router, const struct reshard_map *map);

/** Apply the next change of a delta to the cache. On E_VERSION a refresh is needed.
 * @param router [in,out] non-NULL.
 * @param change [in, borrowed for the call] non-NULL.
 * @return as reshard_map_apply; E_REPEATED when the cache has it already.
 * Calls: allocator.  Allocates: as reshard_map_apply.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_router_apply(
    struct reshard_router *router, const struct reshard_change *change);

/** Version of the cached map.
 * @param router [in] non-NULL.
 * @return the version; 0 = empty.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API uint64_t reshard_router_version(const struct reshard_router *router);

/** Say whether an answer showed that the cache is out of date: fetch a delta or a snapshot.
 * @param router [in] non-NULL.
 * @return 1 stale, 0 not known to be, or E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_router_stale(const struct reshard_router *router);

/** Owner of a slot as the cache has it, what MOVED taught included.
 * @param router [in] non-NULL.
 * @param slot [in] 0 <= slot < slot_count; a larger one answers 0.
 * @return the shard; 0 = unowned or not known.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API reshard_shard_id reshard_router_slot_owner(
    const struct reshard_router *router, uint32_t slot);

/** Begin a request to a slot.
 * @param router [in,out] non-NULL; its seed moves on.
 * @param slot [in] 0 <= slot < slot_count.
 * @param flags [in] RESHARD_REQUEST_*; 0 = a read from the primary.
 * @param request [in,out] its struct_size is set by the caller; the rest is overwritten.
 * @return RESHARD_OK, or E_NULL, E_SLOT, E_FLAGS, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_router_begin(
    struct reshard_router *router, uint32_t slot, uint32_t flags, struct reshard_request *request);

/** Begin a request to keys, which must lie in one slot.
 * @param router [in,out] non-NULL; its seed moves on.
 * @param keys [in, borrowed for the call] key_count items.
 * @param key_count [in] >= 1.
 * @param flags [in] RESHARD_REQUEST_*.
 * @param request [in,out] its struct_size is set by the caller; the rest is overwritten.
 * @return as reshard_router_begin, and E_ARGUMENT (no keys), E_CROSSSLOT (keys in different
 *   slots: split the request), an error of reshard_slot_of_key.
 * Calls: the hasher's function.  Allocates: never.  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_router_begin_keys(struct reshard_router *router,
    const struct reshard_key *keys, size_t key_count, uint32_t flags,
    struct reshard_request *request);

/** Say where to send a request now. Asking again without an answer gives the same hop.
 * @param router [in] non-NULL.
 * @param request [in] begun before.
 * @param hop_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_SLOT (a request of another
 *   router), E_EMPTY (the cache knows no owner of the slot, or no node of that shard but the
 *   one that has just said MOVED: refresh, then ask again).
 * Calls: nothing.  Allocates: never.  Threads: owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_router_next(const struct reshard_router *router,
    const struct reshard_request *request, struct reshard_hop *hop_out);

/** Take an answer that is no result. MOVED is learnt for all requests and marks the cache
 * stale; a MOVED of an older version than what the cache rests on is not followed but waited
 * out. ASK concerns the next hop alone. Waits double from backoff_base_ns to backoff_max_ns, of
 * which the upper half is jitter ("equal jitter": Brooker, Exponential Backoff And Jitter, 2015);
 * the first redirect and each ASK are followed at once.
 * Once all nodes have the same map, a request arrives after at most one MOVED and one ASK, if they
 * name nodes; if they name shards and versions, then if the cache is refreshed when it is stale.
 * @param router [in,out] non-NULL.
 * @param request [in,out] begun before.
 * @param answer [in] non-NULL.
 * @param wait_ns_out [out] nanoseconds to wait before the next hop.
 * @return RESHARD_OK, or, with the request as it was: E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL,
 *   E_SLOT, E_KIND, E_ARGUMENT (neither shard nor node, or a direction above 1), E_REDIRECTS
 *   (give up: the redirects or the retries are used up), E_NOMEM.
 * Calls: allocator.  Allocates: amortised O(1).  Threads: owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_router_answer(struct reshard_router *router,
    struct reshard_request *request, const struct reshard_answer *answer, uint64_t *wait_ns_out);

RESHARD_END_DECLS

#endif
