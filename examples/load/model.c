/* SPDX-License-Identifier: MIT */
/* Room load: the model. What a read may answer is decided here and nowhere else. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CRC16-XMODEM bit by bit: slow, and so plain that it can judge faster ones. */
static uint16_t slot_of(const char *text, size_t size)
{
    const char *open = memchr(text, '{', size);
    const char *end = open ? memchr(open, '}', (size_t)(text + size - open)) : NULL;
    uint32_t crc = 0;
    if (end && end > open + 1) {
        text = open + 1;
        size = (size_t)(end - text);
    }
    for (size_t index = 0; index < size; index++) {
        crc ^= (uint32_t)(uint8_t)text[index] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000U ? crc << 1 ^ 0x1021U : crc << 1) & 0xFFFFU;
    }
    return (uint16_t)(crc % SLOT_COUNT);
}

/* Neighbours share a slot, so that two of them can be asked for at once. */
size_t model_key_text(const struct model *model, uint32_t index, char text_out[KEY_TEXT_SIZE])
{
    int size = model_is_counter(model, index)
        ? snprintf(text_out, KEY_TEXT_SIZE, "counter:%u", index - model->value_count)
        : snprintf(text_out, KEY_TEXT_SIZE, "value:{%u}:%u", index / 2, index % 2);
    return (size_t)size;
}

void model_open(struct model *model, uint32_t value_count, uint32_t counter_count,
    size_t value_size, uint64_t seed)
{
    uint32_t count = value_count + counter_count;
    *model = (struct model){.value_count = value_count, .counter_count = counter_count,
        .value_size = value_size, .seed = seed * 2 + 1};
    model->keys = memory_take(count * sizeof(*model->keys));
    model->moving = memory_take((value_count + 1) * sizeof(*model->moving));
    memset(model->keys, 0, count * sizeof(*model->keys));
    for (uint32_t index = 0; index < count; index++) {
        char text[KEY_TEXT_SIZE];
        size_t size = model_key_text(model, index, text);
        model->keys[index].slot = slot_of(text, size);
    }
    (void)model_moving_set(model, NULL);
}

void model_close(struct model *model)
{
    free(model->keys);
    free(model->moving);
}

/* xorshift64*: the seed is odd, so never zero. */
uint64_t model_random(struct model *model)
{
    model->seed ^= model->seed >> 12;
    model->seed ^= model->seed << 25;
    model->seed ^= model->seed >> 27;
    return model->seed * 0x2545F4914F6CDD1DULL >> 16;
}

bool model_is_counter(const struct model *model, uint32_t index)
{
    return index >= model->value_count;
}

static bool ranges_read(const char *ranges, bool moves[SLOT_COUNT])
{
    while (*ranges) {
        char *end = NULL;
        unsigned long first = strtoul(ranges, &end, 10);
        unsigned long last = first;
        if (end == ranges)
            return false;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (first > last || last >= SLOT_COUNT || (*end && *end != ','))
            return false;
        for (unsigned long slot = first; slot <= last; slot++)
            moves[slot] = true;
        ranges = *end ? end + 1 : end;
    }
    return true;
}

bool model_moving_set(struct model *model, const char *ranges)
{
    bool moves[SLOT_COUNT] = {false};
    uint32_t low = 0;
    uint32_t high = model->value_count;
    if (ranges && !ranges_read(ranges, moves))
        return false;
    if (model->marked && memcmp(moves, model->moves, sizeof(moves)) == 0)
        return true; /* marking so many keys takes a while, in which no answer is read */
    memcpy(model->moves, moves, sizeof(moves));
    model->marked = true;
    for (uint32_t index = 0; index < model->value_count + model->counter_count; index++) {
        struct key *key = &model->keys[index];
        key->moving = moves[key->slot];
        if (model_is_counter(model, index))
            continue;
        if (key->moving)
            model->moving[low++] = index;
        else
            model->moving[--high] = index;
    }
    model->moving_count = low;
    return true;
}

uint32_t model_floor(const struct model *model, uint32_t index)
{
    const struct key *key = &model->keys[index];
    return key->acked > key->seen ? key->acked : key->seen;
}

static uint8_t body_byte(uint32_t index, uint32_t version)
{
    return (uint8_t)('a' + (index * 7U + version) % 26U);
}

void model_value(const struct model *model, uint32_t index, uint32_t version, struct buffer *out)
{
    char head[VALUE_SIZE_MIN + 1];
    uint8_t *at = buffer_reserve(out, model->value_size);
    (void)snprintf(head, sizeof(head), "%08x:%08x:", index, version);
    memcpy(at, head, VALUE_SIZE_MIN);
    memset(at + VALUE_SIZE_MIN, body_byte(index, version), model->value_size - VALUE_SIZE_MIN);
    out->size += model->value_size;
}

/* The version that a value claims; 0 = these bytes were never written to this key. */
static uint32_t version_read(const struct model *model, uint32_t index, struct bytes value)
{
    char head[VALUE_SIZE_MIN + 1];
    char good[VALUE_SIZE_MIN + 1];
    const uint8_t *body = value.data + VALUE_SIZE_MIN;
    size_t size = value.size - VALUE_SIZE_MIN;
    if (value.size != model->value_size)
        return 0;
    memcpy(head, value.data, VALUE_SIZE_MIN);
    head[VALUE_SIZE_MIN] = 0;
    uint32_t version = (uint32_t)strtoul(head + 9, NULL, 16);
    (void)snprintf(good, sizeof(good), "%08x:%08x:", index, version);
    if (memcmp(head, good, VALUE_SIZE_MIN) != 0)
        return 0;
    if (size > 0 && (body[0] != body_byte(index, version) || memcmp(body, body + 1, size - 1) != 0))
        return 0;
    return version;
}

static int counter_check(const struct key *key, uint32_t floor, struct bytes value)
{
    int64_t number = 0;
    if (!value.data)
        return floor == 0 ? ANSWER_RIGHT : ANSWER_LOST;
    if (!bytes_number(value, &number) || number > (int64_t)key->sent)
        return ANSWER_WRONG;
    return number < (int64_t)floor ? ANSWER_STALE : ANSWER_RIGHT;
}

int model_check(struct model *model, uint32_t index, uint32_t floor, struct bytes value)
{
    struct key *key = &model->keys[index];
    if (model_is_counter(model, index))
        return counter_check(key, floor, value);
    if (key->spoilt)
        return ANSWER_RIGHT;
    if (!value.data) /* some removal must lie between what was acknowledged and what was sent */
        return key->removed >= floor ? ANSWER_RIGHT : ANSWER_LOST;
    uint32_t version = version_read(model, index, value);
    if (version == 0 || version > key->sent || version == key->removed)
        return ANSWER_WRONG;
    if (version < floor)
        return ANSWER_STALE;
    if (version > key->seen)
        key->seen = version;
    return ANSWER_RIGHT;
}

void model_accept(struct model *model, uint32_t index, struct bytes value)
{
    struct key *key = &model->keys[index];
    int64_t number = 0;
    if (key->busy)
        return;
    key->spoilt = !model_is_counter(model, index);
    if (key->spoilt)
        return;
    (void)bytes_number(value, &number);
    key->acked = key->sent = (uint32_t)number;
}
