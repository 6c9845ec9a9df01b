/* SPDX-License-Identifier: MIT */
/* Room engine: requests at the coordinator: carried out once, answered when durable. A request that
 * is repeated finds its job by who asked and its number. */
#include "engine_room.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_HEAD_SIZE = 17, ERROR_SIZE = 160 };

void job__fail(struct job *job, const char *text)
{
    bool bare = strncmp(text, "ERR ", 4) != 0;
    job->failed = true;
    job->text.size = 0;
    if (bare)
        buffer_append_text(&job->text, "ERR ");
    buffer_append_text(&job->text, text);
}

static int32_t job_status(struct job *job, int32_t status)
{
    if (status != RESHARD_OK)
        job__fail(job, reshard_strerror(status));
    return status;
}

int32_t job__change(struct engine *engine, struct job *job, const struct reshard_change *change)
{
    return job_status(job, reshard_coordinator_change(engine->coordinator, change));
}

static const struct reshard_map *map_of(const struct engine *engine)
{
    return reshard_coordinator_map(engine->coordinator);
}

static void job_address(struct engine *engine, struct job *job, struct bytes words)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    struct reshard_change change;
    struct bytes address;
    uint64_t node_id;
    reshard_change_init(&change);
    if (!words_number(&words, &node_id) || !words_next(&words, &address) ||
        reshard_map_node_find(map_of(engine), node_id, &node) != RESHARD_OK) {
        job__fail(job, "ERR Unknown node");
        return;
    }
    change.kind = RESHARD_CHANGE_NODE_PUT;
    change.node = node_id;
    change.shard = node.shard;
    change.role = node.role;
    change.name = node.name;
    change.name_size = node.name_size;
    change.address = (const char *)address.data;
    change.address_size = (uint32_t)address.size;
    (void)job__change(engine, job, &change);
}

static void owner_change(
    struct engine *engine, struct job *job, struct bytes words, uint32_t kind)
{
    struct reshard_change change;
    struct engine_wait wait = {.kind = WAIT_OWNER};
    uint64_t shard;
    reshard_change_init(&change);
    if (!words_number(&words, &shard) ||
        !words_ranges(&words, &wait.ranges, &wait.range_count)) {
        job__fail(job, "ERR not a request");
        return;
    }
    change.kind = kind;
    change.shard = (reshard_shard_id)shard;
    change.ranges = wait.ranges;
    change.range_count = (uint32_t)wait.range_count;
    wait.shard = kind == RESHARD_CHANGE_ASSIGN ? change.shard : 0;
    job->wait = wait;
    if (!engine__waited(map_of(engine), &wait, 0, 0)) /* else it is so already */
        (void)job__change(engine, job, &change);
}

static void job_assign(struct engine *engine, struct job *job, struct bytes words)
{
    owner_change(engine, job, words, RESHARD_CHANGE_ASSIGN);
}

static void job_unassign(struct engine *engine, struct job *job, struct bytes words)
{
    owner_change(engine, job, words, RESHARD_CHANGE_UNASSIGN);
}

/* The migration that an operator opened before, from the other side; 0 = none such. */
static reshard_migration_id opened_before(
    const struct reshard_map *map, const struct reshard_migration_spec *spec)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    reshard_migration_id id = reshard_map_slot_migration(map, spec->ranges[0].first);
    if (id == 0 || reshard_map_migration_find(map, id, &open) != RESHARD_OK ||
        spec->mode != RESHARD_MODE_KEYWISE || open.mode != spec->mode ||
        open.source != spec->source || open.target != spec->target ||
        open.decision == RESHARD_DECISION_ABORT)
        return 0;
    return id;
}

static bool spec_read(
    struct bytes *words, struct reshard_migration_spec *spec, struct reshard_range **ranges_out)
{
    size_t range_count = 0;
    uint64_t mode, flags, source, target;
    reshard_migration_spec_init(spec);
    *ranges_out = NULL;
    if (!words_number(words, &mode) || !words_number(words, &flags) ||
        !words_number(words, &source) || !words_number(words, &target) ||
        !words_ranges(words, ranges_out, &range_count) || range_count == 0)
        return false;
    spec->mode = (uint32_t)mode;
    spec->migration_flags = (uint32_t)flags;
    spec->source = (reshard_shard_id)source;
    spec->target = (reshard_shard_id)target;
    spec->ranges = *ranges_out;
    spec->range_count = (uint32_t)range_count;
    return true;
}

