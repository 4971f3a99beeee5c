#!/bin/sh
# An iteration of ALS here and of cmfrec's Cholesky solver, in turn on the same file and rows.
#   bench/als.sh BENCH_ALS PYTHON PEERS DATA RANK [ITERATIONS] [TIMES]
# BENCH_ALS  the program bench_als        PYTHON  one with peers/requirements.txt
# PEERS      folder with als.py           DATA    folder made by `gen.py ratings`, holds ratings.csv
# Prints a line of JSON each run, at the end the ratio of the best time per iteration of each.
set -eu

bench=$1 python=$2 peers=$3 data=$4 rank=$5 iterations=${6:-3} times=${7:-3}
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

for _ in $(seq "$times"); do
    "$bench" "$data/ratings.csv" --rank "$rank" --max-iter "$iterations" --reg-param 0.05 | tee -a "$lines"
    "$python" "$peers/als.py" "$data" --system cmfrec-chol --k "$rank" --iters "$iterations" --reg 0.05 |
        tee -a "$lines"
done
"$python" - "$lines" <<'PYTHON'
import json
import sys

best = {}
for line in open(sys.argv[1]):
    run = json.loads(line)
    seconds, rmse = best.get(run["system"], (float("inf"), 0))
    best[run["system"]] = min(seconds, run["per_iter_s"]), run["rmse"]
(ours, our_rmse), (peer, peer_rmse) = best["quern"], best["cmfrec-chol"]
print(f"quern {ours:.3f} s (rmse {our_rmse:.4f}), cmfrec-chol {peer:.3f} s (rmse {peer_rmse:.4f}) "
      f"an iteration: {peer / ours:.2f} times as fast")
PYTHON
