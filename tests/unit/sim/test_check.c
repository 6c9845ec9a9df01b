/* SPDX-License-Identifier: MIT */
/* Every checker fires when hosts break their contract, and is silent when they keep it. */
#include <criterion/criterion.h>
#include <reshard-sim/sim.h>
#include <stdio.h>
#include <string.h>

struct broken {
    const char *name;
    const char *world;  /* settings behind the usual ones */
    const char *script; /* what happens after the load */
    const char *fires;  /* the checker that does */
};

#define SNAPSHOT "move 0-3 s1 s2 snapshot\n"
#define KEYWISE "move 0-3 s1 s2 keywise\n"
#define WRITERS \
    "writer every 100us reads 20 deletes 10 for 300\n" \
    "writer every 130us reads 20 deletes 10 for 300\n"
#define END "run until end\nrun until idle\nexpect intact\n"

static const struct broken cases[] = {
    {"requests outlive the fence", "execute 2ms sabotage fence", WRITERS KEYWISE END,
        .fires = "one-holder"},
    {"sync lies, the target restarts", "sabotage sync",
        SNAPSHOT "run until phase HOLD\nrestart n2\n" END, .fires = "commit"},
    {"captured writes are not recorded", "sabotage record sabotage digest",
        WRITERS "fault n1 EXPORT slow by 3ms\n" SNAPSHOT END, .fires = "commit"},
    {"purge deletes nothing", "sabotage purge", SNAPSHOT END, .fires = "leftovers"},
    {"discard drops nothing", "sabotage discard", SNAPSHOT "run until phase CATCHUP\nabort\n" END,
        .fires = "stray-data"},
    {"the hold's record is not durable", "sabotage journal",
        SNAPSHOT "run until phase HOLD\nrun 350us\nrestart n1\n" END, .fires = "commit"},
    {"a journal goes back", "sabotage journal", "crash n2\nrollback n2 3\nrestart n2\n" END,
        .fires = "map-grows"},
    {"a lower term writes", "sabotage fence-term",
        "coordinator c2\ncut c2 any\nrun 1ms\n" SNAPSHOT END, .fires = "map-agrees"},
    {"requests run whatever the verdict", "sabotage route", WRITERS SNAPSHOT END,
        .fires = "one-holder"},
    {"parked requests are forgotten", "sabotage wake",
        SNAPSHOT "run until phase HOLD\nbegin write k0\nbegin read k1\n" END, .fires = "forgotten"},
    {"damaged messages pass", "sabotage corrupt", "corrupt ORDER PREPARE to n1\n" SNAPSHOT END,
        .fires = "damage"},
    {"a deposed primary goes on", "sabotage depose", "cut c1 n1\nfailover s1 n3\n" END,
        .fires = "one-writer"},
    {"a request outlives its primary", "execute 2ms sabotage depose",
        "begin write k0\nrun 1ms\nfailover s1 n3\nrun 5ms\n", .fires = "primary"},
    {"nodes start with a map that nobody decided", "sabotage map", SNAPSHOT END,
        .fires = "map-agrees"},
    {"expired keys stay", "sabotage expiry",
        "writer every 100us deletes 10 expires 90 for 100\nrun 100ms\nexpect intact\n",
        .fires = "expired"},
    {"what is applied is not stored", "sabotage apply", KEYWISE END, .fires = "linearizable"},
    {"a host's clock stands", "sabotage clock", SNAPSHOT END, .fires = "spins"},
};

/* Run a case with or without its sabotage; the checker that fired, "" for none. */
static void run(const struct broken *broken, bool sabotage, uint32_t slots,
    struct reshard_sim_report *report)
{
    char text[1024];
    char world[128];
    (void)snprintf(world, sizeof world, "%s", broken->world);
    for (char *word = world; !sabotage && (word = strstr(word, "sabotage ")) != NULL; word++)
        memcpy(word, "trace 0 #", 9);
    (void)snprintf(text, sizeof text,
        "world slots %u keys %u %s\nnodes 2\nreplica n3 of s1\nstart\nload 48\n%s",
        (unsigned)slots, (unsigned)(slots < 48 ? 48 : slots), world, broken->script);
    reshard_sim_report_init(report);
    int32_t status = reshard_sim_scenario(text, strlen(text), NULL, NULL, report);
    cr_assert_eq(status, RESHARD_OK, "%s: %s in line %u", broken->name, reshard_strname(status),
        report->line);
}

