#!/usr/bin/env bash
# The long campaigns: the same tests as deploy/test.sh, more rounds and seeds, processes built with optimisation; then fuzzing.
#
#   HEARSAY_SEEDS          seeds for each seeded suite (default 200)
#   HEARSAY_FUZZ_SECONDS   for each fuzz target (default 600)
#   FILTER                 the one argument: which suites (default: storage and processes); with one there is no fuzzing
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

(($# <= 1)) || fail 64 "usage: deploy/soak.sh [FILTER]"
filter=${1:-StorageTests|ClusterTests}
export HEARSAY_SOAK=1
export HEARSAY_SEEDS=${HEARSAY_SEEDS:-200}
[[ $HEARSAY_SEEDS =~ ^[1-9][0-9]{0,8}$ ]] || fail 64 "HEARSAY_SEEDS takes a whole number from 1 on, not: $HEARSAY_SEEDS"
fuzz_seconds=${HEARSAY_FUZZ_SECONDS:-600}
[[ $fuzz_seconds =~ ^[1-9][0-9]{0,5}$ ]] || fail 64 "HEARSAY_FUZZ_SECONDS takes a whole number from 1 on, not: $fuzz_seconds"

need_packages "${build_packages[@]}" "${client_packages[@]}"
build_release
export HEARSAY_TEST_BINARY=$hearsay
say "Soak: $filter with HEARSAY_SEEDS=$HEARSAY_SEEDS."
"$repository/deploy/test.sh" "$filter"
(($# > 0)) || exec "$repository/deploy/fuzz.sh" --seconds "$fuzz_seconds"
