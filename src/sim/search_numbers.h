/* SPDX-License-Identifier: MIT */
/* Room sim: numbers by digest: what was met before has one already. Private to search*.c. */
#ifndef RESHARD_SIM_SEARCH_NUMBERS_H
#define RESHARD_SIM_SEARCH_NUMBERS_H

#include <reshard/types.h>

/* Open addressing; number 0: the place is free. */
struct numbered {
    struct reshard_digest digest;
    uint32_t number;
};
struct numbers {
    struct numbered *entries;
    size_t size, count;
};

/* Memory that is no world's, for `count` items at least. */
void *reshard__search_grow(void *block, size_t *capacity, size_t count, size_t item_size);
void reshard__numbers_free(struct numbers *table);
/* 0: there is none. */
uint32_t reshard__numbers_find(const struct numbers *table, const struct reshard_digest *digest);
/* It is not there yet. */
void reshard__numbers_add(
    struct numbers *table, const struct reshard_digest *digest, uint32_t number);

#endif
