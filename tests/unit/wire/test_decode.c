/* SPDX-License-Identifier: MIT */
/* Array → flat struct: types, bounds, defaults, borrowing. (Round trips: test_message.c.) */
#include "wire/schema.h"
#include <criterion/criterion.h>
#include <string.h>

static int32_t decode(const char *bytes, size_t size, struct reshard_change *change)
{
    static struct reshard_range ranges[4];
    size_t offset = 0;
    return reshard__change_decode((const uint8_t *)bytes, size, &offset, ranges, 4, change);
}

#define DECODE(bytes, change) decode(bytes, sizeof(bytes) - 1, change)

Test(decode, texts_borrow_the_input_and_missing_ones_are_empty)
{
    static const char bytes[] = "\x87\x02\x00\x07\x02\x00\x42no\x41"
                                "a";
    struct reshard_change change;
    memset(&change, 0xEE, sizeof change);
    cr_assert_eq(DECODE(bytes, &change), RESHARD_OK);
    cr_assert(change.name == bytes + 7 && change.name_size == 2);
    cr_assert(change.address == bytes + 10 && change.address_size == 1);
    cr_assert(change.zone == NULL && change.zone_size == 0 && change.ranges == NULL);
    cr_assert(change.struct_size == sizeof change && change.version == 0);
}

Test(decode, each_bound_holds)
{
    static const struct {
        const char *bytes;
        size_t size;
        int32_t status;
    } rows[] = {
#define ROW(bytes, status) {bytes, sizeof(bytes) - 1, status}
        ROW("\x84\x02\x00\x07\x02", RESHARD_OK),
        ROW("\x84\x02\x00\x07\x03", RESHARD_E_BOUND), /* role */
        ROW("\x83\x02\x00\x07", RESHARD_E_BOUND),     /* role left out */
        ROW("\x81\x02", RESHARD_E_BOUND),
        ROW("\x80", RESHARD_E_BOUND),
        ROW("\x81\x40", RESHARD_E_TYPE),
        ROW("\x82\x0D\x01", RESHARD_E_KIND),
        ROW("\x85\x02\x00\x07\x02\x1B\x00\x00\x00\x01\x00\x00\x00\x00", RESHARD_E_BOUND),
        ROW("\x85\x02\x00\x07\x02\x1A\xFF\xFF\xFF\xFF", RESHARD_OK),
        ROW("\x84\x04\x00\x01\x00", RESHARD_E_BOUND), /* weight 0 */
        ROW("\x84\x04\x00\x01\x01", RESHARD_OK),      /* smallest denormal */
        ROW("\x84\x04\x00\x01\x1B\x7F\xEF\xFF\xFF\xFF\xFF\xFF\xFF", RESHARD_OK),
        ROW("\x84\x04\x00\x01\x1B\x7F\xF0\x00\x00\x00\x00\x00\x00", RESHARD_E_BOUND), /* inf */
        ROW("\x84\x04\x00\x01\x1B\x7F\xF8\x00\x00\x00\x00\x00\x00", RESHARD_E_BOUND), /* NaN */
        ROW("\x84\x04\x00\x01\x1B\xBF\xF0\x00\x00\x00\x00\x00\x00", RESHARD_E_BOUND), /* -1 */
        ROW("\x84\x07\x00\x01\x81\x00", RESHARD_E_BOUND), /* half a range */
        ROW("\x84\x07\x00\x01\x82\x00\x00", RESHARD_OK),
        ROW("\x84\x07\x00\x01\x80", RESHARD_E_CANONICAL),
        ROW("\x84\x07\x00\x01\x41\x00", RESHARD_E_TYPE),
        ROW("\x84\x07\x00\x01\x8A\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", RESHARD_E_SPACE),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reshard_change change;
        memset(&change, 0, sizeof change);
        int32_t status = decode(rows[i].bytes, rows[i].size, &change);
        cr_expect_eq(status, rows[i].status, "row %zu: %s", i, reshard_strname(status));
    }
}

Test(decode, refused_change_changes_nothing)
{
    struct reshard_change change, before;
    memset(&before, 0x5A, sizeof before);
    change = before;
    cr_assert_eq(DECODE("\x84\x02\x00\x07\x03", &change), RESHARD_E_BOUND);
    cr_assert_eq(memcmp(&change, &before, sizeof change), 0);
}
