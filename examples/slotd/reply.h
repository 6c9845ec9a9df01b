/* SPDX-License-Identifier: MIT */
/* Room reply (slotd): answers in RESP2 and RESP3.
 *
 * Guarantees: what a command says once comes out in the client's protocol. Does no I/O: everything
 * is appended to a buffer.
 */
#ifndef SLOTD_REPLY_H
#define SLOTD_REPLY_H

#include "bytes.h"

struct reply {
    struct buffer *out;
    int protocol;          /* 2 or 3 */
    uint64_t error_count;  /* errors written so far */
};

void reply_status(struct reply *reply, const char *text);
void reply_ok(struct reply *reply);
/* `text` starts with its code: "ERR ...". Line ends in it become spaces. */
void reply_error(struct reply *reply, const char *text);
void reply_error_format(struct reply *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void reply_integer(struct reply *reply, int64_t number);
void reply_bulk(struct reply *reply, struct bytes bytes);
void reply_bulk_text(struct reply *reply, const char *text);
void reply_bulk_number(struct reply *reply, int64_t number);
/* A bulk whose bytes the caller appends to reply->out itself, then reply_bulk_end. */
void reply_bulk_begin(struct reply *reply, size_t size);
void reply_bulk_end(struct reply *reply);
/* Text for people: verbatim in RESP3, bulk in RESP2. */
void reply_verbatim(struct reply *reply, struct bytes text);
void reply_null(struct reply *reply);
void reply_null_array(struct reply *reply);
void reply_array(struct reply *reply, size_t count);
/* count pairs follow. */
void reply_map(struct reply *reply, size_t count);
void reply_set(struct reply *reply, size_t count);

#endif
