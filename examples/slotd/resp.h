/* SPDX-License-Identifier: MIT */
/* Room resp (slotd): requests in RESP (multibulk and inline), read as the bytes arrive.
 *
 * Guarantees: each byte is looked at once, however it is cut; memory grows with bytes that have
 * arrived, never with what a header announces; no input crashes it. Does no I/O: the caller owns
 * the input and hands it over again, grown, until a request is complete.
 */
#ifndef SLOTD_RESP_H
#define SLOTD_RESP_H

#include "bytes.h"

enum {
    RESP_ARGS_MAX = 1048576,          /* arguments of one request */
    RESP_LINE_SIZE_MAX = 65536,       /* an inline request, or a header line */
    RESP_BULK_SIZE_MAX = 536870912,   /* one argument: 512 MB */
    RESP_GUEST_ARGS_MAX = 10,         /* before AUTH */
    RESP_GUEST_BULK_SIZE_MAX = 16384  /* before AUTH */
};

/* What resp_parse answers. */
enum { RESP_ERROR = -1, RESP_MORE = 0, RESP_REQUEST = 1 };

struct resp_arg {
    size_t offset; /* into the input, or into `line` of an inline request */
    size_t size;
};

/* All zero, then resp_init. */
struct resp_parser {
    size_t position;      /* input bytes understood so far, of this request */
    size_t scanned;       /* input bytes searched for a line end */
    size_t args_left;     /* bulks still to come */
    size_t bulk_size;     /* of the bulk that is arriving */
    struct resp_arg *args;
    size_t arg_count;
    size_t arg_capacity;
    struct buffer line;   /* unquoted arguments of an inline request */
    const char *error;    /* RESP_ERROR: text behind "-ERR " */
    char error_text[48];
    bool guest;           /* stricter limits; set by the caller */
    uint8_t state;
};

void resp_init(struct resp_parser *parser);
void resp_free(struct resp_parser *parser);

/* Go on with the request that starts at input.data. RESP_REQUEST: complete; its bytes are
 * parser->position, its arguments resp_arg_at; it may have none ("*0", an empty line), then it asks
 * for nothing. RESP_MORE: call again with the same start and more
 * bytes. RESP_ERROR: answer parser->error, then close. */
int resp_parse(struct resp_parser *parser, struct bytes input);

/* Argument of a complete request; borrows the input and the parser. */
struct bytes resp_arg_at(const struct resp_parser *parser, struct bytes input, size_t index);

/* Bytes the caller should make room for at once: a large bulk's rest, bounded by what has already
 * arrived (so announcing costs nothing). 0 = no wish. */
size_t resp_wanted(const struct resp_parser *parser, size_t input_size);

/* Ready for the next request, which starts at the next input.data. */
void resp_next(struct resp_parser *parser);

#endif
