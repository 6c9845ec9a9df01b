/* SPDX-License-Identifier: MIT */
/* Room replica, inside. Only replica*.c includes this.
 *
 * operation = size 4 | kind 1 | payload; `size` counts the whole operation.
 * STREAM = stream 8 | offset behind its bytes 8 | number 8 | beat 8 | flags 8 | clock 8 |
 *          operations
 * REPLICA = kind 8 | stream 8 | offset 8 | frames 8 | beat 8 | clock 8
 * A beat is the replica's own clock when it asked; the primary gives it back as a lease. `clock` is
 * the primary's own when it sent; a replica gives it back with its next beat, and with that says
 * that it was no heir then.
 */
#ifndef SLOTD_REPLICA_ROOM_H
#define SLOTD_REPLICA_ROOM_H

#include "bus.h"
#include "log.h"
#include "replica.h"

enum {
    OPERATION_HEAD = 5,
    STREAM_HEAD = 48,
    REQUEST_SIZE = 48,
    FRAME_BYTES = 262144,
    WINDOW_FRAMES = 16,       /* sent and not acknowledged */
    COPY_STEP = 131072,
    BACKLOG_KEPT = 1 << 20,   /* for a replica that comes back */
    BACKLOG_MAX = 256 << 20,  /* a replica that is further behind starts over */
    JOIN_LAG = 1 << 20        /* so near to the end a replica may join those that are waited for */
};
#define LEASE_NS ((uint64_t)1000000000)
#define LEASE_MARGIN_NS ((uint64_t)100000000)
#define FORGET_NS ((uint64_t)60000000000)
#define REQUEST_NS ((uint64_t)300000000)
#define SILENCE_NS ((uint64_t)1500000000)
#define PAUSE_NS ((uint64_t)3000000000)

enum {
    OPERATION_RECORDS = 1, /* of live keys, as store_record_* writes them */
    OPERATION_STAGED = 2,  /* the same, of staged ones */
    OPERATION_SLOT = 3,    /* what 1, slot 2 */
    OPERATION_JOURNAL = 4, /* index 8, record */
    OPERATION_COMPACT = 5, /* index 8, record: in place of all before */
    OPERATION_META = 6,    /* name, 0, value; without the 0: it is gone */
    OPERATION_TURN = 7,    /* apply what came since the last one */
    OPERATION_WIPE = 8     /* a copy begins: nothing of what is here counts */
};
enum { FRAME_FIRST = 1, FRAME_COPY = 2, FRAME_COPIED = 4, FRAME_PAUSED = 8 };
enum { REQUEST_FOLLOW = 1, REQUEST_BEAT = 2, REQUEST_PAUSE = 3 };

/* At the primary: one replica. */
struct follower {
    struct follower *next;
    uint64_t node;
    bool copying;
    bool in_sync;        /* what completes waits for it */
    bool whole_told;     /* FRAME_COPIED went out */
    bool pause_due;
    uint64_t sent;       /* offset */
    uint64_t acked;
    uint64_t join_at;    /* leases only from here on */
    uint64_t frames;     /* sent since it asked to follow */
    uint64_t frames_acked;
    uint64_t beat;       /* to be given back; 0 = none */
    uint64_t heard_ns;
    uint64_t granted_ns; /* newest lease that was given */
    uint64_t vouched_ns; /* then it followed this primary */
    bool clock_due;      /* a frame that carries the clock */
    uint64_t flags_due;
    /* the copy */
    uint32_t slot;
    bool begun;          /* the slot's head went out */
    bool staged;         /* its staged rows are being read */
    struct store_export state;
};

/* At a replica. */
struct upstream {
    uint64_t primary; /* 0 = none */
    uint64_t stream;
    uint64_t offset;  /* applied */
    uint64_t frames;
    uint64_t asked_ns;
    uint64_t heard_ns;
    uint64_t lease_ns; /* reads until then */
    uint64_t clock;   /* of the primary, to be given back */
    uint64_t pause_asked_ns;
    uint64_t paused_ns;
    bool linked;
    bool copying;      /* what is here is not whole */
    bool ack_due;
    bool full;         /* no room for what comes next */
    bool wiped;        /* in this turn: the node starts at its end */
    struct buffer pending; /* operations of a turn that has not ended */
};

struct replica {
    struct store *store;
    struct host_sync *sync;
    struct replica_hooks hooks;
    uint64_t node;
    bool leads;
    bool applying;      /* what changes now came from the primary */
    uint64_t stream;    /* id: a new one with each start as primary */
    uint64_t offset;    /* end of the stream */
    uint64_t first;     /* offset of the backlog's first byte */
    struct buffer backlog;
    bool turn_open;     /* operations since the last TURN */
    uint64_t paused_ns; /* no writes until then */
    bool settling;       /* as of the last look */
    uint64_t settled_ns; /* leases that others gave are over then */
    uint32_t peers;      /* who may hold one: not the primary before */
    uint64_t led_ns;     /* since when it leads */
    uint64_t former;     /* the primary before; 0 = none */
    bool fences;         /* it may still serve */
    struct follower *followers;
    struct upstream up;
};

/* replica_log.c */
void replica__log_watch(struct replica *replica, bool on);
void replica__operation(
    struct buffer *out, uint8_t kind, struct bytes head, struct bytes payload);
/* Operations that make the node's journal, and the positions of copies, anew. */
void replica__log_state(struct replica *replica, struct buffer *out);
void replica__log_turn(struct replica *replica);
void replica__log_trim(struct replica *replica);

/* replica_feed.c */
void replica__feed_request(struct replica *replica, uint64_t from, struct bytes message);
void replica__feed_turn(struct replica *replica);
void replica__feed_tick(struct replica *replica);
void replica__feed_end(struct replica *replica);
/* A slot whose copy is under way has changed as a whole: it is copied from its start again. */
void replica__feed_slot(struct replica *replica, uint32_t slot);
void replica__released_set(struct replica *replica);

/* replica.c */
/* Whether leases that others gave are over by now, and that of the primary before. */
void replica__settle_look(struct replica *replica);
/* Remember, over a restart, that the primary before may still serve; or that it does no more. */
void replica__former_put(struct replica *replica);

/* replica_take.c */
void replica__take_stream(struct replica *replica, uint64_t from, struct bytes message);
void replica__take_turn(struct replica *replica);
void replica__take_tick(struct replica *replica);
void replica__take_begin(struct replica *replica, uint64_t primary);
void replica__take_end(struct replica *replica);
/* Whom this node followed when it last did, by the store; 0 = nobody. */
uint64_t replica__take_followed(struct replica *replica);

#endif
