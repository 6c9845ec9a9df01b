/* SPDX-License-Identifier: MIT */
/* Room map, tests: the model's changes. See model.h. */
#include "unit/map/model.h"
#include <math.h>
#include <string.h>

void model_init(struct model *model, uint32_t slot_count)
{
    memset(model, 0, sizeof *model);
    model->slot_count = slot_count;
}

struct model_node *model_node(struct model *model, reshard_node_id id)
{
    for (int i = 0; i < model->node_count; i++)
        if (model->nodes[i].id == id && model->nodes[i].life == MODEL_LIVE)
            return &model->nodes[i];
    return NULL;
}

struct model_shard *model_shard(struct model *model, reshard_shard_id id)
{
    for (int i = 0; i < model->shard_count; i++)
        if (model->shards[i].id == id && model->shards[i].life == MODEL_LIVE)
            return &model->shards[i];
    return NULL;
}

struct model_migration *model_migration(struct model *model, reshard_migration_id id)
{
    for (int i = 0; i < model->migration_count; i++)
        if (model->migrations[i].id == id)
            return &model->migrations[i];
    return NULL;
}

uint32_t model_slots_of(const struct model *model, reshard_shard_id shard)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < model->slot_count; slot++)
        if (model->slots[slot].owner == shard)
            count++;
    return count;
}

uint32_t model_nodes_of(const struct model *model, reshard_shard_id shard)
{
    uint32_t count = 0;
    for (int i = 0; i < model->node_count; i++)
        if (model->nodes[i].life == MODEL_LIVE && model->nodes[i].shard == shard)
            count++;
    return count;
}

uint32_t model_migrations_of(const struct model *model, reshard_shard_id shard)
{
    uint32_t count = 0;
    for (int i = 0; i < model->migration_count; i++)
        if (model->migrations[i].source == shard || model->migrations[i].target == shard)
            count++;
    return count;
}

uint32_t model_ranges_of(
    const struct model *model, reshard_migration_id id, struct reshard_range *ranges)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < model->slot_count; slot++) {
        if (model->slots[slot].migration != id)
            continue;
        if (count > 0 && ranges[count - 1].last + 1 == slot) {
            ranges[count - 1].last = slot;
        } else {
            ranges[count].first = slot;
            ranges[count].last = slot;
            count++;
        }
    }
    return count;
}

/* "Which fields each uses stands beside it; others are 0." */
static int others_are_zero(const struct reshard_change *change)
{
    struct reshard_change c = *change;
    const double zero = 0.0;
    switch (c.kind) {
    case RESHARD_CHANGE_TERM:
        c.term = c.unique = 0;
        break;
    case RESHARD_CHANGE_NODE_PUT:
        c.node = 0, c.shard = 0, c.role = 0;
        c.name_size = c.address_size = c.zone_size = 0;
        break;
    case RESHARD_CHANGE_NODE_REMOVE:
        c.node = 0;
        break;
    case RESHARD_CHANGE_SHARD_PUT:
        c.shard = 0, c.weight = 0;
        break;
    case RESHARD_CHANGE_SHARD_REMOVE:
        c.shard = 0;
        break;
    case RESHARD_CHANGE_SHARD_PRIMARY:
        c.shard = 0, c.node = 0;
        break;
    case RESHARD_CHANGE_ASSIGN:
    case RESHARD_CHANGE_UNASSIGN:
        c.shard = 0, c.range_count = 0;
        break;
    case RESHARD_CHANGE_MIGRATION_OPEN:
        c.migration = 0, c.source = c.target = 0, c.mode = c.migration_flags = 0;
        c.range_count = 0;
        break;
    case RESHARD_CHANGE_MIGRATION_COMMIT:
        c.migration = 0, c.attempt = c.source_epoch = c.target_epoch = 0;
        break;
    default:
        c.migration = 0;
        break;
    }
    return c.term == 0 && c.unique == 0 && c.node == 0 && c.shard == 0 && c.role == 0 &&
        memcmp(&c.weight, &zero, sizeof zero) == 0 && c.migration == 0 && c.source == 0 &&
        c.target == 0 && c.mode == 0 && c.migration_flags == 0 && c.attempt == 0 &&
        c.source_epoch == 0 && c.target_epoch == 0 && c.name_size == 0 && c.address_size == 0 &&
        c.zone_size == 0 && c.range_count == 0;
}

