/* SPDX-License-Identifier: MIT */
/* Values for tests of the wire room, drawn from a seed by walking the schema: whatever a schema
 * allows can come out, bounds and defaults more often than chance. Included by tests, fuzz targets,
 * benchmarks and the sample dumper; prints nothing.
 */
#ifndef RESHARD_TESTS_WIRE_VALUES_H
#define RESHARD_TESTS_WIRE_VALUES_H

#include "wire/schema.h"
#include <string.h>

enum { WIRE_POOL_SIZE = 2048, WIRE_RANGES_MAX = 40 };

struct wire_source {
    uint64_t seed;
    uint8_t pool[WIRE_POOL_SIZE]; /* what byte strings and texts point into */
    struct reshard_range ranges[WIRE_RANGES_MAX];
};

static inline void wire_source_init(struct wire_source *source, uint64_t seed)
{
    source->seed = seed;
    for (size_t i = 0; i < WIRE_POOL_SIZE; i++)
        source->pool[i] = (uint8_t)reshard__random_next(&source->seed);
}

static inline uint64_t wire_draw(struct wire_source *source, uint64_t min, uint64_t max)
{
    uint64_t r = reshard__random_next(&source->seed);
    uint64_t span = max - min;
    switch (r % 8) {
    case 0:
        return min;
    case 1:
        return max;
    case 2:
        return min + (r >> 8) % 32 % (span == UINT64_MAX ? span : span + 1);
    default:
        /* Every magnitude equally likely, so that all head sizes come up. */
        r = reshard__random_next(&source->seed) >> (r >> 8) % 64;
        return span == UINT64_MAX ? r : min + r % (span + 1);
    }
}

static inline uint32_t wire_draw_ranges(struct wire_source *source, uint64_t slot_count)
{
    uint32_t count = 0;
    uint64_t next = 0;
    uint64_t wanted = reshard__random_next(&source->seed) % (WIRE_RANGES_MAX + 1);
    while (count < wanted) {
        uint64_t first = next + wire_draw(source, 0, 255) * (slot_count / 16384 + 1);
        uint64_t last = first + wire_draw(source, 0, 100);
        if (last >= slot_count)
            break;
        source->ranges[count].first = (uint32_t)first;
        source->ranges[count++].last = (uint32_t)last;
        next = last + 2;
    }
    return count;
}

static inline void wire_draw_bytes(
    struct wire_source *source, uint64_t min, uint64_t max, struct reshard__bytes *bytes)
{
    uint64_t most = max < 600 ? max : 600;
    bytes->size = (size_t)wire_draw(source, min, most);
    bytes->data = bytes->size > 0 ? source->pool + reshard__random_next(&source->seed) %
                                                       (WIRE_POOL_SIZE - bytes->size)
                                  : NULL;
}

static inline void wire_draw_field(
    struct wire_source *source, const struct reshard__field *field, uint8_t *flat)
{
    struct reshard__bytes bytes;
    uint64_t value = wire_draw(source, field->min, field->max);
    uint32_t narrow = (uint32_t)value;
    struct reshard_digest digest = {
        wire_draw(source, 0, UINT64_MAX), wire_draw(source, 0, UINT64_MAX)};
    const struct reshard_range *ranges = source->ranges;
    switch (field->type) {
    case RESHARD__UINT:
        memcpy(flat + field->offset, field->width == 4 ? (void *)&narrow : (void *)&value,
            field->width);
        break;
    case RESHARD__DIGEST:
        memcpy(flat + field->offset, &digest, sizeof digest);
        break;
    case RESHARD__BYTES:
        wire_draw_bytes(source, field->min, field->max, &bytes);
        memcpy(flat + field->offset, &bytes, sizeof bytes);
        break;
    case RESHARD__TEXT:
        wire_draw_bytes(source, field->min, field->max, &bytes);
        narrow = (uint32_t)bytes.size;
        memcpy(flat + field->offset, &bytes.data, sizeof bytes.data);
        memcpy(flat + field->count_offset, &narrow, sizeof narrow);
        break;
    case RESHARD__RANGES:
        narrow = wire_draw_ranges(source, RESHARD_SLOT_COUNT_MAX);
        if (narrow == 0)
            ranges = NULL;
        memcpy(flat + field->offset, &ranges, sizeof ranges);
        memcpy(flat + field->count_offset, &narrow, sizeof narrow);
        break;
    default:
        break;
    }
}

/* Fill all fields of a zeroed flat struct; half of the time the trailing ones stay at 0 where they
 * may. */
