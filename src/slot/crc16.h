/* SPDX-License-Identifier: MIT */
/* Room slot, private: CRC16 and the scan for a hash tag. Pure; reads only the bytes given. */
#ifndef RESHARD_SLOT_CRC16_H
#define RESHARD_SLOT_CRC16_H

#include "base/base.h"

/* Borrowed bytes of a key. */
struct reshard__key_part {
    const uint8_t *data;
    size_t size;
};

/* The bytes of a key that are hashed: those between the first '{' and the first '}' behind it, when
 * there are both and something between them; else the whole key. */
struct reshard__key_part reshard__tag_of_key(const uint8_t *key, size_t key_size);

/* CRC16/XMODEM of the part of a key that is hashed. */
uint32_t reshard__crc16_of_key(const uint8_t *key, size_t key_size);

/* CRC16/XMODEM of all bytes. With `scan`, false if one of them is '{'; *crc_out is then undefined.
 * Both give the same; the second may be called only when reshard__clmul_usable(). */
bool reshard__crc16_portable(const uint8_t *data, size_t size, bool scan, uint32_t *crc_out);
#if defined(__x86_64__) && defined(__GNUC__)
#define RESHARD__CRC16_CLMUL 1
bool reshard__crc16_clmul(const uint8_t *data, size_t size, bool scan, uint32_t *crc_out);
/* One load: the compiler's runtime asks the processor once, before main. */
static inline bool reshard__clmul_usable(void)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("ssse3");
}
#else
#define RESHARD__CRC16_CLMUL 0
#endif

static inline uint32_t reshard__load_half(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

/* Eight bytes, the first lowest, whatever the byte order: compilers make it one load. */
static inline uint64_t reshard__load_word(const uint8_t *data)
{
    return (uint64_t)reshard__load_half(data) | (uint64_t)reshard__load_half(data + 4) << 32;
}

/* The first size % 8 bytes as the highest bytes of a word, zeros below; size > 0. Reads no byte
 * outside data[0 ... size): what is too short for one load is put together from two that overlap.
 */
static inline uint64_t reshard__load_head(const uint8_t *data, size_t size)
{
    if (size >= 8)
        return reshard__load_word(data) << 8 << (56 - 8 * (size & 7));
    unsigned shift = 64 - 8 * (unsigned)size;
    if (size >= 4)
        return (uint64_t)reshard__load_half(data) << shift |
               (uint64_t)reshard__load_half(data + size - 4) << 32;
    return (uint64_t)data[0] << shift | (uint64_t)data[size / 2] << (shift + 8 * (size / 2)) |
           (uint64_t)data[size - 1] << 56;
}

/* Highest bit of each byte that is 0, and of no other below the first of them (Warren, "Hacker's
 * Delight", finding the first zero byte). */
static inline uint64_t reshard__zero_bytes(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

/* Non-zero exactly when one of the eight bytes is '{'. */
static inline uint64_t reshard__has_brace(uint64_t word)
{
    return reshard__zero_bytes(word ^ UINT64_C(0x7B7B7B7B7B7B7B7B));
}

#endif
