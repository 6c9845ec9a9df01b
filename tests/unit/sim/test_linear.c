/* SPDX-License-Identifier: MIT */
/* The linearizability checker against all orders tried one by one, against histories made from a
 * real register, and against such histories with one read made impossible. */
#include "support/alloc.h"

#include <criterion/criterion.h>
#include <reshard-sim/linear.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct reshard_linear_operation deed;

static uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint32_t random_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(random_next(state) % bound);
}

static uint32_t is_linear(const deed *operations, size_t count)
{
    struct reshard_linear_report report;
    reshard_linear_report_init(&report);
    report.linear = 7;
    int32_t status = reshard_linear_check(operations, count, NULL, &report);
    return status ? 8 : report.linear;
}

/* ---- brute force: every order of at most 6 operations over absence and 6 values ---- */

enum { SMALL = 6 };

/* A sanitizer makes a history five times as slow: one in eight of the longest is enough for it. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SPARSE 8
#endif
#endif
#ifndef SPARSE
#define SPARSE 1
#endif

/* The sets that are closed under "came before", smallest first, and each one's successors. Shared
 * by all histories of one interleaving. */
struct orders {
    uint32_t answered; /* set of operations with an answer */
    uint32_t step_count;
    struct {
        uint8_t set, item;
    } steps[(1 << SMALL) * SMALL];
};

static void orders_make(struct orders *orders, const deed *operations, size_t count)
{
    uint32_t before[SMALL] = {0}, reached = 1;
    uint64_t closed = reached;
    orders->answered = orders->step_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (operations[i].returned != RESHARD_LINEAR_OPEN)
            orders->answered |= 1U << i;
        for (size_t j = 0; j < count; j++)
            if (operations[j].returned < operations[i].invoked)
                before[i] |= 1U << j;
    }
    for (uint32_t set = 0; set < 1U << count; set++)
        for (uint32_t i = 0; i < count && closed >> set & 1; i++) {
            if (set >> i & 1 || (before[i] & ~set))
                continue;
            closed |= UINT64_C(1) << (set | 1U << i);
            orders->steps[orders->step_count].set = (uint8_t)set;
            orders->steps[orders->step_count++].item = (uint8_t)i;
        }
}

static uint64_t value_of(const deed *operation)
{
    return operation->op == RESHARD_OP_REMOVE ? 0 : operation->value;
}

/* Which values each set can leave behind. */
static uint32_t brute(const struct orders *orders, const deed *operations)
{
    uint8_t values[1 << SMALL] = {1};
    for (uint32_t s = 0; s < orders->step_count; s++) {
        uint32_t set = orders->steps[s].set, i = orders->steps[s].item;
        uint8_t bit = (uint8_t)(1U << value_of(&operations[i]));
        if (values[set] == 0)
            continue;
        if (operations[i].op == RESHARD_OP_READ)
            values[set | 1U << i] |= values[set] & bit;
        else
            values[set | 1U << i] |= bit;
    }
    for (uint32_t set = 0; set < 1 << SMALL; set++)
        if (values[set] && (set & orders->answered) == orders->answered)
            return 1;
    return 0;
}

struct enumeration {
    deed operations[SMALL];
    size_t count;
    uint32_t whole; /* 1: also what cannot matter, see `value_choose` */
    struct orders orders;
    uint64_t interleavings, tried, histories, linear;
};

static void history_compare(struct enumeration *all)
{
    if (all->tried++ % (all->count < SMALL ? 1 : SPARSE))
        return;
    uint32_t expected = brute(&all->orders, all->operations);
    uint32_t found = is_linear(all->operations, all->count);
    all->histories++;
    all->linear += expected;
    if (found != expected)
        for (size_t i = 0; i < all->count; i++)
            (void)fprintf(stderr, "op %u value %u: %llu ... %llu\n",
                (unsigned)all->operations[i].op, (unsigned)all->operations[i].value,
                (unsigned long long)all->operations[i].invoked,
                (unsigned long long)all->operations[i].returned);
    cr_assert_eq(found, expected, "found %u, brute force says %u", found, expected);
}

