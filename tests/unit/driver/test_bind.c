/* SPDX-License-Identifier: MIT */
/* A driver in front of a real node and a real coordinator: each function of their tables is called
 * by a first start, a message and a run. That they do the right thing is the quickstart's proof. */
#include "driver/driver.h"
#include "support/alloc.h"

#include <criterion/criterion.h>
#include <string.h>

struct host {
    struct reshard_driver *driver;
    uint8_t journal[4096];
    size_t journal_size;
    size_t sent_count;
    int32_t append_status;
};

static int32_t on_send(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct host *host = user_data;
    (void)action;
    (void)completion;
    host->sent_count++;
    return RESHARD_OK;
}

static int32_t on_append(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct host *host = user_data;
    (void)completion;
    if (host->append_status)
        return host->append_status;
    cr_assert_leq(host->journal_size + action->header_size, sizeof host->journal);
    memcpy(host->journal + host->journal_size, action->header, action->header_size);
    host->journal_size += action->header_size;
    return RESHARD_OK;
}

static int32_t on_load(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    struct host *host = user_data;
    (void)action;
    (void)completion;
    if (!host->journal_size)
        return RESHARD_OK;
    return reshard_driver_restore(host->driver, host->journal, host->journal_size);
}

static int32_t on_store(
    void *user_data, const struct reshard_action *action, struct reshard_completion *completion)
{
    (void)user_data;
    (void)action;
    (void)completion;
    return RESHARD_OK;
}

static struct reshard_transport transport_of(struct host *host)
{
    struct reshard_transport hooks;
    reshard_transport_init(&hooks);
    hooks.user_data = host;
    hooks.send = on_send;
    return hooks;
}

static struct reshard_journal journal_of(struct host *host)
{
    struct reshard_journal hooks;
    reshard_journal_init(&hooks);
    hooks.user_data = host;
    hooks.append = on_append;
    hooks.load = on_load;
    return hooks;
}

static struct reshard_store store_of(struct host *host)
{
    struct reshard_store hooks;
    reshard_store_init(&hooks);
    hooks.user_data = host;
    hooks.pick = hooks.remove = on_store;
    hooks.apply = hooks.sync = hooks.discard = hooks.purge = on_store;
    return hooks;
}

Test(bind, create_refuses_null)
{
    struct host host = {0};
    struct reshard_driver *driver = NULL;
    struct reshard_transport transport = transport_of(&host);
    struct reshard_journal journal = journal_of(&host);
    struct reshard_store store = store_of(&host);
    struct reshard_node_config config;
    struct reshard_node *node;
    reshard_node_config_init(&config);
    config.node = 1;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_OK);
    cr_assert_eq(reshard_driver_create_node(NULL, &transport, &journal, &store, NULL, &driver),
        RESHARD_E_NULL);
    cr_assert_eq(
        reshard_driver_create_node(node, NULL, &journal, &store, NULL, &driver), RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_create_node(node, &transport, NULL, &store, NULL, &driver),
        RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_create_node(node, &transport, &journal, NULL, NULL, &driver),
        RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_create_node(node, &transport, &journal, &store, NULL, NULL),
        RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_create_coordinator(NULL, &transport, &journal, NULL, &driver),
        RESHARD_E_NULL);
    struct reshard_coordinator_config leader;
    struct reshard_coordinator *coordinator;
    reshard_coordinator_config_init(&leader);
    leader.node = 1;
    leader.unique = 7;
    cr_assert_eq(reshard_coordinator_create(&leader, &coordinator), RESHARD_OK);
    cr_assert_eq(reshard_driver_create_coordinator(coordinator, NULL, &journal, NULL, &driver),
        RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_create_coordinator(coordinator, &transport, NULL, NULL, &driver),
        RESHARD_E_NULL);
    cr_assert_eq(reshard_driver_create_coordinator(coordinator, &transport, &journal, NULL, NULL),
        RESHARD_E_NULL);
    cr_assert_null(driver);
    reshard_coordinator_destroy(coordinator);
    reshard_node_destroy(node);
}

