/* SPDX-License-Identifier: MIT */
/* The whole engine, benchmark: route at rest and beside an open migration, against a bare array
 * load behind a function call; a snapshot migration through node, driver, wire and coordinator with
 * stores in memory, beside memcpy of the same bytes; what of it is the library's own share; memory
 * of an open migration; journal appends. All in one run, medians of the repeats. */
#include "bench_fleet.h"
#include "memory_server.h"
#include "support/alloc.h"

#include <malloc.h>
#include <stdio.h>
#include <time.h>

enum { REPEATS = 5, SLOT_COUNT = RESHARD_SLOT_COUNT_DEFAULT, REQUESTS = 1 << 22 };
enum { KEYS = 300000, MANY_KEYS = 1000000, KEY_SIZE = 16, VALUE_SIZE = 84, OPEN_COUNT = 64 };

#define MUST(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "line %d: %s\n", __LINE__, #condition), exit(1)))

/* Processor time of this thread: others share the machine. */
static double clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, REPEATS, sizeof *values, by_value);
    return values[REPEATS / 2];
}

/* ---- a cluster whose hooks are timed ---- */

/* What a pair of clock readings costs besides the time between them: nobody's, taken out. */
static double clock_cost_ns;

static void clock_calibrate(void)
{
    enum { PAIRS = 20000 };
    double costs[REPEATS];
    for (int r = 0; r < REPEATS; r++) {
        double between = 0, begin = clock_ns();
        for (int i = 0; i < PAIRS; i++) {
            double start = clock_ns();
            between += clock_ns() - start;
        }
        costs[r] = (clock_ns() - begin - between) / PAIRS;
    }
    clock_cost_ns = median(costs);
}

struct timed {
    reshard_hook hooks[RESHARD_ACTION_KIND_COUNT];
    void *user_data[RESHARD_ACTION_KIND_COUNT];
};

static struct {
    struct memory_transport *network;
    struct memory_server nodes[3];
    struct memory_server coordinator;
    struct support_alloc alloc; /* of the coordinator and both nodes */
    uint64_t now_ns;
    double hooks_ns; /* spent inside hooks */
    double all_ns;   /* spent in driver calls, hooks included */
    uint64_t clocked; /* pairs of clock readings inside all_ns */
    uint64_t bytes;
} it;

static struct timed timed[3];

/* ---- memory and mail that cost nothing outside the hooks ---- */

enum { LARGE = 65536, KEPT = 256 };

static struct {
    void *ptr; /* NULL: the place is free */
    size_t size;
} kept[KEPT];

static size_t kept_find(size_t size)
{
    size_t i = 0;
    while (i < KEPT && (size ? !kept[i].ptr || kept[i].size != size : kept[i].ptr != NULL))
        i++;
    return i;
}

/* Large blocks are kept and given out again: else malloc tidies the stores' small ones whenever the
 * library asks for a chunk, and the library would be charged for it. */
static void *pool_resize(void *user_data, void *ptr, size_t old_size, size_t new_size)
{
    (void)user_data;
    size_t at = !ptr && new_size >= LARGE ? kept_find(new_size) : KEPT;
    if (at < KEPT) {
        ptr = kept[at].ptr;
        kept[at].ptr = NULL;
        return ptr;
    }
    if (new_size)
        return realloc(ptr, new_size);
    at = old_size >= LARGE ? kept_find(0) : KEPT;
    if (at == KEPT) {
        free(ptr);
        return NULL;
    }
    kept[at].ptr = ptr;
    kept[at].size = old_size;
    return NULL;
}

enum { MAIL_COUNT = 4096, MAIL_SIZE = 1 << 19 };

static struct mail { /* a ring of buffers that are made once */
    struct memory_server *to;
    reshard_node_id from;
    size_t size;
    size_t capacity;
    uint8_t *bytes;
} mails[MAIL_COUNT];
static size_t mail_first, mail_next;

static int32_t on_send(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    double start = clock_ns();
    const struct timed *from = user_data;
    struct mail *mail = &mails[mail_next++ % MAIL_COUNT];
    (void)completion;
    MUST(mail_next - mail_first < MAIL_COUNT);
    mail->size = action->header_size + action->payload_size;
    if (mail->capacity < mail->size) {
        free(mail->bytes);
        mail->capacity = mail->size < 1024 ? 1024 : MAIL_SIZE;
        mail->bytes = malloc(mail->capacity);
        MUST(mail->bytes && mail->size <= mail->capacity);
    }
    memcpy(mail->bytes, action->header, action->header_size);
    if (action->payload_size)
        memcpy(mail->bytes + action->header_size, action->payload, action->payload_size);
    bool node = reshard_message_receiver(mail->bytes, mail->size) == RESHARD_RECEIVER_NODE;
    mail->to = node ? &it.nodes[action->to] : &it.coordinator;
    mail->from = from == &timed[0] ? 1 : (reshard_node_id)(from - timed);
    it.hooks_ns += clock_ns() - start;
    it.clocked++;
    return RESHARD_OK;
}

