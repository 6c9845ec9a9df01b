/* SPDX-License-Identifier: MIT */
/* Room command: keys moved by hand: SETSLOT and MIGRATE, as stock tools drive them.
 *
 * A slot opens by IMPORTING at the target or MIGRATING at the source, whichever comes first;
 * MIGRATE hands its keys to the library and waits until they have gone; NODE finishes the move.
 */
#include "command.h"

#include "log.h"

#include <reshard/node.h>
#include <stdlib.h>
#include <string.h>

#define REST_NS ((uint64_t)50000000)
#define KEEPS_NS ((uint64_t)1000000000)

/* ---- SETSLOT ---- */

static struct engine_wait wait_slot(uint32_t kind, reshard_shard_id shard, uint32_t slot)
{
    struct engine_wait wait = {kind, shard, 0, memory_take(sizeof(*wait.ranges)), 1};
    *wait.ranges = (struct reshard_range){slot, slot};
    return wait;
}

/* Whether the slot's move by hand is open here already: redis-cli tells both ends. */
static bool opened(
    const struct call *call, uint32_t slot, reshard_shard_id source, reshard_shard_id target)
{
    const struct reshard_map *map = cluster_map(call->slotd->cluster);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    reshard_migration_id id = reshard_map_slot_migration(map, slot);
    return id != 0 && reshard_map_migration_find(map, id, &open) == RESHARD_OK &&
        open.mode == RESHARD_MODE_KEYWISE && open.source == source && open.target == target &&
        open.decision == RESHARD_DECISION_NONE;
}

/* OK may say what will be so: the coordinator can be reached, no answer has to outlive power. */
static bool early(const struct call *call)
{
    return call->slotd->settings.durability != DURABILITY_ALWAYS &&
        engine_reaches_coordinator(call->slotd->engine);
}

static void promise(struct call *call, uint32_t promised, uint32_t when,
    const struct buffer *words, const struct engine_wait *wait)
{
    engine_promise(call->slotd->engine, promised, when, words, wait);
    reply_ok(call->reply);
}

/* redis-cli tells the target first: what the source hears then is on its way already. */
static void open_ask(
    struct call *call, uint32_t slot, reshard_shard_id source, reshard_shard_id target)
{
    const struct cluster *cluster = call->slotd->cluster;
    struct buffer words = {0};
    struct engine_wait wait = wait_slot(WAIT_OPEN, target, slot);
    words_add_text(&words, "open");
    words_add_number(&words, RESHARD_MODE_KEYWISE);
    words_add_number(&words, RESHARD_MIGRATION_OPERATOR);
    words_add_number(&words, source);
    words_add_number(&words, target);
    words_add_ranges(&words, wait.ranges, 1);
    if (early(call) && reshard_map_slot_migration(cluster_map(cluster), slot) == 0)
        promise(call, PROMISE_OPEN,
            target == cluster_my_shard(cluster) ? PROMISE_NOW : PROMISE_LATE, &words, &wait);
    else
        call_ask(call, &words, &wait);
    buffer_free(&words);
}

/* Who is named is to lead its shard; false: the error is out. */
static bool peer_leads(struct call *call, uint64_t node, reshard_shard_id shard)
{
    bool leads = cluster_leads(call->slotd->cluster, node, shard);
    if (!leads)
        reply_error(call->reply, "ERR Target node is not a master");
    return leads;
}

/* The other end; false: the error is out. */
static bool peer_find(struct call *call, reshard_shard_id *shard_out)
{
    uint64_t node;
    if (cluster_node_find(call->slotd->cluster, call->args[4], &node, shard_out))
        return peer_leads(call, node, *shard_out);
    reply_error_format(call->reply, "ERR I don't know about node %.*s",
        (int)(call->args[4].size < 64 ? call->args[4].size : 64),
        (const char *)call->args[4].data);
    return false;
}

