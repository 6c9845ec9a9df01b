/* SPDX-License-Identifier: MIT */
/* Room wire: the journal that an engine writes: one write, doubt, LOAD, comparison of positions. */
#include "wire/own_journal.h"

#include <string.h>

void reshard__journal_free(struct reshard__journal *journal, const struct reshard__mem *mem)
{
    reshard__mem_free(mem, journal->buffer, journal->buffer_size);
    journal->buffer = NULL;
    journal->buffer_size = journal->used = 0;
}

/* ---- writing ---- */

void reshard__journal_begin(struct reshard__journal *journal)
{
    RESHARD_ASSERT(journal->state == RESHARD__JOURNAL_IDLE);
    journal->used = 0;
    journal->next = journal->position;
}

static bool room_make(struct reshard__journal *journal, const struct reshard__mem *mem, size_t size)
{
    return reshard__mem_grow(mem, (void **)&journal->buffer, &journal->buffer_size, 1,
               journal->used + size) == RESHARD_OK;
}

bool reshard__journal_put(struct reshard__journal *journal, const struct reshard__mem *mem,
    const struct reshard__record *record)
{
    size_t size = record->blob.size + RESHARD__RECORD_MAX;
    if (!room_make(journal, mem, size))
        return false;
    int32_t status = reshard__record_encode(
        record, journal->term, &journal->next, journal->buffer + journal->used, size, &size);
    RESHARD_ASSERT(status == RESHARD_OK);
    journal->used += size;
    return true;
}

/* The blob is made behind the place that its record may take, and copied into it from there. */
bool reshard__journal_put_blob(struct reshard__journal *journal, const struct reshard__mem *mem,
    uint32_t kind, reshard__blob_encode encode, const void *item)
{
    size_t blob_size = 0;
    (void)encode(item, NULL, 0, &blob_size);
    size_t record_size = blob_size + RESHARD__RECORD_MAX;
    if (!room_make(journal, mem, record_size + blob_size))
        return false;
    uint8_t *blob = journal->buffer + journal->used + record_size;
    int32_t status = encode(item, blob, blob_size, &blob_size);
    RESHARD_ASSERT(status == RESHARD_OK);
    struct reshard__record record = {.kind = kind, .blob = {blob, blob_size}};
    return reshard__journal_put(journal, mem, &record);
}

static int32_t change_encode(const void *item, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    return reshard__change_encode(item, buffer, capacity, size_out);
}

bool reshard__journal_put_change(struct reshard__journal *journal, const struct reshard__mem *mem,
    const struct reshard_change *change)
{
    return reshard__journal_put_blob(journal, mem, RESHARD__RECORD_CHANGE, change_encode, change);
}

static int32_t map_encode(const void *item, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    return reshard__map_encode(item, buffer, capacity, size_out);
}

bool reshard__journal_put_map(
    struct reshard__journal *journal, const struct reshard__mem *mem, const struct reshard_map *map)
{
    return reshard__journal_put_blob(journal, mem, RESHARD__RECORD_MAP, map_encode, map);
}

struct reshard__entry *reshard__journal_push(
    struct reshard__journal *journal, struct reshard__outbox *outbox, uint32_t kind)
{
    RESHARD_ASSERT(kind == RESHARD_ACTION_APPEND || kind == RESHARD_ACTION_COMPACT);
    RESHARD_ASSERT(journal->state == RESHARD__JOURNAL_IDLE);
    struct reshard__entry *entry = reshard__outbox_push(outbox, kind);
    entry->purpose = journal->purpose;
    entry->action.term = journal->term;
    entry->action.index = journal->position.index + 1;
    entry->action.record_count = (uint32_t)(journal->next.index - journal->position.index);
    entry->action.header = journal->buffer;
    entry->action.header_size = journal->used;
    journal->compacting = kind == RESHARD_ACTION_COMPACT;
    journal->append_count += kind == RESHARD_ACTION_APPEND;
    journal->state = RESHARD__JOURNAL_WRITING;
    return entry;
}

/* ---- following ---- */

enum reshard__journal_turn reshard__journal_turn(
    struct reshard__journal *journal, struct reshard__outbox *outbox, uint64_t now_ns)
{
    if (now_ns < journal->retry_at_ns || reshard__outbox_room(outbox) == 0)
        return RESHARD__JOURNAL_WAIT;
    if (journal->state == RESHARD__JOURNAL_IDLE)
        return RESHARD__JOURNAL_WRITE;
    if (journal->state == RESHARD__JOURNAL_LANDED)
        return RESHARD__JOURNAL_SETTLE;
    if (journal->state != RESHARD__JOURNAL_UNSURE)
        return RESHARD__JOURNAL_WAIT;
    reshard__outbox_push(outbox, RESHARD_ACTION_LOAD)->purpose = journal->purpose;
    memset(&journal->check, 0, sizeof journal->check);
    journal->restore_failed = false;
    journal->state = RESHARD__JOURNAL_LOADING;
    return RESHARD__JOURNAL_WAIT;
}

static bool position_equal(
    const struct reshard__journal_position *a, const struct reshard__journal_position *b)
{
    return a->index == b->index && a->digest == b->digest;
}

