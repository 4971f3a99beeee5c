# Sourced by the tests of the command line. A test calls `run` with the words behind `quern` and then
# says what it expects; the first thing that is not so ends it with the output shown.
#   QN_QUERN  the program; QN_SOURCE_DIR  the project; QN_SANITIZE  what it is built with, if anything
# shellcheck shell=sh disable=SC2034
set -u
quern=${QN_QUERN:?set QN_QUERN to the program}
source_dir=${QN_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
# shellcheck source=tests/support/expect.sh
. "$(dirname "$0")/../support/expect.sh"
# shellcheck source=tests/support/skip.sh
. "$(dirname "$0")/../support/skip.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/qn-cli-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/box"
cd "$work/box" || exit 1
out=$work/out
err=$work/err
code=0
said=

fail() {
    echo "FAILED: $*"
    echo "  command: quern $said (exit $code)"
    sed 's/^/  out: /' "$out" | head -40
    sed 's/^/  err: /' "$err" | head -20
    exit 1
}

run() {
    said=$*
    "$quern" "$@" >"$out" 2>"$err" </dev/null
    code=$?
}

# One message: a line that begins with "quern:", further lines set in; warnings may stand before it.
expect_one_error() {
    [ "$(grep -cE '^quern: ' "$err")" = 1 ] || fail "not exactly one message"
    if grep -qvE '^(quern: |  |warning: )' "$err"; then fail "more than the message on standard error"; fi
}

# What a failing command must leave: nothing. `before` remembers the folder, `expect_unchanged` compares.
listing() { find . -mindepth 1 -not -path './runs*' | sort | xargs -r ls -ld --time-style=+ | awk '{print $1, $5, $6}'; }
before() { listing >"$work/before"; }
expect_unchanged() {
    listing >"$work/after"
    cmp -s "$work/before" "$work/after" || fail "the folder has changed: $(diff "$work/before" "$work/after")"
}

# A command that must fail: refused CODE MESSAGE words...
refused() {
    want=$1
    message=$2
    shift 2
    before
    run "$@"
    expect_code "$want"
    expect_err "$message"
    expect_one_error
    expect_unchanged
}

# struck SIGNAL FOLDER WORDS...: a run that gets the signal once its second checkpoint lies below FOLDER; $code is its end.
struck() {
    signal=$1 folder=$2
    shift 2
    said="$* (kill -$signal)"
    "$quern" "$@" --checkpoint-interval 1 >"$out" 2>"$err" </dev/null &
    pid=$!
    n=0
    until [ "$(iteration "$folder")" -ge 2 ]; do
        n=$((n + 1))
        [ $n -lt 3000 ] || fail "no checkpoint in a minute"
        kill -0 $pid 2>/dev/null || fail "the run has ended too early"
        sleep 0.02
    done
    kill -s "$signal" $pid
    wait $pid 2>/dev/null
    code=$?
}
