/* SPDX-License-Identifier: MIT */
/* Room load: a client that loads a cluster and checks each of its answers.
 *
 * Workers are closed loops: one request each, the next one when it is answered. Every write has a
 * version of its own; what a read may answer follows from what was acknowledged before it was sent
 * and what was sent before its answer came (a key has one writer at a time). Speaks plain RESP2
 * over libuv and keeps a slot table like any cluster client; shares no code with the library that
 * it checks. Connects to loopback addresses only.
 */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include "bytes.h"

#include <uv.h>

enum {
    SLOT_COUNT = 16384,
    NODES_MAX = 32,
    LINKS_MAX = 16,        /* connections to one node */
    SWEEPERS = 256,        /* requests under way while all keys are written or read once */
    HOST_SIZE = 64,
    NAME_SIZE = 48,
    KEY_TEXT_SIZE = 40,
    VALUE_SIZE_MIN = 18,
    HISTOGRAM_SIZE = 2048
};

/* A key: versions count its writes; a removal is one too. */
struct key {
    uint32_t acked;   /* the newest version that was acknowledged */
    uint32_t sent;    /* the newest version that was sent; a counter: the most it can have */
    uint32_t removed; /* the newest version that is a removal; 0 = before the first write */
    uint32_t seen;    /* the newest version that a read has shown */
    uint16_t slot;
    bool busy;        /* a write is under way */
    bool moving;      /* its slot is said to move in this phase */
    bool spoilt;      /* found wrong; counted, and not looked at before the next write */
};

enum { ANSWER_RIGHT, ANSWER_LOST, ANSWER_STALE, ANSWER_WRONG, ANSWERS };

struct model {
    struct key *keys;        /* values, then counters */
    uint32_t value_count;
    uint32_t counter_count;
    size_t value_size;
    uint32_t *moving;        /* indexes of the values whose slots move, then of the others */
    uint32_t moving_count;
    bool moves[SLOT_COUNT];  /* slots said to move */
    bool marked;             /* the keys as they say */
    uint64_t seed;
};

/* One phase between two commands of the operator. Times in nanoseconds. */
struct phase {
    char name[NAME_SIZE];
    uint64_t begin;
    uint64_t ops;
    uint32_t histogram[HISTOGRAM_SIZE];
    uint64_t longest;
    uint64_t write_longest[2];   /* [1] = on moving slots */
    uint64_t gap_longest[2];
    uint64_t moved, ask, tryagain, drops, errors;
    uint64_t answers[ANSWERS];
    char first_error[128];
};

struct replies {
    struct reply_item {
        char kind;           /* + - : $ * */
        int64_t number;      /* of ':' and '*'; -1 = null */
        struct bytes text;
    } *items;
    size_t count;
    size_t capacity;
};

enum { LINK_CLOSED, LINK_CONNECTING, LINK_OPEN, LINK_CLOSING };

struct node;

struct link {
    struct load *load;
    struct node *node;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct buffer input;
    struct buffer output;
    struct buffer sending;
    int32_t *queue;          /* workers that wait for an answer, oldest first; -1 = nobody */
    size_t queue_head;
    size_t queue_size;
    size_t queue_capacity;
    int state;
    bool writing;
    bool dirty;
};

struct node {
    char host[HOST_SIZE];
    int port;
    struct link links[LINKS_MAX];
};

enum { OP_GET, OP_SET, OP_DEL, OP_INCR, OP_MGET, OP_MAP };
enum { ROLE_CLIENT, ROLE_PROBE_MOVING, ROLE_PROBE_OTHER, ROLE_SWEEPER, ROLE_MAPPER };
enum { WORKER_IDLE, WORKER_SENT, WORKER_DELAYED };

struct worker {
    uint32_t index;
    uint8_t role;
    uint8_t op;
    uint8_t state;
    uint32_t keys[2];
    uint32_t key_count;
    uint32_t floors[2];  /* a read may not show less */
    uint32_t version;
    uint64_t begin_ns;
    uint64_t due_ns;
    struct node *ask;    /* go there once, with ASKING */
};

