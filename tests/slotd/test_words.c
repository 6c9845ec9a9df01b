/* SPDX-License-Identifier: MIT */
/* Room engine of slotd, its words: what is written is read back, and nothing else is. */
#include "engine_room.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct reshard_range ranges[] = {{0, 5}, {7, 7}, {100, 16383}};

static struct buffer sample(void)
{
    struct buffer words = {0};
    words_add_text(&words, "open");
    words_add_number(&words, 0x0123456789abcdef);
    words_add(&words, (struct bytes){NULL, 0});
    words_add_ranges(&words, ranges, 3);
    return words;
}

/* How many of the sample's words come out of the bytes as they went in. */
static int sample_read(struct bytes bytes)
{
    struct bytes word;
    struct reshard_range *found = NULL;
    size_t count = 0;
    uint64_t number = 0;
    if (!words_next(&bytes, &word) || !bytes_equal(word, bytes_of("open")))
        return 0;
    if (!words_number(&bytes, &number) || number != 0x0123456789abcdef)
        return 1;
    if (!words_next(&bytes, &word) || word.size != 0)
        return 2;
    if (!words_ranges(&bytes, &found, &count))
        return 3;
    bool same = count + bytes.size == 3 && memcmp(found, ranges, sizeof ranges) == 0;
    free(found);
    return same ? 4 : 3;
}

Test(words, all_come_back)
{
    struct buffer words = sample();
    cr_assert_eq(sample_read((struct bytes){words.data, words.size}), 4);
    buffer_free(&words);
}

Test(words, cut_anywhere_they_end)
{
    struct buffer words = sample();
    for (size_t size = 0; size < words.size; size++) {
        /* Behind the cut lies memory that is not theirs. */
        uint8_t *copy = malloc(size + 1);
        cr_assert_not_null(copy);
        memcpy(copy, words.data, size);
        cr_expect_lt(sample_read((struct bytes){copy, size}), 4, "%zu bytes", size);
        free(copy);
    }
    buffer_free(&words);
}

Test(words, sizes_that_lie_are_refused)
{
    static const uint8_t lies[][8] = {{0xff, 0xff, 0xff, 0xff, 1}, {5, 0, 0, 0, 1},
        {0, 0, 0, 0x80, 1, 2, 3, 4}};
    for (size_t index = 0; index < sizeof lies / sizeof lies[0]; index++) {
        struct bytes bytes = {lies[index], 8};
        struct bytes word;
        cr_expect_not(words_next(&bytes, &word));
        cr_expect_eq(bytes.size, 8, "a refused word was taken");
    }
}

Test(words, numbers_have_eight_bytes)
{
    struct buffer words = {0};
    uint64_t number;
    words_add_text(&words, "1234567");
    struct bytes bytes = {words.data, words.size};
    cr_expect_not(words_number(&bytes, &number));
    buffer_free(&words);
}

Test(words, ranges_out_of_order_or_bounds_are_refused)
{
    static const struct {
        struct reshard_range ranges[2];
        size_t count;
    } cases[] = {{{{5, 4}}, 1}, {{{0, 16384}}, 1}, {{{3, 5}, {6, 7}}, 2}, {{{3, 5}, {4, 9}}, 2},
        {{{9, 9}, {1, 1}}, 2}, {{{0xffffffff, 0xffffffff}}, 1}};
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct buffer words = {0};
        struct reshard_range *found = NULL;
        size_t count = 77;
        words_add_ranges(&words, cases[index].ranges, cases[index].count);
        struct bytes bytes = {words.data, words.size};
        cr_expect_not(words_ranges(&bytes, &found, &count), "case %zu", index);
        cr_expect(found == NULL && count == 77);
        buffer_free(&words);
    }
}
