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
    bool moves = record->kind == RESHARD__RECORD_MOVE || record->kind == RESHARD__RECORD_UNMOVE;
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

/* Grow the buffer so that `size` more bytes fit. */
static bool buffer_room(struct reshard_node *node, size_t size)
{
    struct reshard__log *log = &node->log;
    return reshard__mem_grow(&node->mem, (void **)&log->buffer, &log->buffer_size, 1,
               log->used + size) == RESHARD_OK;
}

bool reshard__log_write(struct reshard_node *node, const struct reshard__record *record)
{
    struct reshard__log *log = &node->log;
    size_t size = 0;
    if (!buffer_room(node, RESHARD__RECORD_MAX))
        return false;
    int32_t status = reshard__record_encode(
        record, 0, &log->next, log->buffer + log->used, log->buffer_size - log->used, &size);
    if (status == RESHARD_E_SPACE) {
        if (!buffer_room(node, size))
            return false;
        status = reshard__record_encode(
            record, 0, &log->next, log->buffer + log->used, log->buffer_size - log->used, &size);
    }
    RESHARD_ASSERT(status == RESHARD_OK);
    log->used += size;
    return true;
}

static bool write_identity(struct reshard_node *node)
{
    struct reshard__record record = {.kind = RESHARD__RECORD_IDENTITY};
    record.node = node->config.node;
    record.slot_count = node->config.slot_count;
    return reshard__log_write(node, &record);
}

/* An item of unknown size is encoded into a block of its own first. */
static bool write_blob(struct reshard_node *node, uint32_t kind, const void *item, size_t size,
    int32_t (*encode)(const void *item, uint8_t *buffer, size_t capacity, size_t *size_out))
{
    uint8_t *block = reshard__mem_alloc(&node->mem, size);
    if (!block)
        return false;
    size_t used;
    int32_t status = encode(item, block, size, &used);
    RESHARD_ASSERT(status == RESHARD_OK && used == size);
    struct reshard__record record = {.kind = kind, .blob = {block, size}};
    bool written = reshard__log_write(node, &record);
    reshard__mem_free(&node->mem, block, size);
    return written;
}

static int32_t encode_change(const void *item, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    return reshard__change_encode(item, buffer, capacity, size_out);
}

static int32_t encode_map(const void *item, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    return reshard__map_encode(item, buffer, capacity, size_out);
}