/* The greatest value that appears and is never written; 0 = there is none. */
static uint64_t value_unwritten(const struct enumeration *all, uint64_t top)
{
    uint32_t written = 1;
    for (size_t i = 0; i < all->count; i++)
        if (all->operations[i].op == RESHARD_OP_WRITE)
            written |= 1U << all->operations[i].value;
    while (top > 0 && written >> top & 1)
        top--;
    return top;
}

/* Every operation reads, writes or removes; values have numbers in the order of their appearance,
 * as only their being equal matters. A read of what nobody writes, or that nobody has answered,
 * can matter for nothing else, so it is left out of the longest histories. */
static void value_choose(struct enumeration *all, size_t at, uint64_t top)
{
    if (at == all->count) {
        if (all->whole || value_unwritten(all, top) == 0)
            history_compare(all);
        return;
    }
    deed *operation = &all->operations[at];
    for (uint64_t value = 0; value <= top + 1; value++) {
        operation->value = value;
        operation->op = value ? RESHARD_OP_WRITE : RESHARD_OP_REMOVE;
        value_choose(all, at + 1, value > top ? value : top);
        operation->op = RESHARD_OP_READ;
        if (all->whole || operation->returned != RESHARD_LINEAR_OPEN)
            value_choose(all, at + 1, value > top ? value : top);
    }
}

static void values_run(struct enumeration *all)
{
    orders_make(&all->orders, all->operations, all->count);
    all->interleavings++;
    value_choose(all, 0, 0);
}

/* All orders of calls and returns; what has not returned in the end stays open. Neighbouring
 * returns may change places without a difference: `least` keeps them in one order, unless it is 0.
 */
static void interleave(struct enumeration *all, size_t called, uint64_t time, size_t least)
{
    if (called == all->count)
        values_run(all);
    if (called < all->count && called < SMALL) {
        all->operations[called] = (deed){.invoked = time, .returned = RESHARD_LINEAR_OPEN};
        interleave(all, called + 1, time + 1, 0);
    }
    for (size_t i = least; i < called; i++) {
        if (all->operations[i].returned != RESHARD_LINEAR_OPEN)
            continue;
        all->operations[i].returned = time;
        interleave(all, called, time + 1, all->whole ? 0 : i);
        all->operations[i].returned = RESHARD_LINEAR_OPEN;
    }
}

static void enumerate(size_t count, uint32_t whole)
{
    struct enumeration all = {.count = count, .whole = whole};
    interleave(&all, 0, 1, 0);
    (void)fprintf(stderr, "%zu operations: %llu interleavings, %llu histories, %llu linear\n",
        count, (unsigned long long)all.interleavings, (unsigned long long)all.histories,
        (unsigned long long)all.linear);
    cr_assert(all.linear > 0 && all.linear < all.histories);
}

/* RESHARD_SOAK asks for what takes minutes. */
static uint64_t soak(void)
{
    const char *text = getenv("RESHARD_SOAK");
    return text ? strtoull(text, NULL, 10) : 0;
}

Test(linear, answers_as_brute_force_for_all_histories_of_six_operations)
{
    for (size_t count = 1; count < SMALL; count++)
        enumerate(count, count < SMALL - 1);
    enumerate(SMALL, soak() > 0);
}

/* ---- histories of a real register ---- */

struct made {
    deed *operations;
    size_t count;
};

struct mix {
    uint32_t clients;
    uint32_t reads, removes; /* percent */
    uint32_t opens;          /* percent of operations without an answer */
    uint32_t values;         /* distinct ones; 0 = each write its own */
};

static void deed_choose(deed *o, const struct mix *mix, uint64_t *random, uint64_t *last)
{
    uint32_t percent = random_below(random, 100);
    o->op = RESHARD_OP_WRITE;
    if (percent < mix->reads)
        o->op = RESHARD_OP_READ;
    else if (percent < mix->reads + mix->removes)
        o->op = RESHARD_OP_REMOVE;
    else
        o->value = mix->values ? 1 + random_below(random, mix->values) : ++*last;
}

