#!/usr/bin/env bash
# Installs what is missing, builds hearsay and runs three nodes until Ctrl-C. `deploy/run.sh --help` lists the flags.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'HELP'
usage: deploy/run.sh [--nodes COUNT] [--port PORT] [--data DIR] [-- NODE FLAGS]
       deploy/run.sh --demo [--seed NUMBER]

Installs what is missing, builds hearsay, starts three nodes on 127.0.0.1 that replicate to each other, and follows their logs
until Ctrl-C, which stops them.

  --nodes COUNT  how many (default 3, at most 9; 1 for a node without peers)
  --port PORT    the first node's port for clients (default 7379). Those of the others follow in tens: 7389, 7399; each node's
                 port for its peers is one above. With --nodes 1, 0 takes any that is free
  --data DIR     the stores are DIR/n1, DIR/n2 and so on, that of a single node is DIR itself
                 (default $HEARSAY_DATA, else ${XDG_DATA_HOME:-~/.local/share}/hearsay)
  -- FLAGS       further flags for every `hearsay node`, for example: -- --durability interval
  --demo         in a temporary folder: three nodes, a dictionary of 147,000 entries, kill -9 of one in the middle of a load,
                 writes and deletes while it is away, and whether all hold every answered record after it has come back
  --seed NUMBER  repeats the moment of a demo's kill
HELP
}

count=3
port=7379
data=${HEARSAY_DATA:-}
demo=no
demo_flags=()
node_flags=()

