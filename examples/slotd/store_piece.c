/* SPDX-License-Identifier: MIT */
/* Room store: large values in pieces. All but the last piece of a value are STORE_PIECE_SIZE, so
 * each is a run of whole pages and an append touches the last one only. */
#include "store_room.h"

#include <string.h>

enum { PIECE_KEY_SIZE = 12 };

static MDB_val piece_key(uint8_t at[PIECE_KEY_SIZE], uint64_t blob, uint32_t index)
{
    put_u64_big(at, blob);
    put_u32_big(at + 8, index);
    return (MDB_val){PIECE_KEY_SIZE, at};
}

/* Fill the piece that ends in the middle: its old bytes and the first of `tail`. */
static size_t last_piece_fill(struct store *store, uint64_t blob, uint64_t size, struct bytes tail,
    struct reshard_digest *digest)
{
    uint8_t at[PIECE_KEY_SIZE];
    uint32_t index = (uint32_t)(size / STORE_PIECE_SIZE);
    size_t used = (size_t)(size % STORE_PIECE_SIZE);
    size_t added = tail.size < STORE_PIECE_SIZE - used ? tail.size : STORE_PIECE_SIZE - used;
    MDB_val key = piece_key(at, blob, index);
    MDB_val data;
    store__check(mdb_get(store__write(store), store->pieces, &key, &data), "piece_get");
    struct bytes old = {data.mv_data, data.mv_size};
    store__digest_subtract(digest, store__piece_digest(old, index));
    struct buffer piece = {0};
    buffer_append(&piece, old.data, old.size);
    buffer_append(&piece, tail.data, added);
    data = (MDB_val){piece.size, piece.data};
    store__check(mdb_put(store__write(store), store->pieces, &key, &data, 0), "piece_put");
    store__digest_add(
        digest, store__piece_digest((struct bytes){piece.data, piece.size}, index));
    buffer_free(&piece);
    return added;
}

void store__pieces_put(
    struct store *store, uint64_t blob, uint64_t size, struct bytes tail,
    struct reshard_digest *digest)
{
    uint8_t at[PIECE_KEY_SIZE];
    size_t offset = 0;
    if (size % STORE_PIECE_SIZE != 0)
        offset = last_piece_fill(store, blob, size, tail, digest);
    while (offset < tail.size) {
        uint32_t index = (uint32_t)((size + offset) / STORE_PIECE_SIZE);
        size_t left = tail.size - offset;
        struct bytes piece = {
            tail.data + offset, left < STORE_PIECE_SIZE ? left : STORE_PIECE_SIZE};
        MDB_val key = piece_key(at, blob, index);
        MDB_val data = {piece.size, NULL};
        store__check(
            mdb_put(store__write(store), store->pieces, &key, &data, MDB_RESERVE), "piece_put");
        memcpy(data.mv_data, piece.data, piece.size);
        store__digest_add(digest, store__piece_digest(piece, index));
        offset += piece.size;
    }
}

void store__pieces_remove(struct store *store, uint64_t blob, uint64_t size)
{
    uint8_t at[PIECE_KEY_SIZE];
    uint32_t count = (uint32_t)((size + STORE_PIECE_SIZE - 1) / STORE_PIECE_SIZE);
    for (uint32_t index = 0; index < count; index++) {
        MDB_val key = piece_key(at, blob, index);
        store__check(mdb_del(store__write(store), store->pieces, &key, NULL), "piece_del");
    }
}

struct bytes store_item_piece(
    struct store *store, const struct store_item *item, uint32_t piece_index)
{
    uint8_t at[PIECE_KEY_SIZE];
    MDB_val data;
    if (item->blob == 0)
        return piece_index == 0 ? item->value : (struct bytes){NULL, 0};
    if ((uint64_t)piece_index * STORE_PIECE_SIZE >= item->value_size)
        return (struct bytes){NULL, 0};
    MDB_val key = piece_key(at, item->blob, piece_index);
    store__check(mdb_get(store__read(store), store->pieces, &key, &data), "piece_get");
    return (struct bytes){data.mv_data, data.mv_size};
}

void store_item_value(struct store *store, const struct store_item *item, struct buffer *value)
{
    (void)buffer_reserve(value, item->value_size);
    if (item->blob == 0) {
        buffer_append(value, item->value.data, item->value.size);
        return;
    }
    for (uint32_t index = 0; (uint64_t)index * STORE_PIECE_SIZE < item->value_size; index++) {
        struct bytes piece = store_item_piece(store, item, index);
        buffer_append(value, piece.data, piece.size);
    }
}
