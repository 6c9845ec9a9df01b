/* SPDX-License-Identifier: MIT */
/* Actions and events of an engine. An id is (push number << 20 | place), so that completion finds
 * its entry by one index and an id is never seen twice. */
#include "base/outbox.h"

#include <string.h>

enum { INDEX_BITS = 20 };

int32_t reshard__outbox_init(struct reshard__outbox *outbox, const struct reshard__mem *mem)
{
    memset(outbox, 0, sizeof *outbox);
    outbox->mem = *mem;
    outbox->events = reshard__mem_alloc(mem, RESHARD__EVENT_RING * sizeof *outbox->events);
    return outbox->events ? RESHARD_OK : RESHARD_E_NOMEM;
}

void reshard__outbox_free(struct reshard__outbox *outbox)
{
    const struct reshard__mem *mem = &outbox->mem;
    for (size_t i = 0; i < outbox->entry_count; i++) {
        reshard__mem_free(mem, outbox->entries[i]->block, outbox->entries[i]->block_size);
        reshard__mem_free(mem, outbox->entries[i], sizeof **outbox->entries);
    }
    reshard__mem_free(mem, outbox->entries, outbox->entry_capacity * sizeof *outbox->entries);
    reshard__mem_free(mem, outbox->events, RESHARD__EVENT_RING * sizeof *outbox->events);
    memset(outbox, 0, sizeof *outbox);
}

int32_t reshard__outbox_reserve(struct reshard__outbox *outbox, size_t count)
{
    while (outbox->free_count < count) {
        if (outbox->entry_count >> INDEX_BITS)
            return RESHARD_E_LIMIT;
        int32_t status = reshard__mem_grow(&outbox->mem, (void **)&outbox->entries,
            &outbox->entry_capacity, sizeof *outbox->entries, outbox->entry_count + 1);
        if (status)
            return status;
        struct reshard__entry *entry = reshard__mem_alloc(&outbox->mem, sizeof *entry);
        if (!entry)
            return RESHARD_E_NOMEM;
        outbox->entries[outbox->entry_count++] = entry;
        outbox->free_count++;
    }
    return RESHARD_OK;
}

/* A free place, one that was used before if there is one. */
static size_t place_take(struct reshard__outbox *outbox)
{
    RESHARD_ASSERT(outbox->free_count > 0);
    outbox->free_count--;
    struct reshard__entry *entry = outbox->free_list;
    if (!entry)
        return outbox->used_count++;
    outbox->free_list = entry->next;
    return (size_t)(entry->action.id & ((UINT64_C(1) << INDEX_BITS) - 1));
}

struct reshard__entry *reshard__outbox_push(struct reshard__outbox *outbox, uint32_t kind)
{
    size_t index = place_take(outbox);
    RESHARD_ASSERT(index < outbox->used_count && outbox->used_count <= outbox->entry_count);
    struct reshard__entry *entry = outbox->entries[index];
    memset(entry, 0, offsetof(struct reshard__entry, header));
    entry->action.struct_size = sizeof entry->action;
    entry->action.kind = kind;
    entry->action.id = ++outbox->pushed_count << INDEX_BITS | index;
    entry->action.header = entry->header;
    if (outbox->tail)
        outbox->tail->next = entry;
    else
        outbox->head = entry;
    outbox->tail = entry;
    outbox->open_count++;
    return entry;
}

int32_t reshard__outbox_next(struct reshard__outbox *outbox, struct reshard_action *action_out)
{
    struct reshard__entry *entry = outbox->head;
    if (!entry)
        return RESHARD_E_EMPTY;
    int32_t status = reshard__struct_export(
        action_out, sizeof(struct reshard_action), &entry->action, sizeof entry->action);
    if (status)
        return status;
    outbox->head = entry->next;
    if (!outbox->head)
        outbox->tail = NULL;
    entry->next = NULL;
    entry->pulled = true;
    return RESHARD_OK;
}

struct reshard__entry *reshard__outbox_find(struct reshard__outbox *outbox, uint64_t id)
{
    uint64_t index = id & ((UINT64_C(1) << INDEX_BITS) - 1);
    if (index >= outbox->entry_count)
        return NULL;
    struct reshard__entry *entry = outbox->entries[index];
    return entry->action.id == id && entry->pulled ? entry : NULL;
}

void reshard__outbox_release(struct reshard__outbox *outbox, struct reshard__entry *entry)
{
    RESHARD_ASSERT(entry->pulled);
    RESHARD_ASSERT(outbox->open_count > 0);
    reshard__mem_free(&outbox->mem, entry->block, entry->block_size);
    entry->block = NULL;
    entry->block_size = 0;
    entry->pulled = false;
    entry->next = outbox->free_list;
    outbox->free_list = entry;
    outbox->free_count++;
    outbox->open_count--;
}

void reshard__outbox_tell(struct reshard__outbox *outbox, const struct reshard_event *event)
{
    if (outbox->event_count - outbox->event_pulled == RESHARD__EVENT_RING)
        outbox->event_pulled++;
    struct reshard_event *place = &outbox->events[outbox->event_count % RESHARD__EVENT_RING];
    *place = *event;
    place->struct_size = sizeof *place;
    place->number = ++outbox->event_count;
}

int32_t reshard__outbox_event_next(struct reshard__outbox *outbox, struct reshard_event *event_out)
{
    if (outbox->event_pulled == outbox->event_count)
        return RESHARD_E_EMPTY;
    const struct reshard_event *event = &outbox->events[outbox->event_pulled % RESHARD__EVENT_RING];
    int32_t status =
        reshard__struct_export(event_out, sizeof(struct reshard_event), event, sizeof *event);
    if (status == RESHARD_OK)
        outbox->event_pulled++;
    return status;
}
