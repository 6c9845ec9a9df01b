/* SPDX-License-Identifier: MIT */
/* Room sim: one stretch of an arena's memory, copied out and back by itself. Private to arena.c and
 * region.c. What is alive, what it goes back to (the mark), and the base stand at the same offsets;
 * an image holds the lines of 64 bytes that differ from the base, and is held once however many
 * worlds have it. */
#ifndef RESHARD_SIM_REGION_H
#define RESHARD_SIM_REGION_H

#include "sim/arena.h"

enum { LINE = 64, CLASSES = 144 };

/* Stands at the start of the memory that is alive, so that images hold it too. */
struct heap {
    uint64_t used;
    uint32_t dead_used; /* bits: those in use; the first region's alone */
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

/* Behind what is used all is zero. */
struct base {
    uint8_t *bytes;
    size_t used;
};

/* Lines that differ from the base, then their numbers, then what is idle. */
struct picture {
    uint8_t *bytes; /* NULL: this place is free */
    struct reshard_digest hash;
    uint32_t line_count, span_count;
    uint32_t references;
    uint32_t next; /* of those with like hashes, or of the free ones: place + 1 */
};

struct region {
    uint8_t *alive, *mark;
    size_t capacity;
    bool touched;          /* since the mark, maybe */
    bool unlike;           /* hardly two pictures are equal: nobody looks */
    uint32_t shown;        /* the mark's picture */
    struct base base;
    struct spans idle;     /* at the mark */
    struct lines marked;   /* where mark and base differ */
    struct lines changed;  /* where alive and mark do */
    struct lines saved;    /* of a picture that is being made */
    uint32_t *lists;       /* the memory of those above */
    struct picture *pictures;
    size_t picture_count, picture_capacity;
    void **spare;          /* by size: bytes of pictures that are no more; each holds the next */
    size_t held_size;      /* bytes of pictures */
    uint32_t picture_free; /* place + 1 */
    uint32_t *buckets;     /* by hash: place + 1 */
};

/* `idle`: what of it is zero now; `place`: of a picture. */
bool reshard__region_make(struct region *region, uint8_t *alive, uint8_t *mark, size_t capacity);
void reshard__region_free(struct region *region);
void reshard__region_base(struct region *region, const struct spans *idle);
uint32_t reshard__region_save(struct region *region, const struct spans *idle);
/* What the last _save found changed is as at the mark again. */
void reshard__region_undo(struct region *region);
void reshard__region_back(struct region *region, const struct spans *idle);
/* Only at the mark. */
void reshard__region_restore(struct region *region, uint32_t place);
void reshard__region_drop(struct region *region, uint32_t place);
/* Whether all of it is as at the mark. */
bool reshard__region_same(const struct region *region);

#endif
