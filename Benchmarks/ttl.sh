#!/usr/bin/env bash
# A set of three under keys that expire, written at a constant rate: whether nodes that drop them at different moments compare anything because of it, and
# whether LMDB's file comes to an end.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh disable=SC1091,SC2154
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
Usage: ttl.sh HEARSAY [--keys N] [--seconds N] [--ttl N] [--window N] [--folder DIR]

  HEARSAY     the release binary
  --keys      that are written in all, each once (1000000)
  --seconds   in which they are, as many in each (60)
  --ttl       the seconds after which each expires (10)
  --window    gc.window (5)
  --folder    where the stores are made (${TMPDIR:-/tmp})

Exit code 1: a session was begun from when the nodes had been linked, something is left or the nodes differ five minutes after the last write,
or LMDB's file grew by more than a tenth in the second half of the writes.
USAGE
}

keys=1000000
seconds=60
ttl=10
window=5
folder=${TMPDIR:-/tmp}
take_options 1 "keys seconds ttl window folder" "$@"
hearsay=${operands[0]}
need redis-cli awk
begin_work "$folder"

start_set "$hearsay" always n1 n2 n3
port=${set_ports[0]}
redis-cli -p "$port" hearsay setting gc.window "$window" >/dev/null
each=$(((keys + seconds - 1) / seconds))

sessions() { for peer in "${set_ports[@]}"; do redis-cli -p "$peer" info hearsay; done | tr -d '\r' | tr ',' '\n' | sed -n 's/^sessions=//p' | awk '{ n += $1 } END { print n + 0 }'; }
digests() { for peer in "${set_ports[@]}"; do redis-cli -p "$peer" hearsay digest; done | sort -u; }
mebibytes() { du -m "$work_folder/n1/base/data.mdb" | cut -f1; }

before=$(sessions)
began=$(date +%s)
half=0
for ((second = 0; second < seconds; second++)); do
    "$hearsay" bench serve --port "$port" --keys "$each" --key-prefix "ttl:$second:" --ttl-seconds "$ttl" --get-share 0 --pipeline 16 --load \
        --requests 1 --json >/dev/null
    if ((second == seconds / 2)); then half=$(mebibytes); fi
    while (($(date +%s) < began + second + 1)); do sleep 0.02; done
done
file=$(mebibytes)
ended=$(date +%s.%N)
printf '%s keys in %s s, each for %s s, window %s s\n' "$((each * seconds))" "$(($(date +%s) - began))" "$ttl" "$window"
printf 'data.mdb: %s MiB half way, %s MiB at the end\n' "$half" "$file"

# What is written once a second is equal soon after; from then on only expiry changes anything.
equal=
looks=0
differed=0
empty=0:00000000000000000000000000000000
until [ "$(digests)" = "$empty" ]; do
    holds "$(date +%s.%N) - $ended < 300" || break
    looks=$((looks + 1))
    if [ "$(digests | wc -l)" -gt 1 ]; then differed=$((differed + 1)); else equal=${equal:-$(calculate "$(date +%s.%N) - $ended" %.1f)}; fi
    sleep 0.5
done
took=$(calculate "$(date +%s.%N) - $ended" %.1f)
after=$(sessions)
printf 'digests equal %s s after the last write, different at %s of %s later looks, and empty after %s s\n' "${equal:-never}" "$differed" "$looks" "$took"
printf 'sessions that were begun: %s; entries dropped by each:%s\n' "$((after - before))" \
    "$(for peer in "${set_ports[@]}"; do printf ' %s' "$(info_field "$peer" hearsay expired_dropped)"; done)"
[ "$(digests)" = "$empty" ] && ((after == before)) && holds "$file <= 1.1 * $half"
