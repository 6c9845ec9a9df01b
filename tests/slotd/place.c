/* SPDX-License-Identifier: MIT */
/* Tests of slotd's rooms: a store in a directory of its own. See place.h. */
#include "place.h"

#include "cluster.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct store *place_open(const char *path)
{
    struct store_options options = {path, DURABILITY_NONE, (uint64_t)1 << 30};
    const char *error = NULL;
    struct store *store = store_open(&options, &error);
    cr_assert_not_null(store, "%s", error);
    return store;
}

struct place place_make(void)
{
    struct place place = {"/tmp/slotd-store-XXXXXX", NULL};
    cr_assert_not_null(mkdtemp(place.path));
    place.store = place_open(place.path);
    return place;
}

void place_remove(struct place *place)
{
    char path[400];
    store_close(place->store);
    DIR *folder = opendir(place->path);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        (void)snprintf(path, sizeof path, "%s/%s", place->path, entry->d_name);
        (void)unlink(path);
    }
    closedir(folder);
    (void)rmdir(place->path);
}

struct store_key place_key(const char *name)
{
    return (struct store_key){cluster_key_slot(bytes_of(name)), bytes_of(name)};
}

void place_put(struct store *store, const char *name, const char *value)
{
    struct store_key key = place_key(name);
    store_put(store, &key, bytes_of(value), 0);
}

bool place_has(struct store *store, const char *name, const char *value)
{
    struct store_key key = place_key(name);
    struct store_item item;
    struct buffer found = {0};
    if (!store_find(store, &key, &item))
        return value == NULL;
    store_item_value(store, &item, &found);
    bool same =
        value != NULL && bytes_equal((struct bytes){found.data, found.size}, bytes_of(value));
    buffer_free(&found);
    return same;
}
