/* SPDX-License-Identifier: MIT */
/* What a replica may answer: any state that its shard had since others acknowledged a write. */
#include "sim/script.h"

#include <criterion/criterion.h>

static size_t write_at(
    struct reshard_sim *sim, reshard_shard_id shard, uint64_t value, bool acknowledged)
{
    size_t index = reshard__history_begin(sim, 0, RESHARD_OP_WRITE, 1, value);
    reshard__effect_add(sim, shard, 1, value, index);
    if (acknowledged)
        reshard__history_end(sim, index, value);
    return index;
}

/* Shard 1 has 5, then 6; shard 2 owns next. */
static struct reshard_sim *world(void)
{
    struct reshard_sim *sim = reshard__sim_make();
    sim->quiet = sim->followed = true;
    sim->set.readonly = 1;
    (void)write_at(sim, 1, 5, true);
    (void)write_at(sim, 1, 6, true);
    return sim;
}

/* Whether the answer is refused; the world ends. */
static bool refused(struct reshard_sim *sim, reshard_shard_id shard, uint64_t value)
{
    size_t read = reshard__history_begin(sim, 1, RESHARD_OP_READ, 1, 0);
    reshard__history_end(sim, read, value);
    reshard__effects_check(sim, shard, read, value);
    bool violated = sim->violated;
    if (violated)
        cr_expect_str_eq(sim->violation, "stale");
    reshard__history_check(sim);
    cr_expect_eq(sim->violated, violated, "it is judged once, as a replica's");
    reshard__sim_free(sim);
    return violated;
}

Test(history, replica_behind_its_primary_is_allowed)
{
    cr_expect_not(refused(world(), 1, 6));
    cr_expect_not(refused(world(), 1, 5));
    cr_expect_not(refused(world(), 1, 0), "before the first write");
}

Test(history, replica_with_what_nobody_wrote_is_stale)
{
    cr_expect(refused(world(), 1, 9));
}

Test(history, replica_that_misses_another_owner_is_stale)
{
    struct reshard_sim *sim = world();
    (void)write_at(sim, 2, 7, true);
    cr_expect(refused(sim, 1, 6));
    sim = world();
    (void)write_at(sim, 2, 7, true);
    cr_expect(refused(sim, 1, 0));
    sim = world();
    (void)write_at(sim, 2, 7, true);
    cr_expect_not(refused(sim, 2, 7));
    sim = world();
    (void)write_at(sim, 2, 7, false);
    cr_expect_not(refused(sim, 1, 6), "nobody was told of it");
}

Test(history, effects_without_replicas_are_not_kept)
{
    struct reshard_sim *sim = world();
    sim->followed = false;
    size_t before = sim->effect_count;
    (void)write_at(sim, 2, 7, true);
    cr_expect_eq(sim->effect_count, before);
    reshard__sim_free(sim);
}
