/* SPDX-License-Identifier: MIT */
/* Room replica of slotd: a primary and its replica over a wire that loses, cuts and changes what it
 * carries: the replica ends with the primary's keys, and serves no read before. */
#include "place.h"
#include "replica_room.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { PRIMARY = 1, REPLICA = 2, KEYS = 300, WIRE_MAX = 4096 };

struct message {
    uint64_t from;
    uint8_t kind;
    struct buffer bytes;
};

struct side {
    struct rig *rig;
    struct place place;
    struct host_sync sync;
    struct replica *replica;
    uint64_t node;
    int copies;
};

struct rig {
    struct side sides[2];
    struct message wire[WIRE_MAX];
    size_t count;
};

static bool on_send(void *user_data, uint64_t node, uint8_t kind, struct bytes header,
    struct bytes payload)
{
    struct side *side = user_data;
    struct rig *rig = side->rig;
    cr_assert(node != side->node && rig->count < WIRE_MAX);
    struct message *message = &rig->wire[rig->count++];
    *message = (struct message){.from = side->node, .kind = kind};
    buffer_append(&message->bytes, header.data, header.size);
    buffer_append(&message->bytes, payload.data, payload.size);
    return true;
}

static void on_copy(void *user_data)
{
    struct side *side = user_data;
    side->copies++;
}

static void on_copied(void *user_data)
{
    (void)user_data;
}

static bool on_records(void *user_data, struct bytes records)
{
    (void)user_data;
    return records.size > 0;
}

static void on_changed(void *user_data, const struct store_key *key, uint64_t kept)
{
    struct side *side = user_data;
    replica_key_changed(side->replica, key, kept);
}

static void side_make(struct rig *rig, int index)
{
    struct side *side = &rig->sides[index];
    const struct replica_hooks hooks = {side, on_send, on_copy, on_copied, on_records};
    const struct store_observer observer = {.user_data = side, .changed = on_changed};
    *side = (struct side){.rig = rig, .place = place_make(), .node = (uint64_t)index + 1};
    side->sync.store = side->place.store;
    side->replica = replica_open(side->place.store, &side->sync, &hooks);
    store_observe(side->place.store, &observer);
    replica_role(side->replica, side->node, PRIMARY, 0);
}

static struct rig *rig_make(void)
{
    log_level(LOG_ERROR);
    struct rig *rig = calloc(1, sizeof *rig);
    cr_assert_not_null(rig);
    side_make(rig, 0);
    side_make(rig, 1);
    return rig;
}

static void wire_clear(struct rig *rig)
{
    for (size_t index = 0; index < rig->count; index++)
        buffer_free(&rig->wire[index].bytes);
    rig->count = 0;
}

static void rig_remove(struct rig *rig)
{
    wire_clear(rig);
    for (int index = 0; index < 2; index++) {
        replica_close(rig->sides[index].replica);
        store_observe(rig->sides[index].place.store, &(struct store_observer){0});
        place_remove(&rig->sides[index].place);
    }
    free(rig);
}

/* Both take what came, and end a turn. */
static void turn(struct rig *rig, void (*spoil)(struct message *message, size_t number))
{
    static struct message taken[WIRE_MAX];
    size_t count = rig->count;
    memcpy(taken, rig->wire, count * sizeof *taken);
    rig->count = 0;
    for (size_t index = 0; index < count; index++) {
        struct message *message = &taken[index];
        struct side *to = &rig->sides[message->from == PRIMARY ? 1 : 0];
        if (spoil != NULL)
            spoil(message, index);
        replica_receive(to->replica, message->from, message->kind,
            (struct bytes){message->bytes.data, message->bytes.size});
        buffer_free(&message->bytes);
    }
    for (int index = 0; index < 2; index++) {
        store_commit(rig->sides[index].place.store);
        replica_turn(rig->sides[index].replica);
    }
}

static void fill(struct rig *rig, const char *value)
{
    char name[32];
    for (int key = 0; key < KEYS; key++) {
        (void)snprintf(name, sizeof name, "key:%d", key);
        place_put(rig->sides[0].place.store, name, value);
    }
}

