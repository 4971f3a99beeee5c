#!/bin/sh
# Fits of tables that have spilled and are killed: taken up again, they go on from what lies in scratch and read no
# input, to the same model; a file that has changed its date is read again.
# shellcheck disable=SC2154,SC2034,SC1091,SC2086
. "$(dirname "$0")/lib.sh"
needs_disk .

run datagen susy --rows 300000 --seed 3 --out data --quiet
expect_code 0
mkdir spill
# went_on ALGORITHM OPTION...: with half of what the matrix takes
went_on() {
    fit="fit $* --input data/susy.csv --label 0 --seed 1 --threads 2 --json --quiet --scratch spill --memory 14m"
    run $fit --runs-dir none
    expect_code 0
    whole=$(json 'j["model_digest"]')
    rm -rf runs
    struck KILL runs $fit
    [ -n "$(ls spill)" ] || fail "nothing is left in scratch"
    run fit "$1" --resume last --scratch spill --memory 14m --json --quiet
    expect_code 0
    expect_json 'j["model_digest"]' "$whole"
    expect_json 'j["counts"]["load_bytes_kept"] >= 300000 * 18 * 4 and j["counts"]["train_records"] == 300000' True
    expect_json 'j["counts"]["resumed_iteration"] >= 1' True
    [ -z "$(ls spill)" ] || fail "files are left in the scratch folder"
}
went_on kmeans -k 8 --max-iter 40 --tol 0
rm -rf runs
struck KILL runs $fit
touch data/susy.csv
run fit kmeans --resume last --scratch spill --memory 14m --json --quiet
expect_code 0
expect_json 'j["model_digest"], j["counts"]["load_bytes_kept"]' "$whole 0"
[ -z "$(ls spill)" ] || fail "files are left in the scratch folder"
went_on forest --num-trees 60 --max-depth 4
echo passed
