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
    return RESHARD_OK;
}

static int32_t restore_record(void *engine, const struct reshard__record *record)
{
    struct reshard_coordinator *coordinator = engine;
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

int32_t reshard__ledger_restore(
    struct reshard_coordinator *coordinator, const uint8_t *bytes, size_t size)
{
    return reshard__journal_restore(&coordinator->ledger.journal, coordinator->gate.started, bytes,
        size, restore_record, coordinator);
}
