/* SPDX-License-Identifier: MIT */
/* Room engine: requests as words, each with its size before it. */
#include "engine_room.h"

#include <stdlib.h>
#include <string.h>

void words_add(struct buffer *words, struct bytes word)
{
    put_u32(buffer_reserve(words, 4), (uint32_t)word.size);
    words->size += 4;
    buffer_append(words, word.data, word.size);
}

void words_add_text(struct buffer *words, const char *text)
{
    words_add(words, bytes_of(text));
}

void words_add_number(struct buffer *words, uint64_t number)
{
    uint8_t bytes[8];
    put_u64(bytes, number);
    words_add(words, (struct bytes){bytes, sizeof(bytes)});
}

void words_add_ranges(struct buffer *words, const struct reshard_range *ranges, size_t count)
{
    struct buffer word = {0};
    for (size_t index = 0; index < count; index++) {
        uint8_t *at = buffer_reserve(&word, 8);
        put_u32(at, ranges[index].first);
        put_u32(at + 4, ranges[index].last);
        word.size += 8;
    }
    words_add(words, (struct bytes){word.data, word.size});
    buffer_free(&word);
}

bool words_next(struct bytes *words, struct bytes *word_out)
{
    if (words->size < 4)
        return false;
    size_t size = get_u32(words->data);
    if (size > words->size - 4)
        return false;
    *word_out = (struct bytes){words->data + 4, size};
    words->data += 4 + size;
    words->size -= 4 + size;
    return true;
}

bool words_number(struct bytes *words, uint64_t *number_out)
{
    struct bytes word;
    if (!words_next(words, &word) || word.size != 8)
        return false;
    *number_out = get_u64(word.data);
    return true;
}

bool words_ranges(struct bytes *words, struct reshard_range **ranges_out, size_t *count_out)
{
    struct bytes word;
    if (!words_next(words, &word) || word.size % 8 != 0 || word.size / 8 > STORE_SLOT_COUNT)
        return false;
    size_t count = word.size / 8;
    struct reshard_range *ranges = memory_take((count + 1) * sizeof(*ranges));
    int64_t before = -2; /* canonical: ascending, never adjacent */
    for (size_t index = 0; index < count; index++) {
        ranges[index].first = get_u32(word.data + index * 8);
        ranges[index].last = get_u32(word.data + index * 8 + 4);
        if ((int64_t)ranges[index].first <= before + 1 ||
            ranges[index].last < ranges[index].first || ranges[index].last >= STORE_SLOT_COUNT) {
            free(ranges);
            return false;
        }
        before = ranges[index].last;
    }
    *ranges_out = ranges;
    *count_out = count;
    return true;
}
