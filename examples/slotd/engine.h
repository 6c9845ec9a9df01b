/* SPDX-License-Identifier: MIT */
/* Room engine (slotd): the library in this process: a node and its driver, in one process of the
 * cluster the coordinator and its driver too, the bus between them, and operators' requests on
 * their way to the coordinator and back.
 *
 * Guarantees: the library is fed at one place a turn, before the turn's commit; nothing leaves
 * before it. A request that was answered with success is durable at the coordinator and known here.
 */
#ifndef SLOTD_ENGINE_H
#define SLOTD_ENGINE_H

#include "bytes.h"
#include "slotd.h"

#include <reshard/map.h>
#include <uv.h>

struct engine;
struct reshard_node;

struct engine_hooks {
    void *user_data;
    void (*wake)(void *user_data); /* parked requests may be tried again */
};

/* After the store is open. Reads the journals and, when the coordinator is here, goes on until
 * this node is in the map. NULL: the reason is logged. */
struct engine *engine_open(
    struct slotd *slotd, uv_loop_t *loop, const struct engine_hooks *hooks);
/* Close handles; engine_free once the loop has seen them close. */
void engine_shut(struct engine *engine);
void engine_free(struct engine *engine);

/* A turn: feed what arrived, run, before the commit; then send, behind it. */
void engine_turn(struct engine *engine);
void engine_flush(struct engine *engine);
/* The end of a turn: one that worked on a copy lets others have the processor first. */
void engine_rest(struct engine *engine);
/* Something was fed since the last turn. */
bool engine_is_fed(const struct engine *engine);
/* More is to be done right now. */
bool engine_busy(const struct engine *engine);
void engine_tick(struct engine *engine);

/* Power-safe points: is one wanted; does more wait for it than here for the process; one has begun;
 * it has ended. */
bool engine_sync_wanted(const struct engine *engine);
bool engine_sync_hurries(const struct engine *engine);
void engine_sync_begun(struct engine *engine);
void engine_sync_ended(struct engine *engine);

struct reshard_node *engine_node(const struct engine *engine);
const struct reshard_map *engine_map(const struct engine *engine);
uint64_t engine_node_id(const struct engine *engine);
uint64_t engine_coordinator_id(const struct engine *engine);
/* The node was fed directly: it is run at the end of this turn. */
void engine_fed(struct engine *engine);
struct replica *engine_replica(const struct engine *engine);
/* Whether this node may answer as a primary: it knows that it is the only one; it waits for the one
 * before, or to hear that it still is one; it has waited for long. */
enum { ENGINE_SERVES, ENGINE_WAITS, ENGINE_DOWN };
int engine_stand(const struct engine *engine);
/* Whether it has ceased to know within this turn, in which it has executed requests. */
bool engine_lapsed(struct engine *engine);
/* At a replica: slots that its shard got since the newest record here; their keys are not here. */
uint32_t engine_missed_slots(const struct engine *engine);
/* Replication under `always`: the end of what this node has changed, and what may be answered. */
uint64_t engine_logged(const struct engine *engine);
uint64_t engine_released(const struct engine *engine);
/* The commit with the newest removal of a key (another node may go by its absence), and whether
 * no loss of power undoes it; if one may, a sync is asked for, and clients are woken behind it. */
uint64_t engine_removal(const struct engine *engine);
bool engine_removal_kept(struct engine *engine, uint64_t removal);
bool engine_coordinates(const struct engine *engine);
void engine_message_counts(
    const struct engine *engine, uint64_t *sent_out, uint64_t *received_out);

/* What is known of a node of the map. */
struct engine_health {
    uint64_t node;
    uint64_t offset;  /* in its shard's replication stream */
    int64_t heard_ms; /* when it last told; 0 = never, or this node */
    bool loading;     /* a replica without a whole copy */
    bool down;        /* it has not answered for long */
};
struct engine_health engine_health(const struct engine *engine, uint64_t node);
struct bus_link_state;
bool engine_link_at(const struct engine *engine, uint32_t index, struct bus_link_state *link_out);

/* Whether slots move by hand: redis-cli does not wait for what is done for them. */
bool engine_moves_by_hand(const struct engine *engine);
/* The source of a slot that moves by hand is to give all keys that it still has. */
void engine_give_ask(struct engine *engine, uint32_t slot);

