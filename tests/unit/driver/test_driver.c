/* SPDX-License-Identifier: MIT */
/* Making, starting and feeding a driver. */
#include "puppet.h"

#include <criterion/criterion.h>

static int32_t create(struct puppet *puppet, const struct reshard_transport *transport,
    const struct reshard_journal *journal, const struct reshard_store *store)
{
    struct reshard_driver *driver = NULL;
    int32_t status = reshard__driver_create(
        &puppet_ops, puppet, transport, journal, store, NULL, &driver);
    cr_assert_eq(driver == NULL, status != RESHARD_OK);
    reshard_driver_destroy(driver);
    return status;
}

Test(driver, create_wants_the_hooks_of_one_mode)
{
    struct puppet *puppet = puppet_new();
    struct reshard_transport transport = puppet_transport(puppet);
    struct reshard_journal journal = puppet_journal(puppet);
    struct reshard_store store = puppet_store(puppet);
    cr_assert_eq(create(puppet, &transport, &journal, &store), RESHARD_OK);
    cr_assert_eq(create(puppet, &transport, &journal, NULL), RESHARD_OK);
    reshard_hook *const required[] = {&transport.send, &journal.append, &journal.load,
        &store.apply, &store.sync, &store.discard, &store.purge, &store.export_data,
        &store.activate};
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        *required[i] = NULL;
        cr_assert_eq(create(puppet, &transport, &journal, &store), RESHARD_E_HOOK_MISSING,
            "hook %zu", i);
        *required[i] = puppet_hook;
    }
    store.export_data = NULL;
    store.activate = NULL;
    store.pick = puppet_hook;
    cr_assert_eq(create(puppet, &transport, &journal, &store), RESHARD_E_HOOK_MISSING);
    store.remove = puppet_hook;
    cr_assert_eq(create(puppet, &transport, &journal, &store), RESHARD_OK);
    cr_assert(puppet_end(puppet));
}

Test(driver, create_refuses_structs_that_it_does_not_understand)
{
    struct puppet *puppet = puppet_new();
    struct reshard_transport transport = puppet_transport(puppet);
    struct reshard_journal journal = puppet_journal(puppet);
    struct reshard_store store = puppet_store(puppet);
    struct reshard_allocator allocator = puppet->allocator;
    uint32_t *const sizes[] = {
        &transport.struct_size, &journal.struct_size, &store.struct_size};
    uint32_t *const flags[] = {&transport.flags, &journal.flags, &store.flags};
    for (size_t i = 0; i < 3; i++) {
        *sizes[i] -= 8;
        cr_assert_eq(create(puppet, &transport, &journal, &store), RESHARD_E_STRUCT_SIZE);
        *sizes[i] += 8;
        *flags[i] = 1;
        cr_assert_eq(create(puppet, &transport, &journal, &store), RESHARD_E_FLAGS);
        *flags[i] = 0;
    }
    struct {
        struct reshard_transport transport;
        uint64_t tail;
    } newer = {transport, 1};
    newer.transport.struct_size = sizeof newer;
    cr_assert_eq(create(puppet, &newer.transport, &journal, &store), RESHARD_E_STRUCT_TAIL);
    newer.tail = 0;
    cr_assert_eq(create(puppet, &newer.transport, &journal, &store), RESHARD_OK);
    allocator.flags = 1;
    struct reshard_driver *driver = NULL;
    cr_assert_eq(reshard__driver_create(&puppet_ops, puppet, &transport, &journal, &store,
                     &allocator, &driver),
        RESHARD_E_FLAGS);
    cr_assert(puppet_end(puppet));
}

Test(driver, create_without_memory_says_so)
{
    struct puppet *puppet;
    cr_assert_eq(puppet_make(&puppet, 1), RESHARD_E_NOMEM);
    cr_assert_null(puppet->driver);
    cr_assert(puppet_end(puppet));
}

