/* SPDX-License-Identifier: MIT */
/* Room driver: making and ending a driver, starting it, and what the host feeds it. */
#include "driver/driver.h"

#include <string.h>

void reshard_transport_init(struct reshard_transport *transport)
{
    memset(transport, 0, sizeof *transport);
    transport->struct_size = sizeof *transport;
}

void reshard_journal_init(struct reshard_journal *journal)
{
    memset(journal, 0, sizeof *journal);
    journal->struct_size = sizeof *journal;
}

void reshard_store_init(struct reshard_store *store)
{
    memset(store, 0, sizeof *store);
    store->struct_size = sizeof *store;
}

/* ---- hooks ---- */

static void hook_set(
    struct reshard_driver *driver, uint32_t kind, reshard_hook call, void *user_data)
{
    driver->hooks[kind].call = call;
    driver->hooks[kind].user_data = user_data;
}

static int32_t transport_import(
    struct reshard_driver *driver, const struct reshard_transport *from)
{
    struct reshard_transport hooks;
    int32_t status = reshard__struct_import(&hooks, sizeof hooks, sizeof hooks, from);
    if (status)
        return status;
    if (hooks.flags)
        return RESHARD_E_FLAGS;
    hook_set(driver, RESHARD_ACTION_SEND, hooks.send, hooks.user_data);
    return hooks.send ? RESHARD_OK : RESHARD_E_HOOK_MISSING;
}

static int32_t journal_import(struct reshard_driver *driver, const struct reshard_journal *from)
{
    struct reshard_journal hooks;
    int32_t status = reshard__struct_import(&hooks, sizeof hooks, sizeof hooks, from);
    if (status)
        return status;
    if (hooks.flags)
        return RESHARD_E_FLAGS;
    hook_set(driver, RESHARD_ACTION_APPEND, hooks.append, hooks.user_data);
    hook_set(driver, RESHARD_ACTION_LOAD, hooks.load, hooks.user_data);
    hook_set(driver, RESHARD_ACTION_COMPACT, hooks.compact, hooks.user_data);
    return hooks.append && hooks.load ? RESHARD_OK : RESHARD_E_HOOK_MISSING;
}

/* A store that can do one of the two modes is whole. */
static bool store_complete(const struct reshard_store *hooks)
{
    bool snapshot = hooks->export_data && hooks->activate;
    bool keywise = hooks->pick && hooks->remove;
    return hooks->apply && hooks->sync && hooks->discard && hooks->purge && (snapshot || keywise);
}

static int32_t store_import(struct reshard_driver *driver, const struct reshard_store *from)
{
    struct reshard_store hooks;
    int32_t status = reshard__struct_import(&hooks, sizeof hooks, sizeof hooks, from);
    if (status)
        return status;
    if (hooks.flags)
        return RESHARD_E_FLAGS;
    void *user_data = hooks.user_data;
    hook_set(driver, RESHARD_ACTION_EXPORT, hooks.export_data, user_data);
    hook_set(driver, RESHARD_ACTION_APPLY, hooks.apply, user_data);
    hook_set(driver, RESHARD_ACTION_SYNC, hooks.sync, user_data);
    hook_set(driver, RESHARD_ACTION_ACTIVATE, hooks.activate, user_data);
    hook_set(driver, RESHARD_ACTION_DISCARD, hooks.discard, user_data);
    hook_set(driver, RESHARD_ACTION_PURGE, hooks.purge, user_data);
    hook_set(driver, RESHARD_ACTION_FENCE, hooks.fence, user_data);
    hook_set(driver, RESHARD_ACTION_DIGEST, hooks.digest, user_data);
    hook_set(driver, RESHARD_ACTION_PICK, hooks.pick, user_data);
    hook_set(driver, RESHARD_ACTION_REMOVE, hooks.remove, user_data);
    hook_set(driver, RESHARD_ACTION_WAKE, hooks.wake, user_data);
    return store_complete(&hooks) ? RESHARD_OK : RESHARD_E_HOOK_MISSING;
}

/* ---- life ---- */

int32_t reshard__driver_create(const struct reshard__driver_ops *ops, void *object,
    const struct reshard_transport *transport, const struct reshard_journal *journal,
    const struct reshard_store *store, const struct reshard_allocator *allocator,
    struct reshard_driver **driver_out)
{
    struct reshard_driver made;
    memset(&made, 0, sizeof made);
    made.ops = ops;
    made.object = object;
    int32_t status = reshard__mem_import(&made.mem, allocator);
    if (!status)
        status = transport_import(&made, transport);
    if (!status)
        status = journal_import(&made, journal);
    if (!status && store)
        status = store_import(&made, store);
    if (status)
        return status;
    struct reshard_driver *driver = reshard__mem_alloc(&made.mem, sizeof *driver);
    if (!driver)
        return RESHARD_E_NOMEM;
    *driver = made;
    *driver_out = driver;
    return RESHARD_OK;
}

