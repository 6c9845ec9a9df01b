/* SPDX-License-Identifier: MIT */
/* Replay files of the simulator's command line. */
#include "simulate_replay.h"
#include "simulate_child.h"
#include "simulate_words.h"

#include <inttypes.h>
#include <reshard/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int replay_make(struct replay *replay)
{
    memset(replay, 0, sizeof *replay);
    reshard_sim_swarm_init(&replay->swarm);
    replay->decisions = child_share(REPLAY_DECISIONS_MAX * sizeof *replay->decisions);
    replay->swarm.decisions = replay->decisions;
    replay->version = reshard_version();
    return replay->decisions ? 0 : -1;
}

static void line_write(void *user_data, const char *text, size_t size)
{
    FILE *file = user_data;
    (void)fputs("| ", file);
    (void)fwrite(text, 1, size, file);
}

/* A client that leaves something out: the operations that it keeps, by number. */
static void skips_write(FILE *file, uint32_t client, const uint64_t *skipped)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < RESHARD_SIM_OPERATIONS / 64; i++)
        any |= skipped[i];
    if (!any)
        return;
    (void)fprintf(file, "client %" PRIu32 " keeps", client + 1);
    for (uint32_t i = 0; i < RESHARD_SIM_OPERATIONS; i++)
        if (!(skipped[i / 64] >> i % 64 & 1))
            (void)fprintf(file, " %" PRIu32, i + 1);
    (void)fputc('\n', file);
}

static void head_write(FILE *file, const struct replay *replay, const char *checker)
{
    const struct reshard_sim_swarm *swarm = &replay->swarm;
    (void)fprintf(file, "reshard-sim replay 1\nversion %06" PRIx32 "\nchecker %s\n",
        replay->version, checker);
    (void)fprintf(file, "seed %" PRIu64 " mode %" PRIu32 " sabotage %" PRIu32 "\n", swarm->seed,
        swarm->mode, swarm->sabotage);
    if (swarm->focus)
        (void)fprintf(file, "focus %" PRIu32 "\n", swarm->focus);
    (void)fprintf(file,
        "limits nodes %" PRIu32 " replicas %" PRIu32 " keys %" PRIu32 " chaos_ms %" PRIu32 "\n",
        swarm->node_limit, swarm->replica_limit, swarm->key_limit, swarm->chaos_limit_ms);
    for (uint32_t client = 0; client < RESHARD_SIM_CLIENTS; client++)
        skips_write(file, client, swarm->skipped[client]);
    if (swarm->unread)
        (void)fprintf(file, "unread %016" PRIx64 "\n", swarm->unread);
    for (uint64_t i = 0; i < swarm->decision_count; i++)
        (void)fprintf(file, "decision %" PRIu32 " %" PRIu64 " %" PRIu32 "\n",
            replay->decisions[i].kind, replay->decisions[i].ordinal, replay->decisions[i].value);
}

int replay_write(
    const struct replay *replay, const char *path, struct reshard_sim_report *report_out)
{
    struct reshard_sim_swarm swarm = replay->swarm;
    reshard_sim_report_init(report_out);
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    (void)setvbuf(file, NULL, _IOLBF, BUFSIZ);
    swarm.replay = 1;
    head_write(file, replay, replay->checker);
    int32_t status = child_run_for(replay->checker, &swarm, line_write, file, report_out);
    (void)fprintf(file, "transcript %016" PRIx64 "\n", report_out->transcript);
    int failed = ferror(file);
    failed |= fclose(file);
    return failed || status ? -1 : 0;
}

static int limits_read(const char *line, struct reshard_sim_swarm *swarm)
{
    return sscanf(line,
               "limits nodes %" SCNu32 " replicas %" SCNu32 " keys %" SCNu32 " chaos_ms %" SCNu32,
               &swarm->node_limit, &swarm->replica_limit, &swarm->key_limit,
               &swarm->chaos_limit_ms) == 4;
}

static int skips_read(const char *line, struct reshard_sim_swarm *swarm)
{
    uint32_t client;
    int used = 0;
    if (sscanf(line, "client %" SCNu32 " keeps%n", &client, &used) != 1 || used == 0 ||
        client < 1 || client > RESHARD_SIM_CLIENTS)
        return 0;
    uint64_t *skipped = swarm->skipped[client - 1];
    memset(skipped, 0xFF, sizeof swarm->skipped[0]);
    for (line += used; *line && *line != '\n';) {
        char *end;
        unsigned long number = strtoul(line, &end, 10);
        if (end == line || number < 1 || number > RESHARD_SIM_OPERATIONS)
            return 0;
        skipped[(number - 1) / 64] &= ~(UINT64_C(1) << (number - 1) % 64);
        line = end;
    }
    return 1;
}

static int decision_read(const char *line, struct replay *replay)
{
    struct reshard_sim_decision decision;
    if (replay->swarm.decision_count == REPLAY_DECISIONS_MAX ||
        sscanf(line, "decision %" SCNu32 " %" SCNu64 " %" SCNu32, &decision.kind,
            &decision.ordinal, &decision.value) != 3)
        return 0;
    replay->decisions[replay->swarm.decision_count++] = decision;
    return 1;
}

/* 1 when the line says something that belongs here. */
static int line_read(const char *line, struct replay *replay)
{
    struct reshard_sim_swarm *swarm = &replay->swarm;
    return line[0] == '|' || limits_read(line, swarm) || skips_read(line, swarm) ||
           decision_read(line, replay) ||
           sscanf(line, "version %" SCNx32, &replay->version) == 1 ||
           sscanf(line, "focus %" SCNu32, &swarm->focus) == 1 ||
           sscanf(line, "unread %" SCNx64, &swarm->unread) == 1 ||
           sscanf(line, "checker %31s", replay->checker) == 1 ||
           sscanf(line, "transcript %" SCNx64, &replay->transcript) == 1 ||
           sscanf(line, "seed %" SCNu64 " mode %" SCNu32 " sabotage %" SCNu32, &swarm->seed,
               &swarm->mode, &swarm->sabotage) == 3;
}

int replay_read(struct replay *replay, const char *path)
{
    char line[4096];
    FILE *file = fopen(path, "r");
    if (!file) {
        (void)file_complain(path);
        return -1;
    }
    unsigned number = 1;
    int good = fgets(line, sizeof line, file) && strcmp(line, "reshard-sim replay 1\n") == 0;
    while (good && fgets(line, sizeof line, file)) {
        number++;
        good = line_read(line, replay);
    }
    (void)fclose(file);
    replay->swarm.replay = 1;
    if (good)
        return 0;
    (void)fprintf(stderr, "%s:%u: not a line of a replay file\n", path, number);
    return -1;
}
