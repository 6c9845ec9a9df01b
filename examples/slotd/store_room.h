/* SPDX-License-Identifier: MIT */
/* Room store, inside: tables, rows, and what its files share. Only store*.c includes this.
 *
 * data     slot 2 B | generation 4 | hash 4 | tag 1 | name, or XXH3-128 of it 16 | index 1  -> row
 * pieces   blob 8 | index 4                                             -> up to a piece of value
 * expiry   expiry_ms 8 | key of the row                                              -> nothing
 * slots    slot 2                                                -> live 4 | staged generation 4
 * garbage  slot 2 | generation 4                                                     -> nothing
 * journal  stream 4 | index 8                                                        -> record
 * meta     name                                                                      -> value
 * Keys are big-endian, so they sort; hash is seeded per store, so no client can aim at it.
 * LMDB keys end at 511 bytes: a name above NAME_INLINE_MAX is hashed and kept whole in the row.
 */
#ifndef SLOTD_STORE_ROOM_H
#define SLOTD_STORE_ROOM_H

#include "log.h"
#include "store.h"

#include <lmdb.h>
#include <stdatomic.h>

enum {
    NAME_INLINE_MAX = 480,
    ROW_PREFIX_SIZE = 11, /* slot, generation, hash, tag */
    ROW_KEY_SIZE_MAX = ROW_PREFIX_SIZE + NAME_INLINE_MAX,
    ROW_HEADER_SIZE = 24, /* flags 1, 0 3, name size 4 (long names), expiry 8, version 8 */
    BLOB_HEADER_SIZE = 32 /* blob 8, size 8, value digest 16 */
};

enum { ROW_PIECED = 1, ROW_PARTIAL = 2, ROW_LONG = 4 };

struct slot_state {
    uint32_t live;   /* generation; 0 before any other */
    uint32_t staged; /* 0 = none */
    struct store_stats live_stats;
    struct store_stats staged_stats;
};

/* The redo log (store_log.c). */
struct store_log_file {
    int file; /* 0: not open */
    bool dirty; /* has frames that no sync has begun to cover */
    uint64_t end;
    uint64_t size;
    uint64_t synced; /* `end` as of the last sync that began */
};

struct store_log {
    bool open; /* changes are told to it; not while it is done again */
    struct store_log_file files[2];
    struct buffer pending; /* the frame of this turn; its head is made at the end */
    uint32_t operations;   /* in it */
    uint64_t epoch;        /* turn of the checkpoint that the frames follow */
    uint64_t number;       /* of the next frame */
    uint64_t staged_size;  /* bytes of copies on their way in that are told, in this epoch */
    uint64_t bulk_dirty;   /* bytes of bulk since the last sync began */
    bool more;             /* frames of this turn have been written */
    bool rests;            /* this turn's changes may rest on bulk before them */
    uint64_t bulk_awaited; /* by a sync that is under way */
    size_t operation;      /* the last one in `pending` */
    uint32_t last_slot;    /* where that one ends, when it is of slots */
    uint8_t last_change;
    struct store_log_sync *syncing;
    uint64_t sync_ns; /* that one takes, of late */
    atomic_bool waited_for; /* a sync of it is under way; checkpoints look from their thread */
    atomic_bool bulk_waited_for; /* ... which ends with a checkpoint */
};

struct store {
    MDB_env *env;
    MDB_dbi data, pieces, expiry, slots, garbage, journal, meta;
    MDB_txn *write; /* over many turns; NULL when it has just been committed */
    MDB_txn *read;  /* while there is no other; begun lazily, reset at the end of the turn */
    bool read_open;
    MDB_cursor *copying; /* of `write`, where a copy that comes in stands in the data table */
    bool changed;       /* in this turn */
    bool write_back;    /* LMDB has committed since the last one began */
    /* Runs of bulk so far; behind LMDB's last commit; behind the last checkpoint. */
    uint64_t bulk, bulk_committed, bulk_synced;
    uint32_t touched;   /* pages of the open transaction, about */
    uint64_t committed; /* pages since the last checkpoint, about */
    int64_t checkpoint_ms;
    uint64_t checkpoint_commit_count;
    int durability;
    int directory;
    int lock_file;
    int64_t now_ms;
    uint64_t version;
    uint64_t next_blob;
    uint64_t hash_seed;
    uint32_t next_generation;
    uint64_t garbage_count;
    uint64_t commit_count;
    uint64_t free_size;       /* of the disk, as last asked */
    uint64_t free_asked_ms;
    bool tight;               /* little is left: what is freed must soon be used again */
    struct slot_state *slot_states;
    struct store_observer observer;
    struct store_listener listener;
    bool walks_staged;  /* an export reads the staged keys */
    bool walks_expired; /* exports take what has expired and not gone, as digests do */
    struct buffer scratch;
    uint8_t expire_at[8 + ROW_KEY_SIZE_MAX]; /* where the expiry walk goes on */
    size_t expire_at_size;
    /* sync (store_sync.c) */
    MDB_txn *pin;          /* snapshot that the checkpoint names: its pages stay untouched */
    struct store_sync *syncing;
    int64_t later_ms;       /* until then a commit waits, if it can */
    atomic_bool sync_still; /* looked at by a checkpoint's thread */
    uint64_t synced_commit_count;
    char boot_id[40];
    uint64_t checkpoint_turn;
    bool power_lost;
    struct store_log log;
};

