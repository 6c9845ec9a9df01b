/* SPDX-License-Identifier: MIT */
/* Room store: the redo log: all changes, in order, each turn's written at its end.
 *
 * LMDB's transaction is committed now and then only (store_commit), and synced by a checkpoint only
 * (store_sync.c). A turn's changes go behind the log, as frames: after a kill they are in the page
 * cache, after a loss of power as far as the log was synced. When the store is opened they are done
 * again, from the place that LMDB's newest commit (or the checkpoint's) names in itself. So what is
 * there is always a prefix of all turns, whatever was lost; but bulk (below) may lack. A turn
 * of several frames counts when its last one is there.
 *
 * Two files take turns: one is begun with each checkpoint, so the other holds what came before it
 * for as long as it may be needed. Files keep their size and are written over: a sync that changes
 * no size is the cheapest. A frame belongs to its epoch (the checkpoint's turn) and follows the one
 * before; the first that does not ends the log.
 *
 * Bulk, which copies on their way in are, is not told: LMDB alone has it, from its next commit on,
 * and after a loss of power from the next checkpoint on. A frame names the runs of bulk that were
 * before it, when its changes may rest on them; it counts only where LMDB has those, and nothing
 * behind it does otherwise. So LMDB commits with such a frame's turn, and a sync of the log ends
 * when a checkpoint has all bulk as well that was there when it began.
 *
 * frame = size 4 | 1: more of this turn follows 4 | epoch 8 | number 8 | bulk 8 | checksum 8 |
 *         operations
 * place = epoch 8 | offset 8 | number of the next frame 8 | bulk 8
 */
#include "store_room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FRAME_BULK = 24,
    FRAME_SUM = 32,
    FRAME_HEADER_SIZE = 40,
    PLACE_SIZE = 32,
    PENDING_KEEP_SIZE = 1 << 21,
    FILE_STEP = 1 << 17,   /* a file grows by so much at once ... */
    FILE_STEP_FRAME = 1 << 16, /* ... for frames up to this size; larger ones by themselves */
    FILE_PIECE = 1 << 16, /* written at once: Linux keeps that together, and to sync a little of it
                             costs by the whole */
    FILE_KEEP_SIZE = 128 << 20,
    QUICK_SIZE = 1 << 17,
    LARGE_SIZE = 8 << 20,
    REDO_COMMIT_PAGES = 16384
};

#define QUICK_NS ((uint64_t)1500000) /* on average, of the last few syncs */

static const char *const file_names[2] = {"redo.0", "redo.1"};
static const char place_name[] = "redo"; /* in the meta table */

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
        size_t piece = size < FILE_PIECE ? size : FILE_PIECE;
        ssize_t written = pwrite(file, data, piece, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            log_fatal("store_failed", "call=redo_write error=\"%s\"", strerror(errno));
        data += written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
}

/* Blocks are written, not only reserved: a block's first write is one of the file's layout, which
 * a sync waits for twice. */
static void file_grow(struct store_log_file *file)
{
    uint8_t *zeros = memory_take(FILE_STEP);
    file_write(file->file, zeros, FILE_STEP, file->size);
    file->size += FILE_STEP;
    free(zeros);
}

static void frame_write(struct store *store, uint32_t more)
{
    struct store_log *log = &store->log;
    uint8_t head[FRAME_HEADER_SIZE] = {0};
    struct store_log_file *file = &log->files[log->epoch % 2];
    put_u32(head, (uint32_t)log->pending.size);
    put_u32(head + 4, more);
    put_u64(head + 8, log->epoch);
    put_u64(head + 16, log->number++);
    put_u64(head + FRAME_BULK, log->rests ? store->bulk : 0);
    memcpy(log->pending.data, head, sizeof(head));
    put_u64(log->pending.data + FRAME_SUM, frame_sum(log->pending.data, log->pending.size));
    if (log->pending.size <= FILE_STEP_FRAME && file->end + log->pending.size > file->size)
        file_grow(file);
    file_write(file->file, log->pending.data, log->pending.size, file->end);
    file->end += log->pending.size;
    file->size = file->end > file->size ? file->end : file->size;
    file->dirty = true;
    store->touched += log->operations + (uint32_t)(log->pending.size / 4096);
    log->operations = 0;
    buffer_clear(&log->pending, PENDING_KEEP_SIZE);
    memset(head, 0, sizeof(head));
    buffer_append(&log->pending, head, sizeof(head));
    log->operation = 0;
    log->last_slot = UINT32_MAX;
}

void store__log_more(struct store *store)
{
    store->log.more = true;
    frame_write(store, 1);
}

bool store__log_write(struct store *store)
{
    struct store_log *log = &store->log;
    if (log->operations == 0 && !log->more)
        return false;
    log->more = false;
    frame_write(store, 0);
    log->rests = false;
    if (store->durability != DURABILITY_ALWAYS)
        return true;
    struct store_log_file *file = &log->files[log->epoch % 2];
    if (fdatasync(file->file) != 0)
        log_fatal("store_failed", "call=redo_sync error=\"%s\"", strerror(errno));
    file->dirty = false;
    return true;
}

