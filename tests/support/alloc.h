/* SPDX-License-Identifier: MIT */
/* An allocator for tests: counts, fails where told, and knows each block's size.
 *
 * Guarantees: every wrong old_size, double free and write past the end is counted in `faults`;
 * live_blocks is 0 exactly when nothing leaked. Touches malloc and free only.
 *
 *     struct support_alloc alloc;
 *     struct reshard_allocator allocator = support_alloc_init(&alloc);
 *     alloc.fail_at = 3;                       the third allocation fails, the fourth succeeds
 *     alloc.fail_onwards = true;               ... or every later one fails too
 *     cr_assert(support_alloc_clean(&alloc));  nothing leaked, nothing lied about its size
 */
#ifndef RESHARD_TESTS_SUPPORT_ALLOC_H
#define RESHARD_TESTS_SUPPORT_ALLOC_H

#include <reshard/types.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct support_alloc {
    size_t calls;       /* allocations and growths asked for, failed ones included */
    size_t fail_at;     /* number of the call that fails, from 1; 0 = none */
    bool fail_onwards;  /* the calls after fail_at fail too */
    size_t failed;      /* calls that failed */
    size_t live_blocks; /* blocks handed out and not freed */
    size_t live_bytes;  /* their bytes */
    size_t peak_bytes;  /* most bytes that lived at once */
    size_t faults;      /* wrong old sizes, frees of foreign blocks, writes past the end */
};

enum { SUPPORT_ALLOC_HEAD = 32, SUPPORT_ALLOC_TAIL = 16, SUPPORT_ALLOC_FILL = 0xA5 };
#define SUPPORT_ALLOC_LIVE UINT64_C(0x6C69766520626C6B)

/* Check and forget a block; false when it is not one of ours or its size is not old_size. */
static inline bool support_alloc_release(
    struct support_alloc *alloc, unsigned char *block, size_t old_size)
{
    uint64_t mark, size;
    memcpy(&mark, block, sizeof mark);
    memcpy(&size, block + sizeof mark, sizeof size);
    if (mark != SUPPORT_ALLOC_LIVE || size != old_size) {
        alloc->faults++;
        return false;
    }
    for (size_t i = 0; i < SUPPORT_ALLOC_TAIL; i++)
        if (block[SUPPORT_ALLOC_HEAD + old_size + i] != SUPPORT_ALLOC_FILL) {
            alloc->faults++;
            break;
        }
    memset(block, 0, SUPPORT_ALLOC_HEAD);
    alloc->live_blocks--;
    alloc->live_bytes -= old_size;
    return true;
}

/* Count a call; whether it is one that fails. */
static inline bool support_alloc_fails(struct support_alloc *alloc)
{
    alloc->calls++;
    bool later = alloc->fail_onwards && alloc->fail_at && alloc->calls > alloc->fail_at;
    if (alloc->calls != alloc->fail_at && !later)
        return false;
    alloc->failed++;
    return true;
}

/* A new block, filled with garbage so that nobody relies on zeroes. */
static inline unsigned char *support_alloc_new(struct support_alloc *alloc, size_t size)
{
    unsigned char *block = malloc(SUPPORT_ALLOC_HEAD + size + SUPPORT_ALLOC_TAIL);
    if (!block)
        abort();
    uint64_t mark = SUPPORT_ALLOC_LIVE, size64 = size;
    memset(block, SUPPORT_ALLOC_FILL, SUPPORT_ALLOC_HEAD + size + SUPPORT_ALLOC_TAIL);
    memcpy(block, &mark, sizeof mark);
    memcpy(block + sizeof mark, &size64, sizeof size64);
    alloc->live_blocks++;
    alloc->live_bytes += size;
    if (alloc->live_bytes > alloc->peak_bytes)
        alloc->peak_bytes = alloc->live_bytes;
    return block + SUPPORT_ALLOC_HEAD;
}

/* Always moves a block that is resized, so stale pointers show. */
static inline void *support_alloc_resize(
    void *user_data, void *ptr, size_t old_size, size_t new_size)
{
    struct support_alloc *alloc = (struct support_alloc *)user_data;
    unsigned char *old = ptr ? (unsigned char *)ptr - SUPPORT_ALLOC_HEAD : NULL;
    unsigned char *fresh = NULL;
    if (new_size > 0) {
        if (support_alloc_fails(alloc))
            return NULL;
        fresh = support_alloc_new(alloc, new_size);
        if (old)
            memcpy(fresh, ptr, old_size < new_size ? old_size : new_size);
    }
    if (old && support_alloc_release(alloc, old, old_size))
        free(old);
    else if (!old && old_size)
        alloc->faults++;
    return fresh;
}

/* Zero the counters; the result hands them to the library. */
static inline struct reshard_allocator support_alloc_init(struct support_alloc *alloc)
{
    struct reshard_allocator allocator;
    memset(alloc, 0, sizeof *alloc);
    memset(&allocator, 0, sizeof allocator);
    allocator.struct_size = (uint32_t)sizeof allocator;
    allocator.resize = support_alloc_resize;
    allocator.user_data = alloc;
    return allocator;
}

/* Whether everything was given back, with the right sizes. */
static inline bool support_alloc_clean(const struct support_alloc *alloc)
{
    return alloc->live_blocks == 0 && alloc->live_bytes == 0 && alloc->faults == 0;
}

#endif