Test(driver, null_is_refused_and_destroying_it_is_nothing)
{
    struct puppet *puppet = puppet_new();
    uint8_t byte = 0;
    reshard_driver_destroy(NULL);
    cr_assert_eq(reshard_driver_start(NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_run(NULL, 1, 0, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_restore(NULL, &byte, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_restore(puppet->driver, NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_receive(NULL, 1, &byte, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_receive(puppet->driver, 1, NULL, 1), RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_complete(NULL, 1, NULL), RESHARD_E_NULL);
    cr_assert(puppet_end(puppet));
}

/* ---- start ---- */

static int32_t load_records(struct puppet *puppet, const struct reshard_action *action)
{
    uint8_t bytes[5] = {0};
    cr_assert_eq(action->kind, RESHARD_ACTION_LOAD);
    return reshard_driver_restore(puppet->driver, bytes, sizeof bytes);
}

Test(driver, start_loads_then_begins_once)
{
    struct puppet *puppet;
    uint8_t byte = 0;
    cr_assert_eq(puppet_make(&puppet, 0), RESHARD_OK);
    puppet->inside = load_records;
    cr_assert_eq(reshard_driver_run(puppet->driver, 1, 0, NULL), RESHARD_E_STATE);
    cr_assert_eq(reshard_driver_receive(puppet->driver, 1, &byte, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_driver_restore(puppet->driver, &byte, 1), RESHARD_E_STATE);
    cr_assert_eq(reshard_driver_start(puppet->driver, 9), RESHARD_OK);
    cr_assert_eq(puppet->now_ns, 9);
    cr_assert_eq(reshard_driver_start(puppet->driver, 9), RESHARD_E_STATE);
    cr_assert_eq(reshard_driver_restore(puppet->driver, &byte, 1), RESHARD_E_STATE);
    cr_assert_str_eq(puppet_log(puppet), "L F5 B");
    cr_assert(puppet_end(puppet));
}

Test(driver, start_tells_why_the_load_failed_and_may_be_called_again)
{
    const int32_t codes[][2] = {{-9999, RESHARD_E_HOOK}, {RESHARD_E_UNKNOWN, RESHARD_E_HOOK},
        {RESHARD_E_NOMEM, RESHARD_E_NOMEM}, {RESHARD_E_CHAIN, RESHARD_E_CHAIN}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct puppet *puppet;
        cr_assert_eq(puppet_make(&puppet, 0), RESHARD_OK);
        puppet->answers[RESHARD_ACTION_LOAD] = codes[i][0];
        cr_assert_eq(reshard_driver_start(puppet->driver, 1), codes[i][1]);
        puppet->answers[RESHARD_ACTION_LOAD] = RESHARD_OK;
        cr_assert_eq(reshard_driver_start(puppet->driver, 1), RESHARD_OK);
        cr_assert_str_eq(puppet_log(puppet), "L L B");
        cr_assert(puppet_end(puppet));
    }
}

Test(driver, start_does_not_load_again_when_only_the_beginning_failed)
{
    struct puppet *puppet;
    cr_assert_eq(puppet_make(&puppet, 0), RESHARD_OK);
    puppet->start_status = RESHARD_E_NOMEM;
    cr_assert_eq(reshard_driver_start(puppet->driver, 1), RESHARD_E_NOMEM);
    cr_assert_eq(reshard_driver_run(puppet->driver, 1, 0, NULL), RESHARD_E_STATE);
    puppet->start_status = RESHARD_OK;
    cr_assert_eq(reshard_driver_start(puppet->driver, 1), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "L B B");
    cr_assert(puppet_end(puppet));
}

Test(driver, start_may_load_asynchronously)
{
    struct puppet *puppet;
    uint8_t byte = 0;
    uint64_t deadline_ns = 0;
    cr_assert_eq(puppet_make(&puppet, 0), RESHARD_OK);
    puppet->answers[RESHARD_ACTION_LOAD] = RESHARD_PENDING;
    cr_assert_eq(reshard_driver_start(puppet->driver, 1), RESHARD_PENDING);
    cr_assert_eq(reshard_driver_start(puppet->driver, 1), RESHARD_E_STATE);
    uint64_t id = puppet->seen->id;
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 0, &deadline_ns), RESHARD_OK);
    cr_assert_eq(deadline_ns, UINT64_MAX);
    cr_assert_eq(reshard_driver_restore(puppet->driver, &byte, 1), RESHARD_OK);
    cr_assert_eq(reshard_driver_complete(puppet->driver, id, NULL), RESHARD_OK);
    cr_assert_eq(reshard_driver_complete(puppet->driver, id, NULL), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_driver_run(puppet->driver, 3, 0, NULL), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "L F1 B T3");
    cr_assert(puppet_end(puppet));
}

Test(driver, an_asynchronous_load_that_fails_shows_in_run_and_may_be_started_again)
{
    struct puppet *puppet;
    cr_assert_eq(puppet_make(&puppet, 0), RESHARD_OK);
    puppet->answers[RESHARD_ACTION_LOAD] = RESHARD_PENDING;
    cr_assert_eq(reshard_driver_start(puppet->driver, 1), RESHARD_PENDING);
    struct reshard_completion completion = {.struct_size = sizeof completion};
    completion.status = RESHARD_E_CHECKSUM;
    cr_assert_eq(
        reshard_driver_complete(puppet->driver, puppet->seen->id, &completion), RESHARD_OK);
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 0, NULL), RESHARD_E_CHECKSUM);
    puppet->answers[RESHARD_ACTION_LOAD] = RESHARD_OK;
    cr_assert_eq(reshard_driver_start(puppet->driver, 3), RESHARD_OK);
    cr_assert(puppet_end(puppet));
}

/* ---- feeding ---- */

Test(driver, receive_outside_a_hook_feeds_at_once_without_a_copy)
{
    struct puppet *puppet = puppet_new();
    uint8_t bytes[4] = {0};
    cr_assert_eq(reshard_driver_run(puppet->driver, 33, 0, NULL), RESHARD_OK);
    cr_assert_eq(reshard_driver_receive(puppet->driver, 5, bytes, sizeof bytes), RESHARD_OK);
    cr_assert_eq(puppet->received, bytes);
    cr_assert_eq(puppet->now_ns, 33);
    puppet->nomem_receive = 1;
    cr_assert_eq(
        reshard_driver_receive(puppet->driver, 5, bytes, sizeof bytes), RESHARD_E_NOMEM);
    cr_assert(puppet_end(puppet));
}

static int32_t receive_huge(struct puppet *puppet, const struct reshard_action *action)
{
    uint8_t byte = 0;
    (void)action;
    cr_assert_eq(
        reshard_driver_receive(puppet->driver, 5, &byte, SIZE_MAX), RESHARD_E_NOMEM);
    puppet->alloc.fail_at = puppet->alloc.calls + 1;
    cr_assert_eq(reshard_driver_receive(puppet->driver, 5, &byte, 1), RESHARD_E_NOMEM);
    cr_assert_eq(reshard_driver_receive(puppet->driver, 6, &byte, 1), RESHARD_OK);
    cr_assert_eq(reshard_driver_receive(puppet->driver, 7, &byte, 1), RESHARD_OK);
    return RESHARD_OK;
}

Test(driver, receive_inside_a_hook_copies_or_says_why_not)
{
    struct puppet *puppet = puppet_new();
    puppet->inside = receive_huge;
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 0, NULL), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 C1 R6 R7");
    cr_assert(puppet_end(puppet));
}

Test(driver, destroy_frees_messages_that_were_not_taken)
{
    struct puppet *puppet = puppet_new();
    puppet->inside = receive_huge;
    puppet->nomem_receive = 1;
    puppet_ask(puppet, RESHARD_ACTION_SEND, 0);
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 0, NULL), RESHARD_E_NOMEM);
    cr_assert_not_null(puppet->driver->fed_first);
    cr_assert(puppet_end(puppet));
}

