/* SPDX-License-Identifier: MIT */
/* The smallest real host: its own hash table in a mapped file, file journals, two processes over a
 * socket pair. The parent is node 1 and the coordinator, the child is node 2. All slots move to the
 * child, which is killed in the middle and started again; the migration goes on. Nothing here
 * depends on how fast anything is: the kill comes after a number of chunks, not after a time.
 *
 *     own_store [CHUNKS]     kill after that many chunks were sent
 */
#include "file_journal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "line %d: %s\n", __LINE__, #condition), exit(1)))

enum { KEY_COUNT = 20000, PLACE_COUNT = 1 << 17, SLOT_COUNT = 64, CHUNK_SIZE = 4096 };
enum { MESSAGE_SIZE = 1 << 16 };

/* ---- the store: an open hash table that lives in a file ---- */

enum { PLACE_FREE = 0, PLACE_LIVE = 1, PLACE_STAGED = 2, PLACE_GONE = 3 };

struct place {
    uint64_t key;
    uint64_t value;
    uint64_t state; /* PLACE_*: written last, so that a kill leaves a whole place or none */
};

struct table {
    uint64_t copy_term; /* what is staged: of which copy, and up to which chunk */
    uint64_t copy_n;
    uint64_t sequence;
    struct place places[PLACE_COUNT];
};

struct state { /* of a key after a write: what chunks are made of */
    uint64_t key;
    uint64_t value;
};

static struct table *table_open(const char *folder, unsigned id)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/table-%u", folder, id);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, sizeof(struct table)) == 0);
    void *table = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(table != MAP_FAILED && close(fd) == 0);
    return table;
}

static uint64_t mix(uint64_t x) /* splitmix64's finisher */
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint32_t slot_of(uint64_t key)
{
    return (uint32_t)(mix(key) >> 32) % SLOT_COUNT;
}

/* The key's place in that state; without one, the first free place. */
static struct place *place_find(struct table *table, uint64_t key, uint64_t state)
{
    size_t at = mix(key) % PLACE_COUNT;
    while (table->places[at].state != PLACE_FREE &&
           !(table->places[at].state == state && table->places[at].key == key))
        at = (at + 1) % PLACE_COUNT;
    return &table->places[at];
}

static void place_write(struct table *table, uint64_t key, uint64_t value, uint64_t state)
{
    struct place *place = place_find(table, key, state);
    place->key = key;
    place->value = value;
    place->state = state;
}

static int within(const struct reshard_action *action, uint64_t key)
{
    uint32_t slot = slot_of(key);
    for (size_t i = 0; i < action->range_count; i++)
        if (slot >= action->ranges[i].first && slot <= action->ranges[i].last)
            return 1;
    return 0;
}

/* Give every place of the slots that is in one state another. */
static void places_turn(
    struct table *table, const struct reshard_action *action, uint64_t from, uint64_t to)
{
    for (size_t at = 0; at < PLACE_COUNT; at++)
        if (table->places[at].state == from && within(action, table->places[at].key))
            table->places[at].state = to;
}

static int32_t durable(struct table *table)
{
    return msync(table, sizeof *table, MS_SYNC) == 0 ? RESHARD_OK : RESHARD_E_HOOK;
}

static int32_t on_export(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct table *table = user_data;
    size_t at = (size_t)action->cursor;
    for (; at < PLACE_COUNT; at++) {
        const struct place *place = &table->places[at];
        struct state state = {place->key, place->value};
        if (place->state != PLACE_LIVE || !within(action, place->key))
            continue;
        if (completion->size + sizeof state > action->capacity)
            break;
        memcpy(action->buffer + completion->size, &state, sizeof state);
        completion->size += sizeof state;
        completion->keys++;
    }
    completion->cursor = at;
    completion->done = at == PLACE_COUNT;
    return RESHARD_OK;
}

static int32_t on_discard(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct table *table = user_data;
    (void)completion;
    table->copy_term = table->copy_n = table->sequence = 0;
    places_turn(table, action, PLACE_STAGED, PLACE_GONE);
    return durable(table);
}

