/* SPDX-License-Identifier: MIT */
/* Room store: checkpoints: what LMDB has of itself after a loss of power.
 *
 * LMDB's commits are not synced, so after a power loss the newest state on disk may be torn. LMDB
 * never overwrites pages that a reader's snapshot uses. So: keep a read transaction on snapshot S
 * open (the pin), sync the file, then write the meta page of S into a checkpoint file. As long as
 * the pin stays, all pages of S stay as they were synced; after a power loss (the boot id has
 * changed, and the last run did not end cleanly) the saved meta page is put back, and the
 * environment is exactly S; the redo log has what came since, from the place that S names. After a
 * mere crash of the process the page cache has everything, and LMDB's own newest meta page is good.
 */
#define _GNU_SOURCE 1 /* sync_file_range */
#include "store_room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    META_PAGE_SIZE = 4096,
    BOOT_ID_SIZE = 40,
    /* magic 8 | state 4 | 0 4 | turn 8 | boot id 40 | meta page 4096 | checksum 8 */
    CHECKPOINT_STATE = 8,
    CHECKPOINT_TURN = 16,
    CHECKPOINT_BOOT = 24,
    CHECKPOINT_META = 64,
    CHECKPOINT_SUM = CHECKPOINT_META + META_PAGE_SIZE,
    CHECKPOINT_SIZE = CHECKPOINT_SUM + 8,
    META_TXNID_OFFSET = 144 /* of mm_txnid in a 64-bit meta page */
};

enum {
    STATE_TRUST = 1,  /* the file is synced: newest meta page is good */
    STATE_PINNED = 2, /* after a power loss: this meta page */
    STATE_NONE = 3    /* never synced: after a power loss nothing is known */
};

static const char magic[] = "slotdck2";
static const char *const checkpoint_names[2] = {"checkpoint.0", "checkpoint.1"};

enum {
    WRITE_BACK_STEP = 1 << 19, /* bytes of the file at a time ... */
    WRITE_BACK_STEPS = 4096,   /* ... or this part of it, if that is more */
    LET_PASS_MS = 200,         /* that a checkpoint waits for others, in all */
    DUE_LOG_SIZE = 64 << 20,   /* a checkpoint is due when the redo log is so long, */
    DUE_STAGED_SIZE = 8 << 20, /* or so long with a copy that comes in: fresh memory is dear, and
                                   two files that take turns soon need no more of it */
    DUE_PAGES = 32768,         /* when LMDB's file may grow by so much that it cannot use again, */
    DUE_MS = 30000,            /* or after so long; */
    DUE_TIGHT_PAGES = 2048,    /* while little is left on the disk, */
    DUE_TIGHT_MS = 1000        /* so that what was deleted makes room */
};

struct store_sync {
    struct store *store;
    MDB_txn *pin;
    uint64_t size; /* of the environment's file */
    uint64_t commit_count;
    uint64_t bulk;
    int result;
    uint8_t checkpoint[CHECKPOINT_SIZE];
};

static void boot_id_read(char boot_id[BOOT_ID_SIZE])
{
    memset(boot_id, 0, BOOT_ID_SIZE);
    const char *given = getenv("SLOTD_BOOT_ID"); /* tests play a power loss with it */
    if (given != NULL) {
        (void)snprintf(boot_id, BOOT_ID_SIZE, "%s", given);
        return;
    }
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    ssize_t size = read(file, boot_id, BOOT_ID_SIZE - 1);
    (void)close(file);
    if (size < 0)
        memset(boot_id, 0, BOOT_ID_SIZE);
}

