/* SPDX-License-Identifier: MIT */
/* Tests of slotd's rooms: a store in a directory of its own, and a few words to fill it. */
#ifndef TESTS_SLOTD_PLACE_H
#define TESTS_SLOTD_PLACE_H

#include "store.h"

struct place {
    char path[64];
    struct store *store;
};

struct store *place_open(const char *path);
struct place place_make(void);
void place_remove(struct place *place);

struct store_key place_key(const char *name);
void place_put(struct store *store, const char *name, const char *value);
/* Whether the name has this value; NULL: whether it is absent. */
bool place_has(struct store *store, const char *name, const char *value);

#endif
