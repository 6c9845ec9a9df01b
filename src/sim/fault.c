/* SPDX-License-Identifier: MIT */
/* Room sim: the catalogue of faults by name, and how often each met a migration: one count a fault,
 * mode and phase. Counts are told to who asks; nothing here changes what happens. */
#include "sim/sim.h"

#include <reshard/phase.h>

static const char *const names[SIM_FAULT_COUNT] = {
    [SIM_FAULT_DROP] = "drop",
    [SIM_FAULT_DUPLICATE] = "duplicate",
    [SIM_FAULT_REORDER] = "reorder",
    [SIM_FAULT_DELAY] = "delay",
    [SIM_FAULT_LATE] = "late",
    [SIM_FAULT_CORRUPT] = "corrupt",
    [SIM_FAULT_FOREIGN] = "foreign",
    [SIM_FAULT_VERSION] = "newer-peer",
    [SIM_FAULT_REPLY] = "reply-lost",
    [SIM_FAULT_CUT] = "cut",
    [SIM_FAULT_CUT_ONE_WAY] = "cut-one-way",
    [SIM_FAULT_CRASH_SOURCE] = "crash-source",
    [SIM_FAULT_CRASH_TARGET] = "crash-target",
    [SIM_FAULT_CRASH_COORDINATOR] = "crash-coordinator",
    [SIM_FAULT_CRASH_AGAIN] = "crash-recovering",
    [SIM_FAULT_RECORD_GONE] = "crash-before-write",
    [SIM_FAULT_RECORD_TORN] = "torn-write",
    [SIM_FAULT_RECORD_LANDED] = "crash-after-write",
    [SIM_FAULT_STAGING_LOST] = "lost-write",
    [SIM_FAULT_MISPLACED] = "misplaced-write",
    [SIM_FAULT_STALE] = "stale-write",
    [SIM_FAULT_ROT] = "bit-rot",
    [SIM_FAULT_HOOK] = "hook-fails",
    [SIM_FAULT_APPEND_FAILS] = "append-fails",
    [SIM_FAULT_APPEND_UNKNOWN] = "append-unknown",
    [SIM_FAULT_APPEND_LANDED] = "append-landed",
    [SIM_FAULT_APPEND_LATE] = "append-late",
    [SIM_FAULT_DISK_FULL] = "disk-full",
    [SIM_FAULT_DISK_SLOW] = "disk-slow",
    [SIM_FAULT_CLOCK_JUMP] = "clock-jump",
    [SIM_FAULT_CLOCK_STOP] = "clock-stop",
    [SIM_FAULT_STALL] = "stall",
    [SIM_FAULT_MEMORY] = "no-memory",
    [SIM_FAULT_STALE_NODE] = "stale-node",
    [SIM_FAULT_AMNESIAC_NODE] = "amnesiac-node",
    [SIM_FAULT_COORDINATORS] = "two-coordinators",
    [SIM_FAULT_FAILOVER_SOURCE] = "failover-source",
    [SIM_FAULT_FAILOVER_TARGET] = "failover-target",
    [SIM_FAULT_ABORT] = "abort",
    [SIM_FAULT_PAUSE] = "pause",
    [SIM_FAULT_RESUME] = "resume",
    [SIM_FAULT_FINISH] = "finish",
    [SIM_FAULT_WRITE] = "write",
    [SIM_FAULT_DELETE] = "delete",
    [SIM_FAULT_EXPIRY] = "expiry",
    [SIM_FAULT_EVICTION] = "eviction",
    [SIM_FAULT_HUGE] = "huge-value",
    [SIM_FAULT_KEYS] = "multi-key",
    [SIM_FAULT_REPLICA_LAGS] = "replica-lags",
    [SIM_FAULT_REPLICA_BREAKS] = "replica-breaks",
    [SIM_FAULT_REPLICA_LEADS] = "replica-leads",
    [SIM_FAULT_REPLICA_READ] = "replica-read",
    [SIM_FAULT_POWER] = "power-loss",
    [SIM_FAULT_OLDER] = "older-peer",
    [SIM_FAULT_KIND] = "unknown-kind",
    [SIM_FAULT_HEADERS] = "other-headers",
};

const char *reshard_sim_fault(uint32_t fault)
{
    return fault < SIM_FAULT_COUNT ? names[fault] : NULL;
}

uint32_t reshard_sim_cell(uint32_t fault, uint32_t mode, uint32_t phase)
{
    if (fault >= SIM_FAULT_COUNT || mode < 1 || mode > 2 || phase >= RESHARD_PHASE_COUNT)
        return RESHARD_SIM_CELLS;
    return (fault * 2 + mode - 1) * RESHARD_PHASE_COUNT + phase;
}

static void meet(struct reshard_sim *sim, uint32_t fault, const struct moving *moving)
{
    uint32_t cell = reshard_sim_cell(fault, moving->mode, moving->phase);
    if (cell < RESHARD_SIM_CELLS)
        sim->cells[cell]++;
}

void reshard__fault_met(struct reshard_sim *sim, uint32_t fault, reshard_shard_id shard)
{
    for (size_t i = 0; sim->cells && i < sim->moving_count; i++) {
        const struct moving *moving = &sim->movings[i];
        if (!moving->closed &&
            (shard == 0 || moving->shards[0] == shard || moving->shards[1] == shard))
            meet(sim, fault, moving);
    }
}

void reshard__fault_party(struct reshard_sim *sim, uint32_t fault, reshard_shard_id shard)
{
    for (size_t i = 0; sim->cells && i < sim->moving_count; i++) {
        const struct moving *moving = &sim->movings[i];
        if (moving->closed)
            continue;
        if (shard == 0)
            meet(sim, fault + 2, moving);
        else if (moving->shards[0] == shard)
            meet(sim, fault, moving);
        else if (moving->shards[1] == shard)
            meet(sim, fault + 1, moving);
    }
}

void reshard__fault_moving(struct reshard_sim *sim, uint32_t fault, const struct moving *moving)
{
    if (sim->cells && moving && !moving->closed)
        meet(sim, fault, moving);
}

void reshard__fault_slot(struct reshard_sim *sim, uint32_t fault, uint32_t slot)
{
    reshard_migration_id id =
        sim->cells ? reshard_map_slot_migration(sim->authority.map, slot) : 0;
    const struct moving *moving = id ? reshard__moving_find(sim, id) : NULL;
    if (moving)
        meet(sim, fault, moving);
}
