/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>

void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    reshard_coordinator_config_init(&fixture->config);
    fixture->config.node = 1;
    fixture->config.unique = 7;
    fixture->config.slot_count = FIXTURE_SLOTS;
    fixture->config.allocator = support_alloc_init(&fixture->alloc);
    fixture->now_ns = 1000000000;
}

void fixture_create(struct fixture *fixture)
{
    cr_assert_eq(
        reshard_coordinator_create(&fixture->config, &fixture->coordinator), RESHARD_OK);
}

int32_t fixture_start(struct fixture *fixture)
{
    int32_t status = reshard_coordinator_start(fixture->coordinator, fixture->now_ns);
    fixture_pump(fixture);
    return status;
}

static void change_must(struct fixture *fixture, struct reshard_change change)
{
    cr_assert_eq(fixture_change(fixture, &change), RESHARD_OK);
}

static struct reshard_change change_of(uint32_t kind, reshard_shard_id shard)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = kind;
    change.shard = shard;
    return change;
}

void fixture_cluster(struct fixture *fixture)
{
    static const struct reshard_range ranges[] = {{0, 47}, {48, 63}};
    for (reshard_shard_id shard = 1; shard <= 2; shard++) {
        struct reshard_change change = change_of(RESHARD_CHANGE_SHARD_PUT, shard);
        change.weight = 1;
        change_must(fixture, change);
        for (reshard_node_id node = 10 * shard + 1; node <= 10 * shard + 2; node++) {
            change = change_of(RESHARD_CHANGE_NODE_PUT, shard);
            change.node = node;
            change.role = RESHARD_ROLE_REPLICA;
            change_must(fixture, change);
        }
        cr_assert_eq(fixture_primary(fixture, shard, 10 * shard + 1), RESHARD_OK);
        change = change_of(RESHARD_CHANGE_ASSIGN, shard);
        change.ranges = &ranges[shard - 1];
        change.range_count = 1;
        change_must(fixture, change);
    }
}

void fixture_open(struct fixture *fixture)
{
    fixture_create(fixture);
    cr_assert_eq(fixture_start(fixture), RESHARD_OK);
    fixture_cluster(fixture);
    cr_assert_eq(reshard_coordinator_leads(fixture->coordinator), 1);
}

void fixture_close(struct fixture *fixture)
{
    reshard_coordinator_destroy(fixture->coordinator);
    fixture->coordinator = NULL;
    free(fixture->journal);
    fixture->journal = NULL;
    cr_assert(support_alloc_clean(&fixture->alloc), "%zu blocks live, %zu faults",
        fixture->alloc.live_blocks, fixture->alloc.faults);
}

void fixture_restart(struct fixture *fixture)
{
    reshard_coordinator_destroy(fixture->coordinator);
    fixture->config.unique++;
    fixture->held_count = 0;
    fixture_create(fixture);
    cr_assert_eq(reshard_coordinator_restore(
                     fixture->coordinator, fixture->journal, fixture->journal_size),
        RESHARD_OK);
}

void fixture_script(struct fixture *fixture, uint32_t kind, int32_t status, bool lands)
{
    fixture->script_kind = kind;
    fixture->script_status = status;
    fixture->script_lands = lands;
    fixture->script_left = 1;
}

static void journal_put(struct fixture *fixture, const struct reshard_action *action)
{
    if (action->kind == RESHARD_ACTION_COMPACT)
        fixture->journal_size = 0;
    size_t size = fixture->journal_size + action->header_size;
    if (size > fixture->journal_capacity) {
        fixture->journal_capacity = 2 * size;
        fixture->journal = realloc(fixture->journal, fixture->journal_capacity);
    }
    memcpy(fixture->journal + fixture->journal_size, action->header, action->header_size);
    fixture->journal_size = size;
}

static void complete(struct fixture *fixture, uint64_t id, int32_t status)
{
    struct reshard_completion completion;
    reshard_completion_init(&completion);
    completion.status = status;
    int32_t result;
    do {
        result = reshard_coordinator_complete(
            fixture->coordinator, id, &completion, fixture->now_ns);
    } while (result == RESHARD_E_NOMEM);
    cr_assert_eq(result, RESHARD_OK, "complete: %s", reshard_strname(result));
}

