/* SPDX-License-Identifier: MIT */
/* Room slotd: sessions and small things of the process. See slotd.h. */
#include "slotd.h"

#include "copy.h"
#include "engine.h"
#include "log.h"

#include <stdlib.h>

uint64_t slotd_random(struct slotd *slotd)
{
    /* splitmix64 */
    uint64_t mixed = slotd->random_state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

void session_open(struct slotd *slotd, struct session *session, struct buffer *out)
{
    session->id = ++slotd->next_session;
    session->since_ns = clock_monotonic_ns();
    session->last_ns = session->since_ns;
    session->reply.out = out;
    session->reply.protocol = 2;
    session->last_command = "NULL";
    session->authenticated = slotd->settings.password[0] == '\0';
    session->next = slotd->sessions;
    if (slotd->sessions != NULL)
        slotd->sessions->previous = session;
    slotd->sessions = session;
    slotd->statistics.clients++;
}

void session_discard(struct session *session)
{
    for (size_t index = 0; index < session->queue_count; index++)
        free(session->queue[index].args);
    free(session->queue);
    session->queue = NULL;
    session->queue_count = 0;
    session->queue_capacity = 0;
    session->queue_size = 0;
    session->in_multi = false;
    session->in_exec = false;
    session->multi_failed = false;
}

void session_copy_end(struct session *session)
{
    if (session->copy != NULL)
        copy_close(session->copy);
    session->copy = NULL;
    session->copy_at = 0;
}

void session_close(struct slotd *slotd, struct session *session)
{
    session_discard(session);
    session_copy_end(session);
    if (session->ticket != NULL)
        ticket_drop(slotd->engine, session->ticket);
    buffer_free(&session->name);
    if (session->previous != NULL)
        session->previous->next = session->next;
    else
        slotd->sessions = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
    slotd->statistics.clients--;
}
