/* SPDX-License-Identifier: MIT */
/* Room map: nodes, shards, migrations and removed ids as records in ascending arrays. Making and
 * reserving may fail and change no state; inserting cannot fail and keeps the sum. */
#include "map/state.h"
#include <string.h>

struct reshard__map_node *reshard__map_node_make(
    const struct reshard__mem *mem, const struct reshard_change *change)
{
    struct reshard__map_node head = {.id = change->node,
        .shard = change->shard,
        .role = change->role,
        .name_size = change->name_size,
        .address_size = change->address_size,
        .zone_size = change->zone_size};
    struct reshard__map_node *node = reshard__mem_alloc(mem, reshard__map_node_size(&head));
    if (!node)
        return NULL;
    memcpy(node, &head, sizeof head);
    char *at = node->texts;
    if (change->name_size)
        memcpy(at, change->name, change->name_size);
    at += change->name_size;
    if (change->address_size)
        memcpy(at, change->address, change->address_size);
    at += change->address_size;
    if (change->zone_size)
        memcpy(at, change->zone, change->zone_size);
    return node;
}

struct reshard__map_migration *reshard__map_migration_make(const struct reshard__mem *mem,
    const struct reshard_change *change, uint64_t version, uint32_t slot_count)
{
    struct reshard__map_migration head = {.id = change->migration,
        .version = version,
        .source = change->source,
        .target = change->target,
        .mode = change->mode,
        .flags = change->migration_flags,
        .decision = RESHARD_DECISION_NONE,
        .slot_count = slot_count,
        .range_count = change->range_count};
    struct reshard__map_migration *migration =
        reshard__mem_alloc(mem, reshard__map_migration_size(&head));
    if (!migration)
        return NULL;
    memcpy(migration, &head, sizeof head);
    memcpy(migration->ranges, change->ranges, change->range_count * sizeof change->ranges[0]);
    return migration;
}

int32_t reshard__map_reserve_node(struct reshard_map *map)
{
    return reshard__mem_grow(&map->mem, (void **)&map->nodes, &map->node_capacity,
        sizeof map->nodes[0], map->node_count + 1);
}

int32_t reshard__map_reserve_shard(struct reshard_map *map)
{
    return reshard__mem_grow(&map->mem, (void **)&map->shards, &map->shard_capacity,
        sizeof map->shards[0], map->shard_count + 1);
}

int32_t reshard__map_reserve_removed_node(struct reshard_map *map)
{
    return reshard__mem_grow(&map->mem, (void **)&map->removed_nodes, &map->removed_node_capacity,
        sizeof map->removed_nodes[0], map->removed_node_count + 1);
}

int32_t reshard__map_reserve_removed_shard(struct reshard_map *map)
{
    return reshard__mem_grow(&map->mem, (void **)&map->removed_shards, &map->removed_shard_capacity,
        sizeof map->removed_shards[0], map->removed_shard_count + 1);
}

int32_t reshard__map_reserve_migration(struct reshard_map *map)
{
    int32_t status = reshard__mem_grow(&map->mem, (void **)&map->migrations,
        &map->migration_capacity, sizeof map->migrations[0], map->migration_count + 1);
    if (status || map->handle_free)
        return status;
    return reshard__mem_grow(&map->mem, (void **)&map->handle_table, &map->handle_capacity,
        sizeof map->handle_table[0], (size_t)map->handle_count + 1);
}

void reshard__map_insert_node(struct reshard_map *map, struct reshard__map_node *node)
{
    size_t place = reshard__map_node_place(map, node->id);
    RESHARD_ASSERT(map->node_count < map->node_capacity);
    memmove(&map->nodes[place + 1], &map->nodes[place],
        (map->node_count - place) * sizeof map->nodes[0]);
    map->nodes[place] = node;
    map->node_count++;
    map->sum = reshard__digest_plus(map->sum, reshard__map_item_node(node));
}

void reshard__map_insert_shard(struct reshard_map *map, const struct reshard__map_shard *shard)
{
    size_t place = reshard__map_shard_place(map, shard->id);
    RESHARD_ASSERT(map->shard_count < map->shard_capacity);
    memmove(&map->shards[place + 1], &map->shards[place],
        (map->shard_count - place) * sizeof map->shards[0]);
    map->shards[place] = *shard;
    map->shard_count++;
    map->sum = reshard__digest_plus(map->sum, reshard__map_item_shard(shard));
}

static uint32_t handle_take(struct reshard_map *map)
{
    uint32_t handle = map->handle_free;
    if (handle) {
        map->handle_free = map->handle_table[handle - 1].next_free;
        return handle;
    }
    RESHARD_ASSERT(map->handle_count < map->handle_capacity);
    return ++map->handle_count;
}

void reshard__map_insert_migration(
    struct reshard_map *map, struct reshard__map_migration *migration)
{
    size_t place = reshard__map_migration_place(map, migration->id);
    RESHARD_ASSERT(map->migration_count < map->migration_capacity);
    memmove(&map->migrations[place + 1], &map->migrations[place],
        (map->migration_count - place) * sizeof map->migrations[0]);
    map->migrations[place] = migration;
    map->migration_count++;
    migration->handle = handle_take(map);
    map->handle_table[migration->handle - 1] =
        (struct reshard__map_handle){.migration = migration, .next_free = 0};
    for (uint32_t i = 0; i < migration->range_count; i++)
        for (uint32_t slot = migration->ranges[i].first; slot <= migration->ranges[i].last; slot++)
            map->handles[slot] = migration->handle;
    migration->item = reshard__map_item_migration(migration);
    map->sum = reshard__digest_plus(map->sum, migration->item);
}

void reshard__map_insert_removed_node(struct reshard_map *map, reshard_node_id id)
{
    size_t place = map->removed_node_count;
    RESHARD_ASSERT(place < map->removed_node_capacity);
    while (place > 0 && map->removed_nodes[place - 1] > id) {
        map->removed_nodes[place] = map->removed_nodes[place - 1];
        place--;
    }
    map->removed_nodes[place] = id;
    map->removed_node_count++;
    map->sum = reshard__digest_plus(map->sum, reshard__map_item_removed_node(id));
}

void reshard__map_insert_removed_shard(struct reshard_map *map, reshard_shard_id id)
{
    size_t place = map->removed_shard_count;
    RESHARD_ASSERT(place < map->removed_shard_capacity);
    while (place > 0 && map->removed_shards[place - 1] > id) {
        map->removed_shards[place] = map->removed_shards[place - 1];
        place--;
    }
    map->removed_shards[place] = id;
    map->removed_shard_count++;
    map->sum = reshard__digest_plus(map->sum, reshard__map_item_removed_shard(id));
}
