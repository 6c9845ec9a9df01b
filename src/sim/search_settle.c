/* SPDX-License-Identifier: MIT */
/* Room sim: what takes no time in a configuration that is searched happens with the move that
 * caused it: what hosts and stores do, replies, maps that their receiver has, deadlines that are
 * now. */
#include "sim/follow.h"
#include "sim/search.h"

const struct task *reshard__search_task(const struct host *host, uint64_t id)
{
    for (size_t i = 0; i < host->task_count; i++)
        if (host->tasks[i].action.id == id)
            return &host->tasks[i];
    return NULL;
}

bool reshard__search_fails(
    const struct reshard_sim *sim, const struct search_config *config, const struct host *host)
{
    return sim->allowance.left[MOVE_FAULT] > 0 && config->faults >> host->index & 1;
}

/* Of a process that is gone: it happens to nobody. */
static bool stale(const struct host *host, const struct happening *happening)
{
    return !host || !host->up || host->boot != happening->boot;
}

/* What it waits for is there, or it is of a stream or a process that is gone. */
static bool stream_eager(const struct reshard_sim *sim, const struct search_config *config,
    const struct happening *happening)
{
    const struct host *host = reshard__host_find(sim, happening->host);
    if (happening->kind == EVENT_SHIPPED)
        return stale(host, happening) || reshard__shipped(sim, host, happening->number);
    if (host->stream.number != happening->number)
        return true;
    return happening->kind == EVENT_FEED ? !(config->slow & SLOW_STREAM)
                                         : reshard__stream_links(sim, host);
}

static bool task_eager(const struct reshard_sim *sim, const struct search_config *config,
    const struct happening *happening)
{
    struct host *host = reshard__host_find(sim, happening->host);
    if (stale(host, happening))
        return true;
    const struct task *task = reshard__search_task(host, happening->number);
    if (!task)
        return true;
    bool append = task->action.kind == RESHARD_ACTION_APPEND;
    bool slow = config->slow >> task->action.kind & 1 ||
                (append && reshard__search_fails(sim, config, host));
    return !slow && !reshard__task_waits(sim, host, happening->number);
}

/* A map that its receiver has already changes nothing. */
static bool message_eager(const struct reshard_sim *sim, const struct happening *happening)
{
    const struct packet *packet = happening->data;
    const struct host *host = reshard__host_find(sim, packet->to);
    if (!host || !host->up || !host->node)
        return false;
    struct peek peek = reshard__peek(packet->data, packet->size);
    return peek.type == 2 && peek.version <= reshard_map_version(reshard_node_map(host->node));
}

static bool eager(const struct reshard_sim *sim, const struct search_config *config,
    const struct happening *happening)
{
    switch (happening->kind) {
    case EVENT_MESSAGE:
        return message_eager(sim, happening);
    case EVENT_TASK:
        return task_eager(sim, config, happening);
    case EVENT_REPLY:
        return true;
    case EVENT_FEED:
    case EVENT_SHIPPED:
    case EVENT_LINK:
        return stream_eager(sim, config, happening);
    case EVENT_EXECUTE:
        return stale(reshard__host_find(sim, happening->host), happening);
    default:
        return false;
    }
}

/* Timeouts are moves of their own. */
static void timeouts_forget(struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->heap_count;)
        if (sim->heap[i].kind == EVENT_CLIENT)
            sim->heap[i] = sim->heap[--sim->heap_count];
        else
            i++;
}

/* A deadline that is now, or as good as: no clock has to move. */
static struct host *due_now(const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++)
        if (reshard__host_deadline(sim, sim->hosts[i]) <= sim->now_ns + 1)
            return sim->hosts[i];
    return NULL;
}

static bool settle_one(struct reshard_sim *sim, const struct search_config *config)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < sim->heap_count; i++)
        if (eager(sim, config, &sim->heap[i]) &&
            (first == SIZE_MAX || sim->heap[i].serial < sim->heap[first].serial))
            first = i;
    if (first != SIZE_MAX) {
        reshard__sim_happen(sim, first);
        return true;
    }
    struct host *host = due_now(sim);
    if (host)
        reshard__host_tick(sim, host);
    return host != NULL;
}

void reshard__search_settle(struct reshard_sim *sim, const struct search_config *config)
{
    do {
        timeouts_forget(sim);
        reshard__check_step(sim);
    } while (!sim->violated && settle_one(sim, config));
}
