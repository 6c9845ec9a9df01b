/* SPDX-License-Identifier: MIT */
/* Room wire: changes of the slot map, as journal and MAP message carry them. No checksum of their
 * own: whatever carries them has one. */
#include "wire/schema.h"

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

int32_t reshard__change_decode(const uint8_t *bytes, size_t size, size_t *offset,
    struct reshard_range *ranges, size_t capacity, struct reshard_change *change)
{
    struct reshard__walk walk;
    struct reshard__range_sink sink = {ranges, capacity, 0};
    size_t error_offset;
    if (*offset >= size)
        return RESHARD_E_EMPTY;
    int32_t status = reshard__array_check(&reshard__change_schemas, bytes, size, *offset,
        RESHARD__CHANGE_ITEMS_MAX, &sink, &walk, &error_offset);
    if (status)
        return status;
    if (sink.needed > capacity) {
        change->range_count = (uint32_t)sink.needed;
        return RESHARD_E_SPACE;
    }
    reshard__fields_fill(&reshard__change_schemas, bytes, &walk, &sink, change);
    change->struct_size = (uint32_t)sizeof *change;
    change->kind = walk.schema->kind;
    *offset = walk.end;
    return RESHARD_OK;
}