enum { ENGINE_PLAN_SHARDS = 256 }; /* that a plan names */

/* ---- requests ---- */

/* What has to be true in this node's map before an answered request counts as done. */
enum {
    WAIT_NOTHING,
    WAIT_OWNER,     /* shard owns all the ranges (0: nobody does) */
    WAIT_MIGRATION, /* the migration that the answer names is known here, or over */
    WAIT_OPEN,      /* so it is, or the slots are on their way to the shard, or there */
    WAIT_CLOSED,    /* no open migration has a slot of the ranges */
    WAIT_NODE,      /* this node is in the map */
    WAIT_GONE,      /* `node` is not in the map */
    WAIT_REPLICA,   /* `node` belongs to the shard */
    WAIT_PRIMARY,   /* `node` is the shard's primary */
    WAIT_VERSION    /* the map is as new as the answer says */
};

struct engine_wait {
    uint32_t kind;
    reshard_shard_id shard;
    uint64_t node;
    struct reshard_range *ranges; /* owned */
    size_t range_count;
};

/* Words of a request: the first says what is asked (engine_job.c). */
void words_add(struct buffer *words, struct bytes word);
void words_add_text(struct buffer *words, const char *text);
void words_add_number(struct buffer *words, uint64_t number);
void words_add_ranges(struct buffer *words, const struct reshard_range *ranges, size_t count);

struct ticket;
/* Ask the coordinator. `wait` and its ranges are taken over. */
struct ticket *engine_ask(
    struct engine *engine, const struct buffer *words, const struct engine_wait *wait);
/* Join the cluster that a node listening there belongs to. */
struct ticket *engine_meet(struct engine *engine, const char *host, int bus_port);
bool ticket_done(const struct ticket *ticket);
/* NULL: it was done, `text_out` is the answer's text. Else the error. */
const char *ticket_error(const struct ticket *ticket, struct bytes *text_out);
/* Whoever waited lets go, done or not. NULL is a no-op. */
void ticket_drop(struct engine *engine, struct ticket *ticket);

/* ---- promises: what SETSLOT was answered OK for before it is done (engine_promise.c) ---- */

enum { PROMISE_NONE, PROMISE_OPEN, PROMISE_OWNER };
/* When a promise is ordered: at once; with others of its kind; late, as others have ordered it. */
enum { PROMISE_NOW, PROMISE_GATHER, PROMISE_LATE };

/* Whether a request would reach the coordinator now. */
bool engine_reaches_coordinator(const struct engine *engine);
/* `wait`, which is taken over, names one slot; what it says will be so. */
void engine_promise(struct engine *engine, uint32_t promise, uint32_t when,
    const struct buffer *words, const struct engine_wait *wait);
/* What is promised of a slot and not yet so, and for which shard. */
uint32_t engine_promised(
    const struct engine *engine, uint32_t slot, reshard_shard_id *shard_out);
/* Whether anything promised until then is not yet so, keys that leave too; what gathers goes. */
bool engine_promises(struct engine *engine, uint64_t until_ns);
/* A promise of this slot that could not be kept: its error, once. */
bool engine_promise_broken(struct engine *engine, uint32_t slot, struct buffer *error);

/* ---- keys that leave: what MIGRATE was answered OK for before they have (engine_leave.c) ---- */

/* Whether so many more keys may be promised to leave; `size`: of their values. */
bool engine_leave_room(const struct engine *engine, size_t key_count, uint64_t size);
/* They leave: the slot's move from here by hand is open, or promised. The names are copied. */
void engine_leave(struct engine *engine, uint32_t slot, const struct bytes *keys, size_t key_count,
    uint64_t size);
/* Whether keys of the slot, this key, or any key that was promised until then, are about to. */
bool engine_leaves(const struct engine *engine, uint32_t slot);
bool engine_leaves_key(const struct engine *engine, uint32_t slot, struct bytes name);
bool engine_leaves_since(const struct engine *engine, uint64_t until_ns);

/* Leave the cluster: a cluster of one again, under a new id, without slots. */
void engine_reset(struct engine *engine);

#endif
