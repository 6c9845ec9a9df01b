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

static void put_happening(struct sink *sink, const struct reshard_sim *sim,
    const struct happening *happening, uint64_t rank)
{
    const struct packet *packet = happening->data;
    const struct reply *reply = happening->data;
    const struct host *host = reshard__host_find(sim, happening->host);
    put_number(sink, happening->kind);
    put_number(sink, happening->host);
    switch (happening->kind) {
    case EVENT_MESSAGE:
        put_number(sink, packet->from);
        put_number(sink, rank);
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

static struct reshard_digest digest_at(
    const struct reshard_sim *sim, const struct happening *happening, uint64_t rank)
{
    struct sink item;
    item.size = 0;
    put_happening(&item, sim, happening, rank);
    return reshard__sink_digest(&item);
}

struct reshard_digest reshard__happening_digest(
    const struct reshard_sim *sim, const struct happening *happening)
{
    bool message = happening->kind == EVENT_MESSAGE;
    return digest_at(sim, happening, message ? rank_of(sim, happening) : 0);
}

size_t reshard__happening_part(const struct reshard_sim *sim, const struct happening *happening)
{
    const struct host *host = reshard__host_find(sim, happening->host);
    bool clients = happening->kind == EVENT_REQUEST || happening->kind == EVENT_REPLY ||
                   happening->kind == EVENT_CLIENT;
    return clients || !host ? PART_CLIENTS : PART_HOSTS + host->index;
}

/* ---- messages ---- */

static bool stands_before(const struct message *one, const struct message *two)
{
    if (one->from != two->from)
        return one->from < two->from;
    if (one->to != two->to)
        return one->to < two->to;
    if (one->repeated != two->repeated)
        return two->repeated;
    return one->repeated ? one->digest.low < two->digest.low : one->serial < two->serial;
}

static void message_add(
    const struct reshard_sim *sim, const struct happening *happening, struct parts *parts)
{
    const struct packet *packet = happening->data;
    const struct host *from = reshard__host_find(sim, packet->from);
    const struct host *to = reshard__host_find(sim, packet->to);
    if (!from || !to || parts->message_count == MESSAGES_MAX)
        abort(); /* no world that is searched has such */
    struct message message = {.serial = happening->serial,
        .type = reshard__peek_type(packet->data, packet->size),
        .from = (uint8_t)from->index,
        .to = (uint8_t)to->index,
        .repeated = packet->repeated};
    message.digest = digest_at(sim, happening, !packet->repeated);
    size_t place = parts->message_count++;
    for (; place > 0 && stands_before(&message, &parts->messages[place - 1]); place--)
        parts->messages[place] = parts->messages[place - 1];
    parts->messages[place] = message;
}

/* What is under way and no message is part of whose it is: a set. */
static void happenings_look(const struct reshard_sim *sim, struct parts *parts)
{
    for (size_t i = 0; i < sim->heap_count; i++) {
        const struct happening *happening = &sim->heap[i];
        if (happening->kind == EVENT_MESSAGE) {
            message_add(sim, happening, parts);
            continue;
        }
        size_t part = reshard__happening_part(sim, happening);
        enum event_kind kind = happening->kind;
        digest_add(&parts->digests[part], digest_at(sim, happening, 0));
        if (kind == EVENT_TASK || kind == EVENT_EXECUTE || kind == EVENT_FEED)
            parts->facts[part].flags |= HOST_WORKS;
        if (kind == EVENT_SHIPPED)
            parts->facts[part].flags |= HOST_BUSY;
    }
}

/* ---- all of it ---- */

static void put_authority(struct sink *sink, struct reshard_sim *sim, struct facts *facts)
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
    facts->flags |= sim->moving_count > 0 ? PART_RESTS : 0;
    for (size_t i = 0; i < sim->moving_count; i++) {
        const struct moving *moving = &sim->movings[i];
        const uint64_t fields[] = {
            moving->migration, moving->end, moving->decision, moving->closed};
        put(sink, fields, sizeof fields);
        if (!moving->closed)
            facts->flags &= ~(uint64_t)PART_RESTS;
    }
}

static void put_clients(struct sink *sink, const struct reshard_sim *sim, struct facts *facts)
{
    bool rests = true;
    for (size_t i = 0; i < sim->client_count; i++) {
        put_client(sink, sim, &sim->clients[i]);
        rests &= !sim->clients[i].busy;
    }
    put_history(sink, sim);
    put_effects(sink, sim);
    facts->flags |= rests ? PART_RESTS : 0;
}

/* Two bits a slot. */
static uint64_t serves(const struct reshard_sim *sim, size_t index)
{
    uint64_t bits = 0;
    for (size_t slot = 0; slot < sim->set.slot_count; slot++) {
        uint64_t both = sim->checks.serving >> (2 * (slot * sim->host_count + index) & 63) & 3;
        bits |= both << 2 * slot;
    }
    return bits;
}

static void facts_look(const struct reshard_sim *sim, const struct host *host, struct facts *facts)
{
    bool busy = host->parked_count + host->admitted_count > 0;
    facts->known = reshard__search_known(host);
    facts->serves = serves(sim, host->index);
    facts->flags |= (host->up ? HOST_UP : 0) | (host->acting ? HOST_ACTING : 0) |
                    (host->fenced ? HOST_FENCED : 0) | (busy ? HOST_BUSY : 0) |
                    (sim->checks.asking >> host->index & 1 ? HOST_ASKS : 0) |
                    (reshard_coordinator_leads(host->coordinator) == 1 ? HOST_LEADS : 0);
}

/* The digests so far are those of what is under way. */
static void part_end(struct parts *parts, size_t part, struct sink *sink)
{
    put_number(sink, part);
    put(sink, &parts->digests[part], sizeof parts->digests[part]);
    put(sink, &parts->facts[part], sizeof parts->facts[part]);
    parts->digests[part] = reshard__sink_digest(sink);
    sink->size = 0;
}

struct reshard_digest reshard__budgets_digest(const struct allowance *allowance)
{
    return reshard__search_hash(allowance, sizeof *allowance);
}

void reshard__search_parts(struct reshard_sim *sim, struct parts *parts)
{
    struct sink sink;
    sink.size = 0;
    if (sim->host_count > HOSTS_MAX)
        abort();
    parts->count = PART_HOSTS + sim->host_count;
    parts->message_count = 0;
    memset(parts->digests, 0, sizeof parts->digests);
    memset(parts->facts, 0, sizeof parts->facts);
    happenings_look(sim, parts);
    parts->digests[PART_BUDGETS] = reshard__budgets_digest(&sim->allowance);
    put_authority(&sink, sim, &parts->facts[PART_AUTHORITY]);
    part_end(parts, PART_AUTHORITY, &sink);
    put_clients(&sink, sim, &parts->facts[PART_CLIENTS]);
    part_end(parts, PART_CLIENTS, &sink);
    put_deadlines(&sink, sim);
    part_end(parts, PART_TIMES, &sink);
    for (size_t i = 0; i < sim->host_count; i++) {
        facts_look(sim, sim->hosts[i], &parts->facts[PART_HOSTS + i]);
        put_host(&sink, sim, sim->hosts[i]);
        part_end(parts, PART_HOSTS + i, &sink);
    }
}

struct reshard_digest reshard__link_digest(const struct reshard_digest *digests, size_t count)
{
    return reshard__search_hash(digests, count * sizeof *digests);
}

static bool together(const struct message *one, const struct message *two)
{
    return one->from == two->from && one->to == two->to;
}

struct reshard_digest reshard__parts_digest(const struct parts *parts)
{
    struct reshard_digest link[MESSAGES_MAX], sum = {0};
    size_t count = 0;
    for (size_t i = 0; i < parts->count; i++)
        digest_add(&sum, parts->digests[i]);
    for (size_t i = 0; i < parts->message_count; i++) {
        const struct message *message = &parts->messages[i];
        link[count++] = message->digest;
        if (i + 1 == parts->message_count || !together(message, message + 1)) {
            digest_add(&sum, reshard__link_digest(link, count));
            count = 0;
        }
    }
    return sum;
}

struct reshard_digest reshard__search_digest(struct reshard_sim *sim)
{
    struct parts parts;
    reshard__search_parts(sim, &parts);
    return reshard__parts_digest(&parts);
}
