/* SPDX-License-Identifier: MIT */
/* A host's own store: it holds in seeds and scenarios, what it forgets is found, and the world
 * refuses what is no store. Whole mistakes stand beside examples/test_own_store.c. */
#include <criterion/criterion.h>
#include <reshard-sim/store.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 64, SEEDS = 40, MIGRATIONS = 64 };

/* Keywise alone, all durable at once: the least that a store needs. */
struct least {
    uint64_t values[KEYS];
    uint32_t sizes[KEYS];
    struct {
        uint64_t copy_term, copy_n, sequence;
    } positions[MIGRATIONS];
    uint32_t slot_count;
};

static int opened, closed, crashed;
static int32_t open_status;
static int32_t remove_status;

static void number_put(uint8_t *place, uint64_t number, int size)
{
    for (int i = 0; i < size; i++)
        place[i] = (uint8_t)(number >> (8 * i));
}

static uint64_t number_get(const uint8_t *place, int size)
{
    uint64_t number = 0;
    for (int i = size; i-- > 0;)
        number = number << 8 | place[i];
    return number;
}

static int within(const struct least *least, const struct reshard_action *action, uint32_t key)
{
    for (size_t i = 0; i < action->range_count; i++)
        if (key % least->slot_count >= action->ranges[i].first &&
            key % least->slot_count <= action->ranges[i].last)
            return 1;
    return 0;
}

static int pick(const struct least *least, const struct reshard_action *action, uint32_t key,
    struct reshard_completion *completion)
{
    size_t state = 8 + least->sizes[key], size = 12 + state;
    if (least->values[key] == 0 || !within(least, action, key))
        return 1;
    if (action->capacity == 0) {
        completion->keys++;
        return 1;
    }
    if (completion->size + size > action->capacity) {
        completion->size = completion->size ? completion->size : size;
        return 0;
    }
    completion->keys++;
    uint8_t *place = action->buffer + completion->size;
    number_put(place, 4, 4);
    number_put(place + 4, state, 4);
    number_put(place + 8, key, 4);
    number_put(place + 12, least->values[key], 8);
    memset(place + 20, 7, least->sizes[key]);
    completion->size += size;
    return 1;
}

static int32_t on_pick(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    const struct least *least = user_data;
    uint32_t key = (uint32_t)action->cursor;
    int fits = 1;
    if (action->payload) {
        for (size_t at = 0; fits && at < action->payload_size;
             at += 12 + number_get(action->payload + at + 4, 4))
            fits = pick(least, action, (uint32_t)number_get(action->payload + at + 8, 4),
                completion);
        completion->done = (uint32_t)fits;
        return fits || completion->keys ? RESHARD_OK : RESHARD_E_SPACE;
    }
    while (key < KEYS && pick(least, action, key, completion))
        key++;
    completion->cursor = key;
    completion->done = key == KEYS;
    return key == KEYS || completion->keys ? RESHARD_OK : RESHARD_E_SPACE;
}

static int32_t on_apply(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct least *least = user_data;
    if (action->mode == RESHARD_MODE_SNAPSHOT)
        return RESHARD_E_HOOK;
    for (size_t at = 0; at < action->payload_size;) {
        uint64_t state = number_get(action->payload + at + 4, 4);
        uint32_t key = (uint32_t)number_get(action->payload + at + 8, 4);
        least->values[key] = number_get(action->payload + at + 12, 8);
        least->sizes[key] = (uint32_t)state - 8;
        at += 12 + state;
    }
    uint64_t place = action->migration % MIGRATIONS;
    least->positions[place].copy_term = action->copy_term;
    least->positions[place].copy_n = action->copy_n;
    least->positions[place].sequence = completion->sequence = action->sequence;
    return RESHARD_OK;
}

static int32_t on_sync(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    const struct least *least = user_data;
    uint64_t place = action->migration % MIGRATIONS;
    completion->copy_term = least->positions[place].copy_term;
    completion->copy_n = least->positions[place].copy_n;
    completion->sequence = least->positions[place].sequence;
    return RESHARD_OK;
}

static int32_t on_remove(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct least *least = user_data;
    (void)completion;
    for (size_t at = 0; at < action->payload_size;
         at += 12 + number_get(action->payload + at + 4, 4))
        least->values[number_get(action->payload + at + 8, 4)] = 0;
    return remove_status;
}

static int32_t on_purge(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct least *least = user_data;
    for (uint32_t key = 0; key < KEYS; key++)
        if (within(least, action, key))
            least->values[key] = 0;
    completion->done = 1;
    return RESHARD_OK;
}

static int32_t on_discard(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    (void)user_data;
    (void)action;
    (void)completion;
    return RESHARD_OK;
}

static int32_t least_open(void *user_data, reshard_node_id node, uint32_t slot_count,
    struct reshard_store *hooks_out)
{
    (void)user_data;
    if (open_status && node > 1)
        return open_status;
    struct least *least = calloc(1, sizeof *least);
    cr_assert(least);
    opened++;
    least->slot_count = slot_count;
    *hooks_out = (struct reshard_store){.struct_size = sizeof *hooks_out, .user_data = least,
        .apply = on_apply, .sync = on_sync, .discard = on_discard, .purge = on_purge,
        .pick = on_pick, .remove = on_remove};
    return RESHARD_OK;
}

static void least_close(void *user_data)
{
    closed++;
    free(user_data);
}

