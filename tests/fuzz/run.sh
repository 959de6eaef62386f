#!/bin/sh
# Fuzzes: sh tests/fuzz/run.sh [TARGET [EXECUTIONS]], without a target all of them, ten million times each. Needs
# cargo-fuzz; RUSTC_BOOTSTRAP lets a stable toolchain do what it wants of a nightly one. What is found goes to
# tests/fuzz/found, what fails to tests/fuzz/artifacts. SANITIZER=address is slower and sees more.
set -eu
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1
targets=${1:-decode pieces record names mail format hub}
for target in $targets; do
    mkdir -p "found/$target"
    echo "== $target"
    cargo fuzz run --fuzz-dir . --sanitizer "${SANITIZER:-none}" "$target" "found/$target" "corpus/$target" -- \
        "-runs=${2:-10000000}" -max_len=4096 -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 -verbosity=0
done
