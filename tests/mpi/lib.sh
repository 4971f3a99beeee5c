# What the scripts of label mpi share. Read with the flavour as $1; QN_QUERN is the program.
#   $place  a folder of the test, where it goes on
# shellcheck shell=sh
set -eu
# shellcheck source=tests/support/expect.sh
. "$(dirname "$0")/../support/expect.sh"
flavour=${1:?openmpi or mpich}
# shellcheck source=tests/support/skip.sh
. "$(dirname "$0")/../support/skip.sh"
case $flavour in
openmpi)
    mpirun=mpirun.openmpi package="openmpi-bin libopenmpi-dev"
    ;;
mpich)
    mpirun=mpiexec.mpich package="mpich libmpich-dev"
    ;;
esac
command -v $mpirun >/dev/null 2>&1 || not_here "no $mpirun on this machine (make mpi installs $package)"
[ -f "$(dirname "$QN_QUERN")/libquern_comm_$flavour.so" ] ||
    not_here "libquern_comm_$flavour.so is not built (make mpi installs $package)"
cores=$(nproc)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"

# fail WHY: with what was said last, if that is in `out` and `err`.
fail() {
    echo "$1" >&2
    for said in out err; do
        [ ! -f $said ] || cat $said >&2
    done
    exit 1
}

# Of the JSON on standard input; what has none is passed on.
digest() {
    sed 's/.*"model_digest":"\([0-9a-f]*\)".*/\1/'
}

# ranks N COMMAND...: N processes on this machine. Root is refused by Open MPI unless it is told twice.
ranks() {
    n=$1
    shift
    if [ "$flavour" = openmpi ]; then
        OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 120 \
            $mpirun -q --oversubscribe --bind-to none -n "$n" "$@"
    else
        timeout 120 $mpirun -n "$n" "$@"
    fi
}
# MPICH's own start and end spin where ranks outnumber cores: there it is tried with as many as there are cores.
counts() {
    for n in "$@"; do
        if [ "$flavour" = openmpi ] || [ "$n" -le "$cores" ]; then echo "$n"; fi
    done
}
