#!/bin/sh
# shellcheck disable=SC2154,SC2034,SC1091
# Version, help, suggestions, doctor, spellings.
. "$(dirname "$0")/lib.sh"

run --version
expect_code 0
expect_out '^quern [0-9]+\.[0-9]+\.[0-9]+$'
expect_no_err

# Starts at once: the modules that take tens of milliseconds to open, DuckDB and the MPIs, are left alone.
LD_DEBUG=files "$quern" --version >"$out" 2>"$err" || fail "no version"
expect_err 'libc\.so'
if grep -iE 'duckdb|libmpi|quern_comm' "$err" >"$out"; then fail "opens what --version does not need"; fi

run
expect_code 2
expect_err '^usage: quern COMMAND'
expect_no_out

run --help
expect_code 0
expect_out '^Commands:'

refused 2 'try: quern doctor' doctr
refused 2 'there is no command "zzzzzzzz"' zzzzzzzz
refused 2 'options come behind the command' --threads 2 doctor
refused 2 'try: --threads' doctor --thraeds 2
refused 2 'there is no option --zzzzzzzzzz' doctor --zzzzzzzzzz 2
refused 2 '--threads needs a value' doctor --threads
refused 2 '--threads needs a value, but --json follows' doctor --threads --json
refused 2 'is not a whole number' doctor --threads two
refused 2 '--threads -1 is out of range: 0 to 1024' doctor --threads -1
refused 2 'try: --threads 4' doctor --workers 4
refused 2 'this machine alone' doctor --hosts a,b
refused 2 'one word too many' doctor now
refused 2 'size like 512m' doctor --memory lots

run doctor --threads 1 --memory 256m
expect_code 0
expect_out '^cores .*1 threads$'
expect_out '^budget +256 MB \(--memory\)'
expect_out '^kernels +[a-z0-9]+ selected; available: reference'
expect_no_err
run doctor --json --kernels reference
expect_code 0
expect_json 'j["kernel_set"]' reference
expect_json 'j["cores_usable"] >= 1' True

# All spellings of one option.
for spelling in '--runs-dir x' '--runs-dir=x' '--runs_dir x' '--runsDir x' '--RUNS-DIR x'; do
    # shellcheck disable=SC2086
    run doctor $spelling
    expect_code 0
done
run doctor --no-json --quiet -q
expect_code 0
refused 2 'takes no value' doctor --no-json=true

run help doctor
expect_code 0
cp "$out" "$work/help"
run doctor --help
expect_code 0
cmp -s "$out" "$work/help" || fail "help X and X --help differ"
refused 2 'there is no command "nothing"' help nothing

# Options of other systems' scripts.
run doctor --shuffle-partitions 400 --executor-memory 256m
expect_code 0
expect_err 'warning: --shuffle-partitions means nothing here'
expect_out '^budget +256 MB'

# Output that nobody reads ends quietly, a disk that is full does not.
{ "$quern" params 2>"$err"; echo $? >"$work/pipe_code"; } | true
expect_no_err
"$quern" params >/dev/full 2>"$err"
code=$?
expect_code 1
expect_one_error
echo passed
