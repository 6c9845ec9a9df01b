/* SPDX-License-Identifier: MIT */
/* Room sim: the invariants of a migration (DESIGN part 7), as far as a world can see them, looked
 * at after every step. */
#include "sim/follow.h"

/* Slots at once: where many hosts have many slots, as many as have their words in one page. */
enum { CELLS_A_STEP = 4096, TICKS_A_MILLISECOND = 1000, SLOTS_AT_ONCE = 512 };

bool reshard__can_serve(const struct reshard_sim *sim, const struct host *host)
{
    return host->node && host->up && !host->fenced &&
           (!reshard__follower_is(host) || reshard__follower_serves(sim, host));
}

static bool serves_by(uint32_t verdict)
{
    return verdict == RESHARD_SERVE || verdict == RESHARD_SERVE_CAPTURE;
}

bool reshard__serves(const struct host *host, uint32_t slot, uint32_t op)
{
    return serves_by(reshard_node_route(host->node, slot, op, NULL));
}

/* Replicas with a journal of their own answer reads only to who asked for stale ones; those that
 * follow answer as their primary does. */
static bool answers_reads(const struct host *host)
{
    return host->follows || reshard__host_primary(host);
}

bool reshard__reads_here(const struct host *host, uint32_t slot)
{
    return reshard__serves(host, slot, RESHARD_OP_READ) && answers_reads(host);
}

/* Only replicas of one shard may both answer reads. */
static void meet(struct reshard_sim *sim, const char *checker, uint32_t slot,
    const struct host **first, const struct host *second)
{
    bool reads = checker[4] == 'o';
    if (*first && !(reads && (*first)->shard == second->shard))
        reshard__sim_violate(
            sim, checker, "slot %u: %h and %h", (uint64_t)slot, (*first)->id, second->id);
    *first = second;
}

/* Who was met first at a slot. */
struct serving {
    const struct host *writer, *reader;
};

static void check_writer(struct reshard_sim *sim, const struct host *host, uint32_t slot,
    struct serving *serving)
{
    uint64_t bit = UINT64_C(1) << (2 * (slot * sim->host_count + host->index) & 63);
    uint32_t verdict = reshard_node_route(host->node, slot, RESHARD_OP_READ, NULL);
    if (verdict == RESHARD_LOOKUP)
        sim->checks.asking |= UINT32_C(1) << (host->index & 31);
    if (!serves_by(verdict))
        return; /* nor writes */
    if (reshard__serves(host, slot, RESHARD_OP_WRITE)) {
        meet(sim, "one-writer", slot, &serving->writer, host);
        sim->checks.serving |= bit;
    }
    if (answers_reads(host)) {
        meet(sim, "one-owner", slot, &serving->reader, host);
        sim->checks.serving |= 2 * bit;
    }
}

/* 1: at most one node admits a write, at most one shard a read. */
static void check_writers(struct reshard_sim *sim, uint32_t first, uint32_t count)
{
    struct serving serving[SLOTS_AT_ONCE];
    memset(serving, 0, count * sizeof *serving);
    for (size_t i = 0; i < sim->host_count; i++) {
        const struct host *host = sim->hosts[i];
        bool serves = reshard__can_serve(sim, host);
        for (uint32_t k = 0; serves && k < count; k++)
            check_writer(sim, host, first + k, &serving[k]);
    }
}

static bool set_aside(const struct host *host, uint32_t slot)
{
    struct reshard_range range;
    for (uint32_t cursor = 0;
         host->node && reshard_node_quarantine_next(host->node, &cursor, &range) == RESHARD_OK;)
        if (slot >= range.first && slot <= range.last)
            return true;
    return false;
}

static bool slot_explained(
    const struct reshard_sim *sim, const struct host *host, uint32_t slot)
{
    const struct reshard_map *map = sim->authority.map;
    if (reshard_map_slot_owner(map, slot) == host->shard || set_aside(host, slot))
        return true;
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    reshard_migration_id id = reshard_map_slot_migration(map, slot);
    return id && reshard_map_migration_find(map, id, &migration) == RESHARD_OK &&
           (migration.source == host->shard || migration.target == host->shard);
}

