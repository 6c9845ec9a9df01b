/* SPDX-License-Identifier: MIT */
/* Room sim: the invariants of DESIGN part 7 that are looked at while a world goes on. What breaks
 * is told by reshard__sim_violate. */
#ifndef RESHARD_SIM_CHECK_H
#define RESHARD_SIM_CHECK_H

#include <reshard/map.h>
#include <stdbool.h>

struct host;
struct moving;
struct request;
struct reshard_action;
struct reshard_event;
struct reshard_sim;

/* One version of the map, as the authority has it. */
struct version {
    struct reshard_digest digest;
    reshard_migration_id migration; /* whose slots changed; 0: those of the span did */
    struct reshard_range span;      /* first above last: none */
};

/* What the checkers remember. */
struct checks {
    struct version *versions;
    size_t version_count, version_capacity;
    uint32_t *newest; /* by shard: place of its newest migration + 1 */
    size_t newest_capacity;
    /* search_reads.c: bits of who serves which slot, now and at any time since they were last
     * cleared; of hosts that ask for keys; and whether a step looked at others than those that it
     * called: whether they serve, what they hold. */
    uint64_t serving, served;
    uint32_t asking;
    bool looked_serving, looked_held;
    /* check_large.c */
    uint32_t *touched; /* hosts whose engines were called in this step */
    size_t touched_count, touched_capacity;
    uint32_t *writers, *readers; /* by slot: who served last + 1 */
    size_t writer_capacity, reader_capacity;
};

void reshard__checks_free(struct checks *checks);
/* The host's engine was called. */
void reshard__check_touch(struct reshard_sim *sim, struct host *host);
void reshard__check_step(struct reshard_sim *sim);
void reshard__check_executed(
    struct reshard_sim *sim, const struct host *host, const struct request *request);
void reshard__check_change(struct reshard_sim *sim, const struct reshard_change *change);
void reshard__check_purge(struct reshard_sim *sim, const struct reshard_action *action);
void reshard__check_event(
    struct reshard_sim *sim, const struct host *host, const struct reshard_event *event);
void reshard__check_node(struct reshard_sim *sim, struct host *host);
void reshard__check_tick(struct reshard_sim *sim, struct host *host);
/* Whether it has so many slots and hosts that not all are looked at after every step. */
bool reshard__check_large(const struct reshard_sim *sim);
/* Everything that is looked at after a step, for every host and slot. */
void reshard__check_all(struct reshard_sim *sim);

/* ---- check.c, for check_large.c ---- */
bool reshard__can_serve(const struct reshard_sim *sim, const struct host *host);
bool reshard__serves(const struct host *host, uint32_t slot, uint32_t op);
bool reshard__reads_here(const struct host *host, uint32_t slot);
void reshard__check_data(
    struct reshard_sim *sim, const struct host *host, uint32_t first, uint32_t last);
void reshard__check_kept(struct reshard_sim *sim, const struct host *host);
/* The first slot of a migration that is not below `slot`; UINT32_MAX = none is. */
uint32_t reshard__moving_slot(const struct moving *moving, uint32_t slot);

/* ---- check_large.c ---- */
/* What a step can have changed; everything now and then. */
void reshard__check_touched(struct reshard_sim *sim);
/* Who may serve a slot, from `*cursor` on (begins at 0); NULL = that was all. */
const struct host *reshard__suspect_next(
    const struct reshard_sim *sim, uint32_t slot, uint32_t *cursor);

#endif
