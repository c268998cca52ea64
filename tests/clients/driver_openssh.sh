#!/bin/sh
# OpenSSH's ssh; SSH=PROGRAM [ARGUMENTS] is another one than the first of $PATH. What a driver is: run.
set -eu
ssh=${SSH:-ssh}

known() {
	$ssh -V 2>&1 | sed 's/^/version /'
	for kind in kex:kex HostKeyAlgorithms:hostkey PubkeyAcceptedAlgorithms:userkey cipher:cipher mac:mac compression:comp; do
		# shellcheck disable=SC2086
		$ssh -Q "${kind%:*}" | sed "s/^/${kind#*:} /"
	done
}

if [ "$1" = known ]; then
	known
	exit
fi
for word in "$@"; do
	name=${word%%=*} value=${word#*=}
	case $name in
	host|port|user|key|hostpub|command) eval "$name=\$value" ;;
	kex) set -- "$@" -o "KexAlgorithms=$value" ;;
	hostkey) set -- "$@" -o "HostKeyAlgorithms=$value" ;;
	userkey) set -- "$@" -o "PubkeyAcceptedAlgorithms=$value" ;;
	cipher) set -- "$@" -o "Ciphers=$value" ;;
	mac) set -- "$@" -o "MACs=$value" ;;
	comp) [ "$value" = none ] || set -- "$@" -o Compression=yes ;;
	esac
	shift
done
# shellcheck disable=SC2086,SC2154
exec $ssh -F none "$@" -o "UserKnownHostsFile=$hostpub.known" -o GlobalKnownHostsFile=none -o StrictHostKeyChecking=yes -o "HostKeyAlias=$host" \
	-o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR -i "$key" -p "$port" "$user@$host" "$command"
