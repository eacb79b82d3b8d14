#!/usr/bin/env bash
# The long campaigns: the same tests as deploy/test.sh, more rounds and seeds, processes built with optimisation; simulated histories; then
# fuzzing.
#
#   HEARSAY_SEEDS          seeds for each seeded suite (default 200)
#   HEARSAY_HISTORIES      simulated histories behind those that the tests play (default 20000)
#   HEARSAY_FUZZ_SECONDS   for each fuzz target (default 600)
#   FILTER                 the one argument: which suites (default: storage and processes), or "simulate" for the histories alone; with one there
#                          is nothing else
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

(($# <= 1)) || fail 64 "usage: deploy/soak.sh [FILTER]"
filter=${1:-StorageTests|ClusterTests}
export HEARSAY_SOAK=1
export HEARSAY_SEEDS=${HEARSAY_SEEDS:-200}
[[ $HEARSAY_SEEDS =~ ^[1-9][0-9]{0,8}$ ]] || fail 64 "HEARSAY_SEEDS takes a whole number from 1 on, not: $HEARSAY_SEEDS"
histories=${HEARSAY_HISTORIES:-20000}
[[ $histories =~ ^[1-9][0-9]{0,8}$ ]] || fail 64 "HEARSAY_HISTORIES takes a whole number from 1 on, not: $histories"
fuzz_seconds=${HEARSAY_FUZZ_SECONDS:-600}
[[ $fuzz_seconds =~ ^[1-9][0-9]{0,5}$ ]] || fail 64 "HEARSAY_FUZZ_SECONDS takes a whole number from 1 on, not: $fuzz_seconds"

need_packages "${build_packages[@]}" "${client_packages[@]}"
build_release
export HEARSAY_TEST_BINARY=$hearsay

# As many processes as there are processors, each with its share of the seeds. The tests play the first thousand.
simulate() {
    local workers first=1001 count=$1 share pids=() status=0 log index
    workers=$(nproc)
    log=$(mktemp -d)
    share=$(((count + workers - 1) / workers))
    say "Simulating $count histories from seed $first on ..."
    for ((index = 0; index < workers; index++)); do
        "$hearsay" simulate --seed "$((first + index * share))" --count "$share" --stop </dev/null >"$log/$index" 2>&1 &
        pids+=($!)
    done
    for index in "${!pids[@]}"; do
        wait "${pids[index]}" || status=1
        grep -A 200 'FAILED' "$log/$index" >&2 || true
        tail -n 2 "$log/$index" >&2
    done
    rm -rf "$log"
    ((status == 0)) || fail 1 "a history showed a fault, see above"
}

if [[ $filter == simulate ]]; then
    simulate "$histories"
    exit 0
fi
say "Soak: $filter with HEARSAY_SEEDS=$HEARSAY_SEEDS."
"$repository/deploy/test.sh" "$filter"
(($# == 0)) || exit 0
simulate "$histories"
exec "$repository/deploy/fuzz.sh" --seconds "$fuzz_seconds"
