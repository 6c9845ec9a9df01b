/* SPDX-License-Identifier: MIT */
/* Room bytes: glob patterns as KEYS and SCAN take them.
 *
 * Guarantees: linear memory, no recursion: a star is retried only from the last one seen, so a
 * hostile pattern costs pattern size x text size at most.
 */
#include "bytes.h"

static uint8_t lower(uint8_t byte, bool ignore_case)
{
    return ignore_case && byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

static bool between(uint8_t byte, uint8_t a, uint8_t b)
{
    return a <= b ? byte >= a && byte <= b : byte >= b && byte <= a;
}

/* One byte, or range, of a class; *index ends behind it. */
static bool member_match(struct bytes pattern, size_t *index, uint8_t byte, bool ignore_case)
{
    size_t at = *index;
    at += pattern.data[at] == '\\' && at + 1 < pattern.size ? 1 : 0;
    bool range = at + 2 < pattern.size && pattern.data[at + 1] == '-';
    uint8_t first = lower(pattern.data[at], ignore_case);
    uint8_t last = range ? lower(pattern.data[at + 2], ignore_case) : first;
    *index = at + (range ? 3 : 1);
    return between(byte, first, last);
}

/* One class "[...]" at *index (behind the bracket) against a byte; *index ends behind it. An open
 * class ends with the pattern, as in Redis. */
static bool class_match(struct bytes pattern, size_t *index, uint8_t byte, bool ignore_case)
{
    size_t at = *index;
    bool negated = at < pattern.size && pattern.data[at] == '^';
    bool found = false;
    at += negated ? 1 : 0;
    while (at < pattern.size && pattern.data[at] != ']') {
        bool here = member_match(pattern, &at, byte, ignore_case);
        found = found || here;
    }
    *index = at < pattern.size ? at + 1 : at;
    return found != negated;
}

/* One pattern element that is not a star against one byte. */
static bool element_match(struct bytes pattern, size_t *index, uint8_t byte, bool ignore_case)
{
    uint8_t head = pattern.data[(*index)++];
    byte = lower(byte, ignore_case);
    if (head == '?')
        return true;
    if (head == '[')
        return class_match(pattern, index, byte, ignore_case);
    if (head == '\\' && *index < pattern.size)
        head = pattern.data[(*index)++];
    return lower(head, ignore_case) == byte;
}

bool bytes_match(struct bytes pattern, struct bytes text, bool ignore_case)
{
    size_t index = 0;
    size_t at = 0;
    size_t star_index = SIZE_MAX;
    size_t star_at = 0;
    while (at < text.size) {
        size_t next = index;
        if (index < pattern.size && pattern.data[index] == '*') {
            star_index = ++index;
            star_at = at;
        } else if (index < pattern.size &&
            element_match(pattern, &next, text.data[at], ignore_case)) {
            index = next;
            at++;
        } else if (star_index != SIZE_MAX) {
            index = star_index;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (index < pattern.size && pattern.data[index] == '*')
        index++;
    return index == pattern.size;
}
