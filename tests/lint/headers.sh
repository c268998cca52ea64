#!/usr/bin/env bash
# headers - every header compiles alone. Prints offenders; exit 1 when there are any.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0 n=0
for h in {base,ssh,ssh/crypto,ipc,conf,supervisor,ctl,reporter,keeper,acceptor,guard,connection,channels,subsystems}/*.h; do
	[ -f "$h" ] || continue
	n=$((n + 1))
	# twice: the guard is looked at, too
	if ! why=$(printf '#include "%s"\n#include "%s"\n' "$h" "$h" |
	    "${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -I. -x c - 2>&1); then
		echo "OFFENDER $h does not compile alone"
		printf '%s\n' "$why" | head -n 5
		bad=1
	fi
done
[ "$n" -gt 0 ] || { echo "OFFENDER no header was found"; bad=1; }
[ "$bad" = 0 ] && echo "OK $n headers"
exit "$bad"