/* Open one, unless another that takes slots of it is about to be durable: then it is to be looked
 * at again. */
static void job_open_one(
    struct engine *engine, struct job *job, const struct reshard_migration_spec *spec)
{
    int32_t status = reshard_coordinator_open(engine->coordinator, spec, &job->migration);
    job->again = status == RESHARD_E_OVERLAP && job->opened_count == 0;
    if (job->again || job_status(job, status) != RESHARD_OK)
        return;
    job->opened = job->migration;
    job->opened_count++;
}

/* A slot that moves already is named. */
static void spec_open(
    struct engine *engine, struct job *job, const struct reshard_migration_spec *spec)
{
    char text[48];
    for (uint32_t index = 0; index < spec->range_count; index++)
        for (uint32_t slot = spec->ranges[index].first; slot <= spec->ranges[index].last; slot++)
            if (reshard_map_slot_migration(map_of(engine), slot) != 0) {
                (void)snprintf(text, sizeof(text), "I am already migrating slot %u.", slot);
                job__fail(job, text);
                return;
            }
    job_open_one(engine, job, spec);
}

/* open, then for each migration: mode flags source target ranges. When one is refused, those before
 * it are taken back. */
static void job_open(struct engine *engine, struct job *job, struct bytes words)
{
    while (words.size > 0 && !job->failed && !job->again) {
        struct reshard_migration_spec spec;
        struct reshard_range *ranges;
        if (!spec_read(&words, &spec, &ranges)) {
            job__fail(job, "ERR not a request");
        } else {
            job->migration = opened_before(map_of(engine), &spec);
            if (job->migration == 0)
                spec_open(engine, job, &spec);
        }
        free(ranges);
    }
    job->wait.kind = WAIT_MIGRATION;
}

/* A migration is taken back once its opening is durable. */
static bool taken_back(struct engine *engine, struct job *job)
{
    for (; job->opened_count > 0; job->opened_count--, job->opened--)
        if (reshard_coordinator_abort(engine->coordinator, job->opened) == RESHARD_E_STATE)
            return false;
    return true;
}

/* A slot is to belong to a shard: the open migration that leads there is finished, an unowned slot
 * is assigned, and for any other a migration begins. */
static void job_setnode(struct engine *engine, struct job *job, struct bytes words)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    struct reshard_migration_spec spec;
    struct reshard_change change;
    uint64_t slot, shard;
    if (!words_number(&words, &slot) || !words_number(&words, &shard) ||
        slot >= STORE_SLOT_COUNT) {
        job__fail(job, "ERR not a request");
        return;
    }
    struct reshard_range *range = memory_take(sizeof(*range));
    *range = (struct reshard_range){(uint32_t)slot, (uint32_t)slot};
    job->wait = (struct engine_wait){WAIT_OWNER, (reshard_shard_id)shard, 0, range, 1};
    reshard_shard_id owner = reshard_map_slot_owner(map_of(engine), range->first);
    reshard_migration_id id = reshard_map_slot_migration(map_of(engine), range->first);
    if (owner == shard)
        return;
    if (id != 0 && reshard_map_migration_find(map_of(engine), id, &open) == RESHARD_OK) {
        if (open.target != shard)
            job__fail(job, "ERR the slot is on its way to another node");
        else
            (void)job_status(job, reshard_coordinator_finish(engine->coordinator, id));
        return;
    }
    if (owner == 0) {
        reshard_change_init(&change);
        change.kind = RESHARD_CHANGE_ASSIGN;
        change.shard = (reshard_shard_id)shard;
        change.ranges = range;
        change.range_count = 1;
        (void)job__change(engine, job, &change);
        return;
    }
    reshard_migration_spec_init(&spec);
    spec.mode = RESHARD_MODE_SNAPSHOT;
    spec.source = owner;
    spec.target = (reshard_shard_id)shard;
    spec.ranges = range;
    spec.range_count = 1;
    job_open_one(engine, job, &spec);
}

