/* SPDX-License-Identifier: MIT */
/* Room node, tests: the host around one node. */
#include "rig.h"

#include <string.h>

static void truth_do(struct rig *rig, struct reshard_change change)
{
    change.struct_size = sizeof change;
    cr_assert_eq(reshard_map_apply(rig->truth, &change), RESHARD_OK);
}

static void truth_make(struct rig *rig)
{
    static const struct reshard_range all = {0, RIG_SLOTS - 1};
    cr_assert_eq(reshard_map_create(RIG_SLOTS, NULL, &rig->truth), RESHARD_OK);
    truth_do(rig, (struct reshard_change){.kind = RESHARD_CHANGE_TERM, .term = 1, .unique = 7});
    for (uint32_t shard = 1; shard <= 2; shard++) {
        truth_do(rig, (struct reshard_change){
                          .kind = RESHARD_CHANGE_SHARD_PUT, .shard = shard, .weight = 1.0});
        for (uint32_t node = shard; node <= 4; node += 2)
            truth_do(rig, (struct reshard_change){.kind = RESHARD_CHANGE_NODE_PUT,
                              .node = node,
                              .shard = shard,
                              .role = RESHARD_ROLE_REPLICA});
        truth_do(rig, (struct reshard_change){
                          .kind = RESHARD_CHANGE_SHARD_PRIMARY, .shard = shard, .node = shard});
    }
    truth_do(rig, (struct reshard_change){
                      .kind = RESHARD_CHANGE_ASSIGN, .shard = 1, .ranges = &all, .range_count = 1});
}

void rig_init(struct rig *rig, reshard_node_id id)
{
    memset(rig, 0, sizeof *rig);
    rig->allocator = support_alloc_init(&rig->alloc);
    reshard_node_config_init(&rig->config);
    rig->config.node = id;
    rig->config.slot_count = RIG_SLOTS;
    rig->config.migration_limit = 8;
    rig->config.chunk_size = 1024;
    rig->config.window_size = 8192;
    rig->config.tail_size = 4096;
    rig->config.retry_ns = 1000;
    rig->config.alarm_ns = 100000;
    rig->config.boot = 1;
    rig->config.allocator = rig->allocator;
    rig->automatic = RIG_ALL;
    rig->now_ns = 1000000;
    rig->order_term = 2;
    rig->migration = 1;
    truth_make(rig);
}

int32_t rig_start(struct rig *rig)
{
    int32_t status = reshard_node_create(&rig->config, &rig->node);
    if (status == RESHARD_OK)
        status = reshard_node_restore(rig->node, rig->journal, rig->journal_size);
    if (status == RESHARD_OK)
        status = reshard_node_start(rig->node, rig->now_ns);
    return status;
}

static void received_free(struct rig *rig)
{
    for (size_t i = 0; i < rig->received_count; i++)
        free(rig->received[i]);
    rig->received_count = 0;
}

void rig_stop(struct rig *rig)
{
    reshard_node_destroy(rig->node);
    rig->node = NULL;
    rig->open_count = 0;
    received_free(rig);
    cr_assert(support_alloc_clean(&rig->alloc), "%zu blocks, %zu faults", rig->alloc.live_blocks,
        rig->alloc.faults);
}

void rig_free(struct rig *rig)
{
    rig_stop(rig);
    rig_clear(rig);
    reshard_map_destroy(rig->truth);
}

void rig_boot(struct rig *rig, reshard_node_id id)
{
    rig_init(rig, id);
    cr_assert_eq(rig_start(rig), RESHARD_OK);
    rig_run(rig);
    rig_map(rig);
    cr_assert_eq(reshard_map_version(reshard_node_map(rig->node)), reshard_map_version(rig->truth));
    rig_clear(rig);
}

void rig_restart(struct rig *rig)
{
    rig_stop(rig);
    cr_assert_eq(rig_start(rig), RESHARD_OK);
    rig_run(rig);
}

/* ---- actions ---- */

