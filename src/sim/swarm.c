/* SPDX-License-Identifier: MIT */
/* Room sim: random runs. The seed chooses sizes, load and which faults come how often; then the
 * faults stop, and everything must end. */
#include "sim/script.h"

#define CALM_NS (10 * SIM_SECOND)

enum { CHAOS_MS = 300, CLIENTS = 3, OPERATIONS = 120, CRASH_FATES = 24, OPERATOR_FATES = 12 };

static uint32_t pick(uint64_t *state, uint32_t low, uint32_t high)
{
    return low + (uint32_t)(reshard__sim_random(state) % (high - low + 1));
}

/* Each class of faults is off, rare or frequent. */
static uint32_t weight(uint64_t *state, uint32_t rare, uint32_t frequent)
{
    uint32_t which = pick(state, 0, 3);
    return which == 0 ? 0 : which == 3 ? frequent : rare;
}

static void sizes_choose(struct reshard_sim *sim, uint64_t *state)
{
    struct settings *set = &sim->set;
    set->slot_count = pick(state, 2, 8);
    set->key_count = set->slot_count * pick(state, 2, 6);
    set->value_size = pick(state, 0, 1) ? pick(state, 10, 60) : pick(state, 100, 900);
    set->window_size = UINT64_C(1024) * pick(state, 1, 8);
    set->tail_size = UINT64_C(1024) * pick(state, 4, 64);
    set->execute_ns = pick(state, 0, 1) ? 0 : 30 * SIM_MICRO;
    set->conflict = pick(state, 1, 2);
    set->conflict_limit = pick(state, 1, 4);
    set->bare = pick(state, 0, 3) == 0;
    set->freeze_ns = pick(state, 1, 40) * SIM_MILLI;
    set->linger_ns = pick(state, 0, 1) ? 0 : 10 * SIM_MILLI;
    set->lag_size = UINT64_C(100) * pick(state, 1, 64);
    set->timeout_ns = 300 * SIM_MILLI;
    set->copy_limit = 1000;
    set->attempt_limit = pick(state, 2, 16);
}

static void faults_choose(struct reshard_sim *sim, uint64_t *state)
{
    uint32_t *weights = sim->choices.parts_per_million;
    weights[CHOICE_MESSAGE] = weight(state, 20000, 150000);
    weights[CHOICE_DELAY] = weight(state, 50000, 400000);
    weights[CHOICE_TASK] = weight(state, 10000, 60000);
    weights[CHOICE_CRASH] = weight(state, 800, 5000);
    weights[CHOICE_TORN] = 500000;
    weights[CHOICE_OPERATOR] = weight(state, 500, 2500);
    weights[CHOICE_LINK] = weight(state, 5000, 30000);
}

static const char *const replicas[] = {"replica n4 of s1\n", "replica n5 of s2\n"};

static void say(struct script *script, const char *line)
{
    if (!script->bad && !script->failed)
        (void)reshard__script_lines(script, line, strlen(line));
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

/* Clients beyond the limit are drawn all the same: the others stay what they are. */
static void clients_start(
    struct reshard_sim *sim, const struct reshard_sim_swarm *swarm, uint64_t *state)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client *client = reshard__client_add(sim);
        client->period_ns = pick(state, 100, 3000) * SIM_MICRO;
        client->left = i < swarm->client_limit ? at_most(OPERATIONS, swarm->operation_limit) : 0;
        client->last_key = sim->set.key_count - 1;
        client->read_percent = pick(state, 20, 60);
        client->remove_percent = pick(state, 5, 30);
        client->multi_percent = pick(state, 0, 1) ? 0 : 15;
        if (client->left > 0)
            reshard__client_wake(sim, (uint32_t)sim->client_count - 1, 0);
    }
}

/* A move of some slots that a shard owns to another one; refused when they are on the move. */
static void move_ask(struct reshard_sim *sim, uint32_t mode, uint64_t random)
{
    struct host *leader = reshard__host_leader(sim);
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    struct reshard_range range;
    range.first = (uint32_t)(random % sim->set.slot_count);
    spec.source = reshard_map_slot_owner(sim->authority.map, range.first);
    range.last = range.first;
    while (range.last + 1 < sim->set.slot_count && (random >> 8 & 3) &&
           reshard_map_slot_owner(sim->authority.map, range.last + 1) == spec.source)
        range.last++;
    spec.target = 1 + (spec.source + (uint32_t)(random >> 16) % 2) % 3;
    spec.mode = mode ? mode : 1 + (uint32_t)(random >> 24) % 2;
    spec.ranges = &range;
    spec.range_count = 1;
    if (!leader || sim->heap_count == 0)
        return;
    (void)reshard_coordinator_open(leader->coordinator, &spec, NULL);
    reshard__host_drain(sim, leader);
}

static void crash(struct reshard_sim *sim, uint32_t which)
{
    struct host *host = sim->hosts[which % sim->host_count];
    if (!host->up)
        return;
    reshard__sim_say(sim, "%h is dead", host->id);
    reshard__host_crash(sim, host);
    host->down_until_ns = sim->now_ns + (1 + which / sim->host_count * 7) * SIM_MILLI;
}

