/* SPDX-License-Identifier: MIT */
/* Room sim: the invariants of DESIGN part 7 that are looked at while a world goes on. What breaks
 * is told by reshard__sim_violate. */
#ifndef RESHARD_SIM_CHECK_H
#define RESHARD_SIM_CHECK_H

struct host;
struct request;
struct reshard_action;
struct reshard_change;
struct reshard_event;
struct reshard_sim;

void reshard__check_step(struct reshard_sim *sim);
void reshard__check_executed(
    struct reshard_sim *sim, const struct host *host, const struct request *request);
void reshard__check_change(struct reshard_sim *sim, const struct reshard_change *change);
void reshard__check_purge(struct reshard_sim *sim, const struct reshard_action *action);
void reshard__check_event(
    struct reshard_sim *sim, const struct host *host, const struct reshard_event *event);
void reshard__check_node(struct reshard_sim *sim, struct host *host);
void reshard__check_tick(struct reshard_sim *sim, struct host *host);

#endif
