/* SPDX-License-Identifier: MIT */
/* Room sim: what takes no time in a configuration that is searched happens with the move that
 * caused it: what hosts and stores do, replies, messages that change nothing whenever they arrive,
 * deadlines that are now. */
#include "coordinator/coordinator.h"
#include "node/node.h"
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
                (append && host->coordinator && config->slow & SLOW_LEDGER) ||
                (append && reshard__search_fails(sim, config, host));
    return !slow && !reshard__task_waits(sim, host, happening->number);
}

/* A map that its receiver has already changes nothing. */
static bool map_eager(const struct host *host, const struct peek *peek)
{
    return host->up && host->node &&
           peek->version <= reshard_map_version(reshard_node_map(host->node));
}

/* A report counts under the order that its coordinator is at, and orders only grow (R5). Who leads
 * nothing will lead under a later term; what is not open there never will be again. */
static bool report_eager(const struct host *host, const struct peek *peek)
{
    const struct reshard_coordinator *coordinator = host->coordinator;
    if (!host->up || !coordinator || !coordinator->leads)
        return true;
    for (size_t i = 0; i < coordinator->run_count; i++) {
        const struct reshard__run *run = &coordinator->runs[i];
        if (run->migration == peek->migration)
            return run->order.term > peek->term ||
                   (run->order.term == peek->term && run->order.n > peek->n);
    }
    return true;
}

uint64_t reshard__search_known(const struct host *host)
{
    const struct reshard_coordinator *coordinator = host->coordinator;
    if (!host->up)
        return 0;
    if (host->node)
        return reshard_map_version(reshard_node_map(host->node)) + 1;
    uint64_t known = coordinator->leads + 1;
    for (size_t i = 0; i < coordinator->run_count; i++) {
        const struct reshard__run *run = &coordinator->runs[i];
        const uint64_t order[] = {run->migration, run->order.term, run->order.n};
        known = reshard__sim_hash(order, sizeof order, known);
    }
    return known;
}

/* Whether messages come once, in the order in which they were sent. */
static bool in_order(const struct reshard_sim *sim)
{
    const uint8_t *left = sim->allowance.left;
    for (size_t i = 0; i < sim->heap_count; i++)
        if (sim->heap[i].kind == EVENT_MESSAGE &&
            ((const struct packet *)sim->heap[i].data)->repeated)
            return false;
    return !left[MOVE_OVERTAKE] && !left[MOVE_REPEAT];
}

static bool heard(const struct reshard__stream *stream, const struct peek *peek)
{
    return stream->greeted && stream->copy.term == peek->term && stream->copy.n == peek->n &&
           stream->applied == peek->sequence && stream->durable == peek->durable;
}

/* What the live copy's source has heard already, when nothing that is newer can be there before it
 * nor this one be there again: no copy is opened twice, so it stays nothing new. */
static bool ack_eager(const struct reshard_sim *sim, const struct host *host, size_t index,
    const struct peek *peek)
{
    if (!host->up || !host->node || peek->kind || peek->flags || !in_order(sim) ||
        !reshard__search_arrives(sim, index))
        return false;
    for (size_t i = 0; i < host->node->part_count; i++) {
        const struct reshard__part *part = host->node->parts[i];
        if (part->migration == peek->migration && part->mode == RESHARD_MODE_SNAPSHOT)
            return heard(&part->stream, peek);
    }
    return false;
}

static bool message_eager(
    const struct reshard_sim *sim, const struct search_config *config, size_t index)
{
    enum { MAP = 2, REPORT = 4, ACK = 6 };
    const struct packet *packet = sim->heap[index].data;
    const struct host *host = reshard__host_find(sim, packet->to);
    uint32_t type = reshard__peek_type(packet->data, packet->size);
    if (!host || config->slow & SLOW_IDLE ||
        (type != MAP && type != REPORT && type != ACK))
        return false;
    struct peek peek = reshard__peek(packet->data, packet->size);
    switch (type) {
    case MAP:
        return map_eager(host, &peek);
    case REPORT:
        return report_eager(host, &peek);
    case ACK:
        return ack_eager(sim, host, index, &peek);
    default:
        return false;
    }
}

static bool eager(
    const struct reshard_sim *sim, const struct search_config *config, size_t index)
{
    const struct happening *happening = &sim->heap[index];
    switch (happening->kind) {
    case EVENT_MESSAGE:
        return message_eager(sim, config, index);
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

/* A tick did not move the deadline; something else did meanwhile. */
static void failures_forget(struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        struct host *host = sim->hosts[i];
        uint64_t failed_ns = host->failed_deadline - reshard__host_now(sim, host);
        if (host->failed_deadline &&
            reshard__host_deadline(sim, host) > sim->now_ns + failed_ns)
            host->failed_deadline = 0;
    }
}

static bool settle_one(struct reshard_sim *sim, const struct search_config *config)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < sim->heap_count; i++)
        if (eager(sim, config, i) &&
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

/* Who works by hand says at once that nothing is left; a coordinator that starts was not told. */
static bool hand_finishes(struct reshard_sim *sim, struct host *host)
{
    const struct reshard_coordinator *coordinator = host->coordinator;
    for (size_t i = 0; coordinator && coordinator->leads && i < coordinator->run_count; i++) {
        const struct reshard__run *run = &coordinator->runs[i];
        if (run->phase != RESHARD_PHASE_MOVE || run->state & RESHARD_RUN_FINISHING)
            continue;
        reshard__host_touch(host);
        (void)reshard_coordinator_finish(host->coordinator, run->migration);
        reshard__host_drain(sim, host);
        return true;
    }
    return false;
}

static bool hands_finish(struct reshard_sim *sim, const struct search_config *config)
{
    bool any = false;
    for (size_t i = 0; config->by_hand && i < sim->host_count; i++)
        any |= hand_finishes(sim, sim->hosts[i]);
    return any;
}

void reshard__search_settle(struct reshard_sim *sim, const struct search_config *config)
{
    do {
        timeouts_forget(sim);
        reshard__check_step(sim);
    } while (!sim->violated && (settle_one(sim, config) || hands_finish(sim, config)));
    failures_forget(sim);
}
