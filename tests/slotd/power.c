/* SPDX-License-Identifier: MIT */
/* A slotd whose disk remembers what was synced, and only that: linked with the server, these take
 * the place of the C library's calls, for LMDB too. Beside each file of the process, synced/NAME is
 * what a loss of power would leave for certain; of what was written since, any page may be there or
 * not (e2e_power.py throws the dice). A name counts once its directory has been synced. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PIECE_SIZE = 1 << 16, PATH_SIZE = 512 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* synced/NAME for a file. */
static void image_name(char path[PATH_SIZE], const char *name, const char *suffix)
{
    const char *last = strrchr(name, '/');
    (void)mkdir("synced", 0755);
    (void)snprintf(path, PATH_SIZE, "synced/%s%s", last != NULL ? last + 1 : name, suffix);
}

static int image_open(int file)
{
    char link[64];
    char name[PATH_SIZE] = {0};
    char path[PATH_SIZE];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
    if (readlink(link, name, sizeof(name) - 1) < 0)
        return -1;
    image_name(path, name, "");
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}

static ssize_t real_pwrite(int file, const void *data, size_t size, off_t offset)
{
    return syscall(SYS_pwrite64, file, data, size, offset);
}

static bool range_copy(int from, int to, off_t begin, off_t end)
{
    static uint8_t piece[PIECE_SIZE]; /* under the lock */
    while (begin < end) {
        size_t wanted = end - begin < PIECE_SIZE ? (size_t)(end - begin) : PIECE_SIZE;
        ssize_t size = pread(from, piece, wanted, begin);
        if (size <= 0)
            return size == 0; /* it was cut meanwhile */
        if (real_pwrite(to, piece, (size_t)size, begin) != size)
            return false;
        begin += size;
    }
    return true;
}

/* What lies between the two offsets becomes safe. The descriptor may be for writing only. */
static int range_sync(int file, off_t begin, off_t end)
{
    char link[64];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
    (void)pthread_mutex_lock(&lock);
    int from = open(link, O_RDONLY | O_CLOEXEC);
    int to = image_open(file);
    bool good = from >= 0 && to >= 0 && range_copy(from, to, begin, end);
    if (from >= 0)
        (void)close(from);
    if (to >= 0)
        (void)close(to);
    (void)pthread_mutex_unlock(&lock);
    return good ? 0 : -1;
}

static int names_sync(int directory)
{
    char path[PATH_SIZE];
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
    if (entries == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        image_name(path, entry->d_name, ".named");
        int mark = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (mark >= 0)
            (void)close(mark);
    }
    return closedir(entries);
}

int fsync(int file)
{
    struct stat stat;
    if (fstat(file, &stat) != 0)
        return -1;
    return S_ISDIR(stat.st_mode) ? names_sync(file) : range_sync(file, 0, stat.st_size);
}

int fdatasync(int file)
{
    return fsync(file);
}

/* LMDB writes its meta page through a descriptor that syncs each write. The name is the one that it
 * calls; ours, with 64-bit offsets, has another. */
ssize_t power_pwrite(int file, const void *data, size_t size, off_t offset) __asm__("pwrite");
ssize_t power_pwrite(int file, const void *data, size_t size, off_t offset)
{
    ssize_t written = real_pwrite(file, data, size, offset);
    int flags = fcntl(file, F_GETFL);
    if (written > 0 && flags >= 0 && (flags & O_DSYNC) != 0 &&
        range_sync(file, offset, offset + written) != 0)
        return -1;
    return written;
}