/* ---- files ---- */

static void files_open(struct store *store)
{
    for (int index = 0; index < 2; index++) {
        struct store_log_file *file = &store->log.files[index];
        file->file = openat(
            store->directory, file_names[index], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (file->file < 0)
            log_fatal("store_failed", "call=redo_open error=\"%s\"", strerror(errno));
        struct stat stat;
        if (fstat(file->file, &stat) == 0)
            file->size = (uint64_t)stat.st_size;
        if (file->size > 0)
            continue;
        file_grow(file);
        if (fsync(file->file) != 0)
            log_fatal("store_failed", "call=redo_open error=\"%s\"", strerror(errno));
    }
    if (fsync(store->directory) != 0)
        log_fatal("store_failed", "call=redo_open error=\"%s\"", strerror(errno));
}

void store__log_close(struct store *store)
{
    struct store_log *log = &store->log;
    for (int index = 0; index < 2; index++)
        if (log->files[index].file > 0)
            (void)close(log->files[index].file);
    log->open = false;
    buffer_free(&log->pending);
}

void store__log_turn(struct store *store)
{
    struct store_log *log = &store->log;
    struct store_log_file *file = &log->files[store->checkpoint_turn % 2];
    log->epoch = store->checkpoint_turn;
    log->staged_size = 0;
    file->end = file->synced = 0;
    if (file->size > FILE_KEEP_SIZE && ftruncate(file->file, FILE_KEEP_SIZE) == 0)
        file->size = FILE_KEEP_SIZE;
}

uint64_t store__log_spare(const struct store *store)
{
    const struct store_log *log = &store->log;
    return log->files[0].size + log->files[1].size - log->files[log->epoch % 2].end;
}

uint64_t store__log_size(const struct store *store)
{
    return store->log.files[store->log.epoch % 2].end;
}

/* ---- its place in LMDB ---- */

void store__log_position_put(struct store *store)
{
    const struct store_log *log = &store->log;
    uint8_t place[PLACE_SIZE];
    put_u64(place, log->epoch);
    put_u64(place + 8, log->files[log->epoch % 2].end);
    put_u64(place + 16, log->number);
    put_u64(place + 24, store->bulk);
    MDB_val key = {sizeof(place_name) - 1, (void *)(uintptr_t)place_name};
    MDB_val data = {sizeof(place), place};
    store__check(mdb_put(store__write(store), store->meta, &key, &data, 0), "place_put");
}

static bool place_get(struct store *store)
{
    struct store_log *log = &store->log;
    struct bytes place;
    if (!store_meta_get(store, place_name, &place) || place.size != PLACE_SIZE)
        return false;
    log->epoch = get_u64(place.data);
    log->files[log->epoch % 2].end = get_u64(place.data + 8);
    log->number = get_u64(place.data + 16);
    store->bulk = store->bulk_committed = get_u64(place.data + 24);
    return true;
}

/* ---- sync ---- */

struct store_log_sync {
    struct store *store;
    bool dirty[2];
    int order[2];
    int result;
    uint64_t commit_count;
    uint64_t took_ns;
};

bool store_log_dirty(const struct store *store)
{
    const struct store_log *log = &store->log;
    return log->operations > 0 || log->more || log->syncing != NULL || log->files[0].dirty ||
        log->files[1].dirty || store->bulk > store->bulk_synced;
}

/* A copy on its way in is on its way to the disk early, so that the sync that its seal waits for
 * finds little left; but not while clients wait for that one. */
bool store_log_sync_large(const struct store *store)
{
    const struct store_log *log = &store->log;
    const struct store_log_file *file = &log->files[log->epoch % 2];
    bool large = file->end - file->synced >= LARGE_SIZE || log->bulk_dirty >= LARGE_SIZE;
    return large && !atomic_load(&store->sync_still);
}

bool store_log_sync_quick(const struct store *store)
{
    const struct store_log *log = &store->log;
    const struct store_log_file *file = &log->files[log->epoch % 2];
    return log->sync_ns < QUICK_NS && store->syncing == NULL &&
        file->end - file->synced < QUICK_SIZE && store->bulk == store->bulk_synced;
}

struct store_log_sync *store_log_sync_begin(struct store *store)
{
    struct store_log *log = &store->log;
    if (log->syncing != NULL)
        return NULL;
    store_commit(store);
    struct store_log_sync *sync = memory_take(sizeof(*sync));
    sync->store = store;
    sync->commit_count = store->commit_count;
    sync->order[0] = (int)((log->epoch + 1) % 2); /* the older frames first */
    sync->order[1] = (int)(log->epoch % 2);
    for (int index = 0; index < 2; index++) {
        sync->dirty[index] = log->files[index].dirty;
        log->files[index].dirty = false;
        log->files[index].synced = log->files[index].end;
    }
    log->bulk_dirty = 0;
    log->syncing = sync;
    log->bulk_awaited = store->bulk;
    atomic_store(&log->waited_for, true);
    atomic_store(&log->bulk_waited_for, store->bulk > store->bulk_synced);
    return sync;
}

void store_log_sync_work(struct store_log_sync *sync)
{
    uint64_t begin_ns = clock_monotonic_ns();
    for (int index = 0; index < 2 && sync->result == 0; index++) {
        int number = sync->order[index];
        if (sync->dirty[number] && fdatasync(sync->store->log.files[number].file) != 0)
            sync->result = errno;
    }
    sync->took_ns = clock_monotonic_ns() - begin_ns;
    atomic_store(&sync->store->log.waited_for, false); /* checkpoints go on */
}

bool store_log_sync_whole(const struct store_log_sync *sync)
{
    return sync->store->log.bulk_awaited <= sync->store->bulk_synced;
}

void store_log_sync_end(struct store_log_sync *sync)
{
    if (sync->result != 0)
        log_fatal("store_failed", "call=redo_sync error=\"%s\"", strerror(sync->result));
    store__synced(sync->store, sync->commit_count);
    sync->store->log.sync_ns += sync->took_ns / 4 - sync->store->log.sync_ns / 4;
    sync->store->log.syncing = NULL;
    sync->store->log.bulk_awaited = 0;
    atomic_store(&sync->store->log.bulk_waited_for, false);
    free(sync);
}

/* ---- doing it again ---- */

/* The frame at the head of `bytes`, when it is the next one: its size, else 0. */
static size_t frame_next(struct bytes bytes, uint64_t epoch, uint64_t number)
{
    if (bytes.size < FRAME_HEADER_SIZE)
        return 0;
    size_t size = get_u32(bytes.data);
    bool next = size >= FRAME_HEADER_SIZE && size <= bytes.size &&
        get_u64(bytes.data + 8) == epoch && get_u64(bytes.data + 16) == number &&
        get_u64(bytes.data + FRAME_SUM) == frame_sum(bytes.data, size);
    return next ? size : 0;
}

/* Frames of the first whole turn; 0 when there is none, or bulk that it rests on is not there. */
static uint32_t turn_count(struct bytes bytes, uint64_t epoch, uint64_t number, uint64_t bulk)
{
    uint32_t count = 0;
    size_t size;
    while ((size = frame_next(bytes, epoch, number + count)) > 0) {
        if (get_u64(bytes.data + FRAME_BULK) > bulk)
            return 0;
        count++;
        if (get_u32(bytes.data + 4) == 0)
            return count;
        bytes = (struct bytes){bytes.data + size, bytes.size - size};
    }
    return 0;
}

/* One turn; false at the end of the file's frames. */
static bool turn_redo(struct store *store, struct bytes content)
{
    struct store_log *log = &store->log;
    struct store_log_file *file = &log->files[log->epoch % 2];
    if (file->end > content.size)
        return false;
    struct bytes rest = {content.data + file->end, content.size - file->end};
    uint32_t count = turn_count(rest, log->epoch, log->number, store->bulk);
    for (uint32_t index = 0; index < count; index++) {
        const uint8_t *frame = content.data + file->end;
        size_t size = get_u32(frame);
        store__redo(store,
            (struct bytes){frame + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE});
        file->end += size;
        log->number++;
    }
    if (store->touched >= REDO_COMMIT_PAGES)
        store__env_commit(store);
    return count > 0;
}

static void file_redo(struct store *store)
{
    struct stat stat;
    int file = store->log.files[store->log.epoch % 2].file;
    if (fstat(file, &stat) != 0 || stat.st_size == 0)
        return;
    void *content = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (content == MAP_FAILED)
        log_fatal("store_failed", "call=redo_map error=\"%s\"", strerror(errno));
    while (turn_redo(store, (struct bytes){content, (size_t)stat.st_size}))
        continue;
    (void)munmap(content, (size_t)stat.st_size);
}

void store__log_open(struct store *store)
{
    struct store_log *log = &store->log;
    uint8_t head[FRAME_HEADER_SIZE] = {0};
    files_open(store);
    log->number = 1;
    if (place_get(store)) {
        uint64_t first = log->number;
        file_redo(store);
        log->epoch++; /* begun with the next checkpoint, if there was one */
        log->files[log->epoch % 2].end = 0;
        file_redo(store);
        if (log->number > first)
            log_event(LOG_INFO, "store_redone", "frames=%llu",
                (unsigned long long)(log->number - first));
        if (store->checkpoint_turn < log->epoch)
            store->checkpoint_turn = log->epoch;
    }
    log->last_slot = UINT32_MAX;
    log->open = true;
    buffer_append(&log->pending, head, sizeof(head));
}
