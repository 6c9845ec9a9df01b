/* SPDX-License-Identifier: MIT */
/* Room sim: memory that can be copied out and back. Blocks come from lists of equal sizes, newest
 * first, so that a world that goes on touches few places: an image holds only the lines of 64 bytes
 * that differ from a base. Copies of it stand at the same offsets: what is alive, what it goes back
 * to (the mark), and the bases. Alive and mark are compared once a move. */
#include "sim/arena.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 64, STRETCH = 8, CLASSES = 144, HEAD = 16, DEAD_MAX = 32 };

/* In front of each block; in a free one `next` stands behind it. */
struct block {
    uint64_t class;
    uint64_t reserved;
};

/* Stands at the start of the memory that is alive, so that images hold it too. */
struct heap {
    uint64_t used;
    uint32_t dead_used; /* bits: those in use */
    uint32_t reserved;
    struct block *free[CLASSES];
};

/* Lines, ascending. */
struct lines {
    uint32_t *items;
    size_t count;
};

/* Lines from `first` to before `end`. */
struct span {
    uint32_t first, end;
};
struct spans {
    struct span items[IDLE_MAX];
    size_t count;
};

struct base {
    uint8_t *bytes;
    size_t used;
};

struct arena {
    uint8_t *memory, *alive, *mark, *dead;
    size_t capacity, dead_size;
    struct base *bases;
    uint32_t base_count; /* the last one is that of images which are made now */
    uint32_t mark_base;
    idle_find idle_find;
    const void *idle_data;
    struct spans idle;    /* at the mark */
    struct lines marked;  /* where mark and its base may differ */
    struct lines changed; /* where alive and mark do */
    struct lines between; /* where the mark's base and the last one do */
    struct lines known;   /* where mark and the last one may */
    struct lines saved;   /* of an image that is being made */
    uint32_t *lists;      /* the memory of those above */
};

/* The one writable datum of the libraries (tests/frame/bare.py): a search is one thread's. */
static _Thread_local struct arena *current;

static size_t lines_of(size_t size)
{
    return (size + LINE - 1) / LINE * LINE;
}

static struct heap *heap_of(const struct arena *arena)
{
    return (struct heap *)(void *)arena->alive;
}

enum { LISTS = 5 };

static bool memory_make(struct arena *arena)
{
    size_t line_count = arena->capacity / LINE;
    arena->memory = calloc(2 * arena->capacity + DEAD_MAX * arena->dead_size + LINE, 1);
    arena->lists = malloc(LISTS * line_count * sizeof *arena->lists);
    if (!arena->memory || !arena->lists)
        return false;
    arena->alive = arena->memory + LINE - (uintptr_t)arena->memory % LINE;
    arena->mark = arena->alive + arena->capacity;
    arena->dead = arena->mark + arena->capacity;
    arena->marked.items = arena->lists;
    arena->changed.items = arena->marked.items + line_count;
    arena->between.items = arena->changed.items + line_count;
    arena->known.items = arena->between.items + line_count;
    arena->saved.items = arena->known.items + line_count;
    heap_of(arena)->used = lines_of(sizeof(struct heap));
    return true;
}

struct arena *reshard__arena_make(size_t capacity, size_t dead_size)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        return NULL;
    arena->capacity = lines_of(capacity);
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
    for (uint32_t i = 0; i < arena->base_count; i++)
        free(arena->bases[i].bytes);
    free(arena->bases);
    free(arena->memory);
    free(arena->lists);
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
    struct heap *heap = heap_of(arena);
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
    heap_of(arena)->dead_used &= ~(UINT32_C(1) << offset / arena->dead_size);
}

static struct block **link_of(struct block *block)
{
    return (struct block **)(void *)((uint8_t *)block + HEAD);
}

static void *block_take(struct arena *arena, uint64_t class)
{
    struct heap *heap = heap_of(arena);
    struct block *block = heap->free[class];
    if (block) {
        heap->free[class] = *link_of(block);
        return (uint8_t *)block + HEAD;
    }
    size_t size = HEAD + class_size(class);
    size = (size + HEAD - 1) / HEAD * HEAD;
    if (class >= CLASSES || size > arena->capacity - heap->used)
        abort(); /* a search without memory proves nothing */
    block = (struct block *)(void *)(arena->alive + heap->used);
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
    struct block *block = (struct block *)(void *)((uint8_t *)place - HEAD);
    struct block **free_list = &heap_of(arena)->free[block->class];
    *link_of(block) = *free_list;
    *free_list = block;
}

