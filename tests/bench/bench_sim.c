/* SPDX-License-Identifier: MIT */
/* Room sim, benchmark: random seeds a core-hour, and a large cluster that grows. In processor time,
 * so that a busy machine measures much the same; against the limits that are set. Prints medians of
 * the repeats; the cluster grows once. */
#include <reshard-sim/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

static void failed(void *user_data, const char *text, size_t size)
{
    (void)user_data;
    for (size_t at = 0; at + 6 < size; at++)
        if (memcmp(text + at, "FAILED", 6) == 0 || memcmp(text + at, "VIOLAT", 6) == 0)
            fwrite(text, 1, size, stderr);
}

/* A cluster doubles its nodes under load: half of the slots move, as many at once as there are
 * nodes. Every key is read in the end and all histories are judged. */
static int bench_double(unsigned nodes, unsigned slots, double limit_s)
{
    char script[512], what[64];
    struct reshard_sim_report report;
    struct rusage usage;
    reshard_sim_report_init(&report);
    int size = snprintf(script, sizeof script,
        "world slots %u keys %u flight %u\nnodes %u\nstart\nload %u\n"
        "writer every 100us reads 30 deletes 10 for 2000\n"
        "writer every 100us reads 30 deletes 10 for 2000\n"
        "join %u\nrebalance snapshot\nrun until end\nrun until idle\nexpect intact\n",
        slots, slots, nodes, nodes, slots, nodes);
    double start = now_s();
    int32_t status = reshard_sim_scenario(script, (size_t)size, failed, NULL, &report);
    double seconds = now_s() - start;
    (void)getrusage(RUSAGE_SELF, &usage);
    if (status || report.failed || report.violated) {
        fprintf(stderr, "bench_sim: line %u: %s\n", (unsigned)report.line, report.checker);
        return 1;
    }
    (void)snprintf(what, sizeof what, "%u to %u nodes, %u slots: s (at most)", nodes, 2 * nodes,
        slots);
    printf("%-44s %10.1f %10.0f %8.2f\n", what, seconds, limit_s, limit_s / seconds);
    printf("%44s %10llu things happened, %llu requests, peak memory %.1f GB\n", "",
        (unsigned long long)report.steps, (unsigned long long)report.requests,
        (double)usage.ru_maxrss / 1e6);
    return seconds > limit_s;
}

int main(void)
{
    printf("%-44s %10s %10s %8s\n", "", "is", "limit", "ratio");
    int missed = bench_swarm();
    missed += bench_double(100, 16384, 60);
    missed += bench_double(1000, 16384, 60);
    return missed > 0;
}
