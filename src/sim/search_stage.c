/* SPDX-License-Identifier: MIT */
/* Room sim: the one world of a search that stands in memory. Another one is reached from an image
 * of it, or by its way from the nearest world on it of which there is one; where it is not what was
 * recalled, the search is wrong, and says so. */
#include "sim/search_stage.h"

#include <stdlib.h>

enum { HELD_MAX = 1 << 16 };

void reshard__stage_free(struct stage *stage)
{
    free(stage->held);
    free(stage->held_at);
}

void reshard__stage_keep(struct stage *stage, uint32_t state, struct image image)
{
    size_t before = stage->state_capacity, place = stage->held_count++ % HELD_MAX;
    stage->held_at = reshard__search_grow(
        stage->held_at, &stage->state_capacity, (size_t)state + 1, sizeof *stage->held_at);
    memset(stage->held_at + before, 0, (stage->state_capacity - before) * sizeof *stage->held_at);
    stage->held =
        reshard__search_grow(stage->held, &stage->held_capacity, place + 1, sizeof *stage->held);
    struct held *held = &stage->held[place];
    if (stage->held_count > HELD_MAX) {
        stage->held_at[held->state] = 0;
        reshard__arena_drop(stage->arena, &held->image);
    }
    *held = (struct held){state, image};
    stage->held_at[state] = (uint32_t)place + 1;
}

static const struct image *image_of(const struct stage *stage, uint32_t state)
{
    if (state == 0)
        return &stage->first;
    uint32_t place = state < stage->state_capacity ? stage->held_at[state] : 0;
    return place ? &stage->held[place - 1].image : NULL;
}

void reshard__stage_look(struct stage *stage)
{
    stage->move_count = reshard__search_moves(stage->sim, stage->config, stage->moves);
    for (size_t i = 0; i < stage->move_count; i++)
        stage->labels[i] = reshard__move_label(stage->sim, stage->moves[i]);
}

size_t reshard__stage_find(const struct stage *stage, const struct memo *memo, uint32_t deed)
{
    uint64_t label = memo->deeds[deed].label;
    for (size_t i = 0; i < stage->move_count; i++)
        if (stage->labels[i] == label)
            return i;
    return SIZE_MAX;
}

void reshard__stage_wrong(struct reshard_sim *sim)
{
    reshard__sim_violate(sim, "recall", "a move did elsewhere what it does not do here");
}

/* The nearest world on the way to a state of which there is an image. */
static uint32_t nearest(const struct stage *stage, const struct graph *graph, uint32_t state)
{
    while (!image_of(stage, state))
        state = graph->parents[state];
    return state;
}

/* By the next move on the way to a state. */
static void way_go(
    struct stage *stage, struct graph *graph, const struct memo *memo, uint32_t state)
{
    if (stage->sim->violated)
        return;
    reshard__stage_look(stage);
    size_t place = reshard__stage_find(stage, memo, graph->deeds[state]);
    if (place == SIZE_MAX) {
        reshard__stage_wrong(stage->sim);
        return;
    }
    graph->moves[state] = stage->moves[place];
    reshard__search_move(stage->sim, stage->config, stage->moves[place]);
}

/* From the world in memory. */
static void ways_go(
    struct stage *stage, struct graph *graph, const struct memo *memo, uint32_t from, uint32_t to)
{
    uint32_t at = from;
    while (at != to) {
        uint32_t next = to;
        while (graph->parents[next] != at)
            next = graph->parents[next];
        way_go(stage, graph, memo, next);
        at = next;
    }
}

bool reshard__stage_go(struct stage *stage, struct graph *graph, struct memo *memo, uint32_t state)
{
    if (stage->here == state)
        return true;
    uint32_t from = nearest(stage, graph, state);
    stage->here = NO_STATE;
    reshard__arena_restore(stage->arena, image_of(stage, from));
    ways_go(stage, graph, memo, from, state);
    reshard__scene_look(memo, stage->sim, &stage->scene);
    const struct reshard_digest *is = &stage->scene.outlook.view.digest;
    const struct reshard_digest *must = &reshard__state_view(graph, state)->digest;
    if (is->low != must->low || is->high != must->high)
        reshard__stage_wrong(stage->sim);
    if (stage->sim->violated)
        return false;
    if (from != state) {
        reshard__stage_keep(stage, state, reshard__arena_leave(stage->arena));
        reshard__arena_restore(stage->arena, image_of(stage, state));
    }
    reshard__stage_look(stage);
    stage->here = state;
    return true;
}

void reshard__stage_way(
    struct stage *stage, struct graph *graph, const struct memo *memo, uint32_t state)
{
    stage->here = NO_STATE;
    reshard__arena_restore(stage->arena, &stage->first);
    ways_go(stage, graph, memo, 0, state);
    reshard__arena_back(stage->arena);
}
