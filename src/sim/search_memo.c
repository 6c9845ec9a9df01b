/* SPDX-License-Identifier: MIT */
/* Room sim: what a move does is a function of what it looks at (search_reads.c). Where a world has
 * all of that in common with one in which the move was made, the move does the same: it need not be
 * made, and the world to which it leads need not be built to be known. This is the local transition
 * caching of model checkers that work on the dependencies of their transitions (Blom, van de Pol,
 * Weber: "LTSmin", CAV 2010).
 *
 * No violation goes unseen so. A move is remembered only if no checker said anything. What a
 * checker of steps looked at is among what the move looked at. What is looked at behind every move
 * is a host beside what the authority holds (both are looked at wherever either is written), what
 * clients saw (likewise), and who serves what beside whom: where such a choice was never looked at,
 * the move is made. Between its beginning and its end a move lets a host serve only what it serves
 * before or behind it, or looks at all hosts (`served`). */
#include "sim/search_memo.h"

#include <stdlib.h>

/* Of what is under way on a lane. */
enum edit { EDIT_GONE, EDIT_PLACE, EDIT_CAME, EDIT_COUNT };

enum { KEY_MAX = 192, DEED = 1, DONE, JUDGED, BUDGET_WORDS = sizeof(struct allowance) / 4 };

struct key {
    size_t count;
    uint64_t words[KEY_MAX];
};

static void put_word(struct key *key, uint64_t word)
{
    if (key->count == KEY_MAX)
        abort();
    key->words[key->count++] = word;
}

static void put_two(struct key *key, uint32_t one, uint32_t two)
{
    put_word(key, (uint64_t)one << 32 | two);
}

static struct reshard_digest digest_of(const struct key *key)
{
    return reshard__search_hash(key->words, key->count * sizeof *key->words);
}

void reshard__memo_free(struct memo *memo)
{
    reshard__catalogue_free(&memo->catalogue);
    reshard__numbers_free(&memo->table);
    free(memo->deeds);
    free(memo->regards);
    free(memo->words);
}

uint32_t reshard__deed_number(struct memo *memo, uint64_t label)
{
    const uint64_t words[] = {DEED, label};
    struct reshard_digest digest = reshard__search_hash(words, sizeof words);
    uint32_t number = reshard__numbers_find(&memo->table, &digest);
    if (number)
        return number;
    number = (uint32_t)++memo->deed_count;
    memo->deeds =
        reshard__search_grow(memo->deeds, &memo->deed_capacity, number + 1u, sizeof *memo->deeds);
    memo->deeds[number] = (struct deed){.label = label};
    reshard__numbers_add(&memo->table, &digest, number);
    return number;
}

/* ---- what it looks at ---- */

static void put_clients(struct key *key, const struct outlook *outlook)
{
    const struct view *view = &outlook->view;
    put_two(key, view->parts[PART_CLIENTS], outlook->busy);
    for (size_t i = 0; i < HOSTS_MAX; i++)
        if (outlook->busy >> i & 1)
            put_word(key, view->parts[PART_HOSTS + i]);
}

static void put_counts(struct key *key, const struct outlook *outlook)
{
    const uint8_t *left = outlook->allowance->left;
    uint32_t counts =
        (uint32_t)left[MOVE_OVERTAKE] << 16 | (uint32_t)left[MOVE_REPEAT] << 8 | left[MOVE_FAULT];
    put_two(key, counts, outlook->repeated);
}

static void put_host(struct key *key, const struct catalogue *catalogue,
    const struct outlook *outlook, const struct reads *reads, size_t index)
{
    uint32_t bit = BIT_HOST(index), number = outlook->view.parts[PART_HOSTS + index];
    const struct facts *facts = facts_of(catalogue, &outlook->view, PART_HOSTS + index);
    if (reads->bits & bit) {
        put_word(key, number);
        put_word(key, outlook->acks[index]);
    } else {
        if (reads->bits & bit << KNOWS_SHIFT)
            put_word(key, facts->known);
        if (reads->bits & bit << SERVES_SHIFT) {
            put_word(key, facts->serves);
            put_word(key, facts->flags & HOST_ASKS ? number : 0);
        }
    }
    if (reads->news & bit)
        put_word(key, outlook->news[index]);
}

