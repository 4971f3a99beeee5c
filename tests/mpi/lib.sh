# What the scripts of label mpi share. Read with `flavour` set; QN_QUERN is the program.
# shellcheck shell=sh
skip() {
    echo "skipped: $1"
    [ -n "${QN_REQUIRE_ALL:-}" ] && exit 1
    exit 77
}
: "${flavour:?is set by the script}"
case $flavour in
openmpi)
    mpirun=mpirun.openmpi package="openmpi-bin libopenmpi-dev"
    ;;
mpich)
    mpirun=mpiexec.mpich package="mpich libmpich-dev"
    ;;
esac
command -v $mpirun >/dev/null 2>&1 || skip "no $mpirun on this machine (make mpi installs $package)"
[ -f "$(dirname "$QN_QUERN")/libquern_comm_$flavour.so" ] ||
    skip "libquern_comm_$flavour.so is not built (make mpi installs $package)"
cores=$(nproc)

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
