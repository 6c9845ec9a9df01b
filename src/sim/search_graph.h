/* SPDX-License-Identifier: MIT */
/* Room sim: worlds that a search found, and where their moves lead. Private to search*.c. */
#ifndef RESHARD_SIM_SEARCH_GRAPH_H
#define RESHARD_SIM_SEARCH_GRAPH_H

#include "sim/search_commute.h"

#define NO_STATE UINT32_MAX

/* An edge, as long as others may be like it. */
struct trail {
    struct step step;
    uint64_t before; /* another edge to the same state, + 1 */
    uint32_t from;
};

struct graph {
    /* by state, in the order in which they were found */
    uint32_t *parents;
    struct move *moves;   /* of the parent */
    struct image *images; /* until expanded */
    uint64_t *edge_from;  /* its first edge */
    uint64_t *edge_into;  /* the last edge that leads to it, + 1; 0: none does yet */
    uint8_t *ends;
    size_t count, parent_capacity, move_capacity, image_capacity, from_capacity,
        into_capacity, end_capacity;
    uint32_t *edges;
    size_t edge_count, edge_capacity;
    /* what the moves of the last edges did, from this edge on */
    struct trail *steps;
    size_t step_first, step_capacity;
    bool sabotaged; /* as if all moves commuted */
    /* open addressing; state + 1, 0 = free */
    struct reshard_digest *digests;
    uint32_t *table;
    size_t table_size;
};

/* Memory that is no world's. */
void *reshard__graph_grow(void *block, size_t *capacity, size_t count, size_t item_size);
void reshard__graph_free(struct graph *graph);
/* The state with this digest; NO_STATE when it is new: then it is numbered; or not known. */
uint32_t reshard__state_find(struct graph *graph, const struct reshard_digest *digest);
/* The state with this digest is asked for a little later. */
void reshard__state_fetch(const struct graph *graph, const struct reshard_digest *digest);
uint32_t reshard__state_known(const struct graph *graph, const struct reshard_digest *digest);
void reshard__state_add(
    struct graph *graph, uint32_t parent, struct move move, struct image image);
uint64_t reshard__state_depth(const struct graph *graph, uint32_t state);

/* Edges are added state by state, in their order. */
void reshard__edges_begin(struct graph *graph, uint32_t state);
void reshard__edge_add(
    struct graph *graph, uint32_t from, uint32_t to, const struct step *step);
void reshard__edges_end(struct graph *graph, uint32_t state);
/* Nobody asks for steps of states before this one any more. */
void reshard__steps_forget(struct graph *graph, uint32_t state);
/* Where a move leads that commutes with one that led to the state: NO_STATE, if that is not known.
 * `step` has the label, and gets the rest. */
uint32_t reshard__edge_inherit(const struct graph *graph, uint32_t state, struct step *step);
/* Marks in `ends` what leads to an end; the number of states that do not. */
uint64_t reshard__graph_dead(struct graph *graph);

#endif
