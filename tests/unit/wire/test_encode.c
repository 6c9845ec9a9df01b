/* SPDX-License-Identifier: MIT */
/* Flat struct → array: exact bytes, defaults left out, bounds. */
#include "wire/schema.h"
#include <criterion/criterion.h>
#include <string.h>

static int32_t encode(const struct reshard_change *change, uint8_t *bytes, size_t *size)
{
    return reshard__change_encode(change, bytes, 256, size);
}

Test(encode, trailing_defaults_are_left_out)
{
    struct reshard_change change;
    uint8_t bytes[256];
    size_t size;
    memset(&change, 0, sizeof change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = 7;
    change.role = RESHARD_ROLE_REPLICA;
    cr_assert_eq(encode(&change, bytes, &size), RESHARD_OK);
    cr_assert(size == 5 && memcmp(bytes, "\x84\x02\x00\x07\x02", 5) == 0);
    change.zone = "z";
    change.zone_size = 1;
    cr_assert_eq(encode(&change, bytes, &size), RESHARD_OK);
    cr_assert(size == 10 && memcmp(bytes, "\x88\x02\x00\x07\x02\x00\x40\x40\x41z", 10) == 0);
}

Test(encode, weight_travels_as_its_bits)
{
    struct reshard_change change;
    uint8_t bytes[256];
    size_t size;
    memset(&change, 0, sizeof change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 1;
    change.weight = 1.0;
    cr_assert_eq(encode(&change, bytes, &size), RESHARD_OK);
    cr_assert_eq(size, 13);
    cr_assert_eq(memcmp(bytes, "\x84\x04\x00\x01\x1B\x3F\xF0\x00\x00\x00\x00\x00\x00", 13), 0);
}

Test(encode, missing_pointer_is_out_of_bounds)
{
    struct reshard_change change;
    uint8_t bytes[256];
    size_t size = 99;
    memset(&change, 0, sizeof change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = 7;
    change.role = RESHARD_ROLE_REPLICA;
    change.name_size = 3;
    cr_assert_eq(encode(&change, bytes, &size), RESHARD_E_BOUND);
    memset(&change, 0, sizeof change);
    change.kind = RESHARD_CHANGE_ASSIGN;
    change.shard = 1;
    change.range_count = 1;
    cr_assert_eq(encode(&change, bytes, &size), RESHARD_E_BOUND);
    cr_assert_eq(size, 99);
}
