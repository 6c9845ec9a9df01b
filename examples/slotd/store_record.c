/* SPDX-License-Identifier: MIT */
/* Room store: records, the one form of a key's state for capture, export and apply.
 *
 * record = size 4 | kind 1 | 0 1 | slot 2 | name size 4 | 0 4 | expiry_ms 8 | version 8 |
 *          value size 8 | offset 8 | name | bytes of the value from offset on
 * Integers are little-endian; `size` counts the whole record. A value comes in one record or in
 * several with growing offsets; until the last one the key stays absent. A part that does not
 * continue what is there (version, offset) is dropped: a later state has replaced it. A record that
 * says GROW goes on at the end of a whole value, and is refused where that is another.
 */
#include "store_room.h"

#include <string.h>

enum { RECORD_PUT = 1, RECORD_REMOVE = 2, RECORD_CLEAR = 3, RECORD_GROW = 4 };
enum { RECORD_HEADER_SIZE = 48 };

struct record {
    uint8_t kind;
    struct store_key key;
    int64_t expiry_ms;
    uint64_t version;
    uint64_t value_size;
    uint64_t offset;
    struct bytes part;
};

static void record_write(const struct record *record, struct buffer *records)
{
    size_t size = RECORD_HEADER_SIZE + record->key.name.size + record->part.size;
    uint8_t *at = buffer_reserve(records, size);
    put_u32(at, (uint32_t)size);
    at[4] = record->kind;
    at[5] = 0;
    put_u16(at + 6, (uint16_t)record->key.slot);
    put_u32(at + 8, (uint32_t)record->key.name.size);
    put_u32(at + 12, 0);
    put_u64(at + 16, (uint64_t)record->expiry_ms);
    put_u64(at + 24, record->version);
    put_u64(at + 32, record->value_size);
    put_u64(at + 40, record->offset);
    records->size += RECORD_HEADER_SIZE;
    buffer_append(records, record->key.name.data, record->key.name.size);
    buffer_append(records, record->part.data, record->part.size);
}

static bool shape_sound(const struct record *record, size_t name_size)
{
    if (record->key.slot >= STORE_SLOT_COUNT || name_size > STORE_KEY_SIZE_MAX)
        return false;
    if (record->kind == RECORD_REMOVE || record->kind == RECORD_CLEAR)
        return record->part.size == 0;
    return (record->kind == RECORD_PUT || record->kind == RECORD_GROW) &&
        record->expiry_ms >= 0 && record->version > 0 && record->offset <= record->value_size &&
        record->part.size <= record->value_size - record->offset;
}

/* The record at the head of `records`; returns its size, 0 when it is not one. */
static size_t record_read(struct bytes records, struct record *record)
{
    const uint8_t *at = records.data;
    if (records.size < RECORD_HEADER_SIZE)
        return 0;
    size_t size = get_u32(at);
    size_t name_size = get_u32(at + 8);
    if (size > records.size || size < RECORD_HEADER_SIZE ||
        name_size > size - RECORD_HEADER_SIZE)
        return 0;
    record->kind = at[4];
    record->key.slot = get_u16(at + 6);
    record->key.name = (struct bytes){at + RECORD_HEADER_SIZE, name_size};
    record->expiry_ms = (int64_t)get_u64(at + 16);
    record->version = get_u64(at + 24);
    record->value_size = get_u64(at + 32);
    record->offset = get_u64(at + 40);
    record->part = (struct bytes){
        at + RECORD_HEADER_SIZE + name_size, size - RECORD_HEADER_SIZE - name_size};
    return shape_sound(record, name_size) ? size : 0;
}

/* The parts of an item from an offset on, until `room` bytes are used up; the offset behind. */
static uint64_t kind_write(struct store *store, uint8_t kind, const struct store_key *key,
    const struct store_item *item, uint64_t offset, size_t room, struct buffer *records)
{
    size_t end = records->size + room;
    do {
        uint32_t index = (uint32_t)(offset / STORE_PIECE_SIZE);
        struct bytes piece = store_item_piece(store, item, index);
        size_t skipped = (size_t)(offset % STORE_PIECE_SIZE);
        struct record record = {.kind = kind, .key = *key, .expiry_ms = item->expiry_ms,
            .version = item->version, .value_size = item->value_size, .offset = offset};
        if (piece.size > skipped)
            record.part = (struct bytes){piece.data + skipped, piece.size - skipped};
        record_write(&record, records);
        offset += record.part.size;
    } while (offset < item->value_size && records->size < end);
    return offset;
}

