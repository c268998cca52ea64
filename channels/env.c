#include "channels/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "channels/argv.h"

/* As Debian's sshd is built. */
#define PATH_USER "/usr/local/bin:/usr/bin:/bin:/usr/games"
#define PATH_ROOT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define MAIL_DIR  "/var/mail/"

static size_t name_len(const char *entry)
{
	const char *eq = strchr(entry, '=');

	return eq != NULL ? (size_t)(eq - entry) : strlen(entry);
}

/* Takes the malloc'd "NAME=VALUE", also on failure. */
static int put(struct env *e, char *entry)
{
	size_t len;

	if (entry == NULL)
		return SSH_E_NOMEM;
	len = name_len(entry);
	for (size_t i = 0; i < e->n; i++)
		if (name_len(e->v[i]) == len && memcmp(e->v[i], entry, len) == 0) {
			free(e->v[i]);
			e->v[i] = entry;
			return SSH_OK;
		}
	if (e->n + 1 >= e->size) {
		size_t size = e->size ? e->size * 2 : 32;
		char **v = realloc(e->v, size * sizeof *v);

		if (v == NULL) {
			free(entry);
			return SSH_E_NOMEM;
		}
		e->v = v;
		e->size = size;
	}
	e->v[e->n++] = entry;
	e->v[e->n] = NULL;
	return SSH_OK;
}

int env_set(struct env *e, const char *name, const char *value)
{
	char *entry;

	return put(e, asprintf(&entry, "%s=%s", name, value) < 0 ? NULL : entry);
}

const char *env_get(const struct env *e, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < e->n; i++)
		if (name_len(e->v[i]) == len && memcmp(e->v[i], name, len) == 0 && e->v[i][len] == '=')
			return e->v[i] + len + 1;
	return NULL;
}

/* NAME=VALUE, NUL after each; an entry without a name or without its NUL is left out. */
static int put_all(struct env *e, struct view list)
{
	const char *p = (const char *)list.p, *end = p + list.len, *nul;
	int r;

	for (; p < end && (nul = memchr(p, '\0', (size_t)(end - p))) != NULL; p = nul + 1)
		if (name_len(p) > 0 && strchr(p, '=') != NULL)
			TRY(put(e, strdup(p)));
	return SSH_OK;
}

static int set_view(struct env *e, const char *name, struct view value)
{
	char *text = argv_text(value);
	int r = text != NULL ? env_set(e, name, text) : SSH_E_NOMEM;

	free(text);
	return r;
}

static int set_basics(struct env *e, const struct ipc_WORK *w, int root, const char *zone)
{
	char mail[sizeof MAIL_DIR + 256], *shell;
	int r;

	TRY(set_view(e, "USER", w->user));
	TRY(set_view(e, "LOGNAME", w->user));
	TRY(set_view(e, "HOME", w->home));
	TRY(env_set(e, "PATH", root ? PATH_ROOT : PATH_USER));
	snprintf(mail, sizeof mail, MAIL_DIR "%.*s", (int)(w->user.len < 256 ? w->user.len : 255), (const char *)w->user.p);
	TRY(env_set(e, "MAIL", mail));
	shell = argv_shell(w->shell);
	r = shell != NULL ? env_set(e, "SHELL", shell) : SSH_E_NOMEM;
	free(shell);
	if (r == SSH_OK && zone != NULL)
		r = env_set(e, "TZ", zone);
	return r;
}

/* What a forced command may look at (sshd(8)). */
static int set_original(struct env *e, const struct ipc_WORK *w)
{
	return w->original.len > 0 ? set_view(e, "SSH_ORIGINAL_COMMAND", w->original) : SSH_OK;
}

static int set_connection(struct env *e, const struct ipc_WORK *w)
{
	char peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX], text[2 * ADDR_TEXT_MAX + 32];
	int r;

	addr_ip_text(&w->peer, peer);
	addr_ip_text(&w->local, local);
	snprintf(text, sizeof text, "%s %u %u", peer, addr_port(&w->peer), addr_port(&w->local));
	TRY(env_set(e, "SSH_CLIENT", text));
	snprintf(text, sizeof text, "%s %u %s %u", peer, addr_port(&w->peer), local, addr_port(&w->local));
	TRY(env_set(e, "SSH_CONNECTION", text));
	if (w->pty) {
		TRY(set_view(e, "SSH_TTY", w->tty));
		TRY(set_view(e, "TERM", w->term));
	}
	return SSH_OK;
}

int env_build(struct env *e, const struct ipc_WORK *w, int root, const char *zone)
{
	int r;

	memset(e, 0, sizeof *e);
	if ((r = put_all(e, w->env)) < 0 || (r = set_basics(e, w, root, zone)) < 0 ||
	    (r = put_all(e, w->environment)) < 0 || (r = set_original(e, w)) < 0 || (r = set_connection(e, w)) < 0)
		env_drop(e);
	return r;
}

void env_drop(struct env *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i]);
	free(e->v);
	memset(e, 0, sizeof *e);
}
