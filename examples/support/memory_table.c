/* SPDX-License-Identifier: MIT */
#include "memory_table.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { INDEX_COUNT_FIRST = 16 };

void memory_table_free(struct memory_table *table)
{
    for (uint32_t i = 0; i < table->position_count; i++)
        free(table->items[i]);
    free(table->items);
    free(table->index);
    free(table->holes);
    memset(table, 0, sizeof *table);
}

static int grow(void **array, uint32_t *capacity, size_t item_size, uint32_t count)
{
    if (count <= *capacity)
        return 1;
    uint32_t grown = *capacity ? *capacity * 2 : 4;
    void *bigger = realloc(*array, grown * item_size);
    if (!bigger)
        return 0;
    *array = bigger;
    *capacity = grown;
    return 1;
}

/* ---- digest ---- */

static struct reshard_digest item_digest(const struct memory_item *item)
{
    size_t head = offsetof(struct memory_item, bytes) - offsetof(struct memory_item, expiry_ns);
    XXH128_hash_t hash =
        XXH3_128bits(&item->expiry_ns, head + item->key_size + item->value_size);
    struct reshard_digest digest = {hash.low64, hash.high64};
    return digest;
}

static void digest_add(struct memory_table *table, const struct memory_item *item)
{
    struct reshard_digest digest = item_digest(item);
    table->digest.low += digest.low;
    table->digest.high += digest.high;
}

static void digest_subtract(struct memory_table *table, const struct memory_item *item)
{
    struct reshard_digest digest = item_digest(item);
    table->digest.low -= digest.low;
    table->digest.high -= digest.high;
}

/* ---- index ---- */

static int same_key(
    const struct memory_item *item, uint64_t hash, const uint8_t *key, size_t key_size)
{
    return item->hash == hash && item->key_size == key_size &&
           memcmp(item->bytes, key, key_size) == 0;
}

/* Where the key stands in the index, or the free place where it would. */
static uint32_t index_seek(
    const struct memory_table *table, uint64_t hash, const uint8_t *key, size_t key_size)
{
    uint32_t mask = table->index_count - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (table->index[at] &&
           !same_key(table->items[table->index[at] - 1], hash, key, key_size))
        at = (at + 1) & mask;
    return at;
}

static void index_fill(struct memory_table *table)
{
    uint32_t mask = table->index_count - 1;
    for (uint32_t position = 0; position < table->position_count; position++) {
        if (!table->items[position])
            continue;
        uint32_t at = (uint32_t)table->items[position]->hash & mask;
        while (table->index[at])
            at = (at + 1) & mask;
        table->index[at] = position + 1;
    }
}

/* Room for one more key at a load of at most one half. */
static int index_reserve(struct memory_table *table)
{
    if ((table->key_count + 1) * 2 <= table->index_count)
        return 1;
    uint32_t count = table->index_count ? table->index_count * 2 : INDEX_COUNT_FIRST;
    uint32_t *index = calloc(count, sizeof *index);
    if (!index)
        return 0;
    free(table->index);
    table->index = index;
    table->index_count = count;
    index_fill(table);
    return 1;
}

/* Close the gap, so that no search stops at it (Knuth, TAOCP 6.4, algorithm R). */
static void index_remove(struct memory_table *table, uint32_t gap)
{
    uint32_t mask = table->index_count - 1;
    uint32_t at = gap;
    for (;;) {
        at = (at + 1) & mask;
        if (!table->index[at])
            break;
        uint32_t home = (uint32_t)table->items[table->index[at] - 1]->hash & mask;
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        table->index[gap] = table->index[at];
        gap = at;
    }
    table->index[gap] = 0;
}

/* ---- keys ---- */

struct memory_item *memory_table_find(
    const struct memory_table *table, const uint8_t *key, size_t key_size)
{
    if (!table->index_count)
        return NULL;
    uint32_t at = index_seek(table, XXH3_64bits(key, key_size), key, key_size);
    return table->index[at] ? table->items[table->index[at] - 1] : NULL;
}

static struct memory_item *item_new(uint64_t hash, const uint8_t *key, size_t key_size,
    const uint8_t *value, size_t value_size, uint64_t expiry_ns)
{
    struct memory_item *item = malloc(sizeof *item + key_size + value_size);
    if (!item)
        return NULL;
    item->hash = hash;
    item->expiry_ns = expiry_ns;
    item->key_size = (uint32_t)key_size;
    item->value_size = (uint32_t)value_size;
    memcpy(item->bytes, key, key_size);
    if (value_size)
        memcpy(item->bytes + key_size, value, value_size);
    return item;
}

static int position_take(struct memory_table *table, uint32_t *position)
{
    if (table->hole_count) {
        *position = table->holes[--table->hole_count];
        return 1;
    }
    if (!grow((void **)&table->items, &table->position_capacity, sizeof *table->items,
            table->position_count + 1))
        return 0;
    *position = table->position_count++;
    return 1;
}

int32_t memory_table_put(struct memory_table *table, const uint8_t *key, size_t key_size,
    const uint8_t *value, size_t value_size, uint64_t expiry_ns)
{
    if (key_size > UINT32_MAX || value_size > UINT32_MAX)
        return RESHARD_E_ARGUMENT;
    uint64_t hash = XXH3_64bits(key, key_size);
    struct memory_item *item = item_new(hash, key, key_size, value, value_size, expiry_ns);
    if (!item || !index_reserve(table)) {
        free(item);
        return RESHARD_E_NOMEM;
    }
    uint32_t at = index_seek(table, hash, key, key_size);
    uint32_t position;
    if (table->index[at]) {
        position = table->index[at] - 1;
        digest_subtract(table, table->items[position]);
        free(table->items[position]);
    } else {
        if (!position_take(table, &position)) {
            free(item);
            return RESHARD_E_NOMEM;
        }
        table->index[at] = position + 1;
        table->key_count++;
    }
    table->items[position] = item;
    digest_add(table, item);
    return RESHARD_OK;
}

int32_t memory_table_remove(struct memory_table *table, const uint8_t *key, size_t key_size)
{
    if (!table->index_count)
        return RESHARD_E_EMPTY;
    uint32_t at = index_seek(table, XXH3_64bits(key, key_size), key, key_size);
    if (!table->index[at])
        return RESHARD_E_EMPTY;
    if (!grow((void **)&table->holes, &table->hole_capacity, sizeof *table->holes,
            table->hole_count + 1))
        return RESHARD_E_NOMEM;
    uint32_t position = table->index[at] - 1;
    digest_subtract(table, table->items[position]);
    index_remove(table, at);
    free(table->items[position]);
    table->items[position] = NULL;
    table->holes[table->hole_count++] = position;
    table->key_count--;
    return RESHARD_OK;
}
