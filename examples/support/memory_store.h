/* SPDX-License-Identifier: MIT */
/* A store in memory: a hash table of keys for each slot, and the store hooks on it.
 *
 * Guarantees: an export sees every key that was there when it began and stayed, whatever is written
 * meanwhile; what is staged is invisible and apart from the live data; apply is idempotent. All of
 * it is "durable" as long as the store lives: it may outlive its node, as a disk would. One thread.
 *
 * What travels, in exports, captures and picks alike, is a row of records, each the state of a key
 * after a write: kind (1 put, 2 delete), key_size, value_size, expiry, key, value. Integers are
 * little-endian; expiry is an absolute time in ns, 0 = never.
 */
#ifndef EXAMPLES_SUPPORT_MEMORY_STORE_H
#define EXAMPLES_SUPPORT_MEMORY_STORE_H

#include <reshard/reshard.h>

enum {
    MEMORY_RECORD_PUT = 1,
    MEMORY_RECORD_DELETE = 2,
    MEMORY_RECORD_HEAD_SIZE = 17 /* bytes before the key */
};

struct memory_record {
    uint32_t kind; /* MEMORY_RECORD_* */
    uint64_t expiry_ns;
    const uint8_t *key;
    size_t key_size;
    const uint8_t *value;
    size_t value_size;
};

size_t memory_record_size(const struct memory_record *record);
/* `out` has room for memory_record_size bytes. */
void memory_record_write(const struct memory_record *record, uint8_t *out);
/* The record at *offset, which moves behind it. E_EMPTY at the end, E_TRUNCATED, E_KIND. */
int32_t memory_record_read(
    const uint8_t *bytes, size_t size, size_t *offset, struct memory_record *record);

struct memory_store;

/* NULL: out of memory. slot_of tells the slot of a key, as the host's requests do. */
struct memory_store *memory_store_create(
    uint32_t slot_count, uint32_t (*slot_of)(const uint8_t *key, size_t key_size));
void memory_store_destroy(struct memory_store *store);
void memory_store_hooks(struct memory_store *store, struct reshard_store *hooks_out);
/* Called by the wake hook: parked requests for these slots may be routed again. */
void memory_store_on_wake(struct memory_store *store,
    void (*wake)(void *user_data, const struct reshard_range *ranges, size_t range_count),
    void *user_data);
/* Keys that one pick may take at most; 0 = as many as fit. */
void memory_store_limit_picks(struct memory_store *store, uint32_t key_count);

/* Requests on the live data. The host routes first, and records captured writes. */
int32_t memory_store_write(struct memory_store *store, const struct memory_record *record);
/* E_EMPTY: no such key, or expired. *record_out borrows until the next write. */
int32_t memory_store_read(const struct memory_store *store, const uint8_t *key, size_t key_size,
    uint64_t now_ns, struct memory_record *record_out);

/* Keys of a slot in the live data; in all staging together. */
uint64_t memory_store_slot_keys(const struct memory_store *store, uint32_t slot);
uint64_t memory_store_staged_keys(const struct memory_store *store);
/* Digest of the live data of all slots. */
struct reshard_digest memory_store_digest(const struct memory_store *store);

#endif
