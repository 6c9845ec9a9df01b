/* SPDX-License-Identifier: MIT */
/* An engine without a mind: hands out the actions that a test lists and notes what it is told.
 * Stands in for a node or a coordinator behind reshard__driver_ops. */
#ifndef RESHARD_TESTS_DRIVER_PUPPET_H
#define RESHARD_TESTS_DRIVER_PUPPET_H

#include "driver/driver.h"
#include "support/alloc.h"

#include <stdio.h>

enum { PUPPET_ACTIONS = 4096, PUPPET_LOG = 1 << 16 };

struct puppet {
    struct reshard_driver *driver;
    struct support_alloc alloc;
    struct reshard_allocator allocator;
    /* engine */
    struct reshard_action actions[PUPPET_ACTIONS];
    size_t action_count;
    size_t action_at;
    uint32_t nomem_complete; /* so many completions answer E_NOMEM */
    uint32_t nomem_receive;
    int32_t complete_status;
    int32_t start_status;
    int32_t restore_status;
    int32_t tick_status;
    int32_t leads;
    uint64_t now_ns;
    uint64_t deadline_ns;
    const uint8_t *received; /* bytes of the newest message */
    struct reshard_completion last;
    /* hooks */
    int32_t answers[RESHARD_ACTION_KIND_COUNT]; /* what each kind's hook returns */
    struct reshard_completion outcome;          /* what each hook fills in */
    int32_t (*inside)(struct puppet *puppet, const struct reshard_action *action);
    const struct reshard_action *seen; /* newest action that a hook saw */
    bool quiet;
    /* what happened: S3 hook of action 3 ran, C3 engine heard of its end, R message, T tick,
     * L load hook, F records fed, B engine began */
    char log[PUPPET_LOG];
    size_t log_size;
};

static inline void puppet_note(struct puppet *puppet, char what, uint64_t number)
{
    if (puppet->quiet)
        return;
    int size = snprintf(puppet->log + puppet->log_size, sizeof puppet->log - puppet->log_size,
        number ? "%c%llu " : "%c ", what, (unsigned long long)number);
    puppet->log_size += (size_t)size;
}

/* ---- engine ---- */

static inline int32_t puppet_restore(void *object, const uint8_t *bytes, size_t size)
{
    struct puppet *puppet = object;
    (void)bytes;
    puppet_note(puppet, 'F', size);
    return puppet->restore_status;
}

static inline int32_t puppet_start(void *object, uint64_t now_ns)
{
    struct puppet *puppet = object;
    puppet->now_ns = now_ns;
    puppet_note(puppet, 'B', 0);
    return puppet->start_status;
}

static inline int32_t puppet_receive(
    void *object, reshard_node_id from, const uint8_t *bytes, size_t size, uint64_t now_ns)
{
    struct puppet *puppet = object;
    (void)size;
    puppet->now_ns = now_ns;
    if (puppet->nomem_receive) {
        puppet->nomem_receive--;
        return RESHARD_E_NOMEM;
    }
    puppet->received = bytes;
    puppet_note(puppet, 'R', from);
    return RESHARD_OK;
}

static inline int32_t puppet_tick(void *object, uint64_t now_ns)
{
    struct puppet *puppet = object;
    puppet->now_ns = now_ns;
    puppet_note(puppet, 'T', now_ns);
    return puppet->tick_status;
}

static inline uint64_t puppet_deadline(const void *object)
{
    return ((const struct puppet *)object)->deadline_ns;
}

static inline int32_t puppet_action_next(void *object, struct reshard_action *action_out)
{
    struct puppet *puppet = object;
    if (puppet->action_at == puppet->action_count)
        return RESHARD_E_EMPTY;
    return reshard__struct_export(action_out, sizeof *action_out,
        &puppet->actions[puppet->action_at++], sizeof *action_out);
}

static inline int32_t puppet_complete(void *object, uint64_t id,
    const struct reshard_completion *completion, uint64_t now_ns)
{
    struct puppet *puppet = object;
    puppet->now_ns = now_ns;
    if (puppet->nomem_complete) {
        puppet->nomem_complete--;
        return RESHARD_E_NOMEM;
    }
    puppet->last = *completion;
    puppet_note(puppet, 'C', id);
    return puppet->complete_status;
}

