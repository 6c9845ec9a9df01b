/* SPDX-License-Identifier: MIT */
/* Room sim: the event log: one JSON object a line, the seed first, times in nanoseconds. For pages
 * and scripts that show a run; nothing reads it here, and a world without a log pays a test. */
#include "sim/sim.h"

static void quoted(struct text *text, const char *string, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    reshard__text_char(text, '"');
    for (size_t i = 0; i < size; i++) {
        char c = string[i];
        if (c == '"' || c == '\\') {
            reshard__text_char(text, '\\');
            reshard__text_char(text, c);
        } else if ((unsigned char)c < 0x20 || c == '<') {
            /* Without '<' the log can stand in a page's script element as it is. */
            reshard__text_string(text, "\\u00");
            reshard__text_char(text, digits[c >> 4 & 15]);
            reshard__text_char(text, digits[c & 15]);
        } else {
            reshard__text_char(text, c);
        }
    }
    reshard__text_char(text, '"');
}

static void key_put(struct text *line, const char *key)
{
    if (line->size > 1)
        reshard__text_char(line, ',');
    quoted(line, key, strlen(key));
    reshard__text_char(line, ':');
}

static void put_number(struct reshard_sim *sim, const char *key, uint64_t number)
{
    key_put(&sim->log_line, key);
    reshard__text_number(&sim->log_line, number);
}

static void put_text(struct reshard_sim *sim, const char *key, const char *string, size_t size)
{
    key_put(&sim->log_line, key);
    quoted(&sim->log_line, string, size);
}

static void put_string(struct reshard_sim *sim, const char *key, const char *string)
{
    put_text(sim, key, string, strlen(string));
}

/* 0 stands for any. */
static void host_put(struct text *line, reshard_node_id id)
{
    if (id == 0) {
        reshard__text_string(line, "\"any\"");
        return;
    }
    reshard__text_string(line, id >= SIM_COORDINATOR ? "\"c" : "\"n");
    reshard__text_number(line, id >= SIM_COORDINATOR ? id - SIM_COORDINATOR + 1 : id);
    reshard__text_char(line, '"');
}

static void put_host(struct reshard_sim *sim, const char *key, reshard_node_id id)
{
    key_put(&sim->log_line, key);
    host_put(&sim->log_line, id);
}

static void line_flush(struct reshard_sim *sim)
{
    reshard__text_string(&sim->log_line, "}\n");
    sim->log(sim->log_data, sim->log_line.data, sim->log_line.size);
}

static void line_open(struct reshard_sim *sim, const char *type)
{
    sim->log_line.size = 0;
    reshard__text_char(&sim->log_line, '{');
    put_string(sim, "type", type);
}

/* Sizes are settled when the first thing happens: the seed's line comes before it. */
static bool line_begin(struct reshard_sim *sim, const char *type)
{
    if (!sim->log)
        return false;
    if (!sim->log_begun) {
        sim->log_begun = true;
        line_open(sim, "seed");
        put_number(sim, "seed", sim->set.seed);
        put_number(sim, "slots", sim->set.slot_count);
        put_number(sim, "keys", sim->set.key_count);
        line_flush(sim);
    }
    line_open(sim, type);
    put_number(sim, "t", reshard__told_ns(sim));
    return true;
}

void reshard__log_text(struct reshard_sim *sim, const char *type, const struct text *line)
{
    enum { TIME = 12 }; /* what a line of the transcript begins with, and its newline */
    if (!sim->log_started || line->size <= TIME || !line_begin(sim, type))
        return;
    put_text(sim, "text", line->data + TIME, line->size - TIME - 1);
    line_flush(sim);
}

void reshard__log_message(struct reshard_sim *sim, struct packet *packet, const char *name,
    const char *fate, uint64_t arrival_ns)
{
    if (!line_begin(sim, "message"))
        return;
    packet->log_id = ++sim->log_packets;
    put_number(sim, "at", sim->log_arrivals ? 0 : arrival_ns);
    put_number(sim, "id", packet->log_id);
    put_host(sim, "from", packet->from);
    put_host(sim, "to", packet->to);
    put_string(sim, "name", name);
    put_string(sim, "fate", fate);
    put_number(sim, "size", packet->size);
    line_flush(sim);
}

