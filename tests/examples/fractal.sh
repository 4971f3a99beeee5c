#!/bin/sh
# The forest job of the reference: its columns, its file with exactly its keys, and numbers that agree.
set -eu
quern=$1/quern
source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
# shellcheck source=tests/support/skip.sh
. "$source/tests/support/skip.sh"
needs_parquet

ROWS=80000 FILES=20 FRACTION=0.5 "$source/examples/fractal.sh" "$quern" job --threads 2 >said
[ -f job/model/metadata/part-00000 ]
grep -q '^sample    50 % by files: 10 of 20 files' said
grep -Eq '^time      load .* fit .* evaluate .* save .* total ' said
python3 - job/results/fractal-rf-e8g-x1-f0.5_*.json job/runs/*/record.json <<'PY'
import json, sys

j, record = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))
counters = j["spark_metrics"]
assert list(j) == ("train_count val_count test_count num_partitions val_accuracy test_accuracy training_time_sec "
                   "total_time_sec num_executors executor_cores sample_fraction executor_memory num_trees total_cores "
                   "spark_metrics").split(), list(j)
assert len(counters) == 30 and counters["numStages"] > 0 and counters["recordsRead"] == j["train_count"], counters
assert record["data"]["features"] == "z Intensity Red Green Blue Infrared ndvi".split(), record["data"]
assert 30000 < j["train_count"] < 50000 and 1000 < j["val_count"] < 8000 and 1000 < j["test_count"] < 8000, j
assert j["num_trees"] == 40 and j["executor_cores"] == 2 and j["sample_fraction"] == 0.5, j
assert 0.6 < j["val_accuracy"] < 1 and 0.6 < j["test_accuracy"] < 1, j
assert 0 < j["training_time_sec"] < j["total_time_sec"], j
for stage in ("load_s", "fit_s", "evaluate_s", "save_s", "total_s"): # each stage by itself (F8)
    assert record["timings"][stage] > 0, record["timings"]
assert abs(record["metrics"]["test"]["accuracy"] - j["test_accuracy"]) < 1e-4, record["metrics"]
PY
# The model takes raw columns: it divides z itself.
"$quern" evaluate --model job/model --input job/made/test/part-00000.parquet --runs-dir none --json >judged
python3 - judged job/runs/*/record.json <<'PY'
import json, sys

judged = json.loads(open(sys.argv[1]).read().splitlines()[-1])
record = json.load(open(sys.argv[2]))
assert judged["accuracy"] == record["metrics"]["test"]["accuracy"], judged
PY
if "$source/examples/fractal.sh" "$quern" job --max-depth 31 >said 2>error; then exit 1; fi
grep -q 'max-depth 31 is out of range' error
