/* SPDX-License-Identifier: MIT */
/* Room store: the redo log: what must survive a loss of power before the next checkpoint does.
 *
 * Syncing the environment costs what all clients wrote since; syncing this log costs one small
 * write. Each commit that has records, named values, slots' generations or staged data puts them
 * behind the log as one frame, in order; clients' writes are not in it. After a loss of power the
 * environment is the last checkpoint (store_sync.c), and the frames since are done again. So what a
 * log sync promised is there, and the log is never behind the environment.
 *
 * Two files take turns: one is begun with each checkpoint, so the other holds what came before it
 * for as long as it may be needed. Files keep their size and are written over: a sync that changes
 * no size is the cheapest. A frame belongs to its epoch (the checkpoint's turn) and follows the one
 * before; the first that does not ends the log.
 *
 * frame = size 4 | 0 4 | epoch 8 | number 8 | checksum 8 | operations
 * operation = size 4 | kind 1 | body
 */
#define _GNU_SOURCE 1 /* sync_file_range */
#include "store_room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FRAME_SUM = 24,
    FRAME_HEADER_SIZE = 32,
    OPERATION_HEADER_SIZE = 5,
    FILE_FIRST_SIZE = 1 << 20, /* written in full when it is made */
    PENDING_KEEP_SIZE = 1 << 20,
    WRITE_BACK_SIZE = 1 << 18
};

enum {
    REDO_JOURNAL_PUT = 1,
    REDO_JOURNAL_REMOVE,
    REDO_META_PUT,
    REDO_META_REMOVE,
    REDO_SLOTS, /* one of the four ways to change generations, over a range */
    REDO_APPLY
};

static const char *const file_names[2] = {"redo.0", "redo.1"};

/* ---- operations ---- */

/* Begin one; the caller appends the body and calls operation_end. */
static struct buffer *operation_begin(struct store *store, uint8_t kind)
{
    struct store_log *log = &store->log;
    uint8_t head[OPERATION_HEADER_SIZE] = {0, 0, 0, 0, kind};
    if (!log->open)
        return NULL;
    log->operation = log->pending.size;
    log->last_slot = UINT32_MAX;
    buffer_append(&log->pending, head, sizeof(head));
    return &log->pending;
}

static void operation_end(struct store *store)
{
    struct store_log *log = &store->log;
    put_u32(log->pending.data + log->operation, (uint32_t)(log->pending.size - log->operation));
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
    static const char no_redo[] = "replica."; /* speaks of clients' writes, which are not in it */
    if (store->listener.meta != NULL)
        store->listener.meta(store->listener.user_data, name,
            value != NULL ? *value : (struct bytes){NULL, 0});
    if (strncmp(name, no_redo, sizeof(no_redo) - 1) == 0)
        return;
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
    log->last_slot = slot;
}

void store__redo_apply(struct store *store, struct bytes records)
{
    if (store->listener.staged != NULL)
        store->listener.staged(store->listener.user_data, records);
    struct buffer *body = operation_begin(store, REDO_APPLY);
    if (body == NULL)
        return;
    buffer_append(body, records.data, records.size);
    operation_end(store);
}

/* ---- frames ---- */

static uint64_t frame_sum(const uint8_t *frame, size_t size)
{
    /* Over the head up to the sum, and over what follows it. */
    uint64_t sums[2] = {bytes_checksum((struct bytes){frame, FRAME_SUM}),
        bytes_checksum((struct bytes){frame + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE})};
    return bytes_checksum((struct bytes){(const uint8_t *)sums, sizeof(sums)});
}

