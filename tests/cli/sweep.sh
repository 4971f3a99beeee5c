#!/bin/sh
# quern sweep als: a grid of runs, each a process of its own, kept one by one.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"

run datagen ratings --users 300 --items 100 --ratings 9000 --seed 7 --out data
expect_code 0
fit="--input data/ratings.csv --split random:0.8 --rank 6 --max-iter 2"

# The grid: every point as often as asked for, one model, a table in three forms.
# shellcheck disable=SC2086
run sweep als $fit --workers 1 --partitions 2,4 --memory 64m,256m --repeats 2 --out sw
expect_code 0
expect_out '^SUMMARY OF ALL EXPERIMENTS$'
expect_out '^ +Nodes +Partitions +Memory +Load\(s\) +Train\(s\) +Evaluate\(s\) +Total\(s\) +RMSE '
expect_out '^ +1 +2 +64m +.* 0\.[0-9]{4} +1\.00 +100 % '
expect_out '^runs +8 of 8 succeeded$'
expect_out '^digest +[0-9a-f]{32}, the same in every run that succeeded$'
expect_no_err
digest=$(sed -n 's/^digest *\([0-9a-f]*\),.*/\1/p' "$out")
[ "$(find sw/points -name '*.json' | wc -l)" = 8 ] || fail "eight runs are kept"
[ "$(wc -l <sw/sweep.csv)" = 5 ] || fail "a header and four points in sweep.csv"
[ "$(find sw/runs -name record.json | wc -l)" = 8 ] || fail "each run has its record"
# shellcheck disable=SC2086
run fit als $fit --json
expect_json 'j["model_digest"]' "$digest"
rmse=$(json 'j["metrics"]["rmse"]')
python3 - "$rmse" <<'P' || fail "sweep.csv and results.json agree with the runs"
import csv, glob, json, statistics, sys
rows = list(csv.DictReader(open("sw/sweep.csv")))
results = json.load(open("sw/results.json"))
assert len(rows) == len(results["points"]) == 4 and len(results["runs"]) == 8
for row, point in zip(rows, results["points"]):
    mine = [json.load(open(p)) for p in glob.glob(f"sw/points/{point['point']}-r*.json")]
    assert len(mine) == 2 and point["runs"] == 2
    for key in "load_s fit_s evaluate_s total_s".split():
        took = [m["record"]["timings"][key] for m in mine]
        assert abs(point[key]["median"] - statistics.median(took)) < 1e-12, key
        assert point[key]["least"] == min(took) and point[key]["greatest"] == max(took)
        assert float(row[key]) == point[key]["median"]
    assert float(row["rmse"]) == point["rmse"] == float(sys.argv[1])
    assert {m["record"]["parameters"]["partitions"] for m in mine} == {point["partitions"]}
    assert {m["record"]["resources"]["budget_bytes"] for m in mine} == {int(point["memory"][:-1]) << 20}
    assert point["peak_bytes"] == max(m["record"]["resources"]["peak_bytes"] for m in mine)
P

# What is there stays there; --resume adds what is missing, and refuses another experiment.
# shellcheck disable=SC2086
refused 2 'holds a sweep already: go on with it by --resume' sweep als $fit --workers 1 --out sw
# shellcheck disable=SC2086
refused 2 'is a sweep of other options .*--rank=6 there, --rank=7 here' \
    sweep als --input data/ratings.csv --split random:0.8 --rank 7 --max-iter 2 --workers 1 --out sw --resume
cp sw/points/w1-p2-m64m-r1.json kept
rm sw/points/w1-p4-m256m-r2.json
# shellcheck disable=SC2086
run sweep als $fit --workers 1 --partitions 2,4 --memory 64m,256m --repeats 2 --out sw --resume --json
expect_code 0
expect_json 'j["runs_kept"], j["runs_ok"], j["digest"]' "7 8 $digest"
cmp -s kept sw/points/w1-p2-m64m-r1.json || fail "a run that was there has been measured again"
printf '{"point": "w1-p4' >sw/points/w1-p4-m256m-r2.json
# shellcheck disable=SC2086
run sweep als $fit --workers 1 --partitions 2,4 --memory 64m,256m --repeats 2 --out sw --resume
expect_code 4
expect_err 'w1-p4-m256m-r2.json is not what a sweep keeps of run 2 of point w1-p4-m256m'

