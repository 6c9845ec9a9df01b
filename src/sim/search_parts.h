/* SPDX-License-Identifier: MIT */
/* Room sim: a world that is searched, written down in parts: what is alike there is the same world,
 * and what one move changed shows by comparing them. Private to search*.c. */
#ifndef RESHARD_SIM_SEARCH_PARTS_H
#define RESHARD_SIM_SEARCH_PARTS_H

#include "sim/sim.h"

enum { SINK_SIZE = 1 << 16, HOSTS_MAX = 16 };

/* Takes any number of bytes: what is too much is digested. */
struct sink {
    size_t size;
    uint8_t bytes[SINK_SIZE];
};

/* Parts that hosts are not; each host's stands behind them. */
enum part { PART_BUDGETS, PART_AUTHORITY, PART_CLIENTS, PART_TIMES, PART_HOSTS };

/* All of a world but what is under way. */
struct parts {
    struct sink sink;
    size_t count;
    size_t ends[PART_HOSTS + HOSTS_MAX];
};

/* search_digest.c: the sink is full. */
void reshard__sink_fold(struct sink *sink, const void *bytes, size_t size);
struct reshard_digest reshard__sink_digest(const struct sink *sink);
/* What lies in the host's region, but for requests: clients know which of them are late. */
void reshard__sink_host(
    struct sink *sink, const struct reshard_sim *sim, const struct host *host);
/* The place of a task; 0: there is none. */
uint64_t reshard__task_place(const struct host *host, uint64_t id);

/* search_parts.c: what is not touched (arena.h) has the digest that it had at the mark. */
void reshard__search_parts(struct reshard_sim *sim, struct parts *parts);
/* ... and of all of it together. */
struct reshard_digest reshard__parts_digest(const struct reshard_sim *sim, struct parts *parts);
/* Of one that is under way. */
struct reshard_digest reshard__happening_digest(
    const struct reshard_sim *sim, const struct happening *happening);

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
