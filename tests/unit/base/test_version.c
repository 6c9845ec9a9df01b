/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <reshard/version.h>

Test(version, library_built_from_these_headers_agrees)
{
    cr_assert_eq(reshard_version(), RESHARD_VERSION);
    cr_assert_eq(reshard_version() >> 16, RESHARD_VERSION_MAJOR);
    cr_assert_eq(reshard_version() >> 8 & 255, RESHARD_VERSION_MINOR);
    cr_assert_eq(reshard_version() & 255, RESHARD_VERSION_PATCH);
}
