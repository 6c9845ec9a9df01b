/* SPDX-License-Identifier: MIT */
/* Room store: items of live slots, as requests see them, and their expiry. */
#include "store_room.h"

#include <string.h>

static bool expired(const struct store *store, const struct store_item *item)
{
    return item->expiry_ms != 0 && item->expiry_ms <= store->now_ms;
}

static bool present(const struct store *store, const struct row *row)
{
    return row->found && (row->flags & ROW_PARTIAL) == 0 && !expired(store, &row->item);
}

bool store_find(struct store *store, const struct store_key *key, struct store_item *item_out)
{
    struct row row;
    store__row_seek(store, key, false, &row);
    if (!present(store, &row))
        return false;
    *item_out = row.item;
    return true;
}

void store_put(
    struct store *store, const struct store_key *key, struct bytes value, int64_t expiry_ms)
{
    struct row row;
    store__row_seek(store, key, false, &row);
    store__row_put(store, &row, value, expiry_ms, 0, 0);
    store__redo_put(store, key, &row.item);
    store__row_told(store, &row, 0);
}

uint64_t store_append(struct store *store, const struct store_key *key, struct bytes tail)
{
    struct row row;
    uint64_t kept = 0;
    store__row_seek(store, key, false, &row);
    if (present(store, &row)) {
        kept = row.item.value_size;
        store__row_append(store, &row, tail, 0);
        store__redo_append(store, key, row.item.version, tail);
    } else {
        store__row_put(store, &row, tail, 0, 0, 0);
        store__redo_put(store, key, &row.item);
    }
    store__row_told(store, &row, kept);
    return row.item.value_size;
}

bool store_expiry_set(struct store *store, const struct store_key *key, int64_t expiry_ms)
{
    struct row row;
    store__row_seek(store, key, false, &row);
    if (!present(store, &row))
        return false;
    store__row_retouch(store, &row, expiry_ms, 0, false);
    store__redo_expiry(store, key, &row.item);
    store__row_told(store, &row, row.item.value_size);
    return true;
}

bool store_remove(struct store *store, const struct store_key *key)
{
    struct row row;
    store__row_seek(store, key, false, &row);
    bool was_present = present(store, &row);
    if (!row.found)
        return false;
    store__row_remove(store, &row);
    store__redo_remove(store, key);
    store__row_told(store, &row, 0);
    return was_present;
}

struct reshard_digest store_item_digest(
    struct store *store, struct bytes name, const struct store_item *item)
{
    struct reshard_digest value = {0, 0};
    uint32_t index = 0;
    do {
        struct bytes piece = store_item_piece(store, item, index);
        store__digest_add(&value, store__piece_digest(piece, index));
        index++;
    } while ((uint64_t)index * STORE_PIECE_SIZE < item->value_size);
    return store__digest(name, item->expiry_ms, item->value_size, value);
}

/* One entry of the expiry table: remove its key if it is live and may go. Returns 1 if it went. */
static uint32_t expire_one(struct store *store, const uint8_t *entry, size_t size)
{
    const uint8_t *row_key = entry + 8;
    uint32_t slot = get_u16_big(row_key);
    if (get_u32_big(row_key + 2) != store->slot_states[slot].live ||
        !store_slot_visible(store, slot))
        return 0;
    struct row row = {.slot = slot, .generation = store->slot_states[slot].live,
        .stats = &store->slot_states[slot].live_stats, .key_size = size - 8};
    memcpy(row.key, row_key, row.key_size);
    MDB_val key = {row.key_size, row.key};
    MDB_val data;
    store__check(mdb_get(store__read(store), store->data, &key, &data), "expire_get");
    store__row_read(key, data, &row);
    /* The name may lie in the row that is about to go. */
    struct buffer name = {0};
    buffer_append(&name, row.name.data, row.name.size);
    row.name = (struct bytes){name.data, name.size};
    struct store_key item_key = {slot, row.name};
    bool may = store->observer.may_expire == NULL ||
        store->observer.may_expire(store->observer.user_data, &item_key);
    if (may) {
        store__row_remove(store, &row);
        store__redo_remove(store, &item_key);
        store__row_told(store, &row, 0);
    }
    buffer_free(&name);
    return may ? 1 : 0;
}

/* The first entry at or behind the walk's place; false when it is not due. */
static bool expire_next(struct store *store)
{
    MDB_cursor *cursor;
    MDB_val data;
    MDB_val key = {store->expire_at_size, store->expire_at};
    store__check(mdb_cursor_open(store__read(store), store->expiry, &cursor), "cursor");
    int result =
        mdb_cursor_get(cursor, &key, &data, store->expire_at_size > 0 ? MDB_SET_RANGE : MDB_FIRST);
    bool due = result == 0 && (int64_t)get_u64_big(key.mv_data) <= store->now_ms;
    if (due) {
        memmove(store->expire_at, key.mv_data, key.mv_size);
        store->expire_at_size = key.mv_size;
    }
    mdb_cursor_close(cursor);
    return due;
}

uint32_t store_expire(struct store *store, uint32_t limit)
{
    uint32_t removed = 0;
    for (uint32_t looked = 0; looked < limit; looked++) {
        if (!expire_next(store)) {
            store->expire_at_size = 0; /* the next call starts over */
            break;
        }
        removed += expire_one(store, store->expire_at, store->expire_at_size);
        /* Go on behind this entry, which may still be there. */
        if (store->expire_at_size < sizeof(store->expire_at))
            store->expire_at[store->expire_at_size++] = 0;
    }
    return removed;
}