static inline int32_t puppet_leads(const void *object)
{
    return ((const struct puppet *)object)->leads;
}

static const struct reshard__driver_ops puppet_ops = {
    .restore = puppet_restore,
    .start = puppet_start,
    .receive = puppet_receive,
    .tick = puppet_tick,
    .deadline = puppet_deadline,
    .action_next = puppet_action_next,
    .complete = puppet_complete,
    .leads = puppet_leads,
};

/* ---- hooks ---- */

static inline int32_t puppet_hook(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct puppet *puppet = user_data;
    bool load = action->kind == RESHARD_ACTION_LOAD;
    puppet->seen = action;
    puppet_note(puppet, load ? 'L' : 'S', load ? 0 : action->id);
    uint32_t size = completion->struct_size;
    *completion = puppet->outcome;
    completion->struct_size = size;
    if (puppet->inside)
        return puppet->inside(puppet, action);
    return puppet->answers[action->kind];
}

static inline struct reshard_transport puppet_transport(struct puppet *puppet)
{
    struct reshard_transport hooks;
    reshard_transport_init(&hooks);
    hooks.user_data = puppet;
    hooks.send = puppet_hook;
    return hooks;
}

static inline struct reshard_journal puppet_journal(struct puppet *puppet)
{
    struct reshard_journal hooks;
    reshard_journal_init(&hooks);
    hooks.user_data = puppet;
    hooks.append = puppet_hook;
    hooks.load = puppet_hook;
    return hooks;
}

static inline struct reshard_store puppet_store(struct puppet *puppet)
{
    struct reshard_store hooks;
    reshard_store_init(&hooks);
    hooks.user_data = puppet;
    hooks.export_data = puppet_hook;
    hooks.apply = puppet_hook;
    hooks.sync = puppet_hook;
    hooks.activate = puppet_hook;
    hooks.discard = puppet_hook;
    hooks.purge = puppet_hook;
    return hooks;
}

/* A puppet, not started, on which the allocation `fail_at` fails (0 = none). */
static inline int32_t puppet_make(struct puppet **puppet_out, size_t fail_at)
{
    struct puppet *puppet = calloc(1, sizeof *puppet);
    if (!puppet)
        abort();
    puppet->allocator = support_alloc_init(&puppet->alloc);
    puppet->alloc.fail_at = fail_at;
    puppet->leads = 1;
    puppet->deadline_ns = UINT64_MAX;
    struct reshard_transport transport = puppet_transport(puppet);
    struct reshard_journal journal = puppet_journal(puppet);
    struct reshard_store store = puppet_store(puppet);
    *puppet_out = puppet;
    return reshard__driver_create(&puppet_ops, puppet, &transport, &journal, &store,
        &puppet->allocator, &puppet->driver);
}

/* A started puppet with an empty log. */
static inline struct puppet *puppet_new(void)
{
    struct puppet *puppet;
    if (puppet_make(&puppet, 0) || reshard_driver_start(puppet->driver, 1))
        abort();
    puppet->log_size = 0;
    puppet->log[0] = 0;
    return puppet;
}

/* Ends a puppet; whether all memory came back. */
static inline bool puppet_end(struct puppet *puppet)
{
    reshard_driver_destroy(puppet->driver);
    bool clean = support_alloc_clean(&puppet->alloc);
    free(puppet);
    return clean;
}

/* Ask for an action; its id is its position from 1. */
static inline struct reshard_action *puppet_ask(
    struct puppet *puppet, uint32_t kind, uint64_t after)
{
    struct reshard_action *action = &puppet->actions[puppet->action_count++];
    action->struct_size = sizeof *action;
    action->kind = kind;
    action->id = puppet->action_count;
    action->after = after;
    return action;
}

/* What happened since it was asked last. */
static inline const char *puppet_log(struct puppet *puppet)
{
    puppet->log[puppet->log_size] = 0;
    if (puppet->log_size)
        puppet->log[puppet->log_size - 1] = 0; /* the last blank */
    puppet->log_size = 0;
    return puppet->log;
}

#endif
