#!/usr/bin/env bash
# symbols - what the binaries of a build really contain: symbols.sh BUILD_DIR. Prints offenders; exit 1 when there are any.
#   the programs that must not: link no crypto library and nothing of the SSH protocol
#   libssh.a: asks the system for nothing but memory and text; no I/O, clock, randomness or environment
set -u
export LC_ALL=C
build=${1:?usage: symbols.sh BUILD_DIR}
bad=0 seen=0
offender() { echo "OFFENDER $*"; bad=1; }
names() { nm "$@" 2>/dev/null | awk 'NF >= 2 && $NF !~ /:$/ { print $NF }' | sed 's/@.*//' | sort -u; }
defined() { nm --defined-only -g "$@" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u; }

ssh=$build/ssh/libssh.a crypto=$build/ssh/libsshcrypto.a base=$build/base/libbase.a
for lib in "$ssh" "$crypto" "$base"; do [ -f "$lib" ] || { offender "$lib is not built"; exit 1; }; done
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT

# -- programs
defined "$ssh" "$crypto" >"$tmp/protocol"
nm -A --defined-only -g "$ssh" | sed -n 's/.*:sftp_codec[^:]*:[0-9a-f]* [A-Z] //p' | sort -u >"$tmp/codec"
[ -s "$tmp/protocol" ] || offender "$ssh defines nothing"
for program in sbin/coppiced bin/coppicectl libexec/coppice/{acceptor,keeper,reporter,channel,sftp-server}; do
	file=$build/$program
	[ -x "$file" ] || { offender "$program is not built"; continue; }
	seen=$((seen + 1))
	{ names "$file"; names -D "$file"; } | sort -u >"$tmp/have"
	grep -E '^(gcry_|sodium_|crypto_|randombytes)' "$tmp/have" | sed "s|^|OFFENDER $program has |" >"$tmp/out"
	forbidden=$tmp/protocol
	if [ "$program" = libexec/coppice/sftp-server ]; then	# the SFTP messages are its business
		comm -23 "$tmp/protocol" "$tmp/codec" >"$tmp/without_codec"; forbidden=$tmp/without_codec
	fi
	comm -12 "$tmp/have" "$forbidden" | sed "s|^|OFFENDER $program has |" >>"$tmp/out"
	readelf -d "$file" 2>/dev/null | grep -oE 'lib(gcrypt|sodium|crypto|ssh)[^]]*' | sed "s|^|OFFENDER $program needs |" >>"$tmp/out"
	[ -s "$tmp/out" ] && { head -n 20 "$tmp/out"; bad=1; }
done

# -- the protocol core
cat >"$tmp/allowed" <<'END'
_GLOBAL_OFFSET_TABLE_
__assert_fail
__ctype_b_loc
__errno_location
__memcpy_chk
__memmove_chk
__memset_chk
__snprintf_chk
__stack_chk_fail
__vsnprintf_chk
abort
bsearch
deflate
deflateBound
deflateEnd
deflateInit2_
deflatePending
deflatePrime
deflateReset
inflate
inflateEnd
inflateGetDictionary
inflateInit2_
inflatePrime
inflateSetDictionary
memchr
memcmp
memcpy
memmove
memset
snprintf
strchr
strcmp
strcpy
strlen
strncmp
strnlen
strrchr
strspn
strcspn
strstr
vsnprintf
END
sort -u -o "$tmp/allowed" "$tmp/allowed"
nm -u "$ssh" | awk 'NF == 2 { print $2 }' | sort -u |
	grep -vE '^__(asan|ubsan|sanitizer|sancov|gcov|llvm)_' >"$tmp/undefined"
defined "$ssh" "$crypto" "$base" | sort -u - "$tmp/allowed" >"$tmp/known"
comm -23 "$tmp/undefined" "$tmp/known" | sed 's|^|OFFENDER libssh.a calls |' >"$tmp/out"
[ -s "$tmp/out" ] && { cat "$tmp/out"; bad=1; }

[ "$bad" = 0 ] && echo "OK $seen programs and libssh.a"
exit "$bad"