static void file_write(int file, const uint8_t *data, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t written = pwrite(file, data, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            log_fatal("store_failed", "call=redo_write error=\"%s\"", strerror(errno));
        data += written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
}

/* A copy on its way in is on its way to the disk at once, so that the sync that its seal waits for
 * finds little left. What is small waits for its sync alone. */
static void write_back(struct store_log_file *file, size_t size)
{
#ifdef SYNC_FILE_RANGE_WRITE
    uint64_t end = file->end + size;
    if (end - file->written_back < WRITE_BACK_SIZE)
        return;
    (void)sync_file_range(file->file, (off_t)file->written_back,
        (off_t)(end - file->written_back), SYNC_FILE_RANGE_WRITE);
    file->written_back = end;
#else
    (void)file;
    (void)size;
#endif
}

void store__log_write(struct store *store)
{
    struct store_log *log = &store->log;
    uint8_t head[FRAME_HEADER_SIZE] = {0};
    if (!log->open || log->pending.size == FRAME_HEADER_SIZE)
        return;
    put_u32(head, (uint32_t)log->pending.size);
    put_u64(head + 8, log->epoch);
    put_u64(head + 16, log->number++);
    memcpy(log->pending.data, head, sizeof(head));
    put_u64(log->pending.data + FRAME_SUM, frame_sum(log->pending.data, log->pending.size));
    struct store_log_file *file = &log->files[log->epoch % 2];
    file_write(file->file, log->pending.data, log->pending.size, file->end);
    write_back(file, log->pending.size);
    file->end += log->pending.size;
    file->dirty = true;
    buffer_clear(&log->pending, PENDING_KEEP_SIZE);
    buffer_append(&log->pending, head, sizeof(head));
    log->last_slot = UINT32_MAX;
}

/* ---- files ---- */

/* Its blocks are written, not only reserved: a block's first write is one of the file's layout. */
static void file_fill(int file)
{
    struct stat stat;
    uint8_t *zeros = memory_take(FILE_FIRST_SIZE);
    if (fstat(file, &stat) == 0 && stat.st_size < FILE_FIRST_SIZE) {
        file_write(file, zeros, FILE_FIRST_SIZE, 0);
        if (fsync(file) != 0)
            log_fatal("store_failed", "call=redo_fill error=\"%s\"", strerror(errno));
    }
    free(zeros);
}

void store__log_open(struct store *store)
{
    struct store_log *log = &store->log;
    uint8_t head[FRAME_HEADER_SIZE] = {0};
    for (int index = 0; index < 2; index++) {
        struct store_log_file *file = &log->files[index];
        file->file = openat(
            store->directory, file_names[index], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (file->file < 0)
            log_fatal("store_failed", "call=redo_open error=\"%s\"", strerror(errno));
        file_fill(file->file);
    }
    if (fsync(store->directory) != 0)
        log_fatal("store_failed", "call=redo_open error=\"%s\"", strerror(errno));
    log->epoch = store->checkpoint_turn;
    log->last_slot = UINT32_MAX;
    log->open = true;
    buffer_append(&log->pending, head, sizeof(head));
}

void store__log_close(struct store *store)
{
    struct store_log *log = &store->log;
    for (int index = 0; index < 2 && log->open; index++)
        (void)close(log->files[index].file);
    log->open = false;
    buffer_free(&log->pending);
}

void store__log_turn(struct store *store)
{
    struct store_log *log = &store->log;
    if (!log->open)
        return;
    log->epoch = store->checkpoint_turn;
    log->files[log->epoch % 2].end = 0;
    log->files[log->epoch % 2].written_back = 0;
}

uint64_t store__log_number(const struct store *store)
{
    return store->log.number;
}

/* ---- sync ---- */

struct store_log_sync {
    struct store *store;
    bool dirty[2];
    int order[2];
    int result;
};

bool store_log_dirty(const struct store *store)
{
    const struct store_log *log = &store->log;
    return log->open && (log->pending.size > FRAME_HEADER_SIZE || log->syncing != NULL ||
        log->files[0].dirty || log->files[1].dirty);
}

struct store_log_sync *store_log_sync_begin(struct store *store)
{
    struct store_log *log = &store->log;
    if (log->syncing != NULL)
        return NULL;
    store_commit(store);
    struct store_log_sync *sync = memory_take(sizeof(*sync));
    sync->store = store;
    sync->order[0] = (int)((log->epoch + 1) % 2); /* the older frames first */
    sync->order[1] = (int)(log->epoch % 2);
    for (int index = 0; index < 2; index++) {
        sync->dirty[index] = log->files[index].dirty;
        log->files[index].dirty = false;
    }
    log->syncing = sync;
    atomic_store(&log->waited_for, true);
    return sync;
}

void store_log_sync_work(struct store_log_sync *sync)
{
    for (int index = 0; index < 2 && sync->result == 0; index++) {
        int number = sync->order[index];
        if (sync->dirty[number] && fdatasync(sync->store->log.files[number].file) != 0)
            sync->result = errno;
    }
}

void store_log_sync_end(struct store_log_sync *sync)
{
    if (sync->result != 0)
        log_fatal("store_failed", "call=redo_sync error=\"%s\"", strerror(sync->result));
    sync->store->log.syncing = NULL;
    atomic_store(&sync->store->log.waited_for, false);
    free(sync);
}

/* ---- after a loss of power ---- */

static void redo_slots(struct store *store, const uint8_t *body)
{
    uint32_t last = get_u32(body + 5);
    for (uint32_t slot = get_u32(body + 1); slot <= last && slot < STORE_SLOT_COUNT; slot++)
        store__slot_change(store, body[0], slot);
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
    default:
        (void)store_apply(store, body, true);
    }
}

/* Do the frame at `bytes` again; returns its size, 0 when it is not the next one. */
static size_t frame_redo(
    struct store *store, struct bytes bytes, uint64_t epoch, uint64_t number)
{
    if (bytes.size < FRAME_HEADER_SIZE)
        return 0;
    size_t size = get_u32(bytes.data);
    if (size < FRAME_HEADER_SIZE || size > bytes.size || get_u64(bytes.data + 8) != epoch ||
        get_u64(bytes.data + 16) != number ||
        get_u64(bytes.data + FRAME_SUM) != frame_sum(bytes.data, size))
        return 0;
    for (size_t at = FRAME_HEADER_SIZE; at < size;) {
        size_t operation = get_u32(bytes.data + at);
        redo(store, bytes.data[at + 4], (struct bytes){bytes.data + at + OPERATION_HEADER_SIZE,
            operation - OPERATION_HEADER_SIZE});
        at += operation;
    }
    return size;
}

static struct buffer file_read(struct store *store, const char *name)
{
    struct buffer content = {0};
    struct stat stat;
    int file = openat(store->directory, name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return content;
    if (fstat(file, &stat) == 0 && stat.st_size > 0) {
        uint8_t *at = buffer_reserve(&content, (size_t)stat.st_size);
        ssize_t size = pread(file, at, (size_t)stat.st_size, 0);
        content.size = size > 0 ? (size_t)size : 0;
    }
    (void)close(file);
    return content;
}

void store__log_redo(struct store *store, uint64_t epoch, uint64_t number)
{
    uint64_t first = number;
    for (int file = 0; file < 2; file++, epoch++) {
        struct buffer content = file_read(store, file_names[epoch % 2]);
        struct bytes rest = {content.data, content.size};
        size_t size;
        while ((size = frame_redo(store, rest, epoch, number)) > 0) {
            rest = (struct bytes){rest.data + size, rest.size - size};
            number++;
        }
        buffer_free(&content);
    }
    log_event(LOG_WARNING, "store_redone", "frames=%llu", (unsigned long long)(number - first));
}
