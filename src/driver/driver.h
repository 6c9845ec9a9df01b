/* SPDX-License-Identifier: MIT */
/* Room driver (floor 7): callbacks over the action queue of a node or a coordinator.
 *
 * Guarantees: an action starts once, and not before the one that it names has completed; each
 * completion reaches the engine exactly once, kept and offered again while memory is short; hooks
 * never run inside one another nor while the engine is being fed; a message that was copied stays
 * until the last action that points into it has completed. Allocates nothing for an action once
 * as many were open before. Touches the engine through `ops` only.
 */
#ifndef RESHARD_DRIVER_DRIVER_H
#define RESHARD_DRIVER_DRIVER_H

#include "base/base.h"

#include <reshard/driver.h>

/* What is driven, as functions: a node, a coordinator, or a test's puppet. */
struct reshard__driver_ops {
    int32_t (*restore)(void *object, const uint8_t *bytes, size_t size);
    int32_t (*start)(void *object, uint64_t now_ns);
    int32_t (*receive)(void *object, reshard_node_id from, const uint8_t *bytes, size_t size,
        uint64_t now_ns);
    int32_t (*tick)(void *object, uint64_t now_ns);
    uint64_t (*deadline)(const void *object);
    int32_t (*action_next)(void *object, struct reshard_action *action_out);
    int32_t (*complete)(void *object, uint64_t id, const struct reshard_completion *completion,
        uint64_t now_ns);
    int32_t (*leads)(const void *object); /* E_FENCED = superseded; NULL = never */
};

struct reshard__driver_hook {
    reshard_hook call;
    void *user_data;
};

/* A message that came from inside a hook. */
struct reshard__driver_message {
    struct reshard__driver_message *next;
    reshard_node_id from;
    size_t size;
    uint32_t use_count; /* open actions whose payload points into bytes */
    uint8_t bytes[];
};

enum { /* state of an entry */
    RESHARD__ENTRY_FREE = 0,
    RESHARD__ENTRY_WAITING = 1, /* for the action named in `after` */
    RESHARD__ENTRY_READY = 2,
    RESHARD__ENTRY_RUNNING = 3, /* its hook runs, or said RESHARD_PENDING */
    RESHARD__ENTRY_DONE = 4     /* its completion has not reached the engine yet */
};

/* One pulled action. Entries never move: hooks keep pointers to the action. */
struct reshard__entry {
    struct reshard_action action;
    struct reshard_completion completion; /* DONE */
    struct reshard__entry *next;          /* in the queue of its state, or in the free list */
    struct reshard__entry *bucket_next;
    struct reshard__entry *waiter_first; /* actions that wait for this one, oldest first */
    struct reshard__entry *waiter_last;
    struct reshard__driver_message *message; /* its payload points into it */
    uint32_t state;
};

struct reshard__entry_queue {
    struct reshard__entry *first;
    struct reshard__entry *last;
};

/* Open actions by id. */
struct reshard__table {
    struct reshard__entry **blocks; /* arrays of RESHARD__BLOCK_COUNT entries */
    size_t block_count;
    size_t block_capacity;
    struct reshard__entry *free_first;
    struct reshard__entry **buckets; /* bucket_count is 0 or a power of two */
    size_t bucket_count;
    size_t open_count;
};

enum { RESHARD__BLOCK_COUNT = 32 };

enum { /* state of a driver */
    RESHARD__DRIVER_NEW = 0,
    RESHARD__DRIVER_LOADING = 1,  /* the first load said RESHARD_PENDING */
    RESHARD__DRIVER_RESTORED = 2, /* loaded; the engine's start has not succeeded yet */
    RESHARD__DRIVER_STARTED = 3
};

/* Id of the load that start makes; engines count theirs from 1. */
#define RESHARD__DRIVER_LOAD_ID UINT64_MAX

struct reshard_driver {
    struct reshard__mem mem;
    const struct reshard__driver_ops *ops;
    void *object;
    struct reshard__driver_hook hooks[RESHARD_ACTION_KIND_COUNT];
    struct reshard__table table;
    struct reshard__entry_queue ready;
    struct reshard__entry_queue done;
    struct reshard__driver_message *fed_first; /* not yet fed to the engine, oldest first */
    struct reshard__driver_message *fed_last;
    struct reshard__driver_message *live; /* fed; actions may point into them */
    struct reshard__entry load;           /* the load of start */
    uint64_t now_ns;
    uint32_t load_count; /* LOAD actions that are running: restore is allowed */
    uint32_t state;
    bool in_run;
    bool in_hook;
};

/* table.c */
/* An entry that is not in the table yet, or NULL: out of memory. */
struct reshard__entry *reshard__table_reserve(
    struct reshard__table *table, const struct reshard__mem *mem);
/* Put a reserved entry, whose action is filled, into the table. Never fails. */
void reshard__table_insert(
    struct reshard__table *table, const struct reshard__mem *mem, struct reshard__entry *entry);
void reshard__table_release(struct reshard__table *table, struct reshard__entry *entry);
struct reshard__entry *reshard__table_find(const struct reshard__table *table, uint64_t id);
void reshard__table_remove(struct reshard__table *table, struct reshard__entry *entry);
void reshard__table_free(struct reshard__table *table, const struct reshard__mem *mem);
void reshard__queue_push(struct reshard__entry_queue *queue, struct reshard__entry *entry);
struct reshard__entry *reshard__queue_pop(struct reshard__entry_queue *queue);

/* run.c */
/* Call the hook of an entry, or do what its absence means. Then the entry is RUNNING or DONE. */
void reshard__driver_call(struct reshard_driver *driver, struct reshard__entry *entry);
/* Note how a RUNNING entry ended, and make it DONE. */
void reshard__driver_settle(struct reshard_driver *driver, struct reshard__entry *entry,
    int32_t status, const struct reshard_completion *completion);
/* The end of start, once the first load is DONE. */
int32_t reshard__driver_begin(struct reshard_driver *driver);

/* driver.c: the constructor behind the public ones. Any of the three structs may be NULL where its
 * hooks are not needed; nothing is required here. */
int32_t reshard__driver_create(const struct reshard__driver_ops *ops, void *object,
    const struct reshard_transport *transport, const struct reshard_journal *journal,
    const struct reshard_store *store, const struct reshard_allocator *allocator,
    struct reshard_driver **driver_out);

#endif
