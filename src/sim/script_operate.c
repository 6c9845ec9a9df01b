/* SPDX-License-Identifier: MIT */
/* Room sim: statements of an operator. */
#include "sim/script.h"

/* The migration an operator means: the one named, else the newest. */
static struct moving *moving_of(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    if (reshard__script_more(script) && script->words[script->at][0] == 'm') {
        script->words[script->at][0] = 'k';
        return reshard__moving_find(sim, reshard__script_key(script));
    }
    return sim->moving_count ? &sim->movings[sim->moving_count - 1] : NULL;
}

static int32_t abort_act(struct host *leader, const void *migration)
{
    return reshard_coordinator_abort(
        leader->coordinator, *(const reshard_migration_id *)migration);
}

static int32_t pause_act(struct host *leader, const void *migration)
{
    return reshard_coordinator_pause(
        leader->coordinator, *(const reshard_migration_id *)migration, 1);
}

static int32_t resume_act(struct host *leader, const void *migration)
{
    return reshard_coordinator_pause(
        leader->coordinator, *(const reshard_migration_id *)migration, 0);
}

static int32_t finish_act(struct host *leader, const void *migration)
{
    return reshard_coordinator_finish(
        leader->coordinator, *(const reshard_migration_id *)migration);
}

/* Once, at random: an operator who gets no answer asks again some day. */
int32_t reshard__operate(struct reshard_sim *sim, const struct moving *moving, uint32_t wish)
{
    static int32_t (*const acts[])(struct host *leader, const void *migration) = {
        abort_act, pause_act, resume_act, finish_act};
    static const char *const events[] = {"ABORT_ASKED", "PAUSE_ASKED", "", ""};
    struct host *leader = reshard__host_leader(sim);
    if (!leader)
        return RESHARD_E_STATE;
    uint32_t before = moving->phase;
    int32_t status = acts[wish](leader, &moving->migration);
    reshard__host_drain(sim, leader);
    if (status == RESHARD_OK && events[wish][0])
        reshard__row_ignored(sim, before, events[wish]);
    return status;
}

static void operate(struct script *script, const char *event,
    int32_t (*act)(struct host *leader, const void *migration))
{
    struct reshard_sim *sim = script->sim;
    struct moving *moving = moving_of(script);
    if (!moving || !reshard__host_leader(sim)) {
        sim->last_status = RESHARD_E_STATE;
        return;
    }
    uint32_t before = moving->phase;
    reshard_migration_id migration = moving->migration;
    reshard__script_ask(script, reshard__host_leader(sim), act, &migration);
    if (sim->last_status == RESHARD_OK && event[0])
        reshard__row_ignored(sim, before, event);
}

void reshard__say_abort(struct script *script)
{
    operate(script, "ABORT_ASKED", abort_act);
}

void reshard__say_pause(struct script *script)
{
    operate(script, "PAUSE_ASKED", pause_act);
}

void reshard__say_resume(struct script *script)
{
    operate(script, "", resume_act);
}

void reshard__say_finish(struct script *script)
{
    operate(script, "", finish_act);
}

/* Keys that an operator picked, as the engine wants them. */
struct picked {
    uint32_t slot;
    uint32_t count;
    uint8_t bytes[WORDS_MAX][SIM_NAME_SIZE];
    const uint8_t *keys[WORDS_MAX];
    size_t sizes[WORDS_MAX];
};

static int32_t give_ask(struct host *host, const void *what)
{
    const struct picked *picked = what;
    return host->node ? reshard_node_move_keys(
                            host->node, picked->slot, picked->keys, picked->sizes, picked->count)
                      : RESHARD_E_STATE;
}

/* give nX K ...: keys of one slot, of a migration that an operator drives by hand. */
void reshard__say_give(struct script *script)
{
    struct picked picked = {0};
    struct host *host = reshard__script_node(script);
    for (; reshard__script_more(script) && !script->bad; picked.count++) {
        uint32_t key = reshard__script_key(script);
        uint8_t *name = picked.bytes[picked.count];
        picked.keys[picked.count] = name;
        picked.sizes[picked.count] = reshard__key_name(host->disk, key, name);
        picked.slot = reshard__key_slot(script->sim, key);
    }
    reshard__script_need(script, picked.count > 0, "keys behind the node");
    if (!script->bad)
        reshard__script_ask(script, host, give_ask, &picked);
}

static int32_t found_ask(struct host *host, const void *range)
{
    return host->node ? reshard_node_found(host->node, range, 1) : RESHARD_E_STATE;
}

static int32_t purge_ask(struct host *host, const void *range)
{
    return host->node ? reshard_node_purge(host->node, range, 1) : RESHARD_E_STATE;
}

static void ranged(struct script *script, int32_t (*ask)(struct host *host, const void *range))
{
    struct host *host = reshard__script_node(script);
    struct reshard_range range = reshard__script_slots(script);
    if (!script->bad)
        reshard__script_ask(script, host, ask, &range);
}

/* plant nX K: a key that nobody gave it. */
void reshard__say_plant(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    struct host *host = reshard__script_node(script);
    uint32_t key = reshard__script_key(script);
    if (!script->bad)
        reshard__disk_put(sim, host->disk, key, ++sim->values_made);
}

/* found nX SLOTS: what the node holds data of. */
void reshard__say_found(struct script *script)
{
    ranged(script, found_ask);
}

/* purge nX SLOTS: of what was set aside. */
void reshard__say_purge(struct script *script)
{
    ranged(script, purge_ask);
}
