/* SPDX-License-Identifier: MIT */
/* Room wire: flat struct → array, run by the schema. Allocates nothing. */
#include "wire/schema.h"

#include <string.h>

static uint64_t uint_load(const struct reshard__field *field, const uint8_t *flat)
{
    uint32_t narrow;
    uint64_t wide;
    if (field->width == sizeof narrow) {
        memcpy(&narrow, flat + field->offset, sizeof narrow);
        return narrow;
    }
    RESHARD_ASSERT(field->width == sizeof wide);
    memcpy(&wide, flat + field->offset, sizeof wide);
    return wide;
}

static const void *pointer_load(const struct reshard__field *field, const uint8_t *flat)
{
    const void *pointer;
    memcpy(&pointer, flat + field->offset, sizeof pointer);
    return pointer;
}

static uint32_t count_load(const struct reshard__field *field, const uint8_t *flat)
{
    uint32_t count;
    memcpy(&count, flat + field->count_offset, sizeof count);
    return count;
}

static struct reshard__bytes bytes_load(const struct reshard__field *field, const uint8_t *flat)
{
    struct reshard__bytes bytes = {NULL, 0};
    if (field->type == RESHARD__TEXT) {
        bytes.data = pointer_load(field, flat);
        bytes.size = count_load(field, flat);
    } else {
        memcpy(&bytes, flat + field->offset, sizeof bytes);
    }
    return bytes;
}

/* What min and max bound, and what is 0 when a field that is no integer has its default. */
static uint64_t measure(const struct reshard__field *field, const uint8_t *flat)
{
    struct reshard_digest digest;
    struct reshard__list list;
    switch (field->type) {
    case RESHARD__DIGEST:
        memcpy(&digest, flat + field->offset, sizeof digest);
        return digest.low || digest.high ? 16 : 0;
    case RESHARD__BYTES:
    case RESHARD__TEXT:
        return bytes_load(field, flat).size;
    case RESHARD__RANGES:
        return count_load(field, flat);
    default:
        RESHARD_ASSERT(field->type == RESHARD__LIST);
        memcpy(&list, flat + field->offset, sizeof list);
        return list.count;
    }
}

static void digest_put(
    const struct reshard__field *field, const uint8_t *flat, struct reshard__writer *writer)
{
    struct reshard_digest digest;
    uint8_t bytes[16];
    memcpy(&digest, flat + field->offset, sizeof digest);
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(digest.high >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(digest.low >> (56 - 8 * i));
    }
    size_t size = digest.low || digest.high ? sizeof bytes : 0;
    reshard__put_bytes_head(writer, size);
    reshard__put_raw(writer, bytes, size);
}

/* A field that is no integer. */
static void other_put(const struct reshard__field *field, const uint8_t *flat,
    const struct reshard__encode_options *options, bool head_only, struct reshard__writer *writer)
{
    struct reshard__bytes bytes;
    switch (field->type) {
    case RESHARD__DIGEST:
        digest_put(field, flat, writer);
        break;
    case RESHARD__BYTES:
    case RESHARD__TEXT:
        bytes = bytes_load(field, flat);
        reshard__put_bytes_head(writer, bytes.size);
        if (!head_only)
            reshard__put_raw(writer, bytes.data, bytes.size);
        break;
    case RESHARD__RANGES:
        reshard__put_ranges(writer, pointer_load(field, flat), count_load(field, flat));
        break;
    default:
        RESHARD_ASSERT(field->type == RESHARD__LIST && options->list_put);
        options->list_put(writer, field, options->list_context);
        break;
    }
}

/* What a pointer must hold. */
static int32_t pointer_check(
    const struct reshard__field *field, const uint8_t *flat, uint64_t measured)
{
    if (field->type == RESHARD__RANGES)
        return reshard__ranges_writable(pointer_load(field, flat), (size_t)measured);
    if ((field->type == RESHARD__BYTES || field->type == RESHARD__TEXT) && measured > 0 &&
        !bytes_load(field, flat).data)
        return RESHARD_E_BOUND;
    return RESHARD_OK;
}

static uint64_t field_measure(const struct reshard__field *field, const uint8_t *flat)
{
    return field->type == RESHARD__UINT ? uint_load(field, flat) : measure(field, flat);
}

/* How many fields have to be written: all but the last ones that have their default. */
static int32_t written_count(
    const struct reshard__schema *schema, const uint8_t *flat, uint32_t *written_out)
{
    uint32_t written = schema->field_count;
    for (; written > 0; written--) {
        const struct reshard__field *field = &schema->fields[written - 1];
        if (field_measure(field, flat) != 0)
            break;
        if (field->min > 0)
            return RESHARD_E_BOUND;
    }
    *written_out = written;
    return RESHARD_OK;
}

int32_t reshard__fields_encode(const struct reshard__schema *schema, const void *flat,
    const struct reshard__encode_options *options, struct reshard__writer *writer)
{
    const uint32_t field_count = schema->field_count;
    uint32_t written;
    RESHARD_ASSERT(field_count <= RESHARD__MEMBERS_MAX);
    int32_t status = written_count(schema, flat, &written);
    if (status)
        return status;
    reshard__put_array(writer, written + (schema->kind != 0 ? 1U : 0U));
    if (schema->kind != 0)
        reshard__put_uint(writer, schema->kind);
    for (uint32_t i = 0; i < written; i++) {
        const struct reshard__field *field = &schema->fields[i];
        const uint64_t measured = field_measure(field, flat);
        if (measured < field->min || measured > field->max)
            return RESHARD_E_BOUND;
        if (field->type == RESHARD__UINT) {
            reshard__put_uint(writer, measured);
            continue;
        }
        status = pointer_check(field, flat, measured);
        if (status)
            return status;
        other_put(field, flat, options, options->head_only && i + 1 == field_count, writer);
    }
    return RESHARD_OK;
}
