#!/bin/sh
# run.sh ENVIRONMENT SCRIPT: a test beside real Spark.
here=$(dirname "$0")
# shellcheck source=tests/support/skip.sh
. "$here/../support/skip.sh"
command -v java >/dev/null 2>&1 || not_here "no Java on this machine (make spark installs it)"
exec "$here/../python.sh" "$@"
