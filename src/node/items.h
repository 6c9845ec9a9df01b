/* SPDX-License-Identifier: MIT */
/* Room node: lists of keys as hosts and nodes exchange them in mode keywise (action.h): an item is
 * key size and state size (4 bytes each, little-endian), key, state. */
#ifndef RESHARD_NODE_ITEMS_H
#define RESHARD_NODE_ITEMS_H

#include "node/node.h"

struct reshard__key_item {
    const uint8_t *key;
    size_t key_size;
    const uint8_t *state;
    size_t state_size;
};

/* Keys that are told apart by hash first: the keys in flight, under a mark, or asked about. Owns
 * its bytes. */
struct reshard__keys {
    uint8_t *bytes; /* items without states */
    size_t size;
    size_t capacity;
    uint64_t *hashes; /* one an item, in order */
    size_t count;
    size_t hash_capacity;
};

/* The item at *offset. EMPTY at the end, TRUNCATED when it does not fit. */
int32_t reshard__key_item_next(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__key_item *item);
/* Whether bytes are whole items with keys. */
bool reshard__key_items_sound(const uint8_t *bytes, size_t size);

int32_t reshard__keys_add(const struct reshard__mem *mem, struct reshard__keys *keys,
    const uint8_t *key, size_t key_size);
/* Add the keys of an item list. NOMEM: nothing was added. */
int32_t reshard__keys_add_items(
    const struct reshard__mem *mem, struct reshard__keys *keys, const uint8_t *bytes, size_t size);
bool reshard__keys_have(const struct reshard__keys *keys, const uint8_t *key, size_t key_size);
void reshard__keys_remove(struct reshard__keys *keys, const uint8_t *key, size_t key_size);
void reshard__keys_clear(struct reshard__keys *keys);
void reshard__keys_free(const struct reshard__mem *mem, struct reshard__keys *keys);

#endif
