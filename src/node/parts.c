/* SPDX-License-Identifier: MIT */
/* Room node: the table of parts, their stance and their store actions. */
#include "node/keywise.h"
#include "node/words.h"

#include <string.h>

struct reshard__part *reshard__part_find(const struct reshard_node *node, reshard_migration_id id)
{
    size_t low = 0, high = node->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (node->parts[middle]->migration < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < node->part_count && node->parts[low]->migration == id)
        return node->parts[low];
    return NULL;
}

static bool cell_take(struct reshard_node *node, uint32_t *cell_out)
{
    for (uint32_t i = 0; i < node->config.migration_limit; i++) {
        uint64_t bit = UINT64_C(1) << (i % 64);
        if (node->cells_used[i / 64] & bit)
            continue;
        node->cells_used[i / 64] |= bit;
        *cell_out = i;
        return true;
    }
    return false;
}

void reshard__part_free(struct reshard_node *node, struct reshard__part *part)
{
    reshard__stream_drop(node, part);
    reshard__keywise_free(node, part);
    node->cells_used[part->cell / 64] &= ~(UINT64_C(1) << (part->cell % 64));
    reshard__mem_free(&node->mem, part->ranges, part->range_count * sizeof *part->ranges);
    reshard__mem_free(&node->mem, part, sizeof *part);
}

/* Stance and other shard in one store: no reader sees halves of two migrations. */
static void cell_store(
    struct reshard_node *node, const struct reshard__part *part, enum reshard__stance stance)
{
    reshard_shard_id other = part->side == RESHARD_SIDE_SOURCE ? part->target : part->source;
    atomic_store_explicit(
        &node->cells[part->cell], reshard__word(stance, other), memory_order_release);
}

static enum reshard__stance first_stance(uint32_t side, uint32_t decision)
{
    if (side == RESHARD_SIDE_SOURCE)
        return decision == RESHARD_DECISION_COMMIT ? RESHARD__STANCE_SOURCE_RELEASED
                                                   : RESHARD__STANCE_SOURCE_SERVE;
    return decision == RESHARD_DECISION_COMMIT ? RESHARD__STANCE_TARGET_SEALED
                                               : RESHARD__STANCE_TARGET_STAGED;
}

/* A part with its side's first stance. Nothing is left behind on NOMEM. */
static int32_t part_make(struct reshard_node *node, const struct reshard_map_migration *migration,
    uint32_t side, struct reshard__part **part_out)
{
    struct reshard__part *part = reshard__mem_alloc(&node->mem, sizeof *part);
    if (!part)
        return RESHARD_E_NOMEM;
    size_t size = migration->range_count * sizeof *part->ranges;
    part->ranges = reshard__mem_alloc(&node->mem, size);
    if (!part->ranges || !cell_take(node, &part->cell)) {
        int32_t status = part->ranges ? RESHARD_E_LIMIT : RESHARD_E_NOMEM;
        reshard__mem_free(&node->mem, part->ranges, size);
        reshard__mem_free(&node->mem, part, sizeof *part);
        return status;
    }
    memcpy(part->ranges, migration->ranges, size);
    part->range_count = migration->range_count;
    part->migration = migration->migration;
    part->side = side;
    part->mode = migration->mode;
    part->migration_flags = migration->migration_flags;
    part->source = migration->source;
    part->target = migration->target;
    part->reported = RESHARD__RESULT_COUNT;
    if (migration->mode == RESHARD_MODE_KEYWISE) {
        int32_t status = reshard__keywise_make(node, part);
        if (status) {
            reshard__part_free(node, part);
            return status;
        }
    }
    cell_store(node, part, first_stance(side, migration->decision));
    *part_out = part;
    return RESHARD_OK;
}

static int32_t part_insert(
    struct reshard_node *node, const struct reshard_map_migration *migration, uint32_t side)
{
    int32_t status = reshard__mem_grow(&node->mem, (void **)&node->parts, &node->part_capacity,
        sizeof *node->parts, node->part_count + 1);
    if (status)
        return status;
    struct reshard__part *part;
    status = part_make(node, migration, side, &part);
    if (status)
        return status;
    size_t index = node->part_count;
    while (index > 0 && node->parts[index - 1]->migration > part->migration) {
        node->parts[index] = node->parts[index - 1];
        index--;
    }
    node->parts[index] = part;
    node->part_count++;
    /* The map may have been adopted before, when there was no memory for the part. */
    for (size_t i = 0; i < part->range_count && node->gate.started; i++)
        reshard__words_range(node, &part->ranges[i]);
    return RESHARD_OK;
}

/* A migration that came; one that is none of this shard's is nothing to it. */
static int32_t part_open(struct reshard_node *node, const struct reshard_map_migration *migration)
{
    uint32_t side = migration->source == node->parts_shard   ? RESHARD_SIDE_SOURCE
                    : migration->target == node->parts_shard ? RESHARD_SIDE_TARGET
                                                             : 0;
    if (side == 0 || reshard__part_find(node, migration->migration))
        return RESHARD_OK;
    return part_insert(node, migration, side);
}

