/* SPDX-License-Identifier: MIT */
/* Room sim: random runs. The seed chooses sizes, load and which faults come how often; then the
 * faults stop, and everything must end. */
#include "sim/script.h"

enum { CHAOS_MS = 300, CALM_MS = 10000, OPERATIONS = 120, NODES = 3 };

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
    set->huge_size = pick(state, 0, 2) ? 0 : pick(state, 3000, 40000);
    set->attempt_limit = pick(state, 2, 16);
    set->readonly = pick(state, 0, 1);
    set->lazy = pick(state, 0, 1);
    set->unsynced = pick(state, 0, 1);
    set->lease_ns = pick(state, 1, 8) * SIM_MILLI;
    set->resync_ns = pick(state, 0, 4) * SIM_MILLI;
}

/* In a third of all seeds ends of migrations wait for what comes next; in half of those what
 * settles a side does, too. What a host's own store calls its keys only it knows: nobody names them
 * by hand. */
static void gather_choose(struct reshard_sim *sim, uint64_t seed)
{
    uint64_t state = ~seed;
    if (pick(&state, 0, 2) || sim->store)
        return;
    sim->set.gather_ns = pick(&state, 1, 20) * SIM_MILLI;
    if (pick(&state, 0, 1))
        sim->set.settle_ns = pick(&state, 1, 20) * SIM_MILLI;
}

static void faults_choose(struct reshard_sim *sim, uint64_t *state)
{
    uint32_t *weights = sim->choices.parts_per_million;
    weights[CHOICE_MESSAGE] = weight(state, 20000, 150000);
    weights[CHOICE_DELAY] = weight(state, 50000, 400000);
    weights[CHOICE_TASK] = weight(state, 10000, 60000);
    weights[CHOICE_CRASH] = weight(state, 3000, 15000);
    weights[CHOICE_TORN] = 500000;
    weights[CHOICE_OPERATOR] = weight(state, 3000, 15000);
    weights[CHOICE_LINK] = weight(state, 5000, 30000);
    weights[CHOICE_DISK] = weight(state, 100000, 500000);
    weights[CHOICE_DATA] = weight(state, 5000, 30000);
}

static const char *const replicas[][2] = {{"replica n4 of s1\n", "replica n4 of s1 follows\n"},
    {"replica n5 of s2\n", "replica n5 of s2 follows\n"}};

static void say(struct script *script, const char *line)
{
    if (!script->bad && !script->failed)
        (void)reshard__script_lines(script, line, strlen(line));
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value < limit ? value : limit;
}

/* The last that is not left out, and one. */
static uint32_t operation_count(const uint64_t *skipped)
{
    uint32_t count = OPERATIONS;
    while (count > 0 && skipped[(count - 1) / 64] >> (count - 1) % 64 & 1)
        count--;
    return count;
}

/* A client without operations is drawn all the same: the others stay what they are. */
static void clients_start(
    struct reshard_sim *sim, const struct reshard_sim_swarm *swarm, uint64_t *state)
{
    for (uint32_t i = 0; i < RESHARD_SIM_CLIENTS; i++) {
        struct client *client = reshard__client_add(sim);
        client->period_ns = pick(state, 100, 3000) * SIM_MICRO;
        client->skipped = swarm->skipped[i];
        client->left = operation_count(client->skipped);
        client->last_key = sim->set.key_count - 1;
        client->read_percent = pick(state, 20, 60);
        client->remove_percent = pick(state, 5, 30);
        client->multi_percent = pick(state, 0, 1) ? 0 : 15;
        if (swarm->focus)
            client->multi_percent = 25;
        client->expire_percent = pick(state, 0, 1) ? 0 : 20;
        if (client->left > 0)
            reshard__client_wake(sim, (uint32_t)sim->client_count - 1, 0);
    }
}

/* Whether the map names those that lead: a fail-over told to a deposed coordinator is lost. */
static bool leaders_known(const struct reshard_sim *sim)
{
    for (uint32_t shard = 1; shard <= sim->shard_count; shard++) {
        struct reshard_map_shard entry = {.struct_size = sizeof entry};
        (void)reshard_map_shard_find(sim->authority.map, shard, &entry);
        if (entry.primary != reshard__host_acting(sim, shard)->id)
            return false;
    }
    return true;
}

