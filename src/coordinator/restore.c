/* SPDX-License-Identifier: MIT */
/* Room coordinator: the journal as it is read: before the start into the map, for a LOAD only to
 * see where it reaches. */
#include "coordinator/coordinator.h"

static int32_t restore_map(
    struct reshard_coordinator *coordinator, const struct reshard__record *record)
{
    struct reshard_map *map;
    int32_t status = reshard__map_decode(
        record->blob.data, record->blob.size, &coordinator->config.allocator, &map, NULL);
    if (status)
        return status;
    if (reshard_map_slot_count(map) != coordinator->config.slot_count) {
        reshard_map_destroy(map);
        return RESHARD_E_SLOT_COUNT;
    }
    reshard_map_destroy(coordinator->map);
    coordinator->map = coordinator->next = map;
    coordinator->ledger.since_compaction = 0;
    return RESHARD_OK;
}

static int32_t restore_record(
    struct reshard_coordinator *coordinator, const struct reshard__record *record)
{
    RESHARD_ASSERT(coordinator->next == coordinator->map);
    if (record->kind == RESHARD__RECORD_MAP)
        return restore_map(coordinator, record);
    if (record->kind != RESHARD__RECORD_CHANGE)
        return RESHARD_E_KIND;
    size_t offset = 0;
    struct reshard_change change;
    int32_t status = reshard__change_read(
        &coordinator->mem, &coordinator->scratch, record->blob, &offset, &change);
    return status ? status : reshard_map_apply(coordinator->map, &change);
}

/* One record. What an earlier call took before it failed is checked again, and not taken again. */
static int32_t restore_next(struct reshard_coordinator *coordinator, const uint8_t *bytes,
    size_t size, size_t *offset, struct reshard__journal_position *cursor)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    struct reshard__journal_position *position =
        coordinator->started ? &ledger->check : &ledger->position;
    struct reshard__record record;
    uint64_t term;
    int32_t status = reshard__record_decode(bytes, size, offset, cursor, &term, &record);
    if (status || cursor->index < position->index)
        return status;
    if (cursor->index == position->index)
        return cursor->digest == position->digest ? RESHARD_OK : RESHARD_E_CHAIN;
    if (!coordinator->started) {
        status = restore_record(coordinator, &record);
        if (status)
            return status;
        ledger->since_compaction++;
    }
    *position = *cursor;
    return RESHARD_OK;
}

int32_t reshard__ledger_restore(
    struct reshard_coordinator *coordinator, const uint8_t *bytes, size_t size)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    struct reshard__journal_position begin =
        coordinator->started ? ledger->check : ledger->position;
    if (ledger->retrying)
        begin = ledger->retry_from;
    struct reshard__journal_position cursor = begin;
    int32_t status = RESHARD_OK;
    for (size_t offset = 0; offset < size && status == RESHARD_OK;)
        status = restore_next(coordinator, bytes, size, &offset, &cursor);
    ledger->retrying = status != RESHARD_OK;
    ledger->retry_from = begin;
    return status;
}
