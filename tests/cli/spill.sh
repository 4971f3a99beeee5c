#!/bin/sh
# A fit with a third of the memory that its ratings take: the model of the run in memory, and what was spilled is seen
# in the result, the record and what `runs show` says, for each data set and worker.
# shellcheck disable=SC2154,SC2034,SC1091,SC2086
. "$(dirname "$0")/lib.sh"
needs_disk .

run datagen ratings --users 8000 --items 3000 --ratings 1000000 --seed 3 --out data --quiet
expect_code 0
mkdir spill
fit="fit als --input data/ratings.csv --rank 8 --max-iter 2 --threads 2 --json --quiet"
run $fit --scratch spill --event-log false
expect_code 0
digest=$(json 'j["model_digest"]')
expect_json 'j["resources"]["spilled_bytes"], j["memory"]["spilled_bytes"], j["memory"]["ratings_on_disk_bytes"]' '0 0 0'

run $fit --scratch spill --memory 8m
expect_code 0
expect_json 'j["model_digest"]' "$digest"
expect_json 'j["resources"]["budget_bytes"] == 8 << 20 and j["resources"]["budget_peak_bytes"] <= 8 << 20' True
# Both orientations have an index and a code a rating; what does not lie in memory lies on disk.
expect_json 'j["memory"]["ratings_bytes"] >= 2 * 5 * 1000000' True
expect_json 'j["memory"]["ratings_on_disk_bytes"] >= j["memory"]["ratings_bytes"] - j["memory"]["ratings_in_memory_bytes"] > 0' True
expect_json 'j["memory"]["spilled_bytes"] > 0 and j["memory"]["read_bytes"] > 0 and j["counts"]["load_bytes_spilled"] > 0' True
expect_json 'j["resources"]["spilled_bytes"] >= j["counts"]["load_bytes_spilled"]' True
expect_json 'j["resources"]["spilled_bytes"] == j["memory"]["spilled_bytes"] == sum(w["spilled_bytes"] for w in j["workers"])' True
expect_json 'j["resources"]["read_back_bytes"] == j["memory"]["read_bytes"] == sum(w["read_back_bytes"] for w in j["workers"])' True
sides='[j["storage"]["ratings by " + side] for side in ("user", "item")]'
expect_json "sum(s['disk_bytes'] for s in $sides) == j['memory']['ratings_on_disk_bytes']" True
expect_json "all(s['worker_0']['disk_bytes'] == s['disk_bytes'] for s in $sides)" True
[ -z "$(ls spill)" ] || fail "files are left in the scratch folder"

# The same by words, with the reference's warning: 1,000,000 ratings are 30.52 MB and three times that.
run runs show last
expect_code 0
expect_out '^Memory limit: 8\.00 MB \(of each worker\)$'
expect_out '^Raw data: 30\.52 MB '
expect_out '^ALS: 91\.55 MB '
expect_out '^Measured: [0-9.]+ MB in memory, [1-9][0-9.]* MB on disk, [1-9][0-9.]* MB spilled; factor 0\.[0-9]+ of the raw data$'
expect_out '^Dataset requires 11\.4x available memory$'
expect_out '^  ratings by user +all workers .* MB in memory +[1-9][0-9.]* MB on disk$'
expect_out '^ +executor 1 .* MB in memory +[1-9][0-9.]* MB on disk$'
expect_out '^Observed: [0-9.]+ tasks at once on average, [12] at most$'
expect_out '^Bytes: [0-9]+ read, 0 moved, [1-9][0-9]* spilled$'

# Killed in an iteration: taken up again, it goes on from what lies in scratch and reads no input.
fit="fit als --input data/ratings.csv --rank 24 --max-iter 40 --threads 2 --json --quiet --scratch spill --memory 8m"
run $fit
expect_code 0
expect_json 'j["counts"]["load_bytes_kept"]' 0
digest=$(json 'j["model_digest"]')
die() { # die RUNS: kills the run whose records are there once it has two checkpoints
    rm -rf "$1"
    struck KILL "$1" $fit --runs-dir "$1"
    [ -n "$(ls spill)" ] || fail "nothing is left in scratch"
}
die dead
run fit als --resume last --runs-dir dead --scratch spill --memory 10m --json --quiet
expect_code 0
expect_json 'j["model_digest"]' "$digest"
expect_json 'j["counts"]["load_bytes_kept"] >= 2 * 5 * 1000000' True
expect_json 'j["counts"]["resumed_iteration"] >= 1 and j["counts"]["rows"] == 1000000' True
[ -z "$(ls spill)" ] || fail "files are left in the scratch folder"

# Another command sweeps it, and then the run reads its input again.
die dead
run fit als --input data/ratings.csv --rank 2 --max-iter 1 --runs-dir none --scratch spill --quiet
expect_code 0
[ -z "$(ls spill)" ] || fail "what a dead run has left is not swept"
run fit als --resume last --runs-dir dead --scratch spill --memory 10m --json --quiet
expect_code 0
expect_json 'j["model_digest"]' "$digest"
expect_json 'j["counts"]["load_bytes_kept"]' 0
echo passed
