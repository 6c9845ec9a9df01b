/* SPDX-License-Identifier: MIT */
/* Room sim: moves that commute. Where two can both happen in a world, and neither reads what the
 * other writes, both orders lead to the same world: of the four moves of that square the last need
 * not be made. What a move wrote is seen by comparing the world before and behind it; what it
 * read is bounded from above:
 * - a host that it called or wrote (reshard__host_touch; `verify` looks whether that is told), and
 *   the host that it is about;
 * - what takes no time is decided by a host's own state alone (search_settle.c), but for messages
 *   that may change nothing: who sends one reads what its receiver knows (`known`); and an
 *   acknowledgement rests on what is before it on its link, and on whether links keep their order;
 * - clients, and what they saw, by who has requests, and by what clients do; with them who is up;
 * - checks that judge a step, not a world, say that they looked at others: at whether they serve
 *   (by slots, or, where keys are asked for, by all that the host is), or at their data; the rest
 *   of them judge what the authority takes;
 * - what everything may read: what the authority holds, times of values, who acts for a shard,
 *   budgets that decide what takes time. A move that writes there commutes with none.
 * Replicas that follow are one with their primary. Messages of a link keep their order: two moves
 * that both add to it, or both take from it, do not commute.
 *
 * No violation goes unseen so: the world to which the square leads was reached, and checked, the
 * other way round. A check of a step looked only at what the other move did not write. Within a
 * move that is not made a host may serve for a moment; what it serves then it serves before or
 * behind it, too, where everybody looked; else the move commutes with none (`served`).
 */
#include "sim/search_commute.h"

#include "sim/search.h"

enum { LINK_SIDE = 8, MAP = 2, REPORT = 4, ACK = 6 };

static uint32_t bit_of(const struct host *host)
{
    return host ? UINT32_C(1) << host->region : 0;
}

/* The pair of hosts, by their regions, between which a message is under way, as a bit. */
static uint32_t link_of(const struct reshard_sim *sim, const struct packet *packet)
{
    const struct host *from = reshard__host_find(sim, packet->from);
    const struct host *to = reshard__host_find(sim, packet->to);
    uint32_t first = AUTHORITY_REGION + 1;
    return from && to ? (from->region - first) * LINK_SIDE + to->region - first : 0;
}

/* Those that are older: what they were, and what is left of them. */
static void links_count(const struct reshard_sim *sim, uint64_t serial, struct scene *scene)
{
    memset(scene->links, 0, sizeof scene->links);
    scene->repeated = 0;
    for (size_t i = 0; i < sim->heap_count; i++) {
        const struct packet *packet = sim->heap[i].data;
        if (sim->heap[i].kind != EVENT_MESSAGE)
            continue;
        scene->repeated += packet->repeated;
        if (sim->heap[i].serial <= serial)
            scene->links[link_of(sim, packet)]++;
    }
}

static void hosts_look(const struct reshard_sim *sim, struct scene *scene)
{
    scene->up = scene->acting = scene->busy = 0;
    for (size_t i = 0; i < sim->host_count; i++) {
        const struct host *host = sim->hosts[i];
        scene->up |= (uint32_t)host->up << i;
        scene->acting |= (uint32_t)(host->acting | host->fenced << 1) << 2 * i;
        if (host->parked_count + host->admitted_count > 0)
            scene->busy |= bit_of(host);
        scene->known[i] = reshard__search_known(host);
    }
}

/* All but the parts. */
static void rest_look(const struct reshard_sim *sim, uint64_t serial, struct scene *scene)
{
    const uint8_t *left = sim->allowance.left;
    scene->serial = serial;
    scene->serving = sim->checks.serving;
    scene->asking = sim->checks.asking;
    scene->budgets = (uint32_t)left[MOVE_OVERTAKE] << 16 | (uint32_t)left[MOVE_REPEAT] << 8 |
                     left[MOVE_FAULT];
    links_count(sim, serial, scene);
    hosts_look(sim, scene);
}

void reshard__scene_look(struct reshard_sim *sim, struct scene *scene)
{
    reshard__search_parts(sim, &scene->parts);
    rest_look(sim, sim->serial, scene);
}

/* ---- what a move is, in any world ---- */

