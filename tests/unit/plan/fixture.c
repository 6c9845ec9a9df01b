/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fixture_apply(struct reshard_map *map, const struct reshard_change *change)
{
    int32_t status = reshard_map_apply(map, change);
    cr_assert_eq(status, RESHARD_OK, "kind %u: %s", change->kind, reshard_strname(status));
}

static void fixture_shard(struct reshard_map *map, reshard_shard_id shard, double weight)
{
    struct reshard_change change;
    char name[16];
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = shard;
    change.weight = weight;
    fixture_apply(map, &change);
    snprintf(name, sizeof name, "n%u", shard);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = shard;
    change.shard = shard;
    change.role = RESHARD_ROLE_REPLICA;
    change.name = name;
    change.name_size = (uint32_t)strlen(name);
    fixture_apply(map, &change);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = shard;
    change.node = shard;
    fixture_apply(map, &change);
}

struct reshard_map *fixture_map(uint32_t slot_count, uint32_t shard_count,
    const reshard_shard_id *owners, const double *weights)
{
    struct reshard_map *map = NULL;
    cr_assert_eq(reshard_map_create(slot_count, NULL, &map), RESHARD_OK);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_TERM;
    change.term = 1;
    change.unique = 1;
    fixture_apply(map, &change);
    for (uint32_t i = 0; i < shard_count; i++)
        fixture_shard(map, i + 1, weights ? weights[i] : 1.0);
    struct reshard_range *ranges = malloc(slot_count * sizeof *ranges);
    for (uint32_t i = 1; i <= shard_count; i++) {
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_ASSIGN;
        change.shard = i;
        change.ranges = ranges;
        for (uint32_t slot = 0; slot < slot_count; slot++) {
            if (owners[slot] != i)
                continue;
            if (slot && owners[slot - 1] == i)
                ranges[change.range_count - 1].last = slot;
            else
                ranges[change.range_count++] = (struct reshard_range){slot, slot};
        }
        if (change.range_count)
            fixture_apply(map, &change);
    }
    free(ranges);
    return map;
}

struct reshard_map *fixture_even(uint32_t slot_count, uint32_t shard_count, uint32_t used)
{
    reshard_shard_id *owners = malloc(slot_count * sizeof *owners);
    for (uint32_t slot = 0; slot < slot_count; slot++)
        owners[slot] = (uint32_t)((uint64_t)slot * used / slot_count) + 1;
    struct reshard_map *map = fixture_map(slot_count, shard_count, owners, NULL);
    free(owners);
    return map;
}

reshard_migration_id fixture_open(struct reshard_map *map, reshard_shard_id source,
    reshard_shard_id target, uint32_t first, uint32_t last)
{
    struct reshard_range range = {first, last};
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_OPEN;
    change.migration = reshard_map_last_migration(map) + 1;
    change.source = source;
    change.target = target;
    change.mode = RESHARD_MODE_SNAPSHOT;
    change.ranges = &range;
    change.range_count = 1;
    fixture_apply(map, &change);
    return change.migration;
}

void fixture_commit(struct reshard_map *map, reshard_migration_id migration)
{
    struct reshard_map_migration open;
    struct reshard_map_shard shard;
    struct reshard_change change;
    memset(&open, 0, sizeof open);
    memset(&shard, 0, sizeof shard);
    open.struct_size = sizeof open;
    shard.struct_size = sizeof shard;
    cr_assert_eq(reshard_map_migration_find(map, migration, &open), RESHARD_OK);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_COMMIT;
    change.migration = migration;
    change.attempt = 1;
    cr_assert_eq(reshard_map_shard_find(map, open.source, &shard), RESHARD_OK);
    change.source_epoch = shard.epoch;
    cr_assert_eq(reshard_map_shard_find(map, open.target, &shard), RESHARD_OK);
    change.target_epoch = shard.epoch;
    fixture_apply(map, &change);
}

void fixture_end(struct reshard_map *map, reshard_migration_id migration)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_MIGRATION_END;
    change.migration = migration;
    fixture_apply(map, &change);
}

void fixture_owners(const struct reshard_map *map, reshard_shard_id *owners)
{
    for (uint32_t slot = 0; slot < reshard_map_slot_count(map); slot++)
        owners[slot] = reshard_map_slot_owner(map, slot);
}

void fixture_run(const struct reshard_plan *plan, reshard_shard_id *owners)
{
    for (uint32_t i = 0; i < reshard_plan_move_count(plan); i++) {
        struct reshard_move move = fixture_move(plan, i);
        uint32_t count = 0;
        for (uint32_t r = 0; r < move.range_count; r++) {
            cr_assert(r == 0 || move.ranges[r].first > move.ranges[r - 1].last + 1);
            for (uint32_t slot = move.ranges[r].first; slot <= move.ranges[r].last; slot++) {
                cr_assert_eq(owners[slot], move.source, "slot %u of move %u", slot, i);
                owners[slot] = move.target;
                count++;
            }
        }
        cr_assert_eq(count, move.slot_count);
        cr_assert_neq(move.source, move.target);
    }
}

uint32_t fixture_count(const reshard_shard_id *owners, uint32_t slot_count, reshard_shard_id shard)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < slot_count; slot++)
        count += owners[slot] == shard;
    return count;
}

uint32_t fixture_ranges(const reshard_shard_id *owners, uint32_t slot_count)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < slot_count; slot++)
        count += owners[slot] && (slot == 0 || owners[slot] != owners[slot - 1]);
    return count;
}

struct reshard_move fixture_move(const struct reshard_plan *plan, uint32_t index)
{
    struct reshard_move move;
    memset(&move, 0, sizeof move);
    move.struct_size = sizeof move;
    cr_assert_eq(reshard_plan_move_at(plan, index, &move), RESHARD_OK);
    return move;
}

struct reshard_plan_totals fixture_totals(const struct reshard_plan *plan)
{
    struct reshard_plan_totals totals;
    memset(&totals, 0, sizeof totals);
    totals.struct_size = sizeof totals;
    cr_assert_eq(reshard_plan_totals(plan, &totals), RESHARD_OK);
    return totals;
}

uint32_t fixture_random(uint64_t *seed, uint32_t bound)
{
    return (uint32_t)((reshard__random_next(seed) >> 32) * bound >> 32);
}
