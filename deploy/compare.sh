#!/usr/bin/env bash
# Measures another commit beside this one: both are built, and what is named runs on both in turn, so that what else the machine does
# falls on both alike.
#
#   .build-compare/COMMIT   the other commit and its build
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'HELP'
usage: deploy/compare.sh [--rounds N] COMMIT [simulate [ARGUMENT ...] | serve [ARGUMENT ...] | repair [ARGUMENT ...]]

Builds COMMIT beside the working tree, runs the named thing on both by turns N times each (default 5) and prints each
run, both medians and their ratio: above 1 the working tree is faster.

  simulate   `hearsay simulate` with the arguments (default: --count 100): the processor time
  repair     `hearsay bench repair` with the arguments: the processor time, of its nodes too
  serve      `hearsay bench serve` of this tree with the arguments (default: --get-share 0 --pipeline 16 --seconds 10)
             against a new node of each: requests a second

Exit codes: 0 measured, 64 wrong usage, 69 something is missing, 70 a build failed, 1 a run failed.
HELP
}

rounds=5
while (($# > 0)); do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --rounds)
            [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || fail 64 "--rounds takes a whole number from 1 on, not: ${2:-nothing}"
            rounds=$2
            shift
            ;;
        -*) fail 64 "unknown argument: $1 (deploy/compare.sh --help)" ;;
        *) break ;;
    esac
    shift
done
(($# > 0)) || fail 64 "which commit? (deploy/compare.sh --help)"
commit=$(git -C "$repository" rev-parse --verify --quiet "$1^{commit}") || fail 64 "there is no commit $1"
shift
command=${1:-simulate}
(($# == 0)) || shift
arguments=("$@")
case $command in
    simulate)
        subcommand=(simulate)
        ((${#arguments[@]} > 0)) || arguments=(--count 100)
        ;;
    repair) subcommand=(bench repair) ;;
    serve)
        subcommand=(bench serve)
        ((${#arguments[@]} > 0)) || arguments=(--get-share 0 --pipeline 16 --seconds 10)
        ;;
    *) fail 64 "nothing is called $command (deploy/compare.sh --help)" ;;
esac

need_packages "${build_packages[@]}"
build_release
ours=$hearsay
other=$repository/.build-compare/$commit
if [[ ! -x $other/.build-release/release/hearsay ]]; then
    rm -rf "$other"
    mkdir -p "$other"
    git -C "$repository" archive "$commit" | tar -x -C "$other"
    run_quietly "Building ${commit:0:12} beside it" swift build --package-path "$other" --scratch-path "$other/.build-release" \
        --configuration release --static-swift-stdlib --product hearsay || fail 70 "the build of ${commit:0:12} failed"
fi
theirs=$other/.build-release/release/hearsay

log=$(mktemp)
folder=$(mktemp -d)
node=
end_node() {
    [[ -z $node ]] || { kill "$node" && wait "$node"; } 2>/dev/null || true
    node=
}
trap 'end_node; rm -rf "$folder" "$log" "$log.time" "$log.node"' EXIT

# The processor seconds, user and system, that one run and its children took.
run_once() {
    local status=0 TIMEFORMAT='%U %S'
    { time "$1" "${subcommand[@]}" "${arguments[@]}" </dev/null >"$log" 2>&1; } 2>"$log.time" || status=$?
    if ((status != 0)); then
        tail -n 20 "$log" >&2
        fail 1 "$1 ${subcommand[*]} ${arguments[*]} failed"
    fi
    awk '{ printf "%.2f\n", $1 + $2 }' "$log.time"
}

# What a new node of a program answers a second.
serve_once() {
    local port='' rate
    rm -rf "$folder/data"
    "$1" node --data "$folder/data" --listen 127.0.0.1:0 >/dev/null 2>"$log.node" &
    node=$!
    until port=$(sed -n '/ready/s/.*listen=127\.0\.0\.1:\([0-9]*\).*/\1/p' "$log.node") && [[ -n $port ]]; do
        kill -0 "$node" 2>/dev/null || fail 1 "$1 node ended: $(tail -n 1 "$log.node")"
        sleep 0.05
    done
    "$ours" "${subcommand[@]}" --port "$port" --json "${arguments[@]}" </dev/null >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        end_node
        fail 1 "the run failed"
    }
    end_node
    rate=$(sed -n 's/.*"rate":\([0-9.]*\).*/\1/p' "$log" | tail -n 1)
    printf '%s\n' "$rate"
}

measure_once() { if [[ $command == serve ]]; then serve_once "$1"; else run_once "$1"; fi; }

median() { printf '%s\n' "$@" | sort -n | awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'; }

unit="s of processor time"
[[ $command != serve ]] || unit="requests a second"
our_times=()
their_times=()
for ((round = 1; round <= rounds; round++)); do
    # Who comes first changes, as a machine that warms up or cools down would favour one.
    if ((round % 2)); then
        ours_took=$(measure_once "$ours")
        theirs_took=$(measure_once "$theirs")
    else
        theirs_took=$(measure_once "$theirs")
        ours_took=$(measure_once "$ours")
    fi
    our_times+=("$ours_took")
    their_times+=("$theirs_took")
    say "round $round: this tree $ours_took, ${commit:0:12} $theirs_took $unit"
done
ours_median=$(median "${our_times[@]}")
theirs_median=$(median "${their_times[@]}")
awk -v ours="$ours_median" -v theirs="$theirs_median" -v commit="${commit:0:12}" -v what="${subcommand[*]} ${arguments[*]}" -v unit="$unit" \
    'BEGIN { printf "%s: this tree %.2f, %s %.2f %s (medians), ratio %.3f\n", what, ours, commit, theirs, unit, unit ~ /^s / ? theirs / ours : ours / theirs }'
