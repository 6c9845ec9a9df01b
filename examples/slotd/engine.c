/* SPDX-License-Identifier: MIT */
/* Room engine: life, and one turn. See engine.h. */
#include "engine_room.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLE_TURNS = 1000 };

/* ---- who this is ---- */

static void meta_number_put(struct engine *engine, const char *name, uint64_t number)
{
    uint8_t value[8];
    put_u64(value, number);
    store_meta_put(engine->slotd->store, name, (struct bytes){value, 8});
}

static bool meta_number_get(struct engine *engine, const char *name, uint64_t *number_out)
{
    struct bytes value;
    if (!store_meta_get(engine->slotd->store, name, &value) || value.size != 8)
        return false;
    *number_out = get_u64(value.data);
    return true;
}

void engine__identity_store(struct engine *engine)
{
    meta_number_put(engine, "cluster.node", engine->node_id);
    meta_number_put(engine, "cluster.coordinator", engine->coordinator_id);
    store_meta_put(engine->slotd->store, "cluster.id",
        (struct bytes){engine->cluster, BUS_CLUSTER_SIZE});
}

void engine__identity_draw(struct engine *engine)
{
    engine->node_id = slotd_random(engine->slotd) | 1;
    engine->coordinator_id = engine->node_id;
    for (int index = 0; index < BUS_CLUSTER_SIZE; index += 8)
        put_u64(engine->cluster + index, slotd_random(engine->slotd));
}

static void identity_load(struct engine *engine)
{
    struct bytes cluster;
    if (!meta_number_get(engine, "cluster.node", &engine->node_id) ||
        !meta_number_get(engine, "cluster.coordinator", &engine->coordinator_id) ||
        !store_meta_get(engine->slotd->store, "cluster.id", &cluster) ||
        cluster.size != BUS_CLUSTER_SIZE) {
        engine__identity_draw(engine);
        engine__identity_store(engine);
        return;
    }
    memcpy(engine->cluster, cluster.data, BUS_CLUSTER_SIZE);
}

/* ---- messages ---- */

/* To a node, this one as well. */
static int32_t on_send(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    struct engine *engine = user_data;
    struct bytes header = {action->header, action->header_size};
    struct bytes payload = {action->payload, action->payload_size};
    (void)completion;
    if (action->to != engine->node_id)
        return bus_send(engine->bus, action->to, BUS_LIBRARY, header, payload)
            ? RESHARD_OK : RESHARD_E_BUSY;
    struct bus_message *message = memory_take(sizeof(*message) + header.size + payload.size);
    message->from = engine->node_id;
    message->kind = BUS_LIBRARY;
    message->size = header.size + payload.size;
    memcpy(message->data, header.data, header.size);
    if (payload.size > 0)
        memcpy(message->data + header.size, payload.data, payload.size);
    engine__inbox_put(engine, message);
    return RESHARD_OK;
}

/* What this node's journal says counts for others when no replica reads without it. What is not
 * sent is as lost: it comes again. */
static int32_t on_node_send(void *user_data, const struct reshard_action *action,
    struct reshard_completion *completion)
{
    return engine__replicas_settle(user_data) ? RESHARD_E_BUSY
                                              : on_send(user_data, action, completion);
}

static void on_receive(void *user_data, struct bus_message *message)
{
    engine__inbox_put(user_data, message);
}

static void on_identify(void *user_data, struct bus_identity *identity_out)
{
    const struct engine *engine = user_data;
    identity_out->node = engine->node_id;
    memcpy(identity_out->cluster, engine->cluster, BUS_CLUSTER_SIZE);
}

static bool on_locate(void *user_data, uint64_t node_id, struct bus_address *address_out)
{
    const struct engine *engine = user_data;
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    struct cluster_address address;
    const struct reshard_map *map = engine->coordinator != NULL
        ? reshard_coordinator_map(engine->coordinator) : engine_map(engine);
    if (reshard_map_node_find(map, node_id, &node) == RESHARD_OK)
        cluster__address(&node, &address);
    else if (node_id == engine->coordinator_id) /* just joined: the map is yet to come */
        address = engine->coordinator_at;
    else
        return false;
    (void)snprintf(address_out->host, sizeof(address_out->host), "%s", address.host);
    address_out->port = address.bus_port;
    return address.host[0] != '\0' && address.bus_port > 0;
}

