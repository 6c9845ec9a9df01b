/* SPDX-License-Identifier: MIT */
/* Room sim: clients with cached maps, who follow redirects, and hosts' half of a request: verdict,
 * execution, parking. A request that was admitted runs a moment later; the fences wait for it. */
#include "sim/follow.h"

enum { PATIENT_TRIES = 5, SIDE_TRIES_MAX = 200 };

struct client *reshard__client_add(struct reshard_sim *sim)
{
    sim->clients = reshard__sim_grow(
        sim->clients, &sim->client_capacity, sim->client_count + 1, sizeof *sim->clients);
    struct client *client = &sim->clients[sim->client_count++];
    size_t capacity = 0;
    client->owners =
        reshard__sim_grow(NULL, &capacity, sim->set.slot_count, sizeof *client->owners);
    client->work = sim->set.seed * 1000 + sim->client_count;
    return client;
}

static reshard_node_id primary_of(const struct reshard_sim *sim, reshard_shard_id shard)
{
    struct reshard_map_shard entry = {.struct_size = sizeof entry};
    if (sim->authority.map &&
        reshard_map_shard_find(sim->authority.map, shard, &entry) == RESHARD_OK)
        return entry.primary;
    return 0;
}

static void wake_later(
    struct reshard_sim *sim, uint32_t client, uint64_t attempt, uint64_t delay_ns)
{
    struct happening happening = {.kind = EVENT_CLIENT, .client = client, .number = attempt};
    happening.time_ns = sim->now_ns + delay_ns;
    reshard__sim_schedule(sim, &happening);
}

/* Send the client's request to a node; a timeout is set. */
static void request_send(struct reshard_sim *sim, struct client *client, reshard_node_id to)
{
    struct request *request = reshard__sim_resize(NULL, 1, sizeof *request);
    client->request.attempt++;
    client->tries++;
    client->host = to;
    *request = client->request;
    struct happening happening = {.kind = EVENT_REQUEST, .host = to, .data = request};
    uint64_t wait = client->tries > PATIENT_TRIES ? sim->set.retry_ns : 0;
    wait += client->request.asking ? sim->set.think_ns : 0;
    happening.time_ns = sim->now_ns + sim->set.latency_ns + wait;
    reshard__sim_schedule(sim, &happening);
    wake_later(sim, client->request.client, client->request.attempt, sim->set.timeout_ns + wait);
}

static reshard_node_id first_host(struct reshard_sim *sim, const struct client *client)
{
    uint32_t slot = reshard__key_slot(sim, client->request.keys[0]);
    reshard_shard_id shard = client->owners[slot];
    reshard_node_id host = reshard__follower_of(sim, shard, client);
    if (host == 0 && shard)
        host = primary_of(sim, shard);
    for (size_t i = 0; i < sim->host_count && host == 0; i++)
        if (sim->hosts[i]->shard && sim->hosts[i]->up && !sim->hosts[i]->fenced)
            host = sim->hosts[i]->id;
    return host ? host : 1;
}

static uint64_t deadline_of(const struct reshard_sim *sim, uint64_t value)
{
    uint64_t deadline = value < sim->deadline_capacity ? sim->deadlines[value] : 0;
    return deadline ? deadline : UINT64_MAX;
}

void reshard__value_dies(struct reshard_sim *sim, uint64_t value, uint64_t deadline_ns)
{
    sim->deadlines = reshard__sim_grow(
        sim->deadlines, &sim->deadline_capacity, (size_t)value + 1, sizeof *sim->deadlines);
    sim->deadlines[value] = deadline_ns;
}

