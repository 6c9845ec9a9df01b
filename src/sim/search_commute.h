/* SPDX-License-Identifier: MIT */
/* Room sim: what moves of a search read and write. Private to search*.c. */
#ifndef RESHARD_SIM_SEARCH_COMMUTE_H
#define RESHARD_SIM_SEARCH_COMMUTE_H

#include "sim/search.h"
#include "sim/search_parts.h"

/* Of reads and writes: a host's is its region's; clients with what they saw, and who is up. */
#define BIT_CLIENTS UINT32_C(1)
/* Likewise, of what it serves, and of what it knows (reshard__search_known). */
enum { SERVES_SHIFT = 10, KNOWS_SHIFT = 20 };
#define BITS_ALL UINT32_MAX

/* What a move does. */
struct step {
    uint64_t label;             /* what it is about, the same in every world */
    uint64_t takes, puts, acks; /* links */
    uint32_t reads, writes;
};

/* A world from which moves are made, or behind one. */
struct scene {
    struct parts parts;
    uint64_t serial, serving;
    uint32_t up, acting; /* bits, by host */
    uint32_t busy;       /* hosts with requests */
    uint64_t known[HOSTS_MAX];
    uint32_t asking;
    uint32_t repeated;   /* messages */
    uint32_t budgets;    /* that decide what takes time */
    uint8_t links[64];   /* messages of each that were there before */
};

void reshard__scene_look(struct reshard_sim *sim, struct scene *scene);
/* Before a move is made. */
struct step reshard__step_begin(const struct reshard_sim *sim, struct move move);
/* It was made where it began; now->parts says what is. */
void reshard__step_end(struct reshard_sim *sim, const struct scene *before, struct scene *now,
    struct step *step);
/* Whether both orders lead to the same world, wherever both can happen. */
bool reshard__steps_commute(const struct step *one, const struct step *two);

#endif
