/* SPDX-License-Identifier: MIT */
/* Room bus (slotd): messages between the nodes of a cluster, over TCP.
 *
 * frame = size 4 (of what follows) | kind 1 | payload. Each side begins with HELLO (who it is, a
 * nonce), then PROOF: HMAC-SHA256 over both HELLOs, keyed with the shared secret.
 * Guarantees: before a link has proven itself nothing it says reaches the receiver; memory grows
 * with bytes that arrived, not with what a header announces; what waits to be sent is bounded and
 * what does not fit is dropped, as is all that a broken link had. Bytes travel in the clear.
 * Messages that are sent leave with bus_flush: after the commit that they may speak of.
 */
#ifndef SLOTD_BUS_H
#define SLOTD_BUS_H

#include "bytes.h"
#include "slotd.h"

#include <uv.h>

enum { BUS_CLUSTER_SIZE = 16 };

/* Kinds of message (frames below 16 are the receiver's). */
enum {
    BUS_LIBRARY = 1, /* the library's own */
    BUS_REQUEST = 2, /* an operator's request, on its way to the coordinator */
    BUS_ANSWER = 3,
    BUS_REPLICA = 4, /* a replica to its primary: follow, acknowledge (replica_room.h) */
    BUS_STREAM = 5,  /* a primary to its replica: what has changed */
    BUS_STATUS = 6,  /* that a node is up, and how far (engine_health.c) */
    BUS_FETCH = 7,   /* for the bytes of a value in pieces, and the answer (host_fetch.c) */
    BUS_PIECE = 8,
    BUS_GIVE = 9, /* all that is left of a slot that moves by hand (engine_fetch.c) */
    BUS_KIND_LIMIT = 16
};

/* Who a node is; read whenever a link begins. */
struct bus_identity {
    uint64_t node;
    uint8_t cluster[BUS_CLUSTER_SIZE]; /* nodes of another one may only join */
};

/* A message that arrived; owned by the receiver, who frees it. */
struct bus_message {
    struct bus_message *next;
    uint64_t from;
    bool foreign; /* from a node of another cluster */
    uint8_t kind;
    size_t size;
    uint8_t data[];
};

struct bus_address {
    char host[ADDRESS_TEXT_SIZE];
    int port;
};

struct bus_hooks {
    void *user_data;
    void (*identify)(void *user_data, struct bus_identity *identity_out);
    /* Where a node listens; false = not known. */
    bool (*locate)(void *user_data, uint64_t node, struct bus_address *address_out);
    void (*receive)(void *user_data, struct bus_message *message);
    void (*linked)(void *user_data, uint64_t node); /* a link has proven itself */
};

struct bus;

/* Listen; NULL when that fails (logged). A port of 0 becomes the one that was given. */
struct bus *bus_open(uv_loop_t *loop, const char *bind, int *port, const char *secret,
    const struct bus_hooks *hooks);
/* Close all handles; bus_free once the loop has seen them close. */
void bus_shut(struct bus *bus);
void bus_free(struct bus *bus);

/* Hand a message to a node, or to whoever listens at an address; false: not now. There is no link
 * (one is dialled, if that is not tried too often already) or too much waits. */
bool bus_send(struct bus *bus, uint64_t node, uint8_t kind, struct bytes header,
    struct bytes payload);
bool bus_send_address(struct bus *bus, const struct bus_address *address, uint8_t kind,
    struct bytes payload);
void bus_flush(struct bus *bus);
/* Cut all links: the identity has changed. */
void bus_cut(struct bus *bus);
/* Close what never proved itself. Called now and then. */
void bus_tick(struct bus *bus);
/* Dial the node unless a link to it stands, or was tried a moment ago. */
void bus_link(struct bus *bus, uint64_t node);
bool bus_linked(const struct bus *bus, uint64_t node);
/* When a dial began that was refused: nothing listened there. 0: none was, or it is linked. */
uint64_t bus_refused_ns(const struct bus *bus, uint64_t node);
struct bus_link_state {
    uint64_t node;
    bool dialled; /* from here */
    int64_t since_ms;
    size_t size;     /* of what waits to be sent */
    size_t capacity;
};
/* Links that stand; false behind the last. */
bool bus_link_at(const struct bus *bus, uint32_t index, struct bus_link_state *link_out);
void bus_counts(const struct bus *bus, uint64_t *sent_out, uint64_t *received_out);

#endif
