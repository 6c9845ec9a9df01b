/* SPDX-License-Identifier: MIT */
/* Room map: getters. Changes nothing; the slot getters are one atomic load. */
#include "map/state.h"

uint32_t reshard_map_slot_count(const struct reshard_map *map)
{
    return map ? map->slot_count : 0;
}

uint64_t reshard_map_version(const struct reshard_map *map)
{
    return map ? map->header.version : 0;
}

uint64_t reshard_map_term(const struct reshard_map *map, uint64_t *unique_out)
{
    if (unique_out)
        *unique_out = map ? map->header.unique : 0;
    return map ? map->header.term : 0;
}

reshard_migration_id reshard_map_last_migration(const struct reshard_map *map)
{
    return map ? map->header.last_migration : 0;
}

void reshard__map_header(const struct reshard_map *map, struct reshard__map_header *header_out)
{
    *header_out = map->header;
}

/* Acquire pairs with the store's release; on x86-64 and as ldar on ARMv8 it costs next to nothing.
 */
static uint64_t word_read(const struct reshard_map *map, uint32_t slot)
{
    if (!map || slot >= map->slot_count)
        return 0;
    return atomic_load_explicit(&map->words[slot], memory_order_acquire);
}

reshard_shard_id reshard_map_slot_owner(const struct reshard_map *map, uint32_t slot)
{
    return reshard__word_owner(word_read(map, slot));
}

uint32_t reshard_map_slot_epoch(const struct reshard_map *map, uint32_t slot)
{
    return reshard__word_epoch(word_read(map, slot));
}

reshard_migration_id reshard_map_slot_migration(const struct reshard_map *map, uint32_t slot)
{
    if (!map || slot >= map->slot_count)
        return 0;
    const struct reshard__map_migration *migration = reshard__map_slot_record(map, slot);
    return migration ? migration->id : 0;
}

/* The run from the cursor of words that are equal under the mask. */
static int32_t run_next(const struct reshard_map *map, uint64_t mask, uint32_t *cursor,
    struct reshard_range *range_out, uint64_t *word_out)
{
    uint32_t first = *cursor;
    if (first >= map->slot_count)
        return RESHARD_E_EMPTY;
    uint64_t word = reshard__word_load(map, first) & mask;
    uint32_t next = first + 1;
    while (next < map->slot_count && (reshard__word_load(map, next) & mask) == word)
        next++;
    *cursor = next;
    *range_out = (struct reshard_range){.first = first, .last = next - 1};
    *word_out = word;
    return RESHARD_OK;
}

int32_t reshard_map_owner_next(const struct reshard_map *map, uint32_t *cursor,
    struct reshard_range *range_out, reshard_shard_id *shard_out)
{
    uint64_t word;
    if (!map || !cursor || !range_out || !shard_out)
        return RESHARD_E_NULL;
    int32_t status = run_next(map, UINT32_MAX, cursor, range_out, &word);
    if (!status)
        *shard_out = reshard__word_owner(word);
    return status;
}

int32_t reshard__map_run_next(const struct reshard_map *map, uint32_t *cursor,
    struct reshard_range *range_out, reshard_shard_id *shard_out, uint32_t *epoch_out)
{
    uint64_t word;
    int32_t status = run_next(map, UINT64_MAX, cursor, range_out, &word);
    if (status)
        return status;
    *shard_out = reshard__word_owner(word);
    *epoch_out = reshard__word_epoch(word);
    return RESHARD_OK;
}

uint32_t reshard_map_node_count(const struct reshard_map *map)
{
    return map ? (uint32_t)map->node_count : 0;
}

static int32_t node_export(const struct reshard__map_node *node, struct reshard_map_node *node_out)
{
    const struct reshard_map_node view = {.struct_size = sizeof view,
        .role = node->role,
        .node = node->id,
        .shard = node->shard,
        .name_size = node->name_size,
        .address_size = node->address_size,
        .zone_size = node->zone_size,
        .name = node->texts,
        .address = node->texts + node->name_size,
        .zone = node->texts + node->name_size + node->address_size};
    return reshard__struct_export(node_out, sizeof *node_out, &view, sizeof view);
}