/* Clients whose operations take effect at one instant between call and return. Each event is one of
 * a client's three: call, effect, return. */
static void history_make(struct made *made, size_t count, const struct mix *mix, uint64_t *random)
{
    enum { CLIENTS_MAX = 16 };
    size_t running[CLIENTS_MAX];
    uint32_t stage[CLIENTS_MAX] = {0};
    uint64_t value = 0, time = 0, last = 0;
    made->count = 0;
    while (made->count < count) {
        uint32_t c = random_below(random, mix->clients);
        deed *o = &made->operations[running[c] * (stage[c] > 0)];
        time += 1 + random_below(random, 3);
        if (stage[c] == 0) {
            running[c] = made->count++;
            o = &made->operations[running[c]];
            *o = (deed){.invoked = time, .returned = RESHARD_LINEAR_OPEN};
            deed_choose(o, mix, random, &last);
            stage[c] = 1;
        } else if (stage[c] == 1) {
            /* One without an answer may not have happened at all. */
            uint32_t open = random_below(random, 100) < mix->opens;
            if (o->op == RESHARD_OP_READ)
                o->value = value;
            else if (!open || random_below(random, 2))
                value = value_of(o);
            stage[c] = open ? 0 : 2;
        } else {
            o->returned = time;
            stage[c] = 0;
        }
    }
}

static struct mix mix_random(uint64_t *random)
{
    struct mix mix = {.clients = 2 + random_below(random, 9), .opens = random_below(random, 8)};
    mix.reads = 20 + random_below(random, 60);
    mix.removes = random_below(random, 20);
    return mix;
}

/* A read, and a value that it cannot have seen: one overwritten for certain before the read began,
 * or one that was written after it ended. Every write has its own value. */
static int corrupt(struct made *made, uint64_t *random)
{
    for (int tries = 0; tries < 200; tries++) {
        deed *read = &made->operations[random_below(random, (uint32_t)made->count)];
        const deed *write = &made->operations[random_below(random, (uint32_t)made->count)];
        const deed *later = &made->operations[random_below(random, (uint32_t)made->count)];
        if (read->op != RESHARD_OP_READ || write->op != RESHARD_OP_WRITE ||
            read->returned == RESHARD_LINEAR_OPEN)
            continue;
        int early = write->invoked > read->returned;
        int stale = later->op != RESHARD_OP_READ && write->returned < later->invoked &&
                    later->returned < read->invoked;
        if (!early && !stale)
            continue;
        read->value = write->value;
        return 1;
    }
    return 0;
}

Test(linear, accepts_what_a_register_did_and_rejects_one_impossible_read)
{
    enum { CORRUPTED = 12000, COUNT_MAX = 200 };
    deed operations[COUNT_MAX + 16];
    struct made made = {.operations = operations};
    uint64_t valid = 0, rejected = 0;
    for (uint64_t seed = 1; rejected < CORRUPTED; seed++) {
        uint64_t random = seed;
        struct mix mix = mix_random(&random);
        size_t count = 4 + random_below(&random, COUNT_MAX - 4);
        history_make(&made, count, &mix, &random);
        cr_assert_eq(is_linear(operations, made.count), 1, "seed %llu", (unsigned long long)seed);
        valid++;
        if (!corrupt(&made, &random))
            continue;
        cr_assert_eq(is_linear(operations, made.count), 0, "seed %llu", (unsigned long long)seed);
        rejected++;
    }
    (void)fprintf(stderr, "%llu valid histories accepted, %llu corrupted ones rejected\n",
        (unsigned long long)valid, (unsigned long long)rejected);
}

Test(linear, accepts_what_a_register_with_few_values_did)
{
    enum { COUNT = 120 };
    deed operations[COUNT];
    struct made made = {.operations = operations};
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t random = seed;
        struct mix mix = mix_random(&random);
        mix.values = 1 + random_below(&random, 4);
        history_make(&made, COUNT, &mix, &random);
        cr_assert_eq(is_linear(operations, made.count), 1, "seed %llu", (unsigned long long)seed);
    }
}

