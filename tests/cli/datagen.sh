#!/bin/sh
# shellcheck disable=SC2154,SC2034,SC1091
# Generated tables: the same files on any threads, what is said about them, what is refused.
. "$(dirname "$0")/lib.sh"

for shape in susy blobs linear logistic; do
    run datagen $shape --rows 20000 --seed 3 --threads 1 --out one/$shape
    expect_code 0
    expect_no_err
    expect_out "^data +one/$shape/$shape\.csv$"
    expect_out "^truth +one/$shape/truth\.json$"
    expect_out '^next +quern (fit kmeans --input|inspect) one/'
    run datagen $shape --rows 20000 --seed 3 --threads 3 --out three/$shape --json
    expect_code 0
    expect_json 'j["command"]' "datagen $shape"
    expect_json 'j["data_path"]' "three/$shape/$shape.csv"
    expect_json 'j["rows"]' 20000
    diff -r one/$shape three/$shape >"$out" || fail "$shape: one thread and three give different files"
done
run inspect one/linear/linear.csv
expect_code 0
expect_out 'label +double'

refused 2 'is there already' datagen blobs --out one/blobs
run datagen blobs --rows 100 --k 3 --features 4 --out one/blobs --overwrite --quiet
expect_code 0
expect_no_out
python3 - <<'PY' || fail "truth.json does not say what was asked for"
import json
truth = json.load(open("one/blobs/truth.json"))
assert truth["shape"] == "blobs" and truth["rows"] == 100, truth
assert truth["options"]["k"] == 3 and "out" not in truth["options"], truth
assert [len(centre) for centre in truth["planted"]["centres"]] == [4, 4, 4], truth
assert sum(truth["files"][0]["class_rows"]) == 100, truth
assert len(open("one/blobs/blobs.csv").read().splitlines()) == 101
PY
echo mine >one/blobs/mine.txt
refused 2 'mine\.txt' datagen blobs --out one/blobs --overwrite
refused 2 'nonzero 30' datagen linear --nonzero 30 --out new
refused 2 'format parquet' datagen fractal --format csv --out new
refused 2 '10,?000' datagen blobs --features 10001 --out new

needs_parquet
for threads in 1 3; do
    run datagen fractal --rows 4000 --files 8 --threads $threads --out $threads
    expect_code 0
    expect_out "next +quern inspect $threads/train$"
done
diff -r 1 3 >"$out" || fail "fractal: one thread and three give different files"
[ "$(find 1 -name '*.parquet' | wc -l)" = 10 ] || fail "not ten files"
run inspect 1/train
expect_code 0
expect_out 'xyz +list of double'
