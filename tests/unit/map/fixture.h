/* SPDX-License-Identifier: MIT */
/* Room map, tests: changes as one-liners, two small maps. */
#ifndef TESTS_MAP_FIXTURE_H
#define TESTS_MAP_FIXTURE_H

#include "map/map.h"

int32_t do_term(struct reshard_map *map, uint64_t term, uint64_t unique);
struct reshard_change change_of_kind(uint32_t kind);
int32_t do_shard_put(struct reshard_map *map, reshard_shard_id shard, double weight);
int32_t do_shard_remove(struct reshard_map *map, reshard_shard_id shard);
int32_t do_node_put(
    struct reshard_map *map, reshard_node_id node, reshard_shard_id shard, uint32_t role);
int32_t do_node_remove(struct reshard_map *map, reshard_node_id node);
int32_t do_primary(struct reshard_map *map, reshard_shard_id shard, reshard_node_id node);
int32_t do_assign(
    struct reshard_map *map, uint32_t kind, reshard_shard_id shard, uint32_t first, uint32_t last);
int32_t do_open(struct reshard_map *map, reshard_migration_id id, reshard_shard_id source,
    reshard_shard_id target, uint32_t first, uint32_t last);
int32_t do_commit(
    struct reshard_map *map, reshard_migration_id id, uint64_t source_epoch, uint64_t target_epoch);
int32_t do_decide(struct reshard_map *map, uint32_t kind, reshard_migration_id id);

/* Shards 1 and 2 with primaries 11 and 12 (epoch 1), shard 1 owns 0 ... 15 of 16. */
struct reshard_map *map_of_two_shards(void);
/* One of everything: nodes, replicas, removed ids, slots without an owner, an open, a committed and
 * an aborted migration. NULL without memory at the very start. */
struct reshard_map *map_of_everything(const struct reshard_allocator *allocator);

int digests_equal(const struct reshard_map *a, const struct reshard_map *b);

#endif
