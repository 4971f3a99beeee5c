#!/bin/sh
# quern sweep als over real workers: as many work as a point says, one model in all, what cannot start is recorded.
# shellcheck disable=SC2154,SC2034,SC1091,SC2086
. "$(dirname "$0")/lib.sh"
has_mpi mpirun.openmpi openmpi || skip "Open MPI is not here"
run datagen ratings --users 600 --items 200 --ratings 20000 --seed 7 --out data
expect_code 0
fit="--input data/ratings.csv --split random:0.8 --rank 6 --max-iter 2"
run fit als $fit --json
expect_code 0
digest=$(json 'j["model_digest"]')

run sweep als $fit --workers 1,2 --partitions 4,8 --repeats 2 --out sw --json
expect_code 0
expect_no_err
expect_json 'j["runs_ok"], j["digest"]' "8 $digest"
python3 - <<'P' || fail "the points are not as they were asked for"
import glob, json
points = json.load(open("sw/results.json"))["points"]
assert [(p["workers"], p["partitions"]) for p in points] == [(1, 4), (1, 8), (2, 4), (2, 8)], points
for point in points:
    for path in glob.glob(f"sw/points/{point['point']}-r*.json"):
        run = json.load(open(path))["record"]
        assert len(run["workers"]) == run["resources"]["workers"] == point["workers"], path
        assert len({w["pid"] for w in run["workers"]}) == point["workers"], path
        assert (run["resources"]["moved_bytes"] > 0) == (point["workers"] > 1), path
        assert run["parameters"]["partitions"] == point["partitions"], path
    assert point["fit_s"]["least"] <= point["fit_s"]["median"] <= point["fit_s"]["greatest"]
P
[ "$(find sw/runs -name record.json | wc -l)" = 8 ] || fail "each run has its record"

# A launcher that does not start: that point is recorded with its message, the others are measured.
cat >"$work/mpirun" <<'P'
#!/bin/sh
echo "no room for workers today" >&2
exit 3
P
chmod +x "$work/mpirun"
export QN_MPIRUN="$work/mpirun"
run sweep als $fit --workers 1,2 --repeats 1 --out broken
unset QN_MPIRUN
expect_code 0
expect_out '^runs +1 of 2 succeeded$'
expect_out '^failed +w2.*, exit 1: fit als: the workers do not start: .*exit code 3'

# A point that takes too long is ended with all of its workers.
run datagen ratings --users 20000 --items 3000 --ratings 600000 --seed 7 --out large
run sweep als --input large/ratings.csv --rank 40 --max-iter 1000 --threads 1 --workers 2 --repeats 1 --timeout 3 --out late
expect_code 1
expect_err 'not done after 3 seconds \(--timeout\)'
python3 - <<'P' || fail "workers of a run that was ended live on"
import glob, json, os
(path,) = glob.glob("late/runs/als-*/record.json")
record = json.load(open(path))
assert record["status"] == "cancelled", record["status"]
assert record["workers"] and not any(os.path.exists(f"/proc/{w['pid']}") for w in record["workers"])
P
echo "sweep over workers: fine"
