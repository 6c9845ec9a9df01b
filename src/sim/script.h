/* SPDX-License-Identifier: MIT */
/* Room sim: the scenario language: a line is a statement of words. */
#ifndef RESHARD_SIM_SCRIPT_H
#define RESHARD_SIM_SCRIPT_H

#include "sim/sim.h"

enum { WORDS_MAX = 32, WORD_SIZE = 32 };

struct script {
    struct reshard_sim *sim;
    char words[WORDS_MAX][WORD_SIZE];
    uint32_t count;
    uint32_t at; /* next word to be read */
    size_t behind; /* a host, or a migration, that something was waited for last */
    bool bad;    /* syntax */
    bool failed; /* an expectation */
    /* Of the first word that does not fit, or is missing: */
    bool short_line;           /* the line ended there */
    uint32_t wrong;            /* its number, from 1 */
    const char *wanted;        /* what it should be */
    const char *const *choice; /* or one of these; NULL at the end */
};

/* ---- script_words.c ---- */
bool reshard__script_split(struct script *script, const char *line, size_t size);
/* Whether the next word is this one; then it is taken. */
bool reshard__script_word(struct script *script, const char *word);
bool reshard__script_more(const struct script *script);
/* Where it does not hold for the word that was read last, that is an error of syntax: the first one
 * of a line is told. */
void reshard__script_need(struct script *script, bool holds, const char *wanted);
/* Tell it: "line 3: "60ms": expected a number". */
void reshard__script_complain(struct script *script, uint32_t line);
const char *reshard__script_next(struct script *script);
uint64_t reshard__script_number(struct script *script);
uint64_t reshard__script_time(struct script *script);
reshard_node_id reshard__script_host(struct script *script);
reshard_shard_id reshard__script_shard(struct script *script);
uint32_t reshard__script_key(struct script *script);
/* Of numbers below this; `wanted` says so. */
struct reshard_range reshard__script_range(
    struct script *script, uint32_t count, const char *wanted);
struct reshard_range reshard__script_slots(struct script *script);
/* A node or a coordinator that there is; NULL = none, and a syntax error. */
struct host *reshard__script_process(struct script *script);
/* Likewise, with data. */
struct host *reshard__script_node(struct script *script);
uint32_t reshard__script_phase(struct script *script);
/* Place of the next word in a list that ends with NULL; syntax error where there is none. */
uint32_t reshard__script_choice(struct script *script, const char *const *list);

/* ---- script.c ---- */
/* Run lines of text; the number of the one that stopped it, 0 = none. */
uint32_t reshard__script_lines(struct script *script, const char *text, size_t size);
/* An expectation or a statement failed: the scenario ends there. */
void reshard__script_fail(struct script *script, const char *format, ...);
/* Let things happen until the condition holds; false: it did not within the time. */
bool reshard__script_until(struct script *script,
    bool (*holds)(struct script *script, uint64_t number), uint64_t number, uint64_t bound_ns);
/* Let time pass. */
void reshard__script_wait(struct script *script, uint64_t time_ns);
/* A call of an operator's at a host's engine; its answer is the last status. What fails for want
 * of memory, or of room in a queue, is asked again a little later. */
void reshard__script_ask(struct script *script, struct host *host,
    int32_t (*ask)(struct host *host, const void *what), const void *what);
/* One request of the script's own client, to its end. */
bool reshard__script_request(struct script *script, uint32_t op, const uint32_t *keys,
    uint32_t key_count);

/* The shards from `first` on, and all nodes of theirs, join: the map gets them, then they start. */
void reshard__script_join(struct script *script, reshard_shard_id first);

/* ---- script_build.c, _grow.c, _fault.c, _operate.c, _expect.c: statements ---- */
void reshard__say_world(struct script *script);
void reshard__say_nodes(struct script *script);
void reshard__say_replica(struct script *script);
void reshard__say_own(struct script *script);
void reshard__say_start(struct script *script);
void reshard__say_load(struct script *script);
void reshard__say_join(struct script *script);
void reshard__say_rebalance(struct script *script);
void reshard__say_writer(struct script *script);
void reshard__say_move(struct script *script);
void reshard__say_drop(struct script *script);
void reshard__say_duplicate(struct script *script);
void reshard__say_delay(struct script *script);
void reshard__say_hold(struct script *script);
void reshard__say_corrupt(struct script *script);
void reshard__say_stop(struct script *script);
void reshard__say_release(struct script *script);
void reshard__say_forget(struct script *script);
void reshard__say_fault(struct script *script);
void reshard__say_crash(struct script *script);
void reshard__say_restart(struct script *script);
void reshard__say_power(struct script *script);
void reshard__say_speaks(struct script *script);
void reshard__say_wipe(struct script *script);
void reshard__say_spoil(struct script *script);
void reshard__say_rollback(struct script *script);
void reshard__say_stall(struct script *script);
void reshard__say_thaw(struct script *script);
void reshard__say_cut(struct script *script);
void reshard__say_heal(struct script *script);
void reshard__say_clock(struct script *script);
void reshard__say_lag(struct script *script);
void reshard__say_break(struct script *script);
void reshard__say_failover(struct script *script);
void reshard__say_abort(struct script *script);
void reshard__say_pause(struct script *script);
void reshard__say_resume(struct script *script);
void reshard__say_finish(struct script *script);
void reshard__say_give(struct script *script);
void reshard__say_plant(struct script *script);
void reshard__say_found(struct script *script);
void reshard__say_purge(struct script *script);
void reshard__say_coordinator(struct script *script);
void reshard__say_run(struct script *script);
void reshard__say_write(struct script *script);
void reshard__say_read(struct script *script);
void reshard__say_delete(struct script *script);
void reshard__say_begin(struct script *script);
void reshard__say_expect(struct script *script);

/* What an operator asks of a migration. */
enum { WISH_ABORT, WISH_PAUSE, WISH_RESUME, WISH_FINISH };
int32_t reshard__operate(struct reshard_sim *sim, const struct moving *moving, uint32_t wish);

/* What operators who work by hand do in this step. */
void reshard__hands_work(struct reshard_sim *sim);
/* Whether no migration needs anything more but that its end becomes durable. */
bool reshard__hands_rest(const struct reshard_sim *sim);

void reshard__failover(struct reshard_sim *sim, reshard_shard_id shard, struct host *heir);
struct reshard_sim *reshard__sim_make(void);
void reshard__sim_free(struct reshard_sim *sim);
/* Every process ends; leaks show. */
void reshard__sim_end(struct reshard_sim *sim);
void reshard__sim_report(const struct reshard_sim *sim, struct reshard_sim_report *report);
/* Of them those that tell how far the run is. */
void reshard__sim_figures(const struct reshard_sim *sim, struct reshard_sim_report *report);

#endif
