/* SPDX-License-Identifier: MIT */
/* Changes: round trip, canonical form, sequences, ranges. */
#include "tools/wire_values.h"
#include <criterion/criterion.h>

Test(change, generated_value_comes_back_and_encodes_the_same, .timeout = 300)
{
    static struct wire_source source;
    wire_source_init(&source, 20240502);
    for (uint32_t i = 0; i < 400000; i++) {
        struct reshard_change in, out;
        struct reshard_range ranges[WIRE_RANGES_MAX];
        uint8_t bytes[2048], again[2048];
        size_t size = 0, size_again = 0, offset = 0;
        wire_draw_change(&source, &in);
        cr_assert_eq(reshard__change_encode(&in, bytes, sizeof bytes, &size), RESHARD_OK);
        memset(&out, 0xEE, sizeof out);
        cr_assert_eq(reshard__change_decode(bytes, size, &offset, ranges, WIRE_RANGES_MAX, &out),
            RESHARD_OK);
        cr_assert_eq(offset, size);
        cr_assert_eq(out.kind, in.kind);
        cr_assert_eq(out.struct_size, sizeof out);
        cr_assert(wire_fields_equal(&reshard__change_schemas.rows[in.kind - 1], &in, &out),
            "seed 20240502, value %u", i);
        cr_assert_eq(reshard__change_encode(&out, again, sizeof again, &size_again), RESHARD_OK);
        cr_assert_eq(size_again, size);
        cr_assert_eq(memcmp(bytes, again, size), 0);
    }
}

Test(change, sequence_is_read_to_its_end)
{
    static struct wire_source source;
    static uint8_t bytes[65536];
    struct reshard_change changes[50], out;
    struct reshard_range ranges[WIRE_RANGES_MAX];
    size_t used = 0, offset = 0, size;
    wire_source_init(&source, 3);
    for (size_t i = 0; i < 50; i++) {
        wire_draw_change(&source, &changes[i]);
        changes[i].ranges = NULL; /* the source has room for one change's ranges */
        changes[i].range_count = 0;
        cr_assert_eq(reshard__change_encode(&changes[i], bytes + used, sizeof bytes - used, &size),
            RESHARD_OK);
        used += size;
    }
    for (size_t i = 0; i < 50; i++) {
        cr_assert_eq(reshard__change_decode(bytes, used, &offset, ranges, WIRE_RANGES_MAX, &out),
            RESHARD_OK);
        cr_assert_eq(out.kind, changes[i].kind);
        cr_assert(
            wire_fields_equal(&reshard__change_schemas.rows[out.kind - 1], &changes[i], &out));
    }
    cr_assert_eq(reshard__change_decode(bytes, used, &offset, ranges, WIRE_RANGES_MAX, &out),
        RESHARD_E_EMPTY);
}

Test(change, too_few_ranges_reports_what_is_needed_and_moves_nothing)
{
    struct reshard_range in[3] = {{0, 0}, {2, 9}, {1048575, 1048575}}, ranges[3];
    struct reshard_change change, out;
    uint8_t bytes[64];
    size_t size, offset = 0;
    memset(&change, 0, sizeof change);
    memset(&out, 0, sizeof out);
    change.kind = RESHARD_CHANGE_ASSIGN;
    change.shard = 1;
    change.ranges = in;
    change.range_count = 3;
    cr_assert_eq(reshard__change_encode(&change, bytes, sizeof bytes, &size), RESHARD_OK);
    cr_assert_eq(reshard__change_decode(bytes, size, &offset, ranges, 2, &out), RESHARD_E_SPACE);
    cr_assert_eq(out.range_count, 3);
    cr_assert_eq(offset, 0);
    cr_assert_eq(reshard__change_decode(bytes, size, &offset, ranges, 3, &out), RESHARD_OK);
    cr_assert_eq(memcmp(in, out.ranges, sizeof in), 0);
}

Test(change, encoder_refuses_what_the_schema_does_not_allow)
{
    struct reshard_change change;
    uint8_t bytes[512];
    size_t size;
    double weights[] = {0.0, -1.0, 1.0 / 0.0, -1.0 / 0.0, 0.0 / 0.0};
    memset(&change, 0, sizeof change);
    cr_assert_eq(reshard__change_encode(&change, bytes, sizeof bytes, &size), RESHARD_E_KIND);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 1;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        change.weight = weights[i];
        cr_assert_eq(reshard__change_encode(&change, bytes, sizeof bytes, &size), RESHARD_E_BOUND);
    }
    change.weight = 0.25;
    cr_assert_eq(reshard__change_encode(&change, bytes, sizeof bytes, &size), RESHARD_OK);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = 1;
    change.role = RESHARD_ROLE_REPLICA;
    change.name_size = RESHARD_NAME_SIZE_MAX + 1;
    change.name = (const char *)bytes;
    cr_assert_eq(reshard__change_encode(&change, bytes, sizeof bytes, &size), RESHARD_E_BOUND);
}

Test(change, every_truncation_is_refused)
{
    static struct wire_source source;
    wire_source_init(&source, 5);
    for (uint32_t i = 0; i < 500; i++) {
        struct reshard_change in, out;
        struct reshard_range ranges[WIRE_RANGES_MAX];
        uint8_t bytes[2048];
        size_t size = 0, offset = 0;
        wire_draw_change(&source, &in);
        cr_assert_eq(reshard__change_encode(&in, bytes, sizeof bytes, &size), RESHARD_OK);
        for (size_t cut = 1; cut < size; cut++) {
            cr_assert_eq(reshard__change_decode(bytes, cut, &offset, ranges, WIRE_RANGES_MAX, &out),
                RESHARD_E_TRUNCATED);
            cr_assert_eq(offset, 0);
        }
    }
}

Test(change, range_that_leaves_the_slots_behind_is_refused)
{
    const struct reshard_range range = {1000000, 1000010};
    struct reshard_range ranges[4];
    struct reshard_change change, out;
    uint8_t bytes[64];
    size_t size = 0, offset = 0;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_ASSIGN;
    change.version = change.shard = 1;
    change.ranges = &range;
    change.range_count = 1;
    cr_assert_eq(reshard__change_encode(&change, bytes, sizeof bytes, &size), RESHARD_OK);
    cr_assert_eq(reshard__change_decode(bytes, size, &offset, ranges, 4, &out), RESHARD_OK);
    cr_assert_eq(bytes[size - 1], 10);
    bytes[size - 4] = 0x0F; /* first is 1048575, the last slot there can be */
    bytes[size - 3] = bytes[size - 2] = 0xFF;
    offset = 0;
    cr_assert_eq(reshard__change_decode(bytes, size, &offset, ranges, 4, &out), RESHARD_E_BOUND);
    cr_assert_eq(offset, 0);
}
