/* SPDX-License-Identifier: MIT */
/* Room slot: the CRC16 of processors with carry-less multiplication equals the portable one.
 * Elsewhere these tests see only the portable one. */
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static bool usable(void)
{
#if RESHARD__CRC16_CLMUL
    return reshard__clmul_usable();
#else
    return false;
#endif
}

static bool run(const uint8_t *data, size_t size, bool scan, uint32_t *crc_out)
{
#if RESHARD__CRC16_CLMUL
    if (usable())
        return reshard__crc16_clmul(data, size, scan, crc_out);
#endif
    return reshard__crc16_portable(data, size, scan, crc_out);
}

static void check_vector(const uint8_t *key, size_t key_size, uint32_t slot)
{
    uint32_t crc = 0;
    struct reshard__key_part tag = reshard__tag_of_key(key, key_size);
    cr_assert(run(tag.data, tag.size, false, &crc));
    cr_assert_eq(crc % 16384, slot, "size %zu", key_size);
}

Test(crc16_clmul, vectors_have_the_servers_slots)
{
    cr_log_info("carry-less multiplication: %s", usable() ? "yes" : "no");
    cr_assert_geq(each_vector(check_vector), 10000);
}

Test(crc16_clmul, every_size_agrees_with_naive)
{
    uint64_t state = 21;
    for (int round = 0; round < 20; round++)
        for (size_t size = 0; size < 400; size++) {
            uint8_t *data = malloc(size + 1);
            uint32_t crc = 0;
            cr_assert(data);
            random_bytes(&state, data + 1, size, 0); /* unaligned */
            cr_assert(run(data + 1, size, false, &crc));
            cr_assert_eq(crc, naive_crc16(data + 1, size), "size %zu round %d", size, round);
            free(data);
        }
}

Test(crc16_clmul, every_single_bit_agrees_with_naive)
{
    for (size_t size = 1; size < 150; size++)
        for (size_t bit = 0; bit < 8 * size; bit += 7) {
            uint8_t data[150] = {0};
            uint32_t crc = 0;
            data[bit / 8] = (uint8_t)(1 << bit % 8);
            cr_assert(run(data, size, true, &crc));
            cr_assert_eq(crc, naive_crc16(data, size), "size %zu bit %zu", size, bit);
        }
}

Test(crc16_clmul, scan_finds_a_brace_anywhere)
{
    uint8_t data[300];
    uint32_t crc, expected;
    for (size_t size = 0; size < sizeof data; size++) {
        memset(data, '}', sizeof data);
        data[size] = '{'; /* just behind the end: not part of the key */
        cr_assert(run(data, size, true, &crc));
        cr_assert(reshard__crc16_portable(data, size, true, &expected));
        cr_assert_eq(crc, expected);
        for (size_t at = 0; at < size; at++) {
            data[at] = '{';
            cr_assert_not(run(data, size, true, &crc), "%zu of %zu", at, size);
            cr_assert(run(data, size, false, &crc));
            data[at] = '}';
        }
    }
}
