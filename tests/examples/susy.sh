#!/bin/sh
# The K-means job of the reference: its two lines, its file with exactly its keys, and numbers that agree.
set -eu
quern=$1/quern
source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
# shellcheck source=tests/support/skip.sh
. "$source/tests/support/skip.sh"
needs_parquet

# expect FILE ROWS PARTS SAMPLED K ITERATIONS: whether the lines in `said` and the file tell the same job.
expect() {
    python3 - "$@" <<'PY'
import json, re, sys

name, rows, parts, fraction, k, iterations = sys.argv[1:]
said, j = open("said").read(), json.load(open(name))
tag = name.split("/")[-1].split("_")[0]
assert re.fullmatch(rf"{tag}_\d{{8}}_\d{{6}}\.json", name.split("/")[-1]), name
assert list(j) == ("tag hostname workers k maxIter parts rows features size_gb fraction train_sec wssse "
                   "cluster_sizes").split(), list(j)
assert [j[key] for key in ("tag", "workers", "k", "maxIter", "parts", "features", "fraction")] == [
    tag, 1, int(k), int(iterations), int(parts), 18, float(fraction)], j
assert abs(j["rows"] / (int(rows) * float(fraction)) - 1) < 0.05 and (fraction != "1.0" or j["rows"] == int(rows)), j
assert len(j["cluster_sizes"]) == int(k) and sum(j["cluster_sizes"]) == j["rows"], j
assert j["hostname"] and j["size_gb"] > 0 and j["train_sec"] > 0 and j["wssse"] > 0, j
loaded = re.search(r"^### Loaded (\d+) rows, (\d+) features \((\d+\.\d\d) GB\) in (\d+) partitions$", said, re.M)
assert loaded.groups() == (str(j["rows"]), "18", f'{j["size_gb"]:.2f}', parts), said
done = re.search(r"^### Completed in (\d+\.\d\d) s \| WSSSE=(\d+\.\d\d) \| clusterSizes=(\[.*\])$", said, re.M)
assert done.groups() == (f'{j["train_sec"]:.2f}', f'{j["wssse"]:.2f}', str(j["cluster_sizes"])), said
PY
}
result_of() { sed -n 's/^result //p' said; }

ROWS=120000 "$source/examples/susy.sh" "$quern" job >said # 21 MB: three cells
expect "$(result_of)" 120000 3 1.0 8 20
[ -f job/model/metadata/part-00000 ]
ROWS=120000 "$source/examples/susy.sh" "$quern" job --k 5 --maxIter 3 --parts 2 --fraction 0.5 --tag half >said
expect "$(result_of)" 120000 2 0.5 5 3
set -- job/results/*.json
[ $# = 2 ]

# A file of one's own, in the folder that is the default.
mkdir susy && mv job/made/susy.csv susy/SUSY.csv
"$source/examples/susy.sh" "$quern" --parts 1 --tag own >said
expect "$(result_of)" 120000 1 1.0 8 20
[ ! -e susy/made ]
if "$source/examples/susy.sh" "$quern" --k 1 >said 2>error; then exit 1; fi
grep -q 'k 1 is out of range' error
