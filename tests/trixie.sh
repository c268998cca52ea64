#!/bin/sh
# trixie.sh TREE [COMMAND...] - the post-quantum exchanges where Debian 13 has them.
#
# Debian 13 has libgcrypt 1.11, which brings ML-KEM-768 and sntrup761 of its own, and OpenSSH 10, whose first choice is
# mlkem768x25519-sha256. This makes a Debian 13 tree with debootstrap in TREE, unless there is one, builds this source
# in it, in TREE/build, and runs the unit tests of ssh/ and ssh/crypto/ there, among them the one that both
# implementations of ML-KEM agree; not keyformats, which is about tools that are not there. Then that tree's ssh logs in to the daemon built there, once with each exchange that
# both know, sntrup761x25519-sha512 among them (tests/trixie-login.sh). With a COMMAND: that one in place of all this, in the same place.
#
# tests/bench/run --tree TREE measures that tree's sshd, too.
#
# Needs root, debootstrap and a Debian mirror; takes 600 MB. Nothing is mounted outside a mount namespace of its own.
# TRIXIE_BUILD=NAME builds in TREE/NAME. 5,000 handshakes of an exchange: trixie.sh TREE sh /source/tests/handshakes /build 5000 sntrup761x25519-sha512
# tests/system/run BUILD kex. logs in with the ssh of that tree: TRIXIE=TREE says where it is (else /var/tmp/trixie).
set -eu

tree=${1:?"usage: trixie.sh TREE [COMMAND...]"}
shift
source=$(cd "$(dirname "$0")/.." && pwd)
build=${TRIXIE_BUILD:-build}
packages="gcc libc6-dev cmake ninja-build pkg-config libevent-dev libgcrypt20-dev libsodium-dev zlib1g-dev libseccomp-dev \
  libcrypt-dev libncurses-dev libcriterion-dev python3 openssh-client openssh-server iproute2 ssh-audit"

if [ ! -e "$tree/usr/bin/apt-get" ]; then
	debootstrap --variant=minbase trixie "$tree"
fi
mkdir -p "$tree/source" "$tree/$build"
if [ $# -eq 0 ]; then
	set -- sh -ec 'cd /source && cmake --preset release -B "/$0" -DCOPPICE_TESTS=ON >/dev/null
	    cmake --build "/$0" -j${TRIXIE_JOBS:-2} --target unit_ssh_crypto unit_ssh unit_ssh_faults coppiced reporter keeper acceptor keysign auth nursery channel sftp-server coppicectl
	    cd "/$0" && tests/unit_ssh_crypto -j2 && tests/unit_ssh_faults && tests/unit_ssh -j2 --timeout 100000 --filter "!(keyformats)/*"
	    exec sh /source/tests/trixie-login.sh "/$0"' "$build"
fi
mounts='
	mount --make-rprivate /
	mount -t proc proc "$1/proc"
	for at in root run tmp; do
		mount -t tmpfs -o mode=755 tmpfs "$1/$at"
	done
	chmod 1777 "$1/tmp"
'
if [ ! -e "$tree/usr/include/gcrypt.h" ] || [ ! -e "$tree/usr/bin/ip" ] || [ ! -e "$tree/usr/sbin/sshd" ]; then
	# shellcheck disable=SC2016,SC2086
	unshare --mount --pid --fork sh -euc "$mounts"'
	tree=$1
	shift
	cp /etc/resolv.conf "$tree/etc/resolv.conf"
	chroot "$tree" apt-get update -q
	DEBIAN_FRONTEND=noninteractive chroot "$tree" apt-get install -qy --no-install-recommends "$@"
' sh "$tree" $packages
fi
# shellcheck disable=SC2016
exec unshare --mount --pid --net --fork sh -euc "$mounts"'
	tree=$1 source=$2
	shift 2
	mount --bind "$source" "$tree/source"
	mount -o remount,bind,ro "$tree/source"
	exec chroot "$tree" "$@"
' sh "$tree" "$source" "$@"
