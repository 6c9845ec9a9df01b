/* SPDX-License-Identifier: MIT */
/* Room dump: see dump.h. */
#include "dump.h"

enum { TYPE_STRING = 0, FOOTER_SIZE = 10 };

size_t dump_begin(struct buffer *dump)
{
    uint8_t type = TYPE_STRING;
    size_t start = dump->size;
    buffer_append(dump, &type, 1);
    return start;
}

void dump_end(struct buffer *dump, size_t start)
{
    uint8_t footer[8];
    put_u16(footer, DUMP_VERSION);
    buffer_append(dump, footer, 2);
    put_u64(footer, bytes_checksum((struct bytes){dump->data + start, dump->size - start}));
    buffer_append(dump, footer, 8);
}

int dump_read(struct bytes dump, struct bytes *value_out)
{
    if (dump.size < DUMP_OVERHEAD_SIZE)
        return DUMP_CHECKSUM;
    size_t size = dump.size - FOOTER_SIZE;
    if (get_u16(dump.data + size) != DUMP_VERSION ||
        get_u64(dump.data + size + 2) != bytes_checksum((struct bytes){dump.data, size + 2}))
        return DUMP_CHECKSUM;
    if (dump.data[0] != TYPE_STRING)
        return DUMP_FORMAT;
    *value_out = (struct bytes){dump.data + 1, size - 1};
    return DUMP_SOUND;
}
