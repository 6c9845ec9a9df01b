/* SPDX-License-Identifier: MIT */
/* Room host (slotd): the library's hooks over the store.
 *
 * Guarantees: a record or a position is in the same transaction as the data that it speaks of.
 * What a completion promises is on disk before anybody outside hears of it: messages and answers
 * leave after the turn's commit, and what has to survive a loss of power whatever the setting
 * (records of ownership, positions of a copy) completes only after a sync of the store's redo log
 * in the thread pool.
 * An empty set of slots has a digest other than 0.
 */
#ifndef SLOTD_HOST_H
#define SLOTD_HOST_H

#include "store.h"

#include <reshard/driver.h>

enum { HOST_STAGED_COUNT = 8 };

/* A copy on its way in, and how far it is on the disk. */
struct host_staged {
    reshard_migration_id migration;
    uint64_t copy_term;
    uint64_t copy_n;
    uint64_t applied;
    uint64_t syncing; /* a sync that is under way has so much */
    uint64_t synced;
};

/* Actions that wait for a power-safe point. */
struct host_wait;
struct host_sync {
    struct store *store;
    int durability;
    uint64_t logged;   /* replication: end of the stream */
    uint64_t released; /* what replicas that are waited for have applied; UINT64_MAX: none is */
    struct host_wait *replicas; /* power-safe, for what replicas have not applied yet */
    struct host_wait *waiting; /* for the next sync */
    struct host_wait *running; /* for the one that is under way */
    uint32_t store_count;      /* of them a node's store actions */
    uint64_t removal; /* commit with the newest removal by a client, or because a key expired */
    bool removal_wanted;  /* somebody waits for the next sync because of it ... */
    bool removal_running; /* ... or for the one that is under way */
    bool early; /* a sync is soon waited for */
    struct host_staged staged[HOST_STAGED_COUNT]; /* by migration: the one that came last */
};

/* The action completes at the next power-safe point, and when the replicas have applied what is
 * logged now; RESHARD_OK: it may at once. */
int32_t host_sync_wait(struct host_sync *sync, struct reshard_driver *driver,
    const struct reshard_action *action, const struct reshard_completion *completion);
/* The same without the replicas: what they do not get. */
int32_t host_power_wait(struct host_sync *sync, struct reshard_driver *driver,
    const struct reshard_action *action, const struct reshard_completion *completion);
/* The same without the power-safe point: what is as durable as any write. */
int32_t host_replicas_wait(struct host_sync *sync, struct reshard_driver *driver,
    const struct reshard_action *action, const struct reshard_completion *completion);
/* Replicas have applied more. */
void host_replicas_applied(struct host_sync *sync);
/* Such a removal was made in this turn. */
void host_removed(struct host_sync *sync);
/* Whether no loss of power undoes this commit; false: a sync is wanted. */
bool host_removal_kept(struct host_sync *sync, uint64_t removal);
/* Somebody will wait soon: a sync is wanted already. */
void host_sync_early(struct host_sync *sync);
bool host_sync_awaited(const struct host_sync *sync);
/* Awaited, or early. */
bool host_sync_wanted(const struct host_sync *sync);
void host_sync_begun(struct host_sync *sync);
/* True when somebody waited because of a removal. */
bool host_sync_ended(struct host_sync *sync);
/* A driver is about to go: nothing of it is completed any more. */
void host_sync_forget(struct host_sync *sync, const struct reshard_driver *driver);

/* Streams of the store's journal. */
enum { HOST_STREAM_NODE = 0, HOST_STREAM_COORDINATOR = 1 };

struct host_journal {
    struct store *store;
    struct host_sync *sync;
    struct reshard_driver *driver; /* to be set before it is started */
    uint32_t stream;
    uint64_t last_index;
    uint64_t last_term;
};

void host_journal_hooks(struct host_journal *journal, struct reshard_journal *hooks_out);

