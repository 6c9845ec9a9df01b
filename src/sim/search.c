/* SPDX-License-Identifier: MIT */
/* Room sim: breadth-first search. A world is put back from its image for every move that it allows
 * and that is not known to lead where another order of the same moves led (search_commute.c): a
 * world that is new is one that was made. */
#include "sim/search_graph.h"

#include "base/outbox.h"
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

enum { REGION_SIZE = 1 << 20, BASE_LAYERS = 8 };

/* A world that was met again. */
struct twin {
    uint32_t state;
    struct image image;
};

struct search {
    const struct search_config *config;
    struct arena *arena;
    struct reshard_sim *sim;
    struct graph graph;
    const struct reshard_sim_search *spec;
    struct reshard_sim_search_report *report;
    uint64_t state_limit;
    uint32_t depth, layer, layer_end; /* of the world at hand; the first ones there, and deeper */
    struct scene scene, behind;       /* from which a move is made, and where it led */
    uint64_t verify, met; /* every so many worlds that are met again */
    struct twin *twins;
    size_t twin_count, twin_capacity;
    uint32_t found; /* state from which the violation came */
    struct move last;
};

/* Events are pulled within the move that brings them; memory.c keeps a size in front. */
struct arena *reshard__search_arena(void)
{
    return reshard__arena_make(REGION_SIZE,
        alignof(max_align_t) + RESHARD__EVENT_RING * sizeof(struct reshard_event));
}

/* ---- the search ---- */

/* Whether the last move, made in this state, broke an invariant. */
static bool violation_take(struct search *search, uint32_t state, struct move move)
{
    const struct reshard_sim *sim = search->sim;
    if (!sim->violated)
        return false;
    search->report->violated = 1;
    memcpy(search->report->checker, sim->violation, sizeof sim->violation);
    search->found = state;
    search->last = move;
    return true;
}

/* At an end every key is read where it lies: what clients saw must explain that too. */
static void end_check(struct search *search)
{
    struct reshard_sim *sim = search->sim;
    for (uint32_t key = 0; key < sim->set.key_count; key++) {
        reshard_shard_id owner =
            reshard_map_slot_owner(sim->authority.map, reshard__key_slot(sim, key));
        const struct host *host = reshard__host_acting(sim, owner);
        if (!host)
            continue;
        size_t index = reshard__history_begin(sim, 0, RESHARD_OP_READ, key, 0);
        reshard__history_end(sim, index, host->disk->values[key]);
    }
    reshard__history_check(sim);
}

static void end_note(struct search *search, uint32_t state, struct move move)
{
    struct graph *graph = &search->graph;
    graph->ends[graph->count - 1] = 1;
    search->report->ends++;
    reshard__arena_restore(search->arena, &graph->images[graph->count - 1]);
    end_check(search);
    (void)violation_take(search, state, move);
    reshard__arena_back(search->arena);
    reshard__arena_restore(search->arena, &graph->images[state]);
}

/* ---- a world that is met again leads where it led before ---- */

static int compare_states(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
    return (one > two) - (one < two);
}

static size_t sorted_unique(uint32_t *states, size_t count)
{
    size_t kept = 0;
    if (count == 0)
        return 0;
    qsort(states, count, sizeof *states, compare_states);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || states[kept - 1] != states[i])
            states[kept++] = states[i];
    return kept;
}

/* States that a world leads to; NO_STATE where it is none that is known. */
static size_t successors(struct search *search, const struct image *image, uint32_t *states)
{
    struct move moves[SEARCH_MOVES_MAX];
    const struct graph *graph = &search->graph;
    reshard__arena_restore(search->arena, image);
    size_t count = reshard__search_moves(search->sim, search->config, moves);
    for (size_t i = 0; i < count; i++) {
        reshard__search_move(search->sim, search->config, moves[i]);
        struct reshard_digest digest = reshard__search_digest(search->sim);
        states[i] = search->sim->violated ? NO_STATE : reshard__state_known(graph, &digest);
        reshard__arena_back(search->arena);
    }
    return sorted_unique(states, count);
}