void reshard__client_begin(struct reshard_sim *sim, uint32_t index, uint32_t op,
    const uint32_t *keys, uint32_t key_count)
{
    struct client *client = &sim->clients[index];
    uint64_t attempt = client->request.attempt;
    memset(&client->request, 0, sizeof client->request);
    client->request.client = index;
    client->request.attempt = attempt;
    client->request.op = op;
    client->request.key_count = key_count;
    client->request.value = op == RESHARD_OP_WRITE ? ++sim->values_made : 0;
    if (client->request.value && client->life_ns)
        reshard__value_dies(sim, client->request.value, sim->now_ns + client->life_ns);
    sim->operations_begun++;
    client->busy = true;
    client->answered = false;
    client->tries = 0;
    client->started_ns = reshard__told_ns(sim);
    for (uint32_t i = 0; i < key_count; i++) {
        client->request.keys[i] = keys[i];
        client->operations[i] =
            reshard__history_begin(sim, index, op, keys[i], client->request.value);
    }
    request_send(sim, client, first_host(sim, client));
}

static void work_plan(struct reshard_sim *sim, struct client *client)
{
    if (client->left == 0)
        return;
    uint64_t due = client->started_ns + client->period_ns;
    wake_later(sim, client->request.client, 0, due > sim->now_ns ? due - sim->now_ns : 0);
}

/* Its turn passes, so that those that follow stay what they are, with values of their own. */
static bool work_skip(struct reshard_sim *sim, struct client *client)
{
    uint64_t drawn = client->drawn++;
    if (!client->skipped)
        return false;
    sim->values_made = sim->set.key_count + drawn * sim->client_count + client->request.client;
    if (!(client->skipped[drawn / 64] >> drawn % 64 & 1))
        return false;
    client->started_ns = sim->now_ns;
    work_plan(sim, client);
    return true;
}

/* The next of a client that works by itself. */
static void work_begin(struct reshard_sim *sim, uint32_t index)
{
    struct client *client = &sim->clients[index];
    client->left--;
    uint64_t random = reshard__sim_random(&client->work);
    if (work_skip(sim, client))
        return;
    uint32_t span = client->last_key - client->first_key + 1;
    uint32_t keys[SIM_KEYS_MAX] = {client->first_key + (uint32_t)(random % span)};
    uint32_t percent = (uint32_t)(random >> 32) % 100, count = 1;
    uint32_t op = RESHARD_OP_WRITE;
    if (percent < client->read_percent)
        op = RESHARD_OP_READ;
    else if (percent < client->read_percent + client->remove_percent)
        op = RESHARD_OP_REMOVE;
    /* Several keys of one slot. */
    if ((random >> 48) % 100 < client->multi_percent)
        for (uint32_t key = keys[0] + sim->set.slot_count;
             count < 2 && key <= client->last_key; key += sim->set.slot_count)
            keys[count++] = key;
    bool dies = (random >> 40 & 0xFF) * 100 / 256 < client->expire_percent;
    client->life_ns = dies ? (1 + (random >> 20) % 30) * SIM_MILLI : 0;
    reshard__client_begin(sim, index, op, keys, count);
}

void reshard__client_wake(struct reshard_sim *sim, uint32_t index, uint64_t attempt)
{
    struct client *client = &sim->clients[index];
    if (attempt == 0) {
        client->request.client = index;
        if (!client->busy && client->left > 0)
            work_begin(sim, index);
        return;
    }
    if (!client->busy || attempt != client->request.attempt)
        return;
    /* Nobody knows what became of it: the operation stays open in the history. */
    reshard__sim_say(sim, "client %u gives up on k%u at %h", (uint64_t)index + 1,
        (uint64_t)client->request.keys[0], client->host);
    reshard__log_request(sim, client, "unknown");
    client->request.attempt++;
    client->busy = false;
    work_plan(sim, client);
}

/* What has expired may stay as long as removals are parked, not longer. */
static void value_check(
    struct reshard_sim *sim, const struct client *client, uint32_t key, uint64_t value)
{
    bool rests = sim->judging && reshard_map_migration_count(sim->authority.map) == 0;
    if (rests && deadline_of(sim, value) < client->started_ns)
        reshard__sim_violate(sim, "expired", "k%u is read after its time", (uint64_t)key);
}

