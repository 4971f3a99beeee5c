#!/bin/sh
# python.sh NAME ARGS...: runs the python of packaging/python/NAME.txt; skips with a reason where it cannot
# be installed, unless QN_REQUIRE_ALL says that this is CI.
here=$(cd "$(dirname "$0")" && pwd)
name=$1
shift
if ! python=$("$here/../packaging/setup-python.sh" "$name"); then
    echo "skipped: the python environment '$name' could not be installed (no network?)"
    [ -n "${QN_REQUIRE_ALL:-}" ] && exit 1
    exit 77
fi
PYTHONDONTWRITEBYTECODE=1 exec "$(echo "$python" | tail -n 1)" "$@"
