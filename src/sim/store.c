/* SPDX-License-Identifier: MIT */
/* Room sim: the built-in store. Keys are numbers; key k lies in slot k mod slot_count, so that a
 * script can see where. A write is durable when it is answered. Staging is the list of what was
 * applied; SYNC moves the mark behind which a crash may take pieces away. */
#include "sim/arena.h"
#include "sim/sim.h"

enum { RECORD_HEAD = 14, ITEM_HEAD = 8, ITEM_KEY = 4, STATE_HEAD = 8, PURGE_BATCH = 16 };

static void put32(uint8_t *place, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        place[i] = (uint8_t)(number >> (8 * i));
}

static uint32_t get32(const uint8_t *place)
{
    return place[0] | (uint32_t)place[1] << 8 | (uint32_t)place[2] << 16 | (uint32_t)place[3] << 24;
}

static void put64(uint8_t *place, uint64_t number)
{
    put32(place, (uint32_t)number);
    put32(place + 4, (uint32_t)(number >> 32));
}

static uint64_t get64(const uint8_t *place)
{
    return get32(place) | (uint64_t)get32(place + 4) << 32;
}

struct disk *reshard__disk_make(struct reshard_sim *sim, reshard_node_id node)
{
    uint32_t region = reshard__arena_region(sim->host_count); /* of the host that is coming */
    struct disk *disk = reshard__region_resize(region, NULL, sizeof *disk);
    memset(disk, 0, sizeof *disk);
    size_t capacity = 0;
    disk->references = 1;
    disk->region = region;
    disk->values = reshard__region_grow(region,
        NULL, &capacity, sim->set.key_count, sizeof *disk->values);
    capacity = 0;
    disk->slot_keys = reshard__region_grow(region,
        NULL, &capacity, sim->set.slot_count, sizeof *disk->slot_keys);
    reshard__custom_open(sim, disk, node);
    return disk;
}

static void staging_clear(struct staging *staging)
{
    for (size_t i = 0; i < staging->piece_count; i++)
        reshard__sim_release(staging->pieces[i].data);
    staging->piece_count = staging->durable_count = 0;
    staging->copy_term = staging->copy_n = staging->sequence = 0;
}

void reshard__disk_release(struct disk *disk)
{
    if (!disk || --disk->references > 0)
        return;
    reshard__custom_close(disk);
    for (size_t i = 0; i < disk->staging_count; i++) {
        staging_clear(&disk->stagings[i]);
        reshard__sim_release(disk->stagings[i].pieces);
    }
    reshard__sim_release(disk->stagings);
    reshard__sim_release(disk->loose.entries);
    reshard__sim_release(disk->journal);
    reshard__sim_release(disk->values);
    reshard__sim_release(disk->slot_keys);
    reshard__sim_release(disk);
}

static void staging_copy(
    uint32_t region, struct staging *staging, const struct staging *from)
{
    staging_clear(staging);
    struct piece *pieces = reshard__region_grow(region, staging->pieces,
        &staging->piece_capacity, from->piece_count, sizeof *pieces);
    size_t capacity = staging->piece_capacity;
    *staging = *from;
    staging->pieces = pieces;
    staging->piece_capacity = capacity;
    for (size_t i = 0; i < from->piece_count; i++) {
        pieces[i] = from->pieces[i];
        pieces[i].data = reshard__region_resize(region, NULL, from->pieces[i].size + 1);
        memcpy(pieces[i].data, from->pieces[i].data, from->pieces[i].size);
    }
}

void reshard__disk_copy(
    const struct reshard_sim *sim, struct disk *disk, const struct disk *from)
{
    memcpy(disk->values, from->values, sim->set.key_count * sizeof *disk->values);
    memcpy(disk->slot_keys, from->slot_keys, sim->set.slot_count * sizeof *disk->slot_keys);
    disk->journal_size = 0;
    reshard__own_append(disk, from->journal, from->journal_size);
    for (size_t i = from->staging_count; i < disk->staging_count; i++)
        staging_clear(&disk->stagings[i]);
    disk->stagings = reshard__region_grow(disk->region, disk->stagings, &disk->staging_capacity,
        from->staging_count, sizeof *disk->stagings);
    for (size_t i = 0; i < from->staging_count; i++)
        staging_copy(disk->region, &disk->stagings[i], &from->stagings[i]);
    if (disk->staging_count < from->staging_count)
        disk->staging_count = from->staging_count;
    reshard__disk_synced(disk);
}

