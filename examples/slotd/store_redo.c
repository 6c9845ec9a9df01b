/* SPDX-License-Identifier: MIT */
/* Room store: operations of the redo log: what each change of the store is told as, and doing it
 * again. Clients' writes too: as records (store_record.c), but for what would repeat a whole value.
 *
 * operation = size 4 | kind 1 | body
 */
#include "store_room.h"

#include <string.h>

enum { OPERATION_HEADER_SIZE = 5, KEY_HEAD_SIZE = 22, FRAME_MORE_SIZE = 1 << 20 };

enum {
    REDO_JOURNAL_PUT = 1,
    REDO_JOURNAL_REMOVE,
    REDO_META_PUT,
    REDO_META_REMOVE,
    REDO_SLOTS, /* one of the four ways to change generations, over a range */
    REDO_STAGED, /* records, and these of live keys: */
    REDO_LIVE,
    REDO_APPEND, /* key, and the bytes that its value grew by */
    REDO_EXPIRY  /* key */
};

/* ---- telling ---- */

/* Begin one; the caller appends the body and calls operation_end. Clients' writes and single chunks
 * of a copy rest on no bulk; the library's records, and what it does to slots, may. */
static struct buffer *operation_begin(struct store *store, uint8_t kind)
{
    struct store_log *log = &store->log;
    uint8_t head[OPERATION_HEADER_SIZE] = {0, 0, 0, 0, kind};
    if (!log->open)
        return NULL;
    log->rests = log->rests || kind < REDO_STAGED;
    log->operation = log->pending.size;
    log->last_slot = UINT32_MAX;
    buffer_append(&log->pending, head, sizeof(head));
    return &log->pending;
}

static void operation_end(struct store *store)
{
    struct store_log *log = &store->log;
    put_u32(log->pending.data + log->operation, (uint32_t)(log->pending.size - log->operation));
    log->operations++;
    if (log->pending.size >= FRAME_MORE_SIZE)
        store__log_more(store);
}

static void number_append(struct buffer *body, uint64_t number)
{
    uint8_t at[8];
    put_u64(at, number);
    buffer_append(body, at, sizeof(at));
}

void store__redo_journal_put(
    struct store *store, uint32_t stream, uint64_t index, struct bytes record)
{
    if (store->listener.journal != NULL)
        store->listener.journal(store->listener.user_data, stream, index, record);
    struct buffer *body = operation_begin(store, REDO_JOURNAL_PUT);
    if (body == NULL)
        return;
    number_append(body, stream);
    number_append(body, index);
    buffer_append(body, record.data, record.size);
    operation_end(store);
}

void store__redo_journal_remove(
    struct store *store, uint32_t stream, uint64_t first, uint64_t last)
{
    if (store->listener.journal_removed != NULL)
        store->listener.journal_removed(store->listener.user_data, stream);
    struct buffer *body = operation_begin(store, REDO_JOURNAL_REMOVE);
    if (body == NULL)
        return;
    number_append(body, stream);
    number_append(body, first);
    number_append(body, last);
    operation_end(store);
}

/* A value of NULL: removed. */
void store__redo_meta(struct store *store, const char *name, const struct bytes *value)
{
    if (store->listener.meta != NULL)
        store->listener.meta(store->listener.user_data, name,
            value != NULL ? *value : (struct bytes){NULL, 0});
    struct buffer *body =
        operation_begin(store, value != NULL ? REDO_META_PUT : REDO_META_REMOVE);
    if (body == NULL)
        return;
    buffer_append(body, name, strlen(name) + 1);
    if (value != NULL)
        buffer_append(body, value->data, value->size);
    operation_end(store);
}

/* Neighbours that are changed one after the other make one operation. */
void store__redo_slot(struct store *store, uint8_t change, uint32_t slot)
{
    struct store_log *log = &store->log;
    if (store->listener.slot != NULL)
        store->listener.slot(store->listener.user_data, slot, change);
    if (log->open && log->pending.size > 0 && log->last_slot != UINT32_MAX &&
        log->last_slot + 1 == slot && log->last_change == change) {
        put_u32(log->pending.data + log->operation + OPERATION_HEADER_SIZE + 5, slot);
        log->last_slot = slot;
        return;
    }
    struct buffer *body = operation_begin(store, REDO_SLOTS);
    uint8_t at[9] = {change};
    if (body == NULL)
        return;
    put_u32(at + 1, slot);
    put_u32(at + 5, slot);
    buffer_append(body, at, sizeof(at));
    operation_end(store);
    log->last_change = change;
    log->last_slot = log->operation != 0 ? slot : UINT32_MAX;
}

void store__redo_apply(struct store *store, struct bytes records)
{
    if (store->listener.staged != NULL)
        store->listener.staged(store->listener.user_data, records);
    struct buffer *body = operation_begin(store, REDO_STAGED);
    if (body == NULL)
        return;
    buffer_append(body, records.data, records.size);
    store->log.staged_size += records.size;
    operation_end(store);
}

