/* SPDX-License-Identifier: MIT */
/* Room node, tests: two nodes, a coordinator and a client. */
#include "world.h"

#include "tools/wire_values.h"
#include <string.h>

static uint64_t draw(struct world *world, uint64_t below)
{
    return reshard__random_next(&world->random) % below;
}

/* ---- network ---- */

static void become_newer(struct world_message *message)
{
    uint8_t *newer = malloc(message->size + 64);
    message->size = wire_message_newer(message->bytes, message->size, newer);
    cr_assert_gt(message->size, 0);
    free(message->bytes);
    message->bytes = newer;
}

static void post(struct world *world, reshard_node_id from, reshard_node_id to, const uint8_t *head,
    size_t head_size, const uint8_t *payload, size_t payload_size)
{
    uint64_t fate = world->loss ? draw(world, world->loss) : 9;
    for (int copies = fate == 0 ? 0 : fate == 1 ? 2 : 1; copies > 0; copies--) {
        cr_assert(world->queue_count < WORLD_QUEUE);
        struct world_message message = {from, to, head_size + payload_size, NULL};
        message.bytes = malloc(message.size);
        memcpy(message.bytes, head, head_size);
        if (payload_size)
            memcpy(message.bytes + head_size, payload, payload_size);
        if (world->newer)
            become_newer(&message);
        size_t place = world->queue_count;
        if (fate == 2 && place > 0)
            place = draw(world, place);
        memmove(&world->queue[place + 1], &world->queue[place],
            (world->queue_count - place) * sizeof message);
        world->queue[place] = message;
        world->queue_count++;
    }
}

static void node_post(struct world *world, struct rig *rig)
{
    for (size_t i = 0; i < rig->sent_count; i++)
        post(world, rig->config.node, rig->sent[i].to, rig->sent[i].bytes, rig->sent[i].size, NULL,
            0);
    rig_clear(rig);
}

static void coordinator_run(struct world *world)
{
    for (;;) {
        struct reshard_action action;
        struct reshard_completion completion;
        reshard_action_init(&action);
        reshard_completion_init(&completion);
        if (reshard_coordinator_action_next(world->coordinator, &action))
            return;
        if (action.kind == RESHARD_ACTION_SEND) {
            post(world, 9, action.to, action.header, action.header_size, action.payload,
                action.payload_size);
        } else if (action.kind == RESHARD_ACTION_APPEND) {
            memcpy(world->journal + world->journal_size, action.header, action.header_size);
            world->journal_size += action.header_size;
        } else {
            completion.status = RESHARD_E_HOOK_MISSING;
        }
        cr_assert_eq(
            reshard_coordinator_complete(world->coordinator, action.id, &completion, world->now_ns),
            RESHARD_OK);
    }
}

static void deliver(struct world *world, const struct world_message *message)
{
    if (message->to == 9) {
        (void)reshard_coordinator_receive(
            world->coordinator, message->from, message->bytes, message->size, world->now_ns);
        coordinator_run(world);
        return;
    }
    cr_assert(message->to == 1 || message->to == 2);
    struct rig *rig = &world->nodes[message->to - 1];
    if (!rig->node)
        return;
    (void)rig_receive_bytes(rig, message->from, message->bytes, message->size);
    rig_run(rig);
    node_post(world, rig);
}

void world_turn(struct world *world)
{
    world->now_ns += 300;
    for (size_t i = 0; i < 2; i++) {
        struct rig *rig = &world->nodes[i];
        rig->now_ns = world->now_ns;
        if (!rig->node)
            continue;
        rig_tick(rig, 0);
        node_post(world, rig);
    }
    cr_assert_eq(reshard_coordinator_tick(world->coordinator, world->now_ns), RESHARD_OK);
    coordinator_run(world);
    for (size_t count = world->queue_count; count > 0 && world->queue_count > 0; count--) {
        struct world_message message = world->queue[0];
        world->queue_count--;
        memmove(&world->queue[0], &world->queue[1], world->queue_count * sizeof *world->queue);
        deliver(world, &message);
        free(message.bytes);
    }
}

