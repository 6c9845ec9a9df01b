/* SPDX-License-Identifier: MIT */
/* Room sim: memory that can be copied out and back, in regions. Blocks come from lists of equal
 * sizes, newest first, so that a world that goes on touches few places (region.c). */
#include "sim/region.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 16, DEAD_MAX = 32 };

/* In front of each block; in a free one `next` stands behind it. */
struct block {
    uint64_t class;
    uint64_t reserved;
};

struct arena {
    uint8_t *memory, *alive, *dead;
    size_t region_size, dead_size;
    idle_find idle_find;
    const void *idle_data;
    struct region regions[ARENA_REGIONS];
};

/* The one writable datum of the libraries (tests/frame/bare.py): a search is one thread's. */
static _Thread_local struct arena *current;

static size_t lines_of(size_t size)
{
    return (size + LINE - 1) / LINE * LINE;
}

static struct heap *heap_of(const struct region *region)
{
    return (struct heap *)(void *)region->alive;
}

static bool memory_make(struct arena *arena)
{
    size_t alive_size = ARENA_REGIONS * arena->region_size;
    arena->memory = calloc(2 * alive_size + DEAD_MAX * arena->dead_size + LINE, 1);
    if (!arena->memory)
        return false;
    arena->alive = arena->memory + LINE - (uintptr_t)arena->memory % LINE;
    arena->dead = arena->alive + 2 * alive_size;
    for (size_t i = 0; i < ARENA_REGIONS; i++) {
        uint8_t *alive = arena->alive + i * arena->region_size;
        if (!reshard__region_make(
                &arena->regions[i], alive, alive + alive_size, arena->region_size))
            return false;
    }
    arena->regions[0].touched = arena->regions[0].unlike = true;
    return true;
}

struct arena *reshard__arena_make(size_t region_size, size_t dead_size)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        return NULL;
    arena->region_size = lines_of(region_size);
    arena->dead_size = lines_of(dead_size);
    if (memory_make(arena))
        return arena;
    reshard__arena_free(arena);
    return NULL;
}

