/* SPDX-License-Identifier: MIT */
/* Room command: the connection itself: PING, AUTH, HELLO, CLIENT, ... */
#include "command.h"

#include "log.h"

#include <string.h>

void command_ping(struct call *call)
{
    if (call->arg_count > 2)
        reply_error(call->reply, "ERR wrong number of arguments for 'ping' command");
    else if (call->arg_count == 2)
        reply_bulk(call->reply, call->args[1]);
    else
        reply_status(call->reply, "PONG");
}

void command_echo(struct call *call)
{
    reply_bulk(call->reply, call->args[1]);
}

void command_quit(struct call *call)
{
    reply_ok(call->reply);
    call->session->closing = true;
}

void command_select(struct call *call)
{
    int64_t index;
    if (!call_number(call, 1, &index))
        return;
    if (index == 0)
        reply_ok(call->reply);
    else
        reply_error(call->reply, "ERR SELECT is not allowed in cluster mode");
}

void command_asking(struct call *call)
{
    call->session->asking = true;
    reply_ok(call->reply);
}

void command_readonly(struct call *call)
{
    call->session->readonly = true;
    reply_ok(call->reply);
}

void command_readwrite(struct call *call)
{
    call->session->readonly = false;
    reply_ok(call->reply);
}

/* Compares in a time that does not tell where the difference is. */
static bool secret_equal(struct bytes given, const char *secret)
{
    size_t size = strlen(secret);
    unsigned difference = given.size == size ? 0 : 1;
    for (size_t index = 0; index < given.size; index++)
        difference |= (unsigned)(given.data[index] ^ (uint8_t)secret[size > 0 ? index % size : 0]);
    return difference == 0;
}

static bool authenticate(struct call *call, struct bytes user, struct bytes password)
{
    const char *secret = call->slotd->settings.password;
    bool known = bytes_equal(user, bytes_of("default"));
    if (!known || (secret[0] != '\0' && !secret_equal(password, secret))) {
        reply_error(call->reply, "WRONGPASS invalid username-password pair or user is disabled.");
        return false;
    }
    call->session->authenticated = true;
    return true;
}

