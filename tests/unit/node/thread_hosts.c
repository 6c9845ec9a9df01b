/* SPDX-License-Identifier: MIT */
/* Room node, tests: two hosts and a coordinator; whole migrations of both modes, there and back,
 * while a thread of each host routes. A plain program, for ThreadSanitizer. */
#include "memory_server.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64, HOSTS = 2, MIGRATIONS = 12, KEYS = 200 };
#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : (printf("line %d: %s\n", __LINE__, #condition), exit(1)))

static struct memory_transport *network;
static struct memory_server coordinator, servers[HOSTS + 1];
static uint64_t now_ns;
static atomic_int stop;
static atomic_int seen[HOSTS + 1]; /* by host: bits of the verdicts that its thread got */

static uint32_t slot_of(const uint8_t *key, size_t key_size)
{
    return reshard_slot_crc16(key, key_size) % SLOTS;
}

static void *route_all(void *user_data)
{
    struct memory_server *server = user_data;
    int all = 0;
    while (!atomic_load(&stop))
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            reshard_shard_id to;
            uint32_t op = slot % 2 ? RESHARD_OP_WRITE : RESHARD_OP_READ;
            uint32_t verdict = reshard_node_route(server->node, slot, op, &to);
            CHECK(verdict <= RESHARD_LOOKUP && to <= HOSTS);
            if (!(all >> verdict & 1))
                atomic_store(&seen[server - servers], all |= 1 << verdict);
        }
    return NULL;
}

static void turn(void)
{
    now_ns += 1000000;
    CHECK(!reshard_driver_run(coordinator.driver, now_ns, 0, NULL));
    for (size_t id = 1; id <= HOSTS; id++)
        CHECK(!reshard_driver_run(servers[id].driver, now_ns, 0, NULL));
    for (size_t i = memory_transport_count(network); i > 0; i--)
        CHECK(memory_transport_pump(network, now_ns) == 1);
}

static void change(struct reshard_change change)
{
    change.struct_size = sizeof change;
    CHECK(!reshard_coordinator_change(coordinator.coordinator, &change));
}

static void cluster_start(void)
{
    static const struct reshard_range all = {0, SLOTS - 1};
    struct reshard_coordinator_config config = {
        .struct_size = sizeof config, .node = 1, .unique = 1, .slot_count = SLOTS};
    network = memory_transport_create();
    for (reshard_node_id id = 1; id <= HOSTS; id++) {
        struct reshard_node_config node = {.struct_size = sizeof node,
            .node = id,
            .boot = 1,
            .slot_count = SLOTS,
            .chunk_size = 1024};
        CHECK(!memory_server_start_node(&servers[id], network, &node, slot_of, now_ns));
    }
    CHECK(!memory_server_start_coordinator(&coordinator, network, &config, now_ns));
    while (reshard_coordinator_leads(coordinator.coordinator) != 1)
        turn();
    for (uint32_t id = 1; id <= HOSTS; id++) {
        change((struct reshard_change){
            .kind = RESHARD_CHANGE_SHARD_PUT, .shard = id, .weight = 1.0});
        change((struct reshard_change){.kind = RESHARD_CHANGE_NODE_PUT,
            .node = id,
            .shard = id,
            .role = RESHARD_ROLE_REPLICA});
        change((struct reshard_change){
            .kind = RESHARD_CHANGE_SHARD_PRIMARY, .node = id, .shard = id});
    }
    change((struct reshard_change){
        .kind = RESHARD_CHANGE_ASSIGN, .shard = 1, .ranges = &all, .range_count = 1});
    while (reshard_map_slot_owner(reshard_node_map(servers[1].node), 0) != 1)
        turn();
}

static void keys_write(void)
{
    for (uint64_t number = 0; number < KEYS; number++) {
        uint8_t key[32];
        size_t key_size = (size_t)snprintf((char *)key, sizeof key, "key:%u", (unsigned)number);
        struct memory_record record = {MEMORY_RECORD_PUT, 0, key, key_size,
            (const uint8_t *)&number, sizeof number};
        CHECK(!memory_store_write(servers[1].store, &record));
    }
}

/* There and back, in both modes, to the end. */
static void migrate(uint32_t round)
{
    static const struct reshard_range half = {0, SLOTS / 2 - 1};
    struct reshard_migration_spec spec = {.struct_size = sizeof spec,
        .mode = round / 2 % 2 ? RESHARD_MODE_KEYWISE : RESHARD_MODE_SNAPSHOT,
        .source = 1 + round % 2,
        .target = 2 - round % 2,
        .ranges = &half,
        .range_count = 1};
    struct reshard_progress progress = {.struct_size = sizeof progress};
    reshard_migration_id migration;
    CHECK(!reshard_coordinator_open(coordinator.coordinator, &spec, &migration));
    while (!reshard_coordinator_progress(coordinator.coordinator, migration, &progress))
        turn();
    CHECK(reshard_map_slot_owner(
              reshard_coordinator_map(coordinator.coordinator), 0) == spec.target);
}

/* Both threads have met slots that their host serves, and slots that it does not. */
static int met(void)
{
    const int both = 1 << RESHARD_SERVE | 1 << RESHARD_MOVED;
    return (atomic_load(&seen[1]) & both) == both && (atomic_load(&seen[2]) & both) == both;
}

int main(void)
{
    pthread_t threads[HOSTS + 1];
    cluster_start();
    keys_write();
    for (size_t id = 1; id <= HOSTS; id++)
        CHECK(pthread_create(&threads[id], NULL, route_all, &servers[id]) == 0);
    uint32_t rounds = 0;
    while (rounds < MIGRATIONS || !met())
        migrate(rounds++);
    atomic_store(&stop, 1);
    for (size_t id = 1; id <= HOSTS; id++)
        CHECK(pthread_join(threads[id], NULL) == 0);
    for (size_t id = 1; id <= HOSTS; id++)
        memory_server_free(&servers[id]);
    memory_server_free(&coordinator);
    memory_transport_destroy(network);
    printf("%u migrations\n", (unsigned)rounds);
    return 0;
}