static void client_done(struct reshard_sim *sim, struct client *client, const struct reply *reply)
{
    for (uint32_t i = 0; i < client->request.key_count; i++) {
        bool read = client->request.op == RESHARD_OP_READ;
        if (read && reply->replica)
            reshard__effects_check(
                sim, reply->shard, client->operations[i], reply->values[i]);
        else if (read)
            value_check(sim, client, client->request.keys[i], reply->values[i]);
        reshard__history_end(
            sim, client->operations[i], read ? reply->values[i] : client->request.value);
        client->answer[i] = reply->values[i];
    }
    reshard__log_request(sim, client, "done");
    if (sim->followed) /* only who knows the shard asks its replicas */
        client->owners[reshard__key_slot(sim, client->request.keys[0])] = reply->shard;
    client->busy = false;
    client->answered = true;
    sim->requests_done++;
    sim->digest = reshard__sim_hash(reply->values, sizeof reply->values, sim->digest);
    work_plan(sim, client);
}

void reshard__client_reply(struct reshard_sim *sim, const struct reply *reply)
{
    struct client *client = &sim->clients[reply->request.client];
    if (!client->busy || reply->request.attempt != client->request.attempt)
        return;
    uint32_t slot = reshard__key_slot(sim, client->request.keys[0]);
    client->request.asking = 0;
    client->request.token = 0;
    switch (reply->kind) {
    case REPLY_DONE:
        client_done(sim, client, reply);
        return;
    case REPLY_MOVED:
        client->redirects++;
        client->owners[slot] = reply->shard;
        break;
    case REPLY_ASK:
        client->redirects++;
        client->request.asking = 1;
        client->request.token = sim->set.bare ? 0 : reply->token;
        request_send(sim, client, primary_of(sim, reply->shard));
        return;
    default:
        client->tries += PATIENT_TRIES;
        client->owners[slot] = reply->kind == REPLY_TRYAGAIN ? client->owners[slot] : 0;
        break;
    }
    request_send(sim, client, first_host(sim, client));
}

/* ---- the host's half ---- */

/* A replica may be the next to lead: what an ASK rests on is durable there, too, before it goes. */
static void followers_sync(struct reshard_sim *sim, const struct host *primary)
{
    for (size_t i = 0; i < sim->host_count && sim->set.unsynced; i++) {
        struct host *host = sim->hosts[i];
        if (host->shard != primary->shard || !reshard__follower_is(host) ||
            !reshard__follower_counts(sim, host))
            continue;
        reshard__host_touch(host);
        reshard__disk_synced(host->disk);
    }
}

void reshard__reply_send(struct reshard_sim *sim, struct host *host, const struct reply *reply)
{
    if (reply->kind == REPLY_ASK)
        followers_sync(sim, host);
    struct reply *copy = reshard__sim_resize(NULL, 1, sizeof *copy);
    *copy = *reply;
    struct happening happening = {.kind = EVENT_REPLY, .data = copy};
    happening.time_ns = sim->now_ns + sim->set.latency_ns;
    if (reshard__choose(sim, CHOICE_LINK, 2)) {
        reshard__fault_slot(
            sim, SIM_FAULT_REPLY, reshard__key_slot(sim, copy->request.keys[0]));
        reshard__sim_release(copy);
        return;
    }
    reshard__sim_schedule(sim, &happening);
}

static void refuse(struct reshard_sim *sim, struct host *host, const struct request *request,
    enum reply_kind kind)
{
    struct reply reply = {.kind = kind, .request = *request};
    reshard__reply_send(sim, host, &reply);
}

/* A write of one key, told to the engine where it asked for that. */
static void value_put(
    struct reshard_sim *sim, struct host *host, uint32_t key, uint64_t value, uint32_t verdict)
{
    reshard__host_touch(host);
    reshard__loose_write(sim, host->disk, key);
    reshard__disk_put(sim, host->disk, key, value);
    if (sim->followed)
        reshard__ship_key(sim, host, key, value);
    if (verdict != RESHARD_SERVE_CAPTURE || reshard__sabotaged(sim, RESHARD_SABOTAGE_RECORD))
        return;
    size_t size = 0;
    uint8_t *record = reshard__record_make(sim, host->disk, key, value, &size);
    if (!record) {
        reshard__sim_violate(sim, "hook", "%h: no record of a captured write", host->id);
        return;
    }
    int32_t status =
        reshard_node_record(host->node, reshard__key_slot(sim, key), record, size);
    if (status)
        reshard__sim_violate(sim, "record", "%h: %d", host->id, status);
    reshard__sim_release(record);
}

