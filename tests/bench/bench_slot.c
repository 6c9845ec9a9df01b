/* SPDX-License-Identifier: MIT */
/* Room slot, benchmark: key → slot against a byte-at-a-time table CRC16 with a byte-at-a-time tag
 * scan, in the same run. Prints nanoseconds a key (median of the repeats) and ratios. */
#include <reshard/slot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOT_COUNT = 512, COLD_COUNT = 1 << 20, REPEATS = 15, SIZE_MAX_OF_KEY = 64, FUNCTIONS = 4 };

struct keys {
    uint8_t *bytes;            /* all keys, one behind the other */
    struct reshard_key *items; /* in the order of the visit */
    size_t count;
};

static uint16_t peer_table[256];
static struct reshard_hasher hasher;
static uint32_t *slots;

static void fail(const char *what)
{
    fprintf(stderr, "bench_slot: %s\n", what);
    exit(1);
}

static void peer_init(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned crc = byte << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ (crc & 0x8000 ? 0x1021U : 0U);
        peer_table[byte] = (uint16_t)crc;
    }
}

__attribute__((noinline)) static uint32_t peer_crc(const uint8_t *data, size_t size)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < size; i++)
        crc = (uint16_t)(crc << 8 ^ peer_table[(crc >> 8 ^ data[i]) & 0xFF]);
    return crc & 16383;
}

__attribute__((noinline)) static uint32_t peer_slot(const uint8_t *key, size_t size)
{
    size_t open = 0;
    while (open < size && key[open] != '{')
        open++;
    if (open == size)
        return peer_crc(key, size);
    size_t close = open + 1;
    while (close < size && key[close] != '}')
        close++;
    if (close == size || close == open + 1)
        return peer_crc(key, size);
    return peer_crc(key + open + 1, close - open - 1);
}

/* Each adds up the slots, so that no call can be left out. Chained, each call waits for the slot
 * before it (slots are below 2^31, so the shift adds nothing); else calls may overlap. */
#define RUN(name, call)                                                                            \
    static uint64_t run_##name(const struct keys *keys)                                            \
    {                                                                                              \
        uint64_t sum = 0;                                                                          \
        for (size_t i = 0; i < keys->count; i++) {                                                 \
            const struct reshard_key *key = &keys->items[i];                                       \
            sum += call;                                                                           \
        }                                                                                          \
        return sum;                                                                                \
    }                                                                                              \
    static uint64_t chain_##name(const struct keys *keys)                                          \
    {                                                                                              \
        uint64_t sum = 0;                                                                          \
        uint32_t slot = 0;                                                                         \
        for (size_t i = 0; i < keys->count; i++) {                                                 \
            const struct reshard_key *key = &keys->items[i + (slot >> 31)];                        \
            sum += slot = call;                                                                    \
        }                                                                                          \
        return sum;                                                                                \
    }

RUN(peer, peer_slot(key->data, key->key_size))
RUN(crc16, reshard_slot_crc16(key->data, key->key_size))
RUN(xxh3, reshard_slot_xxh3(key->data, key->key_size, 16384))

/* The batch call; it has no order between keys, so there is no chain. */
static uint64_t run_batch(const struct keys *keys)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < keys->count; i += HOT_COUNT) {
        if (reshard_slots_of_keys(&hasher, keys->items + i, HOT_COUNT, slots))
            fail("batch refused");
        for (size_t j = 0; j < HOT_COUNT; j++)
            sum += slots[j];
    }
    return sum;
}

typedef uint64_t run_function(const struct keys *);
static run_function *const functions[2][FUNCTIONS] = {
    {run_peer, run_crc16, run_batch, run_xxh3}, {chain_peer, chain_crc16, run_batch, chain_xxh3}};

/* Of this process: others that take the processor away do not count. */
static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* size 0: lengths 1 ... 64, mixed. tag_size: bytes of a tag in front, 0 = none. */
static struct keys keys_make(size_t count, size_t size, size_t tag_size)
{
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyz:._-ABCDEFGHIJKLMNOPQRSTUVWX";
    struct keys keys = {aligned_alloc(64, count * SIZE_MAX_OF_KEY),
        malloc(count * sizeof(struct reshard_key)), count};
    if (!keys.bytes || !keys.items)
        fail("out of memory");
    uint64_t state = 7;
    for (size_t i = 0; i < count * SIZE_MAX_OF_KEY; i++)
        keys.bytes[i] = (uint8_t)letters[next_random(&state) % 64];
    size_t stride = size ? size : SIZE_MAX_OF_KEY;
    for (size_t i = 0; i < count; i++) {
        keys.items[i].data = keys.bytes + i * stride;
        keys.items[i].key_size = size ? size : 1 + next_random(&state) % SIZE_MAX_OF_KEY;
        if (tag_size) {
            keys.bytes[i * stride] = '{';
            keys.bytes[i * stride + 1 + tag_size] = '}';
        }
    }
    for (size_t i = count - 1; i > 0; i--) { /* random order */
        size_t j = next_random(&state) % (i + 1);
        struct reshard_key swap = keys.items[i];
        keys.items[i] = keys.items[j];
        keys.items[j] = swap;
    }
    return keys;
}

