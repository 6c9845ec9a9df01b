/* SPDX-License-Identifier: MIT */
/* The line: what, a bar, percent, how many of how many, a note, how many a second, seconds left. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime, isatty */

#include "simulate_progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CELLS = 30 };

static double seconds_since(const struct timespec *before)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - before->tv_sec) + (double)(now.tv_nsec - before->tv_nsec) / 1e9;
}

void progress_begin(struct progress *progress, const char *what, uint64_t total)
{
    *progress = (struct progress){.what = what, .total = total, .on = isatty(STDERR_FILENO)};
    (void)clock_gettime(CLOCK_MONOTONIC, &progress->begun);
}

static void line_draw(const struct progress *progress, uint64_t done, const char *note)
{
    double rate = (double)done / (seconds_since(&progress->begun) + 1e-9);
    double total = (double)(progress->total > done ? progress->total : done + !done);
    double part = progress->total ? (double)done / total : 0;
    char bar[CELLS + 1] = {0};
    memset(bar, '.', CELLS);
    memset(bar, '#', (size_t)(part * CELLS));
    (void)fprintf(stderr, "\r%.26s [%s] %3d %% %llu%s, %.0f/s, %.0f s left\033[K", progress->what,
        bar, (int)(part * 100), (unsigned long long)done, note, rate,
        (total - (double)done) / (rate + 1e-9));
    (void)fflush(stderr);
}

void progress_show(struct progress *progress, uint64_t done, const char *note)
{
    int last = progress->total && done >= progress->total;
    if (!progress->on || (progress->shown.tv_sec && !last && seconds_since(&progress->shown) < 0.1))
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &progress->shown);
    line_draw(progress, done, note);
}

void progress_clear(const struct progress *progress)
{
    if (progress->on)
        (void)fprintf(stderr, "\r\033[K");
}
