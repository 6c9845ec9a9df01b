/* SPDX-License-Identifier: MIT */
/* Exhaustive searches from a command line. */
#ifndef SIMULATE_SEARCH_H
#define SIMULATE_SEARCH_H

#include <reshard-sim/sim.h>

/* simulate search NAME|all|PART/PARTS [limit STATES] [verify EVERY] [sabotage BITS]: a line for
 * each configuration; 1 when an invariant broke, or when fewer states were found than the
 * configuration asks for. What broke is written to search-NAME.txt, which replays. */
int search_command(int count, char **words);

/* Go the way again that stands in such a file, with its transcript, or with its event log where
 * `log` is not NULL: 0, 1 when an invariant breaks, 2 when it cannot be gone; -1: it is no such
 * file. trace: as in a search. */
int search_replay(const char *path, unsigned trace, reshard_sim_print log, void *log_data);

#endif
