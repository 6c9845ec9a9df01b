/* SPDX-License-Identifier: MIT */
/* Room plan: a map flattened into arrays, open migrations carried through. Reads the map. */
#include "plan/plan.h"

#include <string.h>

static size_t view_size(uint32_t count, size_t item_size)
{
    return (count ? count : 1) * item_size;
}

uint32_t *reshard__plan_view_u32(const struct reshard__plan_view *view)
{
    return reshard__mem_alloc(&view->mem, view_size(view->shard_count, sizeof(uint32_t)));
}

uint64_t *reshard__plan_view_u64(const struct reshard__plan_view *view)
{
    return reshard__mem_alloc(&view->mem, view_size(view->shard_count, sizeof(uint64_t)));
}

void reshard__plan_view_drop(const struct reshard__plan_view *view, void *array, size_t item_size)
{
    reshard__mem_free(&view->mem, array, view_size(view->shard_count, item_size));
}

uint32_t reshard__plan_view_find(const struct reshard__plan_view *view, reshard_shard_id shard)
{
    uint32_t low = 0;
    uint32_t high = view->shard_count;
    /* Ids are mostly dense: then the distance from the first is the position. */
    uint32_t guess = high ? shard - view->shards[0] : 0;
    if (guess < high && view->shards[guess] == shard)
        return guess;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (view->shards[middle] < shard)
            low = middle + 1;
        else
            high = middle;
    }
    return low < view->shard_count && view->shards[low] == shard ? low : RESHARD__PLAN_NONE;
}

uint32_t reshard__plan_view_owner(const struct reshard__plan_view *view, uint32_t slot)
{
    return slot < view->slot_count ? view->slots[slot] & ~RESHARD__PLAN_PINNED
                                   : RESHARD__PLAN_NONE;
}

uint32_t reshard__plan_view_ranges(const struct reshard__plan_view *view)
{
    uint32_t count = 0;
    uint32_t before = RESHARD__PLAN_NONE;
    for (uint32_t slot = 0; slot < view->slot_count; slot++) {
        uint32_t owner = view->slots[slot] & ~RESHARD__PLAN_PINNED;
        count += owner != before && owner != RESHARD__PLAN_NONE;
        before = owner;
    }
    return count;
}

int32_t reshard__plan_view_bytes(
    const struct reshard__plan_view *view, const uint64_t *slot_bytes, uint32_t count)
{
    if (!slot_bytes)
        return count ? RESHARD_E_NULL : RESHARD_OK;
    if (count != view->slot_count)
        return RESHARD_E_SLOT_COUNT;
    uint64_t sum = 0;
    for (uint32_t slot = 0; slot < count; slot++)
        if (!reshard__add_u64(sum, slot_bytes[slot], &sum))
            return RESHARD_E_OVERFLOW;
    return RESHARD_OK;
}

static void view_shards(struct reshard__plan_view *view, const struct reshard_map *map)
{
    for (uint32_t i = 0; i < view->shard_count; i++) {
        struct reshard_map_shard shard;
        memset(&shard, 0, sizeof shard);
        shard.struct_size = sizeof shard;
        int32_t status = reshard_map_shard_at(map, i, &shard);
        RESHARD_ASSERT(status == RESHARD_OK);
        view->shards[i] = shard.shard;
        view->weights[i] = shard.weight;
    }
}

static void view_owners(struct reshard__plan_view *view, const struct reshard_map *map)
{
    uint32_t cursor = 0;
    struct reshard_range range;
    reshard_shard_id shard;
    while (reshard_map_owner_next(map, &cursor, &range, &shard) == RESHARD_OK) {
        uint32_t owner = shard ? reshard__plan_view_find(view, shard) : RESHARD__PLAN_NONE;
        for (uint32_t slot = range.first; slot <= range.last; slot++)
            view->slots[slot] = owner;
        if (owner == RESHARD__PLAN_NONE)
            continue;
        view->have[owner] += range.last - range.first + 1;
        view->movable[owner] += range.last - range.first + 1;
    }
}

static void view_pin(
    struct reshard__plan_view *view, const struct reshard_range *range, uint32_t owner)
{
    for (uint32_t slot = range->first; slot <= range->last; slot++) {
        uint32_t now = view->slots[slot];
        RESHARD_ASSERT(now < view->shard_count);
        view->have[now]--;
        view->movable[now]--;
        view->have[owner]++;
        view->slots[slot] = owner | RESHARD__PLAN_PINNED;
    }
}

static void view_migrations(struct reshard__plan_view *view, const struct reshard_map *map)
{
    uint32_t count = reshard_map_migration_count(map);
    for (uint32_t i = 0; i < count; i++) {
        struct reshard_map_migration migration;
        memset(&migration, 0, sizeof migration);
        migration.struct_size = sizeof migration;
        int32_t status = reshard_map_migration_at(map, i, &migration);
        RESHARD_ASSERT(status == RESHARD_OK);
        bool back = migration.decision == RESHARD_DECISION_ABORT;
        uint32_t owner = reshard__plan_view_find(view, back ? migration.source : migration.target);
        RESHARD_ASSERT(owner != RESHARD__PLAN_NONE);
        for (uint32_t r = 0; r < migration.range_count; r++)
            view_pin(view, &migration.ranges[r], owner);
    }
}

int32_t reshard__plan_view_load(struct reshard__plan_view *view, const struct reshard_map *map,
    const struct reshard_allocator *allocator)
{
    memset(view, 0, sizeof *view);
    int32_t status = reshard__mem_import(&view->mem, allocator);
    if (status)
        return status;
    view->slot_count = reshard_map_slot_count(map);
    view->shard_count = reshard_map_shard_count(map);
    view->version = reshard_map_version(map);
    if (view->shard_count > RESHARD_PLAN_SHARD_COUNT_MAX)
        return RESHARD_E_LIMIT;
    status = reshard_map_digest(map, &view->digest);
    RESHARD_ASSERT(status == RESHARD_OK);
    view->shards = reshard__plan_view_u32(view);
    view->weights =
        reshard__mem_alloc(&view->mem, view_size(view->shard_count, sizeof *view->weights));
    view->have = reshard__plan_view_u32(view);
    view->movable = reshard__plan_view_u32(view);
    view->slots = reshard__mem_alloc(&view->mem, view_size(view->slot_count, sizeof(uint32_t)));
    if (!view->shards || !view->weights || !view->have || !view->movable || !view->slots) {
        reshard__plan_view_free(view);
        return RESHARD_E_NOMEM;
    }
    view_shards(view, map);
    view_owners(view, map);
    view_migrations(view, map);
    return RESHARD_OK;
}

void reshard__plan_view_free(struct reshard__plan_view *view)
{
    reshard__plan_view_drop(view, view->shards, sizeof *view->shards);
    reshard__plan_view_drop(view, view->weights, sizeof *view->weights);
    reshard__plan_view_drop(view, view->have, sizeof *view->have);
    reshard__plan_view_drop(view, view->movable, sizeof *view->movable);
    reshard__mem_free(&view->mem, view->slots, view_size(view->slot_count, sizeof(uint32_t)));
    memset(view, 0, sizeof *view);
}
