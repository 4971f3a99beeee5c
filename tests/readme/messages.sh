#!/bin/sh
# messages.sh SOURCE PAGE: the messages that a page's table of refusals promises stand in the program, word for word.
set -u
cd "$1" || exit 1
words=$(mktemp)
trap 'rm -f "$words"' EXIT
# Texts of C that are cut over lines are made whole.
find src -name '*.c' ! -name '*_test.c' -exec cat {} + |
    awk '{ sub(/^ +/, ""); printf "%s", $0; print "" }' | tr '\n' ' ' | sed 's/" *"//g' >"$words"
n=0
failed=0
awk -F ' *[|] *' '/^[|] input [|] message/ { on = 1; next } !/^[|]/ { on = 0 } on && !/^[|]-/ { print $3 }' "$2" >"$words.rows"
while read -r message; do
    n=$((n + 1))
    grep -qF -- "$message" "$words" || {
        echo "$2 promises \"$message\", which no source says"
        failed=1
    }
done <"$words.rows"
rm -f "$words.rows"
[ $n -ge 10 ] || { echo "only $n messages found in $2"; exit 1; }
exit $failed