/* To whoever gives the keys of the action's migration; false: not now. */
typedef bool (*host_giver_send)(void *user_data, const struct reshard_action *action,
    struct bytes header, struct bytes payload);

struct host_export;
struct host_fetch;
struct host_paced;
struct host_store {
    struct store *store;
    host_giver_send giver_send;
    /* Keys of the slot have been removed, as they are elsewhere now; NULL: nobody asks. */
    void (*removed)(void *user_data, uint32_t slot);
    void *user_data; /* of both */
    struct host_fetch *fetches;
    uint64_t last_fetch;
    struct host_sync *sync;
    struct reshard_driver *driver;
    struct host_export *exports;
    bool clients_ask;         /* set by the engine, each turn */
    bool own_change; /* a hook changes live keys: nothing to be captured */
    bool wake_wanted;
    reshard_migration_id served; /* its slots have begun to be, here; 0 = none since last looked */
    bool worked; /* on a copy, in this turn */
    bool exported;            /* in this turn */
    uint64_t exported_ns;     /* the turn that had the last */
    uint64_t turn_ns;         /* when this turn began; set by the engine */
    struct host_paced *paced; /* exports that wait for turns of their own */
};

enum {
    HOST_CHUNK_SIZE = 524288, /* fits a record with a whole piece of a value */
    HOST_WINDOW_SIZE = 32 << 20, /* a quarter of it is sent before anybody asks for a sync */
    HOST_FLIGHT_SIZE = 1 << 20 /* what a turn reads at once at most, too; and memory that is used
                                  again is warm */
};

void host_store_hooks(struct host_store *host, struct reshard_store *hooks_out);
/* Forget exports and positions of migrations that the map has closed. */
void host_store_sweep(struct host_store *host, const struct reshard_map *map);
void host_store_free(struct host_store *host);
/* While clients ask there is one export a turn: at the beginning of one, the next that waits; true:
 * it has completed. */
bool host_export_go_on(struct host_store *host);

/* host_position.c: how far a copy or a stream has been applied. */
enum { HOST_POSITION_STAGING = 1, HOST_POSITION_ACTIVE = 2 };
struct host_position {
    uint64_t state;
    uint64_t copy_term;
    uint64_t copy_n;
    uint64_t sequence;
};
bool host_position_get(
    struct store *store, reshard_migration_id migration, struct host_position *position_out);
void host_position_put(
    struct store *store, reshard_migration_id migration, const struct host_position *position);
void host_position_remove(struct store *store, reshard_migration_id migration);
/* All of them. */
void host_positions_forget(struct store *store);
void host_positions_sweep(struct store *store, const struct reshard_map *map);

/* host_keys.c: hooks of mode keywise. */
int32_t host_pick(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion);
int32_t host_remove(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion);
int32_t host_items_apply(struct host_store *host, struct bytes items);
struct host_item {
    struct bytes key;
    struct bytes state;
};
/* The item at the head of `items`, and past it. False at the end, or when it is none: then
 * items->size is not 0. */
bool host_item_next(struct bytes *items, struct host_item *item_out);
/* An APPLY of mode keywise whose items are in the store, and all that goes with them. */
int32_t host_items_end(struct host_store *host, const struct reshard_action *action,
    struct reshard_completion *completion);

/* host_fetch.c: values in pieces, behind the items that name them. */
/* RESHARD_OK: no item lacks anything; RESHARD_PENDING: the action ends when all has come. */
int32_t host_fetch_begin(struct host_store *host, const struct reshard_action *action);
/* An answer to what giver_send sent. */
void host_fetch_take(struct host_store *host, struct bytes answer);
void host_fetch_tick(struct host_store *host, uint64_t now_ns);
void host_fetch_free(struct host_store *host);
/* At the giver: the answer to a request; false: it is none. */
bool host_fetch_answer(struct store *store, struct bytes request, struct buffer *answer);

#endif