Test(bind, a_node_starts_runs_and_refuses_noise)
{
    struct host host = {0};
    struct reshard_transport transport = transport_of(&host);
    struct reshard_journal journal = journal_of(&host);
    struct reshard_store store = store_of(&host);
    struct reshard_node_config config;
    struct reshard_node *node;
    uint64_t deadline_ns = 0;
    const uint8_t noise[20] = "not a message at all";
    reshard_node_config_init(&config);
    config.node = 1;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_OK);
    cr_assert_eq(
        reshard_driver_create_node(node, &transport, &journal, &store, NULL, &host.driver),
        RESHARD_OK);
    cr_assert_eq(reshard_driver_start(host.driver, 1), RESHARD_OK);
    cr_assert_lt(reshard_driver_receive(host.driver, 9, noise, sizeof noise), RESHARD_OK);
    cr_assert_eq(reshard_driver_run(host.driver, 2, 0, &deadline_ns), RESHARD_OK);
    cr_assert_gt(deadline_ns, 2);
    reshard_driver_destroy(host.driver);
    reshard_node_destroy(node);
}

/* Start a node with the host's journal, run it, end it; what start says. */
static int32_t node_live(struct host *host, uint32_t slot_count)
{
    struct reshard_transport transport = transport_of(host);
    struct reshard_journal journal = journal_of(host);
    struct reshard_store store = store_of(host);
    struct reshard_node_config config;
    struct reshard_node *node;
    reshard_node_config_init(&config);
    config.node = 1;
    config.slot_count = slot_count;
    cr_assert_eq(reshard_node_create(&config, &node), RESHARD_OK);
    cr_assert_eq(
        reshard_driver_create_node(node, &transport, &journal, &store, NULL, &host->driver),
        RESHARD_OK);
    int32_t status = reshard_driver_start(host->driver, 1);
    if (!status)
        cr_assert_eq(reshard_driver_run(host->driver, 2, 0, NULL), RESHARD_OK);
    reshard_driver_destroy(host->driver);
    reshard_node_destroy(node);
    return status;
}

Test(bind, a_node_goes_on_from_its_journal)
{
    struct host host = {0};
    cr_assert_eq(node_live(&host, 64), RESHARD_OK);
    size_t written = host.journal_size;
    cr_assert_gt(written, 0, "who the node is");
    cr_assert_eq(node_live(&host, 64), RESHARD_OK);
    cr_assert_eq(host.journal_size, written, "it is known");
    cr_assert_eq(node_live(&host, 128), RESHARD_E_HOOK, "its load hook was refused the record");
    host.journal[written - 1] ^= 1;
    cr_assert_eq(node_live(&host, 64), RESHARD_E_CHECKSUM, "damage is told as such");
    cr_assert_eq(host.journal_size, written);
}

static struct reshard_coordinator *coordinator_make(struct host *host, uint64_t unique)
{
    struct reshard_transport transport = transport_of(host);
    struct reshard_journal journal = journal_of(host);
    struct reshard_coordinator_config config;
    struct reshard_coordinator *coordinator;
    reshard_coordinator_config_init(&config);
    config.node = 1;
    config.unique = unique;
    cr_assert_eq(reshard_coordinator_create(&config, &coordinator), RESHARD_OK);
    cr_assert_eq(reshard_driver_create_coordinator(
                     coordinator, &transport, &journal, NULL, &host->driver),
        RESHARD_OK);
    return coordinator;
}

Test(bind, a_coordinator_takes_a_term_and_the_next_one_a_higher)
{
    struct host host = {0};
    for (uint64_t term = 1; term <= 3; term++) {
        struct reshard_coordinator *coordinator = coordinator_make(&host, term * 7);
        cr_assert_eq(reshard_driver_start(host.driver, term), RESHARD_OK);
        cr_assert_eq(reshard_driver_run(host.driver, term, 0, NULL), RESHARD_OK);
        cr_assert_eq(reshard_coordinator_leads(coordinator), 1);
        cr_assert_eq(reshard_map_term(reshard_coordinator_map(coordinator), NULL), term);
        reshard_driver_destroy(host.driver);
        reshard_coordinator_destroy(coordinator);
    }
}

Test(bind, a_fenced_coordinator_is_told_by_run)
{
    struct host host = {.append_status = RESHARD_E_FENCED};
    struct reshard_coordinator *coordinator = coordinator_make(&host, 7);
    const uint8_t noise[20] = "not a message at all";
    cr_assert_eq(reshard_driver_start(host.driver, 1), RESHARD_OK);
    cr_assert_eq(reshard_driver_run(host.driver, 2, 0, NULL), RESHARD_E_FENCED);
    cr_assert_lt(reshard_driver_receive(host.driver, 9, noise, sizeof noise), RESHARD_OK);
    cr_assert_eq(reshard_driver_run(host.driver, 3, 0, NULL), RESHARD_E_FENCED);
    reshard_driver_destroy(host.driver);
    reshard_coordinator_destroy(coordinator);
}