static int32_t on_apply(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct table *table = user_data;
    struct state state;
    if (table->copy_term != action->copy_term || table->copy_n != action->copy_n) {
        int32_t status = on_discard(user_data, action, completion);
        if (status)
            return status;
        table->copy_term = action->copy_term;
        table->copy_n = action->copy_n;
    }
    if (action->sequence <= table->sequence)
        return RESHARD_OK; /* a kill came between this chunk and its acknowledgement */
    for (size_t at = 0; at + sizeof state <= action->payload_size; at += sizeof state) {
        memcpy(&state, action->payload + at, sizeof state);
        place_write(table, state.key, state.value, PLACE_STAGED);
    }
    table->sequence = action->sequence;
    return RESHARD_OK;
}

static int32_t on_sync(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct table *table = user_data;
    (void)action;
    completion->copy_term = table->copy_term;
    completion->copy_n = table->copy_n;
    completion->sequence = table->sequence;
    return durable(table);
}

static int32_t on_activate(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct table *table = user_data;
    (void)completion;
    places_turn(table, action, PLACE_STAGED, PLACE_LIVE);
    table->copy_term = table->copy_n = table->sequence = 0;
    return durable(table);
}

static int32_t on_purge(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    places_turn(user_data, action, PLACE_LIVE, PLACE_GONE);
    completion->done = 1;
    return durable(user_data);
}

static int32_t on_digest(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    const struct table *table = user_data;
    uint64_t state = action->side == RESHARD_SIDE_TARGET ? PLACE_STAGED : PLACE_LIVE;
    completion->digest.high = 1; /* 0 would mean: no digest */
    for (size_t at = 0; at < PLACE_COUNT; at++)
        if (table->places[at].state == state && within(action, table->places[at].key))
            completion->digest.low += mix(table->places[at].key ^ mix(table->places[at].value));
    return RESHARD_OK;
}

/* ---- a process: a node, in the parent a coordinator too ---- */

struct process {
    reshard_node_id id;
    int socket;
    struct table *table;
    struct file_journal *journal;
    struct reshard_node *node;
    struct reshard_driver *driver;
    struct file_journal *authority;
    struct reshard_coordinator *coordinator;
    struct reshard_driver *coordinator_driver;
    uint64_t chunks; /* large messages sent */
    uint8_t message[MESSAGE_SIZE];
};

static uint64_t now_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void deliver(
    struct process *process, reshard_node_id from, const uint8_t *bytes, size_t size)
{
    struct reshard_driver *driver = process->driver;
    if (reshard_message_receiver(bytes, size) == RESHARD_RECEIVER_COORDINATOR)
        driver = process->coordinator_driver;
    if (driver)
        (void)reshard_driver_receive(driver, from, bytes, size);
}

/* To itself at once, to the other through the socket. What does not fit now is lost, as networks
 * do, and comes again. */
