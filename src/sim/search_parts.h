/* SPDX-License-Identifier: MIT */
/* Room sim: a world that is searched, written down in parts: what is alike there is the same world,
 * and what one move changed shows by comparing them. Private to search*.c. */
#ifndef RESHARD_SIM_SEARCH_PARTS_H
#define RESHARD_SIM_SEARCH_PARTS_H

#include "sim/sim.h"

enum { SINK_SIZE = 1 << 16, HOSTS_MAX = 8, MESSAGES_MAX = 128 };

/* Takes any number of bytes: what is too much is digested. */
struct sink {
    size_t size;
    uint8_t bytes[SINK_SIZE];
};

/* Parts of a world that hosts are not; each host's stands behind them. */
enum part {
    PART_BUDGETS,
    PART_AUTHORITY, /* and what is known of migrations */
    PART_CLIENTS,   /* what they saw, requests and answers under way */
    PART_TIMES,     /* of values */
    PART_HOSTS,
    PART_COUNT = PART_HOSTS + HOSTS_MAX
};

/* What others ask of a part without looking into it. */
enum {
    HOST_UP = 1,
    HOST_ACTING = 2,
    HOST_FENCED = 4,
    HOST_ASKS = 8,   /* its answer depends on the key (checks.asking) */
    HOST_BUSY = 16,  /* it holds requests: clients know which of them are late */
    HOST_WORKS = 32, /* something of its own is under way */
    HOST_LEADS = 64,
    PART_RESTS = 128 /* clients: nobody waits; authority: all that was opened is closed */
};
struct facts {
    uint64_t known;  /* reshard__search_known */
    uint64_t serves; /* by slot two bits: writes, reads */
    uint64_t flags;
};

struct message {
    struct reshard_digest digest; /* of its link, too */
    uint64_t serial;
    uint32_t type;
    uint8_t from, to; /* hosts' indexes */
    bool repeated;
};

/* A world, taken apart: a part that is alike is the same one, with its facts. */
struct parts {
    size_t count;
    struct reshard_digest digests[PART_COUNT];
    struct facts facts[PART_COUNT];
    size_t message_count;
    struct message messages[MESSAGES_MAX]; /* by link, there in order; at its end the repeated */
};

/* search_digest.c: the sink is full. */
void reshard__sink_fold(struct sink *sink, const void *bytes, size_t size);
struct reshard_digest reshard__sink_digest(const struct sink *sink);
/* What lies in the host's region, but for requests: clients know which of them are late. */
void reshard__sink_host(struct sink *sink, const struct reshard_sim *sim, const struct host *host);
/* The place of a task; 0: there is none. */
uint64_t reshard__task_place(const struct host *host, uint64_t id);

struct reshard_digest reshard__search_hash(const void *bytes, size_t size);

/* search_parts.c: what is not touched (arena.h) has the digest that it had at the mark. */
void reshard__search_parts(struct reshard_sim *sim, struct parts *parts);
/* ... and of all of it together: the sum of its parts' and its links'. */
struct reshard_digest reshard__parts_digest(const struct parts *parts);
/* Of one that is under way, with its place on its link. */
struct reshard_digest reshard__happening_digest(
    const struct reshard_sim *sim, const struct happening *happening);
struct reshard_digest reshard__budgets_digest(const struct allowance *allowance);
/* Of all messages of a link. */
struct reshard_digest reshard__link_digest(const struct reshard_digest *digests, size_t count);
/* Whose it is, but for a message; PART_CLIENTS: no host's. */
size_t reshard__happening_part(const struct reshard_sim *sim, const struct happening *happening);

static inline void digest_add(struct reshard_digest *sum, struct reshard_digest digest)
{
    sum->low += digest.low;
    sum->high += digest.high;
}

static inline void put(struct sink *sink, const void *bytes, size_t size)
{
    if (size > SINK_SIZE - sink->size) {
        reshard__sink_fold(sink, bytes, size);
    } else if (size > 0) {
        memcpy(sink->bytes + sink->size, bytes, size);
        sink->size += size;
    }
}

static inline void put_number(struct sink *sink, uint64_t number)
{
    put(sink, &number, sizeof number);
}

static inline void put_bytes(struct sink *sink, const void *bytes, size_t size)
{
    put_number(sink, size);
    put(sink, bytes, size);
}

#endif
