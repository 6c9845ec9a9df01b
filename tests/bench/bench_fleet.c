/* SPDX-License-Identifier: MIT */
/* Benchmark: the coordinator with 1,000 nodes (500 shards, a replica each) that drives 512
 * migrations, 64 at once. The nodes are played: an order is answered at once with the report that
 * its phase waits for; journal and network take no time. What is timed is the coordinator only:
 * its calls for messages, completions and time, and the pulling of actions. */
#include "bench_fleet.h"
#include "phase/phase.h"
#include "wire/wire.h"

#include <reshard/coordinator.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARDS = 500, NODES = 2 * SHARDS, SLOTS = 16384, MIGRATIONS = 512, AT_ONCE = 64 };
enum { REPLIES = 4096, FLEET_REPEATS = 5 };

#define MUST(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "line %d: %s\n", __LINE__, #condition), exit(1)))

struct reply {
    reshard_node_id from;
    size_t size;
    uint8_t bytes[RESHARD__MESSAGE_HEADER_MAX];
};

static struct {
    struct reshard_coordinator *coordinator;
    uint64_t now_ns;
    struct reply replies[REPLIES];
    size_t reply_count;
    uint64_t messages, completions, appends, bytes;
    double spent_ns;
} fleet;

static double clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* What the primary of a side reports under an order. */
static void order_answer(reshard_node_id to, const struct reshard__message *order)
{
    const struct reshard_map *map = reshard_coordinator_map(fleet.coordinator);
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    struct reshard__message report = {.type = RESHARD__REPORT};
    if (reshard_map_migration_find(map, order->migration, &migration))
        return;
    const reshard_shard_id own = (reshard_shard_id)((to + 1) / 2);
    MUST(!reshard_map_shard_find(map, own, &shard));
    struct reshard__need need = reshard__phase_need(order->phase);
    report.migration = order->migration;
    report.order = order->order;
    report.phase = order->phase;
    report.result = need.results[own == migration.source ? 0 : 1];
    if (report.result == RESHARD__RESULT_ANY)
        report.result = RESHARD__RESULT_KEEPING;
    report.copy = order->copy;
    report.attempt = order->attempt;
    report.epoch = shard.epoch;
    report.sequence = report.durable_sequence = report.final_sequence = 10;
    report.digest = (struct reshard_digest){1, 2};
    MUST(fleet.reply_count < REPLIES);
    struct reply *reply = &fleet.replies[fleet.reply_count++];
    reply->from = to;
    MUST(!reshard__message_encode(&report, reply->bytes, sizeof reply->bytes, &reply->size));
}

enum { BATCH = 2048 };

/* Pull what there is; play it; complete it. Whether there was anything. */
static bool actions_do(void)
{
    static struct reshard_action actions[BATCH];
    size_t count = 0;
    double start = clock_ns();
    for (; count < BATCH; count++) {
        actions[count].struct_size = sizeof actions[count];
        if (reshard_coordinator_action_next(fleet.coordinator, &actions[count]))
            break;
    }
    fleet.spent_ns += clock_ns() - start;
    for (size_t i = 0; i < count; i++) {
        struct reshard__message message;
        const struct reshard_action *action = &actions[i];
        fleet.appends += action->kind == RESHARD_ACTION_APPEND;
        if (action->kind != RESHARD_ACTION_SEND || action->header_size == 0)
            continue;
        fleet.bytes += action->header_size;
        MUST(!reshard__message_decode(action->header, action->header_size, 0, &message, NULL));
        if (message.type == RESHARD__ORDER)
            order_answer(action->to, &message);
    }
    start = clock_ns();
    for (size_t i = 0; i < count; i++)
        MUST(!reshard_coordinator_complete(
            fleet.coordinator, actions[i].id, NULL, fleet.now_ns));
    fleet.spent_ns += clock_ns() - start;
    fleet.completions += count;
    return count > 0;
}

static void turn(void)
{
    while (actions_do())
        ;
    const size_t count = fleet.reply_count;
    double start = clock_ns();
    for (size_t i = 0; i < count; i++)
        MUST(!reshard_coordinator_receive(fleet.coordinator, fleet.replies[i].from,
            fleet.replies[i].bytes, fleet.replies[i].size, fleet.now_ns));
    fleet.now_ns += 1000000;
    MUST(!reshard_coordinator_tick(fleet.coordinator, fleet.now_ns));
    fleet.spent_ns += clock_ns() - start;
    fleet.messages += count;
    fleet.reply_count = 0;
}

