/* SPDX-License-Identifier: MIT */
/* Room sim: what strikes in random runs, one decision a step for processes, one for operators, one
 * for data; and what heals by itself after a while. Every strike is one that hosts must survive. */
#include "sim/follow.h"
#include "sim/script.h"

enum { HOSTS = 8, DAMAGES = 3 };

/* ---- processes ---- */

static void crash(struct reshard_sim *sim, struct host *host, uint64_t down_ns, bool power)
{
    if (!host->up)
        return;
    reshard__sim_say(sim, power ? "%h is without power" : "%h is dead", host->id);
    reshard__fault_party(sim, SIM_FAULT_CRASH_SOURCE, host->shard);
    if (sim->now_ns - host->started_ns < SIM_MILLI)
        reshard__fault_met(sim, SIM_FAULT_CRASH_AGAIN, host->shard);
    if (power)
        reshard__host_power(sim, host);
    else
        reshard__host_crash(sim, host);
    host->down_until_ns = sim->now_ns + down_ns;
    uint32_t damage = host->disk ? reshard__choose(sim, CHOICE_DISK, DAMAGES + 1) : 0;
    if (damage)
        reshard__own_damage(sim, host, damage);
}

static void crash_short(struct reshard_sim *sim, struct host *host)
{
    crash(sim, host, SIM_MILLI, false);
}

/* Of a host that has something to lose, if there is one. */
static void power_cut(struct reshard_sim *sim, struct host *host)
{
    for (size_t i = 0; i < sim->host_count && !(host->disk && host->disk->loose.count); i++)
        host = sim->hosts[i];
    crash(sim, host, SIM_MILLI, true);
}

static void crash_long(struct reshard_sim *sim, struct host *host)
{
    crash(sim, host, 8 * SIM_MILLI, false);
}

/* A task's own end is where it dies: see APPEND fates in task.c for before and after the write. */
static void stall(struct reshard_sim *sim, struct host *host)
{
    if (!host->up || host->frozen)
        return;
    reshard__sim_say(sim, "%h stands still", host->id);
    reshard__fault_met(sim, SIM_FAULT_STALL, host->shard);
    reshard__host_freeze(sim, host, true);
    host->down_until_ns = sim->now_ns + 30 * SIM_MILLI;
}

static void link_cut(struct reshard_sim *sim, reshard_node_id from, reshard_node_id to)
{
    sim->cuts = reshard__sim_grow(
        sim->cuts, &sim->cut_capacity, sim->cut_count + 1, sizeof *sim->cuts);
    sim->cuts[sim->cut_count++] = (struct link_cut){from, to};
}

static void cut_off(struct reshard_sim *sim, struct host *host)
{
    reshard__fault_met(sim, SIM_FAULT_CUT, host->shard);
    link_cut(sim, host->id, 0);
    link_cut(sim, 0, host->id);
    reshard__sim_say(sim, "%h is cut off", host->id);
}

static void cut_from(struct reshard_sim *sim, struct host *host)
{
    reshard__fault_met(sim, SIM_FAULT_CUT_ONE_WAY, host->shard);
    link_cut(sim, host->id, 0);
    reshard__sim_say(sim, "%h is not heard", host->id);
}

static void cut_to(struct reshard_sim *sim, struct host *host)
{
    reshard__fault_met(sim, SIM_FAULT_CUT_ONE_WAY, host->shard);
    link_cut(sim, 0, host->id);
    reshard__sim_say(sim, "%h hears nothing", host->id);
}

static void cuts_heal(struct reshard_sim *sim, struct host *host)
{
    (void)host;
    sim->cut_count = 0;
}

static void disk_fill(struct reshard_sim *sim, struct host *host)
{
    host->full_until_ns = sim->now_ns + 15 * SIM_MILLI;
    reshard__sim_say(sim, "%h: the disk is full", host->id);
}

static void disk_slow(struct reshard_sim *sim, struct host *host)
{
    host->slow_until_ns = sim->now_ns + 30 * SIM_MILLI;
    reshard__sim_say(sim, "%h: the disk is slow", host->id);
}

static void time_jump(struct reshard_sim *sim, struct host *host)
{
    reshard__fault_met(sim, SIM_FAULT_CLOCK_JUMP, host->shard);
    reshard__clock_jump(sim, host, 60 * SIM_MILLI);
    reshard__sim_say(sim, "%h: the clock jumps", host->id);
}

static void time_stop(struct reshard_sim *sim, struct host *host)
{
    bool stops = host->clock_stopped_ns == 0;
    if (stops)
        reshard__fault_met(sim, SIM_FAULT_CLOCK_STOP, host->shard);
    reshard__clock_stop(sim, host, stops);
    reshard__sim_say(sim, stops ? "%h: the clock stops" : "%h: the clock runs", host->id);
}

