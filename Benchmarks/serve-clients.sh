#!/usr/bin/env bash
# Many clients: what 10,000 idle ones cost 100 busy ones, that one more is refused, and that clients who never read hurt nobody.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh disable=SC1091
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
Usage: serve-clients.sh HEARSAY [--idle N] [--busy N] [--runs N] [--seconds N] [--folder DIR]

  HEARSAY     the release binary
  --idle      idle clients (10000)
  --busy      busy clients (100)
  --runs      runs of each kind, an odd number; their median counts (5)
  --seconds   of each run (10)
  --folder    where the store is made (${TMPDIR:-/tmp})

Exit code 1: idle clients slow the busy ones down too much, one client too many is not refused, or unread answers take too much memory.
USAGE
}

idle=10000
busy=100
runs=5
seconds=10
folder=${TMPDIR:-/tmp}
take_options 1 "idle busy runs seconds folder" "$@"
hearsay=${operands[0]}
need redis-cli awk
if [ $((runs % 2)) -eq 0 ]; then fail "--runs must be odd"; fi
ulimit -n "$(ulimit -Hn)"
begin_work "$folder"
keys=100000
memory_limit=256
readers=100

mixed() {
    "$hearsay" bench serve --port "$node_port" --keys "$keys" --clients "$busy" --get-share 0.5 --expect-hits 1 --json "$@"
}

# The greater p99 of GETs and SETs, in milliseconds.
p99() { calculate "($(json_number "$1" get_us p99) > $(json_number "$1" set_us p99) ? $(json_number "$1" get_us p99) : $(json_number "$1" set_us p99)) / 1000" %.3f; }

# How many clients the node has, asked on a connection that is one of the idle ones.
connected_clients() {
    local length answer
    printf 'INFO clients\n' >&"$monitor"
    read -r -t 10 length <&"$monitor"
    length=${length//[!0-9]/}
    read -r -t 10 -N $((length + 2)) answer <&"$monitor"
    printf '%s\n' "$answer" | tr -d '\r' | sed -n 's/^connected_clients://p'
}

# What a new client is told.
greeting() {
    local line=
    exec {socket}<>"/dev/tcp/127.0.0.1/$node_port"
    read -r -t 10 line <&"$socket" || true
    exec {socket}>&-
    printf '%s\n' "${line%$'\r'}"
}

start_node "$hearsay" "$work_folder/node" always --max-clients $((idle + busy))
load_keys "$hearsay" "$node_port" "$keys" >/dev/null || fail "loading failed"
exec {monitor}<>"/dev/tcp/127.0.0.1/$node_port"
refusal=
for _ in $(seq "$runs"); do
    alone=$(mixed --seconds "$seconds") || fail "the run failed: $alone"
    p99 "$alone" >>"$work_folder/alone"
    echo >>"$work_folder/alone"
    mixed --seconds "$seconds" --idle-clients $((idle - 1)) >"$work_folder/report" &
    bench=$!
    until [ "$(connected_clients)" -eq $((idle + busy)) ]; do
        kill -0 "$bench" 2>/dev/null || fail "the run ended before all were connected: $(cat "$work_folder/report")"
        sleep 0.2
    done
    refusal=$(greeting)
    wait "$bench" || fail "the run with idle clients failed: $(cat "$work_folder/report")"
    p99 "$(cat "$work_folder/report")" >>"$work_folder/crowded"
    echo >>"$work_folder/crowded"
done
show "p99 of $busy clients alone" "$(median <"$work_folder/alone")" ms
show "p99 beside $idle idle clients" "$(median <"$work_folder/crowded")" ms
check 'ratio' "$(calculate "$(median <"$work_folder/crowded") / $(median <"$work_folder/alone")" %.2f)" 2
show 'one client more' "$refusal"
if [ "$refusal" != '-ERR max number of clients reached' ]; then fail "one client too many was not refused"; fi
stop_node

start_node "$hearsay" "$work_folder/node" always --max-client-memory "${memory_limit}MiB"
head -c 1000000 /dev/zero | tr '\0' v | redis-cli -p "$node_port" -x set large >/dev/null
mixed --seconds 2 >/dev/null || fail "the run failed"
before=$(anonymous_mebibytes "$node_pid")
gets=$(for _ in $(seq 100); do echo 'GET large'; done)
for _ in $(seq "$readers"); do
    exec {socket}<>"/dev/tcp/127.0.0.1/$node_port"
    printf '%s\n' "$gets" >&"$socket"
done
touch "$work_folder/watching"
while [ -e "$work_folder/watching" ]; do
    anonymous_mebibytes "$node_pid" && echo
    sleep 0.1
done >"$work_folder/memory" &
watcher=$!
beside=$(mixed --seconds "$seconds" --get-share 1) || fail "the run beside clients that never read failed: $beside"
rm "$work_folder/watching"
wait "$watcher"
show "GETs beside $readers clients that never read" "$(calculate "$(json_number "$beside" rate)" %.0f)" /s
show '  p99' "$(calculate "$(json_number "$beside" get_us p99) / 1000" %.3f)" ms
check '  memory for them, greatest' "$(calculate "$(sort -g "$work_folder/memory" | tail -n 1) - $before" %.1f)" "$memory_limit" MiB
show '  disconnected' "$(info_field "$node_port" stats evicted_clients)"
exit "$bad"
