/* SPDX-License-Identifier: MIT */
/* Room sim: the world of a search that stands in memory. Private to search*.c. */
#ifndef RESHARD_SIM_SEARCH_STAGE_H
#define RESHARD_SIM_SEARCH_STAGE_H

#include "sim/search_graph.h"
#include "sim/search_memo.h"

/* An image of a world that stood there. */
struct held {
    uint32_t state;
    struct image image;
};

struct stage {
    const struct search_config *config;
    struct arena *arena;
    struct reshard_sim *sim;
    struct image first; /* of state 0 */
    struct held *held;  /* the last ones, round and round */
    uint32_t *held_at;  /* by state: place + 1 */
    size_t held_count, held_capacity, state_capacity;
    uint32_t here;                       /* the state at the mark; NO_STATE: another world */
    struct scene scene;                  /* the world there */
    struct move moves[SEARCH_MOVES_MAX]; /* possible there */
    uint64_t labels[SEARCH_MOVES_MAX];
    size_t move_count;
};

void reshard__stage_free(struct stage *stage);
/* Only at the mark: an image of the world of a state. */
void reshard__stage_keep(struct stage *stage, uint32_t state, struct image image);
/* The world of a state that was not left yet stands there, at the mark. False: on the way something
 * broke, and stands there as it is. */
bool reshard__stage_go(struct stage *stage, struct graph *graph, struct memo *memo, uint32_t state);
/* Every move on the way to a state is made once more, to be known as it is made. */
void reshard__stage_way(
    struct stage *stage, struct graph *graph, const struct memo *memo, uint32_t state);
/* What is possible now. */
void reshard__stage_look(struct stage *stage);
/* The place of a move in `moves`; SIZE_MAX: it is not possible. */
size_t reshard__stage_find(const struct stage *stage, const struct memo *memo, uint32_t deed);
/* A world is another one than was recalled. */
void reshard__stage_wrong(struct reshard_sim *sim);

#endif
