#!/usr/bin/env bash
# Two nodes that are apart take changes of one shopping cart, and both carts are one after they have met: cart.py, which is the example, at work.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

usage() {
    cat <<'HELP'
usage: deploy/examples/cart.sh [--hearsay PROGRAM]

Installs what is missing, builds hearsay, starts two nodes on 127.0.0.1 in a temporary folder, changes a shopping cart on each of
them while the other one is down, lets them meet, merges, and looks whether both have the merged cart and nothing else.

  --hearsay PROGRAM  run this one, and build nothing

Exit codes: 0 they have, 1 they have not, or a node did not start, 64 wrong usage, 69 something is missing, 70 the build failed.
HELP
}

hearsay=
while (($# > 0)); do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --hearsay)
            (($# > 1)) || fail 64 "--hearsay needs a value"
            hearsay=$2
            [[ -f $hearsay && -x $hearsay ]] || fail 64 "there is no program $hearsay"
            shift
            ;;
        *) fail 64 "unknown argument: $1 (deploy/examples/cart.sh --help)" ;;
    esac
    shift
done

# How long anything here may take. A node that starts while a member is down takes no writes for its first 2 s.
patience_seconds=30

pids=([1]='' [2]='')
# Chosen by the first start, kept by all others: a node is looked for where it was.
ports=([1]=0 [2]=0)
peer_ports=([1]=0 [2]=0)

# start NUMBER: until the node is ready. Two that are empty and know of each other found a cluster together.
start() {
    local log=$folder/n$1.log until=$((SECONDS + patience_seconds))
    local flags=(--name "n$1" --data "$folder/n$1" --listen "127.0.0.1:${ports[$1]}" --peer-listen "127.0.0.1:${peer_ports[$1]}" --expect 2)
    [[ $1 == 1 ]] || flags+=(--seed "127.0.0.1:${peer_ports[1]}")
    : >"$log"
    "$hearsay" node "${flags[@]}" </dev/null >/dev/null 2>"$log" &
    pids[$1]=$!
    until [[ $(<"$log") =~ listen=\"?127\.0\.0\.1:([0-9]+)\"?\ peers=\"?127\.0\.0\.1:([0-9]+)[^$'\n']*ready ]]; do
        if ! kill -0 "${pids[$1]}" 2>/dev/null || ((SECONDS > until)); then
            cat "$log" >&2
            fail 1 "n$1 did not start"
        fi
        sleep 0.05
    done
    ports[$1]=${BASH_REMATCH[1]}
    peer_ports[$1]=${BASH_REMATCH[2]}
}

stop() {
    [[ -n ${pids[$1]} ]] || return 0
    kill "${pids[$1]}" 2>/dev/null || true
    wait "${pids[$1]}" 2>/dev/null || true
    pids[$1]=
}

end() {
    stop 1
    stop 2
    rm -rf "$folder"
}

cart() {
    local number=$1
    shift
    "$python" "$repository/deploy/examples/cart.py" "127.0.0.1:${ports[$number]}" "$@"
}

# try NUMBER ACTION...: a change, which waits for a node that does not take writes yet.
try() {
    local until=$((SECONDS + patience_seconds)) said
    say "  n$1: cart.py ${*:2}"
    until said=$(cart "$@" 2>&1); do
        ((SECONDS < until)) || fail 1 "n$1: $said"
        sleep 0.2
    done
}

# wait_for TEXT: until both nodes show it.
wait_for() {
    local until=$((SECONDS + patience_seconds)) number shown
    for number in 1 2; do
        until shown=$(cart "$number" show 2>&1) && [[ $shown == "$1" ]]; do
            ((SECONDS < until)) || fail 1 "n$number shows, after $patience_seconds s: $shown"
            sleep 0.1
        done
        say "  n$number shows: ${shown//$'\n'/ | }"
    done
}

if [[ -z $hearsay ]]; then
    need_packages "${build_packages[@]}"
    build_release
fi
need_redis_py
folder=$(mktemp -d)
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say "1. Two nodes, and a cart with bread in it"
start 1
start 2
try 1 add bread
wait_for "1 bread"
say "2. n2 is down: n1 goes on"
stop 2
try 1 add milk 2
try 1 add tea
say "3. n1 is down, and n2 up, which has heard nothing of that"
stop 1
start 2
try 2 add bread
try 2 add jam
say "4. Both are up: two carts, of which neither has seen the other, stand beside each other, the newest first"
start 1
wait_for "2 bread, 1 jam"$'\n'"1 bread, 2 milk, 1 tea"
say "5. Merged on one of them"
try 1 merge
wait_for "2 bread, 1 jam, 2 milk, 1 tea"
say "Both nodes have the merged cart, and nothing else."
