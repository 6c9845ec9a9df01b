/* SPDX-License-Identifier: MIT */
/* Room sim: runs a scenario, line by line. */
#include "sim/script.h"

#define ASK_NS (10 * SIM_SECOND)

struct statement {
    const char *name;
    void (*say)(struct script *script);
};

static const struct statement statements[] = {
    {"world", reshard__say_world},
    {"nodes", reshard__say_nodes},
    {"replica", reshard__say_replica},
    {"own", reshard__say_own},
    {"start", reshard__say_start},
    {"load", reshard__say_load},
    {"join", reshard__say_join},
    {"rebalance", reshard__say_rebalance},
    {"writer", reshard__say_writer},
    {"move", reshard__say_move},
    {"drop", reshard__say_drop},
    {"duplicate", reshard__say_duplicate},
    {"delay", reshard__say_delay},
    {"hold", reshard__say_hold},
    {"corrupt", reshard__say_corrupt},
    {"stop", reshard__say_stop},
    {"release", reshard__say_release},
    {"forget", reshard__say_forget},
    {"fault", reshard__say_fault},
    {"crash", reshard__say_crash},
    {"restart", reshard__say_restart},
    {"power", reshard__say_power},
    {"speaks", reshard__say_speaks},
    {"wipe", reshard__say_wipe},
    {"spoil", reshard__say_spoil},
    {"rollback", reshard__say_rollback},
    {"stall", reshard__say_stall},
    {"thaw", reshard__say_thaw},
    {"cut", reshard__say_cut},
    {"heal", reshard__say_heal},
    {"clock", reshard__say_clock},
    {"lag", reshard__say_lag},
    {"break", reshard__say_break},
    {"failover", reshard__say_failover},
    {"abort", reshard__say_abort},
    {"pause", reshard__say_pause},
    {"resume", reshard__say_resume},
    {"finish", reshard__say_finish},
    {"give", reshard__say_give},
    {"plant", reshard__say_plant},
    {"found", reshard__say_found},
    {"purge", reshard__say_purge},
    {"coordinator", reshard__say_coordinator},
    {"run", reshard__say_run},
    {"write", reshard__say_write},
    {"read", reshard__say_read},
    {"delete", reshard__say_delete},
    {"begin", reshard__say_begin},
    {"expect", reshard__say_expect},
};

struct reshard_sim *reshard__sim_make(void)
{
    struct reshard_sim *sim = reshard__sim_resize(NULL, 1, sizeof *sim);
    memset(sim, 0, sizeof *sim);
    sim->set = (struct settings){
        .slot_count = 16,
        .key_count = 64,
        .value_size = 50,
        .huge_every = 32,
        .seed = 1,
        .chunk_size = 1024,
        .window_size = 8192,
        .tail_size = 65536,
        .retry_ns = 10 * SIM_MILLI,
        .freeze_ns = 50 * SIM_MILLI,
        .backoff_ns = 5 * SIM_MILLI,
        .alarm_ns = SIM_SECOND,
        .latency_ns = 100 * SIM_MICRO,
        .store_ns = 20 * SIM_MICRO,
        .append_ns = 100 * SIM_MICRO,
        .timeout_ns = 5 * SIM_SECOND,
        .lease_ns = 5 * SIM_MILLI,
    };
    return sim;
}

static void heap_free(struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->heap_count; i++) {
        struct happening *happening = &sim->heap[i];
        if (happening->kind == EVENT_MESSAGE || happening->kind == EVENT_LATE)
            reshard__packet_free(happening->data);
        else
            reshard__sim_release(happening->data);
    }
    reshard__sim_release(sim->heap);
}