void rig_land(struct rig *rig)
{
    const struct reshard_action *action = rig_find(rig, RESHARD_ACTION_APPEND);
    cr_assert(action);
    cr_assert(rig->journal_size + action->header_size <= RIG_JOURNAL);
    memcpy(rig->journal + rig->journal_size, action->header, action->header_size);
    rig->journal_size += action->header_size;
    cr_assert(rig->record_count < RIG_RECORDS);
    rig->record_ends[rig->record_count++] = rig->journal_size;
    rig->append_count++;
}

static int32_t journal_do(struct rig *rig, const struct reshard_action *action)
{
    if (action->kind == RESHARD_ACTION_APPEND) {
        rig_land(rig);
    } else if (action->kind == RESHARD_ACTION_LOAD) {
        return reshard_node_restore(rig->node, rig->journal, rig->journal_size);
    } else {
        memcpy(rig->journal, action->header, action->header_size);
        rig->journal_size = action->header_size;
        rig->record_ends[0] = rig->journal_size;
        rig->record_count = 1;
    }
    return RESHARD_OK;
}

static void sent_keep(struct rig *rig, const struct reshard_action *action)
{
    if (action->to == 0)
        return;
    cr_assert(rig->sent_count < RIG_SENT);
    struct rig_sent *sent = &rig->sent[rig->sent_count++];
    sent->to = action->to;
    sent->size = action->header_size + action->payload_size;
    sent->bytes = malloc(sent->size);
    memcpy(sent->bytes, action->header, action->header_size);
    if (action->payload_size)
        memcpy(sent->bytes + action->header_size, action->payload, action->payload_size);
    cr_assert_eq(
        reshard__message_decode(sent->bytes, sent->size, 0, &sent->message, NULL), RESHARD_OK);
}

static int32_t action_do(
    struct rig *rig, const struct reshard_action *action, struct reshard_completion *completion)
{
    switch (action->kind) {
    case RESHARD_ACTION_SEND:
        sent_keep(rig, action);
        return RESHARD_OK;
    case RESHARD_ACTION_APPEND:
    case RESHARD_ACTION_LOAD:
    case RESHARD_ACTION_COMPACT:
        return journal_do(rig, action);
    case RESHARD_ACTION_WAKE:
        rig->wake_count++;
        return RESHARD_OK;
    default:
        return rig_store_do(&rig->store, action, completion);
    }
}

static size_t open_index(const struct rig *rig, uint32_t kind)
{
    size_t index = 0;
    while (index < rig->open_count && rig->open[index].kind != kind)
        index++;
    return index;
}

const struct reshard_action *rig_find(const struct rig *rig, uint32_t kind)
{
    size_t index = open_index(rig, kind);
    return index < rig->open_count ? &rig->open[index] : NULL;
}

/* An input and what it takes. */
struct input {
    int32_t (*call)(struct rig *rig, const struct input *input);
    const struct reshard_completion *completion;
    uint64_t id;
    const uint8_t *bytes;
    size_t size;
};

/* Without memory an input changes nothing, and succeeds when it is tried again. One in three has
 * memory at once, for what the node does by itself later. */
static int32_t give_input(struct rig *rig, const struct input *input)
{
    bool failing = rig->failing && rig->input_count++ % 3;
    for (size_t n = 1; failing; n++) {
        struct reshard_digest before = rig_digest(rig);
        rig->alloc.fail_at = rig->alloc.calls + n;
        int32_t status = input->call(rig, input);
        rig->alloc.fail_at = 0;
        if (status != RESHARD_E_NOMEM)
            return status;
        rig->failed_inputs++;
        cr_assert(rig_same(before, rig_digest(rig)), "allocation %zu of %s %zu", n,
            input->bytes ? "message" : "completion", (size_t)input->id);
    }
    return input->call(rig, input);
}

static int32_t call_complete(struct rig *rig, const struct input *input)
{
    return reshard_node_complete(rig->node, input->id, input->completion, rig->now_ns);
}

