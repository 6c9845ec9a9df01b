/* SPDX-License-Identifier: MIT */
#include "audit/audit.h"
#include <criterion/criterion.h>
#include <string.h>

Test(text, finding_format_says_one_sentence)
{
    struct reshard_range ranges[] = {{0, 99}, {200, 200}};
    struct reshard_finding finding;
    char text[RESHARD_AUDIT_TEXT_SIZE_MAX];
    size_t size;
    reshard_finding_init(&finding);
    finding.code = RESHARD_FINDING_TWO_OWNERS;
    finding.node = 3;
    finding.other_node = UINT64_MAX;
    finding.ranges = ranges;
    finding.range_count = 2;
    finding.slot_count = 101;
    cr_assert_eq(reshard_finding_format(&finding, text, sizeof text, &size), RESHARD_OK);
    cr_assert_str_eq(text, "slots 0-99,200 (101 slots): node 3 and node 18446744073709551615 "
                           "both serve them");
    cr_assert_eq(size, strlen(text));
    finding.code = RESHARD_FINDING_MIGRATION_STUCK;
    finding.idle_ns = UINT64_C(61234000000);
    finding.range_count = 0;
    cr_assert_eq(reshard_finding_format(&finding, text, sizeof text, NULL), RESHARD_OK);
    cr_assert_not_null(strstr(text, "no progress for 61.2 s"));
}

Test(text, format_tells_the_space_that_it_needs)
{
    struct reshard_finding finding;
    char text[64] = "untouched";
    size_t size = 0;
    reshard_finding_init(&finding);
    finding.code = RESHARD_FINDING_STRANGER;
    finding.node = 7;
    cr_assert_eq(reshard_finding_format(&finding, NULL, 0, &size), RESHARD_E_SPACE);
    cr_assert_eq(reshard_finding_format(&finding, text, size, &size), RESHARD_E_SPACE);
    cr_assert_str_eq(text, "untouched");
    cr_assert_eq(reshard_finding_format(&finding, text, size + 1, &size), RESHARD_OK);
    cr_assert_eq(strlen(text), size);
    cr_assert_eq(reshard_finding_format(&finding, NULL, 5, &size), RESHARD_E_NULL);
    cr_assert_eq(reshard_finding_format(NULL, text, 5, &size), RESHARD_E_NULL);
    finding.range_count = 1;
    cr_assert_eq(reshard_finding_format(&finding, text, 64, &size), RESHARD_E_NULL);
    finding.struct_size = 3;
    cr_assert_eq(reshard_finding_format(&finding, text, 64, &size), RESHARD_E_STRUCT_SIZE);
}

Test(text, largest_sentences_fit)
{
    struct reshard_range ranges[100];
    struct reshard_finding finding;
    struct reshard_fix_step step;
    char text[RESHARD_AUDIT_TEXT_SIZE_MAX];
    memset(ranges, 0xFF, sizeof ranges);
    for (int i = 0; i < 100; i++)
        ranges[i].first--;
    memset(&finding, 0xFF, sizeof finding);
    memset(&step, 0xFF, sizeof step);
    finding.struct_size = sizeof finding;
    step.struct_size = sizeof step;
    finding.ranges = step.ranges = ranges;
    for (uint32_t code = 1; code <= RESHARD_FINDING_HEADLESS; code++) {
        finding.code = code;
        cr_assert_eq(reshard_finding_format(&finding, text, sizeof text, NULL), RESHARD_OK);
        cr_assert_str_neq(reshard_finding_name(code), "?");
        cr_assert_null(strchr(text, '%'));
    }
    for (uint32_t kind = 1; kind <= RESHARD_FIX_STEP_MOVE; kind++) {
        step.kind = kind;
        cr_assert_eq(reshard_fix_step_format(&step, text, sizeof text, NULL), RESHARD_OK);
        cr_assert_str_neq(reshard_fix_step_name(kind), "?");
        cr_assert_null(strchr(text, '%'));
    }
}

Test(text, unknown_codes_have_no_sentence)
{
    struct reshard_finding finding;
    struct reshard_fix_step step;
    char text[8];
    reshard_finding_init(&finding);
    reshard_fix_step_init(&step);
    cr_assert_eq(reshard_finding_format(&finding, text, sizeof text, NULL), RESHARD_E_KIND);
    cr_assert_eq(reshard_fix_step_format(&step, text, sizeof text, NULL), RESHARD_E_KIND);
    finding.code = RESHARD_FINDING_HEADLESS + 1;
    cr_assert_eq(reshard_finding_format(&finding, text, sizeof text, NULL), RESHARD_E_KIND);
    cr_assert_str_eq(reshard_finding_name(0), "?");
    cr_assert_str_eq(reshard_fix_step_name(RESHARD_FIX_STEP_MOVE + 1), "?");
}

Test(text, null_is_refused_unless_the_size_is_asked_for)
{
    struct reshard_fix_step step;
    struct reshard_finding finding;
    char text[200];
    size_t size = 0;
    reshard_fix_step_init(&step);
    reshard_finding_init(&finding);
    step.kind = RESHARD_FIX_STEP_MOVE;
    finding.code = RESHARD_FINDING_HEADLESS;
    cr_assert_eq(reshard_fix_step_format(&step, NULL, 5, &size), RESHARD_E_NULL);
    cr_assert_eq(reshard_finding_format(&finding, NULL, 5, &size), RESHARD_E_NULL);
    cr_assert_eq(reshard_fix_step_format(NULL, text, sizeof text, &size), RESHARD_E_NULL);
    cr_assert_eq(size, 0);
    cr_assert_eq(reshard_fix_step_format(&step, NULL, 0, &size), RESHARD_E_SPACE);
    cr_assert_gt(size, 10);
    step.struct_size = 1;
    cr_assert_eq(reshard_fix_step_format(&step, text, sizeof text, &size), RESHARD_E_STRUCT_SIZE);
}
