/* SPDX-License-Identifier: MIT */
/* Room node, tests: the straight path of one migration, as its coordinator and peer play it. */
#include "rig.h"

struct reshard__part *rig_part(const struct rig *rig)
{
    return reshard__part_find(rig->node, rig->migration);
}

void rig_ack_all(struct rig *rig)
{
    uint64_t last = rig_part(rig)->stream.numbered_last;
    struct reshard__message ack = rig_ack(rig, last, last);
    rig_receive(rig, 2, &ack);
}

void rig_give(struct rig *rig, uint64_t sequence, uint64_t key, uint64_t value)
{
    uint8_t item[RIG_ITEM];
    struct reshard__message chunk = rig_chunk(rig, RESHARD__CHUNK_DATA, sequence);
    chunk.payload.size = rig_item_put(item, key, value);
    chunk.payload.data = item;
    rig_receive(rig, 1, &chunk);
}

void rig_fin(struct rig *rig, uint64_t sequence)
{
    static const struct reshard_range low = {0, 7};
    struct reshard_action action = {.kind = RESHARD_ACTION_DIGEST,
        .side = RESHARD_SIDE_TARGET,
        .migration = rig->migration,
        .ranges = &low,
        .range_count = 1};
    struct reshard_completion completion = {.size = 0};
    cr_assert_eq(rig_store_do(&rig->store, &action, &completion), RESHARD_OK);
    struct reshard__message fin = rig_chunk(rig, RESHARD__CHUNK_FIN, sequence);
    fin.final_sequence = sequence;
    fin.digest = completion.digest;
    rig_receive(rig, 1, &fin);
}

static void expect(struct rig *rig, uint32_t phase, uint32_t result)
{
    cr_assert_eq(rig_result(rig), result, "%s: result %u, not %u", reshard_phase_name(phase),
        rig_result(rig), result);
}

void rig_none_pending(struct rig *rig, reshard_node_id from)
{
    rig->copy = (struct reshard__order_id){rig->order_term, rig->order_n};
    struct reshard__message pending = rig_chunk(rig, RESHARD__CHUNK_PENDING, 0);
    rig_receive(rig, from, &pending);
}

/* All that the source gives is taken at once. */
static void take_all(struct rig *rig)
{
    for (uint64_t sequence = 1; rig_part(rig)->keywise->flight == RESHARD__FLIGHT_SENT;
         sequence++) {
        struct reshard__message ack = rig_ack(rig, sequence, sequence);
        rig_receive(rig, 2, &ack);
    }
}

