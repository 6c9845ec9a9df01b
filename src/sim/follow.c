/* SPDX-License-Identifier: MIT */
/* Room sim: replicas that follow live. See follow.h. */
#include "sim/follow.h"

struct host *reshard__follower_add(
    struct reshard_sim *sim, reshard_node_id id, reshard_shard_id shard)
{
    struct host *host = reshard__host_add(sim, id, shard, reshard__disk_make(sim, id));
    host->follows = sim->followed = true;
    host->stream.on = host->stream.joined = true; /* neither has anything yet */
    return host;
}

bool reshard__follower_is(const struct host *host)
{
    return host->follows && !host->acting;
}

bool reshard__follower_counts(const struct reshard_sim *sim, const struct host *host)
{
    return (host->stream.on && host->stream.joined) || sim->now_ns < host->stream.lease_end_ns;
}

bool reshard__follower_serves(const struct reshard_sim *sim, const struct host *host)
{
    return (host->stream.on && host->stream.joined) ||
           (sim->now_ns < host->stream.lease_end_ns && host->boot == host->stream.lease_boot);
}

/* Reads that it admitted before run by what it knew then. */
uint64_t reshard__follower_acknowledges(const struct reshard_sim *sim, const struct host *host)
{
    uint64_t position = host->stream.applied;
    for (size_t i = 0; i < host->admitted_count; i++)
        if (host->admitted[i].position < position &&
            !reshard__sabotaged(sim, RESHARD_SABOTAGE_READS))
            position = host->admitted[i].position;
    return position;
}

/* A host that says "durable" of a hold that its replica has not. */
static bool sabotaged(const struct reshard_sim *sim, const struct host *host)
{
    const struct disk *disk = host->disk;
    return reshard__sabotaged(sim, RESHARD_SABOTAGE_FOLLOW) &&
           reshard__records_have(
               disk->journal + host->fed, disk->journal_size - host->fed, "HELD");
}

/* Once named primary it takes no record any more, and needs none. */
bool reshard__follower_feed(struct reshard_sim *sim, struct host *host)
{
    const struct disk *disk = host->disk;
    if (host->fed == disk->journal_size || sabotaged(sim, host))
        return true;
    int32_t status;
    struct call call = reshard__call_begin(sim, host);
    do
        status = reshard_node_restore(
            host->node, disk->journal + host->fed, disk->journal_size - host->fed);
    while (reshard__call_again(sim, host, &call, status));
    if (status == RESHARD_E_NOMEM)
        return false;
    if (status && status != RESHARD_E_STATE)
        reshard__sim_violate(sim, "follow", "%h: %d", host->id, status);
    host->fed = disk->journal_size;
    reshard__host_drain(sim, host);
    return true;
}

void reshard__follower_lead(struct reshard_sim *sim, struct host *old, struct host *heir)
{
    reshard__host_touch(old);
    old->fenced = old->follows = true;
    old->acting = false;
    reshard__host_crash(sim, old);
    old->seen_version = old->seen_term = 0;
    reshard__requests_drop(sim, heir); /* no fence will ask for what it admitted as a replica */
    reshard__stream_end(
        sim, heir, reshard__choose(sim, CHOICE_TORN, (uint32_t)heir->stream.count + 1));
    heir->acting = true;
    heir->fenced = false;
    reshard__streams_break(sim, heir);
    for (size_t i = 0; i < sim->host_count; i++) /* the host fences all but the heir */
        if (sim->hosts[i]->shard == heir->shard) {
            reshard__host_touch(sim->hosts[i]);
            sim->hosts[i]->stream.lease_end_ns = sim->now_ns;
        }
    /* Without memory for the records it is as good as dead, and starts from them again. */
    if (reshard__follower_feed(sim, heir))
        return;
    reshard__host_crash(sim, heir);
    reshard__host_start(sim, heir);
}

reshard_node_id reshard__follower_of(
    const struct reshard_sim *sim, reshard_shard_id shard, const struct client *client)
{
    bool reads = sim->set.readonly && !sim->judging &&
                 client->request.op == RESHARD_OP_READ && client->tries == 0;
    for (size_t i = 0; i < sim->host_count && reads && shard; i++) {
        const struct host *host = sim->hosts[i];
        if (host->shard == shard && host->up && reshard__follower_is(host))
            return host->id;
    }
    return 0;
}
