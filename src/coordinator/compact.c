/* SPDX-License-Identifier: MIT */
/* Room coordinator: compaction of the journal. One record takes the place of all before it: the map
 * as it is durable. Chain and index go on, so that a load tells whether it took place, and a
 * deposed coordinator cannot take the place of its successor's records. */
#include "coordinator/coordinator.h"

bool reshard__compact_due(const struct reshard_coordinator *coordinator)
{
    const struct reshard__ledger *ledger = &coordinator->ledger;
    return coordinator->leads && !ledger->compact_missing &&
           ledger->since_compaction >= coordinator->config.compact_count &&
           ledger->since_compaction >= ledger->compact_at;
}

static int32_t map_write(const void *subject, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    return reshard__map_encode(subject, buffer, capacity, size_out);
}

static void postpone(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    ledger->compact_at = ledger->since_compaction + coordinator->config.compact_count;
}

void reshard__compact_push(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    size_t size;
    if (!reshard__ledger_frame(
            coordinator, RESHARD__RECORD_MAP, map_write, coordinator->map, &size)) {
        postpone(coordinator);
        return;
    }
    struct reshard__entry *entry =
        reshard__outbox_push(&coordinator->outbox, RESHARD_ACTION_COMPACT);
    entry->action.term = coordinator->term;
    entry->action.index = ledger->next.index;
    entry->action.header = ledger->buffer;
    entry->action.header_size = size;
    ledger->compacting = true;
    ledger->state = RESHARD__LEDGER_WRITING;
}

void reshard__compact_done(struct reshard_coordinator *coordinator)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    RESHARD_ASSERT(ledger->compacting);
    ledger->position = ledger->next;
    ledger->state = RESHARD__LEDGER_IDLE;
    ledger->compacting = false;
    ledger->since_compaction = 0;
    ledger->compact_at = 0;
    ledger->failures = 0;
}

void reshard__compact_failed(struct reshard_coordinator *coordinator, int32_t status)
{
    struct reshard__ledger *ledger = &coordinator->ledger;
    RESHARD_ASSERT(ledger->compacting);
    ledger->state = RESHARD__LEDGER_IDLE;
    ledger->compacting = false;
    ledger->compact_missing = status == RESHARD_E_HOOK_MISSING;
    postpone(coordinator);
}
