/* SPDX-License-Identifier: MIT */
/* Room node, tests: two threads route while the owner thread opens, drives and aborts migrations.
 * A plain program, since ThreadSanitizer and the test framework do not go together. With the
 * argument "race" the routers also read what only the owner thread may, and ThreadSanitizer has to
 * say so: that is the test of the test. */
#include "node/node.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64, ROUNDS = 300, ROUTERS = 2 };
#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : (printf("line %d: %s\n", __LINE__, #condition), exit(1)))

struct shared {
    struct reshard_node *node;
    atomic_int stop;
    atomic_int started;
    int race;
};

struct router {
    struct shared *shared;
    uint64_t verdicts[RESHARD_LOOKUP + 1];
    uint64_t sum; /* keeps the racy read alive */
};

static void *route_all(void *user_data)
{
    struct router *router = user_data;
    struct shared *shared = router->shared;
    atomic_fetch_add(&shared->started, 1);
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            reshard_shard_id to;
            uint32_t verdict = reshard_node_route(shared->node, slot, RESHARD_OP_WRITE, &to);
            router->verdicts[verdict <= RESHARD_LOOKUP ? verdict : 0]++;
            /* Only the other half is ever frozen, under the same cell. */
            CHECK(slot >= SLOTS / 4 || verdict != RESHARD_PARK);
        }
        if (shared->race)
            router->sum += shared->node->now_ns;
    }
    return NULL;
}

static uint64_t now_ns = 1;

/* Whatever is asked succeeds at once. */
static void run(struct reshard_node *node)
{
    struct reshard_action action;
    struct reshard_completion completion;
    for (;;) {
        reshard_action_init(&action);
        reshard_completion_init(&completion);
        if (reshard_node_action_next(node, &action))
            return;
        completion.done = 1;
        CHECK(reshard_node_complete(node, action.id, &completion, now_ns) == RESHARD_OK);
    }
}

static void feed(struct reshard_node *node, const struct reshard__message *message)
{
    uint8_t bytes[1024];
    size_t size;
    CHECK(reshard__message_encode(message, bytes, sizeof bytes, &size) == RESHARD_OK);
    CHECK(reshard_node_receive(node, 9, bytes, size, ++now_ns) == RESHARD_OK);
    run(node);
}

static void change(struct reshard_node *node, struct reshard_change change)
{
    uint8_t bytes[512];
    struct reshard__message message = {.type = RESHARD__MAP};
    change.struct_size = sizeof change;
    message.from = reshard_map_version(node->next);
    message.to = message.from + 1;
    message.changes.data = bytes;
    CHECK(
        reshard__change_encode(&change, bytes, sizeof bytes, &message.changes.size) == RESHARD_OK);
    feed(node, &message);
}

static void order(struct reshard_node *node, reshard_migration_id migration, uint32_t phase)
{
    static uint64_t n;
    struct reshard__message message = {.type = RESHARD__ORDER, .migration = migration};
    message.order = (struct reshard__order_id){1, ++n};
    message.copy = message.order;
    message.phase = phase;
    message.attempt = n;
    message.freeze_ns = 1000;
    message.map_version = reshard_map_version(node->next);
    feed(node, &message);
}

static void prepare(struct reshard_node *node)
{
    static const struct reshard_range all = {0, SLOTS - 1};
    for (uint32_t id = 1; id <= 2; id++) {
        change(node,
            (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PUT, .shard = id, .weight = 1.0});
        change(node, (struct reshard_change){.kind = RESHARD_CHANGE_NODE_PUT,
                         .node = id,
                         .shard = id,
                         .role = RESHARD_ROLE_REPLICA});
        change(node,
            (struct reshard_change){.kind = RESHARD_CHANGE_SHARD_PRIMARY, .shard = id, .node = id});
    }
    change(node, (struct reshard_change){
                     .kind = RESHARD_CHANGE_ASSIGN, .shard = 1, .ranges = &all, .range_count = 1});
}

static void round_run(struct reshard_node *node, reshard_migration_id migration)
{
    /* Frozen ones and others take turns, in one cell. */
    bool freezes = migration % 4 == 1;
    const struct reshard_range quarters[2] = {{0, SLOTS / 4 - 1}, {SLOTS / 4, SLOTS / 2 - 1}};
    change(node, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_OPEN,
                     .migration = migration,
                     .source = 1,
                     .target = 2,
                     .mode = migration % 2 ? RESHARD_MODE_SNAPSHOT : RESHARD_MODE_KEYWISE,
                     .ranges = &quarters[freezes],
                     .range_count = 1});
    order(node, migration, RESHARD_PHASE_PREPARE);
    order(node, migration, migration % 2 ? RESHARD_PHASE_COPY : RESHARD_PHASE_MOVE);
    if (freezes)
        order(node, migration, RESHARD_PHASE_FREEZE);
    change(node,
        (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_ABORT, .migration = migration});
    order(node, migration, RESHARD_PHASE_UNDO);
    change(node,
        (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_END, .migration = migration});
    now_ns += UINT64_C(6000000000);
    for (int i = 0; i < 2; i++) {
        CHECK(reshard_node_tick(node, now_ns += UINT64_C(6000000000)) == RESHARD_OK);
        run(node);
    }
    CHECK(reshard_node_route(node, 0, RESHARD_OP_WRITE, NULL) == RESHARD_SERVE);
}

int main(int argc, char **argv)
{
    struct shared shared = {.race = argc > 1 && strcmp(argv[1], "race") == 0};
    struct router routers[ROUTERS] = {{0}};
    pthread_t threads[ROUTERS];
    struct reshard_node_config config;
    reshard_node_config_init(&config);
    config.node = 1;
    config.slot_count = SLOTS;
    config.migration_limit = 1;
    CHECK(reshard_node_create(&config, &shared.node) == RESHARD_OK);
    CHECK(reshard_node_start(shared.node, now_ns) == RESHARD_OK);
    run(shared.node);
    prepare(shared.node);
    for (int i = 0; i < ROUTERS; i++) {
        routers[i].shared = &shared;
        CHECK(pthread_create(&threads[i], NULL, route_all, &routers[i]) == 0);
    }
    while (atomic_load(&shared.started) < ROUTERS)
        continue;
    for (uint64_t migration = 1; migration <= ROUNDS; migration++)
        round_run(shared.node, migration);
    atomic_store(&shared.stop, 1);
    uint64_t served = 0, other = 0;
    for (int i = 0; i < ROUTERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        served += routers[i].verdicts[RESHARD_SERVE];
        other += routers[i].verdicts[RESHARD_MOVED] + routers[i].verdicts[RESHARD_DOWN];
    }
    CHECK(served > 0);
    CHECK(other == 0); /* the owner all the while */
    reshard_node_destroy(shared.node);
    printf("%zu verdicts SERVE\n", (size_t)served);
    return 0;
}
