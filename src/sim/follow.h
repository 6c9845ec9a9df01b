/* SPDX-License-Identifier: MIT */
/* Room sim: replicas that follow live: promotion, and who serves reads (follow.c); the stream from
 * the primary (stream.c). A follower has a disk of its own. All that happens to the primary's disk
 * is shipped to it, in order, and takes its time; a primary's durable action completes, and its
 * requests are answered, when every replica that it counts has applied what came before. A stream
 * that breaks off ends that with a lease: until then the replica serves reads and the primary
 * waits, from then on it does neither before it is made anew from the primary's disk.
 */
#ifndef RESHARD_SIM_FOLLOW_H
#define RESHARD_SIM_FOLLOW_H

#include "sim/sim.h"

/* ---- follow.c ---- */
/* A replica that follows. */
struct host *reshard__follower_add(
    struct reshard_sim *sim, reshard_node_id id, reshard_shard_id shard);
bool reshard__follower_is(const struct host *host);
/* Whether it may be promoted: the primary has waited for it up to now. */
bool reshard__follower_counts(const struct reshard_sim *sim, const struct host *host);
/* Whether it may serve: as long as it is counted, and as the same process. */
bool reshard__follower_serves(const struct reshard_sim *sim, const struct host *host);
/* All before this position is applied, and no read runs that was admitted before that. */
uint64_t reshard__follower_acknowledges(
    const struct reshard_sim *sim, const struct host *host);
/* Its engine takes what its journal has. False: there was no memory, it must be told later. */
bool reshard__follower_feed(struct reshard_sim *sim, struct host *host);
/* The primary is dead; a follower that runs goes on from what has arrived. */
void reshard__follower_lead(struct reshard_sim *sim, struct host *old, struct host *heir);
/* Where a client's request goes at first if it is a read; 0 = to the primary. */
reshard_node_id reshard__follower_of(
    const struct reshard_sim *sim, reshard_shard_id shard, const struct client *client);

/* ---- stream.c ---- */
/* What an action did to the primary's disk. */
void reshard__ship_action(
    struct reshard_sim *sim, struct host *primary, const struct reshard_action *action);
void reshard__ship_key(
    struct reshard_sim *sim, struct host *primary, uint32_t key, uint64_t value);
/* Whether all that count have applied so much. */
bool reshard__shipped(
    const struct reshard_sim *sim, const struct host *primary, uint64_t position);
/* The first of what is under way arrives. */
void reshard__stream_arrive(struct reshard_sim *sim, struct host *host, uint64_t number);
void reshard__stream_break(struct reshard_sim *sim, struct host *host);
/* Whether some follower of a primary counts. */
bool reshard__streams_run(const struct reshard_sim *sim, const struct host *primary);
/* The streams of all followers of a primary. */
void reshard__streams_break(struct reshard_sim *sim, const struct host *primary);
/* Whether a follower can be made anew. */
bool reshard__stream_links(const struct reshard_sim *sim, const struct host *host);
/* It is, as soon as that is possible. */
void reshard__stream_link(struct reshard_sim *sim, struct host *host, uint64_t number);
/* It has caught up, if it runs and nothing is under way. */
void reshard__stream_join(struct host *host);
/* The first `count` of what is under way arrive at once, the others never. */
void reshard__stream_end(struct reshard_sim *sim, struct host *host, size_t count);
void reshard__stream_free(struct host *host);

#endif
