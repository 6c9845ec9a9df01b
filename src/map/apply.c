/* SPDX-License-Identifier: MIT */
/* Room map: apply. Guard, then every allocation, then the step, which cannot fail: so a refused or
 * memory-starved change leaves the digest as it was. */
#include "map/state.h"
#include <string.h>

/* What a change needs besides its retained copy, and room. */
struct staged {
    struct reshard__map_node *node;
    struct reshard__map_migration *migration;
};

static uint32_t ranges_slot_count(const struct reshard_range *ranges, uint32_t range_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < range_count; i++)
        count += ranges[i].last - ranges[i].first + 1;
    return count;
}

static int32_t stage_node(
    struct reshard_map *map, const struct reshard_change *change, struct staged *staged)
{
    if (!reshard__map_node(map, change->node)) {
        int32_t status = reshard__map_reserve_node(map);
        if (status)
            return status;
    }
    staged->node = reshard__map_node_make(&map->mem, change);
    return staged->node ? RESHARD_OK : RESHARD_E_NOMEM;
}

static int32_t stage_migration(
    struct reshard_map *map, const struct reshard_change *change, struct staged *staged)
{
    int32_t status = reshard__map_reserve_migration(map);
    if (status)
        return status;
    staged->migration = reshard__map_migration_make(&map->mem, change, map->header.version + 1,
        ranges_slot_count(change->ranges, change->range_count));
    return staged->migration ? RESHARD_OK : RESHARD_E_NOMEM;
}

static int32_t stage(
    struct reshard_map *map, const struct reshard_change *change, struct staged *staged)
{
    switch (change->kind) {
    case RESHARD_CHANGE_NODE_PUT:
        return stage_node(map, change, staged);
    case RESHARD_CHANGE_NODE_REMOVE:
        return reshard__map_reserve_removed_node(map);
    case RESHARD_CHANGE_SHARD_PUT:
        return reshard__map_reserve_shard(map);
    case RESHARD_CHANGE_SHARD_REMOVE:
        return reshard__map_reserve_removed_shard(map);
    case RESHARD_CHANGE_MIGRATION_OPEN:
        return stage_migration(map, change, staged);
    default:
        return RESHARD_OK;
    }
}

static void sum_minus(struct reshard_map *map, struct reshard_digest item)
{
    map->sum = reshard__digest_minus(map->sum, item);
}

static void sum_plus(struct reshard_map *map, struct reshard_digest item)
{
    map->sum = reshard__digest_plus(map->sum, item);
}

static void shard_nodes_add(struct reshard_map *map, reshard_shard_id id, bool add)
{
    if (!id)
        return;
    struct reshard__map_shard *shard = reshard__map_shard(map, id);
    RESHARD_ASSERT(shard && (add || shard->node_count > 0));
    shard->node_count += add ? 1U : UINT32_MAX;
}

/* A shard that this node was primary of has none any more. */
static void primary_leave(struct reshard_map *map, const struct reshard__map_node *node)
{
    struct reshard__map_shard *shard = reshard__map_shard(map, node->shard);
    if (!shard || shard->primary != node->id)
        return;
    sum_minus(map, reshard__map_item_shard(shard));
    shard->primary = 0;
    sum_plus(map, reshard__map_item_shard(shard));
}

static void node_put(struct reshard_map *map, struct reshard__map_node *node)
{
    RESHARD_ASSERT(node);
    size_t place = reshard__map_node_place(map, node->id);
    shard_nodes_add(map, node->shard, true);
    if (place == map->node_count || map->nodes[place]->id != node->id) {
        reshard__map_insert_node(map, node);
        return;
    }
    struct reshard__map_node *before = map->nodes[place];
    if (before->shard != node->shard)
        primary_leave(map, before);
    shard_nodes_add(map, before->shard, false);
    sum_minus(map, reshard__map_item_node(before));
    sum_plus(map, reshard__map_item_node(node));
    map->nodes[place] = node;
    reshard__mem_free(&map->mem, before, reshard__map_node_size(before));
}

static void node_remove(struct reshard_map *map, reshard_node_id id)
{
    size_t place = reshard__map_node_place(map, id);
    RESHARD_ASSERT(place < map->node_count && map->nodes[place]->id == id);
    struct reshard__map_node *node = map->nodes[place];
    primary_leave(map, node);
    shard_nodes_add(map, node->shard, false);
    sum_minus(map, reshard__map_item_node(node));
    map->node_count--;
    memmove(&map->nodes[place], &map->nodes[place + 1],
        (map->node_count - place) * sizeof map->nodes[0]);
    reshard__mem_free(&map->mem, node, reshard__map_node_size(node));
    reshard__map_insert_removed_node(map, id);
}

