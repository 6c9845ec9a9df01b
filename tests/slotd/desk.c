/* SPDX-License-Identifier: MIT */
/* An engine for tests: its coordinator is pumped by hand. */
#include "desk.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

void desk_pump(struct desk *desk)
{
    struct reshard_coordinator *coordinator = desk->engine.coordinator;
    struct reshard_completion completion;
    struct reshard_action action;
    reshard_action_init(&action);
    reshard_completion_init(&completion);
    while (reshard_coordinator_action_next(coordinator, &action) == RESHARD_OK)
        cr_assert_eq(
            reshard_coordinator_complete(coordinator, action.id, &completion, 1), RESHARD_OK);
}

static void change(struct desk *desk, struct reshard_change change)
{
    change.struct_size = sizeof change;
    cr_assert_eq(reshard_coordinator_change(desk->engine.coordinator, &change), RESHARD_OK);
}

static void shard_put(struct desk *desk, reshard_shard_id shard)
{
    change(desk, (struct reshard_change){
                     .kind = RESHARD_CHANGE_SHARD_PUT, .shard = shard, .weight = 1.0});
    change(desk, (struct reshard_change){.kind = RESHARD_CHANGE_NODE_PUT,
                     .shard = shard,
                     .node = shard,
                     .role = RESHARD_ROLE_REPLICA});
    change(desk, (struct reshard_change){
                     .kind = RESHARD_CHANGE_SHARD_PRIMARY, .shard = shard, .node = shard});
}

void desk_make(struct desk *desk)
{
    static const struct reshard_range first = {0, 9};
    struct engine *engine = &desk->engine;
    struct reshard_coordinator_config coordinator;
    struct reshard_node_config node;
    *desk = (struct desk){.engine = {.slotd = &desk->slotd, .node_id = 1, .coordinator_id = 1,
                              .next_ticket = 1, .led = true}};
    reshard_node_config_init(&node);
    node.node = 1;
    node.slot_count = STORE_SLOT_COUNT;
    cr_assert_eq(reshard_node_create(&node, &engine->node), RESHARD_OK);
    reshard_coordinator_config_init(&coordinator);
    coordinator.node = 1;
    coordinator.unique = 1;
    coordinator.slot_count = STORE_SLOT_COUNT;
    cr_assert_eq(reshard_coordinator_create(&coordinator, &engine->coordinator), RESHARD_OK);
    cr_assert_eq(reshard_coordinator_start(engine->coordinator, 1), RESHARD_OK);
    desk_pump(desk);
    shard_put(desk, 1);
    shard_put(desk, 2);
    change(desk, (struct reshard_change){.kind = RESHARD_CHANGE_ASSIGN,
                     .shard = 1, .ranges = &first, .range_count = 1});
    desk_pump(desk);
}

void desk_remove(struct desk *desk)
{
    engine__jobs_free(&desk->engine);
    engine__tickets_fail(&desk->engine, NULL);
    engine__inbox_free(&desk->engine);
    reshard_coordinator_destroy(desk->engine.coordinator);
    reshard_node_destroy(desk->engine.node);
}

struct bus_message *desk_message(uint64_t from, uint8_t kind, uint64_t id, struct buffer *rest)
{
    struct bus_message *message = calloc(1, sizeof *message + 8 + rest->size);
    message->from = from;
    message->kind = kind;
    message->size = 8 + rest->size;
    put_u64(message->data, id);
    if (rest->size > 0)
        memcpy(message->data + 8, rest->data, rest->size);
    buffer_free(rest);
    return message;
}

struct bus_message *desk_taken(struct desk *desk, uint8_t kind)
{
    struct bus_message *message = engine__inbox_take(&desk->engine);
    if (message)
        cr_assert_eq(message->kind, kind);
    return message;
}

size_t desk_jobs(const struct desk *desk)
{
    size_t count = 0;
    for (const struct job *job = desk->engine.jobs; job != NULL; job = job->next)
        count++;
    return count;
}