static bool same(struct rig *rig, const char *value)
{
    char name[32];
    if (store_key_count(rig->sides[1].place.store) != KEYS)
        return false;
    for (int key = 0; key < KEYS; key++) {
        (void)snprintf(name, sizeof name, "key:%d", key);
        if (!place_has(rig->sides[1].place.store, name, value))
            return false;
    }
    return true;
}

/* It asks to follow, until nothing is on the wire any more. */
static void settle(struct rig *rig)
{
    rig->sides[1].replica->up.asked_ns = 0;
    replica_tick(rig->sides[1].replica);
    for (int count = 0; count < 500 && rig->count > 0; count++)
        turn(rig, NULL);
}

Test(replica, has_a_copy_and_then_what_changes)
{
    struct rig *rig = rig_make();
    fill(rig, "old");
    settle(rig);
    cr_expect(same(rig, "old"));
    cr_expect_eq(rig->sides[1].copies, 1);
    cr_expect(replica_whole(rig->sides[1].replica));
    fill(rig, "new");
    settle(rig);
    cr_expect(same(rig, "new"));
    cr_expect_eq(rig->sides[1].copies, 1, "the stream went on");
    cr_expect_eq(
        replica_offset(rig->sides[0].replica), replica_offset(rig->sides[1].replica));
    rig_remove(rig);
}

static bool equal_slots(struct rig *rig, uint32_t slot)
{
    struct store_stats stats[2];
    for (int index = 0; index < 2; index++)
        store_slot_stats(rig->sides[index].place.store, slot, &stats[index]);
    return stats[0].key_count == stats[1].key_count &&
        memcmp(&stats[0].digest, &stats[1].digest, sizeof stats[0].digest) == 0;
}

/* What is added to a large value, and its expiry, cost the stream no more than what is new; while a
 * copy is under way, which may have read a part of the value, they cost all of it. */
Test(replica, large_value_that_grows_is_not_sent_again)
{
    enum { LARGE = 3 * STORE_PIECE_SIZE + 100, TAIL = 2 * STORE_PIECE_SIZE };
    static const uint8_t bytes[LARGE] = {1, 2, 3};
    static const struct store_key key = {7, {(const uint8_t *)"large", 5}};
    struct rig *rig = rig_make();
    struct store *store = rig->sides[0].place.store;
    struct replica *primary = rig->sides[0].replica;
    settle(rig);
    store_put(store, &key, (struct bytes){bytes, LARGE}, 0);
    settle(rig);
    cr_expect(equal_slots(rig, 7));
    uint64_t before = replica_offset(primary);
    (void)store_append(store, &key, (struct bytes){bytes, 1});
    cr_expect(store_expiry_set(store, &key, INT64_MAX / 2));
    (void)store_append(store, &key, (struct bytes){bytes, TAIL});
    settle(rig);
    cr_expect(equal_slots(rig, 7));
    cr_expect_lt(replica_offset(primary) - before, (uint64_t)TAIL + 2000);
    cr_expect_eq(rig->sides[1].copies, 1, "the stream went on");
    primary->followers->copying = true;
    before = replica_offset(primary);
    (void)store_append(store, &key, (struct bytes){bytes, 1});
    cr_expect_gt(replica_offset(primary) - before, (uint64_t)LARGE);
    rig_remove(rig);
}

Test(replica, is_waited_for_while_it_may_read)
{
    struct rig *rig = rig_make();
    struct side *primary = &rig->sides[0];
    cr_expect_eq(primary->sync.released, UINT64_MAX, "nobody follows");
    fill(rig, "old");
    settle(rig);
    settle(rig); /* a beat: near enough to join, then its lease */
    settle(rig);
    cr_expect(replica_fresh(rig->sides[1].replica));
    place_put(primary->place.store, "key:1", "newer");
    turn(rig, NULL);
    cr_expect_lt(primary->sync.released, primary->sync.logged, "not applied yet");
    settle(rig);
    cr_expect_geq(primary->sync.released, primary->sync.logged);
    cr_expect_eq(replica_count(primary->replica, primary->sync.logged), 1);
    rig_remove(rig);
}

