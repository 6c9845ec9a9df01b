/* SPDX-License-Identifier: MIT */
/* Room sim: the parts of a world that is searched: clients and what they saw, the authority, hosts
 * (what engines hold: search_digest.c), and what is under way. */
#include "sim/search_parts.h"

#include "sim/search.h"
#include <stdlib.h>

static void put_request(
    struct sink *sink, const struct reshard_sim *sim, const struct request *request)
{
    const struct client *client = &sim->clients[request->client];
    const uint64_t fields[] = {request->client, request->op, request->key_count, request->value,
        request->asking, request->token,
        client->busy && client->request.attempt == request->attempt};
    put(sink, fields, sizeof fields);
    put(sink, request->keys, sizeof request->keys);
}

static void put_host(struct sink *sink, const struct reshard_sim *sim, struct host *host)
{
    struct sink own;
    own.size = 0;
    if (reshard__arena_touched(host->region) ||
        (host->disk && reshard__arena_touched(host->disk->region))) {
        reshard__sink_host(&own, sim, host);
        host->digest = reshard__sink_digest(&own);
    }
    put(sink, &host->digest, sizeof host->digest);
    for (size_t i = 0; i < host->parked_count; i++)
        put_request(sink, sim, &host->parked[i]);
    for (size_t i = 0; i < host->admitted_count; i++) {
        put_request(sink, sim, &host->admitted[i].request);
        put_number(sink, host->admitted[i].verdict);
    }
}

/* ---- clients ---- */

static void put_client(
    struct sink *sink, const struct reshard_sim *sim, const struct client *client)
{
    put_number(sink, client->busy);
    put(sink, client->owners, sim->set.slot_count * sizeof *client->owners);
    if (client->busy) {
        put_request(sink, sim, &client->request);
        put(sink, client->operations, sizeof client->operations);
    }
}

static void put_deadlines(struct sink *sink, const struct reshard_sim *sim)
{
    for (size_t value = 0; value < sim->deadline_capacity; value++)
        if (sim->deadlines[value])
            put_number(sink, value);
    put_number(sink, 0);
}

/* Of two operations on a key only the order counts in which one ended before the other began. */
static void put_history(struct sink *sink, const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->history_count; i++) {
        const struct operation *one = &sim->history[i];
        const uint64_t fields[] = {one->op, one->key, one->value, one->end != UINT64_MAX};
        put(sink, fields, sizeof fields);
        for (size_t k = 0; k < i; k++) {
            const struct operation *two = &sim->history[k];
            if (one->key != two->key)
                continue;
            put_number(sink, one->end < two->begin);
            put_number(sink, two->end < one->begin);
        }
    }
}

/* What replicas may answer, in the order in which it happened. */
static void put_effects(struct sink *sink, const struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->effect_count; i++) {
        const struct effect *effect = &sim->effects[i];
        const uint64_t fields[] = {effect->key, effect->shard, effect->value, effect->operation};
        put(sink, fields, sizeof fields);
    }
}

/* ---- what is under way: a set ---- */

/* The place among the messages of its link; 0: it is in no order. */
static uint64_t rank_of(const struct reshard_sim *sim, const struct happening *happening)
{
    const struct packet *packet = happening->data;
    uint64_t rank = 1;
    for (size_t i = 0; i < sim->heap_count; i++) {
        const struct happening *other = &sim->heap[i];
        const struct packet *ahead = other->data;
        if (other->kind == EVENT_MESSAGE && other->serial < happening->serial &&
            ahead->from == packet->from && ahead->to == packet->to && !ahead->repeated)
            rank++;
    }
    return packet->repeated ? 0 : rank;
}

static uint64_t execute_place(const struct host *host, uint64_t serial)
{
    for (size_t i = 0; i < host->admitted_count; i++)
        if (host->admitted[i].request.serial == serial)
            return i + 1;
    return 0;
}

/* A report without its figures: keys, bytes, the pause so far. */
static void put_message(struct sink *sink, const struct packet *packet)
{
    enum { REPORT = 4, DIGEST = 13, KEYS, BYTES, PAUSE = 17 };
    uint64_t values[PEEK_MEMBERS_MAX];
    if (reshard__peek_type(packet->data, packet->size) != REPORT) {
        put_bytes(sink, packet->data, packet->size);
        return;
    }
    const uint8_t *digest = reshard__peek_members(packet->data, packet->size, values);
    values[KEYS] = values[BYTES] = values[PAUSE] = 0;
    put(sink, values, sizeof values);
    put(sink, digest, (size_t)values[DIGEST]);
}

