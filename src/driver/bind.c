/* SPDX-License-Identifier: MIT */
/* Room driver: what is driven, a node or a coordinator, as tables of functions. */
#include "driver/driver.h"

static int32_t node_restore(void *object, const uint8_t *bytes, size_t size)
{
    return reshard_node_restore(object, bytes, size);
}

static int32_t node_start(void *object, uint64_t now_ns)
{
    return reshard_node_start(object, now_ns);
}

static int32_t node_receive(
    void *object, reshard_node_id from, const uint8_t *bytes, size_t size, uint64_t now_ns)
{
    return reshard_node_receive(object, from, bytes, size, now_ns);
}

static int32_t node_tick(void *object, uint64_t now_ns)
{
    return reshard_node_tick(object, now_ns);
}

static uint64_t node_deadline(const void *object)
{
    return reshard_node_deadline(object);
}

static int32_t node_action_next(void *object, struct reshard_action *action_out)
{
    return reshard_node_action_next(object, action_out);
}

static int32_t node_complete(
    void *object, uint64_t id, const struct reshard_completion *completion, uint64_t now_ns)
{
    return reshard_node_complete(object, id, completion, now_ns);
}

static const struct reshard__driver_ops node_ops = {
    .restore = node_restore,
    .start = node_start,
    .receive = node_receive,
    .tick = node_tick,
    .deadline = node_deadline,
    .action_next = node_action_next,
    .complete = node_complete,
    .leads = NULL,
};

static int32_t coordinator_restore(void *object, const uint8_t *bytes, size_t size)
{
    return reshard_coordinator_restore(object, bytes, size);
}

static int32_t coordinator_start(void *object, uint64_t now_ns)
{
    return reshard_coordinator_start(object, now_ns);
}

static int32_t coordinator_receive(
    void *object, reshard_node_id from, const uint8_t *bytes, size_t size, uint64_t now_ns)
{
    return reshard_coordinator_receive(object, from, bytes, size, now_ns);
}

static int32_t coordinator_tick(void *object, uint64_t now_ns)
{
    return reshard_coordinator_tick(object, now_ns);
}

static uint64_t coordinator_deadline(const void *object)
{
    return reshard_coordinator_deadline(object);
}

static int32_t coordinator_action_next(void *object, struct reshard_action *action_out)
{
    return reshard_coordinator_action_next(object, action_out);
}

static int32_t coordinator_complete(
    void *object, uint64_t id, const struct reshard_completion *completion, uint64_t now_ns)
{
    return reshard_coordinator_complete(object, id, completion, now_ns);
}

static int32_t coordinator_leads(const void *object)
{
    return reshard_coordinator_leads(object);
}

static const struct reshard__driver_ops coordinator_ops = {
    .restore = coordinator_restore,
    .start = coordinator_start,
    .receive = coordinator_receive,
    .tick = coordinator_tick,
    .deadline = coordinator_deadline,
    .action_next = coordinator_action_next,
    .complete = coordinator_complete,
    .leads = coordinator_leads,
};

int32_t reshard_driver_create_node(struct reshard_node *node,
    const struct reshard_transport *transport, const struct reshard_journal *journal,
    const struct reshard_store *store, const struct reshard_allocator *allocator,
    struct reshard_driver **driver_out)
{
    if (!node || !transport || !journal || !store || !driver_out)
        return RESHARD_E_NULL;
    return reshard__driver_create(
        &node_ops, node, transport, journal, store, allocator, driver_out);
}

int32_t reshard_driver_create_coordinator(struct reshard_coordinator *coordinator,
    const struct reshard_transport *transport, const struct reshard_journal *journal,
    const struct reshard_allocator *allocator, struct reshard_driver **driver_out)
{
    if (!coordinator || !transport || !journal || !driver_out)
        return RESHARD_E_NULL;
    return reshard__driver_create(
        &coordinator_ops, coordinator, transport, journal, NULL, allocator, driver_out);
}
