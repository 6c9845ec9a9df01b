/* SPDX-License-Identifier: MIT */
/* Room server: see server.h. */
#include "server.h"

#include "cluster.h"
#include "engine.h"
#include "log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 100,
    TICK_BUSY_MS = 10,       /* while there is garbage to purge or keys expire in crowds */
    TICK_BUDGET_NS = 1000000,
    TICK_STEP = 64,
    SYNC_EVERY_MS = 1000,
    GRACE_MS = 2000,
    LISTEN_BACKLOG = 511
};

static void shutdown_go_on(struct server *server);

/* ---- Turns ---- */

static void sync_start(struct server *server);

static void on_busy(uv_idle_t *handle)
{
    (void)handle; /* its being active keeps the loop from waiting */
}

/* Take the list of clients in this turn. */
static struct client *turn_take(struct server *server)
{
    struct client *first = server->in_turn;
    server->in_turn = NULL;
    for (struct client *at = first; at != NULL; at = at->next_in_turn)
        at->in_turn = false;
    return first;
}

static void kill_wanted(struct server *server)
{
    struct session *session = server->slotd.sessions;
    server->slotd.kill_wanted = false;
    while (session != NULL) {
        struct session *next = session->next;
        if (session->killed)
            client_shut((struct client *)session);
        session = next;
    }
}

/* Answers that replicas were waited for, and this node is not the primary any more: nobody knows
 * whether the heir has what they say. Or `all` of this turn, when it may have ceased to be one. */
static void held_shut(struct server *server, bool all)
{
    struct session *session = server->slotd.sessions;
    all = all || server->slotd.settings.durability == DURABILITY_ALWAYS;
    server->slotd.deposed = false;
    while (session != NULL) {
        struct session *next = session->next;
        struct client *client = (struct client *)session;
        if ((all || session->asked) && client->output.size > 0)
            client_shut(client);
        session = next;
    }
}

static void engine_commit(struct server *server)
{
    if (engine_is_fed(server->slotd.engine)) /* what used up its share has had it */
        engine_turn(server->slotd.engine);
    store_commit(server->slotd.store);
}

static void wake_wanted(struct server *server)
{
    if (server->slotd.wake_wanted)
        server_wake(server);
    server->slotd.wake_wanted = false;
}

static void turn_end(struct server *server)
{
    engine_turn(server->slotd.engine);
    wake_wanted(server);
    struct client *client = turn_take(server);
    while (client != NULL) {
        struct client *next = client->next_in_turn;
        client_work(client);
        client_turn(client);
        client = next;
    }
    engine_commit(server);
    bool lapsed = engine_lapsed(server->slotd.engine);
    if (lapsed || server->slotd.deposed)
        held_shut(server, lapsed);
    client = turn_take(server);
    while (client != NULL) {
        struct client *next = client->next_in_turn;
        client_flush(client);
        if (client_can_work(client))
            client_turn(client);
        client = next;
    }
    engine_flush(server->slotd.engine); /* a client that was answered goes on meanwhile */
    if (server->slotd.kill_wanted)
        kill_wanted(server);
    sync_start(server);
    if (server->in_turn != NULL || engine_busy(server->slotd.engine))
        (void)uv_idle_start(&server->busy, on_busy);
    else
        (void)uv_idle_stop(&server->busy);
    if (server->slotd.shutting_down)
        shutdown_go_on(server);
    log_flush();
    engine_rest(server->slotd.engine);
}

static void on_turn(uv_check_t *handle)
{
    turn_end(handle->data);
}

void server_wake(struct server *server)
{
    for (struct session *at = server->slotd.sessions; at != NULL; at = at->next) {
        struct client *client = (struct client *)at;
        if (!client->parked && !client->held)
            continue;
        client->parked = false;
        client_turn(client);
    }
    (void)uv_idle_start(&server->busy, on_busy);
}

/* ---- Time ---- */

static void on_sync_work(uv_work_t *work)
{
    struct server *server = work->data;
    store_sync_work(server->sync);
}

static void on_log_work(uv_work_t *work)
{
    struct server *server = work->data;
    store_log_sync_work(server->log_sync);
}

static void log_sync_end(struct server *server)
{
    store_log_sync_end(server->log_sync);
    server->log_sync = NULL;
    server->log_worked = false;
    engine_sync_ended(server->slotd.engine);
}

static void log_sync_follow(struct server *server)
{
    if (server->log_worked && store_log_sync_whole(server->log_sync))
        log_sync_end(server);
}

static void on_log_done(uv_work_t *work, int status)
{
    struct server *server = work->data;
    (void)status;
    server->log_worked = true;
    log_sync_follow(server);
}

static void on_sync_done(uv_work_t *work, int status)
{
    struct server *server = work->data;
    (void)status;
    (void)store_sync_end(server->sync);
    server->sync = NULL;
    log_sync_follow(server);
}

static void on_write_back_work(uv_work_t *work)
{
    const struct server *server = work->data;
    store_write_back_work(server->slotd.store);
}

static void on_write_back_done(uv_work_t *work, int status)
{
    struct server *server = work->data;
    (void)status;
    server->writing_back = false;
}

