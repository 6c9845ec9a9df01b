/* SPDX-License-Identifier: MIT */
/* Room map, tests: random changes, half of them meant to be accepted in the model's state, the
 * others anything. */
#ifndef TESTS_MAP_GENERATE_H
#define TESTS_MAP_GENERATE_H

#include "unit/map/model.h"

struct generator {
    uint64_t seed; /* moves on */
    char text[512];
    struct reshard_range ranges[MODEL_SLOTS];
};

uint64_t generate_number(struct generator *generator);
/* 0 <= result < below */
uint32_t generate_below(struct generator *generator, uint32_t below);
/* The change borrows from the generator until the next call. */
void generate_change(
    struct generator *generator, struct model *model, struct reshard_change *change);

#endif
