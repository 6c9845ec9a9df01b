/* SPDX-License-Identifier: MIT */
/* Room sim: what of a region changed, and its pictures. Alive and mark are compared once a move
 * where the region was touched; else nothing of it is looked at. Pictures that are equal are one,
 * so that worlds that differ elsewhere share it. */
#include "sim/region.h"

#include "sim/sim.h"
#include <stdlib.h>

enum { STRETCH = 8, LISTS = 5, BUCKETS = 1 << 14, NUMBER = sizeof(uint32_t) };

bool reshard__region_make(struct region *region, uint8_t *alive, uint8_t *mark, size_t capacity)
{
    size_t line_count = capacity / LINE;
    region->alive = alive;
    region->mark = mark;
    region->capacity = capacity;
    region->shown = NO_PICTURE;
    region->lists = malloc(LISTS * line_count * sizeof *region->lists);
    region->drawn = malloc(line_count * (LINE + NUMBER));
    region->buckets = calloc(BUCKETS, sizeof *region->buckets);
    if (!region->lists || !region->drawn || !region->buckets)
        return false;
    region->marked.items = region->lists;
    region->changed.items = region->marked.items + line_count;
    region->between.items = region->changed.items + line_count;
    region->known.items = region->between.items + line_count;
    region->saved.items = region->known.items + line_count;
    struct heap *heap = (struct heap *)(void *)alive;
    heap->used = (sizeof *heap + LINE - 1) / LINE * LINE;
    return true;
}

void reshard__region_free(struct region *region)
{
    for (uint32_t i = 0; i < region->base_count; i++)
        free(region->bases[i].bytes);
    for (size_t i = 0; i < region->picture_count; i++)
        free(region->pictures[i].bytes);
    free(region->bases);
    free(region->pictures);
    free(region->buckets);
    free(region->drawn);
    free(region->lists);
}

/* ---- lines ---- */

/* Of this copy, in whole lines. */
static size_t used_of(const uint8_t *copy)
{
    const struct heap *heap = (const struct heap *)(const void *)copy;
    return (size_t)(heap->used + LINE - 1) / LINE * LINE;
}

static size_t larger(size_t one, size_t two)
{
    return one > two ? one : two;
}

static void line_copy(uint8_t *to, const uint8_t *from, uint32_t line)
{
    memcpy(to + (size_t)line * LINE, from + (size_t)line * LINE, LINE);
}

static bool same(const uint8_t *one, const uint8_t *two)
{
    uint64_t differs = 0;
    for (size_t i = 0; i < LINE; i += sizeof differs) {
        uint64_t a, b;
        memcpy(&a, one + i, sizeof a);
        memcpy(&b, two + i, sizeof b);
        differs |= a ^ b;
    }
    return differs == 0;
}

static bool line_same(const uint8_t *one, const uint8_t *two, uint32_t line)
{
    return same(one + (size_t)line * LINE, two + (size_t)line * LINE);
}

static void lines_compare(struct region *region, uint32_t line, uint32_t end)
{
    struct lines *changed = &region->changed;
    for (; line < end; line++)
        if (!line_same(region->alive, region->mark, line))
            changed->items[changed->count++] = line;
}

static void stretches_compare(struct region *region, uint32_t line, uint32_t end)
{
    for (; end - line >= STRETCH; line += STRETCH)
        if (memcmp(region->alive + (size_t)line * LINE, region->mark + (size_t)line * LINE,
                (size_t)STRETCH * LINE) != 0)
            lines_compare(region, line, line + STRETCH);
    lines_compare(region, line, end);
}

/* What is changed since the mark: not what is idle in both. Behind what is used all is zero. */
static void changes_find(struct region *region, const struct spans *now)
{
    const struct spans *before = &region->idle;
    size_t used = larger(used_of(region->alive), used_of(region->mark));
    uint32_t line = 0;
    region->changed.count = 0;
    for (size_t i = 0, k = 0; i < now->count && k < before->count;) {
        struct span one = now->items[i], two = before->items[k];
        uint32_t first = one.first > two.first ? one.first : two.first;
        uint32_t end = one.end < two.end ? one.end : two.end;
        if (first < end) {
            stretches_compare(region, line, first);
            line = end;
        }
        i += one.end <= two.end;
        k += two.end <= one.end;
    }
    stretches_compare(region, line, (uint32_t)(used / LINE));
}