static void keep_twin(struct search *search, uint32_t state)
{
    if (!search->verify || ++search->met % search->verify)
        return;
    search->twins = reshard__graph_grow(
        search->twins, &search->twin_capacity, search->twin_count + 1, sizeof *search->twins);
    search->twins[search->twin_count].state = state;
    search->twins[search->twin_count++].image = reshard__arena_save(search->arena);
}

/* A digest that leaves out what the future depends on would show here. */
static bool twin_leads(struct search *search, const struct twin *twin)
{
    uint32_t now[SEARCH_MOVES_MAX] = {0}, before[SEARCH_MOVES_MAX] = {0};
    const struct graph *graph = &search->graph;
    size_t count = successors(search, &twin->image, now);
    size_t old = (size_t)(graph->edge_from[twin->state + 1] - graph->edge_from[twin->state]);
    memcpy(before, graph->edges + graph->edge_from[twin->state], old * sizeof *before);
    old = sorted_unique(before, old);
    return old == count && memcmp(now, before, count * sizeof *now) == 0;
}

static void twins_check(struct search *search)
{
    struct reshard_sim_search_report *report = search->report;
    for (size_t i = 0; i < search->twin_count; i++) {
        struct twin *twin = &search->twins[i];
        if (report->closed && !report->violated && !twin_leads(search, twin)) {
            report->violated = 1;
            memcpy(report->checker, "digest", sizeof "digest");
            search->found = search->graph.parents[twin->state];
            search->last = search->graph.moves[twin->state];
        }
        report->verified++;
    }
}

static void twins_free(struct search *search)
{
    for (size_t i = 0; i < search->twin_count; i++)
        reshard__arena_drop(search->arena, &search->twins[i].image);
    free(search->twins);
    search->twins = NULL;
    search->twin_count = search->twin_capacity = 0;
}

void reshard__search_untouched(
    const struct arena *arena, struct reshard_sim *sim, struct reshard_digest digest)
{
    bool whole = reshard__arena_whole(arena);
    for (uint32_t region = 0; region < ARENA_REGIONS; region++)
        reshard__arena_touch(region);
    struct reshard_digest anew = reshard__search_digest(sim);
    if (!whole || anew.low != digest.low || anew.high != digest.high)
        reshard__sim_violate(sim, "touch", "a move wrote where it did not say so");
}

static void found(struct search *search, uint32_t state, struct move move,
    struct reshard_digest digest)
{
    bool ended = reshard__search_ended(search->sim, search->config);
    reshard__state_add(&search->graph, state, move, reshard__arena_leave(search->arena));
    if (!ended)
        return;
    search->report->ends_digest.low += digest.low;
    search->report->ends_digest.high += digest.high;
    end_note(search, state, move);
}

/* Whether the way is another one than that of the same moves in another order. */
static void order_check(struct search *search, uint32_t to, uint32_t inherited)
{
    if (inherited != NO_STATE && inherited != to)
        reshard__sim_violate(
            search->sim, "commute", "in another order the same moves lead elsewhere");
}

/* Make one move from the state at the mark; `inherited`: where it must lead, if that is known. */
static void follow(
    struct search *search, uint32_t state, struct move move, struct step *step, uint32_t inherited)
{
    struct graph *graph = &search->graph;
    struct scene *behind = &search->behind;
    reshard__search_move(search->sim, search->config, move);
    reshard__search_parts(search->sim, &behind->parts);
    struct reshard_digest digest = reshard__parts_digest(search->sim, &behind->parts);
    reshard__state_fetch(graph, &digest);
    reshard__step_end(search->sim, &search->scene, behind, step);
    if (search->verify && graph->edge_count % search->verify == 0)
        reshard__search_untouched(search->arena, search->sim, digest);
    uint32_t to = reshard__state_find(graph, &digest);
    order_check(search, to, inherited);
    if (violation_take(search, state, move)) {
        reshard__arena_back(search->arena);
        return;
    }
    reshard__edge_add(graph, state, to == NO_STATE ? (uint32_t)graph->count : to, step);
    if (to == NO_STATE) {
        found(search, state, move, digest);
        return;
    }
    keep_twin(search, to);
    reshard__arena_back(search->arena);
}