static void put_happening(
    struct sink *sink, const struct reshard_sim *sim, const struct happening *happening)
{
    const struct packet *packet = happening->data;
    const struct reply *reply = happening->data;
    const struct host *host = reshard__host_find(sim, happening->host);
    put_number(sink, happening->kind);
    put_number(sink, happening->host);
    switch (happening->kind) {
    case EVENT_MESSAGE:
        put_number(sink, packet->from);
        put_number(sink, rank_of(sim, happening));
        put_message(sink, packet);
        break;
    case EVENT_LATE:
        put_number(sink, happening->number);
        put_number(sink, happening->boot);
        put_bytes(sink, packet->data, packet->size);
        break;
    case EVENT_TASK:
        put_number(sink, reshard__task_place(host, happening->number));
        break;
    case EVENT_EXECUTE:
        put_number(sink, execute_place(host, happening->number));
        break;
    case EVENT_REQUEST:
        put_request(sink, sim, happening->data);
        break;
    case EVENT_REPLY:
        put_request(sink, sim, &reply->request);
        break;
    case EVENT_SHIPPED:
        put_request(sink, sim, &reply->request);
        put_number(sink, reply->kind);
        put(sink, reply->values, sizeof reply->values);
        put_number(sink, host->shipped - happening->number);
        break;
    default: /* nothing more of a client's, a start's or a stream's */
        break;
    }
}

struct reshard_digest reshard__happening_digest(
    const struct reshard_sim *sim, const struct happening *happening)
{
    struct sink item;
    item.size = 0;
    put_happening(&item, sim, happening);
    return reshard__sink_digest(&item);
}

static void put_heap(struct sink *sink, const struct reshard_sim *sim)
{
    uint64_t low = 0, high = 0;
    for (size_t i = 0; i < sim->heap_count; i++) {
        struct reshard_digest digest = reshard__happening_digest(sim, &sim->heap[i]);
        low += digest.low;
        high += digest.high;
    }
    put_number(sink, sim->heap_count);
    put_number(sink, low);
    put_number(sink, high);
}

/* ---- all of it ---- */

static void put_authority(struct sink *sink, struct reshard_sim *sim)
{
    struct authority *authority = &sim->authority;
    struct sink own;
    own.size = 0;
    if (reshard__arena_touched(AUTHORITY_REGION)) {
        for (size_t i = 0; i < authority->record_count; i++)
            put_bytes(&own, authority->records[i].data, authority->records[i].size);
        authority->digest = reshard__sink_digest(&own);
    }
    put(sink, &authority->digest, sizeof authority->digest);
    for (size_t i = 0; i < sim->moving_count; i++) {
        const struct moving *moving = &sim->movings[i];
        const uint64_t fields[] = {
            moving->migration, moving->end, moving->decision, moving->closed};
        put(sink, fields, sizeof fields);
    }
}

static void part_end(struct parts *parts)
{
    if (parts->count > 0 && parts->sink.size < parts->ends[parts->count - 1])
        abort(); /* folded: no world that is searched is so large */
    parts->ends[parts->count++] = parts->sink.size;
}

void reshard__search_parts(struct reshard_sim *sim, struct parts *parts)
{
    struct sink *sink = &parts->sink;
    if (sim->host_count > HOSTS_MAX)
        abort();
    sink->size = parts->count = 0;
    put(sink, &sim->allowance, sizeof sim->allowance);
    part_end(parts);
    put_authority(sink, sim);
    part_end(parts);
    for (size_t i = 0; i < sim->client_count; i++)
        put_client(sink, sim, &sim->clients[i]);
    put_history(sink, sim);
    put_effects(sink, sim);
    part_end(parts);
    put_deadlines(sink, sim);
    part_end(parts);
    for (size_t i = 0; i < sim->host_count; i++) {
        put_host(sink, sim, sim->hosts[i]);
        part_end(parts);
    }
}

struct reshard_digest reshard__parts_digest(const struct reshard_sim *sim, struct parts *parts)
{
    size_t size = parts->sink.size;
    put_heap(&parts->sink, sim);
    struct reshard_digest digest = reshard__sink_digest(&parts->sink);
    parts->sink.size = size;
    return digest;
}

struct reshard_digest reshard__search_digest(struct reshard_sim *sim)
{
    struct parts parts;
    reshard__search_parts(sim, &parts);
    return reshard__parts_digest(sim, &parts);
}
