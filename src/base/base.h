/* SPDX-License-Identifier: MIT */
/* Room base (floor 0): what every other room stands on.
 *
 * Guarantees: memory only through the instance's allocator, with exact old sizes; a sized
 * struct of an older or newer caller is imported or refused, never misread; arithmetic on
 * counters that outside input can reach is checked. Touches libc's memory and string
 * functions only.
 */
#ifndef RESHARD_BASE_BASE_H
#define RESHARD_BASE_BASE_H

#include <reshard/status.h>
#include <reshard/types.h>
#include <stdbool.h>

/* Invariants, never input: bytes off the wire and caller mistakes return codes instead.
 * Kept in every build type, because going on after a broken invariant loses data. */
#define RESHARD_ASSERT(condition) \
    ((condition) ? (void)0 : reshard__assert_failed(#condition, __FILE__, __LINE__))

_Noreturn void reshard__assert_failed(const char *condition, const char *file, int line);

/* One instance's memory: the imported allocator. */
struct reshard__mem {
    void *(*resize)(void *user_data, void *ptr, size_t old_size, size_t new_size);
    void *user_data;
};

/* NULL or all-zero means malloc, realloc and free. Errors: STRUCT_SIZE, STRUCT_TAIL, FLAGS. */
int32_t reshard__mem_import(struct reshard__mem *mem, const struct reshard_allocator *from);

/* Zeroed memory, or NULL. size > 0. */
void *reshard__mem_alloc(const struct reshard__mem *mem, size_t size);
/* NULL is allowed. size is what was asked for. */
void reshard__mem_free(const struct reshard__mem *mem, void *ptr, size_t size);
/* Grow an array to hold at least `count` items; doubles. *capacity counts items. New items are
 * zeroed. On NOMEM nothing changed. */
int32_t reshard__mem_grow(
    const struct reshard__mem *mem, void **items, size_t *capacity, size_t item_size, size_t count);

/* Import a sized struct (its first member is uint32_t struct_size) into `to`, which has to_size
 * bytes: shorter is zero-filled, longer needs a zero tail, below first_size is refused. */
int32_t reshard__struct_import(void *to, size_t to_size, size_t first_size, const void *from);
/* Fill a caller's sized output struct with as many bytes as its struct_size says; the caller's
 * struct_size stays. Bytes that this library does not know are zeroed. */
int32_t reshard__struct_export(
    void *to, size_t first_size, const void *from, size_t from_size);

/* sum = a + b; false on overflow, then *sum is untouched. */
bool reshard__add_u64(uint64_t a, uint64_t b, uint64_t *sum);
bool reshard__add_size(size_t a, size_t b, size_t *sum);
bool reshard__mul_size(size_t a, size_t b, size_t *product);

/* Deterministic pseudo-random numbers from a seed (splitmix64, Steele et al. 2014). */
uint64_t reshard__random_next(uint64_t *state);

#endif
