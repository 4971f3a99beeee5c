#!/bin/sh
# install.sh LIST...: installs what packaging/apt-LIST.txt names and this machine lacks; nothing is asked
# of the network when all is there. As root or by sudo; otherwise says what an administrator must do.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# True if a tool is there without its Debian package (a newer one, say).
have_otherwise() {
    case $1 in
    nodejs) command -v node >/dev/null 2>&1 ;;
    npm | git | python3) command -v "$1" >/dev/null 2>&1 ;;
    python3-venv) python3 -c 'import venv, ensurepip' >/dev/null 2>&1 ;;
    python3-pip) python3 -m pip --version >/dev/null 2>&1 ;;
    openjdk-17-jre-headless) command -v java >/dev/null 2>&1 ;;
    *) false ;;
    esac
}

for list in "$@"; do
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "quern: no Debian system; please install by hand what packaging/apt-$list.txt names" >&2
        continue
    fi
    missing=""
    for package in $(grep -v '^#' "$here/apt-$list.txt"); do
        have_otherwise "$package" && continue
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || continue
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        as_root=sudo
        if ! sudo -n true 2>/dev/null; then
            echo "quern: these Debian packages are missing:$missing" >&2
            echo "ask an administrator for: apt-get install --no-install-recommends$missing" >&2
            exit 1
        fi
    fi
    echo "installing:$missing"
    $as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
        --no-install-recommends $missing >/dev/null
done
