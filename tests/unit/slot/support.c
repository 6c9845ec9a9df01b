/* SPDX-License-Identifier: MIT */
/* Room slot, tests: see support.h. The vectors are found beside the sources. */
#include "unit/slot/support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t naive_crc16(const uint8_t *data, size_t size)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < size; i++)
        for (int bit = 7; bit >= 0; bit--) {
            uint32_t carry = crc >> 15 ^ (data[i] >> bit & 1U);
            crc = (crc << 1 & 0xFFFF) ^ (carry ? 0x1021 : 0);
        }
    return crc;
}

const uint8_t *naive_tag(const uint8_t *key, size_t key_size, size_t *size_out)
{
    size_t open = 0, close;
    *size_out = key_size;
    while (open < key_size && key[open] != '{')
        open++;
    for (close = open + 1; close < key_size && key[close] != '}';)
        close++;
    if (close >= key_size || close == open + 1)
        return key;
    *size_out = close - open - 1;
    return key + open + 1;
}

uint32_t naive_crc16_of_key(const uint8_t *key, size_t key_size)
{
    size_t size;
    const uint8_t *tag = naive_tag(key, key_size, &size);
    return naive_crc16(tag, size);
}

uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(reshard__random_next(state) % limit);
}

void random_bytes(uint64_t *state, uint8_t *bytes, size_t size, unsigned braces)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t random = reshard__random_next(state);
        bytes[i] = (uint8_t)(random >> 32);
        if ((random & 0xFF) < braces)
            bytes[i] = random & 0x100 ? '{' : '}';
    }
}

static unsigned nibble(char digit)
{
    const char *digits = "0123456789abcdef", *found = strchr(digits, digit);
    cr_assert(found && *found, "not a digit: %c", digit);
    return (unsigned)(found - digits);
}

static void check_line(
    char *line, void (*check)(const uint8_t *key, size_t key_size, uint32_t slot))
{
    char *space = strchr(line, ' ');
    cr_assert(space);
    size_t size = line[0] == '-' ? 0 : (size_t)(space - line) / 2;
    uint8_t *key = malloc(size > 0 ? size : 1);
    cr_assert(key);
    for (size_t i = 0; i < size; i++)
        key[i] = (uint8_t)(nibble(line[2 * i]) << 4 | nibble(line[2 * i + 1]));
    check(key, size, (uint32_t)strtoul(space + 1, NULL, 10));
    free(key);
}

size_t each_vector(void (*check)(const uint8_t *key, size_t key_size, uint32_t slot))
{
    enum { LINE_SIZE = 1 << 18 };
    char *line = malloc(LINE_SIZE);
    FILE *file = fopen(RESHARD_TEST_DATA "/keyslot_vectors.txt", "r");
    size_t count = 0;
    cr_assert(line && file);
    while (fgets(line, LINE_SIZE, file)) {
        cr_assert(strchr(line, '\n'));
        if (line[0] == '#')
            continue;
        check_line(line, check);
        count++;
    }
    fclose(file);
    free(line);
    return count;
}

struct reshard_slot_set *set_of(uint32_t slot_count, const char *text)
{
    struct reshard_slot_set *set = NULL;
    cr_assert_eq(reshard_slot_set_create(slot_count, NULL, &set), RESHARD_OK);
    cr_assert_eq(reshard_slot_set_parse(set, text, strlen(text), NULL), RESHARD_OK, "%s", text);
    return set;
}

void assert_text(const struct reshard_slot_set *set, const char *text)
{
    char buffer[512];
    size_t size;
    cr_assert_eq(reshard_slot_set_format(set, buffer, sizeof buffer, &size), RESHARD_OK);
    cr_assert_str_eq(buffer, text);
    cr_assert_eq(size, strlen(text));
}
