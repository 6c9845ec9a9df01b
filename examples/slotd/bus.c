/* SPDX-License-Identifier: MIT */
/* Room bus: listening, dialling with back-off, and which link a message takes. See bus.h. */
#include "bus_room.h"

#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_FIRST_NS ((uint64_t)20000000)
#define DELAY_LAST_NS ((uint64_t)1000000000)

enum { BACKLOG = 128 };

static int socket_address(const char *host, int port, struct sockaddr_storage *address)
{
    int result = uv_ip4_addr(host, port, (struct sockaddr_in *)address);
    if (result != 0)
        result = uv_ip6_addr(host, port, (struct sockaddr_in6 *)address);
    return result;
}

static size_t stranger_count(const struct bus *bus)
{
    size_t count = 0;
    for (const struct link *link = bus->links; link != NULL; link = link->next)
        count += link->proven ? 0 : 1;
    return count;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct bus *bus = listener->data;
    if (status != 0)
        return;
    struct link *link = bus__link_open(bus, NULL);
    if (uv_accept(listener, (uv_stream_t *)&link->tcp) != 0 ||
        stranger_count(bus) > STRANGERS_MAX)
        bus__link_close(link, "too many strangers");
    else
        bus__link_greet(link);
}

struct bus *bus_open(uv_loop_t *loop, const char *bind, int *port, const char *secret,
    const struct bus_hooks *hooks)
{
    struct bus *bus = memory_take(sizeof(*bus));
    struct sockaddr_storage address;
    int size = sizeof(address);
    bus->loop = loop;
    bus->hooks = *hooks;
    bus->listener.data = bus;
    (void)snprintf(bus->secret, sizeof(bus->secret), "%s", secret);
    int result = socket_address(bind, *port, &address);
    if (result == 0)
        result = uv_tcp_init(loop, &bus->listener);
    if (result == 0)
        result = uv_tcp_bind(&bus->listener, (struct sockaddr *)&address, 0);
    if (result == 0)
        result = uv_listen((uv_stream_t *)&bus->listener, BACKLOG, on_connection);
    if (result == 0)
        result = uv_tcp_getsockname(&bus->listener, (struct sockaddr *)&address, &size);
    if (result != 0) {
        log_event(LOG_ERROR, "bus_failed", "bind=%s port=%d error=%s", bind, *port,
            uv_err_name(result));
        return NULL; /* the process ends: the loop may still know the handle */
    }
    *port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    return bus;
}

void bus_cut(struct bus *bus)
{
    while (bus->links != NULL)
        bus__link_close(bus->links, NULL);
    for (struct target *at = bus->targets; at != NULL; at = at->next)
        at->retry_ns = at->delay_ns = 0; /* nothing was wrong with them */
}

void bus_shut(struct bus *bus)
{
    bus->shut = true;
    bus_cut(bus);
    uv_close((uv_handle_t *)&bus->listener, NULL);
}

void bus_free(struct bus *bus)
{
    while (bus != NULL && bus->targets != NULL) {
        struct target *target = bus->targets;
        bus->targets = target->next;
        free(target);
    }
    free(bus);
}

/* ---- dialling ---- */

static void on_connected(uv_connect_t *connect, int status)
{
    struct link *link = connect->data;
    if (link->closed)
        return;
    link->target->refused_ns = status == UV_ECONNREFUSED ? link->target->dialled_ns : 0;
    if (status != 0)
        bus__link_close(link, NULL);
    else
        bus__link_greet(link);
}

static bool target_is(const struct target *target, const struct bus_address *address)
{
    return target->address.port == address->port &&
        strcmp(target->address.host, address->host) == 0;
}

static struct target *target_of(struct bus *bus, const struct bus_address *address)
{
    struct target *target = bus->targets;
    while (target != NULL && !target_is(target, address))
        target = target->next;
    if (target == NULL) {
        target = memory_take(sizeof(*target));
        target->address = *address;
        target->next = bus->targets;
        bus->targets = target;
    }
    return target;
}

