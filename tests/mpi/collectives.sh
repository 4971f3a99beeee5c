#!/bin/sh
# collectives.sh FLAVOUR: every collective with nothing, little and much, in place and apart; more ranks than cores.
# shellcheck source=tests/mpi/lib.sh
. "$(dirname "$0")/lib.sh"
program=$(dirname "$QN_QUERN")/mpi_ranks

for n in $(counts 1 2 3 5); do
    for name in collectives bytes; do
        ranks "$n" "$program" "$flavour" $name >out 2>&1 || fail "$name, $n ranks:"
        if grep -q WRONG out; then fail "$name, $n ranks:"; fi
    done
    echo "$n ranks: right"
done
for n in $(counts 1 2 3 5 7); do
    ranks "$n" "$program" "$flavour" memory || exit 1
done
for n in $(counts 2 3); do
    ranks "$n" "$program" "$flavour" agree || exit 1
    ranks "$n" "$program" "$flavour" wait || exit 1
done
# Four gigabytes: what is sent takes no memory, what is received does.
if [ "$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)" -ge 6 ]; then
    ranks 2 "$program" "$flavour" huge || exit 1
    echo "more than 2^31 bytes in one exchange: right"
else
    echo "note: 6 GB of free memory would try more than 2^31 bytes at once"
fi
