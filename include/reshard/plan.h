/* SPDX-License-Identifier: MIT */
/** @file plan.h
 * Plans: which slots move from which shard to which, as pure data, shown before it is run.
 * A plan is a deterministic function of a map and a request; it is bound to the version and
 * the digest of that map. Slots of open migrations are never moved and count as already at
 * their target (at their source when the abort is decided). Batches cut a plan into
 * migrations and say which one may start next.
 */
#ifndef RESHARD_PLAN_H
#define RESHARD_PLAN_H

#include <reshard/map.h>

RESHARD_BEGIN_DECLS

/** A plan. Opaque, immutable: any thread may read it. */
struct reshard_plan;

/** A plan cut into migrations. Opaque. */
struct reshard_batches;

/** Limits of plans. */
enum {
    RESHARD_PLAN_SHARD_COUNT_MAX = 1048576, /**< shards of a map that can be planned for */
    RESHARD_PLAN_DIMENSION_COUNT_MAX = 8    /**< kinds of load of one request */
};

/** What kind of request made a plan (field `kind`). */
enum {
    RESHARD_PLAN_RESHARD = 1,   /**< reshard_plan_reshard */
    RESHARD_PLAN_REBALANCE = 2, /**< reshard_plan_rebalance */
    RESHARD_PLAN_DRAIN = 3,     /**< reshard_plan_drain */
    RESHARD_PLAN_LOAD = 4,      /**< reshard_plan_load */
    RESHARD_PLAN_FIX = 5        /**< the audit's fix */
};

/** One move: slots that go from one shard to another. */
struct reshard_move {
    uint32_t struct_size;    /**< sizeof(struct reshard_move), set by the caller */
    uint32_t range_count;    /**< items in ranges */
    reshard_shard_id source; /**< gives the slots; 0 only in a fix: first owner of unowned slots */
    reshard_shard_id target; /**< gets the slots */
    uint32_t slot_count;     /**< slots in ranges */
    uint32_t reserved;       /**< 0 */
    uint64_t bytes;          /**< of these slots, 0 when the request named none */
    const struct reshard_range *ranges; /**< canonical; borrowed while the plan lives */
};

/** What a plan comes to. */
struct reshard_plan_totals {
    uint32_t struct_size;   /**< sizeof(struct reshard_plan_totals), set by the caller */
    uint32_t kind;          /**< RESHARD_PLAN_* */
    uint32_t move_count;    /**< moves: distinct (source, target), but for load plans */
    uint32_t slots_moved;   /**< slots in all moves; no slot moves twice */
    uint32_t slots_minimum; /**< fewest slots that reach the same targets: the sum over shards of
                                 max(0, have - target); 0 for load plans */
    uint32_t ranges_before; /**< maximal runs of slots with one owner, unowned ones not counted */
    uint32_t ranges_after;  /**< the same when the plan is done */
    uint32_t reserved;      /**< 0 */
    uint64_t bytes_moved;   /**< 0 when the request named no bytes */
    uint64_t overload_before; /**< load plans: worst of load / capacity share over all shards and
                                   dimensions, in millionths (1000000 = exactly its share) */
    uint64_t overload_after;  /**< the same when the plan is done */
};

/** Request: move slots to one shard. Either slot_count > 0 and no ranges, or ranges and
 * slot_count 0. Pointers are borrowed for the call.
 */
struct reshard_reshard_request {
    uint32_t struct_size;    /**< sizeof(struct reshard_reshard_request) */
    uint32_t flags;          /**< 0 */
    reshard_shard_id target; /**< gets the slots */
    uint32_t slot_count;     /**< how many slots; exactly that many move */
    uint32_t source_count;   /**< items in sources; 0 = all shards but the target */
    uint32_t range_count;    /**< items in ranges */
    const reshard_shard_id *sources;    /**< no repeats, without the target */
    const struct reshard_range *ranges; /**< canonical; those that the target has stay there */
    const uint64_t *slot_bytes; /**< bytes of each slot, or NULL */
    uint32_t slot_bytes_count;  /**< items in slot_bytes: the map's slot_count, or 0 */
    uint32_t reserved;          /**< 0 */
};

/** Flags of struct reshard_rebalance_request and struct reshard_load_request. */
enum {
    RESHARD_REBALANCE_EMPTY_SHARDS = 1 /**< shards without slots get their share, too */
};

