/* SPDX-License-Identifier: MIT */
/* Room sim: what clients saw, and whether one copy of each key could have shown it: the search of
 * Wing and Gong (1993) with Lowe's memory of states seen (2017), per key. An operation without an
 * answer may have taken effect at any later time, or never. */
#include "sim/sim.h"

size_t reshard__history_begin(
    struct reshard_sim *sim, uint32_t client, uint32_t op, uint32_t key, uint64_t value)
{
    sim->history = reshard__sim_grow(
        sim->history, &sim->history_capacity, sim->history_count + 1, sizeof *sim->history);
    struct operation *operation = &sim->history[sim->history_count];
    *operation = (struct operation){.op = op, .key = key, .client = client, .value = value};
    operation->begin = ++sim->history_clock;
    operation->end = UINT64_MAX;
    return sim->history_count++;
}

void reshard__history_end(struct reshard_sim *sim, size_t index, uint64_t value)
{
    struct operation *operation = &sim->history[index];
    operation->end = ++sim->history_clock;
    if (operation->op == RESHARD_OP_READ)
        operation->value = value;
}

/* States seen: hash of (set of done operations, value). */
struct seen {
    uint64_t *hashes;
    size_t count;
    size_t capacity;
};

static bool seen_add(struct seen *seen, uint64_t hash)
{
    hash = hash ? hash : 1;
    if (seen->count * 2 >= seen->capacity) {
        struct seen larger = {0};
        size_t zero = 0;
        larger.capacity = seen->capacity ? seen->capacity * 2 : 64;
        larger.hashes =
            reshard__sim_grow(NULL, &zero, larger.capacity, sizeof *larger.hashes);
        for (size_t i = 0; i < seen->capacity; i++)
            if (seen->hashes[i])
                (void)seen_add(&larger, seen->hashes[i]);
        reshard__sim_release(seen->hashes);
        *seen = larger;
    }
    size_t at = hash & (seen->capacity - 1);
    while (seen->hashes[at]) {
        if (seen->hashes[at] == hash)
            return false;
        at = (at + 1) & (seen->capacity - 1);
    }
    seen->hashes[at] = hash;
    seen->count++;
    return true;
}

struct search {
    const struct operation *operations; /* by begin */
    size_t count;
    uint64_t *done; /* bitmap */
    size_t words;
    size_t left; /* answered operations that are not done */
    uint64_t value;
    struct seen seen;
};

static bool is_done(const struct search *search, size_t i)
{
    return search->done[i / 64] >> (i % 64) & 1;
}

/* The earliest answer among what is not done: nothing that began later may come before it. */
static uint64_t horizon(const struct search *search)
{
    uint64_t earliest = UINT64_MAX;
    for (size_t i = 0; i < search->count && search->operations[i].begin < earliest; i++)
        if (!is_done(search, i) && search->operations[i].end < earliest)
            earliest = search->operations[i].end;
    return earliest;
}

static bool fits(const struct search *search, size_t i)
{
    const struct operation *operation = &search->operations[i];
    return operation->op != RESHARD_OP_READ || operation->value == search->value;
}

struct frame {
    size_t index;
    uint64_t value;
};

static void take(struct search *search, size_t i)
{
    search->done[i / 64] |= UINT64_C(1) << (i % 64);
    search->left -= search->operations[i].end != UINT64_MAX;
    if (search->operations[i].op != RESHARD_OP_READ)
        search->value = search->operations[i].value;
}

static void untake(struct search *search, const struct frame *frame)
{
    search->done[frame->index / 64] &= ~(UINT64_C(1) << (frame->index % 64));
    search->left += search->operations[frame->index].end != UINT64_MAX;
    search->value = frame->value;
}

/* The next operation from `from` on that may come now; count = none. */
static size_t candidate(const struct search *search, size_t from)
{
    uint64_t limit = horizon(search);
    for (size_t i = from; i < search->count && search->operations[i].begin < limit; i++)
        if (!is_done(search, i) && fits(search, i))
            return i;
    return search->count;
}

static bool search_run(struct search *search, struct frame *frames)
{
    size_t depth = 0, from = 0;
    while (search->left > 0) {
        size_t i = candidate(search, from);
        if (i < search->count) {
            frames[depth++] = (struct frame){i, search->value};
            take(search, i);
            uint64_t hash = reshard__sim_hash(
                search->done, search->words * sizeof *search->done, search->value);
            from = 0;
            if (seen_add(&search->seen, hash))
                continue;
        }
        if (i == search->count && depth == 0)
            return false;
        depth--;
        untake(search, &frames[depth]);
        from = frames[depth].index + 1;
    }
    return true;
}

bool reshard__history_linear(const struct operation *operations, size_t count)
{
    struct search search = {.operations = operations, .count = count};
    size_t zero = 0;
    search.words = count / 64 + 1;
    search.done = reshard__sim_grow(NULL, &zero, search.words, sizeof *search.done);
    for (size_t i = 0; i < count; i++)
        search.left += operations[i].end != UINT64_MAX;
    struct frame *frames = reshard__sim_resize(NULL, count + 1, sizeof *frames);
    bool linear = search_run(&search, frames);
    reshard__sim_release(frames);
    reshard__sim_release(search.done);
    reshard__sim_release(search.seen.hashes);
    return linear;
}

static void key_check(struct reshard_sim *sim, uint32_t key, struct operation *operations)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->history_count; i++) {
        const struct operation *operation = &sim->history[i];
        bool empty = operation->op == RESHARD_OP_READ && operation->end == UINT64_MAX;
        if (operation->key == key && !empty)
            operations[count++] = *operation;
    }
    if (!reshard__history_linear(operations, count))
        reshard__sim_violate(sim, "linearizable", "k%u: %u operations fit no single copy",
            (uint64_t)key, (uint64_t)count);
}

void reshard__history_check(struct reshard_sim *sim)
{
    struct operation *operations =
        reshard__sim_resize(NULL, sim->history_count + 1, sizeof *operations);
    for (uint32_t key = 0; key < sim->set.key_count && !sim->violated; key++)
        key_check(sim, key, operations);
    reshard__sim_release(operations);
}
