#!/bin/sh
# Fuzzes: sh tests/fuzz/run.sh [TARGET [EXECUTIONS]], without a target all of them, ten million times each. Needs
# cargo-fuzz; RUSTC_BOOTSTRAP lets a stable toolchain do what cargo-fuzz wants of a nightly one. What is found goes to
# target/fuzz/found, what fails to target/fuzz/failed. SANITIZER=address is slower and sees more.
set -eu
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1
out=../../target/fuzz
for target in ${1:-decode pieces record names mail format hub}; do
    mkdir -p "$out/found/$target" "$out/failed"
    echo "== $target"
    # Runs of the hub are as long as their inputs, so these are shorter.
    case $target in hub) length=128 ;; *) length=4096 ;; esac
    cargo fuzz run -O --fuzz-dir . --target-dir "$out/build" --sanitizer "${SANITIZER:-none}" "$target" \
        "$out/found/$target" "corpus/$target" -- "-runs=${2:-10000000}" "-max_len=$length" -rss_limit_mb=2048 \
        -timeout=60 -print_final_stats=1 -verbosity=0 "-artifact_prefix=$out/failed/$target-"
done