bool reshard__disk_spoil(struct disk *disk)
{
    for (size_t i = 0; i < disk->staging_count; i++) {
        struct staging *staging = &disk->stagings[i];
        if (staging->piece_count == 0)
            continue;
        staging->pieces[0].data[4] ^= 0x40; /* of a value */
        return true;
    }
    return false;
}

void reshard__disk_wipe(struct disk *disk)
{
    for (size_t i = 0; i < disk->staging_count; i++)
        staging_clear(&disk->stagings[i]);
}

/* A replica's loss is none of the migration's: it is sent what it lacks. */
static void loss_count(
    struct reshard_sim *sim, const struct disk *disk, const struct moving *moving)
{
    const struct host *target = moving ? reshard__host_acting(sim, moving->shards[1]) : NULL;
    if (target && target->disk == disk)
        reshard__fault_moving(sim, SIM_FAULT_STAGING_LOST, moving);
}

void reshard__disk_crash(struct reshard_sim *sim, struct disk *disk)
{
    if (disk->kind) {
        reshard__custom_crash(sim, disk);
        return;
    }
    for (size_t i = 0; i < disk->staging_count; i++) {
        struct staging *staging = &disk->stagings[i];
        size_t loose = staging->piece_count - staging->durable_count;
        if (loose == 0)
            continue;
        /* 0 loses all that was not synced. */
        size_t kept = reshard__choose(sim, CHOICE_TORN, (uint32_t)loose + 1);
        if (kept < loose)
            loss_count(sim, disk, reshard__moving_find(sim, staging->migration));
        while (staging->piece_count > staging->durable_count + kept)
            reshard__sim_release(staging->pieces[--staging->piece_count].data);
        staging->durable_count = staging->piece_count;
        if (staging->piece_count == 0)
            staging->copy_term = staging->copy_n = 0;
    }
}

uint32_t reshard__key_slot(const struct reshard_sim *sim, uint32_t key)
{
    return key % sim->set.slot_count;
}

size_t reshard__key_name(const struct disk *disk, uint32_t key, uint8_t name[SIM_NAME_SIZE])
{
    if (disk->kind && disk->kind->name)
        return (size_t)disk->kind->name(disk->hooks.user_data, key, name, SIM_NAME_SIZE);
    put32(name, key);
    return ITEM_KEY;
}

void reshard__disk_see(
    const struct reshard_sim *sim, struct disk *disk, uint32_t key, uint64_t value)
{
    uint32_t *keys = &disk->slot_keys[reshard__key_slot(sim, key)];
    *keys += (uint32_t)(value != 0) - (uint32_t)(disk->values[key] != 0);
    disk->values[key] = value;
}

uint64_t reshard__disk_get(const struct disk *disk, uint32_t key)
{
    return disk->kind ? disk->kind->read(disk->hooks.user_data, key) : disk->values[key];
}

void reshard__disk_put(
    const struct reshard_sim *sim, struct disk *disk, uint32_t key, uint64_t value)
{
    if (disk->kind)
        disk->kind->write(
            disk->hooks.user_data, key, value, reshard__value_size(sim, value));
    reshard__disk_see(sim, disk, key, disk->kind ? reshard__disk_get(disk, key) : value);
}

struct staging *reshard__staging_find(const struct disk *disk, reshard_migration_id migration)
{
    for (size_t i = 0; i < disk->staging_count; i++)
        if (disk->stagings[i].migration == migration)
            return &disk->stagings[i];
    return NULL;
}

struct staging *reshard__staging_of(struct disk *disk, const struct reshard_action *action)
{
    struct staging *staging = reshard__staging_find(disk, action->migration);
    if (staging)
        return staging;
    disk->stagings = reshard__region_grow(disk->region, disk->stagings, &disk->staging_capacity,
        disk->staging_count + 1, sizeof *disk->stagings);
    staging = &disk->stagings[disk->staging_count++];
    staging->migration = action->migration;
    staging->mode = action->mode;
    return staging;
}

uint32_t reshard__value_size(const struct reshard_sim *sim, uint64_t value)
{
    bool huge = sim->set.huge_size && value % sim->set.huge_every == 5;
    return huge ? sim->set.huge_size : sim->set.value_size;
}

