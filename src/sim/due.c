/* SPDX-License-Identifier: MIT */
/* Room sim: processes by id, and whose engine wants a tick next: a tree of minima over all of them,
 * so that a step costs as much in a cluster of thousands as in a small one. */
#include "sim/sim.h"

/* Nodes and coordinators alternate: both begin low. */
static size_t place_of(reshard_node_id id)
{
    return id < SIM_COORDINATOR ? 2 * (size_t)id : 2 * (size_t)(id - SIM_COORDINATOR) + 1;
}

struct host *reshard__host_find(const struct reshard_sim *sim, reshard_node_id id)
{
    size_t place = place_of(id);
    return place < sim->place_count && sim->places[place] ? sim->hosts[sim->places[place] - 1]
                                                          : NULL;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Leaf i stands at `due_leaves` + i, the root at 1. */
static void leaf_set(struct reshard_sim *sim, size_t index, uint64_t time_ns)
{
    size_t at = sim->due_leaves + index;
    sim->due[at] = time_ns;
    while (at > 1 && sim->due[at / 2] != earlier(sim->due[at], sim->due[at ^ 1])) {
        sim->due[at / 2] = earlier(sim->due[at], sim->due[at ^ 1]);
        at /= 2;
    }
}

static void leaves_grow(struct reshard_sim *sim)
{
    size_t capacity = 0;
    sim->due_leaves = sim->due_leaves ? 2 * sim->due_leaves : 4;
    reshard__sim_release(sim->due);
    sim->due = reshard__sim_grow(NULL, &capacity, 2 * sim->due_leaves, sizeof *sim->due);
    memset(sim->due, 0xFF, 2 * sim->due_leaves * sizeof *sim->due); /* never */
    for (size_t i = 0; i < sim->host_count; i++)
        leaf_set(sim, i, reshard__host_deadline(sim, sim->hosts[i]));
}

void reshard__due_add(struct reshard_sim *sim, struct host *host)
{
    size_t place = place_of(host->id);
    host->index = sim->host_count;
    sim->hosts = reshard__sim_grow(
        sim->hosts, &sim->host_capacity, sim->host_count + 1, sizeof *sim->hosts);
    sim->hosts[sim->host_count++] = host;
    if (place >= sim->place_count) {
        sim->places = reshard__sim_grow(
            sim->places, &sim->place_capacity, place + 1, sizeof *sim->places);
        sim->place_count = place + 1;
    }
    sim->places[place] = (uint32_t)sim->host_count;
    if (sim->host_count > sim->due_leaves)
        leaves_grow(sim);
}

void reshard__due_update(struct reshard_sim *sim, struct host *host)
{
    reshard__check_touch(sim, host);
    leaf_set(sim, host->index, reshard__host_deadline(sim, host));
}

struct host *reshard__due_host(const struct reshard_sim *sim, uint64_t *time_out)
{
    *time_out = sim->due_leaves ? sim->due[1] : UINT64_MAX;
    if (*time_out == UINT64_MAX)
        return NULL;
    if (*time_out < sim->now_ns)
        *time_out = sim->now_ns;
    /* Of those that are due by then the first. */
    size_t at = 1;
    while (at < sim->due_leaves)
        at = 2 * at + (sim->due[2 * at] > *time_out);
    return sim->hosts[at - sim->due_leaves];
}
