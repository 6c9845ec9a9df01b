/* SPDX-License-Identifier: MIT */
/* Room sim: what can happen next in a world that is searched, and making it happen. */
#include "sim/search.h"

#include <stdlib.h>

enum { VALUE_FIRST = 100, SECOND_SLOT = 1 };

struct list {
    struct move *moves;
    size_t count;
};

static void add(struct list *list, enum move_kind kind, size_t index, uint32_t value)
{
    if (list->count == SEARCH_MOVES_MAX)
        abort(); /* a search without some of its moves proves nothing */
    list->moves[list->count++] =
        (struct move){.kind = (uint8_t)kind, .value = (uint8_t)value, .index = (uint16_t)index};
}

/* ---- what can happen ---- */

static bool under_way(const struct happening *happening)
{
    return happening->kind == EVENT_MESSAGE || happening->kind == EVENT_TASK ||
           happening->kind == EVENT_EXECUTE || happening->kind == EVENT_FEED;
}

static bool calm(const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->heap_count; i++)
        if (under_way(&sim->heap[i]))
            return false;
    return true;
}

bool reshard__search_arrives(const struct reshard_sim *sim, size_t index)
{
    const struct packet *packet = sim->heap[index].data;
    if (packet->repeated)
        return true;
    for (size_t i = 0; i < sim->heap_count; i++) {
        const struct packet *other = sim->heap[i].data;
        if (sim->heap[i].kind == EVENT_MESSAGE && sim->heap[i].serial < sim->heap[index].serial &&
            !other->repeated && other->from == packet->from && other->to == packet->to)
            return false;
    }
    return true;
}

/* Whether this message may be lost or come twice. */
static bool lossy(
    const struct reshard_sim *sim, const struct search_config *config, size_t index)
{
    const struct packet *packet = sim->heap[index].data;
    return !config->lossy || config->lossy >> reshard__host_find(sim, packet->from)->index & 1;
}

static void add_message(const struct reshard_sim *sim, const struct search_config *config,
    struct list *list, size_t index)
{
    const uint8_t *left = sim->allowance.left;
    bool first = reshard__search_arrives(sim, index);
    if (first)
        add(list, MOVE_TAKE, index, 0);
    if (left[MOVE_OVERTAKE] && !first)
        add(list, MOVE_OVERTAKE, index, 0);
    if (!lossy(sim, config, index))
        return;
    if (left[MOVE_DROP])
        add(list, MOVE_DROP, index, 0);
    if (left[MOVE_REPEAT] && first)
        add(list, MOVE_REPEAT, index, 0);
}

/* A fence may fail while requests still run; what waits for replicas is done. */
static void add_task(const struct reshard_sim *sim, const struct search_config *config,
    struct list *list, size_t index)
{
    enum { COORDINATOR_FATES = 4, NODE_FATES = 3 };
    const struct happening *happening = &sim->heap[index];
    struct host *host = reshard__host_find(sim, happening->host);
    const struct task *task = reshard__search_task(host, happening->number);
    bool waits = reshard__task_waits(sim, host, happening->number);
    if (!waits)
        add(list, MOVE_TAKE, index, 0);
    if (!reshard__search_fails(sim, config, host) || (waits && task->position))
        return;
    uint32_t fates = 1;
    if (task->action.kind == RESHARD_ACTION_APPEND)
        fates = host->shard ? NODE_FATES : COORDINATOR_FATES;
    for (uint32_t fate = 1; fate <= fates; fate++)
        add(list, MOVE_FAULT, index, fate);
}

/* What was shipped arrives in order. */
static void add_feed(const struct reshard_sim *sim, struct list *list, size_t index)
{
    const struct happening *happening = &sim->heap[index];
    for (size_t i = 0; i < sim->heap_count; i++)
        if (sim->heap[i].kind == EVENT_FEED && sim->heap[i].host == happening->host &&
            sim->heap[i].serial < happening->serial)
            return;
    add(list, MOVE_TAKE, index, 0);
}

static void add_happenings(
    const struct reshard_sim *sim, const struct search_config *config, struct list *list)
{
    for (size_t i = 0; i < sim->heap_count; i++) {
        enum event_kind kind = sim->heap[i].kind;
        if (kind == EVENT_MESSAGE)
            add_message(sim, config, list, i);
        else if (kind == EVENT_TASK)
            add_task(sim, config, list, i);
        else if (kind == EVENT_FEED)
            add_feed(sim, list, i);
        else if (kind != EVENT_LINK && kind != EVENT_SHIPPED) /* they wait for others */
            add(list, MOVE_TAKE, i, 0);
    }
}