/* Once soon, or for a while. */
static void memory_once(struct reshard_sim *sim, struct host *host)
{
    host->memory.left = 1 + sim->choices.taken % 5;
    host->memory.failing = 1;
}

static void memory_long(struct reshard_sim *sim, struct host *host)
{
    host->memory.left = 1;
    host->memory.failing = 4 + sim->choices.taken % 9;
}

static void (*const strikes[])(struct reshard_sim *sim, struct host *host) = {crash_short,
    crash_long, power_cut, stall, cut_off, cut_from, cut_to, cuts_heal, disk_fill, disk_slow,
    time_jump, time_stop, memory_once, memory_long};

enum { STRIKES = sizeof strikes / sizeof *strikes };

static void strike(struct reshard_sim *sim)
{
    uint32_t fate = reshard__choose(sim, CHOICE_CRASH, STRIKES * HOSTS + 1);
    if (fate)
        strikes[(fate - 1) % STRIKES](
            sim, sim->hosts[(fate - 1) / STRIKES % sim->host_count]);
}

/* What was down or stood still for its time goes on. */
static void hosts_return(struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        struct host *host = sim->hosts[i];
        if (sim->now_ns < host->down_until_ns)
            continue;
        if (host->frozen)
            reshard__host_freeze(sim, host, false);
        if (host->up || host->starting)
            continue;
        reshard__sim_say(sim, "%h starts again", host->id);
        reshard__host_start(sim, host);
    }
}

/* ---- operators ---- */

void reshard__chaos_move(struct reshard_sim *sim, uint32_t mode, uint64_t random)
{
    struct host *leader = reshard__host_leader(sim);
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    struct reshard_range range;
    range.first = (uint32_t)(random % sim->set.slot_count);
    spec.source = reshard_map_slot_owner(sim->authority.map, range.first);
    range.last = range.first;
    while (range.last + 1 < sim->set.slot_count && (random >> 8 & 3) &&
           reshard_map_slot_owner(sim->authority.map, range.last + 1) == spec.source)
        range.last++;
    uint32_t shards = sim->shard_count;
    spec.target = 1 + (spec.source + (uint32_t)(random >> 16) % (shards - 1)) % shards;
    spec.mode = mode ? mode : 1 + (uint32_t)(random >> 24) % 2;
    if (sim->set.gather_ns > 0 && spec.mode == RESHARD_MODE_KEYWISE && random >> 32 & 3)
        spec.migration_flags = RESHARD_MIGRATION_OPERATOR;
    spec.ranges = &range;
    spec.range_count = 1;
    if (!leader)
        return;
    (void)reshard_coordinator_open(leader->coordinator, &spec, NULL);
    reshard__host_drain(sim, leader);
}

/* The shard's other node, if it can lead: one that follows must have been waited for. */
static struct host *heir_of(const struct reshard_sim *sim, const struct host *old)
{
    reshard_shard_id shard = old->shard;
    struct host *heir = reshard__host_find(sim, old->id == shard ? shard + 3 : shard);
    bool left = heir && heir->follows && !(heir->up && reshard__follower_counts(sim, heir));
    return left ? NULL : heir;
}

/* Between a shard's first node and its replica, and back. The old one comes back later, as a
 * replica that knows nothing, or only what the shard knew some time ago. */
static void failover(struct reshard_sim *sim, reshard_shard_id shard, bool stale)
{
    struct host *old = reshard__host_acting(sim, shard);
    struct host *heir = heir_of(sim, old);
    struct reshard_map_shard entry = {.struct_size = sizeof entry};
    (void)reshard_map_shard_find(sim->authority.map, shard, &entry);
    /* One at a time: the map knows of the last one. */
    if (!heir || !reshard__host_leader(sim) || entry.primary != old->id)
        return;
    reshard__fault_party(sim, SIM_FAULT_FAILOVER_SOURCE, shard);
    reshard__failover(sim, shard, heir);
    stale = stale && old->id == shard; /* it knows its own journal alone */
    if (!heir->follows)
        reshard__fault_met(sim, stale ? SIM_FAULT_STALE_NODE : SIM_FAULT_AMNESIAC_NODE, shard);
    if (stale && !heir->follows)
        reshard__own_copy(old->disk, heir->disk);
    old->down_until_ns = sim->now_ns + 20 * SIM_MILLI;
}

static void coordinator_add(struct reshard_sim *sim)
{
    if (reshard__host_find(sim, SIM_COORDINATOR + 1))
        return;
    reshard__sim_say(sim, "c2 starts too");
    reshard__fault_met(sim, SIM_FAULT_COORDINATORS, 0);
    reshard__host_start(sim, reshard__host_add(sim, SIM_COORDINATOR + 1, 0, NULL));
}

