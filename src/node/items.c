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

size_t reshard__key_item_put(uint8_t *bytes, const uint8_t *key, size_t key_size)
{
    store_u32(bytes, (uint32_t)key_size);
    store_u32(bytes + 4, 0);
    if (key_size > 0)
        memcpy(bytes + HEAD_SIZE, key, key_size);
    return HEAD_SIZE + key_size;
}

/* Where a key stands, or the free place where it would. There is one: half of them are free. */
static size_t place_of(const struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    size_t mask = keys->place_count - 1;
    size_t place = (size_t)XXH3_64bits(key, key_size) & mask;
    for (; keys->places[place]; place = (place + 1) & mask) {
        const uint8_t *item = keys->bytes + keys->places[place] - 1;
        if (load_u32(item) == key_size &&
            (key_size == 0 || memcmp(item + HEAD_SIZE, key, key_size) == 0))
            break;
    }
    return place;
}

static void places_fill(struct reshard__keys *keys)
{
    memset(keys->places, 0, keys->place_count * sizeof *keys->places);
    for (size_t offset = 0; offset < keys->size;) {
        const uint8_t *item = keys->bytes + offset;
        size_t key_size = load_u32(item);
        keys->places[place_of(keys, item + HEAD_SIZE, key_size)] = offset + 1;
        offset += HEAD_SIZE + key_size;
    }
}

static int32_t places_reserve(
    const struct reshard__mem *mem, struct reshard__keys *keys, size_t count)
{
    size_t place_count = keys->place_count ? keys->place_count : 16;
    while (place_count / 2 < count)
        place_count *= 2;
    if (place_count == keys->place_count)
        return RESHARD_OK;
    size_t *places = reshard__mem_alloc(mem, place_count * sizeof *places);
    if (!places)
        return RESHARD_E_NOMEM;
    reshard__mem_free(mem, keys->places, keys->place_count * sizeof *keys->places);
    keys->places = places;
    keys->place_count = place_count;
    places_fill(keys);
    return RESHARD_OK;
}

static int32_t keys_reserve(
    const struct reshard__mem *mem, struct reshard__keys *keys, size_t size, size_t count)
{
    int32_t status =
        reshard__mem_grow(mem, (void **)&keys->bytes, &keys->capacity, 1, keys->size + size);
    return status ? status : places_reserve(mem, keys, keys->count + count);
}

static void keys_put(struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    size_t place = place_of(keys, key, key_size);
    if (keys->places[place])
        return;
    keys->places[place] = keys->size + 1;
    keys->size += reshard__key_item_put(keys->bytes + keys->size, key, key_size);
    keys->count++;
}

int32_t reshard__keys_add(
    const struct reshard__mem *mem, struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    if (key_size > UINT32_MAX)
        return RESHARD_E_SIZE;
    int32_t status = keys_reserve(mem, keys, HEAD_SIZE + key_size, 1);
    if (status == RESHARD_OK)
        keys_put(keys, key, key_size);
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
    offset = 0;
    while (
        status == RESHARD_OK && reshard__key_item_next(bytes, size, &offset, &item) == RESHARD_OK)
        keys_put(keys, item.key, item.key_size);
    return status;
}

bool reshard__keys_have(const struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    return keys->count > 0 && keys->places[place_of(keys, key, key_size)];
}

/* An item's state size is 0 but between here and the pass that drops it. */
static void keys_mark(struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    size_t place = keys->places[place_of(keys, key, key_size)];
    if (place)
        store_u32(keys->bytes + place - 1 + 4, 1);
}

static void marked_drop(struct reshard__keys *keys)
{
    size_t kept = 0, before = keys->count;
    keys->count = 0;
    for (size_t offset = 0; offset < keys->size;) {
        const uint8_t *item = keys->bytes + offset;
        size_t item_size = HEAD_SIZE + load_u32(item);
        offset += item_size;
        if (load_u32(item + 4))
            continue;
        memmove(keys->bytes + kept, item, item_size);
        kept += item_size;
        keys->count++;
    }
    keys->size = kept;
    if (keys->count != before)
        places_fill(keys);
}

void reshard__keys_remove(struct reshard__keys *keys, const uint8_t *key, size_t key_size)
{
    if (!reshard__keys_have(keys, key, key_size))
        return;
    keys_mark(keys, key, key_size);
    marked_drop(keys);
}

void reshard__keys_remove_items(struct reshard__keys *keys, const uint8_t *bytes, size_t size)
{
    struct reshard__key_item item;
    if (keys->count == 0)
        return;
    for (size_t offset = 0; reshard__key_item_next(bytes, size, &offset, &item) == RESHARD_OK;)
        keys_mark(keys, item.key, item.key_size);
    marked_drop(keys);
}

void reshard__keys_clear(struct reshard__keys *keys)
{
    if (keys->count > 0)
        memset(keys->places, 0, keys->place_count * sizeof *keys->places);
    keys->size = 0;
    keys->count = 0;
}

void reshard__keys_free(const struct reshard__mem *mem, struct reshard__keys *keys)
{
    reshard__mem_free(mem, keys->bytes, keys->capacity);
    reshard__mem_free(mem, keys->places, keys->place_count * sizeof *keys->places);
    memset(keys, 0, sizeof *keys);
}
