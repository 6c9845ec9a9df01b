/* SPDX-License-Identifier: MIT */
/* Room sim: exhaustive search of small worlds, breadth first, over the real engines.
 *
 * Time is abstracted: every process has its own clock, which stands still but for moves that let it
 * jump past all its deadlines. What arrives when, and which clock jumps when, is decided by moves
 * alone. search_moves.c: what can happen next; search_settle.c: what follows at once;
 * search_digest.c, search_parts.c: which worlds are the same one; search_view.c: worlds as numbers;
 * search_reads.c: what a move looks at; search_memo.c, search_deeds.c: what moves did, and which
 * there are, wherever that is the same; search_stage.c: the world in memory; search_configs.c: the
 * worlds; search_graph.c: what was found; search.c: the search.
 */
#ifndef RESHARD_SIM_SEARCHING_H
#define RESHARD_SIM_SEARCHING_H

#include "sim/arena.h"
#include "sim/script.h"
#include <reshard-sim/search.h>

/* Longer than any interval that an engine waits, so that a jump leaves only two kinds of moments in
 * the past: now, and long ago. */
#define SEARCH_JUMP_NS (100 * SIM_SECOND)

enum move_kind {
    MOVE_TAKE,        /* one that is planned happens: a message arrives, a task is done, ... */
    MOVE_TICK,        /* nothing else is under way: a clock jumps */
    MOVE_START,       /* a process comes back */
    MOVE_BEGIN,       /* a client asks */
    MOVE_DROP,        /* from here on as often as a configuration allows */
    MOVE_OVERTAKE,    /* a message arrives before others of its link */
    MOVE_REPEAT,      /* a message arrives and stays under way */
    MOVE_EARLY,       /* a clock jumps while messages are under way */
    MOVE_CRASH,       /* value: what becomes of writes under way (CHOICE_TORN) */
    MOVE_FAULT,       /* a task fails: value as CHOICE_TASK has it */
    MOVE_MUTE,        /* a client gives up: the outcome stays open */
    MOVE_ABORT,
    MOVE_FINISH,
    MOVE_COORDINATOR, /* a second one starts */
    MOVE_FAILOVER,    /* of shard `value` to its replica */
    MOVE_OPEN,        /* a second migration */
    MOVE_EVICT,       /* a host lets a key go by itself: value */
    MOVE_EXPIRE,      /* the time of what a key has at a host comes: value, as above */
    MOVE_WAIT,        /* a clock jumps, and may for ever (add_jump); not limited: MOVE_TICK */
    MOVE_KIND_COUNT
};

struct move {
    uint8_t kind;
    uint8_t value;
    uint16_t index; /* of the happening, host or request */
};

enum { SEARCH_MOVES_MAX = 256, SEARCH_REQUESTS = 6 };

/* Of search_config.slow: what travels to replicas takes time; so do coordinators' appends alone;
 * so do messages that can change nothing whenever they arrive (reshard_sim_search.idle). */
#define SLOW_STREAM UINT32_C(1)
#define SLOW_LEDGER (UINT32_C(1) << 30)
#define SLOW_IDLE (UINT32_C(1) << 31)

struct search_request {
    uint8_t client;
    uint8_t op;
    uint8_t key_count;
    uint8_t keys[2];
};

/* A world that stands in one mode. */
struct search_mode {
    const char *name;                /* NULL: in this mode it does not */
    uint64_t states_min;             /* fewer: the search lost something */
    uint64_t transitions_min;
};

struct search_config {
    struct search_mode modes[RESHARD_MODE_KEYWISE + 1];
    uint32_t mode;                   /* of these; the table leaves it open */
    const char *words;               /* of the statement `world`; NULL = none more */
    const char *nodes;               /* statements that make nodes; NULL = two of them */
    uint32_t by_hand;                /* 1: keys go by hand; there are none */
    uint32_t last;                   /* slots from 0 to this one move from shard 2 to 1 */
    uint8_t limits[MOVE_KIND_COUNT]; /* from MOVE_DROP on */
    struct search_request requests[SEARCH_REQUESTS]; /* to the first without an op */
    uint32_t slow;        /* bits 1 << RESHARD_ACTION_*: tasks that take time; others take none;
                             and SLOW_* */
    uint32_t crashes;     /* bits 1 << index of a host that may crash, in order of creation */
    uint32_t faults;      /* ... whose appends may fail */
    uint32_t lossy;       /* ... whose messages may be lost or come twice; 0 = all */
    uint16_t heirs[4];    /* MOVE_FAILOVER: by shard, the replica that takes over; 0 = none */
    struct {
        uint16_t source, target;
    } second;             /* MOVE_OPEN: of slot 1 */
};

/* search_configs.c */
/* False: there are no more. */
bool reshard__search_config(uint32_t index, struct search_config *config_out);
/* Builds the world, opens the migration. */
void reshard__search_script(const struct search_config *config, struct text *text);

/* search.c: memory for a world; NULL: there is none. */
struct arena *reshard__search_arena(void);
/* What no move said that it touched must be as at the mark, and have the digest that it had; with
 * the world's digest as it is now. */
void reshard__search_untouched(
    const struct arena *arena, struct reshard_sim *sim, struct reshard_digest digest);

/* search_moves.c */
/* The world of a configuration, as it is when the search begins. Memory is the thread's. */
struct reshard_sim *reshard__search_world(const struct search_config *config,
    const struct reshard_sim_search *spec, reshard_sim_print print, void *print_data);
/* What can happen next; at most SEARCH_MOVES_MAX. */
size_t reshard__search_moves(
    const struct reshard_sim *sim, const struct search_config *config, struct move *moves);
/* Messages of a link arrive in order; a repeated one, whenever. */
bool reshard__search_arrives(const struct reshard_sim *sim, size_t index);
/* Make it happen, with all that takes no time; invariants are checked. */
void reshard__search_move(
    struct reshard_sim *sim, const struct search_config *config, struct move move);
/* Whether all came to its end: migrations, requests, messages. */
bool reshard__search_ended(const struct reshard_sim *sim, const struct search_config *config);

/* search_settle.c */
/* What takes no time happens; invariants are checked. */
void reshard__search_settle(struct reshard_sim *sim, const struct search_config *config);
/* What the host is at, by the action's id. */
const struct task *reshard__search_task(const struct host *host, uint64_t id);
/* Whether a task of this host may fail now. */
bool reshard__search_fails(
    const struct reshard_sim *sim, const struct search_config *config, const struct host *host);

/* What decides at this host whether a map or a report changes nothing. */
uint64_t reshard__search_known(const struct host *host);

/* search_digest.c */
/* What is not touched (arena.h) has the digest that it had at the mark. */
struct reshard_digest reshard__search_digest(struct reshard_sim *sim);
struct reshard__outbox;
const struct reshard__outbox *reshard__search_outbox(const struct host *host);

/* search_idle.c */
/* Memory of a world that nobody wrote to yet (arena.h: idle_find). */
size_t reshard__search_idle(const void *sim, uint32_t region, struct idle *spans_out);

#endif