/** Request: give each shard its share of the slots. Pointers are borrowed for the call. */
struct reshard_rebalance_request {
    uint32_t struct_size;       /**< sizeof(struct reshard_rebalance_request) */
    uint32_t flags;             /**< RESHARD_REBALANCE_* */
    uint32_t threshold_percent; /**< 0 ... 100: when no shard is further than this from its target,
                                     in percent of the target, nothing moves */
    uint32_t weight_count;      /**< items in weights: the map's shard count, or 0 */
    const double *weights;      /**< by shard position (reshard_map_shard_at), finite, > 0; NULL =
                                     the map's */
    const uint64_t *slot_bytes; /**< bytes of each slot, or NULL */
    uint32_t slot_bytes_count;  /**< items in slot_bytes: the map's slot_count, or 0 */
    uint32_t reserved;          /**< 0 */
};

/** Request: empty some shards. Pointers are borrowed for the call. */
struct reshard_drain_request {
    uint32_t struct_size;           /**< sizeof(struct reshard_drain_request) */
    uint32_t flags;                 /**< 0 */
    uint32_t shard_count;           /**< items in shards, > 0 */
    uint32_t target_count;          /**< items in targets; 0 = all shards that are not drained */
    const reshard_shard_id *shards; /**< to be emptied; no repeats */
    const reshard_shard_id *targets; /**< may get slots; no repeats, none that is drained */
    uint32_t weight_count;          /**< items in weights: the map's shard count, or 0 */
    uint32_t slot_bytes_count;      /**< items in slot_bytes: the map's slot_count, or 0 */
    const double *weights;          /**< as in struct reshard_rebalance_request */
    const uint64_t *slot_bytes;     /**< bytes of each slot, or NULL */
};

/** Request: even out measured load. Pointers are borrowed for the call. */
struct reshard_load_request {
    uint32_t struct_size;      /**< sizeof(struct reshard_load_request) */
    uint32_t flags;            /**< RESHARD_REBALANCE_* */
    uint32_t dimension_count;  /**< kinds of load, 1 ... RESHARD_PLAN_DIMENSION_COUNT_MAX */
    uint32_t tolerance_permille; /**< a shard up to this far above its share is let be; 0 = 10 */
    uint32_t load_count;       /**< items in loads: dimension_count x the map's slot_count */
    uint32_t capacity_count;   /**< items in capacities: dimension_count x shard count, or 0 */
    const uint64_t *loads;     /**< [dimension][slot]: bytes, operations a second ...; any unit */
    const double *capacities;  /**< [dimension][shard position], finite, > 0; NULL = the map's
                                    weights in every dimension */
    const uint64_t *slot_bytes; /**< what moving a slot costs, counted against the budget; NULL =
                                     the loads of dimension 0 */
    uint32_t slot_bytes_count; /**< items in slot_bytes: the map's slot_count, or 0 */
    uint32_t reserved;         /**< 0 */
    uint64_t bytes_max;        /**< budget of moved bytes; UINT64_MAX = none */
};

/** Limits under which a plan is cut into migrations and they are started. 0 = no limit. */
struct reshard_batch_limits {
    uint32_t struct_size;        /**< sizeof(struct reshard_batch_limits) */
    uint32_t flags;              /**< 0 */
    uint32_t slots_max;          /**< slots of one migration */
    uint32_t in_flight_max;      /**< open migrations at a time */
    uint32_t in_flight_in_max;   /**< of them with one shard as target */
    uint32_t in_flight_out_max;  /**< of them with one shard as source */
    uint64_t bytes_max;          /**< bytes of one migration; a slot above it goes alone */
};