void store__redo_record(struct store *store, struct bytes record)
{
    struct buffer *body = operation_begin(store, REDO_LIVE);
    if (body == NULL)
        return;
    buffer_append(body, record.data, record.size);
    operation_end(store);
}

void store__redo_put(
    struct store *store, const struct store_key *key, const struct store_item *item)
{
    uint64_t offset = 0;
    do {
        struct buffer *body = operation_begin(store, REDO_LIVE);
        if (body == NULL)
            return;
        offset = store__record_part(store, key, item, offset, body);
        operation_end(store);
    } while (offset < item->value_size);
}

void store__redo_remove(struct store *store, const struct store_key *key)
{
    struct buffer *body = operation_begin(store, REDO_LIVE);
    if (body == NULL)
        return;
    store__record_gone(key, body);
    operation_end(store);
}

/* version 8 | expiry_ms 8 | slot 2 | size of the name 4 | name */
static struct buffer *key_begin(struct store *store, uint8_t kind, const struct store_key *key,
    uint64_t version, int64_t expiry_ms)
{
    uint8_t head[KEY_HEAD_SIZE];
    struct buffer *body = operation_begin(store, kind);
    if (body == NULL)
        return NULL;
    put_u64(head, version);
    put_u64(head + 8, (uint64_t)expiry_ms);
    put_u16(head + 16, (uint16_t)key->slot);
    put_u32(head + 18, (uint32_t)key->name.size);
    buffer_append(body, head, sizeof(head));
    buffer_append(body, key->name.data, key->name.size);
    return body;
}

void store__redo_append(
    struct store *store, const struct store_key *key, uint64_t version, struct bytes tail)
{
    do {
        struct buffer *body = key_begin(store, REDO_APPEND, key, version, 0);
        size_t size = tail.size < STORE_PIECE_SIZE ? tail.size : STORE_PIECE_SIZE;
        if (body == NULL)
            return;
        buffer_append(body, tail.data, size);
        operation_end(store);
        tail = (struct bytes){tail.data + size, tail.size - size};
    } while (tail.size > 0);
}

void store__redo_expiry(
    struct store *store, const struct store_key *key, const struct store_item *item)
{
    if (key_begin(store, REDO_EXPIRY, key, item->version, item->expiry_ms) != NULL)
        operation_end(store);
}

/* ---- doing again ---- */

static void redo_slots(struct store *store, const uint8_t *body)
{
    uint32_t last = get_u32(body + 5);
    for (uint32_t slot = get_u32(body + 1); slot <= last && slot < STORE_SLOT_COUNT; slot++)
        store__slot_change(store, body[0], slot);
}

static void redo_key(struct store *store, uint8_t kind, struct bytes body)
{
    struct row row;
    size_t name_size = get_u32(body.data + 18);
    struct store_key key = {get_u16(body.data + 16), {body.data + KEY_HEAD_SIZE, name_size}};
    struct bytes tail = {
        body.data + KEY_HEAD_SIZE + name_size, body.size - KEY_HEAD_SIZE - name_size};
    store__row_seek(store, &key, false, &row);
    if (!row.found)
        log_fatal("store_failed", "call=redo error=\"a key is missing\"");
    if (kind == REDO_APPEND)
        store__row_append(store, &row, tail, get_u64(body.data));
    else
        store__row_retouch(
            store, &row, (int64_t)get_u64(body.data + 8), get_u64(body.data), false);
}

static void redo(struct store *store, uint8_t kind, struct bytes body)
{
    size_t name_size = 0;
    if (kind == REDO_META_PUT || kind == REDO_META_REMOVE)
        name_size = strnlen((const char *)body.data, body.size) + 1;
    switch (kind) {
    case REDO_JOURNAL_PUT:
        store_journal_append(store, (uint32_t)get_u64(body.data), get_u64(body.data + 8),
            (struct bytes){body.data + 16, body.size - 16});
        break;
    case REDO_JOURNAL_REMOVE:
        store_journal_remove(store, (uint32_t)get_u64(body.data), get_u64(body.data + 8),
            get_u64(body.data + 16));
        break;
    case REDO_META_PUT:
        store_meta_put(store, (const char *)body.data,
            (struct bytes){body.data + name_size, body.size - name_size});
        break;
    case REDO_META_REMOVE:
        store_meta_remove(store, (const char *)body.data);
        break;
    case REDO_SLOTS:
        redo_slots(store, body.data);
        break;
    case REDO_APPEND:
    case REDO_EXPIRY:
        redo_key(store, kind, body);
        break;
    default:
        (void)store_apply(store, body, kind == REDO_STAGED);
    }
}

/* The checksum of the frame says that these are what was told. */
void store__redo(struct store *store, struct bytes operations)
{
    for (size_t at = 0; at < operations.size;) {
        size_t size = get_u32(operations.data + at);
        redo(store, operations.data[at + 4],
            (struct bytes){operations.data + at + OPERATION_HEADER_SIZE,
                size - OPERATION_HEADER_SIZE});
        at += size;
        store->touched++;
    }
    store->touched += (uint32_t)(operations.size / 4096);
}
