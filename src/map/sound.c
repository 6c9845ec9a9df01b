/* SPDX-License-Identifier: MIT */
/* Room map: the invariants, each by the shortest way to say it. Changes and allocates nothing. */
#include "map/state.h"

static bool empty(const struct reshard_map *map)
{
    return map->node_count == 0 && map->shard_count == 0 && map->migration_count == 0 &&
           map->removed_node_count == 0 && map->removed_shard_count == 0 && map->header.term == 0 &&
           map->header.unique == 0 && map->header.last_migration == 0 && map->sum.low == 0 &&
           map->sum.high == 0;
}

/* A node is a primary if and only if its shard says so. */
static int32_t nodes_consistent(const struct reshard_map *map)
{
    for (size_t i = 0; i < map->node_count; i++) {
        const struct reshard__map_node *node = map->nodes[i];
        const struct reshard__map_shard *shard = reshard__map_shard(map, node->shard);
        if (reshard__map_node_removed(map, node->id))
            return RESHARD_E_REUSED;
        if (node->shard && !shard)
            return RESHARD_E_SHARD;
        if ((shard && shard->primary == node->id) != (node->role == RESHARD_ROLE_PRIMARY))
            return RESHARD_E_NODE;
    }
    return RESHARD_OK;
}

static int32_t shards_consistent(const struct reshard_map *map)
{
    for (size_t i = 0; i < map->shard_count; i++) {
        const struct reshard__map_shard *shard = &map->shards[i];
        const struct reshard__map_node *primary = reshard__map_node(map, shard->primary);
        if (reshard__map_shard_removed(map, shard->id))
            return RESHARD_E_REUSED;
        if (shard->primary && (!primary || primary->shard != shard->id))
            return RESHARD_E_NODE;
        /* Each primary, the first one too, raised the epoch; only an empty shard loses its last. */
        if (shard->primary && shard->epoch == 0)
            return RESHARD_E_EPOCH;
    }
    return RESHARD_OK;
}

static int32_t slots_consistent(const struct reshard_map *map)
{
    struct reshard_range run;
    reshard_shard_id owner;
    uint32_t epoch;
    uint32_t cursor = 0;
    while (reshard__map_run_next(map, &cursor, &run, &owner, &epoch) == RESHARD_OK) {
        if (owner && !reshard__map_shard(map, owner))
            return RESHARD_E_SHARD;
        if (owner && !epoch)
            return RESHARD_E_EPOCH;
    }
    return RESHARD_OK;
}

static int32_t migration_slots_consistent(
    const struct reshard_map *map, const struct reshard__map_migration *migration)
{
    bool committed = migration->decision == RESHARD_DECISION_COMMIT;
    reshard_shard_id owner = committed ? migration->target : migration->source;
    for (uint32_t i = 0; i < migration->range_count; i++)
        for (uint32_t slot = migration->ranges[i].first; slot <= migration->ranges[i].last;
             slot++) {
            uint64_t word = reshard__word_load(map, slot);
            if (reshard__word_owner(word) != owner)
                return RESHARD_E_OWNER;
            if (!committed && reshard__word_epoch(word) == UINT32_MAX)
                return RESHARD_E_OVERFLOW;
        }
    return RESHARD_OK;
}

