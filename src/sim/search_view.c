/* SPDX-License-Identifier: MIT */
/* Room sim: parts of worlds, numbered as they are met. Equal digests are equal parts, and a world
 * is known by the sum of its parts' digests: what a move changes of a world is a few numbers. */
#include "sim/search_view.h"

#include <stdlib.h>

enum { ACK_TYPE = 6, MAP_TYPE = 2, REPORT_TYPE = 4 };

void reshard__catalogue_free(struct catalogue *catalogue)
{
    reshard__numbers_free(&catalogue->table);
    free(catalogue->portraits);
    free(catalogue->budgets);
    free(catalogue->notes);
    free(catalogue->queues);
    free(catalogue->items);
}

/* The item behind those that are there; number 0 is nothing's, and all zero. */
static void *append(void *items, size_t *count, size_t *capacity, size_t item_size)
{
    uint8_t *grown = reshard__search_grow(items, capacity, *count + 2, item_size);
    if (*count == 0)
        memset(grown, 0, item_size);
    ++*count;
    return grown;
}

static uint32_t portrait_number(struct catalogue *catalogue, const struct parts *parts, size_t part)
{
    const struct reshard_digest *digest = &parts->digests[part];
    uint32_t number = reshard__numbers_find(&catalogue->table, digest);
    if (number)
        return number;
    catalogue->portraits = append(catalogue->portraits, &catalogue->portrait_count,
        &catalogue->portrait_capacity, sizeof *catalogue->portraits);
    number = (uint32_t)catalogue->portrait_count;
    catalogue->portraits[number] = (struct portrait){*digest, parts->facts[part]};
    reshard__numbers_add(&catalogue->table, digest, number);
    return number;
}

uint32_t reshard__budgets_number(struct catalogue *catalogue, const struct allowance *allowance)
{
    struct reshard_digest digest = reshard__budgets_digest(allowance);
    uint32_t number = reshard__numbers_find(&catalogue->table, &digest);
    if (number)
        return number;
    catalogue->budgets = append(catalogue->budgets, &catalogue->budget_count,
        &catalogue->budget_capacity, sizeof *catalogue->budgets);
    number = (uint32_t)catalogue->budget_count;
    catalogue->budgets[number] = (struct budgets){digest, *allowance};
    reshard__numbers_add(&catalogue->table, &digest, number);
    return number;
}

static uint32_t note_number(struct catalogue *catalogue, const struct message *message)
{
    uint32_t number = reshard__numbers_find(&catalogue->table, &message->digest);
    if (number)
        return number;
    catalogue->notes = append(catalogue->notes, &catalogue->note_count, &catalogue->note_capacity,
        sizeof *catalogue->notes);
    number = (uint32_t)catalogue->note_count;
    catalogue->notes[number] = (struct note){message->digest, message->type, message->repeated};
    reshard__numbers_add(&catalogue->table, &message->digest, number);
    return number;
}

/* ---- links ---- */

size_t reshard__lane_of(const struct catalogue *catalogue, const struct message *message)
{
    return catalogue->lane_of[message->from][message->to] - UINT8_C(1);
}

static size_t lane_number(struct catalogue *catalogue, const struct message *message)
{
    uint8_t *lane = &catalogue->lane_of[message->from][message->to];
    if (!*lane) {
        if (catalogue->lane_count == LANES_MAX)
            abort(); /* no world that is searched has so many */
        catalogue->lanes[catalogue->lane_count].from = message->from;
        catalogue->lanes[catalogue->lane_count].to = message->to;
        *lane = (uint8_t)++catalogue->lane_count;
    }
    return *lane - UINT8_C(1);
}

static void repeated_sort(const struct catalogue *catalogue, uint32_t *notes, size_t count)
{
    const struct note *all = catalogue->notes;
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && all[notes[k]].repeated && all[notes[k - 1]].repeated &&
                           all[notes[k]].digest.low < all[notes[k - 1]].digest.low;
             k--) {
            uint32_t note = notes[k];
            notes[k] = notes[k - 1];
            notes[k - 1] = note;
        }
}