Test(linear, names_an_operation_that_fits_nowhere)
{
    const deed operations[] = {
        {.op = RESHARD_OP_WRITE, .value = 1, .invoked = 1, .returned = 2},
        {.op = RESHARD_OP_REMOVE, .invoked = 3, .returned = 4},
        {.op = RESHARD_OP_READ, .value = 0, .invoked = 5, .returned = 6},
        {.op = RESHARD_OP_READ, .value = 1, .invoked = 7, .returned = 8},
        {.op = RESHARD_OP_WRITE, .value = 2, .invoked = 9, .returned = 10},
    };
    struct reshard_linear_report report;
    reshard_linear_report_init(&report);
    cr_assert_eq(reshard_linear_check(operations, 5, NULL, &report), RESHARD_OK);
    cr_assert_eq(report.linear, 0);
    cr_assert_eq(report.stuck, 1, "either the removal or the last read");
    cr_assert_eq(reshard_linear_check(operations, 3, NULL, &report), RESHARD_OK);
    cr_assert_eq(report.linear, 1);
}

Test(linear, open_write_may_show_at_any_later_time_but_not_flicker)
{
    deed operations[] = {
        {.op = RESHARD_OP_WRITE, .value = 1, .invoked = 1, .returned = RESHARD_LINEAR_OPEN},
        {.op = RESHARD_OP_READ, .value = 0, .invoked = 100, .returned = 101},
        {.op = RESHARD_OP_READ, .value = 1, .invoked = 200, .returned = 201},
    };
    cr_assert_eq(is_linear(operations, 3), 1);
    operations[1].value = 1;
    operations[2].value = 0;
    cr_assert_eq(is_linear(operations, 3), 0);
}

Test(linear, operations_that_touch_at_one_instant_overlap)
{
    deed operations[] = {
        {.op = RESHARD_OP_READ, .value = 1, .invoked = 1, .returned = 5},
        {.op = RESHARD_OP_WRITE, .value = 1, .invoked = 5, .returned = 9},
    };
    cr_assert_eq(is_linear(operations, 2), 1);
    operations[1].invoked = 6;
    cr_assert_eq(is_linear(operations, 2), 0);
}

/* Writes of few values at once, then a read of a value that nobody wrote: all orders must be tried.
 */
static size_t hard_make(deed *operations, size_t writes)
{
    for (size_t i = 0; i < writes; i++)
        operations[i] =
            (deed){.op = RESHARD_OP_WRITE, .value = 1 + i, .invoked = 1, .returned = 1000};
    for (size_t i = 0; i < writes; i++)
        operations[writes + i] = (deed){.op = RESHARD_OP_READ,
            .value = 1 + i % 2,
            .invoked = 2000 + 10 * i,
            .returned = 2001 + 10 * i};
    return 2 * writes;
}

Test(linear, stays_exact_when_memory_for_states_is_used_up_and_gives_up_at_the_limit)
{
    deed operations[16];
    size_t count = hard_make(operations, 8);
    struct reshard_linear_config config;
    struct reshard_linear_report ample, scarce;
    reshard_linear_config_init(&config);
    reshard_linear_report_init(&ample);
    reshard_linear_report_init(&scarce);
    cr_assert_eq(reshard_linear_check(operations, count, &config, &ample), RESHARD_OK);
    config.states_size = 1;
    cr_assert_eq(reshard_linear_check(operations, count, &config, &scarce), RESHARD_OK);
    cr_assert_eq(ample.linear, 0);
    cr_assert_eq(scarce.linear, 0);
    cr_assert_gt(ample.states, scarce.states);
    cr_assert_gt(scarce.steps, ample.steps);
    cr_assert_leq(scarce.states, 16);
    config.step_limit = 5;
    struct reshard_linear_report same = scarce;
    cr_assert_eq(reshard_linear_check(operations, count, &config, &scarce), RESHARD_E_LIMIT);
    cr_assert_arr_eq(&same, &scarce, sizeof same);
}