static void setslot_open(struct call *call, uint32_t slot, bool importing)
{
    struct cluster *cluster = call->slotd->cluster;
    reshard_shard_id own = cluster_my_shard(cluster);
    reshard_shard_id other = 0;
    reshard_shard_id owner = reshard_map_slot_owner(cluster_map(cluster), slot);
    if (importing == (owner == own)) {
        reply_error_format(call->reply, "ERR I'm %s the owner of hash slot %u",
            importing ? "already" : "not", slot);
        return;
    }
    if (!peer_find(call, &other))
        return;
    if (other == own || (importing && owner != other)) {
        reply_error_format(call->reply, "ERR Node %.*s is not the owner of hash slot %u",
            (int)call->args[4].size, (const char *)call->args[4].data, slot);
        return;
    }
    reshard_shard_id source = importing ? other : own;
    reshard_shard_id target = importing ? own : other;
    if (opened(call, slot, source, target))
        reply_ok(call->reply);
    else
        open_ask(call, slot, source, target);
}

/* Whether this node has promised that the slot's move to a shard opens: it does before whatever is
 * ordered behind it. */
static bool opens(const struct call *call, uint32_t slot, reshard_shard_id shard)
{
    reshard_shard_id target = 0;
    return engine_promised(call->slotd->engine, slot, &target) == PROMISE_OPEN &&
        target == shard;
}

/* Whether the slot may be promised to a shard: its move there by hand is open. Who has no part in
 * it need not have heard of that. */
static bool node_early(const struct call *call, uint32_t slot, reshard_shard_id shard)
{
    const struct reshard_map *map = cluster_map(call->slotd->cluster);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    reshard_shard_id own = cluster_my_shard(call->slotd->cluster);
    reshard_shard_id owner = reshard_map_slot_owner(map, slot);
    reshard_migration_id id = reshard_map_slot_migration(map, slot);
    if (!early(call) || owner == 0)
        return false;
    if (id == 0)
        return opens(call, slot, shard) || (own != owner && own != shard);
    return reshard_map_migration_find(map, id, &open) == RESHARD_OK &&
        open.mode == RESHARD_MODE_KEYWISE && open.target == shard &&
        open.decision != RESHARD_DECISION_ABORT;
}

static bool stays_visit(
    void *user_data, const struct store_key *key, const struct store_item *item)
{
    const struct engine **engine = user_data;
    (void)item;
    if (engine_leaves_key(*engine, key->slot, key->name))
        return true;
    *engine = NULL;
    return false;
}

/* Whether a key of the slot is here that is not about to leave. */
static bool keeps(const struct call *call, uint32_t slot)
{
    const struct engine *engine = call->slotd->engine;
    struct store_stats stats;
    store_slot_stats(call->slotd->store, slot, &stats);
    if (stats.key_count == 0 || !engine_leaves(engine, slot))
        return stats.key_count > 0;
    (void)store_walk(call->slotd->store, (uint64_t)slot << 32, ((uint64_t)slot + 1) << 32,
        stays_visit, &engine);
    return engine == NULL;
}

/* Until its move is open clients may have made keys since redis-cli saw none. They come along with
 * what the target was told; unless nothing was: Redis refuses to leave keys behind. */
static void setslot_keeps(struct call *call, uint32_t slot, reshard_shard_id shard)
{
    struct session *session = call->session;
    uint64_t now_ns = clock_monotonic_ns();
    if (session->wait_ns == 0)
        session->wait_ns = now_ns;
    call->parked = now_ns - session->wait_ns < KEEPS_NS &&
        (opens(call, slot, shard) ||
            opened(call, slot, cluster_my_shard(call->slotd->cluster), shard));
    if (!call->parked)
        reply_error_format(call->reply, "ERR Can't assign hashslot %u to a different node while I "
            "still hold keys for this hash slot.", slot);
}

