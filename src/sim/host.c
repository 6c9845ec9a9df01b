/* SPDX-License-Identifier: MIT */
/* Room sim: processes: an engine with its disk, what it asked for, and the requests it holds. */
#include "sim/arena.h"
#include "sim/follow.h"

struct host *reshard__host_add(
    struct reshard_sim *sim, reshard_node_id id, reshard_shard_id shard, struct disk *disk)
{
    uint32_t region = reshard__arena_region(sim->host_count);
    struct host *host = reshard__region_resize(region, NULL, sizeof *host);
    memset(host, 0, sizeof *host);
    host->region = region;
    host->id = id;
    host->shard = shard;
    host->disk = disk;
    reshard__due_add(sim, host);
    return host;
}

uint64_t reshard__host_now(const struct reshard_sim *sim, const struct host *host)
{
    uint64_t since = host->clock_stopped_ns ? host->clock_stopped_ns : sim->now_ns;
    return since + (uint64_t)host->clock_offset; /* modulo 2^64: an offset may be negative */
}

void reshard__clock_stop(struct reshard_sim *sim, struct host *host, bool stops)
{
    if (!stops && host->clock_stopped_ns)
        host->clock_offset -= (int64_t)(sim->now_ns - host->clock_stopped_ns);
    host->clock_stopped_ns = stops ? sim->now_ns : 0;
    reshard__due_update(sim, host);
}

void reshard__clock_jump(struct reshard_sim *sim, struct host *host, uint64_t jump_ns)
{
    host->clock_offset += (int64_t)jump_ns;
    reshard__due_update(sim, host);
}

void reshard__host_freeze(struct reshard_sim *sim, struct host *host, bool freezes)
{
    host->frozen = freezes;
    reshard__due_update(sim, host);
}

static void engine_free(struct host *host)
{
    reshard__host_touch(host);
    reshard_node_destroy(host->node);
    reshard_coordinator_destroy(host->coordinator);
    host->node = NULL;
    host->coordinator = NULL;
}

void reshard__host_end(struct reshard_sim *sim, struct host *host)
{
    engine_free(host);
    reshard__memory_check(sim, host);
}

void reshard__host_free(struct host *host)
{
    engine_free(host);
    for (size_t i = 0; i < host->task_count; i++)
        reshard__sim_release(host->tasks[i].copy);
    reshard__sim_release(host->tasks);
    reshard__sim_release(host->parked);
    reshard__sim_release(host->admitted);
    reshard__stream_free(host);
    reshard__disk_release(host->disk);
    reshard__sim_release(host);
}

/* A map that nobody decided; only a node that has none takes it. */
static void map_invent(const struct reshard_sim *sim, struct host *host)
{
    struct reshard_map *map = NULL;
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 99;
    change.weight = 1.0;
    if (reshard_map_create(sim->set.slot_count, NULL, &map) == RESHARD_OK &&
        reshard_map_apply(map, &change) == RESHARD_OK)
        (void)reshard_node_adopt(host->node, map);
    reshard_map_destroy(map);
}

/* A host whose program was built with headers of another version than the library has, as a
 * coordinator's or a node's configuration tells: it ends earlier, or what follows is zero. */
enum { FORMER_HEADERS = 1, LATER_HEADERS = 2 };
static bool headers_differ(struct reshard_sim *sim, const struct host *host, uint32_t speaks)
{
    if (host->speaks != speaks)
        return false;
    reshard__fault_met(sim, SIM_FAULT_HEADERS, host->shard);
    return true;
}

