/* SPDX-License-Identifier: MIT */
/* Room sim: one stretch of an arena's memory, copied out and back by itself. Private to arena.c and
 * region.c. What is alive, what it goes back to (the mark), and bases stand at the same offsets; an
 * image holds the lines of 64 bytes that differ from a base, and is held once however many worlds
 * have it. */
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

struct base {
    uint8_t *bytes;
    size_t used;
};

/* Numbers of lines, then the lines. */
struct picture {
    uint8_t *bytes; /* malloc; NULL: this place is free */
    uint64_t hash;
    uint32_t line_count, base;
    uint32_t references;
    uint32_t next; /* of those with like hashes, or of the free ones: place + 1 */
};

struct region {
    uint8_t *alive, *mark;
    size_t capacity;
    bool touched, entered; /* since the mark, maybe; entered: by more than a look */
    bool unlike;           /* hardly two pictures are equal: nobody looks */
    uint32_t shown;        /* the mark's picture */
    struct base *bases;
    uint32_t base_count;   /* the last one is that of pictures which are made now */
    uint32_t mark_base;
    struct spans idle;     /* at the mark */
    struct lines marked;   /* where mark and its base differ */
    struct lines changed;  /* where alive and mark do */
    struct lines between;  /* where the mark's base and the last one do */
    struct lines known;    /* where mark and the last one may */
    struct lines saved;    /* of a picture that is being made */
    uint32_t *lists;       /* the memory of those above */
    uint8_t *drawn;        /* a picture that is being made */
    struct picture *pictures;
    size_t picture_count, picture_capacity;
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
/* Only at the mark; `idle` is found when it is there. */
void reshard__region_restore(struct region *region, uint32_t place);
void reshard__region_drop(struct region *region, uint32_t place);
/* Whether all of it is as at the mark. */
bool reshard__region_same(const struct region *region);

#endif