/* By the phase in which it was let in: it may run in a later one. */
static void admit_count(
    struct reshard_sim *sim, const struct request *request, bool replica)
{
    uint32_t slot = reshard__key_slot(sim, request->keys[0]);
    if (request->op != RESHARD_OP_READ)
        reshard__fault_slot(
            sim, request->op == RESHARD_OP_WRITE ? SIM_FAULT_WRITE : SIM_FAULT_DELETE, slot);
    if (request->key_count > 1)
        reshard__fault_slot(sim, SIM_FAULT_KEYS, slot);
    if (replica)
        reshard__fault_slot(sim, SIM_FAULT_REPLICA_READ, slot);
    if (reshard__value_size(sim, request->value) != sim->set.value_size)
        reshard__fault_slot(sim, SIM_FAULT_HUGE, slot);
}

/* As soon as replicas have all that the host has done up to now: what it tells would be lost with
 * it, were it deposed before. */
static void answer(struct reshard_sim *sim, struct host *host, const struct reply *reply)
{
    if (!sim->followed || reshard__shipped(sim, host, host->shipped)) {
        reshard__reply_send(sim, host, reply);
        return;
    }
    struct reply *copy = reshard__sim_resize(NULL, 1, sizeof *copy);
    *copy = *reply;
    struct happening happening = {.kind = EVENT_SHIPPED, .host = host->id, .data = copy};
    happening.boot = host->boot;
    happening.number = host->shipped;
    happening.time_ns = sim->now_ns + sim->set.latency_ns;
    reshard__sim_schedule(sim, &happening);
}

/* The operation in the history, SIZE_MAX when its client waits no longer. */
static size_t operation_of(
    const struct reshard_sim *sim, const struct request *request, uint32_t index)
{
    const struct client *client = &sim->clients[request->client];
    bool waits = client->busy && client->request.attempt == request->attempt;
    return waits ? client->operations[index] : SIZE_MAX;
}

static void execute(
    struct reshard_sim *sim, struct host *host, const struct request *request, uint32_t verdict)
{
    struct reply reply = {.kind = REPLY_DONE, .request = *request, .shard = host->shard};
    reply.replica = reshard__follower_is(host);
    reshard__check_executed(sim, host, request);
    for (uint32_t i = 0; i < request->key_count; i++) {
        uint32_t key = request->keys[i];
        reply.values[i] = reshard__disk_get(host->disk, key);
        if (request->op == RESHARD_OP_READ)
            continue;
        reply.values[i] = request->value;
        reshard__effect_add(sim, host->shard, key, request->value, operation_of(sim, request, i));
        value_put(sim, host, key, request->value, verdict);
    }
    answer(sim, host, &reply);
}

void reshard__request_execute(struct reshard_sim *sim, struct host *host, uint64_t serial)
{
    for (size_t i = 0; i < host->admitted_count; i++) {
        if (host->admitted[i].request.serial != serial)
            continue;
        struct admitted admitted = host->admitted[i];
        host->admitted[i] = host->admitted[--host->admitted_count];
        if (reshard__follower_is(host) && !reshard__follower_serves(sim, host))
            refuse(sim, host, &admitted.request, REPLY_GONE); /* the lease ended before it did */
        else
            execute(sim, host, &admitted.request, admitted.verdict);
        return;
    }
}

