/* SPDX-License-Identifier: MIT */
/* Room store: walks over live keys in (slot, hash) order, and random keys. */
#include "store_room.h"

#include <string.h>

/* Visit one row, unless it is partial or expired. */
static bool row_visit(struct store *store, uint32_t slot, MDB_val key, MDB_val data,
    store_visit visit, void *user_data)
{
    struct row row;
    store__row_read(key, data, &row);
    bool gone = !store->walks_expired && row.item.expiry_ms != 0 &&
        row.item.expiry_ms <= store->now_ms;
    struct store_key item_key = {slot, row.name};
    return gone || (row.flags & ROW_PARTIAL) != 0 || visit(user_data, &item_key, &row.item);
}

/* Visit rows of one slot from a hash on. Returns the hash to go on from, or 2^32 at the end. */
static uint64_t slot_walk(struct store *store, uint32_t slot, uint64_t hash, store_visit visit,
    void *user_data)
{
    uint8_t start[10];
    MDB_cursor *cursor;
    MDB_val data;
    MDB_val key = {sizeof(start), start};
    bool more = true;
    uint64_t next = hash;
    const struct slot_state *state = &store->slot_states[slot];
    store__row_key_prefix(
        start, slot, store->walks_staged ? state->staged : state->live, (uint32_t)hash);
    store__check(mdb_cursor_open(store__read(store), store->data, &cursor), "cursor");
    int result = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (result == 0 && memcmp(key.mv_data, start, 6) == 0) {
        uint32_t at = get_u32_big((const uint8_t *)key.mv_data + 6);
        if (!more && at >= next)
            break;
        more = row_visit(store, slot, key, data, visit, user_data) && more;
        next = (uint64_t)at + 1;
        result = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    bool ended = result != 0 || memcmp(key.mv_data, start, 6) != 0;
    mdb_cursor_close(cursor);
    return ended ? (uint64_t)1 << 32 : next;
}

struct stop {
    store_visit visit;
    void *user_data;
    bool stopped;
};

static bool stop_visit(
    void *user_data, const struct store_key *key, const struct store_item *item)
{
    struct stop *stop = user_data;
    if (!stop->visit(stop->user_data, key, item))
        stop->stopped = true;
    return !stop->stopped;
}

uint64_t store_walk(
    struct store *store, uint64_t position, uint64_t end, store_visit visit, void *user_data)
{
    struct stop stop = {visit, user_data, false};
    while (position < end && !stop.stopped) {
        uint32_t slot = (uint32_t)(position >> 32);
        const struct slot_state *state = &store->slot_states[slot];
        uint64_t hash = (uint64_t)1 << 32;
        bool seen = state->live_stats.key_count > 0 && store_slot_visible(store, slot);
        if (seen || store->walks_staged)
            hash = slot_walk(store, slot, position & UINT32_MAX, stop_visit, &stop);
        position = ((uint64_t)slot << 32) + hash;
    }
    return position < end ? position : end;
}

static bool name_take(void *user_data, const struct store_key *key, const struct store_item *item)
{
    struct buffer *name = user_data;
    (void)item;
    name->size = 0;
    buffer_append(name, "k", 1); /* so that an empty name counts as found */
    buffer_append(name, key->name.data, key->name.size);
    return false;
}

bool store_random_key(struct store *store, uint64_t random, struct buffer *name_out)
{
    uint64_t count = store_key_count(store);
    if (count == 0)
        return false;
    uint64_t left = random % count;
    uint32_t slot = 0;
    for (;; slot++) {
        const struct slot_state *state = &store->slot_states[slot];
        uint64_t here = state->live_stats.key_count;
        if (here > 0 && !store_slot_visible(store, slot))
            here = 0;
        if (left < here)
            break;
        left -= here;
    }
    uint64_t position = ((uint64_t)slot << 32) + (uint32_t)(random >> 32);
    name_out->size = 0;
    /* Behind the random place first, then from the start: the key may have expired. */
    (void)store_walk(store, position, STORE_END, name_take, name_out);
    if (name_out->size == 0)
        (void)store_walk(store, 0, STORE_END, name_take, name_out);
    if (name_out->size == 0)
        return false;
    buffer_consume(name_out, 1);
    return true;
}
