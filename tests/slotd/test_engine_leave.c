/* SPDX-License-Identifier: MIT */
/* Room engine of slotd, keys that leave: hidden until they have, few at a time, and shown again
 * when they cannot. */
#include "desk.h"
#include "place.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { COUNT = 16, KEYS = 256, SIZE = 4 << 20, LATE_NS = 600000000 };

static struct desk desk;
static struct place place;

static struct bytes name(const char *text)
{
    return bytes_of(text);
}

static uint32_t slot_of(const char *text)
{
    return place_key(text).slot;
}

static void opens(uint32_t slot)
{
    struct buffer words = {0};
    struct engine_wait wait = {WAIT_OPEN, 2, 0, memory_take(sizeof(*wait.ranges)), 1};
    *wait.ranges = (struct reshard_range){slot, slot};
    words_add_text(&words, "open");
    engine_promise(&desk.engine, PROMISE_OPEN, PROMISE_LATE, &words, &wait);
    buffer_free(&words);
}

static void make(void)
{
    desk_make(&desk);
    place = place_make();
    desk.slotd.store = place.store;
    place_put(place.store, "{t}1", "a");
    place_put(place.store, "{t}2", "b");
    opens(slot_of("{t}"));
}

static void leave(void)
{
    struct bytes keys[2] = {name("{t}1"), name("{t}2")};
    engine_leave(&desk.engine, slot_of("{t}"), keys, 2, 2);
}

static void clean(void)
{
    engine__leaves_free(&desk.engine);
    desk_remove(&desk);
    place_remove(&place);
}

static bool leaves(const char *text)
{
    return engine_leaves_key(&desk.engine, slot_of("{t}"), name(text));
}

static void gone(const char *text)
{
    struct store_key key = place_key(text);
    cr_assert(store_remove(place.store, &key));
}

Test(engine_leave, keys_are_about_to_leave_until_they_have)
{
    uint64_t before_ns = clock_monotonic_ns();
    make();
    leave();
    cr_expect(engine_leaves(&desk.engine, slot_of("{t}")));
    cr_expect_not(engine_leaves(&desk.engine, slot_of("{u}")));
    cr_expect_not(engine_leaves_key(&desk.engine, slot_of("{u}"), name("{t}1")));
    cr_expect(leaves("{t}1") && leaves("{t}2") && !leaves("{t}3"));
    cr_expect(engine_promises(&desk.engine, UINT64_MAX));
    cr_expect_not(engine_leaves_since(&desk.engine, before_ns));
    gone("{t}1");
    engine__leaves_run(&desk.engine);
    cr_expect(leaves("{t}1"), "nobody has said so");
    engine__leaves_tick(&desk.engine);
    engine__leaves_run(&desk.engine);
    cr_expect(!leaves("{t}1") && leaves("{t}2"));
    gone("{t}2");
    engine__leave_look(&desk.engine, slot_of("{u}"));
    engine__leaves_run(&desk.engine);
    cr_expect(leaves("{t}2"), "another slot");
    desk.engine.store.wake_wanted = false;
    engine__leave_look(&desk.engine, slot_of("{t}"));
    engine__leaves_run(&desk.engine);
    cr_expect_not(engine_leaves(&desk.engine, slot_of("{t}")));
    cr_expect(desk.engine.store.wake_wanted, "who waited for that may look");
    clean();
}

Test(engine_leave, what_does_not_move_is_shown_again)
{
    make();
    leave();
    engine__leaves_run(&desk.engine);
    cr_expect(engine_leaves(&desk.engine, slot_of("{t}")));
    desk.engine.tickets->asked_ns -= ENGINE_PROMISE_NS; /* nobody waits for the opening now */
    engine__leaves_run(&desk.engine);
    cr_expect_not(engine_leaves(&desk.engine, slot_of("{t}")));
    clean();
}

Test(engine_leave, few_are_promised_at_a_time)
{
    struct bytes key = name("{t}1");
    make();
    cr_expect(engine_leave_room(&desk.engine, KEYS, SIZE));
    cr_expect_not(engine_leave_room(&desk.engine, KEYS + 1, 1));
    cr_expect_not(engine_leave_room(&desk.engine, 1, SIZE + 1));
    for (uint32_t slot = 1; slot < COUNT; slot++)
        engine_leave(&desk.engine, slot, &key, 1, 1);
    cr_expect(engine_leave_room(&desk.engine, KEYS - COUNT + 1, SIZE - COUNT + 1));
    cr_expect_not(engine_leave_room(&desk.engine, KEYS - COUNT + 2, 1));
    cr_expect_not(engine_leave_room(&desk.engine, 1, SIZE - COUNT + 2));
    engine_leave(&desk.engine, COUNT, &key, 1, 1);
    cr_expect_not(engine_leave_room(&desk.engine, 1, 1));
    clean();
}

Test(engine_leave, none_is_promised_while_others_stand_still)
{
    make();
    cr_expect(engine_leave_room(&desk.engine, 1, 1));
    leave();
    cr_expect(engine_leave_room(&desk.engine, 1, 1));
    (void)uv_sleep(LATE_NS / 1000000);
    cr_expect_not(engine_leave_room(&desk.engine, 1, 1));
    clean();
}
