/* SPDX-License-Identifier: MIT */
/* Room server: one client's connection: bytes in, requests, answers out.
 *
 * Back-pressure: a client whose answers wait is not read and its requests are not run, so what it
 * can make the server hold is one request, one answer, and CLIENT_OUTPUT_SIZE_MAX.
 */
#include "server.h"

#include "command.h"
#include "engine.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    resp_free(&client->parser);
    buffer_free(&client->input);
    buffer_free(&client->output);
    buffer_free(&client->sending);
    free(client);
}

void client_shut(struct client *client)
{
    if (client->closed)
        return;
    client->closed = true;
    session_close(&client->server->slotd, &client->session);
    if (client->in_turn) {
        struct client **at = &client->server->in_turn;
        while (*at != client)
            at = &(*at)->next_in_turn;
        *at = client->next_in_turn;
    }
    uv_close((uv_handle_t *)&client->tcp, on_closed);
}

void client_turn(struct client *client)
{
    if (client->in_turn || client->closed)
        return;
    client->in_turn = true;
    client->next_in_turn = client->server->in_turn;
    client->server->in_turn = client;
}

static bool backlogged(const struct client *client)
{
    return client->held ||
        client->output.size + client->sending.size > CLIENT_OUTPUT_SIZE_MAX;
}

/* Run the complete request that the parser holds. False when it was parked. */
static bool request_run(struct client *client, struct bytes input)
{
    struct server *server = client->server;
    size_t count = client->parser.arg_count;
    if (count == 0)
        return true;
    if (count > server->arg_capacity) {
        server->args = memory_resize(server->args, count * sizeof(*server->args));
        server->arg_capacity = count;
    }
    for (size_t index = 0; index < count; index++)
        server->args[index] = resp_arg_at(&client->parser, input, index);
    client->parked =
        command_run(&server->slotd, &client->session, server->args, count) == COMMAND_PARKED;
    client->parser.guest = !client->session.authenticated;
    return !client->parked;
}

/* Run requests in `input`; returns the bytes that are done with. */
static size_t requests_run(struct client *client, struct bytes input)
{
    size_t done = 0;
    int budget = CLIENT_TURN_COMMANDS;
    store_time_set(client->server->slotd.store, clock_wall_ms());
    while (budget-- > 0 && !client->session.closing && !client->parked && !backlogged(client)) {
        struct bytes rest = {input.data + done, input.size - done};
        if (!client->ready) {
            int result = resp_parse(&client->parser, rest);
            if (result == RESP_MORE) {
                client->starved = true;
                break;
            }
            if (result == RESP_ERROR) {
                reply_error_format(&client->session.reply, "ERR %s", client->parser.error);
                client->session.closing = true;
                break;
            }
            client->ready = true;
        }
        if (!request_run(client, rest))
            break;
        done += client->parser.position;
        client->ready = false;
        resp_next(&client->parser);
    }
    return done;
}

bool client_can_work(const struct client *client)
{
    return client->input.size > 0 && !client->starved && !client->session.closing &&
        !client->parked && !backlogged(client) && !client->closed;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *memory);
static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *memory);

static void reading_set(struct client *client, bool wanted)
{
    if (wanted == client->reading || client->closed)
        return;
    client->reading = wanted;
    if (wanted)
        (void)uv_read_start((uv_stream_t *)&client->tcp, on_alloc, on_read);
    else
        (void)uv_read_stop((uv_stream_t *)&client->tcp);
}

/* Read on when what is there cannot be worked on without more; and while a request waits, until
 * more than a little comes: whoever waits for its answer sends nothing, and to stop and start would
 * cost as much as the request. */
static void reading_update(struct client *client)
{
    bool more = (!client->ready || client->input.size < CLIENT_READ_SIZE) && !backlogged(client);
    reading_set(client, more && !client->session.closing && !client->ended);
}

void client_work(struct client *client)
{
    if (client_can_work(client)) {
        struct bytes input = {client->input.data, client->input.size};
        buffer_consume(&client->input, requests_run(client, input));
        if (client->input.size == 0)
            buffer_clear(&client->input, 0);
    }
    reading_update(client);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *memory)
{
    struct client *client = handle->data;
    (void)suggested;
    if (client->input.size == 0) {
        *memory = uv_buf_init((char *)client->server->read_buffer, CLIENT_READ_SIZE);
        return;
    }
    size_t wanted = resp_wanted(&client->parser, client->input.size);
    wanted = wanted > CLIENT_READ_SIZE ? wanted : CLIENT_READ_SIZE;
    (void)buffer_reserve(&client->input, wanted);
    *memory = uv_buf_init((char *)client->input.data + client->input.size,
        (unsigned)(client->input.capacity - client->input.size));
}

static void input_take(struct client *client, const uint8_t *data, size_t size)
{
    client->starved = false;
    if (data != client->server->read_buffer) {
        client->input.size += size;
        return;
    }
    size_t done = 0;
    if (!backlogged(client) && !client->parked)
        done = requests_run(client, (struct bytes){data, size});
    buffer_append(&client->input, data + done, size - done);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *memory)
{
    struct client *client = stream->data;
    if (size == 0)
        return;
    if (size < 0) {
        client->ended = true;
        (void)uv_read_stop(stream);
        client->reading = false;
        client_turn(client);
        return;
    }
    client->server->slotd.statistics.bytes_in += (uint64_t)size;
    input_take(client, (const uint8_t *)memory->base, (size_t)size);
    if (client->input.size > CLIENT_INPUT_SIZE_MAX) {
        log_event(LOG_WARNING, "client_closed", "id=%llu reason=request_too_large",
            (unsigned long long)client->session.id);
        client_shut(client);
        return;
    }
    client_turn(client);
}

