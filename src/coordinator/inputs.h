/* SPDX-License-Identifier: MIT */
/* Room coordinator: how every input begins and ends. */
#ifndef RESHARD_COORDINATOR_INPUTS_H
#define RESHARD_COORDINATOR_INPUTS_H

#include "coordinator/coordinator.h"

/* Refuses before start, after a fence and inside another input; reserves what an input may
 * cause. */
int32_t reshard__feed_begin(struct reshard_coordinator *coordinator, uint64_t now_ns);
/* Appends what was queued; hands `status` on. */
int32_t reshard__feed_end(struct reshard_coordinator *coordinator, int32_t status);

#endif
