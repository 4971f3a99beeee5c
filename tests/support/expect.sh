# What tests ask of the last run of the program, or of the one that goes on. `iteration` needs nothing else, the others
# what the libraries of labels cli and hosts have:
#   $out $err $code  what it said and ended with
#   fail WHY         ends the test with all of that
# shellcheck shell=sh disable=SC2154
expect_code() { [ "$code" -eq "$1" ] || fail "exit code $code, not $1"; }
expect_out() { grep -qE -- "$1" "$out" || fail "no \"$1\" on standard output"; }
expect_err() { grep -qE -- "$1" "$err" || fail "no \"$1\" on standard error"; }
expect_no_out() { [ ! -s "$out" ] || fail "standard output is not empty"; }
expect_no_err() { [ ! -s "$err" ] || fail "standard error is not empty"; }

json() { # json EXPRESSION: of the last line of standard output, as j
    tail -n 1 "$out" | python3 -c "import json,sys; j=json.load(sys.stdin); print($1)" 2>&1
}
expect_json() { # expect_json EXPRESSION VALUE
    got=$(json "$1")
    [ "$got" = "$2" ] || fail "$1 is $got, not $2"
}

# iteration [FOLDER]: the last one whose checkpoint is whole, somewhere below FOLDER, else runs; 0: none.
iteration() {
    number=$(find "${1:-runs}" -regex '.*/[0-9]+' -printf '%f\n' 2>/dev/null | sed 's/^0*//' | sort -n | tail -n 1)
    echo "${number:-0}"
}
