/* SPDX-License-Identifier: MIT */
/* Room driver: open actions by id. Entries come from blocks that stay until the driver ends, so
 * that pointers to them hold and the steady state allocates nothing. */
#include "driver/driver.h"

#include <string.h>

enum { BUCKET_COUNT_FIRST = 64 };

static size_t bucket_of(const struct reshard__table *table, uint64_t id)
{
    return (size_t)id & (table->bucket_count - 1); /* ids are counted up: no hash needed */
}

static int32_t block_add(struct reshard__table *table, const struct reshard__mem *mem)
{
    int32_t status = reshard__mem_grow(mem, (void **)&table->blocks, &table->block_capacity,
        sizeof *table->blocks, table->block_count + 1);
    if (status)
        return status;
    struct reshard__entry *block =
        reshard__mem_alloc(mem, RESHARD__BLOCK_COUNT * sizeof *block);
    if (!block)
        return RESHARD_E_NOMEM;
    table->blocks[table->block_count++] = block;
    for (size_t i = RESHARD__BLOCK_COUNT; i-- > 0;) {
        block[i].next = table->free_first;
        table->free_first = &block[i];
    }
    return RESHARD_OK;
}

static void rehash(
    struct reshard__table *table, struct reshard__entry **buckets, size_t bucket_count)
{
    struct reshard__entry **old = table->buckets;
    size_t old_count = table->bucket_count;
    table->buckets = buckets;
    table->bucket_count = bucket_count;
    for (size_t i = 0; i < old_count; i++) {
        struct reshard__entry *entry = old[i];
        while (entry) {
            struct reshard__entry *next = entry->bucket_next;
            size_t bucket = bucket_of(table, entry->action.id);
            entry->bucket_next = buckets[bucket];
            buckets[bucket] = entry;
            entry = next;
        }
    }
}

/* Without memory the chains of the old buckets just get longer. */
static void buckets_grow(struct reshard__table *table, const struct reshard__mem *mem)
{
    if (table->open_count < table->bucket_count * 2)
        return;
    size_t old_count = table->bucket_count;
    struct reshard__entry **old = table->buckets;
    struct reshard__entry **buckets = reshard__mem_alloc(mem, old_count * 2 * sizeof *buckets);
    if (!buckets)
        return;
    rehash(table, buckets, old_count * 2);
    reshard__mem_free(mem, old, old_count * sizeof *old);
}

struct reshard__entry *reshard__table_reserve(
    struct reshard__table *table, const struct reshard__mem *mem)
{
    if (!table->buckets) {
        table->buckets = reshard__mem_alloc(mem, BUCKET_COUNT_FIRST * sizeof *table->buckets);
        if (!table->buckets)
            return NULL;
        table->bucket_count = BUCKET_COUNT_FIRST;
    }
    if (!table->free_first && block_add(table, mem))
        return NULL;
    struct reshard__entry *entry = table->free_first;
    table->free_first = entry->next;
    memset(entry, 0, sizeof *entry);
    return entry;
}

void reshard__table_insert(
    struct reshard__table *table, const struct reshard__mem *mem, struct reshard__entry *entry)
{
    RESHARD_ASSERT(entry->action.id != 0);
    buckets_grow(table, mem);
    size_t bucket = bucket_of(table, entry->action.id);
    entry->bucket_next = table->buckets[bucket];
    table->buckets[bucket] = entry;
    table->open_count++;
}

void reshard__table_release(struct reshard__table *table, struct reshard__entry *entry)
{
    entry->state = RESHARD__ENTRY_FREE;
    entry->next = table->free_first;
    table->free_first = entry;
}

struct reshard__entry *reshard__table_find(const struct reshard__table *table, uint64_t id)
{
    if (!table->buckets)
        return NULL;
    struct reshard__entry *entry = table->buckets[bucket_of(table, id)];
    while (entry && entry->action.id != id)
        entry = entry->bucket_next;
    return entry;
}

void reshard__table_remove(struct reshard__table *table, struct reshard__entry *entry)
{
    struct reshard__entry **link = &table->buckets[bucket_of(table, entry->action.id)];
    while (*link != entry) {
        RESHARD_ASSERT(*link);
        link = &(*link)->bucket_next;
    }
    *link = entry->bucket_next;
    table->open_count--;
    reshard__table_release(table, entry);
}

void reshard__table_free(struct reshard__table *table, const struct reshard__mem *mem)
{
    for (size_t i = 0; i < table->block_count; i++)
        reshard__mem_free(mem, table->blocks[i], RESHARD__BLOCK_COUNT * sizeof **table->blocks);
    reshard__mem_free(mem, table->blocks, table->block_capacity * sizeof *table->blocks);
    reshard__mem_free(mem, table->buckets, table->bucket_count * sizeof *table->buckets);
}

void reshard__queue_push(struct reshard__entry_queue *queue, struct reshard__entry *entry)
{
    entry->next = NULL;
    if (queue->last)
        queue->last->next = entry;
    else
        queue->first = entry;
    queue->last = entry;
}

struct reshard__entry *reshard__queue_pop(struct reshard__entry_queue *queue)
{
    struct reshard__entry *entry = queue->first;
    if (!entry)
        return NULL;
    queue->first = entry->next;
    if (!queue->first)
        queue->last = NULL;
    entry->next = NULL;
    return entry;
}
