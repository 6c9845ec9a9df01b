/* SPDX-License-Identifier: MIT */
/* Room sim: journals. A node's own: bytes that survive. The coordinators' authority: one list for
 * all of them, compare-and-set on (term, index). */
#include "sim/arena.h"
#include "sim/sim.h"

void reshard__own_append(struct disk *disk, const uint8_t *bytes, size_t size)
{
    disk->journal = reshard__region_grow(disk->region,
        disk->journal, &disk->journal_capacity, disk->journal_size + size, 1);
    memcpy(disk->journal + disk->journal_size, bytes, size);
    disk->journal_size += size;
}

/* Where the first `count` records end. */
static size_t records_end(const uint8_t *bytes, size_t size, uint64_t count)
{
    size_t end = 0;
    uint32_t kind;
    while (count > 0 && reshard__record_next(bytes, size, &end, &kind))
        count--;
    return end;
}

void reshard__own_rollback(struct disk *disk, uint64_t count)
{
    struct reshard_journal_report report;
    reshard_journal_report_init(&report);
    (void)reshard_journal_check(disk->journal, disk->journal_size, &report);
    uint64_t left = report.record_count > count ? report.record_count - count : 0;
    disk->journal_size = records_end(disk->journal, disk->journal_size, left);
    reshard__disk_synced(disk);
}

void reshard__own_copy(struct disk *disk, const struct disk *from)
{
    struct reshard_journal_report report;
    reshard_journal_report_init(&report);
    disk->journal_size = 0;
    reshard__own_append(disk, from->journal, from->journal_size);
    (void)reshard_journal_check(disk->journal, disk->journal_size, &report);
    reshard__own_rollback(disk, report.record_count / 2);
}

/* Whether a start from this image fails. */
static bool start_sees(struct reshard_sim *sim, const uint8_t *image, size_t size)
{
    struct reshard_node_config config;
    struct reshard_node *node = NULL;
    struct reshard_journal_report report;
    reshard_node_config_init(&config);
    reshard_journal_report_init(&report);
    config.node = 1;
    config.slot_count = sim->set.slot_count;
    bool seen = reshard_node_create(&config, &node) != RESHARD_OK ||
                reshard_node_restore(node, image, size) != RESHARD_OK;
    (void)reshard_journal_check(image, size, &report);
    reshard_node_destroy(node);
    return seen && report.verdict != RESHARD_OK;
}

/* The image is put right again: a host has it from elsewhere, from its replica for example. What
 * is shown is that no damage goes unseen. */
void reshard__own_damage(struct reshard_sim *sim, struct host *host, uint32_t how)
{
    static const uint32_t cells[] = {0, SIM_FAULT_MISPLACED, SIM_FAULT_STALE, SIM_FAULT_ROT};
    const struct disk *disk = host->disk;
    struct reshard_journal_report report;
    reshard_journal_report_init(&report);
    (void)reshard_journal_check(disk->journal, disk->journal_size, &report);
    if (report.record_count < 3)
        return;
    size_t size = (size_t)report.good_size;
    /* Without its first record a journal looks as if it had been compacted. */
    uint64_t victim = 1 + sim->steps % (report.record_count - 2);
    size_t from = records_end(disk->journal, size, victim);
    size_t to = records_end(disk->journal, size, victim + 1);
    uint8_t *image = reshard__sim_resize(NULL, 2 * size, 1);
    memcpy(image, disk->journal, size);
    if (how == 1) { /* one more record where it does not belong */
        memcpy(image + size, disk->journal + from, to - from);
        size += to - from;
    } else if (how == 2) { /* what stands there was never overwritten */
        memmove(image + from, image + to, size - to);
        size -= to - from;
    } else {
        image[from + sim->steps % (to - from)] ^= (uint8_t)(1 + sim->steps % 255);
    }
    reshard__fault_met(sim, cells[how], host->shard);
    if (!start_sees(sim, image, size))
        reshard__sim_violate(sim, "journal", "%h: damage of kind %u is not seen", host->id,
            (uint64_t)how);
    reshard__sim_release(image);
}

void reshard__own_repair(struct reshard_sim *sim, struct host *host)
{
    struct reshard_journal_report report;
    reshard_journal_report_init(&report);
    int32_t status =
        reshard_journal_check(host->disk->journal, host->disk->journal_size, &report);
    if (status || (report.verdict && report.verdict != RESHARD_E_TORN))
        reshard__sim_violate(sim, "journal", "%h: %d", host->id, report.verdict);
    host->disk->journal_size = (size_t)report.good_size;
}

int32_t reshard__own_load(struct reshard_sim *sim, struct host *host)
{
    struct call call = reshard__call_begin(sim, host);
    reshard__disk_synced(host->disk); /* what is not durable is cut before, or made so: made so */
    call.watched = false; /* records before the one that failed stay taken */
    int32_t status;
    do
        status = reshard_node_restore(
            host->node, host->disk->journal, host->disk->journal_size);
    while (reshard__call_again(sim, host, &call, status));
    return status;
}

