/* SPDX-License-Identifier: MIT */
/* Room sim: what a move of a search looks at. What it wrote is seen by comparing the world before
 * and behind it; what it read is bounded from above:
 * - a host that it called or wrote (reshard__host_touch; `verify` looks whether that is told), and
 *   the host that it is about;
 * - what takes no time is decided by a host's own state alone (search_settle.c), but for messages
 *   that may change nothing: who sends one reads what its receiver knows (`known`), and whose
 *   knowledge grows looks at those that are on their way to it (`news`); an acknowledgement rests
 *   on what is before it on its link, and on whether links keep their order (`mood`);
 * - clients, and what they saw, by who has requests, and by what clients do; with them who is up,
 *   and who holds requests: it is told which of them are late;
 * - checks that judge a step, not a world, say that they looked at others: at whether they serve
 *   (by slots, or, where keys are asked for, by all that the host is), or at their data; the rest
 *   of them judge what the authority takes;
 * - what everything may read: what the authority holds, times of values, who acts for a shard, the
 *   mood. A move that writes there looks at all hosts.
 * Replicas that follow are one with their primary.
 */
#include "sim/search_memo.h"

enum { MAP = 2, REPORT = 4, ACK = 6, IN_ORDER = 1, FAILS = 2 };
#define ALL_HOSTS (((UINT32_C(1) << HOSTS_MAX) - 1) * BIT_HOST(0))

/* ---- a world ---- */

static void host_see(const struct facts *facts, size_t index, struct outlook *outlook)
{
    uint64_t flags = facts->flags;
    outlook->up |= (uint32_t)(flags & HOST_UP ? 1 : 0) << index;
    outlook->busy |= (uint32_t)(flags & HOST_BUSY ? 1 : 0) << index;
    outlook->acting |= (uint32_t)((flags & HOST_ACTING ? 1 : 0) + (flags & HOST_FENCED ? 2 : 0))
                       << 2 * index;
    outlook->led |= (flags & HOST_LEADS) != 0;
    outlook->calm &= !(flags & HOST_WORKS);
}

struct outlook reshard__outlook(const struct catalogue *catalogue, const struct view *view)
{
    struct outlook outlook = {.view = *view, .calm = true};
    outlook.allowance = &catalogue->budgets[view->parts[PART_BUDGETS]].allowance;
    for (size_t i = 0; i < HOSTS_MAX && view->parts[PART_HOSTS + i]; i++)
        host_see(facts_of(catalogue, view, PART_HOSTS + i), i, &outlook);
    outlook.calm &= !(facts_of(catalogue, view, PART_CLIENTS)->flags & HOST_WORKS);
    for (size_t i = 0; i < catalogue->lane_count; i++) {
        if (!view->lanes[i])
            continue;
        const struct queue *queue = &catalogue->queues[view->lanes[i]];
        outlook.calm = false;
        outlook.acks[catalogue->lanes[i].to] += queue->acks;
        outlook.news[catalogue->lanes[i].to] += queue->news;
        outlook.ordered[i] = queue->ordered;
        outlook.repeated += queue->count - queue->ordered;
    }
    const uint8_t *left = outlook.allowance->left;
    bool in_order = !left[MOVE_OVERTAKE] && !left[MOVE_REPEAT] && !outlook.repeated;
    outlook.mood = (in_order ? IN_ORDER : 0) | (left[MOVE_FAULT] ? FAILS : 0);
    return outlook;
}

