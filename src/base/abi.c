/* SPDX-License-Identifier: MIT */
/* Sized structs, as Linux's copy_struct_from_user has them: shorter means zero-filled, longer
 * needs a zero tail. */
#include "base/base.h"

#include <string.h>

int32_t reshard__struct_import(void *to, size_t to_size, size_t first_size, const void *from)
{
    RESHARD_ASSERT(first_size >= sizeof(uint32_t) && first_size <= to_size);
    uint32_t size;
    if (!from)
        return RESHARD_E_NULL;
    memcpy(&size, from, sizeof size);
    if (size < first_size || size > RESHARD_STRUCT_SIZE_MAX)
        return RESHARD_E_STRUCT_SIZE;
    const uint8_t *bytes = from;
    for (size_t i = to_size; i < size; i++)
        if (bytes[i])
            return RESHARD_E_STRUCT_TAIL;
    size_t known = size < to_size ? size : to_size;
    memcpy(to, from, known);
    if (known < to_size)
        memset((uint8_t *)to + known, 0, to_size - known);
    return RESHARD_OK;
}

int32_t reshard__struct_export(void *to, size_t first_size, const void *from, size_t from_size)
{
    RESHARD_ASSERT(first_size >= sizeof(uint32_t) && first_size <= from_size);
    uint32_t size;
    if (!to)
        return RESHARD_E_NULL;
    memcpy(&size, to, sizeof size);
    if (size < first_size || size > RESHARD_STRUCT_SIZE_MAX)
        return RESHARD_E_STRUCT_SIZE;
    size_t known = size < from_size ? size : from_size;
    memcpy(to, from, known);
    if (known < size)
        memset((uint8_t *)to + known, 0, size - known);
    memcpy(to, &size, sizeof size);
    return RESHARD_OK;
}