static int32_t journal_do(struct fixture *fixture, const struct reshard_action *action)
{
    bool scripted = fixture->script_left > 0 && fixture->script_kind == action->kind;
    fixture->script_left -= scripted;
    fixture->append_count += action->kind == RESHARD_ACTION_APPEND;
    fixture->load_count += action->kind == RESHARD_ACTION_LOAD;
    fixture->compact_count += action->kind == RESHARD_ACTION_COMPACT;
    if (action->kind == RESHARD_ACTION_APPEND) {
        fixture->append_index = action->index;
        cr_assert_eq(action->durability, RESHARD_DURABILITY_FULL);
    }
    if (action->kind == RESHARD_ACTION_COMPACT) {
        fixture->compact_index = action->index;
        fixture->compact_term = action->term;
    }
    if (scripted && !fixture->script_lands)
        return fixture->script_status;
    if (action->kind == RESHARD_ACTION_LOAD) {
        int32_t status = reshard_coordinator_restore(
            fixture->coordinator, fixture->journal, fixture->journal_size);
        cr_assert_eq(status, RESHARD_OK, "%s", reshard_strname(status));
    } else {
        journal_put(fixture, action);
    }
    return scripted ? fixture->script_status : RESHARD_OK;
}

static void sent_keep(struct fixture *fixture, const struct reshard_action *action)
{
    cr_assert_lt(fixture->sent_count, FIXTURE_SENT_MAX);
    struct fixture_sent *sent = &fixture->sent[fixture->sent_count++];
    sent->to = action->to;
    int32_t status = reshard__message_decode(
        action->header, action->header_size, 0, &sent->message, NULL);
    cr_assert_eq(status, RESHARD_OK);
}

void fixture_pump(struct fixture *fixture)
{
    struct reshard_action action;
    reshard_action_init(&action);
    while (reshard_coordinator_action_next(fixture->coordinator, &action) == RESHARD_OK) {
        if (action.kind == RESHARD_ACTION_SEND) {
            sent_keep(fixture, &action);
            complete(fixture, action.id, RESHARD_OK);
        } else if (fixture->hold) {
            fixture->held[fixture->held_count++] = action;
        } else {
            complete(fixture, action.id, journal_do(fixture, &action));
        }
    }
}

void fixture_release(struct fixture *fixture)
{
    fixture->hold = false;
    for (size_t i = 0; i < fixture->held_count; i++)
        complete(fixture, fixture->held[i].id, journal_do(fixture, &fixture->held[i]));
    fixture->held_count = 0;
    fixture_pump(fixture);
}

void fixture_pass(struct fixture *fixture, uint64_t ns)
{
    fixture->now_ns += ns;
    int32_t status;
    do {
        status = reshard_coordinator_tick(fixture->coordinator, fixture->now_ns);
    } while (status == RESHARD_E_NOMEM);
    cr_assert_eq(status, RESHARD_OK, "tick: %s", reshard_strname(status));
    fixture_pump(fixture);
}

int32_t fixture_change(struct fixture *fixture, const struct reshard_change *change)
{
    int32_t status;
    do {
        status = reshard_coordinator_change(fixture->coordinator, change);
    } while (status == RESHARD_E_NOMEM);
    fixture_pump(fixture);
    return status;
}

int32_t fixture_primary(struct fixture *fixture, reshard_shard_id shard, reshard_node_id node)
{
    struct reshard_change change = change_of(RESHARD_CHANGE_SHARD_PRIMARY, shard);
    change.node = node;
    return fixture_change(fixture, &change);
}

reshard_migration_id fixture_migration_of(struct fixture *fixture,
    struct reshard_migration_spec *spec, uint32_t first, uint32_t last)
{
    const struct reshard_range range = {first, last};
    reshard_migration_id migration = 0;
    spec->source = 1;
    spec->target = 2;
    spec->ranges = &range;
    spec->range_count = 1;
    int32_t status;
    do {
        status = reshard_coordinator_open(fixture->coordinator, spec, &migration);
    } while (status == RESHARD_E_NOMEM);
    cr_assert_eq(status, RESHARD_OK, "open: %s", reshard_strname(status));
    fixture_pump(fixture);
    return migration;
}

reshard_migration_id fixture_migration(
    struct fixture *fixture, uint32_t mode, uint32_t first, uint32_t last)
{
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.mode = mode;
    return fixture_migration_of(fixture, &spec, first, last);
}

static reshard_node_id primary_of(const struct fixture *fixture, uint32_t side)
{
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    (void)reshard_map_shard_find(
        reshard_coordinator_map(fixture->coordinator), side, &shard);
    return shard.primary;
}

const struct reshard__message *fixture_order(
    struct fixture *fixture, reshard_migration_id migration, uint32_t side)
{
    reshard_node_id node = primary_of(fixture, side);
    for (size_t i = fixture->sent_count; i-- > 0;) {
        const struct fixture_sent *sent = &fixture->sent[i];
        if (sent->message.type == RESHARD__ORDER && sent->to == node &&
            sent->message.migration == migration)
            return &sent->message;
    }
    cr_assert_fail("no order to side %u", side);
    return NULL;
}

