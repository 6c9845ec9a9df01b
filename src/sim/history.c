/* SPDX-License-Identifier: MIT */
/* Room sim: what clients saw, checked key by key (linear.c). An operation without an answer may
 * have taken effect at any later time, or never. */
#include "sim/sim.h"

#include <reshard-sim/linear.h>
#include <stdlib.h>

size_t reshard__history_begin(
    struct reshard_sim *sim, uint32_t client, uint32_t op, uint32_t key, uint64_t value)
{
    sim->history = reshard__sim_grow(
        sim->history, &sim->history_capacity, sim->history_count + 1, sizeof *sim->history);
    struct operation *operation = &sim->history[sim->history_count];
    *operation = (struct operation){.op = op, .key = key, .client = client, .value = value};
    operation->begin = ++sim->history_clock;
    operation->end = UINT64_MAX;
    return sim->history_count++;
}

void reshard__history_end(struct reshard_sim *sim, size_t index, uint64_t value)
{
    struct operation *operation = &sim->history[index];
    operation->end = ++sim->history_clock;
    if (operation->op == RESHARD_OP_READ)
        operation->value = value;
}

void reshard__effect_add(struct reshard_sim *sim, reshard_shard_id shard, uint32_t key,
    uint64_t value, size_t operation)
{
    if (!sim->set.unsynced && !(sim->followed && sim->set.readonly))
        return;
    sim->effects = reshard__sim_grow(
        sim->effects, &sim->effect_capacity, sim->effect_count + 1, sizeof *sim->effects);
    sim->effects[sim->effect_count++] =
        (struct effect){.key = key, .shard = shard, .value = value, .operation = operation};
}

bool reshard__effect_counts(
    const struct reshard_sim *sim, reshard_shard_id shard, uint32_t key, uint64_t value)
{
    for (size_t i = sim->effect_count; i-- > 0;) {
        const struct effect *effect = &sim->effects[i];
        if (effect->key == key && (effect->shard != shard || effect->value == value))
            return effect->shard == shard;
    }
    return false;
}

void reshard__effects_check(
    struct reshard_sim *sim, reshard_shard_id shard, size_t operation, uint64_t value)
{
    struct operation *read = &sim->history[operation];
    read->replica = true;
    for (size_t i = sim->effect_count; i-- > 0;) {
        const struct effect *effect = &sim->effects[i];
        if (effect->key != read->key)
            continue;
        if (effect->value == value)
            return;
        if (effect->shard != shard && effect->operation != SIZE_MAX &&
            sim->history[effect->operation].end < read->begin) {
            reshard__sim_violate(sim, "stale", "a replica of s%u answers k%u with %u, %u is newer",
                (uint64_t)shard, (uint64_t)read->key, value, effect->value);
            return;
        }
    }
    if (value != 0)
        reshard__sim_violate(sim, "stale", "a replica of s%u answers k%u with %u: never written",
            (uint64_t)shard, (uint64_t)read->key, value);
}

static void operation_say(struct reshard_sim *sim, const struct operation *operation)
{
    static const char *const names[] = {"", "reads", "writes", "deletes"};
    uint64_t client = operation->client;
    if (operation->end == UINT64_MAX)
        reshard__sim_say(sim, "  client %u %s %u: step %u, no answer", client,
            names[operation->op], operation->value, operation->begin);
    else
        reshard__sim_say(sim, "  client %u %s %u: steps %u to %u", client,
            names[operation->op], operation->value, operation->begin, operation->end);
}

/* Where each key's operations are, in order: those of key k from firsts[k] to firsts[k + 1]. */
struct by_key {
    size_t *firsts;
    size_t *operations;
};

static struct by_key history_sort(const struct reshard_sim *sim)
{
    struct by_key sorted;
    size_t key_count = sim->set.key_count;
    sorted.firsts = reshard__sim_resize(NULL, key_count + 2, sizeof *sorted.firsts);
    sorted.operations =
        reshard__sim_resize(NULL, sim->history_count, sizeof *sorted.operations);
    memset(sorted.firsts, 0, (key_count + 2) * sizeof *sorted.firsts);
    for (size_t i = 0; i < sim->history_count; i++)
        sorted.firsts[sim->history[i].key + 2]++;
    for (size_t key = 2; key < key_count + 2; key++)
        sorted.firsts[key] += sorted.firsts[key - 1];
    /* Shifted by one key while it fills. */
    for (size_t i = 0; i < sim->history_count; i++)
        sorted.operations[sorted.firsts[sim->history[i].key + 1]++] = i;
    return sorted;
}

static void key_check(struct reshard_sim *sim, uint32_t key, const size_t *indexes, size_t count,
    struct reshard_linear_operation *operations)
{
    struct reshard_linear_report report;
    size_t judged = 0;
    for (size_t i = 0; i < count; i++) {
        const struct operation *operation = &sim->history[indexes[i]];
        if (operation->replica)
            continue;
        operations[judged++] = (struct reshard_linear_operation){.op = operation->op,
            .value = operation->value,
            .invoked = operation->begin,
            .returned = operation->end};
    }
    reshard_linear_report_init(&report);
    int32_t status = reshard_linear_check(operations, judged, NULL, &report);
    if (status)
        abort(); /* a simulation without memory proves nothing */
    for (size_t i = 0; i < count && !report.linear; i++)
        operation_say(sim, &sim->history[indexes[i]]);
    if (!report.linear)
        reshard__sim_violate(sim, "linearizable", "k%u: %u operations fit no single copy",
            (uint64_t)key, (uint64_t)judged);
}

void reshard__history_check(struct reshard_sim *sim)
{
    struct by_key sorted = history_sort(sim);
    struct reshard_linear_operation *operations =
        reshard__sim_resize(NULL, sim->history_count + 1, sizeof *operations);
    for (uint32_t key = 0; key < sim->set.key_count && !sim->violated; key++)
        key_check(sim, key, sorted.operations + sorted.firsts[key],
            sorted.firsts[key + 1] - sorted.firsts[key], operations);
    reshard__sim_release(operations);
    reshard__sim_release(sorted.operations);
    reshard__sim_release(sorted.firsts);
}
