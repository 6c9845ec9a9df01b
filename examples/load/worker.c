/* SPDX-License-Identifier: MIT */
/* Room load: workers. A request is sent until it is answered, with the same version; what it may
 * answer was fixed when it was first sent. */
#include "load.h"

#include <stdio.h>
#include <string.h>

enum {
    PAUSE_AGAIN_NS = 1000000,   /* after TRYAGAIN */
    PAUSE_ERROR_NS = 20000000,
    PAUSE_CLOSING_NS = 2000000
};

static const char *const op_names[] = {"GET", "SET", "DEL", "INCR", "MGET"};

static bool op_writes(uint8_t op)
{
    return op == OP_SET || op == OP_DEL || op == OP_INCR;
}

static void request_write(struct load *load, const struct worker *worker, struct buffer *out)
{
    char text[KEY_TEXT_SIZE];
    if (worker->op == OP_MAP) {
        request_begin(out, 2);
        request_arg(out, "CLUSTER", 7);
        request_arg(out, "SLOTS", 5);
        return;
    }
    request_begin(out, 1 + worker->key_count + (worker->op == OP_SET));
    request_arg(out, op_names[worker->op], strlen(op_names[worker->op]));
    for (uint32_t key = 0; key < worker->key_count; key++)
        request_arg(out, text, model_key_text(&load->model, worker->keys[key], text));
    if (worker->op != OP_SET)
        return;
    buffer_append_format(out, "$%zu\r\n", load->model.value_size);
    model_value(&load->model, worker->keys[0], worker->version, out);
    buffer_append(out, "\r\n", 2);
}

void worker_delay(struct load *load, struct worker *worker, uint64_t delay_ns)
{
    worker->state = WORKER_DELAYED;
    worker->due_ns = uv_hrtime() + delay_ns;
    load->delayed_count++;
}

void worker_send(struct load *load, struct worker *worker)
{
    struct key *key = &load->model.keys[worker->keys[0]];
    uint32_t node = worker->op == OP_MAP
        ? map_source(load)
        : map_find(load, key->slot);
    struct node *target = worker->ask ? worker->ask : &load->nodes[node];
    struct buffer *out = link_take(load, target, worker->index, worker->ask != NULL);
    if (!out) {
        worker_delay(load, worker, PAUSE_CLOSING_NS);
        return;
    }
    worker->ask = NULL;
    worker->state = WORKER_SENT;
    request_write(load, worker, out);
}

static void op_begin(struct load *load, struct worker *worker)
{
    struct key *key = &load->model.keys[worker->keys[0]];
    worker->ask = NULL;
    worker->begin_ns = uv_hrtime();
    for (uint32_t at = 0; at < worker->key_count; at++)
        worker->floors[at] = model_floor(&load->model, worker->keys[at]);
    if (op_writes(worker->op)) {
        key->busy = true;
        key->spoilt = false;
        key->sent++;
        worker->version = key->sent;
        if (worker->op == OP_DEL)
            key->removed = key->sent;
    }
    worker_send(load, worker);
}

/* A value that no other worker is writing; a probe keeps to slots that move, or to the others. */
static uint32_t value_pick(struct load *load, const struct worker *worker)
{
    struct model *model = &load->model;
    uint32_t low = worker->role == ROLE_PROBE_OTHER ? model->moving_count : 0;
    uint32_t high = worker->role == ROLE_PROBE_MOVING ? model->moving_count : model->value_count;
    uint32_t index = 0;
    if (low == high) {
        low = 0;
        high = model->value_count;
    }
    for (int tries = 0; tries < 64; tries++) {
        index = low + (uint32_t)(model_random(model) % (high - low));
        index = worker->role == ROLE_CLIENT ? index : model->moving[index];
        if (!model->keys[index].busy)
            break;
    }
    return index;
}

static uint8_t op_pick(struct load *load, const struct worker *worker)
{
    uint32_t dice = (uint32_t)(model_random(&load->model) % 100);
    uint8_t op = OP_GET;
    if (worker->role != ROLE_CLIENT)
        return OP_SET;
    while (op < OP_MGET && dice >= load->mix[op])
        dice -= load->mix[op++];
    return op;
}

