/* SPDX-License-Identifier: MIT */
/* Room load: figures of a phase, printed as one JSON line each. */
#include "load.h"

#include <stdio.h>
#include <string.h>

enum { SUB_BITS = 5, SUB_COUNT = 1 << SUB_BITS };

/* Buckets of 3 %: linear within each power of two. */
static uint32_t bucket_of(uint64_t ns)
{
    uint32_t shift = 0;
    uint32_t bucket;
    while (ns >> shift >= SUB_COUNT * 2U)
        shift++;
    bucket = shift * SUB_COUNT + (uint32_t)(ns >> shift);
    return bucket < HISTOGRAM_SIZE ? bucket : HISTOGRAM_SIZE - 1;
}

/* The highest value of a bucket. */
static uint64_t bucket_ns(uint32_t bucket)
{
    uint32_t shift = bucket < 2 * SUB_COUNT ? 0 : bucket / SUB_COUNT - 1;
    uint64_t sub = bucket - shift * SUB_COUNT;
    return ((sub + 1) << shift) - 1;
}

static double percentile_us(const struct phase *phase, double part)
{
    uint64_t count = 0;
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_SIZE; bucket++)
        count += phase->histogram[bucket];
    for (uint32_t bucket = 0; bucket < HISTOGRAM_SIZE; bucket++) {
        seen += phase->histogram[bucket];
        if (count > 0 && (double)seen >= part * (double)count) {
            uint64_t ns = bucket_ns(bucket);
            return (double)(ns < phase->longest ? ns : phase->longest) / 1000;
        }
    }
    return 0;
}

void phase_begin(struct load *load, const char *name)
{
    memset(&load->phase, 0, sizeof(load->phase));
    (void)snprintf(load->phase.name, NAME_SIZE, "%s", name);
    load->phase.begin = uv_hrtime();
    for (int side = 0; side < 2; side++)
        load->write_last[side] = 0;
}

/* Workers that stop, or a change of what moves: no gap may span it. */
void phase_forget_gaps(struct load *load)
{
    load->write_last[0] = load->write_last[1] = 0;
}

static void gap_note(struct phase *phase, const struct load *load, int side, uint64_t now)
{
    uint64_t gap = load->write_last[side] ? now - load->write_last[side] : 0;
    if (gap > phase->gap_longest[side])
        phase->gap_longest[side] = gap;
}

void phase_record(struct load *load, const struct worker *worker, uint64_t now)
{
    struct phase *phase = &load->phase;
    const struct key *key = &load->model.keys[worker->keys[0]];
    uint64_t took = now - worker->begin_ns;
    int side = key->moving;
    if (!load->running)
        return;
    phase->ops++;
    phase->histogram[bucket_of(took)]++;
    if (took > phase->longest)
        phase->longest = took;
    if (worker->op != OP_SET && worker->op != OP_DEL && worker->op != OP_INCR)
        return;
    if (took > phase->write_longest[side])
        phase->write_longest[side] = took;
    gap_note(phase, load, side, now);
    load->write_last[side] = now;
}

void phase_error(struct load *load, struct bytes text)
{
    struct phase *phase = &load->phase;
    if (phase->errors++ > 0)
        return;
    size_t size = text.size < sizeof(phase->first_error) - 1
        ? text.size
        : sizeof(phase->first_error) - 1;
    for (size_t index = 0; index < size; index++) {
        char letter = (char)text.data[index];
        bool plain = letter >= ' ' && letter < 127 && letter != '"' && letter != '\\';
        if (!plain)
            letter = '?';
        phase->first_error[index] = letter;
    }
    phase->first_error[size] = 0;
}

void phase_answer(struct load *load, uint32_t index, int answer)
{
    static const char *const words[] = {"right", "lost", "stale", "wrong"};
    struct phase *phase = &load->phase;
    phase->answers[answer]++;
    if (answer == ANSWER_RIGHT)
        return;
    const struct key *key = &load->model.keys[index];
    char text[KEY_TEXT_SIZE];
    (void)model_key_text(&load->model, index, text);
    (void)fprintf(stderr,
        "load: %s: %s (slot %u, acknowledged %u, sent %u, removed %u, seen %u)\n", words[answer],
        text, key->slot, key->acked, key->sent, key->removed, key->seen);
}

