/* SPDX-License-Identifier: MIT */
/* Room command: from arguments to a command that may run, and transactions. See command.h. */
#include "command.h"

#include "log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_INLINE_MAX = 32, QUEUE_SIZE_MAX = 1 << 30 };

struct store_key call_key(const struct call *call, size_t index)
{
    return (struct store_key){cluster_key_slot(call->args[index]), call->args[index]};
}

void call_syntax_error(struct call *call)
{
    reply_error(call->reply, "ERR syntax error");
}

void call_node_error(struct call *call, size_t index)
{
    reply_error_format(call->reply, "ERR Unknown node %.*s",
        (int)(call->args[index].size < 64 ? call->args[index].size : 64),
        (const char *)call->args[index].data);
}

bool call_number(struct call *call, size_t index, int64_t *number_out)
{
    if (bytes_number(call->args[index], number_out))
        return true;
    reply_error(call->reply, "ERR value is not an integer or out of range");
    return false;
}

static void unknown_error(struct call *call)
{
    char args[160];
    size_t size = 0;
    for (size_t index = 1; index < call->arg_count && size < 128; index++) {
        int room = (int)(128 - size);
        int added = snprintf(args + size, sizeof(args) - size, "'%.*s' ",
            (int)call->args[index].size < room ? (int)call->args[index].size : room,
            (const char *)call->args[index].data);
        size += added > 0 ? (size_t)added : 0;
    }
    args[size] = '\0';
    int name_size = call->args[0].size < 128 ? (int)call->args[0].size : 128;
    reply_error_format(call->reply, "ERR unknown command '%.*s', with args beginning with: %s",
        name_size, (const char *)call->args[0].data, args);
}

/* `what` is wrong with the subcommand of this container. */
static void sub_error(struct call *call, const char *what, const char *container)
{
    char name[32];
    size_t size = 0;
    for (; size < sizeof(name) - 1 && container[size] != '\0' && container[size] != '|'; size++)
        name[size] = (char)toupper((unsigned char)container[size]);
    name[size] = '\0';
    int sub_size = call->args[1].size < 128 ? (int)call->args[1].size : 128;
    reply_error_format(call->reply, "ERR %s '%.*s'. Try %s HELP.", what, sub_size,
        (const char *)call->args[1].data, name);
}

void call_shape_error(struct call *call)
{
    sub_error(call, "unknown subcommand or wrong number of arguments for", call->command->name);
}

/* Find the command and check its arity; answers the error and returns NULL when it cannot run. */
static const struct command *lookup(struct call *call)
{
    const struct command *command = command_find(call->args[0]);
    if (command == NULL || strchr(command->name, '|') != NULL) {
        unknown_error(call);
        return NULL;
    }
    if (call->arg_count > 1 && command_is_container(command)) {
        const struct command *sub = command_find_sub(command, call->args[1]);
        if (sub == NULL) {
            sub_error(call, "unknown subcommand", command->name);
            return NULL;
        }
        command = sub;
    }
    int64_t count = (int64_t)call->arg_count;
    if (command->arity > 0 ? count != command->arity : count < -command->arity) {
        reply_error_format(call->reply, "%s wrong number of arguments for '%s' command",
            command->run == command_exec ? "EXECABORT Transaction discarded because of:" : "ERR",
            command->name);
        if (command->run == command_exec)
            session_discard(call->session);
        return NULL;
    }
    return command;
}

static void verdict_error(struct slotd *slotd, struct session *session,
    const struct cluster_verdict *verdict)
{
    struct reply *reply = &session->reply;
    switch (verdict->kind) {
    case CLUSTER_MOVED:
        slotd->statistics.moved++;
        reply_error_format(reply, "MOVED %u %s", verdict->slot, verdict->address);
        break;
    case CLUSTER_ASK:
        slotd->statistics.asked++;
        session->asked = true;
        reply_error_format(reply, "ASK %u %s", verdict->slot, verdict->address);
        break;
    case CLUSTER_TRYAGAIN:
        reply_error(reply, "TRYAGAIN Multiple keys request during rehashing of slot");
        break;
    case CLUSTER_CROSSSLOT:
        reply_error(reply, "CROSSSLOT Keys in request don't hash to the same slot");
        break;
    case CLUSTER_UNBOUND:
        reply_error(reply, "CLUSTERDOWN Hash slot not served");
        break;
    default:
        reply_error(reply, "CLUSTERDOWN The cluster is down");
        break;
    }
}

