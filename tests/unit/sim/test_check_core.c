/* SPDX-License-Identifier: MIT */
/* Every checker fires when the core breaks its word, and is silent when it keeps it. The linker
 * puts what stands here in front of the core's functions: one lie a test, the core itself has no
 * trace of it. What hosts alone can break is in test_check.c. */
#include <criterion/criterion.h>
#include <reshard-sim/sim.h>
#include <reshard/coordinator.h>
#include <reshard/journal.h>
#include <reshard/node.h>
#include <stdio.h>
#include <string.h>

enum lie {
    LIE_NONE,
    LIE_CHANGED,  /* a message changes the coordinator whether it is damaged, old or a stranger's */
    LIE_DEAF,     /* the coordinator refuses every message */
    LIE_KIND,     /* it takes kinds of messages that it does not know */
    LIE_START,    /* a node does not start from its own journal */
    LIE_FOLLOW,   /* a replica refuses its primary's record */
    LIE_RECORD,   /* a captured write is not taken */
    LIE_ROUTE,    /* keys of a slot that is moved key by key get no verdict */
    LIE_COMPLETE, /* an action is taken back from who did it */
    LIE_MEMORY,   /* a call fails for want of memory, and none was refused */
    LIE_JOURNAL,  /* every journal is sound */
    LIE_END,      /* a migration ends once more, the other way */
};

enum { NODES = 3 };

static enum lie lie;
static uint32_t starts; /* of nodes, in this world */

/* ---- the core, with a lie in front ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names of the linker's */
int32_t __real_reshard_coordinator_receive(struct reshard_coordinator *coordinator,
    reshard_node_id from, const uint8_t *bytes, size_t size, uint64_t now_ns);
int32_t __wrap_reshard_coordinator_receive(struct reshard_coordinator *coordinator,
    reshard_node_id from, const uint8_t *bytes, size_t size, uint64_t now_ns);
int32_t __real_reshard_coordinator_event_next(
    struct reshard_coordinator *coordinator, struct reshard_event *event_out);
int32_t __wrap_reshard_coordinator_event_next(
    struct reshard_coordinator *coordinator, struct reshard_event *event_out);
int32_t __real_reshard_node_start(struct reshard_node *node, uint64_t now_ns);
int32_t __wrap_reshard_node_start(struct reshard_node *node, uint64_t now_ns);
int32_t __real_reshard_node_restore(
    struct reshard_node *node, const uint8_t *bytes, size_t size);
int32_t __wrap_reshard_node_restore(
    struct reshard_node *node, const uint8_t *bytes, size_t size);
int32_t __real_reshard_node_record(
    struct reshard_node *node, uint32_t slot, const uint8_t *bytes, size_t size);
int32_t __wrap_reshard_node_record(
    struct reshard_node *node, uint32_t slot, const uint8_t *bytes, size_t size);
int32_t __real_reshard_node_route_keys(struct reshard_node *node,
    const struct reshard_node_request *request, struct reshard_route *route_out);
int32_t __wrap_reshard_node_route_keys(struct reshard_node *node,
    const struct reshard_node_request *request, struct reshard_route *route_out);
int32_t __real_reshard_node_complete(struct reshard_node *node, uint64_t id,
    const struct reshard_completion *completion, uint64_t now_ns);
int32_t __wrap_reshard_node_complete(struct reshard_node *node, uint64_t id,
    const struct reshard_completion *completion, uint64_t now_ns);
int32_t __real_reshard_journal_check(
    const uint8_t *bytes, size_t size, struct reshard_journal_report *report);
int32_t __wrap_reshard_journal_check(
    const uint8_t *bytes, size_t size, struct reshard_journal_report *report);

/* Something that changes a coordinator and hurts nobody. */
static void disturb(struct reshard_coordinator *coordinator)
{
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PUT;
    change.shard = 99;
    change.weight = 1.0;
    (void)reshard_coordinator_change(coordinator, &change);
}

int32_t __wrap_reshard_coordinator_receive(struct reshard_coordinator *coordinator,
    reshard_node_id from, const uint8_t *bytes, size_t size, uint64_t now_ns)
{
    if (lie == LIE_DEAF)
        return RESHARD_E_STALE;
    int32_t status =
        __real_reshard_coordinator_receive(coordinator, from, bytes, size, now_ns);
    if (lie == LIE_CHANGED)
        disturb(coordinator);
    if (lie == LIE_KIND && status == RESHARD_E_KIND)
        return RESHARD_OK;
    return status;
}

int32_t __wrap_reshard_coordinator_event_next(
    struct reshard_coordinator *coordinator, struct reshard_event *event_out)
{
    static struct reshard_event again;
    bool tells = lie == LIE_END && again.kind == RESHARD_EVENT_END;
    if (tells) {
        *event_out = again;
        event_out->phase_to =
            again.phase_to == RESHARD_PHASE_DONE ? RESHARD_PHASE_REVERTED : RESHARD_PHASE_DONE;
        memset(&again, 0, sizeof again);
        return RESHARD_OK;
    }
    int32_t status = __real_reshard_coordinator_event_next(coordinator, event_out);
    if (status == RESHARD_OK)
        again = *event_out;
    return status;
}

