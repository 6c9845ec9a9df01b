/* SPDX-License-Identifier: MIT */
#include "file_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_journal {
    char *path;
    char *path_new; /* PATH.new: what replaces the file */
    char *folder;
    uint32_t flags;
    int fd;
    int fd_lock;
    size_t size;      /* bytes that are durable: good records, all of them */
    dev_t device;     /* of the open file: another coordinator may have replaced it */
    ino_t inode;
    uint64_t last_index;
    uint64_t last_term;
    int doubt; /* a write failed: load before anything else */
    uint8_t *bytes;
    size_t capacity;
    struct reshard_driver *driver;
    file_journal_fault fault;
    void *fault_data;
};

/* ---- system calls that a test can let fail ---- */

static int faulty(const struct file_journal *journal, const char *call)
{
    if (!journal->fault || !journal->fault(journal->fault_data, call))
        return 0;
    errno = EIO;
    return 1;
}

static int write_all(
    const struct file_journal *journal, int fd, const uint8_t *bytes, size_t size, size_t offset)
{
    if (faulty(journal, "write")) {
        size /= 2; /* the worst kind: some of it got there */
        (void)!pwrite(fd, bytes, size, (off_t)offset);
        return -1;
    }
    while (size) {
        ssize_t written = pwrite(fd, bytes, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return -1;
        bytes += written;
        offset += (size_t)written;
        size -= (size_t)written;
    }
    return 0;
}

static int sync_file(const struct file_journal *journal, int fd, const char *call)
{
    return faulty(journal, call) ? -1 : fdatasync(fd);
}

static int sync_folder(const struct file_journal *journal)
{
    if (faulty(journal, "fsync folder"))
        return -1;
    int fd = open(journal->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    (void)close(fd);
    return result;
}

/* ---- the lock ---- */

static int32_t lock_take(struct file_journal *journal, int wait)
{
    while (flock(journal->fd_lock, LOCK_EX | (wait ? 0 : LOCK_NB)) != 0) {
        if (errno == EWOULDBLOCK)
            return RESHARD_E_BUSY;
        if (errno != EINTR)
            return RESHARD_E_HOOK;
    }
    return RESHARD_OK;
}

/* An authority is locked for each operation, any other journal for as long as it is open. */
static int32_t operation_begin(struct file_journal *journal)
{
    return journal->flags & FILE_JOURNAL_AUTHORITY ? lock_take(journal, 1) : RESHARD_OK;
}

static int32_t operation_end(struct file_journal *journal, int32_t status)
{
    if (journal->flags & FILE_JOURNAL_AUTHORITY)
        (void)flock(journal->fd_lock, LOCK_UN);
    return status;
}

/* ---- reading ---- */

static int32_t reserve(struct file_journal *journal, size_t size)
{
    if (size <= journal->capacity)
        return RESHARD_OK;
    uint8_t *bytes = realloc(journal->bytes, size);
    if (!bytes)
        return RESHARD_E_NOMEM;
    journal->bytes = bytes;
    journal->capacity = size;
    return RESHARD_OK;
}

static int32_t read_all(struct file_journal *journal, size_t size)
{
    size_t offset = 0;
    int32_t status = reserve(journal, size);
    if (status)
        return status;
    while (offset < size) {
        ssize_t count = faulty(journal, "read") ? -1
                                                : pread(journal->fd, journal->bytes + offset,
                                                      size - offset, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return RESHARD_E_HOOK;
        offset += (size_t)count;
    }
    return RESHARD_OK;
}

static int32_t reopen(struct file_journal *journal, struct stat *file)
{
    if (journal->fd >= 0)
        (void)close(journal->fd);
    journal->fd = -1;
    if (faulty(journal, "open"))
        return RESHARD_E_HOOK;
    journal->fd = open(journal->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal->fd < 0 || fstat(journal->fd, file) != 0)
        return RESHARD_E_HOOK;
    journal->device = file->st_dev;
    journal->inode = file->st_ino;
    return RESHARD_OK;
}

/* Read the file anew into bytes; good_size says how much of it is to be kept. */
static int32_t examine(struct file_journal *journal, size_t *good_size, size_t *file_size)
{
    struct stat file;
    struct reshard_journal_report report;
    int32_t status = reopen(journal, &file);
    if (!status)
        status = read_all(journal, (size_t)file.st_size);
    if (status)
        return status;
    reshard_journal_report_init(&report);
    status = reshard_journal_check(journal->bytes, (size_t)file.st_size, &report);
    if (status)
        return status;
    int cut = report.verdict == RESHARD_E_TORN || journal->flags & FILE_JOURNAL_CUT_DAMAGE;
    if (report.verdict && !cut)
        return report.verdict;
    journal->last_index = report.last_index;
    journal->last_term = report.last_term;
    *good_size = (size_t)report.good_size;
    *file_size = (size_t)file.st_size;
    return RESHARD_OK;
}

/* ---- writing ---- */

static int new_file_write(
    const struct file_journal *journal, const uint8_t *bytes, size_t size)
{
    if (faulty(journal, "open new"))
        return -1;
    int fd = open(journal->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int result = write_all(journal, fd, bytes, size, 0);
    if (!result)
        result = sync_file(journal, fd, "fdatasync new");
    if (close(fd) != 0)
        result = -1;
    return result;
}

/* Make `bytes` the file. From the rename until the folder is synced either file may be the one that
 * a crash leaves: both are sound, but which one is not known, so a failure there is doubt. */
static int32_t replace(struct file_journal *journal, const uint8_t *bytes, size_t size)
{
    if (new_file_write(journal, bytes, size) != 0)
        return RESHARD_E_HOOK;
    journal->doubt = 1;
    journal->size = SIZE_MAX; /* whichever it is, all of it is durable */
    if (faulty(journal, "rename") || rename(journal->path_new, journal->path) != 0 ||
        sync_folder(journal) != 0)
        return RESHARD_E_UNKNOWN;
    struct stat file;
    int32_t status = reopen(journal, &file);
    if (status)
        return status;
    journal->size = size;
    journal->doubt = 0;
    return RESHARD_OK;
}

/* Whether another coordinator has written or replaced the file since. */
static int foreign(const struct file_journal *journal)
{
    struct stat file;
    return stat(journal->path, &file) != 0 || file.st_dev != journal->device ||
           file.st_ino != journal->inode || (size_t)file.st_size != journal->size;
}

/* Bring the file to what is sound and durable. In doubt, records behind the last durable one were
 * promised to nobody and are cut: absent is a definite answer, present would not be. What somebody
 * else wrote may be in the cache alone, so it is written again. */
static int32_t recover(struct file_journal *journal, int first)
{
    size_t good_size, file_size;
    int rewrite = first || journal->doubt || foreign(journal);
    int shared = journal->flags & FILE_JOURNAL_AUTHORITY;
    int32_t status = examine(journal, &good_size, &file_size);
    if (status)
        return status;
    if (!first && !shared && journal->size < good_size)
        good_size = journal->size;
    if (!rewrite && good_size == file_size)
        return RESHARD_OK;
    status = replace(journal, journal->bytes, good_size);
    return status ? status : examine(journal, &good_size, &file_size);
}

static int32_t compare(struct file_journal *journal, uint64_t term, uint64_t index)
{
    if (!(journal->flags & FILE_JOURNAL_AUTHORITY))
        return RESHARD_OK;
    if (foreign(journal)) {
        int32_t status = recover(journal, 1);
        if (status)
            return status == RESHARD_E_NOMEM ? status : RESHARD_E_UNKNOWN;
    }
    if (term < journal->last_term)
        return RESHARD_E_FENCED;
    return index == journal->last_index + 1 ? RESHARD_OK : RESHARD_E_UNKNOWN;
}

static int32_t append(struct file_journal *journal, uint64_t term, uint64_t index,
    const uint8_t *bytes, size_t size)
{
    if (journal->doubt)
        return RESHARD_E_UNKNOWN;
    int32_t status = compare(journal, term, index);
    if (status)
        return status;
    if (write_all(journal, journal->fd, bytes, size, journal->size) != 0 ||
        sync_file(journal, journal->fd, "fdatasync") != 0) {
        journal->doubt = 1;
        if (!faulty(journal, "ftruncate"))
            (void)!ftruncate(journal->fd, (off_t)journal->size); /* nobody should see it */
        return RESHARD_E_UNKNOWN;
    }
    journal->size += size;
    journal->last_index = index;
    journal->last_term = term;
    return RESHARD_OK;
}

/* ---- public ---- */

int32_t file_journal_append(struct file_journal *journal, uint64_t term, uint64_t index,
    const uint8_t *bytes, size_t size)
{
    int32_t status = operation_begin(journal);
    if (status)
        return status;
    return operation_end(journal, append(journal, term, index, bytes, size));
}

int32_t file_journal_replace(struct file_journal *journal, const uint8_t *bytes, size_t size)
{
    struct reshard_journal_report report;
    reshard_journal_report_init(&report);
    int32_t status = reshard_journal_check(bytes, size, &report);
    if (status || report.verdict)
        return status ? status : report.verdict;
    status = operation_begin(journal);
    if (status)
        return status;
    if (journal->doubt || (journal->flags & FILE_JOURNAL_AUTHORITY && foreign(journal)))
        return operation_end(journal, RESHARD_E_UNKNOWN);
    status = replace(journal, bytes, size);
    if (!status) {
        journal->last_index = report.last_index;
        journal->last_term = report.last_term;
    }
    return operation_end(journal, status);
}

int32_t file_journal_load(
    struct file_journal *journal, const uint8_t **bytes_out, size_t *size_out)
{
    int32_t status = operation_begin(journal);
    if (status)
        return status;
    status = recover(journal, 0);
    if (!status) {
        *bytes_out = journal->bytes;
        *size_out = journal->size;
    }
    return operation_end(journal, status);
}

static char *text_join(const char *a, const char *b)
{
    size_t size = strlen(a) + strlen(b) + 1;
    char *text = malloc(size);
    if (text)
        (void)snprintf(text, size, "%s%s", a, b);
    return text;
}

static int32_t names_make(struct file_journal *journal, const char *path)
{
    const char *slash = strrchr(path, '/');
    journal->path = text_join(path, "");
    journal->path_new = text_join(path, ".new");
    journal->folder = slash ? text_join(path, "/") : text_join(".", "");
    if (!journal->path || !journal->path_new || !journal->folder)
        return RESHARD_E_NOMEM;
    if (slash)
        journal->folder[slash - path + 1] = 0;
    return RESHARD_OK;
}

static int32_t lock_open(struct file_journal *journal)
{
    char *path = text_join(journal->path, ".lock");
    if (!path)
        return RESHARD_E_NOMEM;
    journal->fd_lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    if (journal->fd_lock < 0)
        return RESHARD_E_HOOK;
    return lock_take(journal, (journal->flags & FILE_JOURNAL_AUTHORITY) != 0);
}

int32_t file_journal_open(const char *path, uint32_t flags, struct file_journal **journal_out)
{
    struct file_journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return RESHARD_E_NOMEM;
    journal->flags = flags;
    journal->fd = -1;
    journal->fd_lock = -1;
    int32_t status = names_make(journal, path);
    if (!status)
        status = lock_open(journal);
    /* Bytes that an earlier process read back may never have reached the disk: write them again. */
    if (!status)
        status = operation_end(journal, recover(journal, 1));
    if (status) {
        file_journal_close(journal);
        return status;
    }
    *journal_out = journal;
    return RESHARD_OK;
}

void file_journal_close(struct file_journal *journal)
{
    if (!journal)
        return;
    if (journal->fd >= 0)
        (void)close(journal->fd);
    if (journal->fd_lock >= 0)
        (void)close(journal->fd_lock);
    free(journal->path);
    free(journal->path_new);
    free(journal->folder);
    free(journal->bytes);
    free(journal);
}

void file_journal_set_fault(
    struct file_journal *journal, file_journal_fault fault, void *user_data)
{
    journal->fault = fault;
    journal->fault_data = user_data;
}

void file_journal_connect(struct file_journal *journal, struct reshard_driver *driver)
{
    journal->driver = driver;
}

static int32_t hook_append(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    (void)completion;
    return file_journal_append(
        user_data, action->term, action->index, action->header, action->header_size);
}

static int32_t hook_load(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct file_journal *journal = user_data;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    (void)action;
    (void)completion;
    int32_t status = file_journal_load(journal, &bytes, &size);
    if (status || !size)
        return status;
    return reshard_driver_restore(journal->driver, bytes, size);
}

static int32_t hook_compact(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    (void)completion;
    return file_journal_replace(user_data, action->header, action->header_size);
}

void file_journal_hooks(struct file_journal *journal, struct reshard_journal *hooks_out)
{
    reshard_journal_init(hooks_out);
    hooks_out->user_data = journal;
    hooks_out->append = hook_append;
    hooks_out->load = hook_load;
    hooks_out->compact = hook_compact;
}
