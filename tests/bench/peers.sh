#!/bin/sh
# qmsg beside other ways to send messages.   sh tests/bench/peers.sh DIR [--peer P,Q] [WORKLOAD ...]
# DIR holds the other programs and the driver (run-all.sh, bench.py), which gets the rest; peer.json
# describes qmsg to it. All builds go to one directory, all servers listen on loopback.
set -eu
[ $# -gt 0 ] || { sed -n '2,4s/^# //p' "$0"; exit 2; }
peers=$(cd "$1" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
# The driver looks for programs in the same place.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-/tmp/bench-target}" BENCH_RUN="${BENCH_RUN:-/tmp/bench-run}"
# Built from here, so that .cargo/config.toml applies.
(cd "$here/../.." && cargo build --release --locked --quiet --bin qmsg --example qmsg-peer)
# Profiles of alice and bob, beside the server's data.
export XDG_DATA_HOME="$BENCH_RUN" BENCH_TOOL="$here/peer.json"
unset QMSG_SERVER QMSG_AS QMSG_TIMEOUT
exec "$peers/run-all.sh" "$@"
