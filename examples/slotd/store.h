/* SPDX-License-Identifier: MIT */
/* Room store (slotd): keys, values, expiry and the library's journal in one LMDB environment.
 *
 * Guarantees: all changes between two store_commit calls become durable together or not at all,
 * in their order, journal records included (but see store_bulk_begin). Per slot it keeps the
 * number of keys and an order-independent digest.
 * A slot's rows carry a generation: a staged generation is invisible until store_slot_activate
 * makes it the live one in O(1); retired generations are purged in bounded steps.
 * An error of LMDB ends the process (log_fatal): nothing half done is ever acknowledged.
 * One thread, except that store_sync's work runs elsewhere. Touches only its directory.
 */
#ifndef SLOTD_STORE_H
#define SLOTD_STORE_H

#include "bytes.h"

#include <reshard/types.h>

struct store;

enum {
    STORE_SLOT_COUNT = 16384,
    STORE_KEY_SIZE_MAX = 65535,
    STORE_PIECE_SIZE = 262128 /* a larger value lies in pieces of this size */
};

/* How much an acknowledged write survives. */
enum {
    DURABILITY_NONE,  /* a clean end */
    DURABILITY_BATCH, /* kill -9; power loss costs at most what came after the last sync */
    DURABILITY_ALWAYS /* power loss */
};

struct store_options {
    const char *path; /* directory, made when missing */
    int durability;
    uint64_t map_size; /* upper limit of the file, 0 = default */
};

struct store_key {
    uint32_t slot;
    struct bytes name;
};

/* An item, borrowed until the next change or commit. */
struct store_item {
    int64_t expiry_ms;   /* wall clock; 0 = never */
    uint64_t version;    /* grows with every write of this store */
    uint64_t value_size;
    struct bytes value;  /* data NULL: in pieces, see store_item_piece */
    uint64_t blob;       /* id of the pieces */
};

struct store_stats {
    uint64_t key_count;
    uint64_t expiry_count;            /* keys that have an expiry */
    uint64_t size;                    /* bytes of keys and values */
    struct reshard_digest digest;     /* sum of the items' digests */
};

/* Life. store_open checks and repairs: see store_sync.c. NULL when `error_out` says why not. */
struct store *store_open(const struct store_options *options, const char **error_out);
void store_close(struct store *store);

/* The clock that decides what has expired; the caller sets it as time passes. */
void store_time_set(struct store *store, int64_t now_ms);
int64_t store_time(const struct store *store);

/* End of a turn: make the changes since the last one durable, as the setting says. Cheap when
 * nothing changed. Every borrowed item ends here. */
void store_commit(struct store *store);
/* For so long a commit that would stop clients for milliseconds waits, unless twice as much waits
 * for it already; 0: no longer. */
void store_commit_later(struct store *store, uint32_t ms);
/* What is changed between these is bulk, `size` bytes of it, and goes without the redo log: it may
 * be lost in any end before the next power-safe point. What is changed in the journal, by name or
 * in slots behind it is never there without it; a client's write may be. */
void store_bulk_begin(struct store *store);
void store_bulk_end(struct store *store, uint64_t size);
/* Whether a write of this size still fits on the disk and in the map. */
bool store_has_room(struct store *store, uint64_t size);
/* The same for a replica, which has less in reserve: of two equal disks the primary's is the one
 * that is full first. */
bool store_may_follow(struct store *store, uint64_t size);
uint64_t store_commit_count(const struct store *store);

/* Items of live slots. Expired ones count as absent everywhere, but stay until store_expire. */
bool store_find(struct store *store, const struct store_key *key, struct store_item *item_out);
void store_put(
    struct store *store, const struct store_key *key, struct bytes value, int64_t expiry_ms);
/* Append to the value (or make it), keeping the expiry; returns the new size. */
uint64_t store_append(struct store *store, const struct store_key *key, struct bytes tail);
/* Change the expiry only. False when absent. */
bool store_expiry_set(struct store *store, const struct store_key *key, int64_t expiry_ms);
/* False when there was none (an expired one is removed, but does not count). */
bool store_remove(struct store *store, const struct store_key *key);

/* Value of an item, whole, onto a buffer; or piece by piece (0 ...). */
void store_item_value(
    struct store *store, const struct store_item *item, struct buffer *value);
struct bytes store_item_piece(
    struct store *store, const struct store_item *item, uint32_t piece_index);