static void shard_put(struct reshard_map *map, const struct reshard_change *change)
{
    struct reshard__map_shard *shard = reshard__map_shard(map, change->shard);
    if (!shard) {
        const struct reshard__map_shard made = {.id = change->shard, .weight = change->weight};
        reshard__map_insert_shard(map, &made);
        return;
    }
    sum_minus(map, reshard__map_item_shard(shard));
    shard->weight = change->weight;
    sum_plus(map, reshard__map_item_shard(shard));
}

static void shard_remove(struct reshard_map *map, reshard_shard_id id)
{
    size_t place = reshard__map_shard_place(map, id);
    RESHARD_ASSERT(place < map->shard_count && map->shards[place].id == id);
    sum_minus(map, reshard__map_item_shard(&map->shards[place]));
    map->shard_count--;
    memmove(&map->shards[place], &map->shards[place + 1],
        (map->shard_count - place) * sizeof map->shards[0]);
    reshard__map_insert_removed_shard(map, id);
}

static void node_role(struct reshard_map *map, reshard_node_id id, uint32_t role)
{
    struct reshard__map_node *node = reshard__map_node(map, id);
    RESHARD_ASSERT(node);
    sum_minus(map, reshard__map_item_node(node));
    node->role = role;
    sum_plus(map, reshard__map_item_node(node));
}

static void shard_primary(struct reshard_map *map, const struct reshard_change *change)
{
    struct reshard__map_shard *shard = reshard__map_shard(map, change->shard);
    RESHARD_ASSERT(shard && shard->epoch < UINT64_MAX);
    if (shard->primary)
        node_role(map, shard->primary, RESHARD_ROLE_REPLICA);
    node_role(map, change->node, RESHARD_ROLE_PRIMARY);
    sum_minus(map, reshard__map_item_shard(shard));
    shard->primary = change->node;
    shard->epoch++;
    sum_plus(map, reshard__map_item_shard(shard));
}

/* Give slots to `to`, 0 = unowned. All have the owner `from` and an epoch that can rise. */
static void slots_give(struct reshard_map *map, const struct reshard_range *ranges,
    uint32_t range_count, reshard_shard_id from, reshard_shard_id to)
{
    struct reshard__map_shard *giver = reshard__map_shard(map, from);
    struct reshard__map_shard *taker = reshard__map_shard(map, to);
    for (uint32_t i = 0; i < range_count; i++)
        reshard__map_range_give(map, &ranges[i], to);
    uint32_t count = ranges_slot_count(ranges, range_count);
    RESHARD_ASSERT((giver || taker) && (!giver || giver->slot_count >= count));
    if (giver)
        giver->slot_count -= count;
    if (taker)
        taker->slot_count += count;
}

/* One migration more or less at both of its shards. */
static void shard_migrations_add(
    struct reshard_map *map, const struct reshard__map_migration *migration, bool add)
{
    struct reshard__map_shard *source = reshard__map_shard(map, migration->source);
    struct reshard__map_shard *target = reshard__map_shard(map, migration->target);
    RESHARD_ASSERT(source && target && source != target);
    source->migration_count += add ? 1U : UINT32_MAX;
    target->migration_count += add ? 1U : UINT32_MAX;
}

static void migration_open(struct reshard_map *map, struct reshard__map_migration *migration)
{
    RESHARD_ASSERT(migration);
    reshard__map_insert_migration(map, migration);
    shard_migrations_add(map, migration, true);
    map->header.last_migration = migration->id;
}

static void migration_decide(struct reshard_map *map, const struct reshard_change *change)
{
    struct reshard__map_migration *migration = reshard__map_migration(map, change->migration);
    RESHARD_ASSERT(migration && migration->decision == RESHARD_DECISION_NONE);
    sum_minus(map, migration->item);
    if (change->kind == RESHARD_CHANGE_MIGRATION_COMMIT) {
        migration->decision = RESHARD_DECISION_COMMIT;
        migration->attempt = change->attempt;
        slots_give(
            map, migration->ranges, migration->range_count, migration->source, migration->target);
    } else {
        migration->decision = RESHARD_DECISION_ABORT;
    }
    migration->item = reshard__map_item_migration(migration);
    sum_plus(map, migration->item);
}

