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

/* A set of keys: those in flight, under a mark, or asked about. Owns its bytes, in which they stand
 * in the order they came. Adding and looking up take constant time, removing one pass. */
struct reshard__keys {
    uint8_t *bytes; /* items without states */
    size_t size;
    size_t capacity;
    size_t count;
    size_t *places;     /* by hash, open addressing: offset of an item + 1, 0 = none */
    size_t place_count; /* a power of two, at least twice `count`; or 0 */
};

/* The item at *offset. EMPTY at the end, TRUNCATED when it does not fit. */
int32_t reshard__key_item_next(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__key_item *item);
/* Whether bytes are whole items with keys. */
bool reshard__key_items_sound(const uint8_t *bytes, size_t size);

/* Write one item without state; returns its size. */
size_t reshard__key_item_put(uint8_t *bytes, const uint8_t *key, size_t key_size);

int32_t reshard__keys_add(const struct reshard__mem *mem, struct reshard__keys *keys,
    const uint8_t *key, size_t key_size);
/* Add the keys of an item list. NOMEM: nothing was added. */
int32_t reshard__keys_add_items(
    const struct reshard__mem *mem, struct reshard__keys *keys, const uint8_t *bytes, size_t size);
bool reshard__keys_have(const struct reshard__keys *keys, const uint8_t *key, size_t key_size);
void reshard__keys_remove(struct reshard__keys *keys, const uint8_t *key, size_t key_size);
/* Remove the keys of an item list, in one pass. */
void reshard__keys_remove_items(struct reshard__keys *keys, const uint8_t *bytes, size_t size);
void reshard__keys_clear(struct reshard__keys *keys);
void reshard__keys_free(const struct reshard__mem *mem, struct reshard__keys *keys);

#endif
