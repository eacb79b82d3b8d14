#!/usr/bin/env bash
# Installs what is missing, builds, lints and runs the tests: all of them, or those whose names match the one argument.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# Only what is declared may be imported; the same flags for both steps, so the second one finds everything built.
build_flags=(--package-path "$repository" --explicit-target-dependency-import-check error)

usage() {
    cat <<'HELP'
usage: deploy/test.sh [FILTER]

Installs what is missing, builds, lints and runs the tests. FILTER is a regular expression over
Module.Suite/test names, as of `swift test --filter`; without it all tests run.
HELP
}

lint() {
    (cd "$repository" && swift format lint --strict --recursive --parallel Sources Tests Benchmarks Package.swift)
}

run_tests() {
    local filter=() log status=0 started=$SECONDS
    [[ -z $1 ]] || filter=(--filter "$1")
    log=$(mktemp)
    ulimit -n "$(ulimit -Hn)"  # Some tests hold thousands of connections.
    swift test --skip-build "${build_flags[@]}" "${filter[@]}" </dev/null 2>&1 | tee "$log" || status=$?
    tests=$(sed -nE 's/.*Test run with ([0-9]+) tests? in .* passed .*/\1/p' "$log" | tail -n 1)
    rm -f "$log"
    ((status == 0)) || fail 1 "tests failed, see above"
    ((${tests:-0} > 0)) || fail 1 "no test ran"  # A filter that matches nothing must not look like success.
    tests_took=$((SECONDS - started))
}

case ${1:-} in
    --help | -h) usage && exit 0 ;;
    -*) fail 64 "unknown argument: $1 (deploy/test.sh --help)" ;;
esac
(($# <= 1)) || fail 64 "one filter at most (deploy/test.sh --help)"

need_packages "${build_packages[@]}" "${client_packages[@]}"
need_swift
need_redis_py
run_quietly "Linting" lint || fail 1 "the sources are not formatted as .swift-format says; \`swift format -i FILE\` does most of it"
run_quietly "Building (the first time this takes some minutes)" swift build --build-tests "${build_flags[@]}" || fail 1 "the build failed"
[[ -n ${1:-} ]] || run_quietly "Building the benchmarks" swift build --package-path "$repository/Benchmarks" || fail 1 "the benchmarks do not build"
run_tests "${1:-}"
say "Passed: build, lint and $tests tests${1:+ that match $1} ($tests_took s for the tests)."
