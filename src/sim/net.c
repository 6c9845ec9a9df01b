/* SPDX-License-Identifier: MIT */
/* Room sim: the network: every message takes the latency, or what a rule or a decision says. */
#include "sim/sim.h"

enum { FATES = 7, DELAYS = 12, LONG_DELAY = 8, CHECKSUM = 8 };

void reshard__packet_free(struct packet *packet)
{
    if (packet)
        reshard__sim_release(packet->data);
    reshard__sim_release(packet);
}

static struct packet *packet_copy(const struct packet *from)
{
    struct packet *packet = reshard__sim_resize(NULL, 1, sizeof *packet);
    *packet = *from;
    packet->log_id = 0;
    packet->data = reshard__sim_resize(NULL, from->size, 1);
    memcpy(packet->data, from->data, from->size);
    return packet;
}

/* "ORDER HOLD m1 2.7", as far as the type has it. */
static void describe(struct text *text, const struct peek *peek)
{
    reshard__text_string(text, reshard__message_name(peek->type));
    if (peek->type == 3 || peek->type == 4) {
        reshard__text_char(text, ' ');
        reshard__text_string(text, reshard_phase_name(peek->phase));
    }
    if (peek->type >= 4 && (peek->type < 6 || peek->kind)) {
        reshard__text_char(text, ' ');
        reshard__text_string(text, reshard__kind_name(peek->type, peek->kind));
    }
    if (peek->type >= 3) {
        reshard__text_string(text, " m");
        reshard__text_number(text, peek->migration);
        reshard__text_char(text, ' ');
        reshard__text_number(text, peek->term);
        reshard__text_char(text, '.');
        reshard__text_number(text, peek->n);
    }
    if (peek->type >= 5) {
        reshard__text_string(text, " #");
        reshard__text_number(text, peek->sequence);
    }
    reshard__text_char(text, '\0');
}

void reshard__packet_name(struct reshard_sim *sim, const char *verb, const struct packet *packet)
{
    if (sim->quiet)
        return;
    struct peek peek = reshard__peek(packet->data, packet->size);
    struct text text = {0};
    describe(&text, &peek);
    reshard__sim_say(sim, "%h -> %h  %s%s", packet->from, packet->to, text.data, verb);
    reshard__sim_release(text.data);
}

bool reshard__net_cut(const struct reshard_sim *sim, reshard_node_id from, reshard_node_id to)
{
    for (size_t i = 0; i < sim->cut_count; i++)
        if ((sim->cuts[i].from == 0 || sim->cuts[i].from == from) &&
            (sim->cuts[i].to == 0 || sim->cuts[i].to == to))
            return true;
    return false;
}

static void packet_log(
    struct reshard_sim *sim, struct packet *packet, const char *fate, uint64_t arrival_ns)
{
    if (!sim->log || packet->log_id)
        return;
    struct peek peek = reshard__peek(packet->data, packet->size);
    struct text text = {0};
    describe(&text, &peek);
    reshard__log_message(sim, packet, text.data, fate, arrival_ns);
    reshard__sim_release(text.data);
}

static void fly(struct reshard_sim *sim, struct packet *packet, uint64_t delay_ns)
{
    struct happening happening = {.kind = EVENT_MESSAGE, .host = packet->to, .data = packet};
    happening.time_ns = sim->now_ns + delay_ns;
    packet_log(sim, packet,
        packet->corrupted  ? "corrupted"
        : packet->unknown  ? "of a later version"
        : packet->repeated ? "repeated"
                           : "",
        happening.time_ns);
    reshard__sim_schedule(sim, &happening);
}

/* 0 stands for any. */
static bool alike(uint64_t wanted, uint64_t is)
{
    return wanted == 0 || wanted == is;
}

static bool rule_fits(
    const struct rule *rule, const struct packet *packet, const struct peek *peek)
{
    return rule->count > 0 && alike(rule->type, peek->type) && alike(rule->phase, peek->phase) &&
           (rule->kind < 0 || rule->kind == (int64_t)peek->kind) &&
           alike(rule->from, packet->from) && alike(rule->to, packet->to);
}

/* The first rule that fits acts. */
static struct rule *rule_find(struct reshard_sim *sim, const struct packet *packet)
{
    struct peek peek = reshard__peek(packet->data, packet->size);
    for (size_t i = 0; i < sim->rule_count; i++) {
        struct rule *rule = &sim->rules[i];
        if (!rule_fits(rule, packet, &peek))
            continue;
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        if (rule->count != UINT64_MAX)
            rule->count--;
        return rule;
    }
    return NULL;
}

/* Of what stands behind it, where nothing is left out of it. */
static void checksum_put(struct packet *packet)
{
    uint64_t sum = reshard__sim_hash(packet->data + CHECKSUM, packet->size - CHECKSUM, 0);
    for (int i = 0; i < CHECKSUM; i++)
        packet->data[i] = (uint8_t)(sum >> (8 * i));
}

