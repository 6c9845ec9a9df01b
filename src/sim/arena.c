/* SPDX-License-Identifier: MIT */
/* Room sim: memory that can be copied out and back. Blocks come from lists of equal sizes, newest
 * first, so that a world that goes on touches few places: an image holds only the lines of 64 bytes
 * that differ from the base. */
#include "sim/arena.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 64, CLASSES = 192, HEAD = 16, DEAD_MAX = 32 };

/* In front of each block; in a free one `next` stands behind it. */
struct block {
    uint64_t class;
    uint64_t reserved;
};

/* Stands at the start of its own memory, so that images hold it too. */
struct arena {
    uint64_t used;
    uint64_t capacity;
    uint8_t *base;
    uint64_t base_used;
    uint64_t dead_size;
    uint32_t dead_used; /* bits: those in use */
    uint32_t reserved;
    struct block *free[CLASSES];
};

/* The one writable datum of the libraries (tests/frame/bare.py): a search is one thread's. */
static _Thread_local struct arena *current;

/* Memory: what is copied; the base; what is not copied. */
struct arena *reshard__arena_make(size_t capacity, size_t dead_size)
{
    dead_size = (dead_size + LINE - 1) / LINE * LINE;
    size_t size = 2 * capacity + DEAD_MAX * dead_size;
    uint8_t *memory = malloc(size);
    struct arena *arena = (struct arena *)(void *)memory;
    if (!arena)
        return NULL;
    memset(memory, 0, size);
    arena->dead_size = dead_size;
    arena->capacity = capacity;
    arena->used = (sizeof *arena + LINE - 1) / LINE * LINE;
    arena->base = memory + capacity;
    return arena;
}

void reshard__arena_free(struct arena *arena)
{
    free(arena);
}

struct arena *reshard__arena_use(struct arena *arena)
{
    struct arena *before = current;
    current = arena;
    return before;
}

struct arena *reshard__arena_current(void)
{
    return current;
}

/* Sizes from 32 bytes on, eight steps to a doubling. */
static size_t class_size(uint64_t class)
{
    return (size_t)(8 + class % 8) << (2 + class / 8);
}

static uint64_t class_of(size_t size)
{
    uint64_t class = 0;
    while (class_size(class + 8) <= size)
        class += 8;
    while (class_size(class) < size)
        class++;
    return class;
}

static uint8_t *dead_place(const struct arena *arena, uint32_t index)
{
    return arena->base + arena->capacity + index * arena->dead_size;
}

static bool is_dead(const struct arena *arena, const void *place)
{
    return (const uint8_t *)place >= dead_place(arena, 0);
}

/* NULL: all are taken. */
static void *dead_take(struct arena *arena)
{
    for (uint32_t i = 0; i < DEAD_MAX; i++) {
        if (arena->dead_used >> i & 1)
            continue;
        arena->dead_used |= UINT32_C(1) << i;
        return dead_place(arena, i);
    }
    return NULL;
}

static void dead_release(struct arena *arena, const void *place)
{
    size_t offset = (size_t)((const uint8_t *)place - dead_place(arena, 0));
    arena->dead_used &= ~(UINT32_C(1) << offset / arena->dead_size);
}

static struct block **link_of(struct block *block)
{
    return (struct block **)(void *)((uint8_t *)block + HEAD);
}

static void *block_take(struct arena *arena, uint64_t class)
{
    struct block *block = arena->free[class];
    if (block) {
        arena->free[class] = *link_of(block);
        return (uint8_t *)block + HEAD;
    }
    size_t size = HEAD + class_size(class);
    size = (size + HEAD - 1) / HEAD * HEAD;
    if (class >= CLASSES || size > arena->capacity - arena->used)
        abort(); /* a search without memory proves nothing */
    block = (struct block *)(void *)((uint8_t *)arena + arena->used);
    arena->used += size;
    block->class = class;
    return (uint8_t *)block + HEAD;
}

