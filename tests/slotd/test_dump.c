/* SPDX-License-Identifier: MIT */
/* Room dump of slotd: dumps that Redis made are read, and bodies of any bytes do no harm, also
 * under a footer that is right. */
#include "dump.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Redis 7.0.15's dumps of 21 letters a (LZF), -129 and "abc". */
static const struct {
    const char *dump;
    size_t size;
    const char *value;
} known[] = {
    {"\x00\xc3\x06\x15\x01" "aa\xe0\n\x00\n\x00\xfd\x0c\xb3h\x07" "A?h", 20,
        "aaaaaaaaaaaaaaaaaaaaa"},
    {"\x00\xc1\x7f\xff\n\x00\x17`\x82(T\x80\x84\x80", 14, "-129"},
    {"\x00\x03" "abc\n\x00\xd9\xac" "0=Ar\xa2\xe2", 15, "abc"},
};

Test(dump, what_redis_made_is_read)
{
    for (size_t index = 0; index < sizeof known / sizeof *known; index++) {
        struct buffer scratch = {0};
        struct bytes value;
        struct bytes dump = {(const uint8_t *)known[index].dump, known[index].size};
        cr_assert_eq(dump_read(dump, &scratch, &value), DUMP_SOUND, "%zu", index);
        cr_expect_eq(value.size, strlen(known[index].value));
        cr_expect_eq(memcmp(value.data, known[index].value, value.size), 0);
        buffer_free(&scratch);
    }
}

static uint32_t drawn(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*state >> 33);
}

/* Most bodies begin as a compressed string does, so that its insides are reached. */
static void body_draw(uint64_t *state, struct buffer *dump)
{
    static const uint8_t heads[][5] = {
        {0, 0xc3, 20, 40, 31}, {0, 0xc3, 9, 0x7f, 0xff}, {0, 0xc2}, {0, 0x81}, {0, 0x40, 20}, {1}};
    uint32_t kind = drawn(state) % 6;
    size_t size = drawn(state) % 40;
    buffer_append(dump, heads[kind], 1 + drawn(state) % 5);
    for (; size > 0; size--) {
        uint8_t byte = (uint8_t)(drawn(state) % (drawn(state) % 2 == 0 ? 256 : 40));
        buffer_append(dump, &byte, 1);
    }
}

Test(dump, bodies_of_any_bytes_do_no_harm)
{
    uint64_t state = 7;
    int sound = 0, refused = 0;
    for (int count = 0; count < 200000; count++) {
        struct buffer dump = {0}, scratch = {0};
        struct bytes value = {NULL, 0};
        body_draw(&state, &dump);
        dump_end(&dump, 0);
        /* Of its own memory, so that a step beyond its end shows. */
        uint8_t *exact = malloc(dump.size);
        cr_assert_not_null(exact);
        memcpy(exact, dump.data, dump.size);
        int result = dump_read((struct bytes){exact, dump.size}, &scratch, &value);
        cr_assert(result == DUMP_SOUND || result == DUMP_FORMAT);
        cr_assert_leq(scratch.capacity, 300 * dump.size + 64);
        sound += result == DUMP_SOUND;
        refused += result == DUMP_FORMAT;
        free(exact);
        buffer_free(&dump);
        buffer_free(&scratch);
    }
    cr_expect(sound > 100 && refused > 100, "%d sound, %d refused", sound, refused);
}