static void setslot_node(struct call *call, uint32_t slot)
{
    struct buffer words = {0};
    reshard_shard_id own = cluster_my_shard(call->slotd->cluster);
    reshard_shard_id shard = 0;
    uint64_t node;
    if (!cluster_node_find(call->slotd->cluster, call->args[4], &node, &shard)) {
        call_node_error(call, 4);
        return;
    }
    if (!peer_leads(call, node, shard))
        return;
    if (shard != own && reshard_map_slot_owner(cluster_map(call->slotd->cluster), slot) == own &&
        keeps(call, slot)) {
        setslot_keeps(call, slot, shard);
        return;
    }
    if (reshard_map_slot_owner(cluster_map(call->slotd->cluster), slot) == shard) {
        reply_ok(call->reply); /* known here: the coordinator could say no more */
        return;
    }
    struct engine_wait wait = wait_slot(WAIT_OWNER, shard, slot);
    words_add_text(&words, "setnode");
    words_add_number(&words, slot);
    words_add_number(&words, shard);
    if (node_early(call, slot, shard))
        promise(call, PROMISE_OWNER, own == shard ? PROMISE_GATHER : PROMISE_LATE, &words, &wait);
    else
        call_ask(call, &words, &wait);
    buffer_free(&words);
}

static void setslot_stable(struct call *call, uint32_t slot)
{
    struct buffer words = {0};
    struct engine_wait wait = wait_slot(WAIT_CLOSED, 0, slot);
    words_add_text(&words, "stable");
    words_add_number(&words, slot);
    call_ask(call, &words, &wait);
    buffer_free(&words);
}

/* What became of a promise of the slot is told. True: the command ends here. */
static bool promise_broken(struct call *call, uint32_t slot)
{
    struct buffer error = {0};
    bool broken = engine_promise_broken(call->slotd->engine, slot, &error);
    if (broken)
        reply_error(call->reply, (const char *)error.data);
    buffer_free(&error);
    return broken;
}

/* A command on a slot waits for what was promised of it; what names the owner takes keys that are
 * about to leave as gone. True: it ends here. */
static bool promise_waits(struct call *call, uint32_t slot)
{
    reshard_shard_id shard;
    if (promise_broken(call, slot))
        return true;
    call->parked = engine_promised(call->slotd->engine, slot, &shard) != PROMISE_NONE ||
        (!bytes_is(call->args[3], "NODE") && engine_leaves(call->slotd->engine, slot));
    return call->parked;
}

/* Whether NODE comes behind an opening that this node has promised: it need not wait for that. */
static bool node_behind(const struct call *call, uint32_t slot)
{
    reshard_shard_id shard = 0;
    uint64_t node;
    return bytes_is(call->args[3], "NODE") && call->arg_count == 5 &&
        cluster_node_find(call->slotd->cluster, call->args[4], &node, &shard) &&
        opens(call, slot, shard);
}

static void setslot_word(struct call *call, uint32_t slot)
{
    struct bytes word = call->args[3];
    bool named = call->arg_count == 5;
    if (named && (bytes_is(word, "MIGRATING") || bytes_is(word, "IMPORTING")))
        setslot_open(call, slot, bytes_is(word, "IMPORTING"));
    else if (named && bytes_is(word, "NODE"))
        setslot_node(call, slot);
    else if (!named && bytes_is(word, "STABLE"))
        setslot_stable(call, slot);
    else
        reply_error(call->reply,
            "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP");
}

static void setslot_start(struct call *call)
{
    uint32_t slot;
    if (cluster_is_replica(call->slotd->cluster)) {
        reply_error(call->reply, "ERR Please use SETSLOT only with masters.");
        return;
    }
    if (!call_slot(call, 2, &slot))
        return;
    if (node_behind(call, slot) || !promise_waits(call, slot))
        setslot_word(call, slot);
}

/* NODE is done when the source has nothing left. redis-cli has seen to that, so it takes no time;
 * else the rest comes along: Redis would lose it. */
static void setslot_wait(struct call *call)
{
    struct session *session = call->session;
    uint64_t now_ns = clock_monotonic_ns();
    int64_t slot;
    if (!bytes_is(call->args[3], "NODE") || !bytes_number(call->args[2], &slot))
        return;
    if (session->wait_ns != 0 && now_ns - session->wait_ns > REST_NS) {
        engine_give_ask(call->slotd->engine, (uint32_t)slot);
        session->wait_ns = now_ns;
    } else if (session->wait_ns == 0)
        session->wait_ns = now_ns;
}

