/* SPDX-License-Identifier: MIT */
/* Room sim: replicas that follow live. See follow.h. */
#include "sim/follow.h"

struct host *reshard__follower_add(
    struct reshard_sim *sim, reshard_node_id id, reshard_shard_id shard)
{
    struct host *primary = reshard__host_acting(sim, shard);
    primary->disk->references++;
    struct host *host = reshard__host_add(sim, id, shard, primary->disk);
    host->follows = true;
    return host;
}

/* Once named primary it takes no record any more, and needs none. */
static void feed(struct reshard_sim *sim, struct host *host)
{
    const struct disk *disk = host->disk;
    int32_t status;
    struct call call = reshard__call_begin(sim, host);
    do
        status = reshard_node_restore(
            host->node, disk->journal + host->fed, disk->journal_size - host->fed);
    while (reshard__call_again(sim, host, &call, status));
    if (status && status != RESHARD_E_STATE)
        reshard__sim_violate(sim, "follow", "%h: %d", host->id, status);
    host->fed = disk->journal_size;
}

/* A host that says "durable" of a hold that its replica has not. */
static bool sabotaged(const struct reshard_sim *sim, const struct host *host)
{
    const struct disk *disk = host->disk;
    return reshard__sabotaged(sim, RESHARD_SABOTAGE_FOLLOW) &&
           reshard__records_have(
               disk->journal + host->fed, disk->journal_size - host->fed, "HELD");
}

void reshard__followers_feed(struct reshard_sim *sim, const struct host *primary, bool anew)
{
    for (size_t i = 0; i < sim->host_count && primary->disk->references > 1; i++) {
        struct host *host = sim->hosts[i];
        if (!host->follows || host->acting || host->disk != primary->disk)
            continue;
        host->fed = anew ? 0 : host->fed;
        if (!host->up || sabotaged(sim, host))
            continue;
        feed(sim, host);
        reshard__host_drain(sim, host);
    }
}

void reshard__follower_lead(struct reshard_sim *sim, struct host *old, struct host *heir)
{
    old->fenced = old->follows = true;
    old->acting = false;
    reshard__host_crash(sim, old);
    heir->acting = true;
    heir->fenced = false;
    old->seen_version = old->seen_term = 0;
    reshard__own_repair(sim, heir); /* what the dead one left torn */
    feed(sim, heir);
    reshard__host_drain(sim, heir);
}

reshard_node_id reshard__follower_of(
    const struct reshard_sim *sim, reshard_shard_id shard, const struct client *client)
{
    bool reads = sim->set.readonly && client->request.op == RESHARD_OP_READ && client->tries == 0;
    for (size_t i = 0; i < sim->host_count && reads && shard; i++) {
        const struct host *host = sim->hosts[i];
        if (host->shard == shard && host->up && host->follows && !host->acting)
            return host->id;
    }
    return 0;
}