/* In an unsynced world the power goes: with it as much of what was written since the last sync. */
static size_t power_takes(const struct reshard_sim *sim, const struct host *host)
{
    return sim->set.unsynced && host->disk ? host->disk->loose.count : 0;
}

/* How many outcomes a crash has: appends under way and unsynced pieces are lost or not. */
static uint32_t crash_fates(const struct reshard_sim *sim, const struct host *host)
{
    size_t fates = 1 + power_takes(sim, host);
    for (size_t i = 0; i < host->task_count; i++)
        if (host->tasks[i].running && host->tasks[i].action.kind == RESHARD_ACTION_APPEND)
            fates = host->disk || host->tasks[i].action.record_count > 1 ? 3 : 2;
    for (size_t i = 0; host->disk && i < host->disk->staging_count; i++) {
        const struct staging *staging = &host->disk->stagings[i];
        size_t loose = staging->piece_count - staging->durable_count + 1;
        fates = fates > loose ? fates : loose;
    }
    return (uint32_t)fates;
}

static bool superseded(const struct reshard_sim *sim, const struct host *host)
{
    return host->coordinator && !reshard__host_leader(sim) &&
           reshard_coordinator_leads(host->coordinator) == RESHARD_E_FENCED;
}

static bool all_up(const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++)
        if (!sim->hosts[i]->up)
            return false;
    return true;
}

/* Another coordinator's term is newer. */
static bool succeeded(const struct reshard_sim *sim, const struct host *host)
{
    return host->coordinator &&
           reshard_map_term(reshard_coordinator_map(host->coordinator), NULL) <
               reshard_map_term(sim->authority.map, NULL);
}

/* As long as a target is down its source freezes, gives up and freezes again, under an order of
 * another number each time; so it does as long as it obeys one coordinator and its target another.
 * These rounds may be limited, for there is no end of them. */
static void add_jump(const struct reshard_sim *sim, const struct search_config *config,
    struct list *list, size_t index)
{
    const uint8_t *left = sim->allowance.left;
    enum move_kind kind = MOVE_EARLY;
    if (reshard__host_deadline(sim, sim->hosts[index]) == UINT64_MAX)
        return;
    bool rounds = !all_up(sim) || succeeded(sim, sim->hosts[index]);
    if (calm(sim))
        kind = config->limits[MOVE_WAIT] && rounds ? MOVE_WAIT : MOVE_TICK;
    if (kind == MOVE_TICK || left[kind])
        add(list, kind, index, 0);
}

/* Keys that go without a client. */
static void add_losses(const struct reshard_sim *sim, struct list *list, size_t index)
{
    const struct host *host = sim->hosts[index];
    const uint8_t *left = sim->allowance.left;
    for (uint32_t key = 0; host->acting && key < sim->set.key_count; key++) {
        uint64_t value = host->disk->values[key];
        if (left[MOVE_EVICT] && value)
            add(list, MOVE_EVICT, index, key);
        if (left[MOVE_EXPIRE] && value && !reshard__value_due(sim, value))
            add(list, MOVE_EXPIRE, index, key);
    }
}

static void add_host(const struct reshard_sim *sim, const struct search_config *config,
    struct list *list, size_t index)
{
    const struct host *host = sim->hosts[index];
    if (!host->up || superseded(sim, host)) {
        add(list, MOVE_START, index, 0);
        return;
    }
    add_jump(sim, config, list, index);
    add_losses(sim, list, index);
    if (sim->allowance.left[MOVE_CRASH] && config->crashes >> index & 1)
        for (uint32_t fate = 0; fate < crash_fates(sim, host); fate++)
            add(list, MOVE_CRASH, index, fate);
}

static size_t request_count(const struct search_config *config)
{
    size_t count = 0;
    while (count < SEARCH_REQUESTS && config->requests[count].op)
        count++;
    return count;
}