void reshard__arena_release(struct arena *arena, void *place)
{
    if (!place)
        return;
    if (is_dead(arena, place)) {
        dead_release(arena, place);
        return;
    }
    struct block *block = (struct block *)(void *)((uint8_t *)place - HEAD);
    *link_of(block) = arena->free[block->class];
    arena->free[block->class] = block;
}

void *reshard__arena_resize(struct arena *arena, void *place, size_t size)
{
    uint64_t class = class_of(size);
    if (!place && arena->dead_size && (size + LINE - 1) / LINE * LINE == arena->dead_size) {
        void *dead = dead_take(arena);
        if (dead)
            return dead;
    }
    if (!place)
        return block_take(arena, class);
    const struct block *block = (const struct block *)(const void *)((uint8_t *)place - HEAD);
    if (block->class == class)
        return place;
    size_t kept = class_size(block->class < class ? block->class : class);
    void *moved = block_take(arena, class);
    memcpy(moved, place, kept);
    reshard__arena_release(arena, place);
    return moved;
}

static void *engine_resize(void *user_data, void *place, size_t old_size, size_t new_size)
{
    (void)old_size;
    if (new_size > 0)
        return reshard__arena_resize(user_data, place, new_size);
    reshard__arena_release(user_data, place);
    return NULL;
}

struct reshard_allocator reshard__arena_allocator(void)
{
    struct reshard_allocator allocator = {0};
    if (current) {
        allocator.struct_size = sizeof allocator;
        allocator.resize = engine_resize;
        allocator.user_data = current;
    }
    return allocator;
}

size_t reshard__arena_used(const struct arena *arena)
{
    return (size_t)arena->used;
}

void reshard__arena_base(struct arena *arena)
{
    arena->base_used = arena->used;
    memcpy(arena->base, arena, arena->used);
}

/* ---- images: runs of lines, each {first, count} and the lines ---- */

struct run {
    uint32_t first, count;
};

static bool line_differs(const struct arena *arena, size_t line)
{
    const uint8_t *here = (const uint8_t *)arena + line * LINE;
    return memcmp(here, arena->base + line * LINE, LINE) != 0;
}

/* The next run from a line on; count 0: none. */
static struct run run_find(const struct arena *arena, size_t line, size_t lines)
{
    struct run run = {0};
    while (line < lines && !line_differs(arena, line))
        line++;
    run.first = (uint32_t)line;
    while (line < lines && line_differs(arena, line))
        line++;
    run.count = (uint32_t)line - run.first;
    return run;
}

struct image reshard__arena_save(const struct arena *arena)
{
    size_t lines = ((size_t)arena->used + LINE - 1) / LINE;
    struct image image = {.used = (size_t)arena->used};
    struct run run = run_find(arena, 0, lines);
    for (; run.count > 0; run = run_find(arena, run.first + run.count, lines))
        image.size += sizeof run + (size_t)run.count * LINE;
    image.bytes = malloc(image.size + 1);
    if (!image.bytes)
        abort();
    uint8_t *place = image.bytes;
    run = run_find(arena, 0, lines);
    for (; run.count > 0; run = run_find(arena, run.first + run.count, lines)) {
        memcpy(place, &run, sizeof run);
        place += sizeof run;
        memcpy(place, (const uint8_t *)arena + (size_t)run.first * LINE, (size_t)run.count * LINE);
        place += (size_t)run.count * LINE;
    }
    return image;
}

void reshard__arena_restore(struct arena *arena, const struct image *image)
{
    uint8_t *here = (uint8_t *)arena;
    const uint8_t *base = arena->base;
    size_t base_used = (size_t)arena->base_used, used = (size_t)arena->used;
    memcpy(here, base, base_used);
    if (used > base_used)
        memset(here + base_used, 0, used - base_used);
    for (size_t offset = 0; offset < image->size;) {
        struct run run;
        memcpy(&run, image->bytes + offset, sizeof run);
        offset += sizeof run;
        memcpy(here + (size_t)run.first * LINE, image->bytes + offset, (size_t)run.count * LINE);
        offset += (size_t)run.count * LINE;
    }
}

void reshard__image_free(struct image *image)
{
    free(image->bytes);
    image->bytes = NULL;
}
