#!/bin/sh
# etl.sh QUERN [DIR]: the life of a data set. Netflix text becomes two data sets of partitioned Parquet, a day's CSV
# goes to a streaming folder, is merged, looked at, and taken back.
#   DIR           folder to work in (default lifetime)
#   ROWS=200000   ratings of the text that is made
set -eu
export LC_ALL=C
quern=$1
dir=${2:-lifetime}
mkdir -p "$dir"
cd "$dir"
rm -rf text data runs rejects.csv

# Ratings 1 to 5 of 200 movies from 1999 to 2005; one line in 5,000 is not a rating, and one header is no number.
mkdir text
netflix() { # netflix ROWS SEED
    awk -v rows="$1" -v seed="$2" 'BEGIN {
        srand(seed)
        for (movie = 1; movie <= 200; movie++) {
            print (movie == 77 ? "x77:" : movie ":")
            for (i = 0; i < rows / 200; i++) {
                if (rand() < 0.0002) { print "# maintenance"; continue }
                printf "%d,%d,%d-%02d-%02d\n", 1 + int(20000 * rand()), 1 + int(5 * rand()),
                    1999 + int(7 * rand()), 1 + int(12 * rand()), 1 + int(28 * rand())
            }
        }
    }'
}
netflix "${ROWS:-200000}" 1 >text/train.txt
netflix $((${ROWS:-200000} / 10)) 2 >text/test.txt

echo '### text into two data sets'
"$quern" etl --train-file text/train.txt --test-file text/test.txt \
    --parquet-train-path data/processed/parquet/train --parquet-test-path data/processed/parquet/test --rejects rejects.csv
printf 'dropped   %d rows, in rejects.csv; the first:\n' $(($(wc -l <rejects.csv) - 1))
sed -n 2,4p rejects.csv

echo '### a day of new ratings: eight in ten to train, the rest to test'
awk 'BEGIN { srand(3); print "DATE,CUST_ID,MOVIE_ID,RATING"
    for (i = 0; i < 5000; i++) printf "2005-12-%02d,%d,%d,%d\n", 30 + int(2 * rand()), 1 + int(20000 * rand()),
        1 + int(200 * rand()), 1 + int(5 * rand()) }' >daily.csv
"$quern" data process --csv daily.csv --output data/streaming --train-ratio .8 --source move

echo '### it comes again: nothing happens'
cp data/streaming/taken/daily.csv daily.csv
"$quern" data process --csv daily.csv --output data/streaming --train-ratio .8 --source delete

echo '### into the data sets that models are trained on: one month is written, the others are as they were'
"$quern" data merge --streaming data/streaming --processed data/processed/parquet
"$quern" data verify data/processed/parquet/train
"$quern" data history data/processed/parquet/train

echo '### and back'
"$quern" data rollback data/processed/parquet/train
"$quern" data history data/processed/parquet/train

echo '### the manifest says which column is which'
"$quern" fit als --input data/processed/parquet/train --test data/processed/parquet/test --rank 4 --max-iter 3 --model model --overwrite
