#!/bin/sh
# python.sh NAME ARGS...: runs the python of packaging/python/NAME.txt; skips with a reason where it cannot
# be installed, unless QN_REQUIRE_ALL says that this is CI.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/skip.sh
. "$here/support/skip.sh"
name=$1
shift
if ! python=$("$here/../packaging/setup-python.sh" "$name"); then
    not_here "the python environment '$name' could not be installed (no network?)"
fi
PYTHONDONTWRITEBYTECODE=1 exec "$(echo "$python" | tail -n 1)" "$@"
