/* SPDX-License-Identifier: MIT */
/* Room node: the own journal. One APPEND is open at a time; it carries the map's changes and every
 * part's record that are wanted when it starts, so many migrations share one write. After a write
 * whose outcome is not known nothing is promised until a LOAD told which it was (R10). */
#include "node/keywise.h"
#include "node/node.h"

#include <string.h>

#define MAP_WAIT_NS UINT64_C(5000000000) /* five seconds */

/* A seal lasts as long as the copy that it is of. */
static void fold_copy(struct reshard__stored *stored, const struct reshard__record *record)
{
    if (record->kind == RESHARD__RECORD_OPEN) {
        stored->sealed &= reshard__order_equal(stored->open_copy, record->copy);
        stored->open_copy = record->copy;
    }
    if (record->kind != RESHARD__RECORD_SEAL)
        return;
    stored->sealed = true;
    stored->seal_attempt = record->attempt;
    stored->seal_final = record->sequence;
    stored->seal_digest = record->digest;
}

/* What a part's record adds to what is stored of it. NOMEM: nothing was added. */
static int32_t fold(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__record *record)
{
    struct reshard__stored *stored = &part->stored;
    bool moves = record->kind == RESHARD__RECORD_MOVE || record->kind == RESHARD__RECORD_UNMOVE ||
                 record->flags & RESHARD__RECORD_MOVES;
    bool marks = record->kind == RESHARD__RECORD_MARK || record->kind == RESHARD__RECORD_CLEAR;
    int32_t status = moves || marks ? reshard__keywise_fold(node, part, record) : RESHARD_OK;
    if (status || marks)
        return status;
    stored->moving |= moves;
    if (record->kind == RESHARD__RECORD_HELD)
        stored->attempt = record->attempt;
    if (record->kind == RESHARD__RECORD_UNDONE)
        stored->moving = false;
    fold_copy(stored, record);
    stored->kind = record->kind;
    stored->order = record->order;
    return RESHARD_OK;
}

bool reshard__log_has(
    struct reshard_node *node, struct reshard__part *part, const struct reshard__record *record)
{
    (void)node;
    if (part->stored.kind == record->kind &&
        reshard__order_equal(part->stored.order, record->order))
        return true;
    if (!part->writing)
        part->want = *record;
    return false;
}

bool reshard__log_write(struct reshard_node *node, const struct reshard__record *record)
{
    return reshard__journal_put(&node->log.journal, &node->mem, record);
}

static bool write_identity(struct reshard_node *node)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_IDENTITY};
    record.node = node->config.node;
    record.slot_count = node->config.slot_count;
    return reshard__log_write(node, &record);
}

static bool write_map(struct reshard_node *node)
{
    struct reshard__journal *journal = &node->log.journal;
    if (node->next_snapshot)
        return reshard__journal_put_map(journal, &node->mem, node->next);
    uint64_t newest = reshard_map_version(node->next);
    for (uint64_t version = reshard_map_version(node->map) + 1; version <= newest; version++)
        if (!reshard__journal_put_change(
                journal, &node->mem, reshard__map_change(node->next, version)))
            return false;
    return true;
}

struct ranges {
    const struct reshard_range *items;
    size_t count;
};

static int32_t encode_ranges(const void *item, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    const struct ranges *ranges = item;
    return reshard__ranges_encode(ranges->items, ranges->count, buffer, capacity, size_out);
}

static bool quarantine_put(struct reshard_node *node)
{
    const struct ranges ranges = {node->quarantine, node->quarantine_count};
    return reshard__journal_put_blob(
        &node->log.journal, &node->mem, RESHARD__RECORD_QUARANTINE, encode_ranges, &ranges);
}

static bool write_quarantine(struct reshard_node *node)
{
    return node->quarantine_changes == node->quarantine_durable || quarantine_put(node);
}

static bool write_parts(struct reshard_node *node)
{
    for (size_t i = 0; i < node->part_count; i++) {
        struct reshard__part *part = node->parts[i];
        if (part->want.kind && !reshard__log_write(node, &part->want))
            return false;
    }
    return true;
}

