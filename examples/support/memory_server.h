/* SPDX-License-Identifier: MIT */
/* A node or a coordinator with everything it needs in memory: what a process is in a real cluster.
 *
 * Guarantees: the journal and the store outlive a stop, as a disk outlives a process; a start after
 * it recovers from them. Uses the public API only.
 */
#ifndef EXAMPLES_SUPPORT_MEMORY_SERVER_H
#define EXAMPLES_SUPPORT_MEMORY_SERVER_H

#include "memory_journal.h"
#include "memory_store.h"
#include "memory_transport.h"

/* Zero it before its first start. Either node or coordinator is set while it runs. */
struct memory_server {
    struct reshard_node *node;
    struct reshard_coordinator *coordinator;
    struct reshard_driver *driver;
    struct memory_port *port;
    struct memory_journal journal;
    struct memory_store *store; /* a node's; made by its first start */
};

/* Create, load and start. On failure it is stopped. */
int32_t memory_server_start_node(struct memory_server *server, struct memory_transport *network,
    const struct reshard_node_config *config,
    uint32_t (*slot_of)(const uint8_t *key, size_t key_size), uint64_t now_ns);
int32_t memory_server_start_coordinator(struct memory_server *server,
    struct memory_transport *network, const struct reshard_coordinator_config *config,
    uint64_t now_ns);
/* Create only: for hosts that put hooks of their own in between before reshard_driver_start. */
int32_t memory_server_prepare_node(struct memory_server *server,
    struct memory_transport *network, const struct reshard_node_config *config,
    uint32_t (*slot_of)(const uint8_t *key, size_t key_size));
int32_t memory_server_prepare_coordinator(struct memory_server *server,
    struct memory_transport *network, const struct reshard_coordinator_config *config);
/* Die: what is in memory is gone, what is durable stays. */
void memory_server_stop(struct memory_server *server);
/* Stop, and throw the disk away. */
void memory_server_free(struct memory_server *server);

#endif