static void messages_free(
    const struct reshard__mem *mem, struct reshard__driver_message *message)
{
    while (message) {
        struct reshard__driver_message *next = message->next;
        reshard__mem_free(mem, message, sizeof *message + message->size);
        message = next;
    }
}

void reshard_driver_destroy(struct reshard_driver *driver)
{
    if (!driver)
        return;
    struct reshard__mem mem = driver->mem;
    messages_free(&mem, driver->fed_first);
    messages_free(&mem, driver->live);
    reshard__table_free(&driver->table, &mem);
    reshard__mem_free(&mem, driver, sizeof *driver);
}

static void load_begin(struct reshard_driver *driver)
{
    memset(&driver->load, 0, sizeof driver->load);
    driver->load.action.struct_size = sizeof driver->load.action;
    driver->load.action.kind = RESHARD_ACTION_LOAD;
    driver->load.action.id = RESHARD__DRIVER_LOAD_ID;
    driver->state = RESHARD__DRIVER_LOADING;
    reshard__driver_call(driver, &driver->load);
}

int32_t reshard_driver_start(struct reshard_driver *driver, uint64_t now_ns)
{
    if (!driver)
        return RESHARD_E_NULL;
    if (driver->in_run || driver->in_hook)
        return RESHARD_E_REENTRANT;
    if (driver->state == RESHARD__DRIVER_STARTED || driver->state == RESHARD__DRIVER_LOADING)
        return RESHARD_E_STATE;
    if (now_ns > driver->now_ns)
        driver->now_ns = now_ns;
    if (driver->state == RESHARD__DRIVER_NEW)
        load_begin(driver);
    if (driver->load.state != RESHARD__ENTRY_DONE)
        return RESHARD_PENDING;
    return reshard__driver_begin(driver);
}

/* ---- feeding ---- */

int32_t reshard_driver_restore(struct reshard_driver *driver, const uint8_t *bytes, size_t size)
{
    if (!driver || !bytes)
        return RESHARD_E_NULL;
    if (!driver->load_count)
        return RESHARD_E_STATE;
    return driver->ops->restore(driver->object, bytes, size);
}

static int32_t message_keep(
    struct reshard_driver *driver, reshard_node_id from, const uint8_t *bytes, size_t size)
{
    size_t whole;
    if (!reshard__add_size(size, sizeof(struct reshard__driver_message), &whole))
        return RESHARD_E_NOMEM;
    struct reshard__driver_message *message = reshard__mem_alloc(&driver->mem, whole);
    if (!message)
        return RESHARD_E_NOMEM;
    message->from = from;
    message->size = size;
    memcpy(message->bytes, bytes, size);
    if (driver->fed_last)
        driver->fed_last->next = message;
    else
        driver->fed_first = message;
    driver->fed_last = message;
    return RESHARD_OK;
}

int32_t reshard_driver_receive(struct reshard_driver *driver, reshard_node_id from,
    const uint8_t *bytes, size_t size)
{
    if (!driver || !bytes)
        return RESHARD_E_NULL;
    if (driver->state != RESHARD__DRIVER_STARTED)
        return RESHARD_E_STATE;
    if (driver->in_hook)
        return message_keep(driver, from, bytes, size);
    return driver->ops->receive(driver->object, from, bytes, size, driver->now_ns);
}

int32_t reshard_driver_complete(struct reshard_driver *driver, uint64_t id,
    const struct reshard_completion *completion)
{
    if (!driver)
        return RESHARD_E_NULL;
    struct reshard_completion copy;
    memset(&copy, 0, sizeof copy);
    int32_t status = RESHARD_OK;
    if (completion)
        status = reshard__struct_import(&copy, sizeof copy, sizeof copy, completion);
    if (status)
        return status;
    struct reshard__entry *entry = id == RESHARD__DRIVER_LOAD_ID
                                       ? &driver->load
                                       : reshard__table_find(&driver->table, id);
    if (!entry || entry->state != RESHARD__ENTRY_RUNNING || copy.status > 0)
        return RESHARD_E_ARGUMENT;
    reshard__driver_settle(driver, entry, copy.status, &copy);
    return RESHARD_OK;
}
