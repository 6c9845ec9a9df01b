/* SPDX-License-Identifier: MIT */
/* Room node, tests: the words that route reads. */
#include "node/words.h"
#include "rig.h"

static struct rig rig;

Test(table, word_of_a_slot_in_a_migration_names_its_cell)
{
    rig_source_to(&rig, RESHARD_MODE_SNAPSHOT, RESHARD_PHASE_COPY);
    for (uint32_t slot = 0; slot < RIG_SLOTS; slot++) {
        uint64_t word = atomic_load(&rig.node->words[slot]);
        bool cell = slot < 8;
        cr_assert_eq((uint32_t)word, cell ? RESHARD__WORD_CELL : RESHARD__STANCE_OWNER);
        cr_assert_eq(word >> 32, cell ? rig_part(&rig)->cell : 1);
        cr_assert_eq(reshard__part_of_slot(rig.node, slot), cell ? rig_part(&rig) : NULL);
    }
    rig_free(&rig);
}

Test(table, unassigned_slot_is_unowned)
{
    static const struct reshard_range one = {9, 9};
    rig_boot(&rig, 1);
    rig_change(
        &rig, (struct reshard_change){
                  .kind = RESHARD_CHANGE_UNASSIGN, .shard = 1, .ranges = &one, .range_count = 1});
    rig_map(&rig);
    cr_assert_eq(rig_route(&rig, 9, RESHARD_OP_READ), RESHARD_DOWN);
    cr_assert_eq(rig_route(&rig, 8, RESHARD_OP_READ), RESHARD_SERVE);
    cr_assert_eq(rig_route(&rig, 10, RESHARD_OP_READ), RESHARD_SERVE);
    rig_free(&rig);
}
