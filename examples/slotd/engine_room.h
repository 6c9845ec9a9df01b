/* SPDX-License-Identifier: MIT */
/* Room engine, inside. Only engine*.c includes this. */
#ifndef SLOTD_ENGINE_ROOM_H
#define SLOTD_ENGINE_ROOM_H

#include "bus.h"
#include "cluster_room.h"
#include "engine.h"
#include "host.h"
#include "log.h"
#include "replica.h"

#include <reshard/reshard.h>

enum {
    ENGINE_WORD_MAX = 65536,     /* words of one request */
    ENGINE_JOBS_MAX = 256,       /* requests remembered at the coordinator */
    ENGINE_COPIES_IN = 4,        /* copies at once into one node */
    ENGINE_TURN_ACTIONS = 1,     /* between two looks at the clock */
    ENGINE_TURN_MESSAGES = 4,
    ENGINE_LATER_MS = 500        /* that a short move may take */
};
#define ENGINE_TURN_NS ((uint64_t)100000) /* whoever else wants the processor waits for that */
#define ENGINE_HELD_NS ((uint64_t)5000000)  /* look again at what lets a pause go first */
#define ENGINE_ASKED_NS ((uint64_t)5000000) /* clients ask until so long after the last request */
#define ENGINE_GATHER_NS ((uint64_t)5000000) /* until redis-cli opens the next slot */
#define ENGINE_FREEZE_NS ((uint64_t)200000000) /* until other copies that come have caught up */
#define ENGINE_SETTLE_NS ((uint64_t)20000000) /* until the next slot's records are synced */
#define ENGINE_RESEND_NS ((uint64_t)200000000)
#define ENGINE_ANSWER_NS ((uint64_t)30000000000)
#define ENGINE_MEET_NS ((uint64_t)3000000000) /* for a link to the node that is met */
#define ENGINE_KNOWN_NS ((uint64_t)10000000000)
#define ENGINE_PROMISE_NS ((uint64_t)5000000000) /* nobody waits longer for what is promised */

/* A request of this node, or one that it passes on. */
struct ticket {
    struct ticket *next;
    uint64_t id;
    struct buffer frame; /* as it is sent */
    struct bus_address address; /* port 0: to the coordinator */
    struct engine_wait wait;
    reshard_migration_id migration; /* that the answer named */
    uint64_t relay_node; /* not 0: the answer goes there */
    uint64_t relay_id;
    uint64_t sent_ns;
    uint64_t asked_ns;
    uint64_t answered_ns;
    uint64_t due_ns;   /* not sent before */
    uint32_t promise;  /* PROMISE_*: nobody waits for it, and it is never given up */
    bool gathers;      /* sent with others */
    bool joins;
    bool answered;
    bool done;
    bool failed;
    bool dropped;
    struct buffer text;
};

/* A request at the coordinator. */
enum { JOB_NEW, JOB_WAITING, JOB_DONE };
struct job {
    struct job *next;
    uint64_t node; /* who asked */
    uint64_t id;
    int state;
    bool failed;
    bool again; /* what it meets is not durable yet: it is to run again */
    struct buffer words;
    struct engine_wait wait; /* in the coordinator's map */
    reshard_migration_id migration;
    reshard_migration_id opened; /* the newest that it opened; their ids follow each other */
    uint32_t opened_count;
    struct buffer text;
};

struct peer {
    struct peer *next;
    struct engine_health health;
    uint64_t heard_ns;
};

struct engine {
    struct slotd *slotd;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct engine_hooks hooks;
    struct bus *bus;
    struct reshard_node *node;
    struct reshard_driver *node_driver;
    struct reshard_coordinator *coordinator; /* NULL: elsewhere */
    struct reshard_driver *coordinator_driver;
    struct host_sync sync;
    struct host_store store;
    struct host_journal node_journal;
    struct host_journal coordinator_journal;
    struct lane *lanes; /* messages that wait, by sender; the one that was taken from last */
    size_t inbox_count;
    struct bus_message *held; /* fed to the node; data that waits for a hook may lie in them */
    uint64_t node_id;
    uint64_t coordinator_id;
    struct cluster_address coordinator_at; /* as it said when this node joined */
    uint8_t cluster[BUS_CLUSTER_SIZE];
    bool led;         /* the coordinator has put this node into the map */
    bool dirty;       /* something was fed */
    bool more;        /* the turn's share was used up */
    bool behind;      /* the drivers have more of what they were fed */
    bool copies;      /* slots move by copying, as far as is known here */
    uint64_t deadline_ns;
    uint64_t routed_seen;
    uint64_t asked_ns; /* when a client was last seen to ask */
    uint64_t swept_version;
    struct ticket *tickets;
    uint64_t next_ticket;
    struct leave *leaves; /* newest first */
    struct job *jobs; /* newest first */
    size_t jobs_open; /* of them, those that are not done */
    struct history_entry *history; /* newest first */
    reshard_migration_id history_last;
    bool history_loaded;
    struct replica *replica;
    bool leads; /* primary of its shard, as of the last turn */
    bool settling; /* as of the last turn: see engine__replicas_settle() */
    uint64_t ticked_ns;
    struct ticket *confirming; /* whether this node still is the primary */
    uint64_t confirmed_ns;   /* the newest moment at which it was; by its own clock */
    uint64_t lease_end_ns;   /* it serves until then */
    uint64_t unconfirmed_ns; /* since when it does not know; 0 = it does */
    bool lapsed;             /* its lease was over before this node saw that */
    uint64_t returned_ns;    /* the process began, and has not been confirmed since; or 0 */
    uint32_t return_ticks;   /* since then */
    bool return_answered;    /* the coordinator is there: what it says counts */
    struct peer *peers;
    uint64_t told_ns; /* how far this node is */
    reshard_job_id plan; /* newest that was asked for, 0 = none in this run */
};