Test(linear, check_without_memory_changes_nothing_and_leaks_nothing)
{
    deed operations[16];
    size_t count = hard_make(operations, 8);
    struct reshard_linear_config config;
    struct reshard_linear_report report, before;
    reshard_linear_config_init(&config);
    reshard_linear_report_init(&report);
    before = report;
    int32_t status = RESHARD_E_NOMEM;
    size_t failed = 0;
    for (size_t n = 1; status == RESHARD_E_NOMEM; n++) {
        struct support_alloc alloc;
        struct reshard_allocator allocator = support_alloc_init(&alloc);
        alloc.fail_at = n;
        config.allocator = &allocator;
        status = reshard_linear_check(operations, count, &config, &report);
        cr_assert(support_alloc_clean(&alloc), "allocation %zu", n);
        if (status == RESHARD_E_NOMEM) {
            failed++;
            cr_assert_arr_eq(&report, &before, sizeof report);
        }
    }
    cr_assert_eq(status, RESHARD_OK);
    cr_assert_geq(failed, 3);
}

Test(linear, check_refuses_what_it_does_not_know)
{
    deed one = {.op = RESHARD_OP_READ, .invoked = 1, .returned = 2};
    struct reshard_linear_config config;
    struct reshard_linear_report report;
    reshard_linear_config_init(&config);
    reshard_linear_report_init(&report);
    cr_assert_eq(reshard_linear_check(&one, 1, NULL, NULL), RESHARD_E_NULL);
    cr_assert_eq(reshard_linear_check(NULL, 1, NULL, &report), RESHARD_E_NULL);
    cr_assert_eq(reshard_linear_check(&one, SIZE_MAX, NULL, &report), RESHARD_E_ARGUMENT);
    cr_assert_eq(reshard_linear_check(NULL, 0, NULL, &report), RESHARD_OK);
    cr_assert_eq(report.linear, 1);
    config.initial = 5;
    cr_assert_eq(reshard_linear_check(&one, 1, &config, &report), RESHARD_OK);
    cr_assert_eq(report.linear, 0);
    config.struct_size = 1;
    cr_assert_eq(reshard_linear_check(&one, 1, &config, &report), RESHARD_E_STRUCT_SIZE);
    one.returned = 0;
    cr_assert_eq(reshard_linear_check(&one, 1, NULL, &report), RESHARD_E_ARGUMENT);
    one.returned = 2;
    one.op = RESHARD_OP_COUNT;
    cr_assert_eq(reshard_linear_check(&one, 1, NULL, &report), RESHARD_E_ARGUMENT);
    report.struct_size = 0;
    one.op = RESHARD_OP_READ;
    cr_assert_eq(reshard_linear_check(&one, 1, NULL, &report), RESHARD_E_STRUCT_SIZE);
    reshard_linear_config_init(NULL);
    reshard_linear_report_init(NULL);
}

/* Histories of 10,000 operations, 200,000 in all, or RESHARD_SOAK millions. The rate is for the
 * reader; nothing depends on it. */
Test(linear, checks_long_histories)
{
    enum { COUNT = 10000 };
    deed *operations = calloc(COUNT, sizeof *operations);
    struct made made = {.operations = operations};
    uint64_t histories = soak() ? soak() * 1000000 / COUNT : 20, steps = 0, states = 0;
    clock_t spent = 0;
    for (uint64_t seed = 1; seed <= histories; seed++) {
        uint64_t random = seed;
        struct mix mix = mix_random(&random);
        struct reshard_linear_report report;
        reshard_linear_report_init(&report);
        history_make(&made, COUNT, &mix, &random);
        clock_t from = clock();
        cr_assert_eq(reshard_linear_check(operations, COUNT, NULL, &report), RESHARD_OK);
        spent += clock() - from;
        cr_assert_eq(report.linear, 1, "seed %llu", (unsigned long long)seed);
        steps += report.steps;
        states += report.states;
    }
    free(operations);
    double seconds = (double)spent / CLOCKS_PER_SEC;
    (void)fprintf(stderr, "%llu operations, %.2f steps each, %.2f states each: %.0f a second\n",
        (unsigned long long)histories * COUNT, (double)steps / (double)(histories * COUNT),
        (double)states / (double)(histories * COUNT), (double)(histories * COUNT) / seconds);
}
