/* SPDX-License-Identifier: MIT */
/* Fuzz target: one message off the wire. Whatever the bytes are, they are refused with a code, or
 * they are a message. */
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct reshard__message message;
    size_t offset = 0;
    int32_t status = reshard__message_decode(bytes, size, 0, &message, &offset);
    if (status > 0 || (status && offset > size))
        __builtin_trap();
    return 0;
}
