/* SPDX-License-Identifier: MIT */
/** @file journal.h
 * What a host needs that keeps its journal in a file. The library frames each record (size, index,
 * term, checksum of the record before, payload, checksum); the host appends the bytes as they are
 * and makes them durable. When it opens the file again, an append may have been cut short: the
 * check says where the last good record ends and whether the rest may be cut.
 */
#ifndef RESHARD_JOURNAL_H
#define RESHARD_JOURNAL_H

#include <reshard/status.h>
#include <reshard/types.h>

RESHARD_BEGIN_DECLS

/** What stands in a journal. All bytes before good_size are sound records in one chain. */
struct reshard_journal_report {
    uint32_t struct_size; /**< sizeof(struct reshard_journal_report), set by the caller */
    /** RESHARD_OK: sound to its end. RESHARD_E_TORN: its last append was cut short; truncate the
     * file to good_size and go on. Anything else is damage, do not append: RESHARD_E_CHECKSUM
     * (bytes changed or are missing), RESHARD_E_CHAIN (a sound record that does not belong there:
     * stale, repeated, swapped, or the one before it is lost), or another code of the data class
     * (the record is whole, but not one that this library reads). */
    int32_t verdict;
    uint64_t good_size;    /**< bytes up to the end of the last good record; offset of the damage */
    uint64_t lost_size;    /**< bytes behind good_size; 0 if the verdict is RESHARD_OK */
    uint64_t record_count; /**< good records */
    uint64_t first_index;  /**< of the first good record; above 1 after compaction; 0 = none */
    uint64_t last_index;   /**< of the last good record; 0 = none */
    uint64_t last_term;    /**< of the last good record */
    uint64_t last_digest;  /**< checksum of the last good record, which the next one names */
    uint64_t sound_offset; /**< first sound record behind the damage; 0 = none: then the damage
                                reaches to the end of the file */
};

/** Zero a report and set its struct_size.
 * @param report [out] NULL is a no-op.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API void reshard_journal_report_init(struct reshard_journal_report *report);

/** Check a journal from its first byte to its last. A journal that lost whole records at its end is
 * sound by itself: whoever knows how far it must reach compares last_index.
 * A medium that may persist a later part of one append before an earlier one can leave a last
 * record of full size and wrong checksum. That looks like damage and is reported as such
 * (RESHARD_E_CHECKSUM, sound_offset 0); whether to cut it is the host's decision.
 * @param bytes [in, borrowed for the call] the whole file; NULL allowed when size is 0.
 * @param size [in] bytes; 0 is a sound, empty journal.
 * @param report [in,out] its struct_size is set by the caller.
 * @return RESHARD_OK when the check was made, whatever its verdict; or E_NULL, E_STRUCT_SIZE.
 * Calls: nothing.  Allocates: never.  Threads: any.  Re-entry: yes.
 */
RESHARD_API int32_t reshard_journal_check(
    const uint8_t *bytes, size_t size, struct reshard_journal_report *report);

RESHARD_END_DECLS

#endif