static void stall(struct reshard_sim *sim, uint32_t which)
{
    struct host *host = sim->hosts[which % sim->host_count];
    if (!host->up || host->frozen)
        return;
    reshard__sim_say(sim, "%h stands still", host->id);
    host->frozen = true;
    host->down_until_ns = sim->now_ns + 30 * SIM_MILLI;
}

static void cut(struct reshard_sim *sim, uint32_t which)
{
    reshard_node_id id = sim->hosts[which % sim->host_count]->id;
    sim->cuts = reshard__sim_grow(
        sim->cuts, &sim->cut_capacity, sim->cut_count + 2, sizeof *sim->cuts);
    sim->cuts[sim->cut_count++] = (struct link_cut){id, 0};
    if (which & 1)
        sim->cuts[sim->cut_count++] = (struct link_cut){0, id};
    reshard__sim_say(sim, "%h is cut off", id);
}

static void hosts_return(struct reshard_sim *sim, bool all)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        struct host *host = sim->hosts[i];
        if (!all && sim->now_ns < host->down_until_ns)
            continue;
        host->frozen = false;
        bool superseded =
            host->coordinator && reshard_coordinator_leads(host->coordinator) == RESHARD_E_FENCED;
        if (!host->up || (superseded && all && !reshard__host_leader(sim))) {
            reshard__host_crash(sim, host);
            reshard__sim_say(sim, "%h starts again", host->id);
            reshard__host_start(sim, host);
        }
    }
}

/* Between a shard's first node and its replica, and back. */
static void failover(struct reshard_sim *sim, reshard_shard_id shard)
{
    struct host *old = reshard__host_acting(sim, shard);
    struct host *heir = reshard__host_find(sim, old->id == shard ? shard + 3 : shard);
    struct reshard_map_shard entry = {.struct_size = sizeof entry};
    (void)reshard_map_shard_find(sim->authority.map, shard, &entry);
    /* One at a time: the map knows of the last one. */
    if (!heir || !reshard__host_leader(sim) || entry.primary != old->id)
        return;
    reshard__failover(sim, shard, heir);
    old->down_until_ns = sim->now_ns + 20 * SIM_MILLI;
}

/* A fail-over whose change was lost is told again. */
static void failovers_repeat(struct reshard_sim *sim)
{
    for (uint32_t shard = 1; shard <= sim->shard_count; shard++) {
        struct reshard_map_shard entry = {.struct_size = sizeof entry};
        struct host *acting = reshard__host_acting(sim, shard);
        (void)reshard_map_shard_find(sim->authority.map, shard, &entry);
        if (entry.primary != acting->id)
            reshard__failover(sim, shard, acting);
    }
}

static void operate(struct script *script, uint32_t choice, uint32_t mode)
{
    struct reshard_sim *sim = script->sim;
    switch (choice) {
    case 1:
    case 2:
        say(script, "abort\n");
        break;
    case 3:
        say(script, "pause\n");
        break;
    case 4:
        say(script, "resume\n");
        break;
    case 5:
        say(script, "finish\n");
        break;
    case 6:
        if (!reshard__host_find(sim, SIM_COORDINATOR + 1))
            say(script, "coordinator c2\n");
        break;
    case 7:
    case 8:
        failover(sim, choice - 6);
        break;
    default:
        move_ask(sim, mode, sim->values_made * 2654435761u + choice);
        break;
    }
}

static void chaos_step(struct script *script, uint32_t mode)
{
    struct reshard_sim *sim = script->sim;
    uint32_t fate = reshard__choose(sim, CHOICE_CRASH, CRASH_FATES);
    if (fate > 0 && fate <= 14)
        crash(sim, fate);
    else if (fate > 14 && fate <= 18)
        stall(sim, fate);
    else if (fate > 18 && fate <= 21)
        cut(sim, fate);
    else if (fate > 21)
        sim->cut_count = 0;
    operate(script, reshard__choose(sim, CHOICE_OPERATOR, OPERATOR_FATES), mode);
    hosts_return(sim, false);
}

static bool quiet(const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->client_count; i++)
        if (sim->clients[i].busy || sim->clients[i].left > 0)
            return false;
    return reshard_map_migration_count(sim->authority.map) == 0;
}

/* Nothing breaks any more: all must come to an end within the bound. */
static void calm(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    memset(sim->choices.parts_per_million, 0, sizeof sim->choices.parts_per_million);
    sim->choices.calm = true;
    sim->cut_count = 0;
    reshard__sim_say(sim, "the faults stop");
    hosts_return(sim, true);
    uint64_t end_ns = sim->now_ns + CALM_NS, next_ns = sim->now_ns;
    while (!quiet(sim)) {
        if (sim->now_ns >= next_ns) {
            next_ns = sim->now_ns + 100 * SIM_MILLI;
            hosts_return(sim, true);
            failovers_repeat(sim);
            for (size_t i = 0; i < sim->moving_count; i++)
                reshard__moving_resume(sim, &sim->movings[i]);
        }
        if (sim->now_ns > end_ns)
            reshard__sim_violate(sim, "stuck", "not everything ends");
        if (!reshard__sim_step(sim))
            return;
    }
    say(script, "expect intact\n");
    if (script->failed)
        reshard__sim_violate(sim, "stuck", "a request is not answered");
}

