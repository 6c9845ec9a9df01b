/* SPDX-License-Identifier: MIT */
/* Room map: the retained changes, what deltas are made of. Bounded in number and in bytes; the
 * newest change is always retained. */
#include "map/state.h"
#include <string.h>

static const char *copy_text(char **at, const char *text, uint32_t size)
{
    if (!size)
        return NULL;
    char *copy = *at;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

static size_t entry_size(const struct reshard_change *change)
{
    return sizeof(struct reshard__map_entry) + change->range_count * sizeof change->ranges[0] +
           change->name_size + change->address_size + change->zone_size;
}

struct reshard__map_entry *reshard__map_entry_make(
    const struct reshard__mem *mem, const struct reshard_change *change, uint64_t version)
{
    size_t ranges_size = change->range_count * sizeof change->ranges[0];
    size_t size = entry_size(change);
    struct reshard__map_entry *entry = reshard__mem_alloc(mem, size);
    if (!entry)
        return NULL;
    entry->size = size;
    entry->change = *change;
    entry->change.struct_size = sizeof entry->change;
    entry->change.version = version;
    entry->change.ranges = NULL;
    if (ranges_size) {
        memcpy(entry->ranges, change->ranges, ranges_size);
        entry->change.ranges = entry->ranges;
    }
    char *at = (char *)(entry->ranges + change->range_count);
    entry->change.name = copy_text(&at, change->name, change->name_size);
    entry->change.address = copy_text(&at, change->address, change->address_size);
    entry->change.zone = copy_text(&at, change->zone, change->zone_size);
    return entry;
}

void reshard__map_entry_free(const struct reshard__mem *mem, struct reshard__map_entry *entry)
{
    reshard__mem_free(mem, entry, entry->size);
}

void reshard__map_entry_release(const struct reshard__mem *mem, struct reshard__map_entry *entry)
{
    if (entry && --entry->holders == 0)
        reshard__map_entry_free(mem, entry);
}

static struct reshard__map_entry **entry_at(const struct reshard_map *map, uint64_t version)
{
    return &map->retained[(size_t)version & (map->retained_capacity - 1)];
}

struct reshard__map_entry *reshard__map_retained(const struct reshard_map *map, uint64_t version)
{
    if (version > map->header.version || map->header.version - version >= map->retained_count)
        return NULL;
    return *entry_at(map, version);
}

/* Doubles; an entry's place depends on the capacity, so that all are placed anew. */
int32_t reshard__map_retain_reserve(struct reshard_map *map)
{
    size_t before = map->retained_capacity;
    if (map->retained_count < before || before == RESHARD_MAP_RETAINED)
        return RESHARD_OK;
    size_t capacity = before ? before * 2 : 8;
    struct reshard__map_entry **entries =
        reshard__mem_alloc(&map->mem, capacity * sizeof map->retained[0]);
    if (!entries)
        return RESHARD_E_NOMEM;
    for (size_t i = 0; i < map->retained_count; i++) {
        uint64_t version = map->header.version - i;
        entries[(size_t)version & (capacity - 1)] = *entry_at(map, version);
    }
    reshard__mem_free(&map->mem, map->retained, before * sizeof map->retained[0]);
    map->retained = entries;
    map->retained_capacity = capacity;
    return RESHARD_OK;
}

/* newest: the version of the newest retained entry. */
static void drop_oldest(struct reshard_map *map, uint64_t newest)
{
    struct reshard__map_entry **oldest = entry_at(map, newest - (map->retained_count - 1));
    RESHARD_ASSERT(*oldest);
    map->retained_size -= (*oldest)->size;
    map->retained_count--;
    reshard__map_entry_release(&map->mem, *oldest);
    *oldest = NULL;
}

void reshard__map_retain_push(struct reshard_map *map, struct reshard__map_entry *entry)
{
    RESHARD_ASSERT(entry->change.version == map->header.version && map->retained_capacity > 0);
    if (map->retained_count == map->retained_capacity)
        drop_oldest(map, map->header.version - 1);
    *entry_at(map, map->header.version) = entry;
    entry->holders++;
    map->retained_count++;
    map->retained_size += entry->size;
    while (map->retained_count > 1 && map->retained_size > RESHARD_MAP_RETAINED_BYTES)
        drop_oldest(map, map->header.version);
}

/* Bytes of the changes behind a version. */
static size_t size_behind(const struct reshard_map *map, uint64_t since)
{
    size_t size = 0;
    for (uint64_t version = map->header.version; version > since; version--)
        size += reshard__map_retained(map, version)->size;
    return size;
}

bool reshard__map_room(
    const struct reshard_map *map, uint64_t since, const struct reshard_change *change)
{
    uint64_t count = map->header.version - since;
    size_t size = entry_size(change);
    if (count == 0)
        return true; /* the newest is retained whatever its size */
    return count < RESHARD_MAP_RETAINED &&
           (map->retained_size + size <= RESHARD_MAP_RETAINED_BYTES ||
               size_behind(map, since) + size <= RESHARD_MAP_RETAINED_BYTES);
}

const struct reshard_change *reshard__map_change(const struct reshard_map *map, uint64_t version)
{
    const struct reshard__map_entry *entry = reshard__map_retained(map, version);
    RESHARD_ASSERT(entry);
    return &entry->change;
}

int32_t reshard_map_delta_next(
    const struct reshard_map *map, uint64_t *cursor, struct reshard_change *change_out)
{
    if (!map || !cursor || !change_out)
        return RESHARD_E_NULL;
    if (*cursor == map->header.version)
        return RESHARD_E_EMPTY;
    if (*cursor > map->header.version)
        return RESHARD_E_VERSION;
    const struct reshard__map_entry *entry = reshard__map_retained(map, *cursor + 1);
    if (!entry)
        return RESHARD_E_VERSION;
    int32_t status = reshard__struct_export(
        change_out, sizeof *change_out, &entry->change, sizeof entry->change);
    if (status)
        return status;
    ++*cursor;
    return RESHARD_OK;
}
