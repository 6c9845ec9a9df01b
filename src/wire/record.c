/* SPDX-License-Identifier: MIT */
/* Room wire: framed journal records. All integers little-endian:
 *
 *   0 magic  4 payload size  8 index  16 term  24 checksum of the record before
 *   32 XXH3-64 of bytes 0 ... 31   40 payload (CBOR)   then XXH3-64 of all before, seed = index
 *
 * The header has a checksum of its own, so that a damaged size is never followed. The chain of
 * checksums finds records that are sound but stale, repeated, swapped or misplaced.
 *
 * Torn or damaged? An append that was cut short may be forgotten, because nobody was told that it
 * is durable; anything else may not. So TORN is said only when (a) fewer bytes than a header are
 * left, (b) the header is sound, the rest incomplete, or (c) what is missing was never written: it
 * reads as zeros up to the end of the file. And in no case when a sound record follows.
 */
#include "wire/schema.h"

#include <string.h>

enum { MAGIC_SIZE = 4, HEADER_SUM_AT = 32, HEADER_SIZE = 40, TRAILER_SIZE = 8 };

static const uint8_t magic[MAGIC_SIZE] = {0xF7, 'R', 'J', '1'};

struct header {
    uint64_t index;
    uint64_t term;
    uint64_t previous;
    size_t frame_size; /* of the whole record */
};

static void header_put(
    uint8_t *bytes, size_t payload_size, uint64_t index, uint64_t term, uint64_t previous)
{
    memcpy(bytes, magic, MAGIC_SIZE);
    for (unsigned i = 0; i < 4; i++)
        bytes[MAGIC_SIZE + i] = (uint8_t)(payload_size >> (8 * i));
    reshard__put_le64(bytes + 8, index);
    reshard__put_le64(bytes + 16, term);
    reshard__put_le64(bytes + 24, previous);
    reshard__put_le64(bytes + HEADER_SUM_AT, reshard__checksum(bytes, HEADER_SUM_AT, 0));
}

/* Whether a sound header starts here; at least HEADER_SIZE bytes are readable. */
static bool header_get(const uint8_t *bytes, struct header *header)
{
    if (memcmp(bytes, magic, MAGIC_SIZE) != 0 ||
        reshard__get_le64(bytes + HEADER_SUM_AT) != reshard__checksum(bytes, HEADER_SUM_AT, 0))
        return false;
    uint64_t payload_size = reshard__get_le64(bytes) >> 32;
    header->frame_size = (size_t)(payload_size + HEADER_SIZE + TRAILER_SIZE);
    header->index = reshard__get_le64(bytes + 8);
    header->term = reshard__get_le64(bytes + 16);
    header->previous = reshard__get_le64(bytes + 24);
    return true;
}

/* Checksum that stands behind the payload; the record's bytes are all there. */
static uint64_t trailer_get(const uint8_t *bytes, const struct header *header)
{
    return reshard__get_le64(bytes + header->frame_size - TRAILER_SIZE);
}

static bool body_sound(const uint8_t *bytes, const struct header *header)
{
    return trailer_get(bytes, header) ==
           reshard__checksum(bytes, header->frame_size - TRAILER_SIZE, header->index);
}

int32_t reshard__record_encode(const struct reshard__record *record, uint64_t term,
    struct reshard__journal_position *position, uint8_t *buffer, size_t capacity, size_t *size_out)
{
    static const struct reshard__encode_options options = {false, NULL, NULL};
    static const uint8_t placeholder[HEADER_SIZE] = {0};
    const struct reshard__schema *schema =
        reshard__schema_find(&reshard__record_schemas, record->kind);
    if (!schema)
        return RESHARD_E_KIND;
    if (position->index == UINT64_MAX)
        return RESHARD_E_OVERFLOW;
    struct reshard__writer writer = {buffer, capacity, 0};
    reshard__put_raw(&writer, placeholder, HEADER_SIZE);
    int32_t status = reshard__fields_encode(schema, record, &options, &writer);
    if (status)
        return status;
    size_t payload_size = writer.used - HEADER_SIZE;
    if (payload_size > UINT32_MAX)
        return RESHARD_E_SIZE;
    reshard__put_raw(&writer, placeholder, TRAILER_SIZE);
    status = reshard__writer_finish(&writer, size_out);
    if (status)
        return status;
    uint64_t index = position->index + 1;
    size_t summed = HEADER_SIZE + payload_size;
    header_put(buffer, payload_size, index, term, position->digest);
    position->digest = reshard__checksum(buffer, summed, index);
    position->index = index;
    reshard__put_le64(buffer + summed, position->digest);
    return RESHARD_OK;
}

