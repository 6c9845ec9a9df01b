/* SPDX-License-Identifier: MIT */
/* Room sim: actions that a host has pulled. Each begins when the one it waits for has completed,
 * takes its time, and is completed once; a crash leaves what was under way done or not. */
#include "sim/follow.h"

#include <stdlib.h>

enum { SPEEDS = 10, SLOW_DISK = 6, FATES = 3, APPEND_FATES = 7 };

static struct task *task_find(struct host *host, uint64_t id)
{
    for (size_t i = 0; i < host->task_count; i++)
        if (host->tasks[i].action.id == id)
            return &host->tasks[i];
    return NULL;
}

static void task_drop(struct host *host, struct task *task)
{
    reshard__sim_release(task->copy);
    size_t index = (size_t)(task - host->tasks);
    memmove(task, task + 1, (host->task_count - index - 1) * sizeof *task);
    host->task_count--;
}

static uint64_t task_time(
    struct reshard_sim *sim, const struct host *host, const struct task *task)
{
    uint64_t time_ns = sim->set.store_ns;
    if (task->action.kind == RESHARD_ACTION_APPEND || task->action.kind == RESHARD_ACTION_LOAD)
        time_ns = sim->set.append_ns;
    if (sim->now_ns < host->slow_until_ns) {
        time_ns <<= SLOW_DISK;
        reshard__fault_met(sim, SIM_FAULT_DISK_SLOW, host->shard);
    }
    return time_ns << reshard__choose(sim, CHOICE_DELAY, SPEEDS);
}

static void task_schedule(
    struct reshard_sim *sim, const struct host *host, uint64_t id, uint64_t delay_ns)
{
    struct happening happening = {.kind = EVENT_TASK, .host = host->id, .number = id};
    happening.time_ns = sim->now_ns + delay_ns;
    happening.boot = host->boot;
    reshard__sim_schedule(sim, &happening);
}

/* What EXPORT reads it reads when it begins; it is handed over when it ends. */
static void task_begin(struct reshard_sim *sim, struct host *host, struct task *task)
{
    task->running = true;
    if (task->action.kind == RESHARD_ACTION_EXPORT) {
        reshard_completion_init(&task->completion);
        reshard__store_do(sim, host, task, &task->completion);
        task->read = true;
    }
    task_schedule(sim, host, task->action.id, task_time(sim, host, task));
}

void reshard__tasks_begin(struct reshard_sim *sim, struct host *host)
{
    for (size_t i = 0; i < host->task_count; i++) {
        struct task *task = &host->tasks[i];
        if (!task->running && !(task->action.after && task_find(host, task->action.after)))
            task_begin(sim, host, task);
    }
}

/* False: the engine has no memory to hear of it, and must be told later. */
static bool complete(struct reshard_sim *sim, struct host *host, uint64_t id,
    const struct reshard_completion *completion)
{
    uint64_t now_ns = reshard__host_now(sim, host);
    struct call call = reshard__call_begin(sim, host);
    int32_t status;
    do
        status = host->node
                     ? reshard_node_complete(host->node, id, completion, now_ns)
                     : reshard_coordinator_complete(host->coordinator, id, completion, now_ns);
    while (reshard__call_again(sim, host, &call, status));
    bool fenced = host->coordinator && status == RESHARD_E_FENCED;
    if (status == RESHARD_E_NOMEM)
        return false;
    if (status && !fenced && status != RESHARD_E_FATAL)
        reshard__sim_violate(sim, "complete", "%h: %d", host->id, status);
    return true;
}

static struct task *task_add(struct host *host, const struct reshard_action *action)
{
    host->tasks = reshard__region_grow(host->region,
        host->tasks, &host->task_capacity, host->task_count + 1, sizeof *host->tasks);
    struct task *task = &host->tasks[host->task_count++];
    memset(task, 0, sizeof *task);
    task->action = *action;
    return task;
}

