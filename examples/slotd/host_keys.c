/* SPDX-License-Identifier: MIT */
/* Room host: hooks of mode keywise: keys picked, removed and applied one by one, as items of
 * {key size 4, state size 4, key, state}; the state is the key's records. Expired keys count as
 * absent; they go with the slot. A value in pieces is no part of it: see host_fetch.c. */
#include "host.h"

#include "cluster.h"

#include <string.h>

enum { ITEM_HEAD_SIZE = 8 };

bool host_item_next(struct bytes *items, struct host_item *item_out)
{
    if (items->size < ITEM_HEAD_SIZE)
        return false;
    size_t key_size = get_u32(items->data);
    size_t state_size = get_u32(items->data + 4);
    size_t left = items->size - ITEM_HEAD_SIZE;
    if (key_size > left || state_size > left - key_size)
        return false;
    item_out->key = (struct bytes){items->data + ITEM_HEAD_SIZE, key_size};
    item_out->state = (struct bytes){items->data + ITEM_HEAD_SIZE + key_size, state_size};
    items->data += ITEM_HEAD_SIZE + key_size + state_size;
    items->size -= ITEM_HEAD_SIZE + key_size + state_size;
    return true;
}

static struct store_key key_of(struct bytes name)
{
    return (struct store_key){cluster_key_slot(name), name};
}

static void item_write(struct store *store, const struct store_key *key, struct buffer *items)
{
    size_t start = items->size;
    (void)buffer_reserve(items, ITEM_HEAD_SIZE);
    items->size += ITEM_HEAD_SIZE;
    buffer_append(items, key->name.data, key->name.size);
    store_record_head(store, key, items);
    size_t state_size = items->size - start - ITEM_HEAD_SIZE - key->name.size;
    put_u32(items->data + start, (uint32_t)key->name.size);
    put_u32(items->data + start + 4, (uint32_t)state_size);
}

struct pick {
    struct store *store;
    struct buffer items; /* of the keys that share one place in the walk */
    uint64_t count;
    bool counting; /* write nothing */
};

static bool pick_visit(
    void *user_data, const struct store_key *key, const struct store_item *item)
{
    struct pick *pick = user_data;
    (void)item;
    pick->count++;
    if (!pick->counting)
        item_write(pick->store, key, &pick->items);
    return pick->counting; /* one place at a time: places cannot be cut */
}

/* Hand the collected items out. False: they do not fit. */
static bool pick_emit(struct pick *pick, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    bool fits = completion->size + pick->items.size <= action->capacity;
    if (fits && pick->items.size > 0)
        memcpy(action->buffer + completion->size, pick->items.data, pick->items.size);
    if (fits) {
        completion->size += pick->items.size;
        completion->keys += pick->count;
    } else if (completion->keys == 0) {
        completion->size = pick->items.size;
    }
    pick->items.size = 0;
    pick->count = 0;
    return fits;
}

static int32_t pick_listed(
    struct pick *pick, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct bytes list = {action->payload, action->payload_size};
    struct store_item found;
    struct host_item listed;
    while (host_item_next(&list, &listed)) {
        struct store_key key = key_of(listed.key);
        if (!store_find(pick->store, &key, &found))
            continue;
        pick->count = 1;
        if (action->capacity == 0)
            completion->keys++;
        else {
            item_write(pick->store, &key, &pick->items);
            if (!pick_emit(pick, action, completion))
                return RESHARD_E_SPACE;
        }
    }
    completion->done = 1;
    return list.size == 0 ? RESHARD_OK : RESHARD_E_TRUNCATED;
}

/* How many keys there are; looked at one by one only where some may have expired. */
static int32_t pick_count(
    struct pick *pick, const struct reshard_action *action, struct reshard_completion *completion)
{
    pick->counting = true;
    for (size_t index = 0; index < action->range_count; index++)
        for (uint32_t slot = action->ranges[index].first; slot <= action->ranges[index].last;
             slot++) {
            struct store_stats stats;
            store_slot_stats(pick->store, slot, &stats);
            if (stats.expiry_count == 0)
                pick->count += stats.key_count;
            else
                (void)store_walk(pick->store, (uint64_t)slot << 32,
                    ((uint64_t)slot + 1) << 32, pick_visit, pick);
        }
    completion->keys = pick->count;
    completion->done = 1;
    return RESHARD_OK;
}

static int32_t pick_walk(
    struct pick *pick, const struct reshard_action *action, struct reshard_completion *completion)
{
    uint64_t position = action->cursor;
    for (size_t index = 0; index < action->range_count; index++) {
        uint64_t first = (uint64_t)action->ranges[index].first << 32;
        uint64_t end = ((uint64_t)action->ranges[index].last + 1) << 32;
        position = position < first ? first : position;
        while (position < end) {
            uint64_t next = store_walk(pick->store, position, end, pick_visit, pick);
            if (!pick_emit(pick, action, completion)) {
                completion->cursor = position;
                return completion->keys == 0 ? RESHARD_E_SPACE : RESHARD_OK;
            }
            position = next;
        }
    }
    completion->cursor = position;
    completion->done = 1;
    return RESHARD_OK;
}

int32_t host_pick(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_store *host = user_data;
    struct pick pick = {.store = host->store};
    int32_t status;
    if (action->payload_size > 0)
        status = pick_listed(&pick, action, completion);
    else if (action->capacity == 0)
        status = pick_count(&pick, action, completion);
    else
        status = pick_walk(&pick, action, completion);
    buffer_free(&pick.items);
    /* The other node goes by a key's absence here: no heir may find it again, nor this node. */
    bool absent = action->payload_size > 0 && action->capacity == 0 && completion->keys == 0;
    if (status != RESHARD_OK || !absent)
        return status;
    return host_removal_kept(host->sync, host->sync->removal)
        ? host_replicas_wait(host->sync, host->driver, action, completion)
        : host_sync_wait(host->sync, host->driver, action, completion);
}

int32_t host_remove(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct host_store *host = user_data;
    struct bytes list = {action->payload, action->payload_size};
    struct host_item item;
    host->own_change = true;
    while (host_item_next(&list, &item)) {
        struct store_key key = key_of(item.key);
        (void)store_remove(host->store, &key);
        if (host->removed != NULL)
            host->removed(host->user_data, key.slot);
    }
    host->own_change = false;
    return list.size == 0 ? host_replicas_wait(host->sync, host->driver, action, completion)
                          : RESHARD_E_TRUNCATED;
}

int32_t host_items_apply(struct host_store *host, struct bytes items)
{
    struct host_item item;
    int32_t status = RESHARD_OK;
    host->own_change = true;
    while (status == RESHARD_OK && host_item_next(&items, &item))
        if (store_apply(host->store, item.state, false) != 0)
            status = RESHARD_E_TYPE;
    host->own_change = false;
    return status == RESHARD_OK && items.size > 0 ? RESHARD_E_TRUNCATED : status;
}
