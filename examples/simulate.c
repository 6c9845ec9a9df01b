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
#include "simulate_words.h"

#include <errno.h>
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
    int error = ferror(file) ? errno : 0;
    (void)fclose(file);
    *size_out = size;
    if (error) {
        free(text);
        errno = error;
    }
    return error ? NULL : text;
}

static void rows_print(const struct reshard_sim_report *report)
{
    printf("rows");
    for (uint32_t row = 0; reshard_sim_row(row); row++)
        printf(" %s=%llu", reshard_sim_row(row), (unsigned long long)report->rows[row]);
    printf("\n");
}

/* What a run says last is why it stopped, but for what an invariant's breach has still under way:
 * told with the file's name and the line. */
struct teller {
    int aloud;
    char last[256];
};

static void tell(void *user_data, const char *text, size_t size)
{
    enum { TIME = 12 }; /* what a line of the transcript begins with */
    struct teller *teller = user_data;
    if (teller->aloud)
        print(NULL, text, size);
    if (strncmp(teller->last, "VIOLATION", 9) == 0)
        return;
    size_t from = size > TIME ? TIME : 0, length = size - from;
    if (length >= sizeof teller->last)
        length = sizeof teller->last - 1;
    memcpy(teller->last, text + from, length);
    while (length > 0 && teller->last[length - 1] == '\n')
        length--;
    teller->last[length] = '\0';
}

static int scenario_run(
    const char *path, struct teller *teller, reshard_sim_print log, void *log_data, int rows)
{
    size_t size;
    char *text = file_read(path, &size);
    if (!text)
        return file_complain(path);
    struct reshard_sim_report report;
    reshard_sim_report_init(&report);
    int32_t status = reshard_sim_scenario_log(text, size, tell, teller, log, log_data, &report);
    free(text);
    if (rows)
        rows_print(&report);
    if (status || report.failed || report.violated)
        (void)fprintf(stderr, "%s:%u: %s\n", path, (unsigned)report.line, teller->last);
    return status ? NOT_UNDERSTOOD : report.failed || report.violated ? 1 : 0;
}

static void log_write(void *user_data, const char *text, size_t size)
{
    (void)fwrite(text, 1, size, user_data);
}

/* A page of what `fill` logs; a file that cannot be written is a failure. */
static int page_write(const char *page, int (*fill)(const char *path, struct html *html),
    const char *path)
{
    struct html html;
    FILE *file = fopen(page, "w");
    if (!file)
        return file_complain(page);
    int failed = html_begin(&html, file);
    int result = fill(path, &html);
    failed |= html_end(&html);
    failed |= ferror(file);
    failed |= fclose(file);
    return failed ? file_complain(page) : result;
}

