/* SPDX-License-Identifier: MIT */
/* Room sim: statements that let time pass, ask as a client, and expect. */
#include "sim/script.h"

#define BOUND_NS (60 * SIM_SECOND)

static struct moving *newest(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    return sim->moving_count ? &sim->movings[sim->moving_count - 1] : NULL;
}

static bool in_phase(struct script *script, uint64_t phase)
{
    const struct moving *moving = newest(script);
    return moving && moving->phase == phase;
}

/* Whether the last plan has moves that have not begun. */
static bool job_runs(const struct reshard_sim *sim)
{
    const struct host *leader = sim->job ? reshard__host_leader(sim) : NULL;
    struct reshard_job_progress progress = {.struct_size = sizeof progress};
    return leader &&
           reshard_coordinator_job_progress(leader->coordinator, sim->job, &progress) ==
               RESHARD_OK &&
           !(progress.state & RESHARD_JOB_ENDED);
}

static bool ended(struct script *script, uint64_t number)
{
    const struct reshard_sim *sim = script->sim;
    (void)number;
    if (script->behind < sim->moving_count && !sim->movings[script->behind].closed)
        return false;
    for (size_t i = 0; i < sim->moving_count; i++) {
        script->behind = i;
        if (!sim->movings[i].closed)
            return false;
    }
    return sim->moving_count > 0 && !job_runs(sim);
}

static bool stopped(struct script *script, uint64_t number)
{
    (void)number;
    return script->sim->stop;
}

static bool idle(struct script *script, uint64_t number)
{
    const struct reshard_sim *sim = script->sim;
    (void)number;
    for (size_t i = 0; i < sim->client_count; i++)
        if (sim->clients[i].busy || sim->clients[i].left > 0)
            return false;
    return true;
}

static bool row_taken(struct script *script, uint64_t row)
{
    return script->sim->rows[row] > 0;
}

static uint32_t row_number(struct script *script)
{
    const char *word = reshard__script_next(script);
    for (uint32_t row = 0; reshard_sim_row(row); row++)
        if (strcmp(reshard_sim_row(row), word) == 0)
            return row;
    reshard__script_need(script, false, "a row of the transition table: T01 ...");
    return 0;
}

static void run_until(struct script *script)
{
    bool (*holds)(struct script *, uint64_t) = ended;
    uint64_t number = 0, bound_ns = BOUND_NS;
    if (reshard__script_word(script, "phase")) {
        holds = in_phase;
        number = reshard__script_phase(script);
    } else if (reshard__script_word(script, "stop")) {
        holds = stopped;
    } else if (reshard__script_word(script, "idle")) {
        holds = idle;
    } else if (reshard__script_word(script, "row")) {
        holds = row_taken;
        number = row_number(script);
    } else {
        static const char *const ends[] = {"end", "phase", "idle", "stop", "row", NULL};
        (void)reshard__script_choice(script, ends);
    }
    if (reshard__script_word(script, "within"))
        bound_ns = reshard__script_time(script);
    if (script->bad)
        return;
    bool held = reshard__script_until(script, holds, number, bound_ns);
    script->sim->stop = false;
    if (!held)
        reshard__script_fail(script, "it does not come within %t ms", bound_ns);
}

void reshard__say_run(struct script *script)
{
    if (reshard__script_word(script, "until")) {
        run_until(script);
        return;
    }
    uint64_t time_ns = reshard__script_time(script);
    if (!script->bad)
        reshard__script_wait(script, time_ns);
}

static uint32_t keys_read(struct script *script, uint32_t keys[SIM_KEYS_MAX])
{
    uint32_t count = 0;
    while (reshard__script_more(script) && count < SIM_KEYS_MAX)
        keys[count++] = reshard__script_key(script);
    reshard__script_need(script, count > 0, "keys: k0 ...");
    reshard__script_need(script, script->sim->started, "`start` before requests");
    return count;
}

static void request(struct script *script, uint32_t op)
{
    uint32_t keys[SIM_KEYS_MAX];
    uint32_t count = keys_read(script, keys);
    if (!script->bad && !reshard__script_request(script, op, keys, count))
        reshard__script_fail(script, "no answer");
}

void reshard__say_write(struct script *script)
{
    request(script, RESHARD_OP_WRITE);
}

void reshard__say_read(struct script *script)
{
    request(script, RESHARD_OP_READ);
}

void reshard__say_delete(struct script *script)
{
    request(script, RESHARD_OP_REMOVE);
}