/* It knows of no lease that was given before: others may read without what is its own alone. */
Test(replica, waits_at_its_start_for_leases_that_others_gave)
{
    struct rig *rig = rig_make();
    struct side *primary = &rig->sides[0];
    settle(rig);
    replica_role(primary->replica, PRIMARY, 0, 1);
    replica_role(primary->replica, PRIMARY, PRIMARY, 1);
    cr_expect(replica_settling(primary->replica));
    cr_expect_lt(primary->sync.released, primary->sync.logged);
    replica_tick(primary->replica);
    cr_expect_lt(primary->sync.released, primary->sync.logged);
    replica_tick(rig->sides[1].replica); /* goes on with the stream before: hears that it is over */
    turn(rig, NULL);
    turn(rig, NULL);
    cr_expect_not(rig->sides[1].replica->up.linked);
    cr_expect(replica_settling(primary->replica));
    settle(rig);
    cr_expect_not(replica_settling(primary->replica));
    cr_expect_geq(primary->sync.released, primary->sync.logged);
    rig_remove(rig);
}

Test(replica, waits_for_others_leases_when_it_takes_over_and_no_longer_than_they_last)
{
    struct rig *rig = rig_make();
    struct side *heir = &rig->sides[1];
    settle(rig);
    replica_role(heir->replica, REPLICA, REPLICA, 1); /* the primary before reads as none */
    replica_former_gone(heir->replica);
    replica_tick(heir->replica);
    cr_expect_not(replica_settling(heir->replica));
    replica_role(heir->replica, REPLICA, PRIMARY, 2);
    replica_role(heir->replica, REPLICA, REPLICA, 2);
    replica_former_gone(heir->replica);
    replica_tick(heir->replica);
    cr_expect(replica_settling(heir->replica));
    heir->replica->settled_ns = clock_monotonic_ns();
    replica_tick(heir->replica);
    cr_expect_not(replica_settling(heir->replica));
    cr_expect_geq(heir->sync.released, heir->sync.logged);
    replica_role(heir->replica, REPLICA, 0, 2);
    replica_role(heir->replica, REPLICA, REPLICA, 2);
    replica_role(heir->replica, REPLICA, PRIMARY, 2); /* deposed meanwhile: nobody is waited for */
    cr_expect_eq(heir->sync.released, UINT64_MAX);
    rig_remove(rig);
}

static uint64_t former_of(const struct side *side)
{
    uint64_t led_ns;
    return replica_former(side->replica, &led_ns);
}

static void run_dry(struct rig *rig)
{
    for (int count = 0; count < 500 && rig->count > 0; count++)
        turn(rig, NULL);
}

/* The primary before may still serve: its heir waits until that follows it ... */
Test(replica, heir_waits_until_the_primary_before_follows_it)
{
    struct rig *rig = rig_make();
    struct side *deposed = &rig->sides[0], *heir = &rig->sides[1];
    settle(rig);
    replica_role(heir->replica, REPLICA, REPLICA, 1);
    cr_expect_eq(former_of(heir), PRIMARY);
    cr_expect(replica_settling(heir->replica));
    replica_tick(heir->replica);
    cr_expect_not(replica_followed_by(heir->replica, PRIMARY));
    replica_role(deposed->replica, PRIMARY, REPLICA, 1); /* says so at once */
    cr_expect_geq(rig->count, 1);
    run_dry(rig);
    cr_expect(replica_followed_by(heir->replica, PRIMARY));
    cr_expect_eq(former_of(heir), PRIMARY, "another of the shard may not");
    replica_former_gone(heir->replica);
    cr_expect_eq(former_of(heir), 0);
    cr_expect_not(replica_settling(heir->replica));
    rig_remove(rig);
}

/* ... or until its lease must be over, and also when the heir starts again meanwhile. */
Test(replica, heir_waits_for_the_lease_of_the_primary_before_over_a_restart)
{
    struct rig *rig = rig_make();
    struct side *heir = &rig->sides[1];
    settle(rig);
    for (int run = 0; run < 3; run++) {
        const struct replica_hooks hooks = heir->replica->hooks;
        replica_role(heir->replica, REPLICA, REPLICA, 1);
        cr_expect_eq(former_of(heir), PRIMARY, "run %d", run);
        store_commit(heir->place.store);
        replica_close(heir->replica);
        heir->replica = replica_open(heir->place.store, &heir->sync, &hooks);
    }
    replica_role(heir->replica, REPLICA, REPLICA, 1);
    heir->replica->led_ns -= PRIMARY_LEASE_NS;
    replica_tick(heir->replica);
    cr_expect_eq(former_of(heir), PRIMARY, "a margin more");
    heir->replica->led_ns -= LEASE_MARGIN_NS;
    replica_tick(heir->replica);
    cr_expect_eq(former_of(heir), 0);
    replica_role(heir->replica, REPLICA, 0, 1);
    replica_role(heir->replica, REPLICA, REPLICA, 1);
    cr_expect_eq(former_of(heir), 0, "once");
    rig_remove(rig);
}