static void work_queue(
    struct server *server, uv_work_t *work, uv_work_cb on_work, uv_after_work_cb on_done)
{
    work->data = server;
    if (uv_queue_work(&server->loop, work, on_work, on_done) != 0)
        log_fatal("server_failed", "call=queue_work");
}

/* What the library waits for goes at once, everything else once a second. A disk that has answered
 * quickly is asked in this turn: two threads that wake each other take longer than it does. All
 * that this turn sends has been sent. While slots move by hand only commands wait, and they do not
 * for the disk: it has a thread, as when nobody waits, or clients ask beside a copy and do not wait
 * for it. */
static void log_sync_start(struct server *server, uint64_t now_ns)
{
    struct store *store = server->slotd.store;
    const struct engine *engine = server->slotd.engine;
    bool quick = store_log_sync_quick(store) && engine_sync_hurries(engine) &&
        !engine_moves_by_hand(engine);
    server->sync_asked_ns = now_ns;
    server->log_sync = store_log_sync_begin(store);
    engine_sync_begun(server->slotd.engine);
    if (!quick) {
        work_queue(server, &server->log_work, on_log_work, on_log_done);
        return;
    }
    store_log_sync_work(server->log_sync);
    log_sync_end(server);
}

static void sync_start(struct server *server)
{
    struct store *store = server->slotd.store;
    uint64_t now_ns = clock_monotonic_ns();
    bool time = now_ns - server->sync_asked_ns >= (uint64_t)SYNC_EVERY_MS * 1000000;
    bool due = server->slotd.settings.durability == DURABILITY_BATCH && store_log_dirty(store) &&
        (time || store_log_sync_large(store));
    if (server->log_sync == NULL && (due || engine_sync_wanted(server->slotd.engine)))
        log_sync_start(server, now_ns);
    if (store_sync_due(store)) {
        server->sync = store_sync_begin(store);
        work_queue(server, &server->sync_work, on_sync_work, on_sync_done);
    }
    if (!server->writing_back && store_write_back_begin(store)) {
        server->writing_back = true;
        work_queue(server, &server->write_back_work, on_write_back_work, on_write_back_done);
    }
}

/* Housekeeping in slices, so that requests never wait long. True when there is more. What slots
 * that have left lie in has time: while clients ask, one step of it a tick. */
static bool housekeep(struct server *server)
{
    struct slotd *slotd = &server->slotd;
    bool asked = slotd->statistics.routed != server->routed_seen;
    bool purges = store_garbage_count(slotd->store) > 0;
    uint64_t end_ns = clock_monotonic_ns() + TICK_BUDGET_NS;
    bool more = true;
    server->routed_seen = slotd->statistics.routed;
    while (more && clock_monotonic_ns() < end_ns) {
        uint32_t expired = slotd->expire_active ? store_expire(slotd->store, TICK_STEP) : 0;
        slotd->statistics.expired += expired;
        purges = purges && !store_purge(slotd->store, TICK_STEP) && !asked;
        more = expired == TICK_STEP || purges;
    }
    return more || store_garbage_count(slotd->store) > 0;
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    store_time_set(server->slotd.store, clock_wall_ms());
    bool more = housekeep(server);
    engine_tick(server->slotd.engine);
    (void)uv_idle_start(&server->busy, on_busy); /* the turn's end does the rest */
    (void)uv_timer_start(timer, on_tick, more ? TICK_BUSY_MS : TICK_MS, 0);
}

/* ---- The end ---- */

