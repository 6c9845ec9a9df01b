/* SPDX-License-Identifier: MIT */
/* Heap use between two points, for fuzz targets of code that must not allocate. Counts under the
 * sanitizers, whose hooks it uses; without them it counts nothing, and says so.
 */
#ifndef RESHARD_TESTS_FUZZ_MEMORY_H
#define RESHARD_TESTS_FUZZ_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

int __attribute__((weak)) __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void *, size_t), void (*on_free)(const volatile void *));

/* Of this thread: libFuzzer watches memory from a thread of its own, which allocates, too. */
static _Thread_local size_t memory_allocations;

static inline void memory_on_malloc(const volatile void *block, size_t size)
{
    (void)block;
    (void)size;
    memory_allocations++;
}

static inline void memory_on_free(const volatile void *block)
{
    (void)block;
}

/* Start counting allocations; whether they can be counted. */
static inline bool memory_watch(void)
{
    static bool installed;
    if (!installed && __sanitizer_install_malloc_and_free_hooks)
        installed =
            __sanitizer_install_malloc_and_free_hooks(memory_on_malloc, memory_on_free) != 0;
    memory_allocations = 0;
    return installed;
}

/* Stop the program if anything was allocated since. */
static inline void memory_expect_none(void)
{
    if (memory_allocations > 0)
        __builtin_trap();
}

#endif
