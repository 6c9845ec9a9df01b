/* SPDX-License-Identifier: MIT */
/* Fuzz target: slotd's RESP parser. Whatever the bytes are: the requests are the same when they
 * arrive at once and byte by byte, arguments lie inside what was given, and memory stays in
 * proportion to the input. */
#include "resp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void expect(bool condition)
{
    if (!condition)
        __builtin_trap();
}

/* Parse all; what was understood goes onto `trace`. */
static void parse(const uint8_t *bytes, size_t size, bool bytewise, struct buffer *trace)
{
    struct resp_parser parser;
    size_t start = 0;
    size_t end = bytewise ? 0 : size;
    resp_init(&parser);
    for (;;) {
        struct bytes input = {bytes + start, end - start};
        int result = resp_parse(&parser, input);
        expect(parser.position <= input.size && parser.arg_capacity <= 16 + 2 * size);
        if (result == RESP_MORE && end < size) {
            end++;
            continue;
        }
        if (result != RESP_REQUEST) {
            buffer_append_text(trace, result == RESP_ERROR ? parser.error : "more");
            break;
        }
        for (size_t index = 0; index < parser.arg_count; index++) {
            struct bytes arg = resp_arg_at(&parser, input, index);
            buffer_append_format(trace, "%zu:", arg.size);
            buffer_append(trace, arg.data, arg.size);
        }
        buffer_append_text(trace, ";");
        start += parser.position;
        resp_next(&parser);
    }
    resp_free(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buffer whole = {0};
    struct buffer cut = {0};
    parse(bytes, size, false, &whole);
    parse(bytes, size, true, &cut);
    expect(bytes_equal((struct bytes){whole.data, whole.size}, (struct bytes){cut.data, cut.size}));
    buffer_free(&whole);
    buffer_free(&cut);
    return 0;
}
