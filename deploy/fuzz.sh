#!/usr/bin/env bash
# Feeds whatever libFuzzer makes up to all that reads bytes from outside, with the address sanitizer.
#
#   Tests/Fuzz/Corpus/TARGET   where it begins: valid inputs, and those that failed once
#   .build-fuzz                the programs; and in failed/TARGET inputs that fail, in corpus/TARGET and corpus-long/TARGET what an earlier run found
#                              worth going on from
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'HELP'
usage: deploy/fuzz.sh [--seconds N] [TARGET ...]

Builds and runs the fuzz targets of Tests/Fuzz, or those named, each for N seconds (default 60). Exit code 1: an input
made one crash, hang for 5 s, hold too much memory, or miss a property that its check demands; its path is printed.
`.build-fuzz/debug/FuzzTARGET PATH` runs it again; keep it in Tests/Fuzz/Corpus/TARGET once the fault is found.
HELP
}

seconds=60
targets=()
while (($# > 0)); do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --seconds)
            [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || fail 64 "--seconds takes a whole number from 1 on, not: ${2:-nothing}"
            seconds=$2
            shift
            ;;
        -*) fail 64 "unknown argument: $1 (deploy/fuzz.sh --help)" ;;
        *)
            [[ -r $repository/Tests/Fuzz/$1.swift ]] || fail 64 "there is no target $1 in Tests/Fuzz"
            targets+=("$1")
            ;;
    esac
    shift
done
((${#targets[@]} > 0)) || for file in "$repository"/Tests/Fuzz/*.swift; do targets+=("$(basename "$file" .swift)"); done

need_packages "${build_packages[@]}"
need_swift
scratch=$repository/.build-fuzz

export HEARSAY_FUZZ=1  # Package.swift declares the programs.
# The counters have to be asked for: SwiftPM hands on both sanitizers as flags of their own, and the compiler then forgets those of the first.
build_flags=(
    --package-path "$repository" --scratch-path "$scratch" --sanitize fuzzer --sanitize address
    -Xswiftc "-sanitize-coverage=edge,indirect-calls,trace-cmp,inline-8bit-counters,pc-table"
)

# fuzz TARGET LOG SECONDS LONGEST ARGUMENT...: runs a target with inputs of up to LONGEST bytes.
#
# Without the backtracer, which would take a trap from libFuzzer. Memory: 64 MiB at once is a length that was believed; the checks
# themselves hold each reader to twice its input and 64 KiB.
fuzz() {
    local target=$1 log=$2 seconds=$3 longest=$4
    shift 4
    mkdir -p "$scratch/corpus/$target" "$scratch/corpus-long/$target" "$scratch/failed/$target"
    SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 timeout -k 5 "$((seconds + 120))" \
        "$scratch/debug/Fuzz$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -malloc_limit_mb=64 -max_len="$longest" \
        -print_final_stats=1 -artifact_prefix="$scratch/failed/$target/" "$@" </dev/null >"$log" 2>&1
}

# Short inputs: libFuzzer makes none that are much longer than those it begins with, and of long ones it would make a thirtieth as many.
fuzz_short() {
    local seeds
    seeds=$(find "$repository/Tests/Fuzz/Corpus/$1" -type f -size -4097c | sort | paste -sd, -)
    fuzz "$1" "$2" "$((seconds - seconds / 4))" 4096 -seed_inputs="$seeds" "$scratch/corpus/$1"
}

# Long ones, for a quarter of the time: longer than a frame and than a line. In short ones 64 KiB hide what takes many times its input.
fuzz_long() {
    fuzz "$1" "$2" "$((seconds / 4 + 1))" 131072 -len_control=0 "$scratch/corpus-long/$1" "$repository/Tests/Fuzz/Corpus/$1"
}

# inputs_of LOG: what a run says of itself, if it has ended.
inputs_of() { sed -nE 's/^#([0-9]+)[[:space:]]+DONE[[:space:]]+cov: ([0-9]+) .*/\1 inputs, \2 edges covered/p' "$1"; }

# memory_of LOG: the whole program's greatest memory in MiB, the sanitizer's included.
memory_of() { sed -nE 's/^stat::peak_rss_mb:[[:space:]]+//p' "$1"; }

failed=0
log=$(mktemp)
long_log=$(mktemp)
trap 'rm -f "$log" "$long_log"' EXIT
for target in "${targets[@]}"; do
    : >"$long_log"
    run_quietly "Building $target" swift build "${build_flags[@]}" --product "Fuzz$target" || fail 70 "the build failed"
    say "Fuzzing $target for $seconds s ..."
    if fuzz_short "$target" "$log" && fuzz_long "$target" "$long_log"; then
        # A program without counters would run blindly, and never fail.
        grep -q ' cov: ' "$log" || fail 70 "$target was built without coverage"
        say "$target: $(inputs_of "$log"), at most $(memory_of "$log") MiB; of long inputs $(inputs_of "$long_log"), at most $(memory_of "$long_log") MiB."
    else
        failed=1
        cat "$long_log" >>"$log"
        grep -aE 'Fatal error|ERROR|SUMMARY' "$log" | cut -c 1-2000 >&2 || true
        say "FAILED: $target: $(sed -nE 's/.*Test unit written to //p' "$log" | tail -n 1)"
    fi
done
exit "$failed"
