/* SPDX-License-Identifier: MIT */
/* Room coordinator: the journal that is the authority (R1, R2). `next` has every change that was
 * asked for, in order; the oldest of them that `map` lacks is appended, alone, by compare-and-set
 * on (term, index). Only when it is known to be durable does `map` follow, and with it everything
 * else. */
#include "coordinator/coordinator.h"

#include <string.h>

/* What the map retains of a change, and more. */
static uint64_t change_size(const struct reshard_change *change)
{
    enum { ENTRY_SIZE = 64 };
    return sizeof *change + ENTRY_SIZE + change->range_count * sizeof change->ranges[0] +
           change->name_size + change->address_size + change->zone_size;
}

/* What waits is read back from what `next` retains, so no more may wait than that. */
int32_t reshard__ledger_queue(
    struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    uint64_t waiting = reshard_map_version(coordinator->next) -
                       reshard_map_version(coordinator->map);
    uint64_t size = change_size(change);
    bool fits = size <= RESHARD_MAP_RETAINED_BYTES &&
                ledger->waiting_size <= RESHARD_MAP_RETAINED_BYTES - size;
    if (waiting >= RESHARD_MAP_RETAINED || (waiting > 0 && !fits))
        return RESHARD_E_LIMIT;
    int32_t status = reshard_map_apply(coordinator->next, change);
    if (status == RESHARD_OK)
        ledger->waiting_size += size;
    return status;
}

bool reshard__ledger_frame(struct reshard_coordinator *coordinator, uint32_t kind,
    reshard__blob_write blob_write, const void *subject, size_t *size_out)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    size_t item = 0;
    (void)blob_write(subject, NULL, 0, &item);
    size_t record_size = item + RESHARD__RECORD_MAX;
    if (reshard__mem_grow(&coordinator->mem, (void **)&ledger->buffer, &ledger->buffer_size, 1,
            record_size + item))
        return false;
    uint8_t *blob = ledger->buffer + record_size;
    int32_t status = blob_write(subject, blob, item, &item);
    RESHARD_ASSERT(status == RESHARD_OK);
    struct reshard__record record = {.kind = kind, .blob = {blob, item}};
    ledger->next = ledger->position;
    status = reshard__record_encode(
        &record, coordinator->term, &ledger->next, ledger->buffer, record_size, size_out);
    RESHARD_ASSERT(status == RESHARD_OK);
    return true;
}

static int32_t change_write(
    const void *subject, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    return reshard__change_encode(subject, buffer, capacity, size_out);
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
    if (!reshard__ledger_frame(
            coordinator, RESHARD__RECORD_CHANGE, change_write, &change, &size)) {
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
}

void reshard__ledger_flush(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    if (coordinator->fenced || coordinator->now_ns < ledger->retry_at_ns ||
        reshard__outbox_room(&coordinator->outbox) == 0)
        return;
    bool idle = ledger->state == RESHARD__LEDGER_IDLE;
    if (ledger->state == RESHARD__LEDGER_UNSURE) {
        (void)reshard__outbox_push(&coordinator->outbox, RESHARD_ACTION_LOAD);
        memset(&ledger->check, 0, sizeof ledger->check);
        ledger->retrying = false;
        ledger->state = RESHARD__LEDGER_LOADING;
    } else if (idle && reshard__compact_due(coordinator)) {
        reshard__compact_push(coordinator);
    }
    if (ledger->state == RESHARD__LEDGER_IDLE && change_waits(coordinator)) {
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

/* What follows from a change that is durable now. */
static void change_follow(
    struct reshard_coordinator *coordinator, const struct reshard_change *change)
{
    bool starts = change->kind == RESHARD_CHANGE_TERM;
    if (starts) {
        coordinator->leads = true;
        reshard__run_tell(coordinator, RESHARD_EVENT_TERM, NULL, RESHARD_OK, change->term);
    }
    if (starts || change->kind == RESHARD_CHANGE_NODE_PUT)
        coordinator->peers_stale = true;
    reshard__peers_tell(coordinator);
    /* After it was told: who leaves hears of it. */
    if (change->kind == RESHARD_CHANGE_NODE_REMOVE)
        coordinator->peers_stale = true;
    if (starts)
        reshard__runs_recover(coordinator);
    else
        reshard__runs_follow(coordinator, change);
    coordinator->jobs_due |= change->kind == RESHARD_CHANGE_MIGRATION_END ||
                             change->kind == RESHARD_CHANGE_ASSIGN ||
                             change->kind == RESHARD_CHANGE_SHARD_PRIMARY;
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
    ledger->failures = 0;
    ledger->waiting_size -= change_size(&change);
    ledger->since_compaction++;
    change_follow(coordinator, &change);
    return RESHARD_OK;
}

static bool position_equal(
    const struct reshard__journal_position *a, const struct reshard__journal_position *b)
{
    return a->index == b->index && a->digest == b->digest;
}

/* After UNKNOWN: the load says whether it is there. Its absence proves nothing, but the same bytes
 * at the same index may be appended again: whichever lands, lands once. */
static int32_t loaded(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    bool landed = position_equal(&ledger->check, &ledger->next);
    bool absent = position_equal(&ledger->check, &ledger->position);
    if (landed && !ledger->compacting)
        return settle(coordinator);
    if (landed)
        reshard__compact_done(coordinator);
    else if (absent && ledger->compacting)
        reshard__compact_failed(coordinator, RESHARD_E_UNKNOWN);
    else if (absent)
        ledger->state = RESHARD__LEDGER_IDLE;
    else
        fence(coordinator); /* a higher term, or the own place taken by another: R1 */
    return RESHARD_OK;
}

static int32_t succeeded(struct reshard_coordinator *coordinator, uint32_t kind)
{
    if (kind == RESHARD_ACTION_LOAD)
        return loaded(coordinator);
    if (kind == RESHARD_ACTION_APPEND)
        return settle(coordinator);
    reshard__compact_done(coordinator);
    return RESHARD_OK;
}

/* The first doubt is looked into at once, those behind it after a while. */
static void doubt(struct reshard_coordinator *coordinator, int32_t status, uint64_t kind)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    reshard__run_tell(coordinator, RESHARD_EVENT_HOOK_FAILED, NULL, status, kind);
    ledger->state = RESHARD__LEDGER_UNSURE;
    if (ledger->failures > 0)
        ledger->retry_at_ns = coordinator->now_ns + coordinator->config.retry_ns;
    ledger->failures = 1;
}

int32_t reshard__ledger_complete(struct reshard_coordinator *coordinator, uint32_t kind,
    const struct reshard_completion *completion)
{
    if (kind != RESHARD_ACTION_APPEND && kind != RESHARD_ACTION_LOAD &&
        kind != RESHARD_ACTION_COMPACT)
        return RESHARD_OK;
    if (completion->status == RESHARD_OK)
        return succeeded(coordinator, kind);
    if (completion->status == RESHARD_E_FENCED)
        fence(coordinator);
    else if (kind == RESHARD_ACTION_COMPACT && completion->status == RESHARD_E_HOOK_MISSING)
        reshard__compact_failed(coordinator, completion->status);
    else
        doubt(coordinator, completion->status, kind);
    return RESHARD_OK;
}