static inline void wire_draw_fields(
    struct wire_source *source, const struct reshard__schema *schema, void *flat)
{
    uint64_t r = reshard__random_next(&source->seed);
    uint32_t drawn = schema->field_count;
    if (r % 2)
        drawn = (uint32_t)((r >> 8) % (schema->field_count + 1));
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (i < drawn || schema->fields[i].min > 0)
            wire_draw_field(source, &schema->fields[i], flat);
}

static inline void wire_draw_message(struct wire_source *source, struct reshard__message *message)
{
    const struct reshard__schema_set *set = &reshard__message_schemas;
    memset(message, 0, sizeof *message);
    message->type = (uint32_t)(1 + reshard__random_next(&source->seed) % set->row_count);
    wire_draw_fields(source, &set->rows[message->type - 1], message);
}

static inline void wire_draw_change(struct wire_source *source, struct reshard_change *change)
{
    const struct reshard__schema_set *set = &reshard__change_schemas;
    memset(change, 0, sizeof *change);
    change->struct_size = (uint32_t)sizeof *change;
    change->kind = (uint32_t)(1 + reshard__random_next(&source->seed) % set->row_count);
    wire_draw_fields(source, &set->rows[change->kind - 1], change);
}

static inline void wire_draw_record(struct wire_source *source, struct reshard__record *record)
{
    const struct reshard__schema_set *set = &reshard__record_schemas;
    memset(record, 0, sizeof *record);
    record->kind = (uint32_t)(1 + reshard__random_next(&source->seed) % set->row_count);
    wire_draw_fields(source, &set->rows[record->kind - 1], record);
}

/* Equal in what pointers point at. */
static inline bool wire_field_equal(
    const struct reshard__field *field, const uint8_t *a, const uint8_t *b)
{
    struct reshard__bytes x = {NULL, 0}, y = {NULL, 0};
    uint32_t p, q;
    size_t unit = field->type == RESHARD__RANGES ? sizeof(struct reshard_range) : 1;
    switch (field->type) {
    case RESHARD__UINT:
        return memcmp(a + field->offset, b + field->offset, field->width) == 0;
    case RESHARD__DIGEST:
        return memcmp(a + field->offset, b + field->offset, sizeof(struct reshard_digest)) == 0;
    case RESHARD__BYTES:
        memcpy(&x, a + field->offset, sizeof x);
        memcpy(&y, b + field->offset, sizeof y);
        break;
    default:
        memcpy(&x.data, a + field->offset, sizeof x.data);
        memcpy(&y.data, b + field->offset, sizeof y.data);
        memcpy(&p, a + field->count_offset, sizeof p);
        memcpy(&q, b + field->count_offset, sizeof q);
        x.size = p * unit;
        y.size = q * unit;
        break;
    }
    return x.size == y.size && (x.size == 0 || memcmp(x.data, y.data, x.size) == 0);
}

static inline bool wire_fields_equal(
    const struct reshard__schema *schema, const void *a, const void *b)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        if (!wire_field_equal(&schema->fields[i], a, b))
            return false;
    return true;
}

/* Put the checksum that an array asks for in front of it: bytes[8 ... size). */
static inline void wire_message_frame(uint8_t *bytes, size_t size)
{
    struct reshard__walk walk;
    size_t offset;
    int32_t status = reshard__message_check(bytes, size, &walk, &offset);
    reshard__put_le64(bytes, reshard__message_checksum(bytes, size, status ? NULL : &walk));
}

/* The same message as a peer of the next version could send it: every member is there, two more
 * follow, a HELLO says so. `out` has room for 64 bytes more. 0 = no message. */
static inline size_t wire_message_newer(const uint8_t *bytes, size_t size, uint8_t *out)
{
    static const uint8_t unknown[] = {0x07, 0x82, 0x41, 'x', 0x05}; /* 7, [h'78', 5] */
    struct reshard__walk walk;
    size_t offset, used = size;
    if (reshard__message_check(bytes, size, &walk, &offset))
        return 0;
    memcpy(out, bytes, size);
    out[8] = (uint8_t)(0x80 + 1 + walk.schema->field_count + 2); /* a head of one byte: below 24 */
    for (size_t i = walk.member_count; i < walk.schema->field_count; i++)
        out[used++] = walk.schema->fields[i].type == RESHARD__UINT ? 0x00 : 0x40;
    memcpy(out + used, unknown, sizeof unknown);
    used += sizeof unknown;
    if (walk.schema->kind == RESHARD__HELLO)
        out[10] = RESHARD__PROTOCOL + 1; /* its first member, behind both heads */
    wire_message_frame(out, used);
    return used;
}

#endif