read_flags() {
    while (($# > 0)); do
        case $1 in
            --nodes | --port | --data | --seed) (($# > 1)) || fail 64 "$1 needs a value" ;;&
            --nodes) count=$2 && shift 2 ;;
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
    [[ $count =~ ^[1-9]$ ]] || fail 64 "--nodes takes a number from 1 to 9, not: $count"
    if [[ ! $port =~ ^[0-9]{1,5}$ ]] || ((10#$port > 65535)); then
        fail 64 "--port takes a number from 0 to 65535, not: $port"
    fi
    port=$((10#$port))
    if [[ $demo == yes ]]; then
        ((${#node_flags[@]} == 0)) || fail 64 "--demo chooses the nodes' flags by itself"
        return
    fi
    ((${#demo_flags[@]} == 0)) || fail 64 "--seed goes with --demo"
    ((count == 1 || port != 0)) || fail 64 "--port 0 goes with --nodes 1: several nodes have to know each other's ports"
    ((count == 1 || $(peer_port "$count") <= 65535)) || fail 64 "--port $port leaves no ports for $count nodes"
    check_data
    check_ports
}

check_data() {
    if [[ -z $data ]]; then
        [[ -n ${XDG_DATA_HOME:-}${HOME:-} ]] || fail 64 "there is no home folder here: say --data DIR"
        data=${XDG_DATA_HOME:-$HOME/.local/share}/hearsay
    fi
    [[ $data == /* ]] || data=$PWD/$data  # It goes into a script that may be started from anywhere.
    if ((count == 1)); then
        [[ ! -d $data/n1 ]] || fail 64 "$data holds the stores of several nodes; say another --data DIR, or --data $data/n1 for the first alone"
    else
        [[ ! -e $data/FORMAT ]] || fail 64 "$data holds the store of a single node; say --nodes 1, or another --data DIR"
    fi
}

# Found out now rather than after minutes of building; the nodes check again when they bind.
check_ports() {
    local index taken
    for ((index = 1; index <= count; index++)); do
        for taken in "$(client_port $index)" "$(peer_port $index)"; do
            ((count > 1 || taken == port)) || continue
            if ((taken != 0)) && (exec 3<>"/dev/tcp/127.0.0.1/$taken") 2>/dev/null; then
                fail 69 "port $taken is in use; choose others: deploy/run.sh --port $((port % 60000 + 1000))"
            fi
        done
    done
}

client_port() { echo $((port + 10 * ($1 - 1))); }
peer_port() { echo $((port + 10 * ($1 - 1) + 1)); }

run_demo() {
    need_packages dict-wn
    need_python python3 gzip socket
    exec "$python" "$repository/deploy/demo.py" --hearsay "$hearsay" "${demo_flags[@]}"
}

# node_command NUMBER: sets `command` to what runs that node.
node_command() {
    local index
    command=("$hearsay" node)
    if ((count == 1)); then
        command+=(--data "$data" --listen "127.0.0.1:$port" "${node_flags[@]}")
        return
    fi
    command+=(--name "n$1" --data "$data/n$1" --listen "127.0.0.1:$(client_port "$1")" --peer-listen "127.0.0.1:$(peer_port "$1")")
    # Every node gets the same list; its own address in it is passed over.
    for ((index = 1; index <= count; index++)); do command+=(--seed "127.0.0.1:$(peer_port $index)"); done
    command+=(--expect "$count" "${node_flags[@]}")
}

# Starts a node in a session of its own: Ctrl-C reaches only this script, which then stops the nodes the way a service manager would.
# Its log comes as lines `name TAB text`, and a last one `-name`, through the descriptor 4.
start_node() {
    local name=n$1 command
    node_command "$1"
    if ((count > 1)); then
        # For a person who stops a node and wants it back.
        printf '#!/usr/bin/env bash\nexec %s\n' "${command[*]@Q}" >"$data/$name.sh"
        chmod 700 "$data/$name.sh"
    fi
    setsid "${command[@]}" > >(name_lines "$name" >&4) 2>&1 3<&- 4>&- &
    pids[$1]=$!
}

name_lines() {
    local line
    trap '' INT TERM HUP  # The last lines come after Ctrl-C.
    exec 3<&-
    while IFS= read -r line; do printf '%s\t%s\n' "$1" "$line"; done
    printf -- '-%s\n' "$1"
}

say_what_to_type() {
    local bound=$1
    if ((count == 1)); then
        cat >&2 <<TEXT

The node is ready. Its data is in $data. In another terminal, for example:

    redis-cli -p $bound set greeting hello
    printf 'SET greeting hello\\nGET greeting\\n' | nc -N 127.0.0.1 $bound

Ctrl-C stops it. Its log follows.

TEXT
        return
    fi
    cat >&2 <<TEXT

All $count nodes are ready. Their data is below $data. In another terminal, for example:

    redis-cli -p $(client_port 1) set greeting hello
    redis-cli -p $(client_port 2) get greeting
    printf 'SET note "by hand"\\nGET greeting\\nHEARSAY DIGEST\\n' | nc -N 127.0.0.1 $(client_port "$count")

Stop n2 without warning, write elsewhere, and start it again (there, until Ctrl-C there):

    kill -9 ${pids[2]}; redis-cli -p $(client_port 1) set greeting "while n2 was away"; $(printf %q "$data/n2.sh")

Ctrl-C here stops all. Their logs follow.

TEXT
}

# Passes the nodes' logs on, line by line, until all nodes have ended.
follow() {
    local name line ready=0 running=$count
    while ((running > 0)) && IFS=$'\t' read -r name line; do
        if [[ $name == -* ]]; then
            running=$((running - 1))
            note_end "${name#-n}" "$running"
            continue
        fi
        if ((count == 1)); then printf '%s\n' "$line" >&2; else printf '%s | %s\n' "$name" "$line" >&2; fi
        if [[ $line == *ready* && $line =~ listen=\"?127\.0\.0\.1:([0-9]+) ]]; then
            ready=$((ready + 1))
            ((ready != count)) || say_what_to_type "${BASH_REMATCH[1]}"
        fi
    done
}

# note_end NUMBER RUNNING: a node's log has ended, and so has the node.
note_end() {
    local status=0 name=n$1
    ((count > 1)) || name="The node"
    # A signal to this script ends `wait` early; then the node is still there. What bash itself says of a killed one is said below.
    while { wait "${pids[$1]}" || status=$?; } 2>/dev/null; kill -0 "${pids[$1]}" 2>/dev/null; do status=0; done
    unset "pids[$1]"  # Another process may get the number.
    if [[ $stopping == yes && $status == 0 ]]; then
        say "$name has stopped cleanly."
        return
    fi
    if ((count == 1)); then
        ((status == 0)) || say "error: the node ended with status $status"
    elif (($2 > 0)); then
        say "$name | ended with status $status; the others go on. It is started again by $(printf %q "$data/n$1.sh")"
    else
        say "$name | ended with status $status"
    fi
    # That one ended before Ctrl-C is no failure of what was stopped by it.
    if [[ $stopping == yes ]] || (($2 == 0)); then result=$status; fi
}

run_nodes() {
    local folder index
    pids=()
    stopping=no
    result=0
    ((count == 1)) || mkdir -p -- "$data" || fail 73 "cannot make the folder $data"
    folder=$(mktemp -d)
    mkfifo "$folder/log"
    exec 3<>"$folder/log"  # Open on both sides, so that neither end waits for the other.
    exec 4>"$folder/log"
    rm -r "$folder"
    trap 'stopping=yes; kill -TERM "${pids[@]}" 2>/dev/null || true' INT TERM HUP
    for ((index = 1; index <= count; index++)); do start_node "$index"; done
    [[ $stopping == no ]] || kill -TERM "${pids[@]}" 2>/dev/null || true  # Ctrl-C came before the last had started.
    follow <&3
    return "$result"
}

read_flags "$@"
check_flags
need_packages "${build_packages[@]}" "${client_packages[@]}"
build_release
ulimit -n "$(ulimit -Hn)"
if [[ $demo == yes ]]; then run_demo; else run_nodes; fi
