/* SPDX-License-Identifier: MIT */
/* Room bytes: see bytes.h. Patterns live in match.c. */
#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
    BUFFER_SIZE_MIN = 256,
    KEEP_ONE_SIZE = 4 << 20,
    KEEP_SIZE = 32 << 20
};

static void *memory_check(void *memory, size_t size)
{
    if (memory == NULL && size > 0) {
        (void)fprintf(stderr, "level=error event=out_of_memory size=%zu\n", size);
        abort();
    }
    return memory;
}

void memory_keep(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_ONE_SIZE);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_SIZE);
#endif
}

void *memory_take(size_t size)
{
    return memory_check(calloc(1, size > 0 ? size : 1), size);
}

void *memory_resize(void *memory, size_t size)
{
    return memory_check(realloc(memory, size > 0 ? size : 1), size);
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size)
{
    size_t needed = buffer->size + size;
    if (needed > buffer->capacity || !buffer->data) {
        size_t capacity = buffer->capacity < BUFFER_SIZE_MIN ? BUFFER_SIZE_MIN : buffer->capacity;
        while (capacity < needed)
            capacity += capacity / 2;
        buffer->data = memory_resize(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    uint8_t *at = buffer_reserve(buffer, size);
    if (size > 0)
        memcpy(at, data, size);
    buffer->size += size;
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_number(struct buffer *buffer, int64_t number)
{
    char text[NUMBER_TEXT_SIZE];
    size_t size = number_text(number, text);
    buffer_append(buffer, text, size);
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0)
        return;
    char *at = (char *)buffer_reserve(buffer, (size_t)size + 1);
    va_start(arguments, format);
    (void)vsnprintf(at, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)size;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    if (size == 0)
        return;
    if (size < buffer->size)
        memmove(buffer->data, buffer->data + size, buffer->size - size);
    buffer->size -= size;
}

void buffer_clear(struct buffer *buffer, size_t keep_size)
{
    buffer->size = 0;
    if (buffer->capacity > keep_size)
        buffer_free(buffer);
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool bytes_is(struct bytes bytes, const char *word)
{
    return strlen(word) == bytes.size &&
        strncasecmp((const char *)bytes.data, word, bytes.size) == 0;
}

static bool digits_read(struct bytes bytes, uint64_t *number_out)
{
    uint64_t number = 0;
    if (bytes.size == 0 || bytes.size > 20)
        return false;
    for (size_t index = 0; index < bytes.size; index++) {
        uint8_t digit = (uint8_t)(bytes.data[index] - '0');
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *number_out = number;
    return true;
}

bool bytes_number(struct bytes bytes, int64_t *number_out)
{
    bool negative = bytes.size > 0 && bytes.data[0] == '-';
    size_t first = negative ? 1 : 0;
    uint64_t magnitude;
    if (bytes.size > first && bytes.data[first] == '0' && bytes.size > 1)
        return false;
    if (!digits_read((struct bytes){bytes.data + first, bytes.size - first}, &magnitude))
        return false;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (magnitude > limit)
        return false;
    *number_out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

size_t number_text(int64_t number, char text_out[NUMBER_TEXT_SIZE])
{
    char digits[NUMBER_TEXT_SIZE];
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    size_t count = 0;
    size_t size = 0;
    do {
        digits[count++] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude > 0);
    if (number < 0)
        text_out[size++] = '-';
    while (count > 0)
        text_out[size++] = digits[--count];
    text_out[size] = '\0';
    return size;
}
