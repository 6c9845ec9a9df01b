/* SPDX-License-Identifier: MIT */
/* Room log (slotd): one structured line an event, "ts=... level=... event=... key=value".
 *
 * Guarantees: lines are written whole, never half; values are the caller's to quote. While they are
 * gathered, one call writes all of a turn; warnings and errors go at once, with what came before.
 * Touches stderr or the log file.
 */
#ifndef SLOTD_LOG_H
#define SLOTD_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Append to this file instead of stderr; 0, or -1 when it cannot be opened. */
int log_open(const char *path);
void log_level(int level);
/* Lines wait for log_flush, until this is turned off again. */
void log_gather(bool gather);
void log_flush(void);
void log_event(int level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Log and end the process at once: state on disk is sound, state in memory is not. */
_Noreturn void log_fatal(const char *event, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Wall clock in milliseconds since 1970; monotonic clock in nanoseconds. */
int64_t clock_wall_ms(void);
uint64_t clock_monotonic_ns(void);

#endif
