/* SPDX-License-Identifier: MIT */
/* Room wire: messages. 8 bytes of checksum, little-endian, then one array. Which bytes the checksum
 * covers stands in the array, so that is read first: its reader takes any bytes, nothing is handed
 * on before the checksum holds, and the flag that decides is covered itself. */
#include "wire/schema.h"

#include <string.h>

enum { CHECKSUM_SIZE = 8, LIMIT_DEFAULT = 64 * 1024 * 1024 };

/* Whether the payload is left out of the checksum. */
static bool uncovered(const struct reshard__message *message)
{
    return message->type == RESHARD__CHUNK && message->kind == RESHARD__CHUNK_DATA &&
           message->flags & RESHARD__CHUNK_UNCOVERED;
}

uint64_t reshard__message_checksum(
    const uint8_t *bytes, size_t size, const struct reshard__message *message)
{
    const uint8_t *array = bytes + CHECKSUM_SIZE, *end = bytes + size;
    if (!message || !uncovered(message) || message->payload.size == 0)
        return reshard__checksum(array, (size_t)(end - array), 0);
    const uint8_t *payload = message->payload.data, *behind = payload + message->payload.size;
    RESHARD_ASSERT(array < payload && behind <= end);
    return reshard__checksum_pair(
        array, (size_t)(payload - array), behind, (size_t)(end - behind));
}

int32_t reshard__message_encode(
    const struct reshard__message *message, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    static const uint8_t placeholder[CHECKSUM_SIZE] = {0};
    const struct reshard__schema *schema =
        reshard__schema_find(&reshard__message_schemas, message->type);
    if (!schema)
        return RESHARD_E_KIND;
    /* The payload of a CHUNK is the last member; it follows from where it lies. */
    struct reshard__bytes tail = {NULL, 0};
    struct reshard__encode_options options = {message->type == RESHARD__CHUNK, NULL, NULL};
    if (options.head_only && !uncovered(message))
        tail = message->payload;
    struct reshard__writer writer = {buffer, capacity, 0};
    reshard__put_raw(&writer, placeholder, sizeof placeholder);
    int32_t status = reshard__fields_encode(schema, message, &options, &writer);
    if (!status)
        status = reshard__writer_finish(&writer, size_out);
    if (status)
        return status;
    uint64_t checksum = reshard__checksum_pair(
        buffer + CHECKSUM_SIZE, writer.used - CHECKSUM_SIZE, tail.data, tail.size);
    reshard__put_le64(buffer, checksum);
    return RESHARD_OK;
}

int32_t reshard__message_array_decode(
    const uint8_t *bytes, size_t size, struct reshard__message *message, size_t *error_offset)
{
    struct reshard__walk walk;
    int32_t status =
        reshard__array_walk(bytes, size, CHECKSUM_SIZE, RESHARD__ITEMS_MAX, &walk, error_offset);
    if (status)
        return status;
    *error_offset = walk.end;
    if (walk.end != size)
        return RESHARD_E_TRAILING;
    if (walk.member_count == 0)
        return RESHARD_E_BOUND;
    *error_offset = walk.members[0].offset;
    if (walk.members[0].type != RESHARD__ITEM_UINT)
        return RESHARD_E_TYPE;
    const struct reshard__schema *schema =
        reshard__schema_find(&reshard__message_schemas, walk.members[0].value);
    if (!schema)
        return RESHARD_E_KIND;
    message->type = schema->kind;
    return reshard__fields_decode(schema, bytes, &walk, NULL, message, error_offset);
}

int32_t reshard__message_decode(const uint8_t *bytes, size_t size, size_t limit,
    struct reshard__message *message, size_t *offset_out)
{
    struct reshard__message decoded;
    size_t error_offset = size;
    int32_t status = RESHARD_E_TRUNCATED;
    memset(&decoded, 0, reshard__message_schemas.struct_size); /* faster than a constant size */
    if (size > (limit > 0 ? limit : LIMIT_DEFAULT)) {
        error_offset = limit > 0 ? limit : LIMIT_DEFAULT;
        status = RESHARD_E_SIZE;
    } else if (size > CHECKSUM_SIZE) {
        status = reshard__message_array_decode(bytes, size, &decoded, &error_offset);
        if (reshard__message_checksum(bytes, size, status ? NULL : &decoded) !=
            reshard__get_le64(bytes)) {
            error_offset = 0;
            status = RESHARD_E_CHECKSUM;
        }
    }
    if (!status)
        memcpy(message, &decoded, reshard__message_schemas.struct_size);
    else if (offset_out)
        *offset_out = error_offset;
    return status;
}
