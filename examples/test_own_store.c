/* SPDX-License-Identifier: MIT */
/* How to test the hooks of your own store: libreshard-sim plays random migrations against them,
 * with crashes, failing hooks, fail-overs and a client load, and judges what they show. The store
 * here keeps all in memory, `now`, and what a crash leaves, `safe`.
 *
 *     test_own_store [SEEDS]          the store holds: exit status 0
 *     test_own_store SEEDS MISTAKE    a mistake is made in one hook: 0 when it was found
 */
#include <reshard-sim/store.h>
#include <reshard/slot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 64, STAGINGS = 16, NAME_SIZE = 24, DECISIONS = 20000 };

/* One mistake a hook that its author might make. */
enum mistake {
    NONE,
    SYNC_ONLY_SAYS_SO,
    APPLY_IGNORES_DELETES,
    DISCARD_FORGETS_TO,
    ACTIVATE_IS_NOT_DURABLE,
    PURGE_STOPS_HALFWAY,
    PICK_MISSES_LAST,
    REMOVE_IS_NOT_DURABLE,
    WRITE_IS_NOT_DURABLE,
    MISTAKES
};
static const char *const mistakes[MISTAKES] = {"none", "sync", "apply", "discard", "activate",
    "purge", "pick", "remove", "write"};

/* ---- the store ---- */

struct item {
    uint64_t value; /* 0 = no such key */
    uint32_t size;  /* of the filler behind it */
};

struct staging {
    reshard_migration_id migration;
    uint64_t copy_term, copy_n, sequence;
    struct item items[KEYS];
};

struct image {
    struct item live[KEYS];
    struct staging stagings[STAGINGS];
};

struct shelf {
    enum mistake mistake;
    uint32_t slot_count;
    char names[KEYS][NAME_SIZE];
    uint32_t slots[KEYS]; /* of the names */
    struct image now, safe;
};

/* A key's state on its way, in front of the filler. */
struct record {
    char name[NAME_SIZE];
    uint64_t value;
    uint32_t size;
    uint32_t reserved;
};

/* The world wants key k in slot k mod slot_count. */
static void name_choose(struct shelf *shelf, uint32_t key)
{
    uint32_t number = 0;
    char *name = shelf->names[key];
    do {
        (void)snprintf(name, NAME_SIZE, "user:%u:%u", key, number++);
        shelf->slots[key] = reshard_slot_xxh3(name, strlen(name), shelf->slot_count);
    } while (shelf->slots[key] != key % shelf->slot_count);
}

static uint32_t key_find(const struct shelf *shelf, const void *name, size_t size)
{
    for (uint32_t key = 0; key < KEYS; key++)
        if (strlen(shelf->names[key]) == size && memcmp(shelf->names[key], name, size) == 0)
            return key;
    abort();
}

static int within(
    const struct shelf *shelf, const struct reshard_action *action, uint32_t key)
{
    uint32_t slot = shelf->slots[key];
    for (size_t i = 0; i < action->range_count; i++)
        if (slot >= action->ranges[i].first && slot <= action->ranges[i].last)
            return 1;
    return 0;
}

/* What was done so far outlives a crash. */
static void save(struct shelf *shelf)
{
    shelf->safe = shelf->now;
}

/* The migration's staging; without one, that of the oldest migration, emptied. */
static struct staging *staging_of(struct shelf *shelf, reshard_migration_id migration)
{
    struct staging *oldest = &shelf->now.stagings[0];
    for (int i = 0; i < STAGINGS; i++) {
        struct staging *staging = &shelf->now.stagings[i];
        if (staging->migration == migration)
            return staging;
        oldest = staging->migration < oldest->migration ? staging : oldest;
    }
    memset(oldest, 0, sizeof *oldest);
    oldest->migration = migration;
    return oldest;
}

/* ---- mode snapshot ---- */

static size_t record_put(
    const struct shelf *shelf, uint32_t key, const struct item *item, uint8_t *place)
{
    struct record record = {.value = item->value, .size = item->size};
    memcpy(record.name, shelf->names[key], NAME_SIZE);
    memcpy(place, &record, sizeof record);
    memset(place + sizeof record, (int)(item->value & 0x7F), item->size);
    return sizeof record + item->size;
}

