/* SPDX-License-Identifier: MIT */
/* The keys of one slot.
 *
 * Guarantees: a key keeps its position from its first write to its removal, so that a scan that
 * remembers a position sees each key that stayed, once, whatever is written meanwhile; the digest
 * is the sum of the XXH3-128 of all keys, values and expiries, kept up with each write.
 */
#ifndef EXAMPLES_SUPPORT_MEMORY_TABLE_H
#define EXAMPLES_SUPPORT_MEMORY_TABLE_H

#include <reshard/reshard.h>

struct memory_item {
    uint64_t hash; /* of the key */
    uint64_t expiry_ns; /* from here to the end of bytes: what the digest covers */
    uint32_t key_size;
    uint32_t value_size;
    uint8_t bytes[]; /* key, then value */
};

struct memory_table {
    struct memory_item **items; /* by position; NULL where one was removed */
    uint32_t position_count;
    uint32_t position_capacity;
    uint32_t key_count;
    uint32_t *index; /* hash → position + 1, open addressing; 0 = free */
    uint32_t index_count; /* 0 or a power of two */
    uint32_t *holes; /* positions to be used again */
    uint32_t hole_count;
    uint32_t hole_capacity;
    struct reshard_digest digest;
};

void memory_table_free(struct memory_table *table);
/* NULL: no such key. */
struct memory_item *memory_table_find(
    const struct memory_table *table, const uint8_t *key, size_t key_size);
/* E_NOMEM: nothing changed. */
int32_t memory_table_put(struct memory_table *table, const uint8_t *key, size_t key_size,
    const uint8_t *value, size_t value_size, uint64_t expiry_ns);
/* E_EMPTY: no such key; E_NOMEM: nothing changed. */
int32_t memory_table_remove(struct memory_table *table, const uint8_t *key, size_t key_size);

#endif
