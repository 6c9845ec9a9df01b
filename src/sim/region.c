/* SPDX-License-Identifier: MIT */
/* Room sim: what of a region changed, and its pictures. Alive and mark are compared once a move
 * where the region was touched; else nothing of it is looked at. Pictures that are equal are one,
 * so that worlds that differ elsewhere share it: they are known by 128 bits, as worlds are. */
#include "sim/region.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { STRETCH = 8, LISTS = 3, BUCKETS = 1 << 14, NUMBER = sizeof(uint32_t) };

/* Of a picture's bytes, by which they are used again: whole stretches of lines. */
static size_t size_class(size_t size)
{
    return size / ((size_t)STRETCH * LINE) + 1;
}

static size_t size_of(size_t line_count, size_t span_count)
{
    return line_count * (LINE + NUMBER) + span_count * sizeof(struct span);
}

static size_t class_count(const struct region *region)
{
    return size_class(size_of(region->capacity / LINE, IDLE_MAX)) + 1;
}

bool reshard__region_make(struct region *region, uint8_t *alive, uint8_t *mark, size_t capacity)
{
    size_t line_count = capacity / LINE;
    region->alive = alive;
    region->mark = mark;
    region->capacity = capacity;
    region->shown = NO_PICTURE;
    region->lists = malloc(LISTS * line_count * sizeof *region->lists);
    region->spare = calloc(class_count(region), sizeof *region->spare);
    region->buckets = calloc(BUCKETS, sizeof *region->buckets);
    if (!region->lists || !region->spare || !region->buckets)
        return false;
    region->marked.items = region->lists;
    region->changed.items = region->marked.items + line_count;
    region->saved.items = region->changed.items + line_count;
    struct heap *heap = (struct heap *)(void *)alive;
    heap->used = (sizeof *heap + LINE - 1) / LINE * LINE;
    return true;
}

static void spare_free(struct region *region)
{
    for (size_t i = 0; region->spare && i < class_count(region); i++)
        for (void *next; region->spare[i]; region->spare[i] = next) {
            memcpy(&next, region->spare[i], sizeof next);
            free(region->spare[i]);
        }
    free(region->spare);
}

void reshard__region_free(struct region *region)
{
    for (size_t i = 0; i < region->picture_count; i++)
        free(region->pictures[i].bytes);
    spare_free(region);
    free(region->base.bytes);
    free(region->pictures);
    free(region->buckets);
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

/* Half a line at once, in the registers that there are. */
typedef uint64_t half_line __attribute__((vector_size(LINE / 2)));

static bool same(const uint8_t *one, const uint8_t *two)
{
    half_line differs = {0};
    for (size_t i = 0; i < LINE; i += sizeof differs) {
        half_line a, b;
        memcpy(&a, one + i, sizeof a);
        memcpy(&b, two + i, sizeof b);
        differs |= a ^ b;
    }
    return (differs[0] | differs[1] | differs[2] | differs[3]) == 0;
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
    size_t i = 0, k = 0, count = 0;
    while (i < one->count && k < two->count) {
        uint32_t a = one->items[i], b = two->items[k];
        both->items[count++] = a < b ? a : b;
        i += a <= b;
        k += b <= a;
    }
    for (; i < one->count; i++)
        both->items[count++] = one->items[i];
    for (; k < two->count; k++)
        both->items[count++] = two->items[k];
    both->count = count;
}

bool reshard__region_same(const struct region *region)
{
    return memcmp(region->alive, region->mark,
               larger(used_of(region->alive), used_of(region->mark))) == 0;
}

/* ---- the base ---- */

static const uint8_t *base_line(const struct base *base, uint32_t line)
{
    static alignas(LINE) const uint8_t zeros[LINE];
    size_t offset = (size_t)line * LINE;
    return offset < base->used ? base->bytes + offset : zeros;
}

void reshard__region_base(struct region *region, const struct spans *idle)
{
    struct base *base = &region->base;
    base->used = used_of(region->alive);
    base->bytes = aligned_alloc(LINE, base->used);
    if (!base->bytes)
        abort();
    memcpy(base->bytes, region->alive, base->used);
    memcpy(region->mark, region->alive, base->used);
    region->idle = *idle;
    region->touched = false;
}

/* ---- pictures ---- */

/* The mark's picture changed line by line: what two ways lead to has one hash. */
static struct reshard_digest hash_find(const struct region *region)
{
    struct reshard_digest hash = {0};
    if (region->shown != NO_PICTURE)
        hash = region->pictures[region->shown].hash;
    for (size_t i = 0; i < region->changed.count; i++) {
        uint32_t line = region->changed.items[i];
        size_t offset = (size_t)line * LINE;
        XXH128_hash_t was = XXH3_128bits_withSeed(region->mark + offset, LINE, line);
        XXH128_hash_t is = XXH3_128bits_withSeed(region->alive + offset, LINE, line);
        hash.low += is.low64 - was.low64;
        hash.high += is.high64 - was.high64;
    }
    return hash;
}

/* Lines that differ from the base: of those that did at the mark, the changed alone can have ceased
 * to. */
static void saved_find(struct region *region)
{
    const struct lines *changed = &region->changed;
    struct lines *saved = &region->saved;
    lines_join(saved, &region->marked, changed);
    size_t count = saved->count, c = 0;
    saved->count = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t line = saved->items[i];
        bool looked = c < changed->count && changed->items[c] == line;
        c += looked;
        if (looked &&
            same(region->alive + (size_t)line * LINE, base_line(&region->base, line)))
            continue;
        saved->items[saved->count++] = line;
    }
}

