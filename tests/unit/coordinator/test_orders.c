/* SPDX-License-Identifier: MIT */
/* What is sent, to whom, how often: R3, R4, R6. */
#include "fixture.h"
#include <criterion/criterion.h>

static struct fixture fixture;

static reshard_migration_id opened(uint32_t mode)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    return fixture_migration(&fixture, mode, 0, 9);
}

Test(orders, numbers_rise_with_each_phase_and_rest_on_a_durable_version)
{
    reshard_migration_id migration = opened(RESHARD_MODE_SNAPSHOT);
    uint64_t last = 0;
    for (uint32_t phase = RESHARD_PHASE_PREPARE; fixture_phase(&fixture, migration) !=
                                                RESHARD_PHASE_LINGER;) {
        phase = fixture_phase(&fixture, migration);
        const struct reshard__message *order = fixture_order(&fixture, migration, SOURCE);
        cr_assert_eq(order->phase, phase);
        cr_assert_eq(order->order.term, 1);
        cr_assert_gt(order->order.n, last);
        last = order->order.n;
        cr_assert_leq(order->map_version,
            reshard_map_version(reshard_coordinator_map(fixture.coordinator)));
        fixture_step(&fixture, migration);
        if (fixture_phase(&fixture, migration) == RESHARD_PHASE_CLEANUP)
            break;
    }
    /* SETTLE and what follows rest on the commit. */
    cr_assert_eq(fixture_order(&fixture, migration, SOURCE)->map_version, 13);
    fixture_close(&fixture);
}

Test(orders, repeated_to_both_sides_while_the_phase_lasts_also_after_a_report)
{
    reshard_migration_id migration = opened(RESHARD_MODE_SNAPSHOT);
    fixture_tell(&fixture, migration, SOURCE, RESHARD__RESULT_PREPARED);
    uint64_t n = fixture_order(&fixture, migration, SOURCE)->order.n;
    fixture.sent_count = 0;
    fixture_pass(&fixture, fixture.coordinator->config.retry_ns);
    cr_assert_eq(fixture_order(&fixture, migration, SOURCE)->order.n, n);
    cr_assert_eq(fixture_order(&fixture, migration, TARGET)->order.n, n);
    fixture.sent_count = 0;
    fixture_pass(&fixture, fixture.coordinator->config.retry_ns / 2);
    cr_assert_eq(fixture_sent_of(&fixture, RESHARD__ORDER), 0);
    fixture_close(&fixture);
}

static size_t ordered(uint32_t side)
{
    size_t count = 0;
    for (size_t i = 0; i < fixture.sent_count; i++)
        count += fixture.sent[i].message.type == RESHARD__ORDER &&
                 fixture.sent[i].to == 10 * (reshard_node_id)side + 1;
    return count;
}

Test(orders, side_that_nobody_waits_for_and_has_nothing_to_do_gets_none)
{
    static const uint32_t modes[] = {RESHARD_MODE_SNAPSHOT, RESHARD_MODE_KEYWISE};
    for (size_t i = 0; i < 2; i++) {
        fixture_init(&fixture);
        fixture.config.linger_ns = UINT64_C(5000000000);
        fixture_open(&fixture);
        reshard_migration_id migration = fixture_migration(&fixture, modes[i], 0, 9);
        fixture_reach(&fixture, migration, RESHARD_PHASE_HOLD);
        cr_assert_eq(fixture_order(&fixture, migration, TARGET)->phase, RESHARD_PHASE_HOLD);
        fixture_reach(&fixture, migration, RESHARD_PHASE_SETTLE);
        cr_assert_eq(fixture_order(&fixture, migration, TARGET)->phase, RESHARD_PHASE_SETTLE);
        fixture_reach(&fixture, migration, RESHARD_PHASE_LINGER);
        fixture.sent_count = 0;
        fixture_pass(&fixture, fixture.coordinator->config.retry_ns);
        cr_assert_eq(ordered(SOURCE) + ordered(TARGET), 0);
        fixture_pass(&fixture, fixture.config.linger_ns);
        cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_CLEANUP);
        cr_assert_eq(ordered(SOURCE), 1);
        fixture_pass(&fixture, fixture.coordinator->config.retry_ns);
        cr_assert_eq(ordered(SOURCE), 2, "repeated");
        cr_assert_eq(ordered(TARGET), 0);
        fixture_close(&fixture);
    }
}

Test(orders, carry_budget_attempt_and_pause)
{
    fixture_init(&fixture);
    fixture.config.bandwidth = 1000;
    fixture.config.freeze_ns = 77000000;
    fixture_open(&fixture);
    reshard_migration_id first = fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    spec.mode = RESHARD_MODE_SNAPSHOT;
    spec.bandwidth = 5;
    reshard_migration_id second = fixture_migration_of(&fixture, &spec, 10, 19);
    cr_assert_eq(fixture_order(&fixture, first, SOURCE)->budget, 1000);
    cr_assert_eq(fixture_order(&fixture, second, SOURCE)->budget, 5);
    fixture_reach(&fixture, first, RESHARD_PHASE_FREEZE);
    const struct reshard__message *order = fixture_order(&fixture, first, TARGET);
    cr_assert_eq(order->freeze_ns, 77000000);
    cr_assert_eq(order->attempt, UINT64_C(1) << 32 | order->order.n);
    cr_assert_eq(order->copy.n, 2, "named by the order that opened it");
    cr_assert_eq(order->flags, 0);
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, second, 1), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(fixture_order(&fixture, second, SOURCE)->flags, RESHARD__ORDER_PAUSED);
    fixture_close(&fixture);
}

