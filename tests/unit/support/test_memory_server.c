/* SPDX-License-Identifier: MIT */
/* A cluster of two shards under a client, on a network that loses, repeats and reorders, with nodes
 * and the coordinator dying: whatever happens, no acknowledged write is lost, and the migration
 * ends once the trouble does. */
#include "memory_server.h"

#include "base/base.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { KEY_COUNT = 300, SLOT_COUNT = 32, TURN_LIMIT = 40000 };

struct cluster {
    struct memory_transport *network;
    struct memory_server nodes[3];
    struct memory_server coordinator;
    uint64_t now_ns;
    uint64_t boots;
    uint64_t seed;
    uint32_t trouble; /* of 100 messages so many meet a fate; of 1000 turns so many kill */
    uint64_t values[KEY_COUNT];
    uint64_t writes;
    bool keywise;
};

static uint32_t slot_of(const uint8_t *key, size_t key_size)
{
    uint64_t number = 0;
    memcpy(&number, key, key_size < sizeof number ? key_size : sizeof number);
    return (uint32_t)(number * 7 % SLOT_COUNT);
}

static uint64_t dice(struct cluster *it, uint64_t sides)
{
    return reshard__random_next(&it->seed) % sides;
}

static uint32_t fate_of(void *user_data, reshard_node_id from, reshard_node_id to,
    const uint8_t *bytes, size_t size)
{
    struct cluster *it = user_data;
    (void)from;
    (void)to;
    (void)bytes;
    (void)size;
    return dice(it, 100) < it->trouble ? 1 + (uint32_t)dice(it, 3) : MEMORY_FATE_DELIVER;
}

static void node_start(struct cluster *it, uint32_t id)
{
    struct reshard_node_config config = {.struct_size = sizeof config, .node = id,
        .boot = ++it->boots, .slot_count = SLOT_COUNT, .chunk_size = 1024,
        .retry_ns = 20000000};
    cr_assert_eq(memory_server_start_node(
                     &it->nodes[id], it->network, &config, slot_of, it->now_ns),
        RESHARD_OK);
}

static void coordinator_start(struct cluster *it)
{
    struct reshard_coordinator_config config = {.struct_size = sizeof config, .node = 1,
        .unique = ++it->boots, .slot_count = SLOT_COUNT, .retry_ns = 20000000,
        .copy_limit = 1000, .attempt_limit = 1000};
    cr_assert_eq(memory_server_start_coordinator(
                     &it->coordinator, it->network, &config, it->now_ns),
        RESHARD_OK);
}

static void turn(struct cluster *it)
{
    it->now_ns += 1000000;
    cr_assert_eq(reshard_driver_run(it->coordinator.driver, it->now_ns, 0, NULL), RESHARD_OK);
    for (size_t id = 1; id <= 2; id++)
        cr_assert_eq(
            reshard_driver_run(it->nodes[id].driver, it->now_ns, 0, NULL), RESHARD_OK);
    for (size_t i = memory_transport_count(it->network); i > 0; i--)
        cr_assert_geq(memory_transport_pump(it->network, it->now_ns), 0);
}

static void change(struct cluster *it, struct reshard_change what)
{
    what.struct_size = sizeof what;
    cr_assert_eq(reshard_coordinator_change(it->coordinator.coordinator, &what), RESHARD_OK);
}

static void map_make(struct cluster *it)
{
    static const struct reshard_range all = {0, SLOT_COUNT - 1};
    while (reshard_coordinator_leads(it->coordinator.coordinator) != 1)
        turn(it);
    for (uint32_t id = 1; id <= 2; id++) {
        change(it, (struct reshard_change){
                       .kind = RESHARD_CHANGE_SHARD_PUT, .shard = id, .weight = 1.0});
        change(it, (struct reshard_change){.kind = RESHARD_CHANGE_NODE_PUT, .node = id,
                       .shard = id, .role = RESHARD_ROLE_REPLICA});
        change(it, (struct reshard_change){
                       .kind = RESHARD_CHANGE_SHARD_PRIMARY, .node = id, .shard = id});
    }
    change(it, (struct reshard_change){.kind = RESHARD_CHANGE_ASSIGN, .shard = 1,
                   .ranges = &all, .range_count = 1});
    for (size_t i = 0; i < 200; i++)
        turn(it);
}

/* One write; which of the nodes takes it is their routing's business, but never both. */
static void key_write(struct cluster *it, uint64_t number)
{
    uint64_t value = ++it->writes;
    struct memory_record record = {MEMORY_RECORD_PUT, 0, (const uint8_t *)&number, sizeof number,
        (const uint8_t *)&value, sizeof value};
    uint32_t slot = slot_of(record.key, record.key_size);
    uint8_t state[64];
    uint32_t takers = 0;
    memory_record_write(&record, state);
    for (size_t id = 1; id <= 2; id++) {
        struct memory_server *node = &it->nodes[id];
        uint32_t verdict = reshard_node_route(node->node, slot, RESHARD_OP_WRITE, NULL);
        if (verdict != RESHARD_SERVE && verdict != RESHARD_SERVE_CAPTURE)
            continue;
        takers++;
        cr_assert_eq(memory_store_write(node->store, &record), RESHARD_OK);
        if (verdict == RESHARD_SERVE_CAPTURE)
            cr_assert_eq(reshard_node_record(node->node, slot, state,
                             memory_record_size(&record)),
                RESHARD_OK);
        it->values[number] = value;
    }
    cr_assert_leq(takers, 1, "two nodes take a write to slot %u", slot);
}

