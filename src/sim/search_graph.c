/* SPDX-License-Identifier: MIT */
/* Room sim: the graph of a search. Worlds seen before are known by 128 bits of digest; the edges
 * are kept, so that in the end it can be told from which worlds no end is reachable. */
#include "sim/search_graph.h"

#include <stdlib.h>

enum { TABLE_MIN = 1 << 12 };

void *reshard__graph_grow(void *block, size_t *capacity, size_t count, size_t item_size)
{
    struct arena *arena = reshard__arena_use(NULL);
    block = reshard__sim_grow(block, capacity, count, item_size);
    (void)reshard__arena_use(arena);
    return block;
}

static void *zeroed(size_t size)
{
    void *block = malloc(size);
    if (!block)
        abort();
    return memset(block, 0, size);
}

void reshard__graph_free(struct graph *graph)
{
    free(graph->parents);
    free(graph->moves);
    free(graph->images);
    free(graph->edge_from);
    free(graph->edge_into);
    free(graph->ends);
    free(graph->edges);
    free(graph->steps);
    free(graph->digests);
    free(graph->table);
}

/* ---- the table of digests ---- */

static size_t place_of(const struct graph *graph, const struct reshard_digest *digest)
{
    size_t mask = graph->table_size - 1, place = (size_t)digest->low & mask;
    while (graph->table[place] && (graph->digests[place].low != digest->low ||
                                      graph->digests[place].high != digest->high))
        place = (place + 1) & mask;
    return place;
}

static void table_grow(struct graph *graph)
{
    struct graph old = *graph;
    graph->table_size = old.table_size ? old.table_size * 2 : TABLE_MIN;
    graph->table = zeroed(graph->table_size * sizeof *graph->table);
    graph->digests = zeroed(graph->table_size * sizeof *graph->digests);
    for (size_t i = 0; i < old.table_size; i++) {
        if (!old.table[i])
            continue;
        size_t place = place_of(graph, &old.digests[i]);
        graph->table[place] = old.table[i];
        graph->digests[place] = old.digests[i];
    }
    free(old.table);
    free(old.digests);
}

void reshard__state_fetch(const struct graph *graph, const struct reshard_digest *digest)
{
    size_t place = (size_t)digest->low & (graph->table_size - 1);
    __builtin_prefetch(&graph->table[place]);
    __builtin_prefetch(&graph->digests[place]);
}

uint32_t reshard__state_known(const struct graph *graph, const struct reshard_digest *digest)
{
    uint32_t place = graph->table[place_of(graph, digest)];
    return place ? place - 1 : NO_STATE;
}

uint32_t reshard__state_find(struct graph *graph, const struct reshard_digest *digest)
{
    if (graph->count * 3 >= graph->table_size * 2)
        table_grow(graph);
    size_t place = place_of(graph, digest);
    if (graph->table[place])
        return graph->table[place] - 1;
    graph->digests[place] = *digest;
    graph->table[place] = (uint32_t)graph->count + 1;
    return NO_STATE;
}

/* ---- states ---- */

void reshard__state_add(
    struct graph *graph, uint32_t parent, struct move move, struct image image)
{
    size_t state = graph->count++, count = graph->count;
    graph->parents = reshard__graph_grow(
        graph->parents, &graph->parent_capacity, count, sizeof *graph->parents);
    graph->moves =
        reshard__graph_grow(graph->moves, &graph->move_capacity, count, sizeof *graph->moves);
    graph->images =
        reshard__graph_grow(graph->images, &graph->image_capacity, count, sizeof *graph->images);
    graph->edge_from = reshard__graph_grow(
        graph->edge_from, &graph->from_capacity, count + 1, sizeof *graph->edge_from);
    graph->ends =
        reshard__graph_grow(graph->ends, &graph->end_capacity, count, sizeof *graph->ends);
    graph->parents[state] = parent;
    graph->moves[state] = move;
    graph->images[state] = image;
}

uint64_t reshard__state_depth(const struct graph *graph, uint32_t state)
{
    uint64_t depth = 0;
    for (; state != NO_STATE && state != 0; state = graph->parents[state])
        depth++;
    return depth;
}

/* ---- edges ---- */

void reshard__edges_begin(struct graph *graph, uint32_t state)
{
    graph->edge_from[state] = graph->edge_count;
}

