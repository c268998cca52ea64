#!/usr/bin/env bash
# run.sh BUILD_DIR: every lint; ends with "N passed, N failed".
set -u
build=$(realpath "${1:?usage: run.sh BUILD_DIR}") || exit 1
cd "$(dirname "$0")" || exit 1
passed=0 failed=0
lint() { # NAME COMMAND...
	local name=$1 out; shift
	if out=$("$@" 2>&1); then
		passed=$((passed + 1)); printf '%-12s %s\n' "$name" "$(printf '%s\n' "$out" | tail -n 1)"
	else
		failed=$((failed + 1)); printf 'FAIL %s\n%s\n' "$name" "$out"
	fi
}
lint layers ./layers.py
lint symbols ./symbols.sh "$build"
lint sizes ./sizes.py
lint headers ./headers.sh
lint paths ./paths.sh
lint ipc-doc python3 ./ipc-doc.py --check
for extra in ./check-*; do	# lints that come with a part of the tree
	[ -x "$extra" ] && lint "$(basename "$extra")" "$extra" "$build"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
