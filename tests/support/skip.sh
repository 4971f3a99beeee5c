# Tests that cannot run where they are say why and end as skipped, which is 77 to ctest.
# shellcheck shell=sh disable=SC2154
# skip WHY: the machine is not made for it.
skip() {
    echo "skipped: $1"
    exit 77
}
# not_here WHY: something could be installed; in CI all is, so there it is a failure.
not_here() {
    [ -z "${QN_REQUIRE_ALL:-}" ] || {
        echo "not here, in CI: $1"
        exit 1
    }
    skip "$1"
}
needs_disk() { # needs_disk FOLDER
    case $(stat -f -c %T "$1") in
    tmpfs | ramfs) skip "$1 is not on a disk" ;;
    esac
}
# Saving a model and reading one take it. Of the program $quern, as what follows.
needs_parquet() {
    ! "$quern" doctor | grep -q '^missing *Parquet' || skip "the Parquet module is not built (make build fetches it)"
}
has_mpi() { # has_mpi LAUNCHER FLAVOUR
    command -v "$1" >/dev/null 2>&1 && [ -e "$(dirname "$quern")/libquern_comm_$2.so" ]
}