static uint64_t parts_write(struct store *store, const struct store_key *key,
    const struct store_item *item, uint64_t offset, size_t room, struct buffer *records)
{
    return kind_write(store, RECORD_PUT, key, item, offset, room, records);
}

uint64_t store__record_part(struct store *store, const struct store_key *key,
    const struct store_item *item, uint64_t offset, struct buffer *records)
{
    return parts_write(store, key, item, offset, 0, records);
}

void store__record_gone(const struct store_key *key, struct buffer *records)
{
    struct record record = {.kind = RECORD_REMOVE, .key = *key};
    record_write(&record, records);
}

void store_record_key(struct store *store, const struct store_key *key, struct buffer *records)
{
    struct row row;
    store__row_seek(store, key, false, &row);
    if (row.found && (row.flags & ROW_PARTIAL) == 0)
        (void)parts_write(store, key, &row.item, 0, SIZE_MAX / 2, records);
    else
        store__record_gone(key, records);
}

void store_record_head(struct store *store, const struct store_key *key, struct buffer *records)
{
    struct row row;
    store__row_seek(store, key, false, &row);
    if (!row.found || (row.flags & ROW_PARTIAL) != 0 || row.item.blob == 0) {
        store_record_key(store, key, records);
        return;
    }
    struct record record = {.kind = RECORD_PUT, .key = *key, .expiry_ms = row.item.expiry_ms,
        .version = row.item.version, .value_size = row.item.value_size};
    record_write(&record, records);
}

bool store_record_part(struct bytes records, struct store_part *part_out)
{
    struct record record = {0};
    bool sound = records.size > 0;
    while (sound && records.size > 0) {
        size_t size = record_read(records, &record);
        sound = size > 0;
        records.data += size;
        records.size -= size;
    }
    *part_out = (struct store_part){record.key, record.version, record.value_size, record.offset,
        record.offset + record.part.size};
    return sound && record.kind == RECORD_PUT;
}

bool store_record_next(
    struct store *store, const struct store_part *part, struct buffer *records)
{
    struct row row;
    store__row_seek(store, &part->key, false, &row);
    bool same = row.found && (row.flags & ROW_PARTIAL) == 0 &&
        row.item.version == part->version && row.item.value_size == part->value_size &&
        part->end <= part->value_size;
    if (same)
        (void)parts_write(store, &part->key, &row.item, part->end, 0, records);
    return same;
}

void store_record_grown(
    struct store *store, const struct store_key *key, uint64_t kept, struct buffer *records)
{
    struct row row;
    store__row_seek(store, key, false, &row);
    if (kept < STORE_PIECE_SIZE || !row.found || (row.flags & ROW_PARTIAL) != 0)
        store_record_key(store, key, records);
    else
        (void)kind_write(store, RECORD_GROW, key, &row.item, kept, SIZE_MAX / 2, records);
}

void store_record_clear(uint32_t slot, struct buffer *records)
{
    struct record record = {.kind = RECORD_CLEAR, .key = {slot, {NULL, 0}}};
    record_write(&record, records);
}

struct export_step {
    struct store *store;
    struct store_export *export_state;
    struct buffer *records;
    size_t end; /* size of `records` to stop at */
};

static bool export_visit(
    void *user_data, const struct store_key *key, const struct store_item *item)
{
    struct export_step *step = user_data;
    size_t room = step->end > step->records->size ? step->end - step->records->size : 0;
    uint64_t offset = parts_write(step->store, key, item, 0, room, step->records);
    if (offset < item->value_size) {
        struct store_export *state = step->export_state;
        /* One half-exported value at a time; a second one in the same hash goes out whole. */
        if (state->name.size == 0) {
            put_u16(buffer_reserve(&state->name, 2), (uint16_t)key->slot);
            state->name.size = 2;
            buffer_append(&state->name, key->name.data, key->name.size);
            state->version = item->version;
            state->offset = offset;
        } else {
            (void)parts_write(step->store, key, item, offset, SIZE_MAX / 2, step->records);
        }
    }
    step->export_state->keys_size += step->export_state->key_size;
    step->end -= step->end > step->export_state->key_size ? step->export_state->key_size
                                                          : step->end;
    return step->records->size < step->end;
}

