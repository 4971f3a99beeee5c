#!/bin/sh
# susy.sh QUERN [DIR] [OPTION...]: the K-means job that teams run on Spark (8 clusters of 5 million SUSY rows, 20
# iterations, 16 partitions), with the option names, the lines and the JSON file of that job.
#   DIR/SUSY.csv        the real file, if you have put it there: label in column 0, 18 features, no header
#   ROWS=1000000        rows of a look-alike that is made otherwise (default 5000000)
#   --k --maxIter --parts --fraction --tag      as there: 8, 20, 16, 1.0, run
set -eu
export LC_ALL=C
quern=$1
shift
dir=susy
case ${1:-} in
'' | -*) ;;
*) dir=$1 && shift ;;
esac

csv=$dir/SUSY.csv
if [ ! -f "$csv" ]; then
    "$quern" datagen susy --rows "${ROWS:-5000000}" --out "$dir/made" --overwrite
    csv=$dir/made/susy.csv
fi
"$quern" fit kmeans --input "$csv" --label 0 --k 8 --maxIter 20 --parts 16 --fraction 1.0 --sample rows --seed 42 \
    --init k-means-parallel --tag run --model "$dir/model" --overwrite --runs-dir "$dir/runs" --json "$@" >/dev/null
result=$("$quern" runs export last --format kmeans --out "$dir/results" --runs-dir "$dir/runs" --overwrite --json |
    sed 's/.*"path":"\([^"]*\)".*/\1/')

field() { # one number or list of the exported file
    sed -n "s/.*\"$1\": *\(\[[^]]*\]\|[^,]*\).*/\1/p" "$result"
}
printf '### Loaded %d rows, %d features (%.2f GB) in %d partitions\n' \
    "$(field rows)" "$(field features)" "$(field size_gb)" "$(field parts)"
printf '### Completed in %.2f s | WSSSE=%.2f | clusterSizes=%s\n' \
    "$(field train_sec)" "$(field wssse)" "$(field cluster_sizes | sed 's/,/, /g')"
printf 'result %s\nmodel  %s (KMeansModel.load reads it)\n' "$result" "$dir/model"
