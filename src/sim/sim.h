/* SPDX-License-Identifier: MIT */
/* Room sim (floor 8): a whole cluster in one thread, in virtual time.
 *
 * Guarantees: everything that happens follows from the configuration, the script and one stream of
 * decisions: same inputs, same transcript, byte for byte. The engines are driven through their
 * public API alone; hosts keep the contract of action.h, crashes included: what was synced stays,
 * what was not may vanish. No clock, no operating system, no other thread.
 *
 * Files: world.c time and steps; due.c who is due; host.c processes; memory.c theirs; task.c
 * actions; journal.c both kinds of journal; store.c slot data; custom.c a host's own store; net.c
 * messages; peek.c their names; client.c requests; history.c what clients saw; linear.c whether one
 * copy could have shown it; check.c invariants; choice.c decisions; log.c the event log; script*.c
 * the language; swarm.c random runs; chaos.c, focus.c what strikes when; hand.c operators;
 * fault.c what struck;
 * power.c; shrink.c; text.c words.
 */
#ifndef RESHARD_SIM_SIM_H
#define RESHARD_SIM_SIM_H

#include "sim/allowance.h"
#include "sim/check.h"
#include "sim/fault.h"
#include "sim/peek.h"
#include "sim/store.h"
#include "sim/stream.h"
#include "sim/text.h"

#include <reshard-sim/sim.h>
#include <reshard/coordinator.h>
#include <reshard/journal.h>
#include <reshard/node.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#define SIM_MICRO UINT64_C(1000)
#define SIM_MILLI UINT64_C(1000000)
#define SIM_SECOND UINT64_C(1000000000)

enum {
    SIM_KEYS_MAX = 4,       /* keys of one request */
    SIM_COORDINATOR = 60001, /* id of the first coordinator's process; nodes' are below */
    SIM_ROW_COUNT = 96      /* rows of the transition table, at most */
};

/* ---- store.c ---- */
struct piece {
    uint64_t sequence;
    uint8_t *data;
    size_t size;
};
/* Staging of a snapshot's target, or the position of a keywise receiver. */
struct staging {
    reshard_migration_id migration;
    uint32_t mode;
    uint64_t copy_term;
    uint64_t copy_n;
    uint64_t sequence; /* keywise: durable with the data */
    struct piece *pieces;
    size_t piece_count, piece_capacity;
    size_t durable_count; /* pieces that survive a crash */
    bool activated;
};
/* What outlives a process. */
struct disk {
    uint32_t references, region; /* region: as a host's */
    uint8_t *journal;
    size_t journal_size, journal_capacity;
    uint64_t *values;    /* by key, 0 = none */
    uint32_t *slot_keys; /* by slot */
    struct staging *stagings;
    size_t staging_count, staging_capacity;
    struct loose_list loose;
    /* custom.c: a host's own store; NULL = what stands above is all. Else `values` is what it
     * showed last, and of the stagings only `activated` counts. */
    const struct reshard_sim_store *kind;
    struct reshard_store hooks;
};

/* ---- task.c ---- */
struct task {
    struct reshard_action action;
    uint8_t *copy; /* of an APPLY's payload */
    bool running;
    bool read; /* EXPORT: the buffer is filled */
    bool waits; /* FENCE: its fate is drawn, requests still run */
    bool done; /* the engine has not heard of it: it lacked memory, or replicas do */
    struct reshard_completion completion;
    uint64_t position; /* that replicas must have applied before */
};

