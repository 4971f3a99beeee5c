#!/bin/sh
# A forest of 40 trees of depth 6 here and in others, on the same rows: 7 features, 32 bins, 3 features a node.
#   bench/forest.sh QUERN PYTHON PEERS DATA [TIMES] [SYSTEM...]
# QUERN   the program, built by `make build`     PYTHON  one with peers/requirements.txt
# PEERS   folder with forest.py and gen.py       DATA    folder made by `gen.py tabular --shape fractal`
# SYSTEM  lightgbm, xgboost, sklearnex (default all three; `none`: ours alone)
# Ours runs TIMES times (default 3) with rows merged and not, each peer once: they take minutes. Prints a line of JSON
# each run; at the end the best fit of each, its accuracy on the test rows, and the ratio to ours.
set -eu

quern=$1 python=$2 peers=$3 data=$4 times=${5:-3}
shift 4
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- lightgbm xgboost sklearnex
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

for _ in $(seq "$times"); do
    for merge in false true; do
        "$quern" fit forest --input "$data/train" --test "$data/test" --feature 'z=xyz[2]' \
            --feature 'ndvi=case when Infrared + Red > 0 then (Infrared - Red) / (Infrared + Red) else 0 end' \
            --features z,Intensity,Red,Green,Blue,Infrared,ndvi --label Classification \
            --num-trees 40 --max-depth 6 --seed 62 --merge-rows "$merge" --threads 2 \
            --runs-dir "$dir/runs" --json --quiet | tee -a "$dir/$merge"
    done
done
: >"$dir/peers"
for system in "$@"; do
    [ "$system" = none ] || "$python" "$peers/forest.py" "$data" --system "$system" | tee -a "$dir/peers"
done
"$python" - "$dir" <<'PYTHON'
import json
import sys

best = {}
for merge, name in (("false", "quern"), ("true", "quern, rows merged")):
    runs = [json.loads(line) for line in open(f"{sys.argv[1]}/{merge}")]
    run = min(runs, key=lambda r: r["timings"]["fit_s"])
    counts = run["counts"]
    best[merge] = run["timings"]["fit_s"]
    distinct = counts["distinct_rows"] or counts["train_records"]
    print(f"{name}: fit {best[merge]:.2f} s, load {run['timings']['load_s']:.2f} s, "
          f"accuracy {run['metrics']['test']['accuracy']:.4f}, {counts['train_records'] / distinct:.2f} rows a distinct one, "
          f"{run['resources']['peak_bytes'] / counts['train_records']:.1f} bytes a row at the peak")
for run in map(json.loads, open(f"{sys.argv[1]}/peers")):
    print(f"{run['system']} {run['version']}: fit {run['fit_s']:.1f} s and {run['prep_s']:.1f} s before it, accuracy "
          f"{run['accuracy']:.4f}: {run['fit_s'] / best['false']:.1f} times ours, {run['fit_s'] / best['true']:.1f} merged")
PYTHON