static struct queue queue_make(
    const struct catalogue *catalogue, const uint32_t *notes, size_t count)
{
    struct queue queue = {.first = (uint32_t)catalogue->item_count, .count = (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        const struct note *note = &catalogue->notes[notes[i]];
        queue.ordered += !note->repeated;
        uint64_t stands[] = {note->digest.low, note->repeated ? 0 : i + 1};
        if (note->type == ACK_TYPE)
            queue.acks += reshard__search_hash(stands, sizeof stands).low;
        if (note->type == MAP_TYPE || note->type == REPORT_TYPE)
            queue.news += note->digest.high;
    }
    return queue;
}

uint32_t reshard__queue_number(struct catalogue *catalogue, uint32_t *notes, size_t count)
{
    struct reshard_digest digests[MESSAGES_MAX];
    if (count == 0)
        return 0;
    repeated_sort(catalogue, notes, count);
    digests[0] = catalogue->notes[notes[0]].digest;
    for (size_t i = 1; i < count; i++)
        digests[i] = catalogue->notes[notes[i]].digest;
    struct reshard_digest digest = reshard__link_digest(digests, count);
    uint32_t number = reshard__numbers_find(&catalogue->table, &digest);
    if (number)
        return number;
    struct queue queue = queue_make(catalogue, notes, count);
    queue.digest = digest;
    catalogue->items = reshard__search_grow(catalogue->items, &catalogue->item_capacity,
        catalogue->item_count + count, sizeof *catalogue->items);
    memcpy(catalogue->items + catalogue->item_count, notes, count * sizeof *notes);
    catalogue->item_count += count;
    catalogue->queues = append(catalogue->queues, &catalogue->queue_count,
        &catalogue->queue_capacity, sizeof *catalogue->queues);
    number = (uint32_t)catalogue->queue_count;
    catalogue->queues[number] = queue;
    reshard__numbers_add(&catalogue->table, &digest, number);
    return number;
}

/* ---- views ---- */

static void exchange(struct reshard_digest *sum, const struct reshard_digest *before,
    const struct reshard_digest *now)
{
    sum->low += now->low - before->low;
    sum->high += now->high - before->high;
}

void reshard__view_part(
    const struct catalogue *catalogue, struct view *view, size_t part, uint32_t number)
{
    uint32_t before = view->parts[part];
    static const struct reshard_digest none;
    view->parts[part] = number;
    if (part == PART_BUDGETS)
        exchange(&view->digest, before ? &catalogue->budgets[before].digest : &none,
            &catalogue->budgets[number].digest);
    else
        exchange(&view->digest, before ? &catalogue->portraits[before].digest : &none,
            &catalogue->portraits[number].digest);
}

void reshard__view_lane(
    const struct catalogue *catalogue, struct view *view, size_t lane, uint32_t number)
{
    static const struct reshard_digest none;
    uint32_t before = view->lanes[lane];
    view->lanes[lane] = number;
    exchange(&view->digest, before ? &catalogue->queues[before].digest : &none,
        number ? &catalogue->queues[number].digest : &none);
}

struct view reshard__view_of(struct catalogue *catalogue, const struct reshard_sim *sim,
    const struct parts *parts, uint32_t *notes_out)
{
    struct view view = {.digest = {0}};
    reshard__view_part(
        catalogue, &view, PART_BUDGETS, reshard__budgets_number(catalogue, &sim->allowance));
    for (size_t i = PART_BUDGETS + 1; i < parts->count; i++)
        reshard__view_part(catalogue, &view, i, portrait_number(catalogue, parts, i));
    for (size_t i = 0; i < parts->message_count;) {
        const struct message *message = &parts->messages[i];
        size_t lane = lane_number(catalogue, message), first = i;
        for (; i < parts->message_count && parts->messages[i].from == message->from &&
               parts->messages[i].to == message->to;
             i++)
            notes_out[i] = note_number(catalogue, &parts->messages[i]);
        uint32_t notes[MESSAGES_MAX];
        memcpy(notes, notes_out + first, (i - first) * sizeof *notes);
        reshard__view_lane(
            catalogue, &view, lane, reshard__queue_number(catalogue, notes, i - first));
    }
    return view;
}