/* Migrations' ids only grow, and those up to `parts_upto` were looked at when they came: a cluster
 * may have thousands open that are none of this node's. */
int32_t reshard__parts_open(struct reshard_node *node)
{
    struct reshard_map_node self = {.struct_size = sizeof self};
    if (reshard_map_node_find(node->next, node->config.node, &self) || self.shard == 0)
        return RESHARD_OK;
    if (node->parts_shard != self.shard)
        node->parts_upto = 0;
    node->parts_shard = self.shard;
    for (uint32_t i = reshard_map_migration_count(node->next); i-- > 0;) {
        struct reshard_map_migration migration = {.struct_size = sizeof migration};
        (void)reshard_map_migration_at(node->next, i, &migration);
        if (migration.migration <= node->parts_upto)
            break;
        int32_t status = part_open(node, &migration);
        if (status)
            return status;
    }
    node->parts_upto = reshard_map_last_migration(node->next);
    return RESHARD_OK;
}

void reshard__parts_follow(struct reshard_node *node)
{
    int32_t status = reshard__parts_open(node);
    if (status && !node->parts_missing)
        reshard__event_tell(node, RESHARD_EVENT_REFUSED, NULL, status, 0);
    node->parts_missing = status != RESHARD_OK;
}

static bool part_over(const struct reshard_node *node, const struct reshard__part *part)
{
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    return reshard_map_migration_find(node->map, part->migration, &migration) &&
           part->migration <= reshard_map_last_migration(node->map);
}

void reshard__parts_close(struct reshard_node *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->part_count; i++) {
        struct reshard__part *part = node->parts[i];
        if (part->closed || !part_over(node, part))
            continue;
        part->closed = true;
        reshard__stream_drop(node, part);
        for (size_t r = 0; r < part->range_count; r++)
            reshard__words_range(node, &part->ranges[r]);
    }
    /* Only now: the words were looked up in the whole table. */
    for (size_t i = 0; i < node->part_count; i++) {
        struct reshard__part *part = node->parts[i];
        if (part->closed && part->open_actions == 0 && !part->writing)
            reshard__part_free(node, part);
        else
            node->parts[kept++] = part;
    }
    node->part_count = kept;
    if (kept == 0)
        reshard__spares_free(node);
}

enum reshard__stance reshard__part_stance(
    const struct reshard_node *node, const struct reshard__part *part)
{
    return (enum reshard__stance)(uint32_t)atomic_load_explicit(
        &node->cells[part->cell], memory_order_relaxed);
}

bool reshard__part_by_hand(const struct reshard__part *part)
{
    return part->migration_flags & RESHARD_MIGRATION_OPERATOR;
}

bool reshard__part_settles_loose(
    const struct reshard_node *node, const struct reshard__part *part)
{
    if (part->mode == RESHARD_MODE_KEYWISE)
        return reshard__part_by_hand(part) && node->config.gather_ns > 0;
    return node->config.flags & RESHARD_NODE_ONE_LOG;
}

bool reshard__part_kept(struct reshard_node *node, struct reshard__part *part)
{
    if (!reshard__part_settles_loose(node, part))
        return true;
    bool gathers = part->mode == RESHARD_MODE_KEYWISE;
    if (part->keep_ns == 0)
        part->keep_ns = node->now_ns + (gathers ? node->config.gather_ns : 0);
    if (!part->kept && !part->keeping && node->now_ns >= part->keep_ns)
        part->keeping =
            reshard__part_ask(node, part, RESHARD_ACTION_SYNC, RESHARD__BUSY_SYNC) != NULL;
    return part->kept;
}

static bool stance_parks(enum reshard__stance stance)
{
    for (uint32_t op = RESHARD_OP_READ; op < RESHARD_OP_COUNT; op++) {
        uint32_t verdict = reshard__route_stance(stance, op);
        if (verdict == RESHARD_PARK || verdict == RESHARD_LOOKUP)
            return true;
    }
    return false;
}

/* Whether writes stop at the source while it lasts. */
static bool stance_pauses(enum reshard__stance stance)
{
    return stance == RESHARD__STANCE_SOURCE_FROZEN || stance == RESHARD__STANCE_SOURCE_HELD;
}

static void pause_follow(
    struct reshard_node *node, struct reshard__part *part, enum reshard__stance stance)
{
    if (stance_pauses(stance) && part->pause_began_ns == 0) {
        part->pause_began_ns = node->now_ns ? node->now_ns : 1;
        reshard__event_tell(node, RESHARD_EVENT_PAUSE, part, RESHARD_OK, part->attempt);
    } else if (!stance_pauses(stance) && part->pause_began_ns) {
        uint64_t pause = node->now_ns - part->pause_began_ns;
        part->pause_began_ns = 0;
        part->pause_ns += pause;
        reshard__event_tell(node, RESHARD_EVENT_RESUME, part, RESHARD_OK, pause);
    }
}