static void lines_join(struct lines *both, const struct lines *one, const struct lines *two)
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
}

bool reshard__region_same(const struct region *region)
{
    return memcmp(region->alive, region->mark,
               larger(used_of(region->alive), used_of(region->mark))) == 0;
}

/* ---- bases ---- */

static bool base_moved(const struct region *region)
{
    return region->mark_base + 1 != region->base_count;
}

static void between_find(struct region *region)
{
    const struct base *one = &region->bases[region->mark_base];
    const struct base *two = &region->bases[region->base_count - 1];
    size_t used = larger(one->used, two->used);
    struct lines *between = &region->between;
    between->count = 0;
    for (uint32_t line = 0; one != two && line < used / LINE; line++)
        if (!line_same(one->bytes, two->bytes, line))
            between->items[between->count++] = line;
}

void reshard__region_base(struct region *region, const struct spans *idle)
{
    region->bases =
        realloc(region->bases, (region->base_count + 1) * sizeof *region->bases);
    if (!region->bases)
        abort();
    struct base *base = &region->bases[region->base_count++];
    base->used = used_of(region->alive);
    base->bytes = calloc(region->capacity, 1); /* pages that nobody writes to cost nothing */
    if (!base->bytes)
        abort();
    memcpy(base->bytes, region->alive, base->used);
    memcpy(region->mark, region->alive, base->used);
    region->idle = *idle;
    region->touched = region->entered = false;
    between_find(region);
    lines_join(&region->known, &region->marked, &region->between);
}

/* The mark and what is alive become a base. */
static void base_take(struct region *region, uint32_t index)
{
    const struct base *base = &region->bases[index];
    size_t used = larger(used_of(region->alive), base->used);
    memcpy(region->alive, base->bytes, used);
    memcpy(region->mark, base->bytes, used);
    region->marked.count = 0;
    region->mark_base = index;
    between_find(region);
}

/* ---- pictures ---- */

/* Lines that differ from the last base: of those that did at the mark, the changed alone can have
 * ceased to. */
static void saved_find(struct region *region)
{
    bool moved = base_moved(region);
    const uint8_t *base = region->bases[region->base_count - 1].bytes;
    const struct lines *changed = &region->changed;
    struct lines *saved = &region->saved;
    lines_join(saved, moved ? &region->known : &region->marked, changed);
    size_t count = saved->count, c = 0;
    saved->count = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t line = saved->items[i];
        bool looked = c < changed->count && changed->items[c] == line;
        c += looked;
        if ((looked || moved) && line_same(region->alive, base, line))
            continue;
        saved->items[saved->count++] = line;
    }
}

static size_t picture_size(size_t line_count)
{
    return line_count * (NUMBER + LINE);
}

static void picture_draw(const struct region *region, uint8_t *bytes)
{
    const struct lines *saved = &region->saved;
    uint8_t *place = bytes + saved->count * NUMBER;
    memcpy(bytes, saved->items, saved->count * NUMBER);
    for (size_t i = 0; i < saved->count; i++, place += LINE)
        memcpy(place, region->alive + (size_t)saved->items[i] * LINE, LINE);
}

static uint32_t place_take(struct region *region)
{
    if (region->picture_free) {
        uint32_t place = region->picture_free - 1;
        region->picture_free = region->pictures[place].next;
        return place;
    }
    if (region->picture_count == region->picture_capacity) {
        region->picture_capacity = 2 * region->picture_capacity + 64;
        region->pictures = realloc(
            region->pictures, region->picture_capacity * sizeof *region->pictures);
        if (!region->pictures)
            abort();
    }
    return (uint32_t)region->picture_count++;
}

/* Of what is alive, with no bytes yet. */
static uint32_t picture_make(struct region *region)
{
    size_t size = picture_size(region->saved.count);
    uint32_t place = place_take(region);
    struct picture *picture = &region->pictures[place];
    *picture = (struct picture){.references = 1, .base = region->base_count - 1};
    picture->line_count = (uint32_t)region->saved.count;
    picture->bytes = malloc(size + 1);
    if (!picture->bytes)
        abort();
    region->held_size += size;
    return place;
}

