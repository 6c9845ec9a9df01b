/* SPDX-License-Identifier: MIT */
/* Checksums against the reference, fixed-width integers. */
#include "wire/schema.h"
#include <criterion/criterion.h>
#include <xxhash.h>

Test(hash, checksum_is_xxh3_64_however_it_is_split)
{
    static uint8_t bytes[3000];
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)reshard__random_next(&seed);
    for (size_t size = 0; size <= sizeof bytes; size += 1 + size / 16) {
        cr_assert_eq(reshard__checksum(bytes, size, 0), XXH3_64bits(bytes, size));
        cr_assert_eq(reshard__checksum(bytes, size, 7), XXH3_64bits_withSeed(bytes, size, 7));
        for (size_t cut = 0; cut <= size; cut += 1 + size / 7)
            cr_assert_eq(reshard__checksum_pair(bytes, cut, bytes + cut, size - cut),
                XXH3_64bits(bytes, size));
    }
}

Test(hash, integers_are_little_endian)
{
    static const uint8_t expected[8] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    uint8_t bytes[8];
    reshard__put_le64(bytes, UINT64_C(0x1122334455667788));
    cr_assert_arr_eq(bytes, expected, 8);
    cr_assert_eq(reshard__get_le64(bytes), UINT64_C(0x1122334455667788));
}
