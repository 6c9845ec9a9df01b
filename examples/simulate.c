/* SPDX-License-Identifier: MIT */
/* Runs simulations from a command line.
 *
 *     simulate scenario FILE [--rows]   run a script, print its transcript
 *     simulate log FILE                 run a script, print its event log: JSON lines
 *     simulate html FILE PAGE           run a script, write a page that shows what happened
 *     simulate swarm FROM COUNT [snapshot|keywise] [PHASE] [shrink] [cells] [digests]
 *                                       run seeds; a failing one is written to replay-SEED.txt;
 *                                       PHASE: while a migration is in it most strikes; a seed
 *                                       of which a process dies fails by "assert" or "death"
 *     simulate replay FILE [--trace]    run such a file again, with its transcript
 *     simulate replay FILE --log        ... with its event log in place of the transcript
 *     simulate replay FILE --html PAGE  ... or write a page that shows it
 *     simulate search NAME|all|PART/PARTS [limit STATES] [verify EVERY] [sabotage BITS]
 *                                       search small worlds exhaustively; what breaks is written to
 *                                       search-NAME.txt, which replays too
 *
 * The exit status is 0 when everything held, 1 when not, 2 when the command line or the script
 * cannot be understood. With --rows the last line counts the rows of the transition table.
 */
#include "simulate_child.h"
#include "simulate_html.h"
#include "simulate_progress.h"
#include "simulate_replay.h"
#include "simulate_search.h"

#include <reshard-sim/sim.h>
#include <reshard/phase.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(void *user_data, const char *text, size_t size)
{
    (void)user_data;
    (void)fwrite(text, 1, size, stdout);
}

static char *file_read(const char *path, size_t *size_out)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t capacity = 1 << 16, size = 0, count;
    char *text = malloc(capacity);
    while (text && (count = fread(text + size, 1, capacity - size, file)) > 0) {
        size += count;
        if (size == capacity) {
            capacity *= 2;
            char *larger = realloc(text, capacity);
            if (!larger)
                free(text);
            text = larger;
        }
    }
    (void)fclose(file);
    *size_out = size;
    return text;
}

static void rows_print(const struct reshard_sim_report *report)
{
    printf("rows");
    for (uint32_t row = 0; reshard_sim_row(row); row++)
        printf(" %s=%llu", reshard_sim_row(row), (unsigned long long)report->rows[row]);
    printf("\n");
}

static int scenario(const char *path, int rows)
{
    size_t size;
    char *text = file_read(path, &size);
    if (!text) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        return 2;
    }
    struct reshard_sim_report report;
    reshard_sim_report_init(&report);
    int32_t status = reshard_sim_scenario(text, size, print, NULL, &report);
    free(text);
    if (rows)
        rows_print(&report);
    if (status)
        return 2;
    if (report.failed || report.violated)
        (void)fprintf(stderr, "%s: line %u\n", path, (unsigned)report.line);
    return report.failed || report.violated ? 1 : 0;
}

static void log_write(void *user_data, const char *text, size_t size)
{
    (void)fwrite(text, 1, size, user_data);
}

static int log_to(const char *text, size_t size, reshard_sim_print log, void *log_data)
{
    struct reshard_sim_report report;
    reshard_sim_report_init(&report);
    if (reshard_sim_scenario_log(text, size, NULL, NULL, log, log_data, &report))
        return 2;
    return report.failed || report.violated ? 1 : 0;
}

/* The event log as it is, or in a page. */
static int scenario_log(const char *path, FILE *file, int html)
{
    size_t size;
    char *text = file_read(path, &size);
    if (!text || !file) {
        (void)fprintf(stderr, "cannot read %s, or write\n", path);
        free(text);
        return 2;
    }
    struct html page;
    int failed = html && html_begin(&page, file);
    int result = html ? log_to(text, size, html_log, &page) : log_to(text, size, log_write, file);
    free(text);
    failed |= html && html_end(&page);
    failed |= fflush(file) != 0;
    return failed ? 2 : result;
}

static int scenario_html(const char *path, const char *page)
{
    FILE *file = fopen(page, "w");
    int result = scenario_log(path, file, 1);
    if (file && fclose(file))
        result = 2;
    return result;
}

/* What a swarm is asked for beside its seeds, and how far it is: shared with its children. */
struct swarm {
    struct replay replay;
    struct reshard_sim_report total;
    struct progress progress;
    uint64_t end; /* behind the last seed; the next is the replay's */
    uint64_t cells[RESHARD_SIM_CELLS];
    int shrinks;
    int digests;
    int failed;
    int careful; /* this seed killed a process: every run of it has one of its own */
};

static int32_t trial_run(
    void *user_data, const struct reshard_sim_swarm *spec, struct reshard_sim_report *report_out)
{
    (void)user_data;
    return child_run(spec, NULL, NULL, NULL, 0, report_out);
}

