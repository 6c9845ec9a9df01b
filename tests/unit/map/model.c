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

/* "Which fields each uses stands beside it; others are 0." A letter a field. */
static const char *used_by(uint32_t kind)
{
    static const char *const used[] = {
        "", "tu", "nsrx", "n", "sw", "s", "sn", "sR", "mSTofR", "mae", "m", "m", "sR"};
    return used[kind];
}

static int others_are_zero(const struct reshard_change *c)
{
    const double zero = 0.0;
    const struct {
        char letter;
        int set;
    } fields[] = {{'t', c->term != 0}, {'u', c->unique != 0}, {'n', c->node != 0},
        {'s', c->shard != 0}, {'r', c->role != 0},
        {'w', memcmp(&c->weight, &zero, sizeof zero) != 0}, {'m', c->migration != 0},
        {'S', c->source != 0}, {'T', c->target != 0}, {'o', c->mode != 0},
        {'f', c->migration_flags != 0}, {'a', c->attempt != 0}, {'e', c->source_epoch != 0},
        {'e', c->target_epoch != 0}, {'x', c->name_size != 0}, {'x', c->address_size != 0},
        {'x', c->zone_size != 0}, {'R', c->range_count != 0}};
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].set && strchr(used_by(c->kind), fields[i].letter) == NULL)
            return 0;
    return 1;
}

static int32_t text(const char *from, uint32_t size, uint32_t size_max)
{
    if (size > size_max)
        return RESHARD_E_ARGUMENT;
    if (size > 0 && from == NULL)
        return RESHARD_E_NULL;
    return RESHARD_OK;
}

static int32_t judge_texts(const struct reshard_change *c)
{
    int32_t name = text(c->name, c->name_size, RESHARD_NAME_SIZE_MAX);
    int32_t address = text(c->address, c->address_size, RESHARD_ADDRESS_SIZE_MAX);
    int32_t zone = text(c->zone, c->zone_size, RESHARD_ZONE_SIZE_MAX);
    return name ? name : address ? address : zone;
}

static int node_was_removed(const struct model *model, reshard_node_id id)
{
    for (int i = 0; i < model->node_count; i++)
        if (model->nodes[i].id == id && model->nodes[i].life == MODEL_REMOVED)
            return 1;
    return 0;
}

static void store_node(struct model *model, const struct reshard_change *c)
{
    struct model_node *node = model_node(model, c->node);
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
}

/* Whether a shard has one node, no slots and no migrations. */
static int model_shard_bare(const struct model *model, reshard_shard_id shard)
{
    return !model_slots_of(model, shard) && !model_migrations_of(model, shard) &&
           model_nodes_of(model, shard) == 1;
}

static int32_t judge_role(
    const struct model *model, const struct model_node *node, const struct reshard_change *c)
{
    const int was_primary = node != NULL && node->role == RESHARD_ROLE_PRIMARY;
    if (!was_primary)
        return c->role == RESHARD_ROLE_PRIMARY ? RESHARD_E_STATE : RESHARD_OK;
    if (c->role == RESHARD_ROLE_PRIMARY && c->shard == node->shard)
        return RESHARD_OK;
    /* It leaves an empty shard, of which it is the last node. */
    const int moves = c->role != RESHARD_ROLE_PRIMARY && c->shard != node->shard;
    return moves && model_shard_bare(model, node->shard) ? RESHARD_OK : RESHARD_E_IN_USE;
}

static int32_t judge_node_put(struct model *model, const struct reshard_change *c)
{
    if (c->node == 0 || c->role < RESHARD_ROLE_PRIMARY || c->role > RESHARD_ROLE_REPLICA)
        return RESHARD_E_ARGUMENT;
    if (judge_texts(c) != RESHARD_OK)
        return judge_texts(c);
    if (node_was_removed(model, c->node))
        return RESHARD_E_REUSED;
    if (c->shard != 0 && model_shard(model, c->shard) == NULL)
        return RESHARD_E_SHARD;
    return judge_role(model, model_node(model, c->node), c);
}