/* Median nanoseconds a key of each function; the functions take turns in each repeat. */
static void measure(const struct keys *keys, int chained, double *ns_out)
{
    size_t rounds = keys->count == HOT_COUNT ? 100 : 1;
    double times[FUNCTIONS][REPEATS];
    uint64_t expected = functions[chained][0](keys);
    for (int repeat = -1; repeat < REPEATS; repeat++) { /* -1 warms up */
        for (int f = 0; f < FUNCTIONS; f++) {
            uint64_t sum = 0;
            double start = now_ns();
            for (size_t i = 0; i < rounds; i++)
                sum += functions[chained][f](keys);
            if (repeat >= 0)
                times[f][repeat] = (now_ns() - start) / (double)(rounds * keys->count);
            if (f < 3 && sum != expected * rounds)
                fail("slots differ from the peer's");
        }
    }
    for (int f = 0; f < FUNCTIONS; f++) {
        qsort(times[f], REPEATS, sizeof times[f][0], compare_doubles);
        ns_out[f] = times[f][REPEATS / 2];
    }
}

/* Ratios of the single and of the batch call. */
struct result {
    double single, batch;
};

static struct result row(const char *name, size_t count, size_t size, size_t tag_size, int chained)
{
    struct keys keys = keys_make(count, size, tag_size);
    double ns[FUNCTIONS];
    char text[24] = "1..64";
    measure(&keys, chained, ns);
    if (size)
        snprintf(text, sizeof text, "%zu", size);
    printf("%-22s %6s %8.2f %8.2f %6.2fx %8.2f %6.2fx %8.2f %6.2fx\n", name, text, ns[0], ns[1],
        ns[0] / ns[1], ns[2], ns[0] / ns[2], ns[3], ns[0] / ns[3]);
    free(keys.bytes);
    free(keys.items);
    return (struct result){ns[0] / ns[1], ns[0] / ns[2]};
}

static void verdict(const char *what, double ratio, double goal)
{
    printf(
        "goal %-32s >= %.0fx: %6.2fx, %s\n", what, goal, ratio, ratio >= goal ? "met" : "NOT met");
}

static void verdicts(const char *what, const struct result results[5], double (*of)(struct result))
{
    static const struct {
        const char *size;
        size_t row;
        double goal;
    } goals[] = {{"16 B", 1, 3}, {"64 B", 3, 6}};
    char text[40];
    for (size_t i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "%s, %s", what, goals[i].size);
        verdict(text, of(results[goals[i].row]), goals[i].goal);
    }
}

static double single_of(struct result result)
{
    return result.single;
}

static double batch_of(struct result result)
{
    return result.batch;
}

int main(void)
{
    static const size_t sizes[] = {8, 16, 32, 64, 0};
    struct result hot[5], cold[5];
    peer_init();
    reshard_hasher_init(&hasher);
    slots = malloc(HOT_COUNT * sizeof *slots);
    if (!slots)
        fail("out of memory");
    printf("key -> slot, ns a key; ratios against a byte-at-a-time table CRC16 (peer)\n");
    printf("%-22s %6s %8s %8s %7s %8s %7s %8s %7s\n", "keys", "bytes", "peer", "crc16", "", "batch",
        "", "xxh3", "");
    for (size_t i = 0; i < 5; i++)
        hot[i] = row("hot 512", HOT_COUNT, sizes[i], 0, 0);
    for (size_t i = 0; i < 5; i++)
        row("hot 512, chained", HOT_COUNT, sizes[i], 0, 1);
    row("hot 512, tag of 4", HOT_COUNT, 64, 4, 0);
    row("hot 512, tag of 16", HOT_COUNT, 64, 16, 0);
    row("hot 512, tag of 36", HOT_COUNT, 64, 36, 0);
    for (size_t i = 0; i < 5; i++)
        cold[i] = row("2^20 in random order", COLD_COUNT, sizes[i], 0, 0);
    verdicts("hot, one call a key", hot, single_of);
    verdicts("hot, batch", hot, batch_of);
    verdicts("2^20 keys, one call a key", cold, single_of);
    verdicts("2^20 keys, batch", cold, batch_of);
    free(slots);
    return 0;
}
