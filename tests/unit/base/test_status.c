/* SPDX-License-Identifier: MIT */
#include "base/base.h"
#include <criterion/criterion.h>
#include <string.h>

Test(status, name_known_code_is_its_constant)
{
    cr_assert_str_eq(reshard_strname(RESHARD_E_SLOT), "RESHARD_E_SLOT");
    cr_assert_str_eq(reshard_strname(RESHARD_OK), "RESHARD_OK");
}

Test(status, name_unknown_code_is_a_placeholder)
{
    cr_assert_str_eq(reshard_strname(-99999), "RESHARD_E_?");
    cr_assert_str_eq(reshard_strerror(42), "unknown code");
}
