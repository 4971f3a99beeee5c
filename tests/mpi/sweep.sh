#!/bin/sh
# sweep.sh FLAVOUR: the experiment of the reference with real workers: 1, 2 and 5 of them with 4, 8 and 20 partitions, each
# run with as many as it says, one model; afterwards nothing is left of them.
# shellcheck source=tests/mpi/lib.sh
. "$(dirname "$0")/lib.sh"

available() { awk '/^MemAvailable/ { print $2 }' /proc/meminfo; }
# Processes of this test: those that work here.
workers_here() {
    for pid in $(pgrep -x quern); do
        [ "$(readlink "/proc/$pid/cwd")" != "$place" ] || echo "$pid"
    done
}

"$QN_QUERN" datagen ratings --users 100000 --items 20000 --ratings 400000 --seed 3 --out data --quiet
before=$(available)
"$QN_QUERN" sweep als --input data/ratings.csv --split random:0.8 --rank 6 --max-iter 2 --pairs 1:4,2:8,5:20 --repeats 2 \
    --threads 1 --out sweep >out 2>err || fail "the sweep ended with $?"
grep -q '^SUMMARY OF ALL EXPERIMENTS$' out || fail "no summary"
for pair in '1 +4' '2 +8' '5 +20'; do
    grep -qE "^ +$pair +" out || fail "no line of workers and partitions $pair"
done
grep -qE '^digest +[0-9a-f]{32}, the same in every run that succeeded$' out || fail "digests differ"
python3 - "$(nproc)" <<'P' || fail "the runs are not what was asked for"
import glob, json, sys
cores = int(sys.argv[1])
results = json.load(open("sweep/results.json"))
assert len(results["runs"]) == 6 and [p["workers"] for p in results["points"]] == [1, 2, 5]
for path in glob.glob("sweep/points/*.json"):
    record = json.load(open(path))["record"]
    workers = int(path.split("/")[-1].split("-")[0][1:])
    asked = record["parameters"]["partitions"]
    assert record["resources"]["workers"] == workers, path
    assert asked == {1: 4, 2: 8, 5: 20}[workers], path
    assert record["partitions"]["users"]["count"] == asked, path  # 100,000 users are 25 cells
    assert (record["resources"]["moved_bytes"] > 0) == (workers > 1), path
    assert len(record.get("workers", [0])) == max(workers, 1), path
for point in results["points"]:  # no speed-up is claimed where workers share cores
    assert point["workers"] <= cores or not point.get("speed_up"), point
P
# The workers' memory is back: no process of theirs lives, and the machine has what it had.
sleep 0.2
[ -z "$(workers_here)" ] || fail "workers are left: $(workers_here)"
for _ in $(seq 100); do # others may work on this machine too
    after=$(available)
    [ "$after" -lt $((before - 262144)) ] || break
    sleep 0.1
done
echo "memory available before $before kB, after 16 workers $after kB"
[ "$after" -ge $((before - 262144)) ] || fail "memory is missing"
if ls /dev/shm/*quern* "$place"/quern-scratch* >/dev/null 2>&1; then fail "files are left"; fi
