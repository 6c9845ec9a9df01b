/* SPDX-License-Identifier: MIT */
/* Replay files of the simulator's command line. */
#include "simulate_replay.h"

#include <inttypes.h>
#include <reshard/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int replay_make(struct replay *replay)
{
    memset(replay, 0, sizeof *replay);
    reshard_sim_swarm_init(&replay->swarm);
    replay->decisions = malloc(REPLAY_DECISIONS_MAX * sizeof *replay->decisions);
    replay->swarm.decisions = replay->decisions;
    replay->version = reshard_version();
    return replay->decisions ? 0 : -1;
}

void replay_free(struct replay *replay)
{
    free(replay->decisions);
    replay->decisions = NULL;
}

static void line_write(void *user_data, const char *text, size_t size)
{
    FILE *file = user_data;
    (void)fputs("| ", file);
    (void)fwrite(text, 1, size, file);
}

static void head_write(FILE *file, const struct replay *replay, const char *checker)
{
    const struct reshard_sim_swarm *swarm = &replay->swarm;
    (void)fprintf(file, "reshard-sim replay 1\nversion %06" PRIx32 "\nchecker %s\n",
        replay->version, checker);
    (void)fprintf(file, "seed %" PRIu64 " mode %" PRIu32 " sabotage %" PRIu32 "\n", swarm->seed,
        swarm->mode, swarm->sabotage);
    (void)fprintf(file,
        "limits clients %" PRIu32 " operations %" PRIu32 " keys %" PRIu32 " replicas %" PRIu32
        " chaos_ms %" PRIu32 "\n",
        swarm->client_limit, swarm->operation_limit, swarm->key_limit, swarm->replica_limit,
        swarm->chaos_limit_ms);
    for (uint64_t i = 0; i < swarm->decision_count; i++)
        (void)fprintf(file, "decision %" PRIu32 " %" PRIu64 " %" PRIu32 "\n",
            replay->decisions[i].kind, replay->decisions[i].ordinal, replay->decisions[i].value);
}

int replay_write(const struct replay *replay, const char *path)
{
    struct reshard_sim_swarm swarm = replay->swarm;
    struct reshard_sim_report report;
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    swarm.replay = 1;
    head_write(file, replay, replay->checker);
    reshard_sim_report_init(&report);
    int32_t status = reshard_sim_swarm_run(&swarm, line_write, file, NULL, 0, &report);
    (void)fprintf(file, "transcript %016" PRIx64 "\n", report.transcript);
    int failed = ferror(file);
    failed |= fclose(file);
    return failed || status ? -1 : 0;
}

static int limits_read(const char *line, struct reshard_sim_swarm *swarm)
{
    return sscanf(line,
               "limits clients %" SCNu32 " operations %" SCNu32 " keys %" SCNu32
               " replicas %" SCNu32 " chaos_ms %" SCNu32,
               &swarm->client_limit, &swarm->operation_limit, &swarm->key_limit,
               &swarm->replica_limit, &swarm->chaos_limit_ms) == 5;
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
    return line[0] == '|' || limits_read(line, swarm) || decision_read(line, replay) ||
           sscanf(line, "version %" SCNx32, &replay->version) == 1 ||
           sscanf(line, "checker %31s", replay->checker) == 1 ||
           sscanf(line, "transcript %" SCNx64, &replay->transcript) == 1 ||
           sscanf(line, "seed %" SCNu64 " mode %" SCNu32 " sabotage %" SCNu32, &swarm->seed,
               &swarm->mode, &swarm->sabotage) == 3;
}

int replay_read(struct replay *replay, const char *path)
{
    char line[4096];
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    int good = fgets(line, sizeof line, file) && strcmp(line, "reshard-sim replay 1\n") == 0;
    while (good && fgets(line, sizeof line, file))
        good = line_read(line, replay);
    (void)fclose(file);
    replay->swarm.replay = 1;
    return good ? 0 : -1;
}