int32_t __wrap_reshard_node_start(struct reshard_node *node, uint64_t now_ns)
{
    if (lie == LIE_START && starts == NODES)
        return RESHARD_E_CHAIN;
    starts++;
    return __real_reshard_node_start(node, now_ns);
}

int32_t __wrap_reshard_node_restore(
    struct reshard_node *node, const uint8_t *bytes, size_t size)
{
    /* Behind the start of the last node records come to a replica alone. */
    if (lie == LIE_FOLLOW && starts == NODES)
        return RESHARD_E_CHAIN;
    return __real_reshard_node_restore(node, bytes, size);
}

int32_t __wrap_reshard_node_record(
    struct reshard_node *node, uint32_t slot, const uint8_t *bytes, size_t size)
{
    return lie == LIE_RECORD ? RESHARD_E_STATE
                             : __real_reshard_node_record(node, slot, bytes, size);
}

int32_t __wrap_reshard_node_route_keys(struct reshard_node *node,
    const struct reshard_node_request *request, struct reshard_route *route_out)
{
    return lie == LIE_ROUTE ? RESHARD_E_STATE
                            : __real_reshard_node_route_keys(node, request, route_out);
}

int32_t __wrap_reshard_node_complete(struct reshard_node *node, uint64_t id,
    const struct reshard_completion *completion, uint64_t now_ns)
{
    if (lie == LIE_COMPLETE)
        return RESHARD_E_EMPTY;
    return lie == LIE_MEMORY ? RESHARD_E_NOMEM
                             : __real_reshard_node_complete(node, id, completion, now_ns);
}

int32_t __wrap_reshard_journal_check(
    const uint8_t *bytes, size_t size, struct reshard_journal_report *report)
{
    int32_t status = __real_reshard_journal_check(bytes, size, report);
    if (lie == LIE_JOURNAL)
        report->verdict = RESHARD_OK;
    return status;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* ---- what fires ---- */

struct broken {
    enum lie lie;
    const char *script; /* NULL: random runs find it */
    const char *fires;
};

#define WRITER "writer every 100us reads 20 deletes 10 for 300\n"
#define SNAPSHOT "move 0-3 s1 s2 snapshot\nrun until end\n"
#define KEYWISE "move 0-3 s1 s2 keywise\nrun until end\n"

static const struct broken cases[] = {
    {LIE_CHANGED, "corrupt REPORT from n1 to c1\n" SNAPSHOT, .fires = "refused"},
    {LIE_CHANGED, NULL, .fires = "repeated"},
    {LIE_CHANGED, NULL, .fires = "foreign"},
    {LIE_DEAF, NULL, .fires = "stuck"},
    {LIE_KIND, NULL, .fires = "unknown-kind"},
    {LIE_START, "crash n2\nrestart n2\n" SNAPSHOT, .fires = "recovery"},
    {LIE_FOLLOW, SNAPSHOT, .fires = "follow"},
    {LIE_RECORD, WRITER SNAPSHOT, .fires = "record"},
    {LIE_ROUTE, WRITER KEYWISE, .fires = "route"},
    {LIE_COMPLETE, SNAPSHOT, .fires = "complete"},
    {LIE_MEMORY, SNAPSHOT, .fires = "memory"},
    {LIE_JOURNAL, NULL, .fires = "journal"},
    {LIE_END, SNAPSHOT, .fires = "one-end"},
};

static void scenario_run(const struct broken *broken, struct reshard_sim_report *report)
{
    char text[512];
    (void)snprintf(text, sizeof text,
        "world slots 8 keys 48\nnodes 2\nreplica n3 of s1 follows\nstart\nload 48\n%s",
        broken->script);
    reshard_sim_report_init(report);
    starts = 0;
    int32_t status = reshard_sim_scenario(text, strlen(text), NULL, NULL, report);
    cr_assert_eq(status, RESHARD_OK, "%s: line %u", broken->fires, report->line);
}

/* Until it fires: which checker does is a seed's affair. */
static void swarm_run(const struct broken *broken, struct reshard_sim_report *report)
{
    enum { SEEDS = 60 };
    struct reshard_sim_swarm swarm;
    reshard_sim_swarm_init(&swarm);
    for (swarm.seed = 1; swarm.seed <= SEEDS; swarm.seed++) {
        reshard_sim_report_init(report);
        cr_assert_eq(reshard_sim_swarm_run(&swarm, NULL, NULL, NULL, 0, report), RESHARD_OK);
        if (strcmp(report->checker, broken->fires) == 0)
            return;
    }
}

Test(check_core, checkers_broken_core_fire)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reshard_sim_report report;
        lie = cases[i].lie;
        if (cases[i].script)
            scenario_run(&cases[i], &report);
        else
            swarm_run(&cases[i], &report);
        cr_expect_str_eq(report.checker, cases[i].fires, "%s: \"%s\" fires", cases[i].fires,
            report.checker);
    }
}

/* Without a lie; seeds that hold are test_swarm.c's. */
Test(check_core, checkers_honest_core_silent)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reshard_sim_report report;
        if (!cases[i].script)
            continue;
        scenario_run(&cases[i], &report);
        cr_expect(!report.violated && !report.failed, "%s: \"%s\" fires", cases[i].fires,
            report.checker);
    }
}