void reshard__part_stand(
    struct reshard_node *node, struct reshard__part *part, enum reshard__stance stance)
{
    enum reshard__stance before = reshard__part_stance(node, part);
    if (before == stance)
        return;
    cell_store(node, part, stance);
    if (node->following)
        return; /* nobody is parked here, and the pause is the primary's */
    pause_follow(node, part, stance);
    if (stance_parks(before))
        reshard__part_wake(node, part);
}

void reshard__part_lead(struct reshard_node *node, struct reshard__part *part)
{
    part->heard_ns = node->now_ns;
    pause_follow(node, part, reshard__part_stance(node, part));
}

void reshard__part_depose(struct reshard_node *node, struct reshard__part *part)
{
    if (stance_parks(reshard__part_stance(node, part)))
        reshard__part_wake(node, part);
}

void reshard__part_wake(struct reshard_node *node, struct reshard__part *part)
{
    part->wake_due = reshard__outbox_room(&node->outbox) == 0;
    if (part->wake_due)
        return;
    struct reshard__entry *entry = reshard__outbox_push(&node->outbox, RESHARD_ACTION_WAKE);
    entry->owner = part->migration;
    entry->purpose = RESHARD__PURPOSE_STORE;
    entry->ticket = part->ticket;
    entry->action.migration = part->migration;
    entry->action.side = part->side;
    entry->action.mode = part->mode;
    entry->action.ranges = part->ranges;
    entry->action.range_count = part->range_count;
    part->open_actions++;
}

struct reshard__entry *reshard__part_ask(
    struct reshard_node *node, struct reshard__part *part, uint32_t kind, uint32_t busy)
{
    bool again = busy == RESHARD__BUSY_APPLY || busy == RESHARD__BUSY_FENCE;
    if ((part->busy & busy && !again) || node->now_ns < part->retry_at_ns)
        return NULL;
    if (reshard__outbox_room(&node->outbox) < 4)
        return NULL;
    struct reshard__entry *entry = reshard__outbox_push(&node->outbox, kind);
    entry->owner = part->migration;
    entry->purpose = RESHARD__PURPOSE_STORE;
    entry->ticket = part->ticket;
    entry->action.after = part->last_action;
    entry->action.migration = part->migration;
    entry->action.side = part->side;
    entry->action.mode = part->mode;
    entry->action.ranges = part->ranges;
    entry->action.range_count = part->range_count;
    part->last_action = entry->action.id;
    part->busy |= busy;
    part->open_actions++;
    return entry;
}

uint64_t reshard__part_fence(struct reshard_node *node, struct reshard__part *part)
{
    part->fence_asked++;
    struct reshard__entry *entry =
        reshard__part_ask(node, part, RESHARD_ACTION_FENCE, RESHARD__BUSY_FENCE);
    if (entry)
        entry->action.sequence = part->fence_asked;
    return part->fence_asked;
}

bool reshard__part_digest(struct reshard_node *node, struct reshard__part *part, uint64_t position)
{
    if (part->digest_known && part->digest_attempt == part->attempt &&
        part->digest_position == position)
        return true;
    struct reshard__entry *entry =
        reshard__part_ask(node, part, RESHARD_ACTION_DIGEST, RESHARD__BUSY_DIGEST);
    if (entry) {
        part->digest_known = false;
        part->digest_attempt = part->attempt;
        part->digest_position = position;
    }
    return false;
}

static uint32_t decision_of(const struct reshard_node *node, const struct reshard__part *part)
{
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    (void)reshard_map_migration_find(node->map, part->migration, &migration);
    return migration.decision;
}

void reshard__part_settle_stance(struct reshard_node *node, struct reshard__part *part)
{
    static const uint8_t by_record[RESHARD__RECORD_IDENTITY + 1] = {
        [RESHARD__RECORD_HELD] = RESHARD__STANCE_SOURCE_HELD,
        [RESHARD__RECORD_RELEASED] = RESHARD__STANCE_SOURCE_RELEASED,
        [RESHARD__RECORD_PURGE] = RESHARD__STANCE_SOURCE_RELEASED,
        [RESHARD__RECORD_OPEN] = RESHARD__STANCE_TARGET_STAGED,
        [RESHARD__RECORD_SEAL] = RESHARD__STANCE_TARGET_SEALED,
        [RESHARD__RECORD_ACTIVE] = RESHARD__STANCE_TARGET_ACTIVE,
    };
    uint32_t kind = part->stored.kind;
    if (part->stored.moving && kind != RESHARD__RECORD_RELEASED && kind != RESHARD__RECORD_PURGE &&
        kind != RESHARD__RECORD_ACTIVE) {
        reshard__keywise_stance(node, part);
        return;
    }
    enum reshard__stance stance = first_stance(part->side, decision_of(node, part));
    bool decided =
        stance == RESHARD__STANCE_SOURCE_RELEASED || stance == RESHARD__STANCE_TARGET_SEALED;
    bool recorded = by_record[kind] != 0;
    if (recorded && !(decided && (kind == RESHARD__RECORD_OPEN || kind == RESHARD__RECORD_SEAL)))
        stance = (enum reshard__stance)by_record[kind];
    reshard__part_stand(node, part, stance);
}