static int32_t node_start(struct reshard_sim *sim, struct host *host)
{
    struct reshard_node_config config;
    reshard_node_config_init(&config);
    config.node = host->id;
    config.flags = host->heir || host->follows ? RESHARD_NODE_FOLLOWS : 0;
    config.slot_count = sim->set.slot_count;
    config.boot = host->boot;
    config.chunk_size = sim->set.chunk_size;
    config.window_size = sim->set.window_size;
    config.tail_size = sim->set.tail_size;
    config.retry_ns = sim->set.retry_ns;
    config.alarm_ns = sim->set.alarm_ns;
    config.compact_count = sim->set.compact_count;
    config.pick_size = sim->set.pick_size;
    config.conflict = sim->set.conflict;
    config.conflict_limit = sim->set.conflict_limit;
    config.gather_ns = sim->set.settle_ns;
    config.check = RESHARD_CHECK_PAYLOADS; /* no damaged message may be taken */
    config.allocator = reshard__memory_of(sim, host);
    struct {
        struct reshard_node_config config;
        uint64_t later[2];
    } given = {config, {0}};
    if (headers_differ(sim, host, LATER_HEADERS))
        given.config.struct_size = sizeof given;
    struct call call = reshard__call_begin(sim, host);
    int32_t status;
    do
        status = reshard_node_create(&given.config, &host->node);
    while (reshard__call_again(sim, host, &call, status));
    if (status)
        return status;
    reshard__own_repair(sim, host);
    status = reshard__own_load(sim, host);
    host->fed = host->disk->journal_size;
    if (status)
        return status;
    call = reshard__call_begin(sim, host);
    do
        status = reshard_node_start(host->node, reshard__host_now(sim, host));
    while (reshard__call_again(sim, host, &call, status));
    return status;
}

uint64_t reshard__host_unique(const struct host *host)
{
    return host->boot * 1000 + host->id;
}

static int32_t coordinator_start(struct reshard_sim *sim, struct host *host)
{
    struct reshard_coordinator_config config;
    reshard_coordinator_config_init(&config);
    config.node = host->id;
    config.unique = reshard__host_unique(host);
    config.slot_count = sim->set.slot_count;
    config.in_flight_limit = sim->set.in_flight_limit;
    config.attempt_limit = sim->set.attempt_limit;
    config.copy_limit = sim->set.copy_limit;
    config.retry_ns = sim->set.retry_ns;
    config.freeze_ns = sim->set.freeze_ns;
    config.lag_size = sim->set.lag_size;
    config.backoff_ns = sim->set.backoff_ns;
    config.linger_ns = sim->set.linger_ns;
    config.bandwidth = sim->set.bandwidth;
    config.bandwidth_total = sim->set.bandwidth_total;
    config.compact_count = sim->set.compact_count;
    config.gather_ns = sim->set.gather_ns;
    config.allocator = reshard__memory_of(sim, host);
    if (headers_differ(sim, host, FORMER_HEADERS))
        config.struct_size = offsetof(struct reshard_coordinator_config, converge_ns);
    struct call call = reshard__call_begin(sim, host);
    int32_t status;
    do
        status = reshard_coordinator_create(&config, &host->coordinator);
    while (reshard__call_again(sim, host, &call, status));
    if (status == RESHARD_OK)
        status = reshard__authority_load(sim, host);
    if (status)
        return status;
    call = reshard__call_begin(sim, host);
    do
        status = reshard_coordinator_start(host->coordinator, reshard__host_now(sim, host));
    while (reshard__call_again(sim, host, &call, status));
    return status;
}

void reshard__start_plan(struct reshard_sim *sim, struct host *host, uint64_t delay_ns)
{
    struct happening happening = {.kind = EVENT_START, .host = host->id, .boot = host->boot};
    happening.time_ns = sim->now_ns + delay_ns;
    host->starting = true;
    reshard__sim_schedule(sim, &happening);
}

/* Without memory it is started again a little later, as a supervisor would. */
static void start_failed(struct reshard_sim *sim, struct host *host, int32_t status)
{
    reshard__host_end(sim, host);
    host->up = false;
    reshard__due_update(sim, host);
    if (status == RESHARD_E_NOMEM)
        reshard__start_plan(sim, host, sim->set.retry_ns);
    else
        reshard__sim_violate(sim, "recovery", "%h does not start: %d", host->id, status);
}

/* What its journal has its replicas may not have: it waits until they serve no more. */
static bool start_waits(struct reshard_sim *sim, struct host *host)
{
    if (!sim->followed || !host->acting || host->boot == 0)
        return false;
    bool waits = reshard__streams_run(sim, host) && sim->set.lease_ns > 0;
    reshard__streams_break(sim, host);
    if (waits)
        reshard__start_plan(sim, host, sim->set.lease_ns);
    return waits;
}

void reshard__host_start(struct reshard_sim *sim, struct host *host)
{
    reshard__host_touch(host);
    if (start_waits(sim, host))
        return;
    host->boot++;
    host->up = true;
    host->frozen = false;
    host->starting = false;
    host->started_ns = sim->now_ns;
    int32_t status = host->shard ? node_start(sim, host) : coordinator_start(sim, host);
    if (status)
        start_failed(sim, host, status);
    else
        reshard__host_drain(sim, host);
    reshard__stream_join(host);
}

