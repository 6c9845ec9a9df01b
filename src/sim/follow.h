/* SPDX-License-Identifier: MIT */
/* Room sim: replicas that follow live. Their host replicates at once: data and journal are those of
 * the primary's disk, and each record is fed to the follower's engine when it lands.
 */
#ifndef RESHARD_SIM_FOLLOW_H
#define RESHARD_SIM_FOLLOW_H

#include "sim/sim.h"

/* A replica that follows; its disk is the shard's. */
struct host *reshard__follower_add(
    struct reshard_sim *sim, reshard_node_id id, reshard_shard_id shard);
/* What landed in a disk's journal goes to those who follow it; `anew`: it was compacted. */
void reshard__followers_feed(struct reshard_sim *sim, const struct host *primary, bool anew);
/* The primary is dead; a follower that runs goes on from all that it left. */
void reshard__follower_lead(struct reshard_sim *sim, struct host *old, struct host *heir);
/* Where a client's request goes at first if it is a read; 0 = to the primary. */
reshard_node_id reshard__follower_of(
    const struct reshard_sim *sim, reshard_shard_id shard, const struct client *client);

#endif
