/* SPDX-License-Identifier: MIT */
/* Room coordinator: the journal that is the authority (R1, R2). `next` has every change that was
 * asked for, in order; the oldest of them that `map` lacks is appended, alone, by compare-and-set
 * on (term, index). Only when it is known to be durable does `map` follow, and with it everything
 * else. */
#include "coordinator/coordinator.h"

#include <string.h>

enum { CHANGE_SIZE = 1024 };

int32_t reshard__ledger_queue(
    struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    uint64_t waiting = reshard_map_version(coordinator->next) -
                       reshard_map_version(coordinator->map);
    if (waiting >= RESHARD_MAP_RETAINED)
        return RESHARD_E_LIMIT;
    return reshard_map_apply(coordinator->next, change);
}

/* Make the buffer hold `size` bytes. */
static bool buffer_room(struct reshard_coordinator *coordinator, size_t size)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    return reshard__mem_grow(&coordinator->mem, (void **)&ledger->buffer, &ledger->buffer_size, 1,
               size) == RESHARD_OK;
}

/* Encode a record whose blob is a change behind the record's own place in the buffer. */
static bool record_write(struct reshard_coordinator *coordinator,
    const struct reshard_change *change, size_t *size_out)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    size_t item = 0;
    (void)reshard__change_encode(change, NULL, 0, &item);
    size_t record_size = item + RESHARD__RECORD_MAX;
    if (!buffer_room(coordinator, record_size + item))
        return false;
    uint8_t *blob = ledger->buffer + record_size;
    int32_t status = reshard__change_encode(change, blob, item, &item);
    RESHARD_ASSERT(status == RESHARD_OK);
    struct reshard__record record = {.kind = RESHARD__RECORD_CHANGE, .blob = {blob, item}};
    ledger->next = ledger->position;
    status = reshard__record_encode(
        &record, coordinator->term, &ledger->next, ledger->buffer, record_size, size_out);
    RESHARD_ASSERT(status == RESHARD_OK);
    return true;
}

static bool change_waits(const struct reshard_coordinator *coordinator)
{
    return reshard_map_version(coordinator->next) > reshard_map_version(coordinator->map);
}

static void append_push(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    uint64_t cursor = reshard_map_version(coordinator->map);
    struct reshard_change change = {.struct_size = sizeof change};
    int32_t status = reshard_map_delta_next(coordinator->next, &cursor, &change);
    RESHARD_ASSERT(status == RESHARD_OK);
    size_t size;
    if (!record_write(coordinator, &change, &size)) {
        ledger->retry_at_ns = coordinator->now_ns + coordinator->config.retry_ns;
        return;
    }
    struct reshard__entry *entry =
        reshard__outbox_push(&coordinator->outbox, RESHARD_ACTION_APPEND);
    entry->action.term = coordinator->term;
    entry->action.index = ledger->position.index + 1;
    entry->action.header = ledger->buffer;
    entry->action.header_size = size;
    ledger->state = RESHARD__LEDGER_WRITING;
    ledger->append_count++;
}

void reshard__ledger_flush(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    if (coordinator->fenced || coordinator->now_ns < ledger->retry_at_ns ||
        reshard__outbox_room(&coordinator->outbox) == 0)
        return;
    if (ledger->state == RESHARD__LEDGER_UNSURE) {
        (void)reshard__outbox_push(&coordinator->outbox, RESHARD_ACTION_LOAD);
        memset(&ledger->check, 0, sizeof ledger->check);
        ledger->check_term = 0;
        ledger->state = RESHARD__LEDGER_LOADING;
    } else if (ledger->state == RESHARD__LEDGER_IDLE && change_waits(coordinator)) {
        append_push(coordinator);
    }
}

static void fence(struct reshard_coordinator *coordinator)
{
    coordinator->fenced = RESHARD_E_FENCED;
    coordinator->leads = false;
    reshard__run_tell(
        coordinator, RESHARD_EVENT_FENCED, NULL, RESHARD_E_FENCED, coordinator->term);
}

