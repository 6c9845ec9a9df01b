/* SPDX-License-Identifier: MIT */
/* Room router: one request on its way: where it goes, and what its answers teach. */
#include "router/router.h"

#include <string.h>

void reshard_request_init(struct reshard_request *request)
{
    *request = (struct reshard_request){.struct_size = sizeof *request};
}

void reshard_hop_init(struct reshard_hop *hop)
{
    *hop = (struct reshard_hop){.struct_size = sizeof *hop};
}

void reshard_answer_init(struct reshard_answer *answer)
{
    *answer = (struct reshard_answer){.struct_size = sizeof *answer};
}

int32_t reshard_router_begin(
    struct reshard_router *router, uint32_t slot, uint32_t flags, struct reshard_request *request)
{
    const uint32_t known = RESHARD_REQUEST_WRITE | RESHARD_REQUEST_REPLICA;
    if (!router || !request)
        return RESHARD_E_NULL;
    if (slot >= router->slot_count)
        return RESHARD_E_SLOT;
    if ((flags & ~known) || (flags & known) == known)
        return RESHARD_E_FLAGS;
    uint64_t random = router->random;
    struct reshard_request fresh = {.flags = flags, .slot = slot};
    fresh.random = reshard__random_next(&random);
    int32_t status = reshard__struct_export(request, sizeof fresh, &fresh, sizeof fresh);
    if (!status)
        router->random = random;
    return status;
}

int32_t reshard_router_begin_keys(struct reshard_router *router, const struct reshard_key *keys,
    size_t key_count, uint32_t flags, struct reshard_request *request)
{
    uint32_t slot = 0;
    if (!router || !request || (!keys && key_count))
        return RESHARD_E_NULL;
    if (key_count == 0)
        return RESHARD_E_ARGUMENT;
    for (size_t i = 0; i < key_count; i++) {
        uint32_t other;
        int32_t status =
            reshard_slot_of_key(&router->hasher, keys[i].data, keys[i].key_size, &other);
        if (status)
            return status;
        if (i > 0 && other != slot)
            return RESHARD_E_CROSSSLOT;
        slot = other;
    }
    return reshard_router_begin(router, slot, flags, request);
}

/* First and number of a shard's replicas that are nearest: in the router's zone, else all. */
static size_t replicas_near(
    const struct reshard_router *router, reshard_shard_id shard, size_t *first_out)
{
    size_t low = 0;
    size_t high = router->replica_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (router->replicas[middle].shard < shard)
            low = middle + 1;
        else
            high = middle;
    }
    *first_out = low;
    bool elsewhere = low < router->replica_count && router->replicas[low].elsewhere;
    size_t end = low;
    while (end < router->replica_count && router->replicas[end].shard == shard
        && router->replicas[end].elsewhere == elsewhere)
        end++;
    return end - low;
}

/* A replica for this request, the same one each time; 0 = none but one that did not answer. */
static reshard_node_id replica_choose(const struct reshard_router *router,
    const struct reshard_request *request, reshard_shard_id shard)
{
    size_t first;
    size_t count = replicas_near(router, shard, &first);
    for (size_t i = 0; i < count; i++) {
        size_t index = first + (size_t)((request->random + i) % count);
        if (router->replicas[index].node != request->avoid)
            return router->replicas[index].node;
    }
    return 0;
}

/* The node of a hop whose shard is known; 0 = the cache knows none. */
static reshard_node_id node_choose(const struct reshard_router *router,
    const struct reshard_request *request, reshard_shard_id shard, uint32_t *flags)
{
    if ((request->flags & RESHARD_REQUEST_REPLICA) && request->redirects == 0) {
        reshard_node_id replica = replica_choose(router, request, shard);
        if (replica) {
            *flags |= RESHARD_HOP_REPLICA;
            return replica;
        }
    }
    const struct reshard__home *home = reshard__router_home_find(router, shard);
    return home ? home->primary : 0;
}

