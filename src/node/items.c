/* SPDX-License-Identifier: MIT */
/* Room node: item lists and sets of keys. */
#include "node/items.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { HEAD_SIZE = 8 };

static uint32_t load_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void store_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

int32_t reshard__key_item_next(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__key_item *item)
{
    RESHARD_ASSERT(*offset <= size);
    size_t left = size - *offset;
    if (left == 0)
        return RESHARD_E_EMPTY;
    if (left < HEAD_SIZE)
        return RESHARD_E_TRUNCATED;
    const uint8_t *head = bytes + *offset;
    item->key_size = load_u32(head);
    item->state_size = load_u32(head + 4);
    left -= HEAD_SIZE;
    if (item->key_size > left || item->state_size > left - item->key_size)
        return RESHARD_E_TRUNCATED;
    item->key = head + HEAD_SIZE;
    item->state = item->key + item->key_size;
    *offset += HEAD_SIZE + item->key_size + item->state_size;
    return RESHARD_OK;
}

bool reshard__key_items_sound(const uint8_t *bytes, size_t size)
{
    struct reshard__key_item item;
    size_t offset = 0;
    int32_t status;
    while ((status = reshard__key_item_next(bytes, size, &offset, &item)) == RESHARD_OK)
        continue;
    return status == RESHARD_E_EMPTY && size > 0;
}

static uint64_t key_hash(const uint8_t *key, size_t key_size)
{
    return XXH3_64bits(key, key_size);
}

static int32_t keys_reserve(
    const struct reshard__mem *mem, struct reshard__keys *keys, size_t size, size_t count)
{
    int32_t status =
        reshard__mem_grow(mem, (void **)&keys->bytes, &keys->capacity, 1, keys->size + size);
    if (status)
        return status;
    return reshard__mem_grow(mem, (void **)&keys->hashes, &keys->hash_capacity,
        sizeof *keys->hashes, keys->count + count);
}

static void keys_append(struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    uint8_t *place = keys->bytes + keys->size;
    store_u32(place, (uint32_t)key_size);
    store_u32(place + 4, 0);
    if (key_size > 0)
        memcpy(place + HEAD_SIZE, key, key_size);
    keys->size += HEAD_SIZE + key_size;
    keys->hashes[keys->count++] = key_hash(key, key_size);
}

int32_t reshard__keys_add(
    const struct reshard__mem *mem, struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    if (key_size > UINT32_MAX)
        return RESHARD_E_SIZE;
    int32_t status = keys_reserve(mem, keys, HEAD_SIZE + key_size, 1);
    if (status == RESHARD_OK && !reshard__keys_have(keys, key, key_size))
        keys_append(keys, key, key_size);
    return status;
}

int32_t reshard__keys_add_items(
    const struct reshard__mem *mem, struct reshard__keys *keys, const uint8_t *bytes, size_t size)
{
    struct reshard__key_item item;
    size_t offset = 0, count = 0, total = 0;
    while (reshard__key_item_next(bytes, size, &offset, &item) == RESHARD_OK) {
        count++;
        total += HEAD_SIZE + item.key_size;
    }
    int32_t status = keys_reserve(mem, keys, total, count);
    /* A list names no key twice, so only what was there before is looked through. */
    const struct reshard__keys before = *keys;
    offset = 0;
    while (
        status == RESHARD_OK && reshard__key_item_next(bytes, size, &offset, &item) == RESHARD_OK)
        if (!reshard__keys_have(&before, item.key, item.key_size))
            keys_append(keys, item.key, item.key_size);
    return status;
}

/* Offset of a key's item, and its index; false where it is not. */
static bool keys_find(const struct reshard__keys *keys, const uint8_t *key, size_t key_size,
    size_t *index_out, size_t *offset_out)
{
    if (keys->count == 0)
        return false;
    uint64_t hash = key_hash(key, key_size);
    size_t index = 0;
    while (index < keys->count && keys->hashes[index] != hash)
        index++;
    if (index == keys->count)
        return false;
    size_t offset = 0;
    for (size_t i = 0; i < keys->count; i++) {
        struct reshard__key_item item;
        *index_out = i;
        *offset_out = offset;
        int32_t status = reshard__key_item_next(keys->bytes, keys->size, &offset, &item);
        RESHARD_ASSERT(status == RESHARD_OK);
        if (keys->hashes[i] == hash && item.key_size == key_size &&
            (key_size == 0 || memcmp(item.key, key, key_size) == 0))
            return true;
    }
    return false;
}

bool reshard__keys_have(const struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    size_t index, offset;
    return keys_find(keys, key, key_size, &index, &offset);
}

void reshard__keys_remove(struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    size_t index, offset;
    if (!keys_find(keys, key, key_size, &index, &offset))
        return;
    size_t end = offset + HEAD_SIZE + key_size;
    memmove(keys->bytes + offset, keys->bytes + end, keys->size - end);
    keys->size -= end - offset;
    memmove(keys->hashes + index, keys->hashes + index + 1,
        (keys->count - index - 1) * sizeof *keys->hashes);
    keys->count--;
}

void reshard__keys_clear(struct reshard__keys *keys)
{
    keys->size = 0;
    keys->count = 0;
}

void reshard__keys_free(const struct reshard__mem *mem, struct reshard__keys *keys)
{
    reshard__mem_free(mem, keys->bytes, keys->capacity);
    reshard__mem_free(mem, keys->hashes, keys->hash_capacity * sizeof *keys->hashes);
    memset(keys, 0, sizeof *keys);
}
