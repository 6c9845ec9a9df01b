#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Random seeds of the simulator for hours; what fails is kept.
#
#   tests/swarm/soak.sh SIMULATE [HOURS [FOLDER]]
#
# 8 hours by default, one process a processor, each on seeds of its own that no run had before. A
# failing seed is shrunk and kept in FOLDER (soak/) as replay-SEED.txt, for `simulate replay`. The
# last line counts what all runs into this folder did, also one that is stopped (Ctrl-C, TERM); the
# exit status is 0 when nothing failed.
set -u
simulate=$(realpath "${1:?usage: soak.sh SIMULATE [HOURS [FOLDER]]}")
hours=${2:-8}
folder=${3:-soak}
mkdir -p "$folder" && cd "$folder" || exit 2
end=$((SECONDS + $(awk "BEGIN { print int($hours * 3600) }")))
base=$(date +%s%N)

worker() {
  local seed=$((base + $1 * 1000000000000000))
  while [ "$SECONDS" -lt "$end" ]; do
    "$simulate" swarm "$seed" 500 shrink | grep -v '^rows' >>"log-$base-$1.txt"
    seed=$((seed + 500))
  done
}

# Each worker is a process group, so that what it runs stops with it.
set -m
workers=()
trap 'for pid in "${workers[@]}"; do kill -- "-$pid"; done 2>/dev/null' INT TERM
for number in $(seq "$(nproc)"); do
  worker "$number" &
  workers+=($!)
done
wait # until all are done, or a signal came
wait # until all are done
awk '/ seeds, / { seeds += $1; failed += $3; faults += $7 }
  END { printf "%d seeds, %d failed, %d faults\n", seeds, failed, faults
        exit failed > 0 }' log-*.txt
