/* SPDX-License-Identifier: MIT */
/* Names of actions and events, and the initialisers of their structs. */
#include "base/base.h"
#include <reshard/action.h>
#include <reshard/event.h>

#include <string.h>

#define ARRAY_COUNT(array) (sizeof(array) / sizeof *(array))

const char *reshard_action_name(uint32_t kind)
{
    static const char *const names[] = {"?", "SEND", "APPEND", "LOAD", "COMPACT", "EXPORT", "APPLY",
        "SYNC", "ACTIVATE", "DISCARD", "PURGE", "FENCE", "DIGEST", "PICK", "REMOVE", "WAKE"};
    _Static_assert(ARRAY_COUNT(names) == RESHARD_ACTION_KIND_COUNT, "a name for each kind");
    return kind < ARRAY_COUNT(names) ? names[kind] : "?";
}

const char *reshard_event_name(uint32_t kind)
{
    static const char *const names[] = {"?", "PHASE", "ORDERED", "ATTEMPT", "PAUSE", "RESUME",
        "REFUSED", "LOST", "EXPIRED", "MISMATCH", "NOT_CONVERGING", "HELD_ALONE", "QUARANTINE",
        "HOOK_FAILED", "FENCED", "TERM", "MAP", "END", "THROTTLED", "BAD_MESSAGE", "JOB",
        "NO_MEMORY"};
    _Static_assert(ARRAY_COUNT(names) == RESHARD_EVENT_KIND_COUNT, "a name for each kind");
    return kind < ARRAY_COUNT(names) ? names[kind] : "?";
}

void reshard_completion_init(struct reshard_completion *completion)
{
    if (!completion)
        return;
    memset(completion, 0, sizeof *completion);
    completion->struct_size = sizeof *completion;
}

void reshard_action_init(struct reshard_action *action)
{
    if (!action)
        return;
    memset(action, 0, sizeof *action);
    action->struct_size = sizeof *action;
}
