#!/usr/bin/env bash
# What dropping tombstones costs live clients: a set of three drops many at once while one of them serves SETs and GETs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh disable=SC1091,SC2154
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
Usage: sweep.sh HEARSAY [--tombstones N] [--seconds N] [--folder DIR]

  HEARSAY        the release binary
  --tombstones   that are dropped at once (1000000)
  --seconds      for which clients are measured, before and while they are (20)
  --folder       where the stores are made (${TMPDIR:-/tmp})

Exit code 1: the slowest hundredth of SETs or GETs takes over twice as long meanwhile, tombstones are left after ten minutes, or the nodes
differ then.
USAGE
}

tombstones=1000000
seconds=20
folder=${TMPDIR:-/tmp}
take_options 1 "tombstones seconds folder" "$@"
hearsay=${operands[0]}
need redis-cli awk
begin_work "$folder"

start_set "$hearsay" always n1 n2 n3
port=${set_ports[0]}
# A few clients, each with one request at a time, half of them SETs.
clients() { "$hearsay" bench serve --port "$port" --clients 4 --keys 100000 --key-prefix live: --seconds "$seconds" --json; }
held() { info_field "$1" hearsay tombstones; }
all_held() { for peer in "${set_ports[@]}"; do held "$peer"; done | paste -sd ' ' -; }

"$hearsay" bench serve --port "$port" --keys "$tombstones" --key-prefix dead: --value-bytes 10 --get-share 0 --pipeline 16 --requests 1 --load \
    --json >/dev/null
awk -v count="$tombstones" 'BEGIN { for (key = 0; key < count; key++) printf "DEL dead:%012d\r\n", key }' \
    | redis-cli -p "$port" --pipe >/dev/null
"$hearsay" bench serve --port "$port" --keys 100000 --key-prefix live: --load --requests 1 --json >/dev/null
wait_equal 300 || fail "the nodes do not become equal"
for peer in "${set_ports[@]}"; do
    [ "$(held "$peer")" = "$tombstones" ] || fail "$(held "$peer") tombstones where $tombstones were to be"
    until [ "$(info_field "$peer" persistence base_tombstones)" = "$tombstones" ]; do sleep 0.5; done
done

calm=$(clients) || fail "the run failed: $calm"
redis-cli -p "$port" hearsay setting gc.window 0 >/dev/null
began=$(date +%s.%N)
disturbed=$(clients) || fail "the run failed: $disturbed"
left=$(all_held)
while [ "$(all_held)" != "0 0 0" ]; do
    holds "$(date +%s.%N) - $began < 600" || fail "$(all_held) tombstones are left after ten minutes"
    sleep 0.2
done
took=$(calculate "$(date +%s.%N) - $began" %.1f)
wait_equal 60 || fail "the nodes differ"

sets=$(calculate "$(json_number "$disturbed" set_us p99) / $(json_number "$calm" set_us p99)" %.2f)
gets=$(calculate "$(json_number "$disturbed" get_us p99) / $(json_number "$calm" get_us p99)" %.2f)
printf '%s tombstones gone from all three after %s s; %s were left when the clients ended\n' "$tombstones" "$took" "$left"
printf 'SET p99 %.0f us, %.0f us before: %s x (ceiling 2)\n' "$(json_number "$disturbed" set_us p99)" "$(json_number "$calm" set_us p99)" "$sets"
printf 'GET p99 %.0f us, %.0f us before: %s x (ceiling 2)\n' "$(json_number "$disturbed" get_us p99)" "$(json_number "$calm" get_us p99)" "$gets"
printf 'requests/s %.0f, %.0f before\n' "$(json_number "$disturbed" rate)" "$(json_number "$calm" rate)"
holds "$sets <= 2 && $gets <= 2"
