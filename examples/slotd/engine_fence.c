/* SPDX-License-Identifier: MIT */
/* Room engine: no two primaries of a shard serve at once.
 *
 * A primary with replicas holds a lease: for PRIMARY_LEASE_NS after it asked and heard that it was
 * one. Each of its replicas says so with its beats; when not all of them do, the coordinator is
 * asked, whose answer comes with what its map says. An heir has said nothing to the primary before
 * since it leads, nor has the coordinator since it decided: so the heir waits for as long, unless
 * all others of the shard follow it. (All: one of which this node never heard may have been heir
 * for a moment, and the one before it may stand still and go on.) A primary that can hear neither
 * does not know, and serves nothing.
 * A primary without replicas has no lease. When its process begins it may have been taken for lost
 * meanwhile, so that another node leads its shard: it asks the coordinator first, and serves
 * without its word only when that is not there.
 * On one host a refused connection says that a process has ended: no network lies between.
 */
#include "engine_room.h"

#include <string.h>

#define FRESH_NS ((uint64_t)200000000) /* so young a word is good enough */
#define ASK_NS ((uint64_t)1000000000)  /* so old a word is asked for anew */
#define PARK_NS ((uint64_t)1000000000) /* requests wait for so long */
#define RETURN_NS ((uint64_t)1000000000) /* for the coordinator's first word, */
enum { RETURN_TICKS = 9 }; /* in which this process ran: it may be on its way */

static bool same_host(const struct engine *engine, const struct reshard_map_node *node)
{
    struct cluster_address address;
    cluster__address(node, &address);
    return address.host[0] != '\0' && strcmp(address.host, engine->slotd->cluster->host) == 0;
}

/* When the node's process did not run; 0: nobody knows. */
static uint64_t ended_ns(struct engine *engine, const struct reshard_map_node *node)
{
    bus_link(engine->bus, node->node);
    return same_host(engine, node) ? bus_refused_ns(engine->bus, node->node) : 0;
}

/* When it last was no heir of this node. That its process had ended says so only while it had not
 * been silent for so long that it might have been one before. */
static uint64_t loyal_ns(
    struct engine *engine, const struct reshard_map_node *node, uint64_t now_ns)
{
    uint64_t vouched_ns = replica_vouched_ns(engine->replica, node->node);
    if (engine->unconfirmed_ns != 0 || now_ns - vouched_ns < ASK_NS)
        return vouched_ns;
    uint64_t gone_ns = ended_ns(engine, node);
    return gone_ns > vouched_ns ? gone_ns : vouched_ns;
}

static uint64_t replicas_loyal_ns(
    struct engine *engine, reshard_shard_id shard, uint64_t now_ns)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    uint64_t least = UINT64_MAX;
    for (uint32_t index = 0;
         reshard_map_node_at(engine_map(engine), index, &node) == RESHARD_OK; index++) {
        if (node.shard != shard || node.node == engine->node_id)
            continue;
        uint64_t at_ns = loyal_ns(engine, &node, now_ns);
        least = at_ns < least ? at_ns : least;
    }
    return least == UINT64_MAX ? 0 : least;
}

/* ---- the coordinator's word ---- */

/* Its answer came after it was asked, and the map here is as new as it said. */
static void confirming_end(struct engine *engine)
{
    struct bytes text;
    if (engine->confirming == NULL || !ticket_done(engine->confirming))
        return;
    bool heard = ticket_error(engine->confirming, &text) == NULL &&
        reshard_map_version(engine_map(engine)) >= engine->confirming->migration;
    if (heard && engine->confirming->asked_ns > engine->confirmed_ns)
        engine->confirmed_ns = engine->confirming->asked_ns;
    ticket_drop(engine, engine->confirming);
    engine->confirming = NULL;
}

static void confirming_begin(struct engine *engine)
{
    struct buffer words = {0};
    struct engine_wait wait = {.kind = WAIT_VERSION};
    if (engine->confirming != NULL)
        return;
    words_add_text(&words, "version");
    engine->confirming = engine_ask(engine, &words, &wait);
    buffer_free(&words);
}

/* ---- the lease ---- */

static void unconfirmed_set(struct engine *engine, uint64_t since_ns)
{
    if ((engine->unconfirmed_ns != 0) == (since_ns != 0))
        return;
    engine->unconfirmed_ns = since_ns;
    engine->store.wake_wanted = true;
    if (since_ns == 0)
        log_event(LOG_INFO, "primary_confirmed", "node=%016llx",
            (unsigned long long)engine->node_id);
    else
        log_event(LOG_WARNING, "primary_unconfirmed",
            "node=%016llx serves=no reason=\"hears neither the coordinator nor all its replicas, "
            "one of which may be primary by now\" remedy=\"start the coordinator or the replicas, "
            "or mend the network between\"", (unsigned long long)engine->node_id);
}

/* As a primary with replicas: an heir has not yet. */
static bool has_served(const struct engine *engine)
{
    return engine->unconfirmed_ns == 0 && engine->lease_end_ns != 0 &&
        engine->lease_end_ns != UINT64_MAX;
}

