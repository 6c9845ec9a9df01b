/* SPDX-License-Identifier: MIT */
/* Room bus, inside: links and who made them. Only bus*.c includes this. */
#ifndef SLOTD_BUS_ROOM_H
#define SLOTD_BUS_ROOM_H

#include "bus.h"

enum {
    FRAME_HEADER_SIZE = 5,
    FRAME_HELLO = 16,
    FRAME_PROOF = 17,
    NONCE_SIZE = 32,
    HELLO_SIZE = 8 + 8 + BUS_CLUSTER_SIZE + NONCE_SIZE,
    PROOF_SIZE = 32,
    FRAME_SIZE_MAX = (1 << 30) + (1 << 20), /* a copy for a replica: two large values of one hash */
    OUTPUT_SIZE_MAX = 64 << 20,
    STRANGERS_MAX = 64, /* links that have not proven themselves */
    STRANGER_MS = 5000,
    LINK_READ_SIZE = 262144
};

/* An address that was dialled, and when it may be again. */
struct target {
    struct target *next;
    struct bus_address address;
    uint64_t retry_ns;
    uint64_t delay_ns;
    uint64_t dialled_ns;
    uint64_t refused_ns; /* when the newest dial that was refused had begun; 0 = it was not */
    struct link *link;
};

struct link {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct bus *bus;
    struct link *next;
    struct target *target; /* NULL: it came in */
    uint64_t since_ns;
    uint64_t peer;
    bool greeted; /* the peer's HELLO is here */
    bool proven;
    bool foreign;
    bool writing;
    bool closed;
    uint8_t hello[HELLO_SIZE];
    uint8_t peer_hello[HELLO_SIZE];
    struct buffer input;
    struct buffer output;
    struct buffer sending;
};

struct bus {
    uv_loop_t *loop;
    uv_tcp_t listener;
    struct bus_hooks hooks;
    char secret[256];
    struct link *links;
    struct target *targets;
    uint64_t sent;
    uint64_t received;
    bool shut;
    uint8_t read_buffer[LINK_READ_SIZE];
};

/* bus_link.c */
struct link *bus__link_open(struct bus *bus, struct target *target);
/* Begin: the connection stands. */
void bus__link_greet(struct link *link);
void bus__link_close(struct link *link, const char *reason);
bool bus__link_put(
    struct link *link, uint8_t kind, struct bytes header, struct bytes payload);
void bus__link_flush(struct link *link);
/* Bytes from the peer; the link may be closed behind this. */
void bus__link_feed(struct link *link, struct bytes bytes);

/* bus_proof.c: HMAC-SHA256 of who said what, keyed with the secret. */
void bus__proof(const struct link *link, bool own, uint8_t proof_out[PROOF_SIZE]);
bool bus__proof_equal(const uint8_t *a, const uint8_t *b);

#endif
