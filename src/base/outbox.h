/* SPDX-License-Identifier: MIT */
/* Room base: the outbox of an engine: actions that wait to be pulled or completed, and events.
 *
 * Guarantees: actions come out in the order they went in; ids are never reused; what was reserved
 * can be pushed without allocating, so an input that reserved first cannot fail halfway.
 */
#ifndef RESHARD_BASE_OUTBOX_H
#define RESHARD_BASE_OUTBOX_H

#include "base/base.h"
#include <reshard/action.h>
#include <reshard/event.h>

enum {
    RESHARD__HEADER_INLINE = 320, /* a message header fits; larger ones bring a block */
    RESHARD__EVENT_RING = 256,    /* newest events that are kept */
    RESHARD__INPUT_RESERVE = 32   /* actions that one input may cause at most, a migration */
};

/* One action on its way, with what its completion needs. */
struct reshard__entry {
    struct reshard_action action;
    uint64_t owner;   /* migration, 0 = the engine itself */
    uint64_t ticket;  /* the owner's generation: a completion of an older one is ignored */
    uint32_t purpose; /* the engine's own code */
    bool pulled;
    void *attachment; /* chunk that the payload lies in */
    uint8_t *block;   /* header too large to be inline, freed with the entry */
    size_t block_size;
    struct reshard__entry *next; /* in the queue, or in the free list */
    uint8_t header[RESHARD__HEADER_INLINE];
};

struct reshard__outbox {
    struct reshard__mem mem;
    struct reshard__entry **entries; /* by index, all that were ever made */
    size_t entry_count;
    size_t entry_capacity;
    size_t used_count;                /* the first entries; the others are zero, and untouched */
    struct reshard__entry *free_list; /* of used ones: last in, first out */
    size_t free_count;                /* with those that were never used */
    struct reshard__entry *head; /* queue of actions that are not pulled */
    struct reshard__entry *tail;
    size_t open_count; /* pushed and not released */
    uint64_t pushed_count;
    uint64_t event_count;  /* events so far */
    uint64_t event_pulled; /* events pulled or overwritten so far */
    struct reshard_event *events;
};

int32_t reshard__outbox_init(struct reshard__outbox *outbox, const struct reshard__mem *mem);
void reshard__outbox_free(struct reshard__outbox *outbox);

/* Make room for `count` pushes. NOMEM: nothing changed that shows. */
int32_t reshard__outbox_reserve(struct reshard__outbox *outbox, size_t count);
/* Free places without allocating. */
static inline size_t reshard__outbox_room(const struct reshard__outbox *outbox)
{
    return outbox->free_count;
}

/* Queue an action of this kind; needs room. Its action.header points to the inline header. */
struct reshard__entry *reshard__outbox_push(struct reshard__outbox *outbox, uint32_t kind);

int32_t reshard__outbox_next(struct reshard__outbox *outbox, struct reshard_action *action_out);
/* The pulled, open entry of an id; NULL where there is none. */
struct reshard__entry *reshard__outbox_find(struct reshard__outbox *outbox, uint64_t id);
/* Close an entry: its block is freed, its place reused under a new id. */
void reshard__outbox_release(struct reshard__outbox *outbox, struct reshard__entry *entry);

/* Add an event; number is set here. */
void reshard__outbox_tell(struct reshard__outbox *outbox, const struct reshard_event *event);
int32_t reshard__outbox_event_next(struct reshard__outbox *outbox, struct reshard_event *event_out);

#endif
