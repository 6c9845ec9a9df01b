/* SPDX-License-Identifier: MIT */
/* The public check of a journal: its struct and its arguments (what it finds: test_record.c). */
#include "wire/wire.h"
#include <criterion/criterion.h>
#include <reshard/journal.h>
#include <string.h>

Test(journal, check_refuses_missing_arguments_and_wrong_sizes)
{
    struct reshard_journal_report report;
    uint8_t byte = 0xF7;
    reshard_journal_report_init(NULL);
    reshard_journal_report_init(&report);
    cr_assert_eq(reshard_journal_check(&byte, 1, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_journal_check(NULL, 1, &report), RESHARD_E_NULL);
    report.struct_size = 4;
    report.verdict = 77;
    cr_assert_eq(reshard_journal_check(&byte, 1, &report), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(report.verdict, 77);
}

Test(journal, check_fills_a_longer_struct_with_zeros)
{
    struct {
        struct reshard_journal_report known;
        uint64_t more;
    } report;
    uint8_t byte = 0xF7;
    memset(&report, 0xEE, sizeof report);
    report.known.struct_size = sizeof report;
    cr_assert_eq(reshard_journal_check(&byte, 1, &report.known), RESHARD_OK);
    cr_assert_eq(report.known.verdict, RESHARD_E_TORN);
    cr_assert_eq(report.known.lost_size, 1);
    cr_assert_eq(report.more, 0);
}

Test(journal, garbage_is_damage_not_a_torn_tail)
{
    struct reshard_journal_report report;
    uint8_t bytes[100];
    for (size_t size = 1; size <= sizeof bytes; size++) {
        memset(bytes, 'x', sizeof bytes);
        reshard_journal_report_init(&report);
        cr_assert_eq(reshard_journal_check(bytes, size, &report), RESHARD_OK);
        cr_assert_eq(report.verdict, RESHARD_E_CHECKSUM);
        cr_assert_eq(report.good_size, 0);
        cr_assert_eq(report.sound_offset, 0);
    }
}
