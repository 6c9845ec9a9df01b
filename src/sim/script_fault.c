/* SPDX-License-Identifier: MIT */
/* Room sim: statements that break things. */
#include "sim/follow.h"
#include "sim/script.h"

enum { FAILOVER_TRIES = 1000 };

static const char *const types[] = {
    "", "HELLO", "MAP", "ORDER", "REPORT", "CHUNK", "ACK", "any", NULL};

/* The kind named by a word of a CHUNK, REPORT or ACK; -1 when it is none. */
static int64_t kind_of(uint32_t type, const char *word)
{
    for (uint32_t kind = 0; kind < 20; kind++) {
        const char *name = reshard__kind_name(type, kind);
        if (name[0] != '?' && strcmp(name, word) == 0)
            return kind;
    }
    return -1;
}

/* TYPE [PHASE] [KIND] */
static void rule_subject(struct script *script, struct rule *rule)
{
    rule->type = reshard__script_choice(script, types);
    rule->kind = -1;
    rule->type = rule->type == 7 ? 0 : rule->type;
    bool phased = rule->type == 3 || rule->type == 4;
    for (uint32_t phase = 1; phased && phase < RESHARD_PHASE_COUNT; phase++)
        if (reshard__script_word(script, reshard_phase_name(phase)))
            rule->phase = phase;
    if (rule->type >= 4 && reshard__script_more(script)) {
        rule->kind = kind_of(rule->type, script->words[script->at]);
        script->at += rule->kind >= 0;
    }
}

static reshard_node_id id_of(const struct host *host)
{
    return host ? host->id : 0;
}

static void rule_add(struct script *script, enum rule_act act)
{
    struct reshard_sim *sim = script->sim;
    struct rule rule = {.act = act, .count = 1};
    if (reshard__script_word(script, "all"))
        rule.count = UINT64_MAX;
    rule_subject(script, &rule);
    static const char *const words[] = {"from", "to", "by", "after", "times", NULL};
    while (reshard__script_more(script) && !script->bad) {
        if (reshard__script_word(script, "from"))
            rule.from = id_of(reshard__script_process(script));
        else if (reshard__script_word(script, "to"))
            rule.to = id_of(reshard__script_process(script));
        else if (reshard__script_word(script, "by"))
            rule.delay_ns = reshard__script_time(script);
        else if (reshard__script_word(script, "after"))
            rule.skip = reshard__script_number(script);
        else if (reshard__script_word(script, "times"))
            rule.count = reshard__script_number(script);
        else
            (void)reshard__script_choice(script, words);
    }
    sim->rules = reshard__sim_grow(
        sim->rules, &sim->rule_capacity, sim->rule_count + 1, sizeof *sim->rules);
    sim->rules[sim->rule_count++] = rule;
}

void reshard__say_drop(struct script *script)
{
    rule_add(script, RULE_DROP);
}

void reshard__say_duplicate(struct script *script)
{
    rule_add(script, RULE_DUPLICATE);
}

void reshard__say_delay(struct script *script)
{
    rule_add(script, RULE_DELAY);
}

void reshard__say_hold(struct script *script)
{
    rule_add(script, RULE_HOLD);
}

void reshard__say_corrupt(struct script *script)
{
    rule_add(script, RULE_CORRUPT);
}

void reshard__say_stop(struct script *script)
{
    rule_add(script, RULE_STOP);
}

void reshard__say_release(struct script *script)
{
    reshard__net_release(script->sim);
}

void reshard__say_forget(struct script *script)
{
    script->sim->rule_count = script->sim->task_rule_count = 0;
}

static uint32_t action_kind(struct script *script)
{
    if (reshard__script_word(script, "any"))
        return FAULT_ANY;
    if (reshard__script_word(script, "MEMORY"))
        return FAULT_MEMORY;
    const char *word = reshard__script_next(script);
    for (uint32_t kind = 1; kind < RESHARD_ACTION_KIND_COUNT; kind++)
        if (strcmp(word, reshard_action_name(kind)) == 0)
            return kind;
    reshard__script_need(script, false, "an action: APPEND, EXPORT, APPLY, SYNC, ..., or any");
    return 0;
}

/* A record's name, kept in the rule by pointing at the table of names. */
static const char *record_name(struct script *script)
{
    for (uint32_t kind = 1; kind < 18; kind++)
        if (reshard__script_word(script, reshard__record_name(kind)))
            return reshard__record_name(kind);
    return "";
}

/* A coordinator may come later. */
static reshard_node_id anyone(struct script *script)
{
    if (reshard__script_word(script, "any"))
        return 0;
    reshard_node_id id = reshard__script_host(script);
    reshard__script_need(script, id >= SIM_COORDINATOR || reshard__host_find(script->sim, id),
        "a node that there is, a coordinator, or any");
    return id;
}

/* fault n1|any APPEND|any|MEMORY [HELD] error|unknown|landed|late|slow|crash|stop
 *       [by TIME] [times N] [for TIME] [after N] */
