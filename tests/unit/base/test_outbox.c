/* SPDX-License-Identifier: MIT */
#include "base/outbox.h"
#include "support/alloc.h"
#include <criterion/criterion.h>
#include <string.h>

static void begin(struct support_alloc *alloc, struct reshard__outbox *outbox)
{
    struct reshard_allocator allocator = support_alloc_init(alloc);
    struct reshard__mem mem;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    cr_assert_eq(reshard__outbox_init(outbox, &mem), RESHARD_OK);
}

static uint64_t pull(struct reshard__outbox *outbox, uint32_t kind)
{
    struct reshard_action action;
    reshard_action_init(&action);
    cr_assert_eq(reshard__outbox_next(outbox, &action), RESHARD_OK);
    cr_assert_eq(action.kind, kind);
    return action.id;
}

Test(outbox, next_pushed_actions_come_in_order)
{
    struct support_alloc alloc;
    struct reshard__outbox outbox;
    struct reshard_action action;
    begin(&alloc, &outbox);
    cr_assert_eq(reshard__outbox_reserve(&outbox, 3), RESHARD_OK);
    cr_assert_eq(reshard__outbox_room(&outbox), 3);
    for (uint32_t kind = 1; kind <= 3; kind++)
        reshard__outbox_push(&outbox, kind);
    cr_assert(reshard__outbox_room(&outbox) == 0 && outbox.open_count == 3);
    for (uint32_t kind = 1; kind <= 3; kind++)
        cr_assert_neq(pull(&outbox, kind), 0);
    reshard_action_init(&action);
    cr_assert_eq(reshard__outbox_next(&outbox, &action), RESHARD_E_EMPTY);
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

Test(outbox, next_into_wrong_struct_keeps_the_action)
{
    struct support_alloc alloc;
    struct reshard__outbox outbox;
    struct reshard_action action;
    begin(&alloc, &outbox);
    cr_assert_eq(reshard__outbox_reserve(&outbox, 1), RESHARD_OK);
    reshard__outbox_push(&outbox, RESHARD_ACTION_SEND);
    reshard_action_init(&action);
    action.struct_size = 8;
    cr_assert_eq(reshard__outbox_next(&outbox, &action), RESHARD_E_STRUCT_SIZE);
    cr_assert_eq(reshard__outbox_next(&outbox, NULL), RESHARD_E_NULL);
    cr_assert_neq(pull(&outbox, RESHARD_ACTION_SEND), 0);
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

Test(outbox, find_unpulled_or_released_is_null)
{
    struct support_alloc alloc;
    struct reshard__outbox outbox;
    begin(&alloc, &outbox);
    cr_assert_eq(reshard__outbox_reserve(&outbox, 1), RESHARD_OK);
    uint64_t id = reshard__outbox_push(&outbox, RESHARD_ACTION_SYNC)->action.id;
    cr_assert_null(reshard__outbox_find(&outbox, id));
    cr_assert_eq(pull(&outbox, RESHARD_ACTION_SYNC), id);
    struct reshard__entry *entry = reshard__outbox_find(&outbox, id);
    cr_assert_not_null(entry);
    cr_assert_null(reshard__outbox_find(&outbox, id + 1));
    cr_assert_null(reshard__outbox_find(&outbox, 0));
    cr_assert_null(reshard__outbox_find(&outbox, UINT64_MAX));
    reshard__outbox_release(&outbox, entry);
    cr_assert_null(reshard__outbox_find(&outbox, id));
    cr_assert_eq(outbox.open_count, 0);
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

Test(outbox, push_reused_place_has_a_new_id)
{
    struct support_alloc alloc;
    struct reshard__outbox outbox;
    uint64_t before = 0;
    begin(&alloc, &outbox);
    cr_assert_eq(reshard__outbox_reserve(&outbox, 1), RESHARD_OK);
    size_t calls = alloc.calls;
    for (int i = 0; i < 1000; i++) {
        struct reshard__entry *entry = reshard__outbox_push(&outbox, RESHARD_ACTION_WAKE);
        cr_assert(entry->action.header == entry->header && entry->owner == 0);
        entry->owner = 7;
        uint64_t id = pull(&outbox, RESHARD_ACTION_WAKE);
        cr_assert_gt(id, before);
        cr_assert_null(reshard__outbox_find(&outbox, before));
        before = id;
        reshard__outbox_release(&outbox, entry);
    }
    cr_assert_eq(alloc.calls, calls, "what was reserved is pushed without allocating");
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

Test(outbox, push_takes_used_places_before_others)
{
    struct support_alloc alloc;
    struct reshard__outbox outbox;
    static const struct reshard__entry untouched;
    begin(&alloc, &outbox);
    cr_assert_eq(reshard__outbox_reserve(&outbox, 20), RESHARD_OK);
    struct reshard__entry *first = reshard__outbox_push(&outbox, RESHARD_ACTION_WAKE);
    struct reshard__entry *second = reshard__outbox_push(&outbox, RESHARD_ACTION_WAKE);
    for (int i = 0; i < 2; i++)
        reshard__outbox_release(
            &outbox, reshard__outbox_find(&outbox, pull(&outbox, RESHARD_ACTION_WAKE)));
    cr_expect_eq(reshard__outbox_push(&outbox, RESHARD_ACTION_SYNC), second);
    cr_expect_eq(reshard__outbox_push(&outbox, RESHARD_ACTION_SYNC), first);
    cr_assert_eq(outbox.used_count, 2);
    for (size_t i = 2; i < outbox.entry_count; i++)
        cr_assert_eq(memcmp(outbox.entries[i], &untouched, sizeof untouched), 0);
    cr_expect_eq(reshard__outbox_room(&outbox), outbox.entry_count - 2);
    cr_assert_eq(reshard__outbox_reserve(&outbox, 30), RESHARD_OK);
    for (int i = 0; i < 30; i++)
        (void)reshard__outbox_push(&outbox, RESHARD_ACTION_SEND);
    cr_expect_eq(outbox.open_count, 32);
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

Test(outbox, free_with_open_entries_frees_their_blocks)
{
    struct support_alloc alloc;
    struct reshard__outbox outbox;
    begin(&alloc, &outbox);
    cr_assert_eq(reshard__outbox_reserve(&outbox, 2), RESHARD_OK);
    for (uint32_t kind = 1; kind <= 2; kind++) {
        struct reshard__entry *entry = reshard__outbox_push(&outbox, kind);
        entry->block = reshard__mem_alloc(&outbox.mem, 500);
        entry->block_size = 500;
    }
    reshard__outbox_release(&outbox, reshard__outbox_find(&outbox, pull(&outbox, 1)));
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

Test(outbox, reserve_failing_allocation_keeps_what_is_there)
{
    struct support_alloc alloc;
    struct reshard__outbox outbox;
    for (size_t n = 1;; n++) {
        begin(&alloc, &outbox);
        cr_assert_eq(reshard__outbox_reserve(&outbox, 1), RESHARD_OK);
        uint64_t id = reshard__outbox_push(&outbox, RESHARD_ACTION_SEND)->action.id;
        alloc.fail_at = alloc.calls + n;
        int32_t status = reshard__outbox_reserve(&outbox, 20);
        cr_assert_eq(status, alloc.failed ? RESHARD_E_NOMEM : RESHARD_OK);
        cr_assert_eq(pull(&outbox, RESHARD_ACTION_SEND), id);
        reshard__outbox_free(&outbox);
        cr_assert(support_alloc_clean(&alloc));
        if (status == RESHARD_OK)
            break;
        cr_assert_lt(n, 100);
    }
}

Test(outbox, init_failing_allocation_is_nomem)
{
    struct support_alloc alloc;
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem;
    struct reshard__outbox outbox;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    alloc.fail_at = 1;
    cr_assert_eq(reshard__outbox_init(&outbox, &mem), RESHARD_E_NOMEM);
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

Test(outbox, tell_more_than_kept_drops_the_oldest)
{
    struct support_alloc alloc;
    struct reshard__outbox outbox;
    struct reshard_event event;
    begin(&alloc, &outbox);
    memset(&event, 0, sizeof event);
    event.kind = RESHARD_EVENT_MAP;
    for (uint64_t value = 1; value <= RESHARD__EVENT_RING + 5; value++) {
        event.value = value;
        reshard__outbox_tell(&outbox, &event);
    }
    event.struct_size = 4;
    cr_assert_eq(reshard__outbox_event_next(&outbox, &event), RESHARD_E_STRUCT_SIZE);
    event.struct_size = sizeof event;
    for (uint64_t value = 6; value <= RESHARD__EVENT_RING + 5; value++) {
        cr_assert_eq(reshard__outbox_event_next(&outbox, &event), RESHARD_OK);
        cr_assert(event.value == value && event.number == value);
    }
    cr_assert_eq(reshard__outbox_event_next(&outbox, &event), RESHARD_E_EMPTY);
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

Test(outbox, reserve_beyond_all_places_is_refused)
{
    struct support_alloc alloc;
    struct reshard__outbox outbox;
    begin(&alloc, &outbox);
    outbox.entry_count = (size_t)1 << 20;
    cr_assert_eq(reshard__outbox_reserve(&outbox, 1), RESHARD_E_LIMIT);
    outbox.entry_count = 0;
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}
