#!/usr/bin/env bash
# paths - nothing in the tree knows the machine it was written on. Prints offenders; exit 1 when there are any.
# Words that must not appear either, one extended regular expression a line: .git/info/lint-words, when there is one.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
search() { # PATTERN [FLAG]: lines of text files of the project
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git grep -nIE ${2:-} -e "$1" -- . ':!tests/lint/paths.sh' ':!tests/fuzz/corpus'
	else
		grep -rnIE ${2:-} --exclude=paths.sh --exclude-dir=build --exclude-dir=corpus -e "$1" .
	fi
}
out=$(mktemp) && trap 'rm -f "$out"' EXIT
for p in work 'root/[A-Za-z0-9._]' 'home/[a-z]'; do
	# an absolute path: nothing that could be part of a longer one stands before it
	search "(^|[^A-Za-z0-9_.~*}\$/-])/${p}(/|[^A-Za-z0-9_-]|\$)"
done | sed 's/^/OFFENDER /' >"$out"
words=$(git rev-parse --git-path info/lint-words 2>/dev/null)
if [ -n "$words" ] && [ -f "$words" ]; then
	while IFS= read -r w; do [ -n "$w" ] && search "$w" -i; done <"$words" | sed 's/^/OFFENDER /' >>"$out"
fi
[ -s "$out" ] && { cat "$out"; bad=1; }
[ "$bad" = 0 ] && echo "OK"
exit "$bad"