static void lease_look(struct engine *engine, reshard_shard_id shard)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (engine->confirmed_ns != 0 && now_ns - engine->confirmed_ns < FRESH_NS)
        return;
    uint64_t loyal = replicas_loyal_ns(engine, shard, now_ns);
    confirming_end(engine);
    if (loyal > engine->confirmed_ns)
        engine->confirmed_ns = loyal;
    bool known = engine->confirmed_ns != 0;
    bool served = has_served(engine);
    engine->lease_end_ns = known ? engine->confirmed_ns + PRIMARY_LEASE_NS : 0;
    if (!known || now_ns - engine->confirmed_ns > ASK_NS)
        confirming_begin(engine);
    engine->lapsed |= served && now_ns > engine->lease_end_ns;
    unconfirmed_set(engine, now_ns > engine->lease_end_ns ? now_ns : 0);
}

/* Whether the coordinator is still to say that this node leads. */
static bool word_awaited(struct engine *engine)
{
    uint64_t now_ns = clock_monotonic_ns();
    engine->return_answered |= engine->confirming != NULL && engine->confirming->answered;
    confirming_end(engine);
    bool late = now_ns - engine->returned_ns > RETURN_NS && engine->return_ticks >= RETURN_TICKS;
    if (engine->confirmed_ns != 0 || (late && !engine->return_answered))
        return false;
    confirming_begin(engine);
    engine->lease_end_ns = 0;
    unconfirmed_set(engine, late ? now_ns : 0);
    return true;
}

/* As its shard's only node, behind its start: whether it may not serve yet. */
static bool returns(struct engine *engine, const struct reshard_map_shard *shard)
{
    bool alone = shard->primary == engine->node_id && shard->node_count < 2;
    if (engine->returned_ns == 0 || shard->primary == 0)
        return false;
    if (alone && engine->coordinator_id != engine->node_id && word_awaited(engine))
        return true;
    engine->returned_ns = 0;
    return false;
}

/* It follows, or its process has ended since this node leads. */
static bool ceased(struct engine *engine, const struct reshard_map_node *node, uint64_t led_ns)
{
    return replica_followed_by(engine->replica, node->node) || ended_ns(engine, node) > led_ns;
}

static void former_look(struct engine *engine, reshard_shard_id shard)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    uint64_t led_ns;
    uint64_t former = replica_former(engine->replica, &led_ns);
    bool found = false;
    if (former == 0)
        return;
    for (uint32_t index = 0;
         reshard_map_node_at(engine_map(engine), index, &node) == RESHARD_OK; index++) {
        if (node.node == engine->node_id || (node.shard != shard && node.node != former))
            continue;
        if (!ceased(engine, &node, led_ns))
            return;
        found = found || node.node == former;
    }
    if (!found) /* it has left the map, and may not know */
        return;
    replica_former_gone(engine->replica);
    engine->store.wake_wanted = true;
}

void engine__fence_follow(struct engine *engine, const struct reshard_map_shard *shard)
{
    bool alone = shard->node_count < 2;
    /* Deposed; was it seen in time? */
    engine->lapsed |= !engine->leads && engine->confirmed_ns != 0 &&
        engine->unconfirmed_ns == 0 && clock_monotonic_ns() > engine->lease_end_ns;
    if (returns(engine, shard))
        return;
    if (!engine->leads || alone) {
        /* Who was alone when a replica came knows that it is no heir yet. */
        engine->confirmed_ns = engine->leads ? clock_monotonic_ns() : 0;
        engine->lease_end_ns = UINT64_MAX;
        unconfirmed_set(engine, 0);
        return;
    }
    former_look(engine, shard->shard);
    lease_look(engine, shard->shard);
}

void engine__fence_tick(struct engine *engine)
{
    struct reshard_map_shard shard = engine__shard(engine, engine_map(engine));
    engine__fence_follow(engine, &shard);
}

bool engine_lapsed(struct engine *engine)
{
    if (engine->unconfirmed_ns == 0 && clock_monotonic_ns() > engine->lease_end_ns)
        engine__fence_tick(engine);
    bool lapsed = engine->lapsed;
    engine->lapsed = false;
    return lapsed;
}

/* A process that stood still may meet requests before it has looked at its lease again. */
static bool lease_over(const struct engine *engine)
{
    return engine->lease_end_ns != UINT64_MAX && clock_monotonic_ns() > engine->lease_end_ns;
}

int engine_stand(const struct engine *engine)
{
    uint64_t led_ns;
    if (replica_former(engine->replica, &led_ns) != 0)
        return ENGINE_WAITS;
    if (engine->unconfirmed_ns == 0)
        return lease_over(engine) ? ENGINE_WAITS : ENGINE_SERVES;
    return clock_monotonic_ns() - engine->unconfirmed_ns < PARK_NS ? ENGINE_WAITS : ENGINE_DOWN;
}

uint64_t engine_released(const struct engine *engine)
{
    return engine->unconfirmed_ns == 0 ? engine->sync.released : 0;
}