/* Changes that concern nobody's next step wait for a record to be written with, so that a migration
 * costs no append for its end; but not for ever. */
static bool map_waited(struct reshard_node *node)
{
    struct reshard__log *log = &node->log;
    if (reshard_map_version(node->next) == reshard_map_version(node->map))
        log->waiting_ns = 0;
    else if (log->waiting_ns == 0)
        log->waiting_ns = node->now_ns + MAP_WAIT_NS;
    return log->waiting_ns && node->now_ns >= log->waiting_ns;
}

static bool part_wants(const struct reshard_node *node, const struct reshard__part *part)
{
    /* A store action that is under way brings a record: the map goes with it. */
    bool rests = part->phase && !part->closed && part->busy == 0 &&
                 part->map_version > reshard_map_version(node->map);
    return part->want.kind || rests;
}

static bool wanted(struct reshard_node *node)
{
    if (!node->log.identity || reshard__maps_urgent(node) || map_waited(node) ||
        node->quarantine_changes != node->quarantine_durable)
        return true;
    for (size_t i = 0; i < node->part_count; i++)
        if (part_wants(node, node->parts[i]))
            return true;
    return false;
}

/* Whether what a record says is said again, or by another that is synced. */
static bool loose(const struct reshard_node *node, const struct reshard__part *part)
{
    uint32_t kind = part->want.kind;
    bool settles = kind == RESHARD__RECORD_RELEASED || kind == RESHARD__RECORD_ACTIVE;
    bool by_hand = part->mode == RESHARD_MODE_KEYWISE && reshard__part_by_hand(part);
    return settles ? reshard__part_settles_loose(node, part)
                   : kind == RESHARD__RECORD_OPEN && by_hand;
}

/* What a part's record must outlive. A MARK is needed once the keys that it names are in the store,
 * a CLEAR says again what the store did before, a PURGE only that the purge goes on by itself; but
 * a target that gives back sends what a CLEAR freed: with its marks back it would ask about a key
 * that the other asks it about, and both would drop it (R18). A
 * keywise target whose operator waits for each slot seals in HOLD what came: OPEN, its PREPARED,
 * goes with the keys. On all others rests ownership: on a keywise source's MOVE, too, for keys that
 * it sent are marked at the target, and without it what clients remove here afterwards would come
 * back from there. What settles a part under a durable decision may be loose until it is told. */
static uint32_t part_durability(
    const struct reshard_node *node, const struct reshard__part *part)
{
    switch (part->want.kind) {
    case 0:
    case RESHARD__RECORD_MARK:
    case RESHARD__RECORD_PURGE:
        return RESHARD_DURABILITY_ORDERED;
    case RESHARD__RECORD_CLEAR:
        return part->side == RESHARD_SIDE_TARGET && part->keywise->unmoving
                   ? RESHARD_DURABILITY_FULL
                   : RESHARD_DURABILITY_ORDERED;
    default:
        return loose(node, part) ? RESHARD_DURABILITY_WRITE : RESHARD_DURABILITY_FULL;
    }
}

/* Likewise the changes of the map that are not durable yet. A node whose map fell back asks for its
 * changes again, and the records that rested on them went with them. But nothing else than the map
 * says who leads a shard, or that it gave slots up without a migration: who lost that would serve
 * them again. */
static uint32_t map_durability(const struct reshard_node *node)
{
    uint64_t newest = reshard_map_version(node->next);
    uint32_t needed = RESHARD_DURABILITY_ORDERED;
    for (uint64_t version = reshard_map_version(node->map) + 1; version <= newest; version++) {
        uint32_t kind = reshard__map_change(node->next, version)->kind;
        if (kind == RESHARD_CHANGE_SHARD_PRIMARY || kind == RESHARD_CHANGE_UNASSIGN)
            return RESHARD_DURABILITY_FULL;
        needed = RESHARD_DURABILITY_WRITE;
    }
    return needed;
}

