/* SPDX-License-Identifier: MIT */
/* Room store: slots' generations and sums.
 *
 * Invariant: each row of the data table belongs to its slot's live or staged generation, or to one
 * that the garbage table names. Sums are derived: they are counted at open and kept up to date.
 */
#include "store_room.h"

#include <string.h>

enum { SLOT_KEY_SIZE = 2, GARBAGE_KEY_SIZE = 6 };

void store_slot_stats(const struct store *store, uint32_t slot, struct store_stats *stats_out)
{
    *stats_out = store->slot_states[slot].live_stats;
}

void store_staged_stats(const struct store *store, uint32_t slot, struct store_stats *stats_out)
{
    *stats_out = store->slot_states[slot].staged_stats;
}

bool store_slot_visible(const struct store *store, uint32_t slot)
{
    return store->observer.visible == NULL ||
        store->observer.visible(store->observer.user_data, slot);
}

static bool keys_seen(const struct store *store, uint32_t slot)
{
    return store->slot_states[slot].live_stats.key_count > 0 && store_slot_visible(store, slot);
}

uint64_t store_key_count(const struct store *store)
{
    uint64_t count = 0;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++)
        if (keys_seen(store, slot))
            count += store->slot_states[slot].live_stats.key_count;
    return count;
}

uint64_t store_expiry_count(const struct store *store)
{
    uint64_t count = 0;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++)
        if (keys_seen(store, slot))
            count += store->slot_states[slot].live_stats.expiry_count;
    return count;
}

static void state_write(struct store *store, uint32_t slot)
{
    uint8_t slot_key[SLOT_KEY_SIZE];
    uint8_t generations[8];
    put_u16_big(slot_key, (uint16_t)slot);
    put_u32_big(generations, store->slot_states[slot].live);
    put_u32_big(generations + 4, store->slot_states[slot].staged);
    MDB_val key = {sizeof(slot_key), slot_key};
    MDB_val data = {sizeof(generations), generations};
    store__check(mdb_put(store__write(store), store->slots, &key, &data, 0), "slot_put");
}

/* From now on the rows of this generation are garbage. */
static void retire(struct store *store, uint32_t slot, uint32_t generation)
{
    uint8_t garbage_key[GARBAGE_KEY_SIZE];
    put_u16_big(garbage_key, (uint16_t)slot);
    put_u32_big(garbage_key + 2, generation);
    MDB_val key = {sizeof(garbage_key), garbage_key};
    MDB_val data = {0, NULL};
    int result = mdb_put(store__write(store), store->garbage, &key, &data, MDB_NOOVERWRITE);
    if (result == MDB_KEYEXIST)
        return;
    store__check(result, "garbage_put");
    store->garbage_count++;
}

bool store_slot_staged(const struct store *store, uint32_t slot)
{
    return store->slot_states[slot].staged != 0;
}

static void slot_stage(struct store *store, uint32_t slot)
{
    struct slot_state *state = &store->slot_states[slot];
    if (state->staged != 0)
        retire(store, slot, state->staged);
    state->staged = store->next_generation++;
    state->staged_stats = (struct store_stats){0};
    state_write(store, slot);
}

static void slot_activate(struct store *store, uint32_t slot)
{
    struct slot_state *state = &store->slot_states[slot];
    if (state->staged == 0)
        return;
    retire(store, slot, state->live);
    state->live = state->staged;
    state->live_stats = state->staged_stats;
    state->staged = 0;
    state->staged_stats = (struct store_stats){0};
    state_write(store, slot);
}

static void slot_discard(struct store *store, uint32_t slot)
{
    struct slot_state *state = &store->slot_states[slot];
    if (state->staged == 0)
        return;
    retire(store, slot, state->staged);
    state->staged = 0;
    state->staged_stats = (struct store_stats){0};
    state_write(store, slot);
}

static void slot_clear(struct store *store, uint32_t slot)
{
    struct slot_state *state = &store->slot_states[slot];
    retire(store, slot, state->live);
    state->live = store->next_generation++;
    state->live_stats = (struct store_stats){0};
    state_write(store, slot);
}

void store__slot_change(struct store *store, uint8_t change, uint32_t slot)
{
    static void (*const changes[])(struct store *store, uint32_t slot) = {
        [STORE_SLOT_STAGED] = slot_stage,
        [STORE_SLOT_ACTIVATED] = slot_activate,
        [STORE_SLOT_DISCARDED] = slot_discard,
        [STORE_SLOT_CLEARED] = slot_clear,
    };
    changes[change](store, slot);
}

static void slot_change(struct store *store, uint8_t change, uint32_t slot)
{
    store__slot_change(store, change, slot);
    store__redo_slot(store, change, slot);
}

void store_slot_stage(struct store *store, uint32_t slot)
{
    slot_change(store, STORE_SLOT_STAGED, slot);
}

void store_slot_activate(struct store *store, uint32_t slot)
{
    slot_change(store, STORE_SLOT_ACTIVATED, slot);
}

void store_slot_discard(struct store *store, uint32_t slot)
{
    slot_change(store, STORE_SLOT_DISCARDED, slot);
}

void store_slot_clear(struct store *store, uint32_t slot)
{
    slot_change(store, STORE_SLOT_CLEARED, slot);
    if (store->observer.removed != NULL)
        store->observer.removed(store->observer.user_data);
}

