/* SPDX-License-Identifier: MIT */
/* Reading the journal: before the start, for a LOAD, again after a failure. */
#include "fixture.h"
#include <criterion/criterion.h>

static struct fixture fixture;

static void written(void)
{
    fixture_init(&fixture);
    fixture_open(&fixture);
    (void)fixture_migration(&fixture, RESHARD_MODE_KEYWISE, 3, 5);
    reshard_coordinator_destroy(fixture.coordinator);
    fixture_create(&fixture);
}

static int32_t restore(size_t from, size_t size)
{
    return reshard_coordinator_restore(fixture.coordinator, fixture.journal + from, size);
}

Test(restore, whole_journal_gives_the_map)
{
    written();
    cr_assert_eq(restore(0, fixture.journal_size), RESHARD_OK);
    const struct reshard_map *map = reshard_coordinator_map(fixture.coordinator);
    cr_assert_eq(reshard_map_version(map), 12);
    cr_assert_eq(reshard_map_migration_count(map), 1);
    cr_assert_eq(reshard_map_slot_owner(map, 47), 1);
    fixture_close(&fixture);
}

Test(restore, bad_input_is_refused)
{
    written();
    cr_assert_eq(reshard_coordinator_restore(NULL, fixture.journal, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_restore(fixture.coordinator, NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_coordinator_restore(fixture.coordinator, NULL, 0), RESHARD_OK);
    fixture.coordinator->gate.feeding = true;
    cr_assert_eq(restore(0, 1), RESHARD_E_REENTRANT);
    fixture.coordinator->gate.feeding = false;
    struct reshard_digest before = fixture_digest(&fixture), after;
    for (size_t size = 1; size < 40; size++)
        cr_assert_lt(restore(0, size), RESHARD_OK);
    fixture.journal[9] ^= 1;
    cr_assert_lt(restore(0, fixture.journal_size), RESHARD_OK);
    fixture.journal[9] ^= 1;
    after = fixture_digest(&fixture);
    cr_assert(fixture_same(&before, &after));
    cr_assert_eq(restore(0, fixture.journal_size), RESHARD_OK);
    cr_assert_eq(fixture_start(&fixture), RESHARD_OK);
    cr_assert_eq(restore(0, fixture.journal_size), RESHARD_E_STATE);
    fixture_close(&fixture);
}

/* Each allocation fails once; the same bytes are fed again and go on where it failed. */
Test(restore, failed_call_can_be_repeated_with_the_same_bytes)
{
    struct reshard_digest want, got;
    written();
    cr_assert_eq(restore(0, fixture.journal_size), RESHARD_OK);
    want = fixture_digest(&fixture);
    size_t failures = 0;
    for (size_t n = 1; n < 500; n++) {
        reshard_coordinator_destroy(fixture.coordinator);
        fixture_create(&fixture);
        fixture.alloc.fail_at = fixture.alloc.calls + n;
        int32_t status = restore(0, fixture.journal_size);
        fixture.alloc.fail_at = 0;
        if (status == RESHARD_OK)
            break;
        failures++;
        cr_assert_eq(status, RESHARD_E_NOMEM);
        cr_assert_eq(restore(0, fixture.journal_size), RESHARD_OK);
        got = fixture_digest(&fixture);
        cr_assert(fixture_same(&want, &got));
    }
    cr_assert_gt(failures, 10);
    fixture_close(&fixture);
}

Test(restore, repeated_with_other_bytes_is_a_broken_chain)
{
    static struct fixture other;
    fixture_init(&other);
    other.config.unique = 8;
    fixture_open(&other);
    written();
    size_t cut = fixture.journal_size - 1;
    cr_assert_eq(restore(0, cut), RESHARD_E_TORN);
    cr_assert_eq(reshard_coordinator_restore(
                     fixture.coordinator, other.journal, other.journal_size),
        RESHARD_E_CHAIN);
    cr_assert_eq(restore(0, fixture.journal_size), RESHARD_OK);
    fixture_close(&fixture);
    fixture_close(&other);
}

static size_t record_make(const struct reshard__record *record, uint8_t *bytes, size_t capacity)
{
    struct reshard__journal_position position = {0, 0};
    size_t size;
    cr_assert_eq(reshard__record_encode(record, 1, &position, bytes, capacity, &size), RESHARD_OK);
    return size;
}

Test(restore, records_of_others_are_refused)
{
    fixture_init(&fixture);
    fixture_create(&fixture);
    uint8_t bytes[1024], blob[512];
    struct reshard__record record = {.kind = RESHARD__RECORD_IDENTITY, .node = 1};
    record.slot_count = FIXTURE_SLOTS;
    size_t size = record_make(&record, bytes, sizeof bytes);
    cr_assert_eq(
        reshard_coordinator_restore(fixture.coordinator, bytes, size), RESHARD_E_KIND);
    struct reshard_map *map;
    cr_assert_eq(reshard_map_create(32, NULL, &map), RESHARD_OK);
    record = (struct reshard__record){.kind = RESHARD__RECORD_MAP, .blob = {blob, 0}};
    cr_assert_eq(
        reshard__map_encode(map, blob, sizeof blob, &record.blob.size), RESHARD_OK);
    reshard_map_destroy(map);
    size = record_make(&record, bytes, sizeof bytes);
    cr_assert_eq(
        reshard_coordinator_restore(fixture.coordinator, bytes, size), RESHARD_E_SLOT_COUNT);
    blob[0] ^= 0xFF;
    size = record_make(&record, bytes, sizeof bytes);
    cr_assert_lt(reshard_coordinator_restore(fixture.coordinator, bytes, size), RESHARD_OK);
    fixture_close(&fixture);
}
