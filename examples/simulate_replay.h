/* SPDX-License-Identifier: MIT */
/* A failure as one file: the library's version, the configuration, the decisions, and the history
 * that they make. Text, a line each; `replay` runs it again. */
#ifndef SIMULATE_REPLAY_H
#define SIMULATE_REPLAY_H

#include <reshard-sim/sim.h>

enum { REPLAY_DECISIONS_MAX = 1 << 20, REPLAY_CHECKER_SIZE = 32 };

struct replay {
    struct reshard_sim_swarm swarm; /* its decisions point at `decisions` */
    struct reshard_sim_decision *decisions; /* REPLAY_DECISIONS_MAX places, shared memory */
    uint32_t version;
    char checker[REPLAY_CHECKER_SIZE]; /* that fired */
    uint64_t transcript;               /* digest of the history */
};

/* 0, or -1: no memory. */
int replay_make(struct replay *replay);
/* Run it once more, and write it with its history. 0, or -1: it cannot be written. */
int replay_write(
    const struct replay *replay, const char *path, struct reshard_sim_report *report_out);
/* 0, or -1 and a complaint: it cannot be read, or is none. */
int replay_read(struct replay *replay, const char *path);

#endif