/* ---- client.c ---- */
struct request {
    uint32_t client, op, key_count;
    uint32_t keys[SIM_KEYS_MAX];
    uint64_t value;   /* WRITE: what to store */
    uint64_t attempt; /* replies to another one are late */
    uint32_t asking;
    uint64_t token;
    uint64_t serial;
};
enum reply_kind { REPLY_DONE, REPLY_MOVED, REPLY_ASK, REPLY_TRYAGAIN, REPLY_GONE, REPLY_DOWN };
struct reply {
    enum reply_kind kind;
    struct request request;
    uint64_t values[SIM_KEYS_MAX];
    reshard_shard_id shard;
    uint64_t token;
    bool replica; /* read at one that follows */
};
struct client {
    bool busy;
    struct request request;
    size_t operations[SIM_KEYS_MAX]; /* in the history */
    reshard_node_id host;            /* asked last */
    uint32_t tries;
    uint64_t started_ns;
    uint64_t period_ns; /* 0 = only when the script says so */
    uint32_t first_key, last_key;
    uint64_t left, drawn; /* operations still to begin; begun or left out */
    const uint64_t *skipped; /* swarm.c: bits of those that are left out; NULL = none */
    uint64_t life_ns; /* of what it writes next; 0 = for ever */
    uint32_t read_percent, remove_percent, multi_percent, expire_percent;
    uint64_t work; /* state of its own generator */
    uint32_t *owners; /* its cached map: slot → shard, 0 = unknown */
    bool answered;
    uint64_t answer[SIM_KEYS_MAX];
    uint64_t redirects;
};

/* ---- memory.c ---- */
struct memory {
    struct reshard_sim *sim;
    reshard_node_id host;
    uint32_t region; /* the host's */
    uint64_t refusals;
    uint64_t left;    /* chaos.c: requests until `failing` of them are refused */
    uint64_t failing;
    size_t blocks; /* that the engine holds */
};
/* A call into an engine under way. */
struct call {
    struct reshard_digest before;
    uint64_t refusals; /* before it */
    uint32_t tries;
    bool watched;
};

/* ---- host.c ---- */
struct admitted {
    struct request request;
    uint32_t verdict;
    uint64_t position; /* a replica's: what the engine that gave the verdict had taken */
};
struct host {
    reshard_node_id id;
    size_t index;    /* among all of them */
    uint32_t region; /* all of it lies there (arena.h) */
    struct reshard_digest digest; /* search_digest.c */
    bool touched; /* check.c: its engine was called in this step */
    reshard_shard_id shard; /* 0 = a coordinator */
    bool up;
    bool frozen; /* the process stands still */
    bool fenced; /* deposed: the host lets it serve nothing before it knows that it is */
    bool acting; /* has the shard's data, whatever the maps say */
    bool heir;   /* its journal began as another node's */
    bool follows; /* follow.c: a replica that does, unless it acts */
    size_t fed;   /* bytes of its journal that the engine took */
    struct stream stream;
    uint64_t shipped; /* as a primary: changes so far */
    bool starting; /* there was no memory for it; it tries again */
    uint64_t boot;
    struct reshard_node *node;
    struct reshard_coordinator *coordinator;
    struct memory memory;
    struct disk *disk;
    struct task *tasks;
    size_t task_count, task_capacity;
    struct request *parked;
    size_t parked_count, parked_capacity;
    struct admitted *admitted; /* verdict given, not executed yet */
    size_t admitted_count, admitted_capacity;
    int64_t clock_offset;
    uint64_t clock_stopped_ns; /* since when its clock stands; 0 = it runs */
    uint64_t full_until_ns;    /* its disk takes nothing */
    uint64_t slow_until_ns;
    uint64_t started_ns;
    uint32_t speaks; /* version of the protocol, as others see it; 0 = the engine's own */
    uint64_t seen_version; /* check.c */
    uint64_t seen_term;
    uint64_t looked_version, looked_boot; /* check_large.c */
    uint64_t down_until_ns; /* swarm.c: when it comes back */
    uint64_t log_state;       /* log.c */
    uint64_t failed_deadline; /* a tick that did not move its deadline */
    uint64_t ticks_since_ns;  /* check.c: how busy the clock keeps it */
    uint64_t ticks;
};

/* ---- journal.c: the coordinators' ---- */
struct authority_record {
    uint64_t term;
    uint8_t *data;
    size_t size;
};
struct authority {
    struct authority_record *records;
    uint64_t base; /* index before the first that is kept */
    size_t record_count, record_capacity;
    struct reshard_coordinator *reader; /* never started: turns records into the map */
    const struct reshard_map *map;      /* what the records say; NULL before the first */
    struct reshard_digest digest;       /* search_digest.c */
};

