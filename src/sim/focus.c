/* SPDX-License-Identifier: MIT */
/* Room sim: random runs that look at one phase. Most phases last a moment: what strikes rarely
 * meets them more rarely still. While a migration is in this one much more strikes, and it
 * lasts. */
#include "sim/script.h"

enum { HUGE = 20000, HUGE_EVERY = 6 };

static const uint32_t weights[CHOICE_COUNT] = {[CHOICE_MESSAGE] = 400000,
    [CHOICE_DELAY] = 400000, [CHOICE_TASK] = 200000, [CHOICE_CRASH] = 400000,
    [CHOICE_TORN] = 800000, [CHOICE_OPERATOR] = 200000, [CHOICE_LINK] = 300000,
    [CHOICE_DISK] = 800000, [CHOICE_DATA] = 400000};

static bool phase_met(const struct reshard_sim *sim, uint32_t phase)
{
    for (size_t i = 0; i < sim->moving_count; i++)
        if (!sim->movings[i].closed && sim->movings[i].phase == phase)
            return true;
    return false;
}

/* The decisions' own are slow throughout: what is appended in a phase began as the phase did. */
static void disks_slow(struct reshard_sim *sim, bool all)
{
    for (size_t i = 0; i < sim->host_count; i++)
        if (all || sim->hosts[i]->shard == 0)
            sim->hosts[i]->slow_until_ns = sim->now_ns + SIM_MILLI;
}

/* Few migrations get there by themselves. */
static void turn_back(struct reshard_sim *sim)
{
    enum { EVERY = 64 };
    if (sim->steps % EVERY == sim->set.seed % EVERY && sim->moving_count > 0)
        (void)reshard__operate(sim, &sim->movings[sim->moving_count - 1], WISH_ABORT);
}

void reshard__focus_sizes(struct reshard_sim *sim, uint32_t phase)
{
    if (phase == RESHARD_PHASE_LINGER)
        sim->set.linger_ns = 10 * SIM_MILLI;
    if (phase == RESHARD_PHASE_COMMIT)
        sim->set.think_ns = 3 * SIM_MILLI; /* an ASK of the phase before is followed in it */
    if (sim->set.seed % 2 && (phase == RESHARD_PHASE_HOLD || phase == RESHARD_PHASE_COMMIT))
        sim->set.execute_ns = SIM_MILLI; /* what was admitted before runs into it */
    if (phase) {
        sim->set.huge_size = HUGE;
        sim->set.huge_every = HUGE_EVERY;
    }
}

void reshard__focus(struct reshard_sim *sim, uint32_t phase, const uint32_t *usual)
{
    if (phase == 0)
        return;
    bool met = phase_met(sim, phase);
    memcpy(sim->choices.parts_per_million, met ? weights : usual, sizeof weights);
    disks_slow(sim, met);
    if (!met && (phase == RESHARD_PHASE_ABORT || phase == RESHARD_PHASE_UNMOVE ||
                    phase == RESHARD_PHASE_UNDO))
        turn_back(sim);
}
