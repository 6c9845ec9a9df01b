/* SPDX-License-Identifier: MIT */
/* The queue and its fates, with a real node at one end. */
#include "memory_server.h"

#include <criterion/criterion.h>

static uint32_t slot_of(const uint8_t *key, size_t key_size)
{
    return key_size ? key[0] : 0u;
}

struct fixture {
    struct memory_transport *network;
    struct memory_server node;
    struct reshard_transport hooks; /* of a sender, node 9 */
    uint8_t message[64];            /* a real one: the first that the node ever sent */
    size_t message_size;
    uint32_t fate;
    size_t asked;
};

static uint32_t fate_of(void *user_data, reshard_node_id from, reshard_node_id to,
    const uint8_t *bytes, size_t size)
{
    struct fixture *it = user_data;
    (void)bytes;
    (void)size;
    cr_assert_eq(from, 9);
    cr_assert_eq(to, 1);
    it->asked++;
    return it->fate;
}

static int32_t send_one(struct fixture *it, const void *bytes, size_t size)
{
    struct reshard_action action = {.struct_size = sizeof action, .to = 1};
    struct reshard_completion completion = {.struct_size = sizeof completion};
    action.header = bytes;
    action.header_size = size;
    return it->hooks.send(it->hooks.user_data, &action, &completion);
}

/* Bytes that look like a message for a node and are none: HELLO is a node's and a coordinator's,
 * ORDER a node's alone. The checksum is wrong, so the node refuses it with an event. */
static void setup(struct fixture *it)
{
    struct reshard_node_config config = {
        .struct_size = sizeof config, .node = 1, .boot = 1, .slot_count = 256};
    memset(it, 0, sizeof *it);
    it->network = memory_transport_create();
    cr_assert_eq(
        memory_server_start_node(&it->node, it->network, &config, slot_of, 1), RESHARD_OK);
    memory_port_hooks(memory_transport_port(it->network, 9, RESHARD_RECEIVER_NODE), &it->hooks);
    it->message[8] = 0x8a; /* an array of ten ... */
    it->message[9] = 0x03; /* ... an ORDER */
    it->message_size = 40;
    cr_assert_eq(
        reshard_message_receiver(it->message, it->message_size), RESHARD_RECEIVER_NODE);
}

static void teardown(struct fixture *it)
{
    memory_server_free(&it->node);
    memory_transport_destroy(it->network);
}

/* Messages that reached the node: it tells each that is bad. */
static size_t reached(struct fixture *it)
{
    struct reshard_event event = {.struct_size = sizeof event};
    size_t count = 0;
    while (!reshard_node_event_next(it->node.node, &event))
        count += event.kind == RESHARD_EVENT_BAD_MESSAGE;
    return count;
}

static size_t pump_all(struct fixture *it)
{
    size_t steps = 0;
    while (memory_transport_pump(it->network, 2) == 1)
        steps++;
    return steps;
}

Test(memory_transport, a_message_is_delivered_once)
{
    struct fixture it;
    setup(&it);
    cr_assert_eq(send_one(&it, it.message, it.message_size), RESHARD_OK);
    cr_assert_eq(memory_transport_count(it.network), 1);
    cr_assert_eq(reached(&it), 0, "not from inside the hook");
    cr_assert_eq(pump_all(&it), 1);
    cr_assert_eq(reached(&it), 1);
    teardown(&it);
}

Test(memory_transport, fates_drop_repeat_and_delay)
{
    const size_t expected[] = {[MEMORY_FATE_DELIVER] = 1, [MEMORY_FATE_DROP] = 0,
        [MEMORY_FATE_TWICE] = 2, [MEMORY_FATE_LATER] = 1};
    struct fixture it;
    setup(&it);
    memory_transport_set_fate(it.network, fate_of, &it);
    for (it.fate = 0; it.fate < 4; it.fate++) {
        it.asked = 0;
        cr_assert_eq(send_one(&it, it.message, it.message_size), RESHARD_OK);
        (void)pump_all(&it);
        cr_assert_eq(reached(&it), expected[it.fate], "fate %u", it.fate);
        cr_assert_eq(it.asked, 1, "fate %u", it.fate);
    }
    teardown(&it);
}

Test(memory_transport, what_nobody_listens_to_is_lost)
{
    struct fixture it;
    setup(&it);
    cr_assert_eq(send_one(&it, "noise", 5), RESHARD_OK);
    cr_assert_eq(memory_transport_count(it.network), 0);
    memory_port_connect(it.node.port, NULL);
    cr_assert_eq(send_one(&it, it.message, it.message_size), RESHARD_OK);
    cr_assert_eq(pump_all(&it), 1);
    memory_port_connect(it.node.port, it.node.driver);
    cr_assert_eq(reached(&it), 0);
    teardown(&it);
}

Test(memory_transport, what_is_queued_at_the_end_is_freed)
{
    struct fixture it;
    setup(&it);
    cr_assert_eq(send_one(&it, it.message, it.message_size), RESHARD_OK);
    teardown(&it);
}
