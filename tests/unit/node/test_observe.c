/* SPDX-License-Identifier: MIT */
/* Room node, tests: what can be seen from outside. */
#include "rig.h"

static struct rig rig;

Test(observe, migration_is_listed_by_position)
{
    struct reshard_node_migration migration = {.struct_size = sizeof migration};
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_FREEZE);
    rig.now_ns += 700;
    rig_tick(&rig, 0);
    cr_assert_eq(reshard_node_migration_at(NULL, 0, &migration), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_migration_at(rig.node, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_migration_at(rig.node, 1, &migration), RESHARD_E_EMPTY);
    cr_assert_eq(reshard_node_migration_at(rig.node, 0, &migration), RESHARD_OK);
    cr_assert_eq(migration.migration, 1);
    cr_assert_eq(migration.side, RESHARD_SIDE_SOURCE);
    cr_assert_eq(migration.mode, RESHARD_MODE_SNAPSHOT);
    cr_assert_eq(migration.phase, RESHARD_PHASE_FREEZE);
    cr_assert_eq(migration.keys, 32);
    cr_assert_eq(migration.bytes, 32 * RIG_ITEM);
    cr_assert_eq(migration.lag_size, 0);
    cr_assert_eq(migration.sequence, migration.durable_sequence);
    cr_assert_eq(migration.pause_ns, 700);
    rig_free(&rig);
    rig_target_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_COPY);
    cr_assert_eq(reshard_node_migration_at(rig.node, 0, &migration), RESHARD_OK);
    cr_assert_eq(migration.side, RESHARD_SIDE_TARGET);
    cr_assert_eq(migration.sequence, 2);
    cr_assert_eq(migration.seal_attempt, 0);
    rig_free(&rig);
    rig_target_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_HOLD);
    cr_assert_eq(reshard_node_migration_at(rig.node, 0, &migration), RESHARD_OK);
    cr_assert_eq(migration.seal_attempt, rig.attempt);
    rig_free(&rig);
}

Test(observe, deadline_of_an_idle_node_is_never)
{
    cr_assert_eq(reshard_node_deadline(NULL), UINT64_MAX);
    rig_boot(&rig, 1);
    cr_assert_eq(reshard_node_deadline(rig.node), UINT64_MAX);
    rig_free(&rig);
}

Test(observe, digest_without_a_node_or_place_is_refused)
{
    struct reshard_digest digest;
    rig_boot(&rig, 1);
    cr_assert_eq(reshard_node_digest(NULL, &digest), RESHARD_E_NULL);
    cr_assert_eq(reshard_node_digest(rig.node, NULL), RESHARD_E_NULL);
    rig_free(&rig);
}

Test(observe, digest_tells_states_apart)
{
    static const uint32_t phases[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_COPY,
        RESHARD_PHASE_CATCHUP, RESHARD_PHASE_FREEZE, RESHARD_PHASE_HOLD, RESHARD_PHASE_SETTLE};
    struct reshard_digest digests[6];
    for (size_t i = 0; i < 6; i++) {
        rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, phases[i]);
        digests[i] = rig_digest(&rig);
        for (size_t j = 0; j < i; j++)
            cr_assert_not(rig_same(digests[i], digests[j]));
        rig_free(&rig);
    }
}