static bool checkpoint_read(struct store *store, const char *name, uint8_t *checkpoint)
{
    int file = openat(store->directory, name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t size = pread(file, checkpoint, CHECKPOINT_SIZE, 0);
    (void)close(file);
    return size == CHECKPOINT_SIZE && memcmp(checkpoint, magic, 8) == 0 &&
        get_u64(checkpoint + CHECKPOINT_SUM) ==
        bytes_checksum((struct bytes){checkpoint, CHECKPOINT_SUM});
}

/* Two files in turn, so that a torn write leaves the other. */
static int checkpoint_write(struct store *store, uint8_t *checkpoint)
{
    put_u64(checkpoint + CHECKPOINT_SUM,
        bytes_checksum((struct bytes){checkpoint, CHECKPOINT_SUM}));
    const char *name = checkpoint_names[get_u64(checkpoint + CHECKPOINT_TURN) % 2];
    int file = openat(store->directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0)
        return errno;
    int result = pwrite(file, checkpoint, CHECKPOINT_SIZE, 0) == CHECKPOINT_SIZE ? 0 : EIO;
    if (result == 0 && fdatasync(file) != 0)
        result = errno;
    (void)close(file);
    if (result == 0 && get_u64(checkpoint + CHECKPOINT_TURN) < 4 && fsync(store->directory) != 0)
        result = errno; /* the names are new */
    return result;
}

static void checkpoint_fill(struct store *store, uint8_t *checkpoint, uint32_t state)
{
    memset(checkpoint, 0, CHECKPOINT_SIZE);
    memcpy(checkpoint, magic, 8);
    put_u32(checkpoint + CHECKPOINT_STATE, state);
    put_u64(checkpoint + CHECKPOINT_TURN, ++store->checkpoint_turn);
    memcpy(checkpoint + CHECKPOINT_BOOT, store->boot_id, BOOT_ID_SIZE);
}

/* Put the saved meta page into both places of the environment's file. */
static const char *meta_restore(const char *path, const uint8_t *meta)
{
    char name[4096];
    uint8_t page[META_PAGE_SIZE];
    (void)snprintf(name, sizeof(name), "%s/data.mdb", path);
    int file = open(name, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return "cannot open data.mdb to restore its checkpoint";
    bool good = true;
    for (uint64_t number = 0; number < 2; number++) {
        memcpy(page, meta, sizeof(page));
        memcpy(page, &number, sizeof(number));
        good = good &&
            pwrite(file, page, sizeof(page), (off_t)(number * META_PAGE_SIZE)) == META_PAGE_SIZE;
    }
    good = good && fsync(file) == 0;
    (void)close(file);
    return good ? NULL : "cannot restore the checkpoint of data.mdb";
}

const char *store__recover(struct store *store, const char *path)
{
    uint8_t checkpoints[2][CHECKPOINT_SIZE];
    const uint8_t *newest = NULL;
    boot_id_read(store->boot_id);
    for (int index = 0; index < 2; index++)
        if (checkpoint_read(store, checkpoint_names[index], checkpoints[index]) &&
            (newest == NULL || get_u64(checkpoints[index] + CHECKPOINT_TURN) >
                    get_u64(newest + CHECKPOINT_TURN)))
            newest = checkpoints[index];
    if (newest == NULL)
        return NULL; /* a new directory, or one that was never opened to the end */
    /* Redo frames of the turns that were begun before may lie in the files yet. */
    store->checkpoint_turn = get_u64(newest + CHECKPOINT_TURN) + 2;
    uint32_t state = get_u32(newest + CHECKPOINT_STATE);
    if (state == STATE_TRUST ||
        memcmp(newest + CHECKPOINT_BOOT, store->boot_id, BOOT_ID_SIZE) == 0)
        return NULL;
    if (state == STATE_NONE)
        return "power was lost while durability was none: the data cannot be trusted";
    log_event(LOG_WARNING, "store_restored", "txn=%llu",
        (unsigned long long)get_u64(newest + CHECKPOINT_META + META_TXNID_OFFSET));
    store->power_lost = true;
    return meta_restore(path, newest + CHECKPOINT_META);
}

/* Save the meta page of the newest commit; nothing is committed meanwhile. */
static void meta_save(struct store *store, uint8_t *meta)
{
    MDB_envinfo info;
    mdb_filehandle_t file;
    store__check(mdb_env_info(store->env, &info), "env_info");
    store__check(mdb_env_get_fd(store->env, &file), "env_fd");
    off_t offset = (off_t)(info.me_last_txnid & 1) * META_PAGE_SIZE;
    if (pread(file, meta, META_PAGE_SIZE, offset) != META_PAGE_SIZE ||
        get_u64(meta + META_TXNID_OFFSET) != info.me_last_txnid)
        log_fatal("store_failed", "call=meta_save");
}

bool store_sync_due(const struct store *store)
{
    return store->syncing == NULL &&
        (store->log.bulk_awaited > store->bulk_synced ||
            store__log_size(store) >= DUE_LOG_SIZE ||
            (store->log.staged_size >= DUE_STAGED_SIZE && !atomic_load(&store->sync_still)) ||
            store->committed >= (store->tight ? DUE_TIGHT_PAGES : DUE_PAGES) ||
            (store->commit_count != store->checkpoint_commit_count &&
                store->now_ms - store->checkpoint_ms >= (store->tight ? DUE_TIGHT_MS : DUE_MS)));
}

struct store_sync *store_sync_begin(struct store *store)
{
    if (store->syncing != NULL)
        return NULL;
    store_commit(store);
    struct store_sync *sync = memory_take(sizeof(*sync));
    sync->store = store;
    sync->commit_count = store->commit_count;
    sync->bulk = store->bulk;
    store->syncing = sync;
    checkpoint_fill(store, sync->checkpoint, STATE_PINNED);
    store__log_turn(store);
    store__env_commit(store);
    store__room_ask(store);
    store->committed = 0;
    store->checkpoint_ms = store->now_ms;
    store->checkpoint_commit_count = store->commit_count;
    if (store->durability != DURABILITY_NONE) {
        MDB_envinfo info;
        store__check(mdb_env_info(store->env, &info), "env_info");
        sync->size = ((uint64_t)info.me_last_pgno + 1) * META_PAGE_SIZE;
        store__check(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &sync->pin), "pin");
        meta_save(store, sync->checkpoint + CHECKPOINT_META);
    }
    return sync;
}

/* A checkpoint has time, unless somebody waits for it; who waits for the log's sync has none. */
static void others_pass(const struct store *store, int *left_ms)
{
    const struct timespec pause = {0, 1000000};
    while (*left_ms > 0 && !atomic_load(&store->log.bulk_waited_for) &&
        (atomic_load(&store->log.waited_for) || atomic_load(&store->sync_still))) {
        (void)nanosleep(&pause, NULL);
        --*left_ms;
    }
}

/* Most of the checkpoint in small steps, each ended before the next begins: the disk's queue stays
 * short for everybody else. For whoever waits all of it is begun at once. */
static void pages_write_back(const struct store_sync *sync)
{
#ifdef SYNC_FILE_RANGE_WRITE
    uint64_t step = sync->size / WRITE_BACK_STEPS;
    int left_ms = LET_PASS_MS;
    mdb_filehandle_t file;
    if (mdb_env_get_fd(sync->store->env, &file) != 0)
        return;
    step = step < WRITE_BACK_STEP ? WRITE_BACK_STEP : step;
    for (uint64_t offset = 0; offset < sync->size; offset += step) {
        if (atomic_load(&sync->store->log.bulk_waited_for)) {
            (void)sync_file_range(file, (off_t)offset, 0, SYNC_FILE_RANGE_WRITE);
            return;
        }
        others_pass(sync->store, &left_ms);
        (void)sync_file_range(file, (off_t)offset, (off_t)step,
            SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    }
#else
    (void)sync;
#endif
}

bool store_write_back_begin(struct store *store)
{
    bool due = store->write_back && store->syncing == NULL && !atomic_load(&store->sync_still);
    store->write_back = store->write_back && !due;
    return due;
}

void store_write_back_work(const struct store *store)
{
#ifdef SYNC_FILE_RANGE_WRITE
    mdb_filehandle_t file;
    if (mdb_env_get_fd(store->env, &file) == 0)
        (void)sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
    (void)store;
#endif
}

void store_sync_still(struct store *store, bool still)
{
    atomic_store(&store->sync_still, still);
}

bool store_sync_is_still(const struct store *store)
{
    return atomic_load(&store->sync_still);
}

void store_sync_work(struct store_sync *sync)
{
    struct store *store = sync->store;
    if (store->durability == DURABILITY_NONE)
        return;
    pages_write_back(sync);
    sync->result = mdb_env_sync(store->env, 1);
    if (sync->result == 0)
        sync->result = checkpoint_write(store, sync->checkpoint);
}

int store_sync_end(struct store_sync *sync)
{
    struct store *store = sync->store;
    int result = sync->result;
    store->syncing = NULL;
    if (result != 0)
        /* What the page cache holds after a failed sync is anybody's guess: restart and verify. */
        log_fatal("store_failed", "call=sync error=\"%s\"", strerror(result));
    store__synced(store, sync->commit_count);
    store->bulk_synced = sync->bulk;
    if (store->pin != NULL)
        mdb_txn_abort(store->pin);
    store->pin = sync->pin;
    free(sync);
    return result;
}

void store__synced(struct store *store, uint64_t commit_count)
{
    if (commit_count > store->synced_commit_count)
        store->synced_commit_count = commit_count;
}

uint64_t store_unsynced_count(const struct store *store)
{
    return store->commit_count - store->synced_commit_count;
}

bool store_redone(const struct store *store)
{
    return store->power_lost;
}

/* What is found is made the checkpoint, and pinned, before the first commit writes over pages of
 * an older one. A directory that is new has none, and nothing to lose. */
void store__sync_first(struct store *store)
{
    uint8_t checkpoint[CHECKPOINT_SIZE];
    store->checkpoint_ms = store->now_ms;
    if (store->checkpoint_turn == 0 || store->durability == DURABILITY_NONE)
        return;
    checkpoint_fill(store, checkpoint, STATE_PINNED);
    meta_save(store, checkpoint + CHECKPOINT_META);
    store__check(mdb_env_sync(store->env, 1), "sync");
    store__check(checkpoint_write(store, checkpoint), "checkpoint");
}

void store__sync_open(struct store *store)
{
    uint8_t checkpoint[CHECKPOINT_SIZE];
    struct store_sync *sync = store_sync_begin(store);
    store_sync_work(sync);
    (void)store_sync_end(sync);
    if (store->durability != DURABILITY_NONE)
        return;
    checkpoint_fill(store, checkpoint, STATE_NONE);
    store__check(checkpoint_write(store, checkpoint), "checkpoint");
}

void store__sync_close(struct store *store)
{
    uint8_t checkpoint[CHECKPOINT_SIZE];
    if (store->syncing != NULL)
        log_fatal("store_failed", "call=close error=\"a sync is running\"");
    store__env_commit(store);
    checkpoint_fill(store, checkpoint, STATE_TRUST);
    store__check(mdb_env_sync(store->env, 1), "sync");
    store__check(checkpoint_write(store, checkpoint), "checkpoint");
}
