/* SPDX-License-Identifier: MIT */
/* Room copy (slotd): a client of another server, Redis or not, for MIGRATE ... COPY: sends requests
 * and counts their answers, each one line. Nothing here waits: who asks is woken.
 *
 * Guarantees: what is sent goes to a server that was named, once; after copy_close nothing happens
 * any more.
 */
#ifndef SLOTD_COPY_H
#define SLOTD_COPY_H

#include "bytes.h"

struct copy;
struct slotd;

/* Connect to an address; slotd is woken when there is something new. */
struct copy *copy_open(struct slotd *slotd, const char *host, int port);
void copy_close(struct copy *copy);

enum {
    COPY_WAITS,      /* for the connection, or for answers */
    COPY_READY,      /* all was answered */
    COPY_NO_ADDRESS, /* not an IPv4 or IPv6 address, or one without a way to it */
    COPY_LOST        /* the connection, or what comes from it makes no sense */
};
int copy_state(const struct copy *copy);
/* The first error that was answered; NULL: none. */
const char *copy_error(const struct copy *copy);
/* Send what the buffer holds, once COPY_READY; it is taken then. So many answers will come. */
void copy_send(struct copy *copy, struct buffer *requests, size_t answers);

#endif
