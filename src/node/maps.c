/* SPDX-License-Identifier: MIT */
/* Room node: the map's way in. MAP messages bring `next` forward; the own journal writes what `map`
 * lacks; only then `map`, and with it routing, follows (R24). */
#include "node/node.h"

enum { WAITING_LIMIT = 256 }; /* changes that may wait for a record to be written with */

static int32_t receive_snapshot(struct reshard_node *node, const struct reshard__message *message)
{
    if (message->to <= reshard_map_version(node->next))
        return RESHARD_OK;
    if (node->log.journal.state != RESHARD__JOURNAL_IDLE) {
        node->map_missed = true; /* what is being written rests on the present next */
        return RESHARD_OK;
    }
    struct reshard_map *map;
    int32_t status = reshard__map_decode(
        message->snapshot.data, message->snapshot.size, &node->config.allocator, &map, NULL);
    if (status)
        return status;
    if (reshard_map_slot_count(map) != node->config.slot_count ||
        reshard_map_version(map) != message->to) {
        reshard_map_destroy(map);
        return RESHARD_E_BOUND;
    }
    reshard_map_destroy(node->next);
    node->next = map;
    node->next_snapshot = true;
    return RESHARD_OK;
}

/* Why not all of a message's changes were taken; a part of them is here, the rest is asked for. */
static int32_t changes_stop(struct reshard_node *node, int32_t status, uint64_t before)
{
    if (status != RESHARD_E_NOMEM || reshard_map_version(node->next) == before)
        return status;
    reshard__event_tell(node, RESHARD_EVENT_NO_MEMORY, NULL, status, 0);
    return RESHARD_E_VERSION;
}

/* EMPTY: the rest comes again. What is adopted is read back from what `next` retains: what does not
 * fit there is asked for after the write that is under way. */
static int32_t change_take(struct reshard_node *node, const struct reshard_change *change)
{
    if (change->version <= reshard_map_version(node->next))
        return RESHARD_OK;
    if (reshard__map_room(node->next, reshard_map_version(node->map), change))
        return reshard_map_apply(node->next, change);
    node->map_missed = true;
    return RESHARD_E_EMPTY;
}

static int32_t receive_changes(struct reshard_node *node, const struct reshard__message *message)
{
    size_t offset = 0;
    uint64_t version = message->from;
    const uint64_t before = reshard_map_version(node->next);
    if (node->next_snapshot && node->log.journal.state != RESHARD__JOURNAL_IDLE) {
        /* A snapshot is being written as it is; what it has, too, came once more. */
        node->map_missed |= message->to > reshard_map_version(node->next);
        return RESHARD_OK;
    }
    for (;;) {
        struct reshard_change change;
        int32_t status =
            reshard__change_read(&node->mem, &node->scratch, message->changes, &offset, &change);
        change.version = ++version;
        if (status == RESHARD_OK)
            status = change_take(node, &change);
        if (status == RESHARD_E_EMPTY)
            return RESHARD_OK;
        if (status)
            return changes_stop(node, status, before);
    }
}

int32_t reshard__maps_receive(struct reshard_node *node, const struct reshard__message *message)
{
    int32_t status;
    if (message->snapshot.size > 0)
        status = receive_snapshot(node, message);
    else if (message->from > reshard_map_version(node->next))
        return RESHARD_E_VERSION;
    else
        status = receive_changes(node, message);
    if (status)
        return status;
    reshard__parts_follow(node);
    return RESHARD_OK;
}

void reshard__maps_role(struct reshard_node *node)
{
    struct reshard_map_node self = {.struct_size = sizeof self};
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    reshard_shard_id own = 0;
    uint32_t primary = 0;
    if (reshard_map_node_find(node->map, node->config.node, &self) == RESHARD_OK)
        own = self.shard;
    if (own && reshard_map_shard_find(node->map, own, &shard) == RESHARD_OK)
        primary = shard.primary == node->config.node;
    if (own == node->shard && primary == atomic_load(&node->primary))
        return;
    bool deposed = node->primary && !primary;
    node->shard = own;
    atomic_store(&node->primary, primary);
    reshard__words_all(node);
    for (size_t i = 0; i < node->part_count && deposed; i++)
        reshard__part_depose(node, node->parts[i]);
}

/* After a commit a source that was not asked to release yet has no ground to serve on (R23). */
static void decision_follow(struct reshard_node *node, struct reshard__part *part)
{
    if (!part->closed && part->phase == RESHARD_PHASE_NONE)
        reshard__part_settle_stance(node, part);
}

/* The slots that a change just applied to `map` concerns. */
static void words_follow(struct reshard_node *node, const struct reshard_change *change)
{
    const struct reshard_range *ranges = change->ranges;
    size_t range_count = change->range_count;
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    if (change->kind == RESHARD_CHANGE_MIGRATION_COMMIT &&
        reshard_map_migration_find(node->map, change->migration, &migration) == RESHARD_OK) {
        ranges = migration.ranges;
        range_count = migration.range_count;
        struct reshard__part *part = reshard__part_find(node, change->migration);
        if (part)
            decision_follow(node, part);
    }
    for (size_t i = 0; i < range_count; i++)
        reshard__words_range(node, &ranges[i]);
}

static int32_t adopt_changes(struct reshard_node *node, uint64_t version)
{
    for (uint64_t at = reshard_map_version(node->map) + 1; at <= version; at++) {
        const struct reshard_change *change = reshard__map_change(node->next, at);
        int32_t status = reshard__map_follow(node->map, node->next);
        if (status)
            return status;
        if (change->kind <= RESHARD_CHANGE_SHARD_PRIMARY) /* who is in which shard */
            reshard__maps_role(node);
        words_follow(node, change);
    }
    return RESHARD_OK;
}