static int32_t on_export(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    const struct shelf *shelf = user_data;
    uint32_t key = (uint32_t)action->cursor;
    for (; key < KEYS; key++) {
        const struct item *item = &shelf->now.live[key];
        size_t size = sizeof(struct record) + item->size;
        if (item->value == 0 || !within(shelf, action, key))
            continue;
        if (completion->size + size > action->capacity && completion->size == 0) {
            completion->size = size;
            return RESHARD_E_SPACE;
        }
        if (completion->size + size > action->capacity)
            break;
        completion->size += record_put(shelf, key, item, action->buffer + completion->size);
        completion->keys++;
    }
    completion->cursor = key;
    completion->done = key == KEYS;
    return RESHARD_OK;
}

static void records_take(
    const struct shelf *shelf, struct staging *staging, const uint8_t *bytes, size_t size)
{
    struct record record;
    for (size_t at = 0; at < size; at += sizeof record + record.size) {
        memcpy(&record, bytes + at, sizeof record);
        if (record.value == 0 && shelf->mistake == APPLY_IGNORES_DELETES)
            continue;
        struct item *item =
            &staging->items[key_find(shelf, record.name, strlen(record.name))];
        item->value = record.value;
        item->size = record.size;
    }
}

static int32_t on_sync(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct shelf *shelf = user_data;
    const struct staging *staging = staging_of(shelf, action->migration);
    if (shelf->mistake != SYNC_ONLY_SAYS_SO)
        save(shelf);
    completion->copy_term = staging->copy_term;
    completion->copy_n = staging->copy_n;
    completion->sequence = staging->sequence;
    return RESHARD_OK;
}

static int32_t on_activate(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct shelf *shelf = user_data;
    struct staging *staging = staging_of(shelf, action->migration);
    (void)completion;
    for (uint32_t key = 0; key < KEYS; key++)
        if (staging->items[key].value)
            shelf->now.live[key] = staging->items[key];
    memset(staging, 0, sizeof *staging);
    if (shelf->mistake != ACTIVATE_IS_NOT_DURABLE)
        save(shelf);
    return RESHARD_OK;
}

static int32_t on_discard(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct shelf *shelf = user_data;
    struct staging *staging = staging_of(shelf, action->migration);
    (void)completion;
    if (shelf->mistake != DISCARD_FORGETS_TO)
        memset(staging, 0, sizeof *staging);
    save(shelf);
    return RESHARD_OK;
}

static int32_t on_purge(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct shelf *shelf = user_data;
    uint32_t end = shelf->mistake == PURGE_STOPS_HALFWAY ? KEYS / 8 : KEYS;
    for (uint32_t key = 0; key < end; key++)
        if (within(shelf, action, key))
            memset(&shelf->now.live[key], 0, sizeof(struct item));
    completion->done = 1;
    save(shelf);
    return RESHARD_OK;
}

static int32_t on_digest(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct shelf *shelf = user_data;
    const struct item *items = action->side == RESHARD_SIDE_TARGET
                                   ? staging_of(shelf, action->migration)->items
                                   : shelf->now.live;
    completion->digest.high = 1; /* 0 would mean: no digest */
    for (uint32_t key = 0; key < KEYS; key++)
        if (items[key].value && within(shelf, action, key))
            completion->digest.low += items[key].value * UINT64_C(0x9e3779b97f4a7c15) ^ key;
    return RESHARD_OK;
}

/* ---- mode keywise: items of {sizes; name; value, filler} ---- */

static uint32_t number_read(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void number_write(uint8_t *bytes, size_t number)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
}

/* One key for PICK. 0: it does not fit. */
static int pick(const struct shelf *shelf, const struct reshard_action *action, uint32_t key,
    struct reshard_completion *completion)
{
    const struct item *item = &shelf->now.live[key];
    size_t name_size = strlen(shelf->names[key]), state = sizeof item->value + item->size;
    size_t size = 8 + name_size + state;
    if (item->value == 0 || !within(shelf, action, key))
        return 1;
    if (action->capacity > 0 && completion->size + size > action->capacity) {
        completion->size = completion->size ? completion->size : size;
        return 0;
    }
    completion->keys++;
    if (action->capacity == 0)
        return 1;
    uint8_t *place = action->buffer + completion->size;
    number_write(place, name_size);
    number_write(place + 4, state);
    memcpy(place + 8, shelf->names[key], name_size);
    memcpy(place + 8 + name_size, &item->value, sizeof item->value);
    memset(place + size - item->size, (int)(item->value & 0x7F), item->size);
    completion->size += size;
    return 1;
}

