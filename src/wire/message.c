/* SPDX-License-Identifier: MIT */
/* Room wire: messages. 8 bytes of checksum, little-endian, then one array. Which bytes the checksum
 * covers stands in the array, so that is checked first: pass 1 takes any bytes, nothing is handed
 * on before the checksum holds, and the flag that decides is covered itself. */
#include "wire/schema.h"

enum { CHECKSUM_SIZE = 8, LIMIT_DEFAULT = 1024 * 1024 };

/* Whether the payload is left out of the checksum. */
static bool uncovered(uint64_t type, uint64_t kind, uint64_t flags)
{
    return type == RESHARD__CHUNK && kind == RESHARD__CHUNK_DATA &&
           flags & RESHARD__CHUNK_UNCOVERED;
}

#define MEMBER(walk, member) reshard__walk_member(walk, offsetof(struct reshard__message, member))

/* The payload of a checked message that the checksum does not cover; NULL = it covers all. */
static const struct reshard__item *uncovered_payload(const struct reshard__walk *walk)
{
    if (walk->schema->kind != RESHARD__CHUNK)
        return NULL;
    const struct reshard__item *kind = MEMBER(walk, kind), *flags = MEMBER(walk, flags);
    if (!flags || !uncovered(RESHARD__CHUNK, kind->value, flags->value))
        return NULL;
    return MEMBER(walk, payload);
}

uint64_t reshard__message_checksum(
    const uint8_t *bytes, size_t size, const struct reshard__walk *walk)
{
    const uint8_t *array = bytes + CHECKSUM_SIZE, *end = bytes + size;
    const struct reshard__item *payload = walk ? uncovered_payload(walk) : NULL;
    if (!payload)
        return reshard__checksum(array, (size_t)(end - array), 0);
    const uint8_t *behind = bytes + payload->end;
    RESHARD_ASSERT(payload->end <= size && payload->value < payload->end);
    return reshard__checksum_pair(
        array, (size_t)(behind - array) - (size_t)payload->value, behind, (size_t)(end - behind));
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
    if (options.head_only && !uncovered(message->type, message->kind, message->flags))
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

int32_t reshard__message_check(
    const uint8_t *bytes, size_t size, struct reshard__walk *walk, size_t *error_offset)
{
    int32_t status = reshard__array_check(&reshard__message_schemas, bytes, size, CHECKSUM_SIZE,
        RESHARD__ITEMS_MAX, NULL, walk, error_offset);
    return !status && walk->end != size ? RESHARD_E_TRAILING : status;
}

/* Pass 1 and the checksum; *error_offset is set on errors only. */
static int32_t whole_check(const uint8_t *bytes, size_t size, size_t limit,
    struct reshard__walk *walk, size_t *error_offset)
{
    *error_offset = size;
    if (size > limit) {
        *error_offset = limit;
        return RESHARD_E_SIZE;
    }
    if (size <= CHECKSUM_SIZE)
        return RESHARD_E_TRUNCATED;
    int32_t status = reshard__message_check(bytes, size, walk, error_offset);
    if (reshard__message_checksum(bytes, size, status ? NULL : walk) == reshard__get_le64(bytes))
        return status;
    *error_offset = 0;
    return RESHARD_E_CHECKSUM;
}

int32_t reshard__message_decode(const uint8_t *bytes, size_t size, size_t limit,
    struct reshard__message *message, size_t *offset_out)
{
    struct reshard__walk walk;
    size_t error_offset;
    int32_t status =
        whole_check(bytes, size, limit > 0 ? limit : LIMIT_DEFAULT, &walk, &error_offset);
    if (!status) {
        reshard__fields_fill(&reshard__message_schemas, bytes, &walk, NULL, message);
        message->type = walk.schema->kind;
    } else if (offset_out) {
        *offset_out = error_offset;
    }
    return status;
}