static void on_linked(void *user_data, uint64_t node)
{
    struct engine *engine = user_data;
    if (node == engine->coordinator_id && engine->node != NULL)
        (void)reshard_node_greet(engine->node, node);
    engine__tickets_resend(engine);
    engine->dirty = true;
}

/* ---- the library's objects ---- */

bool engine__node_start(struct engine *engine)
{
    struct reshard_node_config config;
    struct reshard_transport transport;
    struct reshard_journal journal;
    struct reshard_store store;
    engine->store = (struct host_store){.store = engine->slotd->store, .sync = &engine->sync,
        .giver_send = engine__giver_send, .removed = engine__leave_look, .user_data = engine};
    memset(engine->sync.staged, 0, sizeof(engine->sync.staged)); /* it asks anew how far they are */
    engine->node_journal = (struct host_journal){.store = engine->slotd->store,
        .sync = &engine->sync, .stream = HOST_STREAM_NODE};
    reshard_node_config_init(&config);
    config.node = engine->node_id;
    /* A replica's journal is its primary's; records and data are committed together. */
    config.flags = RESHARD_NODE_FOLLOWS | RESHARD_NODE_ONE_LOG;
    config.slot_count = STORE_SLOT_COUNT;
    config.boot = slotd_random(engine->slotd);
    config.chunk_size = HOST_CHUNK_SIZE;
    config.window_size = HOST_WINDOW_SIZE;
    config.flight_size = HOST_FLIGHT_SIZE;
    if (engine->sync.durability == DURABILITY_BATCH) /* elsewhere a sync is not waited for */
        config.gather_ns = ENGINE_SETTLE_NS;
    reshard_transport_init(&transport);
    transport.user_data = engine;
    transport.send = on_node_send;
    host_journal_hooks(&engine->node_journal, &journal);
    host_store_hooks(&engine->store, &store);
    int32_t status = reshard_node_create(&config, &engine->node);
    if (status == RESHARD_OK)
        status = reshard_driver_create_node(
            engine->node, &transport, &journal, &store, NULL, &engine->node_driver);
    engine->node_journal.driver = engine->node_driver;
    engine->store.driver = engine->node_driver;
    if (status == RESHARD_OK)
        status = reshard_driver_start(engine->node_driver, clock_monotonic_ns());
    if (status == RESHARD_OK)
        (void)reshard_node_greet(engine->node, engine->coordinator_id);
    else
        log_event(LOG_ERROR, "engine_failed", "call=start error=%s", reshard_strname(status));
    return status == RESHARD_OK;
}

static int32_t coordinator_start(struct engine *engine)
{
    struct reshard_coordinator_config config;
    struct reshard_transport transport;
    struct reshard_journal journal;
    reshard_coordinator_config_init(&config);
    config.node = engine->node_id;
    config.unique = slotd_random(engine->slotd) | 1;
    config.slot_count = STORE_SLOT_COUNT;
    config.gather_ns = ENGINE_GATHER_NS;
    /* One copy keeps one processor of a source and of its target busy in turn, several keep both.
     * Their writes pause together: a node serves what has come to it badly while more comes. */
    config.copies_in_limit = ENGINE_COPIES_IN;
    config.freeze_gather_ns = ENGINE_FREEZE_NS;
    reshard_transport_init(&transport);
    transport.user_data = engine;
    transport.send = on_send;
    host_journal_hooks(&engine->coordinator_journal, &journal);
    int32_t status = reshard_coordinator_create(&config, &engine->coordinator);
    if (status == RESHARD_OK)
        status = reshard_driver_create_coordinator(
            engine->coordinator, &transport, &journal, NULL, &engine->coordinator_driver);
    engine->coordinator_journal.driver = engine->coordinator_driver;
    if (status == RESHARD_OK)
        status = reshard_driver_start(engine->coordinator_driver, clock_monotonic_ns());
    return status;
}

