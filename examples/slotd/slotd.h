/* SPDX-License-Identifier: MIT */
/* Room slotd: the process's state that commands see, and a client's session. No sockets here:
 * client.c and server.c own those.
 */
#ifndef SLOTD_SLOTD_H
#define SLOTD_SLOTD_H

#include "bytes.h"
#include "reply.h"
#include "store.h"

#include <stdbool.h>
#include <stdint.h>

#define SLOTD_VERSION "0.1.0"
/* What clients compare feature lists with; the commands follow this release. */
#define SLOTD_REDIS_VERSION "7.0.15"

struct cluster;
struct copy;
struct engine;
struct ticket;
struct uv_loop_s;

enum { ADDRESS_TEXT_SIZE = 64, PATH_TEXT_SIZE = 1024 };

/* As given on the command line, or by CONFIG SET. */
struct settings {
    char bind[ADDRESS_TEXT_SIZE];
    char directory[PATH_TEXT_SIZE];
    char port_file[PATH_TEXT_SIZE];
    char log_file[PATH_TEXT_SIZE];
    char announce_host[ADDRESS_TEXT_SIZE];
    char password[256];
    char secret[256];
    int port;
    int bus_port;
    int metrics_port;  /* -1 = none */
    int announce_port; /* 0 = port */
    int announce_bus_port;
    int durability;
    int log_level;
    int client_limit;
    uint64_t map_size;
};

struct statistics {
    uint64_t started_ns;
    uint64_t connections;
    uint64_t rejected;
    uint64_t commands;
    uint64_t routed; /* for keys, as often as they asked where to go */
    uint64_t errors;
    uint64_t expired;
    uint64_t hits;
    uint64_t misses;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t parked;
    uint64_t clients;
    uint64_t moved;
    uint64_t asked;
    uint64_t migrations_done; /* at the coordinator, since it started */
    uint64_t migrations_reverted;
    uint64_t pauses; /* of writes to slots on their way out */
    uint64_t pause_us;
};

struct session;

struct slotd {
    struct settings settings;
    struct statistics statistics;
    struct store *store;
    struct cluster *cluster;
    struct engine *engine;
    struct session *sessions; /* list of all */
    uint64_t next_session;
    uint64_t random_state;
    bool expire_active;
    bool shutting_down;
    bool kill_wanted; /* some session is killed */
    bool deposed;     /* another node has become primary: see server.c */
    bool wake_wanted; /* parked requests are tried again */
    struct uv_loop_s *loop;
};

struct queued {
    struct bytes *args; /* owned, data too */
    size_t arg_count;
};

/* One client's protocol state. */
struct session {
    struct session *previous;
    struct session *next;
    uint64_t id;
    uint64_t since_ns;
    struct reply reply;
    char peer[ADDRESS_TEXT_SIZE];
    char local[ADDRESS_TEXT_SIZE];
    struct buffer name;
    const char *last_command;
    uint64_t last_ns;
    bool authenticated;
    bool asking;   /* for the next command only */
    bool asked;    /* an answer on its way says ASK: the key is not here */
    bool readonly; /* READONLY was said */
    bool closing;  /* close once the reply is out */
    bool killed;   /* CLIENT KILL from elsewhere */
    bool silent;   /* CLIENT REPLY OFF */
    bool silent_once;
    bool in_multi;
    bool multi_failed;
    struct queued *queue;
    size_t queue_count;
    size_t queue_capacity;
    size_t queue_size; /* bytes */
    size_t exec_at;    /* EXEC: the next to run, when one of them waits */
    bool in_exec;
    struct ticket *ticket; /* an operator's request that the command waits for */
    bool inquired;         /* FAILOVER: the ticket asks how new the map is */
    uint64_t wait_ns;      /* since when */
    uint64_t gave_ns;      /* when MIGRATE was last answered before its keys had gone */
    uint64_t look_ns;      /* what was promised until then has to be seen */
    uint64_t wait_offset;  /* WAIT: what replicas have to have */
    struct copy *copy;     /* MIGRATE ... COPY: the other server, */
    size_t copy_at;        /* and what is to be sent next */
};

/* Uniform, not for secrets. */
uint64_t slotd_random(struct slotd *slotd);

void session_open(struct slotd *slotd, struct session *session, struct buffer *out);
void session_close(struct slotd *slotd, struct session *session);
/* Forget what MULTI queued. */
void session_discard(struct session *session);
/* A command has ended, however: what it had begun elsewhere ends. */
void session_copy_end(struct session *session);

#endif
