#!/usr/bin/env bash
# What HEARSAY DIGEST costs: SETs while another client asks for it once a second, in turn with the same SETs alone; then VERIFY.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh disable=SC1091
. "$here/lib.sh"

usage() {
    cat <<'USAGE'
Usage: serve-digest.sh HEARSAY [--keys N] [--runs N] [--seconds N] [--folder DIR]

  HEARSAY     the release binary
  --keys      keys loaded before (1000000)
  --runs      runs of each kind, an odd number; their median counts (5)
  --seconds   of each run (10)
  --folder    where the store is made (${TMPDIR:-/tmp})

Exit code 1: the rate with digests is below 0.8 of that without, or VERIFY disagrees.
USAGE
}

keys=1000000
runs=5
seconds=10
folder=${TMPDIR:-/tmp}
take_options 1 "keys runs seconds folder" "$@"
hearsay=${operands[0]}
need redis-cli awk
if [ $((runs % 2)) -eq 0 ]; then fail "--runs must be odd"; fi
begin_work "$folder"

# One run: the report as JSON.
sets() {
    "$hearsay" bench serve --port "$node_port" --keys "$keys" --get-share 0 --pipeline 16 --seconds "$seconds" --json "$@"
}

start_node "$hearsay" "$work_folder/node" always
load_keys "$hearsay" "$node_port" "$keys" >/dev/null || fail "loading failed"
for _ in $(seq "$runs"); do
    alone=$(sets) || fail "the run failed: $alone"
    asked=$(sets --digest-every 1) || fail "the run with digests failed: $asked"
    json_number "$alone" rate >>"$work_folder/alone"
    json_number "$asked" rate >>"$work_folder/asked"
    printf 'alone %8.0f/s   with digests %8.0f/s   %s digests, p50 %.1f ms, longest %.1f ms\n' "$(json_number "$alone" rate)" \
        "$(json_number "$asked" rate)" "$(json_number "$asked" digest_us count)" "$(calculate "$(json_number "$asked" digest_us p50) / 1000" %.3f)" \
        "$(calculate "$(json_number "$asked" digest_us max) / 1000" %.3f)"
done
digest=$(redis-cli -p "$node_port" hearsay digest)
verified=$(redis-cli -p "$node_port" hearsay verify)
ratio=$(calculate "$(median <"$work_folder/asked") / $(median <"$work_folder/alone")" %.3f)
printf 'ratio of medians %s, at least 0.8; digest %s, verified %s\n' "$ratio" "$digest" "$verified"
if [ "$digest" != "$verified" ]; then fail "VERIFY disagrees with DIGEST"; fi
if holds "$ratio < 0.8"; then fail "the digest costs too much"; fi