/* Every so many edges that are inherited are looked at, too. */
static void edge_find(struct search *search, uint32_t state, struct move move)
{
    struct step step = reshard__step_begin(search->sim, move);
    uint32_t to = reshard__edge_inherit(&search->graph, state, &step);
    uint64_t number = search->report->inherited += to != NO_STATE;
    if (to == NO_STATE || (search->verify && number % search->verify == 0))
        follow(search, state, move, &step, to);
    else
        reshard__edge_add(&search->graph, state, to, &step);
}

/* Every few moves further the worlds differ less from one of their own than from the first. */
static void layer_begin(struct search *search, uint32_t state)
{
    if (state < search->layer_end)
        return;
    reshard__steps_forget(&search->graph, search->layer);
    search->layer = state;
    search->layer_end = (uint32_t)search->graph.count;
    if (++search->depth % BASE_LAYERS == 0)
        reshard__arena_base(search->arena);
}

static void expand(struct search *search, uint32_t state)
{
    struct move moves[SEARCH_MOVES_MAX];
    struct graph *graph = &search->graph;
    reshard__arena_restore(search->arena, &graph->images[state]);
    reshard__edges_begin(graph, state);
    layer_begin(search, state);
    size_t count = reshard__search_moves(search->sim, search->config, moves);
    reshard__scene_look(search->sim, &search->scene);
    for (size_t i = 0; i < count && !search->report->violated; i++)
        edge_find(search, state, moves[i]);
    reshard__edges_end(graph, state);
    reshard__arena_drop(search->arena, &graph->images[state]);
}

static void dead_find(struct search *search)
{
    struct graph *graph = &search->graph;
    struct reshard_sim_search_report *report = search->report;
    report->dead = reshard__graph_dead(graph);
    for (uint32_t state = 0; state < graph->count && report->dead && !report->violated; state++) {
        if (graph->ends[state])
            continue;
        report->violated = 1;
        memcpy(report->checker, "stuck", sizeof "stuck");
        search->found = graph->parents[state];
        search->last = graph->moves[state];
    }
}

/* ---- how it was found ---- */

static struct reshard_sim_decision decision_of(struct move move)
{
    struct reshard_sim_decision decision = {.kind = move.kind, .value = move.value};
    decision.ordinal = move.index;
    return decision;
}

static void path_give(
    struct search *search, struct reshard_sim_decision *decisions_out, uint64_t capacity)
{
    const struct graph *graph = &search->graph;
    uint32_t state = search->found;
    if (state == NO_STATE)
        return; /* the world itself is the violation */
    uint64_t count = reshard__state_depth(graph, state) + 1;
    search->report->decision_count = count;
    if (count <= capacity)
        decisions_out[count - 1] = decision_of(search->last);
    for (uint64_t i = count - 1; i > 0; i--, state = graph->parents[state])
        if (i <= capacity)
            decisions_out[i - 1] = decision_of(graph->moves[state]);
}

static const struct search_mode *mode_of(const struct search_config *config)
{
    return &config->modes[config->mode];
}

static void progress_tell(const struct search *search, uint64_t done)
{
    const struct reshard_sim_search *spec = search->spec;
    if (spec->progress && done % 1024 == 1)
        spec->progress(
            spec->progress_data, done, search->graph.count, mode_of(search->config)->states_min);
}

static void search_run(struct search *search)
{
    struct graph *graph = &search->graph;
    struct reshard_sim_search_report *report = search->report;
    struct reshard_digest digest = reshard__search_digest(search->sim);
    (void)reshard__state_find(graph, &digest);
    reshard__arena_base(search->arena);
    reshard__state_add(
        graph, NO_STATE, (struct move){0}, reshard__arena_leave(search->arena));
    search->found = NO_STATE;
    uint32_t state = 0;
    for (; state < graph->count && !report->violated; state++) {
        if (search->state_limit && graph->count > search->state_limit)
            break;
        expand(search, state);
        progress_tell(search, state);
    }
    report->closed = state == graph->count;
    report->states = graph->count;
    report->transitions = graph->edge_count;
    report->depth = reshard__state_depth(graph, (uint32_t)graph->count - 1);
    twins_check(search);
    twins_free(search);
    if (report->closed && !report->violated)
        dead_find(search);
}

/* ---- public ---- */

static bool config_find(const char *name, struct search_config *config_out)
{
    for (uint32_t i = 0; reshard__search_config(i, config_out); i++)
        if (strcmp(mode_of(config_out)->name, name) == 0)
            return true;
    return false;
}

