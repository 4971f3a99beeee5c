#!/bin/sh
# A run as the reference experiments write it.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"

refused 2 'there are no runs in runs' runs export --format als
refused 2 'missing: --format' runs export

run datagen ratings --users 60 --items 30 --ratings 900 --seed 5 --out data
expect_code 0
run fit als --input data/ratings.csv --split random:0.8 --rank 2 --max-iter 1 --partitions 3 --json
expect_code 0
cp "$out" "$work/record"

run runs export --format als --out results
expect_code 0
expect_out '^wrote +results/als_[0-9]{8}_[0-9]{6}\.json$'
expect_no_err
file=$(sed -n 's/^wrote *//p' "$out")
python3 - "$file" "$work/record" >"$out" 2>"$err" <<'PY' || fail "the keys are not those of fit als"
import json, sys
exported = json.load(open(sys.argv[1]))
record = json.loads(open(sys.argv[2]).read().splitlines()[-1])
printed, timings = record["reference"], record["timings"]
assert list(exported) == list(printed), list(exported)
for key, value in printed.items():
    assert key.endswith("_time") or exported[key] == value, (key, exported[key], value)
# Times are the record's, which keeps whole microseconds: of loading what fit als prints; of training what lies
# between its iterations and what fit als prints, which begins before the job and ends after it.
assert exported["load_time"] == timings["load_s"], exported
assert exported["train_time"] == timings["fit_s"], exported
assert exported["total_time"] == timings["load_s"] + timings["fit_s"], exported
micros = {key: round(exported[key] * 1e6) for key in ("load_time", "train_time")}
assert micros["load_time"] == int(printed["load_time"] * 1e6), (exported, printed)
iterations = sum(round(i["seconds"] * 1e6) for i in record["iterations"])
assert 0 < iterations <= micros["train_time"] <= printed["train_time"] * 1e6, (exported, printed, iterations)
assert printed["total_time"] == printed["load_time"] + printed["train_time"], printed
PY
refused 2 'is there already' runs export last --format als --out results
run runs export last --format als --out results --overwrite --json
expect_code 0
expect_json 'j["path"]' "$file"
run runs export als --format als --out results --overwrite --quiet
expect_code 0
expect_no_out
refused 2 'is one of fit als; these keys are those of fit kmeans' runs export last --format kmeans --out results
refused 2 'no run "nothing"' runs export nothing --format als --out results
refused 1 'cannot make folder' runs export last --format als --out "$file"
echo passed