/* 7: data stands at the owner, at a participant, where it was set aside, or nowhere. */
void reshard__check_data(
    struct reshard_sim *sim, const struct host *host, uint32_t first, uint32_t last)
{
    if (reshard__follower_is(host) && !reshard__follower_counts(sim, host))
        return; /* it is copied over before it serves again */
    for (uint32_t slot = first; slot <= last; slot++)
        if (host->disk->slot_keys[slot] && !slot_explained(sim, host, slot))
            reshard__sim_violate(sim, "stray-data", "%h holds %u keys of slot %u", host->id,
                (uint64_t)host->disk->slot_keys[slot], (uint64_t)slot);
}

static void check_stagings(struct reshard_sim *sim, const struct host *host)
{
    for (size_t i = 0; i < host->disk->staging_count; i++) {
        const struct staging *staging = &host->disk->stagings[i];
        struct reshard_map_migration migration = {.struct_size = sizeof migration};
        if (staging->piece_count && reshard_map_migration_find(sim->authority.map,
                                        staging->migration, &migration) != RESHARD_OK)
            reshard__sim_violate(sim, "stray-data", "%h keeps the staging of m%u", host->id,
                staging->migration);
    }
}

/* 11: who is parked waits for something: else it would have been woken. */
static void check_parked(struct reshard_sim *sim, const struct host *host)
{
    for (size_t i = 0; i < host->parked_count; i++) {
        const struct request *request = &host->parked[i];
        uint32_t slot = reshard__key_slot(sim, request->keys[0]);
        uint32_t verdict = reshard_node_route(host->node, slot, request->op, NULL);
        if (verdict != RESHARD_PARK && verdict != RESHARD_LOOKUP)
            reshard__sim_violate(sim, "forgotten", "%h keeps a request for k%u that would be %s",
                host->id, (uint64_t)request->keys[0], reshard_verdict_name(verdict));
    }
}

void reshard__check_kept(struct reshard_sim *sim, const struct host *host)
{
    bool counts = !reshard__follower_is(host) || reshard__follower_counts(sim, host);
    if (host->disk && counts)
        check_stagings(sim, host);
    if (host->node && host->up)
        check_parked(sim, host);
}

void reshard__check_all(struct reshard_sim *sim)
{
    sim->checks.serving = sim->checks.asking = 0;
    for (uint32_t slot = 0; slot < sim->set.slot_count; slot += SLOTS_AT_ONCE) {
        uint32_t left = sim->set.slot_count - slot;
        check_writers(sim, slot, left < SLOTS_AT_ONCE ? left : SLOTS_AT_ONCE);
    }
    sim->checks.served |= sim->checks.serving;
    for (size_t i = 0; i < sim->host_count; i++) {
        if (sim->hosts[i]->disk)
            reshard__check_data(sim, sim->hosts[i], 0, sim->set.slot_count - 1);
        reshard__check_kept(sim, sim->hosts[i]);
    }
}

bool reshard__check_large(const struct reshard_sim *sim)
{
    return (uint64_t)sim->set.slot_count * sim->host_count > CELLS_A_STEP;
}

void reshard__check_step(struct reshard_sim *sim)
{
    if (sim->authority.map && !sim->violated) {
        if (reshard__check_large(sim))
            reshard__check_touched(sim);
        else
            reshard__check_all(sim);
    }
    for (size_t i = 0; i < sim->checks.touched_count; i++)
        sim->hosts[sim->checks.touched[i]]->touched = false;
    sim->checks.touched_count = 0;
}

/* Whether a node would serve a plain read of a key: nothing is written for one. */
static bool serves_key(
    const struct reshard_sim *sim, const struct host *host, uint32_t key)
{
    uint8_t name[SIM_NAME_SIZE];
    const uint8_t *keys[1] = {name};
    const size_t sizes[1] = {reshard__key_name(host->disk, key, name)};
    struct reshard_node_request request = {.struct_size = sizeof request};
    request.op = RESHARD_OP_READ;
    request.slot = reshard__key_slot(sim, key);
    request.key_count = 1;
    request.present_count = host->disk->values[key] != 0;
    request.keys = keys;
    request.key_sizes = sizes;
    struct reshard_route route = {.struct_size = sizeof route};
    return reshard_node_route_keys(host->node, &request, &route) == RESHARD_OK &&
           serves_by(route.verdict);
}

