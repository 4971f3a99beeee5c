#!/bin/sh
# shellcheck disable=SC2154,SC2034,SC1091
# A run that is killed: the next start says of what, and --resume goes on, also where the record has gone and only the
# checkpoint tells of the run. Checkpoints that are not the run's are refused.
. "$(dirname "$0")/lib.sh"
needs_parquet
run datagen ratings --out data --ratings 60000 --users 900 --items 400
expect_code 0
fit="fit als --input data/ratings.csv --rank 24 --max-iter 60"
digest() { sed -n 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/p' "$1/quern.json"; }
# shellcheck disable=SC2086
run $fit --model whole --quiet
expect_code 0
whole=$(digest whole)
rm -rf runs

# killed FOLDER WORDS...: a run that is killed once it has made a second checkpoint in FOLDER/als-*; its id is $id.
killed() {
    folder=$1
    shift
    rm -rf runs model ck
    struck KILL "$folder" "$@"
    id=$(basename "$(ls -d "$folder"/als-*)")
}
went_on() {
    expect_code 0
    expect_err "warning: the record of the run $id has gone or is damaged: its options are those that its checkpoint"
    [ "$(digest model)" = "$whole" ] || fail "the resumed run gives $(digest model), not $whole"
    run runs show "$id" --json
    expect_json 'j["status"], j["counts"]["resumed_iteration"] > 0, j["attempts"][0]["status"]' "ok True died"
}

# The next start tells of it, once: how large it was, what its container allows, how to go on.
# shellcheck disable=SC2086
killed runs $fit --model model
python3 -c 'import glob, json
j = json.load(open(glob.glob("runs/als-*/record.json")[0]))
w = j["workers"][0]
assert w["peak_bytes"] > 0 and w["pid"] > 0 and w["held_bytes"] > 0, w' || fail "the record does not say how large it was"
run predict --model whole --input data/ratings.csv --output p.csv
expect_code 0
expect_err "^warning: run $id \(fit als, started .*\) died without a word.*; it last held [0-9.]* [KM]B"
expect_err "nothing tells of too little memory: somebody ended it.*; go on with: quern fit als --resume $id; its record is"
run predict --model whole --input data/ratings.csv --output p.csv --overwrite
if grep -q died "$err"; then fail "it is told twice"; fi
# The same with a container that was nearly full: what the record says decides.
python3 - "runs/$id/record.json" <<'P'
import json, sys
j = json.load(open(sys.argv[1]))
j["status"] = "running"
j["workers"][0].update(held_bytes=85 << 20, peak_bytes=90 << 20, limit_bytes=100 << 20)
json.dump(j, open(sys.argv[1], "w"))
P
run predict --model whole --input data/ratings.csv --output p.csv --overwrite
expect_err 'it last held 85 MB, at most 90 MB, of the 100 MB that its container allows; most likely the system ended it for memory \(exit 137\): try --memory below 80 MB'

# The record has gone: by the run's id, by its folder, by the folder of checkpoints.
rm "runs/$id/record.json"
run fit als --resume "$id" --threads 1 --memory 200m
went_on
# shellcheck disable=SC2086
killed runs $fit --model model
echo '{"run_id":"als' >"runs/$id/record.json"
run fit als --resume "runs/$id"
went_on
# shellcheck disable=SC2086
killed ck $fit --model model --checkpoint-dir ck
rm -r runs
refused 2 'there are no runs in runs' fit als --resume "$id"
refused 2 'of another command' fit kmeans --resume "ck/$id"
refused 2 'rank was 24, now it is 12' fit als --resume "ck/$id" --rank 12
mv ck elsewhere
cp -r elsewhere kept
run fit als --resume "$id" --checkpoint-dir elsewhere
went_on
[ -z "$(ls elsewhere)" ] || fail "checkpoints are left"
rm -r model runs
run fit als --resume "kept/$id"
went_on
rm -r kept model

# Checkpoints of another run, and ones that are damaged, all of them.
# shellcheck disable=SC2086
killed ck $fit --model model --checkpoint-dir ck
mv "ck/$id" "ck/als-20200101-000000-0000"
mkdir -p "ck/$id"
cp -r ck/als-20200101-000000-0000/0* "ck/$id"
python3 - "$id" <<'P'
import json, os, sys
os.makedirs("runs/als-20200101-000000-0000", exist_ok=True)
j = json.load(open(f"runs/{sys.argv[1]}/record.json"))
j["run_id"] = "als-20200101-000000-0000"
json.dump(j, open("runs/als-20200101-000000-0000/record.json", "w"))
P
run fit als --resume als-20200101-000000-0000
expect_code 2
expect_one_error
expect_err "is of the run $id, not of als-20200101"
for manifest in "ck/$id"/*/manifest.json; do echo x >"$manifest"; done
run fit als --resume "$id"
expect_code 4
expect_one_error
expect_err 'damaged'
[ ! -e model ] || fail "there is a model"
echo passed