static void handle_close(uv_handle_t *handle, void *user_data)
{
    (void)user_data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Clients whose answers are out go; the loop ends with the last one, and with what was answered
 * before it is done. */
static void shutdown_go_on(struct server *server)
{
    struct session *session = server->slotd.sessions;
    while (session != NULL) {
        struct session *next = session->next;
        struct client *client = (struct client *)session;
        if (!client->writing && client->output.size == 0)
            client_shut(client);
        session = next;
    }
    bool promises = uv_is_active((uv_handle_t *)&server->grace) &&
        engine_promises(server->slotd.engine, UINT64_MAX);
    if (server->slotd.sessions == NULL && server->sync == NULL && server->log_sync == NULL &&
        !server->writing_back && !promises)
        uv_stop(&server->loop);
}

static void on_grace(uv_timer_t *timer)
{
    struct server *server = timer->data;
    for (struct session *at = server->slotd.sessions; at != NULL; at = server->slotd.sessions)
        client_shut((struct client *)at);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    if (server->slotd.shutting_down)
        return;
    log_event(LOG_INFO, "shutdown", "signal=%d", number);
    server->slotd.shutting_down = true;
    uv_close((uv_handle_t *)&server->listener, NULL);
    for (struct session *at = server->slotd.sessions; at != NULL; at = at->next)
        at->closing = true;
    (void)uv_timer_start(&server->grace, on_grace, GRACE_MS, 0);
}

/* ---- The beginning ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    if (status != 0)
        log_event(LOG_WARNING, "accept_failed", "error=%s", uv_err_name(status));
    else
        client_accept(server, listener);
}

static int listen_on(struct server *server)
{
    struct settings *settings = &server->slotd.settings;
    struct sockaddr_storage address;
    int size = sizeof(address);
    int result = uv_ip4_addr(settings->bind, settings->port, (struct sockaddr_in *)&address);
    if (result != 0)
        result = uv_ip6_addr(settings->bind, settings->port, (struct sockaddr_in6 *)&address);
    server->listener.data = server;
    if (result == 0)
        result = uv_tcp_init(&server->loop, &server->listener);
    if (result == 0)
        result = uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
    if (result == 0)
        result = uv_listen((uv_stream_t *)&server->listener, LISTEN_BACKLOG, on_connection);
    if (result == 0)
        result = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size);
    if (result != 0) {
        log_event(LOG_ERROR, "listen_failed", "bind=%s port=%d error=%s", settings->bind,
            settings->port, uv_err_name(result));
        return -1;
    }
    settings->port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (settings->bus_port < 0)
        settings->bus_port = settings->port + (settings->port <= 55535 ? 10000 : -10000);
    return 0;
}

/* Tell whoever started the server where it listens; whole or not at all. */
static int port_file_write(const struct settings *settings)
{
    char name[PATH_TEXT_SIZE + 8];
    if (settings->port_file[0] == '\0')
        return 0;
    (void)snprintf(name, sizeof(name), "%s.new", settings->port_file);
    FILE *file = fopen(name, "w");
    if (file == NULL)
        return -1;
    (void)fprintf(file, "port=%d\nbus_port=%d\nmetrics_port=%d\n", settings->port,
        settings->bus_port, settings->metrics_port);
    return fclose(file) == 0 && rename(name, settings->port_file) == 0 ? 0 : -1;
}

static int handles_start(struct server *server)
{
    int result = uv_check_init(&server->loop, &server->turn);
    server->turn.data = server;
    server->tick.data = server;
    server->grace.data = server;
    result |= uv_check_start(&server->turn, on_turn);
    result |= uv_idle_init(&server->loop, &server->busy);
    result |= uv_timer_init(&server->loop, &server->tick);
    result |= uv_timer_init(&server->loop, &server->grace);
    result |= uv_timer_start(&server->tick, on_tick, TICK_MS, 0);
    static const int numbers[2] = {SIGTERM, SIGINT};
    for (int index = 0; index < 2; index++) {
        server->signals[index].data = server;
        result |= uv_signal_init(&server->loop, &server->signals[index]);
        result |= uv_signal_start(&server->signals[index], on_signal, numbers[index]);
    }
    return result;
}

static void on_wake(void *user_data)
{
    server_wake(user_data);
}

static int open_all(struct server *server)
{
    struct slotd *slotd = &server->slotd;
    const char *error = NULL;
    struct store_options options = {slotd->settings.directory, slotd->settings.durability,
        slotd->settings.map_size};
    slotd->store = store_open(&options, &error);
    if (slotd->store == NULL) {
        log_event(LOG_ERROR, "store_failed", "dir=%s error=\"%s\"", options.path, error);
        return -1;
    }
    slotd->cluster = cluster_open(slotd);
    if (listen_on(server) != 0 || metrics_listen(server) != 0 || handles_start(server) != 0)
        return -1;
    struct engine_hooks hooks = {server, on_wake};
    slotd->engine = engine_open(slotd, &server->loop, &hooks);
    if (slotd->engine == NULL)
        return -1;
    store_commit(slotd->store);
    if (port_file_write(&slotd->settings) != 0) {
        log_event(LOG_ERROR, "port_file_failed", "path=%s", slotd->settings.port_file);
        return -1;
    }
    return 0;
}

static void close_all(struct server *server)
{
    if (server->slotd.engine != NULL)
        engine_shut(server->slotd.engine);
    uv_walk(&server->loop, handle_close, NULL);
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&server->loop);
    engine_free(server->slotd.engine);
    cluster_close(server->slotd.cluster);
    store_close(server->slotd.store);
    free(server->args);
}

int server_run(const struct settings *settings)
{
    struct server *server = memory_take(sizeof(*server));
    uint64_t seed = clock_monotonic_ns() ^ (uint64_t)clock_wall_ms() << 20;
    server->slotd.settings = *settings;
    server->slotd.loop = &server->loop;
    server->slotd.statistics.started_ns = clock_monotonic_ns();
    server->slotd.expire_active = true;
    (void)uv_random(NULL, NULL, &seed, sizeof(seed), 0, NULL);
    server->slotd.random_state = seed;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_loop_init(&server->loop);
    int result = open_all(server);
    if (result == 0) {
        log_event(LOG_INFO, "listening", "port=%d bus_port=%d metrics_port=%d name=%s keys=%llu",
            server->slotd.settings.port, server->slotd.settings.bus_port,
            server->slotd.settings.metrics_port, cluster_my_name(server->slotd.cluster),
            (unsigned long long)store_key_count(server->slotd.store));
        log_gather(true);
        (void)uv_run(&server->loop, UV_RUN_DEFAULT);
        log_gather(false);
    }
    close_all(server);
    log_event(LOG_INFO, "stopped", "result=%d", result);
    free(server);
    return result;
}
