/* SPDX-License-Identifier: MIT */
/* Room map: rebuild a map from a snapshot's items, which may be anything: each is judged when it
 * comes, what lies between them at the end. */
#include "map/state.h"

static int32_t loading(const struct reshard_map *map, const void *item)
{
    if (!map || !item)
        return RESHARD_E_NULL;
    return map->header.version ? RESHARD_E_STATE : RESHARD_OK;
}

int32_t reshard__map_load_node(struct reshard_map *map, const struct reshard_map_node *node)
{
    int32_t status = loading(map, node);
    if (status)
        return status;
    const struct reshard_change change = {.node = node->node,
        .shard = node->shard,
        .role = node->role,
        .name = node->name,
        .address = node->address,
        .zone = node->zone,
        .name_size = node->name_size,
        .address_size = node->address_size,
        .zone_size = node->zone_size};
    status = reshard__map_node_check(&change);
    if (!status && reshard__map_node(map, change.node))
        status = RESHARD_E_EXISTS;
    if (!status)
        status = reshard__map_reserve_node(map);
    if (status)
        return status;
    struct reshard__map_node *made = reshard__map_node_make(&map->mem, &change);
    if (!made)
        return RESHARD_E_NOMEM;
    reshard__map_insert_node(map, made);
    return RESHARD_OK;
}

int32_t reshard__map_load_shard(struct reshard_map *map, const struct reshard_map_shard *shard)
{
    int32_t status = loading(map, shard);
    if (status)
        return status;
    if (!shard->shard)
        return RESHARD_E_ARGUMENT;
    if (!reshard__weight_good(shard->weight))
        return RESHARD_E_WEIGHT;
    if (reshard__map_shard(map, shard->shard))
        return RESHARD_E_EXISTS;
    status = reshard__map_reserve_shard(map);
    if (status)
        return status;
    const struct reshard__map_shard made = {.id = shard->shard,
        .primary = shard->primary,
        .weight = shard->weight,
        .epoch = shard->epoch};
    reshard__map_insert_shard(map, &made);
    return RESHARD_OK;
}

int32_t reshard__map_load_owner(struct reshard_map *map, const struct reshard_range *range,
    reshard_shard_id shard, uint32_t epoch)
{
    int32_t status = loading(map, range);
    if (!status)
        status = reshard__ranges_check(range, 1, map->slot_count, NULL);
    if (status)
        return status;
    for (uint32_t slot = range->first; slot <= range->last; slot++)
        if (reshard__word_load(map, slot))
            return RESHARD_E_OVERLAP;
    if (shard && !epoch)
        return RESHARD_E_EPOCH;
    for (uint32_t slot = range->first; slot <= range->last; slot++)
        reshard__map_word_store(map, slot, reshard__word(shard, epoch));
    return RESHARD_OK;
}

static int32_t migration_ranges_judge(const struct reshard_map *map,
    const struct reshard_map_migration *migration, uint32_t *slots_out)
{
    if (!migration->range_count)
        return RESHARD_E_ARGUMENT;
    int32_t status = reshard__ranges_check(
        migration->ranges, migration->range_count, map->slot_count, slots_out);
    if (status)
        return status;
    for (uint32_t i = 0; i < migration->range_count; i++)
        for (uint32_t slot = migration->ranges[i].first; slot <= migration->ranges[i].last; slot++)
            if (map->handles[slot])
                return RESHARD_E_OVERLAP;
    return RESHARD_OK;
}

static int32_t migration_judge(
    const struct reshard_map *map, const struct reshard_map_migration *migration)
{
    if (!migration->migration || migration->source == migration->target)
        return RESHARD_E_ARGUMENT;
    if (migration->decision > RESHARD_DECISION_ABORT)
        return RESHARD_E_ARGUMENT;
    if (migration->attempt && migration->decision != RESHARD_DECISION_COMMIT)
        return RESHARD_E_ARGUMENT;
    if (reshard__map_migration(map, migration->migration))
        return RESHARD_E_EXISTS;
    return reshard__map_mode_check(migration->mode, migration->migration_flags);
}

int32_t reshard__map_load_migration(
    struct reshard_map *map, const struct reshard_map_migration *migration)
{
    uint32_t slots = 0;
    int32_t status = loading(map, migration);
    if (!status)
        status = migration_judge(map, migration);
    if (!status)
        status = migration_ranges_judge(map, migration, &slots);
    if (!status)
        status = reshard__map_reserve_migration(map);
    if (status)
        return status;
    const struct reshard_change change = {.migration = migration->migration,
        .source = migration->source,
        .target = migration->target,
        .mode = migration->mode,
        .migration_flags = migration->migration_flags,
        .ranges = migration->ranges,
        .range_count = migration->range_count};
    struct reshard__map_migration *made =
        reshard__map_migration_make(&map->mem, &change, migration->version, slots);
    if (!made)
        return RESHARD_E_NOMEM;
    made->decision = migration->decision;
    made->attempt = migration->attempt;
    reshard__map_insert_migration(map, made);
    return RESHARD_OK;
}

int32_t reshard__map_load_removed_node(struct reshard_map *map, reshard_node_id node)
{
    int32_t status = loading(map, &node);
    if (status)
        return status;
    if (!node)
        return RESHARD_E_ARGUMENT;
    if (map->removed_node_count && map->removed_nodes[map->removed_node_count - 1] >= node)
        return RESHARD_E_REUSED;
    status = reshard__map_reserve_removed_node(map);
    if (!status)
        reshard__map_insert_removed_node(map, node);
    return status;
}

int32_t reshard__map_load_removed_shard(struct reshard_map *map, reshard_shard_id shard)
{
    int32_t status = loading(map, &shard);
    if (status)
        return status;
    if (!shard)
        return RESHARD_E_ARGUMENT;
    if (map->removed_shard_count && map->removed_shards[map->removed_shard_count - 1] >= shard)
        return RESHARD_E_REUSED;
    status = reshard__map_reserve_removed_shard(map);
    if (!status)
        reshard__map_insert_removed_shard(map, shard);
    return status;
}

/* What a snapshot does not store. An unknown shard is left for the check behind. */
static void derive(struct reshard_map *map)
{
    struct reshard_range run;
    struct reshard__map_shard *shard;
    reshard_shard_id owner;
    uint32_t cursor = 0;
    for (size_t i = 0; i < map->shard_count; i++) {
        map->shards[i].slot_count = 0;
        map->shards[i].node_count = 0;
        map->shards[i].migration_count = 0;
    }
    for (size_t i = 0; i < map->node_count; i++)
        if ((shard = reshard__map_shard(map, map->nodes[i]->shard)) != NULL)
            shard->node_count++;
    while (reshard_map_owner_next(map, &cursor, &run, &owner) == RESHARD_OK)
        if ((shard = reshard__map_shard(map, owner)) != NULL)
            shard->slot_count += run.last - run.first + 1;
    for (size_t i = 0; i < map->migration_count; i++) {
        if ((shard = reshard__map_shard(map, map->migrations[i]->source)) != NULL)
            shard->migration_count++;
        if ((shard = reshard__map_shard(map, map->migrations[i]->target)) != NULL)
            shard->migration_count++;
    }
}

int32_t reshard__map_load_finish(struct reshard_map *map, const struct reshard__map_header *header)
{
    int32_t status = loading(map, header);
    if (status)
        return status;
    derive(map);
    map->header = *header;
    return reshard__map_consistent(map);
}
