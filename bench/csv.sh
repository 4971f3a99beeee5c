#!/bin/sh
# A table of numbers read from CSV here and by pyarrow, polars and DuckDB, in turn, all as float.
#   bench/csv.sh BENCH_CSV PYTHON PEERS DATA [TIMES] [THREADS]
# BENCH_CSV  the program bench_csv        PYTHON  one with peers/requirements.txt
# PEERS      folder with csvread.py       DATA    folder that holds susy.csv: 19 numbers a row
# A peer that this Python lacks is left out. Every run is a process of its own that reads twice and reports the better one. Prints a line of
# JSON each run, at the end the medians and how many times as fast as the best peer we are.
set -eu

bench=$1 python=$2 peers=$3 data=$4 times=${5:-3}
PEER_THREADS=${6:-2}
export PEER_THREADS
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

for _ in $(seq "$times"); do
    "$bench" "$data/susy.csv" --threads "$PEER_THREADS" --repeat 2 | tee -a "$lines"
    for system in pyarrow polars duckdb; do
        "$python" -c "import $system" 2>/dev/null || continue
        "$python" "$peers/csvread.py" "$data" --system "$system" --repeat 2 | tee -a "$lines"
    done
done
"$python" - "$lines" <<'PYTHON'
import json
import statistics
import sys

seconds, rows = {}, set()
for line in open(sys.argv[1]):
    run = json.loads(line)
    seconds.setdefault(run["system"], []).append(run["load_s"])
    rows.add(run["rows"])
assert len(rows) == 1, f"not the same number of rows: {rows}"
median = {system: statistics.median(s) for system, s in seconds.items()}
ours = median.pop("quern")
peer = min(median, key=median.get)
print(f"quern {ours:.3f} s; " + ", ".join(f"{s} {t:.3f} s" for s, t in median.items()) +
      f": {median[peer] / ours:.2f} times as fast as {peer}")
PYTHON
