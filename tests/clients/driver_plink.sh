#!/bin/sh
# PuTTY's plink. It has no options for algorithms: a saved session lets it use all it knows, the server offers the one. What a driver is: run.
set -eu

if [ "$1" = known ]; then
	plink -V | sed -n '1s/^/version /p'
	echo offers
	exit
fi
comp=none
for word in "$@"; do
	eval "${word%%=*}=\${word#*=}"
done
HOME=$(mktemp -d)
export HOME
trap 'rm -rf "$HOME"' EXIT
mkdir -p "$HOME/.putty/sessions"
cat >"$HOME/.putty/sessions/all" <<S
PresentIn=1
Protocol=ssh
KEX=ntru-curve25519,ecdh,dh-gex-sha1,dh-group18-sha512,dh-group17-sha512,dh-group16-sha512,dh-group15-sha512,dh-group14-sha1,rsa,dh-group1-sha1,WARN
HostKey=ed448,ed25519,ecdsa,rsa,dsa,WARN
Cipher=aesgcm,aes,chacha20,3des,des,blowfish,arcfour,WARN
Compression=$([ "$comp" = none ] && echo 0 || echo 1)
S
# shellcheck disable=SC2154
puttygen "$key" -o "$HOME/key.ppk" -O private
set --
while read -r line; do
	echo "$line" >"$HOME/host.pub"
	set -- "$@" -hostkey "$(puttygen -l "$HOME/host.pub" | grep -o 'SHA256:[^ ]*')"
done <"$hostpub"
plink -load all -batch -ssh -P "$port" "$@" -i "$HOME/key.ppk" "$user@$host" "$command"