/* Everyone; in a large cluster those who may serve the key's slot. */
static const struct host *suspect(
    const struct reshard_sim *sim, uint32_t key, uint32_t *cursor)
{
    if (reshard__check_large(sim))
        return reshard__suspect_next(sim, reshard__key_slot(sim, key), cursor);
    return *cursor < sim->host_count ? sim->hosts[(*cursor)++] : NULL;
}

/* 1, for keys: what executes is the only one who would; and it is its shard's primary. */
void reshard__check_executed(
    struct reshard_sim *sim, const struct host *host, const struct request *request)
{
    if (request->op != RESHARD_OP_READ && !host->acting)
        reshard__sim_violate(sim, "primary", "%h executes a write of k%u and is a replica",
            host->id, (uint64_t)request->keys[0]);
    uint32_t cursor = 0;
    sim->checks.looked_serving = true;
    for (const struct host *other; (other = suspect(sim, request->keys[0], &cursor)) != NULL;) {
        if (!reshard__can_serve(sim, other) || other->shard == host->shard)
            continue;
        for (uint32_t k = 0; k < request->key_count; k++)
            if (reshard__host_primary(other) && serves_key(sim, other, request->keys[k]))
                reshard__sim_violate(sim, "one-holder", "k%u is executed at %h, and %h serves it",
                    (uint64_t)request->keys[k], host->id, other->id);
    }
}

uint32_t reshard__moving_slot(const struct moving *moving, uint32_t slot)
{
    for (size_t i = 0; i < moving->range_count; i++)
        if (slot <= moving->ranges[i].last)
            return slot > moving->ranges[i].first ? slot : moving->ranges[i].first;
    return UINT32_MAX;
}

static bool moving_has(const struct moving *moving, uint32_t slot)
{
    return reshard__moving_slot(moving, slot) == slot;
}

static void check_held(
    struct reshard_sim *sim, const struct moving *moving, const struct host *source)
{
    for (uint32_t slot = reshard__moving_slot(moving, 0); slot != UINT32_MAX;
         slot = reshard__moving_slot(moving, slot + 1))
        if (reshard__can_serve(sim, source) && reshard__serves(source, slot, RESHARD_OP_WRITE))
            reshard__sim_violate(
                sim, "commit", "m%u is decided while %h serves", moving->migration, source->id);
}

/* 4: at the decision nothing serves writes of the slots, and the target has what the source has. */
static void check_commit(struct reshard_sim *sim, const struct moving *moving)
{
    const struct host *source = reshard__host_acting(sim, moving->shards[0]);
    const struct host *target = reshard__host_acting(sim, moving->shards[1]);
    if (!source || !target)
        return;
    check_held(sim, moving, source);
    if (target->disk->kind)
        return; /* what is staged there nobody sees; the reads will tell */
    const struct staging *staging = reshard__staging_find(target->disk, moving->migration);
    size_t capacity = 0;
    uint64_t *values = reshard__sim_grow(NULL, &capacity, sim->set.key_count, sizeof *values);
    if (staging && moving->mode == RESHARD_MODE_SNAPSHOT)
        reshard__staging_fold(sim, staging, values);
    for (uint32_t key = 0; key < sim->set.key_count; key++)
        if (source->disk->values[key] != values[key] &&
            moving_has(moving, reshard__key_slot(sim, key)))
            reshard__sim_violate(sim, "commit", "m%u: k%u is %u at the source, %u staged",
                moving->migration, (uint64_t)key, source->disk->values[key], values[key]);
    reshard__sim_release(values);
}

/* 5, 6, 8 at the end: the losing side is empty. */
static void check_end(struct reshard_sim *sim, struct moving *moving)
{
    bool done = moving->decision == RESHARD_DECISION_COMMIT;
    const struct host *empty = reshard__host_acting(sim, moving->shards[done ? 0 : 1]);
    moving->closed = true;
    reshard__custom_check_staged(sim, reshard__host_acting(sim, moving->shards[1]), moving);
    for (uint32_t slot = reshard__moving_slot(moving, 0); slot != UINT32_MAX;
         slot = reshard__moving_slot(moving, slot + 1))
        if (empty && empty->disk->slot_keys[slot] && !set_aside(empty, slot))
            reshard__sim_violate(sim, "leftovers", "m%u ended, %h holds keys of slot %u",
                moving->migration, empty->id, (uint64_t)slot);
}