static void source_step(struct rig *rig, uint32_t phase)
{
    static const uint8_t results[RESHARD_PHASE_COUNT] = {
        [RESHARD_PHASE_PREPARE] = RESHARD__RESULT_PREPARED,
        [RESHARD_PHASE_COPY] = RESHARD__RESULT_COPIED,
        [RESHARD_PHASE_CATCHUP] = RESHARD__RESULT_STREAMING,
        [RESHARD_PHASE_MOVE] = RESHARD__RESULT_EMPTY,
        [RESHARD_PHASE_FREEZE] = RESHARD__RESULT_FROZEN,
        [RESHARD_PHASE_HOLD] = RESHARD__RESULT_HELD,
        [RESHARD_PHASE_SETTLE] = RESHARD__RESULT_SETTLED,
        [RESHARD_PHASE_LINGER] = RESHARD__RESULT_KEEPING,
        [RESHARD_PHASE_CLEANUP] = RESHARD__RESULT_PURGED,
    };
    if (phase == RESHARD_PHASE_SETTLE)
        rig_decide(rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig_order(rig, phase);
    if (phase == RESHARD_PHASE_COPY) {
        struct reshard__message ready = rig_ack(rig, 0, 0);
        rig_receive(rig, 2, &ready);
        rig_ack_all(rig);
    }
    if (phase == RESHARD_PHASE_MOVE) {
        rig_none_pending(rig, 2);
        take_all(rig);
    }
    expect(rig, phase, results[phase]);
}

static void target_step(struct rig *rig, uint32_t phase)
{
    static const uint8_t results[RESHARD_PHASE_COUNT] = {
        [RESHARD_PHASE_PREPARE] = RESHARD__RESULT_PREPARED,
        [RESHARD_PHASE_COPY] = RESHARD__RESULT_KEEPING,
        [RESHARD_PHASE_CATCHUP] = RESHARD__RESULT_KEEPING,
        [RESHARD_PHASE_MOVE] = RESHARD__RESULT_KEEPING,
        [RESHARD_PHASE_FREEZE] = RESHARD__RESULT_READY,
        [RESHARD_PHASE_HOLD] = RESHARD__RESULT_READY,
        [RESHARD_PHASE_SETTLE] = RESHARD__RESULT_SETTLED,
        [RESHARD_PHASE_LINGER] = RESHARD__RESULT_KEEPING,
        [RESHARD_PHASE_CLEANUP] = RESHARD__RESULT_KEEPING,
    };
    if (phase == RESHARD_PHASE_SETTLE)
        rig_decide(rig, RESHARD_CHANGE_MIGRATION_COMMIT);
    rig_order(rig, phase);
    if (phase == RESHARD_PHASE_MOVE)
        rig->copy = (struct reshard__order_id){rig->order_term, rig->order_n};
    if (phase == RESHARD_PHASE_COPY) {
        rig_give(rig, 1, 3, 33);
        rig_give(rig, 2, 4, 44);
    }
    if (phase == RESHARD_PHASE_FREEZE)
        rig_fin(rig, 2);
    expect(rig, phase, results[phase]);
}

static void path(
    struct rig *rig, uint32_t mode, uint32_t last, void (*step)(struct rig *rig, uint32_t phase))
{
    static const uint32_t snapshot[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_COPY,
        RESHARD_PHASE_CATCHUP, RESHARD_PHASE_FREEZE, RESHARD_PHASE_HOLD, RESHARD_PHASE_SETTLE,
        RESHARD_PHASE_LINGER, RESHARD_PHASE_CLEANUP, 0};
    static const uint32_t keywise[] = {RESHARD_PHASE_PREPARE, RESHARD_PHASE_MOVE,
        RESHARD_PHASE_HOLD, RESHARD_PHASE_SETTLE, RESHARD_PHASE_LINGER, RESHARD_PHASE_CLEANUP, 0};
    const uint32_t *phases = mode == RESHARD_MODE_SNAPSHOT ? snapshot : keywise;
    rig_open(rig, 1, mode);
    for (size_t i = 0; phases[i]; i++) {
        step(rig, phases[i]);
        if (phases[i] == last)
            return;
    }
}

void rig_source_to(struct rig *rig, uint32_t mode, uint32_t phase)
{
    rig_boot(rig, 1);
    for (uint64_t key = 0; key < RIG_KEYS; key++)
        rig->store.live[key] = 100 + key;
    path(rig, mode, phase, source_step);
}

void rig_target_to(struct rig *rig, uint32_t mode, uint32_t phase)
{
    rig_boot(rig, 2);
    path(rig, mode, phase, target_step);
}

struct reshard_route rig_ask(
    struct rig *rig, uint64_t key, uint32_t op, bool asking, uint64_t token)
{
    uint8_t bytes[2] = {(uint8_t)key, (uint8_t)(key >> 8)};
    const uint8_t *keys[1] = {bytes};
    size_t key_sizes[1] = {sizeof bytes};
    struct reshard_node_request request = {.struct_size = sizeof request,
        .op = op,
        .asking = asking,
        .token = token,
        .key_count = 1,
        .keys = keys,
        .key_sizes = key_sizes};
    struct reshard_route route = {.struct_size = sizeof route};
    request.slot = (uint32_t)(key % RIG_SLOTS);
    request.present_count = rig->store.live[key] != 0;
    cr_assert_eq(reshard_node_route_keys(rig->node, &request, &route), RESHARD_OK);
    return route;
}
