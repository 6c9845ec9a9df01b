/* SPDX-License-Identifier: MIT */
/* Room server: the OpenMetrics endpoint: any GET on its port answers the whole text. */
#include "server.h"

#include "cluster.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

enum { REQUEST_SIZE_MAX = 8192 };

struct scrape {
    uv_tcp_t tcp;
    uv_write_t write;
    struct server *server;
    struct buffer request;
    struct buffer answer;
};

static void metric(struct buffer *text, const char *name, const char *type, const char *help,
    uint64_t value)
{
    bool counter = strcmp(type, "counter") == 0;
    buffer_append_format(text, "# TYPE %s %s\n# HELP %s %s\n%s%s %llu\n", name, type, name, help,
        name, counter ? "_total" : "", (unsigned long long)value);
}

static void migrations_text(const struct slotd *slotd, struct buffer *text)
{
    const struct statistics *s = &slotd->statistics;
    const struct reshard_map *map = cluster_map(slotd->cluster);
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    (void)reshard_map_shard_find(map, cluster_my_shard(slotd->cluster), &shard);
    metric(text, "slotd_map_version", "gauge", "Version of the slot map.",
        reshard_map_version(map));
    metric(text, "slotd_slots", "gauge", "Slots that this node's shard owns.", shard.slot_count);
    metric(text, "slotd_migrations_open", "gauge", "Migrations in the map.",
        reshard_map_migration_count(map));
    metric(text, "slotd_migrations_done", "counter", "Migrations that ended well, here at the "
        "coordinator.", s->migrations_done);
    metric(text, "slotd_migrations_reverted", "counter", "Migrations taken back.",
        s->migrations_reverted);
    metric(text, "slotd_write_pauses", "counter", "Times that slots stopped for a migration.",
        s->pauses);
    metric(text, "slotd_write_pause_microseconds", "counter", "Time that they stopped.",
        s->pause_us);
}

static void metrics_text(struct server *server, struct buffer *text)
{
    const struct statistics *s = &server->slotd.statistics;
    struct store *store = server->slotd.store;
    metric(text, "slotd_keys", "gauge", "Keys in visible slots.", store_key_count(store));
    metric(text, "slotd_expiring_keys", "gauge", "Keys with an expiry.",
        store_expiry_count(store));
    metric(text, "slotd_clients", "gauge", "Connected clients.", s->clients);
    metric(text, "slotd_connections", "counter", "Connections accepted.", s->connections);
    metric(text, "slotd_commands", "counter", "Commands run.", s->commands);
    metric(text, "slotd_error_replies", "counter", "Error replies.", s->errors);
    metric(text, "slotd_expired_keys", "counter", "Keys removed by expiry.", s->expired);
    metric(text, "slotd_keyspace_hits", "counter", "Reads that found a key.", s->hits);
    metric(text, "slotd_keyspace_misses", "counter", "Reads that did not.", s->misses);
    metric(text, "slotd_input_bytes", "counter", "Bytes received.", s->bytes_in);
    metric(text, "slotd_output_bytes", "counter", "Bytes sent.", s->bytes_out);
    metric(text, "slotd_parked_requests", "counter", "Requests that waited for a slot.",
        s->parked);
    metric(text, "slotd_moved_replies", "counter", "MOVED redirects.", s->moved);
    metric(text, "slotd_ask_replies", "counter", "ASK redirects.", s->asked);
    metric(text, "slotd_commits", "counter", "Transactions committed.",
        store_commit_count(store));
    metric(text, "slotd_garbage_generations", "gauge", "Retired slot data not yet purged.",
        store_garbage_count(store));
    migrations_text(&server->slotd, text);
    buffer_append_text(text, "# EOF\n");
}

static void on_closed(uv_handle_t *handle)
{
    struct scrape *scrape = handle->data;
    buffer_free(&scrape->request);
    buffer_free(&scrape->answer);
    free(scrape);
}

static void scrape_end(struct scrape *scrape)
{
    if (!uv_is_closing((uv_handle_t *)&scrape->tcp))
        uv_close((uv_handle_t *)&scrape->tcp, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    scrape_end(write->data);
}

static void answer(struct scrape *scrape)
{
    struct buffer text = {0};
    bool get = scrape->request.size > 4 && memcmp(scrape->request.data, "GET ", 4) == 0;
    if (get)
        metrics_text(scrape->server, &text);
    buffer_append_format(&scrape->answer,
        "HTTP/1.1 %s\r\nContent-Type: application/openmetrics-text; version=1.0.0; "
        "charset=utf-8\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
        get ? "200 OK" : "405 Method Not Allowed", text.size);
    buffer_append(&scrape->answer, text.data, text.size);
    buffer_free(&text);
    uv_buf_t out =
        uv_buf_init((char *)scrape->answer.data, (unsigned)scrape->answer.size);
    (void)uv_read_stop((uv_stream_t *)&scrape->tcp);
    scrape->write.data = scrape;
    if (uv_write(&scrape->write, (uv_stream_t *)&scrape->tcp, &out, 1, on_written) != 0)
        scrape_end(scrape);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *memory)
{
    struct scrape *scrape = handle->data;
    (void)suggested;
    *memory = uv_buf_init((char *)buffer_reserve(&scrape->request, 1024), 1024);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *memory)
{
    struct scrape *scrape = stream->data;
    (void)memory;
    if (size < 0) {
        scrape_end(scrape);
        return;
    }
    scrape->request.size += (size_t)size;
    size_t from = scrape->request.size;
    for (size_t index = 0; index + 3 < from; index++)
        if (memcmp(scrape->request.data + index, "\r\n\r\n", 4) == 0) {
            answer(scrape);
            return;
        }
    if (scrape->request.size > REQUEST_SIZE_MAX)
        scrape_end(scrape);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    if (status != 0)
        return;
    struct scrape *scrape = memory_take(sizeof(*scrape));
    scrape->server = server;
    scrape->tcp.data = scrape;
    (void)uv_tcp_init(&server->loop, &scrape->tcp);
    if (uv_accept(listener, (uv_stream_t *)&scrape->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&scrape->tcp, on_alloc, on_read) != 0)
        scrape_end(scrape);
}

int metrics_listen(struct server *server)
{
    struct settings *settings = &server->slotd.settings;
    struct sockaddr_storage address;
    int size = sizeof(address);
    if (settings->metrics_port < 0)
        return 0;
    server->metrics.data = server;
    int result = uv_ip4_addr(
        settings->bind, settings->metrics_port, (struct sockaddr_in *)&address);
    if (result != 0)
        result = uv_ip6_addr(
            settings->bind, settings->metrics_port, (struct sockaddr_in6 *)&address);
    if (result == 0)
        result = uv_tcp_init(&server->loop, &server->metrics);
    if (result == 0)
        result = uv_tcp_bind(&server->metrics, (struct sockaddr *)&address, 0);
    if (result == 0)
        result = uv_listen((uv_stream_t *)&server->metrics, 16, on_connection);
    if (result == 0)
        result = uv_tcp_getsockname(&server->metrics, (struct sockaddr *)&address, &size);
    if (result != 0) {
        log_event(LOG_ERROR, "metrics_failed", "port=%d error=%s", settings->metrics_port,
            uv_err_name(result));
        return -1;
    }
    settings->metrics_port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    return 0;
}