void reshard__say_fault(struct script *script)
{
    static const char *const faults[] = {
        "", "error", "unknown", "landed", "late", "slow", "crash", "stop", NULL};
    struct reshard_sim *sim = script->sim;
    struct task_rule rule = {.count = 1};
    rule.host = anyone(script);
    rule.kind = action_kind(script);
    rule.record = record_name(script);
    rule.fault = (enum task_fault)reshard__script_choice(script, faults);
    reshard__script_need(
        script, rule.kind != FAULT_MEMORY || rule.fault == FAULT_ERROR, "error, of MEMORY");
    static const char *const words[] = {"by", "times", "for", "after", NULL};
    while (reshard__script_more(script) && !script->bad) {
        if (reshard__script_word(script, "by"))
            rule.delay_ns = reshard__script_time(script);
        else if (reshard__script_word(script, "times"))
            rule.count = reshard__script_number(script);
        else if (reshard__script_word(script, "for"))
            rule.span_ns = reshard__script_time(script);
        else if (reshard__script_word(script, "after"))
            rule.skip = reshard__script_number(script);
        else
            (void)reshard__script_choice(script, words);
    }
    if (rule.span_ns)
        rule.count = UINT64_MAX;
    sim->task_rules = reshard__sim_grow(sim->task_rules, &sim->task_rule_capacity,
        sim->task_rule_count + 1, sizeof *sim->task_rules);
    sim->task_rules[sim->task_rule_count++] = rule;
}

void reshard__say_crash(struct script *script)
{
    struct host *host = reshard__script_process(script);
    if (script->bad)
        return;
    reshard__host_crash(script->sim, host);
    reshard__sim_say(script->sim, "%h is dead", host->id);
}

/* power nX: what it had not synced goes. */
void reshard__say_power(struct script *script)
{
    struct host *host = reshard__script_node(script);
    if (script->bad)
        return;
    reshard__host_power(script->sim, host);
    reshard__sim_say(script->sim, "%h is without power", host->id);
}

/* speaks nX V: what it sends from now on is of that version of the protocol. */
void reshard__say_speaks(struct script *script)
{
    struct host *host = reshard__script_process(script);
    uint64_t version = reshard__script_number(script);
    /* One byte on the wire. */
    reshard__script_need(script, version > 0 && version < 24, "a version, 1 to 23");
    if (!script->bad)
        host->speaks = (uint32_t)version;
}

void reshard__say_restart(struct script *script)
{
    struct host *host = reshard__script_process(script);
    if (script->bad)
        return;
    reshard__host_crash(script->sim, host);
    reshard__sim_say(script->sim, "%h starts again", host->id);
    reshard__host_start(script->sim, host);
}

/* What a dead node staged is gone, synced or not. */
void reshard__say_wipe(struct script *script)
{
    struct host *host = reshard__script_node(script);
    reshard__script_need(
        script, host && !host->up, "a node that is down: `crash` before `wipe`");
    reshard__script_need(script, !script->sim->store, "the built-in store");
    if (host && !script->bad)
        reshard__disk_wipe(host->disk);
}

/* Bits of what a node staged change in silence. */
void reshard__say_spoil(struct script *script)
{
    struct host *host = reshard__script_node(script);
    if (host && !script->bad && !reshard__disk_spoil(host->disk))
        reshard__script_fail(script, "nothing is staged");
}

/* A dead node's journal comes back as it was some records ago. */
void reshard__say_rollback(struct script *script)
{
    struct host *host = reshard__script_node(script);
    uint64_t count = reshard__script_number(script);
    reshard__script_need(
        script, host && !host->up, "a node that is down: `crash` before `rollback`");
    if (host && !script->bad)
        reshard__own_rollback(host->disk, count);
    if (host && !reshard__sabotaged(script->sim, RESHARD_SABOTAGE_JOURNAL))
        host->seen_version = host->seen_term = 0;
}

void reshard__say_stall(struct script *script)
{
    struct host *host = reshard__script_process(script);
    if (!script->bad)
        reshard__host_freeze(script->sim, host, true);
}

void reshard__say_thaw(struct script *script)
{
    struct host *host = reshard__script_process(script);
    if (!script->bad)
        reshard__host_freeze(script->sim, host, false);
}

/* lag nX T: what its primary ships takes so much longer. */
void reshard__say_lag(struct script *script)
{
    struct host *host = reshard__script_process(script);
    uint64_t lag_ns = reshard__script_time(script);
    if (!script->bad)
        host->stream.lag_ns = lag_ns;
}

/* break nX: what its primary ships does not reach it any more. */
void reshard__say_break(struct script *script)
{
    struct host *host = reshard__script_process(script);
    reshard__script_need(
        script, host && reshard__follower_is(host), "a replica that follows its primary");
    if (!script->bad)
        reshard__stream_break(script->sim, host);
}

