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
# -K: when the server's CLOSE comes before the last output is written, dbclient's loop sees only after its next select() that nothing is left to do
# (session_loop() calls its handler before channelio(), which then removes the channel), and without a keepalive that select() waits for eight hours
# shellcheck disable=SC2154
dbclient -K 30 -y -y ${cipher:+-c "$cipher"} ${mac:+-m "$mac"} -p "$port" -i "$HOME/key" "$user@$host" "$command"