static int failure_keep(struct swarm *swarm, const struct reshard_sim_report *report)
{
    struct replay *replay = &swarm->replay;
    struct reshard_sim_swarm *spec = &replay->swarm;
    const struct reshard_sim_swarm whole = *spec;
    struct reshard_sim_report left;
    char path[64];
    spec->decision_count = report->decision_count;
    spec->trial = swarm->careful ? trial_run : NULL;
    if (swarm->shrinks)
        (void)reshard_sim_shrink(spec, replay->decisions, &spec->decision_count, report->checker);
    memcpy(replay->checker, report->checker, sizeof replay->checker);
    (void)snprintf(path, sizeof path, "replay-%llu.txt", (unsigned long long)spec->seed);
    int status = replay_write(replay, path, &left);
    progress_clear(&swarm->progress);
    printf("seed %llu: %s, %llu events, %llu left: %llu faults, %llu operations, %llu migrations\n",
        (unsigned long long)spec->seed, report->checker,
        (unsigned long long)reshard_sim_report_events(report),
        (unsigned long long)reshard_sim_report_events(&left), (unsigned long long)left.faults,
        (unsigned long long)left.operations, (unsigned long long)left.migrations);
    (void)fflush(stdout);
    *spec = whole;
    return status ? 2 : 1;
}

/* One seed; what it decided is kept when it fails. */
static int seed_run(struct swarm *swarm, struct reshard_sim_report *report)
{
    struct replay *replay = &swarm->replay;
    reshard_sim_report_init(report);
    int32_t status = swarm->careful
        ? child_run(
              &replay->swarm, NULL, NULL, replay->decisions, REPLAY_DECISIONS_MAX, report)
        : reshard_sim_swarm_run(
              &replay->swarm, NULL, NULL, replay->decisions, REPLAY_DECISIONS_MAX, report);
    if (status)
        return 2;
    return report->violated ? failure_keep(swarm, report) : report->failed ? 1 : 0;
}

/* 0: no phase has this name. */
static uint32_t phase_of(const char *word)
{
    uint32_t phase = RESHARD_PHASE_COUNT - 1;
    while (phase > 0 && strcmp(word, reshard_phase_name(phase)) != 0)
        phase--;
    return phase;
}

static void wish_read(const char *word, struct swarm *swarm)
{
    struct reshard_sim_swarm *spec = &swarm->replay.swarm;
    if (strcmp(word, "snapshot") == 0)
        spec->mode = RESHARD_MODE_SNAPSHOT;
    else if (strcmp(word, "keywise") == 0)
        spec->mode = RESHARD_MODE_KEYWISE;
    else if (strcmp(word, "shrink") == 0)
        swarm->shrinks = 1;
    else if (strcmp(word, "digests") == 0)
        swarm->digests = 1;
    else if (strcmp(word, "cells") == 0)
        spec->cells = swarm->cells;
    else if (!(spec->focus = phase_of(word)))
        spec->sabotage = (uint32_t)strtoul(word, NULL, 10);
}

/* How often each fault met a migration in each phase, but the two that last a moment at the end. */
static void cells_print(const uint64_t *cells)
{
    static const char *const modes[] = {"", "snapshot", "keywise"};
    for (uint32_t fault = 0; reshard_sim_fault(fault); fault++)
        for (uint32_t mode = 1; mode <= 2; mode++)
            for (uint32_t phase = 1; phase < RESHARD_PHASE_COUNT; phase++)
                if (phase != RESHARD_PHASE_DONE && phase != RESHARD_PHASE_REVERTED)
                    printf("cell %s %s %s %llu\n", reshard_sim_fault(fault), modes[mode],
                        reshard_phase_name(phase),
                        (unsigned long long)cells[reshard_sim_cell(fault, mode, phase)]);
}

static void total_add(struct reshard_sim_report *total, const struct reshard_sim_report *report)
{
    total->steps += report->steps;
    total->faults += report->faults;
    total->requests += report->requests;
    total->transcript = total->transcript * 31 + report->transcript;
    for (uint32_t row = 0; row < 96; row++)
        total->rows[row] += report->rows[row];
}

static void seed_next(struct swarm *swarm)
{
    struct reshard_sim_report report;
    char note[64];
    uint64_t seed = swarm->replay.swarm.seed;
    swarm->failed += seed_run(swarm, &report) != 0;
    if (swarm->digests)
        printf("digest %llu %016llx\n", (unsigned long long)seed,
            (unsigned long long)report.digest);
    total_add(&swarm->total, &report);
    (void)snprintf(note, sizeof note, " seeds, %d failed", swarm->failed);
    uint64_t left = swarm->end - ++swarm->replay.swarm.seed;
    progress_show(&swarm->progress, swarm->progress.total - left, note);
}

static void seeds_run(void *data)
{
    struct swarm *swarm = data;
    while (swarm->replay.swarm.seed < swarm->end)
        seed_next(swarm);
}