/* Digest of one item, independent of how it is stored. */
struct reshard_digest store_item_digest(
    struct store *store, struct bytes name, const struct store_item *item);

/* Called after each change of a live key. What the key is now: store_record_key. `kept`: so many
 * bytes of its value are as before; only the expiry, and what follows them, is new. */
typedef void (*store_changed)(void *user_data, const struct store_key *key, uint64_t kept);
/* Called after a live key, or all of a slot, was removed. */
typedef void (*store_removed)(void *user_data);
/* Asked before an expired key is removed: may it? */
typedef bool (*store_may_expire)(void *user_data, const struct store_key *key);
/* Whether a slot's keys are seen: others (copies on their way in, remains on their way out) are
 * left out of walks, counts and random keys. */
typedef bool (*store_visible)(void *user_data, uint32_t slot);
struct store_observer {
    void *user_data;
    store_changed changed;       /* NULL: nobody asks */
    store_removed removed;       /* NULL: nobody asks */
    store_may_expire may_expire; /* NULL: all may */
    store_visible visible;       /* NULL: all are */
};
void store_observe(struct store *store, const struct store_observer *observer);
/* Remove up to `limit` expired keys; returns how many. */
uint32_t store_expire(struct store *store, uint32_t limit);

/* Walks. A position is slot << 32 | hash; rows of one slot are in hash order, so a position stays
 * good whatever is written meanwhile. The visitor returns false to stop behind this key; all keys
 * of one (slot, hash) are visited together. Returns the position to go on from. */
typedef bool (*store_visit)(
    void *user_data, const struct store_key *key, const struct store_item *item);
#define STORE_END ((uint64_t)STORE_SLOT_COUNT << 32)
uint64_t store_walk(
    struct store *store, uint64_t position, uint64_t end, store_visit visit, void *user_data);

/* Slots. */
void store_slot_stats(const struct store *store, uint32_t slot, struct store_stats *stats_out);
void store_staged_stats(const struct store *store, uint32_t slot, struct store_stats *stats_out);
/* Sums over the visible slots. */
uint64_t store_key_count(const struct store *store);
uint64_t store_expiry_count(const struct store *store);
bool store_slot_visible(const struct store *store, uint32_t slot);
/* Random live key of a visible slot, by a random number. False when there is none. */
bool store_random_key(struct store *store, uint64_t random, struct buffer *name_out);

/* Staging: records (store_record_*) go in, requests see nothing of it. */
void store_slot_stage(struct store *store, uint32_t slot);     /* empty; drops what was staged */
bool store_slot_staged(const struct store *store, uint32_t slot);
void store_slot_activate(struct store *store, uint32_t slot);  /* staged becomes live: O(1) */
void store_slot_discard(struct store *store, uint32_t slot);   /* staged is retired: O(1) */
void store_slot_clear(struct store *store, uint32_t slot);     /* live is retired: O(1) */
/* Delete up to `limit` rows of retired generations. True when nothing is left. */
bool store_purge(struct store *store, uint32_t limit);
uint64_t store_garbage_count(const struct store *store); /* retired generations left */

/* Records: state of keys after a write. One form for capture, export and apply; any run of them,
 * put behind one another, is a valid stream. Applying one twice is harmless. */
void store_record_key(struct store *store, const struct store_key *key, struct buffer *records);
void store_record_clear(uint32_t slot, struct buffer *records);
/* For who has the key as it was before: of a large value only what follows the `kept` bytes. Not
 * harmless twice, and refused where the key is another. */
void store_record_grown(
    struct store *store, const struct store_key *key, uint64_t kept, struct buffer *records);
/* The same without the bytes of a value in pieces: who gets it has to ask for those. */
void store_record_head(struct store *store, const struct store_key *key, struct buffer *records);
/* What a record holds of a key's value. */
struct store_part {
    struct store_key key; /* borrowed from the record */
    uint64_t version;
    uint64_t value_size;
    uint64_t begin;
    uint64_t end;
};
/* Of the last of these records; false: they are none, or it has no value. */
bool store_record_part(struct bytes records, struct store_part *part_out);
/* Append the record that goes on at part->end, if the live key is still of that version. */
bool store_record_next(
    struct store *store, const struct store_part *part, struct buffer *records);