static uint32_t op_of(const struct command *command)
{
    if ((command->flags & COMMAND_REMOVE) != 0)
        return CLUSTER_REMOVE;
    return (command->flags & COMMAND_WRITE) != 0 ? CLUSTER_WRITE : CLUSTER_READ;
}

static int route(struct slotd *slotd, struct session *session, struct cluster_request *request)
{
    struct cluster_verdict verdict;
    request->readonly = session->readonly;
    request->asking = request->asking || session->asking;
    cluster_route(slotd->cluster, request, &verdict);
    if (verdict.kind == CLUSTER_SERVE || verdict.kind == CLUSTER_PARK)
        return verdict.kind;
    verdict_error(slotd, session, &verdict);
    return verdict.kind;
}

/* Route one command by its keys. */
static int route_call(struct call *call, const struct command *command)
{
    struct bytes keys_inline[KEYS_INLINE_MAX];
    struct bytes *keys = keys_inline;
    size_t count =
        command_keys(command, call->args, call->arg_count, keys_inline, KEYS_INLINE_MAX);
    if (count == 0)
        return CLUSTER_SERVE;
    if (count > KEYS_INLINE_MAX) {
        keys = memory_take(count * sizeof(*keys));
        count = command_keys(command, call->args, call->arg_count, keys, count);
    }
    struct cluster_request request = {.op = op_of(command),
        .asking = (command->flags & COMMAND_ASKING) != 0,
        .operator = (command->flags & COMMAND_OPERATOR) != 0, .keys = keys, .key_count = count};
    int kind = route(call->slotd, call->session, &request);
    if (keys != keys_inline)
        free(keys);
    return kind;
}

/* Route a whole transaction: all its keys at once, as strictly as its strictest command. */
static int route_queue(struct call *call)
{
    struct session *session = call->session;
    struct bytes *keys = NULL;
    size_t total = 0;
    uint32_t op = CLUSTER_READ;
    for (size_t index = 0; index < session->queue_count; index++) {
        const struct queued *queued = &session->queue[index];
        const struct command *command = command_find(queued->args[0]);
        size_t count = command_keys(command, queued->args, queued->arg_count, NULL, 0);
        if (count == 0)
            continue;
        keys = memory_resize(keys, (total + count) * sizeof(*keys));
        (void)command_keys(command, queued->args, queued->arg_count, keys + total, count);
        total += count;
        op = op_of(command) > op ? op_of(command) : op;
    }
    struct cluster_request request = {.op = op, .keys = keys, .key_count = total};
    int kind = total > 0 ? route(call->slotd, session, &request) : CLUSTER_SERVE;
    free(keys);
    return kind;
}

static bool allowed(struct call *call, const struct command *command)
{
    if (!call->session->authenticated && (command->flags & COMMAND_NOAUTH) == 0) {
        reply_error(call->reply, "NOAUTH Authentication required.");
        return false;
    }
    return true;
}

static bool has_room(struct call *call, const struct command *command)
{
    if ((command->flags & COMMAND_DENYOOM) == 0)
        return true;
    uint64_t size = 0;
    for (size_t index = 1; index < call->arg_count; index++)
        size += call->args[index].size;
    if (store_has_room(call->slotd->store, size))
        return true;
    reply_error(call->reply, "OOM command not allowed when used memory > 'maxmemory'.");
    return false;
}

