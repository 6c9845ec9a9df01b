/* SPDX-License-Identifier: MIT */
/* Room sim: the catalogue of faults, counting them (fault.c), and runs in which they meet one phase
 * (focus.c). */
#ifndef RESHARD_SIM_FAULT_H
#define RESHARD_SIM_FAULT_H

#include <reshard/types.h>

struct moving;
struct reshard_sim;

enum sim_fault {
    SIM_FAULT_DROP, SIM_FAULT_DUPLICATE, SIM_FAULT_REORDER, SIM_FAULT_DELAY, SIM_FAULT_LATE,
    SIM_FAULT_CORRUPT, SIM_FAULT_FOREIGN, SIM_FAULT_VERSION, SIM_FAULT_REPLY, SIM_FAULT_CUT,
    SIM_FAULT_CUT_ONE_WAY, SIM_FAULT_CRASH_SOURCE, SIM_FAULT_CRASH_TARGET,
    SIM_FAULT_CRASH_COORDINATOR, SIM_FAULT_CRASH_AGAIN, SIM_FAULT_RECORD_GONE,
    SIM_FAULT_RECORD_TORN, SIM_FAULT_RECORD_LANDED, SIM_FAULT_STAGING_LOST, SIM_FAULT_MISPLACED,
    SIM_FAULT_STALE, SIM_FAULT_ROT, SIM_FAULT_HOOK, SIM_FAULT_APPEND_FAILS,
    SIM_FAULT_APPEND_UNKNOWN, SIM_FAULT_APPEND_LANDED, SIM_FAULT_APPEND_LATE, SIM_FAULT_DISK_FULL,
    SIM_FAULT_DISK_SLOW, SIM_FAULT_CLOCK_JUMP, SIM_FAULT_CLOCK_STOP, SIM_FAULT_STALL,
    SIM_FAULT_MEMORY, SIM_FAULT_STALE_NODE, SIM_FAULT_AMNESIAC_NODE, SIM_FAULT_COORDINATORS,
    SIM_FAULT_FAILOVER_SOURCE, SIM_FAULT_FAILOVER_TARGET, SIM_FAULT_ABORT, SIM_FAULT_PAUSE,
    SIM_FAULT_RESUME, SIM_FAULT_FINISH, SIM_FAULT_WRITE, SIM_FAULT_DELETE, SIM_FAULT_EXPIRY,
    SIM_FAULT_EVICTION, SIM_FAULT_HUGE, SIM_FAULT_KEYS, SIM_FAULT_REPLICA_LAGS,
    SIM_FAULT_REPLICA_BREAKS, SIM_FAULT_REPLICA_LEADS, SIM_FAULT_REPLICA_READ, SIM_FAULT_POWER,
    SIM_FAULT_OLDER, SIM_FAULT_KIND, SIM_FAULT_HEADERS, SIM_FAULT_COUNT
};

/* Counts; shard 0 = any, or the coordinator. */
void reshard__fault_met(struct reshard_sim *sim, uint32_t fault, reshard_shard_id shard);
/* By the part that the shard has: fault = as source, + 1 = as target, + 2 = the coordinator. */
void reshard__fault_party(struct reshard_sim *sim, uint32_t fault, reshard_shard_id shard);
void reshard__fault_moving(struct reshard_sim *sim, uint32_t fault, const struct moving *moving);
void reshard__fault_slot(struct reshard_sim *sim, uint32_t fault, uint32_t slot);

/* ---- focus.c ---- */
/* Sizes by which what is to meet a phase is there (0 = those of the seed). */
void reshard__focus_sizes(struct reshard_sim *sim, uint32_t phase);
/* Weights of decisions before the next step, by whether a migration is in the phase (0 = never). */
void reshard__focus(struct reshard_sim *sim, uint32_t phase, const uint32_t *usual);

#endif
