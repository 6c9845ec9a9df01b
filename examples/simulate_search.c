/* SPDX-License-Identifier: MIT */
/* Exhaustive searches from a command line. A way that was found is kept as a line "search NAME
 * sabotage BITS", then one line "move KIND VALUE ABOUT" for each move. */
#include "simulate_search.h"
#include "simulate_progress.h"

#include <reshard-sim/search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOVES_MAX = 4096 };

static void print(void *user_data, const char *text, size_t size)
{
    (void)user_data;
    (void)fwrite(text, 1, size, stdout);
}

static void way_write(const struct reshard_sim_search *spec, const char *checker)
{
    char path[96];
    (void)snprintf(path, sizeof path, "search-%s.txt", spec->name);
    FILE *file = fopen(path, "w");
    if (!file)
        return;
    (void)fprintf(
        file, "# %s\nsearch %s sabotage %u\n", checker, spec->name, (unsigned)spec->sabotage);
    for (uint64_t i = 0; i < spec->decision_count; i++)
        (void)fprintf(file, "move %u %u %llu\n", (unsigned)spec->decisions[i].kind,
            (unsigned)spec->decisions[i].value, (unsigned long long)spec->decisions[i].ordinal);
    if (fclose(file) == 0)
        printf("    written to %s\n", path);
}

static int report_say(
    struct reshard_sim_search *spec, const struct reshard_sim_search_report *report, double seconds)
{
    double rate = (double)report->states / (seconds > 0 ? seconds : 1);
    printf("%-26s %9llu states %9llu transitions %5llu ends, depth %3llu, %6.1f s, %7.0f/s%s\n",
        spec->name, (unsigned long long)report->states, (unsigned long long)report->transitions,
        (unsigned long long)report->ends, (unsigned long long)report->depth, seconds, rate,
        report->closed ? "" : ", not closed");
    if (spec->verify)
        printf("    %llu met again and verified; %llu transitions inherited\n",
            (unsigned long long)report->verified, (unsigned long long)report->inherited);
    if (report->violated) {
        printf("    VIOLATION %s after %llu moves\n", report->checker,
            (unsigned long long)report->decision_count);
        way_write(spec, report->checker);
    }
    int fewer = spec->state_limit == 0 && (report->states < report->states_min ||
                                              report->transitions < report->transitions_min);
    if (fewer && !report->violated)
        printf("    FEWER than %llu states, %llu transitions\n",
            (unsigned long long)report->states_min, (unsigned long long)report->transitions_min);
    (void)fflush(stdout);
    return report->violated || fewer;
}

/* The floor is 98 % of what there is. */
static void progress_take(void *user_data, uint64_t done, uint64_t found, uint64_t least)
{
    struct progress *progress = user_data;
    char note[64];
    (void)snprintf(note, sizeof note, " states, %llu ahead", (unsigned long long)(found - done));
    progress->total = least > found ? least : found;
    progress_show(progress, done, note);
}

static int search_one(struct reshard_sim_search *spec, uint64_t *states)
{
    static struct reshard_sim_decision decisions[MOVES_MAX];
    struct reshard_sim_search_report report;
    reshard_sim_search_report_init(&report);
    clock_t begin = clock();
    struct progress progress;
    progress_begin(&progress, spec->name, 0);
    spec->progress = progress_take;
    spec->progress_data = &progress;
    if (reshard_sim_search_run(spec, decisions, MOVES_MAX, &report))
        return 2;
    progress_clear(&progress);
    *states += report.states;
    spec->decisions = decisions;
    spec->decision_count = report.decision_count < MOVES_MAX ? report.decision_count : MOVES_MAX;
    int failed = report_say(spec, &report, (double)(clock() - begin) / CLOCKS_PER_SEC);
    spec->decisions = NULL;
    spec->decision_count = 0;
    return failed;
}

/* Whether the first word means this configuration. */
static int wanted(const char *word, const char *name, unsigned index)
{
    unsigned part, parts;
    if (strcmp(word, "all") == 0 || strcmp(word, name) == 0)
        return 1;
    return sscanf(word, "%u/%u", &part, &parts) == 2 && parts > 0 && index % parts + 1 == part;
}

int search_command(int count, char **words)
{
    struct reshard_sim_search spec;
    reshard_sim_search_init(&spec);
    for (int i = 1; i + 1 < count; i += 2) {
        uint64_t number = strtoull(words[i + 1], NULL, 10);
        if (strcmp(words[i], "limit") == 0)
            spec.state_limit = number;
        else if (strcmp(words[i], "verify") == 0)
            spec.verify = number;
        else if (strcmp(words[i], "sabotage") == 0)
            spec.sabotage = (uint32_t)number;
        else
            return 2;
    }
    int failed = 0, any = 0;
    uint64_t states = 0;
    for (uint32_t i = 0; reshard_sim_search_name(i); i++) {
        spec.name = reshard_sim_search_name(i);
        if (!wanted(words[0], spec.name, i))
            continue;
        any = 1;
        failed |= search_one(&spec, &states);
    }
    printf("%llu states\n", (unsigned long long)states);
    return any ? failed : 2;
}

/* False: it is no file of a search. */
static int way_read(FILE *file, struct reshard_sim_search *spec, char *name,
    struct reshard_sim_decision *decisions)
{
    char line[160];
    int found = 0;
    while (fgets(line, sizeof line, file)) {
        unsigned kind, value, sabotage;
        unsigned long long about;
        if (sscanf(line, "search %63s sabotage %u", name, &sabotage) == 2) {
            found = 1;
            spec->sabotage = sabotage;
        } else if (sscanf(line, "move %u %u %llu", &kind, &value, &about) == 3 &&
                   spec->decision_count < MOVES_MAX) {
            decisions[spec->decision_count++] = (struct reshard_sim_decision){kind, value, about};
        }
    }
    return found;
}

int search_replay(const char *path, unsigned trace, reshard_sim_print log, void *log_data)
{
    static struct reshard_sim_decision decisions[MOVES_MAX];
    char name[64] = "";
    struct reshard_sim_search spec;
    struct reshard_sim_search_report report;
    reshard_sim_search_init(&spec);
    reshard_sim_search_report_init(&report);
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    int found = way_read(file, &spec, name, decisions);
    (void)fclose(file);
    if (!found)
        return -1;
    spec.name = name;
    spec.decisions = decisions;
    spec.trace = trace;
    spec.log = log;
    spec.log_data = log_data;
    if (reshard_sim_search_replay(&spec, log ? NULL : print, NULL, &report))
        return 2;
    (void)fprintf(stderr, "now %s\n", report.violated ? report.checker : "nothing");
    return report.violated ? 1 : 0;
}