static void figures_print(const struct phase *phase, const char *kind, double seconds)
{
    const struct {
        const char *name;
        double us;
    } times[] = {{"p50_us", percentile_us(phase, 0.5)}, {"p99_us", percentile_us(phase, 0.99)},
        {"p999_us", percentile_us(phase, 0.999)}, {"max_us", (double)phase->longest / 1000},
        {"write_max_moving_us", (double)phase->write_longest[1] / 1000},
        {"write_max_other_us", (double)phase->write_longest[0] / 1000},
        {"gap_moving_us", (double)phase->gap_longest[1] / 1000},
        {"gap_other_us", (double)phase->gap_longest[0] / 1000}};
    const struct {
        const char *name;
        uint64_t count;
    } counts[] = {{"ops", phase->ops}, {"moved", phase->moved}, {"ask", phase->ask},
        {"tryagain", phase->tryagain}, {"drops", phase->drops}, {"errors", phase->errors},
        {"checked", phase->answers[ANSWER_RIGHT]}, {"lost", phase->answers[ANSWER_LOST]},
        {"stale", phase->answers[ANSWER_STALE]}, {"wrong", phase->answers[ANSWER_WRONG]}};
    (void)printf("{\"kind\":\"%s\",\"name\":\"%s\",\"seconds\":%.3f", kind, phase->name, seconds);
    for (size_t index = 0; index < sizeof(times) / sizeof(times[0]); index++)
        (void)printf(",\"%s\":%.1f", times[index].name, times[index].us);
    for (size_t index = 0; index < sizeof(counts) / sizeof(counts[0]); index++)
        (void)printf(",\"%s\":%llu", counts[index].name, (unsigned long long)counts[index].count);
    (void)printf(",\"first_error\":\"%s\"}\n", phase->first_error);
    (void)fflush(stdout);
}

static void total_add(struct phase *total, const struct phase *phase)
{
    uint64_t *sums[] = {&total->ops, &total->moved, &total->ask, &total->tryagain, &total->drops,
        &total->errors};
    const uint64_t more[] = {phase->ops, phase->moved, phase->ask, phase->tryagain, phase->drops,
        phase->errors};
    for (size_t index = 0; index < sizeof(more) / sizeof(more[0]); index++)
        *sums[index] += more[index];
    for (int answer = 0; answer < ANSWERS; answer++)
        total->answers[answer] += phase->answers[answer];
    for (uint32_t bucket = 0; bucket < HISTOGRAM_SIZE; bucket++)
        total->histogram[bucket] += phase->histogram[bucket];
    if (phase->longest > total->longest)
        total->longest = phase->longest;
    for (int side = 0; side < 2; side++) {
        if (phase->write_longest[side] > total->write_longest[side])
            total->write_longest[side] = phase->write_longest[side];
        if (phase->gap_longest[side] > total->gap_longest[side])
            total->gap_longest[side] = phase->gap_longest[side];
    }
    if (!total->first_error[0])
        memcpy(total->first_error, phase->first_error, sizeof(total->first_error));
}

void phase_end(struct load *load)
{
    struct phase *phase = &load->phase;
    uint64_t now = uv_hrtime();
    /* Requests that are still waiting count as far as they have come. */
    for (uint32_t index = 0; index < load->client_count && load->running; index++) {
        const struct worker *worker = &load->workers[index];
        if (worker->state != WORKER_IDLE && now - worker->begin_ns > phase->longest)
            phase->longest = now - worker->begin_ns;
    }
    for (int side = 0; side < 2; side++)
        gap_note(phase, load, side, now);
    figures_print(phase, "phase", (double)(now - phase->begin) / 1e9);
    total_add(&load->total, phase);
}

void total_report(struct load *load)
{
    (void)snprintf(load->total.name, NAME_SIZE, "all");
    figures_print(&load->total, "total", (double)(uv_hrtime() - load->total.begin) / 1e9);
}

void live_report(struct load *load)
{
    const struct phase *phase = &load->phase;
    uint64_t now = uv_hrtime();
    uint64_t ops = phase->ops + load->total.ops;
    double seconds = (double)(now - load->live_ns) / 1e9;
    if (load->quiet || seconds < 0.25)
        return;
    (void)printf("{\"kind\":\"live\",\"name\":\"%s\",\"ops_s\":%.0f,\"longest_us\":%.0f,"
                 "\"errors\":%llu,\"lost\":%llu,\"wrong\":%llu}\n",
        phase->name, (double)(ops - load->live_ops) / seconds, (double)phase->longest / 1000,
        (unsigned long long)(phase->errors + load->total.errors),
        (unsigned long long)(phase->answers[ANSWER_LOST] + load->total.answers[ANSWER_LOST]),
        (unsigned long long)(phase->answers[ANSWER_STALE] + load->total.answers[ANSWER_STALE] +
            phase->answers[ANSWER_WRONG] + load->total.answers[ANSWER_WRONG]));
    (void)fflush(stdout);
    load->live_ns = now;
    load->live_ops = ops;
}