static void migration_end(struct reshard_map *map, reshard_migration_id id)
{
    size_t place = reshard__map_migration_place(map, id);
    RESHARD_ASSERT(place < map->migration_count && map->migrations[place]->id == id);
    struct reshard__map_migration *migration = map->migrations[place];
    sum_minus(map, migration->item);
    shard_migrations_add(map, migration, false);
    map->migration_count--;
    memmove(&map->migrations[place], &map->migrations[place + 1],
        (map->migration_count - place) * sizeof map->migrations[0]);
    for (uint32_t i = 0; i < migration->range_count; i++)
        for (uint32_t slot = migration->ranges[i].first; slot <= migration->ranges[i].last; slot++)
            map->handles[slot] = 0;
    map->handle_table[migration->handle - 1] =
        (struct reshard__map_handle){.migration = NULL, .next_free = map->handle_free};
    map->handle_free = migration->handle;
    reshard__mem_free(&map->mem, migration, reshard__map_migration_size(migration));
}

static void step_membership(
    struct reshard_map *map, const struct reshard_change *change, const struct staged *staged)
{
    switch (change->kind) {
    case RESHARD_CHANGE_TERM:
        map->header.term = change->term;
        map->header.unique = change->unique;
        break;
    case RESHARD_CHANGE_NODE_PUT:
        node_put(map, staged->node);
        break;
    case RESHARD_CHANGE_NODE_REMOVE:
        node_remove(map, change->node);
        break;
    case RESHARD_CHANGE_SHARD_PUT:
        shard_put(map, change);
        break;
    case RESHARD_CHANGE_SHARD_REMOVE:
        shard_remove(map, change->shard);
        break;
    default:
        RESHARD_ASSERT(change->kind == RESHARD_CHANGE_SHARD_PRIMARY);
        shard_primary(map, change);
        break;
    }
}

static void step_slots(
    struct reshard_map *map, const struct reshard_change *change, const struct staged *staged)
{
    switch (change->kind) {
    case RESHARD_CHANGE_ASSIGN:
        slots_give(map, change->ranges, change->range_count, 0, change->shard);
        break;
    case RESHARD_CHANGE_UNASSIGN:
        slots_give(map, change->ranges, change->range_count, change->shard, 0);
        break;
    case RESHARD_CHANGE_MIGRATION_OPEN:
        migration_open(map, staged->migration);
        break;
    case RESHARD_CHANGE_MIGRATION_END:
        migration_end(map, change->migration);
        break;
    default:
        migration_decide(map, change);
        break;
    }
}

/* A change that the guards let pass. NOMEM: nothing changed. */
static int32_t entry_apply(struct reshard_map *map, struct reshard__map_entry *entry)
{
    const struct reshard_change *change = &entry->change;
    struct staged staged = {NULL, NULL};
    RESHARD_ASSERT(change->version == map->header.version + 1);
    int32_t status = reshard__map_retain_reserve(map);
    if (!status)
        status = stage(map, change, &staged);
    if (status)
        return status;
    if (change->kind <= RESHARD_CHANGE_SHARD_PRIMARY)
        step_membership(map, change, &staged);
    else
        step_slots(map, change, &staged);
    map->header.version++;
    reshard__map_retain_push(map, entry);
    return RESHARD_OK;
}

int32_t reshard_map_apply(struct reshard_map *map, const struct reshard_change *change)
{
    struct reshard_change imported;
    if (!map || !change)
        return RESHARD_E_NULL;
    int32_t status =
        reshard__struct_import(&imported, sizeof imported, sizeof(struct reshard_change), change);
    if (!status)
        status = reshard__map_guard(map, &imported);
    if (status)
        return status;
    struct reshard__map_entry *entry =
        reshard__map_entry_make(&map->mem, &imported, map->header.version + 1);
    if (!entry)
        return RESHARD_E_NOMEM;
    status = entry_apply(map, entry);
    if (status)
        reshard__map_entry_free(&map->mem, entry);
    return status;
}

int32_t reshard__map_follow(struct reshard_map *map, const struct reshard_map *ahead)
{
    struct reshard__map_entry *entry = reshard__map_retained(ahead, map->header.version + 1);
    RESHARD_ASSERT(entry && map->mem.user_data == ahead->mem.user_data);
    return entry_apply(map, entry);
}
