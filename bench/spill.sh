#!/bin/sh
# An iteration of ALS whose ratings lie in memory, and with a budget of a quarter and of an eighth of them, each in a
# memory cgroup of the budget and max(10 %, 64 MB), the file cache cold, scratch on disk. Needs root and cgroup v1.
#   bench/spill.sh QUERN WORK [RATINGS [USERS ITEMS RANK [ITERATIONS [ROUNDS]]]]
# QUERN  the program          WORK  folder on a disk; ratings.csv is made there, or taken if it is there
# Without numbers: 100 million ratings of 100,000 users and 20,000 items, rank 50, 5 iterations, 3 rounds of all in turn:
# 2.5 GB of input, 3.2 GB of scratch, a quarter of an hour. Prints medians over the rounds, the ratios, what was read
# back, and the rate of the disk as read beside (direct I/O, 2 MB requests). Ends with 1 where a run is killed, spills
# nothing or gives another model, or where an iteration with a quarter takes more than 1.5 times that in memory and more
# than reading all ratings once.
set -eu
quern=$1 work=$2 ratings=${3:-100000000} users=${4:-100000} items=${5:-20000} rank=${6:-50} iterations=${7:-5} rounds=${8:-3}
# shellcheck source=tests/support/skip.sh
. "$(dirname "$0")/../tests/support/skip.sh"
# shellcheck source=tests/memory/cgroup.sh
. "$(dirname "$0")/../tests/memory/cgroup.sh"
trap 'cgroup_close; rm -rf "$work/spill" "$work/runs"' EXIT

# fit MEMORY COMMAND...
fit() {
    memory=$1
    shift
    "$@" "$quern" fit als --input "$work/ratings.csv" --rank "$rank" --max-iter "$iterations" --threads 2 --quiet \
        --json --runs-dir "$work/runs" --scratch "$work/spill" --memory "$memory"
}

mkdir -p "$work/spill"
needs_disk "$work"
cgroup_open
[ -f "$work/ratings.csv" ] || "$quern" datagen ratings --users "$users" --items "$items" --ratings "$ratings" --seed 7 \
    --out "$work" --quiet
for round in $(seq "$rounds"); do
    fit 0 env >"$work/free-$round.json"
    bytes=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["memory"]["ratings_bytes"])' \
        "$work/free-$round.json")
    for part in 4 8; do
        budget=$((bytes / part))
        fit $budget cgroup_run "$(limit_of_budget $((budget >> 20)))" >"$work/held$part-$round.json"
        echo "round $round, 1/$part: budget $budget, peak $(cgroup_peak), killed $(cgroup_killed)"
        [ "$(cgroup_killed)" = 0 ]
    done
done
rate=$(dd if="$work/ratings.csv" of=/dev/null bs=2M count=1024 iflag=direct 2>&1 |
    sed -n 's/^\([0-9]*\) bytes.* copied, \([0-9.e-]*\) s.*/\1 \2/p' | awk '{ printf "%d", $1 / $2 }')
python3 - "$work" "$rate" "$rounds" <<'PYTHON'
import json
import statistics
import sys

work, rate, rounds = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])


def runs(name):
    """The records, and the medians of each's iterations but the first, which also warms up: theirs, least, most."""
    records = [json.load(open(f"{work}/{name}-{r}.json")) for r in range(1, rounds + 1)]
    seconds = [[step["seconds"] for step in record["iterations"]] for record in records]
    medians = [statistics.median(of_run[1:] or of_run) for of_run in seconds]
    return records, (statistics.median(medians), min(medians), max(medians))


free, base = runs("free")
data = free[0]["memory"]["ratings_bytes"]
digests = {record["model_digest"] for record in free}
print(f"disk {rate / 1e6:.0f} MB/s; in memory: {data} bytes of ratings, "
      f"{base[0]:.3f} s an iteration ({base[1]:.3f} to {base[2]:.3f})")
bad = len(digests) > 1
for part in (4, 8):
    held, seconds = runs(f"held{part}")
    once = data / rate  # at most all of it is read in an iteration
    same = {record["model_digest"] for record in held} == digests
    spilled = min(record["memory"]["spilled_bytes"] for record in held)
    print(f"1/{part}: {seconds[0]:.3f} s an iteration ({seconds[1]:.3f} to {seconds[2]:.3f}), "
          f"{seconds[0] / base[0]:.2f} times; all ratings off the disk {once:.3f} s; "
          f"spilled {spilled}, read back {held[0]['memory']['read_bytes']}, {'same' if same else 'ANOTHER'} model; "
          f"load {held[0]['timings']['load_s']:.1f} s, {free[0]['timings']['load_s']:.1f} s in memory")
    bad |= not same or spilled == 0 or (part == 4 and seconds[0] > max(1.5 * base[0], once))
sys.exit(1 if bad else 0)
PYTHON
