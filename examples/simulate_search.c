/* SPDX-License-Identifier: MIT */
/* Exhaustive searches from a command line. A way that was found is kept as a line "search NAME
 * sabotage BITS", then one line "move KIND VALUE ABOUT" for each move. */
#include "simulate_search.h"

#include "simulate_child.h"
#include "simulate_progress.h"
#include "simulate_words.h"

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
    if (!file) {
        (void)file_complain(path);
        return;
    }
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
        printf("    %llu met again and verified; %llu transitions recalled\n",
            (unsigned long long)report->verified, (unsigned long long)report->recalled);
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

/* A search, or a replay of one: shared with the child that does it. */
struct job {
    struct reshard_sim_search spec;
    struct reshard_sim_search_report report;
    reshard_sim_print print; /* of a replay */
    int32_t status;
    double seconds;
    char checker[32]; /* that a file names */
    char name[64];
    struct reshard_sim_decision decisions[MOVES_MAX];
};

static void search_do(void *data)
{
    struct job *job = data;
    struct progress progress;
    clock_t begin = clock();
    progress_begin(&progress, job->spec.name, 0);
    job->spec.progress = progress_take;
    job->spec.progress_data = &progress;
    job->status = reshard_sim_search_run(&job->spec, job->decisions, MOVES_MAX, &job->report);
    progress_clear(&progress);
    job->seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
}

static void death_take(struct job *job, const char *death)
{
    job->report.violated = 1;
    (void)snprintf(job->report.checker, sizeof job->report.checker, "%s", death);
}

/* One that dies is done again by another child, which tells where it is before each move. */
static int search_one(struct job *job, uint64_t *states)
{
    struct reshard_sim_search *spec = &job->spec;
    const char *death = child_call(search_do, job);
    if (death) {
        spec->tell = 1;
        reshard_sim_search_report_init(&job->report);
        death = child_call(search_do, job);
        spec->tell = 0;
    }
    if (death)
        death_take(job, death);
    else if (job->status)
        return 2;
    *states += job->report.states;
    spec->decisions = job->decisions;
    spec->decision_count =
        job->report.decision_count < MOVES_MAX ? job->report.decision_count : MOVES_MAX;
    int failed = report_say(spec, &job->report, job->seconds);
    spec->decisions = NULL;
    spec->decision_count = 0;
    return failed;
}

/* Whether the first word means this configuration. */
static int wanted(const char *word, const char *name, unsigned index)
{
    unsigned part, parts;
    char more;
    if (strcmp(word, "all") == 0 || strcmp(word, name) == 0)
        return 1;
    return sscanf(word, "%u/%u%c", &part, &parts, &more) == 2 && parts > 0 &&
           index % parts + 1 == part;
}

/* 0, or -1 and a complaint. */
static int wish_read(const char *word, const char *value, struct reshard_sim_search *spec)
{
    uint64_t bits = 0;
    if (strcmp(word, "limit") == 0)
        return word_number(value, "STATES", 1, UINT64_MAX, &spec->state_limit);
    if (strcmp(word, "verify") == 0)
        return word_number(value, "EVERY", 1, UINT64_MAX, &spec->verify);
    if (strcmp(word, "sabotage") != 0) {
        (void)word_complain(word, "expected limit STATES, verify EVERY or sabotage BITS");
        return -1;
    }
    int status = word_number(value, "BITS", 0, UINT32_MAX, &bits);
    spec->sabotage = (uint32_t)bits;
    return status;
}

static int none_complain(const char *word)
{
    (void)word_complain(word, "no such search; there are all, PART/PARTS, and:");
    for (uint32_t i = 0; reshard_sim_search_name(i); i++)
        (void)fprintf(stderr, "%s%s", i ? " " : "    ", reshard_sim_search_name(i));
    (void)fputc('\n', stderr);
    return NOT_UNDERSTOOD;
}

int search_command(int count, char **words)
{
    struct job *job = child_share(sizeof *job);
    if (!job)
        return 2;
    struct reshard_sim_search *spec = &job->spec;
    reshard_sim_search_init(spec);
    for (int i = 1; i < count; i += 2)
        if (wish_read(words[i], i + 1 < count ? words[i + 1] : "nothing", spec))
            return NOT_UNDERSTOOD;
    int failed = 0, any = 0;
    uint64_t states = 0;
    for (uint32_t i = 0; reshard_sim_search_name(i); i++) {
        spec->name = reshard_sim_search_name(i);
        if (!wanted(words[0], spec->name, i))
            continue;
        any = 1;
        reshard_sim_search_report_init(&job->report);
        failed |= search_one(job, &states);
    }
    if (!any)
        return none_complain(words[0]);
    printf("%llu states\n", (unsigned long long)states);
    return failed;
}

/* 0: it is no file of a search; -1: it is one, with a line that is not understood. */
static int way_read(FILE *file, struct job *job)
{
    struct reshard_sim_search *spec = &job->spec;
    char line[160];
    int found = 0;
    while (fgets(line, sizeof line, file)) {
        unsigned kind, value, sabotage;
        unsigned long long about;
        if (sscanf(line, "search %63s sabotage %u", job->name, &sabotage) == 2) {
            found = 1;
            spec->sabotage = sabotage;
        } else if (sscanf(line, "move %u %u %llu", &kind, &value, &about) == 3 &&
                   spec->decision_count < MOVES_MAX) {
            job->decisions[spec->decision_count++] =
                (struct reshard_sim_decision){kind, value, about};
        } else if (line[0] == '#') {
            (void)sscanf(line, "# %31s", job->checker);
        } else {
            return -found;
        }
    }
    return found;
}

static void replay_do(void *data)
{
    struct job *job = data;
    job->status = reshard_sim_search_replay(&job->spec, job->print, NULL, &job->report);
}

/* In a child, where the process died of it. */
static int replay_one(struct job *job)
{
    int dies = strcmp(job->checker, "assert") == 0 || strcmp(job->checker, "death") == 0;
    const char *death = NULL;
    if (dies)
        death = child_call(replay_do, job);
    else
        replay_do(job);
    if (death)
        death_take(job, death);
    else if (job->status)
        return word_complain(job->name, "this way cannot be gone");
    (void)fprintf(
        stderr, "now %s\n", job->report.violated ? job->report.checker : "nothing");
    return job->report.violated ? 1 : 0;
}

int search_replay(const char *path, unsigned trace, reshard_sim_print log, void *log_data)
{
    struct job *job = child_share(sizeof *job);
    FILE *file = fopen(path, "r");
    if (!file || !job)
        return -1;
    reshard_sim_search_init(&job->spec);
    reshard_sim_search_report_init(&job->report);
    int found = way_read(file, job);
    (void)fclose(file);
    if (!found)
        return -1;
    if (found < 0)
        return word_complain(path, "a line is no move of a search");
    job->spec.name = job->name;
    job->spec.decisions = job->decisions;
    job->spec.trace = trace;
    job->spec.log = log;
    job->spec.log_data = log_data;
    job->print = log ? NULL : print;
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    return replay_one(job);
}
