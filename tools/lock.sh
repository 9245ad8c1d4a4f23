#!/bin/sh
# Renew requirements/*.txt from requirements/*.in. The files name no index, host or path:
# whoever installs uses the index of their own machine, and the hashes say that it is the same package.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
[ "${1:-}" = --upgrade ] && upgrade=--upgrade || upgrade=

compile() { # name, further options
    name=$1
    shift
    draft=$(mktemp)
    # What is locked stays as it is unless it must change, or everything is upgraded.
    [ -n "$upgrade" ] || [ ! -f "requirements/$name.txt" ] || cp "requirements/$name.txt" "$draft"
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links $upgrade "$@" "requirements/$name.in" --output-file "$draft" >/dev/null
    {
        echo "# Made from requirements/$name.in by 'make lock' ('make upgrade' takes the newest of everything). Do not edit."
        cat "$draft"
    } >"requirements/$name.txt"
    rm -f "$draft"
}

compile runtime
compile dev --constraint requirements/runtime.txt
compile uv --constraint requirements/dev.txt
compile suites --no-deps
compile fuzz
if grep -nE '://|--index-url|--find-links|/tmp|/home|/root' requirements/*.txt; then
    echo "a lock file names a place" >&2
    exit 1
fi
