/* SPDX-License-Identifier: MIT */
/* Room wire: the CBOR reader. libcbor's streaming decoder yields one item at a time; nesting,
 * counts and canonical form (RFC 8949 section 4.2.1), which it does not check, are checked here.
 * Nothing is allocated, nothing is ever sized by what a head announces. */
#include "wire/schema.h"

#include <cbor/callbacks.h>
#include <cbor/configuration.h>
#include <cbor/streaming.h>
#include <string.h>

/* libcbor took size_t in these callbacks up to 0.8, uint64_t since. */
#if CBOR_MAJOR_VERSION > 0 || CBOR_MINOR_VERSION >= 9
typedef uint64_t item_count;
#else
typedef size_t item_count;
#endif

/* What the callbacks saw. `status` stays TYPE for everything outside the profile. */
struct seen {
    struct reshard__item item;
    int32_t status;
};

static void seen_set(void *context, uint32_t type, uint64_t value, const uint8_t *data)
{
    struct seen *seen = context;
    seen->item.type = type;
    seen->item.value = value;
    seen->item.data = data;
    seen->status = RESHARD_OK;
}

static void on_uint8(void *context, uint8_t value)
{
    seen_set(context, RESHARD__ITEM_UINT, value, NULL);
}

static void on_uint16(void *context, uint16_t value)
{
    seen_set(context, RESHARD__ITEM_UINT, value, NULL);
}

static void on_uint32(void *context, uint32_t value)
{
    seen_set(context, RESHARD__ITEM_UINT, value, NULL);
}

static void on_uint64(void *context, uint64_t value)
{
    seen_set(context, RESHARD__ITEM_UINT, value, NULL);
}

static void on_bytes(void *context, cbor_data data, item_count size)
{
    seen_set(context, RESHARD__ITEM_BYTES, size, data);
}

static void on_array(void *context, item_count count)
{
    seen_set(context, RESHARD__ITEM_ARRAY, count, NULL);
}

static void on_indefinite(void *context)
{
    ((struct seen *)context)->status = RESHARD_E_CANONICAL;
}

static void refuse_int8(void *context, uint8_t value)
{
    (void)context;
    (void)value;
}

static void refuse_int16(void *context, uint16_t value)
{
    (void)context;
    (void)value;
}

static void refuse_int32(void *context, uint32_t value)
{
    (void)context;
    (void)value;
}

static void refuse_int64(void *context, uint64_t value)
{
    (void)context;
    (void)value;
}

static void refuse_text(void *context, cbor_data data, item_count size)
{
    (void)context;
    (void)data;
    (void)size;
}

static void refuse_count(void *context, item_count count)
{
    (void)context;
    (void)count;
}

static void refuse_float(void *context, float value)
{
    (void)context;
    (void)value;
}

static void refuse_double(void *context, double value)
{
    (void)context;
    (void)value;
}

static void refuse_bool(void *context, bool value)
{
    (void)context;
    (void)value;
}

static void refuse(void *context)
{
    (void)context;
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint64 = refuse_int64,
    .negint32 = refuse_int32,
    .negint16 = refuse_int16,
    .negint8 = refuse_int8,
    .byte_string_start = on_indefinite,
    .byte_string = on_bytes,
    .string = refuse_text,
    .string_start = refuse,
    .indef_array_start = on_indefinite,
    .array_start = on_array,
    .indef_map_start = refuse,
    .map_start = refuse_count,
    .tag = refuse_int64,
    .float2 = refuse_float,
    .float4 = refuse_float,
    .float8 = refuse_double,
    .undefined = refuse,
    .null = refuse,
    .boolean = refuse_bool,
    .indef_break = refuse,
};

/* Whether `value` needs all of a head of `size` bytes. */
static bool head_is_shortest(uint64_t value, size_t size)
{
    switch (size) {
    case 1:
        return true;
    case 2:
        return value >= 24;
    case 3:
        return value > UINT8_MAX;
    case 5:
        return value > UINT16_MAX;
    default:
        return value > UINT32_MAX;
    }
}

int32_t reshard__item_next(
    const uint8_t *bytes, size_t size, size_t *offset, struct reshard__item *item)
{
    RESHARD_ASSERT(*offset <= size);
    struct seen seen;
    seen.status = RESHARD_E_TYPE;
    seen.item.value = 0;
    seen.item.type = RESHARD__ITEM_NONE;
    struct cbor_decoder_result result =
        cbor_stream_decode(bytes + *offset, size - *offset, &callbacks, &seen);
    if (result.status == CBOR_DECODER_NEDATA)
        return RESHARD_E_TRUNCATED;
    if (result.status != CBOR_DECODER_FINISHED)
        return RESHARD_E_TYPE;
    if (seen.status)
        return seen.status;
    size_t content = seen.item.type == RESHARD__ITEM_BYTES ? (size_t)seen.item.value : 0;
    if (!head_is_shortest(seen.item.value, result.read - content))
        return RESHARD_E_CANONICAL;
    seen.item.offset = *offset;
    seen.item.end = *offset + result.read;
    *offset = seen.item.end;
    *item = seen.item;
    return RESHARD_OK;
}

/* Open arrays: how many items each still lacks. left[0] is the outermost. */
struct nesting {
    uint64_t left[RESHARD__DEPTH_MAX];
    size_t depth;
};

/* Close what is complete. */
static void nesting_close(struct nesting *nesting)
{
    while (nesting->depth > 0 && nesting->left[nesting->depth - 1] == 0)
        nesting->depth--;
}

static int32_t nesting_take(
    struct nesting *nesting, const struct reshard__item *item, size_t bytes_left)
{
    if (nesting->depth > 0)
        nesting->left[nesting->depth - 1]--;
    if (item->type == RESHARD__ITEM_ARRAY) {
        if (item->value > bytes_left)
            return RESHARD_E_TRUNCATED;
        if (nesting->depth == RESHARD__DEPTH_MAX)
            return RESHARD_E_DEPTH;
        nesting->left[nesting->depth++] = item->value;
    }
    nesting_close(nesting);
    return RESHARD_OK;
}

/* Note a direct member of the array, and where the last one ends. */
static void walk_note(struct reshard__walk *walk, const struct reshard__item *item, bool is_member)
{
    if (is_member) {
        if (walk->member_count < RESHARD__MEMBERS_MAX)
            walk->members[walk->member_count] = *item;
        walk->member_count++;
    } else if (walk->member_count <= RESHARD__MEMBERS_MAX) {
        walk->members[walk->member_count - 1].end = item->end;
    }
}

int32_t reshard__array_walk(const uint8_t *bytes, size_t size, size_t offset, size_t items_max,
    struct reshard__walk *walk, size_t *error_offset)
{
    struct nesting nesting;
    struct reshard__item item;
    nesting.depth = 0;
    walk->member_count = 0;
    *error_offset = offset;
    int32_t status = reshard__item_next(bytes, size, &offset, &item);
    if (status)
        return status;
    if (item.type != RESHARD__ITEM_ARRAY)
        return RESHARD_E_TYPE;
    status = nesting_take(&nesting, &item, size - offset);
    for (size_t count = 1; !status && nesting.depth > 0; count++) {
        bool is_member = nesting.depth == 1;
        *error_offset = offset;
        if (count >= items_max)
            return RESHARD_E_SIZE;
        status = reshard__item_next(bytes, size, &offset, &item);
        if (status)
            return status;
        walk_note(walk, &item, is_member);
        status = nesting_take(&nesting, &item, size - offset);
    }
    walk->end = offset;
    return status;
}