enum { SWEEP_NONE, SWEEP_FILL, SWEEP_VERIFY };

struct load {
    uv_loop_t loop;
    uv_prepare_t flush;
    uv_timer_t tick;
    uv_timer_t limit;
    uv_pipe_t control;
    struct buffer control_text;
    struct model model;
    struct phase phase;
    struct phase total;
    uint64_t write_last[2];
    struct node nodes[NODES_MAX];
    uint32_t node_count;
    uint8_t slots[SLOT_COUNT];   /* index of a node */
    uint32_t link_count;         /* connections to each node */
    struct worker *workers;
    uint32_t client_count;       /* first in workers; then sweepers, then the mapper */
    uint32_t worker_count;
    uint32_t delayed_count;
    uint32_t mix[OP_MAP];        /* per cent */
    struct replies replies;
    uint64_t map_asked_ns;
    const struct node *map_source;
    uint32_t sweep_next;
    int sweep;
    bool running;                /* clients work */
    bool resuming;               /* ... and will again after the sweep */
    bool ending;
    bool quiet;                  /* no live lines */
    int exit_code;
    uint64_t live_ns;
    uint64_t live_ops;
};

/* model.c: what the cluster must answer. */
void model_open(struct model *model, uint32_t value_count, uint32_t counter_count,
    size_t value_size, uint64_t seed);
void model_close(struct model *model);
uint64_t model_random(struct model *model);
size_t model_key_text(const struct model *model, uint32_t index, char text_out[KEY_TEXT_SIZE]);
/* Say which slots move; NULL = none. False = not ranges like 0-99,200. */
bool model_moving_set(struct model *model, const char *ranges);
bool model_is_counter(const struct model *model, uint32_t index);
uint32_t model_floor(const struct model *model, uint32_t index);
void model_value(const struct model *model, uint32_t index, uint32_t version,
    struct buffer *out);
/* What a read answered: data NULL = no such key. */
int model_check(
    struct model *model, uint32_t index, uint32_t floor, struct bytes value);
/* Count what was found wrong once, not at each later read. */
void model_accept(struct model *model, uint32_t index, struct bytes value);

/* stats.c: phases and their figures. */
void phase_begin(struct load *load, const char *name);
void phase_end(struct load *load);
void phase_record(struct load *load, const struct worker *worker, uint64_t now);
void phase_error(struct load *load, struct bytes text);
void phase_answer(struct load *load, uint32_t index, int answer);
void phase_forget_gaps(struct load *load);
void total_report(struct load *load);
void live_report(struct load *load);

/* link.c: connections. */
struct node *node_find(struct load *load, struct bytes host, int64_t port);
/* The buffer that takes the worker's request, or NULL: try again later. */
struct buffer *link_take(struct load *load, struct node *node, uint32_t index, bool asking);
void links_flush(uv_prepare_t *flush);
void links_close(struct load *load);
void request_begin(struct buffer *buffer, size_t arg_count);
void request_arg(struct buffer *buffer, const void *data, size_t size);

/* map.c: which node has a slot, as the nodes say. */
uint8_t map_find(struct load *load, uint32_t slot);
/* Fetch the table soon, from one node or any (NULL). */
void map_refresh(struct load *load, const struct node *source);
uint32_t map_source(struct load *load);
void map_moved(
    struct load *load, uint32_t slot, const struct node *owner, const struct node *sender);
void map_read(struct load *load, const struct node *sender);

/* worker.c: the closed loops. */
void workers_open(struct load *load, uint32_t client_count, uint32_t probe_count);
void workers_resume(struct load *load);
void workers_sweep(struct load *load, int sweep);
/* load->replies has the answer. */
void worker_answered(struct load *load, struct worker *worker, struct node *sender);
/* The connection ended: the request may have been done or not. */
void worker_dropped(struct load *load, struct worker *worker);
void workers_tick(struct load *load);
void worker_send(struct load *load, struct worker *worker);
void worker_delay(struct load *load, struct worker *worker, uint64_t delay_ns);

#endif
