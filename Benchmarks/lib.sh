# Shared by the measuring scripts. Sourced, not run: start servers on free ports, measure, stop them, whatever happens.
# shellcheck shell=bash

# Full stops in numbers, whatever the language.
export LC_ALL=C

work_folder=
node_pid=
node_port=
redis_pid=
redis_port=
# What take_options found beside the options.
operands=()
# Of the nodes that start_set has started.
set_pids=()
set_ports=()

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || fail "$tool is missing"
    done
}

# take_options OPERANDS "NAME..." ARGUMENT...: each --NAME VALUE sets the variable of that name, and the rest goes to operands, of which
# OPERANDS must be there. Prints the usage of the script for --help, and ends with 64 where it cannot be followed.
take_options() {
    local expected=$1 names=" $2 "
    shift 2
    operands=()
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help) usage && exit 0 ;;
        --*)
            [[ $names == *" ${1#--} "* ]] || misused "unknown option: $1"
            [ $# -gt 1 ] || misused "$1 needs a value"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        -*) misused "unknown option: $1" ;;
        *) operands+=("$1") ;;
        esac
        shift
    done
    [ "${#operands[@]}" -eq "$expected" ] || misused "${#operands[@]} operands where $expected are needed"
}

misused() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    usage >&2
    exit 64
}