static void enqueue(struct call *call)
{
    struct session *session = call->session;
    size_t size = call->arg_count * sizeof(struct bytes);
    if (session->multi_failed) {
        reply_status(call->reply, "QUEUED"); /* it will never run */
        return;
    }
    for (size_t index = 0; index < call->arg_count; index++)
        size += call->args[index].size;
    if (session->queue_size + size > QUEUE_SIZE_MAX) {
        session->multi_failed = true;
        reply_error(call->reply, "ERR transaction too large");
        return;
    }
    if (session->queue_count == session->queue_capacity) {
        session->queue_capacity = session->queue_capacity == 0 ? 8 : session->queue_capacity * 2;
        session->queue =
            memory_resize(session->queue, session->queue_capacity * sizeof(*session->queue));
    }
    struct bytes *args = memory_take(size);
    uint8_t *at = (uint8_t *)(args + call->arg_count);
    for (size_t index = 0; index < call->arg_count; index++) {
        args[index] = (struct bytes){at, call->args[index].size};
        if (call->args[index].size > 0)
            memcpy(at, call->args[index].data, call->args[index].size);
        at += call->args[index].size;
    }
    session->queue[session->queue_count++] = (struct queued){args, call->arg_count};
    session->queue_size += size;
    reply_status(call->reply, "QUEUED");
}

/* A refused command makes its transaction fail; a refused EXEC ends it. */
static int refused(struct session *session, bool is_exec)
{
    if (is_exec)
        session_discard(session);
    else
        session->multi_failed = session->in_multi;
    return COMMAND_DONE;
}

static bool queued_by(const struct session *session, const struct command *command)
{
    return session->in_multi && (command->flags & COMMAND_IMMEDIATE) == 0;
}

/* Who was answered OK by MIGRATE finds the keys gone, whatever it asks. */
static bool gave_early(struct call *call, const struct command *command, bool is_exec)
{
    struct session *session = call->session;
    bool asks = is_exec || ((command->flags & (COMMAND_READONLY | COMMAND_WRITE)) != 0 &&
        (command->flags & COMMAND_OPERATOR) == 0);
    if (session->gave_ns == 0 || !asks)
        return false;
    if (engine_leaves_since(call->slotd->engine, session->gave_ns))
        return true;
    session->gave_ns = 0;
    return false;
}

/* What waits for the coordinator has begun already: it is not routed again. */
static int admit_route(struct call *call, const struct command *command, bool is_exec)
{
    if (call->session->ticket != NULL || call->session->in_exec)
        return CLUSTER_SERVE;
    if (gave_early(call, command, is_exec))
        return CLUSTER_PARK;
    return is_exec ? route_queue(call) : route_call(call, command);
}

/* Whether what SETSLOT was answered OK for has to be done first. */
static bool looks_early(struct call *call)
{
    struct session *session = call->session;
    struct engine *engine = call->slotd->engine;
    reshard_shard_id shard;
    int64_t slot;
    if ((call->command->flags & COMMAND_LOOKS_SLOT) != 0)
        return bytes_number(call->args[2], &slot) && slot >= 0 && slot < STORE_SLOT_COUNT &&
            (engine_promised(engine, (uint32_t)slot, &shard) == PROMISE_OWNER ||
                (call->command->run == command_cluster_countkeysinslot &&
                    engine_leaves(engine, (uint32_t)slot)));
    if ((call->command->flags & COMMAND_LOOKS) == 0)
        return false;
    if (session->look_ns == 0)
        session->look_ns = clock_monotonic_ns();
    return engine_promises(engine, session->look_ns);
}

static void run(struct call *call)
{
    if (looks_early(call))
        call->parked = true;
    else
        call->command->run(call);
}

