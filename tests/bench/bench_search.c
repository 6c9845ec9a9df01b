/* SPDX-License-Identifier: MIT */
/* Room sim, benchmark: the exhaustive search. First what its steps cost, medians over worlds along
 * random ways; then whole searches in processor time, by one process, and by two side by side as CI
 * runs them, against the limit for all of it. What fails is a search below its floor: half of what
 * a quiet machine of 2026 does, which a busy one still reaches. */
#include "sim/search.h"

#include "sim/sim.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAYS = 50, DEPTH = 40, REPEATS = 3 };
enum step { STEP_RESTORE, STEP_MOVES, STEP_MOVE, STEP_DIGEST, STEP_BACK, STEP_LEAVE, STEP_COUNT };

static const char *const step_names[] = {"go to a world", "find what can happen", "make a move",
    "take the digest", "undo it", "undo it and keep the new world"};
static const double limit = 200000; /* distinct states a second */
static const struct world {
    const char *name;
    double floor; /* a process */
} worlds[] = {
    {"keywise-three-drop", 100000}, {"snapshot-requests", 80000}, {"keywise-requests", 90000}};

static double now_s(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

/* ---- steps ---- */

struct walk {
    struct search_config config;
    struct arena *arena;
    struct reshard_sim *sim;
    uint64_t random;
    double at; /* when the step at hand began */
    double times[STEP_COUNT][WAYS * DEPTH];
    double sizes[WAYS * DEPTH]; /* bytes of the worlds that were kept */
    size_t count;
};

static void took(struct walk *walk, enum step step)
{
    double now = now_s(CLOCK_MONOTONIC);
    walk->times[step][walk->count] = now - walk->at;
    walk->at = now_s(CLOCK_MONOTONIC);
}

/* What a search does with a world and one of its moves, and where that leads. */
static struct image step_on(struct walk *walk, const struct image *from, bool *ends)
{
    struct move moves[SEARCH_MOVES_MAX];
    struct image image = *from;
    walk->at = now_s(CLOCK_MONOTONIC);
    reshard__arena_restore(walk->arena, from);
    took(walk, STEP_RESTORE);
    size_t count = reshard__search_moves(walk->sim, &walk->config, moves);
    took(walk, STEP_MOVES);
    *ends = count == 0;
    if (*ends)
        return image;
    struct move move = moves[reshard__sim_random(&walk->random) % count];
    reshard__search_move(walk->sim, &walk->config, move);
    walk->at = now_s(CLOCK_MONOTONIC);
    reshard__arena_back(walk->arena);
    took(walk, STEP_BACK);
    reshard__search_move(walk->sim, &walk->config, move);
    took(walk, STEP_MOVE);
    (void)reshard__search_digest(walk->sim);
    took(walk, STEP_DIGEST);
    size_t held_size = reshard__arena_held(walk->arena);
    image = reshard__arena_leave(walk->arena);
    took(walk, STEP_LEAVE);
    walk->sizes[walk->count++] = (double)(reshard__arena_held(walk->arena) - held_size);
    return image;
}

static void way_go(struct walk *walk, const struct image *from)
{
    bool ends;
    struct image here = step_on(walk, from, &ends);
    for (int i = 1; i < DEPTH && !ends; i++) {
        struct image next = step_on(walk, &here, &ends);
        if (!ends)
            reshard__arena_drop(walk->arena, &here);
        here = next;
    }
    if (!ends)
        reshard__arena_drop(walk->arena, &here);
}

static void bench_steps(void)
{
    static struct walk walk = {.random = 1};
    (void)reshard__search_config(0, &walk.config);
    walk.arena = reshard__search_arena();
    if (!walk.arena)
        exit(1);
    (void)reshard__arena_use(walk.arena);
    struct reshard_sim_search search;
    reshard_sim_search_init(&search);
    walk.sim = reshard__search_world(&walk.config, &search, NULL, NULL);
    reshard__arena_idle(walk.arena, reshard__search_idle, walk.sim);
    reshard__arena_base(walk.arena);
    struct image first = reshard__arena_save(walk.arena);
    for (int i = 0; i < WAYS; i++)
        way_go(&walk, &first);
    (void)reshard__arena_use(NULL);
    reshard__arena_free(walk.arena);
    printf("%-34s %10s\n", reshard_sim_search_name(0), "ns");
    for (int step = 0; step < STEP_COUNT; step++)
        printf("  %-32s %10.0f\n", step_names[step], median(walk.times[step], walk.count) * 1e9);
    printf("  %-32s %10.0f\n", "bytes of a world that is kept", median(walk.sizes, walk.count));
}

/* ---- whole searches ---- */

struct rate {
    double states, transitions;
    double recalled; /* share of the transitions */
};

static struct rate search_rate(const char *name)
{
    struct rate best = {0};
    struct reshard_sim_search search;
    struct reshard_sim_search_report report;
    reshard_sim_search_init(&search);
    reshard_sim_search_report_init(&report);
    search.name = name;
    for (int i = 0; i < REPEATS; i++) {
        double begin = now_s(CLOCK_PROCESS_CPUTIME_ID);
        if (reshard_sim_search_run(&search, NULL, 0, &report) || report.violated)
            exit(1);
        double seconds = now_s(CLOCK_PROCESS_CPUTIME_ID) - begin;
        double states = (double)report.states / seconds;
        if (states > best.states)
            best = (struct rate){states, (double)report.transitions / seconds,
                (double)report.recalled / (double)report.transitions};
    }
    return best;
}

static struct rate two_rates(const char *name)
{
    struct rate rates[2];
    int ends[2];
    if (pipe(ends))
        exit(1);
    (void)fflush(stdout);
    pid_t child = fork();
    rates[0] = search_rate(name);
    if (child == 0)
        _exit(write(ends[1], &rates[0], sizeof rates[0]) != sizeof rates[0]);
    int status = 1;
    if (child < 0 || read(ends[0], &rates[1], sizeof rates[1]) != sizeof rates[1] ||
        waitpid(child, &status, 0) != child || status)
        exit(1);
    return (struct rate){
        rates[0].states + rates[1].states, rates[0].transitions + rates[1].transitions,
        rates[0].recalled};
}

static int line(const struct world *world, int processes, struct rate rate)
{
    double least = world->floor * processes;
    printf("%-24s %10d %10.0f %10.0f %14.0f %10.0f %% %8.2f%s\n", world->name, processes,
        rate.states, least, rate.transitions, rate.recalled * 100, rate.states / limit,
        rate.states < least ? "  below its floor" : "");
    return rate.states < least;
}

int main(void)
{
    bench_steps();
    int missed = 0;
    printf("%-24s %10s %10s %10s %14s %12s %8s\n", "best of three", "processes", "states/s",
        "floor", "transitions/s", "recalled", "limit");
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++) {
        missed += line(&worlds[i], 1, search_rate(worlds[i].name));
        missed += line(&worlds[i], 2, two_rates(worlds[i].name));
    }
    return missed > 0;
}
