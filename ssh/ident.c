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

/*
 * RFC 4253 5.1: 1.99 is how a server says that it speaks 1.x as well; OpenSSH takes it from clients, too. SSH_E_VERSION: an SSH of
 * another number.
 */
static int version_check(struct view line)
{
	size_t at = strlen("SSH-");

	if (begins(line, "SSH-2.0-") || begins(line, "SSH-1.99-"))
		return line.len > strlen(begins(line, "SSH-2") ? "SSH-2.0-" : "SSH-1.99-") ? SSH_OK : SSH_E_IDENT;
	if (!begins(line, "SSH-") || line.len <= at || line.p[at] < '0' || line.p[at] > '9')
		return SSH_E_IDENT;
	while (at < line.len && ((line.p[at] >= '0' && line.p[at] <= '9') || line.p[at] == '.'))
		at++;
	return at < line.len && line.p[at] == '-' ? SSH_E_VERSION : SSH_E_IDENT;
}

/* RFC 4253 4.2 wants printable US-ASCII; what is more is shown escaped, control characters are nobody's version. */
static int has_control(struct view line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
			return 1;
	return 0;
}

int ident_parse(enum ssh_role role, struct view input, struct view *line, size_t *used)
{
	const uint8_t *nl = input.len > 0 ? memchr(input.p, '\n', input.len) : NULL;
	int r;

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
	if (has_control(*line))
		return SSH_E_IDENT;
	TRY(version_check(*line));
	return IDENT_FOUND;
}

int ident_check_own(const char *version)
{
	struct view v = view_str(version);

	if (v.len + 2 > SSH_IDENT_MAX || !begins(v, "SSH-2.0-") || v.len == strlen("SSH-2.0-"))
		return SSH_E_CONFIG;
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] < 0x20 || v.p[i] > 0x7e)
			return SSH_E_CONFIG;
	return SSH_OK;
}

int ident_dies_of_hostkeys(const char *version)
{
	static const char *const beginnings[] = { "1.5.", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.70", "2.71", "2.72" };
	static const char teraterm[] = "SSH-2.0-TTSSH/";

	if (version == NULL || strncmp(version, teraterm, sizeof teraterm - 1) != 0)
		return 0;
	for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
		if (strncmp(version + sizeof teraterm - 1, beginnings[i], strlen(beginnings[i])) == 0)
			return 1;
	return 0;
}

int ident_talks_in_rekey(const char *version)
{
	static const char *const names[] = { "SSH-2.0-AsyncSSH_2.10.1", "SSH-2.0-AsyncSSH_2.14.1", "SSH-2.0-AsyncSSH_2.14.2" };

	for (size_t i = 0; version != NULL && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(version, names[i]) == 0)
			return 1;
	return 0;
}