/* A verdict by slot alone holds until the fence; one by keys is executed in the same step. */
static void admit(struct reshard_sim *sim, struct host *host, const struct request *request,
    uint32_t verdict, bool by_keys)
{
    admit_count(sim, request, reshard__follower_is(host));
    if (by_keys || sim->set.execute_ns == 0) {
        execute(sim, host, request, verdict);
        return;
    }
    host->admitted = reshard__region_grow(host->region, host->admitted, &host->admitted_capacity,
        host->admitted_count + 1, sizeof *host->admitted);
    struct admitted *admitted = &host->admitted[host->admitted_count++];
    admitted->request = *request;
    admitted->request.serial = ++sim->serial;
    admitted->verdict = verdict;
    admitted->position = host->stream.applied;
    struct happening happening = {.kind = EVENT_EXECUTE, .host = host->id, .boot = host->boot};
    happening.number = admitted->request.serial;
    uint64_t time_ns = sim->set.execute_ns << reshard__choose(sim, CHOICE_DELAY, 6);
    happening.time_ns = sim->now_ns + time_ns;
    reshard__sim_schedule(sim, &happening);
}

static uint32_t route_keys(struct reshard_sim *sim, struct host *host,
    const struct request *request, struct reshard_route *route)
{
    uint8_t bytes[SIM_KEYS_MAX][SIM_NAME_SIZE];
    const uint8_t *keys[SIM_KEYS_MAX];
    size_t sizes[SIM_KEYS_MAX];
    struct reshard_node_request from = {.struct_size = sizeof from};
    from.op = request->op;
    from.slot = reshard__key_slot(sim, request->keys[0]);
    from.asking = request->asking;
    from.token = request->token;
    from.key_count = request->key_count;
    for (uint32_t i = 0; i < request->key_count; i++) {
        keys[i] = bytes[i];
        sizes[i] = reshard__key_name(host->disk, request->keys[i], bytes[i]);
        from.present_count += reshard__disk_get(host->disk, request->keys[i]) != 0;
    }
    from.keys = keys;
    from.key_sizes = sizes;
    reshard__host_touch(host);
    int32_t status = reshard_node_route_keys(host->node, &from, route);
    if (status)
        reshard__sim_violate(sim, "route", "%h: %d", host->id, status);
    return route->verdict;
}

static void park(struct host *host, const struct request *request)
{
    host->parked = reshard__region_grow(host->region,
        host->parked, &host->parked_capacity, host->parked_count + 1, sizeof *host->parked);
    host->parked[host->parked_count++] = *request;
}

static uint32_t verdict_of(struct reshard_sim *sim, struct host *host,
    const struct request *request, struct reshard_route *route, bool *by_keys)
{
    uint32_t slot = reshard__key_slot(sim, request->keys[0]);
    uint32_t verdict = reshard_node_route(host->node, slot, request->op, &route->shard);
    *by_keys = verdict == RESHARD_LOOKUP;
    if (*by_keys)
        verdict = route_keys(sim, host, request, route);
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_ROUTE))
        verdict = RESHARD_SERVE;
    /* A client that did not ask for stale reads is sent to the primary. */
    bool stale = sim->set.readonly && request->op == RESHARD_OP_READ && reshard__follower_is(host);
    if (verdict == RESHARD_SERVE && !*by_keys && !stale && !reshard__host_primary(host)) {
        route->shard = host->shard;
        verdict = RESHARD_MOVED;
    }
    if (sim->set.trace > 1)
        reshard__sim_say(sim, "%h client %u op %u k%u value %u asking %u: %s", host->id,
            (uint64_t)request->client, (uint64_t)request->op, (uint64_t)request->keys[0],
            request->value, (uint64_t)request->asking, reshard_verdict_name(verdict));
    return verdict;
}

bool reshard__value_due(const struct reshard_sim *sim, uint64_t value)
{
    return sim->now_ns >= deadline_of(sim, value) &&
           !reshard__sabotaged(sim, RESHARD_SABOTAGE_EXPIRY);
}

static void key_remove(
    struct reshard_sim *sim, struct host *host, uint32_t key, uint32_t verdict)
{
    reshard__sim_say(sim, "%h lets k%u go", host->id, (uint64_t)key);
    size_t index = reshard__history_begin(sim, UINT32_MAX, RESHARD_OP_REMOVE, key, 0);
    reshard__effect_add(sim, host->shard, key, 0, index);
    value_put(sim, host, key, 0, verdict);
    /* While replicas have not heard of it a fail-over may undo it. */
    if (!sim->followed || reshard__shipped(sim, host, host->shipped))
        reshard__history_end(sim, index, 0);
}

