#!/bin/sh
# qmsg beside other ways to send messages.   sh tests/bench/peers.sh DIR [--peer P,Q] [WORKLOAD ...]
# DIR has the other programs and the driver (run-all.sh, bench.py), which takes the rest; peer.json
# tells it about qmsg. All that is built goes to one directory, all that runs listens on loopback.
set -eu
[ $# -gt 0 ] || { sed -n '2,4s/^# //p' "$0"; exit 2; }
peers=$(cd "$1" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
# The same as the driver's, which looks for programs there.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-/tmp/bench-target}" BENCH_RUN="${BENCH_RUN:-/tmp/bench-run}"
# From here, where .cargo/config.toml counts.
(cd "$here/../.." && cargo build --release --locked --quiet --bin qmsg --example qmsg-peer)
# Profiles of alice and bob, beside the server's data.
export XDG_DATA_HOME="$BENCH_RUN" BENCH_TOOL="$here/peer.json"
unset QMSG_SERVER QMSG_AS QMSG_TIMEOUT
exec "$peers/run-all.sh" "$@"