/* Whether some node that was deposed does not know it yet. */
static bool fenced(const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++)
        if (sim->hosts[i]->fenced)
            return true;
    return false;
}

static bool quiet(const struct reshard_sim *sim)
{
    if (!leaders_known(sim) || fenced(sim))
        return false;
    for (size_t i = 0; i < sim->client_count; i++)
        if (sim->clients[i].busy || sim->clients[i].left > 0)
            return false;
    return reshard_map_migration_count(sim->authority.map) == 0;
}

static void stuck(struct reshard_sim *sim)
{
    uint64_t open = reshard_map_migration_count(sim->authority.map);
    for (size_t i = 0; i < sim->host_count; i++)
        if (sim->hosts[i]->fenced)
            reshard__sim_violate(sim, "stuck", "%h does not hear who leads", sim->hosts[i]->id);
    for (size_t i = 0; i < sim->client_count; i++) {
        const struct client *client = &sim->clients[i];
        if (client->busy || client->left)
            reshard__sim_violate(sim, "stuck",
                "%u migrations, client %u %s k%u at %h, %u to come", open, (uint64_t)i + 1,
                client->busy ? "waits for" : "had", (uint64_t)client->request.keys[0],
                client->host, client->left);
    }
    reshard__sim_violate(sim, "stuck", "%u migrations", open);
}

static bool step(struct reshard_sim *sim, const struct reshard_sim_swarm *swarm)
{
    reshard__sim_figures(sim, sim->choices.report);
    return sim->steps < swarm->step_limit && reshard__sim_step(sim);
}

/* Nothing breaks any more: all must come to an end within the bound. */
static void calm(struct script *script, const struct reshard_sim_swarm *swarm)
{
    struct reshard_sim *sim = script->sim;
    memset(sim->choices.parts_per_million, 0, sizeof sim->choices.parts_per_million);
    sim->choices.calm = true;
    reshard__sim_say(sim, "the faults stop");
    uint64_t end_ns = sim->now_ns + at_most(CALM_MS, swarm->calm_limit_ms) * SIM_MILLI;
    uint64_t next_ns = sim->now_ns + 100 * SIM_MILLI;
    reshard__chaos_heal(sim); /* once at least: what died last may be all that is left to do */
    while (!quiet(sim)) {
        if (sim->now_ns >= next_ns) {
            next_ns = sim->now_ns + 100 * SIM_MILLI;
            reshard__chaos_heal(sim);
        }
        reshard__hands_work(sim);
        if (sim->now_ns > end_ns)
            stuck(sim);
        if (!step(sim, swarm))
            return;
    }
    say(script, "expect intact\n");
    if (script->failed)
        reshard__sim_violate(sim, "stuck", "a request is not answered");
}

/* One half follow live, the others begin from the primary's disk when they are promoted. */
static void cluster_start(
    struct script *script, const struct reshard_sim_swarm *swarm, uint64_t *state)
{
    bool fewer = swarm->node_limit < NODES;
    say(script, fewer ? "nodes 2\n" : "nodes 3\n");
    for (uint32_t i = 0; i < sizeof replicas / sizeof *replicas; i++) {
        bool follows = pick(state, 0, 1) && !swarm->store;
        if (i < swarm->replica_limit)
            say(script, replicas[i][follows]);
    }
    say(script, "start\n");
    struct text load = {0};
    reshard__text_string(&load, "load ");
    reshard__text_number(&load, (script->sim->set.key_count * 3 + 3) / 4);
    reshard__text_string(&load, "\n");
    (void)reshard__script_lines(script, load.data, load.size);
    reshard__sim_release(load.data);
}

/* One host is a version ahead of the others, or one is behind. */
static void versions_choose(struct reshard_sim *sim, uint64_t *state)
{
    uint32_t fate = pick(state, 0, 7);
    size_t one = pick(state, 0, (uint32_t)sim->host_count - 1);
    for (size_t i = 0; i < sim->host_count && fate < 3; i++)
        sim->hosts[i]->speaks = (i == one) == (fate < 2) ? 2 : 1;
}