static void node_describe(const struct reshard_router *router, struct reshard_hop *hop)
{
    struct reshard_map_node node = {.struct_size = sizeof node};
    const struct reshard__home *home = reshard__router_home_find(router, hop->shard);
    int32_t status = home && home->primary == hop->node
        ? reshard_map_node_at(router->map, home->node_index, &node)
        : reshard_map_node_find(router->map, hop->node, &node);
    if (status)
        return;
    hop->shard = hop->shard ? hop->shard : node.shard;
    hop->address = node.address;
    hop->address_size = node.address_size;
}

static int32_t request_import(const struct reshard_router *router,
    struct reshard_request *known, const struct reshard_request *request)
{
    int32_t status = reshard__struct_import(known, sizeof *known, sizeof *known, request);
    if (!status && known->slot >= router->slot_count)
        status = RESHARD_E_SLOT;
    return status;
}

/* Where a request goes by its redirect, else by the cache; node 0 = not known. */
static struct reshard_hop resolve(
    const struct reshard_router *router, const struct reshard_request *request)
{
    struct reshard_hop hop = {
        .slot = request->slot, .node = request->node, .shard = request->shard};
    if (request->asking) {
        hop.flags |= RESHARD_HOP_ASKING;
        hop.migration = request->migration;
        hop.direction = request->direction;
    }
    if (hop.node)
        return hop;
    if (!hop.shard)
        hop.shard = reshard_router_slot_owner(router, request->slot);
    hop.node = node_choose(router, request, hop.shard, &hop.flags);
    return hop;
}

int32_t reshard_router_next(const struct reshard_router *router,
    const struct reshard_request *request, struct reshard_hop *hop_out)
{
    struct reshard_request known;
    if (!router || !hop_out)
        return RESHARD_E_NULL;
    int32_t status = request_import(router, &known, request);
    if (status)
        return status;
    struct reshard_hop hop = resolve(router, &known);
    if (!hop.node || known.blocked == router->generation)
        return RESHARD_E_EMPTY;
    node_describe(router, &hop);
    return reshard__struct_export(hop_out, sizeof hop, &hop, sizeof hop);
}

/* Equal jitter: half of the wait stands, half is drawn. */
static uint64_t backoff(const struct reshard_router *router, struct reshard_request *request)
{
    uint32_t doublings = request->retries + request->redirects - 1;
    uint64_t wait_ns = router->backoff_base_ns;
    while (doublings-- > 0 && wait_ns < router->backoff_max_ns)
        wait_ns = wait_ns > router->backoff_max_ns / 2 ? router->backoff_max_ns : wait_ns * 2;
    uint64_t half = wait_ns / 2;
    return wait_ns - half + reshard__random_next(&request->random) % (half + 1);
}

static void unpin(struct reshard_request *request)
{
    request->blocked = 0;
    request->asking = request->direction = 0;
    request->migration = 0;
    request->node = 0;
    request->shard = 0;
}

/* Version on which the cache's owner of a slot rests. */
static uint64_t slot_version(const struct reshard_router *router, uint32_t slot)
{
    const struct reshard__patch *patch = reshard__router_patch_find(router, slot);
    uint64_t version = reshard_map_version(router->map);
    return patch && patch->version > version ? patch->version : version;
}

static reshard_shard_id answer_shard(
    const struct reshard_router *router, const struct reshard_answer *answer)
{
    struct reshard_map_node node = {.struct_size = sizeof node};
    if (answer->shard || reshard_map_node_find(router->map, answer->node, &node))
        return answer->shard;
    return node.shard;
}

/* What was told, for all requests. Errors: NOMEM. */
static int32_t learn(struct reshard_router *router, struct reshard_request *request,
    const struct reshard_answer *answer)
{
    struct reshard__patch patch = {
        request->slot, answer_shard(router, answer), answer->version};
    bool put = false;
    int32_t status = RESHARD_OK;
    if (patch.shard)
        status = reshard__router_patch_put(router, &patch, &put);
    if (status)
        return status;
    request->node = answer->node;
    request->shard = put ? 0 : patch.shard;
    if (answer->version > router->newest)
        router->newest = answer->version;
    router->doubt = router->doubt || answer->version == 0;
    return RESHARD_OK;
}