static int32_t call_receive(struct rig *rig, const struct input *input)
{
    return reshard_node_receive(rig->node, input->id, input->bytes, input->size, rig->now_ns);
}

static int32_t call_tick(struct rig *rig, const struct input *input)
{
    (void)input;
    return reshard_node_tick(rig->node, rig->now_ns);
}

int32_t rig_receive_bytes(struct rig *rig, reshard_node_id from, const uint8_t *bytes, size_t size)
{
    return give_input(
        rig, &(struct input){.call = call_receive, .id = from, .bytes = bytes, .size = size});
}

static int32_t complete_at(
    struct rig *rig, size_t index, const struct reshard_completion *completion)
{
    cr_assert(index < rig->open_count);
    uint64_t id = rig->open[index].id;
    int32_t status =
        give_input(rig, &(struct input){.call = call_complete, .id = id, .completion = completion});
    if (status)
        return status;
    memmove(&rig->open[index], &rig->open[index + 1],
        (rig->open_count - index - 1) * sizeof *rig->open);
    rig->open_count--;
    return status;
}

int32_t rig_complete(struct rig *rig, uint32_t kind, const struct reshard_completion *completion)
{
    return complete_at(rig, open_index(rig, kind), completion);
}

static void do_at(struct rig *rig, size_t index)
{
    struct reshard_completion completion;
    reshard_completion_init(&completion);
    const struct reshard_action action = rig->open[index];
    completion.status = action_do(rig, &action, &completion);
    cr_assert_eq(complete_at(rig, index, &completion), RESHARD_OK);
}

void rig_do(struct rig *rig, uint32_t kind)
{
    size_t index = open_index(rig, kind);
    cr_assert(index < rig->open_count, "no open %s", reshard_action_name(kind));
    do_at(rig, index);
    rig_run(rig);
}

void rig_fail(struct rig *rig, uint32_t kind, int32_t status)
{
    struct reshard_completion completion;
    reshard_completion_init(&completion);
    completion.status = status;
    cr_assert(rig_find(rig, kind), "no open %s", reshard_action_name(kind));
    cr_assert_eq(rig_complete(rig, kind, &completion), RESHARD_OK);
    rig_run(rig);
}

static void pull(struct rig *rig)
{
    for (;;) {
        cr_assert(rig->open_count < RIG_OPEN);
        struct reshard_action *action = &rig->open[rig->open_count];
        reshard_action_init(action);
        if (reshard_node_action_next(rig->node, action))
            return;
        rig->open_count++;
    }
}

/* First open action that is done by the rig and may start; open_count = none. */
static size_t startable(const struct rig *rig)
{
    for (size_t i = 0; i < rig->open_count; i++) {
        bool waits = false;
        for (size_t j = 0; j < i && rig->open[i].after; j++)
            waits |= rig->open[j].id == rig->open[i].after;
        if (!waits && rig->automatic >> rig->open[i].kind & 1)
            return i;
    }
    return rig->open_count;
}

void rig_run(struct rig *rig)
{
    for (;;) {
        pull(rig);
        size_t index = startable(rig);
        if (index == rig->open_count)
            break;
        do_at(rig, index);
    }
    if (!rig_find(rig, RESHARD_ACTION_APPLY))
        received_free(rig);
}

void rig_tick(struct rig *rig, uint64_t ns)
{
    rig->now_ns += ns;
    cr_assert_eq(give_input(rig, &(struct input){.call = call_tick}), RESHARD_OK);
    rig_run(rig);
}

/* ---- what comes in ---- */

int32_t rig_feed(struct rig *rig, reshard_node_id from, const struct reshard__message *message)
{
    uint8_t head[4096];
    size_t size;
    cr_assert_eq(reshard__message_encode(message, head, sizeof head, &size), RESHARD_OK);
    size_t payload_size = message->type == RESHARD__CHUNK ? message->payload.size : 0;
    uint8_t *bytes = malloc(size + payload_size);
    memcpy(bytes, head, size);
    if (payload_size)
        memcpy(bytes + size, message->payload.data, payload_size);
    cr_assert(rig->received_count < RIG_OPEN);
    rig->received[rig->received_count++] = bytes;
    return rig_receive_bytes(rig, from, bytes, size + payload_size);
}

