/* SPDX-License-Identifier: MIT */
/* Children of the simulator's command line: fork, and memory that is shared with them. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "simulate_child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

void *child_share(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

const char *child_call(void (*work)(void *data), void *data)
{
    static const struct rlimit none = {0, 0};
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        work(data);
        return NULL;
    }
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &none); /* a shrinking dies a thousand times */
        work(data);
        exit(0); /* not _exit: leaks are looked for there */
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? "assert" : "death";
}

struct run {
    const struct reshard_sim_swarm *swarm;
    reshard_sim_print print;
    void *print_data;
    struct reshard_sim_decision *decisions_out;
    uint64_t capacity;
    struct {
        struct reshard_sim_report report;
        int32_t status;
    } * shared;
};

static void run_do(void *data)
{
    struct run *run = data;
    run->shared->status = reshard_sim_swarm_run(run->swarm, run->print, run->print_data,
        run->decisions_out, run->capacity, &run->shared->report);
}

int32_t child_run(const struct reshard_sim_swarm *swarm, reshard_sim_print print, void *print_data,
    struct reshard_sim_decision *decisions_out, uint64_t capacity,
    struct reshard_sim_report *report_out)
{
    static void *shared;
    struct run run = {swarm, print, print_data, decisions_out, capacity, NULL};
    if (!shared)
        shared = child_share(sizeof *run.shared);
    if (!shared)
        return reshard_sim_swarm_run(swarm, print, print_data, decisions_out, capacity, report_out);
    run.shared = shared;
    run.shared->status = 0;
    reshard_sim_report_init(&run.shared->report);
    const char *death = child_call(run_do, &run);
    *report_out = run.shared->report;
    if (death) {
        report_out->violated = 1;
        (void)snprintf(report_out->checker, sizeof report_out->checker, "%s", death);
    }
    return run.shared->status;
}

int32_t child_run_for(const char *checker, const struct reshard_sim_swarm *swarm,
    reshard_sim_print print, void *print_data, struct reshard_sim_report *report_out)
{
    int dies = strcmp(checker, "assert") == 0 || strcmp(checker, "death") == 0;
    return dies ? child_run(swarm, print, print_data, NULL, 0, report_out)
                : reshard_sim_swarm_run(swarm, print, print_data, NULL, 0, report_out);
}
