#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fuzz for long: every target (or those named) under ASan and UBSan, each for SECONDS (default
# 3600), one after the other. New inputs are kept under build/fuzz-corpus/TARGET, crashes beside
# them; the totals stand at the end.
#
#   tests/fuzz/long.sh [SECONDS [TARGET...]]
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-3600}
shift
builds=${RESHARD_BUILD:-$PWD/build}
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in tests/fuzz/fuzz_*.c; do
    name=${source##*/fuzz_}
    targets+=("${name%.c}")
  done
fi

[ -f "$builds/fuzz/build.ninja" ] ||
  CC=clang meson setup "$builds/fuzz" -Dfuzzers=true -Dtests=enabled -Dbuildtype=release \
    -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fno-sanitize-recover=all || exit 1
failed=0
totals=()
for target in "${targets[@]}"; do
  ninja -C "$builds/fuzz" "tests/fuzz/fuzz-$target" || exit 1
  kept=$builds/fuzz-corpus/$target
  mkdir -p "$kept"
  seeds=()
  [ -d "tests/fuzz/corpus/$target" ] && seeds=("tests/fuzz/corpus/$target")
  "$builds/fuzz/tests/fuzz/fuzz-$target" -max_total_time="$seconds" -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="$kept-crash-" \
    "$kept" "${seeds[@]}" 2>&1 | tee "$kept.log" | grep -E 'stat::|ERROR|Test unit' &&
    [ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
  runs=$(grep -oE 'number_of_executed_units: *[0-9]+' "$kept.log" | grep -oE '[0-9]+$')
  speed=$(grep -oE 'average_exec_per_sec: *[0-9]+' "$kept.log" | grep -oE '[0-9]+$')
  totals+=("$target: ${runs:-0} inputs, ${speed:-0} a second")
done
printf '%s\n' "${totals[@]}"
exit $failed
