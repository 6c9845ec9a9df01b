/* SPDX-License-Identifier: MIT */
/* Fuzz target: a simulated cluster under load, whose faults are what the bytes say. Two bytes are
 * the seed (sizes and load), then four bytes a decision: its kind and value, and how long after the
 * one before it. Whatever they decide, every invariant holds, and when the faults are over
 * everything ends. A run that does not is printed as a file for `simulate replay`. */
#include <reshard-sim/sim.h>
#include <reshard/version.h>
#include <stdio.h>
#include <stdlib.h>

enum { DECISIONS_MAX = 256, SEED_SIZE = 2, DECISION_SIZE = 4, MOMENT_NS = 5000,
    MOVE = 9 /* the kind that opens a migration: often, as a random run does */ };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint32_t number(const uint8_t *bytes)
{
    return (uint32_t)(bytes[0] | bytes[1] << 8);
}

/* A later one of a kind must not stand before an earlier one: time only adds up. */
static uint64_t decisions_read(
    const uint8_t *bytes, size_t size, struct reshard_sim_decision *decisions_out)
{
    uint64_t count = 0, time_ns = 0;
    for (size_t at = 0; at + DECISION_SIZE <= size && count < DECISIONS_MAX; at += DECISION_SIZE) {
        time_ns += (uint64_t)number(bytes + at + 2) * MOMENT_NS;
        decisions_out[count].kind = bytes[at] % 16U < MOVE ? bytes[at] % 16U : MOVE;
        decisions_out[count].value = 1 + bytes[at + 1] + (bytes[at] >> 4 & 3U) * 256U;
        decisions_out[count].ordinal = time_ns << RESHARD_SIM_MOMENT_BITS;
        count++;
    }
    return count;
}

static void failure_print(
    const struct reshard_sim_swarm *swarm, const struct reshard_sim_report *report)
{
    (void)fprintf(stderr,
        "reshard-sim replay 1\nversion %x\nchecker %s\ntranscript %llx\n"
        "seed %llu mode 0 sabotage 0\n",
        (unsigned)reshard_version(), report->violated ? report->checker : "end",
        (unsigned long long)report->transcript, (unsigned long long)swarm->seed);
    for (uint64_t i = 0; i < swarm->decision_count; i++)
        (void)fprintf(stderr, "decision %u %llu %u\n", (unsigned)swarm->decisions[i].kind,
            (unsigned long long)swarm->decisions[i].ordinal, (unsigned)swarm->decisions[i].value);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct reshard_sim_decision decisions[DECISIONS_MAX];
    struct reshard_sim_swarm swarm;
    struct reshard_sim_report report;
    if (size < SEED_SIZE + DECISION_SIZE)
        return 0;
    reshard_sim_swarm_init(&swarm);
    reshard_sim_report_init(&report);
    swarm.seed = number(bytes);
    swarm.replay = 1;
    swarm.decision_count = decisions_read(bytes + SEED_SIZE, size - SEED_SIZE, decisions);
    swarm.decisions = decisions;
    if (reshard_sim_swarm_run(&swarm, NULL, NULL, NULL, 0, &report))
        abort();
    if (report.violated || report.failed) {
        failure_print(&swarm, &report);
        abort();
    }
    return 0;
}
