/* SPDX-License-Identifier: MIT */
/* Room sim: memory that can be copied out and back. While an arena is in use, all that a world and
 * its engines allocate on this thread lies in it, so that a copy of its used part is a copy of the
 * world: put back at the same address it needs no fix-ups. The first region is the world's; another
 * one is compared and copied only when somebody said that it is touched. */
#ifndef RESHARD_SIM_ARENA_H
#define RESHARD_SIM_ARENA_H

#include <reshard/types.h>
#include <stdbool.h>

enum { ARENA_REGIONS = 10, IDLE_MAX = 32 };
#define NO_PICTURE UINT32_MAX
/* Regions: the world's, the authority's, then a host's each. */
#define AUTHORITY_REGION 1u

struct arena;

/* A world at one moment: pictures of its regions, which other images may have too. */
struct image {
    uint32_t pictures[ARENA_REGIONS];
};

/* Bytes that are zero now. */
struct idle {
    const void *place;
    size_t size;
};
/* Finds some of a region, at most IDLE_MAX: they need not be looked at. */
typedef size_t (*idle_find)(const void *user_data, uint32_t region, struct idle *spans_out);

/* Blocks of `dead_size` bytes, or up to a line less, hold nothing that outlives a move: they are in
 * no image. 0 = none. NULL without memory. */
struct arena *reshard__arena_make(size_t region_size, size_t dead_size);
void reshard__arena_free(struct arena *arena);
void reshard__arena_idle(struct arena *arena, idle_find find, const void *user_data);
/* The thread's allocations go to this arena; NULL: to libc. Returns the one before. */
struct arena *reshard__arena_use(struct arena *arena);
/* The arena in use, or NULL. */
struct arena *reshard__arena_current(void);
/* A block stays in the region in which it was made. */
void *reshard__arena_resize(struct arena *arena, uint32_t region, void *place, size_t size);
void reshard__arena_release(struct arena *arena, void *place);

/* A host's region, by its index; the last ones share one. */
uint32_t reshard__arena_region(size_t host_index);
/* Of the arena in use: something in the region is written. */
void reshard__arena_touch(uint32_t region);
/* Since the mark, or nobody knows. */
bool reshard__arena_touched(uint32_t region);
/* Whether what is not touched is as at the mark. */
bool reshard__arena_whole(const struct arena *arena);

/* Once, before the first image: what images differ from, the arena as it is now. */
void reshard__arena_base(struct arena *arena);
/* An image of the arena as it is now. */
struct image reshard__arena_save(struct arena *arena);
/* The arena becomes what it was at the mark. */
void reshard__arena_back(struct arena *arena);
/* Both at once. */
struct image reshard__arena_leave(struct arena *arena);
/* Only at the mark: the image becomes the mark, and the arena goes there. */
void reshard__arena_restore(struct arena *arena, const struct image *image);
/* Nobody wants the image any more. */
void reshard__arena_drop(struct arena *arena, struct image *image);
/* Bytes of all images together. */
size_t reshard__arena_held(const struct arena *arena);

#endif