void command_cluster_setslot(struct call *call)
{
    struct buffer text = {0};
    if (call->session->ticket == NULL) {
        setslot_start(call);
        return;
    }
    if (call_waits(call)) {
        setslot_wait(call);
        return;
    }
    if (call_answered(call, &text))
        reply_ok(call->reply);
    buffer_free(&text);
}

/* ---- MIGRATE ---- */

/* One option at *index; false: the error is out. KEYS ends the options. REPLACE and AUTH are for
 * COPY: what a node holds of a key in a slot that it does not own never counts, and nodes know each
 * other by the bus's secret. */
static bool migrate_option(struct call *call, struct migrate *migrate, size_t *index)
{
    struct bytes word = call->args[*index];
    size_t left = call->arg_count - *index - 1;
    if (bytes_is(word, "COPY")) {
        migrate->copy = true;
    } else if (bytes_is(word, "REPLACE")) {
        migrate->replace = true;
    } else if (bytes_is(word, "AUTH") && left >= 1) {
        migrate->password = call->args[++*index];
    } else if (bytes_is(word, "AUTH2") && left >= 2) {
        migrate->user = call->args[++*index];
        migrate->password = call->args[++*index];
    } else if (bytes_is(word, "KEYS")) {
        if (call->args[3].size != 0) {
            reply_error(call->reply,
                "ERR When using MIGRATE KEYS option, the key argument must be set to the empty "
                "string");
            return false;
        }
        migrate->keys = call->args + *index + 1;
        migrate->key_count = left;
        *index = call->arg_count;
    } else {
        call_syntax_error(call);
        return false;
    }
    return true;
}

/* Port, database, timeout and options; false: the error is out. */
static bool migrate_read(struct call *call, struct migrate *migrate)
{
    *migrate =
        (struct migrate){.host = call->args[1], .keys = call->args + 3, .key_count = 1};
    for (size_t index = 6; index < call->arg_count; index++)
        if (!migrate_option(call, migrate, &index))
            return false;
    if (!call_number(call, 5, &migrate->timeout_ms) ||
        !call_number(call, 4, &migrate->database))
        return false;
    if (!bytes_number(call->args[2], &migrate->port) || migrate->port > 65535 ||
        migrate->port < 1)
        migrate->port = 0;
    migrate->timeout_ms = migrate->timeout_ms <= 0 ? 1000 : migrate->timeout_ms;
    if (migrate->key_count > 0)
        migrate->slot = cluster_key_slot(migrate->keys[0]);
    return true;
}

static bool present(struct call *call, const struct migrate *migrate, size_t index, bool stay,
    struct store_item *item)
{
    struct store_key key = {cluster_key_slot(migrate->keys[index]), migrate->keys[index]};
    return store_find(call->slotd->store, &key, item) &&
        !(stay && engine_leaves_key(call->slotd->engine, key.slot, key.name));
}

bool migrate_find(struct call *call, const struct migrate *migrate, size_t index,
    struct store_item *item)
{
    return present(call, migrate, index, true, item);
}

/* Keys that are here; `stay`: and not about to leave. */
static size_t present_count(
    struct call *call, const struct migrate *migrate, bool stay, uint64_t *size_out)
{
    struct store_item item;
    size_t count = 0;
    *size_out = 0;
    for (size_t index = 0; index < migrate->key_count; index++) {
        if (!present(call, migrate, index, stay, &item))
            continue;
        *size_out += item.value_size;
        count++;
    }
    return count;
}

/* The migration that takes the slot from here to that address. */
static bool migrate_fits(struct call *call, const struct migrate *migrate)
{
    const struct cluster *cluster = call->slotd->cluster;
    const struct reshard_map *map = cluster_map(cluster);
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    reshard_shard_id target = 0;
    reshard_migration_id id = reshard_map_slot_migration(map, migrate->slot);
    return id != 0 && reshard_map_migration_find(map, id, &open) == RESHARD_OK &&
        open.mode == RESHARD_MODE_KEYWISE && open.source == cluster_my_shard(cluster) &&
        cluster_address_find(cluster, migrate->host, (int)migrate->port, &target) &&
        target == open.target;
}