void world_turns(struct world *world, int count)
{
    for (int i = 0; i < count; i++)
        world_turn(world);
}

/* ---- start and end ---- */

static void change(struct world *world, struct reshard_change change)
{
    change.struct_size = sizeof change;
    cr_assert_eq(reshard_coordinator_change(world->coordinator, &change), RESHARD_OK);
}

static void map_make(struct world *world)
{
    static const struct reshard_range all = {0, RIG_SLOTS - 1};
    while (reshard_coordinator_leads(world->coordinator) != 1)
        world_turn(world);
    for (uint32_t id = 1; id <= 2; id++) {
        change(world,
            (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = id, .weight = 1.0});
        change(world, (struct reshard_change){.kind = RESHARD_CHANGE_NODE_PUT,
                          .node = id,
                          .shard = id,
                          .role = RESHARD_ROLE_REPLICA});
        change(world,
            (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PRIMARY, .node = id, .shard = id});
    }
    change(world, (struct reshard_change){
                      .kind = RESHARD_CHANGE_ASSIGN, .shard = 1, .ranges = &all, .range_count = 1});
    for (int i = 0; i < 10000; i++) {
        world_turn(world);
        if (reshard_map_slot_owner(reshard_node_map(world->nodes[0].node), 0) == 1 &&
            reshard_map_slot_owner(reshard_node_map(world->nodes[1].node), 0) == 1)
            return;
    }
    cr_assert_fail("the map never came");
}

void world_init(struct world *world, uint64_t seed, uint32_t conflict)
{
    memset(world, 0, sizeof *world);
    world->random = seed;
    for (size_t i = 0; i < 2; i++) {
        rig_init(&world->nodes[i], i + 1);
        world->nodes[i].config.conflict = conflict;
        cr_assert_eq(rig_start(&world->nodes[i]), RESHARD_OK);
    }
    struct reshard_coordinator_config config;
    reshard_coordinator_config_init(&config);
    config.node = 9;
    config.unique = seed | 1;
    config.slot_count = RIG_SLOTS;
    config.retry_ns = 1000;
    config.freeze_ns = 20000;
    config.backoff_ns = 1000;
    cr_assert_eq(reshard_coordinator_create(&config, &world->coordinator), RESHARD_OK);
    cr_assert_eq(reshard_coordinator_start(world->coordinator, world->now_ns), RESHARD_OK);
    map_make(world);
    for (uint64_t key = 0; key < RIG_KEYS; key++)
        (void)world_request(world, key, RESHARD_OP_WRITE);
}

void world_free(struct world *world)
{
    for (size_t i = 0; i < 2; i++)
        rig_free(&world->nodes[i]);
    reshard_coordinator_destroy(world->coordinator);
    for (size_t i = 0; i < world->queue_count; i++)
        free(world->queue[i].bytes);
}

void world_restart(struct world *world, size_t index)
{
    struct rig *rig = &world->nodes[index];
    rig_clear(rig);
    rig_restart(rig);
    node_post(world, rig);
}

void world_open(struct world *world, uint32_t mode, uint32_t flags)
{
    static const struct reshard_range low = {0, 7};
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.mode = mode;
    spec.source = 1;
    spec.target = 2;
    spec.migration_flags = flags;
    spec.ranges = &low;
    spec.range_count = 1;
    cr_assert_eq(
        reshard_coordinator_open(world->coordinator, &spec, &world->migration), RESHARD_OK);
}

uint32_t world_phase(const struct world *world)
{
    struct reshard_progress progress = {.struct_size = sizeof progress};
    if (reshard_coordinator_progress(world->coordinator, world->migration, &progress))
        return WORLD_CLOSED;
    return progress.phase;
}

