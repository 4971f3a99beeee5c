#!/bin/sh
# run.sh ENVIRONMENT SCRIPT: a test beside real Spark.
if ! command -v java >/dev/null 2>&1; then
    echo "skipped: no Java on this machine (make spark installs it)"
    [ -n "${QN_REQUIRE_ALL:-}" ] && exit 1
    exit 77
fi
exec "$(dirname "$0")/../python.sh" "$@"
