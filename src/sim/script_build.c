/* SPDX-License-Identifier: MIT */
/* Room sim: statements that build a world and ask for moves. */
#include "sim/follow.h"
#include "sim/script.h"

enum { SLOTS_MAX = 1 << 20, KEYS_MAX = 10000000, VALUE_MAX = 60000 };

/* A number of struct settings, by its word. */
struct number {
    const char *word;
    size_t offset;
    bool wide; /* 64 bits */
};

#define NUMBER(word, field) {word, offsetof(struct settings, field), false}
#define WIDE(word, field) {word, offsetof(struct settings, field), true}
static const struct number numbers[] = {
    NUMBER("slots", slot_count),
    NUMBER("keys", key_count),
    NUMBER("value", value_size),
    WIDE("seed", seed),
    WIDE("chunk", chunk_size),
    WIDE("window", window_size),
    WIDE("tail", tail_size),
    WIDE("lag", lag_size),
    WIDE("bandwidth", bandwidth),
    WIDE("total", bandwidth_total),
    NUMBER("tries", conflict_limit),
    NUMBER("attempts", attempt_limit),
    NUMBER("copies", copy_limit),
    NUMBER("flight", in_flight_limit),
    NUMBER("batch", batch),
    NUMBER("bare", bare),
    NUMBER("readonly", readonly),
    NUMBER("lazy", lazy),
    NUMBER("unsynced", unsynced),
    NUMBER("trace", trace),
    NUMBER("huge", huge_size),
    NUMBER("compact", compact_count),
    NUMBER("pick", pick_size),
};

static const char *const times_names[] = {"retry", "freeze", "linger", "backoff", "alarm",
    "latency", "store", "append", "execute", "timeout", "lease", "resync",
    "gather", "settle", "think", NULL};
static const char *const sabotage_names[] = {"none", "fence", "sync", "record", "purge", "discard",
    "digest", "journal", "fence-term", "route", "map", "wake", "corrupt", "depose",
    "apply", "clock", "expiry", "follow", "order", "reads", "death", NULL};

static bool set_number(struct script *script)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!reshard__script_word(script, numbers[i].word))
            continue;
        char *field = (char *)&script->sim->set + numbers[i].offset;
        uint64_t wide = reshard__script_number(script);
        uint32_t narrow = (uint32_t)wide;
        reshard__script_need(script, numbers[i].wide || wide == narrow, "a smaller number");
        if (!script->bad && numbers[i].wide)
            memcpy(field, &wide, sizeof wide);
        else if (!script->bad)
            memcpy(field, &narrow, sizeof narrow);
        return true;
    }
    return false;
}

static bool set_time(struct script *script)
{
    struct settings *set = &script->sim->set;
    uint64_t *times[] = {&set->retry_ns, &set->freeze_ns, &set->linger_ns, &set->backoff_ns,
        &set->alarm_ns, &set->latency_ns, &set->store_ns, &set->append_ns, &set->execute_ns,
        &set->timeout_ns, &set->lease_ns, &set->resync_ns, &set->gather_ns,
        &set->settle_ns, &set->think_ns};
    for (uint32_t i = 0; times_names[i]; i++) {
        if (!reshard__script_word(script, times_names[i]))
            continue;
        *times[i] = reshard__script_time(script);
        return true;
    }
    return false;
}

void reshard__say_world(struct script *script)
{
    struct settings *set = &script->sim->set;
    reshard__script_need(script, script->sim->host_count == 0, "`world` before `nodes`");
    while (reshard__script_more(script) && !script->bad) {
        if (set_time(script) || set_number(script))
            continue;
        if (reshard__script_word(script, "conflict")) {
            static const char *const names[] = {"", "lock", "retry", NULL};
            set->conflict = reshard__script_choice(script, names);
        } else if (reshard__script_word(script, "sabotage")) {
            set->sabotage |= UINT32_C(1) << reshard__script_choice(script, sabotage_names);
        } else {
            (void)reshard__script_next(script);
            reshard__script_need(script, false, "a word of `world`: slots, keys, latency, ...");
        }
    }
    reshard__script_need(
        script, set->slot_count > 0 && set->slot_count <= SLOTS_MAX, "1 to 1048576 slots");
    reshard__script_need(
        script, set->key_count > 0 && set->key_count <= KEYS_MAX, "1 to 10000000 keys");
    reshard__script_need(script, set->value_size <= VALUE_MAX && set->huge_size <= VALUE_MAX,
        "values of at most 60000 bytes");
}

/* A node with a disk of its own. */
static struct host *host_make(
    struct reshard_sim *sim, reshard_node_id id, reshard_shard_id shard)
{
    return reshard__host_add(sim, id, shard, reshard__disk_make(sim, id));
}

