/* SPDX-License-Identifier: MIT */
#include "base/base.h"
#include <criterion/criterion.h>
#include <string.h>

struct sample {
    uint32_t struct_size;
    uint32_t a;
    uint64_t b;
};

Test(abi, import_shorter_is_zero_filled)
{
    struct sample from = {8, 5, 99}, to = {1, 1, 1};
    cr_assert_eq(reshard__struct_import(&to, sizeof to, 8, &from), RESHARD_OK);
    cr_assert_eq(to.a, 5);
    cr_assert_eq(to.b, 0);
}

Test(abi, import_longer_needs_zero_tail)
{
    struct {
        struct sample known;
        uint64_t tail;
    } from = {{sizeof from, 5, 6}, 0};
    struct sample to = {0, 0, 0};
    cr_assert_eq(reshard__struct_import(&to, sizeof to, 8, &from), RESHARD_OK);
    cr_assert_eq(to.b, 6);
    from.tail = 1;
    to.b = 77;
    cr_assert_eq(reshard__struct_import(&to, sizeof to, 8, &from), RESHARD_E_STRUCT_TAIL);
    cr_assert_eq(to.b, 77);
}

Test(abi, export_fills_only_what_the_caller_has)
{
    struct sample from = {sizeof from, 5, 6}, to = {8, 0, 42};
    cr_assert_eq(reshard__struct_export(&to, 8, &from, sizeof from), RESHARD_OK);
    cr_assert_eq(to.struct_size, 8);
    cr_assert_eq(to.a, 5);
    cr_assert_eq(to.b, 42);
}
