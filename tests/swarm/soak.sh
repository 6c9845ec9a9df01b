#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Random seeds of the simulator for hours; what fails is kept.
#
#   tests/swarm/soak.sh SIMULATE [HOURS [FOLDER]]
#
# 8 hours by default, one process a processor, each on seeds of its own that no run had before: as
# they are, and by turns such that look at one phase (`focus` in floors.txt). A failing seed is
# shrunk and kept in FOLDER (soak/) as replay-SEED.txt, and told in its log and, with the command
# that runs it again, at the end; a simulator that does not run at all counts as a failure, and ends
# the soak. A terminal sees how far it is. The last line counts what all runs into this folder did,
# also one that is stopped (Ctrl-C, TERM); exit status 0: nothing failed.
set -u
mapfile -t looks < <(sed -n 's/^focus \([a-z]* [A-Z]*\) .*/\1/p' "$(dirname "$0")/floors.txt")
simulate=$(realpath "${1:?usage: soak.sh SIMULATE [HOURS [FOLDER]]}")
hours=${2:-8}
case $hours in
  *[!0-9.]* | *.*.* | .)
    echo "soak.sh: $hours: expected hours: 8 or 0.5" >&2
    exit 2
    ;;
esac
folder=${3:-soak}
mkdir -p "$folder" && cd "$folder" || exit 2
end=$((SECONDS + $(awk "BEGIN { print int($hours * 3600) }")))
base=$(date +%s%N)

worker() {
  local seed=$((base + $1 * 1000000000000000)) log=log-$base-$1.txt turn=$1 look
  while [ "$SECONDS" -lt "$end" ]; do
    look=()
    [ $((turn % 2)) -eq 0 ] || read -ra look <<<"${looks[turn / 2 % ${#looks[@]}]}"
    "$simulate" swarm "$seed" 500 shrink "${look[@]}" 2>>"$log" | grep -v '^rows' >>"$log"
    status=${PIPESTATUS[0]}
    if [ "$status" -gt 1 ]; then # it did not run: no other seeds will
      echo "0 seeds, 1 failed: $simulate ends with $status" | tee -a "$log" >&2
      return
    fi
    seed=$((seed + 500)) turn=$((turn + 1))
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
told() {
  cat log-*.txt 2>/dev/null | awk -v past="$SECONDS" -v left=$((end - SECONDS)) '
    / seeds, / { seeds += $1; failed += $3 }
    END { printf "\r%.2f h, %.2f h left, %d seeds, %d failed\033[K", past / 3600,
          (left > 0 ? left : 0) / 3600, seeds, failed }' >&2
}
while kill -0 "${workers[@]}" 2>/dev/null; do
  [ -t 2 ] && told
  sleep 1 &
  wait $! 2>/dev/null # a signal ends it, and the workers
done
[ -t 2 ] && printf '\r\033[K' >&2
grep -h '^seed ' log-*.txt |
  sed "s|^seed \([0-9]*\): \(.*\)|\2\n    $simulate replay $PWD/replay-\1.txt|"
awk '/ seeds, / { seeds += $1; failed += $3; faults += $7 }
  END { printf "%d seeds, %d failed, %d faults\n", seeds, failed, faults
        exit failed > 0 || seeds == 0 }' log-*.txt
