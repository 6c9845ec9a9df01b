/* SPDX-License-Identifier: MIT */
/* Room command: MIGRATE ... COPY: what keys hold goes to another server, one key after the other;
 * the keys stay.
 *
 * It is sent as Redis does, RESTORE-ASKING. Another server takes it; a node of this cluster judges
 * it as any client's request, so that a key never has two owners: it refuses, and says why.
 */
#include "command.h"

#include "copy.h"
#include "dump.h"
#include "log.h"

#include <string.h>

enum { HOST_SIZE_MAX = 255 };

static void word_put(struct buffer *out, struct bytes word)
{
    buffer_append_format(out, "$%zu\r\n", word.size);
    buffer_append(out, word.data, word.size);
    buffer_append_text(out, "\r\n");
}

static void number_put(struct buffer *out, int64_t number)
{
    char text[NUMBER_TEXT_SIZE];
    (void)number_text(number, text);
    word_put(out, bytes_of(text));
}

/* Who this is, and the database. */
static void head_send(struct copy *copy, const struct migrate *migrate)
{
    struct buffer out = {0};
    size_t answers = 1;
    if (migrate->password.data != NULL) {
        buffer_append_text(&out, migrate->user.data != NULL ? "*3\r\n" : "*2\r\n");
        word_put(&out, bytes_of("AUTH"));
        if (migrate->user.data != NULL)
            word_put(&out, migrate->user);
        word_put(&out, migrate->password);
        answers++;
    }
    buffer_append_text(&out, "*2\r\n");
    word_put(&out, bytes_of("SELECT"));
    number_put(&out, migrate->database);
    copy_send(copy, &out, answers);
    buffer_free(&out);
}

static void key_send(
    struct call *call, const struct migrate *migrate, size_t index, const struct store_item *item)
{
    struct buffer out = {0};
    int64_t left_ms = item->expiry_ms - store_time(call->slotd->store);
    buffer_append_text(&out, migrate->replace ? "*5\r\n" : "*4\r\n");
    word_put(&out, bytes_of("RESTORE-ASKING"));
    word_put(&out, migrate->keys[index]);
    number_put(&out, item->expiry_ms == 0 ? 0 : left_ms < 1 ? 1 : left_ms);
    buffer_append_format(&out, "$%zu\r\n", dump_size(item->value_size));
    size_t start = dump_begin(&out, item->value_size);
    store_item_value(call->slotd->store, item, &out);
    dump_end(&out, start);
    buffer_append_text(&out, "\r\n");
    if (migrate->replace)
        word_put(&out, bytes_of("REPLACE"));
    copy_send(call->session->copy, &out, 1);
    buffer_free(&out);
}

/* Send what comes next; false: there is nothing more. */
static bool next_send(struct call *call, const struct migrate *migrate)
{
    struct session *session = call->session;
    struct store_item item;
    if (session->copy_at++ == 0) {
        head_send(session->copy, migrate);
        return true;
    }
    if (session->copy_at == 2 && copy_error(session->copy) != NULL)
        return false;
    for (; session->copy_at <= migrate->key_count + 1; session->copy_at++)
        if (migrate_find(call, migrate, session->copy_at - 2, &item)) {
            key_send(call, migrate, session->copy_at - 2, &item);
            return true;
        }
    return false;
}

static void copy_begin(struct call *call, const struct migrate *migrate)
{
    char host[HOST_SIZE_MAX + 1];
    reshard_shard_id shard = 0;
    uint64_t size;
    if (!migrate_sound(call, migrate, &size))
        return;
    if (cluster_address_find(
            call->slotd->cluster, migrate->host, (int)migrate->port, &shard) &&
        shard == cluster_my_shard(call->slotd->cluster)) {
        reply_error(call->reply, "ERR the key is there: that is its owner, or follows it");
        return;
    }
    size_t host_size = migrate->host.size < HOST_SIZE_MAX ? migrate->host.size : HOST_SIZE_MAX;
    memcpy(host, migrate->host.data, host_size);
    host[host_size] = '\0';
    call->session->copy = copy_open(call->slotd, host, (int)migrate->port);
    call->session->wait_ns = clock_monotonic_ns();
    call->parked = true;
}

/* All was sent, or nothing more can be. */
static void copy_answer(struct call *call, int state)
{
    const char *error = copy_error(call->session->copy);
    size_t sent = call->session->copy_at;
    if (state == COPY_READY && error == NULL)
        reply_ok(call->reply);
    else if (state == COPY_READY)
        reply_error_format(call->reply, "ERR Target instance replied with error: %s", error);
    else if (state == COPY_LOST)
        reply_error_format(call->reply, "IOERR error or timeout %s to target instance",
            sent == 0 ? "writing" : "reading");
    else
        reply_error(call->reply, sent == 0 ? "IOERR error or timeout connecting to the client"
                                           : "IOERR error or timeout reading to target instance");
    session_copy_end(call->session);
    call->session->wait_ns = 0;
}

/* Called again after each wake. */
void migrate_copy(struct call *call, const struct migrate *migrate)
{
    struct session *session = call->session;
    uint64_t now_ns = clock_monotonic_ns();
    if (session->copy == NULL) {
        copy_begin(call, migrate);
        return;
    }
    int state = copy_state(session->copy);
    bool over = (now_ns - session->wait_ns) / 1000000 > (uint64_t)migrate->timeout_ms;
    if (state == COPY_READY && next_send(call, migrate)) {
        session->wait_ns = now_ns;
        call->parked = true;
    } else if (state == COPY_WAITS && !over) {
        call->parked = true;
    } else {
        copy_answer(call, state);
    }
}
