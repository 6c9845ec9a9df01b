/* SPDX-License-Identifier: MIT */
/* Room engine: a turn of the library: messages to it, its drivers, and how much time they get. */
#include "engine_room.h"

#include <stdlib.h>

static void library_take(struct engine *engine, struct bus_message *message)
{
    int32_t receiver = reshard_message_receiver(message->data, message->size);
    if (message->foreign) {
        free(message);
    } else if (receiver == RESHARD_RECEIVER_NODE) {
        (void)reshard_driver_receive(
            engine->node_driver, message->from, message->data, message->size);
        message->next = engine->held;
        engine->held = message;
    } else {
        if (receiver == RESHARD_RECEIVER_COORDINATOR && engine->coordinator != NULL)
            (void)reshard_driver_receive(
                engine->coordinator_driver, message->from, message->data, message->size);
        free(message);
    }
}

/* From a node of this cluster. */
static void peer_take(struct engine *engine, const struct bus_message *message)
{
    if (message->kind == BUS_STATUS)
        engine__status_take(engine, message);
    else if (message->kind >= BUS_FETCH)
        engine__fetch_message(engine, message);
    else
        engine__replica_message(engine, message);
}

/* Take one message; false when there is none. */
static bool message_take(struct engine *engine)
{
    struct bus_message *message = engine__inbox_take(engine);
    if (message == NULL)
        return false;
    if (message->kind == BUS_LIBRARY) {
        library_take(engine, message);
        return true;
    }
    if (message->kind == BUS_REQUEST)
        engine__request_take(engine, message);
    else if (message->kind == BUS_ANSWER)
        engine__answer_take(engine, message);
    else if (!message->foreign)
        peer_take(engine, message);
    free(message);
    return true;
}

/* Run one driver a little; true when it has more to do at once. */
static bool driver_run(struct engine *engine, struct reshard_driver *driver)
{
    uint64_t deadline_ns = UINT64_MAX;
    if (driver == NULL)
        return false;
    int32_t status = reshard_driver_run(
        driver, clock_monotonic_ns(), ENGINE_TURN_ACTIONS, &deadline_ns);
    if (status == RESHARD_E_FATAL || status == RESHARD_E_FENCED)
        log_fatal("engine_failed", "call=run error=%s", reshard_strname(status));
    if (status != RESHARD_OK)
        log_event(LOG_WARNING, "engine_status", "error=%s", reshard_strname(status));
    if (deadline_ns < engine->deadline_ns)
        engine->deadline_ns = deadline_ns;
    return deadline_ns == 0;
}

/* While clients ask, they come first: what is read for a copy is read in small steps. */
static void clients_follow(struct engine *engine, uint64_t now_ns)
{
    uint64_t routed = engine->slotd->statistics.routed;
    if (routed != engine->routed_seen)
        engine->asked_ns = now_ns;
    engine->routed_seen = routed;
    engine->store.clients_ask =
        engine->asked_ns != 0 && now_ns - engine->asked_ns < ENGINE_ASKED_NS;
}

/* Whatever could start has started: only what waits for a sync may still read what was fed. */
static void held_free(struct engine *engine)
{
    if (engine->behind || engine->sync.store_count > 0)
        return;
    engine__messages_free(engine->held);
    engine->held = NULL;
}

/* True when there is more to do at once. */
static bool library_step(struct engine *engine)
{
    /* What was fed cannot be passed by what comes later, and what finds no room is lost until it is
     * sent again: no more than is worked off at once, in this turn or in those that follow. */
    for (int count = 0; !engine->behind && count < ENGINE_TURN_MESSAGES; count++)
        if (!message_take(engine))
            break;
    engine->deadline_ns = UINT64_MAX;
    engine__lead(engine);
    engine->behind = driver_run(engine, engine->coordinator_driver);
    engine->behind = driver_run(engine, engine->node_driver) || engine->behind;
    held_free(engine);
    return engine->behind || engine__inbox_ready(engine);
}

/* Messages in, both drivers, until nothing is left to do at once or the share is used up. */
void engine__library_run(struct engine *engine)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t end_ns = now_ns + ENGINE_TURN_NS;
    clients_follow(engine, now_ns);
    do
        engine->more = library_step(engine);
    while (engine->more && clock_monotonic_ns() < end_ns);
    if (!engine->more && engine->inbox_count > 0 && now_ns + ENGINE_HELD_NS < engine->deadline_ns)
        engine->deadline_ns = now_ns + ENGINE_HELD_NS;
}
