#!/usr/bin/env bash
# Plants faults, one at a time, and requires the check that each names to fail: a test that cannot fail proves nothing.
#
#   Tests/Faults/NAME.patch   what is planted, applied to a temporary checkout
#
# The first line of a patch says which tests must fail: "Check: REGULAR EXPRESSION".
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'HELP'
usage: deploy/faults.sh [NAME ...]

Plants each fault of Tests/Faults, or those named, in a temporary checkout of the last commit, and requires the tests
that its patch names to fail there. Exit code 1: a fault was not noticed.
HELP
}

case ${1:-} in
    --help | -h) usage && exit 0 ;;
    -*) fail 64 "unknown argument: $1 (deploy/faults.sh --help)" ;;
esac

need_packages "${build_packages[@]}"
need_swift
checkout=$(mktemp -d)
trap 'rm -rf "$checkout"' EXIT
git -C "$repository" archive HEAD | tar -x -C "$checkout"
flags=(--package-path "$checkout")

# Builds the checkout and runs the tests that a fault names; true where they pass.
passes() {
    run_quietly "Building" swift build --build-tests "${flags[@]}" || fail 1 "it does not build"
    timeout 900 swift test --skip-build "${flags[@]}" --filter "$1" </dev/null >"$checkout/log" 2>&1
}

names=("$@")
((${#names[@]} > 0)) || for patch in "$repository"/Tests/Faults/*.patch; do names+=("$(basename "$patch" .patch)"); done

missed=0
for name in "${names[@]}"; do
    patch=$repository/Tests/Faults/$name.patch
    [[ -r $patch ]] || fail 64 "there is no fault $name in Tests/Faults"
    check=$(sed -n '1s/^Check: //p' "$patch")
    [[ -n $check ]] || fail 64 "$patch does not say which check must fail"
    patch --quiet --strip 1 --directory "$checkout" <"$patch" || fail 1 "$name does not apply any more"
    if passes "$check"; then
        say "MISSED: $name: $check passes all the same"
        missed=1
    elif grep -qE '✘ Test' "$checkout/log"; then
        say "noticed: $name, by $(grep -E '✘ Test ".*" (failed|with)' "$checkout/log" | head -n 1 | sed -E 's/^✘ Test "(.*)" (with .*)?failed.*/\1/')"
    else
        say "MISSED: $name: no test failed, and the run ended with an error"
        missed=1
    fi
    patch --quiet --reverse --strip 1 --directory "$checkout" <"$patch"
done
exit "$missed"
