#!/bin/sh
# Runs every command of README.md's ```sh blocks that starts with `quern`, in order, in a fresh folder that
# holds a small ratings.csv and movies.csv. One that fails, or does not print what it promises, fails the test.
set -u
build=$1
source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
PATH=$build:$PATH
export PATH
cd "$place" || exit 1
quern datagen ratings --users 400 --items 300 --ratings 20000 --seed 1 --out . --quiet || exit 1
awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$source/README.md" |
    awk '{ sub(/ +#.*$/, "") } /\\$/ { sub(/\\$/, ""); printf "%s", $0; next } { print }' |
    grep '^quern ' >commands
[ "$(wc -l <commands)" -ge 10 ] || { echo "only $(wc -l <commands) commands found"; exit 1; }
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
