/* SPDX-License-Identifier: MIT */
/* Room map: the guards. One table row a kind says which fields it has and who judges it; nothing
 * here changes or allocates anything, so that apply is check, then a step that cannot fail. */
#include "map/state.h"

/* Fields that not every kind has. */
enum {
    FIELD_TERM = 1 << 0,
    FIELD_UNIQUE = 1 << 1,
    FIELD_NODE = 1 << 2,
    FIELD_SHARD = 1 << 3,
    FIELD_ROLE = 1 << 4,
    FIELD_WEIGHT = 1 << 5,
    FIELD_MIGRATION = 1 << 6,
    FIELD_SOURCE = 1 << 7,
    FIELD_TARGET = 1 << 8,
    FIELD_MODE = 1 << 9,
    FIELD_FLAGS = 1 << 10,
    FIELD_ATTEMPT = 1 << 11,
    FIELD_EPOCHS = 1 << 12,
    FIELD_TEXTS = 1 << 13,
    FIELD_RANGES = 1 << 14
};

/* Fields that are not 0. Sizes and counts decide, since a pointer without them names nothing. */
static unsigned fields_set(const struct reshard_change *c)
{
    const uint64_t values[] = {c->term, c->unique, c->node, c->shard, c->role,
        reshard__weight_bits(c->weight), c->migration, c->source, c->target, c->mode,
        c->migration_flags, c->attempt, c->source_epoch | c->target_epoch,
        c->name_size | c->address_size | c->zone_size, c->range_count};
    unsigned fields = 0;
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++)
        fields |= (unsigned)(values[i] != 0) << i;
    return fields;
}

/* On the bits: NaN and infinities have all exponent bits set; the sign bit must be clear. */
bool reshard__weight_good(double weight)
{
    return reshard__weight_bits(weight) - 1 < UINT64_C(0x7ff0000000000000) - 1;
}

static int32_t text_check(const char *text, uint32_t size, uint32_t size_max)
{
    if (size > size_max)
        return RESHARD_E_ARGUMENT;
    return size && !text ? RESHARD_E_NULL : RESHARD_OK;
}

int32_t reshard__map_node_check(const struct reshard_change *change)
{
    if (!change->node)
        return RESHARD_E_ARGUMENT;
    if (change->role != RESHARD_ROLE_PRIMARY && change->role != RESHARD_ROLE_REPLICA)
        return RESHARD_E_ARGUMENT;
    int32_t status = text_check(change->name, change->name_size, RESHARD_NAME_SIZE_MAX);
    if (!status)
        status = text_check(change->address, change->address_size, RESHARD_ADDRESS_SIZE_MAX);
    if (!status)
        status = text_check(change->zone, change->zone_size, RESHARD_ZONE_SIZE_MAX);
    return status;
}

int32_t reshard__map_mode_check(uint32_t mode, uint32_t flags)
{
    if (mode != RESHARD_MODE_SNAPSHOT && mode != RESHARD_MODE_KEYWISE)
        return RESHARD_E_MODE;
    if (flags & ~(uint32_t)RESHARD_MIGRATION_OPERATOR)
        return RESHARD_E_FLAGS;
    /* A snapshot has no keys to pick by hand. */
    return flags && mode != RESHARD_MODE_KEYWISE ? RESHARD_E_MODE : RESHARD_OK;
}

static int32_t guard_term(const struct reshard_map *map, const struct reshard_change *change)
{
    return change->term > map->header.term ? RESHARD_OK : RESHARD_E_TERM;
}

/* The last node of an empty shard may go; the shard is left without primary. */
static bool primary_may_leave(const struct reshard_map *map, const struct reshard__map_node *node)
{
    const struct reshard__map_shard *shard = reshard__map_shard(map, node->shard);
    RESHARD_ASSERT(shard && shard->primary == node->id);
    return !shard->slot_count && !shard->migration_count && shard->node_count == 1;
}

/* It keeps its shard and its role, or gives up both. */
static bool primary_may_change(const struct reshard_map *map, const struct reshard__map_node *node,
    reshard_shard_id shard, bool to_primary)
{
    if (node->shard == shard)
        return to_primary;
    return !to_primary && primary_may_leave(map, node);
}

