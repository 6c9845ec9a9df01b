/* SPDX-License-Identifier: MIT */
/* Room sim: what travels from a primary to a replica that follows (stream.c, follow.h). */
#ifndef RESHARD_SIM_STREAM_H
#define RESHARD_SIM_STREAM_H

#include <reshard/action.h>
#include <stdbool.h>

/* One change of the primary's disk: what an action did, or a key (action.kind = 0). */
struct shipment {
    struct reshard_action action;
    uint8_t *bytes; /* copies of what it points to; owned */
    uint32_t key;
    uint64_t value;
    uint64_t position; /* the primary counts them */
};

/* A follower's end. */
struct stream {
    bool on;         /* the primary ships to it */
    bool joined;     /* it has had all since it was made: the primary counts it */
    uint64_t number; /* of the stream: events of earlier ones are void */
    struct shipment *shipments; /* under way, in order */
    size_t count;
    size_t capacity;
    uint64_t arrival_ns; /* of the last of them */
    uint64_t received;   /* position that the disk has */
    uint64_t applied;    /* and the engine too */
    uint64_t lag_ns;     /* a script's: all takes so much longer */
    uint64_t lease_end_ns; /* it broke off; the primary counts the replica until then */
    uint64_t lease_boot;   /* and that process may serve */
};

#endif