/* stable slot: whatever moves the slot is taken back. */
static void job_stable(struct engine *engine, struct job *job, struct bytes words)
{
    uint64_t slot;
    if (!words_number(&words, &slot) || slot >= STORE_SLOT_COUNT) {
        job__fail(job, "ERR not a request");
        return;
    }
    reshard_migration_id id = reshard_map_slot_migration(map_of(engine), (uint32_t)slot);
    if (id == 0)
        return;
    struct reshard_range *range = memory_take(sizeof(*range));
    *range = (struct reshard_range){(uint32_t)slot, (uint32_t)slot};
    job->wait = (struct engine_wait){WAIT_CLOSED, 0, 0, range, 1};
    int32_t status = reshard_coordinator_abort(engine->coordinator, id);
    if (status != RESHARD_E_DECIDED && status != RESHARD_E_MIGRATION)
        (void)job_status(job, status);
}

/* cancel: atomic migrations that are not decided are taken back. */
static void job_cancel(struct engine *engine, struct job *job, struct bytes words)
{
    struct reshard_map_migration open = {.struct_size = sizeof(open)};
    uint64_t source = 0;
    (void)words_number(&words, &source);
    for (uint32_t index = 0;
         reshard_map_migration_at(map_of(engine), index, &open) == RESHARD_OK; index++)
        if (open.mode == RESHARD_MODE_SNAPSHOT && (source == 0 || open.source == source))
            (void)reshard_coordinator_abort(engine->coordinator, open.migration);
    (void)job;
}

/* list name: one line a migration that concerns the node. */
static void job_list(struct engine *engine, struct job *job, struct bytes words)
{
    struct bytes name;
    if (words_next(&words, &name))
        engine__history_text(engine, name, &job->text);
}

static void forget_change(struct engine *engine, struct job *job, uint32_t kind,
    reshard_shard_id shard, uint64_t node)
{
    struct reshard_change change;
    if (job->failed)
        return;
    reshard_change_init(&change);
    change.kind = kind;
    change.shard = shard;
    change.node = node;
    (void)job__change(engine, job, &change);
}

/* forget node: a node without slots goes, and its shard with it. */
static void job_forget(struct engine *engine, struct job *job, struct bytes words)
{
    struct reshard_map_node node = {.struct_size = sizeof(node)};
    struct reshard_map_shard shard = {.struct_size = sizeof(shard)};
    uint64_t node_id;
    if (!words_number(&words, &node_id))
        return;
    job->wait = (struct engine_wait){.kind = WAIT_GONE, .node = node_id};
    if (reshard_map_node_find(map_of(engine), node_id, &node) != RESHARD_OK)
        return;
    if (node_id == engine->node_id) {
        job__fail(job, "ERR the coordinator runs in this node");
        return;
    }
    (void)reshard_map_shard_find(map_of(engine), node.shard, &shard);
    if (shard.primary == node_id && shard.slot_count > 0) {
        job__fail(job, "ERR this node owns slots; move them first");
        return;
    }
    forget_change(engine, job, RESHARD_CHANGE_NODE_REMOVE, 0, node_id);
    if (shard.primary == node_id && shard.node_count == 1)
        forget_change(engine, job, RESHARD_CHANGE_SHARD_REMOVE, node.shard, 0);
}

static const struct {
    const char *word;
    void (*run)(struct engine *engine, struct job *job, struct bytes words);
    bool foreign; /* a node of another cluster may ask for it */
} requests[] = {{"join", job_join, true}, {"address", job_address, false},
    {"assign", job_assign, false}, {"unassign", job_unassign, false},
    {"open", job_open, false}, {"setnode", job_setnode, false}, {"stable", job_stable, false},
    {"cancel", job_cancel, false}, {"list", job_list, false}, {"forget", job_forget, false},
    {"plan", job_plan, false}, {"control", job_control, false},
    {"replicate", engine__job_replicate, false}, {"primary", engine__job_primary, false},
    {"version", engine__job_version, false}};

enum { REQUEST_COUNT = sizeof(requests) / sizeof(requests[0]) };

static size_t request_find(struct bytes *words)
{
    struct bytes word;
    size_t index = 0;
    if (!words_next(words, &word))
        return REQUEST_COUNT;
    while (index < REQUEST_COUNT && !bytes_equal(word, bytes_of(requests[index].word)))
        index++;
    return index;
}

