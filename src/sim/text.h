/* SPDX-License-Identifier: MIT */
/* Room sim: words and memory; needs nothing of a world. */
#ifndef RESHARD_SIM_TEXT_H
#define RESHARD_SIM_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data;
    size_t size;
    size_t capacity;
};
/* Memory of the simulator itself; running out of it ends the process. */
void *reshard__sim_resize(void *block, size_t count, size_t item_size);
/* In a region of the arena that is in use (arena.h), where there is one. */
void *reshard__region_resize(uint32_t region, void *block, size_t size);
void reshard__sim_release(void *block);
/* Grow to `count` items, zeroing what is new. */
void *reshard__sim_grow(void *block, size_t *capacity, size_t count, size_t item_size);
void *reshard__region_grow(
    uint32_t region, void *block, size_t *capacity, size_t count, size_t item_size);
void reshard__text_char(struct text *text, char c);
void reshard__text_string(struct text *text, const char *string);
void reshard__text_number(struct text *text, uint64_t number);
/* %s string, %u uint64_t, %d int32_t, %t time in ms, %h host name of a uint64_t id, %c char. */
void reshard__text_format(struct text *text, const char *format, va_list arguments);

#endif