const char *reshard_sim_search_name(uint32_t index)
{
    struct search_config config;
    return reshard__search_config(index, &config) ? mode_of(&config)->name : NULL;
}

void reshard_sim_search_init(struct reshard_sim_search *search)
{
    if (!search)
        return;
    memset(search, 0, sizeof *search);
    search->struct_size = sizeof *search;
}

void reshard_sim_search_report_init(struct reshard_sim_search_report *report)
{
    if (!report)
        return;
    memset(report, 0, sizeof *report);
    report->struct_size = sizeof *report;
}

static int32_t spec_check(const struct reshard_sim_search *spec,
    const struct reshard_sim_search_report *report, struct search_config *config_out)
{
    if (!spec || !spec->name || !report || (spec->decision_count && !spec->decisions))
        return RESHARD_E_NULL;
    if (spec->struct_size != sizeof *spec || report->struct_size != sizeof *report)
        return RESHARD_E_STRUCT_SIZE;
    if (!config_find(spec->name, config_out))
        return RESHARD_E_ARGUMENT;
    config_out->slow |= spec->idle ? SLOW_IDLE : 0;
    return RESHARD_OK;
}

int32_t reshard_sim_search_run(const struct reshard_sim_search *spec,
    struct reshard_sim_decision *decisions_out, uint64_t capacity,
    struct reshard_sim_search_report *report_out)
{
    struct search_config config;
    int32_t status = spec_check(spec, report_out, &config);
    if (status)
        return status;
    struct search search = {.config = &config, .state_limit = spec->state_limit};
    search.verify = spec->verify;
    search.spec = spec;
    reshard_sim_search_report_init(report_out);
    search.report = report_out;
    search.graph.sabotaged = spec->sabotage >> RESHARD_SABOTAGE_ORDER & 1;
    search.arena = reshard__search_arena();
    if (!search.arena)
        return RESHARD_E_NOMEM;
    struct arena *before = reshard__arena_use(search.arena);
    struct reshard_sim_search silent = *spec;
    silent.log = NULL;
    search.sim = reshard__search_world(search.config, &silent, NULL, NULL);
    reshard__arena_idle(search.arena, reshard__search_idle, search.sim);
    if (!violation_take(&search, NO_STATE, (struct move){0}))
        search_run(&search);
    if (report_out->violated && decisions_out && search.graph.count > 0)
        path_give(&search, decisions_out, capacity);
    report_out->states_min = mode_of(&config)->states_min;
    report_out->transitions_min = mode_of(&config)->transitions_min;
    reshard__graph_free(&search.graph);
    (void)reshard__arena_use(before);
    reshard__arena_free(search.arena);
    return RESHARD_OK;
}

/* False: this is not possible here. */
static bool decision_follow(struct reshard_sim *sim, const struct search_config *config,
    const struct reshard_sim_decision *decision)
{
    struct move moves[SEARCH_MOVES_MAX];
    size_t count = reshard__search_moves(sim, config, moves);
    for (size_t m = 0; m < count; m++) {
        if (moves[m].kind != decision->kind || moves[m].value != decision->value ||
            moves[m].index != decision->ordinal)
            continue;
        reshard__search_move(sim, config, moves[m]);
        return true;
    }
    return false;
}

int32_t reshard_sim_search_replay(const struct reshard_sim_search *spec, reshard_sim_print print,
    void *print_data, struct reshard_sim_search_report *report_out)
{
    struct search_config config;
    int32_t status = spec_check(spec, report_out, &config);
    if (status)
        return status;
    struct reshard_sim *sim = reshard__search_world(&config, spec, print, print_data);
    reshard_sim_search_report_init(report_out);
    for (uint64_t i = 0; i < spec->decision_count && !sim->violated && !status; i++) {
        if (!decision_follow(sim, &config, &spec->decisions[i]))
            status = RESHARD_E_ARGUMENT;
        report_out->depth++;
    }
    report_out->violated = sim->violated;
    memcpy(report_out->checker, sim->violation, sizeof sim->violation);
    reshard__log_end(sim, status != RESHARD_OK);
    reshard__sim_free(sim);
    return status;
}
