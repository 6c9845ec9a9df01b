/* SPDX-License-Identifier: MIT */
/* Room sim: the stream from a primary to a replica that follows. See follow.h. */
#include "sim/follow.h"

enum { LAGS = 8, LINK_LEASES = 4 };

/* What an action points to is gone when it completes: all of it in one block, the ranges first. */
static struct shipment shipment_copy(uint32_t region, const struct shipment *from)
{
    struct shipment copy = *from;
    const struct reshard_action *action = &from->action;
    size_t ranges_size = action->range_count * sizeof *action->ranges;
    copy.bytes = reshard__region_resize(
        region, NULL, ranges_size + action->header_size + action->payload_size + 1);
    uint8_t *header = copy.bytes + ranges_size, *payload = header + action->header_size;
    if (ranges_size)
        memcpy(copy.bytes, action->ranges, ranges_size);
    if (action->header_size)
        memcpy(header, action->header, action->header_size);
    if (action->payload_size)
        memcpy(payload, action->payload, action->payload_size);
    copy.action.ranges = (const struct reshard_range *)(const void *)copy.bytes;
    copy.action.header = header;
    copy.action.payload = payload;
    copy.action.buffer = NULL;
    return copy;
}

static void shipment_free(const struct shipment *shipment)
{
    reshard__sim_release(shipment->bytes);
}

static void event_plan(
    struct reshard_sim *sim, const struct host *host, enum event_kind kind, uint64_t time_ns)
{
    struct happening happening = {.kind = kind, .host = host->id, .time_ns = time_ns};
    happening.number = host->stream.number;
    reshard__sim_schedule(sim, &happening);
}

/* Behind what is under way already. */
static void ship(struct reshard_sim *sim, struct host *host, const struct shipment *shipment)
{
    struct stream *stream = &host->stream;
    reshard__host_touch(host);
    uint32_t longer = reshard__choose(sim, CHOICE_DELAY, LAGS);
    uint64_t arrival_ns = sim->now_ns + (sim->set.latency_ns << longer) + stream->lag_ns;
    if (longer)
        reshard__fault_met(sim, SIM_FAULT_REPLICA_LAGS, host->shard);
    if (arrival_ns < stream->arrival_ns)
        arrival_ns = stream->arrival_ns;
    stream->arrival_ns = arrival_ns;
    stream->shipments = reshard__region_grow(host->region, stream->shipments, &stream->capacity,
        stream->count + 1, sizeof *stream->shipments);
    stream->shipments[stream->count++] = shipment_copy(host->region, shipment);
    event_plan(sim, host, EVENT_FEED, arrival_ns);
    if (reshard__choose(sim, CHOICE_LINK, 2))
        reshard__stream_break(sim, host);
}

static void ship_all(
    struct reshard_sim *sim, struct host *primary, struct shipment *shipment)
{
    reshard__host_touch(primary);
    if (!primary->acting)
        return;
    shipment->position = ++primary->shipped;
    for (size_t i = 0; i < sim->host_count; i++) {
        struct host *host = sim->hosts[i];
        if (host->shard == primary->shard && reshard__follower_is(host) && host->stream.on)
            ship(sim, host, shipment);
    }
}

void reshard__ship_action(
    struct reshard_sim *sim, struct host *primary, const struct reshard_action *action)
{
    struct shipment shipment = {.action = *action};
    ship_all(sim, primary, &shipment);
}

void reshard__ship_key(
    struct reshard_sim *sim, struct host *primary, uint32_t key, uint64_t value)
{
    struct shipment shipment = {.key = key, .value = value};
    ship_all(sim, primary, &shipment);
}

bool reshard__shipped(
    const struct reshard_sim *sim, const struct host *primary, uint64_t position)
{
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_FOLLOW))
        return true;
    for (size_t i = 0; i < sim->host_count && primary->acting; i++) {
        const struct host *host = sim->hosts[i];
        if (host->shard == primary->shard && reshard__follower_is(host) &&
            reshard__follower_counts(sim, host) &&
            reshard__follower_acknowledges(sim, host) < position)
            return false;
    }
    return true;
}

static void shipment_apply(
    struct reshard_sim *sim, struct host *host, const struct shipment *shipment)
{
    struct task task = {.action = shipment->action};
    struct reshard_completion completion;
    reshard_completion_init(&completion);
    switch (shipment->action.kind) {
    case 0:
        reshard__loose_write(sim, host->disk, shipment->key);
        reshard__disk_put(sim, host->disk, shipment->key, shipment->value);
        break;
    case RESHARD_ACTION_COMPACT:
        reshard__disk_synced(host->disk);
        host->disk->journal_size = host->fed = 0;
        reshard__own_append(
            host->disk, shipment->action.header, shipment->action.header_size);
        break;
    case RESHARD_ACTION_APPEND:
        reshard__loose_record(sim, host->disk, &shipment->action);
        reshard__own_append(
            host->disk, shipment->action.header, shipment->action.header_size);
        break;
    default:
        reshard__store_do(sim, host, &task, &completion);
        break;
    }
    host->stream.received = shipment->position;
}