static int32_t guard_node_put(const struct reshard_map *map, const struct reshard_change *change)
{
    int32_t status = reshard__map_node_check(change);
    if (status)
        return status;
    if (reshard__map_node_removed(map, change->node))
        return RESHARD_E_REUSED;
    if (change->shard && !reshard__map_shard(map, change->shard))
        return RESHARD_E_SHARD;
    const struct reshard__map_node *node = reshard__map_node(map, change->node);
    bool to_primary = change->role == RESHARD_ROLE_PRIMARY;
    if (!node || node->role != RESHARD_ROLE_PRIMARY)
        return to_primary ? RESHARD_E_STATE : RESHARD_OK;
    return primary_may_change(map, node, change->shard, to_primary) ? RESHARD_OK
                                                                     : RESHARD_E_IN_USE;
}

static int32_t guard_node_remove(const struct reshard_map *map, const struct reshard_change *change)
{
    const struct reshard__map_node *node = reshard__map_node(map, change->node);
    if (!node)
        return RESHARD_E_NODE;
    bool may_leave = node->role != RESHARD_ROLE_PRIMARY || primary_may_leave(map, node);
    return may_leave ? RESHARD_OK : RESHARD_E_IN_USE;
}

static int32_t guard_shard_put(const struct reshard_map *map, const struct reshard_change *change)
{
    if (!change->shard)
        return RESHARD_E_ARGUMENT;
    if (!reshard__weight_good(change->weight))
        return RESHARD_E_WEIGHT;
    return reshard__map_shard_removed(map, change->shard) ? RESHARD_E_REUSED : RESHARD_OK;
}

static int32_t guard_shard_remove(
    const struct reshard_map *map, const struct reshard_change *change)
{
    const struct reshard__map_shard *shard = reshard__map_shard(map, change->shard);
    if (!shard)
        return RESHARD_E_SHARD;
    return shard->slot_count || shard->node_count || shard->migration_count ? RESHARD_E_IN_USE
                                                                            : RESHARD_OK;
}

static int32_t guard_shard_primary(
    const struct reshard_map *map, const struct reshard_change *change)
{
    const struct reshard__map_shard *shard = reshard__map_shard(map, change->shard);
    if (!shard)
        return RESHARD_E_SHARD;
    const struct reshard__map_node *node = reshard__map_node(map, change->node);
    if (!node)
        return RESHARD_E_NODE;
    if (node->shard != shard->id)
        return RESHARD_E_STATE;
    return shard->epoch == UINT64_MAX ? RESHARD_E_OVERFLOW : RESHARD_OK;
}

/* Every slot of the change is owned by `owner`, in no open migration, and its epoch can rise. */
static int32_t slots_check(
    const struct reshard_map *map, const struct reshard_change *change, reshard_shard_id owner)
{
    if (!change->range_count)
        return RESHARD_E_ARGUMENT;
    int32_t status =
        reshard__ranges_check(change->ranges, change->range_count, map->slot_count, NULL);
    if (status)
        return status;
    for (uint32_t i = 0; i < change->range_count; i++)
        for (uint32_t slot = change->ranges[i].first; slot <= change->ranges[i].last; slot++) {
            uint64_t word = reshard__word_load(map, slot);
            if (reshard__word_owner(word) != owner)
                return RESHARD_E_OWNER;
            if (map->handles[slot])
                return RESHARD_E_OVERLAP;
            if (reshard__word_epoch(word) == UINT32_MAX)
                return RESHARD_E_OVERFLOW;
        }
    return RESHARD_OK;
}

static int32_t guard_assign(const struct reshard_map *map, const struct reshard_change *change)
{
    if (!reshard__map_shard(map, change->shard))
        return RESHARD_E_SHARD;
    return slots_check(map, change, 0);
}

static int32_t guard_unassign(const struct reshard_map *map, const struct reshard_change *change)
{
    if (!reshard__map_shard(map, change->shard))
        return RESHARD_E_SHARD;
    return slots_check(map, change, change->shard);
}

/* The slots' epochs are checked here, so that a commit, which must not be refused for long, never
 * overflows: nothing else changes them while the migration is open. */
static int32_t guard_open(const struct reshard_map *map, const struct reshard_change *change)
{
    if (!change->migration)
        return RESHARD_E_ARGUMENT;
    if (change->migration <= map->header.last_migration)
        return RESHARD_E_REUSED;
    int32_t status = reshard__map_mode_check(change->mode, change->migration_flags);
    if (status)
        return status;
    if (!reshard__map_shard(map, change->source) || !reshard__map_shard(map, change->target))
        return RESHARD_E_SHARD;
    if (change->source == change->target)
        return RESHARD_E_ARGUMENT;
    return slots_check(map, change, change->source);
}

