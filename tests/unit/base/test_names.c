/* SPDX-License-Identifier: MIT */
#include "base/base.h"
#include <criterion/criterion.h>
#include <reshard/action.h>
#include <reshard/event.h>
#include <string.h>

static void check_distinct(const char *(*name)(uint32_t), uint32_t count)
{
    cr_assert_str_eq(name(0), "?");
    cr_assert_str_eq(name(count), "?");
    cr_assert_str_eq(name(UINT32_MAX), "?");
    for (uint32_t kind = 1; kind < count; kind++) {
        cr_assert(name(kind)[0] >= 'A' && name(kind)[0] <= 'Z');
        for (uint32_t other = 1; other < kind; other++)
            cr_assert(strcmp(name(kind), name(other)) != 0);
    }
}

Test(names, action_each_kind_has_its_own)
{
    check_distinct(reshard_action_name, RESHARD_ACTION_KIND_COUNT);
    cr_assert_str_eq(reshard_action_name(RESHARD_ACTION_SEND), "SEND");
    cr_assert_str_eq(reshard_action_name(RESHARD_ACTION_PURGE), "PURGE");
    cr_assert_str_eq(reshard_action_name(RESHARD_ACTION_WAKE), "WAKE");
}

Test(names, event_each_kind_has_its_own)
{
    check_distinct(reshard_event_name, RESHARD_EVENT_KIND_COUNT);
    cr_assert_str_eq(reshard_event_name(RESHARD_EVENT_PHASE), "PHASE");
    cr_assert_str_eq(reshard_event_name(RESHARD_EVENT_HELD_ALONE), "HELD_ALONE");
    cr_assert_str_eq(reshard_event_name(RESHARD_EVENT_BAD_MESSAGE), "BAD_MESSAGE");
}

Test(names, init_over_garbage_zeroes_and_sizes)
{
    struct reshard_action action;
    struct reshard_completion completion;
    static const uint8_t zeroes[sizeof(struct reshard_action) + sizeof(struct reshard_completion)];
    memset(&action, 0xA5, sizeof action);
    memset(&completion, 0xA5, sizeof completion);
    reshard_action_init(&action);
    reshard_completion_init(&completion);
    cr_assert(action.struct_size == sizeof action && completion.struct_size == sizeof completion);
    action.struct_size = completion.struct_size = 0;
    cr_assert_eq(memcmp(&action, zeroes, sizeof action), 0);
    cr_assert_eq(memcmp(&completion, zeroes, sizeof completion), 0);
    reshard_action_init(NULL);
    reshard_completion_init(NULL);
}
