#!/bin/sh
# The tables and curves of docs/PERFORMANCE.md from readings.
#     sh tests/bench/report.sh RESULTS.json GROWTH.json
# RESULTS.json is written by tests/bench/peers.sh ($BENCH_RUN/results.json), GROWTH.json by
# cargo bench --bench growth (target/growth.json). - for one of them leaves its part as it is.
set -eu
[ $# -eq 2 ] || { sed -n '2,5s/^# //p' "$0"; exit 2; }
absolute() {
    case $1 in -|/*) printf '%s' "$1" ;; *) printf '%s' "$PWD/$1" ;; esac
}
results=$(absolute "$1") growth=$(absolute "$2")
cd "$(dirname "$0")/../.."
exec cargo run --quiet --locked --example qmsg-report -- "$results" "$growth" docs