static void packet_ended(struct reshard_sim *sim, const struct packet *packet, const char *type)
{
    if (!line_begin(sim, type))
        return;
    put_number(sim, "id", packet->log_id);
    line_flush(sim);
}

void reshard__log_lost(struct reshard_sim *sim, const struct packet *packet)
{
    packet_ended(sim, packet, "lost");
}

void reshard__log_arrived(struct reshard_sim *sim, const struct packet *packet)
{
    if (sim->log_arrivals)
        packet_ended(sim, packet, "arrived");
}

void reshard__log_event(
    struct reshard_sim *sim, const struct host *host, const struct reshard_event *event)
{
    bool phase = event->kind == RESHARD_EVENT_PHASE;
    if (event->kind == RESHARD_EVENT_MAP || event->kind == RESHARD_EVENT_ORDERED ||
        !line_begin(sim, phase ? "phase" : "event"))
        return;
    put_host(sim, "host", host->id);
    put_string(sim, "name", reshard_event_name(event->kind));
    put_number(sim, "migration", event->migration);
    if (phase || event->kind == RESHARD_EVENT_END) {
        const char *row = reshard_sim_row((uint32_t)event->value);
        put_string(sim, "from", reshard_phase_name(event->phase_from));
        put_string(sim, "to", reshard_phase_name(event->phase_to));
        put_string(sim, "row", phase && row ? row : "");
    } else {
        put_string(sim, "status", reshard_strname(event->status));
        put_number(sim, "value", event->value);
    }
    line_flush(sim);
}

void reshard__log_request(struct reshard_sim *sim, const struct client *client, const char *outcome)
{
    static const char *const ops[] = {"", "read", "write", "remove"};
    if (!line_begin(sim, "request"))
        return;
    put_number(sim, "since", client->started_ns);
    put_number(sim, "client", (uint64_t)client->request.client + 1);
    put_host(sim, "host", client->host);
    put_string(sim, "op", ops[client->request.op & 3]);
    put_number(sim, "key", client->request.keys[0]);
    put_number(sim, "slot", reshard__key_slot(sim, client->request.keys[0]));
    put_number(sim, "tries", client->tries);
    put_string(sim, "outcome", outcome);
    line_flush(sim);
}

/* What changed about processes since the last time. */
static void hosts_log(struct reshard_sim *sim)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        struct host *host = sim->hosts[i];
        uint64_t state = host->boot << 3 | (uint64_t)host->up << 2 | (uint64_t)host->frozen << 1 |
                         (uint64_t)host->fenced;
        if (state == host->log_state || !line_begin(sim, "host"))
            continue;
        host->log_state = state;
        put_host(sim, "host", host->id);
        put_number(sim, "shard", host->shard);
        put_number(sim, "boot", host->boot);
        put_string(sim, "state",
            !host->up      ? "down"
            : host->fenced ? "fenced"
            : host->frozen ? "frozen"
                           : "up");
        line_flush(sim);
    }
}

/* Who cannot reach whom, when that changed: all of it. */
static void cuts_log(struct reshard_sim *sim)
{
    uint64_t digest = sim->cut_count == 0
                          ? 0
                          : reshard__sim_hash(sim->cuts, sim->cut_count * sizeof *sim->cuts, 1);
    if (digest == sim->log_cuts || !line_begin(sim, "cuts"))
        return;
    sim->log_cuts = digest;
    struct text *line = &sim->log_line;
    key_put(line, "pairs");
    for (size_t i = 0; i < sim->cut_count; i++) {
        reshard__text_string(line, i ? "],[" : "[[");
        host_put(line, sim->cuts[i].from);
        reshard__text_char(line, ',');
        host_put(line, sim->cuts[i].to);
    }
    reshard__text_string(line, sim->cut_count ? "]]" : "[]");
    line_flush(sim);
}