static int scenario_fill(const char *path, struct html *html)
{
    struct teller teller = {0};
    return scenario_run(path, &teller, html_log, html, 0);
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
    if (status)
        (void)file_complain(path);
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

/* 0, or -1 and a complaint: it is no wish. */
static int wish_read(const char *word, struct swarm *swarm)
{
    uint64_t bits = 0;
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
    else if (!(spec->focus = phase_of(word))) {
        if (word_number(word, "snapshot, keywise, a PHASE, shrink, cells, digests, or sabotage", 0,
                UINT32_MAX, &bits))
            return -1;
        spec->sabotage = (uint32_t)bits;
    }
    return 0;
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
    total->gathered += report->gathered;
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
    uint64_t first, seeds;
    if (!swarm || replay_make(&swarm->replay))
        return word_complain("swarm", "no memory");
    if (word_number(words[0], "FROM", 0, UINT64_MAX / 2, &first) ||
        word_number(words[1], "COUNT", 1, UINT64_MAX / 2, &seeds))
        return NOT_UNDERSTOOD;
    for (int i = 2; i < count; i++)
        if (wish_read(words[i], swarm))
            return NOT_UNDERSTOOD;
    swarm->replay.swarm.seed = first;
    swarm->end = swarm->replay.swarm.seed + seeds;
    reshard_sim_report_init(&swarm->total);
    progress_begin(&swarm->progress, "swarm", seeds);
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    swarm_run(swarm);
    progress_clear(&swarm->progress);
    if (swarm->replay.swarm.cells)
        cells_print(swarm->cells);
    const struct reshard_sim_report *total = &swarm->total;
    printf("%llu seeds, %d failed, %llu steps, %llu faults, %llu requests, "
           "%llu gathered\n",
        (unsigned long long)seeds, swarm->failed, (unsigned long long)total->steps,
        (unsigned long long)total->faults, (unsigned long long)total->requests,
        (unsigned long long)total->gathered);
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
    if (replay_make(&replay))
        return word_complain(path, "no memory");
    if (replay_read(&replay, path))
        return NOT_UNDERSTOOD;
    replay.swarm.trace = trace;
    replay.swarm.log = log;
    replay.swarm.log_data = log_data;
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (child_run_for(replay.checker, &replay.swarm, log ? NULL : print, NULL, &report))
        return word_complain(path, "it cannot be run");
    replay_compare(&replay, &report);
    return report.violated ? 1 : 0;
}

/* Of a search or of a swarm. */
static int replay_any(const char *path, uint32_t trace, reshard_sim_print log, void *log_data)
{
    int searched = search_replay(path, trace, log, log_data);
    return searched >= 0 ? searched : replay_run(path, trace, log, log_data);
}

static int replay_fill(const char *path, struct html *html)
{
    return replay_any(path, 0, html_log, html);
}

static int readable(const char *path)
{
    FILE *file = fopen(path, "r");
    return file ? fclose(file) == 0 : 0;
}

/* A page is not touched where there is nothing to show. */
static int page_say(const char *path, const char *page, int (*fill)(const char *, struct html *))
{
    return readable(path) ? page_write(page, fill, path) : file_complain(path);
}

static int replay(int count, char **words)
{
    if (count == 1)
        return replay_any(words[0], 0, NULL, NULL);
    if (count == 3 && strcmp(words[1], "--html") == 0)
        return page_say(words[0], words[2], replay_fill);
    if (count == 2 && strcmp(words[1], "--log") == 0)
        return replay_any(words[0], 0, log_write, stdout);
    if (count == 2 && strcmp(words[1], "--trace") == 0)
        return replay_any(words[0], 2, NULL, NULL);
    return word_complain(words[1], "expected --trace, --log or --html PAGE, and nothing else");
}

static int scenario_say(int count, char **words)
{
    struct teller teller = {.aloud = 1};
    if (count > 1 && strcmp(words[1], "--rows") != 0)
        return word_complain(words[1], "expected --rows, or nothing");
    return scenario_run(words[0], &teller, NULL, NULL, count > 1);
}

static int log_say(int count, char **words)
{
    struct teller teller = {0};
    (void)count;
    return scenario_run(words[0], &teller, log_write, stdout, 0);
}

static int html_say(int count, char **words)
{
    (void)count;
    return page_say(words[0], words[1], scenario_fill);
}

struct command {
    const char *name;
    int least; /* words */
    int most;
    int (*run)(int count, char **words);
};

static void usage(FILE *file, const char *name)
{
    (void)fprintf(file,
        "usage: %s scenario FILE [--rows] | log FILE | html FILE PAGE |\n"
        "    swarm FROM COUNT [snapshot|keywise] [PHASE] [shrink] [cells] [digests] |\n"
        "    replay FILE [--trace|--log|--html PAGE] |\n"
        "    search NAME|all|PART/PARTS [limit STATES] [verify EVERY] [sabotage BITS]\n"
        "What fails is written to replay-SEED.txt or search-NAME.txt, for replay.\n"
        "Exit status: 0 all held, 1 something did not, 2 not understood.\n",
        name);
}

/* Whatever was asked for: what does not arrive is a failure. */
static int output_end(int result)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return result;
    return file_complain("standard output");
}

static int command_run(const struct command *command, int count, char **words)
{
    if (count < command->least)
        return word_complain(command->name, "expected more words: see --help");
    if (count > command->most)
        return word_complain(words[command->most], "expected nothing more");
    return output_end(command->run(count, words));
}

int main(int count, char **words)
{
    static const struct command commands[] = {{"scenario", 1, 2, scenario_say},
        {"log", 1, 1, log_say}, {"html", 2, 2, html_say}, {"swarm", 2, 99, swarm},
        {"replay", 1, 3, replay}, {"search", 1, 7, search_command}};
    for (size_t i = 0; i < sizeof commands / sizeof *commands && count > 1; i++)
        if (strcmp(words[1], commands[i].name) == 0)
            return command_run(&commands[i], count - 2, words + 2);
    int asked = count == 2 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0);
    if (count > 1 && !asked)
        return word_complain(words[1], "no such command: see --help");
    usage(asked ? stdout : stderr, words[0]);
    return asked ? output_end(0) : NOT_UNDERSTOOD;
}
