/* SPDX-License-Identifier: MIT */
/* Fuzz target: one message off the wire, as it is and behind a right checksum. Whatever the bytes
 * are, they are refused with a code and an offset, or they are a message whose encoding is the same
 * bytes, unknown trailing members aside. Nothing is allocated. */
#include "fuzz/memory.h"
#include "tools/wire_values.h"

enum { HEAD = 8, SIZE_MAX_HERE = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void expect(bool condition)
{
    if (!condition)
        __builtin_trap();
}

static size_t encode(const struct reshard__message *message, uint8_t *buffer, size_t capacity)
{
    size_t size = 0;
    expect(reshard__message_encode(message, buffer, capacity, &size) == RESHARD_OK);
    if (message->type == RESHARD__CHUNK && message->payload.size > 0) {
        expect(size + message->payload.size <= capacity);
        memcpy(buffer + size, message->payload.data, message->payload.size);
        size += message->payload.size;
    }
    return size;
}

static void decode(const uint8_t *bytes, size_t size)
{
    static uint8_t again[SIZE_MAX_HERE + HEAD];
    struct reshard__message message, same;
    size_t offset = 0;
    int32_t status = reshard__message_decode(bytes, size, 0, &message, &offset);
    expect(status <= 0 && offset <= size);
    if (status)
        return;
    size_t again_size = encode(&message, again, sizeof again);
    expect(again_size <= size);
    if (again_size == size)
        expect(memcmp(bytes, again, size) == 0);
    expect(reshard__message_decode(again, again_size, 0, &same, NULL) == RESHARD_OK);
    expect(same.type == message.type);
    expect(wire_fields_equal(&reshard__message_schemas.rows[same.type - 1], &message, &same));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t framed[SIZE_MAX_HERE + HEAD];
    if (size > SIZE_MAX_HERE)
        return 0;
    if (size > 0)
        memcpy(framed + HEAD, bytes, size);
    wire_message_frame(framed, size + HEAD);
    (void)memory_watch();
    decode(bytes, size);
    decode(framed, size + HEAD);
    memory_expect_none();
    return 0;
}