static enum reshard__journal_verdict absent(struct reshard__journal *journal)
{
    if (journal->compacting)
        reshard__journal_compact_later(journal);
    journal->compacting = false;
    journal->state = RESHARD__JOURNAL_IDLE;
    return RESHARD__JOURNAL_ABSENT;
}

/* The records that LOAD fed end before the doubtful write, or behind it. Its absence proves
 * nothing, but the same bytes at its index may be written again: whichever lands, lands once. */
static enum reshard__journal_verdict loaded(struct reshard__journal *journal)
{
    if (position_equal(&journal->check, &journal->next)) {
        journal->state = RESHARD__JOURNAL_LANDED;
        return RESHARD__JOURNAL_DURABLE;
    }
    if (position_equal(&journal->check, &journal->position))
        return absent(journal);
    return RESHARD__JOURNAL_FOREIGN;
}

/* The first doubt is looked into at once, those behind it after a while. */
static enum reshard__journal_verdict doubt(struct reshard__journal *journal, uint64_t now_ns)
{
    journal->state = RESHARD__JOURNAL_UNSURE;
    if (journal->doubted)
        reshard__journal_later(journal, now_ns);
    journal->doubted = true;
    return RESHARD__JOURNAL_DOUBT;
}

enum reshard__journal_verdict reshard__journal_complete(
    struct reshard__journal *journal, uint32_t kind, int32_t status, uint64_t now_ns)
{
    RESHARD_ASSERT(journal->state == (kind == RESHARD_ACTION_LOAD ? RESHARD__JOURNAL_LOADING
                                                                  : RESHARD__JOURNAL_WRITING));
    if (kind == RESHARD_ACTION_COMPACT && status == RESHARD_E_HOOK_MISSING) {
        journal->compact_missing = true;
        return absent(journal);
    }
    if (status)
        return doubt(journal, now_ns);
    if (kind == RESHARD_ACTION_LOAD)
        return loaded(journal);
    journal->state = RESHARD__JOURNAL_LANDED;
    return RESHARD__JOURNAL_DURABLE;
}

void reshard__journal_settled(struct reshard__journal *journal)
{
    RESHARD_ASSERT(journal->state == RESHARD__JOURNAL_LANDED);
    journal->position = journal->next;
    if (journal->compacting) {
        journal->base_index = journal->position.index;
        journal->compact_at = 0;
    }
    journal->compacting = journal->doubted = false;
    journal->state = RESHARD__JOURNAL_IDLE;
}

void reshard__journal_later(struct reshard__journal *journal, uint64_t now_ns)
{
    journal->retry_at_ns = now_ns + journal->retry_ns;
}

uint64_t reshard__journal_deadline(const struct reshard__journal *journal, uint64_t now_ns)
{
    bool due = journal->state == RESHARD__JOURNAL_UNSURE ||
               journal->state == RESHARD__JOURNAL_LANDED ||
               (journal->state == RESHARD__JOURNAL_IDLE && journal->retry_at_ns > now_ns);
    return due ? journal->retry_at_ns : UINT64_MAX;
}

bool reshard__journal_compact_due(const struct reshard__journal *journal)
{
    uint64_t index = journal->position.index;
    return !journal->compact_missing && index >= journal->compact_at &&
           index - journal->base_index >= journal->compact_count;
}

void reshard__journal_compact_later(struct reshard__journal *journal)
{
    journal->compact_at = journal->position.index + journal->compact_count;
}

/* ---- reading ---- */

struct reading {
    struct reshard__journal *journal;
    struct reshard__journal_position *position; /* the last record that was taken */
    bool started;
    reshard__journal_take take;
    void *engine;
};

/* One record behind *cursor. Those that an earlier call took are checked, and not taken again. */
static int32_t record_next(const struct reading *reading, const uint8_t *bytes, size_t size,
    size_t *offset, struct reshard__journal_position *cursor)
{
    struct reshard__journal_position *position = reading->position;
    struct reshard__record record;
    uint64_t term;
    int32_t status = reshard__record_decode(bytes, size, offset, cursor, &term, &record);
    if (status || cursor->index < position->index)
        return status;
    if (cursor->index == position->index)
        return cursor->digest == position->digest ? RESHARD_OK : RESHARD_E_CHAIN;
    if (!reading->started) {
        status = reading->take(reading->engine, &record);
        if (status)
            return status;
        if (position->index == 0)
            reading->journal->base_index = cursor->index - 1;
    }
    *position = *cursor;
    return RESHARD_OK;
}

int32_t reshard__journal_restore(struct reshard__journal *journal, bool started,
    const uint8_t *bytes, size_t size, reshard__journal_take take, void *engine)
{
    if (started && journal->state != RESHARD__JOURNAL_LOADING)
        return RESHARD_E_STATE;
    struct reshard__journal_position *position = started ? &journal->check : &journal->position;
    const struct reading reading = {journal, position, started, take, engine};
    struct reshard__journal_position begin = journal->restore_failed ? journal->begin : *position;
    struct reshard__journal_position cursor = begin;
    int32_t status = RESHARD_OK;
    for (size_t offset = 0; offset < size && status == RESHARD_OK;)
        status = record_next(&reading, bytes, size, &offset, &cursor);
    journal->restore_failed = status != RESHARD_OK;
    journal->begin = begin;
    return status;
}
