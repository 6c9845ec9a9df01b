/* SPDX-License-Identifier: MIT */
/* Room sim: linearizability of one key's history. Depends on nothing else in the room.
 *
 * The search takes operations out of a list of calls and returns in the order of time, as Lowe
 * (2017) has it: only calls in front of the first return may come next. Three things make it short,
 * none of which changes the answer:
 * - A read that fits what is there is taken at once and never tried elsewhere: moving it to the
 * front of any order that exists keeps that order sound.
 * - A write is not taken over a value that somebody still has to read and nobody will write again.
 * - An open write whose value nobody read may as well never have happened. One whose value was
 * read, and written by nobody else, happened before the first of its reads returned.
 *
 * A state is the set of operations taken and the value. Sets are known by the exclusive or of 128
 * bits for each member: two different ones meet with a probability of states^2 / 2^129.
 */
#include <reshard-sim/linear.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NOWHERE = 0, READS = 1, TABLE_MIN = 16 };
/* What takes at most 256 bytes each must fit into a size, and be numbered with 32 bits. */
#define COUNT_LIMIT (SIZE_MAX / 256 < (size_t)1 << 30 ? SIZE_MAX / 256 : (size_t)1 << 30)
#define STATES_SIZE_DEFAULT ((uint64_t)64 << 20)

/* A call or a return, in a doubly linked list that begins and ends at entry 0. */
struct entry {
    uint64_t time;
    uint32_t item;
    uint32_t is_return;
    uint32_t next, previous;
};

struct item {
    uint32_t index; /* in the caller's array */
    uint32_t reads;
    uint32_t value;     /* among the distinct ones */
    uint32_t call, end; /* entries; end may be NOWHERE */
    uint64_t invoked, returned;
};

struct value {
    uint64_t value;
    uint32_t readers; /* answered reads of it, not yet taken */
    uint32_t writers; /* writes of it, not yet taken */
    uint64_t first_read_returned;
};

struct frame {
    uint32_t item;
    uint32_t value; /* before it */
};

struct mark {
    uint64_t low, high;
};

struct search {
    struct reshard_allocator allocator;
    uint8_t *block; /* all arrays but the marks */
    size_t block_size;
    struct item *items;
    struct entry *entries;
    struct value *values;
    struct frame *frames;
    size_t item_count, value_count, depth;
    size_t left; /* items with an end that are not taken */
    uint32_t value;
    struct mark set;
    struct mark *marks;
    size_t mark_count, mark_capacity, mark_limit;
    uint64_t steps, step_limit;
    size_t deepest;
    uint32_t stuck;
};

static void *libc_resize(void *user_data, void *ptr, size_t old_size, size_t new_size)
{
    (void)user_data;
    (void)old_size;
    if (new_size > 0)
        return realloc(ptr, new_size);
    free(ptr);
    return NULL;
}

static void *search_resize(struct search *search, void *block, size_t old_size, size_t new_size)
{
    return search->allocator.resize(search->allocator.user_data, block, old_size, new_size);
}

/* ---- states seen ---- */

/* SplitMix64's finisher: Steele, Lea, Flood (2014). */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static void set_toggle(struct mark *set, uint32_t item)
{
    set->low ^= mix(2 * (uint64_t)item + 1);
    set->high ^= mix(mix(2 * (uint64_t)item + 2));
}

static size_t mark_place(const struct mark *marks, size_t capacity, const struct mark *mark)
{
    size_t at = (size_t)mark->low & (capacity - 1);
    while ((marks[at].low | marks[at].high) &&
           (marks[at].low != mark->low || marks[at].high != mark->high))
        at = (at + 1) & (capacity - 1);
    return at;
}

/* False: no memory. At the limit the table stays as it is, and full enough to be asked only. */
static bool marks_grow(struct search *search)
{
    size_t capacity = search->mark_capacity ? search->mark_capacity * 2 : TABLE_MIN;
    if (capacity > search->mark_limit && search->mark_capacity > 0)
        return true;
    struct mark *marks = search_resize(search, NULL, 0, capacity * sizeof *marks);
    if (!marks)
        return false;
    memset(marks, 0, capacity * sizeof *marks);
    for (size_t i = 0; i < search->mark_capacity; i++)
        if (search->marks[i].low | search->marks[i].high)
            marks[mark_place(marks, capacity, &search->marks[i])] = search->marks[i];
    if (search->marks)
        (void)search_resize(
            search, search->marks, search->mark_capacity * sizeof *search->marks, 0);
    search->marks = marks;
    search->mark_capacity = capacity;
    return true;
}

