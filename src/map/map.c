/* SPDX-License-Identifier: MIT */
/* Room map: make, free and copy maps. */
#include "map/state.h"
#include <string.h>

_Static_assert(sizeof(_Atomic uint64_t) + sizeof(uint32_t) <= 16, "at most 16 bytes a slot");
_Static_assert((RESHARD_MAP_RETAINED & (RESHARD_MAP_RETAINED - 1)) == 0, "a power of two");

void reshard_change_init(struct reshard_change *change)
{
    if (!change)
        return;
    memset(change, 0, sizeof *change);
    change->struct_size = sizeof *change;
}

static int32_t slots_make(struct reshard_map *map)
{
    map->words = reshard__mem_alloc(&map->mem, map->slot_count * sizeof map->words[0]);
    map->handles = reshard__mem_alloc(&map->mem, map->slot_count * sizeof map->handles[0]);
    if (!map->words || !map->handles)
        return RESHARD_E_NOMEM;
    for (uint32_t slot = 0; slot < map->slot_count; slot++)
        atomic_init(&map->words[slot], 0);
    return RESHARD_OK;
}

static int32_t map_make(
    uint32_t slot_count, const struct reshard__mem *mem, struct reshard_map **map_out)
{
    struct reshard_map *map = reshard__mem_alloc(mem, sizeof *map);
    if (!map)
        return RESHARD_E_NOMEM;
    map->mem = *mem;
    map->slot_count = slot_count;
    int32_t status = slots_make(map);
    if (status) {
        reshard_map_destroy(map);
        return status;
    }
    *map_out = map;
    return RESHARD_OK;
}

int32_t reshard_map_create(
    uint32_t slot_count, const struct reshard_allocator *allocator, struct reshard_map **map_out)
{
    struct reshard__mem mem;
    if (!map_out)
        return RESHARD_E_NULL;
    if (slot_count == 0 || slot_count > RESHARD_SLOT_COUNT_MAX)
        return RESHARD_E_SLOT_COUNT;
    int32_t status = reshard__mem_import(&mem, allocator);
    return status ? status : map_make(slot_count, &mem, map_out);
}

static void records_free(struct reshard_map *map)
{
    for (size_t i = 0; i < map->node_count; i++)
        reshard__mem_free(&map->mem, map->nodes[i], reshard__map_node_size(map->nodes[i]));
    for (size_t i = 0; i < map->migration_count; i++)
        reshard__mem_free(
            &map->mem, map->migrations[i], reshard__map_migration_size(map->migrations[i]));
    for (size_t i = 0; i < map->retained_capacity; i++)
        reshard__map_entry_release(&map->mem, map->retained[i]);
}

void reshard_map_destroy(struct reshard_map *map)
{
    if (!map)
        return;
    struct reshard__mem mem = map->mem;
    records_free(map);
    reshard__mem_free(&mem, map->nodes, map->node_capacity * sizeof map->nodes[0]);
    reshard__mem_free(&mem, map->shards, map->shard_capacity * sizeof map->shards[0]);
    reshard__mem_free(&mem, map->migrations, map->migration_capacity * sizeof map->migrations[0]);
    reshard__mem_free(
        &mem, map->removed_nodes, map->removed_node_capacity * sizeof map->removed_nodes[0]);
    reshard__mem_free(
        &mem, map->removed_shards, map->removed_shard_capacity * sizeof map->removed_shards[0]);
    reshard__mem_free(&mem, map->handle_table, map->handle_capacity * sizeof map->handle_table[0]);
    reshard__mem_free(&mem, map->retained, map->retained_capacity * sizeof map->retained[0]);
    reshard__mem_free(&mem, map->words, map->slot_count * sizeof map->words[0]);
    reshard__mem_free(&mem, map->handles, map->slot_count * sizeof map->handles[0]);
    reshard__mem_free(&mem, map, sizeof *map);
}

/* A copy of a block of this map's; NULL for NULL or no memory. */
static void *block_copy(const struct reshard__mem *mem, const void *block, size_t size)
{
    void *copy = reshard__mem_alloc(mem, size);
    if (copy)
        memcpy(copy, block, size);
    return copy;
}

