/* SPDX-License-Identifier: MIT */
/* Room map, tests: random changes. See generate.h. */
#include "unit/map/generate.h"
#include <math.h>
#include <string.h>

/* xorshift64*, Vigna 2016; the library's own generator is not used here. */
uint64_t generate_number(struct generator *generator)
{
    generator->seed ^= generator->seed >> 12;
    generator->seed ^= generator->seed << 25;
    generator->seed ^= generator->seed >> 27;
    return generator->seed * UINT64_C(2685821657736338717);
}

uint32_t generate_below(struct generator *generator, uint32_t below)
{
    return (uint32_t)((generate_number(generator) >> 32) * below >> 32);
}

static int chance(struct generator *generator, uint32_t percent)
{
    return generate_below(generator, 100) < percent;
}

/* An id that was used; mostly one that lives. */
static reshard_node_id old_node(struct generator *g, const struct model *model)
{
    const struct model_node *node = NULL;
    if (model->node_count == 0)
        return generate_below(g, 3);
    for (int i = 0; i < 6 && (!node || node->life != MODEL_LIVE); i++)
        node = &model->nodes[generate_below(g, (uint32_t)model->node_count)];
    return node->id;
}

static reshard_shard_id old_shard(struct generator *g, const struct model *model)
{
    const struct model_shard *shard = NULL;
    if (model->shard_count == 0)
        return generate_below(g, 3);
    for (int i = 0; i < 6 && (!shard || shard->life != MODEL_LIVE); i++)
        shard = &model->shards[generate_below(g, (uint32_t)model->shard_count)];
    return shard->id;
}

/* A shard that owns something, if one is found by trying. */
static reshard_shard_id rich_shard(struct generator *g, const struct model *model)
{
    reshard_shard_id owner = 0;
    for (int i = 0; i < 8 && owner == 0; i++) {
        const struct model_slot *slot = &model->slots[generate_below(g, model->slot_count)];
        owner = slot->migration ? 0 : slot->owner;
    }
    return owner ? owner : old_shard(g, model);
}

/* Any id; new ones only while the model has room. */
static reshard_node_id any_node(struct generator *g, const struct model *model)
{
    if (model->node_count == MODEL_NODES || chance(g, 70))
        return old_node(g, model);
    return chance(g, 50) ? generate_below(g, 40) : generate_number(g);
}

static reshard_shard_id any_shard(struct generator *g, const struct model *model)
{
    if (model->shard_count == MODEL_SHARDS || chance(g, 70))
        return old_shard(g, model);
    return chance(g, 60) ? generate_below(g, 12) : (reshard_shard_id)generate_number(g);
}

static reshard_migration_id any_migration(struct generator *g, const struct model *model)
{
    if (model->migration_count > 0 && chance(g, 85))
        return model->migrations[generate_below(g, (uint32_t)model->migration_count)].id;
    uint64_t near = model->last_migration + generate_below(g, 4);
    return near >= 2 ? near - 2 : near;
}

/* Slots of an owner that are free to go, some of them, as canonical ranges. */
static uint32_t free_ranges(struct generator *g, const struct model *model, reshard_shard_id owner)
{
    uint32_t count = 0;
    uint32_t keep = 5 + generate_below(g, 95);
    for (uint32_t slot = 0; slot < model->slot_count; slot++) {
        const struct model_slot *s = &model->slots[slot];
        if (s->owner != owner || s->migration != 0 || !chance(g, keep))
            continue;
        if (count > 0 && g->ranges[count - 1].last + 1 == slot)
            g->ranges[count - 1].last = slot;
        else
            g->ranges[count++] = (struct reshard_range){slot, slot};
    }
    return count;
}

/* Up to four ranges, canonical by luck only. */
static uint32_t wild_ranges(struct generator *g, const struct model *model)
{
    uint32_t count = generate_below(g, 5);
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        at += generate_below(g, model->slot_count / 2 + 2);
        g->ranges[i].first = at;
        at += generate_below(g, 3);
        g->ranges[i].last = at;
        at += chance(g, 80) ? 2 : 0;
        if (chance(g, 3))
            g->ranges[i].last = (uint32_t)generate_number(g);
    }
    return count;
}