/* engine.c */
void engine__stop(struct engine *engine);
bool engine__start(struct engine *engine);
void engine__identity_store(struct engine *engine);
void engine__identity_draw(struct engine *engine);
struct reshard_change engine__self(struct engine *engine, char *address, size_t size,
    reshard_shard_id shard, uint32_t role);

/* While a coordinator here leads for the first time: this node goes into its map. */
void engine__lead(struct engine *engine);

/* engine_turn.c */
void engine__library_run(struct engine *engine);

/* engine_inbox.c */
void engine__inbox_put(struct engine *engine, struct bus_message *message);
struct bus_message *engine__inbox_take(struct engine *engine); /* NULL: there is none */
bool engine__inbox_ready(const struct engine *engine);
void engine__messages_free(struct bus_message *message); /* and those behind it */
void engine__inbox_free(struct engine *engine);
/* The sender's writes pause until this node has what it sent; or they do no more. */
void engine__inbox_pause(struct engine *engine, uint64_t from, bool pauses);

/* The library's node alone. */
void engine__node_stop(struct engine *engine);
bool engine__node_start(struct engine *engine);

/* engine_store.c */
void engine__store_observe(struct engine *engine);

/* engine_role.c: primary or replica. */
void engine__replica_open(struct engine *engine);
/* After the library ran: what the map says this node is now. */
void engine__role_follow(struct engine *engine);
/* This node's shard by a map; all 0 when it is not in it. */
struct reshard_map_shard engine__shard(
    const struct engine *engine, const struct reshard_map *map);
void engine__replica_message(struct engine *engine, const struct bus_message *message);
void engine__replicas_applied(struct engine *engine);
/* Other replicas of this shard may still read under leases of an earlier primary. */
bool engine__replicas_settle(const struct engine *engine);

/* engine_fetch.c */
bool engine__giver_send(void *user_data, const struct reshard_action *action, struct bytes header,
    struct bytes payload);
void engine__fetch_message(struct engine *engine, const struct bus_message *message);

/* engine_fence.c */
/* After each look at the map; `shard` is this node's. */
void engine__fence_follow(struct engine *engine, const struct reshard_map_shard *shard);
void engine__fence_tick(struct engine *engine);

/* engine_health.c */
void engine__status_take(struct engine *engine, const struct bus_message *message);
void engine__health_tick(struct engine *engine, uint64_t now_ns);
void engine__peers_free(struct engine *engine);

/* engine_events.c: the library's events into the log. */
void engine__events(struct engine *engine);

/* engine_ticket.c */
/* Whether the map shows slots on the move in this mode. */
bool engine__moves(const struct engine *engine, uint32_t mode);
void engine__tickets_run(struct engine *engine);
void engine__tickets_fail(struct engine *engine, const char *text);
void engine__tickets_resend(struct engine *engine);
void engine__answer_take(struct engine *engine, const struct bus_message *message);
void engine__relay(struct engine *engine, uint64_t from, uint64_t id, struct bytes words);
struct ticket *engine__ticket_new(struct engine *engine, const struct buffer *words);
void engine__ticket_send(struct engine *engine, struct ticket *ticket);
bool engine__joining(const struct engine *engine);
bool engine__waited(const struct reshard_map *map, const struct engine_wait *wait,
    reshard_migration_id migration, uint64_t node);
void engine__wait_free(struct engine_wait *wait);
bool words_next(struct bytes *words, struct bytes *word_out);
bool words_number(struct bytes *words, uint64_t *number_out);
/* Canonical ranges; memory is the caller's. */
bool words_ranges(struct bytes *words, struct reshard_range **ranges_out, size_t *count_out);

/* engine_promise.c */
/* What is due is sent; the engine's deadline is the next one's. */
void engine__promises_run(struct engine *engine, uint64_t now_ns);
/* Sources give what a promise still waits for. */
void engine__promises_tick(struct engine *engine, uint64_t now_ns);
/* It has ended: a refusal is told. */
void engine__promise_end(struct ticket *ticket);
/* Whether it is promised that the slot's move opens. */
bool engine__promised_open(const struct engine *engine, uint32_t slot);

/* engine_leave.c */
void engine__leaves_run(struct engine *engine);
void engine__leaves_tick(struct engine *engine);
void engine__leaves_free(struct engine *engine);
/* The library has removed keys of the slot. */
void engine__leave_look(void *user_data, uint32_t slot);

/* engine_job.c */
void engine__request_take(struct engine *engine, const struct bus_message *message);
void engine__jobs_run(struct engine *engine);
void engine__jobs_free(struct engine *engine);
void engine__job_replicate(struct engine *engine, struct job *job, struct bytes words);
void engine__job_primary(struct engine *engine, struct job *job, struct bytes words);
void engine__job_version(struct engine *engine, struct job *job, struct bytes words);
void job__fail(struct job *job, const char *text);
int32_t job__change(struct engine *engine, struct job *job, const struct reshard_change *change);

/* engine_history.c */
void engine__history_follow(struct engine *engine);
void engine__history_text(struct engine *engine, struct bytes name, struct buffer *text);
void engine__history_free(struct engine *engine);

/* engine_plan.c */
void job_plan(struct engine *engine, struct job *job, struct bytes words);
void job_control(struct engine *engine, struct job *job, struct bytes words);

/* engine_join.c */
void job_join(struct engine *engine, struct job *job, struct bytes words);
void engine__joined(struct engine *engine, struct bytes answer);

#endif