/** Zero a request and set its struct_size.
 * @param request [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_reshard_request_init(struct reshard_reshard_request *request);

/** Zero a request and set its struct_size.
 * @param request [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_rebalance_request_init(struct reshard_rebalance_request *request);

/** Zero a request and set its struct_size.
 * @param request [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_drain_request_init(struct reshard_drain_request *request);

/** Zero a request, set its struct_size, and bytes_max to UINT64_MAX.
 * @param request [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_load_request_init(struct reshard_load_request *request);

/** Zero the limits (no limits) and set their struct_size.
 * @param limits [out] non-NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_batch_limits_init(struct reshard_batch_limits *limits);

/** Plan to move slots to one shard. With slot_count each source gives in proportion to the
 * slots that it can give (owned, in no open migration), by largest remainder; of equal
 * remainders the lower id gives.
 * @param map [in] non-NULL.
 * @param request [in, borrowed for the call] non-NULL.
 * @param allocator [in, copied] NULL = malloc.
 * @param plan_out [out] the plan; the caller destroys it.
 * @return RESHARD_OK, or, with plan_out untouched: E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS;
 *   E_SHARD (unknown target or source); E_ARGUMENT (both or neither of slot_count and ranges, more
 *   slots than the sources can give, a source named twice or that is the target, a reserved field
 *   not 0); E_SLOT, E_OVERLAP (ranges not canonical, or in an open migration); E_OWNER (a slot of
 *   no shard, or of one that is no source); E_SLOT_COUNT (slot_bytes_count); E_OVERFLOW (bytes);
 *   E_LIMIT (too many shards); E_NOMEM.
 * Calls: allocator.  Allocates: O(slots + shards).  Threads: the map's owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_plan_reshard(const struct reshard_map *map,
    const struct reshard_reshard_request *request, const struct reshard_allocator *allocator,
    struct reshard_plan **plan_out);

/** Plan to give each shard its share of the owned slots. Targets come by largest remainder
 * over the weights (rounded to 2^-40 of the largest), where of equal remainders those that
 * hold the slot keep it. Each move goes from a shard above its target to one below, and never
 * past either target: every prefix of the plan improves the balance, in whatever order it runs.
 * @param map [in] non-NULL.
 * @param request [in, borrowed for the call] non-NULL.
 * @param allocator [in, copied] NULL = malloc.
 * @param plan_out [out] the plan, without moves when balanced; the caller destroys it.
 * @return RESHARD_OK, or, with plan_out untouched: E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS;
 *   E_WEIGHT; E_ARGUMENT (weight_count, threshold, a reserved field not 0); E_SLOT_COUNT
 *   (slot_bytes_count); E_OVERFLOW (bytes); E_LIMIT (too many shards); E_NOMEM.
 * Calls: allocator.  Allocates: O(slots + shards).  Threads: the map's owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_plan_rebalance(const struct reshard_map *map,
    const struct reshard_rebalance_request *request, const struct reshard_allocator *allocator,
    struct reshard_plan **plan_out);

/** Plan to empty shards: their slots go where they are missing most, by weight; no other
 * slot moves.
 * @param map [in] non-NULL.
 * @param request [in, borrowed for the call] non-NULL.
 * @param allocator [in, copied] NULL = malloc.
 * @param plan_out [out] the plan; the caller destroys it.
 * @return as reshard_plan_rebalance, and E_SHARD (unknown shard or target), E_ARGUMENT (no shards,
 *   a repeat, a target that is drained, nobody left to get the slots).
 * Calls: allocator.  Allocates: O(slots + shards).  Threads: the map's owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_plan_drain(const struct reshard_map *map,
    const struct reshard_drain_request *request, const struct reshard_allocator *allocator,
    struct reshard_plan **plan_out);

/** Plan to even out measured load: lower the worst overload, max over shards and dimensions of
 * load / capacity share, worst shard first, within a budget of moved bytes. Slots that are alone
 * too heavy for a share bound it from below. A heuristic (vector bin packing is NP-hard): local
 * search by single slots, each of which lowers the overload of the shard that it leaves below
 * what it was, and leaves no other as high. No prefix of the moves has a higher worst overload
 * than a shorter one.
 * @param map [in] non-NULL.
 * @param request [in, borrowed for the call] non-NULL.
 * @param allocator [in, copied] NULL = malloc.
 * @param plan_out [out] the plan, without moves when balanced; the caller destroys it.
 * @return RESHARD_OK, or, with plan_out untouched: E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL, E_FLAGS;
 *   E_WEIGHT (capacities); E_ARGUMENT (dimension_count, load_count, capacity_count, tolerance, a
 *   reserved field not 0); E_SLOT_COUNT (slot_bytes_count); E_OVERFLOW (a dimension's sum, bytes);
 *   E_LIMIT (too many shards); E_NOMEM.
 * Calls: allocator.  Allocates: O(slots x dimensions).  Threads: the map's owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_plan_load(const struct reshard_map *map,
    const struct reshard_load_request *request, const struct reshard_allocator *allocator,
    struct reshard_plan **plan_out);

/** Free a plan.
 * @param plan [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: one.  Re-entry: no.
 */
RESHARD_API void reshard_plan_destroy(struct reshard_plan *plan);

