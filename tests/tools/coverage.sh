#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Line and branch coverage of src/ by the unit tests, a line a file and the totals.
#
#   tests/tools/coverage.sh [LEAST]   fails when the lines of src/ are covered to less than LEAST %
#
# The build stays in build/coverage (or $RESHARD_BUILD/coverage), with index.html beside it.
# Goal: every line of base, slot, map, phase and wire; of all 95 % of lines, 90 % of branches.
# RESHARD_ASSERT is left out: no test can reach a broken invariant.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
build=${RESHARD_BUILD:-$root/build}/coverage
least=${1:-0}
again=()
[ -f "$build/build.ninja" ] && again=(--reconfigure)
CC=gcc meson setup "${again[@]}" "$build" "$root" -Db_coverage=true -Doptimization=0 \
  -Dtests=enabled -Dexamples=disabled >/dev/null
meson compile -C "$build" >/dev/null
find "$build" -name '*.gcda' -delete
meson test -C "$build" --no-rebuild --suite unit --print-errorlogs
gcovr --root "$root" --object-directory "$build" --filter "$root/src/" \
  --exclude-throw-branches --exclude-lines-by-pattern '.*RESHARD_ASSERT\(.*' \
  --html-details "$build/index.html" --branches --txt "$build/branches.txt" >/dev/null
gcovr --root "$root" --object-directory "$build" --filter "$root/src/" \
  --exclude-lines-by-pattern '.*RESHARD_ASSERT\(.*' --fail-under-line "$least"
tail -n 4 "$build/branches.txt"
