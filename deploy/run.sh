#!/usr/bin/env bash
# Installs what is missing, builds hearsay and runs one node until Ctrl-C. `deploy/run.sh --help` lists the flags.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'HELP'
usage: deploy/run.sh [--port PORT] [--data DIR] [-- NODE FLAGS]
       deploy/run.sh --demo [--seed NUMBER]

Installs what is missing, builds hearsay, starts a node on 127.0.0.1 and follows its log until Ctrl-C.

  --port PORT    the port for clients (default 7379; 0 takes any free one)
  --data DIR     the folder of the store (default $HEARSAY_DATA, else ${XDG_DATA_HOME:-~/.local/share}/hearsay)
  -- FLAGS       further flags for `hearsay node`, for example: -- --durability interval
  --demo         in a temporary folder: loads a dictionary of 147,000 entries, kills the node with -9 in the middle
                 of a second load, starts it again and checks that every answered record is there
  --seed NUMBER  repeats the moment of a demo's kill
HELP
}

port=7379
data=${HEARSAY_DATA:-}
demo=no
demo_flags=()
node_flags=()

read_flags() {
    while (($# > 0)); do
        case $1 in
            --port | --data | --seed) (($# > 1)) || fail 64 "$1 needs a value" ;;&
            --port) port=$2 && shift 2 ;;
            --data) data=$2 && shift 2 ;;
            --seed) demo_flags+=(--seed "$2") && shift 2 ;;
            --demo) demo=yes && shift ;;
            --help | -h) usage && exit 0 ;;
            --) shift && node_flags=("$@") && return ;;
            *) fail 64 "unknown argument: $1 (deploy/run.sh --help lists them)" ;;
        esac
    done
}

check_flags() {
    if [[ ! $port =~ ^[0-9]{1,5}$ ]] || ((10#$port > 65535)); then
        fail 64 "--port takes a number from 0 to 65535, not: $port"
    fi
    port=$((10#$port))
    if [[ $demo == yes ]]; then
        ((${#node_flags[@]} == 0)) || fail 64 "--demo chooses the node's flags by itself"
        return
    fi
    ((${#demo_flags[@]} == 0)) || fail 64 "--seed goes with --demo"
    if [[ -z $data ]]; then
        [[ -n ${XDG_DATA_HOME:-}${HOME:-} ]] || fail 64 "there is no home folder here: say --data DIR"
        data=${XDG_DATA_HOME:-$HOME/.local/share}/hearsay
    fi
    # Found out now rather than after minutes of building; the node checks again when it binds.
    if ((port != 0)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        fail 69 "port $port is in use; choose another: deploy/run.sh --port $((port % 65535 + 1))"
    fi
}

run_demo() {
    need_packages dict-wn
    need_python python3 gzip socket
    exec "$python" "$repository/deploy/demo.py" --hearsay "$hearsay" "${demo_flags[@]}"
}

say_what_to_type() {
    local bound=$1
    cat >&2 <<TEXT

The node is ready. Its data is in $data. In another terminal, for example:

    redis-cli -p $bound set greeting hello
    printf 'SET greeting hello\\nGET greeting\\n' | nc -N 127.0.0.1 $bound

Ctrl-C stops it. Its log follows.

TEXT
}

# Passes the node's log on, line by line, until the node has closed it, that is, has ended.
follow() {
    local line told=no
    while IFS= read -r line; do
        printf '%s\n' "$line" >&2
        if [[ $told == no && $line == *ready* && $line =~ listen=\"?127\.0\.0\.1:([0-9]+) ]]; then
            told=yes
            say_what_to_type "${BASH_REMATCH[1]}"
        fi
    done
}

run_node() {
    local folder status stopping=no
    folder=$(mktemp -d)
    mkfifo "$folder/log"
    # A session of its own: Ctrl-C reaches only this script, which then stops the node the way a service manager would.
    setsid "$hearsay" node --data "$data" --listen "127.0.0.1:$port" "${node_flags[@]}" >"$folder/log" 2>&1 &
    node=$!
    trap 'stopping=yes; kill -TERM "$node" 2>/dev/null || true' INT TERM HUP
    exec 3<"$folder/log"
    rm -r "$folder"
    follow <&3
    status=0
    wait "$node" || status=$?
    # A signal ends `wait` early; then the node is still there.
    while kill -0 "$node" 2>/dev/null; do
        status=0
        wait "$node" || status=$?
    done
    if [[ $stopping == yes ]]; then
        ((status != 0)) || say "The node has stopped cleanly."
    elif ((status != 0)); then
        say "error: the node ended with status $status"
    fi
    return "$status"
}

read_flags "$@"
check_flags
need_packages "${build_packages[@]}" "${client_packages[@]}"
build_release
ulimit -n "$(ulimit -Hn)"
if [[ $demo == yes ]]; then run_demo; else run_node; fi