/* What a kind of moves is about, and reads whatever it does. */
enum { OF_HEAP = 1, OF_HOST = 2, OF_CLIENTS = 4, OF_LEADER = 8, OF_ALL = 16 };
static const uint8_t kinds[MOVE_KIND_COUNT] = {
    [MOVE_TAKE] = OF_HEAP,
    [MOVE_TICK] = OF_HOST,
    [MOVE_START] = OF_HOST,
    [MOVE_BEGIN] = OF_CLIENTS,
    [MOVE_DROP] = OF_HEAP,
    [MOVE_OVERTAKE] = OF_HEAP,
    [MOVE_REPEAT] = OF_HEAP,
    [MOVE_EARLY] = OF_HOST,
    [MOVE_CRASH] = OF_HOST,
    [MOVE_FAULT] = OF_HEAP,
    [MOVE_MUTE] = OF_CLIENTS,
    [MOVE_ABORT] = OF_LEADER,
    [MOVE_FINISH] = OF_LEADER,
    [MOVE_COORDINATOR] = OF_ALL,
    [MOVE_FAILOVER] = OF_ALL,
    [MOVE_OPEN] = OF_ALL,
    [MOVE_EVICT] = OF_HOST | OF_CLIENTS,
    [MOVE_EXPIRE] = OF_HOST | OF_CLIENTS,
    [MOVE_WAIT] = OF_HOST,
};

static void happening_begin(
    const struct reshard_sim *sim, struct move move, struct step *step)
{
    const struct happening *happening = &sim->heap[move.index];
    bool clients = happening->kind != EVENT_MESSAGE && happening->kind != EVENT_TASK;
    step->label ^= reshard__happening_digest(sim, happening).low;
    if (move.kind != MOVE_DROP)
        step->reads |= bit_of(reshard__host_find(sim, happening->host));
    step->reads |= clients ? BIT_CLIENTS : 0;
}

struct step reshard__step_begin(const struct reshard_sim *sim, struct move move)
{
    uint8_t of = kinds[move.kind];
    struct step step = {.label = (uint64_t)move.kind << 56 | (uint64_t)move.value << 48};
    if (of & OF_HEAP)
        happening_begin(sim, move, &step);
    else
        step.label |= move.index;
    if (of & OF_HOST)
        step.reads |= bit_of(sim->hosts[move.index]);
    if (of & OF_CLIENTS)
        step.reads |= BIT_CLIENTS;
    if (of & OF_ALL)
        step.reads = step.writes = BITS_ALL;
    for (size_t i = 0; of & OF_LEADER && i < sim->host_count; i++)
        if (sim->hosts[i]->shard == 0)
            step.reads |= bit_of(sim->hosts[i]); /* any of them may lead */
    return step;
}

/* ---- what it did ---- */

static bool part_same(const struct parts *one, const struct parts *two, size_t part)
{
    size_t first = part ? one->ends[part - 1] : 0, other = part ? two->ends[part - 1] : 0;
    size_t size = one->ends[part] - first;
    return two->ends[part] - other == size &&
           memcmp(one->sink.bytes + first, two->sink.bytes + other, size) == 0;
}

/* Messages that came to be; that went, by what is left of the older ones. */
static void links_compare(const struct reshard_sim *sim, const struct scene *before,
    const struct scene *now, struct step *step)
{
    for (uint32_t link = 0; link < LINK_SIDE * LINK_SIDE; link++)
        if (before->links[link] != now->links[link])
            step->takes |= UINT64_C(1) << link;
    for (size_t i = 0; i < sim->heap_count; i++) {
        const struct packet *packet = sim->heap[i].data;
        if (sim->heap[i].kind != EVENT_MESSAGE || sim->heap[i].serial <= before->serial)
            continue;
        uint32_t type = reshard__peek_type(packet->data, packet->size);
        uint64_t link = UINT64_C(1) << link_of(sim, packet);
        step->puts |= link;
        step->acks |= type == ACK ? link : 0;
        uint32_t bit = bit_of(reshard__host_find(sim, packet->to));
        if (type == MAP || type == REPORT)
            step->reads |= bit << KNOWS_SHIFT;
        if (type == ACK)
            step->reads |= bit;
    }
}

