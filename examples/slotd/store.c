/* SPDX-License-Identifier: MIT */
/* Room store: opening, transactions, the end of a turn.
 *
 * A turn ends with one write of the redo log (store_log.c), which is what it survives a kill by.
 * LMDB's transaction goes on over many turns and is committed when it has grown; with it goes the
 * place in the log that it is as new as. So a page that many turns change is written once. */
#include "store_room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAP_SIZE_DEFAULT ((uint64_t)256 << 30)

enum {
    FREE_ASK_MS = 1000,
    FREE_WRITE_SIZE = 256,        /* of a small write */
    FREE_RESERVE_SIZE = 64 << 20, /* of pages that are not written yet, and for what must go on */
    FREE_TIGHT = 4                /* so many times the reserve are little */
};

/* Pages that LMDB writes at once, which is what a turn waits for then: two microseconds each, or
 * three. A copy fills page after page, so little is written twice when that is done often. */
enum {
    COMMIT_PAGES = 1024,
    COMMIT_COPY_PAGES = 64,
    COMMIT_LATER_PAGES = 2 * COMMIT_PAGES,
    COMMIT_STILL_PAGES = 8 * COMMIT_PAGES
};

MDB_txn *store__write(struct store *store)
{
    if (store->write == NULL)
        store__check(mdb_txn_begin(store->env, NULL, 0, &store->write), "txn_begin");
    store->changed = true;
    return store->write;
}

MDB_txn *store__read(struct store *store)
{
    if (store->write != NULL)
        return store->write;
    if (store->read == NULL)
        store__check(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->read), "read_begin");
    else if (!store->read_open)
        store__check(mdb_txn_renew(store->read), "read_renew");
    store->read_open = true;
    return store->read;
}

static void read_end(struct store *store)
{
    if (store->read_open)
        mdb_txn_reset(store->read);
    store->read_open = false;
}

void store__env_commit(struct store *store)
{
    read_end(store);
    store__log_position_put(store);
    if (store->copying != NULL)
        mdb_cursor_close(store->copying);
    store->copying = NULL;
    store__check(mdb_txn_commit(store->write), "commit");
    store->write = NULL;
    store->changed = false;
    store->write_back = true;
    store->bulk_committed = store->bulk;
    store->committed += store->touched;
    store->touched = 0;
}

/* Not while clients wait for another node, unless it would take them long afterwards. */
static bool env_commit_due(const struct store *store)
{
    uint32_t limit = COMMIT_PAGES;
    if (store->copying != NULL)
        limit = COMMIT_COPY_PAGES;
    else if (store->now_ms < store->later_ms)
        limit = COMMIT_LATER_PAGES;
    return store->touched >= (atomic_load(&store->sync_still) ? COMMIT_STILL_PAGES : limit);
}

void store_commit_later(struct store *store, uint32_t ms)
{
    store->later_ms = store->now_ms + ms;
}

void store_commit(struct store *store)
{
    read_end(store);
    if (!store->changed)
        return;
    store->changed = false;
    bool rests = store->log.rests && store->bulk > store->bulk_committed;
    if (store__log_write(store))
        store->commit_count++;
    if (store->durability == DURABILITY_ALWAYS)
        store__synced(store, store->commit_count);
    if (rests || env_commit_due(store))
        store__env_commit(store);
}

void store_bulk_begin(struct store *store)
{
    store->log.open = false;
    store->bulk++;
}

void store_bulk_end(struct store *store, uint64_t size)
{
    store->log.open = true;
    store->log.bulk_dirty += size;
    store->touched += 1 + (uint32_t)(size / 4096);
}

uint64_t store_commit_count(const struct store *store)
{
    return store->commit_count;
}

void store_time_set(struct store *store, int64_t now_ms)
{
    store->now_ms = now_ms;
}

int64_t store_time(const struct store *store)
{
    return store->now_ms;
}

/* Bytes within LMDB's file that may be written over: what was freed before the checkpoint, as of
 * the last commit. */
static uint64_t reusable_size(struct store *store)
{
    enum { FREE_TABLE = 0 }; /* LMDB's own: transaction -> how many pages it freed, and which */
    MDB_cursor *cursor;
    MDB_txn *read; /* a writing one may not look there */
    MDB_val key, data;
    uint64_t pages = 0;
    size_t pinned = store->pin != NULL ? mdb_txn_id(store->pin) : SIZE_MAX;
    store__check(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &read), "read_begin");
    store__check(mdb_cursor_open(read, FREE_TABLE, &cursor), "cursor");
    while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0 &&
        *(const size_t *)key.mv_data < pinned)
        pages += *(const size_t *)data.mv_data;
    mdb_cursor_close(cursor);
    mdb_txn_abort(read);
    return pages * 4096;
}

static uint64_t disk_size(const struct store *store)
{
    struct statvfs disk;
    if (fstatvfs(store->directory, &disk) != 0)
        return UINT64_MAX / 2;
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}

void store__room_ask(struct store *store)
{
    const uint64_t little = (uint64_t)FREE_TIGHT * FREE_RESERVE_SIZE;
    MDB_envinfo info;
    store__check(mdb_env_info(store->env, &info), "env_info");
    uint64_t used = (uint64_t)info.me_last_pgno * 4096;
    uint64_t left = info.me_mapsize > used ? info.me_mapsize - used : 0;
    uint64_t disk = disk_size(store);
    uint64_t log = disk + store__log_spare(store);
    left = disk < left ? disk : left;
    store->tight = left < little;
    if (store->tight)
        left += reusable_size(store);
    store->free_size = log < left ? log : left;
    store->free_asked_ms = (uint64_t)store->now_ms;
}