void rig_receive(struct rig *rig, reshard_node_id from, const struct reshard__message *message)
{
    cr_assert_eq(rig_feed(rig, from, message), RESHARD_OK);
    rig_run(rig);
}

void rig_change(struct rig *rig, struct reshard_change change)
{
    truth_do(rig, change);
}

struct reshard__message rig_map_message(
    const struct rig *rig, uint64_t from, uint8_t *buffer, size_t capacity)
{
    struct reshard__message message = {.type = RESHARD__MAP, .from = from};
    uint64_t cursor = from;
    size_t used = 0, size;
    struct reshard_change change = {.struct_size = sizeof change};
    message.to = reshard_map_version(rig->truth);
    while (reshard_map_delta_next(rig->truth, &cursor, &change) == RESHARD_OK) {
        int32_t status = reshard__change_encode(&change, buffer + used, capacity - used, &size);
        cr_assert_eq(status, RESHARD_OK);
        used += size;
        change = (struct reshard_change){.struct_size = sizeof change};
    }
    message.changes.data = buffer;
    message.changes.size = used;
    return message;
}

void rig_map(struct rig *rig)
{
    uint8_t buffer[2048];
    uint64_t from = reshard_map_version(rig->node->next);
    struct reshard__message message = rig_map_message(rig, from, buffer, sizeof buffer);
    if (message.to > from)
        rig_receive(rig, 9, &message);
}

static void open_between(struct rig *rig, reshard_migration_id migration, uint32_t mode,
    reshard_shard_id source, reshard_shard_id target)
{
    static const struct reshard_range low = {0, 7};
    rig->migration = migration;
    rig_change(rig, (struct reshard_change){.kind = RESHARD_CHANGE_MIGRATION_OPEN,
                        .migration = migration,
                        .source = source,
                        .target = target,
                        .mode = mode,
                        .migration_flags = rig->migration_flags,
                        .ranges = &low,
                        .range_count = 1});
    rig_map(rig);
}

void rig_open(struct rig *rig, reshard_migration_id migration, uint32_t mode)
{
    open_between(rig, migration, mode, 1, 2);
}

void rig_open_back(struct rig *rig, reshard_migration_id migration, uint32_t mode)
{
    open_between(rig, migration, mode, 2, 1);
}

void rig_decide(struct rig *rig, uint32_t kind)
{
    struct reshard_change change = {.kind = kind, .migration = rig->migration};
    if (kind == RESHARD_CHANGE_MIGRATION_COMMIT) {
        struct reshard_map_shard shard = {.struct_size = sizeof shard};
        cr_assert_eq(reshard_map_shard_find(rig->truth, 1, &shard), RESHARD_OK);
        change.source_epoch = shard.epoch;
        cr_assert_eq(reshard_map_shard_find(rig->truth, 2, &shard), RESHARD_OK);
        change.target_epoch = shard.epoch;
        change.attempt = rig->attempt;
    }
    rig_change(rig, change);
    rig_map(rig);
}

struct reshard__message rig_order_message(const struct rig *rig, uint32_t phase)
{
    struct reshard__message message = {.type = RESHARD__ORDER, .migration = rig->migration};
    message.order = (struct reshard__order_id){rig->order_term, rig->order_n};
    message.phase = phase;
    message.map_version = reshard_map_version(rig->truth);
    message.copy = rig->copy;
    message.attempt = rig->attempt;
    message.freeze_ns = 50000;
    message.flags = rig->order_flags;
    return message;
}

void rig_again(struct rig *rig, uint32_t phase)
{
    struct reshard__message message = rig_order_message(rig, phase);
    rig_receive(rig, 9, &message);
}