/* What takes no time is completed at once; if it cannot be, then later. */
static void complete_now(struct reshard_sim *sim, struct host *host,
    const struct reshard_action *action, int32_t status)
{
    struct reshard_completion completion;
    reshard_completion_init(&completion);
    completion.status = status;
    if (complete(sim, host, action->id, &completion))
        return;
    struct task *task = task_add(host, action);
    task->running = task->done = true;
    task->completion = completion;
    task_schedule(sim, host, action->id, SIM_MILLI);
}

static void message_send(
    struct reshard_sim *sim, struct host *host, const struct reshard_action *action)
{
    sim->hook_calls++;
    bool fails = reshard__rule_take(sim, host->id, action->kind, action) != NULL;
    sim->complaints += fails; /* a lost message: the host's own transport tells, nobody else must */
    if (!fails)
        reshard__net_send(sim, host->id, action);
    complete_now(sim, host, action, fails ? RESHARD_E_HOOK : RESHARD_OK);
}

void reshard__task_take(
    struct reshard_sim *sim, struct host *host, const struct reshard_action *action)
{
    if (action->kind == RESHARD_ACTION_SEND) {
        message_send(sim, host, action);
        return;
    }
    if (action->kind == RESHARD_ACTION_WAKE) {
        struct reshard_action wake = *action;
        complete_now(sim, host, action, RESHARD_OK);
        if (!reshard__sabotaged(sim, RESHARD_SABOTAGE_WAKE))
            reshard__requests_wake(sim, host, &wake);
        return;
    }
    struct task *task = task_add(host, action);
    if (action->kind == RESHARD_ACTION_APPLY && action->mode == RESHARD_MODE_SNAPSHOT) {
        /* It points into the message, which is gone when this function's caller returns. */
        task->copy = reshard__region_resize(host->region, NULL, action->payload_size + 1);
        memcpy(task->copy, action->payload, action->payload_size);
        task->action.payload = task->copy;
    }
    if (sim->set.trace > 1)
        reshard__sim_say(sim, "%h %s", host->id, reshard_action_name(action->kind));
}

static bool request_meets(const struct reshard_sim *sim, const struct request *request,
    const struct reshard_action *action)
{
    return reshard__ranges_have(action, reshard__key_slot(sim, request->keys[0]));
}

/* Whether requests that were admitted before the fence was asked still run. */
static bool fence_waits(
    const struct reshard_sim *sim, const struct host *host, const struct reshard_action *action)
{
    if (action->kind != RESHARD_ACTION_FENCE)
        return false;
    for (size_t i = 0; i < host->admitted_count; i++)
        if (request_meets(sim, &host->admitted[i].request, action))
            return !reshard__sabotaged(sim, RESHARD_SABOTAGE_FENCE);
    return false;
}

static bool rule_fits(const struct task_rule *rule, reshard_node_id host, uint32_t kind,
    const struct reshard_action *action)
{
    bool any = rule->kind == FAULT_ANY && kind != FAULT_MEMORY;
    if (rule->count == 0 || (rule->host && rule->host != host) || (rule->kind != kind && !any))
        return false;
    return !rule->record[0] ||
           (action && reshard__records_have(
                          action->header, action->header_size, rule->record));
}

/* It acts now: so often, or for so long. */
static bool rule_acts(const struct reshard_sim *sim, struct task_rule *rule)
{
    if (rule->skip > 0) {
        rule->skip--;
        return false;
    }
    if (rule->span_ns && rule->end_ns == 0)
        rule->end_ns = sim->now_ns + rule->span_ns;
    if (rule->span_ns && sim->now_ns >= rule->end_ns)
        rule->count = 0;
    else if (rule->count != UINT64_MAX)
        rule->count--;
    return !rule->span_ns || rule->count > 0;
}

struct task_rule *reshard__rule_take(struct reshard_sim *sim, reshard_node_id host, uint32_t kind,
    const struct reshard_action *action)
{
    for (size_t i = 0; i < sim->task_rule_count; i++) {
        struct task_rule *rule = &sim->task_rules[i];
        if (!rule_fits(rule, host, kind, action) || !rule_acts(sim, rule))
            continue;
        sim->faults++;
        return rule;
    }
    return NULL;
}

