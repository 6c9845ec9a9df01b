/* SPDX-License-Identifier: MIT */
/* Room sim: shrinking. Delta debugging (Zeller and Hildebrandt: Simplifying and isolating
 * failure-inducing input, 2002: ddmin) over a run's decisions and its clients' operations, and over
 * the sizes that its seed chose: nodes, replicas, keys, the time in which faults happen. What is
 * left makes the same checker fire. What is taken away took time: what comes behind it strikes too
 * late then. So at last items are taken away, and moved, and time with them, at random. */
#include "sim/sim.h"

enum {
    STEPS_MAX = 10000000, /* of all runs, so that it ends within a minute */
    LONGER = 2,           /* no run takes so many times the steps of the last that fired */
    STUCK_MS = 1500,      /* who is stuck so long most often stays so */
    EVENTS_FEW = 25,      /* what somebody can follow */
    MISSES_MAX = 600      /* tries at random in a row that are for nothing, with so few */
};

struct shrinking {
    struct reshard_sim_swarm *swarm;
    struct reshard_sim_decision *decisions;
    struct reshard_sim_decision *fewer;
    uint64_t *count;
    const char *checker;
    uint32_t calm_limit_ms; /* 0 = the swarm's own */
    uint64_t steps;      /* of all runs */
    uint64_t last_steps; /* of the last that fired */
    uint64_t events;     /* likewise; others with as many are as good: they may lead on */
    uint64_t random;
};

static bool fires(
    struct shrinking *shrinking, const struct reshard_sim_decision *decisions, uint64_t count)
{
    if (shrinking->steps >= STEPS_MAX)
        return false;
    struct reshard_sim_swarm try = *shrinking->swarm;
    struct reshard_sim_report report;
    try.replay = 1;
    try.decisions = decisions;
    try.decision_count = count;
    if (shrinking->calm_limit_ms)
        try.calm_limit_ms = shrinking->calm_limit_ms;
    try.step_limit = shrinking->last_steps * LONGER;
    try.cells = NULL;
    try.log = NULL;
    reshard_sim_report_init(&report);
    int32_t status = try.trial ? try.trial(try.trial_data, &try, &report)
                               : reshard_sim_swarm_run(&try, NULL, NULL, NULL, 0, &report);
    if (status)
        return false;
    shrinking->steps += report.steps;
    uint64_t events = reshard_sim_report_events(&report);
    bool fired = report.violated && strcmp(report.checker, shrinking->checker) == 0 &&
                 events <= shrinking->events;
    if (fired) {
        shrinking->last_steps = report.steps;
        shrinking->events = events;
    }
    return fired;
}