/* All seeds in one child; one that kills it is run again by itself, and another child goes on. */
static void swarm_run(struct swarm *swarm)
{
    struct reshard_sim_swarm spec = swarm->replay.swarm;
    while (child_call(seeds_run, swarm)) {
        spec.seed = swarm->replay.swarm.seed;
        swarm->replay.swarm = spec; /* it may have died in the middle of a shrinking */
        swarm->careful = 1;
        seed_next(swarm);
        swarm->careful = 0;
    }
}

static int swarm(int count, char **words)
{
    struct swarm *swarm = child_share(sizeof *swarm);
    if (!swarm || replay_make(&swarm->replay))
        return 1;
    uint64_t seeds = strtoull(words[1], NULL, 10);
    for (int i = 2; i < count; i++)
        wish_read(words[i], swarm);
    swarm->replay.swarm.seed = strtoull(words[0], NULL, 10);
    swarm->end = swarm->replay.swarm.seed + seeds;
    reshard_sim_report_init(&swarm->total);
    progress_begin(&swarm->progress, "swarm", seeds);
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    swarm_run(swarm);
    progress_clear(&swarm->progress);
    if (swarm->replay.swarm.cells)
        cells_print(swarm->cells);
    const struct reshard_sim_report *total = &swarm->total;
    printf("%llu seeds, %d failed, %llu steps, %llu faults, %llu requests\n",
        (unsigned long long)seeds, swarm->failed, (unsigned long long)total->steps,
        (unsigned long long)total->faults, (unsigned long long)total->requests);
    rows_print(total);
    return swarm->failed ? 1 : 0;
}

/* What the file recorded must come again; a library that changed since may do something else. */
static void replay_compare(const struct replay *replay, const struct reshard_sim_report *report)
{
    int same = strcmp(replay->checker, report->checker) == 0;
    (void)fprintf(stderr, "recorded %s, now %s%s\n", replay->checker,
        report->violated ? report->checker : "nothing",
        same && replay->transcript == report->transcript ? ": the same history" : "");
}

/* A swarm's file. */
static int replay_run(const char *path, uint32_t trace, reshard_sim_print log, void *log_data)
{
    struct replay replay;
    struct reshard_sim_report report;
    reshard_sim_report_init(&report);
    int32_t status = -1;
    if (replay_make(&replay) == 0 && replay_read(&replay, path) == 0) {
        replay.swarm.trace = trace;
        replay.swarm.log = log;
        replay.swarm.log_data = log_data;
        (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
        status = child_run_for(
            replay.checker, &replay.swarm, log ? NULL : print, NULL, &report);
        replay_compare(&replay, &report);
    } else {
        (void)fprintf(stderr, "cannot read %s\n", path);
    }
    return status ? 2 : report.violated ? 1 : 0;
}

/* Of a search or of a swarm. */
static int replay_any(const char *path, uint32_t trace, reshard_sim_print log, void *log_data)
{
    int searched = search_replay(path, trace, log, log_data);
    return searched >= 0 ? searched : replay_run(path, trace, log, log_data);
}

static int replay_html(const char *path, const char *page)
{
    FILE *file = fopen(page, "w");
    if (!file)
        return 2;
    struct html html;
    int failed = html_begin(&html, file);
    int result = replay_any(path, 0, html_log, &html);
    failed |= html_end(&html);
    failed |= fclose(file);
    return failed ? 2 : result;
}

static int replay(int count, char **words)
{
    if (count > 2 && strcmp(words[1], "--html") == 0)
        return replay_html(words[0], words[2]);
    if (count > 1 && strcmp(words[1], "--log") == 0)
        return replay_any(words[0], 0, log_write, stdout);
    return replay_any(words[0], count > 1 && strcmp(words[1], "--trace") == 0 ? 2 : 0, NULL, NULL);
}

static int scenario_say(int count, char **words)
{
    return scenario(words[0], count > 1 && strcmp(words[1], "--rows") == 0);
}

static int log_say(int count, char **words)
{
    (void)count;
    return scenario_log(words[0], stdout, 0);
}

static int html_say(int count, char **words)
{
    (void)count;
    return scenario_html(words[0], words[1]);
}

struct command {
    const char *name;
    int words; /* at least */
    int (*run)(int count, char **words);
};

int main(int count, char **words)
{
    static const struct command commands[] = {{"scenario", 1, scenario_say}, {"log", 1, log_say},
        {"html", 2, html_say}, {"swarm", 2, swarm}, {"replay", 1, replay},
        {"search", 1, search_command}};
    for (size_t i = 0; i < sizeof commands / sizeof *commands && count > 1; i++)
        if (strcmp(words[1], commands[i].name) == 0 && count - 2 >= commands[i].words)
            return commands[i].run(count - 2, words + 2);
    (void)fprintf(stderr,
        "usage: %s scenario FILE [--rows] | log FILE | html FILE PAGE |\n"
        "    swarm FROM COUNT [snapshot|keywise] [PHASE] [shrink] [cells] [digests] |\n"
        "    replay FILE [--trace|--log|--html PAGE] |\n"
        "    search NAME|all|PART/PARTS [limit STATES] [verify EVERY] [sabotage BITS]\n",
        words[0]);
    return 2;
}
