#!/bin/sh
# plain.sh: nothing happens to the hosts: one digest for one process, two and three hosts. Hosts that cannot take part
# are named before work starts, and so is one that has other data or another program.
# shellcheck disable=SC1091,SC2034,SC2046,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
hosts_open alpha beta gamma
undisturbed

for list in alpha,beta alpha,beta:2,gamma; do
    run $fit --hosts $list
    expect_same
    expect_no_err
    echo "$list: the model of one process"
done
expect_json '[w["host"] for w in j["workers"]]' "['alpha', 'beta', 'beta', 'gamma']"

# refused CODE SECONDS MESSAGE WORDS...: before any work, so there is no model and no iteration.
refused() {
    want=$1 limit=$2 message=$3
    shift 3
    before=$(date +%s)
    run "$@" --model refused
    [ $(($(date +%s) - before)) -le "$limit" ] || fail "that took more than $limit s"
    expect_code "$want"
    expect_err "$message"
    [ "$(grep -c '^quern: ' "$err")" = 1 ] || fail "not one message"
    [ ! -e refused ] || fail "there is a model"
    expect_clean
    echo "refused: $(sed -n 's/^quern: fit als: //p' "$err")"
}
refused 2 5 'the host nowhere cannot be reached: .*Could not resolve' $fit --hosts alpha,nowhere
refused 2 5 '"alpha" is there twice' $fit --hosts alpha,beta,alpha
link gamma down
refused 2 8 'the host gamma (cannot be reached: .*timed out|does not answer)' $fit --hosts alpha,gamma
link gamma up

# The input is not there on one host; then it is another file.
mkdir empty other
on beta mount --bind empty data
refused 2 10 'worker 1 on beta: data/ratings.csv: no such file' $fit --hosts alpha,beta
expect_err 'every host reads the same path'
on beta umount data
sed '100s/.*/1,1,5/' data/ratings.csv >other/ratings.csv
on beta mount --bind other data
refused 2 10 'data/ratings.csv: worker 1 on beta finds other data there .* than worker 0 on alpha' $fit --hosts alpha,beta
on beta umount data

# Another build over there, and one that is not there at all.
if command -v objcopy >/dev/null 2>&1; then
    head -c 36 /dev/zero | tr '\0' 'x' >note
    printf '\004\000\000\000\024\000\000\000\003\000\000\000GNU\000' | dd of=note conv=notrunc 2>/dev/null
    objcopy --update-section .note.gnu.build-id=note "$quern" other/quern
    on beta mount --bind other/quern "$quern"
    refused 2 10 'workers run different builds of Quern: worker 0 on alpha .* another build have worker 1 on beta' \
        $fit --hosts alpha,beta
    on beta umount "$quern"
fi
printf 'nothing' >other/quern
chmod -x other/quern
on beta mount --bind other/quern "$quern"
refused 2 10 'the host beta cannot start .*' $fit --hosts alpha,beta
on beta umount "$quern"

# A checkpoint folder that one host cannot write.
mkdir shared
on beta mount -t tmpfs -o ro none shared
refused 1 10 'worker 1 on beta.*shared' $fit --hosts alpha,beta --checkpoint-dir shared
on beta umount shared
echo "plain: fine"