static int32_t text(const char *from, uint32_t size, uint32_t size_max)
{
    if (size > size_max)
        return RESHARD_E_ARGUMENT;
    if (size > 0 && from == NULL)
        return RESHARD_E_NULL;
    return RESHARD_OK;
}

static int32_t apply_node_put(struct model *model, const struct reshard_change *c)
{
    int32_t status;
    struct model_node *node = model_node(model, c->node);
    if (c->node == 0 || (c->role != RESHARD_ROLE_PRIMARY && c->role != RESHARD_ROLE_REPLICA))
        return RESHARD_E_ARGUMENT;
    if ((status = text(c->name, c->name_size, RESHARD_NAME_SIZE_MAX)) != 0 ||
        (status = text(c->address, c->address_size, RESHARD_ADDRESS_SIZE_MAX)) != 0 ||
        (status = text(c->zone, c->zone_size, RESHARD_ZONE_SIZE_MAX)) != 0)
        return status;
    for (int i = 0; i < model->node_count; i++)
        if (model->nodes[i].id == c->node && model->nodes[i].life == MODEL_REMOVED)
            return RESHARD_E_REUSED;
    if (c->shard != 0 && model_shard(model, c->shard) == NULL)
        return RESHARD_E_SHARD;
    if (node != NULL && node->role == RESHARD_ROLE_PRIMARY) {
        if (c->shard != node->shard || c->role != RESHARD_ROLE_PRIMARY)
            return RESHARD_E_IN_USE;
    } else if (c->role == RESHARD_ROLE_PRIMARY) {
        return RESHARD_E_STATE;
    }
    if (node == NULL) {
        node = &model->nodes[model->node_count++];
        node->life = MODEL_LIVE;
        node->id = c->node;
    }
    node->shard = c->shard;
    node->role = c->role;
    node->name_size = c->name_size;
    node->address_size = c->address_size;
    node->zone_size = c->zone_size;
    for (uint32_t i = 0; i < c->name_size; i++)
        node->name[i] = c->name[i];
    for (uint32_t i = 0; i < c->address_size; i++)
        node->address[i] = c->address[i];
    for (uint32_t i = 0; i < c->zone_size; i++)
        node->zone[i] = c->zone[i];
    return RESHARD_OK;
}

static int32_t apply_node_remove(struct model *model, const struct reshard_change *c)
{
    struct model_node *node = model_node(model, c->node);
    if (node == NULL)
        return RESHARD_E_NODE;
    for (int i = 0; i < model->shard_count; i++)
        if (model->shards[i].life == MODEL_LIVE && model->shards[i].primary == c->node)
            return RESHARD_E_IN_USE;
    node->life = MODEL_REMOVED;
    return RESHARD_OK;
}

static int32_t apply_shard_put(struct model *model, const struct reshard_change *c)
{
    struct model_shard *shard = model_shard(model, c->shard);
    if (c->shard == 0)
        return RESHARD_E_ARGUMENT;
    if (!isfinite(c->weight) || !(c->weight > 0))
        return RESHARD_E_WEIGHT;
    for (int i = 0; i < model->shard_count; i++)
        if (model->shards[i].id == c->shard && model->shards[i].life == MODEL_REMOVED)
            return RESHARD_E_REUSED;
    if (shard == NULL) {
        shard = &model->shards[model->shard_count++];
        shard->life = MODEL_LIVE;
        shard->id = c->shard;
    }
    shard->weight = c->weight;
    return RESHARD_OK;
}

static int32_t apply_shard_remove(struct model *model, const struct reshard_change *c)
{
    struct model_shard *shard = model_shard(model, c->shard);
    if (shard == NULL)
        return RESHARD_E_SHARD;
    if (model_slots_of(model, c->shard) || model_nodes_of(model, c->shard) ||
        model_migrations_of(model, c->shard))
        return RESHARD_E_IN_USE;
    shard->life = MODEL_REMOVED;
    return RESHARD_OK;
}