/* A request that nobody waits for, by a client of its own. */
void reshard__say_begin(struct script *script)
{
    static const char *const ops[] = {"", "read", "write", "delete", NULL};
    uint32_t keys[SIM_KEYS_MAX];
    uint32_t op = reshard__script_choice(script, ops);
    uint32_t count = keys_read(script, keys);
    if (script->bad)
        return;
    (void)reshard__client_add(script->sim);
    reshard__client_begin(
        script->sim, (uint32_t)script->sim->client_count - 1, op, keys, count);
}

static bool unread(const struct reshard_sim *sim, uint32_t key)
{
    return key < 64 && sim->set.unread >> key & 1;
}

/* Read every key as a client would, then judge all that clients ever saw. */
static void expect_intact(struct script *script)
{
    struct reshard_sim *sim = script->sim;
    sim->judging = true;
    for (uint32_t key = 0; key < sim->set.key_count && !sim->violated; key++)
        if (!unread(sim, key) && !reshard__script_request(script, RESHARD_OP_READ, &key, 1)) {
            reshard__script_fail(script, "k%u: no answer", (uint64_t)key);
            return;
        }
    sim->judging = false;
    if (sim->authority.map)
        reshard__check_all(sim);
    reshard__history_check(sim);
    if (!sim->violated)
        reshard__sim_say(sim, "intact: %u keys, %u operations", (uint64_t)sim->set.key_count,
            (uint64_t)sim->history_count);
}

static void expect_owner(struct script *script)
{
    struct reshard_range range = reshard__script_slots(script);
    reshard_shard_id shard = reshard__script_shard(script);
    for (uint32_t slot = range.first; slot <= range.last && !script->bad; slot++) {
        reshard_shard_id owner = reshard_map_slot_owner(script->sim->authority.map, slot);
        if (owner != shard)
            reshard__script_fail(script, "slot %u is owned by s%u", (uint64_t)slot,
                (uint64_t)owner);
    }
}

static void expect_keys(struct script *script)
{
    const struct host *host = reshard__script_node(script);
    uint64_t wanted = reshard__script_number(script), count = 0;
    for (uint32_t slot = 0; !script->bad && slot < script->sim->set.slot_count; slot++)
        count += host->disk->slot_keys[slot];
    if (!script->bad && count != wanted)
        reshard__script_fail(script, "%u keys", count);
}

static void expect_key(struct script *script, bool present)
{
    uint32_t key = reshard__script_key(script);
    if (script->bad)
        return;
    if (!reshard__script_request(script, RESHARD_OP_READ, &key, 1))
        reshard__script_fail(script, "no answer");
    else if ((script->sim->clients[0].answer[0] != 0) != present)
        reshard__script_fail(script, "it is %s", present ? "absent" : "present");
}

static void expect_state(struct script *script)
{
    const struct moving *moving = newest(script);
    const struct host *leader = reshard__host_leader(script->sim);
    struct reshard_progress progress = {.struct_size = sizeof progress};
    static const char *const states[] = {
        "paused", "aborting", "not-converging", "finishing", "waiting", NULL};
    uint32_t state = reshard__script_choice(script, states);
    if (!leader || !moving ||
        reshard_coordinator_progress(leader->coordinator, moving->migration, &progress) ||
        !(progress.state >> state & 1))
        reshard__script_fail(script, "it is not %s", states[state]);
}

static void expect_migration(struct script *script, bool end)
{
    uint32_t phase = reshard__script_phase(script);
    const struct moving *moving = newest(script);
    uint32_t is = moving ? moving->phase : 0;
    if (!script->bad && (is != phase || (end && (!moving || !moving->closed))))
        reshard__script_fail(script, "it is in %s", reshard_phase_name(is));
}

static void expect_status(struct script *script)
{
    const char *name = reshard__script_next(script);
    if (strcmp(reshard_strname(script->sim->last_status), name) != 0)
        reshard__script_fail(script, "it was %d", script->sim->last_status);
}

static void expect_row(struct script *script)
{
    if (!row_taken(script, row_number(script)))
        reshard__script_fail(script, "it was not taken");
}

static void expect_open(struct script *script)
{
    if (ended(script, 0))
        reshard__script_fail(script, "it ended");
}

void reshard__say_expect(struct script *script)
{
    static const char *const subjects[] = {"phase", "end", "owner", "keys", "present", "absent",
        "intact", "status", "row", "state", "open", NULL};
    static void (*const others[])(struct script *script) = {NULL, NULL, expect_owner, expect_keys,
        NULL, NULL, expect_intact, expect_status, expect_row, expect_state, expect_open};
    uint32_t subject = reshard__script_choice(script, subjects);
    if (others[subject])
        others[subject](script);
    else if (subject < 2)
        expect_migration(script, subject == 1);
    else
        expect_key(script, subject == 4);
}