static void put_lane(struct key *key, const struct catalogue *catalogue,
    const struct outlook *outlook, const struct reads *reads, size_t lane)
{
    uint32_t from = BIT_HOST(catalogue->lanes[lane].from), to = BIT_HOST(catalogue->lanes[lane].to);
    bool both = reads->bits & from && reads->bits & to;
    if (both || reads->acks >> lane & 1)
        put_two(key, (uint32_t)lane, outlook->ordered[lane]);
    const struct queue *queue = &catalogue->queues[outlook->view.lanes[lane]];
    if (reads->takes >> lane & 1 && queue->acks) {
        put_word(key, queue->acks);
        put_word(key, outlook->view.parts[PART_HOSTS + catalogue->lanes[lane].to]);
    }
}

static struct reshard_digest key_of(const struct memo *memo, const struct outlook *outlook,
    uint32_t deed, const struct reads *reads)
{
    struct key key;
    key.count = 0;
    put_two(&key, DONE, deed);
    put_two(&key, reads->bits, reads->news);
    put_two(&key, reads->takes, reads->acks);
    if (memo->sabotaged)
        return digest_of(&key);
    const struct view *view = &outlook->view;
    put_two(&key, view->parts[PART_AUTHORITY], view->parts[PART_TIMES]);
    put_two(&key, outlook->acting, outlook->mood << HOSTS_MAX | outlook->up);
    if (reads->bits & BIT_CLIENTS)
        put_clients(&key, outlook);
    if (reads->bits & BIT_COUNTS)
        put_counts(&key, outlook);
    for (size_t i = 0; i < HOSTS_MAX; i++)
        put_host(&key, &memo->catalogue, outlook, reads, i);
    for (size_t i = 0; i < memo->catalogue.lane_count; i++)
        if (view->lanes[i])
            put_lane(&key, &memo->catalogue, outlook, reads, i);
    return digest_of(&key);
}

/* ---- who serves what beside whom ---- */

static struct reshard_digest choice_of(const struct catalogue *catalogue, const struct view *view)
{
    struct key key;
    key.count = 0;
    put_word(&key, JUDGED);
    for (size_t i = PART_HOSTS; i < PART_COUNT; i++)
        put_word(&key, facts_of(catalogue, view, i)->serves);
    return digest_of(&key);
}

void reshard__memo_judged(struct memo *memo, const struct view *view)
{
    struct reshard_digest digest = choice_of(&memo->catalogue, view);
    if (!reshard__numbers_find(&memo->table, &digest))
        reshard__numbers_add(&memo->table, &digest, 1);
}

/* ---- what it does ---- */

void reshard__memo_write(struct memo *memo, uint32_t word)
{
    size_t count = memo->word_count ? memo->word_count : 1;
    memo->words =
        reshard__search_grow(memo->words, &memo->word_capacity, count + 1, sizeof *memo->words);
    memo->words[count] = word;
    memo->word_count = count + 1;
}

/* Parts that are others now: how many, then each with its number. */
static void write_parts(struct memo *memo, const struct view *before, const struct view *now)
{
    reshard__memo_write(memo, 0);
    size_t place = memo->word_count - 1;
    for (size_t i = PART_BUDGETS + 1; i < PART_COUNT; i++) {
        if (before->parts[i] == now->parts[i])
            continue;
        reshard__memo_write(memo, (uint32_t)i);
        reshard__memo_write(memo, now->parts[i]);
        memo->words[place]++;
    }
}

/* What is spent, byte by byte: what is left elsewhere may differ. */
static void write_budgets(
    struct memo *memo, const struct allowance *before, const struct allowance *now)
{
    uint8_t one[sizeof *before], two[sizeof *before];
    uint32_t words[BUDGET_WORDS];
    memcpy(one, before, sizeof one);
    memcpy(two, now, sizeof two);
    reshard__memo_write(memo, memcmp(one, two, sizeof one) != 0);
    if (!memo->words[memo->word_count - 1])
        return;
    for (size_t i = 0; i < sizeof one; i++)
        two[i] = (uint8_t)(two[i] - one[i]);
    memcpy(words, two, sizeof words);
    for (size_t i = 0; i < BUDGET_WORDS; i++)
        reshard__memo_write(memo, words[i]);
}

