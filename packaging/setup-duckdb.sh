#!/bin/sh
# setup-duckdb.sh [DEST]: puts libduckdb.so and duckdb.h, which the Parquet module is built with, into DEST
# (default build/deps/duckdb). Does nothing when they are there in the pinned version. What was fetched is
# kept in QN_CACHE_DIR, where that is set.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dest=${1:-$here/../build/deps/duckdb}
. "$here/versions.env"
stamp="$DUCKDB_NPM_VERSION $DUCKDB_HEADER_SHA256"

is_ready() {
    [ -f "$1/libduckdb.so" ] && [ -f "$1/duckdb.h" ] && [ -f "$1/.version" ] &&
        [ "$(cat "$1/.version")" = "$stamp" ]
}

# The library, by npm, into $1. npm checks the content against the lock file.
fetch_library() {
    cp "$here/duckdb/package.json" "$here/duckdb/package-lock.json" "$here/duckdb/.npmrc" "$1/"
    grep -q "\"$DUCKDB_NPM_PACKAGE\": \"$DUCKDB_NPM_VERSION\"" "$1/package.json" || {
        echo "quern: packaging/versions.env and packaging/duckdb/package.json name two versions" >&2
        exit 1
    }
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    mv "$1/node_modules/$DUCKDB_NPM_PACKAGE/libduckdb.so" "$1/libduckdb.so"
    mv "$1/node_modules/$DUCKDB_NPM_PACKAGE/LICENSE" "$1/LICENSE.duckdb"
}

# The header, out of the source package that pip downloads, into $1.
fetch_header() {
    python3 -m pip download -q --disable-pip-version-check --no-deps --no-binary duckdb -d "$1/source" \
        "duckdb==$DUCKDB_SOURCE_VERSION" >&2
    tar -xzf "$1/source/duckdb-$DUCKDB_SOURCE_VERSION.tar.gz" -C "$1" --strip-components=5 \
        "duckdb-$DUCKDB_SOURCE_VERSION/external/duckdb/src/include/duckdb.h"
    echo "$DUCKDB_HEADER_SHA256  $1/duckdb.h" | sha256sum -c --quiet - >&2
}

# Puts the files of folder $1 into $2, the stamp last.
copy_to() {
    mkdir -p "$2"
    rm -f "$2/.version"
    for file in libduckdb.so duckdb.h LICENSE.duckdb; do
        cp "$1/$file" "$2/.$file.new"
        mv "$2/.$file.new" "$2/$file"
    done
    echo "$stamp" >"$2/.version"
}

is_ready "$dest" && exit 0
if [ "$(uname -s) $(uname -m)" != "Linux x86_64" ]; then
    echo "quern: DuckDB is packaged here for 64-bit x86 Linux only: going on without Parquet and JSON input" >&2
    exit 0
fi
cache=${QN_CACHE_DIR:+$QN_CACHE_DIR/duckdb-$DUCKDB_NPM_VERSION}
if [ -n "$cache" ] && is_ready "$cache"; then
    copy_to "$cache" "$dest"
    exit 0
fi
echo "fetching DuckDB $DUCKDB_NPM_VERSION for Parquet: about 42 MB, 20 s" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch_library "$work"
fetch_header "$work"
[ -z "$cache" ] || copy_to "$work" "$cache"
copy_to "$work" "$dest"
