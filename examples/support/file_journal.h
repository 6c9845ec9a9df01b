/* SPDX-License-Identifier: MIT */
/* A journal in a file: append and fdatasync, crash-safe.
 *
 * Guarantees: OK means on disk. A torn tail is cut, damage is refused. After a write or sync whose
 * outcome is not known every append answers E_UNKNOWN until a load: that opens the file anew, cuts
 * it behind the last record that is known to be durable and writes it again, because a later sync
 * proves nothing about pages that an earlier one failed to write (Rebello et al., "Can
 * Applications Recover from fsync Failures?", 2020). Replacing: a new file, fsync, rename, fsync of
 * the folder. A file PATH.lock keeps others out: for as long as it is open, or, for an authority,
 * during each operation, so that several coordinators can share it and the highest term wins.
 * Uses POSIX and the public API only.
 */
#ifndef EXAMPLES_SUPPORT_FILE_JOURNAL_H
#define EXAMPLES_SUPPORT_FILE_JOURNAL_H

#include <reshard/reshard.h>

struct file_journal;

enum { /* flags */
    FILE_JOURNAL_AUTHORITY = 1, /* a coordinator's: compare (term, index), may be shared */
    FILE_JOURNAL_CUT_DAMAGE = 2 /* an operator's decision: cut at the first damaged record */
};

/* Asked before each system call, by name ("write", "fdatasync", "rename", ...); not 0: the call
 * fails. For tests. */
typedef int (*file_journal_fault)(void *user_data, const char *call);

/* Open, making the file if there is none. E_BUSY: another process has it; a code of class data:
 * damaged; E_NOMEM; E_HOOK: the system refused, see errno. */
int32_t file_journal_open(const char *path, uint32_t flags, struct file_journal **journal_out);
void file_journal_close(struct file_journal *journal);
void file_journal_set_fault(
    struct file_journal *journal, file_journal_fault fault, void *user_data);

void file_journal_hooks(struct file_journal *journal, struct reshard_journal *hooks_out);
/* Whom load feeds: set it after the driver was created. */
void file_journal_connect(struct file_journal *journal, struct reshard_driver *driver);

/* What the hooks do, for hosts that pull actions themselves. */
int32_t file_journal_append(struct file_journal *journal, uint64_t term, uint64_t index,
    const uint8_t *bytes, size_t size);
int32_t file_journal_replace(struct file_journal *journal, const uint8_t *bytes, size_t size);
/* All records, sound and durable; borrowed until the next call. */
int32_t file_journal_load(
    struct file_journal *journal, const uint8_t **bytes_out, size_t *size_out);

#endif
