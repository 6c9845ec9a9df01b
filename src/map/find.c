/* SPDX-License-Identifier: MIT */
/* Room map: binary searches by id. Changes nothing. */
#include "map/state.h"

size_t reshard__map_node_place(const struct reshard_map *map, reshard_node_id id)
{
    size_t low = 0;
    size_t high = map->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->nodes[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t reshard__map_shard_place(const struct reshard_map *map, reshard_shard_id id)
{
    size_t low = 0;
    size_t high = map->shard_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->shards[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t reshard__map_migration_place(const struct reshard_map *map, reshard_migration_id id)
{
    size_t low = 0;
    size_t high = map->migration_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->migrations[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct reshard__map_node *reshard__map_node(const struct reshard_map *map, reshard_node_id id)
{
    size_t place = reshard__map_node_place(map, id);
    return place < map->node_count && map->nodes[place]->id == id ? map->nodes[place] : NULL;
}

struct reshard__map_shard *reshard__map_shard(const struct reshard_map *map, reshard_shard_id id)
{
    size_t place = reshard__map_shard_place(map, id);
    return place < map->shard_count && map->shards[place]->id == id ? map->shards[place] : NULL;
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
    size_t low = 0;
    size_t high = map->removed_node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->removed_nodes[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < map->removed_node_count && map->removed_nodes[low] == id;
}

bool reshard__map_shard_removed(const struct reshard_map *map, reshard_shard_id id)
{
    size_t low = 0;
    size_t high = map->removed_shard_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->removed_shards[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < map->removed_shard_count && map->removed_shards[low] == id;
}