static void add_requests(
    const struct reshard_sim *sim, const struct search_config *config, struct list *list)
{
    uint32_t waits = 0; /* clients whose earlier request is not begun */
    for (size_t i = 0; i < request_count(config); i++) {
        const struct search_request *request = &config->requests[i];
        bool begun = sim->allowance.begun >> i & 1;
        if (!begun && !(waits >> request->client & 1) && !sim->clients[request->client].busy)
            add(list, MOVE_BEGIN, i, 0);
        if (!begun)
            waits |= UINT32_C(1) << request->client;
    }
    for (size_t i = 0; sim->allowance.left[MOVE_MUTE] && i < sim->client_count; i++)
        if (sim->clients[i].busy)
            add(list, MOVE_MUTE, i, 0);
}

static bool open_possible(const struct reshard_sim *sim, const struct search_config *config)
{
    return reshard_map_slot_migration(sim->authority.map, SECOND_SLOT) == 0 &&
           reshard_map_slot_owner(sim->authority.map, SECOND_SLOT) == config->second.source;
}

/* A fail-over that the map does not know yet is told again. */
static bool heir_unknown(const struct reshard_sim *sim, reshard_shard_id shard)
{
    struct reshard_map_shard entry = {.struct_size = sizeof entry};
    (void)reshard_map_shard_find(sim->authority.map, shard, &entry);
    const struct host *acting = reshard__host_acting(sim, shard);
    return acting && entry.primary != acting->id;
}

static void add_failovers(
    const struct reshard_sim *sim, const struct search_config *config, struct list *list)
{
    for (uint32_t shard = 1; shard <= sim->shard_count; shard++) {
        bool more = sim->allowance.left[MOVE_FAILOVER] && config->heirs[shard];
        if (heir_unknown(sim, shard) ? calm(sim) : more)
            add(list, MOVE_FAILOVER, 0, shard);
    }
}

static void add_operators(
    const struct reshard_sim *sim, const struct search_config *config, struct list *list)
{
    const uint8_t *left = sim->allowance.left;
    if (left[MOVE_COORDINATOR])
        add(list, MOVE_COORDINATOR, 0, 0);
    if (!reshard__host_leader(sim))
        return;
    for (size_t i = 0; i < sim->moving_count; i++) {
        if (left[MOVE_ABORT] && !sim->movings[i].decision)
            add(list, MOVE_ABORT, i, 0);
        if (left[MOVE_FINISH] && !sim->movings[i].closed)
            add(list, MOVE_FINISH, i, 0);
    }
    if (left[MOVE_OPEN] && open_possible(sim, config))
        add(list, MOVE_OPEN, 0, 0);
    add_failovers(sim, config, list);
}

size_t reshard__search_moves(
    const struct reshard_sim *sim, const struct search_config *config, struct move *moves)
{
    struct list list = {.moves = moves};
    add_happenings(sim, config, &list);
    for (size_t i = 0; i < sim->host_count; i++)
        add_host(sim, config, &list, i);
    add_requests(sim, config, &list);
    add_operators(sim, config, &list);
    return list.count;
}

/* ---- making it happen ---- */

typedef void (*act)(
    struct reshard_sim *sim, const struct search_config *config, struct move move);

static void do_take(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    if (sim->heap[move.index].kind == EVENT_MESSAGE)
        reshard__packet_name(sim, "", sim->heap[move.index].data);
    reshard__sim_happen(sim, move.index);
}

/* Planned when the other has arrived: what is planned moves others in the heap. */
static void do_repeat(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    const struct packet *packet = sim->heap[move.index].data;
    struct packet *twin = reshard__sim_resize(NULL, 1, sizeof *twin);
    *twin = *packet;
    twin->repeated = true;
    twin->data = reshard__sim_resize(NULL, packet->size, 1);
    memcpy(twin->data, packet->data, packet->size);
    struct happening happening = {.kind = EVENT_MESSAGE, .host = packet->to, .data = twin};
    reshard__sim_say(sim, "this comes twice:");
    do_take(sim, config, move);
    reshard__sim_schedule(sim, &happening);
}

static void do_drop(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    struct packet *packet = sim->heap[move.index].data;
    reshard__packet_name(sim, "  dropped", packet);
    reshard__log_lost(sim, packet);
    sim->heap[move.index] = sim->heap[--sim->heap_count];
    reshard__packet_free(packet);
}

static void do_tick(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    struct host *host = sim->hosts[move.index];
    reshard__sim_say(sim, "%h waits", host->id);
    reshard__clock_jump(sim, host, SEARCH_JUMP_NS);
    reshard__host_tick(sim, host);
}

