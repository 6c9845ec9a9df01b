/* SPDX-License-Identifier: MIT */
/* Room sim: breadth-first search. What a move does that was made somewhere under the same
 * circumstances is known (search_memo.c): worlds are numbers of their parts, and few of them ever
 * stand in memory. One that has to, since a move must be made that was not made so far, is reached
 * by its way from one of which there is an image, and must be what the numbers say. */
#include "sim/search_graph.h"
#include "sim/search_memo.h"
#include "sim/search_stage.h"

#include "base/outbox.h"
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

enum { REGION_SIZE = 1 << 20 };

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
    struct memo memo;
    const struct reshard_sim_search *spec;
    struct reshard_sim_search_report *report;
    uint64_t state_limit;
    struct stage stage;
    struct scene behind; /* where a move led */
    uint64_t verify;
    struct twin *twins;
    size_t twin_count, twin_capacity;
    uint32_t found; /* state from which the violation came */
    struct move last;
    struct reshard_sim_decision *told; /* spec->tell: the caller's; NULL = it is not told */
    uint64_t told_capacity;
};

/* Events are pulled within the move that brings them; memory.c keeps a size in front. */
struct arena *reshard__search_arena(void)
{
    return reshard__arena_make(
        REGION_SIZE, alignof(max_align_t) + RESHARD__EVENT_RING * sizeof(struct reshard_event));
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

/* ---- worlds in memory ---- */

/* The world of a state that was not left yet stands in memory, at the mark. False: on the way there
 * something broke. */
static bool world_go(struct search *search, uint32_t state)
{
    if (reshard__stage_go(&search->stage, &search->graph, &search->memo, state))
        return true;
    (void)violation_take(search, search->graph.parents[state], search->graph.moves[state]);
    reshard__arena_back(search->arena);
    return false;
}

/* Nothing that could keep a world from its end is in sight. */
static bool may_end(const struct search *search, const struct view *view)
{
    const struct catalogue *catalogue = &search->memo.catalogue;
    for (size_t i = 0; i < catalogue->lane_count; i++)
        if (view->lanes[i])
            return false;
    return facts_of(catalogue, view, PART_CLIENTS)->flags & PART_RESTS &&
           facts_of(catalogue, view, PART_AUTHORITY)->flags & PART_RESTS;
}

static void end_look(struct search *search, uint32_t state, const struct view *view)
{
    struct reshard_sim_search_report *report = search->report;
    if (!may_end(search, view) || !world_go(search, state) ||
        !reshard__search_ended(search->sim, search->config))
        return;
    search->graph.ends[state] = 1;
    report->ends++;
    digest_add(&report->ends_digest, view->digest);
    end_check(search);
    (void)violation_take(search, search->graph.parents[state], search->graph.moves[state]);
    reshard__arena_back(search->arena);
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
    search->twins = reshard__search_grow(
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
            reshard__stage_way(&search->stage, &search->graph, &search->memo, twin->state);
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

/* ---- from a state by all its moves ---- */

static struct reshard_sim_decision decision_of(struct move move)
{
    struct reshard_sim_decision decision = {.kind = move.kind, .value = move.value};
    decision.ordinal = move.index;
    return decision;
}

/* The way to this move, and with it: of a world that stands in memory all were made. */
static void path_give(struct search *search, uint32_t state, struct move last,
    struct reshard_sim_decision *decisions_out, uint64_t capacity)
{
    const struct graph *graph = &search->graph;
    uint64_t count = reshard__state_depth(graph, state) + 1;
    search->report->decision_count = count;
    if (count <= capacity)
        decisions_out[count - 1] = decision_of(last);
    for (uint64_t i = count - 1; i > 0; i--, state = graph->parents[state])
        if (i <= capacity)
            decisions_out[i - 1] = decision_of(graph->moves[state]);
}

static void edge_take(struct search *search, uint32_t state, uint32_t deed, const struct view *view,
    const struct image *image, struct move move)
{
    struct graph *graph = &search->graph;
    uint32_t to = reshard__state_known(graph, &view->digest);
    reshard__edge_add(graph, to == NO_STATE ? (uint32_t)graph->count : to);
    if (to != NO_STATE)
        return;
    to = (uint32_t)graph->count;
    reshard__state_add(graph, state, deed, view);
    graph->moves[to] = move;
    if (image)
        reshard__stage_keep(&search->stage, to, *image);
    end_look(search, to, view);
}

/* The move was made: what it did, and whether that is what it should have done. */
static void outcome_look(struct search *search, uint32_t deed, uint32_t begin, uint64_t about,
    const struct view *expected)
{
    struct scene *behind = &search->behind;
    reshard__scene_look(&search->memo, search->sim, behind);
    struct reshard_digest digest = behind->outlook.view.digest;
    struct reads reads =
        reshard__reads_end(search->sim, &search->memo, &search->stage.scene, behind, begin);
    if (expected)
        reshard__search_untouched(search->arena, search->sim, digest);
    if (expected && (expected->digest.low != digest.low || expected->digest.high != digest.high))
        reshard__stage_wrong(search->sim);
    if (!search->sim->violated)
        reshard__memo_learn(&search->memo, deed, &reads, &search->stage.scene, behind, about);
}

/* Make a move from a state; `expected`: where it must lead, if that is known. */
static void follow(
    struct search *search, uint32_t state, uint32_t deed, const struct view *expected)
{
    if (!world_go(search, state))
        return;
    size_t place = reshard__stage_find(&search->stage, &search->memo, deed);
    if (place == SIZE_MAX) {
        reshard__stage_wrong(search->sim);
        (void)violation_take(search, search->graph.parents[state], search->graph.moves[state]);
        reshard__arena_back(search->arena);
        return;
    }
    struct move move = search->stage.moves[place];
    uint32_t begin = reshard__reads_begin(search->sim, move);
    uint64_t about = reshard__move_serial(search->sim, move);
    if (search->told)
        path_give(search, state, move, search->told, search->told_capacity);
    reshard__search_move(search->sim, search->config, move);
    outcome_look(search, deed, begin, about, expected);
    const struct view *view = &search->behind.outlook.view;
    if (violation_take(search, state, move)) {
        reshard__arena_back(search->arena);
        return;
    }
    uint32_t to = reshard__state_known(&search->graph, &view->digest);
    if (to == NO_STATE) {
        struct image image = reshard__arena_leave(search->arena);
        edge_take(search, state, deed, view, &image, move);
        return;
    }
    if (expected)
        keep_twin(search, to);
    reshard__arena_back(search->arena);
    edge_take(search, state, deed, view, NULL, move);
}

/* Every so many moves that need not be made are made after all. */
static void edge_find(
    struct search *search, uint32_t state, uint32_t deed, const struct outlook *outlook)
{
    struct view view;
    bool known = reshard__memo_recall(&search->memo, outlook, deed, &view);
    uint64_t number = search->report->recalled += known;
    if (!known || (search->verify && number % search->verify == 0))
        follow(search, state, deed, known ? &view : NULL);
    else
        edge_take(search, state, deed, &view, NULL, (struct move){0});
}

/* What can happen in a state. */
static size_t deeds_find(
    struct search *search, uint32_t state, const struct outlook *outlook, uint32_t *deeds_out)
{
    size_t count = 0;
    bool followed = search->sim->followed;
    if (reshard__deeds_recall(&search->memo, outlook, followed, deeds_out, &count))
        return count;
    if (!world_go(search, state))
        return 0;
    reshard__deeds_learn(&search->memo, search->sim, outlook, search->stage.moves,
        search->stage.labels, search->stage.move_count);
    if (!reshard__deeds_recall(&search->memo, outlook, followed, deeds_out, &count) ||
        count != search->stage.move_count) {
        reshard__stage_wrong(search->sim);
        (void)violation_take(search, search->graph.parents[state], search->graph.moves[state]);
        reshard__arena_back(search->arena);
    }
    return count;
}

static void expand(struct search *search, uint32_t state)
{
    uint32_t deeds[SEARCH_MOVES_MAX];
    struct graph *graph = &search->graph;
    struct outlook outlook =
        reshard__outlook(&search->memo.catalogue, reshard__state_view(graph, state));
    reshard__edges_begin(graph, state);
    size_t count = deeds_find(search, state, &outlook, deeds);
    for (size_t i = 0; i < count && !search->report->violated; i++)
        edge_find(search, state, deeds[i], &outlook);
    reshard__edges_end(graph, state);
    reshard__views_forget(graph, state + 1);
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
        reshard__stage_way(&search->stage, graph, &search->memo, state);
        search->found = graph->parents[state];
        search->last = graph->moves[state];
    }
}

/* ---- all of it ---- */

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
    reshard__scene_look(&search->memo, search->sim, &search->stage.scene);
    reshard__arena_base(search->arena);
    reshard__memo_judged(&search->memo, &search->stage.scene.outlook.view);
    reshard__state_add(graph, NO_STATE, 0, &search->stage.scene.outlook.view);
    search->stage.first = reshard__arena_leave(search->arena);
    search->stage.here = NO_STATE;
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
    search.found = NO_STATE;
    search.told = spec->tell ? decisions_out : NULL;
    search.told_capacity = capacity;
    search.memo.sabotaged = spec->sabotage >> RESHARD_SABOTAGE_ORDER & 1;
    search.arena = reshard__search_arena();
    if (!search.arena)
        return RESHARD_E_NOMEM;
    struct arena *before = reshard__arena_use(search.arena);
    struct reshard_sim_search silent = *spec;
    silent.log = NULL;
    search.sim = reshard__search_world(search.config, &silent, NULL, NULL);
    reshard__arena_idle(search.arena, reshard__search_idle, search.sim);
    search.stage = (struct stage){.config = &config, .arena = search.arena, .sim = search.sim};
    if (!violation_take(&search, NO_STATE, (struct move){0}))
        search_run(&search);
    report_out->decision_count = 0; /* the world itself may be the violation */
    if (report_out->violated && decisions_out && search.found != NO_STATE)
        path_give(&search, search.found, search.last, decisions_out, capacity);
    report_out->states_min = mode_of(&config)->states_min;
    report_out->transitions_min = mode_of(&config)->transitions_min;
    reshard__graph_free(&search.graph);
    reshard__memo_free(&search.memo);
    reshard__stage_free(&search.stage);
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
