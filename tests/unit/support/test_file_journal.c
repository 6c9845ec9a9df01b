/* SPDX-License-Identifier: MIT */
/* The file journal: what a crash, a full disk, a liar of a disk and a second process do to it. */
#include "file_journal.h"
#include "records.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char folder[64];
    char path[96];
    struct records *records;
};

static struct fixture setup(void)
{
    struct fixture it;
    /* In memory where there is such a folder: thousands of syncs, and none proves more there. */
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(it.folder, sizeof it.folder, "%s/journal-XXXXXX", base);
    cr_assert_not_null(mkdtemp(it.folder));
    (void)snprintf(it.path, sizeof it.path, "%s/journal", it.folder);
    it.records = calloc(1, sizeof *it.records);
    return it;
}

static void teardown(struct fixture *it)
{
    const char *const tails[] = {"", ".lock", ".new"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s%s", it->path, tails[i]);
        (void)unlink(path);
    }
    cr_assert_eq(rmdir(it->folder), 0);
    free(it->records);
}

static struct file_journal *open_it(const struct fixture *it, uint32_t flags)
{
    struct file_journal *journal = NULL;
    cr_assert_eq(file_journal_open(it->path, flags, &journal), RESHARD_OK);
    return journal;
}

static int32_t append(struct fixture *it, struct file_journal *journal, uint64_t term)
{
    const uint8_t *bytes = records_add(it->records, term);
    return file_journal_append(
        journal, term, it->records->position.index, bytes, records_last_size(it->records));
}

/* Forget the newest record: its append came to nothing. */
static void forget(struct fixture *it, struct reshard__journal_position before)
{
    it->records->count--;
    it->records->size = it->records->count ? it->records->ends[it->records->count - 1] : 0;
    it->records->position = before;
}

static void fill(struct fixture *it, size_t count)
{
    struct file_journal *journal = open_it(it, 0);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(append(it, journal, 1), RESHARD_OK);
    file_journal_close(journal);
}

static void expect(struct file_journal *journal, const uint8_t *bytes, size_t size)
{
    const uint8_t *loaded = NULL;
    size_t loaded_size = 0;
    cr_assert_eq(file_journal_load(journal, &loaded, &loaded_size), RESHARD_OK);
    cr_assert_eq(loaded_size, size, "%zu bytes, expected %zu", loaded_size, size);
    cr_assert(size == 0 || memcmp(loaded, bytes, size) == 0);
}

