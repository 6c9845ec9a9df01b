/* SPDX-License-Identifier: MIT */
/* Fuzz target: values. The input is a kind, then what the members hold; whatever the encoder
 * accepts must decode to the same value and encode to the same bytes. */
#include "tools/wire_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { BUFFER = 1 << 16 };

/* What is left of the input. */
struct input {
    const uint8_t *bytes;
    size_t size;
};

static void expect(bool condition)
{
    if (!condition)
        __builtin_trap();
}

static uint64_t take(struct input *input, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count && input->size > 0; i++, input->bytes++, input->size--)
        value = value << 8 | *input->bytes;
    return value;
}

static uint64_t take_number(struct input *input)
{
    return take(input, take(input, 1) % 9);
}

static struct reshard__bytes take_bytes(struct input *input)
{
    struct reshard__bytes bytes = {NULL, (size_t)take(input, 1)};
    if (bytes.size > input->size)
        bytes.size = input->size;
    if (bytes.size > 0)
        bytes.data = input->bytes;
    input->bytes += bytes.size;
    input->size -= bytes.size;
    return bytes;
}

static void take_ranges(struct input *input, const struct reshard__field *field, uint8_t *flat)
{
    static struct reshard_range ranges[64];
    const struct reshard_range *pointer = ranges;
    uint32_t count = (uint32_t)take(input, 1) % 64;
    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        ranges[i].first = next + (uint32_t)take(input, 2);
        ranges[i].last = ranges[i].first + (uint32_t)take(input, 1);
        next = ranges[i].last + 2;
    }
    if (count == 0)
        pointer = NULL;
    memcpy(flat + field->offset, &pointer, sizeof pointer);
    memcpy(flat + field->count_offset, &count, sizeof count);
}

static void take_field(struct input *input, const struct reshard__field *field, uint8_t *flat)
{
    uint64_t number = 0;
    uint32_t narrow;
    struct reshard_digest digest;
    struct reshard__bytes bytes;
    switch (field->type) {
    case RESHARD__UINT:
        number = take_number(input);
        narrow = (uint32_t)number;
        memcpy(flat + field->offset, field->width == 4 ? (void *)&narrow : (void *)&number,
            field->width);
        break;
    case RESHARD__DIGEST:
        digest.high = take_number(input);
        digest.low = take_number(input);
        memcpy(flat + field->offset, &digest, sizeof digest);
        break;
    case RESHARD__BYTES:
        bytes = take_bytes(input);
        memcpy(flat + field->offset, &bytes, sizeof bytes);
        break;
    case RESHARD__TEXT:
        bytes = take_bytes(input);
        narrow = (uint32_t)bytes.size;
        memcpy(flat + field->offset, &bytes.data, sizeof bytes.data);
        memcpy(flat + field->count_offset, &narrow, sizeof narrow);
        break;
    default:
        take_ranges(input, field, flat);
        break;
    }
}

static void take_fields(struct input *input, const struct reshard__schema *schema, void *flat)
{
    for (uint32_t i = 0; i < schema->field_count; i++)
        take_field(input, &schema->fields[i], flat);
}

static size_t message_encode(const struct reshard__message *message, uint8_t *buffer)
{
    size_t size = 0;
    if (reshard__message_encode(message, buffer, BUFFER, &size))
        return 0;
    if (message->type == RESHARD__CHUNK && message->payload.size > 0)
        memcpy(buffer + size, message->payload.data, message->payload.size);
    return size + (message->type == RESHARD__CHUNK ? message->payload.size : 0);
}

static void message_run(struct input *input, const struct reshard__schema *schema)
{
    static uint8_t buffer[BUFFER], again[BUFFER];
    struct reshard__message in = {.type = schema->kind}, out;
    take_fields(input, schema, &in);
    size_t size = message_encode(&in, buffer);
    if (size == 0)
        return;
    expect(reshard__message_decode(buffer, size, 0, &out, NULL) == RESHARD_OK);
    expect(out.type == in.type && wire_fields_equal(schema, &in, &out));
    expect(message_encode(&out, again) == size && memcmp(buffer, again, size) == 0);
}

static void change_run(struct input *input, const struct reshard__schema *schema)
{
    static uint8_t buffer[BUFFER], again[BUFFER];
    static struct reshard_range ranges[64];
    struct reshard_change in = {.kind = schema->kind}, out;
    size_t size, again_size, offset = 0;
    take_fields(input, schema, &in);
    if (reshard__change_encode(&in, buffer, BUFFER, &size))
        return;
    expect(reshard__change_decode(buffer, size, &offset, ranges, 64, &out) == RESHARD_OK);
    expect(offset == size && out.kind == in.kind && wire_fields_equal(schema, &in, &out));
    expect(reshard__change_encode(&out, again, BUFFER, &again_size) == RESHARD_OK);
    expect(size == again_size && memcmp(buffer, again, size) == 0);
}

static void record_run(struct input *input, const struct reshard__schema *schema)
{
    static uint8_t buffer[BUFFER], again[BUFFER];
    struct reshard__journal_position at = {take_number(input) >> 1, 7}, before = at, reader = at;
    struct reshard__record in = {.kind = schema->kind}, out;
    uint64_t term = take_number(input), term_out;
    size_t size, again_size, offset = 0;
    take_fields(input, schema, &in);
    if (reshard__record_encode(&in, term, &at, buffer, BUFFER, &size))
        return;
    expect(reshard__record_decode(buffer, size, &offset, &reader, &term_out, &out) == RESHARD_OK);
    expect(offset == size && term == term_out && out.kind == in.kind);
    expect(reader.index == at.index && reader.digest == at.digest);
    expect(wire_fields_equal(schema, &in, &out));
    expect(reshard__record_encode(&out, term, &before, again, BUFFER, &again_size) == RESHARD_OK);
    expect(size == again_size && memcmp(buffer, again, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = {bytes, size};
    size_t kind = (size_t)take(&input, 1);
    if (kind < 64)
        message_run(&input, &reshard__message_schemas.rows[kind % 6]);
    else if (kind < 160)
        change_run(&input, &reshard__change_schemas.rows[kind % 12]);
    else
        record_run(&input, &reshard__record_schemas.rows[kind % 17]);
    return 0;
}
