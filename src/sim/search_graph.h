/* SPDX-License-Identifier: MIT */
/* Room sim: worlds that a search found, and where their moves lead. Private to search*.c. */
#ifndef RESHARD_SIM_SEARCH_GRAPH_H
#define RESHARD_SIM_SEARCH_GRAPH_H

#include "sim/search.h"
#include "sim/search_numbers.h"
#include "sim/search_view.h"

#define NO_STATE UINT32_MAX

struct graph {
    /* by state, in the order in which they were found */
    uint32_t *parents;
    uint32_t *deeds;     /* of the parent: which move led here */
    struct move *moves;  /* ... as it was made, if it was */
    uint64_t *edge_from; /* its first edge */
    uint8_t *ends;
    size_t count, parent_capacity, deed_capacity, move_capacity, from_capacity, end_capacity;
    struct view *views; /* from `view_first` on: the others were left by all their moves */
    size_t view_first, view_capacity;
    uint32_t *edges;
    size_t edge_count, edge_capacity;
    struct numbers table; /* state + 1 */
};

void reshard__graph_free(struct graph *graph);
/* The state with this digest; NO_STATE when there is none. */
uint32_t reshard__state_known(const struct graph *graph, const struct reshard_digest *digest);
void reshard__state_add(
    struct graph *graph, uint32_t parent, uint32_t deed, const struct view *view);
const struct view *reshard__state_view(const struct graph *graph, uint32_t state);
/* Nobody asks for views of states before this one any more. */
void reshard__views_forget(struct graph *graph, uint32_t state);
uint64_t reshard__state_depth(const struct graph *graph, uint32_t state);

/* Edges are added state by state, in their order. */
void reshard__edges_begin(struct graph *graph, uint32_t state);
void reshard__edge_add(struct graph *graph, uint32_t to);
void reshard__edges_end(struct graph *graph, uint32_t state);
/* Marks in `ends` what leads to an end; the number of states that do not. */
uint64_t reshard__graph_dead(struct graph *graph);

#endif