static uint32_t *newest_of(struct checks *checks, reshard_shard_id shard)
{
    checks->newest = reshard__sim_grow(
        checks->newest, &checks->newest_capacity, (size_t)shard + 1, sizeof *checks->newest);
    return &checks->newest[shard];
}

static void moving_add(struct reshard_sim *sim, const struct reshard_change *change)
{
    sim->movings = reshard__sim_grow(
        sim->movings, &sim->moving_capacity, sim->moving_count + 1, sizeof *sim->movings);
    struct moving *moving = &sim->movings[sim->moving_count++];
    memset(moving, 0, sizeof *moving);
    moving->migration = change->migration;
    moving->mode = change->mode;
    moving->shards[0] = change->source;
    moving->shards[1] = change->target;
    moving->range_count = change->range_count;
    moving->ranges = reshard__sim_resize(NULL, moving->range_count, sizeof *moving->ranges);
    memcpy(moving->ranges, change->ranges, change->range_count * sizeof *moving->ranges);
    for (int side = 0; side < 2; side++) {
        uint32_t *newest = newest_of(&sim->checks, moving->shards[side]);
        moving->older[side] = *newest;
        *newest = (uint32_t)sim->moving_count;
    }
}

static void version_add(struct reshard_sim *sim, const struct reshard_change *change)
{
    struct checks *checks = &sim->checks;
    size_t number = (size_t)reshard_map_version(sim->authority.map);
    checks->versions = reshard__sim_grow(
        checks->versions, &checks->version_capacity, number + 1, sizeof *checks->versions);
    checks->version_count = number + 1;
    struct version *version = &checks->versions[number];
    (void)reshard_map_digest(sim->authority.map, &version->digest);
    version->migration = change->migration;
    version->span = (struct reshard_range){1, 0};
    if (change->range_count)
        version->span = (struct reshard_range){
            change->ranges[0].first, change->ranges[change->range_count - 1].last};
}

void reshard__checks_free(struct checks *checks)
{
    reshard__sim_release(checks->versions);
    reshard__sim_release(checks->newest);
    reshard__sim_release(checks->touched);
    reshard__sim_release(checks->writers);
    reshard__sim_release(checks->readers);
}

static void decide(struct reshard_sim *sim, struct moving *moving, uint32_t decision)
{
    if (moving->decision && moving->decision != decision)
        reshard__sim_violate(sim, "one-end", "m%u was decided twice", moving->migration);
    moving->decision = decision;
    if (decision == RESHARD_DECISION_COMMIT)
        check_commit(sim, moving);
}

/* 9b: rows that change nothing leave no event; that they were met shows here. */
static void row_ignored(struct reshard_sim *sim, const struct reshard_change *change)
{
    for (size_t i = 0; i < sim->moving_count; i++) {
        const struct moving *moving = &sim->movings[i];
        bool meets = moving->shards[0] == change->shard || moving->shards[1] == change->shard;
        if (moving->closed || !meets || change->kind != RESHARD_CHANGE_SHARD_PRIMARY)
            continue;
        reshard__row_ignored(sim, moving->phase, "EPOCH_CHANGED");
    }
}

void reshard__check_change(struct reshard_sim *sim, const struct reshard_change *change)
{
    version_add(sim, change);
    row_ignored(sim, change);
    if (change->kind == RESHARD_CHANGE_MIGRATION_OPEN)
        moving_add(sim, change);
    struct moving *moving = reshard__moving_find(sim, change->migration);
    if (!moving || change->migration == 0)
        return;
    if (change->kind == RESHARD_CHANGE_MIGRATION_COMMIT)
        decide(sim, moving, RESHARD_DECISION_COMMIT);
    if (change->kind == RESHARD_CHANGE_MIGRATION_ABORT)
        decide(sim, moving, RESHARD_DECISION_ABORT);
    if (change->kind == RESHARD_CHANGE_MIGRATION_END)
        check_end(sim, moving);
}