/* 1: the state is new. 0: it was seen. Or E_NOMEM. */
static int32_t state_add(struct search *search)
{
    if (search->mark_count * 4 >= search->mark_capacity * 3 && !marks_grow(search))
        return RESHARD_E_NOMEM;
    struct mark mark = search->set;
    mark.low ^= mix(~(uint64_t)search->value);
    mark.high ^= mix(mix(~(uint64_t)search->value) + 1);
    mark.low |= (mark.low | mark.high) == 0;
    size_t at = mark_place(search->marks, search->mark_capacity, &mark);
    if (search->marks[at].low | search->marks[at].high)
        return 0;
    if (search->mark_count * 4 < search->mark_capacity * 3) {
        search->marks[at] = mark;
        search->mark_count++;
    }
    return 1;
}

/* ---- the list ---- */

static void entry_lift(struct entry *entries, uint32_t at)
{
    entries[entries[at].previous].next = entries[at].next;
    entries[entries[at].next].previous = entries[at].previous;
}

static void entry_restore(struct entry *entries, uint32_t at)
{
    entries[entries[at].previous].next = at;
    entries[entries[at].next].previous = at;
}

static void item_take(struct search *search, uint32_t index)
{
    struct item *item = &search->items[index];
    search->frames[search->depth++] = (struct frame){index, search->value};
    search->steps++;
    set_toggle(&search->set, index);
    entry_lift(search->entries, item->call);
    if (item->end != NOWHERE) {
        entry_lift(search->entries, item->end);
        search->left--;
    }
    struct value *value = &search->values[item->value];
    if (item->reads)
        value->readers--;
    else
        value->writers--;
    search->value = item->value;
}

/* Puts back what was taken last. */
static struct item *item_untake(struct search *search)
{
    struct frame *frame = &search->frames[--search->depth];
    struct item *item = &search->items[frame->item];
    set_toggle(&search->set, frame->item);
    if (item->end != NOWHERE) {
        entry_restore(search->entries, item->end);
        search->left++;
    }
    entry_restore(search->entries, item->call);
    struct value *value = &search->values[item->value];
    if (item->reads)
        value->readers++;
    else
        value->writers++;
    search->value = frame->value;
    return item;
}

/* ---- the search ---- */

static void reads_take(struct search *search)
{
    struct entry *entries = search->entries;
    uint32_t at = entries[0].next;
    while (at != 0 && !entries[at].is_return) {
        const struct item *item = &search->items[entries[at].item];
        uint32_t previous = entries[at].previous;
        if (item->reads && item->value == search->value) {
            item_take(search, entries[at].item);
            at = entries[previous].next;
        } else {
            at = entries[at].next;
        }
    }
    /* What stands first among the returns is what must find its place next. */
    while (at != 0 && !entries[at].is_return)
        at = entries[at].next;
    if (at != 0 && search->depth >= search->deepest) {
        search->deepest = search->depth;
        search->stuck = entries[at].item;
    }
}

/* Whether the value that is there must be read once more and will never come again. */
static bool is_needed(const struct search *search)
{
    const struct value *value = &search->values[search->value];
    return value->readers > 0 && value->writers == 0;
}

/* The next write from an entry on that may come now; 0 = none. */
static uint32_t write_find(const struct search *search, uint32_t at)
{
    const struct entry *entries = search->entries;
    bool needed = is_needed(search);
    for (; at != 0 && !entries[at].is_return; at = entries[at].next)
        if (!needed && !search->items[entries[at].item].reads)
            return at;
    return 0;
}

/* Back to the last write; the entry after it. 0 with depth 0: there was none. */
static bool search_back(struct search *search, uint32_t *at)
{
    while (search->depth > 0) {
        const struct item *item = item_untake(search);
        if (item->reads)
            continue;
        *at = search->entries[item->call].next;
        return true;
    }
    return false;
}

