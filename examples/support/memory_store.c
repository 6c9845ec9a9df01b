/* SPDX-License-Identifier: MIT */
#include "memory_store.h"

#include "memory_table.h"

#include <stdlib.h>
#include <string.h>

/* Slots with keys; a NULL table is an empty one. */
struct space {
    struct memory_table **tables;
};

/* What a target knows of a copy (snapshot) or stream (keywise). */
struct staging {
    struct staging *next;
    reshard_migration_id migration;
    uint32_t mode;
    uint64_t copy_term;
    uint64_t copy_n;
    uint64_t sequence; /* newest that was applied */
    struct space space; /* snapshot: the data, until it is activated */
};

struct memory_store {
    uint32_t slot_count;
    uint32_t (*slot_of)(const uint8_t *key, size_t key_size);
    struct space live;
    struct staging *stagings;
    uint32_t pick_limit;
    void (*wake)(void *user_data, const struct reshard_range *ranges, size_t range_count);
    void *wake_data;
};

enum { PURGE_TABLES = 1024 }; /* tables that one purge frees before it asks to be called again */

/* ---- spaces ---- */

static int space_make(struct space *space, uint32_t slot_count)
{
    space->tables = calloc(slot_count, sizeof(struct memory_table *));
    return space->tables != NULL;
}

static uint64_t space_clear_slot(struct space *space, uint32_t slot)
{
    struct memory_table *table = space->tables[slot];
    if (!table)
        return 0;
    uint64_t key_count = table->key_count;
    memory_table_free(table);
    free(table);
    space->tables[slot] = NULL;
    return key_count;
}

static void space_free(struct space *space, uint32_t slot_count)
{
    if (!space->tables)
        return;
    for (uint32_t slot = 0; slot < slot_count; slot++)
        (void)space_clear_slot(space, slot);
    free(space->tables);
    space->tables = NULL;
}

static int32_t space_write(
    struct space *space, uint32_t slot, const struct memory_record *record)
{
    struct memory_table *table = space->tables[slot];
    if (record->kind == MEMORY_RECORD_DELETE) {
        int32_t status =
            table ? memory_table_remove(table, record->key, record->key_size) : RESHARD_OK;
        return status == RESHARD_E_EMPTY ? RESHARD_OK : status;
    }
    if (!table) {
        table = calloc(1, sizeof *table);
        if (!table)
            return RESHARD_E_NOMEM;
        space->tables[slot] = table;
    }
    return memory_table_put(table, record->key, record->key_size, record->value,
        record->value_size, record->expiry_ns);
}

/* An empty set has a digest too: 0 would mean that there is none to compare. */
static struct reshard_digest space_digest(
    const struct space *space, const struct reshard_range *ranges, size_t range_count)
{
    struct reshard_digest digest = {1, 1};
    for (size_t i = 0; space->tables && i < range_count; i++)
        for (uint32_t slot = ranges[i].first; slot <= ranges[i].last; slot++) {
            const struct memory_table *table = space->tables[slot];
            digest.low += table ? table->digest.low : 0;
            digest.high += table ? table->digest.high : 0;
        }
    return digest;
}

/* ---- life ---- */

struct memory_store *memory_store_create(
    uint32_t slot_count, uint32_t (*slot_of)(const uint8_t *key, size_t key_size))
{
    struct memory_store *store = calloc(1, sizeof *store);
    if (!store || !space_make(&store->live, slot_count)) {
        free(store);
        return NULL;
    }
    store->slot_count = slot_count;
    store->slot_of = slot_of;
    return store;
}

static struct staging **staging_find(struct memory_store *store, reshard_migration_id migration)
{
    struct staging **link = &store->stagings;
    while (*link && (*link)->migration != migration)
        link = &(*link)->next;
    return link;
}

static void staging_drop(struct memory_store *store, struct staging **link)
{
    struct staging *staging = *link;
    *link = staging->next;
    space_free(&staging->space, store->slot_count);
    free(staging);
}

void memory_store_destroy(struct memory_store *store)
{
    if (!store)
        return;
    while (store->stagings)
        staging_drop(store, &store->stagings);
    space_free(&store->live, store->slot_count);
    free(store);
}

void memory_store_on_wake(struct memory_store *store,
    void (*wake)(void *user_data, const struct reshard_range *ranges, size_t range_count),
    void *user_data)
{
    store->wake = wake;
    store->wake_data = user_data;
}

void memory_store_limit_picks(struct memory_store *store, uint32_t key_count)
{
    store->pick_limit = key_count;
}

/* ---- requests ---- */

int32_t memory_store_write(struct memory_store *store, const struct memory_record *record)
{
    return space_write(&store->live, store->slot_of(record->key, record->key_size), record);
}

