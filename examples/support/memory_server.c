/* SPDX-License-Identifier: MIT */
#include "memory_server.h"

#include <string.h>

void memory_server_stop(struct memory_server *server)
{
    if (server->port)
        memory_port_connect(server->port, NULL);
    reshard_driver_destroy(server->driver);
    reshard_node_destroy(server->node);
    reshard_coordinator_destroy(server->coordinator);
    server->driver = NULL;
    server->node = NULL;
    server->coordinator = NULL;
}

void memory_server_free(struct memory_server *server)
{
    memory_server_stop(server);
    memory_journal_free(&server->journal);
    memory_store_destroy(server->store);
    memset(server, 0, sizeof *server);
}

static int32_t port_open(
    struct memory_server *server, struct memory_transport *network, reshard_node_id id)
{
    uint32_t receiver =
        server->coordinator ? RESHARD_RECEIVER_COORDINATOR : RESHARD_RECEIVER_NODE;
    server->port = memory_transport_port(network, id, receiver);
    server->journal.authority = server->coordinator != NULL;
    return server->port ? RESHARD_OK : RESHARD_E_NOMEM;
}

/* Who made it half is rid of it. */
static int32_t made(struct memory_server *server, int32_t status)
{
    if (!status) {
        server->journal.driver = server->driver;
        memory_port_connect(server->port, server->driver);
    } else {
        memory_server_stop(server);
    }
    return status;
}

static int32_t begin(struct memory_server *server, int32_t status, uint64_t now_ns)
{
    if (!status)
        status = reshard_driver_start(server->driver, now_ns);
    if (status)
        memory_server_stop(server);
    return status;
}

static int32_t node_make(struct memory_server *server, struct memory_transport *network,
    const struct reshard_node_config *config,
    uint32_t (*slot_of)(const uint8_t *key, size_t key_size))
{
    struct reshard_transport transport;
    struct reshard_journal journal;
    struct reshard_store store;
    uint32_t slot_count = config->slot_count ? config->slot_count : RESHARD_SLOT_COUNT_DEFAULT;
    int32_t status = reshard_node_create(config, &server->node);
    if (!status)
        status = port_open(server, network, config->node);
    if (status)
        return status;
    if (!server->store)
        server->store = memory_store_create(slot_count, slot_of);
    if (!server->store)
        return RESHARD_E_NOMEM;
    memory_port_hooks(server->port, &transport);
    memory_journal_hooks(&server->journal, &journal);
    memory_store_hooks(server->store, &store);
    return reshard_driver_create_node(
        server->node, &transport, &journal, &store, &config->allocator, &server->driver);
}

int32_t memory_server_prepare_node(struct memory_server *server,
    struct memory_transport *network, const struct reshard_node_config *config,
    uint32_t (*slot_of)(const uint8_t *key, size_t key_size))
{
    return made(server, node_make(server, network, config, slot_of));
}

int32_t memory_server_start_node(struct memory_server *server, struct memory_transport *network,
    const struct reshard_node_config *config,
    uint32_t (*slot_of)(const uint8_t *key, size_t key_size), uint64_t now_ns)
{
    return begin(
        server, memory_server_prepare_node(server, network, config, slot_of), now_ns);
}

static int32_t coordinator_make(struct memory_server *server, struct memory_transport *network,
    const struct reshard_coordinator_config *config)
{
    struct reshard_transport transport;
    struct reshard_journal journal;
    int32_t status = reshard_coordinator_create(config, &server->coordinator);
    if (!status)
        status = port_open(server, network, config->node);
    if (status)
        return status;
    memory_port_hooks(server->port, &transport);
    memory_journal_hooks(&server->journal, &journal);
    return reshard_driver_create_coordinator(
        server->coordinator, &transport, &journal, &config->allocator, &server->driver);
}

int32_t memory_server_prepare_coordinator(struct memory_server *server,
    struct memory_transport *network, const struct reshard_coordinator_config *config)
{
    return made(server, coordinator_make(server, network, config));
}

int32_t memory_server_start_coordinator(struct memory_server *server,
    struct memory_transport *network, const struct reshard_coordinator_config *config,
    uint64_t now_ns)
{
    return begin(server, memory_server_prepare_coordinator(server, network, config), now_ns);
}