/** Say whether a plan was made for this very state of the map.
 * @param plan [in] non-NULL.
 * @param map [in] non-NULL.
 * @return RESHARD_OK, or E_PLAN (another version or digest), E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: the map's owner.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_plan_check(
    const struct reshard_plan *plan, const struct reshard_map *map);

/** Hash of a plan: kind, map version and digest, slot_count, every move in order. What an
 * operator confirms and what a coordinator runs are the same plan when it is equal.
 * @param plan [in] non-NULL.
 * @param hash_out [out] XXH3-128; equal on every platform.
 * @return RESHARD_OK, or E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_plan_hash(
    const struct reshard_plan *plan, struct reshard_digest *hash_out);

/** Version of the map that a plan was made for.
 * @param plan [in] non-NULL.
 * @return the version.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint64_t reshard_plan_map_version(const struct reshard_plan *plan);

/** Digest of the map that a plan was made for.
 * @param plan [in] non-NULL.
 * @param digest_out [out] as reshard_map_digest gave it.
 * @return RESHARD_OK, or E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_plan_map_digest(
    const struct reshard_plan *plan, struct reshard_digest *digest_out);

/** Number of moves.
 * @param plan [in] non-NULL.
 * @return the count; 0 = nothing to do.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_plan_move_count(const struct reshard_plan *plan);

/** Move by position, in the order in which they are best run.
 * @param plan [in] non-NULL.
 * @param index [in] 0 <= index < move_count.
 * @param move_out [in,out] its struct_size is set by the caller; ranges are borrowed while the
 *   plan lives.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (index), E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_plan_move_at(
    const struct reshard_plan *plan, uint32_t index, struct reshard_move *move_out);

/** What a plan comes to.
 * @param plan [in] non-NULL.
 * @param totals_out [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK, or E_NULL, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_plan_totals(
    const struct reshard_plan *plan, struct reshard_plan_totals *totals_out);

/** Cut a plan into batches, each the slots of one migration.
 * @param plan [in] non-NULL; may be destroyed afterwards.
 * @param limits [in, borrowed for the call] NULL = no limits.
 * @param allocator [in, copied] NULL = malloc.
 * @param batches_out [out] the batches; the caller destroys them.
 * @return RESHARD_OK, or, with batches_out untouched: E_NULL, E_STRUCT_SIZE, E_STRUCT_TAIL,
 *   E_FLAGS, E_NOMEM.
 * Calls: allocator.  Allocates: O(ranges + batches).  Threads: any.  Re-entry: no.
 */
RESHARD_API int32_t reshard_batches_create(const struct reshard_plan *plan,
    const struct reshard_batch_limits *limits, const struct reshard_allocator *allocator,
    struct reshard_batches **batches_out);

/** Free batches.
 * @param batches [in] NULL is a no-op.
 * Calls: allocator.  Allocates: never.  Threads: one.  Re-entry: no.
 */
RESHARD_API void reshard_batches_destroy(struct reshard_batches *batches);

/** Number of batches.
 * @param batches [in] non-NULL.
 * @return the count.
 * Calls: nothing.  Allocates: never.  Threads: one.  Re-entry: yes.
 */
RESHARD_API uint32_t reshard_batches_count(const struct reshard_batches *batches);

/** Batch by position.
 * @param batches [in] non-NULL.
 * @param index [in] 0 <= index < count.
 * @param move_out [in,out] its struct_size is set by the caller; ranges are borrowed while the
 *   batches live.
 * @return RESHARD_OK, or E_NULL, E_ARGUMENT (index), E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: one.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_batches_at(
    const struct reshard_batches *batches, uint32_t index, struct reshard_move *move_out);

/** The batch to start next. All state is in the map: a batch is done when its target has its
 * slots, in flight while an open migration has one of them, and pending while its source has
 * all of them; every open migration counts against the limits, whoever opened it. So a
 * coordinator that restarts goes on where it was. Of the pending batches within the limits the
 * one whose shards have most left to do (as source and as target, in bytes, or slots without
 * bytes) comes first; those of a load plan start in their order.
 * @param batches [in,out] non-NULL; holds scratch memory, no state.
 * @param map [in] non-NULL, of the plan's slot_count.
 * @param skip [in] non-zero at a batch's index: not to be proposed now; NULL = none.
 * @param skip_count [in] items in skip: the number of batches, or 0.
 * @param index_out [out] the batch to start.
 * @return RESHARD_OK, or, with index_out untouched: E_EMPTY (every batch is done), E_BUSY (the
 *   rest is in flight, skipped, or beyond the limits), E_PLAN (the rest was overtaken: nothing is
 *   pending or in flight, and some slots are neither at their source nor at their target),
 *   E_SLOT_COUNT, E_ARGUMENT (skip_count), E_NULL.
 * Calls: nothing.  Allocates: never.  Threads: the map's owner.  Re-entry: no.
 */
RESHARD_API int32_t reshard_batches_next(struct reshard_batches *batches,
    const struct reshard_map *map, const uint8_t *skip, uint32_t skip_count, uint32_t *index_out);

RESHARD_END_DECLS

#endif
