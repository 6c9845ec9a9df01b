/* SPDX-License-Identifier: MIT */
#include "base/gate.h"
#include "support/alloc.h"
#include <criterion/criterion.h>

static struct support_alloc alloc;
static struct reshard__outbox outbox;

static void begin(void)
{
    struct reshard_allocator allocator = support_alloc_init(&alloc);
    struct reshard__mem mem;
    cr_assert_eq(reshard__mem_import(&mem, &allocator), RESHARD_OK);
    cr_assert_eq(reshard__outbox_init(&outbox, &mem), RESHARD_OK);
}

static void end(void)
{
    reshard__outbox_free(&outbox);
    cr_assert(support_alloc_clean(&alloc));
}

Test(gate, enter_outside_an_input_makes_room)
{
    struct reshard__gate gate = {.started = true};
    begin();
    cr_assert_eq(reshard__gate_enter(&gate, &outbox), RESHARD_OK);
    cr_assert(gate.feeding);
    cr_assert_geq(reshard__outbox_room(&outbox), RESHARD__INPUT_RESERVE);
    end();
}

Test(gate, enter_at_the_wrong_time_is_refused)
{
    struct reshard__gate gate = {0};
    begin();
    cr_assert_eq(reshard__gate_enter(&gate, &outbox), RESHARD_E_STATE);
    gate.started = true;
    gate.feeding = true;
    cr_assert_eq(reshard__gate_enter(&gate, &outbox), RESHARD_E_REENTRANT);
    gate.ended = RESHARD_E_FENCED;
    cr_assert_eq(reshard__gate_enter(&gate, &outbox), RESHARD_E_FENCED);
    cr_assert_eq(reshard__outbox_room(&outbox), 0);
    end();
}

Test(gate, enter_without_memory_stays_open)
{
    struct reshard__gate gate = {.started = true};
    begin();
    alloc.fail_at = alloc.calls + 1;
    cr_assert_eq(reshard__gate_enter(&gate, &outbox), RESHARD_E_NOMEM);
    cr_assert_not(gate.feeding);
    alloc.fail_at = 0;
    cr_assert_eq(reshard__gate_enter(&gate, &outbox), RESHARD_OK);
    end();
}

Test(gate, completion_of_null_means_done)
{
    struct reshard_completion from, completion;
    cr_assert_eq(reshard__gate_completion(NULL, &completion), RESHARD_OK);
    cr_assert_eq(completion.struct_size, sizeof completion);
    cr_assert_eq(completion.status, RESHARD_OK);
    reshard_completion_init(&from);
    from.status = RESHARD_E_UNKNOWN;
    from.keys = 7;
    cr_assert_eq(reshard__gate_completion(&from, &completion), RESHARD_OK);
    cr_assert_eq(completion.status, RESHARD_E_UNKNOWN);
    cr_assert_eq(completion.keys, 7);
    from.struct_size = 3;
    cr_assert_eq(reshard__gate_completion(&from, &completion), RESHARD_E_STRUCT_SIZE);
}
