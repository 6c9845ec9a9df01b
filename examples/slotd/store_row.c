/* SPDX-License-Identifier: MIT */
/* Room store: rows of the data table, and the sums and expiry entries that go with each change. */
#include "store_room.h"

#include <string.h>

enum { TAG_WHOLE = 0, TAG_HASHED = 1 };
enum { HASHED_SIZE = 17, HASHED_INDEX_MAX = 255 };

void store__row_key_prefix(uint8_t *key, uint32_t slot, uint32_t generation, uint32_t hash)
{
    put_u16_big(key, (uint16_t)slot);
    put_u32_big(key + 2, generation);
    put_u32_big(key + 6, hash);
}

void store__row_read(MDB_val key, MDB_val data, struct row *row)
{
    const uint8_t *at = data.mv_data;
    size_t name_size = get_u32(at + 4);
    row->found = true;
    row->flags = at[0];
    row->item.expiry_ms = (int64_t)get_u64(at + 8);
    row->item.version = get_u64(at + 16);
    at += ROW_HEADER_SIZE;
    if ((row->flags & ROW_LONG) != 0) {
        row->name = (struct bytes){at, name_size};
        at += name_size;
    } else {
        row->name = (struct bytes){
            (const uint8_t *)key.mv_data + ROW_PREFIX_SIZE, key.mv_size - ROW_PREFIX_SIZE};
    }
    size_t rest = data.mv_size - (size_t)(at - (const uint8_t *)data.mv_data);
    row->item.value = (struct bytes){at, rest};
    row->item.value_size = rest;
    row->item.blob = 0;
    if ((row->flags & ROW_PIECED) != 0) {
        row->item.blob = get_u64(at);
        row->item.value_size = get_u64(at + 8);
        row->item.value = (struct bytes){NULL, 0};
        row->value_digest = (struct reshard_digest){get_u64(at + 16), get_u64(at + 24)};
    }
}

/* Long names: rows whose hash is the same stand side by side; the right one has the name. Ends at
 * the row, or at the first free index. */
