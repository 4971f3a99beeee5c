#!/bin/sh
# susy.sh QUERN [DIR] [OPTION...]: the K-means job that teams run on Spark (8 clusters of 5 million SUSY rows, 20
# iterations, 16 partitions), with the option names, the lines and the JSON file of that job.
#   DIR/SUSY.csv        the real file, if you have put it there: label in column 0, 18 features, no header
#   ROWS=1000000        rows of a look-alike that is made otherwise (default 5000000)
#   --k --maxIter --parts --fraction --tag      as there: 8, 20, 16, 1.0, run
set -eu
quern=$1
dir=${2:-susy}
[ $# -lt 2 ] && shift 1 || shift 2

mkdir -p "$dir"
csv=$dir/SUSY.csv
if [ ! -f "$csv" ]; then
    "$quern" datagen susy --rows "${ROWS:-5000000}" --out "$dir/made" --overwrite
    csv=$dir/made/susy.csv
fi
run=$("$quern" fit kmeans --input "$csv" --label 0 --k 8 --maxIter 20 --parts 16 --fraction 1.0 --sample rows \
    --seed 42 --init k-means-parallel --tag run --model "$dir/model" --overwrite --runs-dir "$dir/runs" --json "$@")
"$quern" runs export last --format kmeans --out "$dir/results" --runs-dir "$dir/runs" --overwrite --quiet
newest=$(ls -t "$dir/results"/*.json | head -n 1)

field() { # one number or list of the exported file
    sed -n "s/.*\"$1\": *\(\[[^]]*\]\|[^,}]*\).*/\1/p" "$newest"
}
printf '### Loaded %s rows, %s features (%s GB) in %s partitions\n' \
    "$(field rows)" "$(field features)" "$(field size_gb)" "$(field parts)"
printf '### Completed in %s s | WSSSE=%s | clusterSizes=%s\n' "$(field train_sec)" "$(field wssse)" "$(field cluster_sizes)"
printf 'result %s\nmodel  %s (KMeansModel.load reads it)\n' "$newest" "$dir/model"
[ -n "$run" ]