size_t fixture_sent_of(const struct fixture *fixture, uint32_t type)
{
    size_t count = 0;
    for (size_t i = 0; i < fixture->sent_count; i++)
        count += fixture->sent[i].message.type == type;
    return count;
}

struct reshard__message fixture_report(
    struct fixture *fixture, reshard_migration_id migration, uint32_t side, uint32_t result)
{
    const struct reshard__message *order = fixture_order(fixture, migration, side);
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    (void)reshard_map_shard_find(
        reshard_coordinator_map(fixture->coordinator), side, &shard);
    struct reshard__message report = {.type = RESHARD__REPORT};
    report.migration = migration;
    report.order = order->order;
    report.phase = order->phase;
    report.copy = order->copy;
    report.attempt = order->attempt;
    report.epoch = shard.epoch;
    report.result = result;
    return report;
}

int32_t fixture_say(
    struct fixture *fixture, reshard_node_id from, const struct reshard__message *message)
{
    uint8_t bytes[512];
    size_t size;
    cr_assert_eq(reshard__message_encode(message, bytes, sizeof bytes, &size), RESHARD_OK);
    int32_t status;
    do {
        status = reshard_coordinator_receive(
            fixture->coordinator, from, bytes, size, fixture->now_ns);
    } while (status == RESHARD_E_NOMEM);
    fixture_pump(fixture);
    return status;
}

void fixture_tell(
    struct fixture *fixture, reshard_migration_id migration, uint32_t side, uint32_t result)
{
    struct reshard__message report = fixture_report(fixture, migration, side, result);
    cr_assert_eq(fixture_say(fixture, primary_of(fixture, side), &report), RESHARD_OK);
}

void fixture_step(struct fixture *fixture, reshard_migration_id migration)
{
    uint32_t phase = fixture_phase(fixture, migration);
    if (phase == RESHARD_PHASE_COUNT)
        return;
    struct reshard__need need = reshard__phase_need(phase);
    if (!need.waits) {
        fixture_pass(fixture, fixture->config.retry_ns + 200000000);
        return;
    }
    for (uint32_t side = SOURCE; side <= TARGET; side++)
        if (need.results[side - 1] != RESHARD__RESULT_ANY &&
            fixture_phase(fixture, migration) == phase)
            fixture_tell(fixture, migration, side, need.results[side - 1]);
    if (fixture_phase(fixture, migration) == phase)
        fixture_pass(fixture, 200000000); /* a back-off */
}

void fixture_reach(struct fixture *fixture, reshard_migration_id migration, uint32_t phase)
{
    for (int i = 0; i < 40 && fixture_phase(fixture, migration) != phase; i++)
        fixture_step(fixture, migration);
    cr_assert_eq(fixture_phase(fixture, migration), phase, "stuck in %s before %s",
        reshard_phase_name(fixture_phase(fixture, migration)), reshard_phase_name(phase));
}

uint32_t fixture_phase(const struct fixture *fixture, reshard_migration_id migration)
{
    struct reshard_progress progress = {.struct_size = sizeof progress};
    int32_t status =
        reshard_coordinator_progress(fixture->coordinator, migration, &progress);
    return status ? RESHARD_PHASE_COUNT : progress.phase;
}

struct reshard_progress fixture_progress(
    const struct fixture *fixture, reshard_migration_id migration)
{
    struct reshard_progress progress = {.struct_size = sizeof progress};
    cr_assert_eq(reshard_coordinator_progress(fixture->coordinator, migration, &progress),
        RESHARD_OK);
    return progress;
}

size_t fixture_events(struct fixture *fixture, uint32_t kind, struct reshard_event *newest)
{
    size_t count = 0;
    struct reshard_event event = {.struct_size = sizeof event};
    while (reshard_coordinator_event_next(fixture->coordinator, &event) == RESHARD_OK) {
        if (event.kind != kind)
            continue;
        count++;
        if (newest)
            *newest = event;
    }
    return count;
}

struct reshard_digest fixture_digest(const struct fixture *fixture)
{
    struct reshard_digest digest;
    cr_assert_eq(reshard_coordinator_digest(fixture->coordinator, &digest), RESHARD_OK);
    return digest;
}

bool fixture_same(const struct reshard_digest *a, const struct reshard_digest *b)
{
    return a->low == b->low && a->high == b->high;
}