/* Checks, then run or queue. */
static int admit(struct call *call, const struct command *command)
{
    struct session *session = call->session;
    bool is_exec = command->run == command_exec && session->in_multi;
    bool queues = queued_by(session, command);
    if (!allowed(call, command) || !has_room(call, command))
        return refused(session, false);
    int kind = admit_route(call, command, is_exec);
    /* What only queues need not wait: EXEC will. */
    if (kind == CLUSTER_PARK && !queues)
        return COMMAND_PARKED;
    if (kind != CLUSTER_SERVE && kind != CLUSTER_PARK)
        return refused(session, is_exec);
    if (queues)
        enqueue(call);
    else
        run(call);
    return call->parked ? COMMAND_PARKED : COMMAND_DONE;
}

static void account(struct call *call, const struct command *command)
{
    struct session *session = call->session;
    call->slotd->statistics.commands++;
    session->wait_ns = 0;
    session->look_ns = 0;
    session_copy_end(session);
    if (command != NULL) {
        session->last_command = command->name;
        session->last_ns = clock_monotonic_ns();
    }
    if (!session->in_multi && (command == NULL || command->run != command_asking))
        session->asking = false;
}

int command_run(
    struct slotd *slotd, struct session *session, const struct bytes *args, size_t arg_count)
{
    struct call call = {slotd, session, &session->reply, NULL, args, arg_count, false};
    size_t size_before = session->reply.out->size;
    uint64_t errors_before = session->reply.error_count;
    bool silent = session->silent || session->silent_once;
    int result = COMMAND_DONE;
    const struct command *command = lookup(&call);
    call.command = command;
    if (command == NULL)
        session->multi_failed = session->in_multi;
    else
        result = admit(&call, command);
    if (result == COMMAND_PARKED) {
        slotd->statistics.parked++;
        return result;
    }
    slotd->statistics.errors += session->reply.error_count - errors_before;
    account(&call, command);
    if (silent && (command == NULL || command->run != command_client_reply)) {
        session->reply.out->size = size_before;
        session->silent_once = false;
    }
    return result;
}

void command_multi(struct call *call)
{
    if (call->session->in_multi) {
        reply_error(call->reply, "ERR MULTI calls can not be nested");
        return;
    }
    call->session->in_multi = true;
    reply_ok(call->reply);
}

void command_discard(struct call *call)
{
    if (!call->session->in_multi) {
        reply_error(call->reply, "ERR DISCARD without MULTI");
        return;
    }
    session_discard(call->session);
    reply_ok(call->reply);
}

/* Run one of EXEC's; `anew`: its slots may have left since EXEC was routed. */
static void run_queued(struct call *call, bool anew)
{
    call->command = lookup(call);
    if (call->command == NULL || !has_room(call, call->command))
        return;
    int kind = anew && call->session->ticket == NULL ? route_call(call, call->command)
                                                     : CLUSTER_SERVE;
    call->parked = kind == CLUSTER_PARK;
    if (kind == CLUSTER_SERVE)
        run(call);
}

void command_exec(struct call *call)
{
    struct session *session = call->session;
    bool anew = session->in_exec; /* one of them has waited, or has changed who owns what */
    if (!session->in_multi) {
        reply_error(call->reply, "ERR EXEC without MULTI");
        return;
    }
    if (session->multi_failed) {
        session_discard(session);
        reply_error(call->reply, "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    if (!session->in_exec) {
        reply_array(call->reply, session->queue_count);
        session->exec_at = 0;
        session->in_exec = true;
    }
    for (; session->exec_at < session->queue_count; session->exec_at++) {
        const struct queued *queued = &session->queue[session->exec_at];
        struct call inner = {call->slotd, session, call->reply, NULL, queued->args,
            queued->arg_count, false};
        run_queued(&inner, anew);
        if (inner.parked) {
            call->parked = true;
            return;
        }
        session_copy_end(session);
        call->slotd->statistics.commands++;
        anew = anew || (inner.command != NULL && (inner.command->flags & COMMAND_ADMIN) != 0);
    }
    session_discard(session);
}

void command_container(struct call *call)
{
    /* Reached with the bare name only, which the arity has refused already. */
    call_syntax_error(call);
}
