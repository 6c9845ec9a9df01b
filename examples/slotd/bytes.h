/* SPDX-License-Identifier: MIT */
/* Room bytes (slotd): byte slices, growable buffers, numbers and patterns in text.
 *
 * Guarantees: a buffer never loses what it holds; memory that runs out ends the process with a
 * line on stderr, as a server that has acknowledged writes may not limp on. Touches only libc.
 */
#ifndef SLOTD_BYTES_H
#define SLOTD_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed slice. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

/* An owned, growable run of bytes. All zero is an empty buffer. */
struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

enum { NUMBER_TEXT_SIZE = 24 }; /* any int64 in decimal, with its NUL */

/* What is freed stays with the process, within limits: to get it back from the system costs more
 * than to use it. */
void memory_keep(void);
void *memory_take(size_t size);
void *memory_resize(void *memory, size_t size);

/* Room for `size` more bytes; returns where they go. buffer->size is not changed. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_number(struct buffer *buffer, int64_t number);
/* printf into the buffer. */
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Drop the first `size` bytes. */
void buffer_consume(struct buffer *buffer, size_t size);
/* Forget the content; give memory back when more than `keep_size` is held. */
void buffer_clear(struct buffer *buffer, size_t keep_size);
void buffer_free(struct buffer *buffer);

struct bytes bytes_of(const char *text);
bool bytes_equal(struct bytes a, struct bytes b);
/* Equal to an ASCII word, whatever the case. */
bool bytes_is(struct bytes bytes, const char *word);
/* Decimal int64, strictly: no space, no '+', no leading zeros, nothing behind. */
bool bytes_number(struct bytes bytes, int64_t *number_out);
/* Glob as Redis has it: * ? [a-z] [^a] and backslash. */
bool bytes_match(struct bytes pattern, struct bytes text, bool ignore_case);
/* XXH3-64; detects damage, not forgery. */
uint64_t bytes_checksum(struct bytes bytes);
/* Decimal text of a number; returns its length. */
size_t number_text(int64_t number, char text_out[NUMBER_TEXT_SIZE]);

/* Little-endian scalars at any alignment. */
static inline void put_u16(uint8_t *at, uint16_t number)
{
    at[0] = (uint8_t)number;
    at[1] = (uint8_t)(number >> 8);
}

static inline void put_u32(uint8_t *at, uint32_t number)
{
    put_u16(at, (uint16_t)number);
    put_u16(at + 2, (uint16_t)(number >> 16));
}

static inline void put_u64(uint8_t *at, uint64_t number)
{
    put_u32(at, (uint32_t)number);
    put_u32(at + 4, (uint32_t)(number >> 32));
}

static inline uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | (uint16_t)(at[1] << 8));
}

static inline uint32_t get_u32(const uint8_t *at)
{
    return get_u16(at) | (uint32_t)get_u16(at + 2) << 16;
}

static inline uint64_t get_u64(const uint8_t *at)
{
    return get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

/* Big-endian, for keys that sort. */
static inline void put_u16_big(uint8_t *at, uint16_t number)
{
    at[0] = (uint8_t)(number >> 8);
    at[1] = (uint8_t)number;
}

static inline void put_u32_big(uint8_t *at, uint32_t number)
{
    put_u16_big(at, (uint16_t)(number >> 16));
    put_u16_big(at + 2, (uint16_t)number);
}

static inline void put_u64_big(uint8_t *at, uint64_t number)
{
    put_u32_big(at, (uint32_t)(number >> 32));
    put_u32_big(at + 4, (uint32_t)number);
}

static inline uint16_t get_u16_big(const uint8_t *at)
{
    return (uint16_t)((uint16_t)(at[0] << 8) | at[1]);
}

static inline uint32_t get_u32_big(const uint8_t *at)
{
    return (uint32_t)get_u16_big(at) << 16 | get_u16_big(at + 2);
}

static inline uint64_t get_u64_big(const uint8_t *at)
{
    return (uint64_t)get_u32_big(at) << 32 | get_u32_big(at + 4);
}

#endif
