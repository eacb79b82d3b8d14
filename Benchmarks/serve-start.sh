#!/usr/bin/env bash
# How soon a node with a million entries is ready, after a clean stop and after kill -9, and what an empty idle node costs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh disable=SC1091
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
Usage: serve-start.sh HEARSAY [--keys N] [--logged N] [--runs N] [--idle SECONDS] [--folder DIR]

  HEARSAY     the release binary
  --keys      keys loaded before (1000000)
  --logged    entries in the log when the node is killed (400000)
  --runs      starts of each kind, an odd number; their median counts (5)
  --idle      how long the empty node's use of the processor is measured (30)
  --folder    where the stores are made (${TMPDIR:-/tmp})

Exit code 1: a start, or the idle node, costs more than the project allows.
USAGE
}

keys=1000000
logged=400000
runs=5
idle=30
folder=${TMPDIR:-/tmp}
take_options 1 "keys logged runs idle folder" "$@"
hearsay=${operands[0]}
need redis-cli awk
if [ $((runs % 2)) -eq 0 ]; then fail "--runs must be odd"; fi
begin_work "$folder"
data=$work_folder/node

# Starts the node and appends the seconds until it is ready to the file $1.
timed_start() {
    local begun=$EPOCHREALTIME
    start_node "$hearsay" "$data" always
    calculate "$EPOCHREALTIME - $begun" '%.3f\n' >>"$1"
}

start_node "$hearsay" "$data" always
load_keys "$hearsay" "$node_port" "$keys" >/dev/null || fail "loading failed"
stop_node
for run in $(seq "$runs"); do
    timed_start "$work_folder/clean"
    "$hearsay" bench serve --port "$node_port" --keys "$keys" --get-share 0 --pipeline 16 --requests "$logged" --seed "$run" --json >/dev/null ||
        fail "the SETs failed"
    in_log=$(info_field "$node_port" hearsay table_entries)
    kill_node
    timed_start "$work_folder/killed"
    digest=$(redis-cli -p "$node_port" hearsay digest)
    if [ "$digest" != "$(redis-cli -p "$node_port" hearsay verify)" ]; then fail "VERIFY disagrees with DIGEST"; fi
    stop_node
done

data=$work_folder/empty
start_node "$hearsay" "$data" always
sleep 1
before=$(processor_seconds "$node_pid")
sleep "$idle"
share=$(calculate "($(processor_seconds "$node_pid") - $before) / $idle * 100" %.3f)
memory=$(private_mebibytes "$node_pid")
stop_node

check "ready after a clean stop, $keys entries" "$(median <"$work_folder/clean")" 1 s
check "ready after kill -9, $logged records in the log" "$(median <"$work_folder/killed")" 2 s
show '  of different keys, in the last run' "$in_log"
check 'private memory of an empty idle node' "$memory" 30 MiB
check 'its share of a core' "$share" 0.5 %
exit "$bad"