static size_t picture_size(const struct picture *picture)
{
    return size_of(picture->line_count, picture->span_count);
}

static uint32_t *picture_lines(const struct picture *picture)
{
    return (uint32_t *)(void *)(picture->bytes + (size_t)picture->line_count * LINE);
}

static struct span *picture_spans(const struct picture *picture)
{
    return (struct span *)(void *)(picture_lines(picture) + picture->line_count);
}

static uint8_t *bytes_take(struct region *region, size_t class)
{
    uint8_t *bytes = region->spare[class];
    if (bytes)
        memcpy(&region->spare[class], bytes, sizeof region->spare[class]);
    else
        bytes = aligned_alloc(LINE, class * STRETCH * LINE);
    if (!bytes)
        abort();
    return bytes;
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

/* Of what is alive. */
static uint32_t picture_make(struct region *region, const struct spans *idle)
{
    uint32_t place = place_take(region);
    struct picture *picture = &region->pictures[place];
    const struct lines *saved = &region->saved;
    saved_find(region);
    *picture = (struct picture){.references = 1};
    picture->line_count = (uint32_t)saved->count;
    picture->span_count = (uint32_t)idle->count;
    picture->bytes = bytes_take(region, size_class(picture_size(picture)));
    uint8_t *bytes = picture->bytes;
    for (size_t i = 0; i < saved->count; i++, bytes += LINE)
        memcpy(bytes, region->alive + (size_t)saved->items[i] * LINE, LINE);
    memcpy(picture_lines(picture), saved->items, saved->count * NUMBER);
    memcpy(picture_spans(picture), idle->items, idle->count * sizeof *idle->items);
    region->held_size += picture_size(picture);
    return place;
}

/* The picture that is equal, or a new one, hung up in front of those with like hashes. */
static uint32_t picture_find(struct region *region, const struct spans *idle)
{
    struct reshard_digest hash = hash_find(region);
    uint32_t *bucket = &region->buckets[hash.low % BUCKETS];
    for (uint32_t at = *bucket; at; at = region->pictures[at - 1].next) {
        struct picture *picture = &region->pictures[at - 1];
        if (picture->hash.low == hash.low && picture->hash.high == hash.high) {
            picture->references++;
            return at - 1;
        }
    }
    uint32_t place = picture_make(region, idle);
    region->pictures[place].hash = hash;
    region->pictures[place].next = *bucket;
    *bucket = place + 1;
    return place;
}

uint32_t reshard__region_save(struct region *region, const struct spans *idle)
{
    region->changed.count = 0;
    if (region->touched)
        changes_find(region, idle);
    if (region->shown != NO_PICTURE && region->changed.count == 0) {
        region->pictures[region->shown].references++;
        return region->shown;
    }
    return region->unlike ? picture_make(region, idle) : picture_find(region, idle);
}

void reshard__region_drop(struct region *region, uint32_t place)
{
    if (place == NO_PICTURE || --region->pictures[place].references > 0)
        return;
    struct picture *picture = &region->pictures[place];
    uint32_t *link = &region->buckets[picture->hash.low % BUCKETS];
    while (!region->unlike && *link != place + 1)
        link = &region->pictures[*link - 1].next;
    if (!region->unlike)
        *link = picture->next;
    region->held_size -= picture_size(picture);
    void **spare = &region->spare[size_class(picture_size(picture))];
    memcpy(picture->bytes, spare, sizeof *spare);
    *spare = picture->bytes;
    picture->bytes = NULL;
    picture->next = region->picture_free;
    region->picture_free = place + 1;
}

void reshard__region_undo(struct region *region)
{
    for (size_t i = 0; i < region->changed.count; i++)
        line_copy(region->alive, region->mark, region->changed.items[i]);
    region->touched = false;
}

void reshard__region_back(struct region *region, const struct spans *idle)
{
    changes_find(region, idle);
    reshard__region_undo(region);
}

static void line_put(struct region *region, uint32_t line, const uint8_t *bytes)
{
    memcpy(region->mark + (size_t)line * LINE, bytes, LINE);
    memcpy(region->alive + (size_t)line * LINE, bytes, LINE);
}

static void spans_put(struct region *region, const struct picture *picture)
{
    region->idle.count = picture->span_count;
    memcpy(region->idle.items, picture_spans(picture),
        picture->span_count * sizeof *region->idle.items);
}

/* What differs from the base at the mark, and not in the picture, is as in the base again. */
void reshard__region_restore(struct region *region, uint32_t place)
{
    struct picture *picture = &region->pictures[place];
    picture->references++;
    reshard__region_drop(region, region->shown);
    region->shown = place;
    const uint32_t *lines = picture_lines(picture);
    const uint8_t *bytes = picture->bytes;
    struct lines *marked = &region->marked;
    for (size_t m = 0, i = 0; m < marked->count; m++) {
        uint32_t line = marked->items[m];
        while (i < picture->line_count && lines[i] < line)
            i++;
        if (i == picture->line_count || lines[i] > line)
            line_put(region, line, base_line(&region->base, line));
    }
    for (size_t i = 0; i < picture->line_count; i++, bytes += LINE)
        line_put(region, lines[i], bytes);
    memcpy(marked->items, lines, picture->line_count * sizeof *lines);
    marked->count = picture->line_count;
    spans_put(region, picture);
}
