/* SPDX-License-Identifier: MIT */
/* Room sim: tables of a search: whatever it meets again is known by 128 bits of digest, and has a
 * small number from then on. */
#include "sim/search_numbers.h"

#include <stdlib.h>

enum { PLACES_MIN = 1 << 12 };

void *reshard__search_grow(void *block, size_t *capacity, size_t count, size_t item_size)
{
    if (count <= *capacity)
        return block;
    size_t larger = *capacity * 2 > count ? *capacity * 2 : count + 64;
    void *grown = realloc(block, larger * item_size);
    if (!grown)
        abort(); /* a search without memory proves nothing */
    *capacity = larger;
    return grown;
}

void reshard__numbers_free(struct numbers *table)
{
    free(table->entries);
    *table = (struct numbers){.entries = NULL};
}

static struct numbered *entry_of(const struct numbers *table, const struct reshard_digest *digest)
{
    size_t mask = table->size - 1, place = (size_t)digest->low & mask;
    for (;; place = (place + 1) & mask) {
        struct numbered *entry = &table->entries[place];
        if (!entry->number ||
            (entry->digest.low == digest->low && entry->digest.high == digest->high))
            return entry;
    }
}

static void grow(struct numbers *table)
{
    struct numbers old = *table;
    table->size = old.size ? old.size * 2 : PLACES_MIN;
    table->entries = calloc(table->size, sizeof *table->entries);
    if (!table->entries)
        abort();
    for (size_t i = 0; i < old.size; i++)
        if (old.entries[i].number)
            *entry_of(table, &old.entries[i].digest) = old.entries[i];
    free(old.entries);
}

uint32_t reshard__numbers_find(const struct numbers *table, const struct reshard_digest *digest)
{
    return table->size ? entry_of(table, digest)->number : 0;
}

void reshard__numbers_add(
    struct numbers *table, const struct reshard_digest *digest, uint32_t number)
{
    if (table->count * 3 >= table->size * 2)
        grow(table);
    *entry_of(table, digest) = (struct numbered){*digest, number};
    table->count++;
}
