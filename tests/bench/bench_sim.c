/* SPDX-License-Identifier: MIT */
/* Room sim, benchmark: random seeds a core-hour. In processor time, so that a busy machine measures
 * the same; against the limits that are set. Prints medians. */
#include <reshard-sim/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 5, SEEDS = 300, HOUR = 3600 };

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times)
{
    qsort(times, REPEATS, sizeof times[0], by_value);
    return times[REPEATS / 2];
}

/* One line; 1 where the limit is missed. */
static int line(const char *what, double is, double limit)
{
    printf("%-44s %10.0f %10.0f %8.2f\n", what, is, limit, is / limit);
    return is < limit;
}

static void seeds_run(uint64_t from, struct reshard_sim_report *total)
{
    struct reshard_sim_swarm swarm;
    struct reshard_sim_report report;
    reshard_sim_swarm_init(&swarm);
    reshard_sim_report_init(&report);
    for (uint64_t seed = from; seed < from + SEEDS; seed++) {
        swarm.seed = seed;
        if (reshard_sim_swarm_run(&swarm, NULL, NULL, NULL, 0, &report) || report.violated) {
            fprintf(stderr, "bench_sim: seed %llu: %s\n", (unsigned long long)seed,
                report.checker);
            exit(1);
        }
        total->faults += report.faults;
        total->requests += report.requests;
    }
}

static int bench_swarm(void)
{
    double times[REPEATS];
    struct reshard_sim_report total;
    reshard_sim_report_init(&total);
    for (int i = -1; i < REPEATS; i++) { /* one to warm up */
        double start = now_s();
        seeds_run(1 + (uint64_t)(i + 1) * SEEDS, &total);
        if (i >= 0)
            times[i] = now_s() - start;
    }
    double seeds = (double)SEEDS * (REPEATS + 1);
    int missed = line("swarm: seeds a core-hour", SEEDS / median(times) * HOUR, 100000);
    missed += line("swarm: faults a seed", (double)total.faults / seeds, 20);
    missed += line("swarm: answered operations a seed", (double)total.requests / seeds, 200);
    return missed;
}

int main(void)
{
    printf("%-44s %10s %10s %8s\n", "", "is", "limit", "ratio");
    return bench_swarm() > 0;
}