int32_t reshard__maps_adopt(struct reshard_node *node, uint64_t version)
{
    if (version == reshard_map_version(node->map))
        return RESHARD_OK;
    int32_t status;
    if (node->next_snapshot) {
        /* Nothing may be added to a snapshot between its writing and here: see log.c. */
        RESHARD_ASSERT(version == reshard_map_version(node->next));
        struct reshard_map *map;
        status = reshard_map_clone(node->next, &node->config.allocator, &map);
        if (status)
            return status;
        reshard_map_destroy(node->map);
        node->map = map;
        node->next_snapshot = false;
        reshard__maps_role(node);
        reshard__words_all(node);
        for (size_t i = 0; i < node->part_count; i++)
            decision_follow(node, node->parts[i]);
    } else {
        status = adopt_changes(node, version);
        if (status)
            return status;
    }
    reshard__event_tell(node, RESHARD_EVENT_MAP, NULL, RESHARD_OK, version);
    reshard__parts_close(node);
    return RESHARD_OK;
}

/* Before start there is one map; a follower's `next` may be ahead of it by MAP messages. */
static int32_t restored_map(struct reshard_node *node, struct reshard_map *map)
{
    struct reshard_map *next = map;
    uint64_t version = reshard_map_version(map);
    bool ahead = node->gate.started && version < reshard_map_version(node->next);
    if (reshard_map_slot_count(map) != node->config.slot_count)
        return RESHARD_E_SLOT_COUNT;
    if (node->gate.started && version <= reshard_map_version(node->map))
        return RESHARD_E_REPEATED; /* a compaction tells what is known */
    if (node->gate.started && !ahead) {
        int32_t status = reshard_map_clone(map, &node->config.allocator, &next);
        if (status)
            return status;
        reshard_map_destroy(node->next);
    }
    reshard_map_destroy(node->map);
    node->map = map;
    if (!ahead)
        node->next = next;
    return RESHARD_OK;
}

static int32_t restore_snapshot(struct reshard_node *node, const struct reshard__record *record)
{
    struct reshard_map *map;
    int32_t status = reshard__map_decode(
        record->blob.data, record->blob.size, &node->config.allocator, &map, NULL);
    if (status)
        return status;
    status = restored_map(node, map);
    if (status)
        reshard_map_destroy(map);
    return status == RESHARD_E_REPEATED ? RESHARD_OK : status;
}

static int32_t restore_change(struct reshard_node *node, const struct reshard_change *change)
{
    bool both = node->next != node->map &&
                reshard_map_version(node->next) == reshard_map_version(node->map);
    int32_t status = both ? reshard_map_apply(node->next, change) : RESHARD_OK;
    if (status && status != RESHARD_E_REPEATED)
        return status;
    return reshard_map_apply(node->map, change);
}

/* Routing follows a record of the map, where routing has begun. */
static int32_t restored(struct reshard_node *node, const struct reshard_change *change)
{
    reshard__parts_close(node);
    if (!node->gate.started)
        return reshard__parts_open(node);
    reshard__parts_follow(node);
    if (reshard_map_version(node->map) == reshard_map_version(node->next))
        node->next_snapshot = false;
    reshard__maps_role(node);
    if (change)
        words_follow(node, change);
    else
        reshard__words_all(node);
    reshard__event_tell(node, RESHARD_EVENT_MAP, NULL, RESHARD_OK, reshard_map_version(node->map));
    return RESHARD_OK;
}

int32_t reshard__maps_restore(struct reshard_node *node, const struct reshard__record *record)
{
    RESHARD_ASSERT(node->next == node->map || node->following);
    if (record->kind == RESHARD__RECORD_MAP) {
        int32_t status = restore_snapshot(node, record);
        return status ? status : restored(node, NULL);
    }
    size_t offset = 0;
    struct reshard_change change;
    int32_t status =
        reshard__change_read(&node->mem, &node->scratch, record->blob, &offset, &change);
    if (status)
        return status;
    status = restore_change(node, &change);
    if (status && status != RESHARD_E_REPEATED)
        return status;
    return restored(node, &change);
}

/* Whether a change may wait: nobody's next step rests on it, or an order follows at once that
 * brings a record to be written with it. */
static bool change_waits(const struct reshard_node *node, const struct reshard_change *change)
{
    if (change->kind == RESHARD_CHANGE_TERM || change->kind == RESHARD_CHANGE_MIGRATION_END)
        return true;
    bool orders = change->kind == RESHARD_CHANGE_MIGRATION_OPEN ||
                  change->kind == RESHARD_CHANGE_MIGRATION_COMMIT ||
                  change->kind == RESHARD_CHANGE_MIGRATION_ABORT;
    const struct reshard__part *part = orders ? reshard__part_find(node, change->migration) : NULL;
    return part && !part->closed;
}

bool reshard__maps_urgent(const struct reshard_node *node)
{
    uint64_t known = reshard_map_version(node->map);
    uint64_t newest = reshard_map_version(node->next);
    if (node->next_snapshot || newest - known > WAITING_LIMIT)
        return true;
    for (uint64_t version = known + 1; version <= newest; version++)
        if (!change_waits(node, reshard__map_change(node->next, version)))
            return true;
    return false;
}