static void write_edit(struct memo *memo, enum edit edit, size_t lane, size_t what)
{
    reshard__memo_write(memo, (uint32_t)(EDIT_COUNT * lane + edit));
    reshard__memo_write(memo, (uint32_t)what);
}

/* What is gone, then what came: how many edits. A message that the move is about is known by its
 * place; another one that went with it can change nothing, as can any that is its like. */
static uint32_t write_lane(struct memo *memo, const struct scene *before, const struct scene *now,
    uint64_t about, size_t lane)
{
    const struct catalogue *catalogue = &memo->catalogue;
    const struct parts *one = &before->parts, *two = &now->parts;
    uint32_t count = 0;
    for (size_t i = 0, place = 0; i < one->message_count; i++) {
        const struct message *message = &one->messages[i];
        if (reshard__lane_of(catalogue, message) != lane)
            continue;
        if (message->serial == about && !message->repeated) {
            write_edit(memo, EDIT_PLACE, lane, place);
            count++;
        } else if (!reshard__message_stands(two, message->serial)) {
            write_edit(memo, EDIT_GONE, lane, before->notes[i]);
            count++;
        }
        place++;
    }
    for (size_t i = 0; i < two->message_count; i++)
        if (reshard__lane_of(catalogue, &two->messages[i]) == lane &&
            two->messages[i].serial > before->serial) {
            write_edit(memo, EDIT_CAME, lane, now->notes[i]);
            count++;
        }
    return count;
}

static bool alike(const struct reads *one, const struct reads *two)
{
    return one->bits == two->bits && one->news == two->news && one->takes == two->takes &&
           one->acks == two->acks;
}

static void regard_note(struct memo *memo, uint32_t deed, const struct reads *reads)
{
    uint32_t last = memo->deeds[deed].regards;
    for (uint32_t i = last; i; i = memo->regards[i].before)
        if (alike(&memo->regards[i].reads, reads))
            return;
    size_t number = ++memo->regard_count;
    memo->regards = reshard__search_grow(
        memo->regards, &memo->regard_capacity, number + 1, sizeof *memo->regards);
    memo->regards[number] = (struct regard){*reads, last};
    memo->deeds[deed].regards = (uint32_t)number;
}

void reshard__memo_learn(struct memo *memo, uint32_t deed, const struct reads *reads,
    const struct scene *before, const struct scene *now, uint64_t about)
{
    regard_note(memo, deed, reads);
    reshard__memo_judged(memo, &now->outlook.view);
    struct reshard_digest digest = key_of(memo, &before->outlook, deed, reads);
    if (reshard__numbers_find(&memo->table, &digest))
        return;
    uint32_t number = (uint32_t)(memo->word_count ? memo->word_count : 1), count = 0;
    write_parts(memo, &before->outlook.view, &now->outlook.view);
    write_budgets(memo, before->outlook.allowance, now->outlook.allowance);
    reshard__memo_write(memo, 0);
    size_t place = memo->word_count - 1;
    for (uint32_t lane = 0; lane < memo->catalogue.lane_count; lane++)
        count += write_lane(memo, before, now, about, lane);
    memo->words[place] = count;
    reshard__numbers_add(&memo->table, &digest, number);
}

/* ---- doing it ---- */

static const uint32_t *parts_apply(
    const struct catalogue *catalogue, const uint32_t *words, struct view *view, bool *serves_out)
{
    uint32_t count = *words++;
    for (; count > 0; count--, words += 2) {
        uint64_t before = facts_of(catalogue, view, words[0])->serves;
        reshard__view_part(catalogue, view, words[0], words[1]);
        *serves_out |=
            words[0] >= PART_HOSTS && facts_of(catalogue, view, words[0])->serves != before;
    }
    return words;
}

