/* SPDX-License-Identifier: MIT */
/* Random damage to a healthy cluster is reported, and only that; after the fix's steps the audit
 * is empty. */
#include "world.h"
#include "base/base.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { CODES = 18, IDS = 128 };

/* What must be found: [code][node or migration][slot, or WORLD_SLOTS for none]. */
typedef bool expectation[CODES][IDS][WORLD_SLOTS + 1];

struct damager {
    struct world *world;
    uint64_t random;
    bool used_slot[WORLD_SLOTS];
    bool used_node[IDS];
    expectation *expected;
};

static uint32_t draw(struct damager *damager, uint32_t below)
{
    return (uint32_t)(reshard__random_next(&damager->random) % below);
}

/* A slot that nothing was done to, of no shard that is down. */
static uint32_t draw_slot(struct damager *damager)
{
    for (;;) {
        uint32_t slot = draw(damager, WORLD_SLOTS);
        reshard_shard_id owner = reshard_map_slot_owner(damager->world->map, slot);
        if (damager->used_slot[slot] || owner == damager->world->shard_count)
            continue;
        damager->used_slot[slot] = true;
        return slot;
    }
}

static reshard_shard_id owner_of(struct damager *damager, uint32_t slot)
{
    return reshard_map_slot_owner(damager->world->map, slot);
}

/* A primary of another shard than the slot's, not the last. */
static struct world_node *other_primary(struct damager *damager, uint32_t slot)
{
    for (;;) {
        reshard_shard_id shard = 1 + draw(damager, damager->world->shard_count - 1);
        if (shard != owner_of(damager, slot))
            return world_node(damager->world, 10 * shard);
    }
}

static void expect(struct damager *damager, uint32_t code, uint64_t id, uint32_t slot)
{
    (*damager->expected)[code][id][slot] = true;
}

static void damage_slot(struct damager *damager, uint32_t code)
{
    struct world *world = damager->world;
    uint32_t slot = draw_slot(damager);
    struct world_node *primary = world_node(world, 10 * owner_of(damager, slot));
    struct world_node *other = other_primary(damager, slot);
    uint64_t about = other->id;
    switch (code) {
    case RESHARD_FINDING_UNCOVERED:
        world_change_slots(world, RESHARD_CHANGE_UNASSIGN, primary->shard, slot, slot);
        primary->owned[slot] = false;
        if (draw(damager, 2))
            primary->keys[slot] = world_node(world, primary->id + 1)->keys[slot] = 0;
        about = 0;
        break;
    case RESHARD_FINDING_TWO_OWNERS:
        other->owned[slot] = true;
        other->keys[slot] = draw(damager, 2);
        break;
    case RESHARD_FINDING_WRONG_OWNER:
        other->owned[slot] = true;
        primary->owned[slot] = false;
        other->keys[slot] = draw(damager, 2);
        break;
    case RESHARD_FINDING_UNSERVED:
        primary->owned[slot] = false;
        about = primary->id;
        break;
    case RESHARD_FINDING_QUARANTINE:
        other->quarantined[slot] = true;
        other->keys[slot] = 3;
        break;
    default:
        other += draw(damager, 2); /* its replica, too */
        damager->used_node[other->id] = true;
        about = other->id;
        other->keys[slot] = 3;
        break;
    }
    expect(damager, code, about, slot);
}

/* A replica that nothing was done to; of few shards there may be none. */
static struct world_node *draw_replica(struct damager *damager)
{
    for (int tries = 0;; tries++) {
        if (tries == 100)
            return NULL;
        reshard_node_id id = 10 * (1 + draw(damager, damager->world->shard_count - 1)) + 1;
        if (damager->used_node[id])
            continue;
        damager->used_node[id] = true;
        return world_node(damager->world, id);
    }
}

static void damage_node(struct damager *damager, uint32_t code)
{
    struct world *world = damager->world;
    struct world_node *node = draw_replica(damager);
    uint64_t about = node ? node->id : 0;
    if (!node)
        return;
    switch (code) {
    case RESHARD_FINDING_UNREACHABLE:
        node->reachable = false;
        break;
    case RESHARD_FINDING_BEHIND:
        node->version--;
        break;
    case RESHARD_FINDING_AHEAD:
        node->version++;
        break;
    case RESHARD_FINDING_DIVERGED:
        node->digest.high++;
        break;
    case RESHARD_FINDING_STRANGER:
        about = 100 + draw(damager, 20);
        if (!world_node(world, about))
            world_stranger(world, about);
        break;
    default:
        node->role = RESHARD_ROLE_PRIMARY;
        break;
    }
    expect(damager, code, about, WORLD_SLOTS);
}

static void damage_down(struct damager *damager)
{
    struct world *world = damager->world;
    reshard_shard_id shard = world->shard_count;
    world_node(world, 10 * shard)->reachable = false;
    for (uint32_t slot = 0; slot < WORLD_SLOTS; slot++)
        if (reshard_map_slot_owner(world->map, slot) == shard)
            expect(damager, RESHARD_FINDING_UNREACHABLE, 10 * shard, slot);
    expect(damager, RESHARD_FINDING_UNREACHABLE, 10 * shard, WORLD_SLOTS);
}

