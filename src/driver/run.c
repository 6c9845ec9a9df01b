/* SPDX-License-Identifier: MIT */
/* Room driver: the loop. Feed what is kept, pull, call one hook, repeat. */
#include "driver/driver.h"

#include <string.h>

/* ---- one hook ---- */

/* What a hook's absence means. */
static int32_t missing_status(uint32_t kind)
{
    switch (kind) {
    case RESHARD_ACTION_FENCE:
    case RESHARD_ACTION_DIGEST:
    case RESHARD_ACTION_WAKE:
        return RESHARD_OK;
    default:
        return RESHARD_E_HOOK_MISSING;
    }
}

/* A hook that claims more than fits has damaged memory or lies: what it made is not used. */
static bool completion_fits(
    const struct reshard_action *action, const struct reshard_completion *completion)
{
    bool fills = action->kind == RESHARD_ACTION_EXPORT || action->kind == RESHARD_ACTION_PICK;
    return !fills || completion->size <= action->capacity;
}

void reshard__driver_settle(struct reshard_driver *driver, struct reshard__entry *entry,
    int32_t status, const struct reshard_completion *completion)
{
    RESHARD_ASSERT(entry->state == RESHARD__ENTRY_RUNNING);
    if (status == RESHARD_OK && !completion_fits(&entry->action, completion))
        status = RESHARD_E_HOOK;
    if (status > 0)
        status = RESHARD_E_HOOK;
    memset(&entry->completion, 0, sizeof entry->completion);
    if (status == RESHARD_OK)
        entry->completion = *completion;
    if (status == RESHARD_E_SPACE)
        entry->completion.size = completion->size; /* how much would do */
    entry->completion.struct_size = sizeof entry->completion;
    entry->completion.status = status;
    entry->state = RESHARD__ENTRY_DONE;
    if (entry->action.kind == RESHARD_ACTION_LOAD)
        driver->load_count--;
    if (entry != &driver->load)
        reshard__queue_push(&driver->done, entry);
}

void reshard__driver_call(struct reshard_driver *driver, struct reshard__entry *entry)
{
    uint32_t kind = entry->action.kind;
    const struct reshard__driver_hook *hook =
        kind < RESHARD_ACTION_KIND_COUNT ? &driver->hooks[kind] : &driver->hooks[0];
    struct reshard_completion completion;
    memset(&completion, 0, sizeof completion);
    completion.struct_size = sizeof completion;
    entry->state = RESHARD__ENTRY_RUNNING;
    if (kind == RESHARD_ACTION_LOAD)
        driver->load_count++;
    int32_t status = missing_status(kind);
    if (hook->call) {
        driver->in_hook = true;
        status = hook->call(hook->user_data, &entry->action, &completion);
        driver->in_hook = false;
    }
    /* The hook may have completed its own action before it said RESHARD_PENDING. */
    if (entry->state == RESHARD__ENTRY_RUNNING && !(hook->call && status == RESHARD_PENDING))
        reshard__driver_settle(driver, entry, status, &completion);
}

/* ---- what was fed ---- */

static void waiters_release(struct reshard_driver *driver, struct reshard__entry *entry)
{
    struct reshard__entry *waiter = entry->waiter_first;
    while (waiter) {
        struct reshard__entry *next = waiter->next;
        waiter->state = RESHARD__ENTRY_READY;
        reshard__queue_push(&driver->ready, waiter);
        waiter = next;
    }
}

/* The host may write to what a PICK read before the engine has memory to lock it: its hook reads
 * anew. */
static void pick_again(struct reshard_driver *driver, struct reshard__entry *entry)
{
    if (entry->action.kind != RESHARD_ACTION_PICK)
        return;
    (void)reshard__queue_pop(&driver->done);
    entry->state = RESHARD__ENTRY_READY;
    reshard__queue_push(&driver->ready, entry);
}

static int32_t completions_feed(struct reshard_driver *driver)
{
    struct reshard__entry *entry;
    while ((entry = driver->done.first) != NULL) {
        int32_t status = driver->ops->complete(
            driver->object, entry->action.id, &entry->completion, driver->now_ns);
        if (status == RESHARD_E_NOMEM) {
            pick_again(driver, entry);
            return status;
        }
        (void)reshard__queue_pop(&driver->done);
        waiters_release(driver, entry);
        if (entry->message)
            entry->message->use_count--;
        reshard__table_remove(&driver->table, entry);
        if (status)
            return status;
    }
    return RESHARD_OK;
}

/* Bad bytes are the sender's fault: the engine raised an event, and the driver goes on. */
static int32_t messages_feed(struct reshard_driver *driver)
{
    struct reshard__driver_message *message;
    while ((message = driver->fed_first) != NULL) {
        int32_t status = driver->ops->receive(
            driver->object, message->from, message->bytes, message->size, driver->now_ns);
        if (status == RESHARD_E_NOMEM)
            return status;
        driver->fed_first = message->next;
        if (!driver->fed_first)
            driver->fed_last = NULL;
        message->next = driver->live;
        driver->live = message;
    }
    return RESHARD_OK;
}

/* ---- pulling ---- */