static void file_put(const struct fixture *it, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(it->path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

Test(file_journal, what_was_appended_is_there_after_opening_again)
{
    struct fixture it = setup();
    fill(&it, 20);
    struct file_journal *journal = open_it(&it, 0);
    expect(journal, it.records->bytes, it.records->size);
    cr_assert_eq(append(&it, journal, 1), RESHARD_OK);
    expect(journal, it.records->bytes, it.records->size);
    file_journal_close(journal);
    teardown(&it);
}

Test(file_journal, an_empty_journal_loads_nothing)
{
    struct fixture it = setup();
    struct file_journal *journal = open_it(&it, 0);
    expect(journal, NULL, 0);
    file_journal_close(journal);
    teardown(&it);
}

/* A crash at every byte of an append: the whole records stay, the torn one goes, the next fits. */
Test(file_journal, a_tail_torn_at_any_byte_is_cut)
{
    struct fixture it = setup();
    fill(&it, 4);
    struct records whole = *it.records;
    for (size_t size = 0; size <= whole.size; size++) {
        size_t count = 0;
        while (count < 4 && whole.ends[count] <= size)
            count++;
        size_t good_size = count ? whole.ends[count - 1] : 0;
        file_put(&it, whole.bytes, size);
        struct file_journal *journal = open_it(&it, 0);
        expect(journal, whole.bytes, good_size);
        struct stat file;
        cr_assert_eq(stat(it.path, &file), 0);
        cr_assert_eq((size_t)file.st_size, good_size);
        file_journal_close(journal);
    }
    teardown(&it);
}

/* A changed byte in a record that was acknowledged is never cut away silently. Where the last
 * record's size field itself is cut short the check may call it torn; never for earlier ones. */
Test(file_journal, a_changed_byte_is_refused_and_the_file_left_alone)
{
    struct fixture it = setup();
    fill(&it, 3);
    struct records whole = *it.records;
    for (size_t at = 0; at < whole.size; at++) {
        uint8_t bytes[sizeof whole.bytes / 16];
        cr_assert_lt(whole.size, sizeof bytes);
        memcpy(bytes, whole.bytes, whole.size);
        bytes[at] ^= 0x40;
        file_put(&it, bytes, whole.size);
        struct file_journal *journal = NULL;
        int32_t status = file_journal_open(it.path, 0, &journal);
        cr_assert(status <= RESHARD_E_TRUNCATED && status != RESHARD_E_TORN,
            "byte %zu: %s", at, reshard_strname(status));
        cr_assert_null(journal);
        struct stat file;
        cr_assert_eq(stat(it.path, &file), 0);
        cr_assert_eq((size_t)file.st_size, whole.size);
    }
    teardown(&it);
}

Test(file_journal, damage_is_cut_when_the_operator_says_so)
{
    struct fixture it = setup();
    fill(&it, 3);
    it.records->bytes[it.records->ends[0] + 10] ^= 1;
    file_put(&it, it.records->bytes, it.records->size);
    struct file_journal *journal = open_it(&it, FILE_JOURNAL_CUT_DAMAGE);
    expect(journal, it.records->bytes, it.records->ends[0]);
    file_journal_close(journal);
    teardown(&it);
}

Test(file_journal, replacing_leaves_the_new_records_only)
{
    struct fixture it = setup();
    fill(&it, 10);
    struct file_journal *journal = open_it(&it, 0);
    struct records *fresh = calloc(1, sizeof *fresh);
    (void)records_add(fresh, 1);
    (void)records_add(fresh, 1);
    cr_assert_eq(file_journal_replace(journal, fresh->bytes, fresh->size), RESHARD_OK);
    expect(journal, fresh->bytes, fresh->size);
    cr_assert_eq(
        file_journal_replace(journal, fresh->bytes, fresh->size - 1), RESHARD_E_TORN);
    expect(journal, fresh->bytes, fresh->size);
    file_journal_close(journal);
    free(fresh);
    teardown(&it);
}

/* ---- failing calls ---- */

struct fault {
    const char *call;
    size_t after; /* so many calls of that name succeed before */
    size_t count; /* calls that fail; SIZE_MAX = for good */
};

static int fail(void *user_data, const char *call)
{
    struct fault *fault = user_data;
    if (strcmp(call, fault->call) != 0)
        return 0;
    if (fault->after) {
        fault->after--;
        return 0;
    }
    if (!fault->count)
        return 0;
    if (fault->count != SIZE_MAX)
        fault->count--;
    return 1;
}

Test(file_journal, after_a_failed_write_or_sync_a_load_settles_the_doubt)
{
    const char *const calls[] = {"write", "fdatasync"};
    for (size_t i = 0; i < 4; i++) {
        struct fixture it = setup();
        fill(&it, 3);
        uint32_t flags = i / 2 ? FILE_JOURNAL_AUTHORITY : 0;
        struct file_journal *journal = open_it(&it, flags);
        struct fault fault = {calls[i % 2], 0, 1};
        file_journal_set_fault(journal, fail, &fault);
        struct reshard__journal_position before = it.records->position;
        cr_assert_eq(append(&it, journal, 1), RESHARD_E_UNKNOWN);
        forget(&it, before);
        cr_assert_eq(append(&it, journal, 1), RESHARD_E_UNKNOWN, "load comes first");
        forget(&it, before);
        expect(journal, it.records->bytes, it.records->size);
        cr_assert_eq(append(&it, journal, 1), RESHARD_OK);
        expect(journal, it.records->bytes, it.records->size);
        file_journal_close(journal);
        journal = open_it(&it, flags);
        expect(journal, it.records->bytes, it.records->size);
        file_journal_close(journal);
        teardown(&it);
    }
}

static int fail_cut(void *user_data, const char *call)
{
    return fail(user_data, call) || strcmp(call, "ftruncate") == 0;
}

/* The record stands in the file, whole, and a sync that failed is all that is known of it. */
Test(file_journal, a_record_whose_sync_failed_is_not_taken_for_durable)
{
    struct fixture it = setup();
    fill(&it, 3);
    struct file_journal *journal = open_it(&it, 0);
    struct fault fault = {"fdatasync", 0, 1};
    file_journal_set_fault(journal, fail_cut, &fault);
    struct reshard__journal_position before = it.records->position;
    cr_assert_eq(append(&it, journal, 1), RESHARD_E_UNKNOWN);
    struct stat file;
    cr_assert_eq(stat(it.path, &file), 0);
    cr_assert_eq((size_t)file.st_size, it.records->size);
    forget(&it, before);
    expect(journal, it.records->bytes, it.records->size);
    file_journal_close(journal);
    teardown(&it);
}

Test(file_journal, a_longer_file_put_in_place_under_doubt_is_taken_whole)
{
    struct fixture it = setup();
    fill(&it, 2);
    struct file_journal *journal = open_it(&it, 0);
    struct fault fault = {"fsync folder", 0, 1};
    struct records *fresh = calloc(1, sizeof *fresh);
    for (size_t i = 0; i < 10; i++)
        (void)records_add(fresh, 1);
    file_journal_set_fault(journal, fail, &fault);
    cr_assert_eq(
        file_journal_replace(journal, fresh->bytes, fresh->size), RESHARD_E_UNKNOWN);
    expect(journal, fresh->bytes, fresh->size);
    file_journal_close(journal);
    free(fresh);
    teardown(&it);
}

/* Any call may fail at any step, once or for good: nothing that was acknowledged is ever lost, and
 * once the disk works again the journal does too. */
static void torment(const char *call, size_t after, size_t count, uint32_t flags)
{
    struct fixture it = setup();
    fill(&it, 2);
    struct file_journal *journal = open_it(&it, flags);
    struct fault fault = {call, after, count};
    file_journal_set_fault(journal, fail, &fault);
    for (size_t i = 0; i < 12; i++) {
        const uint8_t *bytes;
        size_t size;
        struct reshard__journal_position before = it.records->position;
        int32_t status = append(&it, journal, 1);
        if (status)
            forget(&it, before);
        if (i % 3 == 2)
            (void)file_journal_replace(journal, it.records->bytes, it.records->size);
        if (status && file_journal_load(journal, &bytes, &size) == RESHARD_OK)
            cr_assert_eq(size, it.records->size);
    }
    fault.count = 0;
    expect(journal, it.records->bytes, it.records->size);
    cr_assert_eq(append(&it, journal, 1), RESHARD_OK, "%s after %zu", call, after);
    file_journal_close(journal);
    journal = open_it(&it, flags);
    expect(journal, it.records->bytes, it.records->size);
    file_journal_close(journal);
    teardown(&it);
}

Test(file_journal, no_failing_call_loses_what_was_acknowledged)
{
    const char *const calls[] = {"write", "fdatasync", "fdatasync new", "rename", "fsync folder",
        "open", "open new", "read", "ftruncate"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (size_t after = 0; after < 6; after++) {
            torment(calls[i], after, 1, 0);
            torment(calls[i], after, SIZE_MAX, 0);
            torment(calls[i], after, 1, FILE_JOURNAL_AUTHORITY);
            torment(calls[i], after, SIZE_MAX, FILE_JOURNAL_AUTHORITY);
        }
}

/* ---- other processes ---- */

Test(file_journal, a_second_opener_is_kept_out)
{
    struct fixture it = setup();
    struct file_journal *journal = open_it(&it, 0), *second = NULL;
    cr_assert_eq(file_journal_open(it.path, 0, &second), RESHARD_E_BUSY);
    cr_assert_null(second);
    file_journal_close(journal);
    second = open_it(&it, 0);
    file_journal_close(second);
    teardown(&it);
}

Test(file_journal, of_two_coordinators_the_higher_term_wins)
{
    struct fixture it = setup();
    struct file_journal *a = open_it(&it, FILE_JOURNAL_AUTHORITY);
    struct file_journal *b = open_it(&it, FILE_JOURNAL_AUTHORITY);
    cr_assert_eq(append(&it, a, 1), RESHARD_OK);
    cr_assert_eq(append(&it, b, 2), RESHARD_OK);
    struct reshard__journal_position before = it.records->position;
    cr_assert_eq(append(&it, a, 1), RESHARD_E_FENCED);
    forget(&it, before);
    cr_assert_eq(append(&it, b, 2), RESHARD_OK);
    cr_assert_eq(file_journal_append(a, 3, 2, it.records->bytes, 10), RESHARD_E_UNKNOWN);
    cr_assert_eq(file_journal_replace(a, it.records->bytes, it.records->size), RESHARD_OK);
    cr_assert_eq(append(&it, b, 2), RESHARD_OK);
    cr_assert_eq(file_journal_replace(a, it.records->bytes, it.records->size), RESHARD_E_UNKNOWN);
    expect(a, it.records->bytes, it.records->size);
    expect(b, it.records->bytes, it.records->size);
    file_journal_close(a);
    file_journal_close(b);
    teardown(&it);
}

/* Append for ever and say after each which one is durable; compact now and then. */
static _Noreturn void victim(struct fixture *it, int pipe_fd)
{
    struct file_journal *journal = NULL;
    if (file_journal_open(it->path, 0, &journal))
        _exit(1);
    for (;;) {
        if (it->records->count == 200)
            _exit(0);
        if (append(it, journal, 1))
            _exit(2);
        uint64_t index = it->records->position.index;
        if (write(pipe_fd, &index, sizeof index) != sizeof index)
            _exit(3);
        if (index % 7 == 0 && file_journal_replace(journal, it->records->bytes, it->records->size))
            _exit(4);
    }
}

/* Killed after a number of acknowledgements that the seed chose; the parent reads, kills, and opens
 * what is left. No clock is involved. */
static void murder(size_t acknowledged)
{
    struct fixture it = setup();
    int fds[2];
    uint64_t index = 0, newest = 0;
    cr_assert_eq(pipe(fds), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        victim(&it, fds[1]);
    cr_assert_eq(close(fds[1]), 0);
    for (size_t i = 0; i < acknowledged; i++) {
        cr_assert_eq(read(fds[0], &index, sizeof index), (ssize_t)sizeof index);
        newest = index;
    }
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    while (read(fds[0], &index, sizeof index) == (ssize_t)sizeof index)
        newest = index;
    cr_assert_eq(close(fds[0]), 0);
    struct file_journal *journal = open_it(&it, 0);
    const uint8_t *bytes;
    size_t size;
    struct reshard_journal_report report;
    reshard_journal_report_init(&report);
    cr_assert_eq(file_journal_load(journal, &bytes, &size), RESHARD_OK);
    cr_assert_eq(reshard_journal_check(bytes, size, &report), RESHARD_OK);
    cr_assert_eq(report.verdict, RESHARD_OK);
    cr_assert_geq(report.last_index, newest);
    file_journal_close(journal);
    teardown(&it);
}

Test(file_journal, killed_at_any_moment_it_keeps_what_it_acknowledged)
{
    uint64_t seed = 1;
    for (size_t round = 0; round < 40; round++)
        murder(1 + reshard__random_next(&seed) % 30);
}