void reshard__say_nodes(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    uint64_t count = reshard__script_number(script);
    reshard__script_need(script, count > 0 && count < SIM_COORDINATOR, "1 to 60000 nodes");
    reshard__script_need(script, sim->host_count == 0, "`nodes` once only");
    for (uint64_t id = 1; id <= count && !script->bad; id++)
        host_make(sim, id, (reshard_shard_id)id)->acting = true;
    sim->shard_count = (uint32_t)count;
}

void reshard__say_replica(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    reshard_node_id id = reshard__script_host(script);
    static const char *const of[] = {"of", NULL};
    (void)reshard__script_choice(script, of);
    reshard_shard_id shard = reshard__script_shard(script);
    reshard__script_need(script, shard > 0 && shard <= sim->shard_count, "a shard that there is");
    reshard__script_need(script, !reshard__host_find(sim, id), "a node that there is not yet");
    bool follows = reshard__script_word(script, "follows");
    /* What is in a host's own store only it can copy. */
    reshard__script_need(script, !follows || !sim->store, "the built-in store");
    if (script->bad)
        return;
    if (follows)
        (void)reshard__follower_add(sim, id, shard);
    else
        (void)host_make(sim, id, shard);
}

static int32_t change_ask(struct host *host, const void *change)
{
    return reshard_coordinator_change(host->coordinator, change);
}

static void change_queue(struct script *script, const struct reshard_change *change)
{
    struct host *leader = reshard__host_leader(script->sim);
    script->sim->last_status = RESHARD_E_STATE;
    if (leader)
        reshard__script_ask(script, leader, change_ask, change);
    if (script->sim->last_status)
        reshard__script_fail(script, "a change is refused: %d", script->sim->last_status);
}

void reshard__say_own(struct script *script)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_ASSIGN;
    change.shard = reshard__script_shard(script);
    struct reshard_range range = reshard__script_slots(script);
    change.ranges = &range;
    change.range_count = 1;
    if (!script->bad)
        change_queue(script, &change);
}

static bool leads(struct script *script, uint64_t number)
{
    (void)number;
    return reshard__host_leader(script->sim) != NULL;
}

/* Whether a node has heard of the newest map; the one that had not is asked first next time. */
static bool everyone_heard(struct script *script)
{
    const struct reshard_sim *sim = script->sim;
    for (size_t i = 0; i < sim->host_count; i++) {
        size_t at = (script->behind + i) % sim->host_count;
        const struct reshard_node *node = sim->hosts[at]->node;
        if (!node || reshard_map_version(reshard_node_map(node)) ==
                         reshard_map_version(sim->authority.map))
            continue;
        script->behind = at;
        return false;
    }
    return true;
}

static bool everyone_knows(struct script *script, uint64_t number)
{
    const struct reshard_sim *sim = script->sim;
    struct reshard_map_shard shard = {.struct_size = sizeof shard};
    (void)number;
    return sim->authority.map && everyone_heard(script) && reshard__host_leader(sim) &&
           reshard_map_shard_find(sim->authority.map, sim->shard_count, &shard) == RESHARD_OK &&
           shard.primary != 0;
}

static void node_put(struct script *script, const struct host *host)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = host->id;
    change.shard = host->shard;
    change.role = RESHARD_ROLE_REPLICA;
    change_queue(script, &change);
}

static void shard_change(struct script *script, reshard_shard_id shard)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = shard;
    change.weight = 1.0;
    change_queue(script, &change);
}

static void primary_put(struct script *script, reshard_shard_id shard, reshard_node_id node)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = shard;
    change.node = node;
    change_queue(script, &change);
}

/* Equal shares, in order. */
static void slots_share(struct script *script)
{
    const struct reshard_sim *sim = script->sim;
    for (uint32_t i = 0; i < sim->shard_count; i++) {
        struct reshard_change change;
        reshard_change_init(&change);
        struct reshard_range range = {(uint32_t)((uint64_t)sim->set.slot_count * i /
                                          sim->shard_count),
            (uint32_t)((uint64_t)sim->set.slot_count * (i + 1) / sim->shard_count - 1)};
        change.kind = RESHARD_CHANGE_ASSIGN;
        change.shard = i + 1;
        change.ranges = &range;
        change.range_count = 1;
        if (range.last + 1 > range.first)
            change_queue(script, &change);
    }
}

static void map_extend(struct script *script, reshard_shard_id first)
{
    const struct reshard_sim *sim = script->sim;
    for (uint32_t i = first; i <= sim->shard_count; i++)
        shard_change(script, i);
    for (size_t i = 0; i < sim->host_count; i++)
        if (sim->hosts[i]->shard >= first)
            node_put(script, sim->hosts[i]);
    for (uint32_t i = first; i <= sim->shard_count; i++)
        primary_put(script, i, i);
}

