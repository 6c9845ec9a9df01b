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
}

Test(arith, mul_overflow_is_refused)
{
    size_t product = 7;
    cr_assert_not(reshard__mul_size(SIZE_MAX, 2, &product));
    cr_assert_eq(product, 7);
    cr_assert(reshard__mul_size(SIZE_MAX, 0, &product));
    cr_assert_eq(product, 0);
}
