/* SPDX-License-Identifier: MIT */
#include "base/base.h"
#include <criterion/criterion.h>
#include <string.h>

Test(status, name_known_code_is_its_constant)
{
    cr_assert_str_eq(reshard_strname(RESHARD_E_SLOT), "RESHARD_E_SLOT");
    cr_assert_str_eq(reshard_strname(RESHARD_OK), "RESHARD_OK");
    cr_assert_str_eq(reshard_strname(RESHARD_E_FATAL), "RESHARD_E_FATAL");
}

Test(status, name_unknown_code_is_a_placeholder)
{
    cr_assert_str_eq(reshard_strname(-99999), "RESHARD_E_?");
    cr_assert_str_eq(reshard_strerror(42), "unknown code");
}

/* Whatever codes there are: names and sentences are unique, and no sentence ends in a full stop. */
Test(status, names_and_sentences_are_distinct)
{
    const char *names[600], *sentences[600];
    size_t count = 0;
    for (int32_t status = 0; status > -1000; status--) {
        if (strcmp(reshard_strname(status), "RESHARD_E_?") == 0)
            continue;
        names[count] = reshard_strname(status);
        sentences[count] = reshard_strerror(status);
        size_t size = strlen(sentences[count]);
        cr_assert(size > 0 && strcmp(sentences[count], "unknown code") != 0);
        cr_assert(sentences[count][size - 1] != '.' || strstr(sentences[count], "..."));
        for (size_t i = 0; i < count; i++) {
            cr_assert(strcmp(names[i], names[count]) != 0);
            cr_assert(strcmp(sentences[i], sentences[count]) != 0);
        }
        count++;
    }
    cr_assert_geq(count, 50);
}