/* Hung up in front of those with like hashes. */
static uint32_t picture_keep(struct region *region, uint64_t hash)
{
    uint32_t *bucket = &region->buckets[hash % BUCKETS];
    uint32_t place = picture_make(region);
    struct picture *picture = &region->pictures[place];
    memcpy(picture->bytes, region->drawn, picture_size(region->saved.count));
    picture->hash = hash;
    picture->next = *bucket;
    *bucket = place + 1;
    return place;
}

/* What is drawn: the picture that is equal, or a new one. */
static uint32_t picture_find(struct region *region)
{
    size_t size = picture_size(region->saved.count);
    uint64_t hash = reshard__sim_hash(region->drawn, size, region->base_count);
    for (uint32_t at = region->buckets[hash % BUCKETS]; at; at = region->pictures[at - 1].next) {
        struct picture *picture = &region->pictures[at - 1];
        if (picture->hash == hash && picture->base + 1 == region->base_count &&
            picture->line_count == region->saved.count &&
            memcmp(picture->bytes, region->drawn, size) == 0) {
            picture->references++;
            return at - 1;
        }
    }
    return picture_keep(region, hash);
}

uint32_t reshard__region_save(struct region *region, const struct spans *idle)
{
    region->changed.count = 0;
    if (region->touched)
        changes_find(region, idle);
    if (region->shown != NO_PICTURE && !base_moved(region) && region->changed.count == 0) {
        region->pictures[region->shown].references++;
        return region->shown;
    }
    saved_find(region);
    if (!region->unlike) {
        picture_draw(region, region->drawn);
        return picture_find(region);
    }
    uint32_t place = picture_make(region);
    picture_draw(region, region->pictures[place].bytes);
    return place;
}

void reshard__region_drop(struct region *region, uint32_t place)
{
    if (place == NO_PICTURE || --region->pictures[place].references > 0)
        return;
    struct picture *picture = &region->pictures[place];
    uint32_t *link = &region->buckets[picture->hash % BUCKETS];
    while (!region->unlike && *link != place + 1)
        link = &region->pictures[*link - 1].next;
    if (!region->unlike)
        *link = picture->next;
    region->held_size -= picture_size(picture->line_count);
    free(picture->bytes);
    picture->bytes = NULL;
    picture->next = region->picture_free;
    region->picture_free = place + 1;
}

void reshard__region_undo(struct region *region)
{
    for (size_t i = 0; i < region->changed.count; i++)
        line_copy(region->alive, region->mark, region->changed.items[i]);
    region->touched = region->entered = false;
}

void reshard__region_back(struct region *region, const struct spans *idle)
{
    changes_find(region, idle);
    reshard__region_undo(region);
}

static void line_put(struct region *region, uint32_t line, const uint8_t *bytes)
{
    uint8_t *marked = region->mark + (size_t)line * LINE;
    if (same(marked, bytes))
        return;
    memcpy(marked, bytes, LINE);
    memcpy(region->alive + (size_t)line * LINE, bytes, LINE);
}

void reshard__region_restore(struct region *region, uint32_t place)
{
    struct picture *picture = &region->pictures[place];
    picture->references++;
    reshard__region_drop(region, region->shown);
    region->shown = place;
    if (picture->base != region->mark_base)
        base_take(region, picture->base);
    const uint8_t *base = region->bases[picture->base].bytes;
    const uint8_t *bytes = picture->bytes + (size_t)picture->line_count * NUMBER;
    struct lines *marked = &region->marked, *saved = &region->saved;
    memcpy(saved->items, picture->bytes, (size_t)picture->line_count * NUMBER);
    size_t m = 0;
    for (size_t i = 0; i < picture->line_count; i++, bytes += LINE) {
        uint32_t line = saved->items[i];
        for (; m < marked->count && marked->items[m] < line; m++)
            line_put(region, marked->items[m], base + (size_t)marked->items[m] * LINE);
        m += m < marked->count && marked->items[m] == line;
        line_put(region, line, bytes);
    }
    for (; m < marked->count; m++)
        line_put(region, marked->items[m], base + (size_t)marked->items[m] * LINE);
    uint32_t *items = marked->items;
    *marked = (struct lines){saved->items, picture->line_count};
    saved->items = items;
    if (base_moved(region))
        lines_join(&region->known, marked, &region->between);
}
