#!/bin/sh
# Run a command with its temporary files in memory: `tools/in_memory.sh COMMAND…`.
#
# The tests write thousands of small databases, each of which waits for the disk. Where /dev/shm has
# no room (a container has 64 MB), or TMPDIR says where, nothing is changed.
set -eu
least_kb=$((6 * 1024 * 1024))

free_kb() { df -kP /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }'; }
memory_kb() { awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo 2>/dev/null; }

if [ -n "${TMPDIR:-}" ] || [ "$(free_kb)0" -lt "${least_kb}0" ] || [ "$(memory_kb)0" -lt "${least_kb}0" ]; then
    exec "$@"
fi
folder=$(mktemp -d /dev/shm/p.XXXX)
trap 'rm -rf -- "$folder"' EXIT
trap 'exit 130' INT TERM
# Postfix and PostgreSQL look into it under names of their own.
chmod 755 "$folder"
TMPDIR=$folder "$@"
