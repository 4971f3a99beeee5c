#!/bin/sh
# fractal.sh QUERN [DIR] [OPTION...]: the random forest that teams grow on Spark from lidar points (FRACTAL: 40 trees of
# depth 6 on a tenth of the files), with that job's columns, options, name of the run, and JSON file.
#   DIR/FRACTAL/train, val, test    the real folders of Parquet files, if you have put them there
#   ROWS=2000000                    rows of a look-alike that is made otherwise (with FILES=40 files in train)
#   MEMORY=8                        most memory to hold, in GiB
#   FRACTION=0.1                    share of the files that is read, first by name, in each folder
#   options of `quern fit forest`, such as --num-trees 100 --max-depth 8 --threads 4
set -eu
export LC_ALL=C
quern=$1
shift
dir=fractal
case ${1:-} in
'' | -*) ;;
*) dir=$1 && shift ;;
esac
fraction=${FRACTION:-0.1} memory=${MEMORY:-8}

data=$dir/FRACTAL
if [ ! -d "$data" ]; then
    data=$dir/made
    "$quern" datagen fractal --rows "${ROWS:-2000000}" --files "${FILES:-40}" --out "$data" --overwrite
fi

# The first max(1, n x fraction) files of a folder by name, as --sample files takes them in train.
first_files() {
    n=$(find "$1" -name '*.parquet' | wc -l)
    find "$1" -name '*.parquet' | sort | head -n "$(awk "BEGIN { k = int($n * $fraction); print (k > 1 ? k : 1) }")"
}

# z is scaled by its deviation alone (StandardScaler, withMean=false, withStd=true); the model keeps the factor. A point
# that reflects nothing has no ndvi: 0.
ndvi='case when Infrared + Red <> 0 then (Infrared - Red) / (Infrared + Red) else 0 end'
# shellcheck disable=SC2046 # one word a file: names here hold no blanks
"$quern" fit forest --input "$data/train" --sample files --fraction "$fraction" --on-missing skip \
    --feature 'z=xyz[2]' --feature "ndvi=$ndvi" --features z,Intensity,Red,Green,Blue,Infrared,ndvi --scale z=std \
    --label Classification --num-trees 40 --max-depth 6 --seed 62 \
    --val $(first_files "$data/val") --test $(first_files "$data/test") \
    --memory "${memory}g" --tag "fractal-rf-e${memory}g-x1-f$fraction" --model "$dir/model" --overwrite --runs-dir "$dir/runs" "$@"
result=$("$quern" runs export last --format forest --out "$dir/results" --runs-dir "$dir/runs" --overwrite --json |
    sed 's/.*"path":"\([^"]*\)".*/\1/')
printf 'result    %s\n' "$result"