/* Whether it is work that a full disk refuses. */
static bool disk_full(
    struct reshard_sim *sim, const struct host *host, const struct task *task)
{
    uint32_t kind = task->action.kind;
    bool grows = kind == RESHARD_ACTION_APPEND || kind == RESHARD_ACTION_COMPACT ||
                 kind == RESHARD_ACTION_APPLY || kind == RESHARD_ACTION_ACTIVATE;
    if (sim->now_ns >= host->full_until_ns || !grows)
        return false;
    reshard__fault_met(sim, SIM_FAULT_DISK_FULL, host->shard);
    return true;
}

static enum task_fault fault_of(struct reshard_sim *sim, const struct host *host,
    const struct task *task, uint64_t *delay_ns)
{
    static const enum task_fault appends[] = {FAULT_NONE, FAULT_ERROR, FAULT_UNKNOWN,
        FAULT_LANDED, FAULT_LATE, FAULT_CRASH, FAULT_DIED, FAULT_LANDED};
    static const uint32_t cells[] = {0, SIM_FAULT_APPEND_FAILS, SIM_FAULT_APPEND_UNKNOWN,
        SIM_FAULT_APPEND_LANDED, SIM_FAULT_APPEND_LATE, SIM_FAULT_RECORD_GONE,
        SIM_FAULT_RECORD_LANDED, SIM_FAULT_APPEND_LANDED};
    static const enum task_fault others[] = {FAULT_NONE, FAULT_ERROR, FAULT_CRASH};
    struct task_rule *rule =
        reshard__rule_take(sim, host->id, task->action.kind, &task->action);
    sim->hook_calls++;
    if (rule) {
        *delay_ns = rule->delay_ns;
        return rule->fault;
    }
    if (disk_full(sim, host, task))
        return FAULT_ERROR;
    bool append = task->action.kind == RESHARD_ACTION_APPEND;
    uint32_t choice = reshard__choose(sim, CHOICE_TASK, append ? APPEND_FATES + 1 : FATES);
    if (choice)
        reshard__fault_met(sim, append ? cells[choice] : SIM_FAULT_HOOK, host->shard);
    if (!append)
        return others[choice];
    *delay_ns = sim->set.retry_ns * 2;
    /* Only the authority is far away: a late write into one's own journal is no fault of disks. */
    if (host->shard && appends[choice] == FAULT_LATE)
        return FAULT_UNKNOWN;
    return appends[choice];
}

/* Into the authority, the first `limit` records of it. */
static int32_t authority_do(struct reshard_sim *sim, const struct host *host,
    const struct reshard_action *action, uint64_t limit)
{
    if (action->durability != RESHARD_DURABILITY_FULL)
        reshard__sim_violate(sim, "authority",
            "%h: a record of the authority that need not outlive power", host->id);
    return reshard__authority_append(
        sim, action->term, action->index, action->header, action->header_size, limit);
}

static bool holds(const struct reshard_action *action)
{
    return reshard__records_have(action->header, action->header_size, "HELD");
}

static int32_t append_do(struct reshard_sim *sim, struct host *host, const struct task *task)
{
    const struct reshard_action *action = &task->action;
    if (host->coordinator)
        return authority_do(sim, host, action, UINT64_MAX);
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_DEATH) && holds(action))
        abort();
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_JOURNAL) && holds(action))
        return RESHARD_OK;
    reshard__loose_record(sim, host->disk, action);
    reshard__own_append(host->disk, action->header, action->header_size);
    if (sim->set.trace > 1) {
        struct text text = {0};
        reshard__records_name(&text, action->header, action->header_size);
        reshard__text_char(&text, '\0');
        reshard__sim_say(sim, "%h has%s", host->id, text.data);
        reshard__sim_release(text.data);
    }
    return RESHARD_OK;
}

static int32_t compact_do(
    struct reshard_sim *sim, struct host *host, const struct reshard_action *action)
{
    if (host->coordinator)
        return reshard__authority_compact(
            sim, action->term, action->index, action->header, action->header_size);
    reshard__disk_synced(host->disk);
    host->disk->journal_size = 0;
    reshard__own_append(host->disk, action->header, action->header_size);
    return RESHARD_OK;
}

