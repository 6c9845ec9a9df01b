/* SPDX-License-Identifier: MIT */
/* How far a long run is: one line on a terminal, drawn again and again, gone at the end. Writes to
 * standard error, and nothing when that is no terminal. */
#ifndef SIMULATE_PROGRESS_H
#define SIMULATE_PROGRESS_H

#include <stdint.h>
#include <time.h>

struct progress {
    const char *what; /* borrowed */
    uint64_t total;   /* 0 = nobody knows yet */
    struct timespec begun, shown;
    int on;
};

void progress_begin(struct progress *progress, const char *what, uint64_t total);
/* Draws at most ten times a second, but the first and the last always. */
void progress_show(struct progress *progress, uint64_t done, const char *note);
/* Before something else is written, and at the end. */
void progress_clear(const struct progress *progress);

#endif