/* ---- net.c ---- */
struct packet {
    reshard_node_id from;
    reshard_node_id to;
    size_t size;
    bool repeated;
    bool corrupted;
    bool foreign, unknown; /* its sender is another one; its kind is a later version's */
    bool twice;   /* arrives twice in a row */
    uint64_t log_id;
    uint8_t *data;
};
enum rule_act { RULE_DROP, RULE_DUPLICATE, RULE_DELAY, RULE_HOLD, RULE_CORRUPT, RULE_STOP };
struct rule {
    enum rule_act act;
    uint32_t type;
    uint32_t phase;
    int64_t kind; /* -1 = any */
    reshard_node_id from, to;
    uint64_t count; /* how often it acts; UINT64_MAX = always */
    uint64_t delay_ns;
    uint64_t skip;
};
struct link_cut {
    reshard_node_id from, to; /* 0 = anyone */
};

/* Faults of a host's own actions, asked for by a script. */
enum task_fault { FAULT_NONE, FAULT_ERROR, FAULT_UNKNOWN, FAULT_LANDED, FAULT_LATE, FAULT_SLOW,
    FAULT_CRASH, FAULT_STOP, FAULT_DIED };
enum { FAULT_ANY = 0, FAULT_MEMORY = RESHARD_ACTION_KIND_COUNT }; /* kinds beside the actions' */
struct task_rule {
    reshard_node_id host; /* 0 = any */
    uint32_t kind;        /* RESHARD_ACTION_*, FAULT_ANY or FAULT_MEMORY */
    enum task_fault fault;
    uint64_t count;
    uint64_t skip;
    uint64_t delay_ns;
    uint64_t span_ns;   /* for so long from the first time on; 0 = `count` times */
    uint64_t end_ns;    /* when that is over; 0 = it has not begun */
    const char *record; /* APPEND: only when it carries this record */
};

/* ---- history.c ---- */
struct operation {
    uint32_t op; /* RESHARD_OP_* */
    uint32_t key;
    uint32_t client; /* UINT32_MAX = the host itself: the key's time had come */
    uint64_t value;  /* written, or read (0 = none) */
    uint64_t begin;
    uint64_t end; /* UINT64_MAX = outcome unknown */
    bool replica; /* a read that may be old: reshard__effects_check judges it */
};
/* A write as it was executed, kept where replicas are read, or power takes writes. */
struct effect {
    uint32_t key;
    reshard_shard_id shard;
    uint64_t value;
    size_t operation; /* SIZE_MAX = its client has given up */
};

/* ---- world.c ---- */
enum event_kind { EVENT_MESSAGE, EVENT_TASK, EVENT_REQUEST, EVENT_REPLY, EVENT_CLIENT,
    EVENT_EXECUTE, EVENT_LATE, EVENT_START, EVENT_FEED, EVENT_LINK, EVENT_SHIPPED };
struct happening {
    uint64_t time_ns;
    uint64_t serial;
    enum event_kind kind;
    reshard_node_id host;
    uint64_t boot;
    uint64_t number; /* TASK: action's id; EXECUTE: request's serial; CLIENT: attempt; FEED, LINK:
                        the stream's; SHIPPED: position */
    uint32_t client;
    void *data; /* packet, reply, request, or bytes of a late append; owned */
};

/* What is known of one migration. */
struct moving {
    reshard_migration_id migration;
    uint64_t term; /* of who told the phase */
    uint32_t phase, end; /* end: DONE or REVERTED */
    uint32_t decision;
    uint32_t mode;
    reshard_shard_id shards[2];
    struct reshard_range *ranges;
    size_t range_count;
    uint32_t older[2]; /* the shards' previous ones: place + 1 */
    bool closed;
};