static bool write_map(struct reshard_node *node)
{
    size_t size = 0;
    if (node->next_snapshot) {
        (void)reshard__map_encode(node->next, NULL, 0, &size);
        return write_blob(node, RESHARD__RECORD_MAP, node->next, size, encode_map);
    }
    uint64_t cursor = reshard_map_version(node->map);
    while (cursor < reshard_map_version(node->next)) {
        struct reshard_change change = {.struct_size = sizeof change};
        int32_t status = reshard_map_delta_next(node->next, &cursor, &change);
        RESHARD_ASSERT(status == RESHARD_OK);
        (void)reshard__change_encode(&change, NULL, 0, &size);
        if (!write_blob(node, RESHARD__RECORD_CHANGE, &change, size, encode_change))
            return false;
    }
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
    size_t size = 0;
    (void)encode_ranges(&ranges, NULL, 0, &size);
    return write_blob(node, RESHARD__RECORD_QUARANTINE, &ranges, size, encode_ranges);
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

/* Whether all that is written marks keys on their way: no ownership rests on it. */
static bool marks_only(const struct reshard_node *node)
{
    const struct reshard__log *log = &node->log;
    if (!log->identity || reshard_map_version(node->next) != reshard_map_version(node->map) ||
        node->quarantine_changes != node->quarantine_durable)
        return false;
    for (size_t i = 0; i < node->part_count; i++) {
        uint32_t kind = node->parts[i]->want.kind;
        if (kind && kind != RESHARD__RECORD_MARK && kind != RESHARD__RECORD_CLEAR)
            return false;
    }
    return true;
}

static void append_push(struct reshard_node *node)
{
    struct reshard__log *log = &node->log;
    struct reshard__entry *entry = reshard__outbox_push(&node->outbox, RESHARD_ACTION_APPEND);
    entry->purpose = RESHARD__PURPOSE_LOG;
    entry->action.index = log->position.index + 1;
    entry->action.mode = marks_only(node) ? RESHARD_MODE_KEYWISE : 0;
    entry->action.header = log->buffer;
    entry->action.header_size = log->used;
    for (size_t i = 0; i < node->part_count; i++)
        node->parts[i]->writing = node->parts[i]->want.kind != 0;
    log->map_version = reshard_map_version(node->next);
    log->base_next = log->base_index;
    log->quarantine_changes = node->quarantine_changes;
    log->state = RESHARD__LOG_WRITING;
    log->append_count++;
}

static void load_push(struct reshard_node *node)
{
    struct reshard__entry *entry = reshard__outbox_push(&node->outbox, RESHARD_ACTION_LOAD);
    entry->purpose = RESHARD__PURPOSE_LOG;
    memset(&node->log.check, 0, sizeof node->log.check);
    node->log.state = RESHARD__LOG_LOADING;
}

/* What was written is durable: the map follows, then the parts' records. NOMEM: go on later. */
static int32_t settle(struct reshard_node *node)
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
    log->position = log->next;
    log->base_index = log->base_next;
    node->quarantine_durable = log->quarantine_changes;
    log->identity = true;
    log->state = RESHARD__LOG_IDLE;
    reshard__parts_close(node);
    for (size_t i = 0; i < node->part_count; i++) {
        /* Without memory the others go on with the next tick. */
        if (reshard__outbox_reserve(&node->outbox, RESHARD__INPUT_RESERVE))
            break;
        reshard__part_advance(node, node->parts[i]);
    }
    if (node->map_missed && reshard__outbox_reserve(&node->outbox, 1) == RESHARD_OK)
        reshard__hello_send(node, node->map_from);
    node->map_missed = false;
    return RESHARD_OK;
}

/* The write is durable whether there is memory to follow it or not. */
static void settle_on(struct reshard_node *node)
{
    node->log.state = RESHARD__LOG_SETTLING;
    if (settle(node))
        node->log.retry_at_ns = node->now_ns + node->config.retry_ns;
}

/* What takes the place of all records; `map` and `quarantine` as they are now. */
static bool write_compact(struct reshard_node *node)
{
    size_t size = 0;
    node->log.used = 0;
    node->log.next = node->log.position;
    (void)reshard__map_encode(node->map, NULL, 0, &size);
    bool head =
        write_identity(node) && write_blob(node, RESHARD__RECORD_MAP, node->map, size, encode_map);
    bool aside = node->quarantine_count == 0 || quarantine_put(node);
    return head && aside && reshard__log_compact_parts(node);
}

static void compact_push(struct reshard_node *node)
{
    struct reshard__log *log = &node->log;
    struct reshard__entry *entry = reshard__outbox_push(&node->outbox, RESHARD_ACTION_COMPACT);
    entry->purpose = RESHARD__PURPOSE_LOG;
    entry->action.header = log->buffer;
    entry->action.header_size = log->used;
    log->map_version = reshard_map_version(node->map);
    log->base_next = log->next.index;
    log->quarantine_changes = node->quarantine_changes;
    log->state = RESHARD__LOG_WRITING;
}

static void compact(struct reshard_node *node)
{
    if (write_compact(node))
        compact_push(node);
    else
        node->log.retry_at_ns = node->now_ns + node->config.retry_ns;
}

static bool write_all(struct reshard_node *node)
{
    node->log.used = 0;
    node->log.next = node->log.position;
    return (node->log.identity || write_identity(node)) && write_map(node) &&
           write_quarantine(node) && write_parts(node);
}

