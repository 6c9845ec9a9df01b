/* SPDX-License-Identifier: MIT */
#include "world.h"
#include "audit/audit.h"
#include <criterion/criterion.h>

static struct world world;

Test(context, claim_prefers_the_owners_primary_then_the_lowest_node)
{
    world_make(&world, 4);
    world_node(&world, 10)->owned[60] = true; /* 40 is its owner */
    world_node(&world, 30)->owned[20] = true; /* so is 20 */
    world_node(&world, 40)->owned[20] = true;
    world_node(&world, 20)->owned[20] = false;
    struct reshard_audit *audit = world_audit(&world, 20, NULL, world.map);
    struct reshard__audit_context context;
    cr_assert_eq(reshard__audit_context_make(&context, audit, world.map), RESHARD_OK);
    cr_assert_eq(audit->views[context.claim[60] - 1].node, 40);
    cr_assert_eq(audit->views[context.claim[20] - 1].node, 30);
    cr_assert_eq(context.owner[20], 2);
    cr_assert_eq(context.moving[20], 0);
    cr_assert_eq(reshard__audit_primary(&context, 2), 20);
    cr_assert_eq(reshard__audit_primary(&context, 77), 0);
    cr_assert(reshard__audit_reachable(&context, 31));
    cr_assert(!reshard__audit_reachable(&context, 77));
    reshard__audit_context_free(&context);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(context, without_a_map_claims_make_the_owners)
{
    world_make(&world, 4);
    world_open(&world, 1, 2, 3, 4, 0);
    struct reshard_audit *audit = world_audit(&world, 20, NULL, NULL);
    struct reshard__audit_context context;
    cr_assert_eq(reshard__audit_context_make(&context, audit, NULL), RESHARD_OK);
    for (uint32_t slot = 0; slot < WORLD_SLOTS; slot++) {
        cr_assert_eq(context.owner[slot], reshard_map_slot_owner(world.map, slot));
        cr_assert_eq(context.moving[slot], slot == 3 || slot == 4 ? 1 : 0);
    }
    cr_assert_eq(context.version, reshard_map_version(world.map));
    reshard__audit_context_free(&context);
    reshard_audit_destroy(audit);
    world_free(&world);
}

Test(context, migrations_that_nodes_tell_of_are_brought_in_order)
{
    world_make(&world, 4);
    world_report(&world, 10, 9, 1, 2, 3, 3, 0);
    world_report(&world, 20, 5, 1, 2, 4, 4, 0);
    world_report(&world, 20, 9, 1, 2, 3, 3, 0); /* told by both */
    world_report(&world, 30, 7, 3, 4, 40, 40, 0);
    struct reshard_audit *audit = world_audit(&world, 20, NULL, NULL);
    struct reshard__audit_context context;
    cr_assert_eq(reshard__audit_context_make(&context, audit, NULL), RESHARD_OK);
    cr_assert_eq(context.open_count, 3);
    cr_assert_eq(context.opens[0].migration, 5);
    cr_assert_eq(context.opens[1].migration, 7);
    cr_assert_eq(context.opens[2].migration, 9);
    cr_assert_eq(context.moving[40], 2);
    reshard__audit_context_free(&context);
    reshard_audit_destroy(audit);
    world_free(&world);
}
