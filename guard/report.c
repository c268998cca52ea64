#include "guard/report.h"

#include <stdio.h>
#include <string.h>

#include "ssh/crypto/crypto.h"

/* Room for 100 bytes of name, as sshd has it, each escaped. */
struct where { char user[128], ip[ADDR_TEXT_MAX]; unsigned port; const char *invalid; };

static struct where where_of(const struct report *r)
{
	struct where w = { .port = addr_port(&r->peer), .invalid = r->valid ? "" : "invalid user " };

	log_escape(w.user, sizeof w.user, r->user, strlen(r->user));
	addr_ip_text(&r->peer, w.ip);
	return w;
}

const char *report_key_text(const struct report *r, char text[REPORT_KEY_MAX])
{
	const struct sig_alg *row = r->method == METHOD_KEY ? sig_alg_find(r->alg) : NULL;
	char print[64];

	text[0] = '\0';
	if (row == NULL)
		return text;
	key_fingerprint(r->blob, print);	/* a hash of bytes: nothing in them is parsed */
	snprintf(text, REPORT_KEY_MAX, "%s %s", key_kind_word(row->kind), print);
	return text;
}

const char *report_result_text(const struct report *r, int accepted, char text[REPORT_MAX])
{
	struct where w = where_of(r);
	char key[REPORT_KEY_MAX];

	report_key_text(r, key);
	snprintf(text, REPORT_MAX, "%s %s for %s%s from %s port %u ssh2%s%s", accepted ? "Accepted" : "Failed",
	    policy_method_name(r->method), w.invalid, w.user, w.ip, w.port, *key != '\0' ? ": " : "", key);
	return text;
}

enum log_level report_result_level(const struct report *r, int accepted, int half)
{
	return accepted || !r->valid || half || r->method == METHOD_PASSWORD ? LOGL_INFO : LOGL_VERBOSE;
}

const char *report_invalid_text(const struct report *r, char text[REPORT_MAX])
{
	struct where w = where_of(r);

	snprintf(text, REPORT_MAX, "Invalid user %s from %s port %u", w.user, w.ip, w.port);
	return text;
}

const char *report_tries_text(const struct report *r, char text[REPORT_MAX])
{
	struct where w = where_of(r);

	snprintf(text, REPORT_MAX, "maximum authentication attempts exceeded for %s%s from %s port %u ssh2 [preauth]",
	    w.invalid, w.user, w.ip, w.port);
	return text;
}

const char *report_root_text(const struct report *r, char text[REPORT_MAX])
{
	struct where w = where_of(r);

	snprintf(text, REPORT_MAX, "ROOT LOGIN REFUSED FROM %s port %u", w.ip, w.port);
	return text;
}
