/* SPDX-License-Identifier: MIT */
/* Room sim: what messages and records are, read from their bytes. */
#ifndef RESHARD_SIM_PEEK_H
#define RESHARD_SIM_PEEK_H

#include <reshard/types.h>
#include <stdbool.h>
#include <stddef.h>

struct text;

struct peek {
    uint32_t type;      /* 1 HELLO ... 6 ACK, 0 = unreadable */
    uint64_t migration;
    uint64_t term, n;   /* ORDER, REPORT */
    uint32_t phase;     /* ORDER, REPORT */
    uint32_t kind;      /* CHUNK: kind; REPORT: result; ACK: answer */
    uint64_t sequence;
    uint64_t version; /* ORDER, MAP, HELLO */
    uint64_t attempt; /* ORDER, REPORT */
    uint64_t durable; /* REPORT, ACK */
    uint64_t flags;   /* ORDER, REPORT, CHUNK, ACK */
};
enum { PEEK_MEMBERS_MAX = 20 };

/* Its type alone, where one byte tells it; else 0. */
uint32_t reshard__peek_type(const uint8_t *bytes, size_t size);
struct peek reshard__peek(const uint8_t *bytes, size_t size);
/* All members of a message: numbers, and where the last byte string is; NULL: it has none. */
const uint8_t *reshard__peek_members(
    const uint8_t *bytes, size_t size, uint64_t values[PEEK_MEMBERS_MAX]);
const char *reshard__message_name(uint32_t type);
const char *reshard__kind_name(uint32_t type, uint32_t kind);
const char *reshard__record_name(uint32_t kind);
bool reshard__record_next(const uint8_t *bytes, size_t size, size_t *offset, uint32_t *kind);
/* Whether framed records hold one of this name; and the first one's name. */
bool reshard__records_have(const uint8_t *bytes, size_t size, const char *name);
void reshard__records_name(struct text *text, const uint8_t *bytes, size_t size);

#endif