static int32_t apply_node_put(struct model *model, const struct reshard_change *c)
{
    struct model_node *node = model_node(model, c->node);
    int32_t status = judge_node_put(model, c);
    if (status != RESHARD_OK)
        return status;
    if (node != NULL && node->role == RESHARD_ROLE_PRIMARY && node->shard != c->shard)
        model_shard(model, node->shard)->primary = 0;
    store_node(model, c);
    return RESHARD_OK;
}

static int32_t apply_node_remove(struct model *model, const struct reshard_change *c)
{
    struct model_node *node = model_node(model, c->node);
    if (node == NULL)
        return RESHARD_E_NODE;
    for (int i = 0; i < model->shard_count; i++) {
        struct model_shard *shard = &model->shards[i];
        if (shard->life != MODEL_LIVE || shard->primary != c->node)
            continue;
        if (model_slots_of(model, shard->id) || model_migrations_of(model, shard->id) ||
            model_nodes_of(model, shard->id) > 1)
            return RESHARD_E_IN_USE;
        shard->primary = 0;
    }
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

static int32_t judge_slot(const struct model_slot *slot, reshard_shard_id owner)
{
    if (slot->owner != owner)
        return RESHARD_E_OWNER;
    if (slot->migration != 0)
        return RESHARD_E_OVERLAP;
    return slot->epoch == UINT32_MAX ? RESHARD_E_OVERFLOW : RESHARD_OK;
}

static int32_t judge_ranges(const struct model *model, const struct reshard_change *c)
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
    return RESHARD_OK;
}

/* Canonical, and every slot owned by `owner`, in no migration, its epoch not at the end. */
static int32_t judge_slots(
    const struct model *model, const struct reshard_change *c, reshard_shard_id owner)
{
    int32_t status = judge_ranges(model, c);
    for (uint32_t i = 0; status == RESHARD_OK && i < c->range_count; i++)
        for (uint32_t slot = c->ranges[i].first; slot <= c->ranges[i].last; slot++)
            if (status == RESHARD_OK)
                status = judge_slot(&model->slots[slot], owner);
    return status;
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

static int32_t judge_mode(uint32_t mode, uint32_t flags)
{
    if (mode != RESHARD_MODE_SNAPSHOT && mode != RESHARD_MODE_KEYWISE)
        return RESHARD_E_MODE;
    if (flags != 0 && flags != RESHARD_MIGRATION_OPERATOR)
        return RESHARD_E_FLAGS;
    if (flags == RESHARD_MIGRATION_OPERATOR && mode == RESHARD_MODE_SNAPSHOT)
        return RESHARD_E_MODE;
    return RESHARD_OK;
}

static int32_t judge_open(struct model *model, const struct reshard_change *c)
{
    if (c->migration == 0)
        return RESHARD_E_ARGUMENT;
    if (c->migration <= model->last_migration)
        return RESHARD_E_REUSED;
    if (judge_mode(c->mode, c->migration_flags) != RESHARD_OK)
        return judge_mode(c->mode, c->migration_flags);
    if (model_shard(model, c->source) == NULL || model_shard(model, c->target) == NULL)
        return RESHARD_E_SHARD;
    if (c->source == c->target)
        return RESHARD_E_ARGUMENT;
    return judge_slots(model, c, c->source);
}

static int32_t apply_open(struct model *model, const struct reshard_change *c)
{
    int32_t status = judge_open(model, c);
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

int32_t model_apply(struct model *model, const struct reshard_change *change)
{
    static int32_t (*const apply[])(struct model *, const struct reshard_change *) = {NULL,
        apply_term, apply_node_put, apply_node_remove, apply_shard_put, apply_shard_remove,
        apply_shard_primary, apply_assign, apply_open, apply_commit, apply_abort, apply_end,
        apply_assign};
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
    int32_t status = apply[change->kind](model, change);
    if (status == RESHARD_OK)
        model->version++;
    return status;
}
