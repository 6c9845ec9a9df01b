/* SPDX-License-Identifier: MIT */
/* Room dump (slotd): the serialised value of DUMP and RESTORE.
 *
 * form = type 1 (0 = string) | value | version 2 | XXH3-64 of all before 8, little-endian.
 * Guarantees: what dump_write made, dump_read gives back; anything else is refused. Not the form of
 * Redis: values travel between slotd nodes only.
 */
#ifndef SLOTD_DUMP_H
#define SLOTD_DUMP_H

#include "bytes.h"

enum { DUMP_VERSION = 1, DUMP_OVERHEAD_SIZE = 11 };

enum { DUMP_SOUND = 0, DUMP_CHECKSUM = -1, DUMP_FORMAT = -2 };

/* Begin, append the value to the buffer, end: `start` is the buffer's size at begin. */
size_t dump_begin(struct buffer *dump);
void dump_end(struct buffer *dump, size_t start);
int dump_read(struct bytes dump, struct bytes *value_out);

#endif
