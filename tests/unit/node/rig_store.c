/* SPDX-License-Identifier: MIT */
/* Room node, tests: a store of 64 keys with numbers as values; 0 is no value. */
#include "rig.h"

#include <string.h>

uint64_t rig_key_in(const struct reshard_range *ranges, size_t range_count, uint64_t key)
{
    for (size_t i = 0; i < range_count; i++)
        if (key % RIG_SLOTS >= ranges[i].first && key % RIG_SLOTS <= ranges[i].last)
            return 1;
    return 0;
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

size_t rig_item_put(uint8_t *bytes, uint64_t key, uint64_t value)
{
    put_u32(bytes, 2);
    put_u32(bytes + 4, 8);
    bytes[8] = (uint8_t)key;
    bytes[9] = (uint8_t)(key >> 8);
    memcpy(bytes + 10, &value, sizeof value);
    return RIG_ITEM;
}

/* Key and value of the item at *offset; false at the end. */
static bool item_next(
    const uint8_t *bytes, size_t size, size_t *offset, uint64_t *key, uint64_t *value)
{
    if (*offset >= size)
        return false;
    const uint8_t *item = bytes + *offset;
    uint32_t state_size = get_u32(item + 4);
    cr_assert_eq(get_u32(item), 2);
    *key = (uint64_t)item[8] | (uint64_t)item[9] << 8;
    *value = 0;
    if (state_size)
        memcpy(value, item + 10, sizeof *value);
    *offset += 10 + state_size;
    return true;
}

static struct rig_staging *staging_of(struct rig_store *store, uint64_t migration)
{
    for (size_t i = 0; i < RIG_STAGINGS; i++)
        if (store->stagings[i].used && store->stagings[i].migration == migration)
            return &store->stagings[i];
    return NULL;
}

static struct rig_staging *staging_open(
    struct rig_store *store, const struct reshard_action *action)
{
    struct rig_staging *staging = staging_of(store, action->migration);
    for (size_t i = 0; i < RIG_STAGINGS && !staging; i++)
        if (!store->stagings[i].used)
            staging = &store->stagings[i];
    cr_assert(staging);
    if (!staging->used || staging->copy_term != action->copy_term ||
        staging->copy_n != action->copy_n)
        *staging = (struct rig_staging){.used = true,
            .migration = action->migration,
            .copy_term = action->copy_term,
            .copy_n = action->copy_n};
    return staging;
}

static void apply(struct rig_store *store, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct rig_staging *staging = staging_open(store, action);
    uint64_t *values = action->mode == RESHARD_MODE_KEYWISE ? store->live : staging->staged;
    uint64_t key, value;
    size_t offset = 0;
    while (action->sequence > staging->sequence &&
           item_next(action->payload, action->payload_size, &offset, &key, &value)) {
        cr_assert(rig_key_in(action->ranges, action->range_count, key), "key %zu", (size_t)key);
        values[key] = value;
    }
    if (action->sequence > staging->sequence)
        staging->sequence = action->sequence;
    if (store->sync_later)
        return;
    staging->durable = staging->sequence;
    completion->sequence = staging->sequence;
}

/* EXPORT, and the walk of PICK: keys from the cursor on. */
static int32_t walk(const struct rig_store *store, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    uint64_t key = action->cursor;
    for (; key < RIG_KEYS; key++) {
        if (!store->live[key] || !rig_key_in(action->ranges, action->range_count, key))
            continue;
        bool full = (store->key_limit && completion->keys == store->key_limit) ||
                    completion->size + RIG_ITEM > action->capacity;
        if (action->capacity > 0 && full)
            break;
        completion->keys++;
        if (action->capacity > 0)
            completion->size +=
                rig_item_put(action->buffer + completion->size, key, store->live[key]);
    }
    completion->cursor = key;
    completion->done = key == RIG_KEYS;
    return RESHARD_OK;
}

static int32_t pick_listed(const struct rig_store *store, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    uint64_t key, value;
    size_t offset = 0;
    completion->done = 1;
    while (item_next(action->payload, action->payload_size, &offset, &key, &value)) {
        if (!store->live[key])
            continue;
        if (action->capacity > 0 &&
            (completion->size + RIG_ITEM > action->capacity ||
                (store->key_limit && completion->keys == store->key_limit))) {
            completion->done = 0;
            break;
        }
        completion->keys++;
        if (action->capacity > 0)
            completion->size +=
                rig_item_put(action->buffer + completion->size, key, store->live[key]);
    }
    return RESHARD_OK;
}

static int32_t pick(const struct rig_store *store, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    if (action->capacity > 0 && action->capacity < store->pick_space) {
        completion->size = store->pick_space;
        return RESHARD_E_SPACE;
    }
    if (action->payload_size)
        return pick_listed(store, action, completion);
    return walk(store, action, completion);
}

static void remove_keys(struct rig_store *store, const struct reshard_action *action)
{
    uint64_t key, value;
    size_t offset = 0;
    while (item_next(action->payload, action->payload_size, &offset, &key, &value))
        store->live[key] = 0;
}

static void sync(struct rig_store *store, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct rig_staging *staging = staging_of(store, action->migration);
    if (!staging)
        return;
    staging->durable = staging->sequence;
    completion->sequence = staging->durable;
    completion->copy_term = staging->copy_term;
    completion->copy_n = staging->copy_n;
}

static void activate(struct rig_store *store, const struct reshard_action *action)
{
    struct rig_staging *staging = staging_of(store, action->migration);
    if (!staging)
        return;
    for (uint64_t key = 0; key < RIG_KEYS; key++)
        if (rig_key_in(action->ranges, action->range_count, key))
            store->live[key] = staging->staged[key];
    staging->used = false;
}

static void discard(struct rig_store *store, const struct reshard_action *action)
{
    struct rig_staging *staging = staging_of(store, action->migration);
    if (staging)
        staging->used = false;
}

/* Two steps, so that the cursor is used. */
static void purge(struct rig_store *store, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    uint64_t end = action->cursor ? RIG_KEYS : RIG_KEYS / 2;
    for (uint64_t key = action->cursor; key < end; key++)
        if (rig_key_in(action->ranges, action->range_count, key))
            store->live[key] = 0;
    completion->cursor = end;
    completion->done = end == RIG_KEYS;
}

static void digest(struct rig_store *store, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    const struct rig_staging *staging = staging_of(store, action->migration);
    const uint64_t *values = store->live;
    if (action->side == RESHARD_SIDE_TARGET)
        values = staging ? staging->staged : NULL;
    if (store->digest_none)
        return;
    completion->digest.low = 1;
    for (uint64_t key = 0; key < RIG_KEYS && values; key++)
        if (values[key] && rig_key_in(action->ranges, action->range_count, key))
            completion->digest.high += (key + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ values[key] << 7;
}

int32_t rig_store_do(struct rig_store *store, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    switch (action->kind) {
    case RESHARD_ACTION_EXPORT:
        return walk(store, action, completion);
    case RESHARD_ACTION_PICK:
        return pick(store, action, completion);
    case RESHARD_ACTION_APPLY:
        apply(store, action, completion);
        break;
    case RESHARD_ACTION_SYNC:
        sync(store, action, completion);
        break;
    case RESHARD_ACTION_ACTIVATE:
        activate(store, action);
        break;
    case RESHARD_ACTION_DISCARD:
        discard(store, action);
        break;
    case RESHARD_ACTION_PURGE:
        purge(store, action, completion);
        break;
    case RESHARD_ACTION_DIGEST:
        digest(store, action, completion);
        break;
    case RESHARD_ACTION_REMOVE:
        remove_keys(store, action);
        break;
    default:
        break;
    }
    return RESHARD_OK;
}