/* As a request to remove it: a key that is locked, or whose writes are parked, stays. */
void reshard__key_expire(struct reshard_sim *sim, struct host *host, uint32_t key, bool any)
{
    uint64_t value = host->disk->values[key];
    if (!host->up || host->frozen || host->fenced || value == 0 ||
        !(any || reshard__value_due(sim, value)))
        return;
    struct request request = {.op = RESHARD_OP_REMOVE, .key_count = 1, .keys = {key}};
    struct reshard_route route = {.struct_size = sizeof route};
    bool by_keys;
    uint32_t verdict = verdict_of(sim, host, &request, &route, &by_keys);
    if (verdict != RESHARD_SERVE && verdict != RESHARD_SERVE_CAPTURE)
        return;
    uint32_t fault = any ? SIM_FAULT_EVICTION : SIM_FAULT_EXPIRY;
    reshard__fault_slot(sim, fault, reshard__key_slot(sim, key));
    key_remove(sim, host, key, verdict);
}

/* The verdict, and what follows from it. */
static void request_route(struct reshard_sim *sim, struct host *host, const struct request *request)
{
    static const uint8_t kinds[] = {[RESHARD_MOVED] = REPLY_MOVED, [RESHARD_ASK] = REPLY_ASK,
        [RESHARD_TRYAGAIN] = REPLY_TRYAGAIN, [RESHARD_CROSSSLOT] = REPLY_DOWN,
        [RESHARD_DOWN] = REPLY_DOWN, [RESHARD_LOOKUP] = REPLY_DOWN};
    struct reshard_route route = {.struct_size = sizeof route};
    bool by_keys;
    for (uint32_t i = 0; i < request->key_count; i++)
        reshard__key_expire(sim, host, request->keys[i], false);
    uint32_t verdict = verdict_of(sim, host, request, &route, &by_keys);
    if (verdict == RESHARD_SERVE || verdict == RESHARD_SERVE_CAPTURE) {
        admit(sim, host, request, verdict, by_keys);
    } else if (verdict == RESHARD_PARK) {
        park(host, request);
    } else {
        struct reply reply = {.request = *request, .shard = route.shard, .token = route.token};
        reply.kind = (enum reply_kind)kinds[verdict];
        if (verdict == RESHARD_ASK) /* it rests on the key's absence here */
            reshard__disk_synced(host->disk);
        answer(sim, host, &reply);
    }
}

void reshard__request_arrive(
    struct reshard_sim *sim, struct host *host, const struct request *request)
{
    if (!host || !host->up || host->fenced || !host->node ||
        (reshard__follower_is(host) && !reshard__follower_serves(sim, host))) {
        refuse(sim, host, request, REPLY_GONE);
        return;
    }
    request_route(sim, host, request);
    if (host->up)
        reshard__host_drain(sim, host);
}

void reshard__requests_wake(
    struct reshard_sim *sim, struct host *host, const struct reshard_action *action)
{
    size_t count = host->parked_count, kept = 0;
    struct request *parked = host->parked;
    host->parked = NULL;
    host->parked_count = host->parked_capacity = 0;
    for (size_t i = 0; i < count; i++)
        if (!reshard__ranges_have(action, reshard__key_slot(sim, parked[i].keys[0])))
            park(host, &parked[i]);
        else
            parked[kept++] = parked[i];
    for (size_t i = 0; i < kept; i++)
        request_route(sim, host, &parked[i]);
    reshard__sim_release(parked);
}

void reshard__requests_drop(struct reshard_sim *sim, struct host *host)
{
    for (size_t i = 0; i < host->parked_count; i++)
        refuse(sim, host, &host->parked[i], REPLY_GONE);
    for (size_t i = 0; i < host->admitted_count; i++)
        refuse(sim, host, &host->admitted[i].request, REPLY_GONE);
    host->parked_count = host->admitted_count = 0;
}