void *reshard__arena_resize(struct arena *arena, void *place, size_t size)
{
    void *dead = place ? NULL : dead_take(arena, size);
    if (dead)
        return dead;
    uint64_t class = class_of(size);
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

/* ---- lines ---- */

/* What is idle now, in whole lines, ascending. */
static struct spans idle_lines(const struct arena *arena)
{
    struct idle found[IDLE_MAX];
    struct spans spans = {.count = 0};
    size_t count = arena->idle_find ? arena->idle_find(arena->idle_data, found) : 0;
    for (size_t i = 0; i < count; i++) {
        size_t offset = (size_t)((const uint8_t *)found[i].place - arena->alive);
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

void reshard__arena_idle(struct arena *arena, idle_find find, const void *user_data)
{
    arena->idle_find = find;
    arena->idle_data = user_data;
}

static void line_copy(uint8_t *to, const uint8_t *from, uint32_t line)
{
    memcpy(to + (size_t)line * LINE, from + (size_t)line * LINE, LINE);
}

static bool line_same(const uint8_t *one, const uint8_t *two, uint32_t line)
{
    return memcmp(one + (size_t)line * LINE, two + (size_t)line * LINE, LINE) == 0;
}

static void lines_compare(struct arena *arena, uint32_t line, uint32_t end)
{
    struct lines *changed = &arena->changed;
    for (; line < end; line++)
        if (!line_same(arena->alive, arena->mark, line))
            changed->items[changed->count++] = line;
}

static void stretches_compare(struct arena *arena, uint32_t line, uint32_t end)
{
    for (; end - line >= STRETCH; line += STRETCH)
        if (memcmp(arena->alive + (size_t)line * LINE, arena->mark + (size_t)line * LINE,
                (size_t)STRETCH * LINE) != 0)
            lines_compare(arena, line, line + STRETCH);
    lines_compare(arena, line, end);
}

/* What is changed since the mark: not what is idle in both. Behind what is used all is zero. */
static void changes_find(struct arena *arena)
{
    const struct heap *then = (const struct heap *)(const void *)arena->mark;
    uint64_t used = heap_of(arena)->used;
    used = used > then->used ? used : then->used;
    struct spans now = idle_lines(arena);
    const struct spans *before = &arena->idle;
    uint32_t line = 0;
    arena->changed.count = 0;
    for (size_t i = 0, k = 0; i < now.count && k < before->count;) {
        struct span one = now.items[i], two = before->items[k];
        uint32_t first = one.first > two.first ? one.first : two.first;
        uint32_t end = one.end < two.end ? one.end : two.end;
        if (first < end) {
            stretches_compare(arena, line, first);
            line = end;
        }
        i += one.end <= two.end;
        k += two.end <= one.end;
    }
    stretches_compare(arena, line, (uint32_t)(lines_of((size_t)used) / LINE));
}

static void undo(struct arena *arena)
{
    for (size_t i = 0; i < arena->changed.count; i++)
        line_copy(arena->alive, arena->mark, arena->changed.items[i]);
}

static struct lines *lines_join(
    struct lines *both, const struct lines *one, const struct lines *two)
{
    size_t i = 0, k = 0;
    both->count = 0;
    while (i < one->count || k < two->count) {
        bool first = k == two->count || (i < one->count && one->items[i] <= two->items[k]);
        uint32_t line = first ? one->items[i] : two->items[k];
        k += k < two->count && two->items[k] == line;
        i += first;
        both->items[both->count++] = line;
    }
    return both;
}

/* ---- bases ---- */

static const uint8_t *base_of(const struct arena *arena, uint32_t index)
{
    return arena->bases[index].bytes;
}

static void between_find(struct arena *arena)
{
    const struct base *one = &arena->bases[arena->mark_base];
    const struct base *two = &arena->bases[arena->base_count - 1];
    size_t used = one->used > two->used ? one->used : two->used;
    struct lines *between = &arena->between;
    between->count = 0;
    for (uint32_t line = 0; one != two && line < used / LINE; line++)
        if (!line_same(one->bytes, two->bytes, line))
            between->items[between->count++] = line;
}

void reshard__arena_base(struct arena *arena)
{
    arena->bases = realloc(arena->bases, (arena->base_count + 1) * sizeof *arena->bases);
    if (!arena->bases)
        abort();
    struct base *base = &arena->bases[arena->base_count++];
    base->used = lines_of((size_t)heap_of(arena)->used);
    base->bytes = calloc(arena->capacity, 1); /* pages that nobody writes to cost nothing */
    if (!base->bytes)
        abort();
    memcpy(base->bytes, arena->alive, base->used);
    memcpy(arena->mark, arena->alive, base->used);
    if (arena->base_count == 1)
        arena->idle = idle_lines(arena);
    between_find(arena);
    (void)lines_join(&arena->known, &arena->marked, &arena->between);
}

/* The mark and what is alive become a base. */
static void base_take(struct arena *arena, uint32_t index)
{
    const struct base *base = &arena->bases[index];
    size_t used = lines_of((size_t)heap_of(arena)->used);
    used = used > base->used ? used : base->used;
    memcpy(arena->alive, base->bytes, used);
    memcpy(arena->mark, base->bytes, used);
    arena->marked.count = 0;
    arena->mark_base = index;
    between_find(arena);
}

/* ---- images: numbers of lines, then the lines ---- */

/* Lines that differ from the last base. */
static void saved_find(struct arena *arena)
{
    const uint8_t *base = base_of(arena, arena->base_count - 1);
    struct lines *saved = lines_join(&arena->saved, &arena->known, &arena->changed);
    size_t count = saved->count;
    saved->count = 0;
    for (size_t i = 0; i < count; i++)
        if (!line_same(arena->alive, base, saved->items[i]))
            saved->items[saved->count++] = saved->items[i];
}

static struct image image_make(struct arena *arena)
{
    saved_find(arena);
    const struct lines *saved = &arena->saved;
    size_t numbers_size = saved->count * sizeof *saved->items;
    struct image image = {.line_count = (uint32_t)saved->count, .base = arena->base_count - 1};
    image.bytes = malloc(numbers_size + saved->count * LINE + 1);
    if (!image.bytes)
        abort();
    if (saved->count)
        memcpy(image.bytes, saved->items, numbers_size);
    uint8_t *place = image.bytes + numbers_size;
    for (size_t i = 0; i < saved->count; i++, place += LINE)
        memcpy(place, arena->alive + (size_t)saved->items[i] * LINE, LINE);
    return image;
}

struct image reshard__arena_save(struct arena *arena)
{
    changes_find(arena);
    return image_make(arena);
}

struct image reshard__arena_leave(struct arena *arena)
{
    changes_find(arena);
    struct image image = image_make(arena);
    undo(arena);
    return image;
}

void reshard__arena_back(struct arena *arena)
{
    changes_find(arena);
    undo(arena);
}

static void line_put(struct arena *arena, uint32_t line, const uint8_t *bytes)
{
    uint8_t *marked = arena->mark + (size_t)line * LINE;
    if (memcmp(marked, bytes, LINE) == 0)
        return;
    memcpy(marked, bytes, LINE);
    memcpy(arena->alive + (size_t)line * LINE, bytes, LINE);
}

void reshard__arena_restore(struct arena *arena, const struct image *image)
{
    if (image->base != arena->mark_base)
        base_take(arena, image->base);
    const uint8_t *base = base_of(arena, image->base);
    size_t numbers_size = image->line_count * sizeof *arena->saved.items;
    const uint8_t *place = image->bytes + numbers_size;
    struct lines *marked = &arena->marked, *saved = &arena->saved;
    memcpy(saved->items, image->bytes, numbers_size);
    size_t m = 0;
    for (size_t i = 0; i < image->line_count; i++, place += LINE) {
        uint32_t line = saved->items[i];
        for (; m < marked->count && marked->items[m] < line; m++)
            line_put(arena, marked->items[m], base + (size_t)marked->items[m] * LINE);
        m += m < marked->count && marked->items[m] == line;
        line_put(arena, line, place);
    }
    for (; m < marked->count; m++)
        line_put(arena, marked->items[m], base + (size_t)marked->items[m] * LINE);
    uint32_t *items = marked->items;
    *marked = (struct lines){saved->items, image->line_count};
    saved->items = items;
    (void)lines_join(&arena->known, marked, &arena->between);
    arena->idle = idle_lines(arena);
}

void reshard__image_free(struct image *image)
{
    free(image->bytes);
    image->bytes = NULL;
}
