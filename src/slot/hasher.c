/* SPDX-License-Identifier: MIT */
/* Room slot: key → slot. A hasher is checked on every call, so none can hash outside its slots;
 * nothing is kept between calls. */
#include "slot/crc16.h"
#include "slot/slot.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* How many keys a batch fetches ahead: enough to hide one cache miss behind the hashing of short
 * keys. */
enum { FETCH_AHEAD = 8 };

/* Size of the first released version of the struct. */
#define HASHER_FIRST_SIZE sizeof(struct reshard_hasher)

void reshard_hasher_init(struct reshard_hasher *hasher)
{
    memset(hasher, 0, sizeof *hasher);
    hasher->struct_size = (uint32_t)sizeof *hasher;
    hasher->algorithm = RESHARD_HASH_CRC16;
    hasher->slot_count = RESHARD_SLOT_COUNT_DEFAULT;
}

static inline bool power_of_two(uint32_t n)
{
    return (n & (n - 1)) == 0;
}

static inline int32_t check_fields(const struct reshard_hasher *hasher)
{
    uint32_t slot_count = hasher->slot_count;
    bool custom = hasher->algorithm == RESHARD_HASH_CUSTOM;
    if (slot_count - 1 >= RESHARD_SLOT_COUNT_MAX)
        return RESHARD_E_SLOT_COUNT;
    if (hasher->flags)
        return RESHARD_E_FLAGS;
    if (hasher->algorithm - RESHARD_HASH_CRC16 > RESHARD_HASH_CUSTOM - RESHARD_HASH_CRC16)
        return RESHARD_E_KIND;
    if (hasher->algorithm == RESHARD_HASH_CRC16 &&
        (!power_of_two(slot_count) || slot_count > 1U << 16))
        return RESHARD_E_SLOT_COUNT;
    if (custom)
        return hasher->custom ? RESHARD_OK : RESHARD_E_HOOK_MISSING;
    return hasher->custom ? RESHARD_E_ARGUMENT : RESHARD_OK;
}

int32_t reshard__hasher_import(struct reshard_hasher *to, const struct reshard_hasher *from)
{
    struct reshard_hasher hasher;
    int32_t status = reshard__struct_import(&hasher, sizeof hasher, HASHER_FIRST_SIZE, from);
    if (!status)
        status = check_fields(&hasher);
    if (!status) {
        hasher.struct_size = (uint32_t)sizeof hasher;
        *to = hasher;
    }
    return status;
}

int32_t reshard_hasher_check(const struct reshard_hasher *hasher)
{
    struct reshard_hasher imported;
    return reshard__hasher_import(&imported, hasher);
}

/* Whether the bytes hold a '{': what decides if a tag must be looked for. */
static inline bool has_brace(const uint8_t *key, size_t key_size)
{
    uint64_t found = key_size & 7 ? reshard__has_brace(reshard__load_head(key, key_size)) : 0;
    for (size_t i = key_size & 7; i < key_size; i += 8)
        found |= reshard__has_brace(reshard__load_word(key + i));
    return found != 0;
}

static inline uint32_t xxh3_slot(const uint8_t *key, size_t key_size, uint32_t slot_count)
{
    if (has_brace(key, key_size)) {
        struct reshard__key_part tag = reshard__tag_of_key(key, key_size);
        key = tag.data;
        key_size = tag.size;
    }
    uint64_t hash = XXH3_64bits(key, key_size);
    if (power_of_two(slot_count))
        return (uint32_t)hash & (slot_count - 1);
    /* Lemire 2019, "Fast random integer generation in an interval": the high half of a product. */
    uint64_t low = (hash & 0xFFFFFFFF) * slot_count >> 32;
    return (uint32_t)(((hash >> 32) * slot_count + low) >> 32);
}

static inline int32_t custom_slot(
    const struct reshard_hasher *hasher, const void *key, size_t key_size, uint32_t *slot_out)
{
    int32_t slot = hasher->custom(hasher->user_data, key, key_size);
    if (slot < 0)
        return RESHARD_E_HOOK;
    if ((uint32_t)slot >= hasher->slot_count)
        return RESHARD_E_SLOT;
    *slot_out = (uint32_t)slot;
    return RESHARD_OK;
}

/* Of a checked hasher. */
static inline int32_t hash_key(
    const struct reshard_hasher *hasher, const void *key, size_t key_size, uint32_t *slot_out)
{
    if (hasher->algorithm == RESHARD_HASH_CRC16)
        *slot_out = reshard__crc16_of_key(key, key_size) & (hasher->slot_count - 1);
    else if (hasher->algorithm == RESHARD_HASH_XXH3)
        *slot_out = xxh3_slot(key, key_size, hasher->slot_count);
    else
        return custom_slot(hasher, key, key_size, slot_out);
    return RESHARD_OK;
}

int32_t reshard_slot_of_key(
    const struct reshard_hasher *hasher, const void *key, size_t key_size, uint32_t *slot_out)
{
    if (!hasher || !slot_out || (!key && key_size > 0))
        return RESHARD_E_NULL;
    struct reshard_hasher imported;
    int32_t status;
    if (hasher->struct_size == sizeof *hasher) {
        status = check_fields(hasher);
    } else {
        status = reshard__hasher_import(&imported, hasher);
        hasher = &imported;
    }
    return status ? status : hash_key(hasher, key, key_size, slot_out);
}

static inline void fetch(const void *address)
{
#if defined(__GNUC__)
    __builtin_prefetch(address);
#else
    (void)address;
#endif
}

static bool batch_present(const struct reshard_key *keys, size_t key_count, const uint32_t *slots)
{
    if (key_count > 0 && (!keys || !slots))
        return false;
    for (size_t i = 0; i < key_count; i++)
        if (!keys[i].data && keys[i].key_size > 0)
            return false;
    return true;
}

int32_t reshard_slots_of_keys(const struct reshard_hasher *hasher, const struct reshard_key *keys,
    size_t key_count, uint32_t *slots_out)
{
    struct reshard_hasher imported;
    int32_t status = reshard__hasher_import(&imported, hasher);
    if (status)
        return status;
    if (!batch_present(keys, key_count, slots_out))
        return RESHARD_E_NULL;
    for (size_t i = 0; i < key_count; i++) {
        if (key_count - i > FETCH_AHEAD)
            fetch(keys[i + FETCH_AHEAD].data);
        status = hash_key(&imported, keys[i].data, keys[i].key_size, &slots_out[i]);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

uint32_t reshard_slot_crc16(const void *key, size_t key_size)
{
    return reshard__crc16_of_key(key, key ? key_size : 0) & (RESHARD_SLOT_COUNT_DEFAULT - 1);
}

uint32_t reshard_slot_xxh3(const void *key, size_t key_size, uint32_t slot_count)
{
    if (slot_count - 1 >= RESHARD_SLOT_COUNT_MAX)
        return 0;
    return xxh3_slot(key, key ? key_size : 0, slot_count);
}
