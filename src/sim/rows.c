/* SPDX-License-Identifier: MIT */
/* Room sim: the rows of the transition table by number, in the order of phase_table.h. */
#include "phase/phase_table.h"
#include "sim/sim.h"

struct row {
    const char *label;
    uint32_t from;
    const char *event;
};

#define MOVE_ROW(label, from, event, to) {#label, RESHARD_PHASE_##from, #event},
#define IGNORE_ROW(label, from, event) {#label, RESHARD_PHASE_##from, #event},
static const struct row rows[] = {RESHARD__MOVE_ROWS(MOVE_ROW) RESHARD__IGNORE_ROWS(IGNORE_ROW)};

enum { ROW_COUNT = sizeof rows / sizeof *rows };

const char *reshard_sim_row(uint32_t row)
{
    return row < ROW_COUNT ? rows[row].label : NULL;
}

void reshard__row_ignored(struct reshard_sim *sim, uint32_t phase, const char *event)
{
    for (uint32_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].label[0] == 'I' && rows[i].from == phase && strcmp(rows[i].event, event) == 0)
            sim->rows[i]++;
}
