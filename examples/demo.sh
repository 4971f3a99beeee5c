#!/bin/sh
# demo.sh QUERN [DIR]: generates a MovieLens-shaped data set with planted taste, then does the main job on
# it with the commands that a user would type, shown as they run.
set -eu
quern=$1
dir=${2:-demo}

say() {
    printf '\n\033[1m$ quern'
    printf ' %s' "$@"
    printf '\033[0m\n'
    "$quern" "$@"
}

mkdir -p "$dir"
say datagen ratings --shape movielens --ratings 1000000 --seed 42 --out "$dir" --overwrite
say inspect "$dir/ratings.csv"
say fit als --input "$dir/ratings.csv" --split random:0.8 --rank 10 --max-iter 10 --reg-param 0.1 \
    --model "$dir/model" --overwrite --runs-dir "$dir/runs"
cat <<EOF

Predicting ratings well is not ranking well: the lists above lose against plain popularity. For lists, fit
what people choose instead of how they rate it:
EOF
say fit als --input "$dir/ratings.csv" --split random:0.8 --implicit-prefs --rank 10 \
    --model "$dir/choices" --overwrite --runs-dir "$dir/runs"
say recommend --model "$dir/choices" --user 1 2 3 -k 10 --exclude-seen "$dir/ratings.csv" \
    --titles "$dir/movies.csv"
say similar --model "$dir/choices" --item 1 -k 5 --titles "$dir/movies.csv"
echo
echo "Tables of numbers are clustered:"
say datagen blobs --rows 100000 --k 5 --features 6 --out "$dir/blobs" --overwrite
say fit kmeans --input "$dir/blobs/blobs.csv" --label label --k 5 --model "$dir/clusters" --overwrite --runs-dir "$dir/runs"
say plot kmeans --model "$dir/clusters" --input "$dir/blobs/blobs.csv" --figure projection
say runs list --runs-dir "$dir/runs"
cat <<EOF

The models are in $dir/model, $dir/choices and $dir/clusters (Spark's ALSModel.load and KMeansModel.load read them), the
records of the runs in $dir/runs.
Next: your own file, with a header or without:
  $quern fit als --input ratings.csv --split random:0.8 --model model
EOF
