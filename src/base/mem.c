/* SPDX-License-Identifier: MIT */
/* Memory through the instance's allocator. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

static void *libc_resize(void *user_data, void *ptr, size_t old_size, size_t new_size)
{
    (void)user_data;
    (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

int32_t reshard__mem_import(struct reshard__mem *mem, const struct reshard_allocator *from)
{
    struct reshard_allocator allocator;
    memset(&allocator, 0, sizeof allocator);
    if (from && from->struct_size != 0) {
        int32_t status = reshard__struct_import(
            &allocator, sizeof allocator, sizeof(struct reshard_allocator), from);
        if (status)
            return status;
        if (allocator.flags)
            return RESHARD_E_FLAGS;
    }
    mem->resize = allocator.resize ? allocator.resize : libc_resize;
    mem->user_data = allocator.user_data;
    return RESHARD_OK;
}

void *reshard__mem_alloc(const struct reshard__mem *mem, size_t size)
{
    RESHARD_ASSERT(size > 0);
    void *ptr = mem->resize(mem->user_data, NULL, 0, size);
    if (ptr)
        memset(ptr, 0, size);
    return ptr;
}

void reshard__mem_free(const struct reshard__mem *mem, void *ptr, size_t size)
{
    if (ptr)
        (void)mem->resize(mem->user_data, ptr, size, 0);
}

int32_t reshard__mem_grow(
    const struct reshard__mem *mem, void **items, size_t *capacity, size_t item_size, size_t count)
{
    if (count <= *capacity)
        return RESHARD_OK;
    size_t grown = *capacity > SIZE_MAX / 2 ? count : *capacity * 2;
    if (grown < 8)
        grown = 8;
    if (grown < count)
        grown = count;
    size_t size;
    if (!reshard__mul_size(grown, item_size, &size))
        return RESHARD_E_NOMEM;
    size_t old_size = *capacity * item_size;
    uint8_t *ptr = mem->resize(mem->user_data, *items, old_size, size);
    if (!ptr)
        return RESHARD_E_NOMEM;
    memset(ptr + old_size, 0, size - old_size);
    *items = ptr;
    *capacity = grown;
    return RESHARD_OK;
}
