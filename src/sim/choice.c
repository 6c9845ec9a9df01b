/* SPDX-License-Identifier: MIT */
/* Room sim: the one stream of decisions. 0 is the decision that nothing special happens; only
 * others are kept, by kind and moment: taking one away moves few others. */
#include "sim/sim.h"

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014): SplitMix64. */
uint64_t reshard__sim_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* What else it needs follows from the decision, not from what came before it: the same when others
 * are taken away, and when it strikes later. */
static void taken(struct choices *choices, enum choice_kind kind, uint64_t ordinal)
{
    uint64_t state = ordinal * CHOICE_MOVE + (uint64_t)kind; /* a move needs nothing else */
    choices->taken = reshard__sim_random(&state);
}

static void keep(struct choices *choices, enum choice_kind kind, uint64_t ordinal, uint32_t value)
{
    choices->decisions = reshard__sim_grow(choices->decisions, &choices->decision_capacity,
        choices->decision_count + 1, sizeof *choices->decisions);
    struct reshard_sim_decision *last = &choices->decisions[choices->decision_count++];
    *last =
        (struct reshard_sim_decision){.kind = (uint32_t)kind, .value = value, .ordinal = ordinal};
    if (choices->decision_count <= choices->told_capacity)
        choices->told[choices->decision_count - 1] = *last;
    if (choices->report)
        choices->report->decision_count = choices->decision_count;
    taken(choices, kind, ordinal);
}

/* The next decision of a kind whose moment has come. In a list that was thinned out the very moment
 * may be missing: it strikes at the next opportunity. */
static uint32_t replay(struct choices *choices, enum choice_kind kind, uint64_t ordinal)
{
    for (size_t *next = &choices->next[kind]; *next < choices->decision_count; ++*next) {
        const struct reshard_sim_decision *decision = &choices->decisions[*next];
        if (decision->kind != (uint32_t)kind)
            continue;
        if (decision->ordinal > ordinal)
            return 0;
        ++*next;
        taken(choices, kind, decision->ordinal);
        return decision->value;
    }
    return 0;
}

/* The moment, and how many of this kind came before in it. */
static uint64_t moment(struct reshard_sim *sim, enum choice_kind kind)
{
    uint64_t *ordinal = &sim->choices.ordinals[kind];
    uint64_t first = sim->now_ns << RESHARD_SIM_MOMENT_BITS;
    *ordinal = *ordinal + 1 > first ? *ordinal + 1 : first;
    return *ordinal;
}

uint32_t reshard__choose(struct reshard_sim *sim, enum choice_kind kind, uint32_t count)
{
    struct choices *choices = &sim->choices;
    if (choices->calm)
        return choices->forced[kind] < count ? choices->forced[kind] : 0;
    uint64_t ordinal = moment(sim, kind);
    uint32_t value = 0;
    if (!choices->random) {
        value = replay(choices, kind, ordinal);
        value = value < count ? value : 0;
    } else if (choices->parts_per_million[kind]) {
        uint64_t random = reshard__sim_random(&choices->state);
        if (count > 1 && random % 1000000 < choices->parts_per_million[kind])
            value = 1 + (uint32_t)((random >> 32) % (count - 1));
        if (value)
            keep(choices, kind, ordinal, value);
    }
    sim->faults += value != 0;
    return value;
}

uint32_t reshard__decide(struct reshard_sim *sim, enum choice_kind kind, uint32_t value)
{
    struct choices *choices = &sim->choices;
    uint64_t ordinal = moment(sim, kind);
    if (!choices->random)
        return replay(choices, kind, ordinal);
    if (value)
        keep(choices, kind, ordinal, value);
    return value;
}
