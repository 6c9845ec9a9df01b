#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A live cluster on this machine, resharded under load by the stock redis-cli. Under 3 minutes.
#
#   examples/demo.sh             install what is missing (Debian packages), build, run, clean up
#   examples/demo.sh --keys N    options of examples/demo/demo.py; --help lists them
#
# Listens on 127.0.0.1 only. Data goes to a directory that is removed at the end, also on Ctrl-C;
# the build stays in build/demo (or $RESHARD_DEMO_BUILD).
set -eu
cd "$(dirname "$0")/.."
build=${RESHARD_DEMO_BUILD:-$PWD/build/demo}

packages=(
  gcc
  libc6-dev
  libcbor-dev
  liblmdb-dev
  libssl-dev
  libuv1-dev
  libxxhash-dev
  meson
  ninja-build
  pkg-config
  python3
  redis-tools
)

missing=()
for name in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${Status}' "$name" 2>/dev/null)" = 'install ok installed' ] ||
    missing+=("$name")
done
if [ ${#missing[@]} -gt 0 ]; then
  printf 'installing: %s\n' "${missing[*]}"
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -q </dev/null >/dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
    --no-install-recommends "${missing[@]}" </dev/null >/dev/null
fi

mkdir -p "$build"
printf 'building in %s\n' "$build"
if ! { { [ -f "$build/build.ninja" ] || CC=gcc meson setup "$build" -Dbuildtype=release \
  -Dtests=disabled -Dexamples=enabled; } &&
  ninja -C "$build" examples/slotd/slotd examples/load/load; } >"$build/demo.log" 2>&1; then
  tail -n 20 "$build/demo.log"
  printf 'the build failed; all of it: %s\n' "$build/demo.log"
  exit 1
fi

exec /usr/bin/python3 examples/demo/demo.py --server "$build/examples/slotd/slotd" \
  --load "$build/examples/load/load" "$@"
