/* SPDX-License-Identifier: MIT */
/* Room resp: see resp.h. Error texts are those of Redis 7.0 (its protocol tests rely on them). */
#include "resp.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_START, STATE_HEADER, STATE_BULK };
enum { ARGS_KEPT_MAX = 1024, LINE_KEPT_MAX = 4096 };

void resp_init(struct resp_parser *parser)
{
    *parser = (struct resp_parser){0};
}

void resp_free(struct resp_parser *parser)
{
    free(parser->args);
    buffer_free(&parser->line);
    *parser = (struct resp_parser){0};
}

void resp_next(struct resp_parser *parser)
{
    parser->position = 0;
    parser->scanned = 0;
    parser->arg_count = 0;
    parser->state = STATE_START;
    if (parser->arg_capacity > ARGS_KEPT_MAX) {
        free(parser->args);
        parser->args = NULL;
        parser->arg_capacity = 0;
    }
    buffer_clear(&parser->line, LINE_KEPT_MAX);
}

struct bytes resp_arg_at(const struct resp_parser *parser, struct bytes input, size_t index)
{
    const uint8_t *base = parser->line.size > 0 ? parser->line.data : input.data;
    return (struct bytes){base + parser->args[index].offset, parser->args[index].size};
}

size_t resp_wanted(const struct resp_parser *parser, size_t input_size)
{
    if (parser->state != STATE_BULK)
        return 0;
    size_t end = parser->position + parser->bulk_size + 2;
    if (end <= input_size)
        return 0;
    size_t missing = end - input_size;
    return missing < input_size ? missing : input_size;
}

static int fail(struct resp_parser *parser, const char *error)
{
    parser->error = error;
    return RESP_ERROR;
}

static void arg_add(struct resp_parser *parser, size_t offset, size_t size)
{
    if (parser->arg_count == parser->arg_capacity) {
        size_t capacity = parser->arg_capacity == 0 ? 8 : parser->arg_capacity * 2;
        parser->args = memory_resize(parser->args, capacity * sizeof(*parser->args));
        parser->arg_capacity = capacity;
    }
    parser->args[parser->arg_count++] = (struct resp_arg){offset, size};
}

