/* SPDX-License-Identifier: MIT */
/* Room node: slots whose data no record explains. They are set aside, told, and purged only on
 * request: nobody deletes on suspicion. What is set aside counts at once; the record follows, and
 * no purge begins before it is durable. */
#include "node/node.h"
#include "slot/slot.h"

#include <string.h>

int32_t reshard__quarantine_restore(struct reshard_node *node, const struct reshard__record *record)
{
    size_t count = 0;
    int32_t status = reshard__ranges_decode(
        record->blob.data, record->blob.size, node->quarantine, node->quarantine_capacity, &count);
    if (status == RESHARD_E_SPACE) {
        status = reshard__mem_grow(&node->mem, (void **)&node->quarantine,
            &node->quarantine_capacity, sizeof *node->quarantine, count);
        if (status)
            return status;
        status = reshard__ranges_decode(record->blob.data, record->blob.size, node->quarantine,
            node->quarantine_capacity, &count);
    }
    if (status == RESHARD_OK)
        node->quarantine_count = count;
    return status;
}

/* The quarantine as a set, which the caller changes and gives back. */
static int32_t set_make(const struct reshard_node *node, struct reshard_slot_set **set_out)
{
    int32_t status =
        reshard_slot_set_create(node->config.slot_count, &node->config.allocator, set_out);
    if (status)
        return status;
    status = reshard_slot_set_import_ranges(*set_out, node->quarantine, node->quarantine_count);
    if (status)
        reshard_slot_set_destroy(*set_out);
    return status;
}

static int32_t set_keep(struct reshard_node *node, const struct reshard_slot_set *set)
{
    size_t count = reshard_slot_set_range_count(set);
    int32_t status = reshard__mem_grow(&node->mem, (void **)&node->quarantine,
        &node->quarantine_capacity, sizeof *node->quarantine, count);
    if (status)
        return status;
    status = reshard_slot_set_export_ranges(
        set, node->quarantine, node->quarantine_capacity, &node->quarantine_count);
    RESHARD_ASSERT(status == RESHARD_OK);
    node->quarantine_changes++;
    reshard__event_tell(
        node, RESHARD_EVENT_QUARANTINE, NULL, RESHARD_OK, reshard_slot_set_count(set));
    return RESHARD_OK;
}

/* Owned, or under a record of a migration that is open here. */
static bool explained(const struct reshard_node *node, uint32_t slot)
{
    if (node->shard && reshard_map_slot_owner(node->map, slot) == node->shard)
        return true;
    const struct reshard__part *part = reshard__part_of_slot(node, slot);
    return part && (part->side == RESHARD_SIDE_SOURCE || part->stored.kind != 0);
}

static int32_t unexplained_add(const struct reshard_node *node, struct reshard_slot_set *set,
    const struct reshard_range *range)
{
    int32_t status = RESHARD_OK;
    for (uint32_t slot = range->first; slot <= range->last && status == RESHARD_OK; slot++)
        if (!explained(node, slot))
            status = reshard_slot_set_add(set, slot, slot);
    return status;
}

int32_t reshard_node_found(
    struct reshard_node *node, const struct reshard_range *ranges, size_t range_count)
{
    if (!node)
        return RESHARD_E_NULL;
    int32_t status = reshard__ranges_check(ranges, range_count, node->config.slot_count, NULL);
    if (status == RESHARD_OK)
        status = reshard__node_feed_begin(node, 0);
    if (status)
        return status;
    struct reshard_slot_set *set;
    status = node->following ? RESHARD_E_STATE : set_make(node, &set);
    if (status)
        return reshard__node_feed_end(node, status);
    uint32_t before = reshard_slot_set_count(set);
    for (size_t i = 0; i < range_count && status == RESHARD_OK; i++)
        status = unexplained_add(node, set, &ranges[i]);
    if (status == RESHARD_OK && reshard_slot_set_count(set) != before)
        status = set_keep(node, set);
    reshard_slot_set_destroy(set);
    return reshard__node_feed_end(node, status);
}