static void append_late(
    struct reshard_sim *sim, struct host *host, const struct task *task, uint64_t delay_ns)
{
    struct packet *packet = reshard__sim_resize(NULL, 1, sizeof *packet);
    memset(packet, 0, sizeof *packet);
    packet->size = task->action.header_size;
    packet->data = reshard__sim_resize(NULL, packet->size, 1);
    memcpy(packet->data, task->action.header, packet->size);
    struct happening happening = {.kind = EVENT_LATE, .host = host->id, .data = packet};
    happening.time_ns = sim->now_ns + delay_ns;
    happening.number = task->action.index;
    happening.boot = task->action.term;
    reshard__sim_schedule(sim, &happening);
}

static bool changes_disk(uint32_t kind)
{
    return kind == RESHARD_ACTION_APPEND || kind == RESHARD_ACTION_COMPACT ||
           kind == RESHARD_ACTION_APPLY || kind == RESHARD_ACTION_SYNC ||
           kind == RESHARD_ACTION_ACTIVATE || kind == RESHARD_ACTION_DISCARD ||
           kind == RESHARD_ACTION_PURGE || kind == RESHARD_ACTION_REMOVE;
}

/* What it did to the disk goes to those that follow. */
static void replicas_tell(struct reshard_sim *sim, struct host *host, struct task *task)
{
    if (!sim->followed || !host->node || !changes_disk(task->action.kind))
        return;
    reshard__ship_action(sim, host, &task->action);
    task->position = host->shipped;
}

static void work_do(struct reshard_sim *sim, struct host *host, struct task *task,
    struct reshard_completion *completion)
{
    switch (task->action.kind) {
    case RESHARD_ACTION_APPEND:
        completion->status = append_do(sim, host, task);
        break;
    case RESHARD_ACTION_LOAD:
        completion->status =
            host->coordinator ? reshard__authority_load(sim, host) : reshard__own_load(sim, host);
        break;
    case RESHARD_ACTION_COMPACT:
        completion->status = compact_do(sim, host, &task->action);
        break;
    case RESHARD_ACTION_FENCE:
        break;
    default:
        reshard__store_do(sim, host, task, completion);
        break;
    }
    if (completion->status == RESHARD_OK)
        replicas_tell(sim, host, task);
}

/* The process dies before this task's work, or behind it; alone, or with the power. */
static void host_die(struct reshard_sim *sim, struct host *host, struct task *task)
{
    task->done = true;
    reshard__fault_party(sim, SIM_FAULT_CRASH_SOURCE, host->shard);
    if (host->disk && reshard__choose(sim, CHOICE_DISK, 2))
        reshard__host_power(sim, host);
    else
        reshard__host_crash(sim, host);
    host->down_until_ns = sim->now_ns + SIM_MILLI;
}

/* False: a fence, and what it waits for still runs. */
static bool work_try(struct reshard_sim *sim, struct host *host, struct task *task,
    struct reshard_completion *completion)
{
    task->waits = fence_waits(sim, host, &task->action);
    if (task->waits)
        task_schedule(sim, host, task->action.id, sim->set.store_ns);
    else
        work_do(sim, host, task, completion);
    return !task->waits;
}

/* The fault's share in what happens; false: the process died or stands still. */
static bool fault_act(struct reshard_sim *sim, struct host *host, struct task *task,
    enum task_fault fault, uint64_t delay_ns, struct reshard_completion *completion)
{
    switch (fault) {
    case FAULT_NONE:
        return work_try(sim, host, task, completion);
    case FAULT_ERROR:
        completion->status = RESHARD_E_HOOK;
        return true;
    case FAULT_UNKNOWN:
        completion->status = RESHARD_E_UNKNOWN;
        return true;
    case FAULT_LANDED:
        work_do(sim, host, task, completion);
        completion->status = RESHARD_E_UNKNOWN;
        return true;
    case FAULT_LATE:
        append_late(sim, host, task, delay_ns);
        completion->status = RESHARD_E_UNKNOWN;
        return true;
    case FAULT_SLOW:
        task_schedule(sim, host, task->action.id, delay_ns);
        return false;
    case FAULT_DIED:
        work_do(sim, host, task, completion);
        host_die(sim, host, task);
        return false;
    case FAULT_CRASH:
        host_die(sim, host, task);
        return false;
    case FAULT_STOP:
        sim->stop = true;
        task_schedule(sim, host, task->action.id, sim->set.store_ns);
        return false;
    }
    return false;
}

