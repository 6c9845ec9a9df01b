/* SPDX-License-Identifier: MIT */
/* The order of orders: by term, then by number. */
#include "wire/wire.h"
#include <criterion/criterion.h>

Test(wire, orders_are_ordered_by_term_then_number)
{
    static const struct reshard__order_id ids[] = {{1, 1}, {1, 9}, {2, 1}, {2, 2}, {9, 1}};
    for (size_t a = 0; a < 5; a++)
        for (size_t b = 0; b < 5; b++) {
            cr_assert_eq(reshard__order_above(ids[a], ids[b]), a > b, "%zu and %zu", a, b);
            cr_assert_eq(reshard__order_equal(ids[a], ids[b]), a == b, "%zu and %zu", a, b);
        }
}