static uint64_t budget(reshard_migration_id migration)
{
    return fixture_order(&fixture, migration, SOURCE)->budget;
}

/* All that copies together stays within the total, at every moment. */
Test(orders, carry_shares_of_the_total_bandwidth)
{
    fixture_init(&fixture);
    fixture.config.bandwidth_total = 1000;
    fixture.config.bandwidth = 700;
    fixture_open(&fixture);
    reshard_migration_id first = fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
    reshard_migration_id second = fixture_migration(&fixture, RESHARD_MODE_KEYWISE, 10, 19);
    fixture_reach(&fixture, first, RESHARD_PHASE_COPY);
    cr_assert_eq(budget(first), 700, "alone, and within its own limit");
    uint64_t order = fixture_order(&fixture, first, SOURCE)->order.n;
    fixture_reach(&fixture, second, RESHARD_PHASE_MOVE);
    cr_assert_eq(budget(first), 500);
    cr_assert_eq(budget(second), 500);
    cr_assert_eq(fixture_order(&fixture, first, SOURCE)->order.n, order, "the same order");
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, second, 1), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(budget(first), 700);
    cr_assert_eq(reshard_coordinator_pause(fixture.coordinator, second, 0), RESHARD_OK);
    fixture_pump(&fixture);
    cr_assert_eq(budget(first), 500);
    cr_assert_eq(budget(second), 500);
    fixture_reach(&fixture, first, RESHARD_PHASE_FREEZE);
    cr_assert_eq(budget(second), 700, "a freeze is not held up and takes no share");
    fixture_close(&fixture);
}

Test(orders, shares_without_memory_are_told_later)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        fixture_init(&fixture);
        fixture.config.bandwidth_total = 3;
        fixture_open(&fixture);
        reshard_migration_id first = fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 0, 9);
        reshard_migration_id second = fixture_migration(&fixture, RESHARD_MODE_SNAPSHOT, 10, 19);
        fixture_reach(&fixture, first, RESHARD_PHASE_COPY);
        cr_assert_eq(budget(first), 3);
        fixture.alloc.fail_at = fixture.alloc.calls + n;
        fixture_reach(&fixture, second, RESHARD_PHASE_COPY);
        failed = fixture.alloc.failed > 0;
        fixture.alloc.fail_at = 0;
        fixture_pass(&fixture, 2 * fixture.coordinator->config.retry_ns);
        cr_assert_eq(budget(first), 1);
        fixture_close(&fixture);
        cr_assert_lt(n, 100);
    }
}

/* R25: the heir may act only with the version durable that made it one. */
Test(orders, after_a_failover_go_to_the_heir_and_rest_on_its_version)
{
    reshard_migration_id migration = opened(RESHARD_MODE_SNAPSHOT);
    fixture_reach(&fixture, migration, RESHARD_PHASE_CATCHUP);
    cr_assert_eq(fixture_primary(&fixture, 1, 12), RESHARD_OK);
    uint64_t version = reshard_map_version(reshard_coordinator_map(fixture.coordinator));
    cr_assert_eq(fixture_phase(&fixture, migration), RESHARD_PHASE_PREPARE);
    cr_assert_eq(fixture_order(&fixture, migration, SOURCE)->map_version, version);
    size_t to_old = 0;
    fixture.sent_count = 0;
    fixture_pass(&fixture, UINT64_C(1000000000));
    for (size_t i = 0; i < fixture.sent_count; i++)
        to_old += fixture.sent[i].to == 11 && fixture.sent[i].message.type == RESHARD__ORDER;
    cr_assert_eq(to_old, 0);
    fixture_close(&fixture);
}

/* An order that finds no room is lost like any other: it is repeated. */
Test(orders, without_room_are_repeated_later)
{
    reshard_migration_id migration = opened(RESHARD_MODE_SNAPSHOT);
    struct reshard__run *run = reshard__run_find(fixture.coordinator, migration);
    size_t room = fixture.coordinator->outbox.free_count;
    fixture.coordinator->outbox.free_count = 0;
    fixture.sent_count = 0;
    reshard__order_send(fixture.coordinator, run);
    fixture.coordinator->outbox.free_count = room;
    fixture_pump(&fixture);
    cr_assert_eq(fixture.sent_count, 0);
    fixture_pass(&fixture, UINT64_C(1000000000));
    cr_assert_eq(fixture_order(&fixture, migration, TARGET)->order.n, 1);
    fixture_close(&fixture);
}
