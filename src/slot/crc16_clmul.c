/* SPDX-License-Identifier: MIT */
/* Room slot: CRC16/XMODEM by carry-less multiplication, on x86-64 with PCLMULQDQ. Same results as
 * the portable code in crc16.c, which every other processor uses. Pure functions.
 *
 * With W the words of eight bytes of the data, the first bit the highest power, the CRC is the sum
 * of W x x^(16 + 64 i) mod P over the words, i words behind each. Every factor mod P has 16 bits,
 * so each product and the sum have less than 80; Barrett's reduction brings the sum below x^16
 * (Gopal et al. 2009, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ"). */
#include "slot/crc16.h"

#if RESHARD__CRC16_CLMUL

#include "slot/crc16_fold.h"

#include <tmmintrin.h>
#include <wmmintrin.h>

#define CLMUL __attribute__((target("pclmul,ssse3")))

/* From 16 - n on: reverses the first n bytes of a block and clears the rest, so that n bytes and
 * zeros become a block of the n bytes with zeros in front, in descending powers. */
static const uint8_t reversals[32] = {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

CLMUL static inline __m128i load(const void *from)
{
    return _mm_loadu_si128(from);
}

CLMUL static inline __m128i reverse(__m128i block, size_t size)
{
    return _mm_shuffle_epi8(block, load(reversals + 16 - size));
}

CLMUL static inline __m128i multiply(__m128i words, const uint64_t *factors)
{
    __m128i factor = load(factors);
    return _mm_xor_si128(
        _mm_clmulepi64_si128(words, factor, 0x00), _mm_clmulepi64_si128(words, factor, 0x11));
}

CLMUL static inline bool any_brace(__m128i block)
{
    return _mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8('{'))) != 0;
}

CLMUL static inline uint32_t reduce(__m128i sum)
{
    __m128i barrett = load(reshard__crc16_barrett);
    /* Word 1 becomes the sum / x^16, then the quotient. */
    __m128i shifted = _mm_slli_si128(sum, 6);
    __m128i quotient = _mm_xor_si128(shifted, _mm_clmulepi64_si128(shifted, barrett, 0x01));
    __m128i multiple = _mm_clmulepi64_si128(quotient, barrett, 0x11);
    return (uint32_t)_mm_cvtsi128_si32(_mm_xor_si128(sum, multiple)) & 0xFFFF;
}

/* size < 16: no load of a whole block fits. */
CLMUL static inline __m128i load_short(const uint8_t *data, size_t size)
{
    uint64_t first = 0, last = 0;
    if (size >= 8) {
        first = reshard__load_head(data, size);
        last = reshard__load_word(data + size - 8);
    } else if (size > 0) {
        last = reshard__load_head(data, size);
    }
    return _mm_set_epi64x((int64_t)last, (int64_t)first);
}

CLMUL bool reshard__crc16_clmul(const uint8_t *data, size_t size, bool scan, uint32_t *crc_out)
{
    if (size < 16) {
        __m128i block = load_short(data, size);
        if (scan && any_brace(block))
            return false;
        *crc_out = reduce(multiply(reverse(block, 16), reshard__crc16_weights));
        return true;
    }
    size_t head = size % 64;
    const uint8_t *end = data + head;
    __m128i brace = _mm_set1_epi8('{');
    __m128i block = load(data);
    __m128i found = _mm_cmpeq_epi8(block, brace);
    __m128i sum = multiply(reverse(block, head % 16), reshard__crc16_weights + head / 16 * 2);
    for (size_t i = 0; i < head / 16; i++) {
        block = load(end - 16 * (i + 1));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(block, brace));
        sum = _mm_xor_si128(sum, multiply(reverse(block, 16), reshard__crc16_weights + 2 * i));
    }
    for (size_t chunks = size / 64; chunks > 0; chunks--) {
        if (scan && _mm_movemask_epi8(found))
            return false;
        sum = multiply(sum, reshard__crc16_moves);
        for (size_t i = 0; i < 4; i++) {
            block = load(end + 16 * i);
            found = _mm_or_si128(found, _mm_cmpeq_epi8(block, brace));
            sum = _mm_xor_si128(
                sum, multiply(reverse(block, 16), reshard__crc16_weights + 6 - 2 * i));
        }
        end += 64;
    }
    *crc_out = reduce(sum);
    return !scan || _mm_movemask_epi8(found) == 0;
}

#else

typedef int reshard__crc16_no_clmul; /* ISO C has no empty file */

#endif
