#include "connection/farewell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* "192.0.2.7 port 50122" */
static const char *place(const struct farewell *f, char out[ADDR_TEXT_MAX + 16])
{
	char ip[ADDR_TEXT_MAX];

	snprintf(out, ADDR_TEXT_MAX + 16, "%s port %u", addr_ip_text(&f->peer, ip), addr_port(&f->peer));
	return out;
}

/* The same behind the user, as far as there is one. */
static const char *who(const struct farewell *f, char out[512])
{
	char user[300], at[ADDR_TEXT_MAX + 16];

	if (f->user.len == 0)
		snprintf(out, 512, "%s", place(f, at));
	else
		snprintf(out, 512, "%s %s %s", f->authed ? "user" : f->unknown ? "invalid user" : "authenticating user",
		    log_escape(user, sizeof user, f->user.p, f->user.len), place(f, at));
	return out;
}

static enum log_level core_error(const struct farewell *f, const char *pre, char *out, size_t size)
{
	char at[ADDR_TEXT_MAX + 16], name[512], words[LOG_LINE_MAX];
	const char *why = err_text(f->number);

	if (f->text.len > 0) {
		snprintf(words, sizeof words, "%.*s", (int)f->text.len, (const char *)f->text.p);
		why = words;
	}
	switch (f->number) {
	case SSH_E_IDENT:
		snprintf(out, size, "banner exchange: Connection from %s: invalid format", place(f, at));
		return LOGL_INFO;
	case SSH_E_VERSION:
		snprintf(out, size, "banner exchange: Connection from %s: could not read protocol version", place(f, at));
		return LOGL_INFO;
	case SSH_E_NO_ALG:
		snprintf(out, size, "Unable to negotiate with %s: %s%s", place(f, at), why, pre);
		return LOGL_INFO;
	case SSH_E_TIMEOUT:
		if (f->authed) {
			snprintf(out, size, "Timeout, client not responding from %s", who(f, name));
			return LOGL_INFO;
		}
		break;
	}
	snprintf(out, size, "Disconnecting %s: %s%s", who(f, name), why, pre);
	return err_blame(f->number) == ERR_US ? LOGL_ERROR : LOGL_INFO;
}

static enum log_level sentence(const struct farewell *f, unsigned i, char *out, size_t size)
{
	const char *pre = f->authed ? "" : " [preauth]";
	char name[512], at[ADDR_TEXT_MAX + 16], words[300];

	*out = '\0';
	if (i > (f->kind == BYE_RECEIVED))
		return LOGL_QUIET;
	switch (f->kind) {
	case BYE_CLOSED:
		snprintf(out, size, "Connection closed by %s%s", who(f, name), pre);
		break;
	case BYE_ERRNO:
		if (f->number == ECONNRESET || f->number == EPIPE)
			snprintf(out, size, "Connection reset by %s%s", who(f, name), pre);
		else
			snprintf(out, size, "Connection from %s failed: %s%s", who(f, name), strerror(f->number), pre);
		break;
	case BYE_RECEIVED:
		if (i == 0)
			snprintf(out, size, "Received disconnect from %s:%d: %s%s", place(f, at), f->number,
			    log_escape(words, sizeof words, f->text.p, f->text.len), pre);
		else
			snprintf(out, size, "Disconnected from %s%s", who(f, name), pre);
		break;
	case BYE_SENT:
		snprintf(out, size, "Disconnecting %s: %s%s", who(f, name),
		    log_escape(words, sizeof words, f->text.p, f->text.len), pre);
		break;
	case BYE_PROXY:
		snprintf(out, size, "Bad PROXY header from %s: %s%s", place(f, at), log_escape(words, sizeof words, f->text.p, f->text.len), pre);
		break;
	case BYE_ERROR:
		return core_error(f, pre, out, size);
	}
	return LOGL_INFO;
}

enum log_level farewell_line(const struct farewell *f, unsigned i, char *out, size_t size)
{
	enum log_level level = sentence(f, i, out, size);

	return level == LOGL_INFO && f->quiet && f->user.len == 0 ? LOGL_VERBOSE : level;
}
