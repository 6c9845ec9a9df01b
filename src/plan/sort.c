/* SPDX-License-Identifier: MIT */
/* Room plan: sorting without libc's qsort (which may allocate), and wide division. Pure. */
#include "plan/plan.h"

#include <string.h>

static void sort_pass(const struct reshard__sort_item *from, struct reshard__sort_item *to,
    size_t count, unsigned shift)
{
    size_t starts[256];
    memset(starts, 0, sizeof starts);
    for (size_t i = 0; i < count; i++)
        starts[(from[i].key >> shift) & 255]++;
    size_t sum = 0;
    for (size_t digit = 0; digit < 256; digit++) {
        size_t next = sum + starts[digit];
        starts[digit] = sum;
        sum = next;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[(from[i].key >> shift) & 255]++] = from[i];
}

void reshard__sort(
    struct reshard__sort_item *items, struct reshard__sort_item *scratch, size_t count)
{
    uint64_t all = UINT64_MAX;
    uint64_t any = 0;
    for (size_t i = 0; i < count; i++) {
        all &= items[i].key;
        any |= items[i].key;
    }
    struct reshard__sort_item *from = items;
    struct reshard__sort_item *to = scratch;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        /* A byte that is the same everywhere sorts nothing. */
        if (count < 2 || ((all ^ any) >> shift & 255) == 0)
            continue;
        sort_pass(from, to, count, shift);
        struct reshard__sort_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, count * sizeof *items);
}

uint64_t reshard__mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    RESHARD_ASSERT(c > 0);
    const uint64_t mask = UINT64_C(0xFFFFFFFF);
    uint64_t low = (a & mask) * (b & mask);
    uint64_t cross = (a >> 32) * (b & mask) + (low >> 32);
    uint64_t middle = (a & mask) * (b >> 32) + (cross & mask);
    uint64_t high = (a >> 32) * (b >> 32) + (cross >> 32) + (middle >> 32);
    low = (middle << 32) | (low & mask);
    RESHARD_ASSERT(high < c);
    uint64_t quotient = 0;
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t carry = high >> 63;
        high = (high << 1) | (low >> 63);
        low <<= 1;
        quotient <<= 1;
        if (carry || high >= c) {
            high -= c;
            quotient |= 1;
        }
    }
    return quotient;
}
