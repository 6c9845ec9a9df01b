/* SPDX-License-Identifier: MIT */
/* Room sim: worlds of a search as numbers: of each part which of those it is that were met so far,
 * of each link which messages are under way on it. Private to search*.c. */
#ifndef RESHARD_SIM_SEARCH_VIEW_H
#define RESHARD_SIM_SEARCH_VIEW_H

#include "sim/search_parts.h"
#include "sim/search_numbers.h"

enum { LANES_MAX = 32 };

/* A lane is a link that was used, by its number. 0: there is no such part; nothing is under way. */
struct view {
    struct reshard_digest digest;
    uint32_t parts[PART_COUNT];
    uint32_t lanes[LANES_MAX];
};

struct portrait {
    struct reshard_digest digest;
    struct facts facts;
};
struct budgets {
    struct reshard_digest digest;
    struct allowance allowance;
};
/* A message wherever it is under way. */
struct note {
    struct reshard_digest digest;
    uint32_t type;
    bool repeated;
};
struct queue {
    struct reshard_digest digest;
    uint64_t acks, news; /* of those that may come to change nothing: acknowledgements where they
                            stand; maps and reports */
    uint32_t first, count, ordered; /* in `items`; those that are repeated stand behind */
};

/* Everything that a search met, numbered from 1. */
struct catalogue {
    struct numbers table;
    struct portrait *portraits;
    struct budgets *budgets;
    struct note *notes;
    struct queue *queues;
    uint32_t *items; /* notes */
    size_t portrait_count, portrait_capacity, budget_count, budget_capacity, note_count,
        note_capacity, queue_count, queue_capacity, item_count, item_capacity;
    uint8_t lane_of[HOSTS_MAX][HOSTS_MAX]; /* + 1 */
    struct {
        uint8_t from, to;
    } lanes[LANES_MAX];
    size_t lane_count;
};

void reshard__catalogue_free(struct catalogue *catalogue);
/* `notes_out`: of parts->messages. */
struct view reshard__view_of(struct catalogue *catalogue, const struct reshard_sim *sim,
    const struct parts *parts, uint32_t *notes_out);
uint32_t reshard__budgets_number(struct catalogue *catalogue, const struct allowance *allowance);
/* Its messages in order, then those that are repeated, in any. */
uint32_t reshard__queue_number(struct catalogue *catalogue, uint32_t *notes, size_t count);
size_t reshard__lane_of(const struct catalogue *catalogue, const struct message *message);

/* Another one stands there from now on. */
void reshard__view_part(
    const struct catalogue *catalogue, struct view *view, size_t part, uint32_t number);
void reshard__view_lane(
    const struct catalogue *catalogue, struct view *view, size_t lane, uint32_t number);

static inline const struct facts *facts_of(
    const struct catalogue *catalogue, const struct view *view, size_t part)
{
    return &catalogue->portraits[view->parts[part]].facts;
}

#endif