void reshard__arena_free(struct arena *arena)
{
    if (!arena)
        return;
    for (size_t i = 0; i < ARENA_REGIONS; i++)
        reshard__region_free(&arena->regions[i]);
    free(arena->memory);
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

static bool is_dead(const struct arena *arena, const void *place)
{
    return (const uint8_t *)place >= arena->dead;
}

/* NULL: it is no block of that kind, or all are taken. */
static void *dead_take(struct arena *arena, size_t size)
{
    struct heap *heap = heap_of(&arena->regions[0]);
    if (size > arena->dead_size || size + LINE < arena->dead_size)
        return NULL;
    for (uint32_t i = 0; i < DEAD_MAX; i++) {
        if (heap->dead_used >> i & 1)
            continue;
        heap->dead_used |= UINT32_C(1) << i;
        return arena->dead + i * arena->dead_size;
    }
    return NULL;
}

static void dead_release(struct arena *arena, const void *place)
{
    size_t offset = (size_t)((const uint8_t *)place - arena->dead);
    heap_of(&arena->regions[0])->dead_used &= ~(UINT32_C(1) << offset / arena->dead_size);
}

static struct block **link_of(struct block *block)
{
    return (struct block **)(void *)((uint8_t *)block + HEAD);
}

static struct region *region_of(struct arena *arena, const void *place)
{
    size_t offset = (size_t)((const uint8_t *)place - arena->alive);
    return &arena->regions[offset / arena->region_size];
}

static void *block_take(struct region *region, uint64_t class)
{
    struct heap *heap = heap_of(region);
    region->touched = true;
    struct block *block = heap->free[class];
    if (block) {
        heap->free[class] = *link_of(block);
        return (uint8_t *)block + HEAD;
    }
    size_t size = HEAD + class_size(class);
    size = (size + HEAD - 1) / HEAD * HEAD;
    if (class >= CLASSES || size > region->capacity - heap->used)
        abort(); /* a search without memory proves nothing */
    block = (struct block *)(void *)(region->alive + heap->used);
    heap->used += size;
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
    struct region *region = region_of(arena, place);
    struct block *block = (struct block *)(void *)((uint8_t *)place - HEAD);
    struct block **free_list = &heap_of(region)->free[block->class];
    region->touched = true;
    *link_of(block) = *free_list;
    *free_list = block;
}

void *reshard__arena_resize(struct arena *arena, uint32_t region, void *place, size_t size)
{
    void *dead = place ? NULL : dead_take(arena, size);
    if (dead)
        return dead;
    uint64_t class = class_of(size);
    if (!place)
        return block_take(&arena->regions[region], class);
    const struct block *block = (const struct block *)(const void *)((uint8_t *)place - HEAD);
    if (block->class == class)
        return place;
    size_t kept = class_size(block->class < class ? block->class : class);
    void *moved = block_take(region_of(arena, place), class);
    memcpy(moved, place, kept);
    reshard__arena_release(arena, place);
    return moved;
}

uint32_t reshard__arena_region(size_t host_index)
{
    uint32_t first = AUTHORITY_REGION + 1, last = ARENA_REGIONS - 1;
    return host_index < last - first ? first + (uint32_t)host_index : last;
}

void reshard__arena_touch(uint32_t region)
{
    if (current)
        current->regions[region].touched = true;
}

bool reshard__arena_touched(uint32_t region)
{
    return !current || current->regions[region].touched;
}

/* ---- images ---- */

void reshard__arena_idle(struct arena *arena, idle_find find, const void *user_data)
{
    arena->idle_find = find;
    arena->idle_data = user_data;
}

/* What of a region is idle now, in whole lines, ascending. */
static struct spans idle_lines(const struct arena *arena, uint32_t region)
{
    struct idle found[IDLE_MAX];
    struct spans spans = {.count = 0};
    size_t count = arena->idle_find ? arena->idle_find(arena->idle_data, region, found) : 0;
    const uint8_t *alive = arena->regions[region].alive;
    for (size_t i = 0; i < count; i++) {
        size_t offset = (size_t)((const uint8_t *)found[i].place - alive);
        struct span span = {(uint32_t)(lines_of(offset) / LINE),
            (uint32_t)((offset + found[i].size) / LINE)};
        if (span.first >= span.end)
            continue;
        size_t place = spans.count++;
        for (; place > 0 && spans.items[place - 1].first > span.first; place--)
            spans.items[place] = spans.items[place - 1];
        spans.items[place] = span;
    }
    return spans;
}

void reshard__arena_base(struct arena *arena)
{
    for (uint32_t i = 0; i < ARENA_REGIONS; i++) {
        struct spans idle = idle_lines(arena, i);
        reshard__region_base(&arena->regions[i], &idle);
    }
    arena->regions[0].touched = true;
}

static struct image save(struct arena *arena, bool leaves)
{
    struct image image;
    for (uint32_t i = 0; i < ARENA_REGIONS; i++) {
        struct region *region = &arena->regions[i];
        struct spans idle;
        if (region->touched)
            idle = idle_lines(arena, i);
        image.pictures[i] = reshard__region_save(region, region->touched ? &idle : &region->idle);
    }
    for (uint32_t i = 0; leaves && i < ARENA_REGIONS; i++)
        if (arena->regions[i].touched)
            reshard__region_undo(&arena->regions[i]);
    arena->regions[0].touched = true;
    return image;
}

struct image reshard__arena_save(struct arena *arena)
{
    return save(arena, false);
}

struct image reshard__arena_leave(struct arena *arena)
{
    return save(arena, true);
}

void reshard__arena_back(struct arena *arena)
{
    struct spans idle[ARENA_REGIONS]; /* found before any of it is put back */
    for (uint32_t i = 0; i < ARENA_REGIONS; i++)
        if (arena->regions[i].touched)
            idle[i] = idle_lines(arena, i);
    for (uint32_t i = 0; i < ARENA_REGIONS; i++)
        if (arena->regions[i].touched)
            reshard__region_back(&arena->regions[i], &idle[i]);
    arena->regions[0].touched = true;
}

void reshard__arena_restore(struct arena *arena, const struct image *image)
{
    for (uint32_t i = 0; i < ARENA_REGIONS; i++)
        if (arena->regions[i].shown != image->pictures[i])
            reshard__region_restore(&arena->regions[i], image->pictures[i]);
}

void reshard__arena_drop(struct arena *arena, struct image *image)
{
    for (uint32_t i = 0; i < ARENA_REGIONS; i++) {
        reshard__region_drop(&arena->regions[i], image->pictures[i]);
        image->pictures[i] = NO_PICTURE;
    }
}

bool reshard__arena_whole(const struct arena *arena)
{
    for (uint32_t i = 0; i < ARENA_REGIONS; i++)
        if (!arena->regions[i].touched && !reshard__region_same(&arena->regions[i]))
            return false;
    return true;
}

size_t reshard__arena_held(const struct arena *arena)
{
    size_t held_size = 0;
    for (uint32_t i = 0; i < ARENA_REGIONS; i++)
        held_size += arena->regions[i].held_size;
    return held_size;
}