static size_t record_size(const struct reshard_sim *sim, uint64_t value)
{
    return RECORD_HEAD + reshard__value_size(sim, value);
}

/* A record of mode snapshot: key, value, size of the padding (4, 8, 2 bytes), padding. A value of 0
 * says that the key is gone. */
static void record_put(
    const struct reshard_sim *sim, uint8_t *place, uint32_t key, uint64_t value)
{
    uint32_t size = reshard__value_size(sim, value);
    put32(place, key);
    put64(place + 4, value);
    place[12] = (uint8_t)size;
    place[13] = (uint8_t)(size >> 8);
    memset(place + RECORD_HEAD, (uint8_t)(value & 0x7F), size);
}

uint8_t *reshard__record_make(const struct reshard_sim *sim, const struct disk *disk,
    uint32_t key, uint64_t value, size_t *size_out)
{
    if (disk->kind)
        return reshard__custom_record(disk, key, size_out);
    *size_out = record_size(sim, value);
    uint8_t *record = reshard__sim_resize(NULL, *size_out, 1);
    record_put(sim, record, key, value);
    return record;
}

static void records_fold(
    const struct reshard_sim *sim, const uint8_t *data, size_t size, uint64_t *values)
{
    for (size_t offset = 0; offset + RECORD_HEAD <= size;) {
        const uint8_t *at = data + offset;
        uint32_t key = get32(at);
        offset += RECORD_HEAD + (at[12] | (size_t)at[13] << 8);
        if (key < sim->set.key_count && offset <= size)
            values[key] = get64(at + 4);
    }
}

void reshard__staging_fold(
    const struct reshard_sim *sim, const struct staging *staging, uint64_t *values)
{
    memset(values, 0, sim->set.key_count * sizeof *values);
    for (size_t i = 0; i < staging->piece_count; i++)
        records_fold(sim, staging->pieces[i].data, staging->pieces[i].size, values);
}

bool reshard__ranges_have(const struct reshard_action *action, uint32_t slot)
{
    for (size_t i = 0; i < action->range_count; i++)
        if (slot >= action->ranges[i].first && slot <= action->ranges[i].last)
            return true;
    return false;
}

/* Hosts may hand over less than fits. */
static bool batch_full(
    const struct reshard_sim *sim, const struct reshard_completion *completion)
{
    return sim->set.batch > 0 && completion->keys >= sim->set.batch;
}

static void do_export(struct reshard_sim *sim, struct disk *disk,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    uint64_t key = action->cursor;
    for (; key < sim->set.key_count; key++) {
        if (disk->values[key] == 0 ||
            !reshard__ranges_have(action, reshard__key_slot(sim, (uint32_t)key)))
            continue;
        size_t record = record_size(sim, disk->values[key]);
        if (record > action->capacity && completion->size == 0) {
            completion->status = RESHARD_E_SPACE;
            completion->size = record;
            return;
        }
        if (completion->size + record > action->capacity || batch_full(sim, completion))
            break;
        record_put(
            sim, action->buffer + completion->size, (uint32_t)key, disk->values[key]);
        completion->size += record;
        completion->keys++;
    }
    completion->cursor = key;
    completion->done = key >= sim->set.key_count;
}

/* An item of mode keywise; its size. */
static size_t item_put(
    const struct reshard_sim *sim, uint8_t *place, uint32_t key, uint64_t value)
{
    size_t state = STATE_HEAD + reshard__value_size(sim, value);
    put32(place, ITEM_KEY);
    put32(place + 4, (uint32_t)state);
    put32(place + ITEM_HEAD, key);
    put64(place + ITEM_HEAD + ITEM_KEY, value);
    memset(place + ITEM_HEAD + ITEM_KEY + STATE_HEAD, (uint8_t)(value & 0x7F),
        state - STATE_HEAD);
    return ITEM_HEAD + ITEM_KEY + state;
}

struct item {
    uint32_t key;
    uint64_t value;
};

