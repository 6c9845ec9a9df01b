/* SPDX-License-Identifier: MIT */
/* Maps for the planner's tests, made of arrays, and plans carried out on arrays. */
#ifndef RESHARD_TESTS_PLAN_FIXTURE_H
#define RESHARD_TESTS_PLAN_FIXTURE_H

#include "plan/plan.h"
#include "support/alloc.h"

/* Apply a change to a map; a refusal fails the test. */
void fixture_apply(struct reshard_map *map, const struct reshard_change *change);

/* A map of shards 1 ... shard_count, where owners[slot] is a shard, or 0 for nobody. weights may
 * be NULL: all 1.0. Each shard i has one node, i, as its primary. */
struct reshard_map *fixture_map(uint32_t slot_count, uint32_t shard_count,
    const reshard_shard_id *owners, const double *weights);

/* Slots 0 ... slot_count - 1 in even contiguous runs over the first `used` of shard_count. */
struct reshard_map *fixture_even(uint32_t slot_count, uint32_t shard_count, uint32_t used);

/* Open a migration of a range; returns its id. */
reshard_migration_id fixture_open(struct reshard_map *map, reshard_shard_id source,
    reshard_shard_id target, uint32_t first, uint32_t last);
void fixture_commit(struct reshard_map *map, reshard_migration_id migration);
void fixture_end(struct reshard_map *map, reshard_migration_id migration);

/* Owners of a map's slots, open migrations not looked at. */
void fixture_owners(const struct reshard_map *map, reshard_shard_id *owners);
/* Carry out a plan on owners; a slot that its source does not have fails the test. */
void fixture_run(const struct reshard_plan *plan, reshard_shard_id *owners);
/* Slots of a shard. */
uint32_t fixture_count(const reshard_shard_id *owners, uint32_t slot_count, reshard_shard_id shard);
/* Maximal runs of owned slots. */
uint32_t fixture_ranges(const reshard_shard_id *owners, uint32_t slot_count);

struct reshard_move fixture_move(const struct reshard_plan *plan, uint32_t index);
struct reshard_plan_totals fixture_totals(const struct reshard_plan *plan);

/* Uniform below `bound`. */
uint32_t fixture_random(uint64_t *seed, uint32_t bound);

#endif
