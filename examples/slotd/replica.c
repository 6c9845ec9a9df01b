/* SPDX-License-Identifier: MIT */
/* Room replica: roles, and what others ask. See replica.h. */
#include "replica_room.h"

#include <stdlib.h>

struct replica *replica_open(
    struct store *store, struct host_sync *sync, const struct replica_hooks *hooks)
{
    struct replica *replica = memory_take(sizeof(*replica));
    replica->store = store;
    replica->sync = sync;
    replica->hooks = *hooks;
    replica__released_set(replica);
    replica__log_watch(replica, true);
    return replica;
}

void replica_close(struct replica *replica)
{
    if (replica == NULL)
        return;
    replica__log_watch(replica, false);
    replica__feed_end(replica);
    buffer_free(&replica->backlog);
    buffer_free(&replica->up.pending);
    free(replica);
}

/* A stream's id is never used twice: who has another one gets a copy. */
static uint64_t stream_new(const struct replica *replica)
{
    uint8_t seed[24];
    put_u64(seed, replica->node);
    put_u64(seed + 8, clock_monotonic_ns());
    put_u64(seed + 16, (uint64_t)clock_wall_ms());
    return bytes_checksum((struct bytes){seed, sizeof(seed)}) | 1;
}

static const char former_name[] = "replica.former";

/* The primary before, also when it was so in an earlier run: then it may not have ended either. */
static uint64_t former_find(struct replica *replica)
{
    struct bytes former;
    if (replica->up.primary != 0)
        return replica->up.primary;
    if (store_meta_get(replica->store, former_name, &former) && former.size == 8)
        return get_u64(former.data);
    return replica__take_followed(replica);
}

void replica__former_put(struct replica *replica)
{
    uint8_t former[8];
    struct bytes before;
    put_u64(former, replica->former);
    if (replica->fences)
        store_meta_put(replica->store, former_name, (struct bytes){former, sizeof(former)});
    else if (store_meta_get(replica->store, former_name, &before))
        store_meta_remove(replica->store, former_name);
}

/* The primary before holds no lease to read, which others may. */
static void lead_begin(struct replica *replica, uint32_t peers)
{
    replica->former = former_find(replica);
    replica->fences = replica->former != 0;
    replica__former_put(replica);
    replica__take_end(replica);
    replica->stream = stream_new(replica);
    replica->offset = replica->first = replica->sync->logged = 1; /* 0: it logs nothing */
    replica->peers = replica->former != 0 && peers > 0 ? peers - 1 : peers;
    replica->led_ns = clock_monotonic_ns();
    replica->settled_ns = replica->led_ns + LEASE_NS + LEASE_MARGIN_NS;
    replica__settle_look(replica);
    replica__released_set(replica);
}

static void fence_end(struct replica *replica)
{
    replica->fences = false;
    replica__former_put(replica);
    log_event(LOG_INFO, "former_fenced", "node=%016llx after_ms=%llu",
        (unsigned long long)replica->former,
        (unsigned long long)((clock_monotonic_ns() - replica->led_ns) / 1000000));
}

void replica__settle_look(struct replica *replica)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint32_t count = 0;
    for (const struct follower *at = replica->followers; at != NULL; at = at->next)
        count += at->node != replica->former ? 1 : 0;
    if (replica->fences && now_ns > replica->led_ns + PRIMARY_LEASE_NS + LEASE_MARGIN_NS)
        fence_end(replica);
    replica->settling =
        replica->fences || (count < replica->peers && now_ns < replica->settled_ns);
}

uint64_t replica_former(const struct replica *replica, uint64_t *led_ns_out)
{
    *led_ns_out = replica->led_ns;
    return replica->leads && replica->fences ? replica->former : 0;
}

void replica_former_gone(struct replica *replica)
{
    fence_end(replica);
    replica__settle_look(replica);
    replica__released_set(replica);
}

static const struct follower *follower_of(const struct replica *replica, uint64_t node)
{
    const struct follower *at = replica->followers;
    while (at != NULL && at->node != node)
        at = at->next;
    return at;
}

bool replica_followed_by(const struct replica *replica, uint64_t node)
{
    return replica->leads && follower_of(replica, node) != NULL;
}

uint64_t replica_vouched_ns(const struct replica *replica, uint64_t node)
{
    const struct follower *at = follower_of(replica, node);
    return at != NULL ? at->vouched_ns : 0;
}

void replica_role(
    struct replica *replica, uint64_t node, uint64_t primary, uint32_t peers)
{
    bool leads = primary != 0 && primary == node;
    bool begins = leads && !replica->leads;
    bool ends = replica->leads && !leads;
    bool linked = ends || replica->up.primary != 0; /* with the shard's nodes, it may be */
    replica->node = node;
    replica->leads = leads;
    if (ends)
        replica__feed_end(replica);
    if (begins)
        lead_begin(replica, peers);
    if (leads || primary == replica->up.primary)
        return;
    replica__take_begin(replica, primary);
    if (linked)
        replica_tick(replica); /* who follows serves nothing: the heir waits for that */
}

void replica_receive(struct replica *replica, uint64_t from, uint8_t kind, struct bytes message)
{
    if (kind == BUS_REPLICA && replica->leads)
        replica__feed_request(replica, from, message);
    if (kind == BUS_STREAM && !replica->leads && replica->up.primary != 0)
        replica__take_stream(replica, from, message);
}

void replica_turn(struct replica *replica)
{
    if (replica->leads)
        replica__feed_turn(replica);
    else if (replica->up.primary != 0)
        replica__take_turn(replica);
}

void replica_tick(struct replica *replica)
{
    if (replica->leads)
        replica__feed_tick(replica);
    else if (replica->up.primary != 0)
        replica__take_tick(replica);
}

bool replica_fresh(const struct replica *replica)
{
    return !replica->up.copying && clock_monotonic_ns() < replica->up.lease_ns;
}

bool replica_whole(const struct replica *replica)
{
    return replica->up.stream != 0 && !replica->up.copying;
}

bool replica_follows(const struct replica *replica)
{
    return !replica->leads && replica->up.stream != 0;
}

bool replica_settling(const struct replica *replica)
{
    return replica->leads && replica->settling;
}

bool replica_paused(const struct replica *replica)
{
    return replica->paused_ns != 0 && clock_monotonic_ns() < replica->paused_ns;
}

uint64_t replica_offset(const struct replica *replica)
{
    return replica->leads ? replica->offset : replica->up.offset;
}

uint32_t replica_count(const struct replica *replica, uint64_t offset)
{
    uint32_t count = 0;
    for (const struct follower *at = replica->followers; at != NULL; at = at->next)
        count += at->acked >= offset && at->whole_told ? 1 : 0;
    return count;
}

bool replica_peer_at(
    const struct replica *replica, uint32_t index, struct replica_peer *peer_out)
{
    const struct follower *at = replica->followers;
    while (at != NULL && index-- > 0)
        at = at->next;
    if (at == NULL)
        return false;
    *peer_out = (struct replica_peer){
        at->node, at->acked, at->whole_told, at->in_sync, at->heard_ns};
    return true;
}

bool replica_linked(const struct replica *replica, uint64_t *heard_ns_out)
{
    *heard_ns_out = replica->up.heard_ns;
    return replica->up.linked;
}

bool replica_full(const struct replica *replica)
{
    return replica->up.full;
}

uint64_t replica_stream_id(const struct replica *replica)
{
    return replica->leads ? replica->stream : replica->up.stream;
}