static int32_t on_send(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct process *process = user_data;
    uint8_t bytes[MESSAGE_SIZE];
    size_t size = action->header_size + action->payload_size;
    (void)completion;
    CHECK(size <= sizeof bytes);
    memcpy(bytes, action->header, action->header_size);
    if (action->payload_size)
        memcpy(bytes + action->header_size, action->payload, action->payload_size);
    process->chunks += action->payload_size >= CHUNK_SIZE / 2;
    if (action->to == process->id)
        deliver(process, process->id, bytes, size);
    else
        (void)!send(process->socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return RESHARD_OK;
}

static struct file_journal *journal_open(
    const char *folder, const char *name, unsigned id, uint32_t flags)
{
    char path[256];
    struct file_journal *journal = NULL;
    (void)snprintf(path, sizeof path, "%s/%s-%u", folder, name, id);
    CHECK(!file_journal_open(path, flags, &journal));
    return journal;
}

static void node_start(struct process *process, const char *folder)
{
    struct reshard_transport transport = {
        .struct_size = sizeof transport, .user_data = process, .send = on_send};
    struct reshard_journal journal;
    struct reshard_store store = {.struct_size = sizeof store, .export_data = on_export,
        .apply = on_apply, .sync = on_sync, .activate = on_activate, .discard = on_discard,
        .purge = on_purge, .digest = on_digest};
    struct reshard_node_config config = {.struct_size = sizeof config, .node = process->id,
        .slot_count = SLOT_COUNT, .boot = now_ns(), .chunk_size = CHUNK_SIZE,
        .retry_ns = 20000000, .window_size = 8 * CHUNK_SIZE};
    process->table = table_open(folder, (unsigned)process->id);
    process->journal = journal_open(folder, "journal", (unsigned)process->id, 0);
    store.user_data = process->table;
    file_journal_hooks(process->journal, &journal);
    CHECK(!reshard_node_create(&config, &process->node));
    CHECK(!reshard_driver_create_node(
        process->node, &transport, &journal, &store, NULL, &process->driver));
    file_journal_connect(process->journal, process->driver);
    CHECK(!reshard_driver_start(process->driver, now_ns()));
}

static void coordinator_start(struct process *process, const char *folder)
{
    struct reshard_transport transport = {
        .struct_size = sizeof transport, .user_data = process, .send = on_send};
    struct reshard_journal journal;
    struct reshard_coordinator_config config = {.struct_size = sizeof config,
        .node = process->id, .slot_count = SLOT_COUNT, .unique = now_ns(), .retry_ns = 20000000,
        /* A machine that stands still lets freezes run out and copies fail: never give up. */
        .attempt_limit = UINT32_MAX, .copy_limit = UINT32_MAX};
    process->authority = journal_open(folder, "authority", 0, FILE_JOURNAL_AUTHORITY);
    file_journal_hooks(process->authority, &journal);
    CHECK(!reshard_coordinator_create(&config, &process->coordinator));
    CHECK(!reshard_driver_create_coordinator(
        process->coordinator, &transport, &journal, NULL, &process->coordinator_driver));
    file_journal_connect(process->authority, process->coordinator_driver);
    CHECK(!reshard_driver_start(process->coordinator_driver, now_ns()));
}

static void process_stop(struct process *process)
{
    reshard_driver_destroy(process->driver);
    reshard_node_destroy(process->node);
    file_journal_close(process->journal);
    reshard_driver_destroy(process->coordinator_driver);
    reshard_coordinator_destroy(process->coordinator);
    file_journal_close(process->authority);
}

/* One turn of the event loop: run, wait for a message or the deadline, take what came. 0: the other
 * end is closed. */
static int turn(struct process *process)
{
    uint64_t deadline = UINT64_MAX, other = UINT64_MAX, now = now_ns();
    if (process->coordinator)
        CHECK(!reshard_driver_run(process->coordinator_driver, now, 0, &other));
    CHECK(!reshard_driver_run(process->driver, now, 0, &deadline));
    deadline = other < deadline ? other : deadline;
    uint64_t wait_ms = deadline > now ? (deadline - now) / 1000000 + 1 : 0;
    struct pollfd poll_fd = {.fd = process->socket, .events = POLLIN};
    (void)poll(&poll_fd, 1, wait_ms < 10 ? (int)wait_ms : 10);
    for (int i = 0; i < 16; i++) {
        ssize_t size =
            recv(process->socket, process->message, sizeof process->message, MSG_DONTWAIT);
        if (size == 0)
            return 0;
        if (size < 0)
            break;
        deliver(process, 3 - process->id, process->message, (size_t)size);
        CHECK(!reshard_driver_run(process->driver, now, 0, NULL)); /* the buffer is used again */
    }
    return 1;
}

/* ---- the play ---- */

static struct process parent = {.id = 1, .socket = -1};
static uint64_t kill_after_chunks = 30;
static uint64_t values[KEY_COUNT]; /* what the client was told is written */

static pid_t child_start(const char *folder)
{
    int ends[2];
    if (parent.socket >= 0)
        CHECK(close(parent.socket) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        static struct process process = {.id = 2};
        CHECK(close(ends[0]) == 0);
        process.socket = ends[1];
        node_start(&process, folder);
        while (turn(&process))
            ;
        process_stop(&process);
        _exit(0);
    }
    CHECK(close(ends[1]) == 0);
    parent.socket = ends[0];
    return child;
}

static void change(struct reshard_change change)
{
    change.struct_size = sizeof change;
    CHECK(!reshard_coordinator_change(parent.coordinator, &change));
}

static void map_make(void)
{
    static const struct reshard_range all = {0, SLOT_COUNT - 1};
    while (reshard_coordinator_leads(parent.coordinator) != 1)
        CHECK(turn(&parent));
    for (uint32_t id = 1; id <= 2; id++) {
        change((struct reshard_change){
            .kind = RESHARD_CHANGE_SHARD_PUT, .shard = id, .weight = 1.0});
        change((struct reshard_change){.kind = RESHARD_CHANGE_NODE_PUT,
            .node = id, .shard = id, .role = RESHARD_ROLE_REPLICA});
        change((struct reshard_change){
            .kind = RESHARD_CHANGE_SHARD_PRIMARY, .node = id, .shard = id});
    }
    change((struct reshard_change){
        .kind = RESHARD_CHANGE_ASSIGN, .shard = 1, .ranges = &all, .range_count = 1});
    while (reshard_map_slot_owner(reshard_node_map(parent.node), 0) != 1)
        CHECK(turn(&parent));
}

/* A client's write at node 1, as long as that serves the key's slot. */
static void key_write(uint64_t key, uint64_t value)
{
    uint32_t verdict =
        reshard_node_route(parent.node, slot_of(key), RESHARD_OP_WRITE, NULL);
    if (verdict != RESHARD_SERVE && verdict != RESHARD_SERVE_CAPTURE)
        return;
    struct state state = {key, value};
    place_write(parent.table, key, value, PLACE_LIVE);
    if (verdict == RESHARD_SERVE_CAPTURE)
        CHECK(!reshard_node_record(
            parent.node, slot_of(key), (const uint8_t *)&state, sizeof state));
    values[key] = value;
}

/* Turns until the migration has ended, with a kill on the way. Answers the child that lives. */
static pid_t migrate(const char *folder, pid_t child)
{
    static const struct reshard_range all = {0, SLOT_COUNT - 1};
    struct reshard_migration_spec spec = {.struct_size = sizeof spec, .source = 1, .target = 2,
        .mode = RESHARD_MODE_SNAPSHOT, .ranges = &all, .range_count = 1};
    struct reshard_progress progress = {.struct_size = sizeof progress};
    reshard_migration_id migration;
    uint64_t writes = 0;
    int killed = 0;
    CHECK(!reshard_coordinator_open(parent.coordinator, &spec, &migration));
    while (!reshard_coordinator_progress(parent.coordinator, migration, &progress)) {
        for (int i = 0; i < 10; i++, writes++)
            key_write(mix(writes) % KEY_COUNT, KEY_COUNT + writes);
        if (!turn(&parent) || (!killed && parent.chunks >= kill_after_chunks)) {
            CHECK(!killed); /* the child dies by our hand only */
            killed = 1;
            CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
            printf("killed node 2 in phase %s after %llu chunks\n",
                reshard_phase_name(progress.phase), (unsigned long long)parent.chunks);
            child = child_start(folder);
        }
    }
    CHECK(killed && reshard_map_slot_owner(reshard_coordinator_map(parent.coordinator), 0) == 2);
    return child;
}

/* Both files, read by themselves: each key once, at node 2, as the client left it. */
static void prove(const char *folder)
{
    struct table *other = table_open(folder, 2);
    uint64_t count = 0;
    for (size_t at = 0; at < PLACE_COUNT; at++) {
        CHECK(parent.table->places[at].state != PLACE_LIVE);
        CHECK(other->places[at].state != PLACE_STAGED);
        count += other->places[at].state == PLACE_LIVE;
    }
    CHECK(count == KEY_COUNT);
    for (uint64_t key = 0; key < KEY_COUNT; key++) {
        const struct place *place = place_find(other, key, PLACE_LIVE);
        CHECK(place->state == PLACE_LIVE && place->value == values[key]);
    }
}

static void files_remove(const char *folder)
{
    static const char *const names[] = {"table-1", "table-2", "journal-1", "journal-1.lock",
        "journal-2", "journal-2.lock", "authority-0", "authority-0.lock"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        CHECK(unlink(path) == 0);
    }
    CHECK(rmdir(folder) == 0);
}

int main(int argument_count, char **arguments)
{
    char name[] = "/tmp/own_store-XXXXXX";
    const char *folder = mkdtemp(name);
    if (argument_count > 1)
        kill_after_chunks = strtoull(arguments[1], NULL, 10);
    CHECK(folder);
    pid_t child = child_start(folder);
    node_start(&parent, folder);
    coordinator_start(&parent, folder);
    map_make();
    for (uint64_t key = 0; key < KEY_COUNT; key++)
        key_write(key, key);
    child = migrate(folder, child);
    CHECK(close(parent.socket) == 0); /* the child reads the end and leaves */
    CHECK(waitpid(child, NULL, 0) == child);
    prove(folder);
    process_stop(&parent);
    printf("all %u keys at node 2, none lost, none twice\n", (unsigned)KEY_COUNT);
    files_remove(folder);
    return 0;
}
