#include "guard/grant.h"

#include <string.h>

#include "base/err.h"
#include "base/log.h"

#define GROUPS_BYTES     4096u	/* the maxima of AUTH_GRANTED and AUTH_POLICY in ipc/messages.def */
#define SUBSYSTEMS_BYTES 8192u
#define ENV_BYTES        4096u

static int fill_groups(struct buf *b, const struct account *a)
{
	struct wr w = wr_to(b);

	if (a->ngroups > GROUPS_BYTES / 4)	/* fewer groups is fewer rights */
		log_ev(LOGL_WARN, "only %u of %zu groups of uid %u are used", GROUPS_BYTES / 4, a->ngroups, (unsigned)a->uid);
	for (size_t i = 0; i < a->ngroups && i < GROUPS_BYTES / 4; i++)
		wr_u32(&w, (uint32_t)a->groups[i]);
	return wr_done(&w);
}

static int add_line(struct buf *b, const char *name, size_t n, const char *command)
{
	int r;

	TRY(buf_append(b, name, n));
	TRY(buf_append(b, " ", 1));
	TRY(buf_append(b, command, strlen(command)));
	return buf_append(b, "\n", 1);
}

static int fill_subsystems(struct buf *b, const struct conf_list *l)
{
	int r;

	for (size_t i = 0; i < l->n; i++) {	/* the default for sftp is conf's */
		const char *s = l->v[i] + strspn(l->v[i], " \t");
		size_t n = strcspn(s, " \t");
		const char *command = s + n + strspn(s + n, " \t");

		if (n == 0 || *command == '\0')
			continue;
		TRY(add_line(b, s, n, command));
	}
	return SSH_OK;
}

static int fill_env(struct buf *b, const struct conf_list *l)
{
	int r;

	for (size_t i = 0; i < l->n; i++) {
		if (i > 0)
			TRY(buf_append(b, " ", 1));
		TRY(buf_append(b, l->v[i], strlen(l->v[i])));
	}
	return SSH_OK;
}

static uint32_t clamp(int64_t v)
{
	return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static struct view all(const struct buf *b)
{
	return view_of(b->v == NULL ? NULL : buf_head(b), buf_len(b));
}

int grant_fill(struct grant *g, uint64_t conn, const struct account *a, const struct conf_values *v, uint32_t permits,
    const char *forced)
{
	uint32_t rekey_s;
	int r;

	memset(g, 0, sizeof *g);
	buf_init(&g->text.groups, GROUPS_BYTES, NULL);
	buf_init(&g->text.subsystems, SUBSYSTEMS_BYTES, NULL);
	buf_init(&g->text.accept_env, ENV_BYTES, NULL);
	if ((r = fill_groups(&g->text.groups, a)) < 0 || (r = fill_subsystems(&g->text.subsystems, &v->Subsystem)) < 0 ||
	    (r = fill_env(&g->text.accept_env, &v->AcceptEnv)) < 0)
		return r;
	g->granted = (struct ipc_AUTH_GRANTED){
		.conn = conn, .user = view_str(a->user), .uid = (uint32_t)a->uid, .gid = (uint32_t)a->gid,
		.groups = all(&g->text.groups), .home = view_str(a->home), .shell = view_str(a->shell), .permits = permits,
		.max_sessions = clamp(v->MaxSessions), .forced = view_str(forced), .subsystems = all(&g->text.subsystems),
		.accept_env = all(&g->text.accept_env),
	};
	/* An empty forced command must not read as none. */
	if (forced != NULL && forced[0] == '\0')
		g->granted.forced = view_str(":");
	g->policy = (struct ipc_AUTH_POLICY){
		.max_sessions = clamp(v->MaxSessions), .permits = permits, .accept_env = all(&g->text.accept_env),
		.alive_ms = clamp((int64_t)v->ClientAliveInterval * 1000), .alive_max = clamp(v->ClientAliveCountMax),
	};
	TRY(conf_rekey_limit(v, &g->policy.rekey_bytes, &rekey_s));
	g->policy.rekey_ms = UINT64_C(1000) * rekey_s;
	return SSH_OK;
}

void grant_drop(struct grant *g)
{
	buf_drop(&g->text.groups);
	buf_drop(&g->text.subsystems);
	buf_drop(&g->text.accept_env);
}
