/* SPDX-License-Identifier: MIT */
/* Included before everything else, it makes the words that routing reads ordinary memory: a race
 * that ThreadSanitizer has to find. */
#include <stdatomic.h>

#undef atomic_load_explicit
#undef atomic_store_explicit
#define _Atomic
#define atomic_load_explicit(place, order) (*(place))
#define atomic_store_explicit(place, value, order) ((void)(*(place) = (value)))