void reshard__sim_free(struct reshard_sim *sim)
{
    heap_free(sim);
    for (size_t i = 0; i < sim->host_count; i++)
        reshard__host_free(sim->hosts[i]);
    for (size_t i = 0; i < sim->client_count; i++)
        reshard__sim_release(sim->clients[i].owners);
    for (size_t i = 0; i < sim->held_count; i++)
        reshard__packet_free(sim->held[i]);
    reshard__authority_free(&sim->authority);
    reshard__sim_release(sim->hosts);
    reshard__sim_release(sim->places);
    reshard__sim_release(sim->due);
    reshard__sim_release(sim->clients);
    reshard__sim_release(sim->held);
    reshard__sim_release(sim->history);
    reshard__sim_release(sim->effects);
    reshard__sim_release(sim->rules);
    reshard__sim_release(sim->task_rules);
    reshard__sim_release(sim->cuts);
    for (size_t i = 0; i < sim->moving_count; i++)
        reshard__sim_release(sim->movings[i].ranges);
    reshard__sim_release(sim->movings);
    reshard__checks_free(&sim->checks);
    reshard__sim_release(sim->deadlines);
    reshard__sim_release(sim->choices.decisions);
    reshard__sim_release(sim->line.data);
    reshard__sim_release(sim->log_line.data);
    reshard__sim_release(sim->log_told);
    reshard__sim_release(sim);
}

void reshard__sim_end(struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++)
        reshard__host_end(sim, sim->hosts[i]);
}

void reshard__sim_figures(const struct reshard_sim *sim, struct reshard_sim_report *report)
{
    report->steps = sim->steps;
    report->faults = sim->faults;
    report->requests = sim->requests_done;
    report->operations = sim->operations_begun;
    report->migrations = sim->moving_count;
    report->virtual_ns = sim->now_ns;
    report->transcript = sim->transcript;
    report->decision_count = sim->choices.decision_count;
}

void reshard__sim_report(const struct reshard_sim *sim, struct reshard_sim_report *report)
{
    reshard__sim_figures(sim, report);
    report->violated = sim->violated;
    memcpy(report->checker, sim->violation, sizeof report->checker);
    report->digest = sim->digest;
    memcpy(report->rows, sim->rows, sizeof report->rows);
    report->allocations = sim->allocations;
    report->hook_calls = sim->hook_calls;
    report->complaints = sim->complaints;
    report->gathered = sim->gathered;
}

void reshard__script_fail(struct script *script, const char *format, ...)
{
    if (script->failed || script->bad || script->sim->violated)
        return; /* why it stops is told */
    struct text text = {0};
    va_list arguments;
    va_start(arguments, format);
    reshard__text_format(&text, format, arguments);
    va_end(arguments);
    reshard__text_char(&text, '\0');
    script->failed = true;
    reshard__sim_say(script->sim, "FAILED: %s", text.data);
    reshard__sim_release(text.data);
}

bool reshard__script_until(struct script *script,
    bool (*holds)(struct script *script, uint64_t number), uint64_t number, uint64_t bound_ns)
{
    struct reshard_sim *sim = script->sim;
    uint64_t end_ns = sim->now_ns > UINT64_MAX - bound_ns ? UINT64_MAX : sim->now_ns + bound_ns;
    while (!holds(script, number))
        if (reshard__sim_next(sim) > end_ns || !reshard__sim_step(sim))
            return false;
    return true;
}

static bool never(struct script *script, uint64_t number)
{
    (void)script;
    return number > 0;
}

void reshard__script_wait(struct script *script, uint64_t time_ns)
{
    struct reshard_sim *sim = script->sim;
    uint64_t end_ns = sim->now_ns + time_ns;
    (void)reshard__script_until(script, never, 0, time_ns);
    if (!sim->violated)
        sim->now_ns = end_ns;
}

void reshard__script_ask(struct script *script, struct host *host,
    int32_t (*ask)(struct host *host, const void *what), const void *what)
{
    struct reshard_sim *sim = script->sim;
    uint64_t end_ns = sim->now_ns + ASK_NS;
    for (;;) {
        sim->last_status = RESHARD_E_STATE;
        if (!host->up)
            return;
        struct call call = reshard__call_begin(sim, host);
        do
            sim->last_status = ask(host, what);
        while (reshard__call_again(sim, host, &call, sim->last_status));
        reshard__host_drain(sim, host);
        bool later = sim->last_status == RESHARD_E_NOMEM || sim->last_status == RESHARD_E_LIMIT;
        if (!later || sim->now_ns > end_ns || sim->violated)
            break;
        reshard__script_wait(script, sim->set.retry_ns);
    }
    if (sim->last_status < 0)
        reshard__sim_say(sim, "refused: %d", sim->last_status);
}

static bool answered(struct script *script, uint64_t client)
{
    return !script->sim->clients[client].busy;
}

