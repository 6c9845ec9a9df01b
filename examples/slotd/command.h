/* SPDX-License-Identifier: MIT */
/* Room command (slotd): the table of commands and what happens to a request before one runs.
 *
 * Guarantees: a command runs only when its arity is right, its client may, and its keys are served
 * here; otherwise nothing changes. Error texts are those of Redis 7.0. No sockets.
 */
#ifndef SLOTD_COMMAND_H
#define SLOTD_COMMAND_H

#include "cluster.h"
#include "engine.h"
#include "slotd.h"

/* Flags of a command; names as COMMAND shows them. */
enum {
    COMMAND_WRITE = 1,
    COMMAND_READONLY = 2,
    COMMAND_DENYOOM = 4,
    COMMAND_ADMIN = 8,
    COMMAND_NOAUTH = 16,    /* allowed before AUTH */
    COMMAND_FAST = 32,
    COMMAND_REMOVE = 64,    /* may remove keys */
    COMMAND_IMMEDIATE = 128, /* not queued by MULTI */
    COMMAND_NOMULTI = 256,
    COMMAND_ASKING = 512,   /* counts as sent with ASKING */
    COMMAND_OPERATOR = 1024, /* moves keys between nodes: never redirected */
    COMMAND_MOVABLE = 2048, /* keys are found by the command, not by position */
    COMMAND_LOOKS = 4096,   /* what SETSLOT was answered OK for has to be seen by it */
    COMMAND_LOOKS_SLOT = 8192 /* so it has, of the slot that its argument names */
};

struct call {
    struct slotd *slotd;
    struct session *session;
    struct reply *reply;
    const struct command *command;
    const struct bytes *args;
    size_t arg_count;
    bool parked; /* set by the command: nothing was answered, call it again later */
};

struct command {
    const char *name; /* "get"; subcommands "cluster|info" */
    int arity;        /* exact, or at least, when negative */
    uint32_t flags;
    int first_key, last_key, key_step; /* as COMMAND shows them; 0 = no keys */
    void (*run)(struct call *call);
    const char *group;
};

enum { COMMAND_DONE, COMMAND_PARKED };

/* Run one request. COMMAND_PARKED: nothing was done or answered; call again with the same
 * arguments after the slots have woken. */
int command_run(
    struct slotd *slotd, struct session *session, const struct bytes *args, size_t arg_count);

/* Table. */
extern const struct command command_table[];
extern const size_t command_count;
const struct command *command_find(struct bytes name);
const struct command *command_find_sub(const struct command *container, struct bytes name);
bool command_is_container(const struct command *command);
/* Positions of keys in args; returns how many, at most `limit` are stored. */
size_t command_keys(const struct command *command, const struct bytes *args, size_t arg_count,
    struct bytes *keys, size_t limit);

/* MIGRATE's words. */
struct migrate {
    struct bytes host;
    int64_t port; /* 0 = no port's number */
    int64_t database;
    int64_t timeout_ms;
    bool copy;
    bool replace;
    struct bytes user; /* data NULL = none, as the password */
    struct bytes password;
    const struct bytes *keys;
    size_t key_count;
    uint32_t slot;
};

/* Whether there is something to move, and somewhere; false: the answer is out. */
bool migrate_sound(struct call *call, const struct migrate *migrate, uint64_t *size_out);
/* The key, unless it is not here, or was said to have gone. */
bool migrate_find(struct call *call, const struct migrate *migrate, size_t index,
    struct store_item *item);
/* MIGRATE ... COPY: the keys stay. */
void migrate_copy(struct call *call, const struct migrate *migrate);

/* Helpers of command_*.c. */
struct store_key call_key(const struct call *call, size_t index);
void command_value_reply(struct call *call, const struct store_item *item);
/* Write a value whose expiry may have passed already. */
void command_put(
    struct call *call, const struct store_key *key, struct bytes value, int64_t expiry_ms);
void call_syntax_error(struct call *call);
/* A subcommand with too many arguments, or with words that it does not know. */
void call_shape_error(struct call *call);
/* args[index] names no node of the cluster. */
void call_node_error(struct call *call, size_t index);
/* An argument as int64; answers the usual error and returns false when it is none. */
bool call_number(struct call *call, size_t index, int64_t *number_out);

/* A number of a slot; answers the error when it is none. */
bool call_slot(struct call *call, size_t index, uint32_t *slot_out);

/* Ask the coordinator; `wait` is taken over. The command ends here and is called again. */
void call_ask(struct call *call, const struct buffer *words, const struct engine_wait *wait);
/* Whether what call_ask began is still under way (then the command ends here), and how it ended:
 * false, with the error answered. */