int32_t reshard_map_node_at(
    const struct reshard_map *map, uint32_t index, struct reshard_map_node *node_out)
{
    if (!map || !node_out)
        return RESHARD_E_NULL;
    if (index >= map->node_count)
        return RESHARD_E_NODE;
    return node_export(map->nodes[index], node_out);
}

int32_t reshard_map_node_find(
    const struct reshard_map *map, reshard_node_id node, struct reshard_map_node *node_out)
{
    if (!map || !node_out)
        return RESHARD_E_NULL;
    const struct reshard__map_node *found = reshard__map_node(map, node);
    return found ? node_export(found, node_out) : RESHARD_E_NODE;
}

uint32_t reshard_map_shard_count(const struct reshard_map *map)
{
    return map ? (uint32_t)map->shard_count : 0;
}

static int32_t shard_export(
    const struct reshard__map_shard *shard, struct reshard_map_shard *shard_out)
{
    const struct reshard_map_shard view = {.struct_size = sizeof view,
        .shard = shard->id,
        .primary = shard->primary,
        .weight = shard->weight,
        .epoch = shard->epoch,
        .slot_count = shard->slot_count,
        .node_count = shard->node_count};
    return reshard__struct_export(shard_out, sizeof *shard_out, &view, sizeof view);
}

int32_t reshard_map_shard_at(
    const struct reshard_map *map, uint32_t index, struct reshard_map_shard *shard_out)
{
    if (!map || !shard_out)
        return RESHARD_E_NULL;
    if (index >= map->shard_count)
        return RESHARD_E_SHARD;
    return shard_export(&map->shards[index], shard_out);
}

int32_t reshard_map_shard_find(
    const struct reshard_map *map, reshard_shard_id shard, struct reshard_map_shard *shard_out)
{
    if (!map || !shard_out)
        return RESHARD_E_NULL;
    const struct reshard__map_shard *found = reshard__map_shard(map, shard);
    return found ? shard_export(found, shard_out) : RESHARD_E_SHARD;
}

uint32_t reshard_map_migration_count(const struct reshard_map *map)
{
    return map ? (uint32_t)map->migration_count : 0;
}

static int32_t migration_export(
    const struct reshard__map_migration *migration, struct reshard_map_migration *migration_out)
{
    const struct reshard_map_migration view = {.struct_size = sizeof view,
        .mode = migration->mode,
        .migration = migration->id,
        .source = migration->source,
        .target = migration->target,
        .decision = migration->decision,
        .migration_flags = migration->flags,
        .attempt = migration->attempt,
        .version = migration->version,
        .slot_count = migration->slot_count,
        .range_count = migration->range_count,
        .ranges = migration->ranges};
    return reshard__struct_export(migration_out, sizeof *migration_out, &view, sizeof view);
}

int32_t reshard_map_migration_at(
    const struct reshard_map *map, uint32_t index, struct reshard_map_migration *migration_out)
{
    if (!map || !migration_out)
        return RESHARD_E_NULL;
    if (index >= map->migration_count)
        return RESHARD_E_MIGRATION;
    return migration_export(map->migrations[index], migration_out);
}

int32_t reshard_map_migration_find(const struct reshard_map *map, reshard_migration_id migration,
    struct reshard_map_migration *migration_out)
{
    if (!map || !migration_out)
        return RESHARD_E_NULL;
    const struct reshard__map_migration *found = reshard__map_migration(map, migration);
    return found ? migration_export(found, migration_out) : RESHARD_E_MIGRATION;
}

reshard_node_id reshard__map_removed_node(const struct reshard_map *map, size_t index)
{
    return index < map->removed_node_count ? map->removed_nodes[index] : 0;
}

reshard_shard_id reshard__map_removed_shard(const struct reshard_map *map, size_t index)
{
    return index < map->removed_shard_count ? map->removed_shards[index] : 0;
}