bool reshard__script_request(
    struct script *script, uint32_t op, const uint32_t *keys, uint32_t key_count)
{
    reshard__client_begin(script->sim, 0, op, keys, key_count);
    return reshard__script_until(script, answered, 0, 60 * SIM_SECOND) &&
           script->sim->clients[0].answered;
}

/* The statement itself, as a line of the transcript. */
static void echo(struct script *script)
{
    struct text text = {0};
    for (uint32_t i = 0; i < script->count; i++) {
        reshard__text_char(&text, ' ');
        reshard__text_string(&text, script->words[i]);
    }
    reshard__text_char(&text, '\0');
    reshard__sim_say(script->sim, ">%s", text.data);
    reshard__sim_release(text.data);
}

static void statement_run(struct script *script)
{
    echo(script);
    const char *name = reshard__script_next(script);
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        if (strcmp(statements[i].name, name) != 0)
            continue;
        statements[i].say(script);
        if (reshard__script_more(script) && !script->bad) {
            (void)reshard__script_next(script);
            reshard__script_need(script, false, "the end of the line");
        }
        return;
    }
    reshard__script_need(script, false, "a statement: nodes, start, move, run, expect, ...");
}

/* The number of the line that stopped it; 0 = it ran to its end. */
uint32_t reshard__script_lines(struct script *script, const char *text, size_t size)
{
    uint32_t line = 0;
    for (size_t from = 0, to; from < size; from = to + 1) {
        for (to = from; to < size && text[to] != '\n';)
            to++;
        line++;
        if (!reshard__script_split(script, text + from, to - from))
            return line;
        if (script->count == 0)
            continue;
        statement_run(script);
        if (script->bad || script->failed || script->sim->violated)
            return line;
    }
    return 0;
}

uint64_t reshard_sim_report_events(const struct reshard_sim_report *report)
{
    return report ? report->faults + report->operations + report->migrations : 0;
}

void reshard_sim_report_init(struct reshard_sim_report *report)
{
    if (!report)
        return;
    memset(report, 0, sizeof *report);
    report->struct_size = sizeof *report;
}

/* How a scenario is run, beside its text. */
struct setting {
    const struct reshard_sim_store *store;
    reshard_sim_print print;
    void *print_data;
    reshard_sim_print log;
    void *log_data;
};

static int32_t scenario_run(const char *text, size_t size, const struct setting *setting,
    struct reshard_sim_report *report_out)
{
    if (!report_out || (!text && size > 0))
        return RESHARD_E_NULL;
    if (report_out->struct_size != sizeof *report_out)
        return RESHARD_E_STRUCT_SIZE;
    struct script script = {.sim = reshard__sim_make()};
    script.sim->store = setting->store;
    script.sim->print = setting->print;
    script.sim->print_data = setting->print_data;
    script.sim->log = setting->log;
    script.sim->log_data = setting->log_data;
    reshard_sim_report_init(report_out);
    report_out->line = reshard__script_lines(&script, text, size);
    reshard__sim_end(script.sim);
    report_out->failed = script.failed || script.bad;
    reshard__sim_report(script.sim, report_out);
    int32_t status = script.bad ? RESHARD_E_SYNTAX : RESHARD_OK;
    if (script.bad)
        reshard__script_complain(&script, report_out->line);
    reshard__log_end(script.sim, report_out->failed);
    reshard__sim_free(script.sim);
    return status;
}

int32_t reshard_sim_scenario_log(const char *text, size_t size, reshard_sim_print print,
    void *print_data, reshard_sim_print log, void *log_data,
    struct reshard_sim_report *report_out)
{
    const struct setting setting = {
        .print = print, .print_data = print_data, .log = log, .log_data = log_data};
    return scenario_run(text, size, &setting, report_out);
}

int32_t reshard_sim_scenario(const char *text, size_t size, reshard_sim_print print,
    void *print_data, struct reshard_sim_report *report_out)
{
    return reshard_sim_scenario_log(text, size, print, print_data, NULL, NULL, report_out);
}

int32_t reshard_sim_scenario_store(const char *text, size_t size,
    const struct reshard_sim_store *store, reshard_sim_print print, void *print_data,
    struct reshard_sim_report *report_out)
{
    const struct setting setting = {.store = store, .print = print, .print_data = print_data};
    int32_t status = reshard__custom_check(store);
    return status ? status : scenario_run(text, size, &setting, report_out);
}
