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
    from.tail = UINT64_C(1) << 63; /* the very last byte */
    to.b = 77;
    cr_assert_eq(reshard__struct_import(&to, sizeof to, 8, &from), RESHARD_E_STRUCT_TAIL);
    cr_assert_eq(to.b, 77);
}

Test(abi, import_impossible_size_is_refused)
{
    struct sample from = {7, 5, 6}, to = {1, 2, 3};
    cr_assert_eq(reshard__struct_import(&to, sizeof to, 8, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard__struct_import(&to, sizeof to, 8, &from), RESHARD_E_STRUCT_SIZE);
    from.struct_size = RESHARD_STRUCT_SIZE_MAX + 1;
    cr_assert_eq(reshard__struct_import(&to, sizeof to, 8, &from), RESHARD_E_STRUCT_SIZE);
    cr_assert(to.struct_size == 1 && to.a == 2 && to.b == 3);
}

Test(abi, import_largest_size_is_read_to_its_end)
{
    static uint8_t page[RESHARD_STRUCT_SIZE_MAX];
    uint32_t size = RESHARD_STRUCT_SIZE_MAX;
    struct sample to;
    memcpy(page, &size, sizeof size);
    cr_assert_eq(reshard__struct_import(&to, sizeof to, 8, page), RESHARD_OK);
    page[sizeof page - 1] = 1;
    cr_assert_eq(reshard__struct_import(&to, sizeof to, 8, page), RESHARD_E_STRUCT_TAIL);
}

Test(abi, export_fills_only_what_the_caller_has)
{
    struct sample from = {sizeof from, 5, 6}, to = {8, 0, 42};
    cr_assert_eq(reshard__struct_export(&to, 8, &from, sizeof from), RESHARD_OK);
    cr_assert_eq(to.struct_size, 8);
    cr_assert_eq(to.a, 5);
    cr_assert_eq(to.b, 42);
}

Test(abi, export_to_newer_caller_zeroes_the_unknown)
{
    struct sample from = {sizeof from, 5, 6};
    struct {
        struct sample known;
        uint64_t tail;
    } to = {{sizeof to, 1, 1}, 9};
    cr_assert_eq(reshard__struct_export(&to, 8, &from, sizeof from), RESHARD_OK);
    cr_assert(to.known.struct_size == sizeof to && to.known.a == 5 && to.known.b == 6);
    cr_assert_eq(to.tail, 0);
}

Test(abi, export_impossible_size_is_refused)
{
    struct sample from = {sizeof from, 5, 6}, to = {7, 2, 3};
    cr_assert_eq(reshard__struct_export(NULL, 8, &from, sizeof from), RESHARD_E_NULL);
    cr_assert_eq(reshard__struct_export(&to, 8, &from, sizeof from), RESHARD_E_STRUCT_SIZE);
    to.struct_size = RESHARD_STRUCT_SIZE_MAX + 1;
    cr_assert_eq(reshard__struct_export(&to, 8, &from, sizeof from), RESHARD_E_STRUCT_SIZE);
    cr_assert(to.a == 2 && to.b == 3);
}