/* Of all that is written, the strictest. */
static uint32_t durability_needed(const struct reshard_node *node)
{
    uint32_t needed = RESHARD_DURABILITY_ORDERED;
    if (!node->log.identity || node->next_snapshot ||
        node->quarantine_changes != node->quarantine_durable)
        return RESHARD_DURABILITY_FULL;
    uint32_t of_map = map_durability(node);
    needed = of_map < needed ? of_map : needed;
    for (size_t i = 0; i < node->part_count; i++) {
        uint32_t durability = part_durability(node, node->parts[i]);
        needed = durability < needed ? durability : needed;
    }
    return needed;
}

static void append_push(struct reshard_node *node)
{
    struct reshard__log *log = &node->log;
    struct reshard__entry *entry =
        reshard__journal_push(&log->journal, &node->outbox, RESHARD_ACTION_APPEND);
    entry->action.durability = durability_needed(node);
    log->synced = entry->action.durability == RESHARD_DURABILITY_FULL;
    for (size_t i = 0; i < node->part_count; i++)
        node->parts[i]->writing = node->parts[i]->want.kind != 0;
    log->map_version = reshard_map_version(node->next);
    log->quarantine_changes = node->quarantine_changes;
}

/* What settled a part is synced with any record that is: it stands before it. */
static void parts_kept(struct reshard_node *node)
{
    for (size_t i = 0; i < node->part_count && node->log.synced; i++) {
        uint32_t kind = node->parts[i]->stored.kind;
        node->parts[i]->kept |= kind == RESHARD__RECORD_RELEASED ||
                                kind == RESHARD__RECORD_PURGE || kind == RESHARD__RECORD_ACTIVE;
    }
}

/* What was written is durable: the map follows, then the parts' records. NOMEM: go on later. */
static int32_t follow(struct reshard_node *node)
{
    struct reshard__log *log = &node->log;
    int32_t status = reshard__maps_adopt(node, log->map_version);
    if (status)
        return status;
    for (size_t i = 0; i < node->part_count; i++) {
        struct reshard__part *part = node->parts[i];
        if (!part->writing)
            continue;
        status = fold(node, part, &part->want);
        if (status)
            return status;
        part->prepared_live |= part->want.kind == RESHARD__RECORD_PREPARED;
        part->want.kind = 0;
        part->writing = false;
    }
    parts_kept(node);
    reshard__journal_settled(&log->journal);
    node->quarantine_durable = log->quarantine_changes;
    log->identity = true;
    reshard__parts_close(node);
    for (size_t i = 0; i < node->part_count; i++) {
        /* Without memory the others go on with the next tick. */
        if (reshard__outbox_reserve(&node->outbox, RESHARD__INPUT_RESERVE)) {
            reshard__event_tell(node, RESHARD_EVENT_NO_MEMORY, NULL, RESHARD_E_NOMEM, 0);
            break;
        }
        reshard__part_advance(node, node->parts[i]);
    }
    if (node->map_missed && reshard__outbox_reserve(&node->outbox, 1) == RESHARD_OK)
        reshard__hello_send(node, node->map_from);
    node->map_missed = false;
    return RESHARD_OK;
}

static void put_off(struct reshard_node *node, uint32_t kind)
{
    reshard__event_tell(node, RESHARD_EVENT_NO_MEMORY, NULL, RESHARD_E_NOMEM, kind);
    if (kind == RESHARD_ACTION_APPEND)
        reshard__journal_later(&node->log.journal, node->now_ns);
    else
        reshard__journal_compact_later(&node->log.journal);
}

/* The write is durable whether there is memory to follow it or not. */
static void settle(struct reshard_node *node)
{
    if (follow(node))
        put_off(node, RESHARD_ACTION_APPEND);
}

/* What takes the place of all records; `map` and `quarantine` as they are now. */
static bool write_compact(struct reshard_node *node)
{
    struct reshard__journal *journal = &node->log.journal;
    reshard__journal_begin(journal);
    return write_identity(node) && reshard__journal_put_map(journal, &node->mem, node->map) &&
           (node->quarantine_count == 0 || quarantine_put(node)) &&
           reshard__log_compact_parts(node);
}

