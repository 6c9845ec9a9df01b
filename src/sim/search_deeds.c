/* SPDX-License-Identifier: MIT */
/* Room sim: what can happen next in a world that does not stand in memory. What can be done on a
 * link, at a host, by clients, by operators is a function of it and of a few things about it
 * (search_moves.c): it is found once, and recalled wherever these are the same. */
#include "sim/search_memo.h"

#include <stdlib.h>

/* Holders of moves: parts of a world, operators in the authority's place, lanes behind them all. */
enum { HOLDERS_MAX = PART_COUNT + LANES_MAX, KEY_WORDS = 6, DEEDS = 100 };

static bool holds(const struct outlook *outlook, size_t holder)
{
    if (holder >= PART_COUNT)
        return outlook->view.lanes[holder - PART_COUNT] != 0;
    return holder == PART_AUTHORITY || holder == PART_CLIENTS ||
           (holder >= PART_HOSTS && outlook->view.parts[holder]);
}

static uint64_t two(uint32_t one, uint32_t other)
{
    return (uint64_t)one << 32 | other;
}

/* Where replicas follow, a host's moves rest on its primary and its replicas. */
static struct reshard_digest list_key(const struct outlook *outlook, size_t holder, bool followed)
{
    const struct view *view = &outlook->view;
    const uint32_t *parts = view->parts;
    uint32_t all = 0;
    while (all < HOSTS_MAX && parts[PART_HOSTS + all])
        all++;
    bool all_up = outlook->up + 1 == UINT32_C(1) << all;
    uint64_t words[KEY_WORDS + HOSTS_MAX] = {two(DEEDS + (uint32_t)holder, parts[PART_BUDGETS])};
    size_t count = 1;
    if (holder >= PART_COUNT) {
        words[count++] = view->lanes[holder - PART_COUNT];
        return reshard__search_hash(words, count * sizeof *words);
    }
    words[count++] = parts[holder];
    if (holder != PART_CLIENTS) {
        words[count++] = two(parts[PART_AUTHORITY], parts[PART_TIMES]);
        words[count++] =
            (uint64_t)outlook->calm | (uint64_t)outlook->led << 1 | (uint64_t)all_up << 2;
        words[count++] = outlook->acting;
    }
    for (size_t i = 0; followed && holder >= PART_HOSTS && i < all; i++)
        words[count++] = parts[PART_HOSTS + i];
    return reshard__search_hash(words, count * sizeof *words);
}

bool reshard__deeds_recall(struct memo *memo, const struct outlook *outlook, bool followed,
    uint32_t *deeds_out, size_t *count_out)
{
    size_t count = 0;
    for (size_t i = 0; i < HOLDERS_MAX; i++) {
        size_t holder = (i + PART_COUNT) % HOLDERS_MAX; /* messages first */
        if (!holds(outlook, holder))
            continue;
        struct reshard_digest key = list_key(outlook, holder, followed);
        uint32_t number = reshard__numbers_find(&memo->table, &key);
        if (!number)
            return false;
        const uint32_t *list = memo->words + number;
        if (count + *list > SEARCH_MOVES_MAX)
            abort();
        memcpy(deeds_out + count, list + 1, *list * sizeof *list);
        count += *list;
    }
    *count_out = count;
    return true;
}

/* PART_HOSTS: the host that it is about; 0: what is under way. */
static const uint8_t holders[MOVE_KIND_COUNT] = {
    [MOVE_TICK] = PART_HOSTS,
    [MOVE_START] = PART_HOSTS,
    [MOVE_BEGIN] = PART_CLIENTS,
    [MOVE_EARLY] = PART_HOSTS,
    [MOVE_CRASH] = PART_HOSTS,
    [MOVE_MUTE] = PART_CLIENTS,
    [MOVE_ABORT] = PART_AUTHORITY,
    [MOVE_FINISH] = PART_AUTHORITY,
    [MOVE_COORDINATOR] = PART_AUTHORITY,
    [MOVE_FAILOVER] = PART_AUTHORITY,
    [MOVE_OPEN] = PART_AUTHORITY,
    [MOVE_EVICT] = PART_HOSTS,
    [MOVE_EXPIRE] = PART_HOSTS,
    [MOVE_WAIT] = PART_HOSTS,
};

static size_t holder_of(const struct memo *memo, const struct reshard_sim *sim, struct move move)
{
    uint8_t holder = holders[move.kind];
    if (holder)
        return holder == PART_HOSTS ? (size_t)PART_HOSTS + move.index : holder;
    const struct happening *happening = &sim->heap[move.index];
    const struct packet *packet = happening->data;
    if (happening->kind != EVENT_MESSAGE)
        return reshard__happening_part(sim, happening);
    size_t from = reshard__host_find(sim, packet->from)->index;
    size_t to = reshard__host_find(sim, packet->to)->index;
    return PART_COUNT + memo->catalogue.lane_of[from][to] - UINT8_C(1);
}

void reshard__deeds_learn(struct memo *memo, const struct reshard_sim *sim,
    const struct outlook *outlook, const struct move *moves, const uint64_t *labels, size_t count)
{
    for (size_t holder = 0; holder < HOLDERS_MAX; holder++) {
        if (!holds(outlook, holder))
            continue;
        struct reshard_digest key = list_key(outlook, holder, sim->followed);
        if (reshard__numbers_find(&memo->table, &key))
            continue;
        reshard__memo_write(memo, 0);
        size_t place = memo->word_count - 1;
        for (size_t i = 0; i < count; i++)
            if (holder_of(memo, sim, moves[i]) == holder) {
                reshard__memo_write(memo, reshard__deed_number(memo, labels[i]));
                memo->words[place]++;
            }
        reshard__numbers_add(&memo->table, &key, (uint32_t)place);
    }
}