static void fault_say(struct reshard_sim *sim, const struct host *host, const struct task *task,
    enum task_fault fault)
{
    static const char *const names[] = {"", "fails", "has an unknown outcome",
        "lands, and has an unknown outcome", "has an unknown outcome, and lands late", "is slow",
        "is cut by a crash", "", "is followed by a crash"};
    if (!names[fault][0] || sim->quiet)
        return;
    struct text text = {0};
    if (task->action.kind == RESHARD_ACTION_APPEND)
        reshard__records_name(&text, task->action.header, task->action.header_size);
    reshard__text_char(&text, '\0');
    reshard__sim_say(sim, "%h %s%s %s", host->id, reshard_action_name(task->action.kind),
        text.data, names[fault]);
    reshard__sim_release(text.data);
}

/* The work, or the fault in its place; false: it is not to be completed now. */
static bool task_do(struct reshard_sim *sim, struct host *host, struct task *task,
    struct reshard_completion *completion)
{
    uint64_t delay_ns = 0;
    enum task_fault fault = task->waits ? FAULT_NONE : fault_of(sim, host, task, &delay_ns);
    fault_say(sim, host, task, fault);
    reshard_completion_init(completion);
    if (task->read && fault == FAULT_NONE)
        *completion = task->completion;
    else
        return fault_act(sim, host, task, fault, delay_ns, completion);
    return true;
}

bool reshard__task_waits(const struct reshard_sim *sim, struct host *host, uint64_t id)
{
    const struct task *task = task_find(host, id);
    if (!task)
        return false;
    if (task->position)
        return !reshard__shipped(sim, host, task->position);
    return fence_waits(sim, host, &task->action);
}

void reshard__task_run(struct reshard_sim *sim, struct host *host, uint64_t id)
{
    struct task *task = task_find(host, id);
    if (!task)
        return;
    if (!task->done) {
        struct reshard_completion completion;
        if (!task_do(sim, host, task, &completion))
            return;
        task->completion = completion;
        task->done = true;
    }
    if (task->position && !reshard__shipped(sim, host, task->position)) {
        task_schedule(sim, host, id, sim->set.latency_ns);
        return;
    }
    struct reshard_completion completion = task->completion;
    if (complete(sim, host, id, &completion)) {
        task = task_find(host, id);
        task_drop(host, task);
    } else {
        task = task_find(host, id);
        task->done = task->action.kind != RESHARD_ACTION_PICK; /* its keys may be written to */
        task_schedule(sim, host, id, SIM_MILLI);
    }
}

/* A torn piece, of which the authority keeps whole records alone. */
static void append_tear(struct reshard_sim *sim, struct host *host, const struct task *task)
{
    const struct reshard_action *action = &task->action;
    if (host->disk)
        reshard__own_append(host->disk, action->header, action->header_size * 2 / 3);
    else
        (void)authority_do(sim, host, action, action->record_count - 1);
}

void reshard__tasks_drop(struct reshard_sim *sim, struct host *host)
{
    for (size_t i = 0; i < host->task_count; i++) {
        struct task *task = &host->tasks[i];
        bool lasts =
            task->action.kind == RESHARD_ACTION_APPEND && task->running && !task->done;
        /* 0: nothing of it; 1: all of it; 2: a torn piece. */
        static const uint32_t cells[] = {
            SIM_FAULT_RECORD_GONE, SIM_FAULT_RECORD_LANDED, SIM_FAULT_RECORD_TORN};
        uint32_t choice = lasts ? reshard__choose(sim, CHOICE_TORN, 3) : 0;
        if (lasts)
            reshard__fault_met(sim, cells[choice], host->shard);
        if (choice == 1)
            (void)append_do(sim, host, task);
        else if (choice == 2)
            append_tear(sim, host, task);
        reshard__sim_release(task->copy);
    }
    host->task_count = 0;
}
