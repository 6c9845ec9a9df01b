/* SPDX-License-Identifier: MIT */
/* Every scenario named on the command line, with each allocation and each hook call failing in
 * turn: once, and from there on for a while.
 *
 *     every_fault [--floor RUNS] FILE.scn ...
 *     every_fault --must-fail FILE.scn ...      the other way round: some fault must be its end
 *
 * A scenario begins with its `world`; one line in front of it asks for the fault. Whatever fails,
 * its expectations hold, no invariant breaks, an error or an event tells, a call that failed
 * changed nothing (digests, compared inside) and nothing leaks. Fewer runs than the floor are a
 * failure. Nothing depends on time: the same file, the same runs.
 */
#include <reshard-sim/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many times the steps of the whole scenario: then it spins. */
enum { SCRIPT_MAX = 1 << 14, SPIN = 20 };

struct fault {
    const char *name;
    const char *subject;
    const char *span;
};

static const struct fault faults[] = {
    {"allocation once", "MEMORY", "times 1"},
    {"allocation for good", "MEMORY", "for 100ms"},
    {"hook once", "any", "times 1"},
    {"hook for good", "any", "for 100ms"},
};

static int script_read(const char *path, char *script)
{
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(script, 1, SCRIPT_MAX - 1, file) : 0;
    script[size] = '\0';
    if (file)
        (void)fclose(file);
    return size > 0 && size < SCRIPT_MAX - 1;
}

/* Whether it holds with this line in front. */
static int run(const char *line, const char *script, struct reshard_sim_report *report)
{
    char text[SCRIPT_MAX + 128];
    int size = snprintf(text, sizeof text, "%s\n%srun 200ms\n", line, script);
    reshard_sim_report_init(report);
    return reshard_sim_scenario(text, (size_t)size, NULL, NULL, report) == RESHARD_OK &&
           !report->failed && !report->violated;
}

/* What is wrong with a run; NULL = nothing. */
static const char *wrong(
    int held, const struct reshard_sim_report *report, uint64_t steps_max)
{
    if (!held)
        return "it does not hold:";
    if (report->faults == 0)
        return "nothing failed";
    if (report->complaints == 0)
        return "nobody tells";
    return report->steps > steps_max ? "it spins" : NULL;
}

/* How many runs were wrong. */
static uint64_t fault_each(const char *path, const char *script, const struct fault *fault,
    uint64_t count, uint64_t steps_max)
{
    uint64_t failed = 0;
    for (uint64_t n = 0; n < count; n++) {
        char line[96];
        struct reshard_sim_report report;
        (void)snprintf(line, sizeof line, "fault any %s error after %llu %s", fault->subject,
            (unsigned long long)n, fault->span);
        int held = run(line, script, &report);
        const char *what = wrong(held, &report, steps_max);
        if (!what)
            continue;
        failed++;
        printf("%s: %s, N = %llu: %s %s (line %d behind \"%s\")\n", path, fault->name,
            (unsigned long long)n + 1, what, report.checker, (int)report.line - 1, line);
    }
    return failed;
}

/* False: it does not even hold without a fault. */
static int file_run(const char *path, uint64_t *runs, uint64_t *failed)
{
    static char script[SCRIPT_MAX];
    struct reshard_sim_report report;
    if (!script_read(path, script) || !run("# whole", script, &report)) {
        printf("%s: it does not hold without a fault\n", path);
        return 0;
    }
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    printf("%-32s %6llu allocations %6llu hook calls\n", name,
        (unsigned long long)report.allocations, (unsigned long long)report.hook_calls);
    (void)fflush(stdout);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        uint64_t count = i < 2 ? report.allocations : report.hook_calls;
        *failed += fault_each(path, script, &faults[i], count, report.steps * SPIN);
        *runs += count;
    }
    return 1;
}

int main(int count, char **words)
{
    uint64_t runs = 0, failed = 0, least = 1;
    int must_fail = 0, sound = 1;
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--must-fail") == 0)
            must_fail = 1;
        else if (strcmp(words[i], "--floor") == 0 && i + 1 < count)
            least = strtoull(words[++i], NULL, 10);
        else
            sound &= file_run(words[i], &runs, &failed);
    }
    printf("%llu runs, %llu failed; at least %llu runs, %s fail\n", (unsigned long long)runs,
        (unsigned long long)failed, (unsigned long long)least,
        must_fail ? "some must" : "none may");
    return !sound || runs < least || (failed > 0) != must_fail;
}
