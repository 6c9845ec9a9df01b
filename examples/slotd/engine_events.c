/* SPDX-License-Identifier: MIT */
/* Room engine: the library's events as log lines, and which slots clients can see. */
#include "engine_room.h"

static void event_log(const struct reshard_event *event, const char *who)
{
    bool bad = event->kind == RESHARD_EVENT_HOOK_FAILED ||
        event->kind == RESHARD_EVENT_BAD_MESSAGE || event->kind == RESHARD_EVENT_HELD_ALONE ||
        event->kind == RESHARD_EVENT_MISMATCH || event->kind == RESHARD_EVENT_NOT_CONVERGING;
    log_event(bad ? LOG_WARNING : LOG_INFO, "reshard",
        "by=%s kind=%s migration=%llu side=%u from=%s to=%s order=%llu.%llu status=%s value=%llu",
        who, reshard_event_name(event->kind), (unsigned long long)event->migration, event->side,
        reshard_phase_name(event->phase_from), reshard_phase_name(event->phase_to),
        (unsigned long long)event->term, (unsigned long long)event->order,
        reshard_strname(event->status), (unsigned long long)event->value);
}

/* A message that could not be sent now is sent again: nothing to tell. */
static bool event_dull(const struct reshard_event *event)
{
    return event->kind == RESHARD_EVENT_HOOK_FAILED && event->value == RESHARD_ACTION_SEND;
}

void engine__events(struct engine *engine)
{
    struct reshard_event event = {.struct_size = sizeof(event)};
    while (reshard_node_event_next(engine->node, &event) == RESHARD_OK) {
        engine->visible_due = true;
        engine->store.wake_wanted |= event.kind == RESHARD_EVENT_MAP;
        if (!event_dull(&event))
            event_log(&event, "node");
    }
    while (engine->coordinator != NULL &&
        reshard_coordinator_event_next(engine->coordinator, &event) == RESHARD_OK)
        if (!event_dull(&event))
            event_log(&event, "coordinator");
}

/* Slots that another shard owns are left out of walks and counts: they are copies on their way in,
 * or remains on their way out. */
void engine__visible(struct engine *engine)
{
    engine->visible_due = false;
    for (uint32_t slot = 0; slot < STORE_SLOT_COUNT; slot++)
        store_slot_hide(engine->slotd->store, slot,
            reshard_node_route(engine->node, slot, RESHARD_OP_READ, NULL) == RESHARD_MOVED);
}
