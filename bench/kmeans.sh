#!/bin/sh
# Twenty passes of K-means here and in others, in turn: the same rows, the same start (the first k rows).
#   bench/kmeans.sh QUERN PYTHON PEERS DATA K [TIMES] [SYSTEM...]
# QUERN   the program, built by `make build`     PYTHON  one with peers/requirements.txt
# PEERS   folder with kmeans.py and gen.py       DATA    folder made by `gen.py tabular --shape susy`
# SYSTEM  sklearn, sklearnex, faiss (default sklearn and faiss)
# Prints a line of JSON each run, at the end the best time of a pass of each and the ratio to ours; of
# scikit-learn the inertia too, which must be ours.
set -eu

quern=$1 python=$2 peers=$3 data=$4 k=$5 times=${6:-3}
shift 5
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- sklearn faiss
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

head -n "$k" "$data/susy.csv" | cut -d, -f2- >"$dir/start.csv"
for _ in $(seq "$times"); do
    "$quern" fit kmeans --input "$data/susy.parquet" --label label --k "$k" --init-mode "$dir/start.csv" \
        --max-iter 20 --tol 0 --threads 2 --runs-dir "$dir/runs" --json --quiet | tee -a "$dir/ours"
    for system in "$@"; do
        "$python" "$peers/kmeans.py" "$data" --system "$system" --k "$k" --iters 20 --repeat 1 | tee -a "$dir/peers"
    done
done
"$python" - "$dir" <<'PYTHON'
import json
import sys

ours = [json.loads(line) for line in open(f"{sys.argv[1]}/ours")]
# The job's own time of fitting: the start, twenty passes, and one more for sizes and cost.
best = min(run["timings"]["fit_s"] for run in ours) / 20
cost = ours[0]["metrics"]["cost"]
print(f"quern {best * 1e3:.1f} ms a pass, cost {cost:.6g}")
peers = {}
for run in map(json.loads, open(f"{sys.argv[1]}/peers")):
    seconds = peers.get(run["system"], (float("inf"), 0))[0]
    peers[run["system"]] = min(seconds, run["per_iter_s"]), run["inertia"]
for name, (seconds, inertia) in peers.items():
    print(f"{name} {seconds * 1e3:.1f} ms a pass, cost {inertia:.6g}: {seconds / best:.2f} times ours")
PYTHON
