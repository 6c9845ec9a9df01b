/* SPDX-License-Identifier: MIT */
/* The line: what, a bar, percent, how many of how many, a note, how many a second, seconds left. It
 * takes no more than one row of the terminal, however wide that is by now: what wraps stays. */
#define _DEFAULT_SOURCE /* clock_gettime, isatty, struct winsize */

#include "simulate_progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { CELLS = 30, CELLS_MIN = 5, COLUMNS = 80 };

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

/* But for the last one: a row that is full may wrap. */
static size_t columns_free(void)
{
    struct winsize size;
    int known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return (known ? size.ws_col : COLUMNS) - 1U;
}

/* "[###.......] ", or nothing where that has no room. */
static void bar_make(char bar[CELLS + 4], double part, size_t room)
{
    size_t cells = room < CELLS + 3 ? room - (room < 3 ? room : 3) : CELLS;
    *bar = '\0';
    if (cells < CELLS_MIN)
        return;
    memset(bar + 1, '.', cells);
    memset(bar + 1, '#', (size_t)(part * (double)cells));
    *bar = '[';
    memcpy(bar + 1 + cells, "] ", sizeof "] ");
}

static void line_draw(const struct progress *progress, uint64_t done, const char *note)
{
    double rate = (double)done / (seconds_since(&progress->begun) + 1e-9);
    double total = (double)(progress->total > done ? progress->total : done + !done);
    double part = progress->total ? (double)done / total : 0;
    char what[32], figures[160], bar[CELLS + 4];
    size_t columns = columns_free();
    int width = snprintf(what, sizeof what, "%.26s ", progress->what);
    width += snprintf(figures, sizeof figures, "%d %% %llu%s, %.0f/s, %.0f s left",
        (int)(part * 100), (unsigned long long)done, note, rate,
        (total - (double)done) / (rate + 1e-9));
    bar_make(bar, part, columns - (columns < (size_t)width ? columns : (size_t)width));
    char line[sizeof what + sizeof bar + sizeof figures];
    (void)snprintf(line, sizeof line, "%s%s%s", what, bar, figures);
    (void)fprintf(stderr, "\r%.*s\033[K", (int)columns, line);
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
