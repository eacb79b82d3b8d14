#!/usr/bin/env bash
# How steady a node is under SETs on a large store: latency, pauses, memory and files, beside raw LMDB and raw fdatasync in the same run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh disable=SC1091
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
Usage: serve-tail.sh HEARSAY RAW-LMDB [--keys N] [--seconds N] [--folder DIR]

  HEARSAY     the release binary
  RAW-LMDB    the binary of Benchmarks: swift build -c release --product raw-lmdb
  --keys      keys loaded before (10000000)
  --seconds   of SETs with -P 16 at --durability always (60)
  --folder    where the store is made; it needs about 400 bytes a key (${TMPDIR:-/tmp})

Exit code 1: p99.9, the longest pause, the rate or private memory is not what the project asks for.
USAGE
}

keys=10000000
seconds=60
folder=${TMPDIR:-/tmp}
take_options 2 "keys seconds folder" "$@"
hearsay=${operands[0]}
raw_lmdb=${operands[1]}
need redis-cli awk du
begin_work "$folder"
data=$work_folder/node
# What the node is configured with by default, in MiB: the table and the frozen one, and in the log what they hold and a segment in part.
table_limit=256
log_limit=320

longest_fdatasync() { json_number "$("$raw_lmdb" fdatasync "$work_folder/lone-writer" --seconds 10 --json)" max_us; }

# Samples every second, until told to stop by the file's removal, the greatest private memory and sizes of tables and log.
watch() {
    local memory=0 tables=0 log=0 now
    while [ -e "$work_folder/watching" ]; do
        now=$(anonymous_mebibytes "$node_pid")
        memory=$(calculate "$now > $memory ? $now : $memory" %.1f)
        now=$(calculate "($(info_field "$node_port" memory table_bytes) + $(info_field "$node_port" memory frozen_table_bytes)) / 1048576" %.1f)
        tables=$(calculate "$now > $tables ? $now : $tables" %.1f)
        now=$(mebibytes_on_disk "$data/log")
        log=$(calculate "$now > $log ? $now : $log" %.1f)
        printf '%s %s %s\n' "$memory" "$tables" "$log" >"$work_folder/watched"
        sleep 1
    done
}

before=$(longest_fdatasync)

start_node "$hearsay" "$data" always
loaded=$(load_keys "$hearsay" "$node_port" "$keys") || fail "loading failed"
show 'load' "$(calculate "$(json_number "$loaded" load operations) / $(json_number "$loaded" load seconds)" %.0f)" 'SET/s'
check 'private memory after load' "$(anonymous_mebibytes "$node_pid")" 400 MiB
show '  all private but data.mdb' "$(private_mebibytes "$node_pid")" MiB
stop_node
begun=$EPOCHREALTIME
start_node "$hearsay" "$data" always
show 'restart after a clean stop' "$(calculate "$EPOCHREALTIME - $begun" %.1f)" s
check 'private memory after restart' "$(anonymous_mebibytes "$node_pid")" 400 MiB
show '  all private but data.mdb' "$(private_mebibytes "$node_pid")" MiB

touch "$work_folder/watching"
watch &
watcher=$!
report=$("$hearsay" bench serve --port "$node_port" --keys "$keys" --get-share 0 --pipeline 16 --seconds "$seconds" --json) || fail "the run failed: $report"
rm "$work_folder/watching"
wait "$watcher"
read -r memory tables log <"$work_folder/watched"
private=$(private_mebibytes "$node_pid")
stop_node
file=$(mebibytes_on_disk "$data/base/data.mdb")

after=$(longest_fdatasync)
raw=$("$raw_lmdb" rates "$data/base" --spoil --json)
sorted=$(json_number "$raw" sorted_puts_per_second)

longest=$(calculate "$before > $after ? $before : $after" %.0f)
pause_limit=$(calculate "3 * $longest > 1000000 ? 3 * $longest / 1000 : 1000" %.1f)
rate=$(json_number "$report" rate)
show 'longest lone fdatasync' "$(calculate "$longest / 1000" %.1f)" ms
check 'SET p99.9' "$(calculate "$(json_number "$report" set_us p99.9) / 1000" %.1f)" 200 ms
show 'SET p50, p99, max' "$(for name in p50 p99 max; do calculate "$(json_number "$report" set_us "$name") / 1000" '%.1f '; done)" ms
check 'longest pause' "$(calculate "$(json_number "$report" longest_pause_us) / 1000" %.1f)" "$pause_limit" ms
check 'private memory, greatest in the run' "$memory" 400 MiB
show '  all private but data.mdb, at its end' "$private" MiB
check 'both tables, greatest in the run' "$tables" "$table_limit" MiB
check 'log, greatest in the run' "$log" "$log_limit" MiB
show 'data.mdb' "$file" MiB
show 'raw LMDB, sorted puts, same store' "$sorted" '/s'
show 'raw LMDB, random puts, same store' "$(json_number "$raw" random_puts_per_second)" '/s'
show 'SET rate' "$(calculate "$rate" %.0f)" '/s'
check 'raw sorted rate / SET rate' "$(calculate "$sorted / $rate" %.2f)" 1.67 '(0.6 x)'
exit "$bad"