/* Changed, cut, longer, or its middle overwritten by its beginning. */
static void corrupt(struct reshard_sim *sim, struct packet *packet)
{
    uint64_t state = sim->set.seed + packet->size + sim->serial;
    size_t at = (size_t)(reshard__sim_random(&state) % packet->size);
    uint64_t random = reshard__sim_random(&state);
    packet->corrupted = true;
    if (random >> 8 & 1 || packet->size < 24) {
        packet->data[at] ^= (uint8_t)(1 + random % 255);
    } else if (random >> 9 & 1) {
        packet->size = at + 1 < packet->size ? at + 1 : at;
    } else if (random >> 10 & 1) {
        packet->data = reshard__sim_resize(packet->data, packet->size + 1, 1);
        packet->data[packet->size++] = (uint8_t)random;
    } else {
        /* The first bytes are a checksum: they are no part of any message. */
        memcpy(packet->data + packet->size / 2, packet->data, 8);
    }
}

/* Sent on behalf of a node that takes no part in the migration; who a participant is the transport
 * must know. Reports of others change nothing. */
static void forge(struct reshard_sim *sim, struct packet *packet)
{
    struct peek peek = reshard__peek(packet->data, packet->size);
    const struct moving *moving = reshard__moving_find(sim, peek.migration);
    for (size_t i = 0; peek.type == 4 && moving && i < sim->host_count; i++) {
        const struct host *host = sim->hosts[i];
        if (host->shard == 0 || host->shard == moving->shards[0] ||
            host->shard == moving->shards[1])
            continue;
        packet->from = host->id;
        packet->foreign = true;
        reshard__fault_met(sim, SIM_FAULT_FOREIGN, moving->shards[0]);
        return;
    }
}

static void twin_send(struct reshard_sim *sim, const struct packet *packet, uint64_t delay_ns)
{
    struct packet *twin = packet_copy(packet);
    twin->repeated = true;
    fly(sim, twin, delay_ns);
}

/* Beside it one of a kind that only a later version has: refused, and nothing else comes of it. */
static void unknown_send(struct reshard_sim *sim, const struct packet *packet, uint64_t delay_ns)
{
    enum { LATER = 7 };
    struct peek peek = reshard__peek(packet->data, packet->size);
    const struct host *end = reshard__host_find(sim, packet->to);
    if (reshard__peek_type(packet->data, packet->size) == 0 || peek.type == 4 || peek.type == 5)
        return; /* reports are for forge(); the checksum does not reach a chunk's payload */
    struct packet *later = packet_copy(packet);
    later->unknown = true;
    later->data[CHECKSUM + 1] = LATER;
    checksum_put(later);
    reshard__fault_met(sim, SIM_FAULT_KIND, end ? end->shard : 0);
    fly(sim, later, delay_ns);
}

static void rule_act(struct reshard_sim *sim, struct rule *rule, struct packet *packet)
{
    static const char *const verbs[] = {
        "  dropped", "  duplicated", "  delayed", "  held back", "  corrupted", ""};
    if (rule->act != RULE_STOP)
        reshard__packet_name(sim, verbs[rule->act], packet);
    switch (rule->act) {
    case RULE_DROP:
        packet_log(sim, packet, "dropped", sim->now_ns);
        reshard__packet_free(packet);
        return;
    case RULE_HOLD:
        sim->held = reshard__sim_grow(
            sim->held, &sim->held_capacity, sim->held_count + 1, sizeof *sim->held);
        sim->held[sim->held_count++] = packet;
        return;
    case RULE_DUPLICATE:
        twin_send(sim, packet, rule->delay_ns ? rule->delay_ns : sim->set.latency_ns);
        break;
    case RULE_CORRUPT:
        corrupt(sim, packet);
        break;
    case RULE_STOP:
        sim->stop = true;
        break;
    case RULE_DELAY:
        fly(sim, packet, sim->set.latency_ns + rule->delay_ns);
        return;
    }
    fly(sim, packet, sim->set.latency_ns);
}

static uint64_t delay_of(struct reshard_sim *sim, reshard_shard_id shard)
{
    uint32_t longer = reshard__choose(sim, CHOICE_DELAY, DELAYS);
    if (longer)
        reshard__fault_met(sim, longer < LONG_DELAY ? SIM_FAULT_REORDER : SIM_FAULT_DELAY, shard);
    return sim->set.latency_ns << longer;
}

