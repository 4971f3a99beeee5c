#!/bin/sh
# Pictures of clusters and of forests, and the keys of the K-means experiment.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"
needs_parquet
run_with() { # run_with NAME=VALUE words...: in a changed environment
    setting=$1
    shift
    said=$*
    env "$setting" "$quern" "$@" >"$out" 2>"$err" </dev/null
    code=$?
}
files() { find pictures -mindepth 1 | sort | tr '\n' ' '; }

run datagen blobs --rows 3000 --features 4 --k 3 --spread 0.3 --seed 5 --out data
expect_code 0
csv=$(find data -name '*.csv' | head -n 1)
run fit kmeans --input "$csv" --label label --k 3 --seed 1 --parts 4 --tag night --model one
expect_code 0
run fit kmeans --input "$csv" --label label --k 3 --seed 2 --model two
expect_code 0

# On the terminal alone: ASCII where the locale is not UTF-8.
run_with LC_ALL=C plot kmeans --model one --input "$csv" --against two --elbow-k 2,3,4
expect_code 0
expect_no_err
expect_out '^Sizes of the clusters$'
expect_out '^ +[0-2] +[0-9.]+ +1,003  #+$'
expect_out '^ +[0-9.]+ \|o\.*$'
expect_out '^Clusters in the plane in which the rows spread most$'
expect_out '\[2\]'
expect_out 'X knee: k = 3'
expect_out '^knee +k = 3: '
expect_out '^drift +largest [0-9.e-]+ % of the mean distance between centres'
[ ! -e pictures ] || fail "files without --out"
run_with LC_ALL=C.UTF-8 plot kmeans --model one --figure sizes
expect_code 0
expect_out '█'

if command -v gnuplot >/dev/null; then
    run plot kmeans --model one --input "$csv" --against two --elbow-k 2,3,4 --out pictures --format png
    expect_code 0
    expect_out '^wrote +pictures/elbow.png$'
    [ "$(files)" = 'pictures/drift.csv pictures/drift.png pictures/elbow.csv pictures/elbow.png pictures/projection.csv pictures/projection.png pictures/sizes.csv pictures/sizes.png ' ] ||
        fail "other files: $(files)"
    head -c 4 pictures/drift.png | grep -q PNG || fail "no PNG"
    refused 2 'pictures/sizes.csv is there already' plot kmeans --model one --figure sizes --out pictures
    run plot kmeans --model one --figure sizes --out pictures --overwrite --json
    expect_code 0
    expect_json 'j["files"]' "['pictures/sizes.csv', 'pictures/sizes.svg']"
    expect_json 'j["knee"], j["largest_drift"]' 'None None'
    grep -q '</svg>' pictures/sizes.svg || fail "no SVG"
    rm -r pictures
fi

# Without gnuplot the text and the data come, and the message says what to install.
mkdir "$work/empty"
run_with PATH="$work/empty" plot kmeans --model one --input "$csv" --figure all --out pictures
expect_code 1
expect_one_error
expect_err 'apt-get install gnuplot-nox'
expect_out '^Sizes of the clusters$'
[ "$(files)" = 'pictures/elbow.csv pictures/projection.csv pictures/sizes.csv ' ] || fail "other files: $(files)"
[ "$(cut -d, -f2 pictures/sizes.csv | sort -n | tr '\n' ' ')" = 'rows 974 1003 1023 ' ] || fail "$(cat pictures/sizes.csv)"

refused 2 'figure elbow needs --input' plot kmeans --model one --figure elbow
refused 2 'figure drift needs --against' plot kmeans --model one --figure drift
refused 2 'nothing' plot kmeans --model nothing
refused 1 'cannot make folder' plot kmeans --model one --figure sizes --out "$csv"
refused 2 'is no number of clusters' plot kmeans --model one --input "$csv" --figure elbow --elbow-k 2,many

