/* SPDX-License-Identifier: MIT */
/* Room sim: checks in a large cluster. To ask every host for every slot after every step would cost
 * more than all that happens. After a step the hosts whose engines it called are looked at, and of
 * them the slots of their open migrations and those that the maps concern that they took since;
 * after a start every slot. Everything is looked at after so many steps that it costs little, and
 * when a scenario expects `intact`: that shows what changed where nothing should have. */
#include "sim/sim.h"

enum { SLOTS_A_STEP = 64, VERSIONS_AT_ONCE = 64 };

void reshard__check_touch(struct reshard_sim *sim, struct host *host)
{
    struct checks *checks = &sim->checks;
    reshard__host_touch(host);
    if (host->touched)
        return;
    host->touched = true;
    checks->touched = reshard__sim_grow(checks->touched, &checks->touched_capacity,
        checks->touched_count + 1, sizeof *checks->touched);
    checks->touched[checks->touched_count++] = (uint32_t)host->index;
}

/* The host serves the slot; so did another, who must have ceased. Only replicas of one shard may
 * both answer reads. */
static void succeed(struct reshard_sim *sim, const struct host *host, uint32_t slot,
    const char *checker, uint32_t *last)
{
    const struct host *other = *last ? sim->hosts[*last - 1] : host;
    bool writes = last == &sim->checks.writers[slot];
    bool still = reshard__can_serve(sim, other) &&
                 (writes ? reshard__serves(other, slot, RESHARD_OP_WRITE)
                         : other->shard != host->shard && reshard__reads_here(other, slot));
    if (other != host && still)
        reshard__sim_violate(
            sim, checker, "slot %u: %h and %h", (uint64_t)slot, other->id, host->id);
    *last = (uint32_t)host->index + 1;
}

static void look(struct reshard_sim *sim, const struct host *host, uint32_t first, uint32_t last)
{
    struct checks *checks = &sim->checks;
    bool serves = reshard__can_serve(sim, host);
    for (uint32_t slot = first; slot <= last && serves; slot++) {
        if (!reshard__serves(host, slot, RESHARD_OP_READ))
            continue; /* nor writes */
        if (reshard__serves(host, slot, RESHARD_OP_WRITE))
            succeed(sim, host, slot, "one-writer", &checks->writers[slot]);
        if (reshard__reads_here(host, slot))
            succeed(sim, host, slot, "one-owner", &checks->readers[slot]);
    }
    if (host->disk && first <= last)
        reshard__check_data(sim, host, first, last);
}

static void look_moving(
    struct reshard_sim *sim, const struct host *host, const struct moving *moving)
{
    for (size_t i = 0; i < moving->range_count; i++)
        look(sim, host, moving->ranges[i].first, moving->ranges[i].last);
}

static void look_versions(
    struct reshard_sim *sim, const struct host *host, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last && number < sim->checks.version_count; number++) {
        const struct version *version = &sim->checks.versions[number];
        const struct moving *moving = reshard__moving_find(sim, version->migration);
        if (moving)
            look_moving(sim, host, moving);
        else
            look(sim, host, version->span.first, version->span.last);
    }
}

static void look_movings(struct reshard_sim *sim, const struct host *host)
{
    const struct checks *checks = &sim->checks;
    uint32_t place = host->shard < checks->newest_capacity ? checks->newest[host->shard] : 0;
    while (place) {
        const struct moving *moving = &sim->movings[place - 1];
        if (!moving->closed)
            look_moving(sim, host, moving);
        place = moving->older[moving->shards[0] != host->shard];
    }
}

static void look_at(struct reshard_sim *sim, struct host *host)
{
    uint64_t version = host->node ? reshard_map_version(reshard_node_map(host->node)) : 0;
    uint64_t last = host->looked_version;
    bool anew = host->looked_boot != host->boot || version > last + VERSIONS_AT_ONCE ||
                version < last;
    host->looked_version = version;
    host->looked_boot = host->boot;
    if (host->node && anew) {
        look(sim, host, 0, sim->set.slot_count - 1);
    } else if (host->node) {
        look_versions(sim, host, last + 1, version);
        look_movings(sim, host);
    }
    reshard__check_kept(sim, host);
}

void reshard__check_touched(struct reshard_sim *sim)
{
    struct checks *checks = &sim->checks;
    uint64_t cells = (uint64_t)sim->set.slot_count * sim->host_count;
    checks->writers = reshard__sim_grow(checks->writers, &checks->writer_capacity,
        sim->set.slot_count, sizeof *checks->writers);
    checks->readers = reshard__sim_grow(checks->readers, &checks->reader_capacity,
        sim->set.slot_count, sizeof *checks->readers);
    for (size_t i = 0; i < checks->touched_count; i++)
        look_at(sim, sim->hosts[checks->touched[i]]);
    if (sim->steps % (cells / SLOTS_A_STEP) == 0)
        reshard__check_all(sim);
}

const struct host *reshard__suspect_next(
    const struct reshard_sim *sim, uint32_t slot, uint32_t *cursor)
{
    struct reshard_map_migration migration = {.struct_size = sizeof migration};
    const struct reshard_map *map = sim->authority.map;
    (void)reshard_map_migration_find(map, reshard_map_slot_migration(map, slot), &migration);
    const reshard_shard_id shards[] = {
        reshard_map_slot_owner(map, slot), migration.source, migration.target};
    enum { SHARDS = sizeof shards / sizeof *shards };
    const uint32_t *const served[] = {sim->checks.writers, sim->checks.readers};
    for (uint32_t at; (at = (*cursor)++) < SHARDS + 2;) {
        const struct host *host = NULL;
        if (at < SHARDS && shards[at])
            host = reshard__host_acting(sim, shards[at]);
        else if (at >= SHARDS && served[at - SHARDS] && served[at - SHARDS][slot])
            host = sim->hosts[served[at - SHARDS][slot] - 1];
        if (host)
            return host;
    }
    return NULL;
}