void reshard__host_crash(struct reshard_sim *sim, struct host *host)
{
    reshard__host_touch(host);
    host->starting = false;
    if (!host->up)
        return;
    host->up = false;
    host->frozen = false;
    reshard__tasks_drop(sim, host);
    reshard__requests_drop(sim, host);
    if (host->disk)
        reshard__disk_crash(sim, host->disk);
    if (reshard__follower_is(host))
        reshard__stream_break(sim, host);
    reshard__host_end(sim, host);
    reshard__due_update(sim, host);
}

static void event_say(
    struct reshard_sim *sim, const struct host *host, const struct reshard_event *event)
{
    reshard__log_event(sim, host, event);
    if (event->kind == RESHARD_EVENT_MAP || event->kind == RESHARD_EVENT_ORDERED)
        return;
    if (event->kind == RESHARD_EVENT_PHASE) {
        const char *row = reshard_sim_row((uint32_t)event->value);
        reshard__sim_say(sim, "%h m%u %s %s -> %s", host->id, event->migration, row ? row : "?",
            reshard_phase_name(event->phase_from), reshard_phase_name(event->phase_to));
        return;
    }
    bool timed = event->kind == RESHARD_EVENT_RESUME || event->kind == RESHARD_EVENT_HELD_ALONE;
    if (event->kind == RESHARD_EVENT_END)
        reshard__sim_say(sim, "%h m%u END %s", host->id, event->migration,
            reshard_phase_name(event->phase_to));
    else if (timed)
        reshard__sim_say(sim, "%h m%u %s after %t ms", host->id, event->migration,
            reshard_event_name(event->kind), event->value);
    else if (event->migration)
        reshard__sim_say(sim, "%h m%u %s %d", host->id, event->migration,
            reshard_event_name(event->kind), event->status);
    else
        reshard__sim_say(sim, "%h %s %d %u", host->id, reshard_event_name(event->kind),
            event->status, event->value);
}

static void events_drain(struct reshard_sim *sim, struct host *host)
{
    struct reshard_event event = {.struct_size = sizeof event};
    while ((host->node ? reshard_node_event_next(host->node, &event)
                       : reshard_coordinator_event_next(host->coordinator, &event)) ==
           RESHARD_OK) {
        event_say(sim, host, &event);
        reshard__check_event(sim, host, &event);
    }
}

/* Whether a deposed primary has heard of the very fail-over that deposed it. */
static bool knows_heir(const struct reshard_sim *sim, const struct host *host)
{
    const struct host *heir = reshard__host_acting(sim, host->shard);
    struct reshard_map_shard decided = {.struct_size = sizeof decided}, known = decided;
    (void)reshard_map_shard_find(sim->authority.map, host->shard, &decided);
    (void)reshard_map_shard_find(reshard_node_map(host->node), host->shard, &known);
    return heir != host && decided.primary == heir->id && known.epoch == decided.epoch;
}

void reshard__host_drain(struct reshard_sim *sim, struct host *host)
{
    struct reshard_action action = {.struct_size = sizeof action};
    reshard__host_touch(host);
    while (host->up && (host->node ? reshard_node_action_next(host->node, &action)
                                   : reshard_coordinator_action_next(
                                         host->coordinator, &action)) == RESHARD_OK)
        reshard__task_take(sim, host, &action);
    if (!host->up)
        return;
    events_drain(sim, host);
    reshard__tasks_begin(sim, host);
    reshard__due_update(sim, host);
    if (!host->node)
        return;
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_MAP))
        map_invent(sim, host);
    reshard__check_node(sim, host);
    if (host->fenced && knows_heir(sim, host))
        host->fenced = false;
}

static void engine_digest(const struct host *host, struct reshard_digest *digest)
{
    if (host->node)
        (void)reshard_node_digest(host->node, digest);
    else
        (void)reshard_coordinator_digest(host->coordinator, digest);
}