Test(driver, complete_refuses_what_is_not_under_way)
{
    struct puppet *puppet = puppet_new();
    struct reshard_completion completion = {.struct_size = sizeof completion};
    puppet->answers[RESHARD_ACTION_SYNC] = RESHARD_PENDING;
    puppet_ask(puppet, RESHARD_ACTION_SYNC, 0);
    puppet_ask(puppet, RESHARD_ACTION_SEND, 1);
    cr_assert_eq(reshard_driver_complete(puppet->driver, 1, NULL), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 0, NULL), RESHARD_OK);
    cr_assert_eq(reshard_driver_complete(puppet->driver, 2, NULL), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_driver_complete(puppet->driver, 3, NULL), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_driver_complete(puppet->driver, UINT64_MAX, NULL), RESHARD_E_ARGUMENT);
    completion.status = 1;
    cr_assert_eq(reshard_driver_complete(puppet->driver, 1, &completion), RESHARD_E_ARGUMENT);
    completion.struct_size = 4;
    cr_assert_eq(reshard_driver_complete(puppet->driver, 1, &completion), RESHARD_E_STRUCT_SIZE);
    completion.struct_size = sizeof completion;
    completion.status = RESHARD_E_HOOK;
    cr_assert_eq(reshard_driver_complete(puppet->driver, 1, &completion), RESHARD_OK);
    cr_assert_eq(reshard_driver_run(puppet->driver, 2, 1, NULL), RESHARD_OK);
    cr_assert_str_eq(puppet_log(puppet), "T2 S1 T2 C1 S2 C2");
    cr_assert(puppet_end(puppet));
}
