#!/bin/sh
# An iteration of ALS whose ratings lie in memory, and with a budget of a quarter and of an eighth of them, each in a
# memory cgroup of the budget and max(10 %, 64 MB), the file cache cold, scratch on disk. Needs root and cgroup v1.
#   bench/spill.sh QUERN WORK [RATINGS [USERS ITEMS RANK [ITERATIONS]]]
# QUERN  the program          WORK  folder on a disk; ratings.csv is made there, or taken if it is there
# Without numbers: 100 million ratings of 100,000 users and 20,000 items, rank 50, 5 iterations: 2.5 GB of input and
# 3.2 GB of scratch. Prints medians, the ratios, what was read back, and the rate of the disk as read beside (direct
# I/O, 2 MB requests). Ends with 1 where a run is killed, spills nothing or gives another model, or where an iteration
# with a quarter takes more than 1.5 times that in memory and more than reading what was read back once.
set -eu
quern=$1 work=$2 ratings=${3:-100000000} users=${4:-100000} items=${5:-20000} rank=${6:-50} iterations=${7:-5}
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
case $(stat -f -c %T "$work") in
tmpfs | ramfs) skip "$work is not on a disk" ;;
esac
cgroup_open
[ -f "$work/ratings.csv" ] || "$quern" datagen ratings --users "$users" --items "$items" --ratings "$ratings" --seed 7 \
    --out "$work" --quiet
fit 0 env >"$work/free.json"
bytes=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["memory"]["ratings_bytes"])' "$work/free.json")
for part in 4 8; do
    budget=$((bytes / part))
    fit $budget cgroup_run "$(limit_of_budget $((budget >> 20)))" >"$work/held$part.json"
    echo "1/$part: budget $budget, peak $(cgroup_peak), killed $(cgroup_killed)"
    [ "$(cgroup_killed)" = 0 ]
done
rate=$(dd if="$work/ratings.csv" of=/dev/null bs=2M count=1024 iflag=direct 2>&1 |
    sed -n 's/^\([0-9]*\) bytes.* copied, \([0-9.e-]*\) s.*/\1 \2/p' | awk '{ printf "%d", $1 / $2 }')
python3 - "$work" "$rate" <<'PYTHON'
import json
import statistics
import sys

work, rate = sys.argv[1], float(sys.argv[2])


def run(name):
    """The record, and the median of its iterations but the first, which also warms up."""
    record = json.load(open(f"{work}/{name}.json"))
    seconds = [step["seconds"] for step in record["iterations"]]
    return record, statistics.median(seconds[1:] or seconds)


free, base = run("free")
data = free["memory"]["ratings_bytes"]
print(f"disk {rate / 1e6:.0f} MB/s; in memory: {data} bytes of ratings, {base:.3f} s an iteration")
bad = False
for part in (4, 8):
    held, seconds = run(f"held{part}")
    once = data / rate  # at most all of it is read in an iteration
    same = held["model_digest"] == free["model_digest"]
    spilled = held["memory"]["spilled_bytes"]
    print(f"1/{part}: {seconds:.3f} s an iteration, {seconds / base:.2f} times; all ratings off the disk {once:.3f} s; "
          f"spilled {spilled}, read back {held['memory']['read_bytes']}, {'same' if same else 'ANOTHER'} model; "
          f"load {held['timings']['load_s']:.1f} s, {free['timings']['load_s']:.1f} s in memory")
    bad |= not same or spilled == 0 or (part == 4 and seconds > max(1.5 * base, once))
sys.exit(1 if bad else 0)
PYTHON
