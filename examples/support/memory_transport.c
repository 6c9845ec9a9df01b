/* SPDX-License-Identifier: MIT */
#include "memory_transport.h"

#include <stdlib.h>
#include <string.h>

struct message {
    struct message *next;
    reshard_node_id from;
    struct memory_port *port; /* whom it is for */
    size_t size;
    int judged; /* the fate function was asked */
    uint8_t bytes[];
};

struct memory_port {
    struct memory_port *next;
    struct memory_transport *transport;
    reshard_node_id node;
    uint32_t receiver;
    struct reshard_driver *driver;
};

struct memory_transport {
    struct memory_port *ports;
    struct message *first;
    struct message *last;
    size_t count;
    memory_fate fate;
    void *fate_data;
};

struct memory_transport *memory_transport_create(void)
{
    return calloc(1, sizeof(struct memory_transport));
}

void memory_transport_destroy(struct memory_transport *transport)
{
    if (!transport)
        return;
    while (transport->first) {
        struct message *message = transport->first;
        transport->first = message->next;
        free(message);
    }
    while (transport->ports) {
        struct memory_port *port = transport->ports;
        transport->ports = port->next;
        free(port);
    }
    free(transport);
}

void memory_transport_set_fate(
    struct memory_transport *transport, memory_fate fate, void *user_data)
{
    transport->fate = fate;
    transport->fate_data = user_data;
}

static struct memory_port *port_find(
    const struct memory_transport *transport, reshard_node_id node, uint32_t receiver)
{
    struct memory_port *port = transport->ports;
    while (port && (port->node != node || port->receiver != receiver))
        port = port->next;
    return port;
}

struct memory_port *memory_transport_port(
    struct memory_transport *transport, reshard_node_id node, uint32_t receiver)
{
    struct memory_port *port = port_find(transport, node, receiver);
    if (port)
        return port;
    port = calloc(1, sizeof *port);
    if (!port)
        return NULL;
    port->transport = transport;
    port->node = node;
    port->receiver = receiver;
    port->next = transport->ports;
    transport->ports = port;
    return port;
}

void memory_port_connect(struct memory_port *port, struct reshard_driver *driver)
{
    port->driver = driver;
}

static void enqueue(struct memory_transport *transport, struct message *message)
{
    message->next = NULL;
    if (transport->last)
        transport->last->next = message;
    else
        transport->first = message;
    transport->last = message;
    transport->count++;
}

static struct message *dequeue(struct memory_transport *transport)
{
    struct message *message = transport->first;
    transport->first = message->next;
    if (!transport->first)
        transport->last = NULL;
    transport->count--;
    return message;
}

static struct message *message_new(reshard_node_id from, size_t size)
{
    struct message *message = malloc(sizeof *message + size);
    if (!message)
        return NULL;
    memset(message, 0, sizeof *message);
    message->from = from;
    message->size = size;
    return message;
}

static int32_t hook_send(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct memory_port *port = user_data;
    (void)completion;
    struct message *message =
        message_new(port->node, action->header_size + action->payload_size);
    if (!message)
        return RESHARD_E_NOMEM;
    memcpy(message->bytes, action->header, action->header_size);
    if (action->payload_size)
        memcpy(message->bytes + action->header_size, action->payload, action->payload_size);
    int32_t receiver = reshard_message_receiver(message->bytes, message->size);
    if (receiver > 0)
        message->port = port_find(port->transport, action->to, (uint32_t)receiver);
    if (message->port)
        enqueue(port->transport, message);
    else
        free(message); /* a network does not tell either that nobody listens */
    return RESHARD_OK;
}

void memory_port_hooks(struct memory_port *port, struct reshard_transport *hooks_out)
{
    reshard_transport_init(hooks_out);
    hooks_out->user_data = port;
    hooks_out->send = hook_send;
}

/* A second copy without memory is not made: a message may be lost, and all the more its repeat. */
static void repeat(struct memory_transport *transport, const struct message *message)
{
    struct message *copy = message_new(message->from, message->size);
    if (!copy)
        return;
    memcpy(copy->bytes, message->bytes, message->size);
    copy->port = message->port;
    copy->judged = 1;
    enqueue(transport, copy);
}

/* Whether the oldest message is to be delivered now. */
static int judge(struct memory_transport *transport)
{
    struct message *message = transport->first;
    if (message->judged || !transport->fate)
        return 1;
    message->judged = 1;
    switch (transport->fate(transport->fate_data, message->from, message->port->node,
        message->bytes, message->size)) {
    case MEMORY_FATE_DROP:
        free(dequeue(transport));
        return 0;
    case MEMORY_FATE_TWICE:
        repeat(transport, message);
        return 1;
    case MEMORY_FATE_LATER:
        enqueue(transport, dequeue(transport));
        return 0;
    default:
        return 1;
    }
}

int32_t memory_transport_pump(struct memory_transport *transport, uint64_t now_ns)
{
    if (!transport->first)
        return 0;
    if (!judge(transport))
        return 1;
    struct message *message = dequeue(transport);
    struct reshard_driver *driver = message->port->driver;
    int32_t status = RESHARD_OK;
    if (driver) {
        status = reshard_driver_receive(driver, message->from, message->bytes, message->size);
        if (status == RESHARD_E_NOMEM) {
            enqueue(transport, message);
            return status;
        }
        status = reshard_driver_run(driver, now_ns, 0, NULL);
    }
    free(message);
    return status ? status : 1;
}

size_t memory_transport_count(const struct memory_transport *transport)
{
    return transport->count;
}