static struct reshard__driver_message *message_of(
    const struct reshard_driver *driver, const uint8_t *payload)
{
    uintptr_t at = (uintptr_t)payload;
    struct reshard__driver_message *message = driver->live;
    while (message && (at < (uintptr_t)message->bytes ||
                          at >= (uintptr_t)message->bytes + message->size))
        message = message->next;
    return message;
}

static void live_sweep(struct reshard_driver *driver)
{
    struct reshard__driver_message **link = &driver->live;
    while (*link) {
        struct reshard__driver_message *message = *link;
        if (message->use_count) {
            link = &message->next;
            continue;
        }
        *link = message->next;
        reshard__mem_free(&driver->mem, message, sizeof *message + message->size);
    }
}

static void entry_enqueue(struct reshard_driver *driver, struct reshard__entry *entry)
{
    if (driver->live && entry->action.payload_size) {
        entry->message = message_of(driver, entry->action.payload);
        if (entry->message)
            entry->message->use_count++;
    }
    uint64_t after = entry->action.after;
    struct reshard__entry *before = after ? reshard__table_find(&driver->table, after) : NULL;
    reshard__table_insert(&driver->table, &driver->mem, entry);
    if (!before) {
        entry->state = RESHARD__ENTRY_READY;
        reshard__queue_push(&driver->ready, entry);
        return;
    }
    struct reshard__entry_queue waiters = {before->waiter_first, before->waiter_last};
    entry->state = RESHARD__ENTRY_WAITING;
    reshard__queue_push(&waiters, entry);
    before->waiter_first = waiters.first;
    before->waiter_last = waiters.last;
}

static int32_t actions_pull(struct reshard_driver *driver)
{
    for (;;) {
        struct reshard__entry *entry = reshard__table_reserve(&driver->table, &driver->mem);
        if (!entry)
            return RESHARD_E_NOMEM;
        entry->action.struct_size = sizeof entry->action;
        int32_t status = driver->ops->action_next(driver->object, &entry->action);
        if (status) {
            reshard__table_release(&driver->table, entry);
            live_sweep(driver);
            return status == RESHARD_E_EMPTY ? RESHARD_OK : status;
        }
        entry_enqueue(driver, entry);
    }
}

/* ---- the loop ---- */

static int32_t run_loop(struct reshard_driver *driver, uint32_t action_limit, bool *more)
{
    uint32_t started_count = 0;
    for (;;) {
        int32_t status = completions_feed(driver);
        if (!status)
            status = messages_feed(driver);
        *more = action_limit && started_count == action_limit;
        if (status || *more)
            return status;
        if (!driver->ready.first) {
            status = actions_pull(driver);
            if (status)
                return status;
        }
        struct reshard__entry *entry = reshard__queue_pop(&driver->ready);
        if (!entry)
            return RESHARD_OK;
        reshard__driver_call(driver, entry);
        started_count++;
    }
}

/* RESHARD_PENDING while the first load is under way. */
static int32_t ensure_started(struct reshard_driver *driver)
{
    if (driver->state == RESHARD__DRIVER_STARTED)
        return RESHARD_OK;
    if (driver->state != RESHARD__DRIVER_LOADING)
        return RESHARD_E_STATE;
    if (driver->load.state != RESHARD__ENTRY_DONE)
        return RESHARD_PENDING;
    return reshard__driver_begin(driver);
}

int32_t reshard__driver_begin(struct reshard_driver *driver)
{
    int32_t status = driver->load.completion.status;
    if (status) {
        driver->state = RESHARD__DRIVER_NEW;
        bool plain = status == RESHARD_E_NOMEM ||
                     (status <= RESHARD_E_TRUNCATED && status > RESHARD_E_FATAL);
        return plain ? status : RESHARD_E_HOOK;
    }
    driver->state = RESHARD__DRIVER_RESTORED;
    status = driver->ops->start(driver->object, driver->now_ns);
    if (!status)
        driver->state = RESHARD__DRIVER_STARTED;
    return status;
}

static int32_t run(
    struct reshard_driver *driver, uint32_t action_limit, uint64_t *deadline_ns)
{
    int32_t status = ensure_started(driver);
    if (status == RESHARD_PENDING) {
        *deadline_ns = UINT64_MAX;
        return RESHARD_OK;
    }
    if (!status)
        status = driver->ops->tick(driver->object, driver->now_ns);
    bool more = false;
    if (!status)
        status = run_loop(driver, action_limit, &more);
    if (status)
        return status;
    *deadline_ns = more ? 0 : driver->ops->deadline(driver->object);
    if (driver->ops->leads && driver->ops->leads(driver->object) == RESHARD_E_FENCED)
        return RESHARD_E_FENCED;
    return RESHARD_OK;
}

int32_t reshard_driver_run(struct reshard_driver *driver, uint64_t now_ns, uint32_t action_limit,
    uint64_t *deadline_out)
{
    if (!driver)
        return RESHARD_E_NULL;
    if (driver->in_run || driver->in_hook)
        return RESHARD_E_REENTRANT;
    if (now_ns > driver->now_ns)
        driver->now_ns = now_ns;
    uint64_t deadline_ns = 0;
    driver->in_run = true;
    int32_t status = run(driver, action_limit, &deadline_ns);
    driver->in_run = false;
    if (deadline_out)
        *deadline_out = deadline_ns;
    return status;
}
