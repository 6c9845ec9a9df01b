/* SPDX-License-Identifier: MIT */
/* Room load: options, the operator's commands on stdin, the end. */
#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "load: writes to and reads from a cluster, checks every answer; prints JSON lines\n\n"
    "  --port N       a node on 127.0.0.1\n"
    "  --keys N       values (default 1000, even)    --counters N   (default 100)\n"
    "  --size BYTES   of a value (default 100)       --workers N    closed loops (default 8)\n"
    "  --probes N     of these, how many only write, in turn on slots that move and on others\n"
    "  --mix G,S,D,I  per cent of GET, SET, DEL, INCR; the rest is MGET (default 68,22,2,3)\n"
    "  --links N      connections to each node (default: as many as workers, at most 16)\n"
    "  --seconds N    give up after that (default 120)\n"
    "  --seed N       --quiet (no live lines)\n\n"
    "Commands on stdin: fill (write all), run, verify (pause, read all, go on), rest (the same,\n"
    "but stop), phase NAME [moving SLOTS] (report, begin anew), quit (verify, report; as the end\n"
    "of stdin does).\n"
    "Exit: 0 all answers right, 1 some not or errors, 2 usage, 3 out of time.\n";

struct settings {
    long port, keys, counters, size, workers, probes, links, seconds, seed, quiet;
    const char *mix;
};

static void command_phase(struct load *load, char *name)
{
    char *moving = strstr(name, " moving ");
    if (moving)
        *moving = 0;
    phase_end(load);
    if (!model_moving_set(&load->model, moving ? moving + 8 : NULL))
        (void)fprintf(stderr, "load: these are not slots: '%s'\n", moving + 8);
    phase_begin(load, name);
}

/* Commands that a sweep under way would forbid. */
static bool command_sweep(struct load *load, const char *line)
{
    bool fill = strcmp(line, "fill") == 0;
    bool quit = strcmp(line, "quit") == 0;
    bool rest = strcmp(line, "rest") == 0;
    if (!fill && !quit && !rest && strcmp(line, "verify") != 0)
        return false;
    load->ending = load->ending || quit;
    if (load->sweep != SWEEP_NONE)
        return quit;
    workers_sweep(load, fill ? SWEEP_FILL : SWEEP_VERIFY);
    load->resuming = load->resuming && !rest;
    return true;
}

static void command_run(struct load *load, char *line)
{
    if (strncmp(line, "phase ", 6) == 0)
        command_phase(load, line + 6);
    else if (strcmp(line, "run") == 0 && !load->running && load->sweep == SWEEP_NONE)
        workers_resume(load);
    else if (!command_sweep(load, line))
        (void)fprintf(stderr, "load: not now, or no such command: '%s'\n", line);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    struct load *load = handle->data;
    (void)size;
    *out = uv_buf_init((char *)buffer_reserve(&load->control_text, 65536), 65536);
}

static void on_control(uv_stream_t *stream, ssize_t size, const uv_buf_t *chunk)
{
    struct load *load = stream->data;
    char quit[] = "quit";
    (void)chunk;
    if (size < 0) {
        (void)uv_read_stop(stream);
        if (!load->ending)
            command_run(load, quit);
        return;
    }
    load->control_text.size += (size_t)size;
    for (;;) {
        char *text = (char *)load->control_text.data;
        char *end = memchr(text, '\n', load->control_text.size);
        if (!end)
            break;
        *end = 0;
        command_run(load, text);
        buffer_consume(&load->control_text, (size_t)(end - text) + 1);
    }
}

static void on_tick(uv_timer_t *timer)
{
    workers_tick(timer->data);
    live_report(timer->data);
}

static void on_limit(uv_timer_t *timer)
{
    struct load *load = timer->data;
    (void)fprintf(stderr, "load: out of time\n");
    load->exit_code = 3;
    uv_stop(&load->loop);
}

static int options_read(struct settings *settings, int count, char **values)
{
    const struct {
        const char *name;
        long *target;
    } numbers[] = {{"port", &settings->port}, {"keys", &settings->keys},
        {"counters", &settings->counters}, {"size", &settings->size},
        {"workers", &settings->workers}, {"probes", &settings->probes},
        {"links", &settings->links}, {"seconds", &settings->seconds}, {"seed", &settings->seed}};
    enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };
    struct option options[NUMBERS + 3] = {{0}};
    int option;
    for (int index = 0; index < NUMBERS; index++)
        options[index] = (struct option){numbers[index].name, required_argument, NULL, index};
    options[NUMBERS] = (struct option){"mix", required_argument, NULL, NUMBERS};
    options[NUMBERS + 1] = (struct option){"quiet", no_argument, NULL, NUMBERS + 1};
    while ((option = getopt_long(count, values, "", options, NULL)) != -1) {
        char *end = NULL;
        if (option == '?')
            return 2;
        if (option == NUMBERS)
            settings->mix = optarg;
        else if (option == NUMBERS + 1)
            settings->quiet = 1;
        else
            *numbers[option].target = strtol(optarg, &end, 10);
        if (end && *end)
            return 2;
    }
    return optind == count ? 0 : 2;
}

