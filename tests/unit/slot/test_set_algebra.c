/* SPDX-License-Identifier: MIT */
/* Room slot: two sets, in every mix of the two forms. */
#include "slot/set.h"
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <string.h>

static int32_t run(int operation, struct reshard_slot_set *a, const struct reshard_slot_set *b)
{
    return operation == 0   ? reshard_slot_set_unite(a, b)
           : operation == 1 ? reshard_slot_set_subtract(a, b)
                            : reshard_slot_set_intersect(a, b);
}

static uint64_t expected(int operation, uint64_t a, uint64_t b)
{
    return operation == 0 ? a | b : operation == 1 ? a & ~b : a & b;
}

/* A set of 6 slots from its bits; made dense when asked to, which it would not be by itself. */
static struct reshard_slot_set *six(unsigned bits, bool dense)
{
    struct reshard_slot_set *set = set_of(6, "");
    uint8_t byte = (uint8_t)bits;
    cr_assert_eq(reshard_slot_set_import_bitmap(set, &byte, 1), RESHARD_OK);
    if (dense && !set->words)
        cr_assert_eq(reshard__set_densify(set), RESHARD_OK);
    return set;
}

static bool right(int operation, unsigned a_bits, unsigned b_bits, unsigned forms)
{
    struct reshard_slot_set *a = six(a_bits, forms & 1), *b = six(b_bits, forms & 2);
    uint8_t byte = 0xFF;
    size_t size = 0;
    bool good = reshard_slot_set_equal(a, b) == (a_bits == b_bits);
    good = good && reshard_slot_set_overlap(a, b) == ((a_bits & b_bits) != 0);
    good = good && run(operation, a, b) == RESHARD_OK;
    good = good && reshard_slot_set_export_bitmap(a, &byte, 1, &size) == RESHARD_OK;
    good = good && byte == (uint8_t)expected(operation, a_bits, b_bits);
    good = good && reshard_slot_set_export_bitmap(b, &byte, 1, &size) == RESHARD_OK;
    good = good && byte == b_bits;
    reshard_slot_set_destroy(a);
    reshard_slot_set_destroy(b);
    return good;
}

Test(set_algebra, every_small_case_in_every_form_is_right)
{
    for (int operation = 0; operation < 3; operation++)
        for (unsigned bits = 0; bits < 64 * 64; bits++)
            for (unsigned forms = 0; forms < 4; forms++)
                cr_assert(right(operation, bits / 64, bits % 64, forms), "%d %x %u", operation,
                    bits, forms);
}

Test(set_algebra, combine_with_itself_is_defined)
{
    for (int dense = 0; dense < 2; dense++)
        for (int operation = 0; operation < 3; operation++) {
            struct reshard_slot_set *set = six(0x2D, dense);
            cr_assert_eq(run(operation, set, set), RESHARD_OK);
            assert_text(set, operation == 1 ? "" : "0,2-3,5");
            reshard_slot_set_destroy(set);
        }
}

Test(set_algebra, other_slot_count_is_refused)
{
    struct reshard_slot_set *a = set_of(10, "1-3"), *b = set_of(11, "1-3");
    for (int operation = 0; operation < 3; operation++) {
        cr_assert_eq(run(operation, a, b), RESHARD_E_SLOT_COUNT);
        cr_assert_eq(run(operation, NULL, b), RESHARD_E_NULL);
        cr_assert_eq(run(operation, a, NULL), RESHARD_E_NULL);
    }
    cr_assert_eq(reshard_slot_set_overlap(a, b), RESHARD_E_SLOT_COUNT);
    cr_assert_eq(reshard_slot_set_overlap(a, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_equal(a, b), 0);
    cr_assert_eq(reshard_slot_set_equal(NULL, b), RESHARD_E_NULL);
    assert_text(a, "1-3");
    reshard_slot_set_destroy(a);
    reshard_slot_set_destroy(b);
}

Test(set_algebra, equal_ignores_the_form)
{
    struct reshard_slot_set *a = six(0x2D, false), *b = six(0x2D, true), *c = six(0x1D, true);
    cr_assert_eq(reshard_slot_set_equal(a, b), 1);
    cr_assert_eq(reshard_slot_set_equal(b, a), 1);
    cr_assert_eq(reshard_slot_set_equal(a, c), 0);
    reshard_slot_set_destroy(a);
    reshard_slot_set_destroy(b);
    reshard_slot_set_destroy(c);
}

Test(set_algebra, equal_and_overlap_refuse_null)
{
    struct reshard_slot_set *a = six(0x2D, false);
    cr_assert_eq(reshard_slot_set_equal(a, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_overlap(NULL, a), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_overlap(a, NULL), RESHARD_E_NULL);
    reshard_slot_set_destroy(a);
}
