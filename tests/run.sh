#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build and test everything, from a fresh clone.
#
#   tests/run.sh           packages, gcc, release, clang with ASan and UBSan, coverage, cppcheck,
#                          clang-tidy
#   tests/run.sh --quick   gcc only, and installs nothing
#
# Ends on "N passed, N failed": each Criterion test is one (as the program's closing line counts
# them), any other test one, each build and each linter one; what ran in two builds counts twice.
# Skipped is failed. The exit status is 0 only when nothing failed and something passed.
# Builds go to build/ (or $RESHARD_BUILD), logs beside them.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
builds=${RESHARD_BUILD:-$root/build}
python=/usr/bin/python3
quick=no
[ "${1:-}" = --quick ] && quick=yes

packages=(
  binutils
  clang
  clang-tidy
  cppcheck
  doxygen
  g++
  gcc
  gcovr
  libc6-dev
  libcbor-dev
  libclang-rt-14-dev
  libcriterion-dev
  liblmdb-dev
  libssl-dev
  libuv1-dev
  libxxhash-dev
  llvm-14
  meson
  ninja-build
  pkg-config
  python3
  python3-cbor2
  python3-cffi
  python3-redis
  redis-server
  redis-tools
)

passed=0
failed=0
failures=()

say() {
  printf '\n== %s (%d s, %d passed, %d failed so far)\n' "$1" "$SECONDS" "$passed" "$failed"
}

pass() {
  passed=$((passed + 1))
}

fail() {
  failed=$((failed + 1))
  failures+=("$1")
  printf 'FAILED: %s\n' "$1"
}

# step NAME COMMAND...: one pass or one failure; the output is shown only when it fails.
step() {
  local name=$1
  shift
  if "$@" >"$builds/$name.log" 2>&1 </dev/null; then
    pass
  else
    tail -n 60 "$builds/$name.log"
    fail "$name"
    return 1
  fi
}

install_packages() {
  local missing=() name as_root=()
  for name in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${Status}' "$name" 2>/dev/null)" = 'install ok installed' ] ||
      missing+=("$name")
  done
  command -v npm >/dev/null || missing+=(nodejs npm) # unless another Node.js is there
  [ ${#missing[@]} -eq 0 ] && return 0
  printf 'installing: %s\n' "${missing[*]}"
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -q </dev/null &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
      --no-install-recommends "${missing[@]}" </dev/null
}

# compile NAME CC OPTION...: configure and build; warnings are errors.
compile() {
  local name=$1 compiler=$2 again=()
  shift 2
  [ -f "$builds/$name/build.ninja" ] && again=(--reconfigure)
  CC=$compiler step "$name-setup" \
    meson setup "${again[@]}" "$builds/$name" "$root" -Dwerror=true "$@" &&
    step "$name-build" meson compile -C "$builds/$name"
}

# run_tests NAME: everything that the build has, counted from meson's own log.
run_tests() {
  local name=$1 good bad
  rm -f "$builds/$name/meson-logs/testlog.json"
  meson test -C "$builds/$name" --no-rebuild --print-errorlogs </dev/null
  read -r good bad < <("$python" tests/tools/count.py "$builds/$name" 2>"$builds/$name-failed.log")
  passed=$((passed + ${good:-0}))
  failed=$((failed + ${bad:-1}))
  while read -r line; do
    failures+=("$name: $line")
  done <"$builds/$name-failed.log"
}

# The second CBOR oracle lives outside Debian.
node_packages() {
  npm install --prefix "$builds/node" --no-audit --no-fund cbor2@2.3.0 cddl@0.21.2
}

# Stock cluster clients, as their authors publish them.
client_packages() {
  mkdir -p "$builds/clients" && cp tests/slotd/clients/package.json "$builds/clients/" &&
    npm install --prefix "$builds/clients" --no-audit --no-fund
}

run_cppcheck() {
  cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability \
    --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem \
    --suppress=nullPointerRedundantCheck -j 2 --library=posix -Iinclude -Isrc src
}

run_clang_tidy() {
  find src -name '*.c' -print0 |
    xargs -0 -n 4 -P 2 clang-tidy --quiet --warnings-as-errors='*' -p "$builds/clang"
}

mkdir -p "$builds"
if [ $quick = no ]; then
  say 'packages'
  install_packages || fail 'packages'
fi

say 'gcc: build'
if compile gcc gcc -Dtests=enabled -Dexamples=enabled; then
  say 'gcc: tests'
  run_tests gcc
fi

if [ $quick = no ]; then
  say 'release with link-time optimisation and benchmarks: build'
  if compile release gcc -Dbuildtype=release -Db_lto=true -Dbenchmarks=true -Dtests=disabled; then
    say 'benchmarks'
    step benchmarks meson test -C "$builds/release" --no-rebuild --benchmark --verbose
    cat "$builds/benchmarks.log"
  fi

  say 'clang, AddressSanitizer and UndefinedBehaviorSanitizer: build'
  if compile clang clang -Dtests=enabled -Dexamples=enabled \
    -Db_sanitize=address,undefined -Db_lundef=false \
    -Dc_args=-fno-sanitize-recover=all -Dfuzzers=true; then
    say 'clang, AddressSanitizer and UndefinedBehaviorSanitizer: tests'
    run_tests clang
  fi

  say 'mutants: bugs on purpose, each killed by two techniques'
  step mutants "$python" tests/mutants/run.py check "$builds/mutants"
  tail -n 1 "$builds/mutants.log"

  say 'coverage of the core'
  step coverage env RESHARD_BUILD="$builds" bash tests/tools/coverage.sh 100 95 &&
    tail -n 12 "$builds/coverage.log"

  say 'wire bytes, checked by npm cbor2'
  step node-packages node_packages &&
    step oracle-node node tests/oracle/oracle.mjs "$builds/node/node_modules" \
      "$builds/gcc/tests/oracle/wire-samples" tests/data/reshard.cddl

  say 'slotd under npm clients'
  step client-packages client_packages &&
    step slotd-clients env SLOTD="$builds/gcc/examples/slotd/slotd" \
      "$python" tests/slotd/e2e_clients.py "$builds/clients/node_modules"

  say 'cppcheck'
  step cppcheck run_cppcheck
  say 'clang-tidy'
  step clang-tidy run_clang_tidy
fi

say 'done'
for failure in "${failures[@]}"; do
  printf 'failed: %s\n' "$failure"
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
