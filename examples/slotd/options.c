/* SPDX-License-Identifier: MIT */
/* Room server: the command line. */
#include "server.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPTION_PORT = 256,
    OPTION_BIND,
    OPTION_DIR,
    OPTION_DURABILITY,
    OPTION_BUS_PORT,
    OPTION_SECRET,
    OPTION_METRICS_PORT,
    OPTION_PORT_FILE,
    OPTION_LOG_FILE,
    OPTION_LOG_LEVEL,
    OPTION_PASSWORD,
    OPTION_CLIENT_LIMIT,
    OPTION_MAP_SIZE,
    OPTION_ANNOUNCE_HOST,
    OPTION_ANNOUNCE_PORT,
    OPTION_ANNOUNCE_BUS_PORT,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option options[] = {{"port", required_argument, NULL, OPTION_PORT},
    {"bind", required_argument, NULL, OPTION_BIND}, {"dir", required_argument, NULL, OPTION_DIR},
    {"durability", required_argument, NULL, OPTION_DURABILITY},
    {"bus-port", required_argument, NULL, OPTION_BUS_PORT},
    {"secret", required_argument, NULL, OPTION_SECRET},
    {"metrics-port", required_argument, NULL, OPTION_METRICS_PORT},
    {"port-file", required_argument, NULL, OPTION_PORT_FILE},
    {"log-file", required_argument, NULL, OPTION_LOG_FILE},
    {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
    {"requirepass", required_argument, NULL, OPTION_PASSWORD},
    {"maxclients", required_argument, NULL, OPTION_CLIENT_LIMIT},
    {"map-size", required_argument, NULL, OPTION_MAP_SIZE},
    {"cluster-announce-ip", required_argument, NULL, OPTION_ANNOUNCE_HOST},
    {"cluster-announce-port", required_argument, NULL, OPTION_ANNOUNCE_PORT},
    {"cluster-announce-bus-port", required_argument, NULL, OPTION_ANNOUNCE_BUS_PORT},
    {"help", no_argument, NULL, OPTION_HELP}, {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0}};

static const char help[] =
    "slotd: a sharded key-value server on libreshard\n\n"
    "  --port N                       clients; 0 = any free port (default 6379)\n"
    "  --bind ADDRESS                 (default 127.0.0.1)\n"
    "  --dir PATH                     data; made when missing (default slotd.data)\n"
    "  --durability none|batch|always what an answered write survives (default batch):\n"
    "                                 a clean end; kill -9; power loss, and with replicas\n"
    "                                 that are in sync the loss of this node (WAIT: in any)\n"
    "  --bus-port N                   cluster bus; 0 = any free port (default port + 10000)\n"
    "  --secret TEXT                  shared by the nodes of a cluster\n"
    "  --metrics-port N               OpenMetrics over HTTP; 0 = any free port (default none)\n"
    "  --port-file PATH               write the ports there once they are open\n"
    "  --log-file PATH                (default stderr)\n"
    "  --log-level debug|info|warning|error\n"
    "  --requirepass TEXT             clients must AUTH\n"
    "  --maxclients N                 (default 10000)\n"
    "  --map-size BYTES               upper limit of the data file (default 256 GiB)\n"
    "  --cluster-announce-ip HOST, --cluster-announce-port N, --cluster-announce-bus-port N\n"
    "                                 what other nodes and clients are told\n";

static int number_read(const char *name, const char *text, int64_t low, int64_t high,
    int64_t *number_out)
{
    if (bytes_number(bytes_of(text), number_out) && *number_out >= low && *number_out <= high)
        return 0;
    (void)fprintf(stderr, "slotd: --%s must be a number from %lld to %lld\n", name,
        (long long)low, (long long)high);
    return 2;
}

static int text_read(const char *name, const char *text, char *target, size_t size)
{
    if (strlen(text) < size) {
        memcpy(target, text, strlen(text) + 1);
        return 0;
    }
    (void)fprintf(stderr, "slotd: --%s is too long\n", name);
    return 2;
}

static int word_read(
    const char *name, const char *text, const char *const *words, int count, int *index_out)
{
    for (int index = 0; index < count; index++)
        if (strcmp(text, words[index]) == 0) {
            *index_out = index;
            return 0;
        }
    (void)fprintf(stderr, "slotd: --%s cannot be '%s'\n", name, text);
    return 2;
}

static int number_option(struct settings *settings, int option, const char *name)
{
    int64_t number = 0;
    int64_t high = option == OPTION_CLIENT_LIMIT ? 1000000 : 65535;
    if (option == OPTION_MAP_SIZE)
        high = (int64_t)1 << 45;
    int result = number_read(name, optarg, option == OPTION_CLIENT_LIMIT ? 1 : 0, high, &number);
    if (result != 0)
        return result;
    const struct {
        int option;
        int *target;
    } targets[] = {{OPTION_PORT, &settings->port}, {OPTION_BUS_PORT, &settings->bus_port},
        {OPTION_METRICS_PORT, &settings->metrics_port},
        {OPTION_CLIENT_LIMIT, &settings->client_limit},
        {OPTION_ANNOUNCE_PORT, &settings->announce_port},
        {OPTION_ANNOUNCE_BUS_PORT, &settings->announce_bus_port}};
    for (size_t index = 0; index < sizeof(targets) / sizeof(targets[0]); index++)
        if (targets[index].option == option)
            *targets[index].target = (int)number;
    if (option == OPTION_MAP_SIZE)
        settings->map_size = (uint64_t)number;
    return 0;
}

static int text_option(struct settings *settings, int option, const char *name)
{
    static const char *const durabilities[] = {"none", "batch", "always"};
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    switch (option) {
    case OPTION_BIND:
        return text_read(name, optarg, settings->bind, sizeof(settings->bind));
    case OPTION_DIR:
        return text_read(name, optarg, settings->directory, sizeof(settings->directory));
    case OPTION_SECRET:
        return text_read(name, optarg, settings->secret, sizeof(settings->secret));
    case OPTION_PORT_FILE:
        return text_read(name, optarg, settings->port_file, sizeof(settings->port_file));
    case OPTION_LOG_FILE:
        return text_read(name, optarg, settings->log_file, sizeof(settings->log_file));
    case OPTION_PASSWORD:
        return text_read(name, optarg, settings->password, sizeof(settings->password));
    case OPTION_ANNOUNCE_HOST:
        return text_read(name, optarg, settings->announce_host, sizeof(settings->announce_host));
    case OPTION_DURABILITY:
        return word_read(name, optarg, durabilities, 3, &settings->durability);
    case OPTION_LOG_LEVEL:
        return word_read(name, optarg, levels, 4, &settings->log_level);
    default:
        return number_option(settings, option, name);
    }
}

static void defaults_set(struct settings *settings)
{
    *settings = (struct settings){.port = 6379, .bus_port = -1, .metrics_port = -1,
        .durability = DURABILITY_BATCH, .log_level = 1, .client_limit = 10000};
    (void)strcpy(settings->bind, "127.0.0.1");
    (void)strcpy(settings->directory, "slotd.data");
}

int options_read(struct settings *settings, int count, char **values)
{
    int index = 0;
    defaults_set(settings);
    for (;;) {
        int option = getopt_long(count, values, "", options, &index);
        if (option == -1)
            break;
        if (option == OPTION_HELP || option == OPTION_VERSION) {
            (void)fputs(option == OPTION_HELP ? help : "slotd " SLOTD_VERSION "\n", stdout);
            return 1;
        }
        if (option == '?')
            return 2;
        int result = text_option(settings, option, options[index].name);
        if (result != 0)
            return result;
    }
    if (optind < count) {
        (void)fprintf(stderr, "slotd: what is '%s'?\n", values[optind]);
        return 2;
    }
    return 0;
}