/* A snapshot's payload is not summed: the digest of the whole copy covers it. */
static bool summed(struct reshard_sim *sim, const struct packet *packet)
{
    struct peek peek = reshard__peek(packet->data, packet->size);
    const struct moving *moving = reshard__moving_find(sim, peek.migration);
    return peek.type != 5 || peek.kind != 1 || !moving || moving->mode != RESHARD_MODE_SNAPSHOT;
}

static bool engine_changed(const struct host *host, const struct reshard_digest *before)
{
    struct reshard_digest after;
    engine_digest(host, &after);
    return after.low != before->low || after.high != before->high;
}

/* Without memory, work that had waited may go on all the same: memory.c looks at that. */
static bool refuses(int32_t status)
{
    return status && status != RESHARD_E_FENCED && status != RESHARD_E_NOMEM;
}

static bool odd(const struct packet *packet)
{
    return packet->corrupted || packet->unknown;
}

/* Before what may be refused, and every so often before the rest where that costs more than the
 * message: a large cluster's coordinator has thousands of migrations to sum. NULL: not now. */
static const struct reshard_digest *digest_before(const struct reshard_sim *sim,
    const struct host *host, const struct packet *packet, struct reshard_digest *place)
{
    enum { MESSAGES = 16 };
    bool struck = odd(packet) || packet->foreign || packet->repeated;
    if (!host->node && !struck && reshard__check_large(sim) && sim->steps % MESSAGES)
        return NULL;
    engine_digest(host, place);
    return place;
}

/* 9: what is refused changes nothing. */
static void change_check(struct reshard_sim *sim, const struct host *host,
    const struct packet *packet, int32_t status, const struct reshard_digest *before)
{
    bool keeps = packet->foreign || refuses(status);
    if (!before || !keeps || !engine_changed(host, before))
        return;
    if (packet->foreign)
        reshard__sim_violate(
            sim, "foreign", "%h: a message of no participant changed it", host->id);
    if (refuses(status))
        reshard__sim_violate(
            sim, "refused", "%h: a refused message changed it: %d", host->id, status);
}

/* 9: what is damaged is refused, and so is what nobody here can know. */
static void odd_check(struct reshard_sim *sim, const struct host *host,
    const struct packet *packet, int32_t status)
{
    if (packet->corrupted) {
        if (status >= 0 && summed(sim, packet))
            reshard__sim_violate(sim, "damage", "%h took a damaged message", host->id);
        return;
    }
    bool known = status >= 0 || (refuses(status) && status != RESHARD_E_KIND);
    if (packet->unknown && known)
        reshard__sim_violate(
            sim, "unknown-kind", "%h: an unknown kind of message: %d", host->id, status);
}

static void receive_check(struct reshard_sim *sim, const struct host *host,
    const struct packet *packet, int32_t status, const struct reshard_digest *before)
{
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_CORRUPT) && packet->corrupted)
        status = RESHARD_OK;
    odd_check(sim, host, packet, status);
    change_check(sim, host, packet, status, before);
}

static int32_t engine_receive(
    struct reshard_sim *sim, struct host *host, const struct packet *packet)
{
    uint64_t now_ns = reshard__host_now(sim, host);
    struct call call = reshard__call_begin(sim, host);
    int32_t status;
    do
        status = host->node ? reshard_node_receive(host->node, packet->from, packet->data,
                                  packet->size, now_ns)
                            : reshard_coordinator_receive(host->coordinator, packet->from,
                                  packet->data, packet->size, now_ns);
    while (reshard__call_again(sim, host, &call, status));
    return status;
}

/* Any call takes what waits a step further: let it come to rest first. */
static void engine_settle(struct reshard_sim *sim, struct host *host)
{
    struct reshard_digest before;
    host->memory.left = host->memory.failing = 0;
    do {
        engine_digest(host, &before);
        reshard__host_touch(host);
        if (host->node)
            (void)reshard_node_tick(host->node, reshard__host_now(sim, host));
        else
            (void)reshard_coordinator_tick(host->coordinator, reshard__host_now(sim, host));
        reshard__host_drain(sim, host);
    } while (host->up && engine_changed(host, &before));
}

/* 9: what came before changes nothing. */
static void receive_again(
    struct reshard_sim *sim, struct host *host, const struct packet *packet)
{
    struct reshard_digest before;
    engine_settle(sim, host);
    if (!host->up)
        return;
    engine_digest(host, &before);
    (void)engine_receive(sim, host, packet);
    if (engine_changed(host, &before))
        reshard__sim_violate(sim, "repeated", "%h: the same message changed it again", host->id);
    reshard__host_drain(sim, host);
}

