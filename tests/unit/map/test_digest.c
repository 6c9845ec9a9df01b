/* SPDX-License-Identifier: MIT */
/* Room map, tests: the digest is what its item format says, however the state came about. */
#include "map/state.h"
#include "unit/map/fixture.h"
#include <criterion/criterion.h>

/* The values were computed outside, by a script over libxxhash from the item format. */
Test(digest, known_states_have_known_digests)
{
    struct reshard_digest digest;
    struct reshard_map *map = map_of_everything(NULL);
    cr_assert_eq(reshard_map_digest(map, &digest), RESHARD_OK);
    cr_assert_eq(digest.low, UINT64_C(0x38bbcd617502e79b));
    cr_assert_eq(digest.high, UINT64_C(0xf32f2024456c8f3e));
    reshard_map_destroy(map);
    cr_assert_eq(reshard_map_create(16384, NULL, &map), RESHARD_OK);
    cr_assert_eq(reshard_map_digest(map, &digest), RESHARD_OK);
    cr_assert_eq(digest.low, UINT64_C(0xaa14d2abdda5a68e));
    reshard_map_destroy(map);
}

Test(digest, order_of_changes_does_not_matter)
{
    struct reshard_map *a = NULL;
    struct reshard_map *b = NULL;
    cr_assert_eq(reshard_map_create(8, NULL, &a), RESHARD_OK);
    cr_assert_eq(reshard_map_create(8, NULL, &b), RESHARD_OK);
    do_shard_put(a, 1, 1.0);
    do_shard_put(a, 2, 2.0);
    do_assign(a, RESHARD_CHANGE_ASSIGN, 1, 0, 3);
    do_assign(a, RESHARD_CHANGE_ASSIGN, 2, 4, 7);
    cr_assert(!digests_equal(a, b));
    do_shard_put(b, 2, 2.0);
    do_assign(b, RESHARD_CHANGE_ASSIGN, 2, 4, 7);
    do_shard_put(b, 1, 1.0);
    do_assign(b, RESHARD_CHANGE_ASSIGN, 1, 0, 3);
    cr_assert(digests_equal(a, b));
    cr_assert_eq(reshard_map_equal(a, b), 1);
    do_assign(a, RESHARD_CHANGE_UNASSIGN, 1, 2, 2);
    do_assign(b, RESHARD_CHANGE_UNASSIGN, 1, 3, 3);
    cr_assert(!digests_equal(a, b));
    cr_assert_eq(reshard_map_equal(a, b), 0);
    reshard_map_destroy(a);
    reshard_map_destroy(b);
}

Test(digest, sums_carry_and_undo)
{
    const struct reshard_digest a = {UINT64_MAX, 1};
    const struct reshard_digest b = {2, UINT64_MAX};
    struct reshard_digest sum = reshard__digest_plus(a, b);
    cr_assert_eq(sum.low, 1);
    cr_assert_eq(sum.high, 1);
    sum = reshard__digest_minus(sum, b);
    cr_assert_eq(sum.low, a.low);
    cr_assert_eq(sum.high, a.high);
}

Test(digest, null_is_refused)
{
    struct reshard_digest digest = {7, 7};
    cr_assert_eq(reshard_map_digest(NULL, &digest), RESHARD_E_NULL);
    cr_assert_eq(digest.low, 7);
    struct reshard_map *map = map_of_two_shards();
    cr_assert_eq(reshard_map_digest(map, NULL), RESHARD_E_NULL);
    reshard_map_destroy(map);
}