/* The next item of a payload. */
static int item_next(const struct shelf *shelf, const struct reshard_action *action, size_t *at,
    uint32_t *key_out, struct item *item_out)
{
    if (*at >= action->payload_size)
        return 0;
    const uint8_t *bytes = action->payload + *at;
    uint32_t name_size = number_read(bytes), state = number_read(bytes + 4);
    *key_out = key_find(shelf, bytes + 8, name_size);
    *item_out = (struct item){0, 0};
    if (state >= sizeof item_out->value) {
        memcpy(&item_out->value, bytes + 8 + name_size, sizeof item_out->value);
        item_out->size = state - (uint32_t)sizeof item_out->value;
    }
    *at += 8 + name_size + state;
    return 1;
}

static int32_t on_pick(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    const struct shelf *shelf = user_data;
    uint32_t key = (uint32_t)action->cursor;
    uint32_t end = shelf->mistake == PICK_MISSES_LAST ? shelf->slot_count : KEYS;
    struct item item;
    int fits = 1;
    if (action->payload) {
        for (size_t at = 0; fits && item_next(shelf, action, &at, &key, &item);)
            fits = pick(shelf, action, key, completion);
        completion->done = (uint32_t)fits;
    } else {
        while (key < end && pick(shelf, action, key, completion))
            key++;
        completion->cursor = key;
        completion->done = key >= end;
        fits = key >= end;
    }
    return fits || completion->keys ? RESHARD_OK : RESHARD_E_SPACE;
}

static int32_t on_remove(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct shelf *shelf = user_data;
    struct item item;
    uint32_t key;
    (void)completion;
    for (size_t at = 0; item_next(shelf, action, &at, &key, &item);)
        memset(&shelf->now.live[key], 0, sizeof item);
    if (shelf->mistake != REMOVE_IS_NOT_DURABLE)
        save(shelf);
    return RESHARD_OK;
}

static int32_t on_apply(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct shelf *shelf = user_data;
    struct staging *staging = staging_of(shelf, action->migration);
    struct item item;
    uint32_t key;
    staging->copy_term = action->copy_term;
    staging->copy_n = action->copy_n;
    staging->sequence = action->sequence;
    if (action->mode == RESHARD_MODE_SNAPSHOT) {
        records_take(shelf, staging, action->payload, action->payload_size);
        return RESHARD_OK; /* durable when SYNC says so */
    }
    for (size_t at = 0; item_next(shelf, action, &at, &key, &item);)
        shelf->now.live[key] = item;
    completion->sequence = action->sequence;
    save(shelf);
    return RESHARD_OK;
}

/* ---- what the world asks besides ---- */

static int32_t shelf_open(void *user_data, reshard_node_id node, uint32_t slot_count,
    struct reshard_store *hooks_out)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    (void)node;
    if (!shelf)
        return RESHARD_E_NOMEM;
    shelf->mistake = *(const enum mistake *)user_data;
    shelf->slot_count = slot_count;
    for (uint32_t key = 0; key < KEYS; key++)
        name_choose(shelf, key);
    *hooks_out = (struct reshard_store){.struct_size = sizeof *hooks_out, .user_data = shelf,
        .export_data = on_export, .apply = on_apply, .sync = on_sync, .activate = on_activate,
        .discard = on_discard, .purge = on_purge, .digest = on_digest, .pick = on_pick,
        .remove = on_remove};
    /* With a digest that mistake costs no data, only copies that start over. */
    if (shelf->mistake == APPLY_IGNORES_DELETES)
        hooks_out->digest = NULL;
    return RESHARD_OK;
}

static void shelf_crash(void *user_data, uint32_t fate)
{
    struct shelf *shelf = user_data;
    if (fate == 0)
        shelf->now = shelf->safe;
    else
        save(shelf);
}

