#!/bin/sh
# quern futures: one file in the order of dates, what is dropped is told, what is refused.
# shellcheck disable=SC2154,SC2034,SC1091
. "$(dirname "$0")/lib.sh"

mkdir in
printf '12:\n7,3,2005-09-06\n5,4,2005-09-06\n7,1,1969-12-31\nx,3,2005-01-01\n' >in/a.txt
printf '3:\r\n7,5,2005-09-06\r\n,2,2005-09-07\r\n7,2,2005-02-30\r\nabc:\r\n9,1,2005-01-01\r\n' >in/b.txt
printf '8,1,2005-01-01\n3:\n7,4,2005-09-06\n7,5,2005-09-06' >in/c.txt

cat >expected.csv <<'END'
DATE,CUST_ID,MOVIE_ID,RATING
1969-12-31,7,12,1
2005-09-06,5,12,4
2005-09-06,7,3,4
2005-09-06,7,3,5
2005-09-06,7,3,5
2005-09-06,7,12,3
END
cat >bad.csv <<'END'
file,line,reason,text
in/a.txt,5,malformed,"x,3,2005-01-01"
in/b.txt,3,null,",2,2005-09-07"
in/b.txt,4,malformed,"7,2,2005-02-30"
in/b.txt,6,malformed,"9,1,2005-01-01"
in/c.txt,1,malformed,"8,1,2005-01-01"
END

# Any threads, splits and order of the input; a file, not a folder.
for threads in 1 3; do
    for split in 16 31 64 0; do
        run futures --input in --output future.csv --rejects rejects.csv --overwrite \
            --threads $threads --split-bytes $split
        expect_code 0
        [ -f future.csv ] || fail "future.csv is no file"
        cmp -s future.csv expected.csv || fail "future.csv: $(diff future.csv expected.csv)"
        cmp -s rejects.csv bad.csv || fail "rejects.csv: $(diff rejects.csv bad.csv)"
    done
done
expect_out '^read +11 rows of 3 files, 5 dropped$'
expect_out '^ +4 malformed$'
expect_out '^ +1 null$'
expect_out '^wrote +6 rows to future.csv'
expect_err 'warning: 5 rows were dropped; the first: in/a.txt, line 5: column userId: "x" is not a whole number'

# Names of the reference's script.
run futures --future-file in/c.txt in/a.txt in/b.txt --csv-output-path other.csv --shuffle-partitions 400 --json
expect_code 0
expect_json 'j["rows_read"]' 11
expect_json 'j["rows_written"]' 6
expect_json 'sum(j["rows_dropped"].values())' 5
expect_json 'j["rows_dropped"]["malformed"]' 4
cmp -s other.csv expected.csv || fail "another order of the input gives another file"

# Its own output is input again; a CSV by the names of its columns, packed.
run futures --input future.csv --output again.csv --quiet
expect_code 0
expect_no_out
cmp -s again.csv expected.csv || fail "its own output reads differently"
gzip -c future.csv >future.csv.gz
run futures --input future.csv.gz --output - --quiet
expect_code 0
cmp -s "$out" expected.csv || fail "a packed file reads differently"
"$quern" futures --input - --output - --quiet <in/a.txt >"$out" 2>"$err" || fail "standard input"
printf 'DATE,CUST_ID,MOVIE_ID,RATING\n1969-12-31,7,12,1\n2005-09-06,5,12,4\n2005-09-06,7,12,3\n' |
    cmp -s "$out" - || fail "standard input reads differently"
printf 'userId,movieId,rating,timestamp\n1,2,3.5,1125964800\n1,2,-0.5,1125964801\n' >halves.csv
run futures --input halves.csv --output halves.out --quiet
printf 'DATE,CUST_ID,MOVIE_ID,RATING\n2005-09-06,1,2,-0.5\n2005-09-06,1,2,3.5\n' |
    cmp -s halves.out - || fail "fractions"

# Too many bad rows: no output, but the rejects file says which.
run futures --input in --output no.csv --max-bad-rows 5 --quiet
expect_code 0
rm no.csv
run futures --input in --output no.csv --rejects why.csv --max-bad-rows 4
expect_code 4
expect_err '5 of 11 rows are bad, more than --max-bad-rows 4 allows; the first: in/a.txt, line 5'
expect_one_error
[ ! -e no.csv ] || fail "no.csv was written"
cmp -s why.csv bad.csv || fail "why.csv"

refused 2 'future.csv.*overwrite' futures --input in --output future.csv
refused 2 'nowhere' futures --input nowhere --output new.csv
refused 2 'input' futures --output new.csv
refused 2 'output' futures --input in
refused 2 'same file' futures --input in --output new.csv --rejects new.csv
refused 2 '"when".*timestamp' futures --input halves.csv --date-col when --output new.csv
: >empty.txt
refused 4 'empty' futures --input empty.txt --output new.csv