/* One row, found or about to be made. */
struct row {
    uint32_t slot;
    uint32_t generation;
    struct store_stats *stats;
    struct bytes name;
    uint8_t key[ROW_KEY_SIZE_MAX];
    size_t key_size;
    MDB_cursor *cursor; /* of a staged row; NULL: none stands near */
    bool found;
    uint8_t flags;
    struct store_item item;
    struct reshard_digest value_digest; /* of a pieced value */
};

#define store__check(result, call)                                                                 \
    do {                                                                                           \
        if ((result) != 0)                                                                         \
            log_fatal("store_failed", "call=%s error=\"%s\"", (call), mdb_strerror(result));       \
    } while (0)

/* Transactions. */
MDB_txn *store__write(struct store *store);
MDB_txn *store__read(struct store *store);
void store__env_commit(struct store *store); /* LMDB's, at the end of a turn */
void store__room_ask(struct store *store);

/* Rows (store_row.c). Live or staged generation of the slot. */
void store__row_seek(
    struct store *store, const struct store_key *key, bool staged, struct row *row);
void store__row_key_prefix(uint8_t *key, uint32_t slot, uint32_t generation, uint32_t hash);
/* Fill name, item, flags from a stored row; the name may borrow the key. */
void store__row_read(MDB_val key, MDB_val data, struct row *row);
/* Replace (or make) the row's value. A version of 0 means the next one. */
void store__row_put(struct store *store, struct row *row, struct bytes value, int64_t expiry_ms,
    uint64_t version, uint8_t flags);
void store__row_remove(struct store *store, struct row *row);
/* Rewrite the header of a found row: expiry, version, and whether it is partial. */
void store__row_retouch(
    struct store *store, struct row *row, int64_t expiry_ms, uint64_t version, bool partial);
/* Append to a found row; the version becomes the given one (0 = the next). */
void store__row_append(struct store *store, struct row *row, struct bytes tail, uint64_t version);
void store__row_told(struct store *store, const struct row *row, uint64_t kept);

/* Values in pieces (store_piece.c). */
void store__pieces_put(
    struct store *store, uint64_t blob, uint64_t size, struct bytes tail,
    struct reshard_digest *digest);
void store__pieces_remove(struct store *store, uint64_t blob, uint64_t size);
struct reshard_digest store__piece_digest(struct bytes piece, uint32_t piece_index);
struct reshard_digest store__value_digest(const struct row *row);
struct reshard_digest store__digest(
    struct bytes name, int64_t expiry_ms, uint64_t size, struct reshard_digest value);
void store__digest_add(struct reshard_digest *sum, struct reshard_digest digest);
void store__digest_subtract(struct reshard_digest *sum, struct reshard_digest digest);
uint64_t store__hash64(struct bytes name, uint64_t seed);
struct reshard_digest store__hash128(struct bytes name, uint64_t seed);

/* Slots (store_slot.c): load states and sums at open; one change of generations (STORE_SLOT_*), not
 * told to the redo log. */
void store__slots_load(struct store *store);
void store__slot_change(struct store *store, uint8_t change, uint32_t slot);

/* Records (store_record.c): one part of the item, from an offset on; returns the offset behind. */
uint64_t store__record_part(struct store *store, const struct store_key *key,
    const struct store_item *item, uint64_t offset, struct buffer *records);
void store__record_gone(const struct store_key *key, struct buffer *records);

/* Sync (store_sync.c). */
const char *store__recover(struct store *store, const char *path);
void store__sync_first(struct store *store); /* before anything is changed */
void store__sync_open(struct store *store);
void store__sync_close(struct store *store);
void store__synced(struct store *store, uint64_t commit_count);

/* Redo log (store_log.c). */
void store__log_open(struct store *store); /* and do again what LMDB lacks */
void store__log_close(struct store *store);
void store__log_turn(struct store *store);  /* a checkpoint begins: the other file */
bool store__log_write(struct store *store); /* the turn's last frame; false: nothing was told */
uint64_t store__log_size(const struct store *store); /* of this epoch */
uint64_t store__log_spare(const struct store *store); /* of its files, that can be written over */
void store__log_more(struct store *store);  /* a frame of this turn, of several */
void store__log_position_put(struct store *store); /* LMDB is as new as the log is now */

/* Its operations (store_redo.c). What is told becomes part of the turn's frame; the listener hears
 * of some. */
void store__redo_journal_put(
    struct store *store, uint32_t stream, uint64_t index, struct bytes record);
void store__redo_journal_remove(
    struct store *store, uint32_t stream, uint64_t first, uint64_t last);
void store__redo_meta(struct store *store, const char *name, const struct bytes *value);
void store__redo_slot(struct store *store, uint8_t change, uint32_t slot);
void store__redo_apply(struct store *store, struct bytes records);
void store__redo_put(
    struct store *store, const struct store_key *key, const struct store_item *item);
void store__redo_append(
    struct store *store, const struct store_key *key, uint64_t version, struct bytes tail);
void store__redo_expiry(struct store *store, const struct store_key *key,
    const struct store_item *item);
void store__redo_remove(struct store *store, const struct store_key *key);
void store__redo_record(struct store *store, struct bytes record);
/* Do the operations of a frame again. */
void store__redo(struct store *store, struct bytes operations);

#endif
