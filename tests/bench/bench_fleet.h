/* SPDX-License-Identifier: MIT */
/* Benchmarks: a coordinator and a fleet of nodes that is played, not run. Part of bench_engine. */
#ifndef TESTS_BENCH_FLEET_H
#define TESTS_BENCH_FLEET_H

/* Prints inputs per second of the coordinator alone. */
void bench_fleet(void);

#endif
