/* SPDX-License-Identifier: MIT */
/* Room sim: the engines' memory, which a fault can refuse, and calls that may fail for want of it.
 * A call that failed so has changed nothing, and is made once more. What an engine gives back must
 * be as large as what it took, and all of it. */
#include "sim/arena.h"
#include "sim/sim.h"

#include <stdalign.h>

/* Digests are taken only when a refusal is near: a call rarely asks for so much at once. */
enum { REFUSAL_NEAR = 128 };

/* Keeps what follows aligned for anything. */
struct head {
    alignas(max_align_t) size_t size;
};

/* A random run's part: so many requests are refused, after so many others. */
static bool struck(struct memory *memory)
{
    if (memory->failing == 0 || memory->left > 0) {
        memory->left -= memory->left > 0;
        return false;
    }
    memory->failing--;
    const struct host *host = reshard__host_find(memory->sim, memory->host);
    reshard__fault_met(memory->sim, SIM_FAULT_MEMORY, host ? host->shard : 0);
    return true;
}

static bool refused(struct memory *memory)
{
    struct reshard_sim *sim = memory->sim;
    sim->allocations++;
    bool ruled = sim->task_rule_count > 0 &&
                 reshard__rule_take(sim, memory->host, FAULT_MEMORY, NULL);
    if (!ruled && !struck(memory))
        return false;
    memory->refusals++;
    reshard__sim_say(sim, "%h gets no memory", memory->host);
    return true;
}

static void *resize(void *user_data, void *ptr, size_t old_size, size_t new_size)
{
    struct memory *memory = user_data;
    struct head *head = ptr ? (struct head *)ptr - 1 : NULL;
    if (old_size != (head ? head->size : 0))
        reshard__sim_violate(memory->sim, "memory", "%h: a block of %u bytes is said to have %u",
            memory->host, (uint64_t)(head ? head->size : 0), (uint64_t)old_size);
    if (new_size == 0) {
        memory->blocks -= head != NULL;
        reshard__sim_release(head);
        return NULL;
    }
    if (refused(memory))
        return NULL;
    memory->blocks += head == NULL;
    head = reshard__region_resize(memory->region, head, sizeof *head + new_size);
    head->size = new_size;
    return head + 1;
}

struct reshard_allocator reshard__memory_of(struct reshard_sim *sim, struct host *host)
{
    struct reshard_allocator allocator = {.struct_size = sizeof allocator, .resize = resize};
    host->memory.sim = sim;
    host->memory.host = host->id;
    host->memory.region = host->region;
    allocator.user_data = &host->memory;
    return allocator;
}

static bool refusal_near(const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->task_rule_count; i++)
        if (sim->task_rules[i].kind == FAULT_MEMORY && sim->task_rules[i].count > 0 &&
            sim->task_rules[i].skip < REFUSAL_NEAR)
            return true;
    return false;
}

static void state_digest(const struct host *host, struct reshard_digest *digest)
{
    if (host->node)
        (void)reshard_node_digest(host->node, digest);
    else
        (void)reshard_coordinator_digest(host->coordinator, digest);
}

void reshard__host_touch(const struct host *host)
{
    reshard__arena_touch(host->region);
    if (host->disk)
        reshard__arena_touch(host->disk->region);
}

struct call reshard__call_begin(const struct reshard_sim *sim, const struct host *host)
{
    struct call call = {.refusals = host->memory.refusals};
    reshard__host_touch(host);
    call.watched = (host->node || host->coordinator) && refusal_near(sim);
    if (call.watched)
        state_digest(host, &call.before);
    return call;
}

bool reshard__call_again(
    struct reshard_sim *sim, const struct host *host, struct call *call, int32_t status)
{
    if (status != RESHARD_E_NOMEM)
        return false;
    if (host->memory.refusals == call->refusals)
        reshard__sim_violate(sim, "memory", "%h lacks memory, and none was refused", host->id);
    call->refusals = host->memory.refusals;
    sim->complaints++;
    struct reshard_digest after;
    if (call->watched) {
        state_digest(host, &after);
        if (after.low != call->before.low || after.high != call->before.high)
            reshard__sim_violate(
                sim, "refused", "%h: a call without memory changed it", host->id);
    }
    return call->tries++ == 0;
}

void reshard__memory_check(struct reshard_sim *sim, const struct host *host)
{
    if (host->memory.blocks && !host->node && !host->coordinator)
        reshard__sim_violate(
            sim, "memory", "%h leaves %u blocks behind", host->id, (uint64_t)host->memory.blocks);
}