# Makes a folder of its own inside $1, and removes it and every server that still runs when the script ends.
begin_work() {
    work_folder=$(mktemp -d "$1/hearsay-bench.XXXXXX")
    trap end_work EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# A server that ignores SIGTERM for 60 s is killed.
stop_process() {
    local pid=$1 tries=0
    kill "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ]; then kill -9 "$pid" 2>/dev/null || true; fi
        sleep 0.1
    done
    wait "$pid" 2>/dev/null || true
}

stop_node() {
    if [ -n "$node_pid" ]; then stop_process "$node_pid"; fi
    node_pid=
}

# Ends the node as a crash does.
kill_node() {
    kill -9 "$node_pid"
    wait "$node_pid" 2>/dev/null || true
    node_pid=
}

stop_redis() {
    if [ -n "$redis_pid" ]; then stop_process "$redis_pid"; fi
    redis_pid=
}

end_work() {
    local pid
    for pid in "${set_pids[@]}"; do stop_process "$pid"; done
    set_pids=()
    stop_node
    stop_redis
    if [ -n "$work_folder" ]; then rm -rf "$work_folder"; fi
}

# start_node HEARSAY DATA DURABILITY [FLAG...]: sets node_pid and node_port once it is ready. Its log is DATA.log.
start_node() {
    local hearsay=$1 data=$2 durability=$3 log=$2.log
    shift 3
    "$hearsay" node --data "$data" --listen 127.0.0.1:0 --durability "$durability" "$@" 2>"$log" >/dev/null &
    node_pid=$!
    local tries=0
    until node_port=$(sed -n '/ready/s/.*listen=127\.0\.0\.1:\([0-9][0-9]*\).*/\1/p' "$log" | tail -n 1) && [ -n "$node_port" ]; do
        if ! kill -0 "$node_pid" 2>/dev/null; then
            node_pid=
            cat "$log" >&2
            fail "the node did not start"
        fi
        tries=$((tries + 1))
        if [ "$tries" -gt 60000 ]; then fail "the node was not ready after 600 s"; fi
        sleep 0.01
    done
}

# start_set HEARSAY DURABILITY NAME...: a replica set, linked and empty. Sets set_pids and set_ports, in the order of the names.
start_set() {
    local hearsay=$1 durability=$2 seed='' name port
    shift 2
    for name in "$@"; do
        start_node "$hearsay" "$work_folder/$name" "$durability" --name "$name" --peer-listen 127.0.0.1:0 ${seed:+--seed "$seed"}
        set_pids+=("$node_pid")
        set_ports+=("$node_port")
        node_pid=
        seed=${seed:-127.0.0.1:$(sed -n '/ready/s/.*peers=127\.0\.0\.1:\([0-9][0-9]*\).*/\1/p' "$work_folder/$name.log" | tail -n 1)}
    done
    for port in "${set_ports[@]}"; do
        until [ "$(redis-cli -p "$port" hearsay digest 2>/dev/null)" = 0:00000000000000000000000000000000 ]; do sleep 0.1; done
    done
}

# wait_equal SECONDS: until all of the set answer the same digest; false where they do not in time.
wait_equal() {
    local until port
    until=$(calculate "$(date +%s.%N) + $1" %.3f)
    while holds "$(date +%s.%N) < $until"; do
        if [ "$(for port in "${set_ports[@]}"; do redis-cli -p "$port" hearsay digest; done | sort -u | wc -l)" = 1 ]; then return 0; fi
        sleep 0.2
    done
    return 1
}

# start_redis DATA APPENDFSYNC: sets redis_pid and redis_port. Neither snapshots nor rewrites of its log, which would only slow Redis down.
start_redis() {
    local data=$1 appendfsync=$2 tries=0 waits
    mkdir -p "$data"
    while [ "$tries" -lt 20 ]; do
        tries=$((tries + 1))
        redis_port=$((20000 + RANDOM % 10000))
        redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$data" --save '' --appendonly yes --appendfsync "$appendfsync" \
            --auto-aof-rewrite-percentage 0 >"$data.log" 2>&1 &
        redis_pid=$!
        waits=0
        # The process id tells our server from another one that has the port already.
        while kill -0 "$redis_pid" 2>/dev/null && [ "$waits" -lt 100 ]; do
            if [ "$(info_field "$redis_port" server process_id 2>/dev/null)" = "$redis_pid" ]; then return 0; fi
            waits=$((waits + 1))
            sleep 0.1
        done
        stop_redis
    done
    cat "$data.log" >&2
    fail "redis-server did not start"
}

# info_field PORT SECTION NAME
info_field() {
    redis-cli -p "$1" info "$2" | tr -d '\r' | sed -n "s/^$3://p"
}

# json_number JSON NAME, or JSON OBJECT NAME: a number of the report of `hearsay bench serve --json` or raw-lmdb.
json_number() {
    local json=$1
    if [ $# -eq 3 ]; then
        json=$(printf '%s\n' "$json" | sed "s/.*\"$2\":{\([^}]*\)}.*/\1/")
        shift
    fi
    # A full stop in a name, as in p99.9, stands for itself.
    printf '%s\n' "$json" | sed 's/[,{}]/\n/g' | sed -n "s/^\"${2//./\\.}\"://p" | head -n 1
}

# The middle one of an odd number of numbers, one per line on standard input.
median() {
    sort -g | awk '{ value[NR] = $1 } END { if (NR == 0) exit 1; print value[int((NR + 1) / 2)] }'
}

# calculate EXPRESSION FORMAT: floating point.
calculate() {
    awk "BEGIN { printf \"$2\", ($1) }"
}

# holds CONDITION: true or false of numbers that may have decimals.
holds() {
    awk "BEGIN { exit !($1) }"
}

# load_keys HEARSAY PORT KEYS: writes every key once, with values of 100 bytes, and reads some back; all must be there.
load_keys() {
    "$1" bench serve --port "$2" --keys "$3" --load --pipeline 16 --requests 10000 --get-share 1 --json
}

# The private memory of a process in MiB: anonymous pages as the kernel counts them.
anonymous_mebibytes() {
    awk '/^RssAnon:/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"
}

# The private pages of all mappings but data.mdb's, in MiB. Slow on a large map: not while latencies are measured.
private_mebibytes() {
    awk '/^[0-9a-f]+-[0-9a-f]+ / { counted = $0 !~ /\/data\.mdb$/ }
         counted && /^Private_(Clean|Dirty):/ { sum += $2 }
         END { printf "%.1f", sum / 1024 }' "/proc/$1/smaps"
}

# Processor time of a process so far, in seconds.
processor_seconds() {
    awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / ticks }' "/proc/$1/stat"
}

# A file's or a folder's use of the disk in MiB. Files that vanish meanwhile, as drained segments do, are no error.
mebibytes_on_disk() {
    { du -ks "$1" 2>/dev/null || true; } | awk '{ sum += $1 } END { printf "%.1f", sum / 1024 }'
}

# A line of a result that has no limit: NAME VALUE [UNIT].
show() { printf '%-52s %14s  %s\n' "$1" "$2" "${3-}"; }

# Set once a value was over its limit; the exit code of the scripts that check.
# shellcheck disable=SC2034
bad=0

# check NAME VALUE LIMIT [UNIT]: a line of a result; VALUE must not exceed LIMIT.
check() {
    local verdict=ok
    if holds "$2 > $3"; then
        verdict=OVER
        # shellcheck disable=SC2034
        bad=1
    fi
    printf '%-52s %14s  at most %-10s %-8s %s\n' "$1" "$2" "$3" "${4-}" "$verdict"
}