# Forests: what the model alone shows, what rows with labels show, and a map.
run datagen fractal --rows 20000 --files 2 --seed 3 --out lidar
expect_code 0
run fit forest --input lidar/train --features 'xyz[2],Intensity,Red,Green,Blue,Infrared' --label Classification \
    --num-trees 5 --max-depth 4 --seed 1 --model trees
expect_code 0
run_with LC_ALL=C plot forest --model trees
expect_code 0
expect_no_err
expect_out '^What the features are worth$'
expect_out '^ +xyz\[2\] +[0-9.]+  #+$'
expect_out '^Error out of bag$'
if grep -q 'predictions' "$out"; then fail "labels without --input"; fi
run_with LC_ALL=C plot forest --model trees --input lidar/val --x-col 'xyz[0]' --y-col 'xyz[1]' \
    --class-names 1=other,2=ground,5=vegetation,6=building,9=water,17=bridge,64=structure
expect_code 0
expect_no_err
expect_out '^Labels and predictions$'
expect_out '^ +label +other +ground +vegetation'
expect_out '^ +ground .*[0-9.]+ %'
expect_out '^ROC: true against false positives$'
expect_out '^[0-9] vegetation 0\.[0-9]+$'
expect_out '^Labels on the left, predictions on the right$'
expect_out '^[0-9,]+ of [0-9,]+ rows by lot, '
run evaluate --model trees --input lidar/val --json
expect_code 0
accuracy=$(json 'j["accuracy"]')
run plot forest --model trees --input lidar/val --figure confusion --json
expect_code 0
expect_json 'j["accuracy"], j["figures"], j["files"]' "$accuracy 1 []"
if command -v gnuplot >/dev/null; then
    run plot forest --model trees --input lidar/val --x-col 'xyz[0]' --y-col 'xyz[1]' --out pictures --format png --overwrite
    expect_code 0
    for figure in importances oob confusion roc tile; do
        head -c 4 "pictures/$figure.png" | grep -q PNG || fail "no PNG of $figure"
        [ "$(wc -l <"pictures/$figure.csv")" -gt 5 ] || fail "few rows: pictures/$figure.csv"
    done
    mv pictures/tile.csv "$work/tile.csv"
    run plot forest --model trees --input lidar/val --x-col 'xyz[0]' --y-col 'xyz[1]' --figure tile --out pictures --overwrite \
        --threads 3
    expect_code 0
    cmp -s pictures/tile.csv "$work/tile.csv" || fail "threads change the map"
fi
refused 2 'figure confusion needs --input' plot forest --model trees --figure confusion
refused 2 'x-col is given without --y-col' plot forest --model trees --input lidar/val --x-col 'xyz[0]'
refused 2 'lacks column xzy' plot forest --model trees --input lidar/val --x-col 'xzy[0]' --y-col 'xyz[1]'
refused 4 'KMeansModel' plot forest --model one

# The experiment's file, from the record alone.
run runs list --json
expect_code 0
id=$(json '[r["run_id"] for r in j["runs"]][-1]')
run runs export "$id" --format kmeans --out results
expect_code 0
file=$(sed -n 's/^wrote *//p' "$out")
echo "$file" | grep -qE '^results/night_[0-9]{8}_[0-9]{6}\.json$' || fail "called $file"
python3 - "$file" >"$out" 2>"$err" <<'PY' || fail "the keys of the experiment"
import json, sys
j = json.load(open(sys.argv[1]))
assert list(j) == ("tag hostname workers k maxIter parts rows features size_gb fraction train_sec wssse "
                   "cluster_sizes").split(), list(j)
assert j["tag"] == "night" and j["k"] == 3 and j["maxIter"] == 20 and j["workers"] == 1, j
assert j["rows"] == 3000 and j["features"] == 4 and j["fraction"] == 1 and j["size_gb"] > 0, j
assert sorted(j["cluster_sizes"]) == [974, 1003, 1023] and j["wssse"] > 0 and j["train_sec"] > 0, j
PY
echo passed