static int32_t on_action(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    const struct timed *inner = user_data;
    double start = clock_ns();
    int32_t status = inner->hooks[action->kind](
        inner->user_data[action->kind], action, completion);
    it.hooks_ns += clock_ns() - start;
    it.clocked++;
    if (action->kind == RESHARD_ACTION_EXPORT)
        it.bytes += completion->size;
    return status;
}

static uint32_t slot_of(const uint8_t *key, size_t key_size)
{
    return reshard_slot_xxh3(key, key_size, SLOT_COUNT);
}

static void keep(struct timed *inner, uint32_t kind, reshard_hook *hook, void *user_data)
{
    inner->hooks[kind] = *hook;
    inner->user_data[kind] = user_data;
    if (*hook)
        *hook = on_action;
}

/* The server's own hooks, each behind a clock. */
static void driver_swap(struct memory_server *server, struct timed *inner)
{
    struct reshard_transport transport;
    struct reshard_journal journal;
    struct reshard_store store;
    memory_port_hooks(server->port, &transport);
    memory_journal_hooks(&server->journal, &journal);
    transport.send = on_send;
    keep(inner, RESHARD_ACTION_APPEND, &journal.append, journal.user_data);
    keep(inner, RESHARD_ACTION_LOAD, &journal.load, journal.user_data);
    keep(inner, RESHARD_ACTION_COMPACT, &journal.compact, journal.user_data);
    transport.user_data = journal.user_data = inner;
    reshard_driver_destroy(server->driver);
    if (server->coordinator) {
        MUST(!reshard_driver_create_coordinator(
            server->coordinator, &transport, &journal, NULL, &server->driver));
    } else {
        memory_store_hooks(server->store, &store);
        void *data = store.user_data;
        keep(inner, RESHARD_ACTION_EXPORT, &store.export_data, data);
        keep(inner, RESHARD_ACTION_APPLY, &store.apply, data);
        keep(inner, RESHARD_ACTION_SYNC, &store.sync, data);
        keep(inner, RESHARD_ACTION_ACTIVATE, &store.activate, data);
        keep(inner, RESHARD_ACTION_DISCARD, &store.discard, data);
        keep(inner, RESHARD_ACTION_PURGE, &store.purge, data);
        keep(inner, RESHARD_ACTION_DIGEST, &store.digest, data);
        keep(inner, RESHARD_ACTION_PICK, &store.pick, data);
        keep(inner, RESHARD_ACTION_REMOVE, &store.remove, data);
        keep(inner, RESHARD_ACTION_WAKE, &store.wake, data);
        store.user_data = inner;
        MUST(!reshard_driver_create_node(
            server->node, &transport, &journal, &store, NULL, &server->driver));
    }
    server->journal.driver = server->driver;
    memory_port_connect(server->port, server->driver);
}

static void turn(void)
{
    double start = clock_ns();
    it.now_ns += 100000;
    MUST(!reshard_driver_run(it.coordinator.driver, it.now_ns, 0, NULL));
    for (size_t id = 1; id <= 2; id++)
        MUST(!reshard_driver_run(it.nodes[id].driver, it.now_ns, 0, NULL));
    for (size_t last = mail_next; mail_first < last; mail_first++) {
        struct mail *mail = &mails[mail_first % MAIL_COUNT];
        MUST(!reshard_driver_receive(mail->to->driver, mail->from, mail->bytes, mail->size));
        MUST(!reshard_driver_run(mail->to->driver, it.now_ns, 0, NULL));
    }
    it.all_ns += clock_ns() - start;
}

static void change(struct reshard_change what)
{
    what.struct_size = sizeof what;
    MUST(!reshard_coordinator_change(it.coordinator.coordinator, &what));
}

static void map_make(void)
{
    static const struct reshard_range all = {0, SLOT_COUNT - 1};
    while (reshard_coordinator_leads(it.coordinator.coordinator) != 1)
        turn();
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
    while (reshard_map_slot_owner(reshard_node_map(it.nodes[1].node), 0) != 1)
        turn();
}