Test(check, checkers_broken_host_fire)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reshard_sim_report report;
        run(&cases[i], true, 8, &report);
        cr_expect_str_eq(report.checker, cases[i].fires, "%s: \"%s\" fires", cases[i].name,
            report.checker);
    }
}

Test(check, checkers_honest_host_silent)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reshard_sim_report report;
        run(&cases[i], false, 8, &report);
        cr_expect(!report.violated, "%s: %s fires", cases[i].name, report.checker);
    }
}

/* Where not every host is asked for every slot after every step. */
Test(check, checkers_large_cluster_fire)
{
    enum { SLOTS = 1100 }; /* with four hosts above what is looked at after a step */
    uint32_t fired = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reshard_sim_report report;
        run(&cases[i], false, SLOTS, &report);
        cr_expect(!report.violated, "%s: %s fires", cases[i].name, report.checker);
        run(&cases[i], true, SLOTS, &report);
        fired += report.violated;
        cr_expect(!report.violated || strcmp(cases[i].fires, report.checker) == 0,
            "%s: %s fires", cases[i].name, report.checker);
    }
    cr_expect_geq(fired, 13, "%u", fired); /* the others need writers who meet four slots */
}

/* A source's replica that never heard of the hold goes on reading while the target serves. */
Test(check, replica_that_was_not_told_of_the_hold_fires)
{
    static const char script[] = "nodes 2\nreplica n3 of s1 follows\nstart\nload 48\n"
                                 "writer every 100us reads 50 for 300\n"
                                 "move 0-3 s1 s2 snapshot\nrun until end\nexpect intact\n";
    for (int sabotage = 0; sabotage < 2; sabotage++) {
        char text[512];
        struct reshard_sim_report report;
        (void)snprintf(text, sizeof text, "world slots 8 keys 48 readonly 1 %s\n%s",
            sabotage ? "sabotage follow" : "", script);
        reshard_sim_report_init(&report);
        cr_assert_eq(reshard_sim_scenario(text, strlen(text), NULL, NULL, &report), RESHARD_OK);
        if (sabotage)
            cr_expect_str_eq(report.checker, "one-owner");
        else
            cr_expect_not(report.violated);
    }
}

/* It says that it has the hold's record while reads that it admitted before still run. */
Test(check, replica_that_acknowledges_before_its_reads_have_ended_fires)
{
    static const char script[] = "nodes 2\nreplica n3 of s1 follows\nstart\nload 48\n"
                                 "writer every 100us reads 90 keys 0-15\n"
                                 "writer every 130us reads 90 keys 0-15\n"
                                 "writer every 170us reads 90 keys 0-15\n"
                                 "writer every 190us reads 90 keys 0-15\nrun 20ms\n"
                                 "move 0-3 s1 s2 snapshot\nrun until end\nexpect intact\n";
    for (int sabotage = 0; sabotage < 2; sabotage++) {
        char text[512];
        struct reshard_sim_report report;
        (void)snprintf(text, sizeof text, "world slots 8 keys 48 readonly 1 execute 2ms %s\n%s",
            sabotage ? "sabotage reads" : "", script);
        reshard_sim_report_init(&report);
        cr_assert_eq(reshard_sim_scenario(text, strlen(text), NULL, NULL, &report), RESHARD_OK);
        if (sabotage)
            cr_expect_str_eq(report.checker, "one-holder");
        else
            cr_expect_not(report.violated);
    }
}

Test(check, end_dead_target_is_not_reached)
{
    static const char text[] = "nodes 2\nstart\nload 48\nmove 0-3 s1 s2 snapshot\n"
                               "run until phase COPY\ncrash n2\nrun until end within 5s\n";
    struct reshard_sim_report report;
    reshard_sim_report_init(&report);
    cr_assert_eq(reshard_sim_scenario(text, sizeof text - 1, NULL, NULL, &report), RESHARD_OK);
    cr_expect(report.failed && !report.violated);
    cr_expect_eq(report.line, 7);
}
