#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Line and branch coverage of the core (src/ without the simulator) by its unit tests and by the
# scenarios: what is not reached, and a table by room.
#
#   tests/tools/coverage.sh [LINES [BRANCHES [ROOM...]]]
#
# Fails when a room's lines or branches are covered to less than LINES or BRANCHES percent (0 when
# not given), or a test fails. With rooms named, only their tests are built and run, and only
# they are counted; else all. Goal: 100 % of lines, 95 % of branches, in every room. What stays
# below is printed, line by line.
#
# Not counted: lines with RESHARD_ASSERT and their branches, as no test can reach a broken
# invariant, and what coverage_unreached.txt lists with a reason. An entry there that has become
# reachable, or that is no longer in the source, is a failure too.
# The build stays in build/coverage (or $RESHARD_BUILD/coverage), with index.html beside it.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd -P)
build=$(realpath -m "${RESHARD_BUILD:-$root/build}/coverage")
least=("${1:-0}" "${2:-0}")
rooms=("${@:3}")
programs=("${rooms[@]}")
[ ${#rooms[@]} -gt 0 ] ||
  programs=(base slot map plan audit router wire phase node coordinator driver)
again=()
[ -f "$build/build.ninja" ] && again=(--reconfigure)
CC=gcc meson setup "${again[@]}" "$build" "$root" -Db_coverage=true -Doptimization=0 \
  -Dtests=enabled -Dexamples=disabled >/dev/null
meson compile -C "$build" "${programs[@]/#/test-}" simulate every-fault >/dev/null
find "$build" -name '*.gcda' -delete
meson test -C "$build" --no-rebuild --print-errorlogs "${programs[@]}" scenario every-fault
# What random runs meet: these seeds, always.
(cd "$build" && ./examples/simulate swarm 1 200 >simulate.log) ||
  { cat "$build/simulate.log"; exit 1; }
gcovr --root "$root" --object-directory "$build" --filter "$root/src/" --exclude "$root/src/sim/" \
  --exclude-throw-branches --exclude-lines-by-pattern '.*RESHARD_ASSERT\(.*' \
  --json "$build/coverage.json" --html-details "$build/index.html" "$build/src" >/dev/null
/usr/bin/python3 tests/tools/coverage_table.py "$build/coverage.json" \
  tests/tools/coverage_unreached.txt "${least[@]}" "${rooms[@]}"
