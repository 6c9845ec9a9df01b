/* SPDX-License-Identifier: MIT */
#include "base/base.h"
#include <criterion/criterion.h>
#include <setjmp.h>
#include <signal.h>

static jmp_buf back;

static void on_abort(int number)
{
    (void)number;
    longjmp(back, 1);
}

Test(check, assert_broken_invariant_aborts)
{
    signal(SIGABRT, on_abort);
    volatile int zero = 0;
    if (setjmp(back) == 0) {
        RESHARD_ASSERT(zero == 1);
        cr_assert_fail("went on after a broken invariant");
    }
}

Test(check, assert_kept_invariant_evaluates_once)
{
    int count = 0;
    RESHARD_ASSERT(++count == 1);
    cr_assert_eq(count, 1);
}