static int32_t apply_shard_primary(struct model *model, const struct reshard_change *c)
{
    struct model_shard *shard = model_shard(model, c->shard);
    struct model_node *node = model_node(model, c->node);
    if (shard == NULL)
        return RESHARD_E_SHARD;
    if (node == NULL)
        return RESHARD_E_NODE;
    if (node->shard != c->shard)
        return RESHARD_E_STATE;
    if (shard->epoch == UINT64_MAX)
        return RESHARD_E_OVERFLOW;
    if (shard->primary != 0)
        model_node(model, shard->primary)->role = RESHARD_ROLE_REPLICA;
    node->role = RESHARD_ROLE_PRIMARY;
    shard->primary = c->node;
    shard->epoch++;
    return RESHARD_OK;
}

/* Canonical, and every slot owned by `owner`, in no migration, its epoch not at the end. */
static int32_t judge_slots(
    const struct model *model, const struct reshard_change *c, reshard_shard_id owner)
{
    if (c->range_count == 0)
        return RESHARD_E_ARGUMENT;
    if (c->ranges == NULL)
        return RESHARD_E_NULL;
    for (uint32_t i = 0; i < c->range_count; i++) {
        if (c->ranges[i].first > c->ranges[i].last || c->ranges[i].last >= model->slot_count)
            return RESHARD_E_SLOT;
        if (i > 0 && c->ranges[i].first <= c->ranges[i - 1].last + 1)
            return RESHARD_E_OVERLAP;
    }
    for (uint32_t i = 0; i < c->range_count; i++)
        for (uint32_t slot = c->ranges[i].first; slot <= c->ranges[i].last; slot++) {
            if (model->slots[slot].owner != owner)
                return RESHARD_E_OWNER;
            if (model->slots[slot].migration != 0)
                return RESHARD_E_OVERLAP;
            if (model->slots[slot].epoch == UINT32_MAX)
                return RESHARD_E_OVERFLOW;
        }
    return RESHARD_OK;
}

static int32_t apply_assign(struct model *model, const struct reshard_change *c)
{
    int assign = c->kind == RESHARD_CHANGE_ASSIGN;
    if (model_shard(model, c->shard) == NULL)
        return RESHARD_E_SHARD;
    int32_t status = judge_slots(model, c, assign ? 0 : c->shard);
    if (status != RESHARD_OK)
        return status;
    for (uint32_t i = 0; i < c->range_count; i++)
        for (uint32_t slot = c->ranges[i].first; slot <= c->ranges[i].last; slot++) {
            model->slots[slot].owner = assign ? c->shard : 0;
            model->slots[slot].epoch++;
        }
    return RESHARD_OK;
}

static int32_t apply_open(struct model *model, const struct reshard_change *c)
{
    if (c->migration == 0)
        return RESHARD_E_ARGUMENT;
    if (c->migration <= model->last_migration)
        return RESHARD_E_REUSED;
    if (c->mode != RESHARD_MODE_SNAPSHOT && c->mode != RESHARD_MODE_KEYWISE)
        return RESHARD_E_MODE;
    if (c->migration_flags != 0 && c->migration_flags != RESHARD_MIGRATION_OPERATOR)
        return RESHARD_E_FLAGS;
    if (c->migration_flags == RESHARD_MIGRATION_OPERATOR && c->mode == RESHARD_MODE_SNAPSHOT)
        return RESHARD_E_MODE;
    if (model_shard(model, c->source) == NULL || model_shard(model, c->target) == NULL)
        return RESHARD_E_SHARD;
    if (c->source == c->target)
        return RESHARD_E_ARGUMENT;
    int32_t status = judge_slots(model, c, c->source);
    if (status != RESHARD_OK)
        return status;
    struct model_migration *migration = &model->migrations[model->migration_count++];
    memset(migration, 0, sizeof *migration);
    migration->id = c->migration;
    migration->source = c->source;
    migration->target = c->target;
    migration->mode = c->mode;
    migration->flags = c->migration_flags;
    migration->version = model->version + 1;
    model->last_migration = c->migration;
    for (uint32_t i = 0; i < c->range_count; i++)
        for (uint32_t slot = c->ranges[i].first; slot <= c->ranges[i].last; slot++)
            model->slots[slot].migration = c->migration;
    return RESHARD_OK;
}

