#!/bin/sh
# The life of a data set: what the example prints, and what it leaves.
set -eu
quern=$1/quern
source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
# shellcheck source=tests/support/skip.sh
. "$source/tests/support/skip.sh"
needs_parquet

expect() { grep -qE -- "$1" said || { echo "FAILED: no \"$1\" in"; cat said; exit 1; }; }
ROWS=20000 "$source/examples/etl.sh" "$quern" job >said
expect '^read +20,000 rows, [0-9]+ bad \([0-9]+ malformed, 0 null, 0 out of range\)'
expect '^source +moved to data/streaming/taken/daily.csv'
expect '^read +1 file taken before: not read again'
expect '^source +daily.csv deleted'
expect '1 file written, 83 as they were; generation 2'
expect '^fine +data/processed/parquet/train, generation 2'
expect '^data set +data/processed/parquet/train: generation 1, was 2'
expect '^saved +model'
[ "$(readlink job/data/processed/parquet/train)" = .train.generations/000001 ]
[ -d job/data/processed/parquet/train/year=1999/month=1 ]
[ ! -e job/data/streaming/train ] && [ ! -e job/daily.csv ]

# Every row is written or told.
python3 - <<'PY'
import csv, json, glob
runs = [json.load(open(f)) for f in glob.glob("job/runs/*/record.json")]
etl = next(r["counts"] for r in runs if r["command"] == "etl")
told = list(csv.DictReader(open("job/rejects.csv")))
assert etl["rows"] == 22000, etl
assert etl["rows"] == etl["rows_written"] + len(told), (etl, len(told))
assert {t["reason"] for t in told} <= {"malformed", "duplicate"}, told[:3]
assert sum(t["reason"] == "malformed" for t in told) == etl["rows_malformed"] >= 110, etl
PY
"$source/examples/etl.sh" "$quern" job >/dev/null # again, over what it has left