static void with_ranges(struct generator *g, const struct model *model,
    struct reshard_change *change, reshard_shard_id owner)
{
    change->ranges = chance(g, 98) ? g->ranges : NULL;
    change->range_count = chance(g, 90) ? free_ranges(g, model, owner) : wild_ranges(g, model);
}

static void with_text(struct generator *g, const char **text, uint32_t *size, uint32_t size_max)
{
    *text = chance(g, 99) ? g->text + generate_below(g, 100) : NULL;
    *size = chance(g, 50) ? generate_below(g, 8) : generate_below(g, size_max + 1);
    if (chance(g, 1))
        *size = size_max + 1;
}

static void node_put(struct generator *g, struct model *model, struct reshard_change *change)
{
    change->node = any_node(g, model);
    change->shard = chance(g, 10) ? 0 : old_shard(g, model);
    change->role = RESHARD_ROLE_REPLICA;
    const struct model_node *node = model_node(model, change->node);
    if (node && node->role == RESHARD_ROLE_PRIMARY && chance(g, 60)) {
        change->role = RESHARD_ROLE_PRIMARY;
        change->shard = node->shard;
    }
    if (chance(g, 5))
        change->role = generate_below(g, 4);
    with_text(g, &change->name, &change->name_size, RESHARD_NAME_SIZE_MAX);
    with_text(g, &change->address, &change->address_size, RESHARD_ADDRESS_SIZE_MAX);
    with_text(g, &change->zone, &change->zone_size, RESHARD_ZONE_SIZE_MAX);
}

static void shard_put(struct generator *g, struct model *model, struct reshard_change *change)
{
    static const double odd[] = {0.0, -0.0, -1.0, 5e-324, 1.7976931348623157e308};
    change->shard = any_shard(g, model);
    change->weight = 0.25 * (1 + generate_below(g, 8));
    if (chance(g, 10))
        change->weight = odd[generate_below(g, 5)];
    if (chance(g, 4))
        change->weight = chance(g, 50) ? (double)NAN : -(double)INFINITY;
}

static void shard_primary(struct generator *g, struct model *model, struct reshard_change *change)
{
    change->node = old_node(g, model);
    const struct model_node *node = model_node(model, change->node);
    change->shard = node && chance(g, 80) ? node->shard : old_shard(g, model);
}

static void migration_open(struct generator *g, struct model *model, struct reshard_change *change)
{
    change->migration =
        chance(g, 90) ? model->last_migration + 1 + generate_below(g, 3) : generate_below(g, 6);
    change->source = chance(g, 90) ? rich_shard(g, model) : old_shard(g, model);
    change->target = old_shard(g, model);
    change->mode = 1 + generate_below(g, 2);
    if (chance(g, 10))
        change->migration_flags = 1;
    if (chance(g, 3))
        change->migration_flags = (uint32_t)generate_number(g);
    if (chance(g, 3))
        change->mode = generate_below(g, 5);
    with_ranges(g, model, change, change->source);
}

static void migration_commit(
    struct generator *g, struct model *model, struct reshard_change *change)
{
    change->migration = any_migration(g, model);
    change->attempt = generate_below(g, 4);
    const struct model_migration *migration = model_migration(model, change->migration);
    if (!migration)
        return;
    change->source_epoch = model_shard(model, migration->source)->epoch;
    change->target_epoch = model_shard(model, migration->target)->epoch;
    if (chance(g, 10))
        change->source_epoch += chance(g, 50) ? 1 : UINT64_MAX;
    if (chance(g, 10))
        change->target_epoch += chance(g, 50) ? 1 : UINT64_MAX;
}