static void damage_migration(struct damager *damager, uint32_t code)
{
    struct world *world = damager->world;
    uint32_t slot = draw_slot(damager);
    struct world_node *other = other_primary(damager, slot);
    reshard_shard_id owner = owner_of(damager, slot);
    if (code == RESHARD_FINDING_MIGRATION_LEFTOVER) {
        reshard_migration_id migration = 100 + world->report_count;
        world_report(world, other->id, migration, owner, other->shard, slot, slot, 9999);
        other->keys[slot] = draw(damager, 2);
        expect(damager, code, other->id, slot);
        return;
    }
    uint64_t idle_ns = code == RESHARD_FINDING_MIGRATION_STUCK ? 1001 : 1000;
    reshard_migration_id migration =
        world_open(world, owner, other->shard, slot, slot, idle_ns);
    expect(damager, code, migration, slot);
}

/* What was found, in the form of what is expected. */
static void collect(const struct reshard_audit *audit, expectation *found)
{
    memset(found, 0, sizeof *found);
    for (uint32_t i = 0; i < reshard_audit_finding_count(audit); i++) {
        struct reshard_finding finding;
        reshard_finding_init(&finding);
        cr_assert_eq(reshard_audit_finding_at(audit, i, &finding), RESHARD_OK);
        bool moving = finding.code == RESHARD_FINDING_MIGRATION_OPEN
            || finding.code == RESHARD_FINDING_MIGRATION_STUCK;
        uint64_t about = moving ? finding.migration : finding.node;
        cr_assert_lt(about, IDS);
        if (!finding.range_count || finding.code == RESHARD_FINDING_UNREACHABLE)
            (*found)[finding.code][about][WORLD_SLOTS] = true;
        for (uint32_t k = 0; k < finding.range_count; k++)
            for (uint32_t slot = finding.ranges[k].first; slot <= finding.ranges[k].last; slot++)
                (*found)[finding.code][about][slot] = true;
    }
}

static void damage(struct damager *damager)
{
    static const uint32_t slots[] = {RESHARD_FINDING_UNCOVERED, RESHARD_FINDING_TWO_OWNERS,
        RESHARD_FINDING_WRONG_OWNER, RESHARD_FINDING_UNSERVED, RESHARD_FINDING_QUARANTINE,
        RESHARD_FINDING_ORPHAN};
    static const uint32_t nodes[] = {RESHARD_FINDING_UNREACHABLE, RESHARD_FINDING_BEHIND,
        RESHARD_FINDING_AHEAD, RESHARD_FINDING_DIVERGED, RESHARD_FINDING_STRANGER,
        RESHARD_FINDING_MEMBERSHIP};
    for (uint32_t i = draw(damager, 3); i > 0; i--)
        damage_migration(damager, RESHARD_FINDING_MIGRATION_OPEN + draw(damager, 2));
    for (uint32_t i = draw(damager, 12); i > 0; i--)
        damage_slot(damager, slots[draw(damager, 6)]);
    world_sync(damager->world);
    for (uint32_t i = draw(damager, 2); i > 0; i--)
        damage_migration(damager, RESHARD_FINDING_MIGRATION_LEFTOVER);
    for (uint32_t i = draw(damager, 3); i > 0; i--)
        damage_node(damager, nodes[draw(damager, 6)]);
    if (draw(damager, 4) == 0)
        damage_down(damager);
}

static uint32_t fix_flags(struct damager *damager)
{
    return RESHARD_FIX_BALANCE | RESHARD_FIX_GIVE
        | (draw(damager, 2) ? RESHARD_FIX_ABORT : 0);
}

static void finish_open(struct world *world)
{
    while (reshard_map_migration_count(world->map)) {
        struct reshard_map_migration open = {.struct_size = sizeof open};
        reshard_map_migration_at(world->map, 0, &open);
        world_finish(world, open.migration, true);
    }
}

/* Until nothing is left to do: what comes back may need more. */
static void repair(struct damager *damager, uint64_t seed)
{
    struct world *world = damager->world;
    for (int round = 0; round < 4; round++) {
        struct reshard_audit *audit = world_audit(world, 0, NULL, world->map);
        struct reshard_fix *fix;
        uint32_t count = reshard_audit_finding_count(audit);
        if (round == 3 && count)
            world_print(audit);
        cr_assert(round < 3 || count == 0, "seed %llu", (unsigned long long)seed);
        cr_assert_eq(
            reshard_audit_fix(audit, world->map, fix_flags(damager), &fix), RESHARD_OK);
        cr_assert_eq(world_steps(fix, RESHARD_FIX_STEP_PURGE), 0);
        if (count == 0)
            cr_assert_eq(reshard_fix_step_count(fix), 0);
        world_run(world, fix);
        finish_open(world);
        reshard_fix_destroy(fix);
        reshard_audit_destroy(audit);
    }
}

Test(property, random_damage_is_reported_and_only_that_and_fixed)
{
    static expectation expected;
    static expectation found;
    static struct world world;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct damager damager = {.world = &world, .random = seed, .expected = &expected};
        memset(&expected, 0, sizeof expected);
        world_make(&world, 3 + draw(&damager, 4));
        world.sparse = draw(&damager, 2);
        damage(&damager);
        struct reshard_audit *audit =
            world_audit(&world, RESHARD_AUDIT_BALANCE_IGNORED, NULL, world.map);
        collect(audit, &found);
        if (memcmp(&found, &expected, sizeof found) != 0)
            world_print(audit);
        cr_assert_eq(memcmp(&found, &expected, sizeof found), 0, "seed %llu",
            (unsigned long long)seed);
        reshard_audit_destroy(audit);
        repair(&damager, seed);
        world_free(&world);
    }
}