static void worker_next(struct load *load, struct worker *worker)
{
    struct model *model = &load->model;
    worker->op = op_pick(load, worker);
    worker->key_count = 1;
    worker->keys[0] = value_pick(load, worker);
    if (worker->op == OP_INCR)
        worker->keys[0] =
            model->value_count + (uint32_t)(model_random(model) % model->counter_count);
    if (worker->op == OP_MGET) {
        worker->key_count = 2;
        worker->keys[1] = worker->keys[0] ^ 1U;
    }
    if (op_writes(worker->op) && model->keys[worker->keys[0]].busy)
        worker->op = OP_GET;
    op_begin(load, worker);
}

static void sweep_next(struct load *load, struct worker *worker)
{
    const struct model *model = &load->model;
    uint32_t count = model->value_count;
    if (load->sweep == SWEEP_VERIFY)
        count += model->counter_count;
    worker->state = WORKER_IDLE;
    if (load->sweep_next == count)
        return;
    worker->op = load->sweep == SWEEP_FILL ? OP_SET : OP_GET;
    worker->key_count = 1;
    worker->keys[0] = load->sweep_next++;
    op_begin(load, worker);
}

static bool any_busy(const struct load *load)
{
    for (uint32_t index = 0; index + 1 < load->worker_count; index++)
        if (load->workers[index].state != WORKER_IDLE)
            return true;
    return false;
}

static void sweep_end(struct load *load)
{
    const struct phase *phase = &load->phase;
    (void)printf("{\"kind\":\"%s\",\"keys\":%u,\"lost\":%llu,\"stale\":%llu,\"wrong\":%llu}\n",
        load->sweep == SWEEP_FILL ? "filled" : "verified", load->sweep_next,
        (unsigned long long)phase->answers[ANSWER_LOST],
        (unsigned long long)phase->answers[ANSWER_STALE],
        (unsigned long long)phase->answers[ANSWER_WRONG]);
    (void)fflush(stdout);
    bool verified = load->sweep == SWEEP_VERIFY;
    load->sweep = SWEEP_NONE;
    load->sweep_next = 0;
    if (load->ending && !verified)
        workers_sweep(load, SWEEP_VERIFY);
    else if (load->ending)
        uv_stop(&load->loop);
    else if (load->resuming)
        workers_resume(load);
}

/* A sweep begins when the clients have come to rest, so that every answer is known exactly. */
static void worker_free(struct load *load, struct worker *worker)
{
    worker->state = WORKER_IDLE;
    if (worker->role == ROLE_MAPPER)
        return;
    if (worker->role == ROLE_SWEEPER) {
        sweep_next(load, worker);
        if (worker->state == WORKER_IDLE && !any_busy(load))
            sweep_end(load);
        return;
    }
    if (load->sweep == SWEEP_NONE) {
        worker_next(load, worker);
        return;
    }
    if (any_busy(load))
        return;
    load->running = false;
    phase_forget_gaps(load);
    for (uint32_t index = 0; index < SWEEPERS; index++)
        sweep_next(load, &load->workers[load->client_count + index]);
}

void workers_sweep(struct load *load, int sweep)
{
    load->sweep = sweep;
    load->sweep_next = 0;
    load->resuming = load->running;
    if (load->running)
        return;
    for (uint32_t index = 0; index < SWEEPERS; index++)
        sweep_next(load, &load->workers[load->client_count + index]);
}

void workers_resume(struct load *load)
{
    load->running = true;
    phase_forget_gaps(load);
    for (uint32_t index = 0; index < load->client_count; index++)
        worker_next(load, &load->workers[index]);
}

static int counter_answered(struct key *key, const struct reply_item *item)
{
    uint32_t before = key->acked;
    if (item->kind != ':' || item->number > (int64_t)key->sent)
        return ANSWER_WRONG;
    key->acked = key->sent = (uint32_t)item->number;
    return item->number <= (int64_t)before ? ANSWER_STALE : ANSWER_RIGHT;
}

static void write_answered(struct load *load, struct worker *worker)
{
    const struct reply_item *item = load->replies.items;
    struct key *key = &load->model.keys[worker->keys[0]];
    bool right = item->kind == ':' && item->number <= 1; /* of DEL */
    int answer;
    key->busy = false;
    if (worker->op == OP_INCR) {
        answer = counter_answered(key, item);
    } else {
        key->acked = worker->version;
        if (worker->op == OP_SET)
            right = item->kind == '+' && bytes_equal(item->text, bytes_of("OK"));
        answer = right ? ANSWER_RIGHT : ANSWER_WRONG;
    }
    phase_answer(load, worker->keys[0], answer);
}

