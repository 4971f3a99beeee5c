#!/bin/sh
# shellcheck disable=SC2154,SC2034,SC1091
# fit als where memory is short: refused as early as that can be known, with numbers, and nothing is left behind.
. "$(dirname "$0")/lib.sh"

run datagen ratings --users 200000 --items 60000 --ratings 600000 --seed 4 --format csv --out wide
expect_code 0
mkdir scratch
in="--input wide/ratings.csv --scratch scratch"

# refused_in SECONDS MESSAGE WORDS...: the best of five tries, as the machine may be busy
refused_in() {
    limit=$1
    message=$2
    shift 2
    refused 1 "$message" "$@"
    python3 - "$limit" "$quern" "$@" >"$out" 2>&1 <<'PY' || fail "refused late: $(cat "$out")"
import subprocess, sys, time
def once():
    start = time.monotonic()
    code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, capture_output=True).returncode
    assert code == 1, code
    return time.monotonic() - start
best = min(once() for _ in range(5))
sys.exit(f"{best:.2f} s" if best > float(sys.argv[1]) else 0)
PY
    [ -z "$(ls scratch)" ] || fail "scratch is not empty"
}

# By options alone: scratch of threads grows with the square of the rank; a model is written by DuckDB.
# shellcheck disable=SC2086
refused_in 1 'rank 4000 needs [0-9.]+ MB, whatever the data \(scratch of 2 threads [0-9.]+ MB\), and [0-9.]+ MB are left: lower --rank or --threads' \
    fit als $in --rank 4000 --threads 2 --memory 64m
# shellcheck disable=SC2086
refused_in 1 'writing a model needs 48 MB, whatever the data, and [0-9.]+ MB are left: raise --memory, or leave out --model' \
    fit als $in --memory 40m --model m

# From a sample, before the input is read: 260,000 rows of 256 bytes.
# shellcheck disable=SC2086
refused_in 1 'rank 50 needs about [0-9.]+ MB, at least [0-9.]+ MB, and [0-9.]+ MB are left \(an estimate from [0-9,]+ sampled rows: [0-9,]+ users, [0-9,]+ items, [0-9,]+ ratings\)' \
    fit als $in --rank 50 --threads 1 --memory 24m

# A pipe is read once: the exact number is known once it has been, before rows are sorted and the first iteration.
"$quern" fit als --input - --scratch scratch --rank 50 --threads 1 --memory 24m --runs-dir runs <wide/ratings.csv >"$out" 2>"$err"
code=$?
said="fit als --input -"
expect_code 1
expect_err 'rank 50 needs [0-9.]+ MB \(factors [0-9.]+ MB, scratch of 1 threads [0-9.]+ KB\) and [0-9.]+ MB are left: lower --rank or raise --memory'
run runs show last --json
expect_json '[s["name"] for s in j["events"]["stages"]], j["iterations"], j["partitions"]' "['load'] [] {}"

# What fits is not refused.
# shellcheck disable=SC2086
run fit als $in --rank 3 --max-iter 2 --threads 1 --memory 40m
expect_code 0