# A point that fails is recorded with message and exit code, and the others are measured.
# shellcheck disable=SC2086
run sweep als $fit --rank 200 --workers 1 --memory 1m,256m --repeats 2 --out small
expect_code 0
expect_out '^runs +2 of 4 succeeded$'
expect_out '^failed +w1-m1m, exit 1: fit als: '
expect_err '^warning: run 1 of w1-m1m failed with exit code 1: fit als: '
[ "$(python3 -c 'import json; j = json.load(open("small/results.json"))
print([(p["failed"], p.get("exit_code", 0), bool(p["error"])) for p in j["points"]])')" = "[(2, 1, True), (0, 0, False)]" ] ||
    fail "results.json says which point failed, and how"
# shellcheck disable=SC2086
refused 1 'no run succeeded; the first failed with: fit als: ' \
    sweep als --input missing.csv --workers 1 --repeats 1 --runs-dir none

# Pairs, without a folder.
# shellcheck disable=SC2086
run sweep als $fit --pairs 1:4,1:8 --repeats 1 --runs-dir none --json
expect_code 0
expect_json '[(p["workers"], p["partitions"]) for p in j["points"]]' "[(1, 4), (1, 8)]"
expect_json 'j["folder"]' None

# Options that cannot be meant.
# shellcheck disable=SC2086
for words in "--workers 0" "--workers x" "--workers 2000" "--memory lots" "--partitions -3" "--pairs 4" \
    "--pairs 1:4 --workers 2" "--workers 1,1" "--repeats 0" "--resume --runs-dir none" "--model m"; do
    before
    run sweep als $fit $words --repeats 1
    [ "$code" = 2 ] || fail "sweep als $words is refused"
    expect_one_error
    expect_unchanged
done

# Killed in the middle, whatever way, it takes the run under way with it and keeps those that are done.
run datagen ratings --users 20000 --items 3000 --ratings 600000 --seed 7 --out large
long="--input large/ratings.csv --rank 40 --max-iter 1000 --threads 1"
for signal in TERM KILL; do
    # shellcheck disable=SC2086
    "$quern" sweep als $long --workers 1 --repeats 2 --out killed-$signal >"$out" 2>"$err" </dev/null &
    sweep=$!
    child=
    for _ in $(seq 100); do
        child=$(cat "/proc/$sweep/task/$sweep/children" 2>/dev/null)
        [ -n "$child" ] && break
        sleep 0.1
    done
    [ -n "$child" ] || fail "a run has been started"
    sleep 0.3
    kill -$signal $sweep
    wait $sweep
    code=$?
    [ $signal = KILL ] || expect_code 143
    for _ in $(seq 100); do
        kill -0 $child 2>/dev/null || break
        sleep 0.1
    done
    ! kill -0 $child 2>/dev/null || fail "the run has ended with its sweep"
    [ -z "$(find killed-$signal/points -name '*.json')" ] || fail "a run that was interrupted is no result"
done
# shellcheck disable=SC2086
run sweep als $long --workers 1 --repeats 1 --timeout 1 --out killed-KILL --resume
expect_code 1
expect_err 'not done after 1 seconds \(--timeout\)'

# Fits on tables are swept alike, and judged by what judges them.
run datagen blobs --rows 3000 --k 3 --features 2 --seed 1 --out blobs
expect_code 0
run sweep kmeans --input blobs/blobs.csv --label label --k 3 --workers 1 --partitions 1,3 --out skm
expect_code 0
expect_out '^ +Nodes .* Total\(s\) +Cost '
expect_out '^digest +[0-9a-f]{32}, the same in every run that succeeded$'
[ "$(cut -d, -f1-2 skm/sweep.csv | tr '\n' ' ')" = "workers,partitions 1,1 1,3 " ] || fail "points of the sweep of K-means"
run fit kmeans --input blobs/blobs.csv --label label --k 3 --json
cost=$(json 'j["metrics"]["cost"]')
python3 -c 'import json,sys; assert json.load(open("skm/results.json"))["points"][1]["cost"] == float(sys.argv[1])' "$cost" ||
    fail "the cost is that of a plain fit"
run sweep forest --input blobs/blobs.csv --label label --num-trees 2 --test blobs/blobs.csv --workers 1 --json
expect_code 0
expect_json '"accuracy" in j["points"][0], j["runs_ok"]' 'True 3'
refused 2 '--model: runs of a sweep are measured and save nothing' sweep kmeans --input blobs/blobs.csv --k 3 --model m
exit 0
