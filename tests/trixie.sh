#!/bin/sh
# trixie.sh TREE [COMMAND...] - the post-quantum exchanges where Debian 13 has them.
#
# Debian 13 has libgcrypt 1.11, which brings ML-KEM-768 and sntrup761 of its own, and OpenSSH 10, whose first choice is
# mlkem768x25519-sha256. This makes a Debian 13 tree with debootstrap in TREE, unless there is one, builds this source
# in it, in TREE/build, and runs the unit tests of ssh/ and ssh/crypto/ there, among them the one that both
# implementations of ML-KEM agree. With a COMMAND: that one in place of the build, in the same place.
#
# Needs root, debootstrap and a Debian mirror; takes 600 MB. Nothing is mounted outside a mount namespace of its own.
# tests/system/run BUILD kex. logs in with the ssh of that tree: TRIXIE=TREE says where it is (else /var/tmp/trixie).
set -eu

tree=${1:?"usage: trixie.sh TREE [COMMAND...]"}
shift
source=$(cd "$(dirname "$0")/.." && pwd)
packages="gcc libc6-dev cmake ninja-build pkg-config libevent-dev libgcrypt20-dev libsodium-dev zlib1g-dev libseccomp-dev \
  libcrypt-dev libncurses-dev libcriterion-dev python3 openssh-client ssh-audit"

if [ ! -e "$tree/usr/bin/apt-get" ]; then
	debootstrap --variant=minbase trixie "$tree"
fi
mkdir -p "$tree/source" "$tree/build"
if [ $# -eq 0 ]; then
	set -- sh -ec 'cd /source && cmake --preset release -B /build -DCOPPICE_TESTS=ON >/dev/null
	    cmake --build /build --target unit_ssh_crypto unit_ssh
	    cd /build && tests/unit_ssh_crypto -j2 && tests/unit_ssh -j2'
fi
# shellcheck disable=SC2016
exec unshare --mount --pid --fork sh -euc '
	tree=$1 source=$2 packages=$3
	shift 3
	mount --make-rprivate /
	mount -t proc proc "$tree/proc"
	mount --bind "$source" "$tree/source"
	mount -o remount,bind,ro "$tree/source"
	if [ ! -e "$tree/usr/include/gcrypt.h" ]; then
		cp /etc/resolv.conf "$tree/etc/resolv.conf"
		chroot "$tree" apt-get update -q
		DEBIAN_FRONTEND=noninteractive chroot "$tree" apt-get install -qy --no-install-recommends $packages
	fi
	exec chroot "$tree" "$@"
' sh "$tree" "$source" "$packages" "$@"
