/* SPDX-License-Identifier: MIT */
/* Room sim: words, memory, and the one place that hashes. */
#include "sim/arena.h"
#include "sim/sim.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

void *reshard__region_resize(uint32_t region, void *block, size_t size)
{
    struct arena *arena = reshard__arena_current();
    void *moved =
        arena ? reshard__arena_resize(arena, region, block, size) : realloc(block, size);
    if (!moved)
        abort(); /* a simulation without memory proves nothing */
    return moved;
}

void *reshard__sim_resize(void *block, size_t count, size_t item_size)
{
    return reshard__region_resize(0, block, count * item_size > 0 ? count * item_size : 1);
}

void reshard__sim_release(void *block)
{
    struct arena *arena = reshard__arena_current();
    if (arena)
        reshard__arena_release(arena, block);
    else
        free(block);
}

/* Pages that nobody writes to cost nothing: a large cluster's disks are mostly such. */
static void *zeroed(uint32_t region, size_t count, size_t item_size)
{
    struct arena *arena = reshard__arena_current();
    void *block = arena ? reshard__arena_resize(arena, region, NULL, count * item_size)
                        : calloc(count, item_size);
    if (!block)
        abort();
    return arena ? memset(block, 0, count * item_size) : block;
}

void *reshard__region_grow(
    uint32_t region, void *block, size_t *capacity, size_t count, size_t item_size)
{
    if (count <= *capacity)
        return block;
    size_t wanted = *capacity ? *capacity * 2 : 4;
    if (wanted < count)
        wanted = count;
    uint8_t *moved = block ? reshard__sim_resize(block, wanted, item_size)
                           : zeroed(region, wanted, item_size);
    if (block)
        memset(moved + *capacity * item_size, 0, (wanted - *capacity) * item_size);
    *capacity = wanted;
    return moved;
}

void *reshard__sim_grow(void *block, size_t *capacity, size_t count, size_t item_size)
{
    return reshard__region_grow(0, block, capacity, count, item_size);
}

void reshard__text_char(struct text *text, char c)
{
    text->data = reshard__sim_grow(text->data, &text->capacity, text->size + 1, 1);
    text->data[text->size++] = c;
}

void reshard__text_string(struct text *text, const char *string)
{
    for (; *string; string++)
        reshard__text_char(text, *string);
}

void reshard__text_number(struct text *text, uint64_t number)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count > 0)
        reshard__text_char(text, digits[--count]);
}

/* Milliseconds with three decimals. */
static void text_time(struct text *text, uint64_t time_ns)
{
    uint64_t micros = time_ns / SIM_MICRO % 1000;
    reshard__text_number(text, time_ns / SIM_MILLI);
    reshard__text_char(text, '.');
    reshard__text_char(text, (char)('0' + micros / 100));
    reshard__text_char(text, (char)('0' + micros / 10 % 10));
    reshard__text_char(text, (char)('0' + micros % 10));
}

static void text_host(struct text *text, uint64_t id)
{
    reshard__text_char(text, id >= SIM_COORDINATOR ? 'c' : 'n');
    reshard__text_number(text, id >= SIM_COORDINATOR ? id - SIM_COORDINATOR + 1 : id);
}

void reshard__text_format(struct text *text, const char *format, va_list arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            reshard__text_char(text, *format);
            continue;
        }
        switch (*++format) {
        case 's':
            reshard__text_string(text, va_arg(arguments, const char *));
            break;
        case 'u':
            reshard__text_number(text, va_arg(arguments, uint64_t));
            break;
        case 'd':
            reshard__text_string(text, reshard_strname(va_arg(arguments, int32_t)));
            break;
        case 't':
            text_time(text, va_arg(arguments, uint64_t));
            break;
        case 'h':
            text_host(text, va_arg(arguments, uint64_t));
            break;
        default:
            reshard__text_char(text, '%');
            break;
        }
    }
}

static void line_end(struct reshard_sim *sim)
{
    reshard__text_char(&sim->line, '\n');
    sim->transcript = reshard__sim_hash(sim->line.data, sim->line.size, sim->transcript);
    if (sim->print)
        sim->print(sim->print_data, sim->line.data, sim->line.size);
}

static void line_begin(struct reshard_sim *sim)
{
    struct text time = {0};
    sim->line.size = 0;
    text_time(&time, reshard__told_ns(sim));
    for (size_t i = time.size; i < 10; i++)
        reshard__text_char(&sim->line, ' ');
    for (size_t i = 0; i < time.size; i++)
        reshard__text_char(&sim->line, time.data[i]);
    reshard__text_string(&sim->line, "  ");
    reshard__sim_release(time.data);
}

void reshard__sim_say(struct reshard_sim *sim, const char *format, ...)
{
    if (sim->quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    line_begin(sim);
    reshard__text_format(&sim->line, format, arguments);
    line_end(sim);
    va_end(arguments);
    reshard__log_text(sim, "say", &sim->line);
}

void reshard__sim_violate(struct reshard_sim *sim, const char *checker, const char *format, ...)
{
    if (sim->violated)
        return;
    sim->violated = true;
    size_t size = strlen(checker);
    size = size < sizeof sim->violation ? size : sizeof sim->violation - 1;
    memcpy(sim->violation, checker, size);
    va_list arguments;
    va_start(arguments, format);
    line_begin(sim);
    reshard__text_string(&sim->line, "VIOLATION ");
    reshard__text_string(&sim->line, checker);
    reshard__text_string(&sim->line, ": ");
    reshard__text_format(&sim->line, format, arguments);
    line_end(sim);
    va_end(arguments);
    reshard__log_text(sim, "violation", &sim->line);
}

uint64_t reshard__sim_hash(const void *bytes, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
}