static void change(struct reshard_change what)
{
    what.struct_size = sizeof what;
    MUST(!reshard_coordinator_change(fleet.coordinator, &what));
    while (actions_do())
        ;
}

static void fleet_start(void)
{
    struct reshard_coordinator_config config = {
        .struct_size = sizeof config, .node = 1, .unique = 1, .in_flight_limit = AT_ONCE};
    memset(&fleet, 0, sizeof fleet);
    MUST(!reshard_coordinator_create(&config, &fleet.coordinator));
    MUST(!reshard_coordinator_start(fleet.coordinator, 1));
    while (reshard_coordinator_leads(fleet.coordinator) != 1)
        turn();
    for (uint32_t id = 1; id <= SHARDS; id++) {
        const uint32_t first = (id - 1) * (SLOTS / SHARDS);
        const struct reshard_range slots = {first, first + SLOTS / SHARDS - 1};
        change((struct reshard_change){
            .kind = RESHARD_CHANGE_SHARD_PUT, .shard = id, .weight = 1.0});
        for (uint32_t i = 1; i <= 2; i++)
            change((struct reshard_change){.kind = RESHARD_CHANGE_NODE_PUT,
                .node = 2 * id - 2 + i, .shard = id, .role = RESHARD_ROLE_REPLICA});
        change((struct reshard_change){
            .kind = RESHARD_CHANGE_SHARD_PRIMARY, .node = 2 * id - 1, .shard = id});
        change((struct reshard_change){.kind = RESHARD_CHANGE_ASSIGN, .shard = id,
            .ranges = &slots, .range_count = 1});
    }
    turn();
}

static void migrations_open(void)
{
    for (uint32_t i = 0; i < MIGRATIONS; i++) {
        const uint32_t source = i % SHARDS, slot = source * (SLOTS / SHARDS) + i / SHARDS;
        const struct reshard_range range = {slot, slot};
        const struct reshard_migration_spec spec = {.struct_size = sizeof spec,
            .source = source + 1, .target = (source + 1) % SHARDS + 1,
            .mode = RESHARD_MODE_SNAPSHOT, .ranges = &range, .range_count = 1};
        reshard_migration_id migration;
        double start = clock_ns();
        MUST(!reshard_coordinator_open(fleet.coordinator, &spec, &migration));
        fleet.spent_ns += clock_ns() - start;
    }
}

static int by_rate(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_fleet(void)
{
    double rates[FLEET_REPEATS], spent[FLEET_REPEATS];
    for (int r = 0; r < FLEET_REPEATS; r++) {
        fleet_start();
        fleet.messages = fleet.completions = fleet.appends = fleet.bytes = 0;
        fleet.spent_ns = 0;
        migrations_open();
        for (int turns = 0; turns == 0 ||
             reshard_map_migration_count(reshard_coordinator_map(fleet.coordinator)) > 0; turns++) {
            turn();
            MUST(turns < 100000);
        }
        spent[r] = fleet.spent_ns / 1e6;
        rates[r] = (double)(fleet.messages + fleet.completions) / fleet.spent_ns * 1e9;
        MUST(reshard_map_slot_owner(reshard_coordinator_map(fleet.coordinator), 0) == 2);
        reshard_coordinator_destroy(fleet.coordinator);
    }
    qsort(rates, FLEET_REPEATS, sizeof *rates, by_rate);
    qsort(spent, FLEET_REPEATS, sizeof *spent, by_rate);
    printf("coordinator, %d nodes, %d migrations, %d at once\n", NODES, MIGRATIONS, AT_ONCE);
    printf("  %.0f events/s (%llu reports, %llu completions, of them %llu appends; %.1f MB sent) "
           "in %.0f ms: %.0f reports/s, all that follows from them included\n",
        rates[FLEET_REPEATS / 2], (unsigned long long)fleet.messages,
        (unsigned long long)fleet.completions, (unsigned long long)fleet.appends,
        (double)fleet.bytes / 1e6, spent[FLEET_REPEATS / 2],
        (double)fleet.messages / spent[FLEET_REPEATS / 2] * 1e3);
}
