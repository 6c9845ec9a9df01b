/* SPDX-License-Identifier: MIT */
/* Room dump (slotd): the serialised value of DUMP and RESTORE, as Redis has it.
 *
 * form = type 1 (0 = string) | string | version 2 | CRC-64 of all before 8, little-endian.
 * string, as in an RDB file: a length and its bytes, or an integer, or compressed by LZF
 * (github.com/sripathikrishnan/redis-rdb-tools/wiki/Redis-RDB-Dump-File-Format).
 * Guarantees: what DUMP made of a string, here or on Redis up to 7.2, dump_read gives back; all
 * else is refused, and costs no more memory than some hundred times its size.
 */
#ifndef SLOTD_DUMP_H
#define SLOTD_DUMP_H

#include "bytes.h"

enum { DUMP_SOUND = 0, DUMP_CHECKSUM = -1, DUMP_FORMAT = -2 };

/* Bytes that the dump of such a value has. */
size_t dump_size(uint64_t value_size);
/* Begin, append the value to the buffer, end: `start` is the buffer's size at begin. */
size_t dump_begin(struct buffer *dump, uint64_t value_size);
void dump_end(struct buffer *dump, size_t start);
/* The value lies in the dump or in the scratch buffer. */
int dump_read(struct bytes dump, struct buffer *scratch, struct bytes *value_out);

#endif
