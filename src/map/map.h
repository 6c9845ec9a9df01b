/* SPDX-License-Identifier: MIT */
/* Room map (floor 2): the slot map and its guarded changes.
 *
 * Guarantees: after every apply the invariants hold (one owner per slot, no overlapping open
 * migrations, versions and terms only grow); a refused change leaves the digest as it was.
 * Touches no wire format: snapshots are rebuilt through reshard__map_load_*.
 */
#ifndef RESHARD_MAP_MAP_H
#define RESHARD_MAP_MAP_H

#include "slot/slot.h"
#include <reshard/map.h>

/* Rebuild a map from a snapshot: begin on a map at version 0, then nodes, shards, owners (with
 * epochs), migrations in any order, then finish, which checks every invariant and sets the version.
 * What can be derived (slot_count, node_count) is not read. Ascending ids append, others are moved
 * into place. On an error the map under construction is to be destroyed. Errors: those of
 * reshard_map_apply, EXISTS for an id that came before, STATE when the version is not 0. */
struct reshard__map_header {
    uint64_t version;
    uint64_t term;
    uint64_t unique;
    reshard_migration_id last_migration;
};
int32_t reshard__map_load_node(struct reshard_map *map, const struct reshard_map_node *node);
int32_t reshard__map_load_shard(struct reshard_map *map, const struct reshard_map_shard *shard);
int32_t reshard__map_load_owner(struct reshard_map *map, const struct reshard_range *range,
    reshard_shard_id shard, uint32_t epoch);
int32_t reshard__map_load_migration(
    struct reshard_map *map, const struct reshard_map_migration *migration);
/* Ids of removed nodes and shards, ascending: they are never reused. */
int32_t reshard__map_load_removed_node(struct reshard_map *map, reshard_node_id node);
int32_t reshard__map_load_removed_shard(struct reshard_map *map, reshard_shard_id shard);
int32_t reshard__map_load_finish(struct reshard_map *map, const struct reshard__map_header *header);
void reshard__map_header(const struct reshard_map *map, struct reshard__map_header *header_out);

/* Removed ids by position, ascending; 0 behind the last. */
reshard_node_id reshard__map_removed_node(const struct reshard_map *map, size_t index);
reshard_shard_id reshard__map_removed_shard(const struct reshard_map *map, size_t index);

/* The change that made a version that the map retains, as it stands there: valid until the map
 * changes. */
const struct reshard_change *reshard__map_change(const struct reshard_map *map, uint64_t version);

/* Whether all changes behind a version, which are retained, still are with one more. */
bool reshard__map_room(
    const struct reshard_map *map, uint64_t since, const struct reshard_change *change);

/* Apply the next change of a map that is ahead of this one, and was as this one is: it is not
 * judged again, and both retain it as one block. Both have one allocator and one thread. NOMEM:
 * nothing changed. */
int32_t reshard__map_follow(struct reshard_map *map, const struct reshard_map *ahead);

/* Next maximal run of slots with one owner AND one epoch (what a snapshot stores). Like
 * reshard_map_owner_next. */
int32_t reshard__map_run_next(const struct reshard_map *map, uint32_t *cursor,
    struct reshard_range *range_out, reshard_shard_id *shard_out, uint32_t *epoch_out);

/* Every invariant of the map, slowly; for tests, debug builds and load_finish. */
bool reshard__map_sound(const struct reshard_map *map);

#endif