static void fate_act(struct reshard_sim *sim, struct packet *packet)
{
    static const uint32_t cells[FATES] = {0, SIM_FAULT_DROP, SIM_FAULT_DUPLICATE,
        SIM_FAULT_LATE, SIM_FAULT_CORRUPT, 0, SIM_FAULT_DUPLICATE};
    uint32_t fate = reshard__choose(sim, CHOICE_MESSAGE, FATES);
    const struct host *end = reshard__host_find(sim, packet->to);
    reshard_shard_id shard = end ? end->shard : 0;
    uint64_t delay_ns = delay_of(sim, shard);
    if (fate && fate != 5)
        reshard__fault_met(sim, cells[fate], shard);
    if (fate == 1) {
        packet_log(sim, packet, "dropped", sim->now_ns);
        reshard__packet_free(packet);
        return;
    }
    if (fate == 2)
        twin_send(sim, packet, delay_of(sim, shard) * 3);
    if (fate == 3)
        delay_ns = delay_ns * 40 + sim->set.retry_ns;
    if (fate == 4)
        corrupt(sim, packet);
    if (fate == 5) {
        unknown_send(sim, packet, delay_ns);
        forge(sim, packet);
    }
    packet->twice = fate == 6 && reshard__peek(packet->data, packet->size).type != 6;
    fly(sim, packet, delay_ns);
}

/* What a later version of the protocol may send: members that this one does not know. Those that it
 * knows are filled up to the last: they are left out where they are 0 or empty. */
static void append_members(
    struct reshard_sim *sim, struct packet *packet, const struct host *sender)
{
    enum { DIRECT = 24 };
    /* By type: how many members, and which of them are byte strings. */
    static const uint8_t counts[7] = {0, 7, 5, 13, 19, 11, 9};
    static const uint32_t strings[7] = {
        0, 0, 1u << 3 | 1u << 4, 0, 1u << 13, 1u << 8 | 1u << 10, 1u << 8};
    struct peek peek = reshard__peek(packet->data, packet->size);
    uint8_t count = packet->data[CHECKSUM] & 31, known = counts[peek.type % 7];
    /* A payload that is not in the checksum must stay the last. */
    if (peek.type == 0 || count >= DIRECT || (peek.type == 5 && peek.kind == 1) || count > known)
        return;
    packet->data = reshard__sim_resize(packet->data, packet->size + DIRECT, 1);
    uint8_t *array = packet->data + CHECKSUM;
    for (; count < known; count++)
        packet->data[packet->size++] = strings[peek.type] >> count & 1 ? 0x40 : 0;
    memcpy(packet->data + packet->size, "\x07\x42hi", 4);
    packet->size += 4;
    array[0] = (uint8_t)(0x80 | (known + 2));
    if (peek.type == 1)
        array[2] = (uint8_t)sender->speaks; /* its version, behind its type */
    checksum_put(packet);
    reshard__fault_met(sim, SIM_FAULT_VERSION, sender->shard);
}

/* The receiver takes a later version's message, or one of an earlier version than its own. */
static void version_meet(struct reshard_sim *sim, struct packet *packet)
{
    const struct host *sender = reshard__host_find(sim, packet->from);
    const struct host *receiver = reshard__host_find(sim, packet->to);
    if (sender && sender->speaks > 1)
        append_members(sim, packet, sender);
    else if (sender && receiver && receiver->speaks > 1)
        reshard__fault_met(sim, SIM_FAULT_OLDER, sender->shard);
}

void reshard__net_send(
    struct reshard_sim *sim, reshard_node_id from, const struct reshard_action *action)
{
    if (action->to == 0 || action->header_size + action->payload_size == 0)
        return;
    struct packet *packet = reshard__sim_resize(NULL, 1, sizeof *packet);
    memset(packet, 0, sizeof *packet);
    packet->from = from;
    packet->to = action->to;
    packet->size = action->header_size + action->payload_size;
    packet->data = reshard__sim_resize(NULL, packet->size, 1);
    memcpy(packet->data, action->header, action->header_size);
    if (action->payload_size)
        memcpy(packet->data + action->header_size, action->payload, action->payload_size);
    sim->digest = reshard__sim_hash(packet->data, packet->size, sim->digest);
    version_meet(sim, packet);
    if (sim->set.trace)
        reshard__packet_name(sim, "", packet);
    struct rule *rule = rule_find(sim, packet);
    if (rule)
        rule_act(sim, rule, packet);
    else
        fate_act(sim, packet);
}

void reshard__net_deliver(struct reshard_sim *sim, struct packet *packet)
{
    struct host *host = reshard__host_find(sim, packet->to);
    /* A deposed primary is out of the shard: nothing reaches its data; it hears of maps alone. */
    bool deposed = host && host->fenced && reshard__peek(packet->data, packet->size).type != 2;
    if (reshard__net_cut(sim, packet->from, packet->to) || !host || !host->up || deposed) {
        reshard__log_lost(sim, packet);
        reshard__packet_free(packet);
        return;
    }
    if (host->frozen) {
        fly(sim, packet, SIM_MILLI);
        return;
    }
    reshard__log_arrived(sim, packet);
    reshard__host_receive(sim, host, packet);
    reshard__packet_free(packet);
}

void reshard__net_release(struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->held_count; i++) {
        reshard__packet_name(sim, "  released", sim->held[i]);
        sim->held[i]->repeated = true;
        fly(sim, sim->held[i], sim->set.latency_ns);
    }
    sim->held_count = 0;
}
