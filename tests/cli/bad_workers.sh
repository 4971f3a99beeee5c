#!/bin/sh
# shellcheck disable=SC2154,SC2034,SC1091,SC2086
# What is wrong with workers, hosts and scratch folders: one clear message, before work starts, and nothing left behind.
# (Checkpoints: resume.sh and resume_lost.sh. Hosts that do not answer: supervise.sh and label hosts.)
. "$(dirname "$0")/lib.sh"
run datagen ratings --users 12000 --items 9000 --ratings 400000 --out data --quiet
expect_code 0
fit="fit als --input data/ratings.csv --rank 8 --max-iter 2 --runs-dir none --quiet"

# The launcher.
refused 2 '--mpi "lam" is none of openmpi, mpich' $fit --workers 2 --mpi lam
mkdir -p bin
said="$fit --workers 2 without mpirun"
before
PATH=$PWD/bin "$quern" $fit --workers 2 >"$out" 2>"$err" </dev/null
code=$?
expect_code 1
expect_one_error
expect_err 'several workers are started by mpirun.openmpi, which is not on the PATH$'
expect_err '^  try: apt install openmpi-bin$'
expect_unchanged
printf '#!/bin/sh\n' >bin/mpiexec.mpich
chmod +x bin/mpiexec.mpich
PATH=$PWD/bin "$quern" $fit --workers 2 >"$out" 2>"$err" </dev/null
expect_err '^  try: apt install openmpi-bin, or --mpi mpich$'
rm -r bin

# Numbers and hosts.
refused 2 '--workers -1 is out of range: 0 to 1024' $fit --workers -1
refused 2 '--workers 4, but the hosts are for 3' $fit --workers 4 --hosts a,b:2
refused 2 '"A" is there twice; NAME:2 puts two workers there' $fit --hosts a,A
refused 2 '"a" has no possible number of workers' $fit --hosts a:0
refused 2 '"a:x" does not end in a number of workers' $fit --hosts a:x
refused 2 '"" is not the name of a host' $fit --hosts ''
refused 1 'cannot read data' $fit --hostfile data
printf 'a\n# none\na 2\n' >hosts.txt
refused 2 'hosts.txt line 3: "a" is there twice' $fit --hostfile hosts.txt
: >hosts.txt
refused 2 'hosts.txt names no host' $fit --hostfile hosts.txt
refused 2 '--min-workers 3 is more than the 2 workers there are' $fit --workers 2 --min-workers 3
refused 2 '--hosts and --hostfile both name the hosts' $fit --hosts a --hostfile hosts.txt

# Scratch folders, looked at before anything is read: the input would be a pipe that nobody fills.
mkfifo never
never="fit als --input never --runs-dir none --quiet"
refused 2 'scratch folder nowhere: No such file or directory' $never --scratch nowhere
refused 2 'scratch folder data/ratings.csv is not a folder' $never --scratch data/ratings.csv
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ]; then
    refused 2 'scratch folder /dev/shm lies in memory \(tmpfs\), so that spilling to it frees none' $never --scratch /dev/shm
fi
if [ "$(id -u)" != 0 ]; then
    mkdir -m 555 closed
    refused 1 'scratch folder closed cannot be written' $never --scratch closed
fi
rm -f never

# A disk that is read-only, and one that is full: a small one of our own, where this may be mounted.
command -v mkfs.ext4 >/dev/null || PATH=$PATH:/sbin:/usr/sbin
mkdir disk
if dd if=/dev/zero of=disk.img bs=1M count=3 2>/dev/null && mkfs.ext4 -q disk.img >/dev/null 2>&1 &&
    mount -o loop disk.img disk 2>/dev/null; then
    trap 'umount "$work/box/disk" 2>/dev/null; rm -rf "$work"' EXIT
    run $fit --memory 6m --scratch disk
    expect_code 1
    expect_one_error
    expect_err 'cannot spill .* to disk/quern-scratch-.* free on its ext4 file system\): the disk is full: give --scratch a folder with more room, or raise --memory'
    [ "$(ls disk)" = lost+found ] || fail "something is left in the scratch folder: $(ls disk)"
    mount -o remount,ro disk || fail "the disk cannot be made read-only"
    refused 1 'scratch folder disk cannot be written: Read-only file system' $fit --memory 6m --scratch disk
    umount disk
else
    echo "note: no disk of our own can be mounted here, so none that is full or read-only is tried"
fi
echo "bad workers: fine"