static void compact(struct reshard_node *node)
{
    struct reshard__log *log = &node->log;
    if (!write_compact(node)) {
        put_off(node, RESHARD_ACTION_COMPACT);
        return;
    }
    (void)reshard__journal_push(&log->journal, &node->outbox, RESHARD_ACTION_COMPACT);
    log->synced = false; /* it may wait in the store's log as others do */
    log->map_version = reshard_map_version(node->map);
    log->quarantine_changes = node->quarantine_changes;
}

static bool write_all(struct reshard_node *node)
{
    reshard__journal_begin(&node->log.journal);
    return (node->log.identity || write_identity(node)) && write_map(node) &&
           write_quarantine(node) && write_parts(node);
}

void reshard__log_flush(struct reshard_node *node)
{
    struct reshard__journal *journal = &node->log.journal;
    if (reshard__follow_goes_on(node))
        return;
    enum reshard__journal_turn turn = reshard__journal_turn(journal, &node->outbox, node->now_ns);
    if (turn == RESHARD__JOURNAL_SETTLE) {
        settle(node);
        turn = reshard__journal_turn(journal, &node->outbox, node->now_ns);
    }
    if (turn != RESHARD__JOURNAL_WRITE)
        return;
    if (!wanted(node)) {
        if (reshard__journal_compact_due(journal))
            compact(node);
    } else if (write_all(node)) {
        append_push(node);
    } else {
        put_off(node, RESHARD_ACTION_APPEND);
    }
}

void reshard__log_complete(
    struct reshard_node *node, uint32_t kind, const struct reshard_completion *completion)
{
    switch (reshard__journal_complete(&node->log.journal, kind, completion->status, node->now_ns)) {
    case RESHARD__JOURNAL_DURABLE:
        settle(node);
        break;
    case RESHARD__JOURNAL_ABSENT:
        for (size_t i = 0; i < node->part_count; i++)
            node->parts[i]->writing = false;
        break;
    case RESHARD__JOURNAL_DOUBT:
        reshard__event_tell(node, RESHARD_EVENT_HOOK_FAILED, NULL, completion->status, kind);
        break;
    case RESHARD__JOURNAL_FOREIGN:
        node->gate.ended = RESHARD_E_FATAL;
        break;
    }
}

static int32_t restore_identity(struct reshard_node *node, const struct reshard__record *record)
{
    if (record->node != node->config.node && !(node->config.flags & RESHARD_NODE_FOLLOWS))
        return RESHARD_E_NODE;
    if (record->slot_count != node->config.slot_count)
        return RESHARD_E_SLOT_COUNT;
    node->log.identity = true;
    node->log.journal.base_index = node->log.journal.position.index; /* a journal begins here */
    return RESHARD_OK;
}

static int32_t restore_part(struct reshard_node *node, const struct reshard__record *record)
{
    if (node->parts_missing && reshard__parts_open(node))
        return RESHARD_E_NOMEM;
    struct reshard__part *part = reshard__part_find(node, record->migration);
    /* Records of a migration that a later record closes are void. */
    int32_t status = part ? fold(node, part, record) : RESHARD_OK;
    if (part && status == RESHARD_OK && node->following)
        reshard__follow_part(node, part);
    return status;
}

static int32_t restore_record(void *engine, const struct reshard__record *record)
{
    struct reshard_node *node = engine;
    switch (record->kind) {
    case RESHARD__RECORD_IDENTITY:
        return restore_identity(node, record);
    case RESHARD__RECORD_CHANGE:
    case RESHARD__RECORD_MAP:
        return reshard__maps_restore(node, record);
    case RESHARD__RECORD_QUARANTINE:
        return reshard__quarantine_restore(node, record);
    default:
        return restore_part(node, record);
    }
}

int32_t reshard__log_restore(struct reshard_node *node, const uint8_t *bytes, size_t size)
{
    bool checks = node->gate.started && !node->following; /* for a LOAD */
    return reshard__journal_restore(&node->log.journal, checks, bytes, size, restore_record, node);
}
