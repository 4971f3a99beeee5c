#!/bin/sh
# check.sh [layers|sizes|words|format|static|shell|all]: what the house asks of its code beyond building.
# Layers, sizes and words need nothing but a shell and awk and are ctest tests of their own.
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0
complain() {
    echo "$1"
    failed=1
}

# Rooms from left to right; a room includes only rooms to its left, and itself.
check_layers() {
    bad=$(git ls-files 'src/*.c' 'src/*.h' | xargs awk '
        BEGIN { n = split("base kernels engine data ml run lifecycle experiment serve cli", r)
                for (i = 1; i <= n; i++) order[r[i]] = i
                order["experiment"] = order["lifecycle"] }
        FNR == 1 { split(FILENAME, part, "/"); mine = part[2]; is_test = FILENAME ~ /_test\.c$/ }
        /^#include "[a-z]+\// { split($2, inc, "/"); other = substr(inc[1], 2)
            if (other != "quern" && (other in order) && order[other] > order[mine] && !is_test)
                printf "%s:%d: %s includes %s\n", FILENAME, FNR, mine, other
            if (order[other] == order[mine] && other != mine)
                printf "%s:%d: %s includes %s\n", FILENAME, FNR, mine, other }
        /#include *[<"]duckdb\.h/ && FILENAME !~ /^src\/data\/duckdb\// { printf "%s:%d: duckdb.h\n", FILENAME, FNR }
        /#include *[<"]mpi\.h/ && FILENAME !~ /^src\/engine\/comm_mpi/ { printf "%s:%d: mpi.h\n", FILENAME, FNR }')
    [ -z "$bad" ] || complain "layers: includes that go the wrong way:
$bad"
}

check_sizes() {
    bad=$(git ls-files '*.c' '*.h' | grep -v '^tests/fuzz/corpus' | xargs wc -l | awk '$2 != "total" && $1 > 1000')
    [ -z "$bad" ] || complain "sizes: files over 1000 lines:
$bad"
    bad=$(git ls-files '*.c' | xargs awk '
        FNR == 1 { start = 0 } /^\{/ { start = FNR }
        /^\}/ { if (start && FNR - start > 80) printf "%s:%d: %d lines\n", FILENAME, start, FNR - start; start = 0 }')
    [ -z "$bad" ] || complain "sizes: functions over 80 lines:
$bad"
}

check_words() {
    bad=$(git ls-files 'src/*.c' 'src/*.h' | grep -vE '_test\.c$|^src/cli/' | xargs grep -nE \
        '(^|[^_a-zA-Z0-9.>])(printf|puts|exit|abort|rand|srand|getenv|strtok|gets|strcpy|strcat|sprintf)[[:space:]]*\(' |
        grep -vE ':[0-9]+: *(\*|//|/\*)')
    [ -z "$bad" ] || complain "words: the library prints, exits, reads the environment or uses an unsafe call:
$bad"
    bad=$(git grep -nEI '\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b|not imple[m]ented' -- src include python examples bench)
    [ -z "$bad" ] || complain "words: left open:
$bad"
    bad=$(git grep -nEI '(^|[^A-Za-z0-9_.$}])/(home|root|Users|work)/' -- .)
    [ -z "$bad" ] || complain "words: paths of somebody's machine:
$bad"
}

check_format() {
    bad=$(git ls-files '*.c' '*.h' | xargs clang-format --dry-run 2>&1 | grep -c 'clang-format-violations')
    [ "$bad" = 0 ] || complain "format: $bad places differ from .clang-format: run make format"
}

# Suppressed: what cppcheck cannot parse (hexadecimal floats, _Generic) and what gcc and clang tell better
# (uninitialised values, with -Werror).
check_static() {
    # shellcheck disable=SC2046
    bad=$(cppcheck --quiet --std=c11 --enable=warning --inline-suppr -j 2 \
        --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --suppress=uninitvar \
        --suppress=preprocessorErrorDirective --suppress=unknownMacro --suppress=internalAstError \
        --suppress=incorrectLogicOperator --suppress=autoVariables -Iinclude -Isrc -DQN_VERSION='""' \
        --template='{file}:{line}: {id}: {message}' $(git ls-files 'src/*.c' | grep -v '_test\.c$') 2>&1)
    [ -z "$bad" ] || complain "static analysis:
$bad"
}

check_shell() {
    # shellcheck disable=SC2046
    shellcheck -S warning $(git ls-files '*.sh' '*.sbatch' .ci/run) || complain "shellcheck"
}

what=${1:-all}
for check in layers sizes words format static shell; do
    if [ "$what" = all ] || [ "$what" = $check ]; then "check_$check"; fi
done
[ $failed -eq 0 ] && echo "check $what: fine"
exit $failed