static int32_t apply_commit(struct model *model, const struct reshard_change *c)
{
    struct model_migration *migration = model_migration(model, c->migration);
    if (migration == NULL)
        return RESHARD_E_MIGRATION;
    if (migration->decision == RESHARD_DECISION_COMMIT)
        return RESHARD_E_REPEATED;
    if (migration->decision == RESHARD_DECISION_ABORT)
        return RESHARD_E_DECIDED;
    if (model_shard(model, migration->source)->epoch != c->source_epoch ||
        model_shard(model, migration->target)->epoch != c->target_epoch)
        return RESHARD_E_EPOCH;
    migration->decision = RESHARD_DECISION_COMMIT;
    migration->attempt = c->attempt;
    for (uint32_t slot = 0; slot < model->slot_count; slot++)
        if (model->slots[slot].migration == c->migration) {
            model->slots[slot].owner = migration->target;
            model->slots[slot].epoch++;
        }
    return RESHARD_OK;
}

static int32_t apply_abort(struct model *model, const struct reshard_change *c)
{
    struct model_migration *migration = model_migration(model, c->migration);
    if (migration == NULL)
        return RESHARD_E_MIGRATION;
    if (migration->decision == RESHARD_DECISION_ABORT)
        return RESHARD_E_REPEATED;
    if (migration->decision == RESHARD_DECISION_COMMIT)
        return RESHARD_E_DECIDED;
    migration->decision = RESHARD_DECISION_ABORT;
    return RESHARD_OK;
}

static int32_t apply_end(struct model *model, const struct reshard_change *c)
{
    struct model_migration *migration = model_migration(model, c->migration);
    if (migration == NULL)
        return RESHARD_E_MIGRATION;
    if (migration->decision == RESHARD_DECISION_NONE)
        return RESHARD_E_STATE;
    for (uint32_t slot = 0; slot < model->slot_count; slot++)
        if (model->slots[slot].migration == c->migration)
            model->slots[slot].migration = 0;
    model->migration_count--;
    for (; migration < &model->migrations[model->migration_count]; migration++)
        migration[0] = migration[1];
    return RESHARD_OK;
}

static int32_t apply_term(struct model *model, const struct reshard_change *c)
{
    if (c->term <= model->term)
        return RESHARD_E_TERM;
    model->term = c->term;
    model->unique = c->unique;
    return RESHARD_OK;
}

static int32_t apply_kind(struct model *model, const struct reshard_change *c)
{
    switch (c->kind) {
    case RESHARD_CHANGE_TERM:
        return apply_term(model, c);
    case RESHARD_CHANGE_NODE_PUT:
        return apply_node_put(model, c);
    case RESHARD_CHANGE_NODE_REMOVE:
        return apply_node_remove(model, c);
    case RESHARD_CHANGE_SHARD_PUT:
        return apply_shard_put(model, c);
    case RESHARD_CHANGE_SHARD_REMOVE:
        return apply_shard_remove(model, c);
    case RESHARD_CHANGE_SHARD_PRIMARY:
        return apply_shard_primary(model, c);
    case RESHARD_CHANGE_MIGRATION_OPEN:
        return apply_open(model, c);
    case RESHARD_CHANGE_MIGRATION_COMMIT:
        return apply_commit(model, c);
    case RESHARD_CHANGE_MIGRATION_ABORT:
        return apply_abort(model, c);
    case RESHARD_CHANGE_MIGRATION_END:
        return apply_end(model, c);
    default:
        return apply_assign(model, c);
    }
}

int32_t model_apply(struct model *model, const struct reshard_change *change)
{
    if (change->version != 0 && change->version <= model->version)
        return RESHARD_E_REPEATED;
    if (model->version == UINT64_MAX)
        return RESHARD_E_OVERFLOW;
    if (change->version > model->version + 1)
        return RESHARD_E_VERSION;
    if (change->kind < RESHARD_CHANGE_TERM || change->kind > RESHARD_CHANGE_UNASSIGN)
        return RESHARD_E_KIND;
    if (!others_are_zero(change))
        return RESHARD_E_ARGUMENT;
    int32_t status = apply_kind(model, change);
    if (status == RESHARD_OK)
        model->version++;
    return status;
}