enum choice_kind { CHOICE_MESSAGE, CHOICE_DELAY, CHOICE_TASK, CHOICE_CRASH, CHOICE_TORN,
    CHOICE_OPERATOR, CHOICE_LINK, CHOICE_DISK, CHOICE_DATA, CHOICE_MOVE, CHOICE_COUNT };
struct choices {
    bool random;
    bool calm; /* no faults any more, but those that are forced */
    uint32_t forced[CHOICE_COUNT];
    uint64_t state, taken; /* taken: random bits of the last decision that was not 0 */
    uint64_t ordinals[CHOICE_COUNT];
    uint32_t parts_per_million[CHOICE_COUNT];
    struct reshard_sim_decision *decisions; /* other than 0, made or to be replayed */
    size_t decision_count, decision_capacity;
    size_t next[CHOICE_COUNT]; /* replay */
    /* The caller's. Each is told at once: what it leads to may end the process. */
    struct reshard_sim_decision *told;
    uint64_t told_capacity;
    struct reshard_sim_report *report;
};

struct settings {
    uint32_t slot_count, key_count, value_size;
    uint32_t huge_size, huge_every; /* of so many values one is so large; 0 = none is */
    uint64_t seed, unread; /* unread: bits of keys below 64 that the last reads leave out */
    uint64_t chunk_size, window_size, tail_size;
    uint64_t retry_ns, freeze_ns, linger_ns, backoff_ns, alarm_ns, lag_size, bandwidth,
        bandwidth_total, gather_ns, settle_ns;
    uint32_t conflict, conflict_limit, attempt_limit, copy_limit, in_flight_limit;
    uint64_t latency_ns, store_ns, append_ns, execute_ns, timeout_ns, lease_ns, resync_ns,
        think_ns;
    uint32_t pick_size;     /* bytes of a PICK's buffer; 0 = the default */
    uint32_t compact_count; /* records after which a journal is compacted; 0 = the default */
    uint32_t batch;    /* keys of one EXPORT or PICK, 0 = as many as fit */
    uint32_t bare;     /* clients' protocol carries no token */
    uint32_t readonly; /* reads go to replicas that follow */
    uint32_t lazy;     /* keys that arrive are durable by the next SYNC */
    uint32_t unsynced; /* clients are answered before their writes are durable */
    uint32_t sabotage; /* bits 1 << RESHARD_SABOTAGE_* */
    uint32_t trace;    /* 1 = messages, 2 = actions too */
};

struct reshard_sim {
    struct settings set;
    const struct reshard_sim_store *store; /* NULL = the built-in one */
    struct choices choices;
    uint64_t now_ns, serial, steps;
    struct happening *heap;
    size_t heap_count, heap_capacity;
    struct host **hosts;
    size_t host_count, host_capacity;
    /* due.c */
    uint32_t *places; /* by id: index of its host + 1 */
    size_t place_count, place_capacity;
    uint64_t *due;    /* tree of minima: when each host's engine wants a tick */
    size_t due_leaves;
    struct client *clients;
    size_t client_count, client_capacity;
    struct authority authority;
    struct operation *history;
    size_t history_count, history_capacity;
    struct effect *effects;
    size_t effect_count, effect_capacity;
    bool followed; /* some replica follows */
    uint64_t history_clock;
    uint64_t values_made;
    uint64_t *deadlines; /* by value: when its key expires, 0 = never */
    size_t deadline_capacity;
    struct rule *rules;
    size_t rule_count, rule_capacity;
    struct task_rule *task_rules;
    size_t task_rule_count, task_rule_capacity;
    struct link_cut *cuts;
    size_t cut_count, cut_capacity;
    struct packet **held;
    size_t held_count, held_capacity;
    struct moving *movings;
    size_t moving_count, moving_capacity;
    struct checks checks;
    uint64_t rows[SIM_ROW_COUNT];
    uint64_t faults; /* injected so far */
    uint64_t allocations, hook_calls; /* so far */
    uint64_t complaints; /* calls that failed for want of memory, events that tell of a fault */
    uint64_t gathered;   /* times that the authority took several records at once */
    uint64_t *cells; /* fault.c; NULL = nobody asks */
    bool judging;    /* the last reads: what has expired must be gone */
    struct allowance allowance;
    bool stop;       /* a rule said: hand over to the script */
    bool violated, quiet;
    char violation[32];
    struct text line;
    uint64_t transcript; /* running digest */
    uint64_t digest;     /* likewise, of all that happens */
    reshard_sim_print print;
    void *print_data;
    /* log.c */
    reshard_sim_print log; /* NULL = none */
    void *log_data;
    struct text log_line;
    bool log_begun, log_started;
    bool log_arrivals; /* nobody knows when a message will arrive: a search decides that late */
    uint64_t log_ahead_ns; /* what moves of a search took, in transcript and log alone */
    uint64_t log_packets, log_version, log_migrations, log_cuts;
    struct told *log_told; /* by slot */
    /* script.c */
    uint32_t line_number;
    uint32_t shard_count;
    bool started;
    reshard_job_id job; /* the last plan */
    int32_t last_status;
    uint64_t operations_begun, requests_done;
};