int32_t reshard_node_quarantine_next(
    const struct reshard_node *node, uint32_t *cursor, struct reshard_range *range_out)
{
    if (!node || !cursor || !range_out)
        return RESHARD_E_NULL;
    size_t index = reshard__ranges_find(node->quarantine, node->quarantine_count, *cursor);
    if (index == node->quarantine_count)
        return RESHARD_E_EMPTY;
    *range_out = node->quarantine[index];
    if (range_out->first < *cursor)
        range_out->first = *cursor;
    *cursor = range_out->last + 1;
    return RESHARD_OK;
}

/* Whether each of the ranges lies within one that is set aside. */
static bool all_aside(
    const struct reshard_node *node, const struct reshard_range *ranges, size_t range_count)
{
    for (size_t i = 0; i < range_count; i++) {
        size_t at = reshard__ranges_find(node->quarantine, node->quarantine_count, ranges[i].first);
        if (at == node->quarantine_count || node->quarantine[at].first > ranges[i].first ||
            node->quarantine[at].last < ranges[i].last)
            return false;
    }
    return range_count > 0;
}

int32_t reshard_node_purge(
    struct reshard_node *node, const struct reshard_range *ranges, size_t range_count)
{
    if (!node)
        return RESHARD_E_NULL;
    int32_t status = reshard__ranges_check(ranges, range_count, node->config.slot_count, NULL);
    if (status == RESHARD_OK)
        status = reshard__node_feed_begin(node, 0);
    if (status)
        return status;
    if (node->following || node->purge_count > 0 || !all_aside(node, ranges, range_count))
        return reshard__node_feed_end(node, RESHARD_E_STATE);
    status = reshard__mem_grow(
        &node->mem, (void **)&node->purge, &node->purge_capacity, sizeof *node->purge, range_count);
    if (status == RESHARD_OK) {
        memcpy(node->purge, ranges, range_count * sizeof *ranges);
        node->purge_count = range_count;
        node->purge_cursor = 0;
    }
    return reshard__node_feed_end(node, status);
}

void reshard__quarantine_pump(struct reshard_node *node)
{
    bool due = node->purge_count > 0 && !node->purge_open &&
               node->quarantine_changes == node->quarantine_durable;
    if (!due || node->now_ns < node->purge_retry_ns || reshard__outbox_room(&node->outbox) == 0)
        return;
    struct reshard__entry *entry = reshard__outbox_push(&node->outbox, RESHARD_ACTION_PURGE);
    entry->purpose = RESHARD__PURPOSE_QUARANTINE;
    entry->action.ranges = node->purge;
    entry->action.range_count = node->purge_count;
    entry->action.cursor = node->purge_cursor;
    node->purge_open = true;
}

/* What was purged is set aside no longer. */
static int32_t purged(struct reshard_node *node)
{
    struct reshard_slot_set *set;
    int32_t status = set_make(node, &set);
    if (status)
        return status;
    for (size_t i = 0; i < node->purge_count && status == RESHARD_OK; i++)
        status = reshard_slot_set_remove(set, node->purge[i].first, node->purge[i].last);
    if (status == RESHARD_OK)
        status = set_keep(node, set);
    reshard_slot_set_destroy(set);
    return status;
}

int32_t reshard__quarantine_purged(
    struct reshard_node *node, const struct reshard_completion *completion)
{
    bool good = completion->status == RESHARD_OK;
    if (good && completion->done) {
        int32_t status = purged(node);
        if (status)
            return status;
        node->purge_count = 0;
    } else if (good) {
        node->purge_cursor = completion->cursor;
    } else {
        reshard__event_tell(
            node, RESHARD_EVENT_HOOK_FAILED, NULL, completion->status, RESHARD_ACTION_PURGE);
        node->purge_retry_ns = node->now_ns + node->config.retry_ns;
    }
    node->purge_open = false;
    return RESHARD_OK;
}