bool engine__start(struct engine *engine)
{
    struct store *store = engine->slotd->store;
    engine->sync.store = store;
    engine->coordinator_journal = (struct host_journal){
        .store = store, .sync = &engine->sync, .stream = HOST_STREAM_COORDINATOR};
    engine->led = false;
    engine->dirty = true;
    if (!engine__node_start(engine))
        return false;
    if (engine->coordinator_id != engine->node_id)
        return true;
    int32_t status = coordinator_start(engine);
    if (status != RESHARD_OK)
        log_event(LOG_ERROR, "engine_failed", "call=start error=%s", reshard_strname(status));
    return status == RESHARD_OK;
}

void engine__messages_free(struct bus_message *message)
{
    while (message != NULL) {
        struct bus_message *next = message->next;
        free(message);
        message = next;
    }
}

void engine__node_stop(struct engine *engine)
{
    host_sync_forget(&engine->sync, engine->node_driver);
    reshard_driver_destroy(engine->node_driver);
    reshard_node_destroy(engine->node);
    engine->node_driver = NULL;
    engine->node = NULL;
    host_store_free(&engine->store);
    engine__messages_free(engine->held);
    engine->held = NULL;
    engine__leaves_free(engine);
}

void engine__stop(struct engine *engine)
{
    engine->plan = 0;
    engine__jobs_free(engine);
    engine__history_free(engine);
    engine__node_stop(engine);
    host_sync_forget(&engine->sync, engine->coordinator_driver);
    reshard_driver_destroy(engine->coordinator_driver);
    reshard_coordinator_destroy(engine->coordinator);
    engine->coordinator_driver = NULL;
    engine->coordinator = NULL;
    engine__inbox_free(engine);
}

/* ---- a turn ---- */

/* This node as the map should have it: the address is "host port bus_port". */
struct reshard_change engine__self(struct engine *engine, char *address, size_t size,
    reshard_shard_id shard, uint32_t role)
{
    const struct cluster *cluster = engine->slotd->cluster;
    struct reshard_change change;
    reshard_change_init(&change);
    (void)snprintf(
        address, size, "%s %d %d", cluster->host, cluster->port, cluster->bus_port);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = engine->node_id;
    change.shard = shard;
    change.role = role;
    change.name = cluster->name;
    change.name_size = CLUSTER_NAME_SIZE;
    change.address = address;
    change.address_size = (uint32_t)strlen(address);
    return change;
}

/* A cluster of one is born: its shard and its node. */
static void cluster_begin(struct engine *engine)
{
    char address[ADDRESS_TEXT_SIZE + 32];
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 1;
    change.weight = 1.0;
    (void)reshard_coordinator_change(engine->coordinator, &change);
    change = engine__self(engine, address, sizeof(address), 1, RESHARD_ROLE_REPLICA);
    (void)reshard_coordinator_change(engine->coordinator, &change);
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = 1;
    change.node = engine->node_id;
    (void)reshard_coordinator_change(engine->coordinator, &change);
}

/* Ports may have changed since the map was written. */
static void address_tell(struct engine *engine)
{
    char address[ADDRESS_TEXT_SIZE + 32];
    struct reshard_map_node self = {.struct_size = sizeof(self)};
    if (reshard_map_node_find(engine_map(engine), engine->node_id, &self) != RESHARD_OK)
        return;
    struct reshard_change change =
        engine__self(engine, address, sizeof(address), self.shard, self.role);
    if (change.address_size == self.address_size &&
        memcmp(change.address, self.address, self.address_size) == 0)
        return;
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_NOTHING};
    words_add_text(&words, "address");
    words_add_number(&words, engine->node_id);
    words_add_text(&words, change.address);
    ticket_drop(engine, engine_ask(engine, &words, &wait));
    buffer_free(&words);
}