static void nodes_start(struct script *script, reshard_shard_id first)
{
    struct reshard_sim *sim = script->sim;
    for (size_t i = 0; i < sim->host_count; i++)
        if (sim->hosts[i]->shard >= first)
            reshard__host_start(sim, sim->hosts[i]);
    if (!reshard__script_until(script, everyone_knows, 0, 60 * SIM_SECOND))
        reshard__script_fail(script, "the map does not reach everyone");
}

void reshard__script_join(struct script *script, reshard_shard_id first)
{
    map_extend(script, first);
    nodes_start(script, first);
}

void reshard__say_start(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    bool bare = reshard__script_word(script, "unowned");
    reshard__script_need(script, sim->shard_count > 0, "`nodes` before `start`");
    reshard__script_need(script, !sim->started, "`start` once only");
    if (script->bad)
        return;
    struct host *first = reshard__host_add(sim, SIM_COORDINATOR, 0, NULL);
    reshard__host_start(sim, first);
    if (!reshard__script_until(script, leads, 0, SIM_SECOND))
        reshard__script_fail(script, "no coordinator leads");
    map_extend(script, 1);
    if (!bare)
        slots_share(script);
    nodes_start(script, 1);
    (void)reshard__client_add(sim);
    sim->started = true;
}

/* At the owner and at all that follow it. */
static void value_load(
    const struct reshard_sim *sim, reshard_shard_id shard, uint32_t key, uint64_t value)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        const struct host *host = sim->hosts[i];
        if (host->shard == shard && (host->acting || host->follows))
            reshard__disk_put(sim, host->disk, key, value);
    }
}

void reshard__say_load(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    uint64_t count = reshard__script_number(script);
    reshard__script_need(script, count <= sim->set.key_count, "as many keys as `world keys` says");
    reshard__script_need(script, sim->started, "`start` before `load`");
    for (uint32_t key = 0; key < count && !script->bad; key++) {
        reshard_shard_id owner =
            reshard_map_slot_owner(sim->authority.map, reshard__key_slot(sim, key));
        struct host *host = reshard__host_find(sim, owner);
        if (!host)
            continue;
        uint64_t value = ++sim->values_made;
        size_t index = reshard__history_begin(sim, 0, RESHARD_OP_WRITE, key, value);
        value_load(sim, host->shard, key, value);
        reshard__effect_add(sim, host->shard, key, value, index);
        reshard__history_end(sim, index, value);
    }
}

/* How many of a hundred operations are what. */
static void writer_share(struct script *script, struct client *client)
{
    static const char *const names[] = {"reads", "deletes", "pairs", "expires", NULL};
    uint32_t *shares[] = {&client->read_percent, &client->remove_percent, &client->multi_percent,
        &client->expire_percent};
    uint32_t name = reshard__script_choice(script, names);
    uint64_t percent = reshard__script_number(script);
    if (!script->bad)
        *shares[name] = (uint32_t)percent;
}

void reshard__say_writer(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    struct client *client = reshard__client_add(sim);
    client->period_ns = SIM_MILLI;
    client->left = UINT64_MAX;
    client->last_key = sim->set.key_count - 1;
    while (reshard__script_more(script) && !script->bad) {
        if (reshard__script_word(script, "every")) {
            client->period_ns = reshard__script_time(script);
        } else if (reshard__script_word(script, "keys")) {
            struct reshard_range range = reshard__script_range(
                script, sim->set.key_count, "keys below `world keys`: 0-9");
            client->first_key = range.first;
            client->last_key = range.last;
        } else if (reshard__script_word(script, "for")) {
            client->left = reshard__script_number(script);
        } else {
            writer_share(script, client);
        }
    }
    reshard__script_need(script, sim->started, "`start` before `writer`");
    if (!script->bad)
        reshard__client_wake(sim, (uint32_t)sim->client_count - 1, 0);
}

static int32_t open_ask(struct host *host, const void *spec)
{
    return reshard_coordinator_open(host->coordinator, spec, NULL);
}

/* move SLOTS sX sY MODE [operator] [priority N] */
void reshard__say_move(struct script *script)
{
    static const char *const modes[] = {"", "snapshot", "keywise", NULL};
    struct reshard_sim *sim = script->sim;
    struct reshard_migration_spec spec;
    reshard_migration_spec_init(&spec);
    struct reshard_range range = reshard__script_slots(script);
    spec.source = reshard__script_shard(script);
    spec.target = reshard__script_shard(script);
    spec.mode = reshard__script_choice(script, modes);
    spec.ranges = &range;
    spec.range_count = 1;
    if (reshard__script_word(script, "operator"))
        spec.migration_flags = RESHARD_MIGRATION_OPERATOR;
    if (reshard__script_word(script, "priority"))
        spec.priority = (uint32_t)reshard__script_number(script);
    struct host *leader = reshard__host_leader(sim);
    if (script->bad || !leader) {
        reshard__script_fail(script, "nobody leads");
        return;
    }
    reshard__script_ask(script, leader, open_ask, &spec);
}