size_t reshard__record_scan(const uint8_t *bytes, size_t size, size_t offset)
{
    struct header header;
    while (offset < size && size - offset >= HEADER_SIZE + TRAILER_SIZE) {
        const uint8_t *at = memchr(bytes + offset, magic[0], size - offset);
        if (!at)
            return size;
        offset = (size_t)(at - bytes);
        size_t left = size - offset;
        if (left >= HEADER_SIZE + TRAILER_SIZE && header_get(at, &header) &&
            header.frame_size <= left && body_sound(at, &header))
            return offset;
        offset++;
    }
    return size;
}

/* Whether all bytes from offset to the end are 0, and there are at least 8 of them. */
static bool unwritten(const uint8_t *bytes, size_t size, size_t offset)
{
    if (offset > size || size - offset < 8)
        return false;
    for (size_t i = offset; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

/* Fewer bytes than a header are left: torn if they can be the beginning of one. */
static int32_t stub_verdict(const uint8_t *bytes, size_t size, size_t offset)
{
    size_t left = size - offset;
    for (size_t i = 0; i < left && i < MAGIC_SIZE; i++)
        if (bytes[offset + i] != magic[i] && bytes[offset + i] != 0)
            return RESHARD_E_CHECKSUM;
    return RESHARD_E_TORN;
}

/* The header is not sound, or (`header`) it is but the rest is not. */
static int32_t damage_verdict(
    const uint8_t *bytes, size_t size, size_t offset, const struct header *header)
{
    bool torn;
    if (!header)
        torn = unwritten(bytes, size, offset + HEADER_SUM_AT) ||
               unwritten(bytes, size, offset + HEADER_SIZE);
    else if (header->frame_size > size - offset)
        torn = true;
    else
        torn = unwritten(bytes, size, offset + header->frame_size - TRAILER_SIZE);
    if (torn && reshard__record_scan(bytes, size, offset + 1) == size)
        return RESHARD_E_TORN;
    return RESHARD_E_CHECKSUM;
}

/* Whether the record may stand at this position. A journal begins at index 1, or, after compaction,
 * at any index with a record that needs none before it. */
static bool follows(const struct header *header, const struct reshard__journal_position *position)
{
    if (position->index == 0 && position->digest == 0)
        return header->index > 1 || (header->index == 1 && header->previous == 0);
    return header->index == position->index + 1 && header->previous == position->digest;
}

static bool may_begin(const struct header *header, uint32_t kind)
{
    if (kind == RESHARD__RECORD_IDENTITY || kind == RESHARD__RECORD_MAP)
        return true;
    return kind == RESHARD__RECORD_CHANGE && header->index == 1;
}

/* Header and checksums of the record at offset. */
static int32_t frame_check(const uint8_t *bytes, size_t size, size_t offset,
    const struct reshard__journal_position *position, struct header *header)
{
    if (offset >= size)
        return RESHARD_E_EMPTY;
    if (size - offset < HEADER_SIZE)
        return stub_verdict(bytes, size, offset);
    if (!header_get(bytes + offset, header))
        return damage_verdict(bytes, size, offset, NULL);
    if (!follows(header, position))
        return RESHARD_E_CHAIN;
    if (header->frame_size > size - offset || !body_sound(bytes + offset, header))
        return damage_verdict(bytes, size, offset, header);
    return RESHARD_OK;
}

static int32_t payload_check(const uint8_t *bytes, size_t size, struct reshard__walk *walk)
{
    size_t error_offset;
    int32_t status = reshard__array_check(
        &reshard__record_schemas, bytes, size, 0, RESHARD__ITEMS_MAX, NULL, walk, &error_offset);
    return !status && walk->end != size ? RESHARD_E_TRAILING : status;
}

int32_t reshard__record_decode(const uint8_t *bytes, size_t size, size_t *offset,
    struct reshard__journal_position *position, uint64_t *term_out, struct reshard__record *record)
{
    struct header header = {0};
    struct reshard__walk walk;
    int32_t status = frame_check(bytes, size, *offset, position, &header);
    if (status)
        return status;
    const uint8_t *frame = bytes + *offset, *payload = frame + HEADER_SIZE;
    status = payload_check(payload, header.frame_size - HEADER_SIZE - TRAILER_SIZE, &walk);
    if (status)
        return status;
    if (position->index == 0 && position->digest == 0 && !may_begin(&header, walk.schema->kind))
        return RESHARD_E_CHAIN;
    reshard__fields_fill(&reshard__record_schemas, payload, &walk, NULL, record);
    record->kind = walk.schema->kind;
    *term_out = header.term;
    *offset += header.frame_size;
    position->index = header.index;
    position->digest = trailer_get(frame, &header);
    return RESHARD_OK;
}
