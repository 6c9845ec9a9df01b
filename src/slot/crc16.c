/* SPDX-License-Identifier: MIT */
/* Room slot: CRC16/XMODEM and the hash tag rule. Redis Cluster's slot of every key, whatever the
 * compiler or byte order. Pure functions over borrowed bytes.
 *
 * Slicing: a CRC is linear, so the CRC of a block is the XOR of one table entry a byte (Kounavis
 * and Berry 2005, "A systematic approach to building high performance software-based CRC
 * generators"). Bytes in front of which only zeros stand need no length: leading zero bytes leave a
 * CRC that starts at 0 as it is, so the odd bytes of a key are taken first, padded in front. */
#include "slot/crc16.h"
#include "slot/crc16_table.h"

#include <string.h>

/* XOR of the entries of eight bytes, the first of them lowest, `behind` bytes before the end. */
static inline uint32_t crc16_step(uint64_t word, unsigned behind)
{
    const uint16_t(*table)[256] = &reshard__crc16_table[behind];
    uint32_t high = (uint32_t)(word >> 32);
    uint32_t low = (uint32_t)word;
    uint32_t sum = (uint32_t)table[3][high & 0xFF] ^ table[2][high >> 8 & 0xFF];
    sum ^= (uint32_t)table[1][high >> 16 & 0xFF] ^ table[0][high >> 24];
    sum ^= (uint32_t)table[5][low >> 16 & 0xFF] ^ table[4][low >> 24];
    /* The CRC so far lies in these two bytes: the critical path, so they come last. */
    return sum ^ ((uint32_t)table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF]);
}

/* Inline, so that each value of `scan` has its own code. */
static inline bool crc16_run(const uint8_t *data, size_t size, bool scan, uint32_t *crc_out)
{
    uint32_t crc = 0;
    if (size & 7) {
        uint64_t word = reshard__load_head(data, size);
        if (scan && reshard__has_brace(word))
            return false;
        crc = crc16_step(word, 0);
        data += size & 7;
    }
    if (size & 8) {
        uint64_t word = reshard__load_word(data);
        if (scan && reshard__has_brace(word))
            return false;
        crc = crc16_step(word ^ crc, 0);
        data += 8;
    }
    for (size_t blocks = size / 16; blocks > 0; blocks--) {
        uint64_t first = reshard__load_word(data);
        uint64_t second = reshard__load_word(data + 8);
        if (scan && (reshard__has_brace(first) | reshard__has_brace(second)) != 0)
            return false;
        crc = crc16_step(second, 0) ^ crc16_step(first ^ crc, 8);
        data += 16;
    }
    *crc_out = (crc & 0xFF) << 8 | crc >> 8; /* the tables have the bytes swapped */
    return true;
}

/* Number of the first byte that is marked: its 1, at bit 8 n, brings digit n to the top. */
static inline size_t lowest_mark(uint64_t marks)
{
    uint64_t lowest = marks & (0 - marks);
    return (size_t)((lowest >> 7) * UINT64_C(0x0001020304050607) >> 56);
}

/* Offset of the first `byte` (not 0), or size. Tags are short: words first, a call only for more.
 */
static inline size_t find_byte(const uint8_t *data, size_t size, uint8_t byte)
{
    uint64_t pattern = UINT64_C(0x0101010101010101) * byte;
    size_t i = 0;
    for (; i < 32 && size - i >= 8; i += 8) {
        uint64_t marks = reshard__zero_bytes(reshard__load_word(data + i) ^ pattern);
        if (marks)
            return i + lowest_mark(marks);
    }
    if (i == size)
        return size;
    if (i == 32) {
        const uint8_t *found = memchr(data + i, byte, size - i);
        return found ? (size_t)(found - data) : size;
    }
    /* The last word overlaps bytes that are known not to match, or has zeros in front. */
    uint64_t word =
        size >= 8 ? reshard__load_word(data + size - 8) : reshard__load_head(data, size);
    uint64_t marks = reshard__zero_bytes(word ^ pattern);
    return marks ? size - 8 + lowest_mark(marks) : size;
}

struct reshard__key_part reshard__tag_of_key(const uint8_t *key, size_t key_size)
{
    struct reshard__key_part part = {key, key_size};
    size_t open = find_byte(key, key_size, '{');
    if (open == key_size)
        return part;
    size_t behind = key_size - open - 1;
    size_t tag_size = find_byte(key + open + 1, behind, '}');
    if (tag_size > 0 && tag_size < behind) {
        part.data = key + open + 1;
        part.size = tag_size;
    }
    RESHARD_ASSERT(part.size <= key_size);
    return part;
}

bool reshard__crc16_portable(const uint8_t *data, size_t size, bool scan, uint32_t *crc_out)
{
    return scan ? crc16_run(data, size, true, crc_out) : crc16_run(data, size, false, crc_out);
}

static inline bool crc16_any(const uint8_t *data, size_t size, bool scan, uint32_t *crc_out)
{
#if RESHARD__CRC16_CLMUL
    if (reshard__clmul_usable())
        return reshard__crc16_clmul(data, size, scan, crc_out);
#endif
    return reshard__crc16_portable(data, size, scan, crc_out);
}

uint32_t reshard__crc16_of_key(const uint8_t *key, size_t key_size)
{
    uint32_t crc;
    bool tagged = key_size > 0 && key[0] == '{'; /* the usual place of a tag: no scan */
    if (tagged || !crc16_any(key, key_size, true, &crc)) {
        struct reshard__key_part tag = reshard__tag_of_key(key, key_size);
        (void)crc16_any(tag.data, tag.size, false, &crc);
    }
    return crc;
}