static void record_of(const struct memory_item *item, struct memory_record *record)
{
    record->kind = MEMORY_RECORD_PUT;
    record->expiry_ns = item->expiry_ns;
    record->key = item->bytes;
    record->key_size = item->key_size;
    record->value = item->bytes + item->key_size;
    record->value_size = item->value_size;
}

int32_t memory_store_read(const struct memory_store *store, const uint8_t *key, size_t key_size,
    uint64_t now_ns, struct memory_record *record_out)
{
    const struct memory_table *table = store->live.tables[store->slot_of(key, key_size)];
    const struct memory_item *item = table ? memory_table_find(table, key, key_size) : NULL;
    if (!item || (item->expiry_ns && item->expiry_ns <= now_ns))
        return RESHARD_E_EMPTY;
    record_of(item, record_out);
    return RESHARD_OK;
}

uint64_t memory_store_slot_keys(const struct memory_store *store, uint32_t slot)
{
    const struct memory_table *table = store->live.tables[slot];
    return table ? table->key_count : 0;
}

uint64_t memory_store_staged_keys(const struct memory_store *store)
{
    uint64_t key_count = 0;
    for (const struct staging *staging = store->stagings; staging; staging = staging->next)
        for (uint32_t slot = 0; staging->space.tables && slot < store->slot_count; slot++)
            key_count +=
                staging->space.tables[slot] ? staging->space.tables[slot]->key_count : 0;
    return key_count;
}

struct reshard_digest memory_store_digest(const struct memory_store *store)
{
    struct reshard_range all = {0, store->slot_count - 1};
    return space_digest(&store->live, &all, 1);
}

/* ---- hooks: source ---- */

/* A walk over the keys of some slots. Its cursor is (slot, position): 0 is the start of all. */
struct walk {
    const struct reshard_action *action;
    size_t range;
    uint32_t slot;
    uint32_t position;
};

/* Move to the first slot of the ranges at or above the walk's; 0 = there is none. */
static int walk_settle(struct walk *walk)
{
    const struct reshard_action *action = walk->action;
    while (walk->range < action->range_count && action->ranges[walk->range].last < walk->slot)
        walk->range++;
    if (walk->range == action->range_count)
        return 0;
    if (walk->slot < action->ranges[walk->range].first) {
        walk->slot = action->ranges[walk->range].first;
        walk->position = 0;
    }
    return 1;
}

/* The key at or behind the walk's place; NULL at the end. */
static const struct memory_item *walk_item(struct walk *walk, const struct space *space)
{
    while (walk_settle(walk)) {
        const struct memory_table *table = space->tables[walk->slot];
        uint32_t end = table ? table->position_count : 0;
        while (walk->position < end && !table->items[walk->position])
            walk->position++;
        if (walk->position < end)
            return table->items[walk->position];
        walk->slot++;
        walk->position = 0;
    }
    return NULL;
}

static int32_t hook_export(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_store *store = user_data;
    struct walk walk = {action, 0, (uint32_t)(action->cursor >> 32), (uint32_t)action->cursor};
    const struct memory_item *item;
    struct memory_record record;
    while ((item = walk_item(&walk, &store->live)) != NULL) {
        record_of(item, &record);
        size_t size = memory_record_size(&record);
        if (completion->size == 0 && size > action->capacity) {
            completion->size = size; /* a key that is larger than a chunk */
            return RESHARD_E_SPACE;
        }
        if (completion->size + size > action->capacity)
            break;
        memory_record_write(&record, action->buffer + completion->size);
        completion->size += size;
        completion->keys++;
        walk.position++;
    }
    completion->done = item == NULL;
    completion->cursor = (uint64_t)walk.slot << 32 | walk.position;
    return RESHARD_OK;
}

/* An item of a keywise payload (action.h): its state is the key's record. */
struct key_item {
    const uint8_t *key;
    size_t key_size;
    const uint8_t *state;
    size_t state_size;
};

enum { KEY_ITEM_HEAD_SIZE = 8 };