/* ---- text.c, for a world ---- */
static inline uint64_t reshard__told_ns(const struct reshard_sim *sim)
{
    return sim->now_ns + sim->log_ahead_ns;
}
/* A line of the transcript, with the time in front. */
void reshard__sim_say(struct reshard_sim *sim, const char *format, ...);
/* The first violation is told and kept; the world goes no further. */
void reshard__sim_violate(struct reshard_sim *sim, const char *checker, const char *format, ...);
uint64_t reshard__sim_hash(const void *bytes, size_t size, uint64_t seed);

/* ---- log.c ---- */
/* A line of the transcript. */
void reshard__log_text(struct reshard_sim *sim, const char *type, const struct text *line);
/* A message is under way, or will never arrive; log_lost: it did not. Where its arrival is not
 * known before, 0 is told, and log_arrived when it comes. */
void reshard__log_message(struct reshard_sim *sim, struct packet *packet, const char *name,
    const char *fate, uint64_t arrival_ns);
void reshard__log_lost(struct reshard_sim *sim, const struct packet *packet);
void reshard__log_arrived(struct reshard_sim *sim, const struct packet *packet);
void reshard__log_event(
    struct reshard_sim *sim, const struct host *host, const struct reshard_event *event);
void reshard__log_request(
    struct reshard_sim *sim, const struct client *client, const char *outcome);
/* What changed about processes, migrations and owners since the last call. */
void reshard__log_state(struct reshard_sim *sim);
void reshard__log_end(struct reshard_sim *sim, bool failed);

/* ---- choice.c ---- */
uint64_t reshard__sim_random(uint64_t *state);
/* 0 ... count - 1; 0 = nothing special happens. */
uint32_t reshard__choose(struct reshard_sim *sim, enum choice_kind kind, uint32_t count);
/* What follows from the world's state, and is no fault: `value` in a random run, in a replay what
 * was decided then. 0 = nothing. */
uint32_t reshard__decide(struct reshard_sim *sim, enum choice_kind kind, uint32_t value);

/* ---- world.c ---- */
/* Whether hosts break this part of their contract. */
static inline bool reshard__sabotaged(const struct reshard_sim *sim, uint32_t what)
{
    return sim->set.sabotage >> what & 1;
}
void reshard__sim_schedule(struct reshard_sim *sim, const struct happening *happening);
/* One thing happens. False: nothing will. */
bool reshard__sim_step(struct reshard_sim *sim);
/* When the next thing happens; UINT64_MAX = never. */
uint64_t reshard__sim_next(const struct reshard_sim *sim);
struct moving *reshard__moving_find(struct reshard_sim *sim, reshard_migration_id migration);

/* ---- due.c ---- */
struct host *reshard__host_find(const struct reshard_sim *sim, reshard_node_id id);
void reshard__due_add(struct reshard_sim *sim, struct host *host);
/* Its deadline may be another one now. */
void reshard__due_update(struct reshard_sim *sim, struct host *host);
/* The host whose engine wants a tick next, NULL = none; of several the first. */
struct host *reshard__due_host(const struct reshard_sim *sim, uint64_t *time_out);

