/* SPDX-License-Identifier: MIT */
/* Room sim: statements that make a running cluster larger: nodes that join, and a plan that evens
 * out the shares of all. */
#include "sim/script.h"

#include <reshard/plan.h>

/* join N: as many nodes more, each the primary of a shard without slots. */
void reshard__say_join(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    uint64_t count = reshard__script_number(script);
    reshard_shard_id first = sim->shard_count + 1;
    reshard__script_need(script, count > 0 && count < SIM_COORDINATOR - sim->shard_count,
        "a number of nodes, 60000 in all");
    reshard__script_need(script, sim->started, "`start` before `join`");
    for (uint64_t id = first; id < first + count && !script->bad; id++)
        reshard__script_need(
            script, !reshard__host_find(sim, id), "numbers that no replica has");
    if (script->bad)
        return;
    sim->shard_count += (uint32_t)count;
    for (uint64_t id = first; id <= sim->shard_count; id++)
        reshard__host_add(sim, id, (reshard_shard_id)id, reshard__disk_make(sim, id))->acting =
            true;
    reshard__script_join(script, first);
}

struct wish {
    uint32_t mode;
    reshard_job_id *job;
};

static int32_t submit_ask(struct host *host, const void *what)
{
    const struct wish *wish = what;
    struct reshard_rebalance_request request;
    struct reshard_job_spec spec;
    struct reshard_plan *plan = NULL;
    reshard_rebalance_request_init(&request);
    request.flags = RESHARD_REBALANCE_EMPTY_SHARDS;
    reshard_job_spec_init(&spec);
    spec.mode = wish->mode;
    int32_t status = reshard_plan_rebalance(
        reshard_coordinator_map(host->coordinator), &request, NULL, &plan);
    if (status == RESHARD_OK)
        status = reshard_coordinator_submit(host->coordinator, plan, &spec, wish->job);
    reshard_plan_destroy(plan);
    return status;
}

/* rebalance MODE: as many migrations at once as `flight` allows. */
void reshard__say_rebalance(struct script *script)
{
    static const char *const modes[] = {"", "snapshot", "keywise", NULL};
    const struct wish wish = {reshard__script_choice(script, modes), &script->sim->job};
    struct host *leader = reshard__host_leader(script->sim);
    if (script->bad || !leader)
        reshard__script_fail(script, "nobody leads");
    else
        reshard__script_ask(script, leader, submit_ask, &wish);
}