void reshard__edge_add(
    struct graph *graph, uint32_t from, uint32_t to, const struct step *step)
{
    size_t count = graph->edge_count + 1, place = graph->edge_count - graph->step_first;
    graph->edges =
        reshard__graph_grow(graph->edges, &graph->edge_capacity, count, sizeof *graph->edges);
    graph->steps = reshard__graph_grow(
        graph->steps, &graph->step_capacity, place + 1, sizeof *graph->steps);
    size_t known = graph->into_capacity;
    graph->edge_into = reshard__graph_grow(
        graph->edge_into, &graph->into_capacity, (size_t)to + 1, sizeof *graph->edge_into);
    memset(graph->edge_into + known, 0, (graph->into_capacity - known) * sizeof *graph->edge_into);
    graph->edges[graph->edge_count] = to;
    graph->steps[place] = (struct trail){*step, graph->edge_into[to], from};
    graph->edge_into[to] = graph->edge_count = count;
}

void reshard__edges_end(struct graph *graph, uint32_t state)
{
    graph->edge_from[state + 1] = graph->edge_count;
}

void reshard__steps_forget(struct graph *graph, uint32_t state)
{
    size_t first = (size_t)graph->edge_from[state], count = graph->edge_count - first;
    if (count > 0)
        memmove(graph->steps, graph->steps + (first - graph->step_first),
            count * sizeof *graph->steps);
    graph->step_first = first;
}

/* The edge of this state that is about the same; UINT64_MAX: there is none, or it is forgotten. */
static uint64_t edge_alike(const struct graph *graph, uint32_t state, uint64_t label)
{
    uint64_t edge = graph->edge_from[state], end = graph->edge_from[state + 1];
    if (edge < graph->step_first)
        return UINT64_MAX;
    while (edge < end && graph->steps[edge - graph->step_first].step.label != label)
        edge++;
    return edge < end ? edge : UINT64_MAX;
}

/* One more move led to the state at hand, and the other one could happen before it, too: what that
 * led to was left by all its moves. */
static uint32_t square_close(
    const struct graph *graph, uint32_t state, uint64_t into, struct step *step)
{
    const struct trail *one = &graph->steps[into - graph->step_first];
    if (one->from >= state)
        return NO_STATE;
    uint64_t other = edge_alike(graph, one->from, step->label);
    if (other == UINT64_MAX || graph->edges[other] >= state)
        return NO_STATE;
    const struct trail *two = &graph->steps[other - graph->step_first];
    if (!graph->sabotaged && !reshard__steps_commute(&one->step, &two->step))
        return NO_STATE;
    uint64_t edge = edge_alike(graph, graph->edges[other], one->step.label);
    if (edge == UINT64_MAX)
        return NO_STATE;
    *step = two->step;
    return graph->edges[edge];
}

uint32_t reshard__edge_inherit(const struct graph *graph, uint32_t state, struct step *step)
{
    uint64_t into = state < graph->into_capacity ? graph->edge_into[state] : 0;
    uint32_t to = NO_STATE;
    while (into > graph->step_first && to == NO_STATE) {
        to = square_close(graph, state, into - 1, step);
        into = graph->steps[into - 1 - graph->step_first].before;
    }
    return to;
}

/* ---- from every state an end is reachable ---- */

/* Edges turned round: those into a state stand from into[state] on. */
struct reverse {
    uint64_t *into;
    uint32_t *from;
};

static struct reverse reverse_make(const struct graph *graph)
{
    struct reverse reverse;
    reverse.into = zeroed((graph->count + 2) * sizeof *reverse.into);
    reverse.from = malloc((graph->edge_count + 1) * sizeof *reverse.from);
    if (!reverse.into || !reverse.from)
        abort();
    for (size_t i = 0; i < graph->edge_count; i++)
        reverse.into[graph->edges[i] + 2]++;
    for (size_t i = 2; i < graph->count + 2; i++)
        reverse.into[i] += reverse.into[i - 1];
    for (uint32_t state = 0; state < graph->count; state++)
        for (uint64_t i = graph->edge_from[state]; i < graph->edge_from[state + 1]; i++)
            reverse.from[reverse.into[graph->edges[i] + 1]++] = state;
    return reverse;
}

uint64_t reshard__graph_dead(struct graph *graph)
{
    struct reverse reverse = reverse_make(graph);
    uint32_t *queue = malloc((graph->count + 1) * sizeof *queue);
    size_t head = 0, tail = 0;
    if (!queue)
        abort();
    for (uint32_t state = 0; state < graph->count; state++)
        if (graph->ends[state])
            queue[tail++] = state;
    while (head < tail) {
        uint32_t state = queue[head++];
        for (uint64_t i = reverse.into[state]; i < reverse.into[state + 1]; i++) {
            uint32_t before = reverse.from[i];
            if (!graph->ends[before]) {
                graph->ends[before] = 1;
                queue[tail++] = before;
            }
        }
    }
    free(queue);
    free(reverse.into);
    free(reverse.from);
    return graph->count - tail;
}