static bool item_next(const struct reshard_action *action, size_t *offset, struct item *item)
{
    const uint8_t *at = action->payload + *offset;
    if (*offset + ITEM_HEAD + ITEM_KEY > action->payload_size)
        return false;
    size_t state = get32(at + 4);
    item->key = get32(at + ITEM_HEAD);
    item->value = state >= STATE_HEAD ? get64(at + ITEM_HEAD + ITEM_KEY) : 0;
    *offset += ITEM_HEAD + get32(at) + state;
    return *offset <= action->payload_size;
}

/* One key for PICK: counted, or written. False: it does not fit. */
static bool pick_one(struct reshard_sim *sim, const struct disk *disk,
    const struct reshard_action *action, uint32_t key, struct reshard_completion *completion)
{
    if (key >= sim->set.key_count || disk->values[key] == 0)
        return true;
    size_t item = ITEM_HEAD + ITEM_KEY + STATE_HEAD +
                  reshard__value_size(sim, disk->values[key]);
    if (action->capacity == 0 || !action->buffer) {
        completion->keys++;
        return true;
    }
    if (completion->size + item > action->capacity) {
        if (completion->size == 0) {
            completion->status = RESHARD_E_SPACE;
            completion->size = item;
        }
        return false;
    }
    (void)item_put(sim, action->buffer + completion->size, key, disk->values[key]);
    completion->size += item;
    completion->keys++;
    return true;
}

static void do_pick(struct reshard_sim *sim, struct disk *disk,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    struct item item;
    completion->done = 1;
    for (size_t offset = 0; action->payload && item_next(action, &offset, &item);)
        if (!pick_one(sim, disk, action, item.key, completion))
            return;
    if (action->payload)
        return;
    uint64_t key = action->cursor;
    for (; key < sim->set.key_count; key++)
        if (reshard__ranges_have(action, reshard__key_slot(sim, (uint32_t)key)) &&
            (batch_full(sim, completion) ||
                !pick_one(sim, disk, action, (uint32_t)key, completion)))
            break;
    completion->cursor = key;
    completion->done = key >= sim->set.key_count;
}

static void do_remove(struct reshard_sim *sim, struct disk *disk,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    struct item item;
    (void)completion;
    for (size_t offset = 0; item_next(action, &offset, &item);)
        if (item.key < sim->set.key_count)
            reshard__disk_put(sim, disk, item.key, 0);
}

/* All keys and the position in one step. */
static void apply_items(struct reshard_sim *sim, struct disk *disk, struct staging *staging,
    const struct reshard_action *action)
{
    struct item item;
    for (size_t offset = 0; item_next(action, &offset, &item);) {
        if (item.key >= sim->set.key_count)
            continue;
        if (sim->set.lazy)
            reshard__loose_key(disk, item.key);
        reshard__disk_put(sim, disk, item.key, item.value);
    }
    if (sim->set.lazy)
        reshard__loose_staging(disk, staging);
    staging->copy_term = action->copy_term;
    staging->copy_n = action->copy_n;
    staging->sequence = action->sequence;
}

static void do_apply(struct reshard_sim *sim, struct disk *disk,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    struct staging *staging = reshard__staging_of(disk, action);
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_APPLY)) {
        completion->sequence = action->sequence;
        return;
    }
    if (action->mode == RESHARD_MODE_KEYWISE) {
        apply_items(sim, disk, staging, action);
        completion->sequence = sim->set.lazy ? 0 : action->sequence;
        return;
    }
    if (staging->piece_count == 0) {
        staging->copy_term = action->copy_term;
        staging->copy_n = action->copy_n;
    }
    if (staging->copy_term != action->copy_term || staging->copy_n != action->copy_n) {
        reshard__sim_violate(sim, "staging", "a chunk of another copy is to be applied");
        completion->status = RESHARD_E_STATE;
        return;
    }
    staging->pieces = reshard__region_grow(disk->region, staging->pieces, &staging->piece_capacity,
        staging->piece_count + 1, sizeof *staging->pieces);
    struct piece *piece = &staging->pieces[staging->piece_count++];
    piece->sequence = action->sequence;
    piece->size = action->payload_size;
    piece->data = reshard__region_resize(disk->region, NULL, piece->size + 1);
    memcpy(piece->data, action->payload, piece->size);
}

