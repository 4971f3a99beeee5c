#!/bin/sh
# Installs into a fresh folder, builds examples/recommend.c against it by pkg-config and by CMake, runs
# both on generated ratings; the two must agree on the model. examples/cluster.c by pkg-config must agree
# with the program. Only qn_ names may be visible.
set -eu
build=$1
source=$2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cmake --install "$build" --prefix "$place/usr" >/dev/null
lib=$(dirname "$(find "$place/usr" -name libquern.so)")

visible=$(nm -D --defined-only "$lib/libquern.so" | awk '$2 ~ /[TDBR]/ && $3 !~ /^qn_/ { print $3 }')
[ -z "$visible" ] || { echo "visible outside qn_: $visible"; exit 1; }

PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_PATH
build() { # build NAME PROGRAM
    # shellcheck disable=SC2046
    cc -std=c17 -Wall -Wextra -Werror "$source/examples/$1.c" $(pkg-config --cflags --libs quern) -Wl,-rpath,"$lib" -o "$2"
}
build recommend "$place/by-pkgconfig"
build cluster "$place/cluster"

mkdir "$place/app"
cat >"$place/app/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(app C)
find_package(quern 0.1 REQUIRED)
add_executable(recommend $source/examples/recommend.c)
target_link_libraries(recommend PRIVATE quern::quern)
EOF
cmake -S "$place/app" -B "$place/app/build" -DCMAKE_PREFIX_PATH="$place/usr" >/dev/null
cmake --build "$place/app/build" >/dev/null

"$place/usr/bin/quern" datagen ratings --users 300 --items 200 --ratings 12000 --seed 7 --out "$place/data" --quiet
"$place/by-pkgconfig" "$place/data/ratings.csv" "$place/model-a" >"$place/a"
"$place/app/build/recommend" "$place/data/ratings.csv" "$place/model-b" >"$place/b"
cmp "$place/a" "$place/b"
grep -q '^12000 ratings, model digest [0-9a-f]\{32\}$' "$place/a"
[ "$(grep -c 'predicted rating' "$place/a")" = 10 ]
test -f "$place/model-a/metadata/part-00000"
if "$place/by-pkgconfig" "$place/nowhere.csv" "$place/model-c" 2>"$place/error"; then exit 1; fi
grep -q nowhere.csv "$place/error"

"$place/usr/bin/quern" datagen blobs --rows 3000 --k 4 --features 3 --seed 2 --out "$place/blobs" --quiet
cut -d, -f2- "$place/blobs/blobs.csv" >"$place/rows.csv" # without the label
"$place/cluster" "$place/rows.csv" 4 "$place/clusters" >"$place/c"
[ "$(grep -c '^cluster [0-3], [0-9]* rows: .* [-0-9.]*$' "$place/c")" = 4 ]
digest=$("$place/usr/bin/quern" fit kmeans --input "$place/rows.csv" --k 4 --runs-dir none --quiet --json |
    sed 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/')
grep -q "^cost .*, model digest $digest\$" "$place/c"
"$place/usr/bin/quern" inspect "$place/clusters" --json | grep -q "$digest"
if "$place/cluster" "$place/nowhere.csv" 4 "$place/clusters" 2>"$place/error"; then exit 1; fi
grep -q nowhere.csv "$place/error"
if "$place/cluster" "$place/rows.csv" one "$place/clusters" 2>"$place/error"; then exit 1; fi
grep -q 'k 0 is out of range' "$place/error"