void reshard__scene_look(struct memo *memo, struct reshard_sim *sim, struct scene *scene)
{
    reshard__search_parts(sim, &scene->parts);
    struct view view = reshard__view_of(&memo->catalogue, sim, &scene->parts, scene->notes);
    scene->outlook = reshard__outlook(&memo->catalogue, &view);
    scene->serial = sim->serial;
    scene->serving = sim->checks.serving;
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

uint64_t reshard__move_label(const struct reshard_sim *sim, struct move move)
{
    uint64_t label = (uint64_t)move.kind << 56 | (uint64_t)move.value << 48;
    if (kinds[move.kind] & OF_HEAP)
        return label ^ reshard__happening_digest(sim, &sim->heap[move.index]).low;
    return label | move.index;
}

uint64_t reshard__move_serial(const struct reshard_sim *sim, struct move move)
{
    return kinds[move.kind] & OF_HEAP ? sim->heap[move.index].serial : 0;
}

static uint32_t bit_of(const struct host *host)
{
    return host ? BIT_HOST(host->index) : 0;
}

static uint32_t happening_reads(const struct reshard_sim *sim, struct move move)
{
    const struct happening *happening = &sim->heap[move.index];
    bool clients = happening->kind != EVENT_MESSAGE && happening->kind != EVENT_TASK;
    uint32_t bits = clients ? BIT_CLIENTS : 0;
    if (move.kind != MOVE_DROP)
        bits |= bit_of(reshard__host_find(sim, happening->host));
    return bits;
}

uint32_t reshard__reads_begin(const struct reshard_sim *sim, struct move move)
{
    uint8_t of = kinds[move.kind];
    uint32_t bits = of & OF_CLIENTS ? BIT_CLIENTS : 0;
    if (of & OF_HEAP)
        bits |= happening_reads(sim, move);
    if (of & OF_HOST)
        bits |= bit_of(sim->hosts[move.index]);
    if (of & OF_ALL)
        bits |= ALL_HOSTS;
    for (size_t i = 0; of & OF_LEADER && i < sim->host_count; i++)
        if (sim->hosts[i]->shard == 0)
            bits |= bit_of(sim->hosts[i]); /* any of them may lead */
    return bits;
}

/* ---- what it did ---- */

/* Messages that came to be, and what is left of those that are older. */
static void messages_compare(const struct catalogue *catalogue, const struct scene *before,
    const struct scene *now, struct reads *reads)
{
    for (size_t i = 0; i < now->parts.message_count; i++) {
        const struct message *message = &now->parts.messages[i];
        uint32_t lane = UINT32_C(1) << reshard__lane_of(catalogue, message);
        if (message->serial <= before->serial) {
            /* What is before it may be gone. */
            reads->bits |= reads->takes & lane ? BIT_HOST(message->to) : 0;
            continue;
        }
        if (message->type == MAP || message->type == REPORT)
            reads->bits |= BIT_HOST(message->to) << KNOWS_SHIFT;
        if (message->type == ACK) {
            reads->bits |= BIT_HOST(message->to);
            reads->acks |= lane;
        }
    }
}

bool reshard__message_stands(const struct parts *parts, uint64_t serial)
{
    for (size_t i = 0; i < parts->message_count; i++)
        if (parts->messages[i].serial == serial)
            return true;
    return false;
}

static uint32_t lanes_taken(
    const struct catalogue *catalogue, const struct scene *before, const struct scene *now)
{
    uint32_t lanes = 0;
    for (size_t i = 0; i < before->parts.message_count; i++) {
        const struct message *message = &before->parts.messages[i];
        if (!reshard__message_stands(&now->parts, message->serial))
            lanes |= UINT32_C(1) << reshard__lane_of(catalogue, message);
    }
    return lanes;
}

/* What any move may read is another. */
static bool upset(
    const struct reshard_sim *sim, const struct scene *before, const struct scene *now)
{
    const struct outlook *one = &before->outlook, *two = &now->outlook;
    uint64_t around = before->serving | now->serving;
    return one->mood != two->mood || one->acting != two->acting || (sim->checks.served & ~around) ||
           before->parts.count != now->parts.count ||
           one->view.parts[PART_AUTHORITY] != two->view.parts[PART_AUTHORITY] ||
           one->view.parts[PART_TIMES] != two->view.parts[PART_TIMES];
}

/* All of a shard whose replicas follow. */
static uint32_t together(const struct reshard_sim *sim, uint32_t bits)
{
    uint32_t all = bits;
    for (size_t i = 0; sim->followed && i < sim->host_count; i++)
        for (size_t k = 0; k < sim->host_count; k++) {
            const struct host *one = sim->hosts[i], *two = sim->hosts[k];
            if (bits & bit_of(one) && one->shard && one->shard == two->shard)
                all |= bit_of(two);
        }
    return all;
}

static uint32_t host_reads(const struct reshard_sim *sim, const struct host *host)
{
    const struct checks *checks = &sim->checks;
    uint32_t bit = bit_of(host), bits = 0;
    if (reshard__arena_touched(host->region) ||
        (host->disk && reshard__arena_touched(host->disk->region)))
        bits |= bit;
    if (host->shard)
        bits |=
            (checks->looked_held ? bit : 0) | (checks->looked_serving ? bit << SERVES_SHIFT : 0);
    return bits;
}

/* What it wrote it must have found, too. */
static void hosts_compare(const struct reshard_sim *sim, const struct scene *before,
    const struct scene *now, struct reads *reads)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        size_t part = PART_HOSTS + i;
        reads->bits |= host_reads(sim, sim->hosts[i]);
        if (before->outlook.view.parts[part] != now->outlook.view.parts[part])
            reads->bits |= BIT_HOST(i);
        if (before->parts.facts[part].known != now->parts.facts[part].known)
            reads->news |= BIT_HOST(i);
    }
}

struct reads reshard__reads_end(const struct reshard_sim *sim, const struct memo *memo,
    const struct scene *before, const struct scene *now, uint32_t begin)
{
    struct reads reads = {.bits = begin};
    const struct outlook *one = &before->outlook, *two = &now->outlook;
    reads.takes = lanes_taken(&memo->catalogue, before, now);
    messages_compare(&memo->catalogue, before, now, &reads);
    hosts_compare(sim, before, now, &reads);
    if (upset(sim, before, now) || (reads.bits & ALL_HOSTS) == ALL_HOSTS) {
        reads.bits |= ALL_HOSTS | BIT_CLIENTS | BIT_COUNTS;
        reads.news |= ALL_HOSTS;
    }
    if (one->view.parts[PART_CLIENTS] != two->view.parts[PART_CLIENTS] || one->up != two->up)
        reads.bits |= BIT_CLIENTS;
    reads.bits = together(sim, reads.bits);
    if (reads.bits >> (AUTHORITY_REGION + 1) & (one->busy | two->busy))
        reads.bits |= BIT_CLIENTS;
    const uint8_t *left = one->allowance->left, *now_left = two->allowance->left;
    if (one->repeated != two->repeated || left[MOVE_OVERTAKE] != now_left[MOVE_OVERTAKE] ||
        left[MOVE_REPEAT] != now_left[MOVE_REPEAT] || left[MOVE_FAULT] != now_left[MOVE_FAULT])
        reads.bits |= BIT_COUNTS;
    return reads;
}