/* ---- host.c ---- */
struct host *reshard__host_add(
    struct reshard_sim *sim, reshard_node_id id, reshard_shard_id shard, struct disk *disk);
void reshard__host_start(struct reshard_sim *sim, struct host *host);
/* Of this run of a coordinator. */
uint64_t reshard__host_unique(const struct host *host);
/* It starts so much later, if nothing starts or ends it before. */
void reshard__start_plan(struct reshard_sim *sim, struct host *host, uint64_t delay_ns);
void reshard__host_crash(struct reshard_sim *sim, struct host *host);
/* The process ends; its disk stays. */
void reshard__host_end(struct reshard_sim *sim, struct host *host);
void reshard__host_free(struct host *host);
void reshard__host_receive(struct reshard_sim *sim, struct host *host, struct packet *packet);
void reshard__host_tick(struct reshard_sim *sim, struct host *host);
/* When the engine wants a tick, in the world's time; UINT64_MAX = never. */
uint64_t reshard__host_deadline(const struct reshard_sim *sim, const struct host *host);
/* The process stands still, or goes on. */
void reshard__host_freeze(struct reshard_sim *sim, struct host *host, bool freezes);
void reshard__clock_jump(struct reshard_sim *sim, struct host *host, uint64_t jump_ns);
/* Its clock stands from now on, or runs again. */
void reshard__clock_stop(struct reshard_sim *sim, struct host *host, bool stops);
/* Pull what the engine asks for, and its events, until it asks for nothing. */
void reshard__host_drain(struct reshard_sim *sim, struct host *host);
uint64_t reshard__host_now(const struct reshard_sim *sim, const struct host *host);
/* The host that has the shard's data. */
struct host *reshard__host_acting(const struct reshard_sim *sim, reshard_shard_id shard);
/* Whether the host acts for its shard, by its own map. */
bool reshard__host_primary(const struct host *host);
/* The coordinator that leads, or NULL. */
struct host *reshard__host_leader(const struct reshard_sim *sim);

/* ---- memory.c ---- */
struct reshard_allocator reshard__memory_of(struct reshard_sim *sim, struct host *host);
/* A call into the host's engine is made as long as _again says so of what it returned:
 *     struct call call = reshard__call_begin(sim, host);
 *     do
 *         status = ...;
 *     while (reshard__call_again(sim, host, &call, status)); */
struct call reshard__call_begin(const struct reshard_sim *sim, const struct host *host);
/* Something of the host is written: the process, its engine, its disk (arena.h). */
void reshard__host_touch(const struct host *host);
bool reshard__call_again(
    struct reshard_sim *sim, const struct host *host, struct call *call, int32_t status);
/* An engine that is gone has given back all it took. */
void reshard__memory_check(struct reshard_sim *sim, const struct host *host);

/* ---- task.c ---- */
/* The rule that acts on this action, or on an allocation; NULL = none. */
struct task_rule *reshard__rule_take(struct reshard_sim *sim, reshard_node_id host, uint32_t kind,
    const struct reshard_action *action);
void reshard__task_take(
    struct reshard_sim *sim, struct host *host, const struct reshard_action *action);
void reshard__task_run(struct reshard_sim *sim, struct host *host, uint64_t id);
/* What was under way when the process died: done or not, as the decisions have it. */
void reshard__tasks_drop(struct reshard_sim *sim, struct host *host);
void reshard__tasks_begin(struct reshard_sim *sim, struct host *host);

