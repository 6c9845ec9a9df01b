/* SPDX-License-Identifier: MIT */
/* Room engine: messages that wait for a turn, a lane for each sender, taken one from each in turn:
 * what one source sends in bulk does not keep the last word of another waiting. */
#include "engine_room.h"

#include <stdlib.h>

struct lane {
    struct lane *next; /* a ring */
    uint64_t from;
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

struct bus_message *engine__inbox_take(struct engine *engine)
{
    if (engine->inbox_count == 0)
        return NULL;
    do
        engine->lanes = engine->lanes->next;
    while (engine->lanes->first == NULL);
    struct bus_message *message = engine->lanes->first;
    engine->lanes->first = message->next;
    engine->inbox_count--;
    return message;
}

void engine__inbox_free(struct engine *engine)
{
    struct bus_message *message;
    while ((message = engine__inbox_take(engine)) != NULL)
        free(message);
    if (engine->lanes == NULL)
        return;
    struct lane *lane = engine->lanes->next;
    engine->lanes->next = NULL;
    while (lane != NULL) {
        struct lane *next = lane->next;
        free(lane);
        lane = next;
    }
    engine->lanes = NULL;
}
