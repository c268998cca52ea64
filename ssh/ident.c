#include "ssh/ident.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"

/* RFC 4253 sets no limit for the lines before the identification; this is OpenSSH's. */
#define OTHER_LINE_MAX 8192u

static int begins(struct view v, const char *with)
{
	size_t n = strlen(with);

	return v.len >= n && memcmp(v.p, with, n) == 0;
}

/* Before the end of the line is there: may it still become a legal one? */
static int too_long(enum ssh_role role, struct view v)
{
	int other = role == SSH_CLIENT && !begins(v, "SSH-");

	return v.len >= (other ? OTHER_LINE_MAX : SSH_IDENT_MAX);
}

static int version_ok(enum ssh_role role, struct view line)
{
	if (begins(line, "SSH-2.0-"))
		return line.len > strlen("SSH-2.0-");
	/* RFC 4253 5.1: how a server says that it speaks 1.x as well */
	return role == SSH_CLIENT && begins(line, "SSH-1.99-") && line.len > strlen("SSH-1.99-");
}

int ident_parse(enum ssh_role role, struct view input, struct view *line, size_t *used)
{
	const uint8_t *nl = input.len > 0 ? memchr(input.p, '\n', input.len) : NULL;

	if (nl == NULL)
		return too_long(role, input) ? SSH_E_IDENT : IDENT_SHORT;
	*used = (size_t)(nl - input.p) + 1;
	*line = view_of(input.p, *used - 1);
	if (role == SSH_CLIENT && !begins(*line, "SSH-"))
		return *used > OTHER_LINE_MAX ? SSH_E_IDENT : IDENT_OTHER_LINE;
	if (*used > SSH_IDENT_MAX)
		return SSH_E_IDENT;
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;		/* a bare LF is tolerated, as by everybody */
	if (line->len > 0 && (memchr(line->p, '\r', line->len) != NULL || memchr(line->p, '\0', line->len) != NULL))
		return SSH_E_IDENT;
	return version_ok(role, *line) ? IDENT_FOUND : SSH_E_IDENT;
}

int ident_check_own(const char *version)
{
	struct view v = view_str(version);

	if (v.len + 2 > SSH_IDENT_MAX || !version_ok(SSH_SERVER, v))
		return SSH_E_CONFIG;
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] < 0x20 || v.p[i] > 0x7e)
			return SSH_E_CONFIG;
	return SSH_OK;
}

int ident_talks_in_rekey(const char *version)
{
	static const char *const names[] = { "SSH-2.0-AsyncSSH_2.10.1", "SSH-2.0-AsyncSSH_2.14.1", "SSH-2.0-AsyncSSH_2.14.2" };

	for (size_t i = 0; version != NULL && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(version, names[i]) == 0)
			return 1;
	return 0;
}