static void do_start(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    struct host *host = sim->hosts[move.index];
    reshard__host_crash(sim, host);
    reshard__sim_say(sim, "%h starts", host->id);
    reshard__host_start(sim, host);
}

static void do_crash(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    struct host *host = sim->hosts[move.index];
    reshard__sim_say(sim, "%h crashes", host->id);
    sim->choices.forced[CHOICE_TORN] = move.value;
    if (sim->set.unsynced)
        reshard__host_power(sim, host);
    else
        reshard__host_crash(sim, host);
    sim->choices.forced[CHOICE_TORN] = 0;
}

static void do_fault(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    sim->choices.forced[CHOICE_TASK] = move.value;
    reshard__sim_happen(sim, move.index);
    sim->choices.forced[CHOICE_TASK] = 0;
}

/* The request reaches its first host at once. */
static void do_begin(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    static const char *const names[] = {"?", "reads", "writes", "deletes"};
    const struct search_request *request = &config->requests[move.index];
    uint32_t keys[2] = {request->keys[0], request->keys[1]};
    sim->values_made = VALUE_FIRST + move.index;
    sim->allowance.begun |= UINT32_C(1) << move.index;
    reshard__sim_say(sim, "client %u %s k%u%s", (uint64_t)request->client, names[request->op],
        (uint64_t)keys[0], request->key_count > 1 ? " and another" : "");
    uint64_t before = sim->serial;
    reshard__client_begin(sim, request->client, request->op, keys, request->key_count);
    for (size_t i = 0; i < sim->heap_count; i++)
        if (sim->heap[i].kind == EVENT_REQUEST && sim->heap[i].serial > before) {
            reshard__sim_happen(sim, i);
            return;
        }
}

static void do_mute(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    reshard__client_wake(sim, move.index, sim->clients[move.index].request.attempt);
}

static void do_operate(
    struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    struct host *leader = reshard__host_leader(sim);
    reshard_migration_id migration = sim->movings[move.index].migration;
    bool aborts = move.kind == MOVE_ABORT;
    reshard__host_touch(leader);
    reshard__sim_say(sim, "the operator %s m%u", aborts ? "aborts" : "finishes", migration);
    if (aborts)
        (void)reshard_coordinator_abort(leader->coordinator, migration);
    else
        (void)reshard_coordinator_finish(leader->coordinator, migration);
    reshard__host_drain(sim, leader);
}

static void do_open(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)move;
    struct host *leader = reshard__host_leader(sim);
    struct reshard_range range = {.first = SECOND_SLOT, .last = SECOND_SLOT};
    struct reshard_migration_spec spec = {.struct_size = sizeof spec,
        .mode = config->mode,
        .source = config->second.source,
        .target = config->second.target,
        .migration_flags = config->by_hand ? RESHARD_MIGRATION_OPERATOR : 0,
        .ranges = &range,
        .range_count = 1};
    reshard__sim_say(sim, "the operator opens another migration");
    reshard__host_touch(leader);
    (void)reshard_coordinator_open(leader->coordinator, &spec, NULL);
    reshard__host_drain(sim, leader);
}

static void do_failover(
    struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    struct host *heir = reshard__host_find(sim, config->heirs[move.value]);
    if (heir_unknown(sim, move.value)) {
        sim->allowance.left[MOVE_FAILOVER]++; /* told again, not another one */
        heir = reshard__host_acting(sim, move.value);
    }
    reshard__failover(sim, move.value, heir);
}

static void do_coordinator(
    struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    (void)move;
    struct host *host = reshard__host_add(sim, SIM_COORDINATOR + 1, 0, NULL);
    reshard__sim_say(sim, "%h starts", host->id);
    reshard__host_start(sim, host);
}

/* Where it may not be removed now nothing happens. */
static void do_evict(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    size_t before = sim->history_count;
    reshard__key_expire(sim, sim->hosts[move.index], move.value, true);
    if (sim->history_count == before)
        sim->allowance.left[MOVE_EVICT]++;
}

static void do_expire(struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    (void)config;
    reshard__sim_say(sim, "the time of k%u has come", (uint64_t)move.value);
    reshard__value_dies(sim, sim->hosts[move.index]->disk->values[move.value], sim->now_ns);
}

/* Between moves any time may pass. */
static void ticks_forget(struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++)
        if (sim->hosts[i]->ticks)
            sim->hosts[i]->ticks = 0;
}