void reshard__log_flush(struct reshard_node *node)
{
    struct reshard__log *log = &node->log;
    if (reshard__outbox_room(&node->outbox) == 0 || node->now_ns < log->retry_at_ns)
        return;
    if (log->state == RESHARD__LOG_UNSURE) {
        load_push(node);
        return;
    }
    if (log->state == RESHARD__LOG_SETTLING)
        settle_on(node);
    if (log->state != RESHARD__LOG_IDLE || !wanted(node)) {
        if (log->state == RESHARD__LOG_IDLE && reshard__log_compact_due(node))
            compact(node);
        return;
    }
    if (write_all(node))
        append_push(node);
    else
        log->retry_at_ns = node->now_ns + node->config.retry_ns;
}

static void doubt(struct reshard_node *node, int32_t status, uint64_t kind, uint64_t wait_ns)
{
    reshard__event_tell(node, RESHARD_EVENT_HOOK_FAILED, NULL, status, kind);
    node->log.state = RESHARD__LOG_UNSURE;
    node->log.retry_at_ns = node->now_ns + wait_ns;
}

static bool position_equal(
    const struct reshard__journal_position *a, const struct reshard__journal_position *b)
{
    return a->index == b->index && a->digest == b->digest;
}

/* The records that LOAD fed end before the doubtful append, or behind it. Anything else means that
 * someone else writes this journal. */
static void loaded(struct reshard_node *node)
{
    struct reshard__log *log = &node->log;
    if (position_equal(&log->check, &log->next)) {
        settle_on(node);
        return;
    }
    if (!position_equal(&log->check, &log->position)) {
        node->fatal = RESHARD_E_FATAL;
        return;
    }
    for (size_t i = 0; i < node->part_count; i++)
        node->parts[i]->writing = false;
    log->state = RESHARD__LOG_IDLE;
}

void reshard__log_complete(
    struct reshard_node *node, uint32_t kind, const struct reshard_completion *completion)
{
    bool good = completion->status == RESHARD_OK;
    bool append = kind == RESHARD_ACTION_APPEND || kind == RESHARD_ACTION_COMPACT;
    RESHARD_ASSERT(append || kind == RESHARD_ACTION_LOAD);
    if (kind == RESHARD_ACTION_COMPACT && completion->status == RESHARD_E_HOOK_MISSING) {
        node->log.compact_missing = true; /* a journal that only grows; not asked again */
        node->log.state = RESHARD__LOG_IDLE;
    } else if (!good)
        doubt(node, completion->status, kind, append ? 0 : node->config.retry_ns);
    else if (append)
        settle_on(node);
    else
        loaded(node);
}

static int32_t restore_record(struct reshard_node *node, const struct reshard__record *record)
{
    switch (record->kind) {
    case RESHARD__RECORD_IDENTITY:
        node->log.identity = true;
        return record->slot_count == node->config.slot_count ? RESHARD_OK : RESHARD_E_SLOT_COUNT;
    case RESHARD__RECORD_CHANGE:
    case RESHARD__RECORD_MAP:
        return reshard__maps_restore(node, record);
    case RESHARD__RECORD_QUARANTINE:
        return reshard__quarantine_restore(node, record);
    default:
        break;
    }
    struct reshard__part *part = reshard__part_find(node, record->migration);
    /* Records of a migration that a later record closes are void. */
    return part ? fold(node, part, record) : RESHARD_OK;
}

int32_t reshard__log_restore(struct reshard_node *node, const uint8_t *bytes, size_t size)
{
    struct reshard__log *log = &node->log;
    struct reshard__journal_position *position = node->started ? &log->check : &log->position;
    size_t offset = 0;
    while (offset < size) {
        struct reshard__record record;
        struct reshard__journal_position before = *position;
        uint64_t term;
        int32_t status = reshard__record_decode(bytes, size, &offset, position, &term, &record);
        if (status == RESHARD_OK && before.index == 0 && !node->started)
            log->base_index = position->index - 1;
        if (status == RESHARD_OK && !node->started)
            status = restore_record(node, &record);
        if (status) {
            *position = before;
            return status;
        }
    }
    return RESHARD_OK;
}