static void least_crash(void *user_data, uint32_t fate)
{
    (void)user_data;
    cr_assert_lt(fate, 1000);
    crashed++;
}

static void least_write(void *user_data, uint32_t key, uint64_t value, uint32_t size)
{
    struct least *least = user_data;
    least->values[key] = value;
    least->sizes[key] = size;
}

static uint64_t least_read(void *user_data, uint32_t key)
{
    return ((const struct least *)user_data)->values[key];
}

static uint64_t least_record(
    void *user_data, uint32_t key, uint8_t *buffer, uint64_t capacity)
{
    (void)user_data;
    if (capacity > 0)
        *buffer = (uint8_t)key;
    return 1;
}

static struct reshard_sim_store least_store(void)
{
    struct reshard_sim_store store;
    reshard_sim_store_init(&store);
    store.open = least_open;
    store.close = least_close;
    store.crash = least_crash;
    store.write = least_write;
    store.read = least_read;
    return store;
}

Test(custom, store_keywise_seeds_hold)
{
    struct reshard_sim_store store = least_store();
    struct reshard_sim_swarm swarm;
    struct reshard_sim_report report;
    uint64_t requests = 0;
    reshard_sim_swarm_init(&swarm);
    reshard_sim_report_init(&report);
    swarm.store = &store;
    swarm.mode = RESHARD_MODE_KEYWISE;
    for (swarm.seed = 1; swarm.seed <= SEEDS; swarm.seed++) {
        cr_assert_eq(reshard_sim_swarm_run(&swarm, NULL, NULL, NULL, 0, &report), RESHARD_OK);
        cr_expect(!report.violated && !report.failed, "seed %llu: %s",
            (unsigned long long)swarm.seed, report.checker);
        requests += report.requests;
    }
    cr_expect_gt(requests, 200 * SEEDS);
    cr_expect_gt(crashed, SEEDS);
    cr_expect_eq(opened, closed);
    cr_expect_eq(opened, 5 * SEEDS, "three nodes and two replicas a seed: %d", opened);
}

static struct reshard_sim_report scenario(const struct reshard_sim_store *store, const char *move)
{
    struct reshard_sim_report report;
    char text[512];
    reshard_sim_report_init(&report);
    (void)snprintf(text, sizeof text,
        "world slots 8 keys 32 retry 5ms\nnodes 2\nstart\nload 24\n"
        "writer every 200us reads 30 deletes 20 for 100\n%s\nrun until end within 2s\n"
        "run until idle\nexpect owner 0-3 s2\nexpect intact\n", move);
    cr_assert_eq(
        reshard_sim_scenario_store(text, strlen(text), store, NULL, NULL, &report), RESHARD_OK);
    return report;
}

Test(custom, store_scenario_holds)
{
    struct reshard_sim_store store = least_store();
    struct reshard_sim_report report = scenario(&store, "move 0-3 s1 s2 keywise");
    cr_expect(!report.violated && !report.failed, "line %u: %s", report.line, report.checker);
    cr_expect_eq(opened, 2);
    cr_expect_eq(closed, 2);
}

Test(custom, hook_missing_ends_no_migration)
{
    struct reshard_sim_store store = least_store();
    store.record = least_record;
    struct reshard_sim_report report = scenario(&store, "move 0-3 s1 s2 snapshot");
    cr_expect(!report.violated && report.failed, "%s", report.checker);
    cr_expect_eq(report.line, 7);
}

Test(custom, captured_write_without_record_is_told)
{
    struct reshard_sim_store store = least_store();
    struct reshard_sim_report report = scenario(&store, "move 0-3 s1 s2 snapshot");
    cr_expect(report.violated);
    cr_expect_str_eq(report.checker, "hook");
}

Test(custom, hook_pending_is_told)
{
    struct reshard_sim_store store = least_store();
    remove_status = RESHARD_PENDING;
    struct reshard_sim_report report = scenario(&store, "move 0-3 s1 s2 keywise");
    cr_expect(report.violated);
    cr_expect_str_eq(report.checker, "hook");
}

Test(custom, open_failing_is_told)
{
    struct reshard_sim_store store = least_store();
    open_status = RESHARD_E_NOMEM;
    struct reshard_sim_report report = scenario(&store, "move 0-3 s1 s2 keywise");
    cr_expect(report.violated);
    cr_expect_str_eq(report.checker, "hook");
    cr_expect_eq(opened, closed);
}

Test(custom, store_without_a_callback_is_refused)
{
    struct reshard_sim_report report;
    struct reshard_sim_swarm swarm;
    reshard_sim_report_init(&report);
    reshard_sim_swarm_init(&swarm);
    for (int i = 0; i < 5; i++) {
        struct reshard_sim_store store = least_store();
        store.open = i == 0 ? NULL : store.open;
        store.close = i == 1 ? NULL : store.close;
        store.write = i == 2 ? NULL : store.write;
        store.read = i == 3 ? NULL : store.read;
        store.struct_size -= i == 4;
        int32_t wanted = i == 4 ? RESHARD_E_STRUCT_SIZE : RESHARD_E_HOOK_MISSING;
        swarm.store = &store;
        cr_expect_eq(reshard_sim_swarm_run(&swarm, NULL, NULL, NULL, 0, &report), wanted);
        cr_expect_eq(
            reshard_sim_scenario_store("nodes 1\n", 8, &store, NULL, NULL, &report), wanted);
    }
    cr_expect_eq(opened, 0);
    reshard_sim_store_init(NULL);
}