static void *authority_resize(void *user_data, void *place, size_t old_size, size_t new_size)
{
    (void)user_data;
    (void)old_size;
    if (new_size > 0)
        return reshard__region_resize(AUTHORITY_REGION, place, new_size);
    reshard__sim_release(place);
    return NULL;
}

/* Follow a record that became durable: the authority's own map, and what it must not break. A
 * coordinator that is never started is the public way from records to a map. */
static void authority_follow(struct reshard_sim *sim, const struct authority_record *record)
{
    struct authority *authority = &sim->authority;
    uint64_t before = authority->map ? reshard_map_version(authority->map) : 0;
    int32_t status = RESHARD_OK;
    reshard__arena_touch(AUTHORITY_REGION);
    if (!authority->reader) {
        struct reshard_coordinator_config config;
        reshard_coordinator_config_init(&config);
        config.allocator.struct_size = sizeof config.allocator;
        config.allocator.resize = authority_resize;
        config.node = 1;
        config.unique = 1;
        config.slot_count = sim->set.slot_count;
        status = reshard_coordinator_create(&config, &authority->reader);
    }
    if (status == RESHARD_OK)
        status = reshard_coordinator_restore(authority->reader, record->data, record->size);
    if (status) {
        reshard__sim_violate(sim, "authority", "a record does not follow: %d", status);
        return;
    }
    authority->map = reshard_coordinator_map(authority->reader);
    uint64_t cursor = reshard_map_version(authority->map) - 1;
    if (cursor < before)
        return; /* a compaction tells what is known */
    struct reshard_change change;
    reshard_change_init(&change);
    if (reshard_map_delta_next(authority->map, &cursor, &change) == RESHARD_OK)
        reshard__check_change(sim, &change);
}

/* Compare-and-set on (term, index): each record has a place of its own. */
static int32_t authority_admits(const struct reshard_sim *sim, uint64_t term, uint64_t index)
{
    const struct authority *authority = &sim->authority;
    uint64_t highest =
        authority->record_count ? authority->records[authority->record_count - 1].term : 0;
    if (term < highest && !reshard__sabotaged(sim, RESHARD_SABOTAGE_FENCE_TERM))
        return RESHARD_E_FENCED;
    return index == authority->base + authority->record_count + 1 ? RESHARD_OK : RESHARD_E_UNKNOWN;
}

static struct authority_record *authority_put(
    struct authority *authority, uint64_t term, const uint8_t *bytes, size_t size)
{
    authority->records = reshard__sim_grow(authority->records, &authority->record_capacity,
        authority->record_count + 1, sizeof *authority->records);
    struct authority_record *record = &authority->records[authority->record_count++];
    record->term = term;
    record->size = size;
    record->data = reshard__sim_resize(NULL, size, 1);
    memcpy(record->data, bytes, size);
    return record;
}

/* One by one; the first `limit` of them. */
static void records_put(
    struct reshard_sim *sim, uint64_t term, const uint8_t *bytes, size_t size, uint64_t limit)
{
    size_t from = 0, to = 0;
    uint32_t kind;
    uint64_t count = 0;
    while (count < limit && reshard__record_next(bytes, size, &to, &kind)) {
        authority_follow(sim, authority_put(&sim->authority, term, bytes + from, to - from));
        from = to;
        count++;
    }
    sim->gathered += count > 1;
}

int32_t reshard__authority_append(struct reshard_sim *sim, uint64_t term, uint64_t index,
    const uint8_t *bytes, size_t size, uint64_t limit)
{
    int32_t status = authority_admits(sim, term, index);
    if (status)
        return reshard__sabotaged(sim, RESHARD_SABOTAGE_FENCE_TERM) ? RESHARD_OK : status;
    records_put(sim, term, bytes, size, limit);
    return RESHARD_OK;
}

int32_t reshard__authority_compact(struct reshard_sim *sim, uint64_t term, uint64_t index,
    const uint8_t *bytes, size_t size)
{
    struct authority *authority = &sim->authority;
    int32_t status = authority_admits(sim, term, index);
    if (status)
        return status;
    for (size_t i = 0; i < authority->record_count; i++)
        reshard__sim_release(authority->records[i].data);
    authority->base = index - 1;
    authority->record_count = 0;
    records_put(sim, term, bytes, size, UINT64_MAX);
    return RESHARD_OK;
}

int32_t reshard__authority_load(struct reshard_sim *sim, struct host *host)
{
    const struct authority *authority = &sim->authority;
    int32_t status = RESHARD_OK;
    for (size_t i = 0; i < authority->record_count && status == RESHARD_OK; i++) {
        struct call call = reshard__call_begin(sim, host);
        do
            status = reshard_coordinator_restore(
                host->coordinator, authority->records[i].data, authority->records[i].size);
        while (reshard__call_again(sim, host, &call, status));
    }
    return status;
}

void reshard__authority_free(struct authority *authority)
{
    for (size_t i = 0; i < authority->record_count; i++)
        reshard__sim_release(authority->records[i].data);
    reshard__sim_release(authority->records);
    reshard_coordinator_destroy(authority->reader);
}