static bool receiver_fits(const struct host *host, const struct packet *packet)
{
    int32_t receiver = reshard_message_receiver(packet->data, packet->size);
    return receiver == (host->node ? RESHARD_RECEIVER_NODE : RESHARD_RECEIVER_COORDINATOR);
}

/* Before a message that is watched. What waits for memory ends within the very call that brings it:
 * it may be nothing for the receiver yet, and something the second time. */
static bool receiver_rests(
    struct reshard_sim *sim, struct host *host, const struct packet *packet)
{
    bool again = packet->twice && host->memory.failing == 0;
    if (!again && !odd(packet) && !packet->foreign)
        return false;
    engine_settle(sim, host);
    return true;
}

void reshard__host_receive(struct reshard_sim *sim, struct host *host, struct packet *packet)
{
    if (!odd(packet) && !receiver_fits(host, packet))
        return;
    bool rests = receiver_rests(sim, host, packet);
    if (!host->up)
        return;
    struct reshard_digest place;
    const struct reshard_digest *before = digest_before(sim, host, packet, &place);
    uint64_t refusals = host->memory.refusals;
    int32_t status = engine_receive(sim, host, packet);
    receive_check(sim, host, packet, status, before);
    /* Without memory a part of what follows from it waits for the next call. */
    bool taken = rests && status == RESHARD_OK && host->memory.refusals == refusals;
    reshard__host_drain(sim, host);
    if (packet->twice && taken && host->up)
        receive_again(sim, host, packet);
}

static uint64_t engine_deadline(const struct host *host)
{
    if (!host->up)
        return UINT64_MAX;
    return host->node ? reshard_node_deadline(host->node)
                      : reshard_coordinator_deadline(host->coordinator);
}

void reshard__host_tick(struct reshard_sim *sim, struct host *host)
{
    uint64_t before = engine_deadline(host);
    reshard__check_tick(sim, host);
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_CLOCK))
        return;
    struct call call = reshard__call_begin(sim, host);
    call.watched = false; /* it may have served some migrations when memory ran out */
    int32_t status;
    do
        status = host->node
                     ? reshard_node_tick(host->node, reshard__host_now(sim, host))
                     : reshard_coordinator_tick(host->coordinator, reshard__host_now(sim, host));
    while (reshard__call_again(sim, host, &call, status));
    reshard__host_drain(sim, host);
    uint64_t after = engine_deadline(host);
    /* A deadline that a tick does not move would let time stand still. */
    host->failed_deadline = after <= reshard__host_now(sim, host) && after <= before
                                ? reshard__host_now(sim, host) + SIM_MILLI
                                : 0;
    reshard__due_update(sim, host);
}

uint64_t reshard__host_deadline(const struct reshard_sim *sim, const struct host *host)
{
    uint64_t deadline = host->frozen ? UINT64_MAX : engine_deadline(host);
    if (deadline == UINT64_MAX)
        return deadline;
    if (deadline < host->failed_deadline)
        deadline = host->failed_deadline;
    uint64_t now_ns = reshard__host_now(sim, host);
    if (deadline <= now_ns)
        return sim->now_ns;
    /* While its clock stands nothing becomes due. */
    return host->clock_stopped_ns ? UINT64_MAX : sim->now_ns + (deadline - now_ns);
}

struct host *reshard__host_acting(const struct reshard_sim *sim, reshard_shard_id shard)
{
    struct host *first = reshard__host_find(sim, shard); /* most often */
    if (first && first->shard == shard && first->acting)
        return first;
    for (size_t i = 0; i < sim->host_count; i++)
        if (sim->hosts[i]->shard == shard && sim->hosts[i]->acting)
            return sim->hosts[i];
    return NULL;
}

bool reshard__host_primary(const struct host *host)
{
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    return reshard_map_shard_find(reshard_node_map(host->node), host->shard, &shard) ==
               RESHARD_OK &&
           shard.primary == host->id;
}

struct host *reshard__host_leader(const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++)
        if (reshard_coordinator_leads(sim->hosts[i]->coordinator) == 1)
            return sim->hosts[i];
    return NULL;
}
