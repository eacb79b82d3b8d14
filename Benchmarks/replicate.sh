#!/usr/bin/env bash
# What replication costs a writer: SET -P 16 against a lone node, then against one of three, all on this machine; and how soon all are equal.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh disable=SC1091,SC2154
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
Usage: replicate.sh HEARSAY [--keys N] [--seconds N] [--folder DIR]

  HEARSAY     the release binary
  --keys      keys that are written (1000000)
  --seconds   of each run (30)
  --folder    where the stores are made (${TMPDIR:-/tmp})

Exit code 1: the rate with three nodes is below 0.25 of a lone one's, a receiver takes over 1.2 times the writer's processor time, or
digests are not equal 30 s after the last write.
USAGE
}

keys=1000000
seconds=30
folder=${TMPDIR:-/tmp}
take_options 1 "keys seconds folder" "$@"
hearsay=${operands[0]}
need redis-cli awk
begin_work "$folder"

sets() { "$hearsay" bench serve --port "$1" --keys "$keys" --get-share 0 --pipeline 16 --seconds "$seconds" --json; }

start_node "$hearsay" "$work_folder/alone" always
alone=$(sets "$node_port") || fail "the run failed: $alone"
stop_node

start_set "$hearsay" always n1 n2 n3
port=${set_ports[0]}
three=$(sets "$port") || fail "the run failed: $three"
ended=$(date +%s.%N)
used=()
for pid in "${set_pids[@]}"; do used+=("$(processor_seconds "$pid")"); done

equal=no
if wait_equal 60; then equal=yes; fi
took=$(calculate "$(date +%s.%N) - $ended" %.1f)
dropped=$(redis-cli -p "$port" info hearsay | tr -d '\r' | sed -n 's/^pushes_dropped://p')

ratio=$(calculate "$(json_number "$three" rate) / $(json_number "$alone" rate)" %.3f)
printf 'alone %.0f SET/s, one of three %.0f SET/s: %s (floor 0.25)\n' "$(json_number "$alone" rate)" "$(json_number "$three" rate)" "$ratio"
printf 'processor time: writer %s s, receivers %s and %s s (ceiling 1.2 x)\n' "${used[0]}" "${used[1]}" "${used[2]}"
printf 'pushes dropped: %s; digests equal: %s, %s s after the last write (ceiling 30)\n' "$dropped" "$equal" "$took"
[ "$equal" = yes ] && [ "$(calculate "$ratio >= 0.25 && $took <= 30 && ${used[1]} <= 1.2 * ${used[0]} && ${used[2]} <= 1.2 * ${used[0]}" %d)" = 1 ]