static int32_t migrations_consistent(const struct reshard_map *map)
{
    uint64_t version = 0;
    for (size_t i = 0; i < map->migration_count; i++) {
        const struct reshard__map_migration *migration = map->migrations[i];
        if (!reshard__map_shard(map, migration->source) ||
            !reshard__map_shard(map, migration->target))
            return RESHARD_E_SHARD;
        if (migration->id > map->header.last_migration)
            return RESHARD_E_MIGRATION;
        /* Ids rise with the versions that opened them. */
        if (migration->version <= version || migration->version > map->header.version)
            return RESHARD_E_VERSION;
        version = migration->version;
        int32_t status = migration_slots_consistent(map, migration);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

int32_t reshard__map_consistent(const struct reshard_map *map)
{
    if (map->header.version == 0)
        return empty(map) ? RESHARD_OK : RESHARD_E_VERSION;
    int32_t status = nodes_consistent(map);
    if (!status)
        status = shards_consistent(map);
    if (!status)
        status = slots_consistent(map);
    if (!status)
        status = migrations_consistent(map);
    return status;
}

static bool members_ascending(const struct reshard_map *map)
{
    bool good = true;
    for (size_t i = 1; i < map->node_count; i++)
        good = good && map->nodes[i - 1]->id < map->nodes[i]->id;
    for (size_t i = 1; i < map->shard_count; i++)
        good = good && map->shards[i - 1].id < map->shards[i].id;
    for (size_t i = 1; i < map->migration_count; i++)
        good = good && map->migrations[i - 1]->id < map->migrations[i]->id;
    return good;
}

static bool removed_ascending(const struct reshard_map *map)
{
    bool good = true;
    for (size_t i = 1; i < map->removed_node_count; i++)
        good = good && map->removed_nodes[i - 1] < map->removed_nodes[i];
    for (size_t i = 1; i < map->removed_shard_count; i++)
        good = good && map->removed_shards[i - 1] < map->removed_shards[i];
    return good;
}

static uint64_t mixed(uint64_t id, uint64_t salt)
{
    uint64_t state = id + (salt << 40);
    return reshard__random_next(&state);
}

/* The shards' derived counts in O(state) and without memory: both sides as sums of random weights,
 * one a shard and count, which agree when every count does and else with chance 2^-64. */
static bool counts_right(const struct reshard_map *map)
{
    uint64_t sum = 0;
    struct reshard_range run;
    reshard_shard_id owner;
    uint32_t cursor = 0;
    for (size_t i = 0; i < map->shard_count; i++) {
        const struct reshard__map_shard *shard = &map->shards[i];
        sum += mixed(shard->id, 1) * shard->slot_count + mixed(shard->id, 2) * shard->node_count +
               mixed(shard->id, 3) * shard->migration_count;
    }
    while (reshard_map_owner_next(map, &cursor, &run, &owner) == RESHARD_OK)
        if (owner)
            sum -= mixed(owner, 1) * (run.last - run.first + 1);
    for (size_t i = 0; i < map->node_count; i++)
        if (map->nodes[i]->shard)
            sum -= mixed(map->nodes[i]->shard, 2);
    for (size_t i = 0; i < map->migration_count; i++)
        sum -= mixed(map->migrations[i]->source, 3) + mixed(map->migrations[i]->target, 3);
    return sum == 0;
}

static bool migration_right(
    const struct reshard_map *map, const struct reshard__map_migration *migration)
{
    uint32_t slots;
    uint32_t handle = migration->handle;
    if (reshard__ranges_check(migration->ranges, migration->range_count, map->slot_count, &slots) !=
        RESHARD_OK)
        return false;
    if (slots == 0 || slots != migration->slot_count || migration->source == migration->target)
        return false;
    if (handle == 0 || handle > map->handle_count)
        return false;
    struct reshard_digest item = reshard__map_item_migration(migration);
    if (item.low != migration->item.low || item.high != migration->item.high)
        return false;
    return map->handle_table[handle - 1].migration == migration;
}

/* The handle of a slot leads to a migration whose ranges lead back. */
static bool slot_right(const struct reshard_map *map, uint32_t slot)
{
    if (map->handles[slot] > map->handle_count)
        return false;
    const struct reshard__map_migration *migration = reshard__map_slot_record(map, slot);
    return migration && reshard__ranges_contain(migration->ranges, migration->range_count, slot);
}

static bool handles_right(const struct reshard_map *map)
{
    uint64_t moving = 0;
    size_t free_count = 0;
    for (size_t i = 0; i < map->migration_count; i++) {
        if (!migration_right(map, map->migrations[i]))
            return false;
        moving += map->migrations[i]->slot_count;
    }
    for (uint32_t slot = 0; slot < map->slot_count; slot++) {
        if (map->handles[slot] && !slot_right(map, slot))
            return false;
        moving -= map->handles[slot] != 0;
    }
    for (uint32_t free = map->handle_free; free && free_count <= map->handle_count; free_count++)
        free = map->handle_table[free - 1].next_free;
    return moving == 0 && free_count + map->migration_count == map->handle_count;
}

static bool retained_right(const struct reshard_map *map)
{
    size_t size = 0;
    size_t count = 0;
    for (size_t i = 0; i < map->retained_count; i++) {
        uint64_t version = map->header.version - i;
        const struct reshard__map_entry *entry = reshard__map_retained(map, version);
        if (!entry || entry->change.version != version || entry->holders == 0)
            return false;
        size += entry->size;
    }
    for (size_t i = 0; i < map->retained_capacity; i++)
        count += map->retained[i] != NULL;
    return size == map->retained_size && count == map->retained_count &&
           (count <= 1 || size <= RESHARD_MAP_RETAINED_BYTES);
}

bool reshard__map_sound(const struct reshard_map *map)
{
    struct reshard_digest sum = reshard__map_sum(map);
    return members_ascending(map) && removed_ascending(map) && handles_right(map) &&
           reshard__map_consistent(map) == RESHARD_OK && counts_right(map) &&
           sum.low == map->sum.low && sum.high == map->sum.high && retained_right(map);
}

static bool nodes_equal(const struct reshard_map *a, const struct reshard_map *b)
{
    if (a->node_count != b->node_count)
        return false;
    for (size_t i = 0; i < a->node_count; i++) {
        const struct reshard__map_node *x = a->nodes[i];
        const struct reshard__map_node *y = b->nodes[i];
        if (x->id != y->id || x->shard != y->shard || x->role != y->role ||
            x->name_size != y->name_size || x->address_size != y->address_size ||
            x->zone_size != y->zone_size)
            return false;
        if (memcmp(x->texts, y->texts, x->name_size + x->address_size + x->zone_size) != 0)
            return false;
    }
    return true;
}

static bool shards_equal(const struct reshard_map *a, const struct reshard_map *b)
{
    if (a->shard_count != b->shard_count)
        return false;
    for (size_t i = 0; i < a->shard_count; i++) {
        const struct reshard__map_shard *x = &a->shards[i];
        const struct reshard__map_shard *y = &b->shards[i];
        if (x->id != y->id || x->primary != y->primary || x->epoch != y->epoch ||
            reshard__weight_bits(x->weight) != reshard__weight_bits(y->weight))
            return false;
    }
    return true;
}

static bool migration_equal(
    const struct reshard__map_migration *x, const struct reshard__map_migration *y)
{
    if (x->id != y->id || x->version != y->version || x->attempt != y->attempt ||
        x->source != y->source || x->target != y->target)
        return false;
    if (x->mode != y->mode || x->flags != y->flags || x->decision != y->decision ||
        x->range_count != y->range_count)
        return false;
    return memcmp(x->ranges, y->ranges, x->range_count * sizeof x->ranges[0]) == 0;
}

static bool migrations_equal(const struct reshard_map *a, const struct reshard_map *b)
{
    if (a->migration_count != b->migration_count)
        return false;
    for (size_t i = 0; i < a->migration_count; i++)
        if (!migration_equal(a->migrations[i], b->migrations[i]))
            return false;
    return true;
}

static bool removed_equal(const struct reshard_map *a, const struct reshard_map *b)
{
    if (a->removed_node_count != b->removed_node_count ||
        a->removed_shard_count != b->removed_shard_count)
        return false;
    for (size_t i = 0; i < a->removed_node_count; i++)
        if (a->removed_nodes[i] != b->removed_nodes[i])
            return false;
    for (size_t i = 0; i < a->removed_shard_count; i++)
        if (a->removed_shards[i] != b->removed_shards[i])
            return false;
    return true;
}

static bool headers_equal(const struct reshard_map *a, const struct reshard_map *b)
{
    return a->slot_count == b->slot_count && a->header.version == b->header.version &&
           a->header.term == b->header.term && a->header.unique == b->header.unique &&
           a->header.last_migration == b->header.last_migration;
}

int32_t reshard_map_equal(const struct reshard_map *a, const struct reshard_map *b)
{
    if (!a || !b)
        return RESHARD_E_NULL;
    if (!headers_equal(a, b) || !nodes_equal(a, b) || !shards_equal(a, b) ||
        !migrations_equal(a, b) || !removed_equal(a, b))
        return 0;
    for (uint32_t slot = 0; slot < a->slot_count; slot++)
        if (reshard__word_load(a, slot) != reshard__word_load(b, slot))
            return 0;
    return 1;
}
