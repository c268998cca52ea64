#!/bin/sh
# trixie-login.sh BUILD - inside the tree of trixie.sh: the daemon of BUILD, and this system's ssh, which logs in with each exchange that both know.
set -eu

build=${1:?"usage: trixie-login.sh BUILD"}
port=2222
user=$(id -un)
HOME=$(getent passwd "$user" | cut -d: -f6)	# where the daemon looks; it may have come in with another
[ ! -e "$HOME/.ssh/authorized_keys" ] || { echo "$HOME/.ssh/authorized_keys is somebody's; trixie.sh calls this with an empty home" >&2; exit 2; }
ip link set lo up
lab=$(mktemp -d)
mkdir -p "$HOME/.ssh"
chmod 700 "$HOME/.ssh"
cd "$lab"
ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -q -t ed25519 -N '' -f user
cp user.pub "$HOME/.ssh/authorized_keys"
chmod 600 "$HOME/.ssh/authorized_keys"
echo "127.0.0.1 $(cat host.pub)" >known
ours=$("$build/sbin/coppiced" -Q kex | cut -d' ' -f1)	# also those that are off by default
cat >config <<EOF
ListenAddress 127.0.0.1
Port $port
HostKey $lab/host
PidFile none
ControlSocket $lab/control
CrashDirectory $lab/crashes
KexAlgorithms $(echo "$ours" | paste -sd,)
EOF

"$build/sbin/coppiced" -D -e -f config 2>log &
daemon=$!
trap 'kill $daemon 2>/dev/null || :; rm -rf "$lab" "$HOME/.ssh/authorized_keys"' EXIT
login() { # EXCHANGE
	ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -i user -o UserKnownHostsFile=known -o StrictHostKeyChecking=yes -o HostKeyAlias=127.0.0.1 \
	    -o "KexAlgorithms=$1" -v -p $port "$user@127.0.0.1" 'echo in' 2>words
}
tries=0
until login curve25519-sha256 >/dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { echo "the daemon does not answer"; cat log words; exit 1; }
	sleep 0.2
done

passed=0 failed=0 sntrup=0
for kex in $(ssh -Q kex); do
	echo "$ours" | grep -qxF "$kex" || { echo "-    $kex: not ours"; continue; }
	if [ "$(login "$kex")" = in ] && grep -q "kex: algorithm: $kex" words; then
		echo "ok   $kex"
		passed=$((passed + 1))
		case $kex in sntrup*) sntrup=$((sntrup + 1)) ;; esac
	else
		echo "FAIL $kex"
		tail -n 5 words log
		failed=$((failed + 1))
	fi
done
[ $sntrup -ge 1 ] || { echo "FAIL no sntrup761: is libgcrypt older than 1.11?"; failed=$((failed + 1)); }
ssh -V
echo "$passed passed, $failed failed"
[ $failed = 0 ]