static bool settings_sane(struct settings *settings)
{
    if (settings->links == 0)
        settings->links = settings->workers < LINKS_MAX ? settings->workers : LINKS_MAX;
    const struct {
        long value, low, high;
    } limits[] = {{settings->port, 1, 65535}, {settings->keys, 2, 50000000},
        {settings->counters, 1, 1000000}, {settings->size, VALUE_SIZE_MIN, 100000000},
        {settings->workers, 1, 10000}, {settings->probes, 0, settings->workers},
        {settings->links, 1, LINKS_MAX}, {settings->seconds, 1, 86400}};
    for (size_t index = 0; index < sizeof(limits) / sizeof(limits[0]); index++)
        if (limits[index].value < limits[index].low || limits[index].value > limits[index].high)
            return false;
    return settings->keys % 2 == 0;
}

static bool mix_read(struct load *load, const char *text)
{
    unsigned long sum = 0;
    for (int op = OP_GET; op <= OP_INCR; op++) {
        char *end = NULL;
        unsigned long part = strtoul(text, &end, 10);
        sum += part;
        if (end == text || sum > 100 || *end != (op == OP_INCR ? 0 : ','))
            return false;
        load->mix[op] = (uint32_t)part;
        text = end + 1;
    }
    return true;
}

static void load_open(struct load *load, const struct settings *settings)
{
    (void)uv_loop_init(&load->loop);
    (void)uv_prepare_init(&load->loop, &load->flush);
    (void)uv_timer_init(&load->loop, &load->tick);
    (void)uv_timer_init(&load->loop, &load->limit);
    (void)uv_pipe_init(&load->loop, &load->control, 0);
    load->flush.data = load->tick.data = load->limit.data = load->control.data = load;
    model_open(&load->model, (uint32_t)settings->keys, (uint32_t)settings->counters,
        (size_t)settings->size, (uint64_t)settings->seed);
    workers_open(load, (uint32_t)settings->workers, (uint32_t)settings->probes);
    load->link_count = (uint32_t)settings->links;
    load->quiet = settings->quiet != 0;
    memset(load->slots, 255, sizeof(load->slots));
    (void)node_find(load, bytes_of("127.0.0.1"), settings->port);
    load->live_ns = load->total.begin = uv_hrtime();
    phase_begin(load, "start");
    (void)uv_prepare_start(&load->flush, links_flush);
    (void)uv_timer_start(&load->tick, on_tick, 1, 1);
    (void)uv_timer_start(&load->limit, on_limit, (uint64_t)settings->seconds * 1000, 0);
}

static void load_close(struct load *load)
{
    links_close(load);
    uv_close((uv_handle_t *)&load->flush, NULL);
    uv_close((uv_handle_t *)&load->tick, NULL);
    uv_close((uv_handle_t *)&load->limit, NULL);
    uv_close((uv_handle_t *)&load->control, NULL);
    (void)uv_run(&load->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&load->loop);
    for (uint32_t node = 0; node < load->node_count; node++)
        for (uint32_t index = 0; index < load->link_count; index++) {
            struct link *link = &load->nodes[node].links[index];
            free(link->queue);
            buffer_free(&link->input);
            buffer_free(&link->output);
            buffer_free(&link->sending);
        }
    buffer_free(&load->control_text);
    free(load->replies.items);
    free(load->workers);
    model_close(&load->model);
    free(load);
}

int main(int count, char **values)
{
    struct settings settings = {.keys = 1000, .counters = 100, .size = 100, .workers = 8,
        .seconds = 120, .seed = 1, .mix = "68,22,2,3"};
    struct load *load = memory_take(sizeof(*load));
    memset(load, 0, sizeof(*load));
    if (options_read(&settings, count, values) != 0 || !settings_sane(&settings) ||
        !mix_read(load, settings.mix)) {
        (void)fputs(help, stderr);
        free(load);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a killed node ends its connections under our writes */
    load_open(load, &settings);
    if (uv_pipe_open(&load->control, 0) < 0 ||
        uv_read_start((uv_stream_t *)&load->control, on_alloc, on_control) < 0) {
        (void)fprintf(stderr, "load: stdin must be a pipe or a terminal\n");
        load->exit_code = 2;
    } else {
        (void)uv_run(&load->loop, UV_RUN_DEFAULT);
        phase_end(load);
        total_report(load);
        const struct phase *all = &load->total;
        if (load->exit_code == 0 && all->errors + all->answers[ANSWER_LOST] +
            all->answers[ANSWER_STALE] + all->answers[ANSWER_WRONG] > 0)
            load->exit_code = 1;
    }
    int exit_code = load->exit_code;
    load_close(load);
    return exit_code;
}