static int32_t clone_nodes(struct reshard_map *to, const struct reshard_map *from)
{
    for (size_t i = 0; i < from->node_count; i++) {
        int32_t status = reshard__map_reserve_node(to);
        if (status)
            return status;
        to->nodes[i] = block_copy(&to->mem, from->nodes[i], reshard__map_node_size(from->nodes[i]));
        if (!to->nodes[i])
            return RESHARD_E_NOMEM;
        to->node_count++;
    }
    return RESHARD_OK;
}

static int32_t clone_shards(struct reshard_map *to, const struct reshard_map *from)
{
    int32_t status = reshard__mem_grow(&to->mem, (void **)&to->shards, &to->shard_capacity,
        sizeof to->shards[0], from->shard_count);
    if (status)
        return status;
    for (; to->shard_count < from->shard_count; to->shard_count++)
        to->shards[to->shard_count] = from->shards[to->shard_count];
    return RESHARD_OK;
}

static int32_t clone_migrations(struct reshard_map *to, const struct reshard_map *from)
{
    for (size_t i = 0; i < from->migration_count; i++) {
        int32_t status = reshard__map_reserve_migration(to);
        if (status)
            return status;
        struct reshard__map_migration *copy = block_copy(
            &to->mem, from->migrations[i], reshard__map_migration_size(from->migrations[i]));
        if (!copy)
            return RESHARD_E_NOMEM;
        reshard__map_insert_migration(to, copy);
    }
    return RESHARD_OK;
}

static int32_t clone_removed(struct reshard_map *to, const struct reshard_map *from)
{
    int32_t status = reshard__mem_grow(&to->mem, (void **)&to->removed_nodes,
        &to->removed_node_capacity, sizeof to->removed_nodes[0], from->removed_node_count);
    if (!status)
        status = reshard__mem_grow(&to->mem, (void **)&to->removed_shards,
            &to->removed_shard_capacity, sizeof to->removed_shards[0], from->removed_shard_count);
    if (status)
        return status;
    for (; to->removed_node_count < from->removed_node_count; to->removed_node_count++)
        to->removed_nodes[to->removed_node_count] = from->removed_nodes[to->removed_node_count];
    for (; to->removed_shard_count < from->removed_shard_count; to->removed_shard_count++)
        to->removed_shards[to->removed_shard_count] = from->removed_shards[to->removed_shard_count];
    return RESHARD_OK;
}

static int32_t clone_retained(struct reshard_map *to, const struct reshard_map *from)
{
    if (!from->retained_capacity)
        return RESHARD_OK;
    to->retained = reshard__mem_alloc(&to->mem, from->retained_capacity * sizeof to->retained[0]);
    if (!to->retained)
        return RESHARD_E_NOMEM;
    to->retained_capacity = from->retained_capacity;
    for (size_t i = 0; i < from->retained_capacity; i++) {
        const struct reshard__map_entry *entry = from->retained[i];
        if (!entry)
            continue;
        to->retained[i] = reshard__map_entry_make(&to->mem, &entry->change, entry->change.version);
        if (!to->retained[i])
            return RESHARD_E_NOMEM;
        to->retained[i]->holders = 1;
    }
    to->retained_count = from->retained_count;
    to->retained_size = from->retained_size;
    return RESHARD_OK;
}

int32_t reshard_map_clone(const struct reshard_map *map, const struct reshard_allocator *allocator,
    struct reshard_map **map_out)
{
    struct reshard_map *copy = NULL;
    if (!map || !map_out)
        return RESHARD_E_NULL;
    int32_t status = reshard_map_create(map->slot_count, allocator, &copy);
    if (status)
        return status;
    for (uint32_t slot = 0; slot < map->slot_count; slot++)
        atomic_init(&copy->words[slot], reshard__word_load(map, slot));
    status = clone_nodes(copy, map);
    if (!status)
        status = clone_shards(copy, map);
    if (!status)
        status = clone_migrations(copy, map);
    if (!status)
        status = clone_removed(copy, map);
    if (!status)
        status = clone_retained(copy, map);
    if (status) {
        reshard_map_destroy(copy);
        return status;
    }
    copy->header = map->header;
    copy->sum = map->sum;
    *map_out = copy;
    return RESHARD_OK;
}