/* What a node answers to a write of one key. */
static struct reshard_route ask(struct cluster *it, uint32_t id, const struct memory_record *record,
    uint32_t asking, uint64_t token)
{
    struct reshard_route route = {.struct_size = sizeof route};
    struct reshard_node_request request = {.struct_size = sizeof request, .op = RESHARD_OP_WRITE,
        .slot = slot_of(record->key, record->key_size), .asking = asking, .token = token,
        .key_count = 1, .keys = &record->key, .key_sizes = &record->key_size};
    struct memory_record found;
    request.present_count = memory_store_read(it->nodes[id].store, record->key, record->key_size,
                                it->now_ns, &found) == RESHARD_OK;
    cr_assert_eq(
        reshard_node_route_keys(it->nodes[id].node, &request, &route), RESHARD_OK);
    return route;
}

/* A client that follows redirections, for a while. */
static void key_write_keywise(struct cluster *it, uint64_t number)
{
    uint64_t value = ++it->writes, token = 0;
    struct memory_record record = {MEMORY_RECORD_PUT, 0, (const uint8_t *)&number, sizeof number,
        (const uint8_t *)&value, sizeof value};
    uint32_t id = 1, asking = 0;
    for (size_t hops = 0; hops < 4; hops++) {
        struct reshard_route route = ask(it, id, &record, asking, token);
        if (route.verdict == RESHARD_SERVE) {
            cr_assert_eq(memory_store_write(it->nodes[id].store, &record), RESHARD_OK);
            it->values[number] = value;
            return;
        }
        if (route.verdict != RESHARD_MOVED && route.verdict != RESHARD_ASK)
            return;
        asking = route.verdict == RESHARD_ASK;
        token = route.token;
        id = route.shard;
        cr_assert(id == 1 || id == 2);
    }
}

static void misfortune(struct cluster *it)
{
    uint32_t victim = (uint32_t)dice(it, 3);
    if (dice(it, 1000) >= it->trouble)
        return;
    if (victim == 0) {
        memory_server_stop(&it->coordinator);
        coordinator_start(it);
    } else {
        memory_server_stop(&it->nodes[victim]);
        node_start(it, victim);
    }
}

/* The shard that has the slots when nothing is open any more. */
static reshard_shard_id settle(struct cluster *it)
{
    const struct reshard_map *map = NULL;
    for (size_t turns = 0; turns < TURN_LIMIT; turns++) {
        if (turns == 2000)
            it->trouble = 0; /* from here on it has to end */
        misfortune(it);
        for (size_t i = 0; i < 3; i++)
            (it->keywise ? key_write_keywise : key_write)(it, dice(it, KEY_COUNT));
        turn(it);
        map = reshard_coordinator_map(it->coordinator.coordinator);
        if (turns > 10 && reshard_coordinator_leads(it->coordinator.coordinator) == 1 &&
            reshard_map_migration_count(map) == 0)
            return reshard_map_slot_owner(map, 0);
    }
    cr_assert_fail("it does not end");
    return 0;
}

static void prove(struct cluster *it, reshard_shard_id owner)
{
    for (uint64_t number = 0; number < KEY_COUNT; number++) {
        struct memory_record found;
        for (uint32_t id = 1; id <= 2; id++) {
            int32_t status = memory_store_read(it->nodes[id].store, (const uint8_t *)&number,
                sizeof number, it->now_ns, &found);
            cr_assert_eq(status == RESHARD_OK, id == owner, "key %d at %u", (int)number, id);
            if (id == owner)
                cr_assert_eq(memcmp(found.value, &it->values[number], sizeof(uint64_t)), 0);
        }
    }
}

static void play(uint64_t seed, uint32_t trouble, bool keywise)
{
    static const struct reshard_range all = {0, SLOT_COUNT - 1};
    static struct cluster it;
    memset(&it, 0, sizeof it);
    it.seed = seed;
    it.network = memory_transport_create();
    node_start(&it, 1);
    node_start(&it, 2);
    coordinator_start(&it);
    map_make(&it);
    for (uint64_t number = 0; number < KEY_COUNT; number++)
        key_write(&it, number);
    memory_transport_set_fate(it.network, fate_of, &it);
    it.trouble = trouble;
    it.keywise = keywise;
    struct reshard_migration_spec spec = {.struct_size = sizeof spec, .source = 1, .target = 2,
        .mode = keywise ? RESHARD_MODE_KEYWISE : RESHARD_MODE_SNAPSHOT, .ranges = &all,
        .range_count = 1};
    cr_assert_eq(
        reshard_coordinator_open(it.coordinator.coordinator, &spec, NULL), RESHARD_OK);
    reshard_shard_id owner = settle(&it);
    it.trouble = 0;
    for (size_t i = 0; i < 3000; i++)
        turn(&it);
    prove(&it, owner);
    cr_assert_eq(memory_store_staged_keys(it.nodes[1].store), 0);
    cr_assert_eq(memory_store_staged_keys(it.nodes[2].store), 0);
    memory_server_free(&it.coordinator);
    memory_server_free(&it.nodes[1]);
    memory_server_free(&it.nodes[2]);
    memory_transport_destroy(it.network);
}

static void play_many(uint32_t trouble, uint64_t seeds, bool keywise)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        (void)fprintf(stderr, "trouble %u seed %d\n", trouble, (int)seed);
        play(seed, trouble, keywise);
    }
}

Test(memory_server, a_migration_ends_on_a_good_network)
{
    play_many(0, 3, false);
}

Test(memory_server, a_migration_survives_some_trouble)
{
    play_many(5, 40, false);
}

Test(memory_server, a_migration_survives_much_trouble)
{
    play_many(80, 60, false);
}

Test(memory_server, keys_move_on_a_good_network)
{
    play_many(0, 3, true);
}

Test(memory_server, keys_move_through_some_trouble)
{
    play_many(5, 30, true);
}

Test(memory_server, keys_move_through_much_trouble)
{
    play_many(80, 30, true);
}
