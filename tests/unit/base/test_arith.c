/* SPDX-License-Identifier: MIT */
#include "base/base.h"
#include <criterion/criterion.h>
#include <string.h>

Test(arith, add_overflow_leaves_output)
{
    uint64_t sum = 7;
    cr_assert_not(reshard__add_u64(UINT64_MAX, 1, &sum));
    cr_assert_eq(sum, 7);
    cr_assert(reshard__add_u64(UINT64_MAX, 0, &sum));
    cr_assert_eq(sum, UINT64_MAX);
    size_t size = 7;
    cr_assert_not(reshard__add_size(1, SIZE_MAX, &size));
    cr_assert_eq(size, 7);
    cr_assert(reshard__add_size(SIZE_MAX - 1, 1, &size));
    cr_assert_eq(size, SIZE_MAX);
}

Test(arith, mul_overflow_is_refused)
{
    size_t product = 7;
    cr_assert_not(reshard__mul_size(SIZE_MAX, 2, &product));
    cr_assert_not(reshard__mul_size(SIZE_MAX / 3 + 1, 3, &product));
    cr_assert_eq(product, 7);
    cr_assert(reshard__mul_size(SIZE_MAX, 0, &product));
    cr_assert_eq(product, 0);
    cr_assert(reshard__mul_size(SIZE_MAX / 3, 3, &product));
    cr_assert_eq(product, SIZE_MAX / 3 * 3);
}

/* The first outputs of splitmix64 from seed 1234567, as published with the generator. */
Test(arith, random_known_seed_gives_known_numbers)
{
    static const uint64_t expected[] = {UINT64_C(6457827717110365317),
        UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
        UINT64_C(4593380528125082431), UINT64_C(16408922859458223821)};
    uint64_t state = 1234567;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        cr_assert_eq(reshard__random_next(&state), expected[i]);
}
