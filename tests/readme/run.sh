#!/bin/sh
# run.sh BUILD SOURCE [PAGE [LEAST]]: runs every command of a page's ```sh blocks that starts with `quern`, in order,
# in a fresh folder that holds a small ratings.csv and movies.csv. One that fails, or does not print what it promises,
# fails the test, and so does a page with fewer commands than LEAST.
set -u
build=$1
source=$2
page=${3:-README.md}
least=${4:-10}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
PATH=$build:$PATH
export PATH
cd "$place" || exit 1
# shellcheck source=tests/support/skip.sh
. "$source/tests/support/skip.sh"
# shellcheck disable=SC2034 # for has_mpi
quern=$build/quern
if [ "$page" = docs/workers.md ] && ! has_mpi mpirun.openmpi openmpi; then
    not_here "Open MPI is not on this machine (make mpi installs it)"
fi
quern datagen ratings --users 400 --items 300 --ratings 20000 --seed 1 --out . --quiet || exit 1
awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$source/$page" |
    awk '{ sub(/ +#.*$/, "") } /\\$/ { sub(/\\$/, ""); printf "%s", $0; next } { print }' |
    grep '^quern ' >commands
[ "$(wc -l <commands)" -ge "$least" ] || { echo "only $(wc -l <commands) commands found"; exit 1; }
failed=0
while read -r command; do
    if ! sh -c "$command" >out 2>err </dev/null; then
        echo "FAILED: $command"
        cat out err
        failed=1
    elif [ ! -s out ] && ! echo "$command" | grep -q -- '--output\|--quiet\|quern split'; then
        echo "SILENT: $command"
        failed=1
    fi
done <commands
exit $failed