static bool has_room(struct store *store, uint64_t size, uint64_t reserve)
{
    /* The value, the pages of trees that are copied to reach it, and the redo log. */
    uint64_t taken = 3 * size + FREE_WRITE_SIZE;
    uint64_t age_ms = (uint64_t)store->now_ms - store->free_asked_ms;
    if (age_ms > FREE_ASK_MS || store->free_size <= reserve + taken)
        store__room_ask(store);
    if (store->free_size <= reserve + taken)
        return false;
    store->free_size -= taken; /* until it is asked for again: much is written in a second */
    return true;
}

bool store_has_room(struct store *store, uint64_t size)
{
    return has_room(store, size, FREE_RESERVE_SIZE);
}

bool store_may_follow(struct store *store, uint64_t size)
{
    return has_room(store, size, FREE_RESERVE_SIZE / 2);
}

void store_observe(struct store *store, const struct store_observer *observer)
{
    store->observer = *observer;
}

static const char *directory_open(struct store *store, const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return "cannot make the directory";
    store->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->directory < 0)
        return "cannot open the directory";
    store->lock_file = openat(store->directory, "slotd.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (store->lock_file < 0)
        return "cannot make the lock file";
    if (flock(store->lock_file, LOCK_EX | LOCK_NB) != 0)
        return "the directory is in use by another process";
    return NULL;
}

static const char *env_open(struct store *store, const struct store_options *options)
{
    unsigned flags = MDB_NOTLS | MDB_NOMEMINIT | MDB_NORDAHEAD | MDB_NOSYNC;
    uint64_t map_size = options->map_size > 0 ? options->map_size : MAP_SIZE_DEFAULT;
    if (mdb_env_create(&store->env) != 0)
        return "cannot make the environment";
    if (mdb_env_set_mapsize(store->env, (size_t)map_size) != 0 ||
        mdb_env_set_maxdbs(store->env, 8) != 0)
        return "cannot size the environment";
    int result = mdb_env_open(store->env, options->path, flags, 0644);
    if (result == 0)
        result = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->pin);
    return result == 0 ? NULL : mdb_strerror(result);
}

static void tables_open(struct store *store)
{
    const struct {
        const char *name;
        MDB_dbi *table;
    } tables[] = {{"data", &store->data}, {"pieces", &store->pieces}, {"expiry", &store->expiry},
        {"slots", &store->slots}, {"garbage", &store->garbage}, {"journal", &store->journal},
        {"meta", &store->meta}};
    for (size_t index = 0; index < sizeof(tables) / sizeof(tables[0]); index++)
        store__check(mdb_dbi_open(store__write(store), tables[index].name, MDB_CREATE,
                         tables[index].table), "dbi_open");
}

/* The seed that makes hashes of names unguessable, drawn once. */
static void seed_load(struct store *store)
{
    struct bytes seed;
    if (store_meta_get(store, "hash-seed", &seed) && seed.size == 8) {
        store->hash_seed = get_u64(seed.data);
        return;
    }
    uint8_t drawn[8];
    int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, drawn, sizeof(drawn)) != (ssize_t)sizeof(drawn))
        log_fatal("store_failed", "call=urandom");
    (void)close(file);
    store->hash_seed = get_u64(drawn);
    store_meta_put(store, "hash-seed", (struct bytes){drawn, sizeof(drawn)});
}

static void blobs_load(struct store *store)
{
    MDB_cursor *cursor;
    MDB_val key, data;
    store->next_blob = 1;
    store__check(mdb_cursor_open(store__write(store), store->pieces, &cursor), "cursor");
    if (mdb_cursor_get(cursor, &key, &data, MDB_LAST) == 0)
        store->next_blob = get_u64_big(key.mv_data) + 1;
    mdb_cursor_close(cursor);
}

struct store *store_open(const struct store_options *options, const char **error_out)
{
    struct store *store = memory_take(sizeof(*store));
    store->directory = -1;
    store->lock_file = -1;
    store->durability = options->durability;
    store->now_ms = clock_wall_ms();
    store->slot_states = memory_take(STORE_SLOT_COUNT * sizeof(*store->slot_states));
    const char *error = directory_open(store, options->path);
    if (error == NULL)
        error = store__recover(store, options->path);
    if (error == NULL)
        error = env_open(store, options);
    if (error != NULL) {
        *error_out = error;
        store_close(store);
        return NULL;
    }
    store__sync_first(store);
    tables_open(store);
    seed_load(store);
    blobs_load(store);
    store__slots_load(store);
    store__log_open(store);
    store__sync_open(store);
    store__room_ask(store);
    return store;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->env != NULL && store->data != 0) {
        store_commit(store);
        store__sync_close(store);
    }
    store__log_close(store);
    if (store->read != NULL)
        mdb_txn_abort(store->read);
    if (store->pin != NULL)
        mdb_txn_abort(store->pin);
    if (store->env != NULL)
        mdb_env_close(store->env);
    if (store->lock_file >= 0)
        (void)close(store->lock_file);
    if (store->directory >= 0)
        (void)close(store->directory);
    buffer_free(&store->scratch);
    free(store->slot_states);
    free(store);
}
