/* SPDX-License-Identifier: MIT */
/* Room sim: time. The earliest thing happens next; of things at one time, the one that was planned
 * first. */
#include "sim/follow.h"

static bool before(const struct happening *a, const struct happening *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->serial < b->serial;
}

void reshard__sim_schedule(struct reshard_sim *sim, const struct happening *happening)
{
    sim->heap = reshard__sim_grow(
        sim->heap, &sim->heap_capacity, sim->heap_count + 1, sizeof *sim->heap);
    size_t at = sim->heap_count++;
    struct happening item = *happening;
    item.serial = ++sim->serial;
    while (at > 0 && before(&item, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = item;
}

static struct happening heap_pop(struct reshard_sim *sim)
{
    struct happening top = sim->heap[0], last = sim->heap[--sim->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= sim->heap_count)
            break;
        if (child + 1 < sim->heap_count && before(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!before(&sim->heap[child], &last))
            break;
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    sim->heap[at] = last;
    return top;
}

/* Ids only grow. */
struct moving *reshard__moving_find(struct reshard_sim *sim, reshard_migration_id migration)
{
    size_t first = 0, last = sim->moving_count;
    while (first < last) {
        size_t middle = first + (last - first) / 2;
        if (sim->movings[middle].migration < migration)
            first = middle + 1;
        else
            last = middle;
    }
    return first < sim->moving_count && sim->movings[first].migration == migration
               ? &sim->movings[first]
               : NULL;
}

static void late_append(struct reshard_sim *sim, struct happening *happening)
{
    struct packet *packet = happening->data;
    int32_t status = reshard__authority_append(
        sim, happening->boot, happening->number, packet->data, packet->size, UINT64_MAX);
    reshard__sim_say(sim, "a late append of %h: %d", happening->host, status);
    reshard__packet_free(packet);
}

/* What concerns one process: void when it died meanwhile, put off while it stands still. */
static void host_happens(struct reshard_sim *sim, struct happening *happening)
{
    struct host *host = reshard__host_find(sim, happening->host);
    bool alive = host && host->up && host->boot == happening->boot;
    if (alive && host->frozen) {
        happening->time_ns = sim->now_ns + SIM_MILLI;
        reshard__sim_schedule(sim, happening);
        return;
    }
    if (!alive)
        return;
    reshard__host_touch(host);
    if (happening->kind == EVENT_TASK)
        reshard__task_run(sim, host, happening->number);
    else
        reshard__request_execute(sim, host, happening->number);
    if (host->up)
        reshard__host_drain(sim, host);
}

static void request_happens(struct reshard_sim *sim, struct happening *happening)
{
    struct host *host = reshard__host_find(sim, happening->host);
    if (host && host->up && host->frozen) {
        happening->time_ns = sim->now_ns + SIM_MILLI;
        reshard__sim_schedule(sim, happening);
        return;
    }
    reshard__request_arrive(sim, host, happening->data);
    reshard__sim_release(happening->data);
}

static void start_happens(struct reshard_sim *sim, struct happening *happening)
{
    struct host *host = reshard__host_find(sim, happening->host);
    if (host && host->starting && host->boot == happening->boot)
        reshard__host_start(sim, host);
}

/* A reply waits until replicas have what it tells of; it dies with its host. */
static void shipped_happens(struct reshard_sim *sim, struct happening *happening)
{
    struct host *host = reshard__host_find(sim, happening->host);
    bool alive = host->up && host->boot == happening->boot;
    if (alive && (host->frozen || !reshard__shipped(sim, host, happening->number))) {
        happening->time_ns = sim->now_ns + sim->set.latency_ns;
        reshard__sim_schedule(sim, happening);
        return;
    }
    if (alive)
        reshard__reply_send(sim, host, happening->data);
    reshard__sim_release(happening->data);
}

static void message_happens(struct reshard_sim *sim, struct happening *happening)
{
    reshard__net_deliver(sim, happening->data);
}

static void reply_happens(struct reshard_sim *sim, struct happening *happening)
{
    reshard__client_reply(sim, happening->data);
    reshard__sim_release(happening->data);
}

static void client_happens(struct reshard_sim *sim, struct happening *happening)
{
    reshard__client_wake(sim, happening->client, happening->number);
}

static void feed_happens(struct reshard_sim *sim, struct happening *happening)
{
    reshard__stream_arrive(sim, reshard__host_find(sim, happening->host), happening->number);
}

static void link_happens(struct reshard_sim *sim, struct happening *happening)
{
    reshard__stream_link(sim, reshard__host_find(sim, happening->host), happening->number);
}

static void happen(struct reshard_sim *sim, struct happening *happening)
{
    static void (*const kinds[])(struct reshard_sim *sim, struct happening *happening) = {
        [EVENT_MESSAGE] = message_happens,
        [EVENT_TASK] = host_happens,
        [EVENT_EXECUTE] = host_happens,
        [EVENT_REQUEST] = request_happens,
        [EVENT_REPLY] = reply_happens,
        [EVENT_CLIENT] = client_happens,
        [EVENT_LATE] = late_append,
        [EVENT_START] = start_happens,
        [EVENT_FEED] = feed_happens,
        [EVENT_LINK] = link_happens,
        [EVENT_SHIPPED] = shipped_happens,
    };
    kinds[happening->kind](sim, happening);
}

void reshard__sim_happen(struct reshard_sim *sim, size_t index)
{
    struct happening happening = sim->heap[index];
    sim->heap[index] = sim->heap[--sim->heap_count];
    happen(sim, &happening);
}

uint64_t reshard__sim_next(const struct reshard_sim *sim)
{
    uint64_t tick_ns;
    (void)reshard__due_host(sim, &tick_ns);
    return sim->heap_count > 0 && sim->heap[0].time_ns < tick_ns ? sim->heap[0].time_ns : tick_ns;
}

bool reshard__sim_step(struct reshard_sim *sim)
{
    uint64_t tick_ns;
    struct host *host = reshard__due_host(sim, &tick_ns);
    bool event = sim->heap_count > 0 && sim->heap[0].time_ns <= tick_ns;
    if ((!event && !host) || sim->violated)
        return false;
    sim->steps++;
    reshard__log_state(sim);
    if (event) {
        struct happening happening = heap_pop(sim);
        if (happening.time_ns > sim->now_ns)
            sim->now_ns = happening.time_ns;
        happen(sim, &happening);
    } else {
        sim->now_ns = tick_ns;
        reshard__host_tick(sim, host);
    }
    const uint64_t what[2] = {sim->now_ns, event};
    sim->digest = reshard__sim_hash(what, sizeof what, sim->digest);
    reshard__log_state(sim);
    reshard__check_step(sim);
    return !sim->violated;
}
