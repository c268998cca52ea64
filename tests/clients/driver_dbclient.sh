#!/bin/sh
# Dropbear's dbclient. What a driver is: run.
set -eu

if [ "$1" = known ]; then
	dbclient -V 2>&1 | sed 's/^/version /'
	echo offers
	exit
fi
cipher='' mac=''
for word in "$@"; do
	eval "${word%%=*}=\${word#*=}"
done
HOME=$(mktemp -d)
export HOME
trap 'rm -rf "$HOME"' EXIT
convert=$(command -v dropbearconvert || echo /usr/lib/dropbear/dropbearconvert)
# shellcheck disable=SC2154
"$convert" openssh dropbear "$key" "$HOME/key" 2>/dev/null
# shellcheck disable=SC2154
dbclient -y -y ${cipher:+-c "$cipher"} ${mac:+-m "$mac"} -p "$port" -i "$HOME/key" "$user@$host" "$command"
