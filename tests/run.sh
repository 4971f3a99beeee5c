#!/bin/sh
# run.sh BUILD_DIR [ctest options]: runs tests, then closes with passed, failed and skipped by label and a
# reason for every skip.
set -u
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
ctest --test-dir "$build" -j "$(nproc)" --output-on-failure --output-junit "$PWD/$build/junit.xml" "$@" >"$build/ctest.log" 2>&1
code=$?
[ $code -eq 0 ] || grep -vE '^ *[0-9]+/[0-9]+ Test .*Passed|^ *Start ' "$build/ctest.log"
python3 "$here/summary.py" "$build" || code=1
exit $code