static uint32_t load_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void store_u32(uint8_t *bytes, size_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static int32_t key_item_read(
    const uint8_t *bytes, size_t size, size_t *offset, struct key_item *item)
{
    size_t left = size - *offset;
    if (left == 0)
        return RESHARD_E_EMPTY;
    if (left < KEY_ITEM_HEAD_SIZE)
        return RESHARD_E_TRUNCATED;
    item->key_size = load_u32(bytes + *offset);
    item->state_size = load_u32(bytes + *offset + 4);
    left -= KEY_ITEM_HEAD_SIZE;
    if (item->key_size > left || item->state_size > left - item->key_size)
        return RESHARD_E_TRUNCATED;
    item->key = bytes + *offset + KEY_ITEM_HEAD_SIZE;
    item->state = item->key + item->key_size;
    *offset += KEY_ITEM_HEAD_SIZE + item->key_size + item->state_size;
    return RESHARD_OK;
}

/* 0: it does not fit any more. A first one that never will tells what it needs. */
static int pick_one(const struct memory_item *item, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct memory_record record;
    record_of(item, &record);
    size_t state_size = memory_record_size(&record);
    size_t size = KEY_ITEM_HEAD_SIZE + item->key_size + state_size;
    if (action->capacity > 0 && completion->size + size > action->capacity) {
        if (completion->keys == 0)
            completion->size = size;
        return 0;
    }
    completion->keys++;
    if (action->capacity == 0)
        return 1;
    uint8_t *place = action->buffer + completion->size;
    store_u32(place, item->key_size);
    store_u32(place + 4, state_size);
    memcpy(place + KEY_ITEM_HEAD_SIZE, item->bytes, item->key_size);
    memory_record_write(&record, place + KEY_ITEM_HEAD_SIZE + item->key_size);
    completion->size += size;
    return 1;
}

/* Those of the listed keys that are here. */
static int32_t pick_listed(struct memory_store *store, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct key_item listed;
    size_t offset = 0;
    int32_t status;
    while (!(status = key_item_read(
                 action->payload, action->payload_size, &offset, &listed))) {
        const struct memory_table *table =
            store->live.tables[store->slot_of(listed.key, listed.key_size)];
        const struct memory_item *item =
            table ? memory_table_find(table, listed.key, listed.key_size) : NULL;
        if (item && !pick_one(item, action, completion))
            return RESHARD_E_SPACE;
    }
    completion->done = 1;
    return status == RESHARD_E_EMPTY ? RESHARD_OK : status;
}

static int32_t hook_pick(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_store *store = user_data;
    if (action->payload_size > 0)
        return pick_listed(store, action, completion);
    uint64_t key_limit = store->pick_limit ? store->pick_limit : UINT64_MAX;
    struct walk walk = {action, 0, (uint32_t)(action->cursor >> 32), (uint32_t)action->cursor};
    const struct memory_item *item = NULL;
    while (completion->keys < key_limit && (item = walk_item(&walk, &store->live)) != NULL) {
        if (!pick_one(item, action, completion))
            break;
        walk.position++;
    }
    if (item && completion->keys == 0)
        return RESHARD_E_SPACE;
    completion->done = walk_item(&walk, &store->live) == NULL;
    completion->cursor = (uint64_t)walk.slot << 32 | walk.position;
    return RESHARD_OK;
}

static int32_t hook_purge(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_store *store = user_data;
    uint32_t first = (uint32_t)action->cursor, table_count = 0;
    for (size_t i = 0; i < action->range_count; i++)
        for (uint32_t slot = action->ranges[i].first; slot <= action->ranges[i].last; slot++) {
            if (slot < first || !store->live.tables[slot])
                continue;
            if (table_count++ == PURGE_TABLES) {
                completion->cursor = slot;
                return RESHARD_OK;
            }
            completion->keys += space_clear_slot(&store->live, slot);
        }
    completion->done = 1;
    return RESHARD_OK;
}

static int32_t hook_remove(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct key_item item;
    size_t offset = 0;
    int32_t status;
    (void)completion;
    while (!(status = key_item_read(action->payload, action->payload_size, &offset, &item))) {
        struct memory_record record = {
            .kind = MEMORY_RECORD_DELETE, .key = item.key, .key_size = item.key_size};
        status = memory_store_write(user_data, &record);
        if (status)
            return status;
    }
    return status == RESHARD_E_EMPTY ? RESHARD_OK : status;
}

/* ---- hooks: target ---- */

static int32_t staging_open(struct memory_store *store, const struct reshard_action *action,
    struct staging **staging_out)
{
    struct staging **link = staging_find(store, action->migration);
    struct staging *staging = *link;
    if (staging && staging->copy_term == action->copy_term && staging->copy_n == action->copy_n) {
        *staging_out = staging;
        return RESHARD_OK;
    }
    if (staging)
        staging_drop(store, link);
    staging = calloc(1, sizeof *staging);
    if (!staging)
        return RESHARD_E_NOMEM;
    if (action->mode == RESHARD_MODE_SNAPSHOT && !space_make(&staging->space, store->slot_count)) {
        free(staging);
        return RESHARD_E_NOMEM;
    }
    staging->migration = action->migration;
    staging->mode = action->mode;
    staging->copy_term = action->copy_term;
    staging->copy_n = action->copy_n;
    staging->next = store->stagings;
    store->stagings = staging;
    *staging_out = staging;
    return RESHARD_OK;
}

static int slot_within(const struct reshard_action *action, uint32_t slot)
{
    for (size_t i = 0; i < action->range_count; i++)
        if (slot >= action->ranges[i].first && slot <= action->ranges[i].last)
            return 1;
    return 0;
}

static int32_t apply_records(
    struct memory_store *store, const struct reshard_action *action, struct space *space)
{
    struct memory_record record;
    size_t offset = 0;
    int32_t status;
    while (!(status = memory_record_read(
                 action->payload, action->payload_size, &offset, &record))) {
        uint32_t slot = store->slot_of(record.key, record.key_size);
        if (!slot_within(action, slot))
            return RESHARD_E_SLOT;
        status = space_write(space, slot, &record);
        if (status)
            return status;
    }
    return status == RESHARD_E_EMPTY ? RESHARD_OK : status;
}

static int32_t apply_items(struct memory_store *store, const struct reshard_action *action)
{
    struct key_item item;
    size_t offset = 0;
    int32_t status;
    while (!(status = key_item_read(action->payload, action->payload_size, &offset, &item))) {
        struct reshard_action one = *action;
        one.payload = item.state;
        one.payload_size = item.state_size;
        status = apply_records(store, &one, &store->live);
        if (status)
            return status;
    }
    return status == RESHARD_E_EMPTY ? RESHARD_OK : status;
}

/* A chunk that fails half-way is applied again as a whole: its records are states, so twice is as
 * good as once. One that was applied before must not be: newer ones may have followed. */
static int32_t hook_apply(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_store *store = user_data;
    struct staging *staging;
    int32_t status = staging_open(store, action, &staging);
    if (status)
        return status;
    if (action->sequence > staging->sequence)
        status = staging->mode == RESHARD_MODE_SNAPSHOT
                     ? apply_records(store, action, &staging->space)
                     : apply_items(store, action);
    if (status)
        return status;
    if (action->sequence > staging->sequence)
        staging->sequence = action->sequence;
    completion->sequence = staging->sequence;
    return RESHARD_OK;
}

static int32_t hook_sync(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    const struct staging *staging = *staging_find(user_data, action->migration);
    if (staging) {
        completion->sequence = staging->sequence;
        completion->copy_term = staging->copy_term;
        completion->copy_n = staging->copy_n;
    }
    return RESHARD_OK;
}

static int32_t hook_activate(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_store *store = user_data;
    struct staging **link = staging_find(store, action->migration);
    (void)completion;
    if (!*link)
        return RESHARD_OK; /* activated before, or nothing was staged */
    for (size_t i = 0; (*link)->space.tables && i < action->range_count; i++)
        for (uint32_t slot = action->ranges[i].first; slot <= action->ranges[i].last; slot++) {
            (void)space_clear_slot(&store->live, slot);
            store->live.tables[slot] = (*link)->space.tables[slot];
            (*link)->space.tables[slot] = NULL;
        }
    staging_drop(store, link);
    return RESHARD_OK;
}

static int32_t hook_discard(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_store *store = user_data;
    struct staging **link = staging_find(store, action->migration);
    (void)completion;
    if (*link)
        staging_drop(store, link);
    return RESHARD_OK;
}

/* ---- hooks: both ---- */

static int32_t hook_digest(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_store *store = user_data;
    const struct staging *staging = *staging_find(store, action->migration);
    const struct space none = {NULL};
    const struct space *staged = staging ? &staging->space : &none;
    const struct space *space = action->side == RESHARD_SIDE_TARGET ? staged : &store->live;
    completion->digest = space_digest(space, action->ranges, action->range_count);
    return RESHARD_OK;
}

static int32_t hook_wake(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_store *store = user_data;
    (void)completion;
    if (store->wake)
        store->wake(store->wake_data, action->ranges, action->range_count);
    return RESHARD_OK;
}

void memory_store_hooks(struct memory_store *store, struct reshard_store *hooks_out)
{
    reshard_store_init(hooks_out);
    hooks_out->user_data = store;
    hooks_out->export_data = hook_export;
    hooks_out->apply = hook_apply;
    hooks_out->sync = hook_sync;
    hooks_out->activate = hook_activate;
    hooks_out->discard = hook_discard;
    hooks_out->purge = hook_purge;
    hooks_out->digest = hook_digest;
    hooks_out->pick = hook_pick;
    hooks_out->remove = hook_remove;
    hooks_out->wake = hook_wake;
}
