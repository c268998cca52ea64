#include "supervisor/exits.h"

#include "base/reserve.h"
#include "supervisor/proc.h"
#include "supervisor/state.h"

struct kept_exit { struct kept_exit *next; uint64_t node, worker; int wstatus; };

static struct link *link_of(const struct session *s)
{
	return s->connection != NULL && s->connection->proc != NULL ? s->connection->proc->link : NULL;
}

static struct kept_exit *add(struct session *s, uint64_t node, uint64_t worker, int wstatus)
{
	struct kept_exit *e = reserve_resize(NULL, sizeof *e);

	if (e == NULL)
		return NULL;
	*e = (struct kept_exit){ s->exits, node, worker, wstatus };
	return s->exits = e;
}

void exits_note(struct session *s, uint64_t node, uint64_t worker, int wstatus)
{
	struct link *l = link_of(s);
	struct kept_exit *e;

	if (l == NULL || (s->move == NULL && link_queued(l) == 0) || (e = add(s, node, worker, wstatus)) == NULL)
		return;
	state_exited(s, e);
}

void exits_settle(struct session *s)
{
	struct link *l = link_of(s);

	if (l == NULL || link_queued(l) == 0)	/* else the end of the next move, or of the session, comes to it */
		exits_drop(s);
}

void exits_drop(struct session *s)
{
	while (s->exits != NULL) {
		struct kept_exit *e = s->exits;

		s->exits = e->next;
		state_forget_exited(s, e->node);
		reserve_free(e);
	}
}

void exits_restore(struct session *s, uint64_t node, const struct saved_EXITED *m)
{
	add(s, node, m->worker, m->status);
}

int exits_find(const struct session *s, uint64_t worker, int *wstatus)
{
	for (const struct kept_exit *e = s->exits; e != NULL; e = e->next)
		if (e->worker == worker) {
			*wstatus = e->wstatus;
			return 1;
		}
	return 0;
}

const struct kept_exit *exits_next(const struct session *s, const struct kept_exit *e)
{
	return e != NULL ? e->next : s->exits;
}

struct saved exits_record(const struct session *s, const struct kept_exit *e)
{
	return (struct saved){ .kind = STATE_EXITED, .id = e->node, .u.EXITED = { .conn = s->conn, .worker = e->worker, .status = e->wstatus } };
}
