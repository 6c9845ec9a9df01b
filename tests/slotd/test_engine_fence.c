/* SPDX-License-Identifier: MIT */
/* Room engine of slotd, the lease of a primary with replicas: a process that stood still serves
 * nothing when it is over, and takes back what it has answered since, whatever it learns first. */
#include "desk.h"
#include "replica_room.h"

#include <criterion/criterion.h>

static struct desk desk;
static struct replica replica;
static const struct reshard_map_shard pair = {.shard = 1, .node_count = 2};

/* It leads, and was told so at a moment before now. */
static void lead(uint64_t ago_ns)
{
    desk_make(&desk);
    desk.engine.replica = &replica;
    desk.engine.leads = true;
    desk.engine.confirmed_ns = clock_monotonic_ns() - ago_ns;
    desk.engine.lease_end_ns = desk.engine.confirmed_ns + PRIMARY_LEASE_NS;
}

static void depose(void)
{
    desk.engine.leads = false;
    engine__fence_follow(&desk.engine, &pair);
}

Test(engine_fence, primary_serves_while_its_lease_lasts)
{
    lead(0);
    engine__fence_follow(&desk.engine, &pair);
    cr_expect_eq(engine_stand(&desk.engine), ENGINE_SERVES);
    cr_expect_not(engine_lapsed(&desk.engine));
    depose();
    cr_expect_not(engine_lapsed(&desk.engine), "it was seen in time");
    desk_remove(&desk);
}

/* Requests may be met before anybody looks at the lease. */
Test(engine_fence, nothing_is_served_behind_the_lease)
{
    lead(PRIMARY_LEASE_NS + 1);
    cr_expect_eq(engine_stand(&desk.engine), ENGINE_WAITS);
    engine__fence_follow(&desk.engine, &pair);
    cr_expect_neq(desk.engine.unconfirmed_ns, 0);
    cr_expect(engine_lapsed(&desk.engine), "although it is known by now");
    cr_expect_not(engine_lapsed(&desk.engine), "once");
    desk_remove(&desk);
}

Test(engine_fence, who_is_deposed_behind_its_lease_takes_its_answers_back)
{
    lead(PRIMARY_LEASE_NS + 1);
    depose();
    cr_expect(engine_lapsed(&desk.engine));
    cr_expect_eq(engine_stand(&desk.engine), ENGINE_SERVES, "its map sends them on");
    desk_remove(&desk);
}

Test(engine_fence, heir_has_answered_nothing)
{
    lead(2 * PRIMARY_LEASE_NS); /* so long ago somebody's process had ended */
    desk.engine.lease_end_ns = UINT64_MAX;
    engine__fence_follow(&desk.engine, &pair);
    cr_expect_eq(engine_stand(&desk.engine), ENGINE_WAITS);
    cr_expect_not(engine_lapsed(&desk.engine));
    desk_remove(&desk);
}