static int32_t take_moved(struct reshard_router *router, struct reshard_request *request,
    const struct reshard_answer *answer, uint64_t *wait_ns)
{
    reshard_node_id from = resolve(router, request).node;
    bool outdated = answer->version && answer->version < slot_version(router, request->slot);
    request->redirects++;
    if (request->asking)
        request->avoid = from;
    unpin(request);
    if (outdated || request->redirects > 1 || request->retries > 0)
        *wait_ns = backoff(router, request);
    if (outdated)
        return RESHARD_OK;
    int32_t status = learn(router, request, answer);
    /* It named its own shard: it is not the primary any more, and only a newer map says who is. */
    if (!status && resolve(router, request).node == from)
        request->blocked = router->generation;
    return status;
}

static void take_ask(struct reshard_router *router, struct reshard_request *request,
    const struct reshard_answer *answer)
{
    request->redirects++;
    request->blocked = 0;
    request->asking = 1;
    request->direction = answer->direction;
    request->migration = answer->migration;
    request->node = answer->node;
    request->shard = answer->shard;
    if (answer->version > router->newest)
        router->newest = answer->version;
    if (request->avoid && resolve(router, request).node == request->avoid)
        request->blocked = router->generation;
}

static void take_refusal(struct reshard_router *router, struct reshard_request *request,
    const struct reshard_answer *answer, uint64_t *wait_ns)
{
    request->retries++;
    unpin(request);
    if (answer->kind == RESHARD_ANSWER_UNREACHABLE)
        request->avoid = answer->node;
    if (answer->kind != RESHARD_ANSWER_TRYAGAIN)
        router->doubt = true;
    *wait_ns = backoff(router, request);
}

static bool redirects(const struct reshard_answer *answer)
{
    return answer->kind == RESHARD_ANSWER_MOVED || answer->kind == RESHARD_ANSWER_ASK;
}

static int32_t answer_check(const struct reshard_router *router,
    const struct reshard_request *request, const struct reshard_answer *answer)
{
    if (answer->kind < RESHARD_ANSWER_MOVED || answer->kind > RESHARD_ANSWER_UNREACHABLE)
        return RESHARD_E_KIND;
    if (redirects(answer)) {
        if ((!answer->node && !answer->shard) || answer->direction > 1)
            return RESHARD_E_ARGUMENT;
        return request->redirects >= router->redirects_max ? RESHARD_E_REDIRECTS : RESHARD_OK;
    }
    return request->retries >= router->retries_max ? RESHARD_E_REDIRECTS : RESHARD_OK;
}

int32_t reshard_router_answer(struct reshard_router *router, struct reshard_request *request,
    const struct reshard_answer *answer, uint64_t *wait_ns_out)
{
    struct reshard_request known;
    struct reshard_answer told;
    uint64_t wait_ns = 0;
    if (!router || !wait_ns_out)
        return RESHARD_E_NULL;
    int32_t status = request_import(router, &known, request);
    if (!status)
        status = reshard__struct_import(&told, sizeof told, sizeof told, answer);
    if (!status)
        status = answer_check(router, &known, &told);
    if (status)
        return status;
    if (told.kind == RESHARD_ANSWER_MOVED)
        status = take_moved(router, &known, &told, &wait_ns);
    else if (told.kind == RESHARD_ANSWER_ASK)
        take_ask(router, &known, &told);
    else
        take_refusal(router, &known, &told, &wait_ns);
    if (!status)
        status = reshard__struct_export(request, sizeof known, &known, sizeof known);
    if (!status)
        *wait_ns_out = wait_ns;
    return status;
}
