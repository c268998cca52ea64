#include "supervisor/grant.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "conf/conf.h"
#include "ipc/permits.h"

/* Copies a view with a NUL behind it to *at. */
static char *put(char **at, struct view v)
{
	char *s = *at;

	if (v.len > 0)
		memcpy(s, v.p, v.len);
	s[v.len] = '\0';
	*at += v.len + 1;
	return s;
}

static int is_text(struct view v)
{
	return v.len == 0 || memchr(v.p, '\0', v.len) == NULL;
}

int grant_new(struct grant **res, const struct ipc_AUTH_GRANTED *m)
{
	size_t size = m->user.len + m->home.len + m->shell.len + m->forced.len + m->environment.len + m->subsystems.len
	    + m->method.len + m->key.len + m->accept_env.len + 9;
	struct rd in = rd_view(m->groups);
	struct grant *g;
	char *at;

	*res = NULL;
	if (!is_text(m->user) || !is_text(m->home) || !is_text(m->shell) || !is_text(m->forced) || !is_text(m->subsystems)
	    || !is_text(m->method) || !is_text(m->key) || !is_text(m->accept_env)
	    || m->groups.len % 4 != 0 || (m->environment.len > 0 && m->environment.p[m->environment.len - 1] != '\0'))
		return SSH_E_FORMAT;
	if ((g = calloc(1, sizeof *g + size)) == NULL)
		return SSH_E_NOMEM;
	g->ngroups = m->groups.len / 4;
	if ((g->groups = calloc(g->ngroups + 1, sizeof *g->groups)) == NULL) {
		free(g);
		return SSH_E_NOMEM;
	}
	for (size_t i = 0; i < g->ngroups; i++)
		g->groups[i] = rd_u32(&in);
	at = g->text;
	g->uid = m->uid;
	g->gid = m->gid;
	g->permits = m->permits;
	g->max_sessions = m->max_sessions;
	g->user = put(&at, m->user);
	g->home = put(&at, m->home);
	g->shell = put(&at, m->shell);
	g->forced = put(&at, m->forced);
	g->subsystems = put(&at, m->subsystems);
	g->method = put(&at, m->method);
	g->key = put(&at, m->key);
	g->accept_env = put(&at, m->accept_env);
	g->environment = view_of(at, m->environment.len);
	put(&at, m->environment);
	*res = g;
	return SSH_OK;
}

int grant_restore(struct grant **res, const struct saved_GRANT *s)
{
	struct ipc_AUTH_GRANTED m = {
		.user = s->user, .uid = s->uid, .gid = s->gid, .groups = s->groups, .home = s->home, .shell = s->shell, .permits = s->permits,
		.max_sessions = s->max_sessions, .forced = s->forced, .environment = s->environment, .subsystems = s->subsystems,
		/* Who wrote none knew nothing of it: the connection alone decides, as it did then. */
		.accept_env = s->accept_env.len > 0 ? s->accept_env : view_str("*"),
	};

	return grant_new(res, &m);
}

void grant_free(struct grant *g)
{
	if (g == NULL)
		return;
	free(g->groups);
	free(g);
}

/* "name command" in its line of the subsystem table; 0 when there is none. */
static int find_subsystem(const char *table, struct view name, struct view *command)
{
	while (*table != '\0') {
		size_t line = strcspn(table, "\n"), word = strcspn(table, " \n");

		if (word < line && view_same(view_of(table, word), name)) {
			*command = view_of(table + word + 1, line - word - 1);
			return 1;
		}
		table += line + (table[line] == '\n');
	}
	return 0;
}

/* internal-sftp, with arguments or without. */
static int is_sftp(struct view c)
{
	static const char name[] = "internal-sftp";
	size_t n = sizeof name - 1;

	return c.len >= n && memcmp(c.p, name, n) == 0 && (c.len == n || c.p[n] == ' ');
}

int grant_allows_env(const struct grant *g, struct view env)
{
	for (size_t at = 0; at < env.len; ) {
		size_t n = strnlen((const char *)env.p + at, env.len - at);
		const uint8_t *equals = memchr(env.p + at, '=', n);

		if (n == env.len - at || equals == NULL || !conf_accepts_env(g->accept_env, view_of(env.p + at, (size_t)(equals - env.p) - at)))
			return 0;
		at += n + 1;
	}
	return 1;
}

int grant_plan(const struct grant *g, const struct ipc_SPAWN *m, struct plan *p)
{
	memset(p, 0, sizeof *p);
	if (m->pty && !(g->permits & PERMIT_PTY))
		return SPAWNED_REFUSED;
	p->kind = m->kind == WORK_SHELL ? WORK_SHELL : WORK_EXEC;
	p->name = m->kind == WORK_SHELL ? "shell" : "exec";
	p->command = m->kind == WORK_SHELL ? view_of("", 0) : m->command;
	if (m->kind > WORK_SUBSYSTEM || !is_text(m->command))
		return SPAWNED_REFUSED;
	if (m->kind == WORK_SUBSYSTEM && !find_subsystem(g->subsystems, m->command, &p->command)) {
		if (g->forced[0] == '\0')
			return SPAWNED_UNKNOWN;
		p->command = m->command;
	}
	if (g->forced[0] != '\0') {
		p->original = p->command;
		p->kind = WORK_EXEC;
		p->name = "exec";
		p->command = view_str(g->forced);
		/* as sshd: a forced internal-sftp is our server, whatever was asked for */
		p->sftp = is_sftp(p->command);
	} else if (m->kind == WORK_SUBSYSTEM) {
		p->sftp = is_sftp(p->command);
	}
	if (p->sftp)
		p->name = "sftp";
	return SPAWNED_OK;
}