/* The change that was appended is durable. NOMEM: nothing changed, come again. */
static int32_t settle(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    uint64_t cursor = reshard_map_version(coordinator->map);
    struct reshard_change change = {.struct_size = sizeof change};
    int32_t status = reshard_map_delta_next(coordinator->next, &cursor, &change);
    RESHARD_ASSERT(status == RESHARD_OK);
    status = reshard__outbox_reserve(
        &coordinator->outbox, coordinator->peer_count + RESHARD__INPUT_RESERVE);
    if (status)
        return status;
    status = reshard_map_apply(coordinator->map, &change);
    if (status)
        return status;
    ledger->position = ledger->next;
    ledger->state = RESHARD__LEDGER_IDLE;
    ledger->since_compaction++;
    if (change.kind == RESHARD_CHANGE_NODE_PUT || change.kind == RESHARD_CHANGE_NODE_REMOVE)
        (void)reshard__peers_follow(coordinator); /* without memory: told at the next beat */
    if (change.kind == RESHARD_CHANGE_TERM) {
        coordinator->leads = true;
        reshard__run_tell(coordinator, RESHARD_EVENT_TERM, NULL, RESHARD_OK, change.term);
        (void)reshard__peers_follow(coordinator);
    }
    reshard__peers_tell(coordinator);
    if (change.kind == RESHARD_CHANGE_TERM)
        reshard__runs_recover(coordinator);
    else
        reshard__runs_follow(coordinator, &change);
    return RESHARD_OK;
}

static bool position_equal(
    const struct reshard__journal_position *a, const struct reshard__journal_position *b)
{
    return a->index == b->index && a->digest == b->digest;
}

static void doubt(struct reshard_coordinator *coordinator, int32_t status, uint64_t kind,
    uint64_t wait_ns)
{
    reshard__run_tell(coordinator, RESHARD_EVENT_HOOK_FAILED, NULL, status, kind);
    coordinator->ledger.state = RESHARD__LEDGER_UNSURE;
    coordinator->ledger.retry_at_ns = coordinator->now_ns + wait_ns;
}

/* After UNKNOWN: the load says whether it is there. Its absence proves nothing, but the same bytes
 * at the same index may be appended again: whichever lands, lands once. */
static int32_t loaded(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    if (ledger->check_term > coordinator->term) {
        fence(coordinator);
        return RESHARD_OK;
    }
    if (position_equal(&ledger->check, &ledger->next))
        return settle(coordinator);
    if (position_equal(&ledger->check, &ledger->position))
        ledger->state = RESHARD__LEDGER_IDLE;
    else
        fence(coordinator); /* the term is taken by another: R1 */
    return RESHARD_OK;
}

int32_t reshard__ledger_complete(struct reshard_coordinator *coordinator, uint32_t kind,
    const struct reshard_completion *completion)
{
    if (kind != RESHARD_ACTION_APPEND && kind != RESHARD_ACTION_LOAD)
        return RESHARD_OK;
    if (completion->status == RESHARD_E_FENCED) {
        fence(coordinator);
        return RESHARD_OK;
    }
    if (completion->status == RESHARD_OK)
        return kind == RESHARD_ACTION_APPEND ? settle(coordinator) : loaded(coordinator);
    uint64_t wait_ns = kind == RESHARD_ACTION_LOAD ? coordinator->config.retry_ns : 0;
    doubt(coordinator, completion->status, kind, wait_ns);
    return RESHARD_OK;
}

static int32_t restore_record(
    struct reshard_coordinator *coordinator, const struct reshard__record *record)
{
    RESHARD_ASSERT(coordinator->next == coordinator->map);
    if (record->kind == RESHARD__RECORD_MAP) {
        struct reshard_map *map;
        int32_t status = reshard__map_decode(record->blob.data, record->blob.size,
            &coordinator->config.allocator, &map, NULL);
        if (status)
            return status;
        if (reshard_map_slot_count(map) != coordinator->config.slot_count) {
            reshard_map_destroy(map);
            return RESHARD_E_SLOT_COUNT;
        }
        reshard_map_destroy(coordinator->map);
        coordinator->map = coordinator->next = map;
        return RESHARD_OK;
    }
    if (record->kind != RESHARD__RECORD_CHANGE)
        return RESHARD_E_KIND;
    size_t offset = 0;
    struct reshard_change change;
    int32_t status = reshard__change_read(
        &coordinator->mem, &coordinator->scratch, record->blob, &offset, &change);
    return status ? status : reshard_map_apply(coordinator->map, &change);
}

int32_t reshard__ledger_restore(
    struct reshard_coordinator *coordinator, const uint8_t *bytes, size_t size)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    struct reshard__journal_position *position =
        coordinator->started ? &ledger->check : &ledger->position;
    size_t offset = 0;
    while (offset < size) {
        struct reshard__record record;
        struct reshard__journal_position before = *position;
        uint64_t term;
        int32_t status =
            reshard__record_decode(bytes, size, &offset, position, &term, &record);
        if (status == RESHARD_OK && !coordinator->started)
            status = restore_record(coordinator, &record);
        if (status) {
            *position = before;
            return status;
        }
        if (term > ledger->check_term)
            ledger->check_term = term;
    }
    return RESHARD_OK;
}