static uint32_t kind(struct generator *g)
{
    /* Removals are rare, so that something lives; migrations are what this is about. */
    static const uint32_t kinds[] = {RESHARD_CHANGE_TERM, RESHARD_CHANGE_NODE_PUT,
        RESHARD_CHANGE_NODE_PUT, RESHARD_CHANGE_NODE_PUT, RESHARD_CHANGE_NODE_REMOVE,
        RESHARD_CHANGE_SHARD_PUT, RESHARD_CHANGE_SHARD_PUT, RESHARD_CHANGE_SHARD_REMOVE,
        RESHARD_CHANGE_SHARD_PRIMARY, RESHARD_CHANGE_SHARD_PRIMARY, RESHARD_CHANGE_ASSIGN,
        RESHARD_CHANGE_ASSIGN, RESHARD_CHANGE_ASSIGN, RESHARD_CHANGE_UNASSIGN,
        RESHARD_CHANGE_MIGRATION_OPEN, RESHARD_CHANGE_MIGRATION_OPEN, RESHARD_CHANGE_MIGRATION_OPEN,
        RESHARD_CHANGE_MIGRATION_OPEN, RESHARD_CHANGE_MIGRATION_COMMIT,
        RESHARD_CHANGE_MIGRATION_COMMIT, RESHARD_CHANGE_MIGRATION_COMMIT,
        RESHARD_CHANGE_MIGRATION_ABORT, RESHARD_CHANGE_MIGRATION_END, RESHARD_CHANGE_MIGRATION_END,
        RESHARD_CHANGE_MIGRATION_END};
    uint32_t kind = kinds[generate_below(g, sizeof kinds / sizeof kinds[0])];
    if (chance(g, 1))
        return generate_below(g, 20);
    if ((kind == RESHARD_CHANGE_NODE_REMOVE || kind == RESHARD_CHANGE_SHARD_REMOVE) &&
        chance(g, 70))
        return RESHARD_CHANGE_ASSIGN;
    return kind;
}

static void term(struct generator *g, struct model *model, struct reshard_change *change)
{
    change->term = model->term + generate_below(g, 3);
    change->unique = generate_number(g);
}

static void node_remove(struct generator *g, struct model *model, struct reshard_change *change)
{
    change->node = any_node(g, model);
}

static void shard_remove(struct generator *g, struct model *model, struct reshard_change *change)
{
    change->shard = any_shard(g, model);
}

static void assign(struct generator *g, struct model *model, struct reshard_change *change)
{
    change->shard = old_shard(g, model);
    with_ranges(g, model, change, 0);
}

static void unassign(struct generator *g, struct model *model, struct reshard_change *change)
{
    change->shard = rich_shard(g, model);
    with_ranges(g, model, change, change->shard);
}

static void migration_other(struct generator *g, struct model *model, struct reshard_change *change)
{
    change->migration = any_migration(g, model);
}

static void fill(struct generator *g, struct model *model, struct reshard_change *change)
{
    static void (*const fills[])(struct generator *, struct model *, struct reshard_change *) = {
        NULL, term, node_put, node_remove, shard_put, shard_remove, shard_primary, assign,
        migration_open, migration_commit, migration_other, migration_other, unassign};
    if (change->kind < sizeof fills / sizeof fills[0] && fills[change->kind])
        fills[change->kind](g, model, change);
}

/* One field that the kind may not have, or not with that value. */
static void disturb(struct generator *g, struct reshard_change *change)
{
    uint64_t value = 1 + generate_below(g, 3);
    uint64_t *const fields[] = {&change->term, &change->unique, &change->node, &change->migration,
        &change->attempt, &change->source_epoch, &change->target_epoch};
    uint32_t *const small[] = {&change->shard, &change->role, &change->source, &change->target,
        &change->mode, &change->migration_flags};
    uint32_t which = generate_below(g, 14);
    if (which < 7)
        *fields[which] = value;
    else if (which < 13)
        *small[which - 7] = (uint32_t)value;
    else
        change->weight = -0.0;
}

void generate_change(struct generator *g, struct model *model, struct reshard_change *change)
{
    for (uint32_t i = 0; i < 8; i++)
        g->text[generate_below(g, sizeof g->text)] = (char)generate_number(g);
    memset(change, 0, sizeof *change);
    change->struct_size = sizeof *change;
    change->kind = kind(g);
    fill(g, model, change);
    /* A node or shard that the model has no room for may not come in by disturbance. */
    if (change->kind != RESHARD_CHANGE_NODE_PUT && change->kind != RESHARD_CHANGE_SHARD_PUT &&
        chance(g, 2))
        disturb(g, change);
    if (chance(g, 15))
        change->version = model->version + generate_below(g, 4) - 1;
}
