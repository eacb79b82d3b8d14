#!/usr/bin/env bash
# Plants faults, one at a time, and requires the check that each names to fail: a test that cannot fail proves nothing.
#
#   Tests/Faults/NAME.patch   what is planted, applied to a temporary checkout
#
# The first lines of a patch say what must notice it, one or both of:
#   Check: REGULAR EXPRESSION        tests that must fail
#   Simulate: CHECKS SEEDS           checks of the simulator, with | between them, one of which must fail within so many histories
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'HELP'
usage: deploy/faults.sh [--simulate-only] [NAME ...]

Plants each fault of Tests/Faults, or those named, in a temporary checkout of the last commit, and requires the tests
and the checks of the simulator that its patch names to fail there. With --simulate-only the tests are not run.
Exit code 1: a fault was not noticed.
HELP
}

runs_tests=1
names=()
while (($# > 0)); do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --simulate-only) runs_tests=0 ;;
        -*) fail 64 "unknown argument: $1 (deploy/faults.sh --help)" ;;
        *)
            [[ -r $repository/Tests/Faults/$1.patch ]] || fail 64 "there is no fault $1 in Tests/Faults"
            names+=("$1")
            ;;
    esac
    shift
done
((${#names[@]} > 0)) || for patch in "$repository"/Tests/Faults/*.patch; do names+=("$(basename "$patch" .patch)"); done

need_packages "${build_packages[@]}"
need_swift
checkout=$(mktemp -d)
trap 'rm -rf "$checkout"' EXIT
git -C "$repository" archive HEAD | tar -x -C "$checkout"
flags=(--package-path "$checkout")

# The tests that must fail: a line that says which did first, or that none did.
check_tests() {
    local status=0 first
    timeout 900 swift test --skip-build "${flags[@]}" --filter "$2" </dev/null >"$checkout/log" 2>&1 || status=$?
    if ((status == 0)); then
        say "MISSED: $1: $2 passes all the same"
        return 1
    fi
    first=$(grep -E '✘ Test ".*" (failed|with)' "$checkout/log" | head -n 1 | sed -E 's/^✘ Test "(.*)" (with .*)?failed.*/\1/')
    if [[ -z $first ]]; then
        say "MISSED: $1: no test failed, and the run ended with an error"
        return 1
    fi
    say "noticed: $1, by $first"
}

# The checks of the simulator of which one must fail within so many histories.
check_histories() {
    local name=$1 checks=$2 seeds=$3 found
    timeout 3600 "$checkout/.build/debug/hearsay" simulate --count "$seeds" --no-shrink --stop </dev/null >"$checkout/log" 2>&1 || true
    found=$(grep -E "FAILED: ($checks):" "$checkout/log" | head -n 1 | cut -c 1-160 || true)
    if [[ -z $found ]]; then
        say "MISSED: $name: none of $checks failed in $seeds histories, but: $({ grep FAILED "$checkout/log" || tail -n 1 "$checkout/log"; } | cut -c 1-160)"
        return 1
    fi
    say "noticed: $name, $found"
}

missed=0
for name in "${names[@]}"; do
    patch=$repository/Tests/Faults/$name.patch
    check=$(sed -n '1,2s/^Check: //p' "$patch")
    read -r checks seeds < <(sed -n '1,2s/^Simulate: //p' "$patch") || true
    [[ -n $check || -n ${seeds:-} ]] || fail 64 "$patch does not say what must fail"
    ((runs_tests)) || check=
    [[ -n $check || -n ${seeds:-} ]] || continue
    patch --quiet --strip 1 --directory "$checkout" <"$patch" || fail 1 "$name does not apply any more"
    # What was built with the fault before is not always taken for stale, and then it does not link.
    if ! run_quietly "Building with $name" swift build --build-tests "${flags[@]}"; then
        rm -rf "$checkout/.build"
        run_quietly "Building with $name from nothing" swift build --build-tests "${flags[@]}" || fail 1 "it does not build"
    fi
    [[ -z $check ]] || check_tests "$name" "$check" || missed=1
    [[ -z ${seeds:-} ]] || check_histories "$name" "$checks" "$seeds" || missed=1
    patch --quiet --reverse --strip 1 --directory "$checkout" <"$patch"
done
exit "$missed"
