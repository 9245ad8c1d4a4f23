#!/bin/sh
# Make or renew the project's environment .venv: `tools/environment.sh runtime` or `… dev`.
#
# When the lock file of that name is what is installed, this ends at once and fetches nothing.
# Otherwise: an installer of its own (pinned uv, by pip, in .bootstrap), then exactly the locked
# packages with their hashes. Two shells at once wait for one another. Messages go to standard error.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
what=${1:?runtime or dev}
python=$root/.venv/bin/python

stamp_of() { # what is installed when all is well: the lock's hash, and the interpreter it was installed for
    lock_hash=$(sha256sum <"$root/requirements/$1.txt")
    printf '%s %s\n' "${lock_hash%% *}" "$(readlink -f "$python")"
}

is_built() {
    [ -x "$python" ] && [ -f "$root/.venv/.$1" ] && [ "$(cat "$root/.venv/.$1")" = "$(stamp_of "$1")" ]
}

say() { printf 'postroom: %s\n' "$*" >&2; }

choose_python() {
    without_venv=
    for candidate in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$candidate" -c 'import ensurepip, venv; ensurepip.version()' 2>/dev/null; then
            # The real file: a shim or link in the search path may mean another version tomorrow.
            "$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))'
            return
        fi
        without_venv=$candidate
    done
    if [ -n "$without_venv" ]; then
        say "$without_venv cannot make environments. On Debian and Ubuntu:  apt install python3-venv"
    else
        say "Python 3.11 or newer is needed. On Debian and Ubuntu:  apt install python3 python3-venv"
    fi
    exit 1
}

build_installer() {
    uv_hash=$(sha256sum <"$root/requirements/uv.txt")
    if [ ! -x "$root/.bootstrap/bin/uv" ] || [ "$(cat "$root/.bootstrap/.uv" 2>/dev/null)" != "$uv_hash" ]; then
        "$base" -m venv --clear "$root/.bootstrap/"
        "$root/.bootstrap/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
            --only-binary :all: --require-hashes -r "$root/requirements/uv.txt" >&2
        printf '%s' "$uv_hash" >"$root/.bootstrap/.uv"
    fi
}

build() {
    # An environment for development stays one when the lock changes.
    [ ! -f "$root/.venv/.dev" ] || what=dev
    base=
    "$python" -c '' 2>/dev/null || base=$(choose_python)
    say "installing what requirements/$what.txt locks into .venv (once)"
    rm -f "$root/.venv/.runtime" "$root/.venv/.dev"
    [ -z "$base" ] || "$base" -m venv --clear --without-pip "$root/.venv"
    base=$(readlink -f "$python")
    build_installer
    # uv knows neither a mirror nor a certificate that only pip's configuration names; pip does.
    "$root/.bootstrap/bin/uv" pip sync --quiet --system-certs --python "$python" --require-hashes \
        "$root/requirements/$what.txt" >&2 || {
        say "uv could not; pip tries, which takes longer"
        "$root/.bootstrap/bin/python" -m pip --python "$python" install --quiet --disable-pip-version-check --no-input \
            --require-hashes -r "$root/requirements/$what.txt" >&2
    }
    # A relative line, so that the folder of the project may move.
    "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' | {
        read -r packages
        printf '../../../../src\n' >"$packages/postroom.pth"
    }
    # The locked packages for development contain those for running.
    if [ "$what" = runtime ] && [ "$(id -u)" -eq 0 ]; then
        # Root installs for a user who may not write here: he would compile everything at each start, for seconds.
        # What does not compile is never imported.
        "$python" -m compileall -q -j 0 "$root/.venv/lib" "$root/src" >/dev/null || :
    fi
    stamp_of runtime >"$root/.venv/.runtime"
    [ "$what" = runtime ] || stamp_of dev >"$root/.venv/.dev"
    say "installed"
}

is_built "$what" && exit 0
exec 9>"$root/.venv.lock"
if ! flock -n 9; then
    say "another shell installs; waiting for it"
    flock 9
fi
# The lock belongs to this shell alone: a process left behind by an installer must not hold it.
is_built "$what" || build 9>&-
