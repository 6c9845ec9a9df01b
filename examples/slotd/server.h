/* SPDX-License-Identifier: MIT */
/* Room server (slotd): the event loop: listening, turns, timers, the end.
 *
 * A turn is one pass of the loop: requests that arrived are run, then everything they changed is
 * committed at once, then the answers go out. Guarantees: no answer to a write leaves before its
 * commit; one client cannot keep others from their turn. One thread; syncs run in libuv's pool.
 */
#ifndef SLOTD_SERVER_H
#define SLOTD_SERVER_H

#include "resp.h"
#include "slotd.h"

#include <uv.h>

enum {
    CLIENT_READ_SIZE = 65536,
    CLIENT_TURN_COMMANDS = 1024,        /* requests of one client in one turn */
    CLIENT_OUTPUT_SIZE_MAX = 1 << 20,   /* answers waiting: above, its requests wait too */
    CLIENT_INPUT_SIZE_MAX = 1 << 30     /* one request */
};

struct client {
    struct session session; /* first: sessions are found in slotd's list */
    uv_tcp_t tcp;
    uv_write_t write;
    struct server *server;
    struct resp_parser parser;
    struct buffer input;   /* what arrived and was not understood or run yet */
    struct buffer output;  /* answers of this turn */
    struct buffer sending; /* answers that the kernel did not take at once */
    bool ready;            /* the parser holds a whole request that is not run */
    bool parked;           /* ... because its slots are asleep */
    bool writing;
    bool reading;
    bool starved;          /* the input ends inside a request */
    bool ended;            /* no more input will come */
    bool closed;
    bool held;             /* answers wait: for replicas to have `hold`, */
    uint64_t hold;
    uint64_t removal;      /* and for a sync of the store's commit of this number */
    bool in_turn;          /* on the list below */
    struct client *next_in_turn;
};

struct server {
    struct slotd slotd;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_check_t turn;
    uv_idle_t busy;        /* active while clients have requests left: the loop must not wait */
    uv_timer_t tick;
    uv_timer_t grace;
    uv_signal_t signals[2];
    uv_work_t sync_work;
    uv_work_t log_work;
    uv_work_t write_back_work;
    bool writing_back;
    uv_tcp_t metrics;
    struct store_sync *sync;
    struct store_log_sync *log_sync;
    bool log_worked; /* its work is done, and a checkpoint's may not be */
    uint64_t sync_asked_ns;
    uint64_t routed_seen; /* requests for keys, as of the last tick */
    struct client *in_turn; /* clients with answers to send, or requests to run */
    struct bytes *args;
    size_t arg_capacity;
    uint8_t read_buffer[CLIENT_READ_SIZE];
};

/* Run until a signal ends it. 0 after a clean end; otherwise the reason is in the log. */
int server_run(const struct settings *settings);

/* Slots have woken: parked requests are tried again in this turn. */
void server_wake(struct server *server);

/* client.c */
void client_accept(struct server *server, uv_stream_t *listener);
/* Run requests that are waiting, up to the turn's share. */
void client_work(struct client *client);
/* Send the answers; close what is at its end. */
void client_flush(struct client *client);
/* Whether requests wait that could run now. */
bool client_can_work(const struct client *client);
/* Put on the list of those that this turn's end looks at. */
void client_turn(struct client *client);
void client_shut(struct client *client);

/* metrics.c */
int metrics_listen(struct server *server);

/* options.c: 0 to run, 1 to end well, 2 to end with an error; what to say was said. */
int options_read(struct settings *settings, int count, char **values);

#endif
