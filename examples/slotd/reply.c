/* SPDX-License-Identifier: MIT */
/* Room reply: see reply.h. */
#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_SIZE_MAX = 1024 };

/* One header line: a type byte, a number, CRLF. */
static void header(struct reply *reply, char type, int64_t number)
{
    char line[NUMBER_TEXT_SIZE + 3];
    line[0] = type;
    size_t size = 1 + number_text(number, line + 1);
    line[size++] = '\r';
    line[size++] = '\n';
    buffer_append(reply->out, line, size);
}

void reply_status(struct reply *reply, const char *text)
{
    buffer_append(reply->out, "+", 1);
    buffer_append_text(reply->out, text);
    buffer_append(reply->out, "\r\n", 2);
}

void reply_ok(struct reply *reply)
{
    buffer_append(reply->out, "+OK\r\n", 5);
}

void reply_error(struct reply *reply, const char *text)
{
    size_t size = strlen(text);
    buffer_append(reply->out, "-", 1);
    uint8_t *at = buffer_reserve(reply->out, size + 2);
    for (size_t index = 0; index < size; index++)
        at[index] = (uint8_t)(text[index] == '\r' || text[index] == '\n' ? ' ' : text[index]);
    reply->out->size += size;
    buffer_append(reply->out, "\r\n", 2);
    reply->error_count++;
}

void reply_error_format(struct reply *reply, const char *format, ...)
{
    char text[ERROR_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    reply_error(reply, text);
}

void reply_integer(struct reply *reply, int64_t number)
{
    header(reply, ':', number);
}

void reply_bulk(struct reply *reply, struct bytes bytes)
{
    reply_bulk_begin(reply, bytes.size);
    buffer_append(reply->out, bytes.data, bytes.size);
    reply_bulk_end(reply);
}

void reply_bulk_text(struct reply *reply, const char *text)
{
    reply_bulk(reply, bytes_of(text));
}

void reply_bulk_number(struct reply *reply, int64_t number)
{
    char text[NUMBER_TEXT_SIZE];
    size_t size = number_text(number, text);
    reply_bulk(reply, (struct bytes){(const uint8_t *)text, size});
}

void reply_bulk_begin(struct reply *reply, size_t size)
{
    header(reply, '$', (int64_t)size);
    (void)buffer_reserve(reply->out, size + 2);
}

void reply_bulk_end(struct reply *reply)
{
    buffer_append(reply->out, "\r\n", 2);
}

void reply_verbatim(struct reply *reply, struct bytes text)
{
    if (reply->protocol == 2) {
        reply_bulk(reply, text);
        return;
    }
    header(reply, '=', (int64_t)text.size + 4);
    buffer_append(reply->out, "txt:", 4);
    buffer_append(reply->out, text.data, text.size);
    buffer_append(reply->out, "\r\n", 2);
}

void reply_null(struct reply *reply)
{
    buffer_append_text(reply->out, reply->protocol == 2 ? "$-1\r\n" : "_\r\n");
}

void reply_null_array(struct reply *reply)
{
    buffer_append_text(reply->out, reply->protocol == 2 ? "*-1\r\n" : "_\r\n");
}

void reply_array(struct reply *reply, size_t count)
{
    header(reply, '*', (int64_t)count);
}

void reply_map(struct reply *reply, size_t count)
{
    if (reply->protocol == 2)
        header(reply, '*', (int64_t)count * 2);
    else
        header(reply, '%', (int64_t)count);
}

void reply_set(struct reply *reply, size_t count)
{
    header(reply, reply->protocol == 2 ? '*' : '~', (int64_t)count);
}
