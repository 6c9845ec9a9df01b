/* SPDX-License-Identifier: MIT */
/* Room map: where an id stands or would be inserted. Changes nothing. */
#include "map/state.h"

typedef uint64_t id_at(const struct reshard_map *map, size_t index);

static uint64_t node_id(const struct reshard_map *map, size_t index)
{
    return map->nodes[index]->id;
}

static uint64_t shard_id(const struct reshard_map *map, size_t index)
{
    return map->shards[index].id;
}

static uint64_t migration_id(const struct reshard_map *map, size_t index)
{
    return map->migrations[index]->id;
}

static uint64_t removed_node_id(const struct reshard_map *map, size_t index)
{
    return map->removed_nodes[index];
}

static uint64_t removed_shard_id(const struct reshard_map *map, size_t index)
{
    return map->removed_shards[index];
}

/* Ids ascend: one stands at most as far behind the first as it is above it, and right there where
 * none between them is missing. So the search gallops down from there (Bentley and Yao 1976): a
 * record that is looked at is most often a miss of the cache. */
static inline size_t place_of(
    const struct reshard_map *map, id_at *at, size_t count, uint64_t first, uint64_t id)
{
    size_t high = id <= first ? 0 : id - first < count ? (size_t)(id - first) : count;
    if (high < count && at(map, high) == id)
        return high;
    size_t low = high, step = 1;
    while (low > 0 && at(map, low - 1) >= id) {
        high = low - 1;
        low = high > step ? high - step : 0;
        step *= 2;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (at(map, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t reshard__map_node_place(const struct reshard_map *map, reshard_node_id id)
{
    return place_of(map, node_id, map->node_count, 1, id);
}

size_t reshard__map_shard_place(const struct reshard_map *map, reshard_shard_id id)
{
    return place_of(map, shard_id, map->shard_count, 1, id);
}

size_t reshard__map_migration_place(const struct reshard_map *map, reshard_migration_id id)
{
    uint64_t first = map->migration_count ? map->migrations[0]->id : 0;
    return place_of(map, migration_id, map->migration_count, first, id);
}

struct reshard__map_node *reshard__map_node(const struct reshard_map *map, reshard_node_id id)
{
    size_t place = reshard__map_node_place(map, id);
    return place < map->node_count && map->nodes[place]->id == id ? map->nodes[place] : NULL;
}

struct reshard__map_shard *reshard__map_shard(const struct reshard_map *map, reshard_shard_id id)
{
    size_t place = reshard__map_shard_place(map, id);
    return place < map->shard_count && map->shards[place].id == id ? &map->shards[place] : NULL;
}

struct reshard__map_migration *reshard__map_migration(
    const struct reshard_map *map, reshard_migration_id id)
{
    size_t place = reshard__map_migration_place(map, id);
    if (place < map->migration_count && map->migrations[place]->id == id)
        return map->migrations[place];
    return NULL;
}

bool reshard__map_node_removed(const struct reshard_map *map, reshard_node_id id)
{
    size_t place = place_of(map, removed_node_id, map->removed_node_count, 1, id);
    return place < map->removed_node_count && map->removed_nodes[place] == id;
}

bool reshard__map_shard_removed(const struct reshard_map *map, reshard_shard_id id)
{
    size_t place = place_of(map, removed_shard_id, map->removed_shard_count, 1, id);
    return place < map->removed_shard_count && map->removed_shards[place] == id;
}
