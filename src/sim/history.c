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

static void key_check(
    struct reshard_sim *sim, uint32_t key, struct reshard_linear_operation *operations)
{
    struct reshard_linear_report report;
    size_t count = 0;
    for (size_t i = 0; i < sim->history_count; i++) {
        const struct operation *operation = &sim->history[i];
        if (operation->key != key)
            continue;
        struct reshard_linear_operation *copy = &operations[count++];
        memset(copy, 0, sizeof *copy);
        copy->op = operation->op;
        copy->value = operation->value;
        copy->invoked = operation->begin;
        copy->returned = operation->end;
    }
    reshard_linear_report_init(&report);
    int32_t status = reshard_linear_check(operations, count, NULL, &report);
    if (status)
        abort(); /* a simulation without memory proves nothing */
    for (size_t i = 0; i < sim->history_count && !report.linear; i++)
        if (sim->history[i].key == key)
            operation_say(sim, &sim->history[i]);
    if (!report.linear)
        reshard__sim_violate(sim, "linearizable", "k%u: %u operations fit no single copy",
            (uint64_t)key, (uint64_t)count);
}

void reshard__history_check(struct reshard_sim *sim)
{
    struct reshard_linear_operation *operations =
        reshard__sim_resize(NULL, sim->history_count + 1, sizeof *operations);
    for (uint32_t key = 0; key < sim->set.key_count && !sim->violated; key++)
        key_check(sim, key, operations);
    reshard__sim_release(operations);
}