static void migrations_log(struct reshard_sim *sim)
{
    while (sim->log_migrations < sim->moving_count && line_begin(sim, "migration")) {
        const struct moving *moving = &sim->movings[sim->log_migrations++];
        put_number(sim, "migration", moving->migration);
        put_string(sim, "mode", moving->mode == RESHARD_MODE_SNAPSHOT ? "snapshot" : "keywise");
        put_number(sim, "source", moving->shards[0]);
        put_number(sim, "target", moving->shards[1]);
        put_number(sim, "first", moving->ranges[0].first);
        put_number(sim, "last", moving->ranges[moving->range_count - 1].last);
        line_flush(sim);
    }
}

/* The last slot of a run with one owner and one migration. */
static uint32_t run_last(const struct reshard_map *map, uint32_t slot_count, uint32_t first)
{
    uint32_t last = first;
    while (last + 1 < slot_count &&
           reshard_map_slot_owner(map, last + 1) == reshard_map_slot_owner(map, first) &&
           reshard_map_slot_migration(map, last + 1) == reshard_map_slot_migration(map, first))
        last++;
    return last;
}

/* What the log said of a slot last. */
struct told {
    reshard_migration_id migration;
    reshard_shard_id owner;
};

/* Whether the log said something else of any slot of the run. */
static bool run_tell(struct reshard_sim *sim, uint32_t first, uint32_t last)
{
    struct told now = {.migration = reshard_map_slot_migration(sim->authority.map, first),
        .owner = reshard_map_slot_owner(sim->authority.map, first)};
    bool news = false;
    for (uint32_t slot = first; slot <= last; slot++) {
        struct told *told = &sim->log_told[slot];
        news |= told->migration != now.migration || told->owner != now.owner;
        *told = now;
    }
    return news;
}

static void run_put(struct text *line, const uint64_t numbers[4])
{
    reshard__text_string(line, line->data[line->size - 1] == '[' ? "[" : ",[");
    for (int i = 0; i < 4; i++) {
        reshard__text_string(line, i ? "," : "");
        reshard__text_number(line, numbers[i]);
    }
    reshard__text_char(line, ']');
}

/* Runs of [first, last, owner, migration] that are not what the line before said. */
static void owners_log(struct reshard_sim *sim)
{
    const struct reshard_map *map = sim->authority.map;
    struct text *line = &sim->log_line;
    if (!map || reshard_map_version(map) == sim->log_version || !line_begin(sim, "owners"))
        return;
    size_t capacity = 0;
    if (!sim->log_told)
        sim->log_told = reshard__sim_grow(
            NULL, &capacity, sim->set.slot_count, sizeof *sim->log_told);
    sim->log_version = reshard_map_version(map);
    put_number(sim, "version", sim->log_version);
    key_put(line, "runs");
    reshard__text_char(line, '[');
    for (uint32_t first = 0, last; first < sim->set.slot_count; first = last + 1) {
        last = run_last(map, sim->set.slot_count, first);
        if (run_tell(sim, first, last))
            run_put(line, (uint64_t[]){first, last, sim->log_told[first].owner,
                              sim->log_told[first].migration});
    }
    reshard__text_char(line, ']');
    line_flush(sim);
}

void reshard__log_state(struct reshard_sim *sim)
{
    if (!sim->log)
        return;
    sim->log_started = true;
    hosts_log(sim);
    cuts_log(sim);
    migrations_log(sim);
    owners_log(sim);
}

void reshard__log_end(struct reshard_sim *sim, bool failed)
{
    if (!sim->log)
        return;
    reshard__log_state(sim);
    (void)line_begin(sim, "end");
    put_number(sim, "failed", failed);
    put_string(sim, "violation", sim->violation);
    put_number(sim, "requests", sim->requests_done);
    put_number(sim, "faults", sim->faults);
    line_flush(sim);
}