/* The counting allocator fills and checks every block: for figures of memory, not of time. */
static void cluster_start(bool counted)
{
    struct reshard_allocator allocator = support_alloc_init(&it.alloc);
    if (!counted)
        allocator.resize = pool_resize;
    struct reshard_coordinator_config config = {.struct_size = sizeof config, .node = 1,
        .unique = 1, .in_flight_limit = OPEN_COUNT, .allocator = allocator};
    it.network = memory_transport_create();
    MUST(it.network);
    for (uint32_t id = 1; id <= 2; id++) {
        struct reshard_node_config node = {
            .struct_size = sizeof node, .node = id, .boot = 1, .allocator = allocator};
        MUST(!memory_server_prepare_node(&it.nodes[id], it.network, &node, slot_of));
        driver_swap(&it.nodes[id], &timed[id]);
        MUST(!reshard_driver_start(it.nodes[id].driver, it.now_ns));
    }
    MUST(!memory_server_prepare_coordinator(&it.coordinator, it.network, &config));
    driver_swap(&it.coordinator, &timed[0]);
    MUST(!reshard_driver_start(it.coordinator.driver, it.now_ns));
    map_make();
}

static void cluster_stop(void)
{
    memory_server_free(&it.coordinator);
    memory_server_free(&it.nodes[1]);
    memory_server_free(&it.nodes[2]);
    memory_transport_destroy(it.network);
    MUST(support_alloc_clean(&it.alloc));
    memset(&it, 0, sizeof it);
    mail_first = mail_next;
}

static void fill(uint32_t keys)
{
    uint8_t value[VALUE_SIZE];
    memset(value, 7, sizeof value);
    for (uint32_t i = 0; i < keys; i++) {
        char key[KEY_SIZE + 1];
        (void)snprintf(key, sizeof key, "key:%012u", i);
        struct memory_record record = {
            MEMORY_RECORD_PUT, 0, (const uint8_t *)key, KEY_SIZE, value, sizeof value};
        MUST(!memory_store_write(it.nodes[1].store, &record));
    }
}

static reshard_migration_id open_range(uint32_t first, uint32_t last, uint32_t mode)
{
    struct reshard_range range = {first, last};
    struct reshard_migration_spec spec = {.struct_size = sizeof spec, .source = 1, .target = 2,
        .mode = mode, .ranges = &range, .range_count = 1};
    reshard_migration_id migration;
    MUST(!reshard_coordinator_open(it.coordinator.coordinator, &spec, &migration));
    return migration;
}

static void finish(reshard_migration_id migration)
{
    struct reshard_progress progress = {.struct_size = sizeof progress};
    uint64_t turns = 0;
    while (!reshard_coordinator_progress(it.coordinator.coordinator, migration, &progress)) {
        turn();
        MUST(++turns < 10000000);
    }
    MUST(reshard_map_slot_owner(reshard_coordinator_map(it.coordinator.coordinator), 0) == 2);
}

/* ---- figures ---- */

static volatile uint64_t route_sink;

static void bench_route(const char *label, const uint32_t *slots)
{
    extern uint32_t bench_bare_load(const uint32_t *owners, uint32_t slot);
    static uint32_t owners[SLOT_COUNT];
    double bare[REPEATS], route[REPEATS];
    for (int r = -1; r < REPEATS; r++) {
        uint64_t sum = 0;
        double start = clock_ns();
        for (uint32_t i = 0; i < REQUESTS; i++)
            sum += bench_bare_load(owners, slots[i % 65536]);
        double middle = clock_ns();
        for (uint32_t i = 0; i < REQUESTS; i++)
            sum += reshard_node_route(
                it.nodes[1].node, slots[i % 65536], RESHARD_OP_READ, NULL);
        double end = clock_ns();
        route_sink = sum;
        if (r >= 0) {
            bare[r] = (middle - start) / REQUESTS;
            route[r] = (end - middle) / REQUESTS;
        }
    }
    double b = median(bare), m = median(route);
    printf("%-36s %7.2f ns  bare load in a function %5.2f ns  ratio %4.2f\n", label, m, b, m / b);
}

__attribute__((noinline)) uint32_t bench_bare_load(const uint32_t *owners, uint32_t slot);
__attribute__((noinline)) uint32_t bench_bare_load(const uint32_t *owners, uint32_t slot)
{
    return __atomic_load_n(&owners[slot], __ATOMIC_ACQUIRE);
}

static void bench_routes(void)
{
    static uint32_t slots[65536];
    uint64_t seed = 1;
    for (size_t i = 0; i < 65536; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        slots[i] = (uint32_t)(seed >> 33) % (SLOT_COUNT / 2) + SLOT_COUNT / 2;
    }
    cluster_start(false);
    bench_route("route, at rest", slots);
    (void)open_range(0, 99, RESHARD_MODE_SNAPSHOT);
    struct reshard_node_migration migration = {.struct_size = sizeof migration};
    while (reshard_node_migration_at(it.nodes[1].node, 0, &migration))
        turn();
    bench_route("route, a migration open elsewhere", slots);
    cluster_stop();
}