void reshard__search_move(
    struct reshard_sim *sim, const struct search_config *config, struct move move)
{
    static const act acts[MOVE_KIND_COUNT] = {
        [MOVE_TAKE] = do_take,
        [MOVE_TICK] = do_tick,
        [MOVE_START] = do_start,
        [MOVE_BEGIN] = do_begin,
        [MOVE_DROP] = do_drop,
        [MOVE_OVERTAKE] = do_take,
        [MOVE_REPEAT] = do_repeat,
        [MOVE_EARLY] = do_tick,
        [MOVE_CRASH] = do_crash,
        [MOVE_FAULT] = do_fault,
        [MOVE_MUTE] = do_mute,
        [MOVE_ABORT] = do_operate,
        [MOVE_FINISH] = do_operate,
        [MOVE_COORDINATOR] = do_coordinator,
        [MOVE_FAILOVER] = do_failover,
        [MOVE_OPEN] = do_open,
        [MOVE_EVICT] = do_evict,
        [MOVE_EXPIRE] = do_expire,
        [MOVE_WAIT] = do_tick,
    };
    uint64_t clock = sim->history_clock;
    sim->checks.served = 0;
    sim->checks.looked_serving = sim->checks.looked_held = false;
    sim->steps++;
    sim->log_ahead_ns += SIM_MILLI;
    if (move.kind >= MOVE_DROP)
        sim->allowance.left[move.kind]--;
    acts[move.kind](sim, config, move);
    reshard__search_settle(sim, config);
    ticks_forget(sim);
    if (sim->history_clock != clock && !sim->violated)
        reshard__history_check(sim);
    reshard__log_state(sim);
}

/* ---- how it begins and ends ---- */

/* Clients know who owns what; the world stands still. */
static void clients_make(struct reshard_sim *sim, const struct search_config *config)
{
    for (size_t i = 0; i < request_count(config); i++)
        while (sim->client_count <= config->requests[i].client)
            (void)reshard__client_add(sim);
    for (size_t i = 0; i < sim->client_count; i++)
        for (uint32_t slot = 0; slot < sim->set.slot_count; slot++)
            sim->clients[i].owners[slot] = reshard_map_slot_owner(sim->authority.map, slot);
}

struct reshard_sim *reshard__search_world(
    const struct search_config *config, const struct reshard_sim_search *spec,
    reshard_sim_print print, void *print_data)
{
    struct script script = {.sim = reshard__sim_make()};
    struct reshard_sim *sim = script.sim;
    sim->print = print;
    sim->print_data = print_data;
    sim->log = spec->log;
    sim->log_data = spec->log_data;
    sim->log_arrivals = true;
    sim->quiet = print == NULL && spec->log == NULL;
    sim->set.trace = spec->trace;
    sim->set.sabotage = spec->sabotage;
    sim->choices.calm = true;
    sim->now_ns = SEARCH_JUMP_NS; /* what never was is long ago, too */
    sim->log_ahead_ns = -SEARCH_JUMP_NS;
    struct text text = {0};
    reshard__search_script(config, &text);
    if (reshard__script_lines(&script, text.data, text.size) || script.bad)
        reshard__sim_violate(sim, "script", "the world cannot be built");
    reshard__sim_release(text.data);
    memcpy(sim->allowance.left, config->limits, sizeof config->limits);
    clients_make(sim, config);
    reshard__search_settle(sim, config);
    ticks_forget(sim);
    return sim;
}

static bool hosts_rest(const struct reshard_sim *sim)
{
    uint64_t version = reshard_map_version(sim->authority.map);
    for (size_t i = 0; i < sim->host_count; i++) {
        const struct host *host = sim->hosts[i];
        if (!host->up || host->task_count > 0 || host->parked_count > 0 || host->admitted_count > 0)
            return false;
        if (host->node && reshard_map_version(reshard_node_map(host->node)) != version)
            return false;
    }
    return true;
}

bool reshard__search_ended(const struct reshard_sim *sim, const struct search_config *config)
{
    if (sim->heap_count > 0 || sim->moving_count == 0 || !hosts_rest(sim) ||
        sim->allowance.begun + 1 != UINT32_C(1) << request_count(config))
        return false;
    for (size_t i = 0; i < sim->moving_count; i++)
        if (!sim->movings[i].closed)
            return false;
    for (size_t i = 0; i < sim->client_count; i++)
        if (sim->clients[i].busy)
            return false;
    return true;
}