/* ---- life of a job ---- */

static void job_free(struct job *job)
{
    engine__wait_free(&job->wait);
    buffer_free(&job->words);
    buffer_free(&job->text);
    free(job);
}

void engine__jobs_free(struct engine *engine)
{
    while (engine->jobs != NULL) {
        struct job *next = engine->jobs->next;
        job_free(engine->jobs);
        engine->jobs = next;
    }
    engine->jobs_open = 0;
}

static void job_answer(struct engine *engine, const struct job *job)
{
    uint8_t head[ANSWER_HEAD_SIZE];
    put_u64(head, job->id);
    head[8] = job->failed ? 1 : 0;
    put_u64(head + 9, job->migration);
    if (job->node != engine->node_id) {
        (void)bus_send(engine->bus, job->node, BUS_ANSWER,
            (struct bytes){head, sizeof(head)}, (struct bytes){job->text.data, job->text.size});
        return;
    }
    struct bus_message *message =
        memory_take(sizeof(*message) + sizeof(head) + job->text.size);
    message->from = engine->node_id;
    message->kind = BUS_ANSWER;
    message->size = sizeof(head) + job->text.size;
    memcpy(message->data, head, sizeof(head));
    if (job->text.size > 0)
        memcpy(message->data + sizeof(head), job->text.data, job->text.size);
    engine__inbox_put(engine, message);
}

/* The oldest that were answered are forgotten. */
static void jobs_trim(struct engine *engine)
{
    struct job **link = &engine->jobs;
    size_t count = 0;
    while (*link != NULL) {
        struct job *job = *link;
        if (++count <= ENGINE_JOBS_MAX || job->state != JOB_DONE) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        job_free(job);
    }
}

void engine__request_take(struct engine *engine, const struct bus_message *message)
{
    if (message->size < 8)
        return;
    uint64_t id = get_u64(message->data);
    struct bytes words = {message->data + 8, message->size - 8};
    struct bytes rest = words;
    size_t index = request_find(&rest);
    if (index == REQUEST_COUNT || (message->foreign && !requests[index].foreign))
        return;
    if (engine->coordinator == NULL) {
        engine__relay(engine, message->from, id, words);
        return;
    }
    for (struct job *job = engine->jobs; job != NULL; job = job->next)
        if (job->node == message->from && job->id == id) {
            if (job->state == JOB_DONE)
                job_answer(engine, job);
            return;
        }
    struct job *job = memory_take(sizeof(*job));
    job->node = message->from;
    job->id = id;
    buffer_append(&job->words, words.data, words.size);
    job->next = engine->jobs;
    engine->jobs = job;
    engine->jobs_open++;
    engine->dirty = true;
    jobs_trim(engine);
}

static void job_run(struct engine *engine, struct job *job)
{
    if (job->state == JOB_NEW) {
        struct bytes words = {job->words.data, job->words.size};
        size_t index = request_find(&words);
        engine__wait_free(&job->wait);
        job->again = false;
        requests[index].run(engine, job, words);
        if (job->again)
            return;
        job->state = JOB_WAITING;
        engine->dirty = true;
    }
    uint64_t node = job->wait.kind == WAIT_NODE ? job->wait.node : 0;
    bool over = job->failed
        ? taken_back(engine, job)
        : engine__waited(map_of(engine), &job->wait, job->migration, node);
    if (!over)
        return;
    job->state = JOB_DONE;
    engine->jobs_open--;
    engine->dirty = true;
    buffer_free(&job->words);
    job_answer(engine, job);
}

/* Oldest first: they came in that order. */
void engine__jobs_run(struct engine *engine)
{
    struct job *waiting[ENGINE_JOBS_MAX];
    size_t count = 0;
    if (engine->coordinator == NULL || !engine->led || engine->jobs_open == 0)
        return;
    size_t open = engine->jobs_open < ENGINE_JOBS_MAX ? engine->jobs_open : ENGINE_JOBS_MAX;
    for (struct job *job = engine->jobs; job != NULL && count < open; job = job->next)
        if (job->state != JOB_DONE)
            waiting[count++] = job;
    while (count > 0)
        job_run(engine, waiting[--count]);
}
