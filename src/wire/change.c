/* SPDX-License-Identifier: MIT */
/* Room wire: changes of the slot map, as journal and MAP message carry them. No checksum of their
 * own: whatever carries them has one. */
#include "wire/schema.h"

#include <string.h>

int32_t reshard__change_encode(
    const struct reshard_change *change, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    static const struct reshard__encode_options options = {false, NULL, NULL};
    struct reshard__writer writer = {buffer, capacity, 0};
    const struct reshard__schema *schema =
        reshard__schema_find(&reshard__change_schemas, change->kind);
    if (!schema)
        return RESHARD_E_KIND;
    int32_t status = reshard__fields_encode(schema, change, &options, &writer);
    return status ? status : reshard__writer_finish(&writer, size_out);
}

/* The array at walk, into a zeroed change. */
static int32_t fields_decode(const uint8_t *bytes, const struct reshard__walk *walk,
    struct reshard__range_sink *sink, struct reshard_change *change, size_t *error_offset)
{
    if (walk->member_count == 0)
        return RESHARD_E_BOUND;
    *error_offset = walk->members[0].offset;
    if (walk->members[0].type != RESHARD__ITEM_UINT)
        return RESHARD_E_TYPE;
    const struct reshard__schema *schema =
        reshard__schema_find(&reshard__change_schemas, walk->members[0].value);
    if (!schema)
        return RESHARD_E_KIND;
    change->struct_size = (uint32_t)sizeof *change;
    change->kind = schema->kind;
    return reshard__fields_decode(schema, bytes, walk, sink, change, error_offset);
}

int32_t reshard__change_decode(const uint8_t *bytes, size_t size, size_t *offset,
    struct reshard_range *ranges, size_t capacity, struct reshard_change *change)
{
    struct reshard__walk walk;
    struct reshard__range_sink sink = {ranges, capacity, 0, 0, false};
    struct reshard_change decoded;
    size_t error_offset;
    if (*offset >= size)
        return RESHARD_E_EMPTY;
    memset(&decoded, 0, reshard__change_schemas.struct_size); /* faster than a constant size */
    int32_t status =
        reshard__array_walk_numbers(
            bytes, size, *offset, RESHARD__CHANGE_ITEMS_MAX, &walk, &sink, &error_offset);
    if (!status)
        status = fields_decode(bytes, &walk, &sink, &decoded, &error_offset);
    if (status == RESHARD_E_SPACE) {
        change->range_count = (uint32_t)sink.needed;
        return status;
    }
    if (status)
        return status;
    memcpy(change, &decoded, reshard__change_schemas.struct_size);
    *offset = walk.end;
    return RESHARD_OK;
}