void engine__lead(struct engine *engine)
{
    if (engine->led || engine->coordinator == NULL ||
        reshard_coordinator_leads(engine->coordinator) != 1)
        return;
    engine->led = true;
    if (reshard_map_node_count(reshard_coordinator_map(engine->coordinator)) == 0)
        cluster_begin(engine);
}

static void on_timer(uv_timer_t *timer)
{
    struct engine *engine = timer->data;
    engine->dirty = true;
}

static void timer_set(struct engine *engine, uint64_t now_ns)
{
    if (engine->deadline_ns == UINT64_MAX) {
        (void)uv_timer_stop(&engine->timer);
        return;
    }
    uint64_t wait_ns = engine->deadline_ns > now_ns ? engine->deadline_ns - now_ns : 0;
    (void)uv_timer_start(&engine->timer, on_timer, wait_ns / 1000000 + 1, 0);
}

void engine_turn(struct engine *engine)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns > engine->lease_end_ns)
        engine__fence_tick(engine);
    engine->store.turn_ns = now_ns;
    engine->dirty |= host_export_go_on(&engine->store);
    if (!engine->dirty && !engine->more && now_ns < engine->deadline_ns)
        return;
    engine->dirty = false;
    engine__library_run(engine);
    engine__role_follow(engine);
    cluster__map_set(engine->slotd->cluster, engine_map(engine), engine->node_id);
    engine__events(engine);
    if (engine->coordinator != NULL)
        engine__history_follow(engine);
    engine__jobs_run(engine);
    engine__leaves_run(engine);
    engine__tickets_run(engine);
    if (engine->store.wake_wanted) {
        engine->store.wake_wanted = false;
        engine->hooks.wake(engine->hooks.user_data);
    }
    if (engine->store.paced != NULL) /* whatever comes makes the next turn, or time does */
        engine->deadline_ns = now_ns;
    timer_set(engine, clock_monotonic_ns());
}

bool engine_is_fed(const struct engine *engine)
{
    return engine->dirty;
}

void engine_rest(struct engine *engine)
{
    if (engine->store.worked)
        (void)sched_yield();
    engine->store.worked = engine->store.exported = false;
}

bool engine_busy(const struct engine *engine)
{
    return engine->dirty || engine->more;
}

void engine_flush(struct engine *engine)
{
    replica_turn(engine->replica);
    bus_flush(engine->bus);
}

/* Links stand before they are needed: a message that meets none is lost and comes again much
 * later. Of two nodes the one with the lower id dials. */
static void links_hold(struct engine *engine)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    for (uint32_t index = 0;
         reshard_map_node_at(engine_map(engine), index, &node) == RESHARD_OK; index++)
        if (node.node > engine->node_id)
            bus_link(engine->bus, node.node);
}

void engine_tick(struct engine *engine)
{
    uint64_t now_ns = clock_monotonic_ns();
    engine__health_tick(engine, now_ns);
    engine->ticked_ns = now_ns;
    engine->return_ticks++;
    host_fetch_tick(&engine->store, now_ns);
    if (engine->coordinator == NULL && !bus_linked(engine->bus, engine->coordinator_id))
        (void)reshard_node_greet(engine->node, engine->coordinator_id);
    replica_tick(engine->replica);
    engine__fence_tick(engine);
    engine__replicas_applied(engine);
    bus_tick(engine->bus);
    links_hold(engine);
    engine__tickets_resend(engine);
    engine__promises_tick(engine, now_ns);
    engine__leaves_tick(engine);
    engine->store.wake_wanted = true; /* who waits looks at the clock */
    if (engine->swept_version != reshard_map_version(engine_map(engine))) {
        engine->swept_version = reshard_map_version(engine_map(engine));
        host_store_sweep(&engine->store, engine_map(engine));
    }
    engine->dirty = true;
}

bool engine_sync_wanted(const struct engine *engine)
{
    return host_sync_wanted(&engine->sync);
}

uint64_t engine_removal(const struct engine *engine)
{
    return engine->sync.removal;
}

