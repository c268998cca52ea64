#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/row.h"
#include "supervisor/command.h"
#include "supervisor/grant.h"
#include "supervisor/handoff.h"

/* command_handoff - coppicectl handoff [SESSION]: a row for each connection, when the first try of every one is over. */

struct job_row { uint64_t conn; int known, told, again; struct handoff_outcome o; char user[256]; };

struct job {
	struct list link;		/* daemon.handoffs.jobs */
	uint64_t client;
	size_t n, open, left;		/* rows; those not known yet; at the end: those still to tell */
	struct job_row rows[];
};

static void job_free(struct job *j)
{
	list_remove(&j->link);
	free(j);
}

static struct job *job_of(struct daemon *d, const struct client *c)
{
	LIST_EACH(l, &d->handoffs.jobs)
		if (LIST_OF(l, struct job, link)->client == client_id(c))
			return LIST_OF(l, struct job, link);
	return NULL;
}

static struct job_row *row_of(struct job *j, uint64_t conn)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->rows[i].conn == conn)
			return &j->rows[i];
	return NULL;
}

/* ---- the answer ------------------------------------------------------------------------ */

static const char *result_name(const struct job_row *r)
{
	switch (r->o.result) {
	case MOVE_DONE:   return "moved";
	case MOVE_LATER:  return "later";
	case MOVE_FAILED: return r->again ? "later" : "stays";
	case MOVE_ENDED:  break;
	}
	return "ended";
}

static int tell_row(struct client *c, struct job_row *row)
{
	struct buf b;
	struct wr w = wr_to(&b);
	int r;

	row->told = 1;
	buf_init(&b, ROW_BYTES_MAX, NULL);
	row_number(&w, "session", (int64_t)row->conn);
	row_text(&w, "user", row->user);
	row_text(&w, "result", result_name(row));
	row_text(&w, "why", row->o.why);
	row_number(&w, "from", row->o.from);
	row_number(&w, "pid", row->o.to != 0 ? row->o.to : row->o.from);
	row_number(&w, "bytes", row->o.bytes);
	row_number(&w, "pause_us", row->o.result == MOVE_DONE ? row->o.pause_us : 0);
	r = client_row(c, "handoff", &b, wr_done(&w));
	buf_drop(&b);
	return r;
}

/* For client_each(). */
static int tell(struct client *c, uint64_t conn)
{
	struct job *j = job_of(client_daemon(c), c);
	struct job_row *row = j != NULL ? row_of(j, conn) : NULL;
	int r;

	if (row == NULL)
		return SSH_OK;
	r = tell_row(c, row);
	if (--j->left == 0)
		job_free(j);
	return r;
}

/* All is known: what the client's socket did not take so far, and the end. */
static void answer(struct client *c, struct job *j)
{
	uint64_t *ids = calloc(j->n, sizeof *ids);

	for (size_t i = 0; ids != NULL && i < j->n; i++)
		if (!j->rows[i].told)
			ids[j->left++] = j->rows[i].conn;
	if (ids != NULL && j->left > 0) {
		client_each(c, ids, j->left, tell);
		return;
	}
	client_done(c, ids != NULL ? 0 : 1, "%s", ids != NULL ? "" : "out of memory");
	free(ids);
	job_free(j);
}

void handoffs_tell(struct daemon *d, const struct handoff_outcome *o, int again)
{
	LIST_EACH_SAFE(l, next, &d->handoffs.jobs) {
		struct job *j = LIST_OF(l, struct job, link);
		struct job_row *row = row_of(j, o->conn);
		struct client *c = client_find(d, j->client);

		if (c == NULL)
			job_free(j);
		if (c == NULL || row == NULL || row->known)
			continue;
		row->known = 1;
		row->again = again;
		row->o = *o;
		if (link_queued(client_link(c)) == 0)
			tell_row(c, row);
		if (--j->open == 0)
			answer(c, j);
	}
}

void handoffs_drop_jobs(struct daemon *d)
{
	while (!list_empty(&d->handoffs.jobs))
		job_free(LIST_OF(d->handoffs.jobs.next, struct job, link));
}

/* ---- the question ------------------------------------------------------------------------- */

/* Those whose coppicectl left before the end. */
static void forget_lost_jobs(struct daemon *d)
{
	LIST_EACH_SAFE(l, next, &d->handoffs.jobs)
		if (client_find(d, LIST_OF(l, struct job, link)->client) == NULL)
			job_free(LIST_OF(l, struct job, link));
}

/* "12", or "session 12" as the tree says it. 0: neither. */
static uint64_t number_in(struct view text)
{
	char s[40], *at = s, *end;
	unsigned long long n;

	if (text.len == 0 || text.len >= sizeof s)
		return 0;
	memcpy(s, text.p, text.len);
	s[text.len] = '\0';
	if (strncmp(at, "session ", 8) == 0)
		at += 8;
	if (*at < '0' || *at > '9')
		return 0;
	n = strtoull(at, &end, 10);
	return *end == '\0' ? n : 0;
}

static void note(struct job *j, const struct session *s)
{
	struct job_row *r = &j->rows[j->n++];

	r->conn = s->conn;
	if (s->grant != NULL)
		strncpy(r->user, s->grant->user, sizeof r->user - 1);
}

static struct job *job_new(struct daemon *d, struct client *c, const struct session *only)
{
	struct job *j = calloc(1, sizeof *j + (only != NULL ? 1 : d->sessions.used) * sizeof j->rows[0]);
	struct session *s;
	size_t at = 0;

	if (j == NULL)
		return NULL;
	j->client = client_id(c);
	if (only != NULL)
		note(j, only);
	while (only == NULL && (s = table_next(&d->sessions, &at)) != NULL)
		note(j, s);
	j->open = j->n;
	list_add_tail(&d->handoffs.jobs, &j->link);
	return j;
}

int command_HANDOFF(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	struct daemon *d = client_daemon(c);
	struct session *only = NULL;
	struct job *j;

	forget_lost_jobs(d);
	if (m->text.len > 0 && ((only = table_get(&d->sessions, number_in(m->text))) == NULL))
		return client_done(c, 1, "there is no such session");
	if (only == NULL && d->sessions.used == 0)
		return client_done(c, 0, "%s", "");
	if ((j = job_new(d, c, only)) == NULL)
		return client_done(c, 1, "out of memory");
	if (only != NULL)
		handoff_want(only);
	else
		handoff_all(d);
	return SSH_OK;
}