static void on_written(uv_write_t *write, int status)
{
    struct client *client = write->data;
    client->writing = false;
    buffer_clear(&client->sending, 0);
    if (client->closed)
        return;
    if (status != 0)
        client_shut(client);
    else
        client_turn(client); /* more answers, or requests that waited */
}

/* What the kernel did not take goes on in the background. */
static void send_rest(struct client *client, size_t sent)
{
    client->sending = client->output;
    client->output = (struct buffer){0};
    uv_buf_t rest = uv_buf_init((char *)client->sending.data + sent,
        (unsigned)(client->sending.size - sent));
    client->write.data = client;
    client->writing =
        uv_write(&client->write, (uv_stream_t *)&client->tcp, &rest, 1, on_written) == 0;
    if (!client->writing)
        client_shut(client);
}

static void send_output(struct client *client)
{
    size_t size = client->output.size;
    uv_buf_t out = uv_buf_init((char *)client->output.data, (unsigned)size);
    int sent = uv_try_write((uv_stream_t *)&client->tcp, &out, 1);
    client->server->slotd.statistics.bytes_out += size;
    if (sent < 0 && sent != UV_EAGAIN)
        client_shut(client);
    else if (sent >= 0 && (size_t)sent == size)
        buffer_clear(&client->output, CLIENT_READ_SIZE);
    else
        send_rest(client, sent > 0 ? (size_t)sent : 0);
}

/* --durability always: what was answered outlives a fail-over: answers wait for replicas. So does
 * an ASK always: an heir to which the key's removal is news would serve what the other node, which
 * goes by the key's absence here, has overwritten. So would this node after a loss of power. */
static bool held(struct client *client)
{
    const struct slotd *slotd = &client->server->slotd;
    bool waits = slotd->settings.durability == DURABILITY_ALWAYS || client->session.asked;
    if (!waits || client->output.size == 0)
        return false;
    if (!client->held) {
        client->hold = engine_logged(slotd->engine);
        client->removal = client->session.asked ? engine_removal(slotd->engine) : 0;
    }
    client->held = engine_released(slotd->engine) < client->hold ||
        !engine_removal_kept(slotd->engine, client->removal);
    client->session.asked = client->held && client->session.asked;
    return client->held;
}

/* Whoever has gone waits for nothing: WAIT may have no limit. What waits for slots only runs. */
static bool finished(const struct client *client)
{
    const struct session *session = &client->session;
    bool gave_up = client->parked && session->wait_ns != 0 && !session->in_exec;
    return session->closing ||
        (client->ended && (gave_up || (!client->ready && !client_can_work(client))));
}

void client_flush(struct client *client)
{
    if (client->writing || client->closed || held(client))
        return;
    if (client->output.size > 0)
        send_output(client);
    if (finished(client) && !client->writing)
        client_shut(client);
    reading_update(client); /* the answers that held it up may be out */
}

static void addresses_fill(struct client *client)
{
    struct sockaddr_storage address;
    char host[48] = "?";
    int size = sizeof(address);
    if (uv_tcp_getpeername(&client->tcp, (struct sockaddr *)&address, &size) == 0)
        (void)uv_ip_name((struct sockaddr *)&address, host, sizeof(host));
    (void)snprintf(client->session.peer, sizeof(client->session.peer), "%s:%d", host,
        (int)ntohs(((struct sockaddr_in *)&address)->sin_port));
    size = sizeof(address);
    if (uv_tcp_getsockname(&client->tcp, (struct sockaddr *)&address, &size) == 0)
        (void)uv_ip_name((struct sockaddr *)&address, host, sizeof(host));
    (void)snprintf(client->session.local, sizeof(client->session.local), "%s:%d", host,
        (int)ntohs(((struct sockaddr_in *)&address)->sin_port));
}

void client_accept(struct server *server, uv_stream_t *listener)
{
    struct client *client = memory_take(sizeof(*client));
    client->server = server;
    client->tcp.data = client;
    (void)uv_tcp_init(&server->loop, &client->tcp);
    session_open(&server->slotd, &client->session, &client->output);
    if (uv_accept(listener, (uv_stream_t *)&client->tcp) != 0) {
        client_shut(client);
        return;
    }
    (void)uv_tcp_nodelay(&client->tcp, 1);
    (void)uv_tcp_keepalive(&client->tcp, 1, 300);
    addresses_fill(client);
    resp_init(&client->parser);
    client->parser.guest = !client->session.authenticated;
    server->slotd.statistics.connections++;
    if (server->slotd.statistics.clients > (uint64_t)server->slotd.settings.client_limit) {
        server->slotd.statistics.rejected++;
        reply_error(&client->session.reply, "ERR max number of clients reached");
        client->session.closing = true;
        client_turn(client);
        return;
    }
    reading_set(client, true);
}