/* What an operator asks of a migration that has not ended. */
static void wish(struct reshard_sim *sim, uint32_t wish, uint64_t random)
{
    size_t open[16], count = 0;
    for (size_t i = 0; i < sim->moving_count && count < 16; i++)
        if (!sim->movings[i].closed)
            open[count++] = i;
    if (count == 0)
        return;
    struct moving *moving = &sim->movings[open[random % count]];
    static const uint32_t faults[] = {
        SIM_FAULT_ABORT, SIM_FAULT_PAUSE, SIM_FAULT_RESUME, SIM_FAULT_FINISH};
    reshard__fault_moving(sim, faults[wish], moving);
    (void)reshard__operate(sim, moving, wish);
}

static void operators(struct reshard_sim *sim, uint32_t mode)
{
    enum { OPEN = 4, FAILOVER = 8, COORDINATOR = 12, WISH = 13, FATES = 20 };
    uint32_t fate = reshard__choose(sim, CHOICE_OPERATOR, FATES + 1);
    if (fate == 0)
        return;
    uint64_t random = sim->choices.taken;
    fate--;
    if (fate < OPEN)
        reshard__chaos_move(sim, mode, random);
    else if (fate < FAILOVER)
        failover(sim, 1 + fate % 2, fate % 4 > 1);
    else if (fate < COORDINATOR + 1)
        coordinator_add(sim);
    else
        wish(sim, (fate - WISH) % 4, random);
}

/* ---- data ---- */

static void data(struct reshard_sim *sim)
{
    uint32_t fate = reshard__choose(sim, CHOICE_DATA, 2 * HOSTS + 1);
    if (fate == 0)
        return;
    struct host *host = sim->hosts[(fate - 1) / 2 % sim->host_count];
    uint64_t random = sim->choices.taken;
    if (!host->disk)
        return;
    reshard__key_expire(sim, host, (uint32_t)(random % sim->set.key_count), (fate - 1) % 2 != 0);
    reshard__host_drain(sim, host);
}

/* As long as faults come something is on the move; where an end, or what settles a side, waits for
 * the next opening, that comes before it. */
static void keep_moving(struct reshard_sim *sim, uint32_t mode)
{
    bool rests = sim->steps % 16 == 0 &&
                 (sim->set.gather_ns > 0 ? reshard__hands_rest(sim)
                                         : reshard_map_migration_count(sim->authority.map) == 0);
    uint32_t move =
        reshard__decide(sim, CHOICE_MOVE, rests ? 1 + (uint32_t)sim->moving_count : 0);
    uint64_t state = sim->set.seed + move - 1;
    if (move)
        reshard__chaos_move(sim, mode, reshard__sim_random(&state));
}

void reshard__chaos_step(struct reshard_sim *sim, uint32_t mode)
{
    keep_moving(sim, mode);
    reshard__hands_work(sim);
    strike(sim);
    operators(sim, mode);
    data(sim);
    hosts_return(sim);
}

/* ---- healing ---- */

static void host_heal(struct reshard_sim *sim, struct host *host)
{
    reshard__host_freeze(sim, host, false);
    host->full_until_ns = host->slow_until_ns = 0;
    host->memory.left = host->memory.failing = 0;
    if (host->clock_stopped_ns)
        reshard__clock_stop(sim, host, false);
    bool superseded =
        host->coordinator && reshard_coordinator_leads(host->coordinator) == RESHARD_E_FENCED;
    if (host->up && !(superseded && !reshard__host_leader(sim)))
        return;
    reshard__host_crash(sim, host);
    reshard__sim_say(sim, "%h starts again", host->id);
    reshard__host_start(sim, host);
}

/* A fail-over whose change was lost is told again. */
static void failovers_repeat(struct reshard_sim *sim)
{
    for (uint32_t shard = 1; shard <= sim->shard_count; shard++) {
        struct reshard_map_shard entry = {.struct_size = sizeof entry};
        struct host *acting = reshard__host_acting(sim, shard);
        (void)reshard_map_shard_find(sim->authority.map, shard, &entry);
        if (entry.primary != acting->id)
            reshard__failover(sim, shard, acting);
    }
}

void reshard__chaos_heal(struct reshard_sim *sim)
{
    sim->cut_count = 0;
    for (size_t i = 0; i < sim->host_count; i++)
        host_heal(sim, sim->hosts[i]);
    failovers_repeat(sim);
    for (size_t i = 0; i < sim->moving_count; i++)
        if (!sim->movings[i].closed)
            (void)reshard__operate(sim, &sim->movings[i], WISH_RESUME);
}