/* Where an export stands. All zero but `position` (and `staged`) to start. */
struct store_export {
    bool staged;         /* of the staged keys of one slot, not the live ones */
    uint64_t position;   /* next key */
    struct buffer name;  /* of a value that is half exported; empty = none */
    uint64_t version;
    uint64_t offset;
    size_t key_size; /* that each key counts for beside its bytes */
    size_t keys_size; /* sum of those, so far */
};
/* Append records of the live keys in [export->position, end) up to about `size_max` bytes, what
 * the keys count for included. True when the end was reached. */
bool store_export_step(struct store *store, struct store_export *export_state, uint64_t end,
    size_t size_max, struct buffer *records);
void store_export_free(struct store_export *export_state);
/* Apply records: to the staged generation (to_staging) or to the live one. Returns 0, or -1 when
 * the bytes are not records or name a slot without staging; what came before them stays applied. */
int store_apply(struct store *store, struct bytes records, bool to_staging);

/* The library's own records: streams of numbered records, and named values. */
void store_journal_append(
    struct store *store, uint32_t stream, uint64_t index, struct bytes record);
/* First record at or behind *index; false at the end. Borrowed until the next change. */
bool store_journal_next(
    struct store *store, uint32_t stream, uint64_t *index, struct bytes *record_out);
/* Remove records first ... last. */
void store_journal_remove(struct store *store, uint32_t stream, uint64_t first, uint64_t last);
void store_meta_put(struct store *store, const char *name, struct bytes value);
bool store_meta_get(struct store *store, const char *name, struct bytes *value_out);
void store_meta_remove(struct store *store, const char *name);

/* Visit the named values. */
void store_meta_walk(struct store *store,
    void (*visit)(void *user_data, const char *name, struct bytes value), void *user_data);

/* What a replica needs to hear of changes besides those of live keys, in their order. A value
 * without data: the name is gone. */
enum {
    STORE_SLOT_STAGED,
    STORE_SLOT_ACTIVATED,
    STORE_SLOT_DISCARDED,
    STORE_SLOT_CLEARED
};
struct store_listener {
    void *user_data;
    void (*slot)(void *user_data, uint32_t slot, int what);
    void (*staged)(void *user_data, struct bytes records);
    void (*journal)(void *user_data, uint32_t stream, uint64_t index, struct bytes record);
    void (*journal_removed)(void *user_data, uint32_t stream);
    void (*meta)(void *user_data, const char *name, struct bytes value);
};
/* NULL: nobody listens. */
void store_listen(struct store *store, const struct store_listener *listener);

/* Power-safe point: everything committed before `begin` survives power loss once `end` has been
 * called. `begin` and `end` on the loop thread, `work` on any. One at a time: begin returns NULL
 * while one runs. It syncs the redo log and nothing else; a checkpoint has the bulk. */
struct store_log_sync;
/* Whether a change may not survive power loss yet. */
bool store_log_dirty(const struct store *store);
/* Whether so much waits for a sync that one should begin at once. */
bool store_log_sync_large(const struct store *store);
/* Whether the next sync is likely to take less time than handing it to another thread. */
bool store_log_sync_quick(const struct store *store);
struct store_log_sync *store_log_sync_begin(struct store *store);
void store_log_sync_work(struct store_log_sync *sync);
/* Behind the work: whether checkpoints have all bulk that it covers; one is due while not. It ends
 * after that only. */
bool store_log_sync_whole(const struct store_log_sync *sync);
void store_log_sync_end(struct store_log_sync *sync);
/* Checkpoint: what came before it is in LMDB and needs no redo log. In the same three steps, beside
 * the other. */
struct store_sync;
bool store_sync_due(const struct store *store);
struct store_sync *store_sync_begin(struct store *store);
void store_sync_work(struct store_sync *sync);
int store_sync_end(struct store_sync *sync);
/* What LMDB has committed goes on its way to the disk, so that a checkpoint that somebody waits for
 * finds little left. True: it is time, and `work` may be called, on any thread. */
bool store_write_back_begin(struct store *store);
void store_write_back_work(const struct store *store);
/* Clients wait for somebody's disk: a checkpoint that is under way holds still, for a while. */
void store_sync_still(struct store *store, bool still);
bool store_sync_is_still(const struct store *store);
/* Whether power was lost before this run, and what was not synced with it. */
bool store_redone(const struct store *store);
/* Commits that no sync or checkpoint that has ended covers. */
uint64_t store_unsynced_count(const struct store *store);

#endif
