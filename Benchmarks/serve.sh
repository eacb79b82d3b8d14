#!/usr/bin/env bash
# Compares a node with redis-server by redis-benchmark, in turn and in the same minute, and prints the medians and their ratio.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh disable=SC1091
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
Usage: serve.sh HEARSAY [--keys N] [--runs N] [--scale PERCENT] [--only PATTERN] [--folder DIR]

  HEARSAY     the release binary
  --keys      keys loaded into each server (1000000)
  --runs      runs of each test, an odd number; their median counts (5)
  --scale     per cent of the usual number of requests (100)
  --only      the tests whose names match a regular expression, such as '^SET always$' (all)
  --folder    where both servers keep their data (${TMPDIR:-/tmp})

Exit code 1: a GET missed, or a ratio is below what the project asks for.
USAGE
}

keys=1000000
runs=5
scale=100
only=
folder=${TMPDIR:-/tmp}
take_options 1 "keys runs scale only folder" "$@"
hearsay=${operands[0]}
need redis-server redis-benchmark redis-cli awk
if [ $((runs % 2)) -eq 0 ]; then fail "--runs must be odd"; fi
begin_work "$folder"

below=0

# One run of redis-benchmark: requests per second.
rate() {
    local port=$1 test=$2 pipeline=$3 requests=$4 output
    output=$(redis-benchmark -p "$port" -r "$keys" -d 100 -c 50 -P "$pipeline" -t "$test" -n "$requests" --csv 2>&1) || fail "redis-benchmark: $output"
    printf '%s\n' "$output" | awk -F'","' '/^"(SET|GET)/ { print $2; found = 1 } END { exit !found }' || fail "redis-benchmark: $output"
}

hits() { info_field "$1" stats keyspace_hits; }
misses() { info_field "$1" stats keyspace_misses; }

# A run of GETs in which every key must be found, by the server's own count.
checked_rate() {
    local port=$1 requests=$4 hits_before misses_before result
    if [ "$2" != get ]; then
        rate "$@"
        return
    fi
    hits_before=$(hits "$port")
    misses_before=$(misses "$port")
    result=$(rate "$@")
    if [ "$(misses "$port")" -ne "$misses_before" ]; then fail "GETs on port $port missed"; fi
    if [ $(($(hits "$port") - hits_before)) -lt "$requests" ]; then fail "port $port counted fewer hits than GETs were sent"; fi
    printf '%s\n' "$result"
}

# compare NAME TEST PIPELINE REQUESTS FLOOR
compare() {
    local name=$1 test=$2 pipeline=$3 requests=$(($4 * scale / 100)) floor=$5 run ours theirs ratio verdict=ok
    [[ $name =~ $only ]] || return 0
    : >"$work_folder/ours"
    : >"$work_folder/theirs"
    for run in $(seq "$runs"); do
        # Whoever goes first finds the machine as the other left it: take turns at that too.
        if [ $((run % 2)) -eq 1 ]; then
            checked_rate "$node_port" "$test" "$pipeline" "$requests" >>"$work_folder/ours"
            checked_rate "$redis_port" "$test" "$pipeline" "$requests" >>"$work_folder/theirs"
        else
            checked_rate "$redis_port" "$test" "$pipeline" "$requests" >>"$work_folder/theirs"
            checked_rate "$node_port" "$test" "$pipeline" "$requests" >>"$work_folder/ours"
        fi
    done
    ours=$(median <"$work_folder/ours")
    theirs=$(median <"$work_folder/theirs")
    ratio=$(calculate "$ours / $theirs" %.2f)
    if holds "$ours < $floor * $theirs"; then
        verdict=BELOW
        below=1
    fi
    printf '%-24s %12.0f %12.0f %7s %7s  %-6s %s | %s\n' "$name" "$ours" "$theirs" "$ratio" "$floor" "$verdict" \
        "$(sort -g "$work_folder/ours" | awk '{ printf "%.0f ", $1 }')" "$(sort -g "$work_folder/theirs" | awk '{ printf "%.0f ", $1 }')"
}

# begin DURABILITY APPENDFSYNC: both servers, freshly loaded.
begin() {
    start_node "$hearsay" "$work_folder/node-$1" "$1"
    start_redis "$work_folder/redis-$2" "$2"
    load_keys "$hearsay" "$node_port" "$keys" >/dev/null || fail "loading the node failed"
    load_keys "$hearsay" "$redis_port" "$keys" >/dev/null || fail "loading redis-server failed"
}

end() {
    stop_node
    stop_redis
    rm -rf "$work_folder"/node-* "$work_folder"/redis-*
}

printf '%s keys, 100 B values, 50 clients, medians of %s; requests per second\n' "$keys" "$runs"
printf '%-24s %12s %12s %7s %7s  %-6s %s\n' test hearsay redis ratio floor '' 'all runs: hearsay | redis'
begin always always
compare 'SET always' set 1 200000 0.85
compare 'SET always -P 16' set 16 1000000 0.9
compare 'GET' get 1 400000 0.85
compare 'GET -P 16' get 16 2000000 0.85
compare 'GET -P 64' get 64 3000000 0.85
end
begin interval everysec
compare 'SET interval' set 1 300000 0.8
compare 'SET interval -P 16' set 16 1000000 1.0
end
exit "$below"
