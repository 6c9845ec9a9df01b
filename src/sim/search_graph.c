/* SPDX-License-Identifier: MIT */
/* Room sim: the graph of a search. Worlds seen before are known by 128 bits of digest; the edges
 * are kept, so that in the end it can be told from which worlds no end is reachable. */
#include "sim/search_graph.h"

#include <stdlib.h>

enum { VIEWS_MIN = 4096 };

static void *zeroed(size_t size)
{
    void *block = calloc(size, 1);
    if (!block)
        abort();
    return block;
}

void reshard__graph_free(struct graph *graph)
{
    free(graph->parents);
    free(graph->deeds);
    free(graph->moves);
    free(graph->edge_from);
    free(graph->ends);
    free(graph->views);
    free(graph->edges);
    reshard__numbers_free(&graph->table);
}

/* ---- states ---- */

uint32_t reshard__state_known(const struct graph *graph, const struct reshard_digest *digest)
{
    return reshard__numbers_find(&graph->table, digest) - 1;
}

void reshard__state_add(
    struct graph *graph, uint32_t parent, uint32_t deed, const struct view *view)
{
    size_t state = graph->count++, count = graph->count;
    graph->parents = reshard__search_grow(
        graph->parents, &graph->parent_capacity, count, sizeof *graph->parents);
    graph->deeds =
        reshard__search_grow(graph->deeds, &graph->deed_capacity, count, sizeof *graph->deeds);
    graph->moves =
        reshard__search_grow(graph->moves, &graph->move_capacity, count, sizeof *graph->moves);
    graph->edge_from = reshard__search_grow(
        graph->edge_from, &graph->from_capacity, count + 1, sizeof *graph->edge_from);
    graph->ends =
        reshard__search_grow(graph->ends, &graph->end_capacity, count, sizeof *graph->ends);
    graph->views = reshard__search_grow(
        graph->views, &graph->view_capacity, count - graph->view_first, sizeof *graph->views);
    graph->parents[state] = parent;
    graph->deeds[state] = deed;
    graph->moves[state] = (struct move){0};
    graph->ends[state] = 0;
    graph->views[state - graph->view_first] = *view;
    reshard__numbers_add(&graph->table, &view->digest, (uint32_t)count);
}

const struct view *reshard__state_view(const struct graph *graph, uint32_t state)
{
    return &graph->views[state - graph->view_first];
}

/* Once there are as many of them as of those that are asked for. */
void reshard__views_forget(struct graph *graph, uint32_t state)
{
    size_t gone = state - graph->view_first, left = graph->count - state;
    if (gone < VIEWS_MIN || gone < left)
        return;
    memcpy(graph->views, graph->views + gone, left * sizeof *graph->views);
    graph->view_first = state;
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

void reshard__edge_add(struct graph *graph, uint32_t to)
{
    graph->edges = reshard__search_grow(
        graph->edges, &graph->edge_capacity, graph->edge_count + 1, sizeof *graph->edges);
    graph->edges[graph->edge_count++] = to;
}

void reshard__edges_end(struct graph *graph, uint32_t state)
{
    graph->edge_from[state + 1] = graph->edge_count;
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
