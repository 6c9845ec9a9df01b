/* SPDX-License-Identifier: MIT */
/* Room slot: slot sets from and to text, "0-1000,2000". No stdio, no locale. */
#include "slot/set.h"

#include <string.h>

/* A text and how far it was read. */
struct reader {
    const char *text;
    size_t size;
    size_t offset;
};

static bool take(struct reader *reader, char wanted)
{
    bool found = reader->offset < reader->size && reader->text[reader->offset] == wanted;
    reader->offset += found;
    return found;
}

/* One or more digits. A number too big for any slot stays too big. */
static int32_t read_slot(struct reader *reader, uint32_t *slot_out)
{
    uint32_t slot = 0;
    size_t start = reader->offset;
    for (; reader->offset < reader->size; reader->offset++) {
        unsigned digit = (unsigned)(unsigned char)reader->text[reader->offset] - '0';
        if (digit > 9)
            break;
        slot = slot * 10 + digit;
        if (slot > RESHARD_SLOT_COUNT_MAX)
            slot = RESHARD_SLOT_COUNT_MAX;
    }
    if (reader->offset == start)
        return RESHARD_E_SYNTAX;
    *slot_out = slot;
    return RESHARD_OK;
}

/* One slot or range, added to the set. On SLOT and OVERLAP the reader stands at its start. */
static int32_t read_range(struct reader *reader, struct reshard_slot_set *set)
{
    struct reshard_range range;
    size_t start = reader->offset;
    int32_t status = read_slot(reader, &range.first);
    if (status)
        return status;
    range.last = range.first;
    if (take(reader, '-')) {
        status = read_slot(reader, &range.last);
        if (status)
            return status;
    }
    status = reshard__set_put_new(set, range);
    if (status)
        reader->offset = start;
    return status;
}

static int32_t read_set(struct reader *reader, struct reshard_slot_set *set)
{
    if (reader->size == 0)
        return RESHARD_OK;
    do {
        int32_t status = read_range(reader, set);
        if (status)
            return status;
    } while (take(reader, ','));
    return reader->offset == reader->size ? RESHARD_OK : RESHARD_E_SYNTAX;
}

int32_t reshard_slot_set_parse(
    struct reshard_slot_set *set, const char *text, size_t text_size, size_t *offset_out)
{
    if (!set || (!text && text_size > 0))
        return RESHARD_E_NULL;
    struct reader reader = {text, text_size, 0};
    struct reshard_slot_set fresh = reshard__set_empty(set);
    int32_t status = read_set(&reader, &fresh);
    if (status) {
        reshard__set_release(&fresh);
        if (offset_out && status != RESHARD_E_NOMEM)
            *offset_out = reader.offset;
        return status;
    }
    reshard__set_move(set, &fresh);
    return RESHARD_OK;
}

static size_t digit_count(uint32_t number)
{
    size_t count = 1;
    for (; number > 9; number /= 10)
        count++;
    return count;
}

/* Text of a range, or only its size when `to` is NULL. */
static size_t write_range(char *to, struct reshard_range range)
{
    size_t first_size = digit_count(range.first);
    size_t size = first_size;
    if (range.last != range.first)
        size += 1 + digit_count(range.last);
    if (!to)
        return size;
    size_t end = first_size;
    for (uint32_t rest = range.first; end > 0; rest /= 10)
        to[--end] = (char)('0' + rest % 10);
    if (range.last != range.first) {
        to[first_size] = '-';
        end = size;
        for (uint32_t rest = range.last; end > first_size + 1; rest /= 10)
            to[--end] = (char)('0' + rest % 10);
    }
    return size;
}

/* Text of a set, or only its size when `to` is NULL. */
static size_t write_set(const struct reshard_slot_set *set, char *to)
{
    struct reshard_range range;
    size_t size = 0;
    for (uint32_t from = 0; reshard__set_next(set, from, &range); from = range.last + 1) {
        if (size > 0) {
            if (to)
                to[size] = ',';
            size++;
        }
        size += write_range(to ? to + size : NULL, range);
    }
    return size;
}

int32_t reshard_slot_set_format(
    const struct reshard_slot_set *set, char *text, size_t capacity, size_t *text_size_out)
{
    if (!set || !text_size_out || (!text && capacity > 0))
        return RESHARD_E_NULL;
    size_t size = write_set(set, NULL);
    *text_size_out = size;
    if (capacity <= size)
        return RESHARD_E_SPACE;
    size_t written = write_set(set, text);
    RESHARD_ASSERT(written == size);
    text[written] = '\0';
    return RESHARD_OK;
}