/* cut A B [one-way]; `any` stands for everyone. */
void reshard__say_cut(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    reshard_node_id a = id_of(reshard__script_process(script));
    reshard_node_id b =
        reshard__script_word(script, "any") ? 0 : id_of(reshard__script_process(script));
    bool both = !reshard__script_word(script, "one-way");
    sim->cuts = reshard__sim_grow(
        sim->cuts, &sim->cut_capacity, sim->cut_count + 2, sizeof *sim->cuts);
    sim->cuts[sim->cut_count++] = (struct link_cut){a, b};
    if (both)
        sim->cuts[sim->cut_count++] = (struct link_cut){b, a};
}

void reshard__say_heal(struct script *script)
{
    script->sim->cut_count = 0;
}

void reshard__say_clock(struct script *script)
{
    struct host *host = reshard__script_process(script);
    uint64_t jump_ns = reshard__script_time(script);
    if (!script->bad)
        reshard__clock_jump(script->sim, host, jump_ns);
}

/* The old primary keeps nothing: what it had is the shard's, and the heir's now. */
static void heir_take(struct reshard_sim *sim, struct host *old, struct host *heir)
{
    if (heir->follows && heir->up) {
        reshard__fault_met(sim, SIM_FAULT_REPLICA_LEADS, heir->shard);
        reshard__follower_lead(sim, old, heir);
        return;
    }
    reshard__host_touch(old);
    reshard__host_crash(sim, heir);
    heir->heir = true;
    if (reshard__sabotaged(sim, RESHARD_SABOTAGE_DEPOSE)) {
        reshard__disk_release(heir->disk);
        heir->disk = old->disk;
        heir->disk->references++;
        old->acting = false;
        heir->acting = true;
        reshard__host_start(sim, heir);
        return;
    }
    old->fenced = true;
    reshard__host_crash(sim, old);
    struct disk *disk = heir->disk;
    heir->disk = old->disk;
    old->disk = disk;
    old->acting = old->heir = false;
    reshard__disk_synced(disk);
    disk->journal_size = 0; /* another node's journal is refused */
    heir->acting = true;
    heir->fenced = false;
    heir->seen_version = old->seen_version = heir->seen_term = old->seen_term = 0;
    reshard__host_start(sim, heir);
}

void reshard__failover(struct reshard_sim *sim, reshard_shard_id shard, struct host *heir)
{
    struct host *leader = reshard__host_leader(sim);
    struct host *old = reshard__host_acting(sim, shard);
    struct reshard_change change;
    reshard_change_init(&change);
    change.kind = RESHARD_CHANGE_SHARD_PRIMARY;
    change.shard = shard;
    change.node = heir->id;
    if (old && old != heir)
        heir_take(sim, old, heir);
    reshard__sim_say(sim, "s%u fails over to %h", (uint64_t)shard, heir->id);
    if (!leader)
        return;
    struct call call = reshard__call_begin(sim, leader);
    do
        sim->last_status = reshard_coordinator_change(leader->coordinator, &change);
    while (reshard__call_again(sim, leader, &call, sim->last_status));
    reshard__host_drain(sim, leader);
}

/* The host fences the old primary, the heir takes over what is replicated, the map is told. */
static void failover_insist(struct script *script, reshard_shard_id shard, struct host *heir)
{
    reshard__failover(script->sim, shard, heir);
    for (int i = 0; i < FAILOVER_TRIES && script->sim->last_status == RESHARD_E_NOMEM; i++) {
        reshard__script_wait(script, script->sim->set.retry_ns);
        reshard__failover(script->sim, shard, heir);
    }
}

/* failover sX nY [stale]: then the old one keeps the first half of its journal. */
void reshard__say_failover(struct script *script)
{
    reshard_shard_id shard = reshard__script_shard(script);
    struct host *heir = reshard__script_node(script);
    bool stale = reshard__script_word(script, "stale");
    reshard__script_need(script, heir && heir->shard == shard, "a replica of this shard");
    reshard__script_need(
        script, !stale || !heir || !heir->follows, "no `stale` of a replica that follows");
    if (script->bad || !heir)
        return;
    if (heir->follows && !heir->acting && !reshard__follower_counts(script->sim, heir)) {
        reshard__script_fail(script, "its primary has not waited for it");
        return;
    }
    struct host *old = reshard__host_acting(script->sim, shard);
    failover_insist(script, shard, heir);
    if (stale)
        reshard__own_copy(old->disk, heir->disk);
}

void reshard__say_coordinator(struct script *script)
{
    reshard_node_id id = reshard__script_host(script);
    reshard__script_need(script, id >= SIM_COORDINATOR, "a coordinator: c2");
    reshard__script_need(
        script, !reshard__host_find(script->sim, id), "a coordinator that there is not yet");
    if (script->bad)
        return;
    struct host *host = reshard__host_add(script->sim, id, 0, NULL);
    reshard__host_start(script->sim, host);
}
