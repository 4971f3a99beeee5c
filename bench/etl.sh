#!/bin/sh
# Netflix text to partitioned Parquet here and by polars and DuckDB, in turn, then new rows into it.
#   bench/etl.sh QUERN PYTHON PEERS DATA [TIMES] [THREADS] [SCRATCH]
# QUERN   the program                 PYTHON   one with peers/requirements.txt
# PEERS   folder with etl.py          DATA     folder with combined_data_*.txt
# SCRATCH a folder for what is written (on the disk to be measured); a peer that this Python lacks is left out.
# First case: all of DATA becomes a data set. Every run is a process of its own, timed from its start until what it wrote is on the disk: a
# peer's part ends with "sync -f". Second case (the environment's UPSERT, rows; 0: none): so many new rows, dated within two months, into the
# data set of the first case, beside DuckDB writing all of it anew. Prints a line a run and at the end the medians, the peaks and the ratios.
set -eu

quern=$1 python=$2 peers=$3 data=$4 times=${5:-3} threads=${6:-2} scratch=${7:-${TMPDIR:-/tmp}}
new_rows=${UPSERT:-100000}
PEER_THREADS=$threads
export PEER_THREADS
folder=$(mktemp -d "$scratch/quern-bench-etl-XXXXXX")
trap 'rm -rf "$folder"' EXIT
printf '1:\n1,3,2005-09-06\n' >"$folder/test.txt"

# timed NAME COMMAND...: a line "NAME seconds peak-in-MB".
timed() {
    name=$1
    shift
    "$python" - "$name" "$folder" "$@" <<'PYTHON' | tee -a "$folder/runs"
import resource
import subprocess
import sys
import time

name, folder, command = sys.argv[1], sys.argv[2], sys.argv[3:]
start = time.perf_counter()
done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
if done.returncode == 0 and not name.startswith("quern"):
    subprocess.run(["sync", "-f", folder], check=True)
seconds = time.perf_counter() - start
if done.returncode:
    sys.exit(done.stderr)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{name} {seconds:.3f} {peak:.0f}", flush=True)
PYTHON
}

etl() {
    rm -rf "$folder/train" "$folder/test" "$folder"/.train.generations "$folder"/.test.generations
    timed "$1" "$quern" etl --train-file "$data"/combined_data_*.txt --test-file "$folder/test.txt" \
        --parquet-train-path "$folder/train" --parquet-test-path "$folder/test" \
        --threads "$threads" --memory "${MEMORY:-600m}" --runs-dir "$folder/runs.d" --quiet
}

# The peers' own clock: it leaves out the start of Python and the comparing query at the end.
peer() {
    "$python" -c "import $1" 2>/dev/null || return 0
    "$python" - "$1" "$folder" "$python" "$peers/etl.py" "$data" <<'PYTHON' | tee -a "$folder/runs"
import json
import subprocess
import sys
import time

system, folder, python, script, data = sys.argv[1:]
command = [python, script, data, "--system", system, "--dest", folder + "/peer"]
done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
run = json.loads(done.stdout.splitlines()[-1])
# What the kernel still holds when the run has ended belongs to its time.
start = time.perf_counter()
subprocess.run(["sync", "-f", folder], check=True)
print(f"{system} {run['fit_s'] + time.perf_counter() - start:.3f} {run['peak_rss_mb']:.0f}", flush=True)
PYTHON
    rm -rf "$folder/peer"
}

# New ratings in September and October 2005 of users that nobody is.
new_file() {
    "$python" - "$folder/new.txt" "$new_rows" "$1" <<'PYTHON'
import datetime
import sys

path, n, turn = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
first, user = datetime.date(2005, 9, 1), 100_000_000 + turn * n
with open(path, "w") as out:
    for movie in range(1, 101):
        print(f"{movie}:", file=out)
        for i in range(movie - 1, n, 100):
            day = first + datetime.timedelta(days=i * 7919 % 61)
            print(f"{user + i},{1 + i % 5},{day}", file=out)
PYTHON
}

rewrite_all() {
    "$python" -c "import duckdb" 2>/dev/null || return 0
    timed duckdb-rewrite "$python" -c "
import duckdb
import sys
db = duckdb.connect(config={'threads': $threads})
db.execute('''copy (select MOVIE_ID, CUST_ID, DATE, max(RATING) as RATING, year(DATE) as year, month(DATE) as month
              from read_parquet('$folder/train/**/*.parquet', hive_partitioning=false) group by all)
              to '$folder/peer' (format parquet, compression snappy, partition_by (year, month))''')"
    rm -rf "$folder/peer"
}

for _ in $(seq "$times"); do
    etl quern
    peer polars
    peer duckdb
done
if [ "$new_rows" -gt 0 ]; then
    for turn in $(seq "$times"); do
        new_file "$turn"
        timed quern-upsert "$quern" data upsert --input "$folder/new.txt" --into "$folder/train" \
            --threads "$threads" --memory "${MEMORY:-600m}" --runs-dir "$folder/runs.d" --quiet
    done
    rewrite_all
fi
"$python" - "$folder/runs" <<'PYTHON'
import statistics
import sys

seconds, peak = {}, {}
for line in open(sys.argv[1]):
    name, s, mb = line.split()
    seconds.setdefault(name, []).append(float(s))
    peak[name] = max(peak.get(name, 0), float(mb))
median = {name: statistics.median(s) for name, s in seconds.items()}
print(", ".join(f"{name} {median[name]:.3f} s {peak[name]:.0f} MB" for name in median))
peers = [name for name in ("polars", "duckdb") if name in median]
if peers:
    best = min(peers, key=median.get)
    print(f"etl: {median[best] / median['quern']:.2f} times as fast as {best}")
if "duckdb-rewrite" in median and "quern-upsert" in median:
    print(f"upsert: {median['duckdb-rewrite'] / median['quern-upsert']:.2f} times as fast as DuckDB rewriting all")
PYTHON