/* As it stands. */
static bool still_fires(struct shrinking *shrinking)
{
    return fires(shrinking, shrinking->decisions, *shrinking->count);
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

/* Leave out operations first ... first + count - 1; false when all were left out before. */
static bool range_skip(uint64_t *skipped, uint32_t first, uint32_t count)
{
    bool fewer = false;
    for (uint32_t i = first; i < first + count; i++) {
        uint64_t bit = UINT64_C(1) << i % 64;
        fewer |= (skipped[i / 64] & bit) == 0;
        skipped[i / 64] |= bit;
    }
    return fewer;
}

/* As above, if the checker fires without them, too. Ranges are powers of two. */
static bool range_drop(
    struct shrinking *shrinking, uint64_t *skipped, uint32_t first, uint32_t count)
{
    uint64_t before[RESHARD_SIM_OPERATIONS / 64];
    size_t size = (count + 63) / 64 * sizeof *before;
    memcpy(before, skipped + first / 64, size);
    if (!range_skip(skipped, first, count))
        return false;
    if (still_fires(shrinking))
        return true;
    memcpy(skipped + first / 64, before, size);
    return false;
}

/* Whole clients first, then halves of what each does, and so on. */
static bool operations_drop(struct shrinking *shrinking)
{
    bool dropped = false;
    for (uint32_t piece = RESHARD_SIM_OPERATIONS; piece > 0; piece /= 2)
        for (uint32_t client = 0; client < RESHARD_SIM_CLIENTS; client++)
            for (uint32_t first = 0; first < RESHARD_SIM_OPERATIONS; first += piece)
                dropped |= range_drop(
                    shrinking, shrinking->swarm->skipped[client], first, piece);
    return dropped;
}

/* The last reads, of all keys, show what became of one. */
static bool reads_drop(struct shrinking *shrinking)
{
    bool dropped = false;
    for (uint32_t piece = 64; piece > 0; piece /= 2)
        for (uint32_t first = 0; first < 64; first += piece)
            dropped |= range_drop(shrinking, &shrinking->swarm->unread, first, piece);
    return dropped;
}

/* Lower a limit as far as the checker still fires; from `top` on it limits nothing. */
static bool limit_lower(
    struct shrinking *shrinking, uint32_t *limit, uint32_t least, uint32_t top)
{
    bool lowered = false;
    uint32_t value = *limit < top ? *limit : top;
    for (uint32_t step = value - least; step > 0; step /= 2)
        while (value >= least + step) {
            uint32_t before = *limit;
            *limit = value - step;
            if (!still_fires(shrinking)) {
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
    enum { NODES = 3, KEYS = 64, REPLICAS = 4, MILLISECONDS = 512 };
    struct reshard_sim_swarm *swarm = shrinking->swarm;
    bool lowered = limit_lower(shrinking, &swarm->chaos_limit_ms, 0, MILLISECONDS);
    lowered |= limit_lower(shrinking, &swarm->replica_limit, 0, REPLICAS);
    lowered |= limit_lower(shrinking, &swarm->node_limit, 2, NODES);
    lowered |= limit_lower(shrinking, &swarm->key_limit, 1, KEYS);
    return lowered;
}

/* One in 2, 4, 8 ... */
static bool now_and_then(struct shrinking *shrinking, uint32_t rarity)
{
    return reshard__sim_random(&shrinking->random) >> (64 - rarity) == 0;
}

static uint64_t below(struct shrinking *shrinking, uint64_t count)
{
    return count ? reshard__sim_random(&shrinking->random) % count : 0;
}

/* A try at random: what of it changes, each item one time in 2 to the ...; and a time that is taken
 * out of the run, as if a decision that is gone had taken that long. */
struct attempt {
    uint32_t drops, hastens, delays, turns;
    uint64_t gone;     /* index of a decision; UINT64_MAX = none */
    uint64_t from, by; /* ordinals: what comes so late comes so much earlier */
};

enum { NEVER = 63, TENTH_NS = 100000 };

static uint32_t rarity_draw(struct shrinking *shrinking)
{
    enum { RARITIES = 7 };
    return now_and_then(shrinking, 1) ? NEVER : 1 + (uint32_t)below(shrinking, RARITIES);
}

static struct attempt attempt_draw(struct shrinking *shrinking)
{
    enum { DOUBLINGS = 10 };
    struct attempt attempt = {.gone = UINT64_MAX, .from = UINT64_MAX};
    attempt.drops = rarity_draw(shrinking);
    attempt.hastens = rarity_draw(shrinking);
    attempt.delays = rarity_draw(shrinking);
    attempt.turns = rarity_draw(shrinking);
    if (*shrinking->count == 0 || now_and_then(shrinking, 1))
        return attempt;
    uint64_t index = below(shrinking, *shrinking->count);
    uint64_t tenths = below(shrinking, UINT64_C(1) << below(shrinking, DOUBLINGS));
    attempt.from = shrinking->decisions[index].ordinal + 1;
    attempt.by = (tenths * TENTH_NS) << RESHARD_SIM_MOMENT_BITS;
    if (now_and_then(shrinking, 1))
        attempt.gone = index;
    return attempt;
}

/* Twice as long, in place of others that are gone, or half as long. */
static void delay_change(struct shrinking *shrinking, struct reshard_sim_decision *decision)
{
    if (decision->kind != CHOICE_DELAY)
        return;
    if (now_and_then(shrinking, 1))
        decision->value++;
    else if (decision->value > 1)
        decision->value--;
}

/* When a decision strikes, no earlier than the last of its kind. */
static uint64_t ordinal_draw(struct shrinking *shrinking, const struct attempt *attempt,
    uint64_t ordinal, uint64_t least)
{
    if (ordinal >= attempt->from)
        ordinal = ordinal > attempt->by ? ordinal - attempt->by : 0;
    if (ordinal <= least)
        return least;
    if (now_and_then(shrinking, attempt->hastens))
        ordinal -= below(shrinking, ordinal - least);
    return ordinal;
}

static uint64_t decisions_thin(struct shrinking *shrinking, const struct attempt *attempt)
{
    uint64_t last[CHOICE_COUNT] = {0}, count = 0;
    for (uint64_t i = 0; i < *shrinking->count; i++) {
        struct reshard_sim_decision *decision = &shrinking->fewer[count];
        if (i == attempt->gone || now_and_then(shrinking, attempt->drops))
            continue;
        *decision = shrinking->decisions[i];
        uint64_t *least = &last[decision->kind % CHOICE_COUNT];
        decision->ordinal = ordinal_draw(shrinking, attempt, decision->ordinal, *least);
        *least = decision->ordinal;
        if (now_and_then(shrinking, attempt->delays))
            delay_change(shrinking, decision);
        count++;
    }
    return count;
}

/* Some are left out; in place of others one that comes earlier begins. */
static void operations_thin(
    struct shrinking *shrinking, uint64_t *skipped, const struct attempt *attempt)
{
    enum { TURNS = 8 };
    for (uint32_t i = 0; i < RESHARD_SIM_OPERATIONS; i++) {
        if (skipped[i / 64] >> i % 64 & 1)
            continue;
        bool goes = now_and_then(shrinking, attempt->drops);
        bool moves = !goes && now_and_then(shrinking, attempt->turns);
        uint32_t turn = i - (uint32_t)below(shrinking, i < TURNS ? i + 1 : TURNS);
        if (goes || moves)
            (void)range_skip(skipped, i, 1);
        if (moves)
            skipped[turn / 64] &= ~(UINT64_C(1) << turn % 64);
    }
}

static bool thinner(struct shrinking *shrinking)
{
    struct reshard_sim_swarm *swarm = shrinking->swarm;
    const struct reshard_sim_swarm before = *swarm;
    const struct attempt attempt = attempt_draw(shrinking);
    uint64_t events = shrinking->events, count = decisions_thin(shrinking, &attempt);
    for (uint32_t client = 0; client < RESHARD_SIM_CLIENTS; client++)
        operations_thin(shrinking, swarm->skipped[client], &attempt);
    if (!fires(shrinking, shrinking->fewer, count)) {
        *swarm = before;
        return false;
    }
    memcpy(shrinking->decisions, shrinking->fewer, count * sizeof *shrinking->fewer);
    *shrinking->count = count;
    return shrinking->events < events;
}

/* What nobody can follow yet is worth every try. */
static bool thin_out(struct shrinking *shrinking)
{
    bool smaller = false;
    for (uint32_t misses = 0; shrinking->steps < STEPS_MAX &&
                              (misses < MISSES_MAX || shrinking->events > EVENTS_FEW);
         misses++)
        if (thinner(shrinking)) {
            misses = 0;
            smaller = true;
        }
    return smaller;
}

static void all_lower(struct shrinking *shrinking)
{
    for (bool smaller = true; smaller;) {
        smaller = operations_drop(shrinking);
        smaller |= reads_drop(shrinking);
        smaller |= decisions_drop(shrinking);
        smaller |= limits_lower(shrinking);
        if (!smaller)
            smaller = thin_out(shrinking);
    }
}

/* Runs that are stuck are long: they are cut short, and only what is left is waited for. */
static bool stuck_lower(struct shrinking *shrinking)
{
    const struct reshard_sim_swarm whole = *shrinking->swarm;
    uint64_t count = *shrinking->count;
    struct reshard_sim_decision *decisions =
        reshard__sim_resize(NULL, count + 1, sizeof *decisions);
    memcpy(decisions, shrinking->decisions, count * sizeof *decisions);
    shrinking->calm_limit_ms = STUCK_MS;
    all_lower(shrinking);
    shrinking->calm_limit_ms = 0;
    shrinking->steps = 0;
    shrinking->last_steps = UINT64_MAX / LONGER;
    shrinking->events = UINT64_MAX;
    bool fired = still_fires(shrinking);
    if (!fired) {
        *shrinking->swarm = whole;
        *shrinking->count = count;
        memcpy(shrinking->decisions, decisions, count * sizeof *decisions);
    }
    reshard__sim_release(decisions);
    return fired;
}

int32_t reshard_sim_shrink(struct reshard_sim_swarm *swarm, struct reshard_sim_decision *decisions,
    uint64_t *count, const char *checker)
{
    if (!swarm || !decisions || !count || !checker)
        return RESHARD_E_NULL;
    struct shrinking shrinking = {.swarm = swarm, .decisions = decisions, .count = count,
        .checker = checker, .last_steps = UINT64_MAX / LONGER, .events = UINT64_MAX};
    if (!still_fires(&shrinking))
        return RESHARD_E_STATE;
    shrinking.fewer = reshard__sim_resize(NULL, *count + 1, sizeof *shrinking.fewer);
    if (strcmp(checker, "stuck") != 0 || !stuck_lower(&shrinking))
        all_lower(&shrinking);
    reshard__sim_release(shrinking.fewer);
    return RESHARD_OK;
}
