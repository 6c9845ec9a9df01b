/* SPDX-License-Identifier: MIT */
/* Room resp of slotd: requests are the same however the bytes are cut. */
#include "reply.h"
#include "resp.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Feed `text` in pieces of `step` bytes; append "[arg|arg]" per request and "!error" to `out`. */
static void parse_all(const char *text, size_t text_size, size_t step, struct buffer *out)
{
    struct resp_parser parser;
    struct buffer input = {0};
    resp_init(&parser);
    size_t fed = 0;
    for (;;) {
        int result = resp_parse(&parser, (struct bytes){input.data, input.size});
        if (result == RESP_MORE) {
            if (fed == text_size)
                break;
            size_t size = text_size - fed < step ? text_size - fed : step;
            buffer_append(&input, text + fed, size);
            fed += size;
            continue;
        }
        if (result == RESP_ERROR) {
            buffer_append_format(out, "!%s", parser.error);
            break;
        }
        buffer_append(out, "[", 1);
        for (size_t index = 0; index < parser.arg_count; index++) {
            struct bytes arg =
                resp_arg_at(&parser, (struct bytes){input.data, input.size}, index);
            buffer_append(out, "|", index > 0 ? 1 : 0);
            buffer_append(out, arg.data, arg.size);
        }
        buffer_append(out, "]", 1);
        buffer_consume(&input, parser.position);
        resp_next(&parser);
    }
    resp_free(&parser);
    buffer_free(&input);
}

static const struct {
    const char *input, *output;
} cases[] = {
    {"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "[GET|k]"},
    {"*1\r\n$0\r\n\r\n", "[]"},
    {"*0\r\n*-1\r\n\r\nPING\r\n", "[][][][PING]"},
    {"PING\n  SET  a \"b c\" 'd\\'e' \"\\x41\\n\"\r\n", "[PING][SET|a|b c|d'e|A\n]"},
    {"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", "[PING][PING][PING]"},
    {"a\"b c\"\r\n", "[ab c]"},
    {"\"\"\r\n", "[]"},
    {"*2\r\n$1\r\na\r\n", ""},
    {"*1\r\n$1\r\nab\r\n", "!Protocol error: expected CRLF behind a bulk"},
    {"*1\r\nx", "!Protocol error: expected '$', got 'x'"},
    {"*1\r\n\x01", "!Protocol error: expected '$', got '?'"},
    {"*01\r\n", "!Protocol error: invalid multibulk length"},
    {"*1048577\r\n", "!Protocol error: invalid multibulk length"},
    {"*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length"},
    {"*1\r\n$-1\r\n", "!Protocol error: invalid bulk length"},
    {"'a\r\n", "!Protocol error: unbalanced quotes in request"},
    {"\"a\"b\r\n", "!Protocol error: unbalanced quotes in request"},
};

Test(resp, requests_cut_anywhere_are_the_same)
{
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++)
        for (size_t step = 1; step <= strlen(cases[index].input) + 1; step++) {
            struct buffer out = {0};
            parse_all(cases[index].input, strlen(cases[index].input), step, &out);
            buffer_append(&out, "", 1);
            cr_assert_str_eq((char *)out.data, cases[index].output, "case %zu step %zu", index,
                step);
            buffer_free(&out);
        }
}

Test(resp, guests_have_small_limits)
{
    struct resp_parser parser;
    resp_init(&parser);
    parser.guest = true;
    cr_assert_eq(resp_parse(&parser, bytes_of("*11\r\n")), RESP_ERROR);
    resp_free(&parser);
    resp_init(&parser);
    parser.guest = true;
    cr_assert_eq(resp_parse(&parser, bytes_of("*1\r\n$16385\r\n")), RESP_ERROR);
    resp_free(&parser);
}

Test(resp, announcing_costs_nothing)
{
    struct resp_parser parser;
    resp_init(&parser);
    struct bytes input = bytes_of("*1000000\r\n$536870912\r\nabc");
    cr_assert_eq(resp_parse(&parser, input), RESP_MORE);
    cr_assert_leq(parser.arg_capacity, 8);
    cr_assert_leq(resp_wanted(&parser, input.size), input.size);
    resp_free(&parser);
}

/* A long line that arrives byte by byte is searched once: the parser remembers where it was. */
Test(resp, lines_without_end_are_searched_once_and_refused)
{
    struct resp_parser parser;
    char *line = malloc(RESP_LINE_SIZE_MAX + 2);
    memset(line, 'x', RESP_LINE_SIZE_MAX + 2);
    resp_init(&parser);
    for (size_t size = 1; size <= RESP_LINE_SIZE_MAX; size++) {
        cr_assert_eq(resp_parse(&parser, (struct bytes){(uint8_t *)line, size}), RESP_MORE);
        cr_assert_eq(parser.scanned, size);
    }
    cr_assert_eq(
        resp_parse(&parser, (struct bytes){(uint8_t *)line, RESP_LINE_SIZE_MAX + 1}), RESP_ERROR);
    resp_free(&parser);
    free(line);
}

Test(resp, replies_follow_the_protocol)
{
    struct buffer out = {0};
    struct reply reply = {&out, 2, 0};
    reply_null(&reply);
    reply_null_array(&reply);
    reply_map(&reply, 1);
    reply_set(&reply, 1);
    reply_verbatim(&reply, bytes_of("x"));
    reply.protocol = 3;
    reply_null(&reply);
    reply_map(&reply, 1);
    reply_set(&reply, 1);
    reply_verbatim(&reply, bytes_of("x"));
    reply_error(&reply, "ERR a\r\nb");
    reply_integer(&reply, INT64_MIN);
    buffer_append(&out, "", 1);
    cr_assert_str_eq((char *)out.data,
        "$-1\r\n*-1\r\n*2\r\n*1\r\n$1\r\nx\r\n_\r\n%1\r\n~1\r\n=5\r\ntxt:x\r\n-ERR a  b\r\n"
        ":-9223372036854775808\r\n");
    cr_assert_eq(reply.error_count, 1);
    buffer_free(&out);
}

Test(bytes, numbers_are_read_strictly)
{
    static const char *const bad[] = {"", "-", "+1", "01", "-0", " 1", "1 ", "1a", "0x1",
        "9223372036854775808", "-9223372036854775809", "18446744073709551616",
        "99999999999999999999"};
    int64_t number = 7;
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++)
        cr_assert_not(bytes_number(bytes_of(bad[index]), &number), "%s", bad[index]);
    cr_assert_eq(number, 7);
    cr_assert(bytes_number(bytes_of("-9223372036854775808"), &number) && number == INT64_MIN);
    cr_assert(bytes_number(bytes_of("9223372036854775807"), &number) && number == INT64_MAX);
    cr_assert(bytes_number(bytes_of("0"), &number) && number == 0);
}

/* A pattern of many stars costs pattern x text, not 2^stars. */
Test(bytes, hostile_patterns_end)
{
    char pattern[201];
    char text[2001];
    for (size_t index = 0; index < 200; index += 2)
        memcpy(pattern + index, "a*", 2);
    pattern[199] = 'b';
    memset(text, 'a', 2000);
    pattern[200] = text[2000] = '\0';
    cr_assert_not(bytes_match(bytes_of(pattern), bytes_of(text), false));
}