static int32_t guard_commit(const struct reshard_map *map, const struct reshard_change *change)
{
    const struct reshard__map_migration *migration = reshard__map_migration(map, change->migration);
    if (!migration)
        return RESHARD_E_MIGRATION;
    if (migration->decision == RESHARD_DECISION_COMMIT)
        return RESHARD_E_REPEATED;
    if (migration->decision == RESHARD_DECISION_ABORT)
        return RESHARD_E_DECIDED;
    const struct reshard__map_shard *source = reshard__map_shard(map, migration->source);
    const struct reshard__map_shard *target = reshard__map_shard(map, migration->target);
    RESHARD_ASSERT(source && target);
    if (source->epoch != change->source_epoch || target->epoch != change->target_epoch)
        return RESHARD_E_EPOCH;
    return RESHARD_OK;
}

static int32_t guard_abort(const struct reshard_map *map, const struct reshard_change *change)
{
    const struct reshard__map_migration *migration = reshard__map_migration(map, change->migration);
    if (!migration)
        return RESHARD_E_MIGRATION;
    if (migration->decision == RESHARD_DECISION_ABORT)
        return RESHARD_E_REPEATED;
    return migration->decision == RESHARD_DECISION_COMMIT ? RESHARD_E_DECIDED : RESHARD_OK;
}

static int32_t guard_end(const struct reshard_map *map, const struct reshard_change *change)
{
    const struct reshard__map_migration *migration = reshard__map_migration(map, change->migration);
    if (!migration)
        return RESHARD_E_MIGRATION;
    return migration->decision == RESHARD_DECISION_NONE ? RESHARD_E_STATE : RESHARD_OK;
}

struct rule {
    int32_t (*guard)(const struct reshard_map *map, const struct reshard_change *change);
    unsigned fields;
};

static const struct rule rules[] = {
    [RESHARD_CHANGE_TERM] = {guard_term, FIELD_TERM | FIELD_UNIQUE},
    [RESHARD_CHANGE_NODE_PUT] = {guard_node_put,
        FIELD_NODE | FIELD_SHARD | FIELD_ROLE | FIELD_TEXTS},
    [RESHARD_CHANGE_NODE_REMOVE] = {guard_node_remove, FIELD_NODE},
    [RESHARD_CHANGE_SHARD_PUT] = {guard_shard_put, FIELD_SHARD | FIELD_WEIGHT},
    [RESHARD_CHANGE_SHARD_REMOVE] = {guard_shard_remove, FIELD_SHARD},
    [RESHARD_CHANGE_SHARD_PRIMARY] = {guard_shard_primary, FIELD_SHARD | FIELD_NODE},
    [RESHARD_CHANGE_ASSIGN] = {guard_assign, FIELD_SHARD | FIELD_RANGES},
    [RESHARD_CHANGE_MIGRATION_OPEN] = {guard_open,
        FIELD_MIGRATION | FIELD_SOURCE | FIELD_TARGET | FIELD_MODE | FIELD_FLAGS | FIELD_RANGES},
    [RESHARD_CHANGE_MIGRATION_COMMIT] = {guard_commit,
        FIELD_MIGRATION | FIELD_ATTEMPT | FIELD_EPOCHS},
    [RESHARD_CHANGE_MIGRATION_ABORT] = {guard_abort, FIELD_MIGRATION},
    [RESHARD_CHANGE_MIGRATION_END] = {guard_end, FIELD_MIGRATION},
    [RESHARD_CHANGE_UNASSIGN] = {guard_unassign, FIELD_SHARD | FIELD_RANGES},
};

static int32_t version_check(const struct reshard_map *map, uint64_t version)
{
    if (version && version <= map->header.version)
        return RESHARD_E_REPEATED;
    if (map->header.version == UINT64_MAX)
        return RESHARD_E_OVERFLOW;
    return version > map->header.version + 1 ? RESHARD_E_VERSION : RESHARD_OK;
}

int32_t reshard__map_guard(const struct reshard_map *map, const struct reshard_change *change)
{
    int32_t status = version_check(map, change->version);
    if (status)
        return status;
    if (change->kind >= sizeof rules / sizeof rules[0] || !rules[change->kind].guard)
        return RESHARD_E_KIND;
    if (fields_set(change) & ~rules[change->kind].fields)
        return RESHARD_E_ARGUMENT;
    return rules[change->kind].guard(map, change);
}

int32_t reshard_map_check(const struct reshard_map *map, const struct reshard_change *change)
{
    struct reshard_change imported;
    if (!map || !change)
        return RESHARD_E_NULL;
    int32_t status =
        reshard__struct_import(&imported, sizeof imported, sizeof(struct reshard_change), change);
    return status ? status : reshard__map_guard(map, &imported);
}