static void first_apply(struct reshard_sim *sim, struct host *host)
{
    struct stream *stream = &host->stream;
    struct shipment first = stream->shipments[0];
    memmove(stream->shipments, stream->shipments + 1, --stream->count * sizeof first);
    shipment_apply(sim, host, &first);
    shipment_free(&first);
}

static bool reachable(
    const struct reshard_sim *sim, const struct host *primary, const struct host *host)
{
    return primary && host->up && !host->frozen && !reshard__net_cut(sim, primary->id, host->id) &&
           !reshard__net_cut(sim, host->id, primary->id);
}

void reshard__stream_arrive(struct reshard_sim *sim, struct host *host, uint64_t number)
{
    struct stream *stream = &host->stream;
    reshard__host_touch(host);
    if (!stream->on || stream->number != number || !reshard__follower_is(host))
        return;
    if (!reachable(sim, reshard__host_acting(sim, host->shard), host)) {
        reshard__stream_break(sim, host);
        return;
    }
    if (stream->count > 0)
        first_apply(sim, host);
    if (reshard__follower_feed(sim, host)) {
        stream->applied = stream->received;
        reshard__stream_join(host);
    } else
        event_plan(sim, host, EVENT_FEED, sim->now_ns + SIM_MILLI);
}

void reshard__stream_end(struct reshard_sim *sim, struct host *host, size_t count)
{
    reshard__host_touch(host);
    struct stream *stream = &host->stream;
    for (; count > 0 && stream->count > 0; count--)
        first_apply(sim, host);
    for (size_t i = 0; i < stream->count; i++)
        shipment_free(&stream->shipments[i]);
    stream->count = 0;
    stream->on = stream->joined = false;
    stream->number++;
    stream->lease_end_ns = 0;
}

void reshard__stream_break(struct reshard_sim *sim, struct host *host)
{
    struct stream *stream = &host->stream;
    uint64_t lease_end_ns = stream->lease_end_ns;
    if (stream->on) {
        reshard__fault_met(sim, SIM_FAULT_REPLICA_BREAKS, host->shard);
        reshard__sim_say(sim, "%h hears no more of its primary", host->id);
    }
    if (stream->on && stream->joined) {
        lease_end_ns = sim->now_ns + sim->set.lease_ns;
        stream->lease_boot = host->boot;
    }
    reshard__stream_end(sim, host, 0);
    stream->lease_end_ns = host->up ? lease_end_ns : sim->now_ns;
    event_plan(sim, host, EVENT_LINK, sim->now_ns + LINK_LEASES * sim->set.lease_ns);
}

bool reshard__streams_run(const struct reshard_sim *sim, const struct host *primary)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        const struct host *host = sim->hosts[i];
        if (host->shard == primary->shard && reshard__follower_is(host) &&
            reshard__follower_counts(sim, host))
            return true;
    }
    return false;
}

void reshard__streams_break(struct reshard_sim *sim, const struct host *primary)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        struct host *host = sim->hosts[i];
        if (host->shard == primary->shard && reshard__follower_is(host))
            reshard__stream_break(sim, host);
    }
}

/* Before it knows itself that it leads, its primary's journal would name another one. */
bool reshard__stream_links(const struct reshard_sim *sim, const struct host *host)
{
    const struct host *primary = reshard__host_acting(sim, host->shard);
    return reachable(sim, primary, host) && primary->up && reshard__host_primary(primary);
}

void reshard__stream_join(struct host *host)
{
    struct stream *stream = &host->stream;
    stream->joined |= stream->on && host->up && stream->count == 0;
}

/* The primary's disk as it is arrives in its time, and behind it what the primary does since. */
static void copy_begin(struct reshard_sim *sim, struct host *host, const struct host *primary)
{
    struct stream *stream = &host->stream;
    reshard__host_crash(sim, host);
    reshard__disk_copy(sim, host->disk, primary->disk);
    host->seen_version = host->seen_term = 0;
    stream->on = true;
    stream->number++;
    stream->arrival_ns = sim->now_ns + sim->set.resync_ns;
    stream->received = stream->applied = primary->shipped;
    reshard__sim_say(sim, "%h follows %h anew", host->id, primary->id);
    if (sim->set.resync_ns == 0)
        reshard__host_start(sim, host);
    else
        reshard__start_plan(sim, host, sim->set.resync_ns);
}

void reshard__stream_link(struct reshard_sim *sim, struct host *host, uint64_t number)
{
    struct stream *stream = &host->stream;
    reshard__host_touch(host);
    if (stream->number != number || stream->on || !reshard__follower_is(host))
        return;
    const struct host *primary = reshard__host_acting(sim, host->shard);
    if (!reshard__stream_links(sim, host)) {
        event_plan(sim, host, EVENT_LINK, sim->now_ns + LINK_LEASES * sim->set.lease_ns);
        return;
    }
    copy_begin(sim, host, primary);
}

void reshard__stream_free(struct host *host)
{
    for (size_t i = 0; i < host->stream.count; i++)
        shipment_free(&host->stream.shipments[i]);
    reshard__sim_release(host->stream.shipments);
}