bool call_waits(struct call *call);
bool call_answered(struct call *call, struct buffer *text);
/* Begin by `start` when nothing is under way, else wait and answer OK. */
void call_ok_run(struct call *call, void (*start)(struct call *call));
void command_info_replication(const struct slotd *slotd, struct buffer *text);

#define COMMAND_RUN(name) void command_##name(struct call *call)
COMMAND_RUN(append);
COMMAND_RUN(asking);
COMMAND_RUN(auth);
COMMAND_RUN(client_getname);
COMMAND_RUN(client_getredir);
COMMAND_RUN(client_help);
COMMAND_RUN(client_id);
COMMAND_RUN(client_info);
COMMAND_RUN(client_kill);
COMMAND_RUN(client_list);
COMMAND_RUN(client_no_evict);
COMMAND_RUN(client_reply);
COMMAND_RUN(client_setinfo);
COMMAND_RUN(client_setname);
COMMAND_RUN(cluster_addslots);
COMMAND_RUN(cluster_addslotsrange);
COMMAND_RUN(cluster_bumpepoch);
COMMAND_RUN(cluster_cancelslotmigrations);
COMMAND_RUN(cluster_count_failure_reports);
COMMAND_RUN(cluster_countkeysinslot);
COMMAND_RUN(cluster_delslots);
COMMAND_RUN(cluster_delslotsrange);
COMMAND_RUN(cluster_flushslots);
COMMAND_RUN(cluster_forget);
COMMAND_RUN(cluster_getkeysinslot);
COMMAND_RUN(cluster_getslotmigrations);
COMMAND_RUN(cluster_help);
COMMAND_RUN(cluster_info);
COMMAND_RUN(cluster_keyslot);
COMMAND_RUN(cluster_links);
COMMAND_RUN(cluster_meet);
COMMAND_RUN(cluster_migrateslots);
COMMAND_RUN(cluster_myid);
COMMAND_RUN(cluster_nodes);
COMMAND_RUN(cluster_failover);
COMMAND_RUN(cluster_replicas);
COMMAND_RUN(cluster_replicate);
COMMAND_RUN(cluster_reset);
COMMAND_RUN(cluster_reshard);
COMMAND_RUN(cluster_saveconfig);
COMMAND_RUN(cluster_set_config_epoch);
COMMAND_RUN(cluster_setslot);
COMMAND_RUN(cluster_shards);
COMMAND_RUN(cluster_slots);
COMMAND_RUN(command);
COMMAND_RUN(command_count);
COMMAND_RUN(command_getkeys);
COMMAND_RUN(command_help);
COMMAND_RUN(command_info);
COMMAND_RUN(command_list);
COMMAND_RUN(config_get);
COMMAND_RUN(config_help);
COMMAND_RUN(config_resetstat);
COMMAND_RUN(config_rewrite);
COMMAND_RUN(config_set);
COMMAND_RUN(container);
COMMAND_RUN(dbsize);
COMMAND_RUN(debug);
COMMAND_RUN(debug_help);
COMMAND_RUN(decr);
COMMAND_RUN(decrby);
COMMAND_RUN(del);
COMMAND_RUN(discard);
COMMAND_RUN(dump);
COMMAND_RUN(echo);
COMMAND_RUN(exec);
COMMAND_RUN(exists);
COMMAND_RUN(expire);
COMMAND_RUN(expireat);
COMMAND_RUN(flushall);
COMMAND_RUN(function);
COMMAND_RUN(get);
COMMAND_RUN(getdel);
COMMAND_RUN(hello);
COMMAND_RUN(incr);
COMMAND_RUN(incrby);
COMMAND_RUN(info);
COMMAND_RUN(keys_all);
COMMAND_RUN(mget);
COMMAND_RUN(migrate);
COMMAND_RUN(mset);
COMMAND_RUN(multi);
COMMAND_RUN(persist);
COMMAND_RUN(pexpire);
COMMAND_RUN(pexpireat);
COMMAND_RUN(ping);
COMMAND_RUN(pttl);
COMMAND_RUN(quit);
COMMAND_RUN(randomkey);
COMMAND_RUN(readonly);
COMMAND_RUN(readwrite);
COMMAND_RUN(restore);
COMMAND_RUN(role);
COMMAND_RUN(scan);
COMMAND_RUN(select);
COMMAND_RUN(set);
COMMAND_RUN(setnx);
COMMAND_RUN(strlen);
COMMAND_RUN(ttl);
COMMAND_RUN(type);
COMMAND_RUN(wait);

#endif
