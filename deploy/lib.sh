# shellcheck shell=bash disable=SC2034  # What looks unused here, the scripts that source it use.
# What the scripts in this folder share: messages, packages, builds. Source it; it sets no shell options and changes no folder.

# The root of the repository, wherever the caller stands.
repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

# What a release build needs besides a Swift toolchain.
build_packages=(liblmdb-dev libxxhash-dev pkg-config)

# The clients that the printed examples and the tests use.
client_packages=(redis-tools netcat-openbsd)

# The version of the Python client that the tests and the examples drive a node with.
redis_py=8.1.0

say() { printf '%s\n' "$*" >&2; }

# fail STATUS MESSAGE: one line and the status, as sysexits.h numbers them (64 usage, 69 something is missing).
fail() {
    say "error: $2"
    exit "$1"
}

# run_quietly TITLE COMMAND...: says TITLE, keeps what COMMAND prints and shows it only if COMMAND fails, whose status it returns.
run_quietly() {
    local title=$1 log status=0 started=$SECONDS
    shift
    log=$(mktemp)
    say "$title ..."
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if ((status != 0)); then
        say "$title failed with status $status. The last lines of its output:"
        tail -n 60 "$log" >&2
    elif ((SECONDS - started > 10)); then
        say "$title took $((SECONDS - started)) s."
    fi
    rm -f "$log"
    return "$status"
}

# missing_packages PACKAGE...: those that dpkg does not know as installed, one a line.
missing_packages() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
    done
}

# need_packages PACKAGE...: installs those that are missing, and only then touches apt.
need_packages() {
    local missing elevate=() install
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        say "note: this is not a Debian system; what these packages hold must be installed already: $*"
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} > 0)) || return 0
    install="apt-get install --yes --no-install-recommends ${missing[*]}"
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail 69 "these packages are missing and only root can install them: $install"
        elevate=(sudo)
        [[ -t 0 ]] || elevate=(sudo --non-interactive)  # Nobody is there to type a password.
    fi
    elevate+=(env DEBIAN_FRONTEND=noninteractive)
    # A stale list often still names a version that can be fetched, so a failed update is not the end.
    run_quietly "Reading the package lists" "${elevate[@]}" apt-get -o DPkg::Lock::Timeout=300 update || true
    run_quietly "Installing ${missing[*]}" "${elevate[@]}" apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${missing[@]}" \
        || fail 69 "could not install what is missing; as root: $install"
}

need_swift() {
    command -v swift >/dev/null || fail 69 "no swift on the PATH; install Swift 6.2 or newer: https://www.swift.org/install/linux/"
}

# usable_python MODULE...: prints the first Python, 3.10 or newer, that has the modules; fails if none has.
usable_python() {
    local candidate check='import importlib, sys
for name in sys.argv[1:]: importlib.import_module(name)
sys.exit(sys.version_info < (3, 10))'
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c "$check" "$@" >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# need_python PACKAGES MODULE...: sets `python`, after installing PACKAGES (one word, blanks between) if no Python here will do.
need_python() {
    local packages
    read -ra packages <<<"$1"
    shift
    if ! python=$(usable_python "$@"); then
        need_packages "${packages[@]}"
        python=$(usable_python "$@") || fail 69 "no Python 3.10 or newer with these modules: $*"
    fi
}

# need_redis_py: sets `python` to that of an environment of the repository's own, which has the client; makes it if it is not there.
need_redis_py() {
    local environment=$repository/.build-venv
    local check="import redis; assert redis.__version__ == '$redis_py'"
    "$environment/bin/python" -c "$check" >/dev/null 2>&1 && python=$environment/bin/python && return
    need_python "python3 python3-venv" venv ensurepip
    run_quietly "Creating a Python environment with redis $redis_py" "$python" -m venv --clear "$environment" \
        || fail 69 "could not create $environment"
    run_quietly "Installing redis $redis_py into it" "$environment/bin/python" -m pip install --disable-pip-version-check "redis==$redis_py" \
        || fail 69 "could not install the Python package redis $redis_py"
    "$environment/bin/python" -c "$check" || fail 69 "$environment has another version of redis than $redis_py"
    python=$environment/bin/python
}

# build_release: builds the node with optimisation and sets `hearsay` to the program's path.
# It has a folder of its own, so debug builds and tests neither wait for it nor throw its results away.
build_release() {
    local scratch=$repository/.build-release
    need_swift
    run_quietly "Building hearsay (the first time this takes some minutes)" \
        swift build --package-path "$repository" --scratch-path "$scratch" \
        --configuration release --static-swift-stdlib --product hearsay \
        || fail 70 "the build failed"
    hearsay=$scratch/release/hearsay
    [[ -x $hearsay ]] || fail 70 "the build left no program at $hearsay"
}
