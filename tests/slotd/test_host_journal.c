/* SPDX-License-Identifier: MIT */
/* Room host of slotd, the journal: a coordinator's appends compare and set, a node's wait for its
 * replicas, and what is no record is neither loaded nor put in place of records. */
#include "host.h"
#include "place.h"

#include <criterion/criterion.h>

struct rig {
    struct place place;
    struct host_sync sync;
    struct host_journal journal;
    struct reshard_journal hooks;
};

static void rig_make(struct rig *rig, uint32_t stream)
{
    *rig = (struct rig){.place = place_make()};
    rig->sync = (struct host_sync){.store = rig->place.store, .released = UINT64_MAX};
    rig->journal = (struct host_journal){
        .store = rig->place.store, .sync = &rig->sync, .stream = stream};
    host_journal_hooks(&rig->journal, &rig->hooks);
}

static int32_t append(
    struct rig *rig, uint64_t term, uint64_t index, const char *record, uint32_t durability)
{
    struct reshard_completion completion = {.struct_size = sizeof completion};
    const struct reshard_action action = {.struct_size = sizeof action,
        .kind = RESHARD_ACTION_APPEND, .term = term, .index = index, .durability = durability,
        .record_count = 1,
        .header = (const uint8_t *)record, .header_size = (uint32_t)strlen(record)};
    return rig->hooks.append(rig->hooks.user_data, &action, &completion);
}

static bool holds(struct rig *rig, uint64_t index, const char *record)
{
    struct bytes found;
    uint64_t at = index;
    bool there = store_journal_next(rig->place.store, rig->journal.stream, &at, &found);
    return there && at == index && bytes_equal(found, bytes_of(record));
}

static size_t count(struct rig *rig)
{
    struct bytes found;
    uint64_t index = 0;
    size_t number = 0;
    for (; store_journal_next(rig->place.store, rig->journal.stream, &index, &found); index++)
        number++;
    return number;
}

Test(host_journal, coordinator_appends_at_its_end_and_in_its_term)
{
    struct rig rig;
    rig_make(&rig, HOST_STREAM_COORDINATOR);
    cr_expect_eq(append(&rig, 2, 1, "first", RESHARD_DURABILITY_FULL), RESHARD_OK);
    cr_expect_eq(append(&rig, 2, 3, "gap", RESHARD_DURABILITY_FULL), RESHARD_E_UNKNOWN);
    cr_expect_eq(append(&rig, 2, 1, "again", RESHARD_DURABILITY_FULL), RESHARD_E_UNKNOWN);
    cr_expect_eq(append(&rig, 1, 2, "old", RESHARD_DURABILITY_FULL), RESHARD_E_FENCED);
    cr_expect_eq(append(&rig, 3, 2, "second", RESHARD_DURABILITY_FULL), RESHARD_OK);
    cr_expect_eq(append(&rig, 2, 3, "old", RESHARD_DURABILITY_FULL), RESHARD_E_FENCED);
    cr_expect(holds(&rig, 1, "first") && holds(&rig, 2, "second"));
    cr_expect_eq(count(&rig), 2, "what was refused is not there");
    place_remove(&rig.place);
}

Test(host_journal, only_a_nodes_records_wait_for_replicas)
{
    struct rig rig;
    rig_make(&rig, HOST_STREAM_NODE);
    rig.sync.logged = 10;
    rig.sync.released = 9;
    cr_expect_eq(append(&rig, 0, 5, "as a write", 0), RESHARD_PENDING);
    cr_expect_eq(append(&rig, 0, 6, "ownership", RESHARD_DURABILITY_FULL), RESHARD_PENDING);
    cr_expect_eq(count(&rig), 2, "they are there, and count when replicas have them");
    rig.sync.released = 10;
    host_replicas_applied(&rig.sync);
    cr_expect_eq(append(&rig, 0, 7, "next", RESHARD_DURABILITY_FULL), RESHARD_OK);
    rig.journal.stream = HOST_STREAM_COORDINATOR;
    rig.sync.released = 9;
    rig.journal.last_index = 0;
    cr_expect_eq(append(&rig, 1, 1, "no replica has it", RESHARD_DURABILITY_FULL), RESHARD_OK);
    place_remove(&rig.place);
}

Test(host_journal, what_is_no_record_is_neither_loaded_nor_compacted_to)
{
    struct rig rig;
    struct reshard_completion completion = {.struct_size = sizeof completion};
    struct reshard_action action = {.struct_size = sizeof action, .kind = RESHARD_ACTION_LOAD};
    rig_make(&rig, HOST_STREAM_COORDINATOR);
    cr_expect_eq(rig.hooks.load(rig.hooks.user_data, &action, &completion), RESHARD_OK, "empty");
    cr_expect_eq(append(&rig, 1, 1, "not a record", RESHARD_DURABILITY_FULL), RESHARD_OK);
    cr_expect_lt(rig.hooks.load(rig.hooks.user_data, &action, &completion), 0);
    action.kind = RESHARD_ACTION_COMPACT;
    action.header = (const uint8_t *)"nor this";
    action.header_size = 8;
    cr_expect_eq(
        rig.hooks.compact(rig.hooks.user_data, &action, &completion), RESHARD_E_HOOK);
    cr_expect(holds(&rig, 1, "not a record"), "nothing was put in its place");
    place_remove(&rig.place);
}