static void long_seek(struct store *store, struct row *row)
{
    MDB_cursor *cursor;
    MDB_val key = {row->key_size, row->key};
    MDB_val data;
    struct bytes name = row->name;
    unsigned index = 0;
    store__check(mdb_cursor_open(store__read(store), store->data, &cursor), "cursor");
    int result = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (result == 0 && key.mv_size == row->key_size &&
        memcmp(key.mv_data, row->key, row->key_size - 1) == 0) {
        uint8_t stored = ((const uint8_t *)key.mv_data)[row->key_size - 1];
        store__row_read(key, data, row);
        if (bytes_equal(row->name, name)) {
            row->key[row->key_size - 1] = stored;
            break;
        }
        row->found = false;
        index += stored == index ? 1 : 0;
        result = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    row->name = name;
    if (row->found)
        return;
    if (index > HASHED_INDEX_MAX)
        log_fatal("store_failed", "call=seek error=\"too many names with one hash\"");
    row->key[row->key_size - 1] = (uint8_t)index;
}

/* What a copy brings comes in the order of the rows: from the last one the next is not far, and
 * LMDB need not come down from the tree's root. */
static MDB_cursor *copy_cursor(struct store *store)
{
    if (store->copying == NULL && store->write != NULL)
        store__check(mdb_cursor_open(store->write, store->data, &store->copying), "cursor");
    return store->copying;
}

void store__row_seek(
    struct store *store, const struct store_key *key, bool staged, struct row *row)
{
    struct slot_state *state = &store->slot_states[key->slot];
    row->slot = key->slot;
    row->generation = staged ? state->staged : state->live;
    row->stats = staged ? &state->staged_stats : &state->live_stats;
    row->cursor = staged ? copy_cursor(store) : NULL;
    row->name = key->name;
    row->found = false;
    row->flags = 0;
    uint64_t hash = store__hash64(key->name, store->hash_seed);
    store__row_key_prefix(row->key, key->slot, row->generation, (uint32_t)hash);
    row->key_size = ROW_PREFIX_SIZE;
    if (key->name.size > NAME_INLINE_MAX) {
        struct reshard_digest digest = store__hash128(key->name, store->hash_seed);
        row->key[10] = TAG_HASHED;
        put_u64_big(row->key + ROW_PREFIX_SIZE, digest.high);
        put_u64_big(row->key + ROW_PREFIX_SIZE + 8, digest.low);
        row->key[ROW_PREFIX_SIZE + 16] = 0;
        row->key_size += HASHED_SIZE;
        long_seek(store, row);
        return;
    }
    row->key[10] = TAG_WHOLE;
    if (key->name.size > 0)
        memcpy(row->key + ROW_PREFIX_SIZE, key->name.data, key->name.size);
    row->key_size += key->name.size;
    MDB_val row_key = {row->key_size, row->key};
    MDB_val data;
    int result = row->cursor != NULL
        ? mdb_cursor_get(row->cursor, &row_key, &data, MDB_SET)
        : mdb_get(store__read(store), store->data, &row_key, &data);
    if (result == MDB_NOTFOUND)
        return;
    store__check(result, "get");
    store__row_read(row_key, data, row);
    row->name = key->name;
}

struct reshard_digest store__value_digest(const struct row *row)
{
    if ((row->flags & ROW_PIECED) != 0)
        return row->value_digest;
    return store__piece_digest(row->item.value, 0);
}

static void expiry_entry(struct store *store, const struct row *row, int64_t expiry_ms, bool add)
{
    uint8_t entry[8 + ROW_KEY_SIZE_MAX];
    if (expiry_ms == 0)
        return;
    put_u64_big(entry, (uint64_t)expiry_ms);
    memcpy(entry + 8, row->key, row->key_size);
    MDB_val key = {8 + row->key_size, entry};
    MDB_val data = {0, NULL};
    if (add)
        store__check(mdb_put(store__write(store), store->expiry, &key, &data, 0), "expiry_put");
    else
        store__check(mdb_del(store__write(store), store->expiry, &key, NULL), "expiry_del");
}

/* Count the row in, or out. Partial rows count for nothing but their expiry entry is not made
 * either: they come to be when the last part has arrived. */
static void account(const struct row *row, bool add)
{
    struct store_stats *stats = row->stats;
    if ((row->flags & ROW_PARTIAL) != 0)
        return;
    struct reshard_digest digest = store__digest(
        row->name, row->item.expiry_ms, row->item.value_size, store__value_digest(row));
    uint64_t size = row->name.size + row->item.value_size;
    uint64_t expiring = row->item.expiry_ms != 0 ? 1 : 0;
    if (add) {
        stats->key_count++;
        stats->expiry_count += expiring;
        stats->size += size;
        store__digest_add(&stats->digest, digest);
    } else {
        stats->key_count--;
        stats->expiry_count -= expiring;
        stats->size -= size;
        store__digest_subtract(&stats->digest, digest);
    }
}

static uint64_t version_next(struct store *store, uint64_t version)
{
    /* Time in the upper bits keeps versions growing over restarts without storing a counter. */
    uint64_t floor = (uint64_t)store->now_ms << 20;
    if (version == 0)
        version = store->version + 1 > floor ? store->version + 1 : floor;
    if (version > store->version)
        store->version = version;
    return version;
}

/* Write the row as row->item, row->flags and row->value_digest say. item.value must not lie in
 * the database. */
static void row_write(struct store *store, struct row *row)
{
    bool is_long = row->name.size > NAME_INLINE_MAX;
    bool pieced = (row->flags & ROW_PIECED) != 0;
    size_t name_size = is_long ? row->name.size : 0;
    MDB_val key = {row->key_size, row->key};
    MDB_val data = {
        ROW_HEADER_SIZE + name_size + (pieced ? BLOB_HEADER_SIZE : row->item.value.size), NULL};
    row->flags = (uint8_t)((row->flags & ~ROW_LONG) | (is_long ? ROW_LONG : 0));
    MDB_txn *write = store__write(store);
    int result = row->cursor != NULL
        ? mdb_cursor_put(row->cursor, &key, &data, MDB_RESERVE)
        : mdb_put(write, store->data, &key, &data, MDB_RESERVE);
    store__check(result, "put");
    uint8_t *at = data.mv_data;
    put_u32(at, row->flags);
    put_u32(at + 4, (uint32_t)name_size);
    put_u64(at + 8, (uint64_t)row->item.expiry_ms);
    put_u64(at + 16, row->item.version);
    at += ROW_HEADER_SIZE;
    if (is_long)
        memcpy(at, row->name.data, name_size);
    at += name_size;
    if (pieced) {
        put_u64(at, row->item.blob);
        put_u64(at + 8, row->item.value_size);
        put_u64(at + 16, row->value_digest.low);
        put_u64(at + 24, row->value_digest.high);
    } else if (row->item.value.size > 0) {
        memcpy(at, row->item.value.data, row->item.value.size);
    }
    row->found = true;
}

void store__row_put(struct store *store, struct row *row, struct bytes value, int64_t expiry_ms,
    uint64_t version, uint8_t flags)
{
    int64_t expiry_before = 0;
    if (row->found) {
        account(row, false);
        expiry_before = (row->flags & ROW_PARTIAL) != 0 ? 0 : row->item.expiry_ms;
        if ((row->flags & ROW_PIECED) != 0)
            store__pieces_remove(store, row->item.blob, row->item.value_size);
    }
    row->flags = flags;
    row->item = (struct store_item){.expiry_ms = expiry_ms,
        .version = version_next(store, version), .value_size = value.size, .value = value};
    if (value.size > STORE_PIECE_SIZE) {
        row->flags |= ROW_PIECED;
        row->item.blob = store->next_blob++;
        row->item.value = (struct bytes){NULL, 0};
        row->value_digest = (struct reshard_digest){0, 0};
        store__pieces_put(store, row->item.blob, 0, value, &row->value_digest);
    }
    row_write(store, row);
    account(row, true);
    int64_t expiry_after = (flags & ROW_PARTIAL) != 0 ? 0 : expiry_ms;
    if (expiry_before != expiry_after) {
        expiry_entry(store, row, expiry_before, false);
        expiry_entry(store, row, expiry_after, true);
    }
}

void store__row_remove(struct store *store, struct row *row)
{
    MDB_val key = {row->key_size, row->key};
    account(row, false);
    if ((row->flags & ROW_PARTIAL) == 0)
        expiry_entry(store, row, row->item.expiry_ms, false);
    if ((row->flags & ROW_PIECED) != 0)
        store__pieces_remove(store, row->item.blob, row->item.value_size);
    store__check(mdb_del(store__write(store), store->data, &key, NULL), "del");
    row->found = false;
}

void store__row_retouch(
    struct store *store, struct row *row, int64_t expiry_ms, uint64_t version, bool partial)
{
    if ((row->flags & ROW_PIECED) == 0) {
        /* The value lies in a page that the put may move: take it out first. */
        buffer_clear(&store->scratch, STORE_PIECE_SIZE);
        buffer_append(&store->scratch, row->item.value.data, row->item.value.size);
        struct bytes value = {store->scratch.data, store->scratch.size};
        store__row_put(store, row, value, expiry_ms, version, partial ? ROW_PARTIAL : 0);
        return;
    }
    int64_t expiry_before = (row->flags & ROW_PARTIAL) != 0 ? 0 : row->item.expiry_ms;
    account(row, false);
    row->flags = (uint8_t)(ROW_PIECED | (partial ? ROW_PARTIAL : 0));
    row->item.expiry_ms = expiry_ms;
    row->item.version = version_next(store, version);
    row_write(store, row);
    account(row, true);
    expiry_entry(store, row, expiry_before, false);
    expiry_entry(store, row, partial ? 0 : expiry_ms, true);
}

void store__row_append(struct store *store, struct row *row, struct bytes tail, uint64_t version)
{
    uint8_t partial = row->flags & ROW_PARTIAL;
    if ((row->flags & ROW_PIECED) == 0) {
        struct buffer whole = {0};
        (void)buffer_reserve(&whole, row->item.value.size + tail.size);
        buffer_append(&whole, row->item.value.data, row->item.value.size);
        buffer_append(&whole, tail.data, tail.size);
        struct bytes value = {whole.data, whole.size};
        store__row_put(store, row, value, row->item.expiry_ms, version, partial);
        buffer_free(&whole);
        return;
    }
    account(row, false);
    store__pieces_put(store, row->item.blob, row->item.value_size, tail, &row->value_digest);
    row->item.value_size += tail.size;
    row->item.version = version_next(store, version);
    row_write(store, row);
    account(row, true);
}

void store__row_told(struct store *store, const struct row *row, uint64_t kept)
{
    if (!row->found && store->observer.removed != NULL)
        store->observer.removed(store->observer.user_data);
    if (store->observer.changed == NULL)
        return;
    struct store_key key = {row->slot, row->name};
    store->observer.changed(store->observer.user_data, &key, kept);
}