void command_auth(struct call *call)
{
    if (call->arg_count > 3) {
        call_syntax_error(call);
        return;
    }
    if (call->arg_count == 2 && call->slotd->settings.password[0] == '\0') {
        reply_error(call->reply,
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?");
        return;
    }
    bool named = call->arg_count == 3;
    struct bytes user = named ? call->args[1] : bytes_of("default");
    if (authenticate(call, user, call->args[named ? 2 : 1]))
        reply_ok(call->reply);
}

static bool name_sound(struct bytes name)
{
    for (size_t index = 0; index < name.size; index++)
        if (name.data[index] < '!' || name.data[index] > '~')
            return false;
    return true;
}

static bool name_set(struct call *call, struct bytes name)
{
    if (!name_sound(name)) {
        reply_error(call->reply,
            "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    call->session->name.size = 0;
    buffer_append(&call->session->name, name.data, name.size);
    return true;
}

/* Options of HELLO behind the version. False: the error is out. */
static bool hello_options(struct call *call)
{
    for (size_t index = 2; index < call->arg_count; index++) {
        size_t left = call->arg_count - index - 1;
        if (bytes_is(call->args[index], "AUTH") && left >= 2) {
            if (!authenticate(call, call->args[index + 1], call->args[index + 2]))
                return false;
            index += 2;
        } else if (bytes_is(call->args[index], "SETNAME") && left >= 1) {
            if (!name_set(call, call->args[++index]))
                return false;
        } else {
            reply_error_format(call->reply, "ERR Syntax error in HELLO option '%.*s'",
                (int)(call->args[index].size < 128 ? call->args[index].size : 128),
                (const char *)call->args[index].data);
            return false;
        }
    }
    return true;
}

void command_hello(struct call *call)
{
    int64_t version = call->reply->protocol;
    if (call->arg_count > 1 && !bytes_number(call->args[1], &version)) {
        reply_error(call->reply, "ERR Protocol version is not an integer or out of range");
        return;
    }
    if (version < 2 || version > 3) {
        reply_error(call->reply, "NOPROTO unsupported protocol version");
        return;
    }
    if (!hello_options(call))
        return;
    if (!call->session->authenticated) {
        reply_error(call->reply,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
            "select the RESP protocol version at the same time");
        return;
    }
    call->reply->protocol = (int)version;
    reply_map(call->reply, 7);
    reply_bulk_text(call->reply, "server");
    reply_bulk_text(call->reply, "redis");
    reply_bulk_text(call->reply, "version");
    reply_bulk_text(call->reply, SLOTD_REDIS_VERSION);
    reply_bulk_text(call->reply, "proto");
    reply_integer(call->reply, version);
    reply_bulk_text(call->reply, "id");
    reply_integer(call->reply, (int64_t)call->session->id);
    reply_bulk_text(call->reply, "mode");
    reply_bulk_text(call->reply, "cluster");
    reply_bulk_text(call->reply, "role");
    reply_bulk_text(
        call->reply, cluster_is_replica(call->slotd->cluster) ? "replica" : "master");
    reply_bulk_text(call->reply, "modules");
    reply_array(call->reply, 0);
}

void command_client_getname(struct call *call)
{
    const struct buffer *name = &call->session->name;
    if (name->size == 0)
        reply_null(call->reply);
    else
        reply_bulk(call->reply, (struct bytes){name->data, name->size});
}

void command_client_setname(struct call *call)
{
    if (name_set(call, call->args[2]))
        reply_ok(call->reply);
}

void command_client_setinfo(struct call *call)
{
    if (bytes_is(call->args[2], "lib-name") || bytes_is(call->args[2], "lib-ver"))
        reply_ok(call->reply);
    else
        reply_error_format(call->reply, "ERR Unrecognized option '%.*s'",
            (int)(call->args[2].size < 128 ? call->args[2].size : 128),
            (const char *)call->args[2].data);
}

void command_client_id(struct call *call)
{
    reply_integer(call->reply, (int64_t)call->session->id);
}

void command_client_no_evict(struct call *call)
{
    if (bytes_is(call->args[2], "ON") || bytes_is(call->args[2], "OFF"))
        reply_ok(call->reply); /* nothing is ever evicted */
    else
        call_syntax_error(call);
}

void command_client_reply(struct call *call)
{
    struct session *session = call->session;
    if (bytes_is(call->args[2], "ON")) {
        session->silent = false;
        session->silent_once = false;
        reply_ok(call->reply);
    } else if (bytes_is(call->args[2], "OFF")) {
        session->silent = true;
    } else if (bytes_is(call->args[2], "SKIP")) {
        session->silent_once = !session->silent;
    } else {
        call_syntax_error(call);
    }
}

static void session_line(const struct session *session, struct buffer *text)
{
    uint64_t now_ns = clock_monotonic_ns();
    buffer_append_format(text,
        "id=%llu addr=%s laddr=%s fd=0 name=%.*s age=%llu idle=%llu flags=%s%s db=0 sub=0 psub=0 "
        "ssub=0 multi=%lld qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=%zu rbs=0 rbp=0 obl=%zu oll=0 "
        "omem=0 tot-mem=0 events=r cmd=%s user=default redir=-1 resp=%d\n",
        (unsigned long long)session->id, session->peer, session->local, (int)session->name.size,
        session->name.size > 0 ? (const char *)session->name.data : "",
        (unsigned long long)((now_ns - session->since_ns) / 1000000000u),
        (unsigned long long)((now_ns - session->last_ns) / 1000000000u),
        session->in_multi ? "x" : (session->readonly ? "r" : "N"),
        session->in_multi && session->multi_failed ? "d" : "",
        session->in_multi ? (long long)session->queue_count : -1LL, session->queue_size,
        session->reply.out->size, session->last_command, session->reply.protocol);
}

void command_client_info(struct call *call)
{
    struct buffer text = {0};
    call->session->last_command = call->command->name;
    session_line(call->session, &text);
    reply_verbatim(call->reply, (struct bytes){text.data, text.size});
    buffer_free(&text);
}

/* NORMAL, or one that nobody here is of: nodes talk over the bus. False: the error is out. */
static bool type_read(struct call *call, size_t index, bool *any_out)
{
    static const char *const others[] = {"master", "slave", "replica", "pubsub"};
    struct bytes word = call->args[index];
    *any_out = bytes_is(word, "normal");
    bool known = *any_out;
    for (size_t at = 0; at < sizeof(others) / sizeof(others[0]); at++)
        known = known || bytes_is(word, others[at]);
    if (!known)
        reply_error_format(call->reply, "ERR Unknown client type '%.*s'",
            (int)(word.size < 64 ? word.size : 64), (const char *)word.data);
    return known;
}

/* CLIENT LIST ID id ...: false: the error is out. */
static bool ids_sound(struct call *call)
{
    int64_t id;
    for (size_t index = 3; index < call->arg_count; index++)
        if (!bytes_number(call->args[index], &id)) {
            reply_error(call->reply, "ERR Invalid client ID");
            return false;
        }
    return true;
}

static bool id_named(const struct call *call, uint64_t id)
{
    int64_t named;
    for (size_t index = 3; index < call->arg_count; index++)
        if (bytes_number(call->args[index], &named) && (uint64_t)named == id)
            return true;
    return false;
}

static bool list_filter(struct call *call, bool *any_out, bool *by_id_out)
{
    if (call->arg_count == 2)
        return true;
    if (call->arg_count == 4 && bytes_is(call->args[2], "TYPE"))
        return type_read(call, 3, any_out);
    *by_id_out = call->arg_count > 3 && bytes_is(call->args[2], "ID");
    if (*by_id_out)
        return ids_sound(call);
    call_syntax_error(call);
    return false;
}

void command_client_list(struct call *call)
{
    struct buffer text = {0};
    bool any = true;
    bool by_id = false;
    call->session->last_command = call->command->name;
    if (!list_filter(call, &any, &by_id))
        return;
    for (const struct session *at = call->slotd->sessions; any && at != NULL; at = at->next)
        if (!by_id || id_named(call, at->id))
            session_line(at, &text);
    reply_verbatim(call->reply, (struct bytes){text.data, text.size});
    buffer_free(&text);
}

/* Who is meant by CLIENT KILL: all that are given hold. */
struct victims {
    uint64_t id;           /* 0 = any */
    struct bytes peer;     /* data NULL = any */
    struct bytes local;
    bool any;              /* of the type that was given */
    bool skip_me;
};

static bool is_victim(
    const struct call *call, const struct victims *victims, const struct session *at)
{
    return victims->any && (victims->id == 0 || at->id == victims->id) &&
        (victims->peer.data == NULL || bytes_equal(victims->peer, bytes_of(at->peer))) &&
        (victims->local.data == NULL || bytes_equal(victims->local, bytes_of(at->local))) &&
        (!victims->skip_me || at != call->session);
}

static int64_t victims_kill(struct call *call, const struct victims *victims)
{
    int64_t killed = 0;
    for (struct session *at = call->slotd->sessions; at != NULL; at = at->next) {
        if (!is_victim(call, victims, at))
            continue;
        if (at == call->session)
            at->closing = true;
        else
            at->killed = call->slotd->kill_wanted = true;
        killed++;
    }
    return killed;
}

static bool victims_id(struct call *call, size_t index, struct victims *victims)
{
    int64_t id; /* ids start at 1 */
    if (!bytes_number(call->args[index], &id) || id < 1) {
        reply_error(call->reply, "ERR client-id should be greater than 0");
        return false;
    }
    victims->id = (uint64_t)id;
    return true;
}

static bool victims_user(struct call *call, size_t index)
{
    struct bytes name = call->args[index];
    if (bytes_equal(name, bytes_of("default")))
        return true;
    reply_error_format(call->reply, "ERR No such user '%.*s'",
        (int)(name.size < 64 ? name.size : 64), (const char *)name.data);
    return false;
}

/* One pair of words of CLIENT KILL; false: the error is out. */
static bool victims_option(struct call *call, size_t index, struct victims *victims)
{
    struct bytes word = call->args[index];
    struct bytes value = call->args[index + 1];
    if (bytes_is(word, "ID"))
        return victims_id(call, index + 1, victims);
    if (bytes_is(word, "USER"))
        return victims_user(call, index + 1);
    if (bytes_is(word, "TYPE"))
        return type_read(call, index + 1, &victims->any);
    if (bytes_is(word, "ADDR")) {
        victims->peer = value;
        return true;
    }
    if (bytes_is(word, "LADDR")) {
        victims->local = value;
        return true;
    }
    victims->skip_me = bytes_is(value, "yes");
    if (bytes_is(word, "SKIPME") && (victims->skip_me || bytes_is(value, "no")))
        return true;
    call_syntax_error(call);
    return false;
}

void command_client_kill(struct call *call)
{
    struct victims victims = {.any = true, .skip_me = call->arg_count > 3};
    if (call->arg_count == 3) {
        victims.peer = call->args[2];
        if (victims_kill(call, &victims) > 0)
            reply_ok(call->reply);
        else
            reply_error(call->reply, "ERR No such client");
        return;
    }
    for (size_t index = 2; index < call->arg_count; index += 2) {
        if (index + 1 == call->arg_count) {
            call_syntax_error(call);
            return;
        }
        if (!victims_option(call, index, &victims))
            return;
    }
    reply_integer(call->reply, victims_kill(call, &victims));
}

/* Nobody tracks, nobody blocks. */
void command_client_getredir(struct call *call)
{
    reply_integer(call->reply, -1);
}
