/* SPDX-License-Identifier: MIT */
/* Room sim: memory that can be copied out and back. While an arena is in use, all that a world and
 * its engines allocate on this thread lies in it, so that a copy of its used part is a copy of the
 * world: put back at the same address it needs no fix-ups. */
#ifndef RESHARD_SIM_ARENA_H
#define RESHARD_SIM_ARENA_H

#include <reshard/types.h>
#include <stdbool.h>

struct arena;

/* A world at one moment: the lines of memory that differ from a base. */
struct image {
    uint8_t *bytes; /* malloc */
    uint32_t line_count;
    uint32_t base;
};

/* Bytes that are zero now. */
struct idle {
    const void *place;
    size_t size;
};
enum { IDLE_MAX = 32 };
/* Finds some, at most IDLE_MAX: they need not be looked at. */
typedef size_t (*idle_find)(const void *user_data, struct idle *spans_out);

/* Blocks of `dead_size` bytes, or up to a line less, hold nothing that outlives a move: they are in
 * no image. 0 = none. NULL without memory. */
struct arena *reshard__arena_make(size_t capacity, size_t dead_size);
void reshard__arena_free(struct arena *arena);
void reshard__arena_idle(struct arena *arena, idle_find find, const void *user_data);
/* The thread's allocations go to this arena; NULL: to libc. Returns the one before. */
struct arena *reshard__arena_use(struct arena *arena);
/* The arena in use, or NULL. */
struct arena *reshard__arena_current(void);
void *reshard__arena_resize(struct arena *arena, void *place, size_t size);
void reshard__arena_release(struct arena *arena, void *place);
/* For engines: allocates from the arena in use, else from libc. */
struct reshard_allocator reshard__arena_allocator(void);

/* Only at the mark, or the first time: what later images differ from, the arena as it is now. */
void reshard__arena_base(struct arena *arena);
/* An image of the arena as it is now. */
struct image reshard__arena_save(struct arena *arena);
/* The arena becomes what it was at the mark. */
void reshard__arena_back(struct arena *arena);
/* Both at once. */
struct image reshard__arena_leave(struct arena *arena);
/* Only at the mark: the image becomes the mark, and the arena goes there. */
void reshard__arena_restore(struct arena *arena, const struct image *image);
void reshard__image_free(struct image *image);

#endif