/* Go on with the value that is half exported, if it is still the same one. */
static void export_rest(struct store *store, struct store_export *state, size_t room,
    struct buffer *records)
{
    struct row row;
    struct store_key key = {
        get_u16(state->name.data), {state->name.data + 2, state->name.size - 2}};
    store__row_seek(store, &key, state->staged, &row);
    bool same = row.found && row.item.version == state->version;
    if (same)
        state->offset = parts_write(store, &key, &row.item, state->offset, room, records);
    if (!same || state->offset == row.item.value_size)
        state->name.size = 0; /* changed: what it is now has been recorded */
}

bool store_export_step(struct store *store, struct store_export *export_state, uint64_t end,
    size_t size_max, struct buffer *records)
{
    struct export_step step = {store, export_state, records, records->size + size_max};
    while (export_state->name.size > 0 && records->size < step.end)
        export_rest(store, export_state, step.end - records->size, records);
    store->walks_expired = true;
    store->walks_staged = export_state->staged;
    if (export_state->name.size == 0 && records->size < step.end)
        export_state->position =
            store_walk(store, export_state->position, end, export_visit, &step);
    store->walks_expired = store->walks_staged = false;
    return export_state->position >= end && export_state->name.size == 0;
}

void store_export_free(struct store_export *export_state)
{
    buffer_free(&export_state->name);
    *export_state = (struct store_export){0};
}

static void put_apply(struct store *store, const struct record *record, struct row *row)
{
    bool complete = record->offset + record->part.size == record->value_size;
    uint8_t flags = complete ? 0 : ROW_PARTIAL;
    if (record->offset == 0) {
        store__row_put(
            store, row, record->part, record->expiry_ms, record->version, flags);
        return;
    }
    if (!row->found || (row->flags & ROW_PARTIAL) == 0 ||
        row->item.version != record->version || row->item.value_size != record->offset)
        return;
    store__row_append(store, row, record->part, record->version);
    if (complete) {
        struct row whole;
        store__row_seek(store, &record->key, row->generation !=
            store->slot_states[row->slot].live, &whole);
        store__row_retouch(store, &whole, record->expiry_ms, record->version, false);
    }
}

/* False: the key is not what the record goes on from. */
static bool grow_apply(struct store *store, const struct record *record, struct row *row)
{
    if (!row->found || (row->flags & ROW_PARTIAL) != 0 || row->item.version > record->version ||
        row->item.value_size != record->offset)
        return false;
    if (record->part.size > 0)
        store__row_append(store, row, record->part, record->version);
    else
        store__row_retouch(store, row, record->expiry_ms, record->version, false);
    return true;
}

static bool key_apply(struct store *store, const struct record *record, bool to_staging)
{
    struct row row;
    bool fits = true;
    store__row_seek(store, &record->key, to_staging, &row);
    if (record->kind == RECORD_PUT)
        put_apply(store, record, &row);
    else if (record->kind == RECORD_GROW)
        fits = grow_apply(store, record, &row);
    else if (row.found)
        store__row_remove(store, &row);
    if (fits && !to_staging)
        store__row_told(store, &row, 0);
    return fits;
}

int store_apply(struct store *store, struct bytes records, bool to_staging)
{
    if (to_staging)
        store__redo_apply(store, records);
    while (records.size > 0) {
        struct record record = {0};
        size_t size = record_read(records, &record);
        if (size == 0 || (to_staging && store->slot_states[record.key.slot].staged == 0))
            return -1;
        if (record.kind != RECORD_CLEAR) {
            if (!to_staging)
                store__redo_record(store, (struct bytes){records.data, size});
            if (!key_apply(store, &record, to_staging))
                return -1;
        } else if (to_staging)
            store__slot_change(store, STORE_SLOT_STAGED, record.key.slot);
        else
            store_slot_clear(store, record.key.slot);
        records.data += size;
        records.size -= size;
    }
    return 0;
}
