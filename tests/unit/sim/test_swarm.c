/* SPDX-License-Identifier: MIT */
/* Random runs: some seeds hold, equal seeds are equal. */
#include <criterion/criterion.h>
#include <reshard-sim/sim.h>

enum { SEEDS = 60, DECISIONS = 20000 };

static struct reshard_sim_report run(const struct reshard_sim_swarm *swarm,
    struct reshard_sim_decision *decisions)
{
    struct reshard_sim_report report;
    reshard_sim_report_init(&report);
    int32_t status = reshard_sim_swarm_run(
        swarm, NULL, NULL, decisions, decisions ? DECISIONS : 0, &report);
    cr_assert_eq(status, RESHARD_OK);
    return report;
}

Test(swarm, seeds_both_modes_hold)
{
    uint64_t faults = 0, requests = 0;
    struct reshard_sim_swarm swarm;
    reshard_sim_swarm_init(&swarm);
    for (swarm.seed = 1; swarm.seed <= SEEDS; swarm.seed++) {
        struct reshard_sim_report report = run(&swarm, NULL);
        cr_expect(!report.violated, "seed %llu: %s", (unsigned long long)swarm.seed,
            report.checker);
        faults += report.faults;
        requests += report.requests;
    }
    cr_expect_gt(faults, 20 * SEEDS, "%llu faults", (unsigned long long)faults);
    cr_expect_gt(requests, 200 * SEEDS, "%llu requests", (unsigned long long)requests);
}

Test(swarm, seed_twice_is_equal)
{
    struct reshard_sim_swarm swarm;
    reshard_sim_swarm_init(&swarm);
    for (swarm.seed = 1; swarm.seed <= 10; swarm.seed++) {
        struct reshard_sim_report first = run(&swarm, NULL), second = run(&swarm, NULL);
        cr_expect_eq(first.steps, second.steps);
        cr_expect_eq(first.virtual_ns, second.virtual_ns);
        cr_expect_eq(first.faults, second.faults);
    }
}
