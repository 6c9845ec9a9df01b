/* SPDX-License-Identifier: MIT */
/* Room base: the gate of an engine: what every input passes, and what it brings.
 *
 * Guarantees: no input before the start, after the end, or inside another; whoever passed has room
 * in the outbox for all that one input may cause.
 */
#ifndef RESHARD_BASE_GATE_H
#define RESHARD_BASE_GATE_H

#include "base/outbox.h"

struct reshard__gate {
    bool started;
    bool feeding;  /* inside an input: re-entry is refused */
    int32_t ended; /* status that every later input is answered with, or RESHARD_OK */
};

/* Begin an input; whoever gets RESHARD_OK ends it by `feeding = false`. */
int32_t reshard__gate_enter(struct reshard__gate *gate, struct reshard__outbox *outbox);

/* How an action ended, as the host says it; `from` NULL = it was done. */
int32_t reshard__gate_completion(
    const struct reshard_completion *from, struct reshard_completion *completion_out);

#endif
