/* SPDX-License-Identifier: MIT */
/* Room plan (floor 3): which slots move from which shard to which.
 *
 * Guarantees: a plan is a deterministic function of the map and the request (decisions in
 * integers only); rebalance and drain move the fewest slots that reach their targets; no slot
 * moves twice; slots of open migrations stay where they are. Touches the map read-only.
 */
#ifndef RESHARD_PLAN_ROOM_H
#define RESHARD_PLAN_ROOM_H

#include "map/map.h"
#include <reshard/plan.h>

/* In reshard__plan_view.slots: nobody's slot, and the mark of slots in open migrations. */
#define RESHARD__PLAN_NONE UINT32_C(0x7FFFFFFF)
#define RESHARD__PLAN_PINNED UINT32_C(0x80000000)

/* A map flattened: shards by position, slots by the position of the shard that has them once
 * the open migrations are through. */
struct reshard__plan_view {
    struct reshard__mem mem;
    uint32_t slot_count;
    uint32_t shard_count;
    uint64_t version;
    struct reshard_digest digest;
    reshard_shard_id *shards; /* ascending ids */
    double *weights;
    uint32_t *have;    /* slots a shard has */
    uint32_t *movable; /* of them, in no open migration */
    uint32_t *slots;   /* [slot] position or NONE, PINNED or'ed in */
};

/* Errors: those of the allocator's struct, LIMIT, NOMEM. On an error nothing is to be freed. */
int32_t reshard__plan_view_load(struct reshard__plan_view *view, const struct reshard_map *map,
    const struct reshard_allocator *allocator);
void reshard__plan_view_free(struct reshard__plan_view *view);
/* Position of a shard, NONE if there is none. */
uint32_t reshard__plan_view_find(const struct reshard__plan_view *view, reshard_shard_id shard);
/* Effective owner's position or NONE; slots outside the map are nobody's. */
uint32_t reshard__plan_view_owner(const struct reshard__plan_view *view, uint32_t slot);
/* Maximal runs of owned slots with one owner. */
uint32_t reshard__plan_view_ranges(const struct reshard__plan_view *view);
/* Check a per-slot array of the request. Errors: NULL, SLOT_COUNT, OVERFLOW (of its sum). */
int32_t reshard__plan_view_bytes(
    const struct reshard__plan_view *view, const uint64_t *slot_bytes, uint32_t count);
/* Zeroed uint32_t or uint64_t per shard; never NULL for want of shards. */
uint32_t *reshard__plan_view_u32(const struct reshard__plan_view *view);
uint64_t *reshard__plan_view_u64(const struct reshard__plan_view *view);
void reshard__plan_view_drop(const struct reshard__plan_view *view, void *array, size_t item_size);

/* Slots first ... last go from one position to another; source may be NONE. Pieces of one group
 * become one move; moves come in the order of their groups. */
struct reshard__plan_piece {
    uint32_t group;
    uint32_t source;
    uint32_t target;
    uint32_t first;
    uint32_t last;
};

struct reshard__plan_pieces {
    struct reshard__plan_piece *items;
    size_t count;
    size_t capacity;
};

int32_t reshard__plan_pieces_add(const struct reshard__mem *mem,
    struct reshard__plan_pieces *pieces, const struct reshard__plan_piece *piece);
void reshard__plan_pieces_free(
    const struct reshard__mem *mem, struct reshard__plan_pieces *pieces);
/* One group per (source, target), in order of first appearance. */
int32_t reshard__plan_pieces_group(
    const struct reshard__mem *mem, struct reshard__plan_pieces *pieces);

/* By group, then by slot. There is at least one piece. */
int32_t reshard__plan_pieces_sort(
    const struct reshard__mem *mem, struct reshard__plan_pieces *pieces);

/* Integer weights in the ratio of the doubles, the largest in 2^40 ... 2^41, none below 1.
 * Errors: WEIGHT (NaN, infinite, zero, negative). weights and scaled have `count` items. */
int32_t reshard__weights_scale(const double *weights, uint32_t count, uint64_t *scaled);

/* Share `total` out over shards of non-zero weight by largest remainder, none below its lower
 * bound; of equal remainders those with more than the floor win, then the lower position.
 * Shards of weight 0 get their lower bound. The lower bounds' sum is <= total, and some weight
 * is not 0 unless total equals that sum. Errors: NOMEM. */
struct reshard__share {
    uint32_t count;
    uint32_t total;
    const uint64_t *weights;
    const uint32_t *have;
    const uint32_t *lower;
};
int32_t reshard__share_out(
    const struct reshard__mem *mem, const struct reshard__share *share, uint32_t *targets);

/* Choose slots: each shard gives surplus[i] of its movable slots and gets deficit[i]; the sums
 * are equal, no shard has both. Prefers shifting borders between neighbours, then whole runs,
 * then ends of runs; updates view->slots; both arrays end up zero. */
int32_t reshard__plan_flow(struct reshard__plan_view *view, uint32_t *surplus, uint32_t *deficit,
    struct reshard__plan_pieces *pieces);

/* Stable radix sort by key. scratch has `count` items. */
struct reshard__sort_item {
    uint64_t key;
    uint32_t value;
};
void reshard__sort(
    struct reshard__sort_item *items, struct reshard__sort_item *scratch, size_t count);

/* floor(a * b / c) without overflow on the way; the quotient must fit. c > 0. */
uint64_t reshard__mul_div(uint64_t a, uint64_t b, uint64_t c);

struct reshard__plan_move {
    reshard_shard_id source;
    reshard_shard_id target;
    uint32_t range_first; /* index in plan->ranges */
    uint32_t range_count;
    uint32_t slot_first; /* index in plan->bytes */
    uint32_t slot_count;
    uint64_t bytes;
};

struct reshard_plan {
    struct reshard__mem mem;
    uint32_t slot_count;
    uint64_t version;
    struct reshard_digest digest;
    struct reshard__plan_move *moves;
    size_t move_count;
    struct reshard_range *ranges;
    size_t range_count;
    uint64_t *bytes; /* of each moved slot, in the order of the ranges; or NULL */
    size_t bytes_count;
    struct reshard_plan_totals totals;
};

/* Make a plan of pieces, whose order changes. totals gives kind, slots_minimum, ranges and
 * overloads; the rest is counted here. Errors: NOMEM. */
int32_t reshard__plan_build(const struct reshard__plan_view *view,
    struct reshard__plan_pieces *pieces, const uint64_t *slot_bytes,
    const struct reshard_plan_totals *totals, struct reshard_plan **plan_out);

/* A plan of kind FIX from pieces that the caller collected with positions of `view`, on which
 * they were already carried out (view->slots), if not: they are carried out here.
 * One group per (source, target). Errors: NOMEM. */
int32_t reshard__plan_fix(struct reshard__plan_view *view, struct reshard__plan_pieces *pieces,
    struct reshard_plan **plan_out);

#endif