void world_until(struct world *world, uint32_t phase)
{
    for (int i = 0; i < 20000; i++) {
        if (world_phase(world) == phase)
            return;
        world_work(world, 2);
        world_turn(world);
    }
    cr_assert_fail("%s: %s never came, it is in %s", world->label, reshard_phase_name(phase),
        reshard_phase_name(world_phase(world)));
}

/* ---- the client ---- */

/* Execute what was routed here, and check it. */
static void serve(struct world *world, struct rig *rig, uint64_t key, uint32_t op, bool capture)
{
    uint64_t *value = &rig->store.live[key];
    cr_assert_eq(*value, world->values[key],
        "%s: key %zu at node %zu: %zu, the client knows %zu (%s, at %zu ns)", world->label,
        (size_t)key, (size_t)rig->config.node, (size_t)*value, (size_t)world->values[key],
        reshard_phase_name(world_phase(world)), (size_t)world->now_ns);
    world->served++;
    if (op == RESHARD_OP_READ)
        return;
    *value = world->values[key] = op == RESHARD_OP_WRITE ? ++world->written : 0;
    if (!capture)
        return;
    uint8_t item[RIG_ITEM];
    size_t size = rig_item_put(item, key, *value);
    cr_assert_eq(
        reshard_node_record(rig->node, (uint32_t)(key % RIG_SLOTS), item, size), RESHARD_OK);
    rig_run(rig);
    node_post(world, rig);
}

static struct reshard_route ask(
    struct world *world, struct rig *rig, uint64_t key, uint32_t op, bool asking, uint64_t token)
{
    uint8_t bytes[2] = {(uint8_t)key, (uint8_t)(key >> 8)};
    const uint8_t *keys[1] = {bytes};
    size_t key_sizes[1] = {sizeof bytes};
    struct reshard_node_request request = {.struct_size = sizeof request,
        .op = op,
        .key_count = 1,
        .keys = keys,
        .key_sizes = key_sizes};
    struct reshard_route route = {.struct_size = sizeof route};
    request.slot = (uint32_t)(key % RIG_SLOTS);
    request.asking = asking;
    request.token = world->bare ? 0 : token;
    request.present_count = rig->store.live[key] != 0;
    cr_assert_eq(reshard_node_route_keys(rig->node, &request, &route), RESHARD_OK);
    return route;
}

bool world_request(struct world *world, uint64_t key, uint32_t op)
{
    reshard_shard_id to = 1 + (uint32_t)draw(world, 2);
    uint64_t token = 0;
    bool asking = false;
    for (int hops = 0; hops < 6; hops++) {
        struct rig *rig = &world->nodes[to - 1];
        if (!rig->node)
            break;
        struct reshard_route route = ask(world, rig, key, op, asking, token);
        asking = route.verdict == RESHARD_ASK;
        token = route.token;
        if (route.verdict == RESHARD_SERVE || route.verdict == RESHARD_SERVE_CAPTURE) {
            serve(world, rig, key, op, route.verdict == RESHARD_SERVE_CAPTURE);
            return true;
        }
        if (route.verdict != RESHARD_MOVED && route.verdict != RESHARD_ASK)
            break;
        to = route.shard;
    }
    world->postponed++;
    return false;
}

void world_work(struct world *world, int count)
{
    for (int i = 0; i < count; i++) {
        uint32_t op = RESHARD_OP_READ + (uint32_t)draw(world, 3);
        (void)world_request(world, draw(world, RIG_KEYS), op);
    }
}

void world_prove(const struct world *world, uint32_t shard)
{
    for (uint64_t key = 0; key < RIG_KEYS; key++) {
        uint32_t owner = key % RIG_SLOTS < 8 ? shard : 1;
        for (uint32_t node = 1; node <= 2; node++) {
            uint64_t expected = node == owner ? world->values[key] : 0;
            cr_assert_eq(world->nodes[node - 1].store.live[key], expected,
                "%s: key %zu at node %u: %zu, not %zu", world->label, (size_t)key, node,
                (size_t)world->nodes[node - 1].store.live[key], (size_t)expected);
        }
    }
}
