#!/bin/sh
# Fuzzing: sh tests/fuzz/run.sh [TARGET [EXECUTIONS]], by default every target with ten million executions. Needs
# cargo-fuzz; RUSTC_BOOTSTRAP lets a stable toolchain do what cargo-fuzz expects of a nightly one. New inputs go to
# target/fuzz/found, failures to target/fuzz/failed. SANITIZER=address is slower and finds more.
set -eu
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1
out=../../target/fuzz
for target in ${1:-decode pieces record names mail format hub}; do
    mkdir -p "$out/found/$target" "$out/failed"
    echo "== $target"
    # A run of the hub is as long as its input, so inputs are shorter there.
    case $target in hub) length=128 ;; *) length=4096 ;; esac
    cargo fuzz run -O --fuzz-dir . --target-dir "$out/build" --sanitizer "${SANITIZER:-none}" "$target" \
        "$out/found/$target" "corpus/$target" -- "-runs=${2:-10000000}" "-max_len=$length" -rss_limit_mb=2048 \
        -timeout=60 -print_final_stats=1 -verbosity=0 "-artifact_prefix=$out/failed/$target-"
done
