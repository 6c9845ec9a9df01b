/* SPDX-License-Identifier: MIT */
/* Room sim: shrinking. Delta debugging (Zeller and Hildebrandt: Simplifying and isolating
 * failure-inducing input, 2002: ddmin) over a run's decisions, and over the sizes that its seed
 * chose: clients, their operations, keys, replicas, the time in which faults happen. What is left
 * makes the same checker fire. */
#include "sim/sim.h"

enum {
    RUNS_MAX = 4000, /* so that it ends within a minute */
    STUCK_MS = 1500  /* a run that is stuck so long is worth waiting for its end */
};

struct shrinking {
    struct reshard_sim_swarm *swarm;
    struct reshard_sim_decision *decisions;
    struct reshard_sim_decision *fewer;
    uint64_t *count;
    const char *checker;
    uint32_t runs;
};

static bool run_fires(const struct shrinking *shrinking,
    const struct reshard_sim_decision *decisions, uint64_t count, uint32_t calm_limit_ms)
{
    struct reshard_sim_swarm try = *shrinking->swarm;
    struct reshard_sim_report report;
    try.replay = 1;
    try.decisions = decisions;
    try.decision_count = count;
    try.calm_limit_ms = calm_limit_ms;
    try.cells = NULL;
    try.log = NULL;
    reshard_sim_report_init(&report);
    return reshard_sim_swarm_run(&try, NULL, NULL, NULL, 0, &report) == RESHARD_OK &&
           report.violated && strcmp(report.checker, shrinking->checker) == 0;
}

static bool fires(
    struct shrinking *shrinking, const struct reshard_sim_decision *decisions, uint64_t count)
{
    if (shrinking->runs == RUNS_MAX)
        return false;
    shrinking->runs++;
    bool stuck = strcmp(shrinking->checker, "stuck") == 0;
    if (stuck && !run_fires(shrinking, decisions, count, STUCK_MS))
        return false;
    return run_fires(shrinking, decisions, count, shrinking->swarm->calm_limit_ms);
}

/* Go through the list in steps of `piece` and leave out what is not needed. */
static bool pieces_drop(struct shrinking *shrinking, uint64_t piece)
{
    struct reshard_sim_decision *decisions = shrinking->decisions, *fewer = shrinking->fewer;
    uint64_t before = *shrinking->count;
    for (uint64_t from = 0; from < *shrinking->count;) {
        uint64_t count = *shrinking->count;
        uint64_t to = from + piece < count ? from + piece : count;
        memcpy(fewer, decisions, from * sizeof *fewer);
        memcpy(fewer + from, decisions + to, (count - to) * sizeof *fewer);
        if (!fires(shrinking, fewer, count - (to - from))) {
            from = to;
            continue;
        }
        *shrinking->count = count - (to - from);
        memcpy(decisions, fewer, *shrinking->count * sizeof *fewer);
    }
    return *shrinking->count < before;
}

static bool decisions_drop(struct shrinking *shrinking)
{
    bool dropped = false;
    for (uint64_t piece = *shrinking->count; piece > 0; piece /= 2)
        dropped |= pieces_drop(shrinking, piece);
    return dropped;
}

/* Lower a limit as far as the checker still fires; from `top` on it limits nothing. */
static bool limit_lower(struct shrinking *shrinking, uint32_t *limit, uint32_t top)
{
    bool lowered = false;
    uint32_t value = *limit < top ? *limit : top;
    for (uint32_t step = value; step > 0; step /= 2)
        while (value >= step) {
            uint32_t before = *limit;
            *limit = value - step;
            if (!fires(shrinking, shrinking->decisions, *shrinking->count)) {
                *limit = before;
                break;
            }
            value -= step;
            lowered = true;
        }
    return lowered;
}

static bool limits_lower(struct shrinking *shrinking)
{
    enum { CLIENTS = 4, OPERATIONS = 128, KEYS = 64, REPLICAS = 4, MILLISECONDS = 512 };
    struct reshard_sim_swarm *swarm = shrinking->swarm;
    bool lowered = limit_lower(shrinking, &swarm->chaos_limit_ms, MILLISECONDS);
    lowered |= limit_lower(shrinking, &swarm->client_limit, CLIENTS);
    lowered |= limit_lower(shrinking, &swarm->operation_limit, OPERATIONS);
    lowered |= limit_lower(shrinking, &swarm->replica_limit, REPLICAS);
    lowered |= limit_lower(shrinking, &swarm->key_limit, KEYS);
    return lowered;
}

int32_t reshard_sim_shrink(struct reshard_sim_swarm *swarm, struct reshard_sim_decision *decisions,
    uint64_t *count, const char *checker)
{
    if (!swarm || !decisions || !count || !checker)
        return RESHARD_E_NULL;
    struct shrinking shrinking = {swarm, decisions, NULL, count, checker, 0};
    if (!fires(&shrinking, decisions, *count))
        return RESHARD_E_STATE;
    shrinking.fewer = reshard__sim_resize(NULL, *count + 1, sizeof *shrinking.fewer);
    for (bool smaller = true; smaller;) {
        smaller = limits_lower(&shrinking);
        smaller |= decisions_drop(&shrinking);
    }
    reshard__sim_release(shrinking.fewer);
    return RESHARD_OK;
}