static const uint32_t *budgets_apply(
    struct catalogue *catalogue, const uint32_t *words, struct view *view)
{
    struct allowance allowance;
    uint8_t all[sizeof allowance], spent[sizeof allowance];
    if (!*words++)
        return words;
    memcpy(all, &catalogue->budgets[view->parts[PART_BUDGETS]].allowance, sizeof all);
    memcpy(spent, words, sizeof spent);
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)(all[i] + spent[i]);
    memcpy(&allowance, all, sizeof allowance);
    uint32_t number = reshard__budgets_number(catalogue, &allowance);
    reshard__view_part(catalogue, view, PART_BUDGETS, number);
    return words + BUDGET_WORDS;
}

struct line {
    size_t count, ordered;
    uint32_t notes[MESSAGES_MAX];
};

static void line_take(struct line *line, size_t place)
{
    line->ordered -= place < line->ordered;
    line->count--;
    for (size_t i = place; i < line->count; i++)
        line->notes[i] = line->notes[i + 1];
}

/* SIZE_MAX: it is not there. */
static size_t line_find(const struct line *line, uint32_t note)
{
    for (size_t i = 0; i < line->count; i++)
        if (line->notes[i] == note)
            return i;
    return SIZE_MAX;
}

/* Behind what is in order, or, repeated, behind it all. */
static void line_put(struct line *line, uint32_t note, bool repeated)
{
    size_t i = line->count++;
    if (line->count == MESSAGES_MAX)
        abort();
    for (; !repeated && i > line->ordered; i--)
        line->notes[i] = line->notes[i - 1];
    line->notes[i] = note;
    line->ordered += !repeated;
}

/* False: what went is not there. */
static bool line_edit(
    const struct catalogue *catalogue, struct line *line, enum edit edit, uint32_t what)
{
    if (edit == EDIT_CAME) {
        line_put(line, what, catalogue->notes[what].repeated);
        return true;
    }
    size_t place = edit == EDIT_PLACE ? what : line_find(line, what);
    if (place >= line->count)
        return false;
    line_take(line, place);
    return true;
}

static bool lane_apply(struct catalogue *catalogue, const uint32_t *words, uint32_t count,
    struct view *view, uint32_t *done_out)
{
    struct line line;
    uint32_t lane = words[0] / EDIT_COUNT, i = 0;
    static const struct queue none;
    const struct queue *queue = view->lanes[lane] ? &catalogue->queues[view->lanes[lane]] : &none;
    line.count = queue->count;
    line.ordered = queue->ordered;
    if (line.count)
        memcpy(line.notes, catalogue->items + queue->first, line.count * sizeof *line.notes);
    for (const uint32_t *edit = words; i < count && edit[0] / EDIT_COUNT == lane; i++, edit += 2)
        if (!line_edit(catalogue, &line, edit[0] % EDIT_COUNT, edit[1]))
            return false;
    reshard__view_lane(
        catalogue, view, lane, reshard__queue_number(catalogue, line.notes, line.count));
    *done_out += i;
    return true;
}

static bool apply(struct memo *memo, const uint32_t *words, struct view *view)
{
    struct catalogue *catalogue = &memo->catalogue;
    bool serves = false;
    words = parts_apply(catalogue, words, view, &serves);
    words = budgets_apply(catalogue, words, view);
    uint32_t count = *words++;
    for (uint32_t i = 0; i < count;)
        if (!lane_apply(catalogue, words + (size_t)2 * i, count - i, view, &i))
            return false;
    if (!serves)
        return true;
    struct reshard_digest digest = choice_of(catalogue, view);
    return reshard__numbers_find(&memo->table, &digest) != 0;
}

bool reshard__memo_recall(
    struct memo *memo, const struct outlook *outlook, uint32_t deed, struct view *view_out)
{
    for (uint32_t i = memo->deeds[deed].regards; i; i = memo->regards[i].before) {
        struct reshard_digest digest = key_of(memo, outlook, deed, &memo->regards[i].reads);
        uint32_t number = reshard__numbers_find(&memo->table, &digest);
        if (!number)
            continue;
        *view_out = outlook->view;
        return apply(memo, memo->words + number, view_out);
    }
    return false;
}