/* Delete one row under the cursor with what hangs on it. Sums do not matter any more. */
static void garbage_row_remove(struct store *store, MDB_cursor *cursor, MDB_val key, MDB_val data)
{
    struct row row = {.key_size = key.mv_size};
    store__row_read(key, data, &row);
    memcpy(row.key, key.mv_data, key.mv_size);
    int64_t expiry_ms = (row.flags & ROW_PARTIAL) != 0 ? 0 : row.item.expiry_ms;
    bool pieced = (row.flags & ROW_PIECED) != 0;
    store__check(mdb_cursor_del(cursor, 0), "garbage_del");
    if (pieced)
        store__pieces_remove(store, row.item.blob, row.item.value_size);
    if (expiry_ms != 0) {
        uint8_t entry[8 + ROW_KEY_SIZE_MAX];
        put_u64_big(entry, (uint64_t)expiry_ms);
        memcpy(entry + 8, row.key, row.key_size);
        MDB_val entry_key = {8 + row.key_size, entry};
        store__check(mdb_del(store__write(store), store->expiry, &entry_key, NULL), "expiry_del");
    }
}

/* Delete rows of one generation; returns how many, fewer than `limit` when none is left. */
static uint32_t garbage_rows_remove(struct store *store, const uint8_t *prefix, uint32_t limit)
{
    uint8_t start[GARBAGE_KEY_SIZE];
    MDB_cursor *cursor;
    MDB_val data;
    uint32_t removed = 0;
    memcpy(start, prefix, sizeof(start));
    MDB_val key = {sizeof(start), start};
    store__check(mdb_cursor_open(store__write(store), store->data, &cursor), "cursor");
    int result = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (removed < limit && result == 0 && memcmp(key.mv_data, start, sizeof(start)) == 0) {
        garbage_row_remove(store, cursor, key, data);
        removed++;
        result = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return removed;
}

bool store_purge(struct store *store, uint32_t limit)
{
    uint32_t removed = 0;
    while (store->garbage_count > 0 && removed < limit) {
        MDB_cursor *cursor;
        MDB_val key, data;
        uint8_t prefix[GARBAGE_KEY_SIZE];
        store__check(mdb_cursor_open(store__write(store), store->garbage, &cursor), "cursor");
        store__check(mdb_cursor_get(cursor, &key, &data, MDB_FIRST), "garbage_get");
        memcpy(prefix, key.mv_data, sizeof(prefix));
        uint32_t count = garbage_rows_remove(store, prefix, limit - removed);
        if (count < limit - removed) {
            store__check(mdb_cursor_del(cursor, 0), "garbage_end");
            store->garbage_count--;
        }
        mdb_cursor_close(cursor);
        removed += count + 1;
    }
    store->touched += removed; /* told to nobody: retired rows go again after a restart */
    return store->garbage_count == 0;
}

uint64_t store_garbage_count(const struct store *store)
{
    return store->garbage_count;
}

static void states_read(struct store *store)
{
    MDB_cursor *cursor;
    MDB_val key, data;
    store->next_generation = 1;
    store__check(mdb_cursor_open(store__write(store), store->slots, &cursor), "cursor");
    while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0) {
        uint32_t slot = get_u16_big(key.mv_data);
        struct slot_state *state = &store->slot_states[slot];
        state->live = get_u32_big(data.mv_data);
        state->staged = get_u32_big((const uint8_t *)data.mv_data + 4);
        uint32_t highest = state->live > state->staged ? state->live : state->staged;
        if (highest >= store->next_generation)
            store->next_generation = highest + 1;
    }
    mdb_cursor_close(cursor);
    store__check(mdb_cursor_open(store__write(store), store->garbage, &cursor), "cursor");
    while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0) {
        uint32_t generation = get_u32_big((const uint8_t *)key.mv_data + 2);
        if (generation >= store->next_generation)
            store->next_generation = generation + 1;
        store->garbage_count++;
    }
    mdb_cursor_close(cursor);
}

/* Count one stored row into its slot's sums. */
static void row_count(struct store *store, MDB_val key, MDB_val data)
{
    uint32_t slot = get_u16_big(key.mv_data);
    uint32_t generation = get_u32_big((const uint8_t *)key.mv_data + 2);
    struct slot_state *state = &store->slot_states[slot];
    struct row row;
    store__row_read(key, data, &row);
    if (row.item.version > store->version)
        store->version = row.item.version;
    if ((row.flags & ROW_PARTIAL) != 0 ||
        (generation != state->live && generation != state->staged))
        return;
    struct store_stats *stats =
        generation == state->live ? &state->live_stats : &state->staged_stats;
    stats->key_count++;
    stats->expiry_count += row.item.expiry_ms != 0 ? 1 : 0;
    stats->size += row.name.size + row.item.value_size;
    store__digest_add(&stats->digest, store__digest(row.name, row.item.expiry_ms,
        row.item.value_size, store__value_digest(&row)));
}

void store__slots_load(struct store *store)
{
    MDB_cursor *cursor;
    MDB_val key, data;
    states_read(store);
    store__check(mdb_cursor_open(store__write(store), store->data, &cursor), "cursor");
    while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0)
        row_count(store, key, data);
    mdb_cursor_close(cursor);
}
