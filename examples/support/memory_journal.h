/* SPDX-License-Identifier: MIT */
/* A journal in memory. It outlives the node or coordinator that writes it, as a disk would, so that
 * a test can let one die and start another.
 *
 * Guarantees: append is compare-and-set on (term, index) when several coordinators share it. Uses
 * the public API only.
 */
#ifndef EXAMPLES_SUPPORT_MEMORY_JOURNAL_H
#define EXAMPLES_SUPPORT_MEMORY_JOURNAL_H

#include <reshard/reshard.h>

struct memory_journal {
    struct reshard_driver *driver; /* whom load feeds; set it after the driver was created */
    int authority;                 /* 1: a coordinator's: compare (term, index) */
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    uint64_t last_index;   /* of the newest record; 0 = none */
    uint64_t last_term;    /* authority: the highest that appended */
    uint64_t append_count; /* appends that succeeded, for figures */
};

void memory_journal_init(struct memory_journal *journal, int authority);
void memory_journal_free(struct memory_journal *journal);
void memory_journal_hooks(struct memory_journal *journal, struct reshard_journal *hooks_out);

#endif
