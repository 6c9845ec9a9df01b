/* SPDX-License-Identifier: MIT */
/* Messages between drivers of one process: a queue that the host pumps.
 *
 * Guarantees: what is sent is copied and delivered once, in order, when the host pumps, never from
 * inside a hook; a fate function may drop, repeat or delay it. Uses the public API only. The store
 * hooks of an attached driver complete at once: a delivered message is freed after the run.
 */
#ifndef EXAMPLES_SUPPORT_MEMORY_TRANSPORT_H
#define EXAMPLES_SUPPORT_MEMORY_TRANSPORT_H

#include <reshard/reshard.h>

struct memory_transport;
struct memory_port; /* one receiver: a node or a coordinator, by node id */

enum { /* what becomes of a message */
    MEMORY_FATE_DELIVER = 0,
    MEMORY_FATE_DROP = 1,
    MEMORY_FATE_TWICE = 2, /* once now, once behind what is queued */
    MEMORY_FATE_LATER = 3  /* behind what is queued */
};

/* Asked once for each message, when it is to be delivered. */
typedef uint32_t (*memory_fate)(void *user_data, reshard_node_id from, reshard_node_id to,
    const uint8_t *bytes, size_t size);

/* NULL: out of memory. */
struct memory_transport *memory_transport_create(void);
void memory_transport_destroy(struct memory_transport *transport);
void memory_transport_set_fate(
    struct memory_transport *transport, memory_fate fate, void *user_data);

/* The port of (node, RESHARD_RECEIVER_*), made when it is asked for first; lives as long as the
 * transport. NULL: out of memory. */
struct memory_port *memory_transport_port(
    struct memory_transport *transport, reshard_node_id node, uint32_t receiver);
/* The hooks for the driver behind this port. */
void memory_port_hooks(struct memory_port *port, struct reshard_transport *hooks_out);
/* Who gets what comes to the port; NULL: it is down, its messages are lost. */
void memory_port_connect(struct memory_port *port, struct reshard_driver *driver);

/* Deliver the oldest message and run its receiver's driver. 1 delivered or lost, 0 nothing is
 * queued, negative: what the driver's run answered; a message that met E_NOMEM stays queued. */
int32_t memory_transport_pump(struct memory_transport *transport, uint64_t now_ns);
/* Messages queued. */
size_t memory_transport_count(const struct memory_transport *transport);

#endif
