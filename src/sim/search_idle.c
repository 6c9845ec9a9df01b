/* SPDX-License-Identifier: MIT */
/* Room sim: memory of a world that is searched to which nobody wrote yet: it need not be compared.
 * Reads the engines' own structures, as search_digest.c does. */
#include "sim/search.h"

#include "coordinator/coordinator.h"
#include "node/node.h"

enum { BLOCK_GAP = 64 }; /* two heads; with a block between them it would be more */

/* Entries of an outbox that were never pushed; those that were made at once lie side by side, and
 * what stands between them stays as it is. */
static size_t idle_entries(
    const struct reshard__outbox *outbox, struct idle *spans_out, size_t capacity)
{
    size_t count = 0;
    const uint8_t *end = NULL;
    for (size_t i = outbox->used_count; i < outbox->entry_count; i++) {
        const uint8_t *entry = (const void *)outbox->entries[i];
        if (!end || entry < end || entry > end + BLOCK_GAP) {
            if (count == capacity)
                break;
            spans_out[count++].place = entry;
        }
        end = entry + sizeof(struct reshard__entry);
        spans_out[count - 1].size = (size_t)(end - (const uint8_t *)spans_out[count - 1].place);
    }
    return count;
}

size_t reshard__search_idle(const void *sim, uint32_t region, struct idle *spans_out)
{
    const struct reshard_sim *world = sim;
    const struct reshard_coordinator *reader = world->authority.reader;
    size_t count = 0;
    if (region == AUTHORITY_REGION && reader)
        count = idle_entries(&reader->outbox, spans_out, IDLE_MAX);
    for (size_t i = 0; i < world->host_count; i++) {
        const struct host *host = world->hosts[i];
        if (host->region == region && (host->node || host->coordinator))
            count += idle_entries(
                reshard__search_outbox(host), spans_out + count, IDLE_MAX - count);
    }
    return count;
}