static double memcpy_seconds(uint64_t bytes)
{
    enum { BLOCK = 262144 };
    uint8_t *from = malloc((size_t)bytes + BLOCK), *to = malloc(BLOCK);
    MUST(from && to);
    memset(from, 1, (size_t)bytes + BLOCK);
    double times[REPEATS];
    for (int r = 0; r < REPEATS; r++) {
        double start = clock_ns();
        for (uint64_t at = 0; at < bytes; at += BLOCK) {
            memcpy(to, from + at, BLOCK);
            __asm__ volatile("" : : "r"(to) : "memory");
        }
        times[r] = (clock_ns() - start) / 1e9;
    }
    free(from);
    free(to);
    return median(times);
}

static void bench_mode(const char *label, uint32_t mode, uint32_t keys)
{
    double seconds[REPEATS], share[REPEATS], percent[REPEATS];
    uint64_t bytes = 0, appends[3] = {0};
    for (int r = 0; r < REPEATS; r++) {
        cluster_start(false);
        fill(keys);
        uint64_t before[3] = {it.coordinator.journal.append_count,
            it.nodes[1].journal.append_count, it.nodes[2].journal.append_count};
        it.all_ns = it.hooks_ns = 0;
        it.clocked = 0;
        finish(open_range(0, SLOT_COUNT - 1, mode));
        it.all_ns -= clock_cost_ns * (double)it.clocked;
        seconds[r] = it.all_ns / 1e9;
        share[r] = (it.all_ns - it.hooks_ns) / keys;
        percent[r] = 100 * (it.all_ns - it.hooks_ns) / it.all_ns;
        bytes = it.bytes ? it.bytes : keys * (uint64_t)(KEY_SIZE + VALUE_SIZE);
        appends[0] = it.coordinator.journal.append_count - before[0];
        for (size_t id = 1; id <= 2; id++)
            appends[id] = it.nodes[id].journal.append_count - before[id];
        cluster_stop();
    }
    double s = median(seconds), copy = memcpy_seconds(bytes);
    printf("%s, %u keys of %d bytes\n", label, keys, KEY_SIZE + VALUE_SIZE);
    printf("  %10.0f keys/s  %7.1f MB/s   memcpy of the same bytes %7.1f MB/s  ratio %.1f\n",
        keys / s, (double)bytes / s / 1e6, (double)bytes / copy / 1e6, s / copy);
    printf("  outside the hooks %.1f ns a key, %.1f %% of the time\n", median(share),
        median(percent));
    printf("  journal appends: coordinator %llu, source %llu, target %llu\n",
        (unsigned long long)appends[0], (unsigned long long)appends[1],
        (unsigned long long)appends[2]);
}

static void bench_memory(void)
{
    cluster_start(true);
    size_t before = it.alloc.live_bytes;
    for (uint32_t i = 0; i < OPEN_COUNT; i++)
        (void)open_range(i * 10, i * 10, RESHARD_MODE_SNAPSHOT);
    struct reshard_node_migration migration = {.struct_size = sizeof migration};
    while (reshard_node_migration_at(it.nodes[2].node, OPEN_COUNT - 1, &migration))
        turn();
    const size_t open = it.alloc.live_bytes - before;
    cluster_stop();
    printf("memory of a coordinator and two nodes, %d slots: %zu bytes\n", SLOT_COUNT, before);
    printf("  a slot: %.1f bytes in each process\n", (double)before / SLOT_COUNT / 3);
    printf("  an open migration: %zu bytes in all three\n", open / OPEN_COUNT);
}

int main(int argc, char **argv)
{
    /* No fast bins: else the library's first larger block pays for tidying what hooks freed. */
    (void)mallopt(M_MXFAST, 0);
    clock_calibrate();
    if (argc == 2 && strcmp(argv[1], "coordinator") == 0) {
        bench_memory();
        bench_fleet();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "snapshot") == 0) { /* for a profiler */
        bench_mode("snapshot", RESHARD_MODE_SNAPSHOT, KEYS);
        bench_mode("snapshot", RESHARD_MODE_SNAPSHOT, MANY_KEYS);
        return 0;
    }
    bench_routes();
    bench_mode("snapshot", RESHARD_MODE_SNAPSHOT, KEYS);
    bench_mode("snapshot", RESHARD_MODE_SNAPSHOT, MANY_KEYS);
    bench_memory();
    bench_fleet();
    bench_mode("keywise", RESHARD_MODE_KEYWISE, KEYS);
    return 0;
}