/* 8: before the source's data goes, the target's is durably active. */
void reshard__check_purge(struct reshard_sim *sim, const struct reshard_action *action)
{
    const struct moving *moving = reshard__moving_find(sim, action->migration);
    if (!moving || moving->mode != RESHARD_MODE_SNAPSHOT)
        return;
    const struct host *target = reshard__host_acting(sim, moving->shards[1]);
    sim->checks.looked_held = true;
    const struct staging *staging =
        target ? reshard__staging_find(target->disk, moving->migration) : NULL;
    size_t keys = 0;
    const struct host *source = reshard__host_acting(sim, moving->shards[0]);
    for (uint32_t slot = reshard__moving_slot(moving, 0); slot != UINT32_MAX;
         slot = reshard__moving_slot(moving, slot + 1))
        keys += source ? source->disk->slot_keys[slot] : 0;
    if (moving->decision != RESHARD_DECISION_COMMIT || (keys && !(staging && staging->activated)))
        reshard__sim_violate(
            sim, "purge", "m%u: data goes before the target has it", moving->migration);
}

/* 3: a coordinator gives up because another one leads, or led since. */
static void check_fenced(struct reshard_sim *sim, const struct host *host)
{
    uint64_t unique = 0;
    if (sim->authority.map)
        (void)reshard_map_term(sim->authority.map, &unique);
    if (unique == reshard__host_unique(host))
        reshard__sim_violate(sim, "authority", "%h is deposed, and nobody else leads", host->id);
}

static void phase_follow(
    struct reshard_sim *sim, struct moving *moving, const struct reshard_event *event)
{
    if (event->value < SIM_ROW_COUNT)
        sim->rows[event->value]++;
    /* A coordinator that is deposed and does not know it moves nothing any more. */
    if (event->term < moving->term)
        return;
    moving->phase = event->phase_to;
    moving->term = event->term;
}

static void end_follow(
    struct reshard_sim *sim, struct moving *moving, const struct reshard_event *event)
{
    if (moving->end && moving->end != event->phase_to)
        reshard__sim_violate(sim, "one-end", "m%u ended twice", moving->migration);
    moving->end = event->phase_to;
}

void reshard__check_event(
    struct reshard_sim *sim, const struct host *host, const struct reshard_event *event)
{
    struct moving *moving = reshard__moving_find(sim, event->migration);
    sim->complaints +=
        event->kind == RESHARD_EVENT_HOOK_FAILED || event->status == RESHARD_E_NOMEM;
    if (host->node)
        return;
    if (event->kind == RESHARD_EVENT_FENCED)
        check_fenced(sim, host);
    else if (moving && event->kind == RESHARD_EVENT_PHASE)
        phase_follow(sim, moving, event);
    else if (moving && event->kind == RESHARD_EVENT_END)
        end_follow(sim, moving, event);
}

/* 3: versions and terms only grow, and a version is what the authority says it is. */
void reshard__check_node(struct reshard_sim *sim, struct host *host)
{
    const struct reshard_map *map = reshard_node_map(host->node);
    uint64_t version = reshard_map_version(map), term = reshard_map_term(map, NULL);
    if (version == host->seen_version)
        return;
    if (version < host->seen_version || term < host->seen_term)
        reshard__sim_violate(sim, "map-grows", "%h went back from version %u to %u", host->id,
            host->seen_version, version);
    host->seen_version = version;
    host->seen_term = term;
    struct reshard_digest digest;
    (void)reshard_map_digest(map, &digest);
    const struct checks *checks = &sim->checks;
    if (version >= checks->version_count || digest.low != checks->versions[version].digest.low ||
        digest.high != checks->versions[version].digest.high)
        reshard__sim_violate(
            sim, "map-agrees", "%h has a version %u of its own", host->id, version);
}

/* 11: a deadline is kept or moved, never crept towards: that would keep its host's loop busy. */
void reshard__check_tick(struct reshard_sim *sim, struct host *host)
{
    if (sim->now_ns - host->ticks_since_ns >= SIM_MILLI) {
        host->ticks_since_ns = sim->now_ns;
        host->ticks = 0;
    }
    if (++host->ticks > TICKS_A_MILLISECOND)
        reshard__sim_violate(sim, "spins", "%h wants %u ticks in a millisecond", host->id,
            host->ticks);
}
