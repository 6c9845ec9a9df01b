/* SPDX-License-Identifier: MIT */
/* Room sim: what moves of a search do, remembered by what they look at. Private to search*.c. */
#ifndef RESHARD_SIM_SEARCH_MEMO_H
#define RESHARD_SIM_SEARCH_MEMO_H

#include "sim/search.h"
#include "sim/search_view.h"

/* Of reads: a host's is its region's; clients with what they saw, and who is up; what is left of
 * faults that decide what takes time. */
#define BIT_CLIENTS UINT32_C(1)
#define BIT_COUNTS UINT32_C(2)
/* Likewise, of what a host serves, and of what it knows (reshard__search_known). */
enum { SERVES_SHIFT = 10, KNOWS_SHIFT = 20 };
#define BIT_HOST(index) (UINT32_C(1) << (AUTHORITY_REGION + 1 + (index)))

/* What a move looks at, but for what every one may. */
struct reads {
    uint32_t bits;
    uint32_t news;        /* bits BIT_HOST: of maps and reports to it */
    uint32_t takes, acks; /* bits, by lane: from which it takes; to which it adds what may be
                             taken at once where nothing is before it */
};

/* What many moves ask of a world. */
struct outlook {
    struct view view;
    uint32_t up, busy; /* bits, by host */
    uint32_t acting;   /* two of them */
    uint32_t mood;     /* bits: messages come once and in order; tasks may fail */
    uint32_t repeated; /* messages */
    bool calm, led;
    const struct allowance *allowance;
    uint64_t acks[HOSTS_MAX], news[HOSTS_MAX]; /* to each host */
    uint32_t ordered[LANES_MAX];
};

/* A world that stands in memory, before a move or behind it. */
struct scene {
    struct outlook outlook;
    struct parts parts;
    uint32_t notes[MESSAGES_MAX];
    uint64_t serial, serving;
};

/* A move, in whatever world it is possible. */
struct deed {
    uint64_t label;
    uint32_t regards; /* the last one; 0: none is known */
};
/* What it looked at, once at least. */
struct regard {
    struct reads reads;
    uint32_t before; /* another one of the same deed */
};

struct memo {
    struct catalogue catalogue;
    struct numbers table;
    struct deed *deeds;
    struct regard *regards;
    uint32_t *words; /* what was done, and what can be done */
    size_t deed_count, deed_capacity, regard_count, regard_capacity, word_count, word_capacity;
    bool sabotaged; /* as if moves looked at nothing */
};

/* search_reads.c */
void reshard__scene_look(struct memo *memo, struct reshard_sim *sim, struct scene *scene);
struct outlook reshard__outlook(const struct catalogue *catalogue, const struct view *view);
bool reshard__message_stands(const struct parts *parts, uint64_t serial);
/* What names a move in any world. */
uint64_t reshard__move_label(const struct reshard_sim *sim, struct move move);
/* The serial of what it is about; 0: that is not under way. */
uint64_t reshard__move_serial(const struct reshard_sim *sim, struct move move);
/* What it looks at in any case: before it is made. */
uint32_t reshard__reads_begin(const struct reshard_sim *sim, struct move move);
/* All of them, of the move that was made last. */
struct reads reshard__reads_end(const struct reshard_sim *sim, const struct memo *memo,
    const struct scene *before, const struct scene *now, uint32_t begin);

/* search_memo.c */
void reshard__memo_free(struct memo *memo);
uint32_t reshard__deed_number(struct memo *memo, uint64_t label);
/* Behind the words that are there; the first of them is nobody's. */
void reshard__memo_write(struct memo *memo, uint32_t word);
/* What was done here, and that no checker had to say anything to it. `about`: the serial of what it
 * was done with; 0: with nothing that is under way. */
void reshard__memo_learn(struct memo *memo, uint32_t deed, const struct reads *reads,
    const struct scene *before, const struct scene *now, uint64_t about);
/* A world that was looked at by all checkers. */
void reshard__memo_judged(struct memo *memo, const struct view *view);
/* Where a move leads; false: it must be made. */
bool reshard__memo_recall(
    struct memo *memo, const struct outlook *outlook, uint32_t deed, struct view *view_out);

/* search_deeds.c: what can happen in a world; false: some of it must be learned first. */
bool reshard__deeds_recall(struct memo *memo, const struct outlook *outlook, bool followed,
    uint32_t *deeds_out, size_t *count_out);
/* In the world that stands in memory; `labels`: of its moves. */
void reshard__deeds_learn(struct memo *memo, const struct reshard_sim *sim,
    const struct outlook *outlook, const struct move *moves, const uint64_t *labels, size_t count);

#endif
