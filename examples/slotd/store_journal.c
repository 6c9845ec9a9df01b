/* SPDX-License-Identifier: MIT */
/* Room store: the library's records and named values, in the same transaction as the data. */
#include "store_room.h"

#include <string.h>

enum { JOURNAL_KEY_SIZE = 12 };

static MDB_val journal_key(uint8_t at[JOURNAL_KEY_SIZE], uint32_t stream, uint64_t index)
{
    put_u32_big(at, stream);
    put_u64_big(at + 4, index);
    return (MDB_val){JOURNAL_KEY_SIZE, at};
}

void store_journal_append(struct store *store, uint32_t stream, uint64_t index, struct bytes record)
{
    uint8_t at[JOURNAL_KEY_SIZE];
    MDB_val key = journal_key(at, stream, index);
    MDB_val data = {record.size, NULL};
    store__check(
        mdb_put(store__write(store), store->journal, &key, &data, MDB_RESERVE), "journal_put");
    if (record.size > 0)
        memcpy(data.mv_data, record.data, record.size);
    store__redo_journal_put(store, stream, index, record);
}

bool store_journal_next(
    struct store *store, uint32_t stream, uint64_t *index, struct bytes *record_out)
{
    uint8_t at[JOURNAL_KEY_SIZE];
    MDB_cursor *cursor;
    MDB_val key = journal_key(at, stream, *index);
    MDB_val data;
    store__check(mdb_cursor_open(store__read(store), store->journal, &cursor), "cursor");
    bool found = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == 0 &&
        get_u32_big(key.mv_data) == stream;
    if (found) {
        *index = get_u64_big((const uint8_t *)key.mv_data + 4);
        *record_out = (struct bytes){data.mv_data, data.mv_size};
    }
    mdb_cursor_close(cursor);
    return found;
}

void store_journal_remove(struct store *store, uint32_t stream, uint64_t first, uint64_t last)
{
    uint8_t at[JOURNAL_KEY_SIZE];
    MDB_cursor *cursor;
    MDB_val key = journal_key(at, stream, first);
    MDB_val data;
    store__check(mdb_cursor_open(store__write(store), store->journal, &cursor), "cursor");
    int result = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    while (result == 0 && get_u32_big(key.mv_data) == stream &&
        get_u64_big((const uint8_t *)key.mv_data + 4) <= last) {
        store__check(mdb_cursor_del(cursor, 0), "journal_del");
        result = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    store__redo_journal_remove(store, stream, first, last);
}

void store_meta_put(struct store *store, const char *name, struct bytes value)
{
    MDB_val key = {strlen(name), (char *)name};
    MDB_val data = {value.size, NULL};
    store__check(mdb_put(store__write(store), store->meta, &key, &data, MDB_RESERVE), "meta_put");
    if (value.size > 0)
        memcpy(data.mv_data, value.data, value.size);
    store__redo_meta(store, name, &value);
}

bool store_meta_get(struct store *store, const char *name, struct bytes *value_out)
{
    MDB_val key = {strlen(name), (char *)name};
    MDB_val data;
    if (mdb_get(store__read(store), store->meta, &key, &data) != 0)
        return false;
    *value_out = (struct bytes){data.mv_data, data.mv_size};
    return true;
}

void store_meta_remove(struct store *store, const char *name)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name};
    int result = mdb_del(store__write(store), store->meta, &key, NULL);
    if (result != MDB_NOTFOUND)
        store__check(result, "meta_del");
    store__redo_meta(store, name, NULL);
}

void store_meta_walk(struct store *store,
    void (*visit)(void *user_data, const char *name, struct bytes value), void *user_data)
{
    char name[64];
    MDB_cursor *cursor;
    MDB_val key, data;
    store__check(mdb_cursor_open(store__read(store), store->meta, &cursor), "cursor");
    int result = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);
    for (; result == 0; result = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) {
        size_t size = key.mv_size < sizeof(name) - 1 ? key.mv_size : sizeof(name) - 1;
        memcpy(name, key.mv_data, size);
        name[size] = '\0';
        visit(user_data, name, (struct bytes){data.mv_data, data.mv_size});
    }
    mdb_cursor_close(cursor);
}

void store_listen(struct store *store, const struct store_listener *listener)
{
    store->listener = listener != NULL ? *listener : (struct store_listener){0};
}