void reshard__moving_resume(struct reshard_sim *sim, const struct moving *moving)
{
    struct host *leader = reshard__host_leader(sim);
    if (!leader || moving->closed)
        return;
    (void)reshard_coordinator_pause(leader->coordinator, moving->migration, 0);
    reshard__host_drain(sim, leader);
}

static void cluster_start(struct script *script, const struct reshard_sim_swarm *swarm)
{
    say(script, "nodes 3\n");
    for (uint32_t i = 0; i < sizeof replicas / sizeof *replicas && i < swarm->replica_limit; i++)
        say(script, replicas[i]);
    say(script, "start\n");
    struct text load = {0};
    reshard__text_string(&load, "load ");
    reshard__text_number(&load, (script->sim->set.key_count * 3 + 3) / 4);
    reshard__text_string(&load, "\n");
    (void)reshard__script_lines(script, load.data, load.size);
    reshard__sim_release(load.data);
}

static void swarm_play(struct script *script, const struct reshard_sim_swarm *swarm)
{
    struct reshard_sim *sim = script->sim;
    uint64_t state = swarm->seed * UINT64_C(0x9E3779B97F4A7C15) + 7;
    sizes_choose(sim, &state);
    if (swarm->key_limit < sim->set.key_count)
        sim->set.key_count = swarm->key_limit ? swarm->key_limit : 1;
    cluster_start(script, swarm);
    faults_choose(sim, &state);
    sim->choices.random = !swarm->replay;
    sim->choices.state = swarm->seed;
    clients_start(sim, swarm, &state);
    move_ask(sim, swarm->mode, reshard__sim_random(&state));
    uint64_t end_ns = sim->now_ns + at_most(CHAOS_MS, swarm->chaos_limit_ms) * SIM_MILLI;
    while (sim->now_ns < end_ns && !script->failed && reshard__sim_step(sim))
        chaos_step(script, swarm->mode);
    if (!sim->violated)
        calm(script);
}

void reshard_sim_swarm_init(struct reshard_sim_swarm *swarm)
{
    if (!swarm)
        return;
    memset(swarm, 0, sizeof *swarm);
    swarm->struct_size = sizeof *swarm;
    swarm->client_limit = swarm->operation_limit = swarm->key_limit = UINT32_MAX;
    swarm->replica_limit = swarm->chaos_limit_ms = UINT32_MAX;
}

static void decisions_take(struct reshard_sim *sim, const struct reshard_sim_swarm *swarm)
{
    struct choices *choices = &sim->choices;
    choices->decisions = reshard__sim_grow(choices->decisions, &choices->decision_capacity,
        (size_t)swarm->decision_count, sizeof *choices->decisions);
    choices->decision_count = (size_t)swarm->decision_count;
    if (swarm->decision_count)
        memcpy(choices->decisions, swarm->decisions,
            choices->decision_count * sizeof *choices->decisions);
}

static void decisions_give(
    const struct reshard_sim *sim, struct reshard_sim_decision *decisions_out, uint64_t capacity)
{
    for (uint64_t i = 0; i < sim->choices.decision_count && i < capacity; i++)
        decisions_out[i] = sim->choices.decisions[i];
}

int32_t reshard_sim_swarm_run(const struct reshard_sim_swarm *swarm, reshard_sim_print print,
    void *print_data, struct reshard_sim_decision *decisions_out, uint64_t capacity,
    struct reshard_sim_report *report_out)
{
    if (!swarm || !report_out || (swarm->decision_count && !swarm->decisions))
        return RESHARD_E_NULL;
    if (swarm->struct_size != sizeof *swarm || report_out->struct_size != sizeof *report_out)
        return RESHARD_E_STRUCT_SIZE;
    struct script script = {.sim = reshard__sim_make()};
    struct reshard_sim *sim = script.sim;
    sim->print = print;
    sim->print_data = print_data;
    sim->quiet = print == NULL && swarm->log == NULL;
    sim->log = swarm->log;
    sim->log_data = swarm->log_data;
    sim->set.seed = swarm->seed;
    sim->set.sabotage = swarm->sabotage;
    sim->set.trace = swarm->trace;
    decisions_take(sim, swarm);
    swarm_play(&script, swarm);
    reshard__sim_end(sim);
    reshard_sim_report_init(report_out);
    reshard__sim_report(sim, report_out);
    report_out->failed = script.bad;
    decisions_give(sim, decisions_out, decisions_out ? capacity : 0);
    reshard__log_end(sim, report_out->failed);
    reshard__sim_free(sim);
    return RESHARD_OK;
}
