/* SPDX-License-Identifier: MIT */
/* Room sim: what a search needs of a world: what is left of its faults and requests, and hands
 * on what is planned. */
#ifndef RESHARD_SIM_ALLOWANCE_H
#define RESHARD_SIM_ALLOWANCE_H

#include <reshard/types.h>
#include <stdbool.h>

struct host;
struct reshard_sim;

/* What a search may still do (search_moves.c): by kind of move, and which requests were made. */
struct allowance {
    uint8_t left[24];
    uint32_t begun;
};

/* world.c: one that was planned happens now, whatever its time; the order of others is lost. */
void reshard__sim_happen(struct reshard_sim *sim, size_t index);
/* client.c: the time of a value: what has it is let go when somebody asks for it. */
void reshard__value_dies(struct reshard_sim *sim, uint64_t value, uint64_t deadline_ns);
bool reshard__value_due(const struct reshard_sim *sim, uint64_t value);
/* task.c: whether it is a fence that must wait for requests, or done, and not at all replicas. */
bool reshard__task_waits(const struct reshard_sim *sim, struct host *host, uint64_t id);

#endif
