/* SPDX-License-Identifier: MIT */
/* Tests that are wrong on purpose, each in another way: guard-fires runs them one at a time and
 * wants the guard to refuse all but the first. Never run as a whole. */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>

Test(probe, sound)
{
    cr_assert(1);
}

Test(probe, failing)
{
    cr_assert(0);
}

Test(probe, crashing)
{
    abort();
}

Test(probe, leaking)
{
    void *volatile lost = malloc(100);
    cr_assert_not_null(lost);
    lost = NULL;
}

Test(probe, overflowing)
{
    volatile int most = INT_MAX;
    most = most + 1;
    cr_assert(1);
}

Test(probe, overrunning)
{
    volatile char *bytes = malloc(10);
    volatile size_t behind = 10;
    bytes[behind] = 1;
    free((void *)bytes);
}
