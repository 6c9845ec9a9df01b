/* SPDX-License-Identifier: MIT */
/* Room plan, load-aware part: the state of the search. See load.c. */
#ifndef RESHARD_PLAN_LOAD_H
#define RESHARD_PLAN_LOAD_H

#include "plan/plan.h"

/* Ratios of load to share are in millionths. */
#define RESHARD__LOAD_ONE UINT64_C(1000000)

/* Arrays by shard and dimension are [shard * dimension_count + dimension]; loads are scaled so
 * that a dimension's sum is just below 2^43: times RESHARD__LOAD_ONE it fits 64 bits. */
struct reshard__load {
    struct reshard__plan_view *view;
    uint32_t dimension_count;
    uint64_t *values; /* [slot * dimension_count + dimension] */
    uint32_t *costs;  /* [slot]: bytes scaled to 20 bits, plus the mean: moving has a base price */
    const uint64_t *slot_bytes;
    uint64_t bytes_left;
    uint64_t *loads;
    uint64_t *shares; /* what a shard is to bear, at least 1 */
    uint64_t *limits; /* shares with the tolerance on top */
    uint64_t *ratios; /* [shard]: worst over dimensions */
    uint32_t *closed; /* [shard]: gets nothing */
    uint32_t *stuck;  /* [shard]: nothing it could give helps */
    uint32_t *list;   /* slots that can still move, by shard */
    uint32_t *starts; /* [shard]: first in list */
    uint32_t *counts; /* [shard]: items in list */
    struct reshard__plan_pieces pieces;
};

/* Check the request, scale loads and capacities. Errors as reshard_plan_load. The caller closes
 * it in either case. */
int32_t reshard__load_open(struct reshard__load *load, struct reshard__plan_view *view,
    const struct reshard_load_request *request);
void reshard__load_close(struct reshard__load *load);
/* Move one slot and keep the ratios. */
void reshard__load_shift(
    struct reshard__load *load, uint32_t slot, uint32_t source, uint32_t target);
uint64_t reshard__load_worst(const struct reshard__load *load);
/* Search: fills pieces, one slot each, in order. Errors: NOMEM. */
int32_t reshard__load_search(struct reshard__load *load);

#endif