/* 1: linear. 0: not. Or a status. */
static int32_t search_run(struct search *search)
{
    bool fresh = true;
    uint32_t at = 0;
    for (;;) {
        if (fresh) {
            reads_take(search);
            at = search->entries[0].next;
        }
        fresh = false;
        if (search->left == 0)
            return 1;
        if (search->step_limit && search->steps > search->step_limit)
            return RESHARD_E_LIMIT;
        at = write_find(search, at);
        if (at == 0) {
            if (!search_back(search, &at))
                return 0;
            continue;
        }
        item_take(search, search->entries[at].item);
        int32_t added = state_add(search);
        if (added < 0)
            return added;
        fresh = added == 1;
        if (!fresh)
            at = search->entries[item_untake(search)->call].next;
    }
}

/* ---- from a history to a search ---- */

static int compare_values(const void *left, const void *right)
{
    const struct value *a = left, *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->is_return != b->is_return)
        return a->is_return ? 1 : -1;
    return (a->item > b->item) - (a->item < b->item);
}

static uint64_t value_of(const struct reshard_linear_operation *operation)
{
    return operation->op == RESHARD_OP_REMOVE ? RESHARD_LINEAR_ABSENT : operation->value;
}

static uint32_t value_find(const struct search *search, uint64_t number)
{
    struct value key = {.value = number};
    const struct value *found =
        bsearch(&key, search->values, search->value_count, sizeof key, compare_values);
    return (uint32_t)(found - search->values);
}

static void values_load(struct search *search, const struct reshard_linear_operation *operations,
    size_t count, uint64_t initial)
{
    struct value *values = search->values;
    for (size_t i = 0; i < count; i++)
        values[i].value = value_of(&operations[i]);
    values[count].value = initial;
    qsort(values, count + 1, sizeof *values, compare_values);
    size_t kept = 0;
    for (size_t i = 0; i <= count; i++)
        if (i == 0 || values[i].value != values[kept - 1].value)
            values[kept++].value = values[i].value;
    search->value_count = kept;
    for (size_t i = 0; i < kept; i++)
        values[i].first_read_returned = RESHARD_LINEAR_OPEN;
    for (size_t i = 0; i < count; i++) {
        struct value *value = &values[value_find(search, value_of(&operations[i]))];
        bool open = operations[i].returned == RESHARD_LINEAR_OPEN;
        if (operations[i].op != RESHARD_OP_READ) {
            value->writers++;
        } else if (!open) {
            value->readers++;
            if (operations[i].returned < value->first_read_returned)
                value->first_read_returned = operations[i].returned;
        }
    }
}

/* An open operation: false when it cannot matter. One that must have happened is closed. */
static bool open_settle(struct value *value, struct item *item, uint32_t initial)
{
    if (item->reads)
        return false;
    if (value->readers == 0) {
        value->writers--;
        return false;
    }
    if (value->writers == 1 && item->value != initial)
        item->returned =
            value->first_read_returned > item->invoked ? value->first_read_returned : item->invoked;
    return true;
}

static void items_load(struct search *search, const struct reshard_linear_operation *operations,
    size_t count, uint32_t initial)
{
    for (size_t i = 0; i < count; i++) {
        const struct reshard_linear_operation *operation = &operations[i];
        struct item item = {.index = (uint32_t)i, .invoked = operation->invoked};
        item.reads = operation->op == RESHARD_OP_READ ? READS : 0;
        item.value = value_find(search, value_of(operation));
        item.returned = operation->returned;
        bool open = item.returned == RESHARD_LINEAR_OPEN;
        if (!open || open_settle(&search->values[item.value], &item, initial))
            search->items[search->item_count++] = item;
    }
}

