/* SPDX-License-Identifier: MIT */
/* Room slot: text in and out. */
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <string.h>

Test(set_text, parse_takes_any_order_and_format_is_canonical)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"0", "0"},
        {"0-1000,2000", "0-1000,2000"},
        {"2000,0-1000", "0-1000,2000"},
        {"5,4,3", "3-5"},
        {"0-5,6-9,16383", "0-9,16383"},
        {"7-7", "7"},
        {"007-0010", "7-10"},
        {"0-16383", "0-16383"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reshard_slot_set *set = set_of(16384, cases[i][0]);
        assert_text(set, cases[i][1]);
        reshard_slot_set_destroy(set);
    }
}

Test(set_text, parse_malformed_names_the_place_and_changes_nothing)
{
    static const struct {
        const char *text;
        int32_t status;
        size_t offset;
    } cases[] = {
        {",", RESHARD_E_SYNTAX, 0},
        {"1,", RESHARD_E_SYNTAX, 2},
        {"1,,2", RESHARD_E_SYNTAX, 2},
        {"-1", RESHARD_E_SYNTAX, 0},
        {"1-", RESHARD_E_SYNTAX, 2},
        {"1--2", RESHARD_E_SYNTAX, 2},
        {"1-2-3", RESHARD_E_SYNTAX, 3},
        {" 1", RESHARD_E_SYNTAX, 0},
        {"1, 2", RESHARD_E_SYNTAX, 2},
        {"1 2", RESHARD_E_SYNTAX, 1},
        {"1\n", RESHARD_E_SYNTAX, 1},
        {"0x10", RESHARD_E_SYNTAX, 1},
        {"a", RESHARD_E_SYNTAX, 0},
        {"\xB9", RESHARD_E_SYNTAX, 0},
        {"3,16384", RESHARD_E_SLOT, 2},
        {"3,5-16384", RESHARD_E_SLOT, 2},
        {"9-8", RESHARD_E_SLOT, 0},
        {"1,4294967297", RESHARD_E_SLOT, 2},
        {"18446744073709551616", RESHARD_E_SLOT, 0},
        {"99999999999999999999999999999999", RESHARD_E_SLOT, 0},
        {"1-5,5", RESHARD_E_OVERLAP, 4},
        {"5,1-9", RESHARD_E_OVERLAP, 2},
        {"5,5", RESHARD_E_OVERLAP, 2},
    };
    struct reshard_slot_set *set = set_of(16384, "77");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t offset = 999, size = strlen(cases[i].text);
        cr_assert_eq(reshard_slot_set_parse(set, cases[i].text, size, &offset), cases[i].status,
            "%s", cases[i].text);
        cr_assert_eq(offset, cases[i].offset, "%s: %zu", cases[i].text, offset);
        cr_assert_eq(reshard_slot_set_parse(set, cases[i].text, size, NULL), cases[i].status);
        assert_text(set, "77");
    }
    cr_assert_eq(reshard_slot_set_parse(set, NULL, 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_parse(NULL, "1", 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_parse(set, "1\0002", 3, NULL), RESHARD_E_SYNTAX);
    cr_assert_eq(reshard_slot_set_parse(set, "12345", 2, NULL), RESHARD_OK);
    assert_text(set, "12");
    reshard_slot_set_destroy(set);
}

Test(set_text, format_says_what_it_needs)
{
    struct reshard_slot_set *set = set_of(16384, "0-1000,2000");
    char text[16] = "unchanged";
    size_t size = 0;
    cr_assert_eq(reshard_slot_set_format(set, NULL, 0, &size), RESHARD_E_SPACE);
    cr_assert_eq(size, 11);
    cr_assert_eq(reshard_slot_set_format(set, text, 11, &size), RESHARD_E_SPACE);
    cr_assert_str_eq(text, "unchanged");
    cr_assert_eq(reshard_slot_set_format(set, text, 12, &size), RESHARD_OK);
    cr_assert_str_eq(text, "0-1000,2000");
    cr_assert_eq(reshard_slot_set_format(set, NULL, 1, &size), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_format(set, text, 12, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_format(NULL, text, 12, &size), RESHARD_E_NULL);
    reshard_slot_set_destroy(set);
}

/* Random bytes of the alphabet: whatever is accepted reads back as itself. */
Test(set_text, parse_of_anything_is_refused_or_reads_back)
{
    struct reshard_slot_set *set = set_of(100, ""), *again = set_of(100, "");
    uint64_t state = 51;
    int accepted = 0;
    for (int round = 0; round < 200000; round++) {
        char text[12], written[64];
        size_t size = random_below(&state, sizeof text), written_size;
        for (size_t i = 0; i < size; i++)
            text[i] = "0123456789,-,-,1 "[random_below(&state, 17)];
        if (reshard_slot_set_parse(set, text, size, NULL) != RESHARD_OK)
            continue;
        accepted++;
        int32_t status = reshard_slot_set_format(set, written, sizeof written, &written_size);
        if (!status)
            status = reshard_slot_set_parse(again, written, written_size, NULL);
        cr_assert(status == RESHARD_OK && reshard_slot_set_equal(set, again) == 1);
    }
    cr_assert_gt(accepted, 10000);
    reshard_slot_set_destroy(set);
    reshard_slot_set_destroy(again);
}

Test(set_text, parse_of_nothing_empties_and_of_null_is_refused)
{
    struct reshard_slot_set *set = set_of(100, "5");
    cr_assert_eq(reshard_slot_set_parse(set, NULL, 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_slot_set_parse(NULL, "5", 1, NULL), RESHARD_E_NULL);
    assert_text(set, "5");
    cr_assert_eq(reshard_slot_set_parse(set, NULL, 0, NULL), RESHARD_OK);
    assert_text(set, "");
    reshard_slot_set_destroy(set);
}