static void shelf_write(void *user_data, uint32_t key, uint64_t value, uint32_t size)
{
    struct shelf *shelf = user_data;
    shelf->now.live[key] = (struct item){value, value ? size : 0};
    if (shelf->mistake != WRITE_IS_NOT_DURABLE)
        shelf->safe.live[key] = shelf->now.live[key];
}

static uint64_t shelf_read(void *user_data, uint32_t key)
{
    return ((const struct shelf *)user_data)->now.live[key].value;
}

static uint64_t shelf_record(
    void *user_data, uint32_t key, uint8_t *buffer, uint64_t capacity)
{
    const struct shelf *shelf = user_data;
    const struct item *item = &shelf->now.live[key];
    size_t size = sizeof(struct record) + item->size;
    return size > capacity ? size : record_put(shelf, key, item, buffer);
}

static uint64_t shelf_staged(void *user_data, reshard_migration_id migration)
{
    const struct shelf *shelf = user_data;
    uint64_t count = 0;
    for (int i = 0; i < STAGINGS; i++)
        for (uint32_t key = 0; key < KEYS; key++)
            count += shelf->now.stagings[i].migration == migration &&
                     shelf->now.stagings[i].items[key].value;
    return count;
}

static uint64_t shelf_name(
    void *user_data, uint32_t key, uint8_t *buffer, uint64_t capacity)
{
    const char *name = ((const struct shelf *)user_data)->names[key];
    size_t size = 0;
    for (; name[size] && size < capacity; size++)
        buffer[size] = (uint8_t)name[size];
    return size;
}

/* ---- the test ---- */

static enum mistake mistake_read(const char *word)
{
    for (int i = 0; i < MISTAKES; i++)
        if (strcmp(word, mistakes[i]) == 0)
            return (enum mistake)i;
    return MISTAKES;
}

static void print(void *user_data, const char *text, size_t size)
{
    (void)user_data;
    (void)fwrite(text, 1, size, stdout);
}

/* The fewest decisions under which the same checker still fires, and what happens then. */
static void failure_tell(struct reshard_sim_swarm *swarm, struct reshard_sim_decision *decisions,
    const struct reshard_sim_report *report)
{
    struct reshard_sim_report again;
    uint64_t count = report->decision_count;
    if (reshard_sim_shrink(swarm, decisions, &count, report->checker))
        count = report->decision_count;
    swarm->replay = 1;
    swarm->decisions = decisions;
    swarm->decision_count = count;
    reshard_sim_report_init(&again);
    (void)reshard_sim_swarm_run(swarm, print, NULL, NULL, 0, &again);
    printf("seed %llu: %s, after %llu faults; %llu would do\n", (unsigned long long)swarm->seed,
        report->checker, (unsigned long long)report->decision_count, (unsigned long long)count);
}

int main(int argument_count, char **arguments)
{
    static struct reshard_sim_decision decisions[DECISIONS];
    enum mistake mistake = argument_count > 2 ? mistake_read(arguments[2]) : NONE;
    uint64_t seeds = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : 500, requests = 0;
    struct reshard_sim_store store = {.struct_size = sizeof store, .user_data = &mistake,
        .open = shelf_open, .close = free, .crash = shelf_crash, .write = shelf_write,
        .read = shelf_read, .record = shelf_record, .staged = shelf_staged, .name = shelf_name};
    struct reshard_sim_swarm swarm;
    struct reshard_sim_report report;
    if (mistake == MISTAKES)
        return 2;
    reshard_sim_swarm_init(&swarm);
    reshard_sim_report_init(&report);
    swarm.store = &store;
    for (swarm.seed = 1; swarm.seed <= seeds; swarm.seed++) {
        if (reshard_sim_swarm_run(&swarm, NULL, NULL, decisions, DECISIONS, &report))
            return 2;
        requests += report.requests;
        if (report.violated) {
            failure_tell(&swarm, decisions, &report);
            return mistake == NONE;
        }
    }
    printf("%llu seeds hold, %llu requests were answered\n", (unsigned long long)seeds,
        (unsigned long long)requests);
    return mistake != NONE;
}