static void entries_load(struct search *search)
{
    struct entry *entries = search->entries;
    uint32_t count = 1;
    for (uint32_t i = 0; i < search->item_count; i++) {
        const struct item *item = &search->items[i];
        entries[count++] = (struct entry){.time = item->invoked, .item = i};
        if (item->returned == RESHARD_LINEAR_OPEN)
            continue;
        entries[count++] = (struct entry){.time = item->returned, .item = i, .is_return = 1};
        search->left++;
    }
    qsort(entries + 1, count - 1, sizeof *entries, compare_entries);
    for (uint32_t at = 0; at < count; at++) {
        entries[at].previous = at == 0 ? count - 1 : at - 1;
        entries[at].next = at + 1 == count ? 0 : at + 1;
        if (at == 0)
            continue;
        if (entries[at].is_return)
            search->items[entries[at].item].end = at;
        else
            search->items[entries[at].item].call = at;
    }
}

static bool is_known(const struct reshard_linear_operation *operation)
{
    return operation->op > 0 && operation->op < RESHARD_OP_COUNT &&
           operation->returned >= operation->invoked;
}

static int32_t arguments_check(const struct reshard_linear_operation *operations, size_t count,
    const struct reshard_linear_config *config, const struct reshard_linear_report *report)
{
    if (!report || (!operations && count > 0))
        return RESHARD_E_NULL;
    if (report->struct_size != sizeof *report || (config && config->struct_size != sizeof *config))
        return RESHARD_E_STRUCT_SIZE;
    if (count >= COUNT_LIMIT)
        return RESHARD_E_ARGUMENT;
    for (size_t i = 0; i < count; i++)
        if (!is_known(&operations[i]))
            return RESHARD_E_ARGUMENT;
    return RESHARD_OK;
}

/* One block for all arrays, the most strictly aligned first. */
static bool search_allocate(struct search *search, size_t count)
{
    size_t items_size = (count + 1) * sizeof *search->items;
    size_t values_size = (count + 1) * sizeof *search->values;
    size_t entries_size = (2 * count + 1) * sizeof *search->entries;
    size_t frames_size = (count + 1) * sizeof *search->frames;
    search->block_size = items_size + values_size + entries_size + frames_size;
    search->block = search_resize(search, NULL, 0, search->block_size);
    if (!search->block)
        return false;
    memset(search->block, 0, search->block_size);
    search->items = (void *)search->block;
    search->values = (void *)(search->block + items_size);
    search->entries = (void *)(search->block + items_size + values_size);
    search->frames = (void *)(search->block + items_size + values_size + entries_size);
    return true;
}

static void limits_set(struct search *search, const struct reshard_linear_config *config)
{
    uint64_t size = config->states_size ? config->states_size : STATES_SIZE_DEFAULT;
    uint64_t limit = size / sizeof *search->marks;
    search->mark_limit = limit < COUNT_LIMIT ? (size_t)limit : COUNT_LIMIT;
    search->step_limit = config->step_limit;
    search->allocator.resize = libc_resize;
    if (config->allocator)
        search->allocator = *config->allocator;
}

void reshard_linear_config_init(struct reshard_linear_config *config)
{
    if (!config)
        return;
    memset(config, 0, sizeof *config);
    config->struct_size = sizeof *config;
}

void reshard_linear_report_init(struct reshard_linear_report *report)
{
    if (!report)
        return;
    memset(report, 0, sizeof *report);
    report->struct_size = sizeof *report;
}

int32_t reshard_linear_check(const struct reshard_linear_operation *operations, size_t count,
    const struct reshard_linear_config *config, struct reshard_linear_report *report_out)
{
    struct reshard_linear_config defaults;
    int32_t status = arguments_check(operations, count, config, report_out);
    if (status)
        return status;
    reshard_linear_config_init(&defaults);
    config = config ? config : &defaults;
    struct search search = {0};
    limits_set(&search, config);
    if (!search_allocate(&search, count))
        return RESHARD_E_NOMEM;
    values_load(&search, operations, count, config->initial);
    search.value = value_find(&search, config->initial);
    items_load(&search, operations, count, search.value);
    entries_load(&search);
    status = search_run(&search);
    if (status >= 0) {
        report_out->linear = (uint32_t)status;
        report_out->steps = search.steps;
        report_out->states = search.mark_count;
        report_out->stuck = status ? 0 : search.items[search.stuck].index;
        status = RESHARD_OK;
    }
    if (search.marks)
        (void)search_resize(&search, search.marks, search.mark_capacity * sizeof *search.marks, 0);
    (void)search_resize(&search, search.block, search.block_size, 0);
    return status;
}