static void target_dial(struct bus *bus, struct target *target)
{
    struct sockaddr_storage address;
    uint64_t now_ns = clock_monotonic_ns();
    if (target->link != NULL || now_ns < target->retry_ns || bus->shut)
        return;
    target->delay_ns = target->delay_ns == 0 ? DELAY_FIRST_NS : target->delay_ns * 2;
    if (target->delay_ns > DELAY_LAST_NS)
        target->delay_ns = DELAY_LAST_NS;
    target->retry_ns = now_ns + target->delay_ns;
    target->dialled_ns = now_ns;
    if (socket_address(target->address.host, target->address.port, &address) != 0)
        return;
    target->link = bus__link_open(bus, target);
    target->link->connect.data = target->link;
    if (uv_tcp_connect(&target->link->connect, &target->link->tcp, (struct sockaddr *)&address,
            on_connected) != 0)
        bus__link_close(target->link, NULL);
}

/* ---- sending ---- */

static struct link *link_of(const struct bus *bus, uint64_t node)
{
    struct link *link = bus->links;
    while (link != NULL && (!link->proven || link->peer != node))
        link = link->next;
    return link;
}

bool bus_linked(const struct bus *bus, uint64_t node)
{
    return link_of(bus, node) != NULL;
}

uint64_t bus_refused_ns(const struct bus *bus, uint64_t node)
{
    struct bus_address address;
    bool known = bus->hooks.locate(bus->hooks.user_data, node, &address);
    const struct target *target = bus->targets;
    while (known && target != NULL && !target_is(target, &address))
        target = target->next;
    return known && target != NULL && link_of(bus, node) == NULL ? target->refused_ns : 0;
}

bool bus_link_at(const struct bus *bus, uint32_t index, struct bus_link_state *link_out)
{
    const struct link *link = bus->links;
    while (link != NULL && (!link->proven || index-- > 0))
        link = link->next;
    if (link == NULL)
        return false;
    int64_t age_ms = (int64_t)((clock_monotonic_ns() - link->since_ns) / 1000000);
    *link_out = (struct bus_link_state){link->peer, link->target != NULL,
        (int64_t)clock_wall_ms() - age_ms, link->output.size + link->sending.size,
        link->output.capacity + link->sending.capacity};
    return true;
}

void bus_link(struct bus *bus, uint64_t node)
{
    struct bus_address address;
    if (link_of(bus, node) == NULL && bus->hooks.locate(bus->hooks.user_data, node, &address))
        target_dial(bus, target_of(bus, &address));
}

bool bus_send(struct bus *bus, uint64_t node, uint8_t kind, struct bytes header,
    struct bytes payload)
{
    struct link *link = link_of(bus, node);
    if (link != NULL)
        return bus__link_put(link, kind, header, payload);
    bus_link(bus, node);
    return false;
}

bool bus_send_address(struct bus *bus, const struct bus_address *address, uint8_t kind,
    struct bytes payload)
{
    struct target *target = target_of(bus, address);
    if (target->link != NULL && target->link->proven)
        return bus__link_put(target->link, kind, payload, (struct bytes){NULL, 0});
    target_dial(bus, target);
    return false;
}

void bus_flush(struct bus *bus)
{
    struct link *link = bus->links;
    while (link != NULL) {
        struct link *next = link->next;
        bus__link_flush(link);
        link = next;
    }
}

void bus_tick(struct bus *bus)
{
    uint64_t now_ns = clock_monotonic_ns();
    struct link *link = bus->links;
    while (link != NULL) {
        struct link *next = link->next;
        if (!link->proven && now_ns - link->since_ns > (uint64_t)STRANGER_MS * 1000000)
            bus__link_close(link, "no proof");
        link = next;
    }
}

void bus_counts(const struct bus *bus, uint64_t *sent_out, uint64_t *received_out)
{
    *sent_out = bus->sent;
    *received_out = bus->received;
}
