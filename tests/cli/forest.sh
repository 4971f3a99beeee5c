#!/bin/sh
# Trees and forests through the commands that a user types.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"
needs_parquet

python3 - >trees.csv <<'PY'
print("x,colour,gap,kind,price")
for i in range(300):
    kind = (i % 10 > 3) + (i % 3 == 2)
    gap = "" if i % 4 == 0 else i % 10
    print(f"{i % 10 * 100},{'red green blue'.split()[i % 3]},{gap},{kind},{kind * 10 + i % 3}")
PY
run fit forest --input trees.csv --features x,colour --categorical colour --label kind --num-trees 5 --scale x=std \
    --val trees.csv --test trees.csv --tag grove --model grove
expect_code 0
expect_out '^model +forest, num_trees 5: fitted in '
expect_out '^trees +5$'
expect_out '^feature +name +importance$'
expect_out '^val +300 rows$'
expect_out '^test +300 rows$'
expect_out '^accuracy +1$'
run evaluate --model grove --input trees.csv --json
expect_json 'j["accuracy"]' 1.0
run predict --model grove --input trees.csv --output kinds.csv
expect_code 0
expect_no_err
[ "$(sed -n 2p kinds.csv)" = 0,red,,0,0,0 ] || fail "a prediction for the first row, and no lists in delimited text"
run predict --model grove --input trees.csv --output kinds.jsonl
grep -q '"prediction":0.0,"probability":\[1.0,0.0,0.0\],"rawPrediction":\[5.0,0.0,0.0\]}' kinds.jsonl || fail "lists in JSON lines"
run inspect grove
expect_code 0
expect_out '^task +classification$'
run runs export forest --format forest --out results
expect_code 0
expect_out '^wrote +results/grove_[0-9]{8}_[0-9]{6}\.json$'

run fit tree --input trees.csv --features x,colour --categorical colour --label price --task regression --model prices --json
expect_code 0
run evaluate --model prices --input trees.csv --label price --json
expect_json 'j["rmse"] < 1e-9' True
printf '0 1:1\n1 1:2\n0 1:1.5\n1 1:4\n' >two.svm
run fit tree --input two.svm --format libsvm --json
expect_code 0
expect_json 'j["fit"]["summary"]["leaves"]' 2

refused 2 '\-\-label is missing: name the column of labels' fit forest --input trees.csv --features x
refused 4 'trees.csv, line 2, column gap: missing' fit tree --input trees.csv --features gap --label kind
refused 2 'keep: tree cannot use missing values unless' fit tree --input trees.csv --features gap --label kind --on-missing keep
run fit tree --input trees.csv --features gap --label kind --missing native --runs-dir none --quiet
expect_code 0
refused 2 'there is no feature "y"' fit tree --input trees.csv --features x --label kind --scale y=std
printf 'x,kind\n1,0\n2,0\n' >one.csv
refused 4 'all rows have one label' fit forest --input one.csv --label kind --strict --model never
[ ! -e never ] || fail "nothing is saved with --strict"
echo passed
