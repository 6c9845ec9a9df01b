/* SPDX-License-Identifier: MIT */
/* Room engine: messages that wait for a turn, a lane for each sender, taken one from each in turn:
 * what one source sends in bulk does not keep the last word of another waiting. While the writes of
 * one source pause for this node, what others send in bulk waits altogether. */
#include "engine_room.h"

#include <stdlib.h>

enum { BULK_SIZE = 4096 };
#define PAUSE_NS ((uint64_t)20000000) /* bulk waits no longer than this for the next order */

struct lane {
    struct lane *next; /* a ring */
    uint64_t from;
    uint64_t pause_end_ns; /* its writes pause, until then at the latest */
    struct bus_message *first;
    struct bus_message *last;
};

static struct lane *lane_of(struct engine *engine, uint64_t from)
{
    struct lane *lane = engine->lanes;
    for (; lane != NULL; lane = lane->next == engine->lanes ? NULL : lane->next)
        if (lane->from == from)
            return lane;
    lane = memory_take(sizeof(*lane));
    lane->from = from;
    if (engine->lanes == NULL)
        engine->lanes = lane;
    lane->next = engine->lanes->next != NULL ? engine->lanes->next : lane;
    engine->lanes->next = lane;
    return lane;
}

void engine__inbox_put(struct engine *engine, struct bus_message *message)
{
    struct lane *lane = lane_of(engine, message->from);
    message->next = NULL;
    if (lane->first == NULL)
        lane->first = message;
    else
        lane->last->next = message;
    lane->last = message;
    engine->inbox_count++;
    engine->dirty = true;
}

void engine__inbox_pause(struct engine *engine, uint64_t from, bool pauses)
{
    uint64_t now_ns = clock_monotonic_ns();
    lane_of(engine, from)->pause_end_ns = pauses ? now_ns + PAUSE_NS : 0;
    store_sync_still(engine->slotd->store, pauses);
    engine->dirty = true;
}

/* Whether the lane's next message lets a pause of another go first. */
static bool gives_way(const struct lane *lane, uint64_t now_ns)
{
    return lane->first->size >= BULK_SIZE && now_ns >= lane->pause_end_ns;
}

static bool pausing(const struct engine *engine, uint64_t now_ns)
{
    const struct lane *lane = engine->lanes;
    do {
        if (now_ns < lane->pause_end_ns)
            return true;
        lane = lane->next;
    } while (lane != engine->lanes);
    return false;
}

/* The next lane in turn that a message may be taken from; NULL: none. */
static struct lane *lane_next(const struct engine *engine)
{
    uint64_t now_ns = clock_monotonic_ns();
    bool pauses = engine->inbox_count > 0 && pausing(engine, now_ns);
    struct lane *lane = engine->lanes;
    for (bool more = engine->inbox_count > 0; more; more = lane != engine->lanes) {
        lane = lane->next;
        if (lane->first != NULL && !(pauses && gives_way(lane, now_ns)))
            return lane;
    }
    return NULL;
}

bool engine__inbox_ready(const struct engine *engine)
{
    return lane_next(engine) != NULL;
}

struct bus_message *engine__inbox_take(struct engine *engine)
{
    struct lane *lane = lane_next(engine);
    if (lane == NULL)
        return NULL;
    struct bus_message *message = lane->first;
    engine->lanes = lane;
    engine->lanes->first = message->next;
    engine->inbox_count--;
    return message;
}

void engine__inbox_free(struct engine *engine)
{
    if (engine->lanes == NULL)
        return;
    struct lane *lane = engine->lanes->next;
    engine->lanes->next = NULL;
    engine->inbox_count = 0;
    while (lane != NULL) {
        struct lane *next = lane->next;
        engine__messages_free(lane->first);
        free(lane);
        lane = next;
    }
    engine->lanes = NULL;
}
