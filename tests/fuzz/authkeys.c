/*
 * authorized_keys as the input, for one fixed key. Whenever a line lets it in, that line alone must do so
 * with the same rights: nothing before it may lend or take away anything. The helper's messages come along.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "guard/authkeys.h"
#include "guard/helper_proto.h"
#include "ipc/permits.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* "ssh-ed25519" and 32 bytes 0x11; the corpus holds it as text. */
static struct view fixed_blob(void)
{
	static uint8_t blob[51] = "\0\0\0\x0bssh-ed25519\0\0\0\x20";

	memset(blob + 19, 0x11, 32);
	return view_of(blob, sizeof blob);
}

static struct view nth_line(struct view file, unsigned n)
{
	const uint8_t *nl;

	while (--n > 0 && (nl = memchr(file.p, '\n', file.len)) != NULL) {
		file.len -= (size_t)(nl + 1 - file.p);
		file.p = nl + 1;
	}
	nl = memchr(file.p, '\n', file.len);
	return nl == NULL ? file : view_of(file.p, (size_t)(nl - file.p));
}

static int same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void search(struct view file)
{
	struct authkeys_query q = { .blob = fixed_blob(), .now = 1700000000 };
	struct authopts o, alone;
	unsigned line = 0, one = 0;

	addr_parse_ip(&q.peer, "192.0.2.7");
	if (authkeys_search(file, &q, &o, &line, NULL, NULL) == AUTHKEYS_NO) {
		if (o.command != NULL || o.from != NULL)
			abort();
		return;
	}
	if (line == 0 || (o.permits & ~PERMIT_ALL) != 0 || o.cert_authority)
		abort();
	if (authkeys_search(nth_line(file, line), &q, &alone, &one, NULL, NULL) != AUTHKEYS_YES || one != 1 ||
	    alone.permits != o.permits || !same_text(alone.command, o.command) || !same_text(alone.from, o.from))
		abort();
	authopts_drop(&o);
	authopts_drop(&alone);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	struct helper_answer answer;
	struct helper_ask question;
	struct authopts o;
	const char *why;
	int64_t at;

	search(view_of(d, n));
	authopts_parse(&o, view_of(d, n), &why);
	authopts_drop(&o);
	if (authopts_span(view_of(d, n)) > n && authopts_span(view_of(d, n)) != SIZE_MAX)
		abort();
	if (authopts_time(view_of(d, n), &at) == SSH_OK && at < 0)
		abort();
	if (helper_answer_decode(&answer, view_of(d, n)) < 0 && answer.verdict != HELPER_NO)
		abort();
	return helper_ask_decode(&question, view_of(d, n)) == SSH_OK && question.sig.len > n;
}