bool engine_removal_kept(struct engine *engine, uint64_t removal)
{
    return host_removal_kept(&engine->sync, removal);
}

bool engine_sync_hurries(const struct engine *engine)
{
    bool beside = engine->copies && engine->store.clients_ask &&
        !store_sync_is_still(engine->slotd->store);
    return host_sync_awaited(&engine->sync) && !beside;
}

void engine_sync_begun(struct engine *engine)
{
    host_sync_begun(&engine->sync);
}

void engine_sync_ended(struct engine *engine)
{
    if (host_sync_ended(&engine->sync))
        engine->store.wake_wanted = true;
    engine->dirty = true;
}

/* ---- life ---- */

/* Go on until this node is in its own map, so that the first client finds a cluster. */
static void settle(struct engine *engine)
{
    struct store *store = engine->slotd->store;
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    for (int turn = 0; turn < SETTLE_TURNS && engine->coordinator != NULL; turn++) {
        engine->dirty = true;
        uv_sleep(turn > SETTLE_TURNS / 2 ? 10 : 0); /* what was lost comes again */
        engine_turn(engine);
        store_commit(store);
        if (engine_sync_wanted(engine)) {
            struct store_log_sync *sync = store_log_sync_begin(store);
            engine_sync_begun(engine);
            store_log_sync_work(sync);
            store_log_sync_end(sync);
            engine_sync_ended(engine);
        }
        if (engine->led && reshard_map_shard_at(engine_map(engine), 0, &shard) == RESHARD_OK &&
            shard.primary != 0)
            break;
    }
}

struct engine *engine_open(
    struct slotd *slotd, uv_loop_t *loop, const struct engine_hooks *hooks)
{
    struct engine *engine = memory_take(sizeof(*engine));
    struct settings *settings = &slotd->settings;
    struct bus_hooks bus_hooks = {
        engine, on_identify, on_locate, on_receive, on_linked};
    engine->slotd = slotd;
    engine->loop = loop;
    engine->hooks = *hooks;
    engine->sync.durability = settings->durability;
    engine->next_ticket = slotd_random(slotd);
    engine->timer.data = engine;
    engine->ticked_ns = engine->returned_ns = clock_monotonic_ns();
    engine->deadline_ns = UINT64_MAX;
    identity_load(engine);
    engine->bus =
        bus_open(loop, settings->bind, &settings->bus_port, settings->secret, &bus_hooks);
    if (engine->bus == NULL)
        return NULL;
    (void)uv_timer_init(loop, &engine->timer);
    cluster_listening(slotd->cluster, settings->port, settings->bus_port);
    engine__replica_open(engine);
    if (!engine__start(engine))
        return NULL;
    slotd->cluster->engine = engine;
    cluster__map_set(slotd->cluster, engine_map(engine), engine->node_id);
    engine__store_observe(engine);
    settle(engine);
    address_tell(engine);
    return engine;
}

void engine_shut(struct engine *engine)
{
    bus_shut(engine->bus);
    uv_close((uv_handle_t *)&engine->timer, NULL);
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    store_observe(engine->slotd->store, &(struct store_observer){0});
    engine->slotd->cluster->engine = NULL;
    engine->slotd->cluster->map = NULL;
    engine__tickets_fail(engine, NULL);
    engine__stop(engine);
    replica_close(engine->replica);
    engine__peers_free(engine);
    bus_free(engine->bus);
    free(engine);
}

struct reshard_node *engine_node(const struct engine *engine)
{
    return engine->node;
}

uint64_t engine_node_id(const struct engine *engine)
{
    return engine->node_id;
}

uint64_t engine_coordinator_id(const struct engine *engine)
{
    return engine->coordinator_id;
}

void engine_fed(struct engine *engine)
{
    engine->dirty = true;
}

bool engine_coordinates(const struct engine *engine)
{
    return engine->coordinator != NULL;
}

void engine_message_counts(
    const struct engine *engine, uint64_t *sent_out, uint64_t *received_out)
{
    bus_counts(engine->bus, sent_out, received_out);
}