static void swarm_play(struct script *script, const struct reshard_sim_swarm *swarm)
{
    struct reshard_sim *sim = script->sim;
    uint64_t state = swarm->seed * UINT64_C(0x9E3779B97F4A7C15) + 7;
    sizes_choose(sim, &state);
    gather_choose(sim, swarm->seed);
    reshard__focus_sizes(sim, swarm->focus);
    if (swarm->key_limit < sim->set.key_count)
        sim->set.key_count = swarm->key_limit ? swarm->key_limit : 1;
    sim->choices.calm = true; /* nothing strikes before there is something to be struck */
    cluster_start(script, swarm, &state);
    sim->choices.calm = false;
    faults_choose(sim, &state);
    versions_choose(sim, &state);
    sim->choices.random = !swarm->replay;
    sim->choices.state = swarm->seed;
    clients_start(sim, swarm, &state);
    reshard__chaos_move(sim, swarm->mode, reshard__sim_random(&state));
    uint64_t end_ns = sim->now_ns + at_most(CHAOS_MS, swarm->chaos_limit_ms) * SIM_MILLI;
    uint32_t usual[CHOICE_COUNT];
    memcpy(usual, sim->choices.parts_per_million, sizeof usual);
    while (sim->now_ns < end_ns && !script->failed && step(sim, swarm)) {
        reshard__focus(sim, swarm->focus, usual);
        reshard__chaos_step(sim, swarm->mode);
    }
    if (!sim->violated)
        calm(script, swarm);
}

void reshard_sim_swarm_init(struct reshard_sim_swarm *swarm)
{
    if (!swarm)
        return;
    memset(swarm, 0, sizeof *swarm);
    swarm->struct_size = sizeof *swarm;
    swarm->key_limit = swarm->node_limit = UINT32_MAX;
    swarm->step_limit = UINT64_MAX;
    swarm->replica_limit = swarm->chaos_limit_ms = swarm->calm_limit_ms = UINT32_MAX;
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

/* The report and the decisions are the caller's from the first step on. */
static void tell_to(struct reshard_sim *sim, struct reshard_sim_decision *decisions_out,
    uint64_t capacity, struct reshard_sim_report *report_out)
{
    struct choices *choices = &sim->choices;
    choices->told = decisions_out;
    choices->told_capacity = decisions_out ? capacity : 0;
    choices->report = report_out;
    for (size_t i = 0; i < choices->decision_count && i < choices->told_capacity; i++)
        decisions_out[i] = choices->decisions[i];
}

int32_t reshard_sim_swarm_run(const struct reshard_sim_swarm *swarm, reshard_sim_print print,
    void *print_data, struct reshard_sim_decision *decisions_out, uint64_t capacity,
    struct reshard_sim_report *report_out)
{
    if (!swarm || !report_out || (swarm->decision_count && !swarm->decisions))
        return RESHARD_E_NULL;
    if (swarm->struct_size != sizeof *swarm || report_out->struct_size != sizeof *report_out)
        return RESHARD_E_STRUCT_SIZE;
    int32_t status = reshard__custom_check(swarm->store);
    if (status)
        return status;
    struct script script = {.sim = reshard__sim_make()};
    struct reshard_sim *sim = script.sim;
    sim->store = swarm->store;
    sim->print = print;
    sim->print_data = print_data;
    sim->quiet = print == NULL && swarm->log == NULL;
    sim->log = swarm->log;
    sim->log_data = swarm->log_data;
    sim->set.seed = swarm->seed;
    sim->set.unread = swarm->unread;
    sim->set.sabotage = swarm->sabotage;
    sim->set.trace = swarm->trace;
    sim->cells = swarm->cells;
    decisions_take(sim, swarm);
    reshard_sim_report_init(report_out);
    tell_to(sim, decisions_out, capacity, report_out);
    swarm_play(&script, swarm);
    reshard__sim_end(sim);
    reshard__sim_report(sim, report_out);
    report_out->failed = script.bad;
    reshard__log_end(sim, report_out->failed);
    reshard__sim_free(sim);
    return RESHARD_OK;
}