static void do_sync(struct reshard_sim *sim, struct disk *disk,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    struct staging *staging = reshard__staging_find(disk, action->migration);
    if (!staging)
        return;
    if (!reshard__sabotaged(sim, RESHARD_SABOTAGE_SYNC))
        staging->durable_count = staging->piece_count;
    completion->copy_term = staging->copy_term;
    completion->copy_n = staging->copy_n;
    completion->sequence = staging->sequence;
    if (staging->mode == RESHARD_MODE_SNAPSHOT)
        completion->sequence =
            staging->piece_count ? staging->pieces[staging->piece_count - 1].sequence : 0;
}

static void do_activate(struct reshard_sim *sim, struct disk *disk,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    (void)completion;
    struct staging *staging = reshard__staging_of(disk, action);
    size_t capacity = 0;
    uint64_t *values = reshard__sim_grow(NULL, &capacity, sim->set.key_count, sizeof *values);
    reshard__staging_fold(sim, staging, values);
    for (uint32_t key = 0; key < sim->set.key_count; key++)
        if (!staging->activated && reshard__ranges_have(action, reshard__key_slot(sim, key)))
            reshard__disk_put(sim, disk, key, values[key]);
    reshard__sim_release(values);
    staging_clear(staging);
    staging->activated = true;
}

static void do_purge(struct reshard_sim *sim, struct disk *disk,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    uint64_t key = action->cursor;
    reshard__check_purge(sim, action);
    for (; key < sim->set.key_count && completion->keys < PURGE_BATCH; key++) {
        if (disk->values[key] == 0 ||
            !reshard__ranges_have(action, reshard__key_slot(sim, (uint32_t)key)))
            continue;
        if (!reshard__sabotaged(sim, RESHARD_SABOTAGE_PURGE))
            reshard__disk_put(sim, disk, (uint32_t)key, 0);
        completion->keys++;
    }
    completion->cursor = key;
    completion->done = key >= sim->set.key_count;
}

static void do_digest(struct reshard_sim *sim, struct disk *disk,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    size_t capacity = 0;
    uint64_t *folded = NULL;
    const uint64_t *values = disk->values;
    if (action->side == RESHARD_SIDE_TARGET) {
        const struct staging *staging = reshard__staging_find(disk, action->migration);
        folded = reshard__sim_grow(NULL, &capacity, sim->set.key_count, sizeof *folded);
        if (staging)
            reshard__staging_fold(sim, staging, folded);
        values = folded;
    }
    completion->digest.high = 1;
    for (uint32_t key = 0; key < sim->set.key_count; key++) {
        if (values[key] == 0 || !reshard__ranges_have(action, reshard__key_slot(sim, key)))
            continue;
        uint64_t pair[2] = {key, values[key]};
        completion->digest.low += reshard__sim_hash(pair, sizeof pair, 0);
    }
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_DIGEST))
        completion->digest.low = completion->digest.high = 0;
    reshard__sim_release(folded);
}

static void do_discard(struct reshard_sim *sim, struct disk *disk,
    const struct reshard_action *action, struct reshard_completion *completion)
{
    (void)completion;
    struct staging *staging = reshard__staging_find(disk, action->migration);
    if (staging && !reshard__sabotaged(sim, RESHARD_SABOTAGE_DISCARD))
        staging_clear(staging);
}

void reshard__store_do(struct reshard_sim *sim, struct host *host, const struct task *task,
    struct reshard_completion *completion)
{
    static void (*const work[RESHARD_ACTION_KIND_COUNT])(struct reshard_sim *sim,
        struct disk *disk, const struct reshard_action *action,
        struct reshard_completion *completion) = {
        [RESHARD_ACTION_EXPORT] = do_export,
        [RESHARD_ACTION_APPLY] = do_apply,
        [RESHARD_ACTION_SYNC] = do_sync,
        [RESHARD_ACTION_ACTIVATE] = do_activate,
        [RESHARD_ACTION_DISCARD] = do_discard,
        [RESHARD_ACTION_PURGE] = do_purge,
        [RESHARD_ACTION_DIGEST] = do_digest,
        [RESHARD_ACTION_PICK] = do_pick,
        [RESHARD_ACTION_REMOVE] = do_remove,
    };
    reshard__loose_action(sim, host->disk, &task->action);
    if (host->disk->kind)
        reshard__custom_do(sim, host, &task->action, completion);
    else if (work[task->action.kind])
        work[task->action.kind](sim, host->disk, &task->action, completion);
}