void rig_order(struct rig *rig, uint32_t phase)
{
    rig->order_n++;
    if (phase == RESHARD_PHASE_COPY)
        rig->copy = (struct reshard__order_id){rig->order_term, rig->order_n};
    if (phase == RESHARD_PHASE_FREEZE)
        rig->attempt = rig->order_n;
    rig_again(rig, phase);
}

struct reshard__message rig_chunk(const struct rig *rig, uint32_t kind, uint64_t sequence)
{
    struct reshard__message message = {.type = RESHARD__CHUNK, .migration = rig->migration};
    message.copy = rig->copy;
    message.kind = kind;
    message.sequence = sequence;
    message.attempt = rig->attempt;
    return message;
}

struct reshard__message rig_ack(const struct rig *rig, uint64_t applied, uint64_t durable)
{
    struct reshard__message message = {.type = RESHARD__ACK, .migration = rig->migration};
    message.copy = rig->copy;
    message.sequence = applied;
    message.durable_sequence = durable;
    return message;
}

/* ---- what went out ---- */

void rig_clear(struct rig *rig)
{
    for (size_t i = 0; i < rig->sent_count; i++)
        free(rig->sent[i].bytes);
    rig->sent_count = 0;
}

const struct reshard__message *rig_last(const struct rig *rig, uint32_t type, uint32_t kind)
{
    for (size_t i = rig->sent_count; i-- > 0;) {
        const struct reshard__message *message = &rig->sent[i].message;
        if (message->type == type && (kind == 0 || message->kind == kind))
            return message;
    }
    return NULL;
}

size_t rig_count(const struct rig *rig, uint32_t type, uint32_t kind)
{
    size_t count = 0;
    for (size_t i = 0; i < rig->sent_count; i++) {
        const struct reshard__message *message = &rig->sent[i].message;
        count += message->type == type && (kind == 0 || message->kind == kind);
    }
    return count;
}

uint32_t rig_result(const struct rig *rig)
{
    const struct reshard__part *part = rig_part(rig);
    bool quiet = part && part->phase &&
                 (part->result == RESHARD__RESULT_WORKING ||
                     part->result == RESHARD__RESULT_KEEPING);
    if (quiet)
        return part->result;
    const struct reshard__message *report = rig_last(rig, RESHARD__REPORT, 0);
    return report ? report->result : RESHARD__RESULT_COUNT;
}

size_t rig_events(struct rig *rig, uint32_t kind)
{
    size_t count = 0;
    struct reshard_event event = {.struct_size = sizeof event};
    while (reshard_node_event_next(rig->node, &event) == RESHARD_OK)
        count += event.kind == kind;
    return count;
}

uint32_t rig_route(const struct rig *rig, uint32_t slot, uint32_t op)
{
    return reshard_node_route(rig->node, slot, op, NULL);
}

struct reshard_digest rig_digest(const struct rig *rig)
{
    struct reshard_digest digest = {0, 0};
    cr_assert_eq(reshard_node_digest(rig->node, &digest), RESHARD_OK);
    return digest;
}

bool rig_same(struct reshard_digest a, struct reshard_digest b)
{
    return a.low == b.low && a.high == b.high;
}

/* Kind of the newest record, and how many there are of one kind. */
static uint32_t records_walk(const struct rig *rig, uint32_t kind, size_t *count_out)
{
    struct reshard__journal_position position = {0, 0};
    struct reshard__record record = {.kind = 0};
    size_t offset = 0;
    uint64_t term;
    *count_out = 0;
    while (reshard__record_decode(
               rig->journal, rig->journal_size, &offset, &position, &term, &record) == RESHARD_OK)
        *count_out += record.kind == kind;
    cr_assert_eq(offset, rig->journal_size);
    return record.kind;
}

uint32_t rig_newest_record(const struct rig *rig)
{
    size_t count;
    return records_walk(rig, 0, &count);
}

size_t rig_record_count(const struct rig *rig, uint32_t kind)
{
    size_t count;
    (void)records_walk(rig, kind, &count);
    return count;
}
