/* SPDX-License-Identifier: MIT */
/* Work in a process of its own: a broken assertion ends that one, and is a failure like others. */
#ifndef SIMULATE_CHILD_H
#define SIMULATE_CHILD_H

#include <reshard-sim/sim.h>

/* Zeroed memory that children and parent share, until the process ends; NULL = none. */
void *child_share(size_t size);
/* Do it in a child. NULL when that ended by itself, else what ended it: "assert" or "death". */
const char *child_call(void (*work)(void *data), void *data);
/* As reshard_sim_swarm_run(), in a child: its death is a violation of that name. decisions_out is
 * shared memory, what print writes to is buffered by lines at most. */
int32_t child_run(const struct reshard_sim_swarm *swarm, reshard_sim_print print, void *print_data,
    struct reshard_sim_decision *decisions_out, uint64_t capacity,
    struct reshard_sim_report *report_out);
/* child_run() where this checker fired, for the process may die of it; else the library's own. */
int32_t child_run_for(const char *checker, const struct reshard_sim_swarm *swarm,
    reshard_sim_print print, void *print_data, struct reshard_sim_report *report_out);

#endif