static void read_answered(struct load *load, struct worker *worker)
{
    const struct replies *replies = &load->replies;
    size_t first = worker->op == OP_MGET;
    for (uint32_t at = 0; at < worker->key_count; at++) {
        const struct reply_item *item = &replies->items[first + at];
        struct bytes value = {NULL, 0};
        int answer = ANSWER_WRONG;
        if (first + at < replies->count && item->kind == '$') {
            if (item->number >= 0)
                value = item->text;
            answer = model_check(&load->model, worker->keys[at], worker->floors[at], value);
        }
        phase_answer(load, worker->keys[at], answer);
        if (answer != ANSWER_RIGHT)
            model_accept(&load->model, worker->keys[at], value);
    }
}

/* "slot host:port" behind MOVED or ASK. */
static struct node *address_read(struct load *load, struct bytes text, const struct node *sender)
{
    const uint8_t *host = memchr(text.data, ' ', text.size);
    size_t size;
    int64_t port = 0;
    if (!host)
        return NULL;
    host++;
    size = (size_t)(text.data + text.size - host);
    size_t colon = size;
    while (colon > 0 && host[colon - 1] != ':')
        colon--;
    if (colon == 0 || !bytes_number((struct bytes){host + colon, size - colon}, &port))
        return NULL;
    struct bytes name = {host, colon - 1};
    return node_find(load, name.size ? name : bytes_of(sender->host), port);
}

static bool starts(struct bytes text, const char *word)
{
    return text.size >= strlen(word) && memcmp(text.data, word, strlen(word)) == 0;
}

static void error_answered(struct load *load, struct worker *worker, const struct node *sender)
{
    struct bytes text = load->replies.items[0].text;
    bool moved = starts(text, "MOVED ");
    if (moved || starts(text, "ASK ")) {
        size_t head = moved ? 6 : 4;
        struct bytes rest = {text.data + head, text.size - head};
        struct node *node = address_read(load, rest, sender);
        if (node) {
            *(moved ? &load->phase.moved : &load->phase.ask) += 1;
            if (moved)
                map_moved(load, load->model.keys[worker->keys[0]].slot, node, sender);
            else
                worker->ask = node;
            worker_send(load, worker);
            return;
        }
    }
    if (starts(text, "TRYAGAIN")) {
        load->phase.tryagain++;
        worker_delay(load, worker, PAUSE_AGAIN_NS);
        return;
    }
    phase_error(load, text);
    map_refresh(load, NULL);
    worker_delay(load, worker, PAUSE_ERROR_NS);
}

void worker_answered(struct load *load, struct worker *worker, struct node *sender)
{
    if (worker->op == OP_MAP) {
        map_read(load, sender);
    } else if (load->replies.items[0].kind == '-') {
        error_answered(load, worker, sender);
        return;
    } else {
        if (op_writes(worker->op))
            write_answered(load, worker);
        else
            read_answered(load, worker);
        phase_record(load, worker, uv_hrtime());
    }
    worker_free(load, worker);
}

void worker_dropped(struct load *load, struct worker *worker)
{
    if (worker->op == OP_INCR) /* it may have counted, and will count again */
        load->model.keys[worker->keys[0]].sent++;
    if (worker->role == ROLE_MAPPER) {
        worker->state = WORKER_IDLE;
        return;
    }
    load->phase.drops++;
    worker_delay(load, worker, PAUSE_ERROR_NS);
    map_refresh(load, NULL);
}

void workers_tick(struct load *load)
{
    uint64_t now = uv_hrtime();
    for (uint32_t index = 0; index < load->worker_count && load->delayed_count > 0; index++) {
        struct worker *worker = &load->workers[index];
        if (worker->state != WORKER_DELAYED || worker->due_ns > now)
            continue;
        load->delayed_count--;
        worker_send(load, worker);
    }
}

void workers_open(struct load *load, uint32_t client_count, uint32_t probe_count)
{
    load->client_count = client_count;
    load->worker_count = client_count + SWEEPERS + 1;
    load->workers = memory_take(load->worker_count * sizeof(*load->workers));
    memset(load->workers, 0, load->worker_count * sizeof(*load->workers));
    for (uint32_t index = 0; index < load->worker_count; index++) {
        struct worker *worker = &load->workers[index];
        worker->index = index;
        if (index >= client_count)
            worker->role = index + 1 < load->worker_count ? ROLE_SWEEPER : ROLE_MAPPER;
        else if (client_count - index <= probe_count)
            worker->role = (client_count - index) % 2 ? ROLE_PROBE_MOVING : ROLE_PROBE_OTHER;
    }
}