static int32_t keys_move(struct call *call, const struct migrate *migrate)
{
    const uint8_t **names = memory_take(migrate->key_count * sizeof(*names));
    size_t *sizes = memory_take(migrate->key_count * sizeof(*sizes));
    for (size_t index = 0; index < migrate->key_count; index++) {
        names[index] = migrate->keys[index].data;
        sizes[index] = migrate->keys[index].size;
    }
    int32_t status = reshard_node_move_keys(engine_node(call->slotd->engine), migrate->slot,
        names, sizes, (uint32_t)migrate->key_count);
    engine_fed(call->slotd->engine);
    free(names);
    free(sizes);
    return status;
}

/* OK may be given before the keys have gone, see engine_leave.c: their way is open, or will be, and
 * few are ahead of them. */
static bool migrate_early(struct call *call, const struct migrate *migrate, uint64_t size)
{
    reshard_shard_id target = 0;
    return early(call) &&
        engine_leave_room(call->slotd->engine, migrate->key_count, size) &&
        cluster_address_find(
            call->slotd->cluster, migrate->host, (int)migrate->port, &target) &&
        (opens(call, migrate->slot, target) || migrate_fits(call, migrate));
}

static void migrate_promise(struct call *call, const struct migrate *migrate, uint64_t size)
{
    engine_leave(
        call->slotd->engine, migrate->slot, migrate->keys, migrate->key_count, size);
    engine_fed(call->slotd->engine);
    call->session->wait_ns = 0;
    call->session->gave_ns = clock_monotonic_ns();
    reply_ok(call->reply);
}

bool migrate_sound(struct call *call, const struct migrate *migrate, uint64_t *size_out)
{
    if (present_count(call, migrate, true, size_out) == 0) {
        reply_status(call->reply, "NOKEY");
        return false;
    }
    for (size_t index = 1; index < migrate->key_count; index++)
        if (cluster_key_slot(migrate->keys[index]) != migrate->slot) {
            reply_error(call->reply, "CROSSSLOT Keys in request don't hash to the same slot");
            return false;
        }
    if (migrate->port == 0)
        reply_error(call->reply, "ERR Invalid TCP port");
    return migrate->port != 0;
}

static bool migrate_start(struct call *call, const struct migrate *migrate)
{
    reshard_shard_id shard;
    uint64_t size;
    if ((migrate->key_count > 0 && promise_broken(call, migrate->slot)) ||
        !migrate_sound(call, migrate, &size))
        return false;
    if (migrate_early(call, migrate, size)) {
        migrate_promise(call, migrate, size);
        return false;
    }
    call->parked = engine_promised(call->slotd->engine, migrate->slot, &shard) != PROMISE_NONE;
    if (call->parked)
        return false;
    if (migrate_fits(call, migrate))
        return true;
    reply_error_format(call->reply,
        "ERR slot %u does not move to that node; CLUSTER SETSLOT ... MIGRATING first",
        migrate->slot);
    return false;
}

/* Called again after each wake, until no key is here, or that is promised, or the time is over. */
static void migrate_move(struct call *call, const struct migrate *migrate)
{
    struct session *session = call->session;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t size;
    bool first = session->wait_ns == 0;
    if (first && !migrate_start(call, migrate))
        return;
    if (!first && present_count(call, migrate, false, &size) == 0) {
        session->wait_ns = 0;
        reply_ok(call->reply);
        return;
    }
    if (!first && migrate_early(call, migrate, size)) {
        migrate_promise(call, migrate, size);
        return;
    }
    if (first)
        session->wait_ns = now_ns;
    if ((now_ns - session->wait_ns) / 1000000 > (uint64_t)migrate->timeout_ms) {
        session->wait_ns = 0;
        reply_error(call->reply, "IOERR error or timeout: keys are still here");
        return;
    }
    /* Also again: a key may have been written anew, or the phase not been MOVE yet. */
    (void)keys_move(call, migrate);
    call->parked = true;
}

void command_migrate(struct call *call)
{
    struct migrate migrate;
    if (!migrate_read(call, &migrate))
        return;
    if (migrate.copy)
        migrate_copy(call, &migrate);
    else
        migrate_move(call, &migrate);
}
