/* SPDX-License-Identifier: MIT */
/* Two shards in one process. A client writes all the time; half the slots move from shard 1 to
 * shard 2 meanwhile. In the end each key is at one place only, with the newest value written. */
#include "memory_server.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_COUNT = 10000, SLOT_COUNT = RESHARD_SLOT_COUNT_DEFAULT, WRITES_A_TURN = 50 };
#define CHECK(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "line %d: %s\n", __LINE__, #condition), exit(1)))

static struct memory_transport *network;
static struct memory_server coordinator, servers[3]; /* servers 1 and 2: node n acts for shard n */
static uint64_t now_ns, values[KEY_COUNT]; /* values: what the client was told is written */

static uint32_t slot_of(const uint8_t *key, size_t key_size)
{
    return reshard_slot_crc16(key, key_size);
}

static void cluster_start(void)
{
    struct reshard_coordinator_config config = { /* it lives in the first node's process */
        .struct_size = sizeof config, .node = 1, .unique = 1};
    network = memory_transport_create();
    for (reshard_node_id id = 1; id <= 2; id++) {
        struct reshard_node_config node = { /* small chunks, so that there is something to watch */
            .struct_size = sizeof node, .node = id, .boot = 1, .chunk_size = 4096};
        CHECK(!memory_server_start_node(&servers[id], network, &node, slot_of, now_ns));
    }
    CHECK(!memory_server_start_coordinator(&coordinator, network, &config, now_ns));
}

/* One turn of the event loop: time passes, work is done, messages travel. */
static void turn(void)
{
    now_ns += 1000000;
    CHECK(!reshard_driver_run(coordinator.driver, now_ns, 0, NULL));
    for (size_t id = 1; id <= 2; id++)
        CHECK(!reshard_driver_run(servers[id].driver, now_ns, 0, NULL));
    for (size_t i = memory_transport_count(network); i > 0; i--)
        CHECK(memory_transport_pump(network, now_ns) == 1);
}

static void change(struct reshard_change change)
{
    change.struct_size = sizeof change;
    CHECK(!reshard_coordinator_change(coordinator.coordinator, &change));
}

/* Two shards with a node each; all slots belong to the first. */
static void map_make(void)
{
    static const struct reshard_range all = {0, SLOT_COUNT - 1};
    while (reshard_coordinator_leads(coordinator.coordinator) != 1)
        turn();
    for (uint32_t id = 1; id <= 2; id++) {
        change((struct reshard_change){
            .kind = RESHARD_CHANGE_SHARD_PUT, .shard = id, .weight = 1.0});
        change((struct reshard_change){.kind = RESHARD_CHANGE_NODE_PUT,
            .node = id, .shard = id, .role = RESHARD_ROLE_REPLICA});
        change((struct reshard_change){
            .kind = RESHARD_CHANGE_SHARD_PRIMARY, .node = id, .shard = id});
    }
    change((struct reshard_change){
        .kind = RESHARD_CHANGE_ASSIGN, .shard = 1, .ranges = &all, .range_count = 1});
    while (reshard_map_slot_owner(reshard_node_map(servers[1].node), 0) != 1)
        turn();
}

/* A client's write; 0: the slot parks writes for a moment, or the map has not come round yet. */
static int key_write(size_t number, uint64_t value)
{
    uint8_t key[32], state[64];
    size_t key_size = (size_t)snprintf((char *)key, sizeof key, "key:%zu", number);
    struct memory_record record = {
        MEMORY_RECORD_PUT, 0, key, key_size, (const uint8_t *)&value, sizeof value};
    uint32_t slot = slot_of(key, key_size), verdict = RESHARD_MOVED, to = 1;
    struct memory_server *server = NULL;
    for (int hops = 0; hops < 2 && verdict == RESHARD_MOVED; hops++) /* as clients follow */
        verdict = reshard_node_route((server = &servers[to])->node, slot, RESHARD_OP_WRITE, &to);
    if (verdict != RESHARD_SERVE && verdict != RESHARD_SERVE_CAPTURE)
        return 0;
    CHECK(!memory_store_write(server->store, &record));
    memory_record_write(&record, state); /* the key's state after the write */
    if (verdict == RESHARD_SERVE_CAPTURE)
        CHECK(!reshard_node_record(server->node, slot, state, memory_record_size(&record)));
    values[number] = value;
    return 1;
}

/* 0: the migration has ended. */
static int progress_show(reshard_migration_id migration)
{
    static uint32_t shown;
    struct reshard_progress progress = {.struct_size = sizeof progress};
    if (reshard_coordinator_progress(coordinator.coordinator, migration, &progress))
        return 0;
    if (progress.phase != shown)
        printf("%4u ms  %-8s %6u keys, %7u bytes\n", (unsigned)(now_ns / 1000000),
            reshard_phase_name(progress.phase), (unsigned)progress.keys, (unsigned)progress.bytes);
    shown = progress.phase;
    return 1;
}

/* Each key once, at the shard that the map names, as the client left it. */
static void prove(void)
{
    for (size_t number = 0; number < KEY_COUNT; number++) {
        uint8_t key[32];
        size_t key_size = (size_t)snprintf((char *)key, sizeof key, "key:%zu", number);
        struct memory_record found[3];
        uint32_t owner = reshard_map_slot_owner(
            reshard_coordinator_map(coordinator.coordinator), slot_of(key, key_size));
        for (uint32_t id = 1; id <= 2; id++)
            CHECK((memory_store_read(servers[id].store, key, key_size, now_ns, &found[id]) ==
                      RESHARD_OK) == (id == owner));
        CHECK(memcmp(found[owner].value, &values[number], sizeof values[number]) == 0);
    }
}

int main(void)
{
    const struct reshard_range half = {0, SLOT_COUNT / 2 - 1};
    struct reshard_migration_spec spec = {.struct_size = sizeof spec,
        .mode = RESHARD_MODE_SNAPSHOT, .source = 1, .target = 2, .ranges = &half, .range_count = 1};
    reshard_migration_id migration = 0;
    uint64_t writes = 0, parked = 0;
    cluster_start();
    map_make();
    for (size_t number = 0; number < KEY_COUNT; number++)
        CHECK(key_write(number, ++writes));
    CHECK(!reshard_coordinator_open(coordinator.coordinator, &spec, &migration));
    while (progress_show(migration)) {
        for (size_t i = 0; i < WRITES_A_TURN; i++)
            key_write((writes + parked) * 7919 % KEY_COUNT, writes + 1) ? writes++ : parked++;
        turn();
        CHECK(now_ns < 10000000000);
    }
    CHECK(reshard_map_slot_owner(reshard_node_map(servers[1].node), 0) == 2);
    prove();
    printf("%u keys, each at one place, with the newest of %u writes (%u tries were parked)\n",
        (unsigned)KEY_COUNT, (unsigned)writes, (unsigned)parked);
    memory_server_free(&servers[1]);
    memory_server_free(&servers[2]);
    memory_server_free(&coordinator);
    memory_transport_destroy(network);
    return 0;
}