/* Where one is taken without its receiver, those behind it are looked at anew. */
static uint32_t receivers(
    const struct reshard_sim *sim, const struct scene *now, uint64_t takes)
{
    uint32_t bits = 0;
    for (size_t i = 0; takes && i < sim->heap_count; i++) {
        const struct packet *packet = sim->heap[i].data;
        if (sim->heap[i].kind == EVENT_MESSAGE && takes >> link_of(sim, packet) & 1 &&
            now->links[link_of(sim, packet)])
            bits |= bit_of(reshard__host_find(sim, packet->to));
    }
    return bits;
}

/* What any move may read is another. */
static bool upset(const struct reshard_sim *sim, const struct scene *before,
    const struct scene *now)
{
    uint64_t around = before->serving | now->serving;
    return before->budgets != now->budgets || before->repeated != now->repeated ||
           before->acting != now->acting || (sim->checks.served & ~around) ||
           before->parts.count != now->parts.count ||
           !part_same(&before->parts, &now->parts, PART_AUTHORITY) ||
           !part_same(&before->parts, &now->parts, PART_TIMES);
}

/* All of a shard whose replicas follow. */
static uint32_t together(const struct reshard_sim *sim, uint32_t bits)
{
    uint32_t all = bits;
    for (size_t i = 0; sim->followed && i < sim->host_count; i++)
        for (size_t k = 0; k < sim->host_count; k++) {
            uint32_t bit = bit_of(sim->hosts[k]);
            if (bits & bit_of(sim->hosts[i]) && sim->hosts[i]->shard &&
                sim->hosts[i]->shard == sim->hosts[k]->shard)
                all |= bit | bit << SERVES_SHIFT;
        }
    return all;
}

/* What of `serving` is this host's. */
static uint64_t serves(const struct reshard_sim *sim, uint64_t serving, size_t index)
{
    uint64_t mask = 0;
    for (size_t slot = 0; slot < sim->set.slot_count; slot++)
        mask |= UINT64_C(3) << 2 * (slot * sim->host_count + index);
    return serving & mask;
}

static void host_writes(const struct reshard_sim *sim, const struct scene *before,
    const struct scene *now, size_t index, struct step *step)
{
    const struct host *host = sim->hosts[index];
    uint32_t bit = bit_of(host);
    bool same = part_same(&before->parts, &now->parts, PART_HOSTS + index);
    bool asks = (before->asking | now->asking) >> index & 1;
    step->writes |= same ? 0 : bit;
    if (serves(sim, before->serving ^ now->serving, index) || (asks && !same))
        step->writes |= bit << SERVES_SHIFT;
    if (before->known[index] != now->known[index])
        step->writes |= bit << KNOWS_SHIFT;
}

static void host_reads(
    const struct reshard_sim *sim, const struct host *host, struct step *step)
{
    const struct checks *checks = &sim->checks;
    uint32_t bit = bit_of(host);
    if (reshard__arena_entered(host->region) ||
        (host->disk && reshard__arena_entered(host->disk->region)))
        step->reads |= bit;
    if (host->shard)
        step->reads |= (checks->looked_held ? bit : 0) |
                       (checks->looked_serving ? bit << SERVES_SHIFT : 0);
}

void reshard__step_end(struct reshard_sim *sim, const struct scene *before, struct scene *now,
    struct step *step)
{
    rest_look(sim, before->serial, now);
    if (step->writes == BITS_ALL || upset(sim, before, now)) {
        step->reads = step->writes = BITS_ALL;
        return;
    }
    links_compare(sim, before, now, step);
    step->reads |= receivers(sim, now, step->takes);
    if (!part_same(&before->parts, &now->parts, PART_CLIENTS) || before->up != now->up)
        step->writes |= BIT_CLIENTS;
    for (size_t i = 0; i < sim->host_count; i++)
        host_writes(sim, before, now, i, step);
    for (size_t i = 0; i < sim->host_count; i++)
        host_reads(sim, sim->hosts[i], step);
    step->reads = together(sim, step->reads);
    if (step->reads & (before->busy | now->busy))
        step->reads |= BIT_CLIENTS;
    step->writes = together(sim, step->writes);
}

bool reshard__steps_commute(const struct step *one, const struct step *two)
{
    return !(one->writes & (two->reads | two->writes)) &&
           !(two->writes & (one->reads | one->writes)) && !(one->puts & two->puts) &&
           !(one->takes & (two->takes | two->acks)) && !(two->takes & one->acks);
}
