#!/usr/bin/env bash
# The long campaigns: the same tests as deploy/test.sh, more rounds and seeds, processes built with optimisation.
#
#   HEARSAY_SEEDS   seeds for each seeded suite (default 200)
#   FILTER          the one argument: which suites (default: storage and processes)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

(($# <= 1)) || fail 64 "usage: deploy/soak.sh [FILTER]"
filter=${1:-StorageTests|ClusterTests}
export HEARSAY_SOAK=1
export HEARSAY_SEEDS=${HEARSAY_SEEDS:-200}
[[ $HEARSAY_SEEDS =~ ^[1-9][0-9]{0,8}$ ]] || fail 64 "HEARSAY_SEEDS takes a whole number from 1 on, not: $HEARSAY_SEEDS"

need_packages "${build_packages[@]}" "${client_packages[@]}"
build_release
export HEARSAY_TEST_BINARY=$hearsay
say "Soak: $filter with HEARSAY_SEEDS=$HEARSAY_SEEDS."
exec "$repository/deploy/test.sh" "$filter"
