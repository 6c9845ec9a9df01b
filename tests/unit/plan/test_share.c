/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

Test(share, weights_keep_their_ratio_and_bad_ones_are_refused)
{
    const double good[] = {1.0, 3.0, 0.5, 1024.0};
    uint64_t scaled[4];
    cr_assert_eq(reshard__weights_scale(good, 4, scaled), RESHARD_OK);
    cr_assert_eq(scaled[1], 3 * scaled[0]);
    cr_assert_eq(scaled[0], 2 * scaled[2]);
    cr_assert_eq(scaled[3], 1024 * scaled[0]);
    cr_assert(scaled[3] >= UINT64_C(1) << 40 && scaled[3] < UINT64_C(1) << 41);
    const double extreme[] = {DBL_MAX, DBL_MIN, 5e-324, DBL_MAX / 2};
    cr_assert_eq(reshard__weights_scale(extreme, 4, scaled), RESHARD_OK);
    cr_assert_eq(scaled[1], 1);
    cr_assert_eq(scaled[2], 1);
    cr_assert_eq(scaled[0], 2 * scaled[3] + 1, "mantissa all ones, cut to 41 and 40 bits");
    const double tiny[] = {5e-324, 1e-323};
    cr_assert_eq(reshard__weights_scale(tiny, 2, scaled), RESHARD_OK);
    cr_assert_eq(scaled[1], 2 * scaled[0]);
    const double bad[] = {NAN, -NAN, INFINITY, -INFINITY, 0.0, -0.0, -1.0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double pair[] = {1.0, bad[i]};
        cr_assert_eq(reshard__weights_scale(pair, 2, scaled), RESHARD_E_WEIGHT);
    }
}

static void share(uint32_t count, uint32_t total, const uint64_t *weights, const uint32_t *have,
    const uint32_t *lower, uint32_t *targets)
{
    struct reshard__mem mem;
    struct reshard__share share = {count, total, weights, have, lower};
    cr_assert_eq(reshard__mem_import(&mem, NULL), RESHARD_OK);
    cr_assert_eq(reshard__share_out(&mem, &share, targets), RESHARD_OK);
}

Test(share, ties_stay_with_holders_and_largest_remainder_wins)
{
    const uint64_t equal[] = {1, 1, 1};
    const uint64_t uneven[] = {5, 3, 2};
    const uint32_t have[] = {2, 2, 4};
    const uint32_t none[] = {0, 0, 0};
    uint32_t targets[3];
    share(3, 8, equal, have, none, targets);
    /* floor 2; two ceilings: shard 2 holds one, then the lowest position */
    cr_assert(targets[0] == 3 && targets[1] == 2 && targets[2] == 3);
    share(3, 8, uneven, have, none, targets);
    /* 4.0, 2.4, 1.6 */
    cr_assert(targets[0] == 4 && targets[1] == 2 && targets[2] == 2);
}

Test(share, lower_bounds_hold_and_the_rest_is_shared)
{
    const uint64_t weights[] = {1, 1, 1, 0};
    const uint32_t lower[] = {7, 0, 3, 1};
    uint32_t targets[4];
    share(4, 12, weights, lower, lower, targets);
    cr_assert(targets[0] == 7 && targets[1] == 1 && targets[2] == 3 && targets[3] == 1);
    share(4, 11, weights, lower, lower, targets);
    cr_assert(targets[0] == 7 && targets[1] == 0 && targets[2] == 3 && targets[3] == 1);
}

/* Hamilton's definition: floor or ceiling of the quota, and no loser has a larger remainder than
 * a winner, nor an equal one while it holds the slot and the winner does not. */
static void check_hamilton(uint32_t count, uint32_t total, const uint64_t *weights,
    const uint32_t *have, const uint32_t *targets)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += weights[i];
    for (uint32_t i = 0; i < count; i++) {
        uint64_t base = total * weights[i] / sum;
        cr_assert(targets[i] == base || targets[i] == base + 1);
        for (uint32_t k = 0; k < count && targets[i] > base; k++) {
            uint64_t base_k = total * weights[k] / sum;
            uint64_t win = total * weights[i] % sum, lose = total * weights[k] % sum;
            if (targets[k] > base_k)
                continue;
            cr_assert_geq(win, lose);
            cr_assert(win > lose || have[i] > base || have[k] <= base_k);
        }
    }
}

Test(share, random_shares_without_bounds_keep_the_definition)
{
    uint64_t seed = 3;
    for (int round = 0; round < 20000; round++) {
        uint32_t count = 1 + fixture_random(&seed, 8);
        uint32_t total = fixture_random(&seed, UINT32_C(1) << fixture_random(&seed, 21));
        uint64_t weights[8];
        uint32_t have[8], targets[8], given = 0;
        const uint32_t none[8] = {0};
        for (uint32_t i = 0; i < count; i++) {
            weights[i] = 1 + (reshard__random_next(&seed) >> (24 + fixture_random(&seed, 40)));
            have[i] = fixture_random(&seed, total + 1);
        }
        share(count, total, weights, have, none, targets);
        for (uint32_t i = 0; i < count; i++)
            given += targets[i];
        cr_assert_eq(given, total, "round %d of seed 3", round);
        check_hamilton(count, total, weights, have, targets);
    }
}

/* Who is above its lower bound is near its quota among its likes, and who is at it would get no
 * more among them: each of the others can be off by one. */
Test(share, random_shares_with_bounds_keep_them)
{
    uint64_t seed = 5;
    for (int round = 0; round < 20000; round++) {
        uint32_t count = 1 + fixture_random(&seed, 8);
        uint32_t total = fixture_random(&seed, UINT32_C(1) << fixture_random(&seed, 21));
        uint64_t weights[8], sum = 0;
        uint32_t lower[8], targets[8], left = total, given = 0, above = 0;
        for (uint32_t i = 0; i < count; i++) {
            weights[i] = 1 + (reshard__random_next(&seed) >> (24 + fixture_random(&seed, 40)));
            lower[i] = fixture_random(&seed, left + 1) >> (16 * fixture_random(&seed, 2));
            left -= lower[i];
        }
        share(count, total, weights, lower, lower, targets);
        for (uint32_t i = 0; i < count; i++) {
            cr_assert_geq(targets[i], lower[i], "round %d of seed 5", round);
            given += targets[i];
            above += targets[i] * (targets[i] > lower[i]);
            sum += weights[i] * (targets[i] > lower[i]);
        }
        cr_assert_eq(given, total, "round %d of seed 5", round);
        for (uint32_t i = 0; i < count && sum; i++) {
            double likes = (double)sum, slots = above;
            if (targets[i] == lower[i]) {
                likes += (double)weights[i];
                slots += targets[i];
            }
            double quota = slots * (double)weights[i] / likes;
            cr_assert_leq(quota, targets[i] + (double)count, "round %d of seed 5", round);
            if (targets[i] > lower[i])
                cr_assert_leq(targets[i], quota + count, "round %d of seed 5", round);
        }
    }
}

Test(share, shards_of_weight_zero_stay_at_their_lower_bounds)
{
    const uint64_t weights[] = {0, 0, 0};
    const uint32_t lower[] = {1, 0, 4};
    uint32_t targets[] = {9, 9, 9};
    share(3, 5, weights, lower, lower, targets);
    cr_assert(targets[0] == 1 && targets[1] == 0 && targets[2] == 4);
}