Test(replica, who_leaves_its_cluster_waits_for_nobody)
{
    struct rig *rig = rig_make();
    struct side *heir = &rig->sides[1];
    settle(rig);
    replica_leave(heir->replica);
    replica_role(heir->replica, 3, 3, 0);
    cr_expect_eq(former_of(heir), 0);
    rig_remove(rig);
}

/* A replica says with its beats that it follows, by the primary's clock; an heir does not. */
Test(replica, vouches_for_its_primary_until_it_leads)
{
    struct rig *rig = rig_make();
    struct side *primary = &rig->sides[0], *heir = &rig->sides[1];
    settle(rig);
    uint64_t begin_ns = clock_monotonic_ns();
    cr_expect_leq(replica_vouched_ns(primary->replica, REPLICA), begin_ns);
    for (int count = 0; count < 2; count++) {
        replica_tick(heir->replica);
        run_dry(rig);
    }
    uint64_t vouched_ns = replica_vouched_ns(primary->replica, REPLICA);
    cr_expect_gt(vouched_ns, begin_ns);
    cr_expect_leq(vouched_ns, clock_monotonic_ns());
    cr_expect_eq(replica_vouched_ns(primary->replica, 3), 0);
    replica_role(heir->replica, REPLICA, REPLICA, 1);
    for (int count = 0; count < 2; count++) {
        replica_tick(heir->replica);
        run_dry(rig);
    }
    cr_expect_eq(replica_vouched_ns(primary->replica, REPLICA), vouched_ns);
    rig_remove(rig);
}

static void lose_third(struct message *message, size_t number)
{
    if (number % 3 == 2)
        message->bytes.size = 0;
}

static size_t cut_at;

static void cut(struct message *message, size_t number)
{
    (void)number;
    message->bytes.size = message->bytes.size * (cut_at % 97) / 97;
}

static void change(struct message *message, size_t number)
{
    if (message->bytes.size > 0)
        message->bytes.data[(cut_at * 31 + number) % message->bytes.size] ^=
            (uint8_t)(1 + cut_at % 255);
}

/* Whatever comes, it does not read behind it, and a copy heals all. */
static void spoiled(void (*spoil)(struct message *message, size_t number), size_t rounds)
{
    struct rig *rig = rig_make();
    for (cut_at = 0; cut_at < rounds; cut_at++) {
        fill(rig, cut_at % 2 == 0 ? "even" : "odd");
        rig->sides[1].replica->up.asked_ns = 0;
        replica_tick(rig->sides[1].replica);
        for (int count = 0; count < 3; count++)
            turn(rig, spoil);
        wire_clear(rig);
    }
    /* What was changed may have been believed: links are authenticated, not the room's business.
     * Who has lost its primary's stream starts over. */
    replica_role(rig->sides[1].replica, REPLICA, 0, 0);
    rig->sides[1].replica->up.stream = 0;
    replica_role(rig->sides[1].replica, REPLICA, PRIMARY, 0);
    rig->sides[1].replica->up.stream = 0;
    fill(rig, "last");
    settle(rig);
    settle(rig);
    cr_expect(same(rig, "last"));
    rig_remove(rig);
}

Test(replica, asks_again_when_messages_are_lost)
{
    struct rig *rig = rig_make();
    fill(rig, "old");
    for (int count = 0; count < 40; count++) {
        rig->sides[1].replica->up.asked_ns = 0;
        replica_tick(rig->sides[1].replica);
        turn(rig, lose_third);
        turn(rig, NULL);
    }
    settle(rig);
    settle(rig);
    cr_expect(same(rig, "old"));
    rig_remove(rig);
}

Test(replica, survives_messages_that_are_cut)
{
    spoiled(cut, 97);
}

Test(replica, survives_messages_that_are_changed)
{
    spoiled(change, 200);
}