/* ---- journal.c ---- */
void reshard__own_append(struct disk *disk, const uint8_t *bytes, size_t size);
/* Cut whole records off the end. */
void reshard__own_rollback(struct disk *disk, uint64_t count);
/* The first half of another one's records in place of its own. */
void reshard__own_copy(struct disk *disk, const struct disk *from);
/* A record at a wrong place, an old sector, changed bits (how = 1, 2, 3): a start must see it. */
void reshard__own_damage(struct reshard_sim *sim, struct host *host, uint32_t how);
int32_t reshard__own_load(struct reshard_sim *sim, struct host *host);
/* Cut what a crash left torn. */
void reshard__own_repair(struct reshard_sim *sim, struct host *host);
/* The first `limit` records of these: fewer than all when the process dies meanwhile. */
int32_t reshard__authority_append(struct reshard_sim *sim, uint64_t term, uint64_t index,
    const uint8_t *bytes, size_t size, uint64_t limit);
/* They take the place of all. */
int32_t reshard__authority_compact(struct reshard_sim *sim, uint64_t term, uint64_t index,
    const uint8_t *bytes, size_t size);
int32_t reshard__authority_load(struct reshard_sim *sim, struct host *host);
void reshard__authority_free(struct authority *authority);

/* ---- net.c ---- */
void reshard__net_send(struct reshard_sim *sim, reshard_node_id from,
    const struct reshard_action *action);
void reshard__net_deliver(struct reshard_sim *sim, struct packet *packet);
void reshard__net_release(struct reshard_sim *sim);
bool reshard__net_cut(const struct reshard_sim *sim, reshard_node_id from, reshard_node_id to);
void reshard__packet_free(struct packet *packet);
void reshard__packet_name(struct reshard_sim *sim, const char *verb, const struct packet *packet);

/* ---- client.c ---- */
struct client *reshard__client_add(struct reshard_sim *sim);
void reshard__client_begin(struct reshard_sim *sim, uint32_t index, uint32_t op,
    const uint32_t *keys, uint32_t key_count);
void reshard__client_wake(struct reshard_sim *sim, uint32_t index, uint64_t attempt);
void reshard__client_reply(struct reshard_sim *sim, const struct reply *reply);
void reshard__request_arrive(
    struct reshard_sim *sim, struct host *host, const struct request *request);
void reshard__request_execute(struct reshard_sim *sim, struct host *host, uint64_t serial);
void reshard__requests_wake(
    struct reshard_sim *sim, struct host *host, const struct reshard_action *action);
void reshard__requests_drop(struct reshard_sim *sim, struct host *host);
void reshard__reply_send(struct reshard_sim *sim, struct host *host, const struct reply *reply);
/* The host takes a key away by itself: its time has come, or memory runs short (`any`). */
void reshard__key_expire(struct reshard_sim *sim, struct host *host, uint32_t key, bool any);

/* ---- chaos.c ---- */
void reshard__chaos_step(struct reshard_sim *sim, uint32_t mode);
void reshard__chaos_heal(struct reshard_sim *sim);
/* Open a migration of some slots, if these are free. */
void reshard__chaos_move(struct reshard_sim *sim, uint32_t mode, uint64_t random);

/* ---- history.c ---- */
size_t reshard__history_begin(
    struct reshard_sim *sim, uint32_t client, uint32_t op, uint32_t key, uint64_t value);
void reshard__history_end(struct reshard_sim *sim, size_t index, uint64_t value);
/* A write happens at a node of this shard. */
void reshard__effect_add(struct reshard_sim *sim, reshard_shard_id shard, uint32_t key,
    uint64_t value, size_t operation);
/* Whether no other shard executed a write of the key since this one. */
bool reshard__effect_counts(
    const struct reshard_sim *sim, reshard_shard_id shard, uint32_t key, uint64_t value);
/* What a replica answered: no state that its shard never had, nor one that misses a write that
 * another owner had acknowledged when the read began. */
void reshard__effects_check(
    struct reshard_sim *sim, reshard_shard_id shard, size_t operation, uint64_t value);
/* Check every key; a violation is told. */
void reshard__history_check(struct reshard_sim *sim);

/* ---- rows.c ---- */
/* An event was met in a phase whose row ignores it. */
void reshard__row_ignored(struct reshard_sim *sim, uint32_t phase, const char *event);

#endif