/* The line at parser->position: *line_out without its end (LF or CRLF), position behind it. */
static int line_take(struct resp_parser *parser, struct bytes input, const char *too_long,
    struct bytes *line_out)
{
    size_t start = parser->position;
    size_t from = parser->scanned > start ? parser->scanned : start;
    const uint8_t *end = from < input.size
        ? memchr(input.data + from, '\n', input.size - from) : NULL;
    if (end == NULL) {
        parser->scanned = input.size;
        return input.size - start > RESP_LINE_SIZE_MAX ? fail(parser, too_long) : RESP_MORE;
    }
    size_t size = (size_t)(end - (input.data + start));
    if (size > RESP_LINE_SIZE_MAX)
        return fail(parser, too_long);
    parser->position = start + size + 1;
    if (size > 0 && input.data[start + size - 1] == '\r')
        size--;
    *line_out = (struct bytes){input.data + start, size};
    return RESP_REQUEST;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (uint8_t)(byte | 32);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* An escape in double quotes, at the byte behind the backslash; returns bytes used. */
static size_t escape_take(struct resp_parser *parser, const uint8_t *at, size_t size)
{
    static const char names[] = "nrtba";
    static const char values[] = "\n\r\t\b\a";
    if (size >= 3 && at[0] == 'x' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        uint8_t byte = (uint8_t)(hex_digit(at[1]) * 16 + hex_digit(at[2]));
        buffer_append(&parser->line, &byte, 1);
        return 3;
    }
    const char *name = memchr(names, at[0], sizeof(names) - 1);
    buffer_append(&parser->line, name != NULL ? (const void *)(values + (name - names)) : at, 1);
    return 1;
}

/* One byte inside quotes, or an escape; returns bytes used. In single quotes \' is the only one. */
static size_t quoted_byte_take(
    struct resp_parser *parser, const uint8_t *at, size_t size, bool escapes)
{
    bool escaped = at[0] == '\\' && size > 1;
    if (escaped && escapes)
        return 1 + escape_take(parser, at + 1, size - 1);
    size_t skipped = escaped && at[1] == '\'' ? 1 : 0;
    buffer_append(&parser->line, at + skipped, 1);
    return skipped + 1;
}

/* A quoted run at *index (behind the quote); *index ends behind the closing quote, which must end
 * the argument. False when it does not, or is missing. */
static bool quoted_take(
    struct resp_parser *parser, struct bytes line, size_t *index, uint8_t quote)
{
    size_t at = *index;
    while (at < line.size && line.data[at] != quote)
        at += quoted_byte_take(parser, line.data + at, line.size - at, quote == '"');
    if (at == line.size || (at + 1 < line.size && !isspace(line.data[at + 1])))
        return false;
    *index = at + 1;
    return true;
}

/* Split a line as a shell would. The `line` buffer starts with one byte of ballast, so that it is
 * non-empty whenever the arguments lie in it. */
static bool line_split(struct resp_parser *parser, struct bytes line)
{
    size_t at = 0;
    buffer_append(&parser->line, "", 1);
    for (;;) {
        while (at < line.size && isspace(line.data[at]))
            at++;
        if (at == line.size)
            return true;
        size_t offset = parser->line.size;
        while (at < line.size && !isspace(line.data[at])) {
            uint8_t byte = line.data[at++];
            if (byte != '"' && byte != '\'')
                buffer_append(&parser->line, &byte, 1);
            else if (!quoted_take(parser, line, &at, byte))
                return false;
        }
        arg_add(parser, offset, parser->line.size - offset);
    }
}

static int inline_parse(struct resp_parser *parser, struct bytes input)
{
    struct bytes line;
    int result = line_take(parser, input, "Protocol error: too big inline request", &line);
    if (result != RESP_REQUEST)
        return result;
    buffer_clear(&parser->line, LINE_KEPT_MAX);
    if (!line_split(parser, line))
        return fail(parser, "Protocol error: unbalanced quotes in request");
    return RESP_REQUEST;
}

static int count_parse(struct resp_parser *parser, struct bytes input)
{
    struct bytes line;
    int64_t count = 0;
    int result = line_take(parser, input, "Protocol error: too big mbulk count string", &line);
    if (result != RESP_REQUEST)
        return result;
    line.data++;
    line.size--;
    if (!bytes_number(line, &count) || count > RESP_ARGS_MAX)
        return fail(parser, "Protocol error: invalid multibulk length");
    if (parser->guest && count > RESP_GUEST_ARGS_MAX)
        return fail(parser, "Protocol error: unauthenticated multibulk length");
    parser->args_left = count > 0 ? (size_t)count : 0;
    parser->state = STATE_HEADER;
    return RESP_REQUEST;
}

static int header_parse(struct resp_parser *parser, struct bytes input)
{
    struct bytes line;
    int64_t size = 0;
    if (parser->position < input.size && input.data[parser->position] != '$') {
        uint8_t byte = input.data[parser->position];
        (void)snprintf(parser->error_text, sizeof(parser->error_text),
            "Protocol error: expected '$', got '%c'", isprint(byte) ? byte : '?');
        return fail(parser, parser->error_text);
    }
    int result = line_take(parser, input, "Protocol error: too big bulk count string", &line);
    if (result != RESP_REQUEST)
        return result;
    line.data++;
    line.size--;
    if (!bytes_number(line, &size) || size < 0 || size > RESP_BULK_SIZE_MAX)
        return fail(parser, "Protocol error: invalid bulk length");
    if (parser->guest && size > RESP_GUEST_BULK_SIZE_MAX)
        return fail(parser, "Protocol error: unauthenticated bulk length");
    parser->bulk_size = (size_t)size;
    parser->state = STATE_BULK;
    return RESP_REQUEST;
}

static int bulk_parse(struct resp_parser *parser, struct bytes input)
{
    if (input.size - parser->position < parser->bulk_size + 2)
        return RESP_MORE;
    const uint8_t *end = input.data + parser->position + parser->bulk_size;
    if (end[0] != '\r' || end[1] != '\n')
        return fail(parser, "Protocol error: expected CRLF behind a bulk");
    arg_add(parser, parser->position, parser->bulk_size);
    parser->position += parser->bulk_size + 2;
    parser->args_left--;
    parser->state = STATE_HEADER;
    return RESP_REQUEST;
}

static int step(struct resp_parser *parser, struct bytes input)
{
    if (parser->state == STATE_HEADER)
        return header_parse(parser, input);
    if (parser->state == STATE_BULK)
        return bulk_parse(parser, input);
    if (parser->position >= input.size)
        return RESP_MORE;
    if (input.data[parser->position] == '*')
        return count_parse(parser, input);
    return inline_parse(parser, input);
}

int resp_parse(struct resp_parser *parser, struct bytes input)
{
    for (;;) {
        int result = step(parser, input);
        if (result != RESP_REQUEST)
            return result;
        if (parser->state == STATE_START)
            return RESP_REQUEST; /* an inline request */
        if (parser->state == STATE_HEADER && parser->args_left == 0)
            return RESP_REQUEST;
    }
}
