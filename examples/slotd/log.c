/* SPDX-License-Identifier: MIT */
/* Room log: see log.h. */
#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 2048, GATHERED_SIZE_MAX = 16384 };

static int log_file = STDERR_FILENO;
static int log_least = LOG_INFO;
static bool log_gathers;
static char gathered[GATHERED_SIZE_MAX];
static size_t gathered_size;

int log_open(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0)
        return -1;
    log_file = file;
    return 0;
}

void log_level(int level)
{
    log_least = level;
}

int64_t clock_wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t clock_monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void log_flush(void)
{
    ssize_t written = gathered_size > 0 ? write(log_file, gathered, gathered_size) : 0;
    (void)written; /* a log that cannot be written must not stop the server */
    gathered_size = 0;
}

void log_gather(bool gather)
{
    log_gathers = gather;
    log_flush();
}

static void line_write(int level, const char *event, const char *format, va_list arguments)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if (gathered_size > GATHERED_SIZE_MAX - LINE_SIZE_MAX)
        log_flush();
    char *line = gathered + gathered_size;
    struct timespec now;
    struct tm parts;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    size_t size = strftime(line, LINE_SIZE_MAX, "ts=%Y-%m-%dT%H:%M:%S", &parts);
    int added = snprintf(line + size, LINE_SIZE_MAX - size, ".%06dZ level=%s pid=%d event=%s ",
        (int)(now.tv_nsec / 1000), names[level], (int)getpid(), event);
    size += added > 0 ? (size_t)added : 0;
    added = vsnprintf(line + size, LINE_SIZE_MAX - size - 1, format, arguments);
    size += added > 0 ? (size_t)added : 0;
    if (size > LINE_SIZE_MAX - 2)
        size = LINE_SIZE_MAX - 2;
    line[size++] = '\n';
    gathered_size += size;
    if (!log_gathers || level >= LOG_WARNING)
        log_flush();
}

void log_event(int level, const char *event, const char *format, ...)
{
    if (level < log_least)
        return;
    va_list arguments;
    va_start(arguments, format);
    line_write(level, event, format, arguments);
    va_end(arguments);
}

void log_fatal(const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    line_write(LOG_ERROR, event, format, arguments);
    va_end(arguments);
    _exit(70);
}
