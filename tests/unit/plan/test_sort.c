/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>

Test(sort, random_keys_come_out_ascending_and_stable)
{
    enum { COUNT = 5000 };
    static struct reshard__sort_item items[COUNT], scratch[COUNT];
    const unsigned bits[] = {1, 7, 8, 9, 31, 33, 64};
    uint64_t seed = 7;
    for (size_t b = 0; b < sizeof bits / sizeof *bits; b++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            items[i].key = reshard__random_next(&seed) >> (64 - bits[b]);
            items[i].value = i;
        }
        reshard__sort(items, scratch, COUNT);
        for (uint32_t i = 1; i < COUNT; i++) {
            cr_assert_leq(items[i - 1].key, items[i].key);
            cr_assert(items[i - 1].key < items[i].key || items[i - 1].value < items[i].value);
        }
    }
    reshard__sort(items, scratch, 0);
    reshard__sort(items, scratch, 1);
}

Test(sort, mul_div_agrees_with_wider_arithmetic)
{
    uint64_t seed = 11;
    for (int i = 0; i < 200000; i++) {
        uint64_t a = reshard__random_next(&seed) >> fixture_random(&seed, 64);
        uint64_t b = reshard__random_next(&seed) >> fixture_random(&seed, 64);
        uint64_t c = (reshard__random_next(&seed) >> fixture_random(&seed, 64)) | 1;
        __extension__ typedef unsigned __int128 wide;
        wide quotient = (wide)a * b / c;
        if (quotient >> 64)
            continue;
        cr_assert_eq(reshard__mul_div(a, b, c), (uint64_t)quotient);
    }
    cr_assert_eq(reshard__mul_div(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
}
