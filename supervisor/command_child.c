#include "supervisor/command_child.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/listen.h"
#include "ipc/clock.h"
#include "ipc/row.h"
#include "supervisor/command.h"
#include "supervisor/effects.h"
#include "supervisor/listen.h"
#include "supervisor/node.h"
#include "supervisor/supervise.h"

/* command_child - OTP's functions on live nodes: which_children, count_children, start_, terminate_, restart_, delete_child. */

#define PATIENCE_S 12		/* coppicectl waits 15 s for an answer */
#define ROW_MAX    8192u

/* ---- rows ------------------------------------------------------------------------------ */

/* OTP's Child: a process id, restarting or undefined. A supervisor is a record of this process. */
static void row_child(struct wr *w, const struct kid *k)
{
	const struct sup_node *n = k->node;
	char pid[16] = "undefined";

	if (n->state == SUP_ST_DEAD || n->state == SUP_ST_RETRY || n->state == SUP_ST_WAITING)
		snprintf(pid, sizeof pid, "restarting");
	else if (n->state != SUP_ST_DOWN && n->spec.kind == SUP_SUPERVISOR)
		snprintf(pid, sizeof pid, "%d", (int)getpid());
	else if (n->state != SUP_ST_DOWN && k->proc != NULL && k->proc->pid > 0)
		snprintf(pid, sizeof pid, "%d", (int)k->proc->pid);
	row_text(w, "child", pid);
}

static void row_spec(struct wr *w, const struct sup_node *n)
{
	char text[48];

	row_text(w, "type", n->spec.kind == SUP_SUPERVISOR ? "supervisor" : "worker");
	row_text(w, "restart", sup_restart_name(n->spec.restart));
	row_bool(w, "significant", n->spec.significant);
	row_text(w, "shutdown", conf_shutdown_text(text, sizeof text, n->spec.shutdown_ms));
	row_text(w, "start", n->spec.start_ms == 0 ? "infinity" : conf_ms_text(text, sizeof text, n->spec.start_ms));
	row_text(w, "backoff", conf_backoff_text(text, sizeof text, n->spec.backoff_min_ms, n->spec.backoff_max_ms));
}

static int tell(struct client *c, uint64_t id)
{
	const struct sup_node *n = sup_find(client_daemon(c)->tree, id);
	const struct kid *k = n != NULL ? n->ctx : NULL;
	uint64_t now = clock_ms();
	char text[400];
	struct buf b;
	struct wr w;
	int r;

	if (k == NULL || n->gone)
		return SSH_OK;
	buf_init(&b, ROW_MAX, NULL);
	w = wr_to(&b);
	row_number(&w, "id", (int64_t)n->id);
	row_text(&w, "name", k->name);
	row_text(&w, "path", fx_path(k, text, sizeof text));
	row_child(&w, k);
	row_spec(&w, n);
	row_text(&w, "state", n->held && n->state == SUP_ST_DOWN ? "terminated" : sup_state_name(n->state));
	row_number(&w, "restarts", n->restarts);
	row_number(&w, "failed_starts", n->fails);
	row_number(&w, "next_try_ms", n->state == SUP_ST_WAITING && n->due_ms > now ? (int64_t)(n->due_ms - now) : 0);
	if (n->spec.kind == SUP_SUPERVISOR) {
		row_text(&w, "strategy", sup_strategy_name(n->spec.strategy));
		row_number(&w, "in_window", sup_window(n, now));
		row_number(&w, "intensity", n->spec.intensity);
		row_number(&w, "period_ms", n->spec.period_ms);
	}
	row_text(&w, "last_exit", k->last_exit);
	r = client_row(c, "child", &b, wr_done(&w));
	buf_drop(&b);
	return r;
}

/* ---- looking ------------------------------------------------------------------------------ */

/* The supervisor a question is about; NULL: it was answered, *r says how. */
static struct kid *supervisor_of(struct client *c, struct view text, int *r)
{
	char why[1000];
	struct kid *k = node_find(client_daemon(c), text, 0, why, sizeof why);

	if (k == NULL)
		*r = client_done(c, 1, "%s", why);
	else if (k->node->spec.kind != SUP_SUPERVISOR)
		*r = client_done(c, 1, "%s is a worker; only supervisors have children", k->name);
	else
		return k;
	return NULL;
}

int command_WHICH_CHILDREN(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	int r = SSH_OK;
	struct kid *k = supervisor_of(c, q->text, &r);
	size_t n = 0, at = 0;
	uint64_t *ids;

	if (k == NULL)
		return r;
	LIST_EACH(l, &k->node->children)
		n++;
	if ((ids = calloc(n + 1, sizeof *ids)) == NULL)
		return client_done(c, 1, "out of memory");
	LIST_EACH(l, &k->node->children)
		ids[at++] = LIST_OF(l, struct sup_node, link)->id;
	return client_each(c, ids, n, tell);
}

int command_COUNT_CHILDREN(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	int r = SSH_OK;
	struct kid *k = supervisor_of(c, q->text, &r);
	struct sup_count n;
	char path[400];
	struct buf b;
	struct wr w;

	if (k == NULL)
		return r;
	n = sup_count_children(k->node);
	buf_init(&b, ROW_MAX, NULL);
	w = wr_to(&b);
	row_text(&w, "supervisor", fx_path(k, path, sizeof path));
	row_number(&w, "specs", n.specs);
	row_number(&w, "active", n.active);
	row_number(&w, "supervisors", n.supervisors);
	row_number(&w, "workers", n.workers);
	r = client_row(c, "count", &b, wr_done(&w));
	buf_drop(&b);
	return r < 0 ? r : client_done(c, 0, "%s", "");
}

/* ---- commands that take their time ----------------------------------------------------------- */

typedef enum sup_refusal call_fn(struct sup_node *, uint64_t now_ms);

struct asked {
	struct list link;		/* daemon.asked */
	struct daemon *d;
	uint64_t client, node;
	call_fn *call;			/* NULL: it has begun */
	int start;			/* it is to be UP at the end, not DOWN */
	int away;			/* delete_child: to be forgotten at the end */
	char path[400];
	struct event *deadline;
};

static void asked_free(struct asked *a)
{
	list_remove(&a->link);
	if (a->deadline != NULL)
		event_free(a->deadline);
	free(a);
}

__attribute__((format(printf, 3, 4)))
static void answer(struct asked *a, int status, const char *format, ...)
{
	struct client *c = client_find(a->d, a->client);
	char text[800];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (c != NULL && status == 0)
		tell(c, a->node);
	if (c != NULL)		/* what it cannot hear its link will tell */
		client_done(c, status, "%s", text);
	asked_free(a);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct asked *a = arg;
	const struct sup_node *n = sup_find(a->d->tree, a->node);

	(void)fd, (void)what;
	if (a->call != NULL)
		answer(a, 1, "%s: its supervisor has been busy for %d s; nothing was done", a->path, PATIENCE_S);
	else
		answer(a, 1, "%s: %s after %d s, and it goes on", a->path, n != NULL ? sup_state_name(n->state) : "gone", PATIENCE_S);
}

static void answer_refusal(struct asked *a, enum sup_refusal no)
{
	const char *name = sup_refusal_name(no), *path = a->path;

	switch (no) {
	case SUP_RUNNING:    answer(a, 1, "%s: %s runs; terminate-child first", name, path); break;
	case SUP_RESTARTING: answer(a, 1, "%s: %s is being restarted; terminate-child would end that", name, path); break;
	case SUP_SIMPLE:     answer(a, 1, "%s: %s cannot be restarted or deleted, only terminated", name, path); break;
	case SUP_STARTED:    answer(a, 1, "%s: %s runs", name, path); break;
	case SUP_PRESENT:    answer(a, 1, "%s: %s is terminated; restart-child starts it", name, path); break;
	case SUP_NOT_FOUND:  answer(a, 1, "%s: %s was deleted; start-child brings it back", name, path); break;
	case SUP_NOT_NOW:    answer(a, 1, "%s: its supervisor does not run", path); break;
	case SUP_IS_ROOT:    answer(a, 1, "%s is nobody's child; coppicectl stop ends the daemon", path); break;
	case SUP_ALLOWED: case SUP_REFUSALS: break;
	}
}

/* OTP's call would wait for a supervisor that is busy. */
static int busy(const struct sup_node *n)
{
	return n->parent != NULL && (n->parent->state == SUP_ST_UP || n->parent->state == SUP_ST_STARTING);
}

/* 1: it asked the tree. */
static int begin(struct asked *a, struct sup_node *n)
{
	enum sup_refusal no = a->call(n, clock_ms());

	if (no == SUP_NOT_NOW && busy(n))
		return 0;
	a->call = NULL;
	if (no == SUP_ALLOWED)
		return 1;
	answer_refusal(a, no);
	return 0;
}

static void look(struct asked *a, const struct sup_node *n)
{
	const struct kid *k = n != NULL ? n->ctx : NULL;

	if (a->start && (n == NULL || n->gone || n->state == SUP_ST_DOWN))
		answer(a, 1, "%s: %s", a->path, k != NULL && k->last_exit[0] != '\0' ? k->last_exit : "it could not be started; the log says why");
	else if (a->start && n->state == SUP_ST_UP)
		answer(a, 0, "%s", "");
	else if (!a->start && (n == NULL || n->gone || (n->state == SUP_ST_DOWN && !a->away)))
		answer(a, 0, "%s", "");
}

int command_child_settled(struct daemon *d)
{
	int asked_for = 0;

	LIST_EACH_SAFE(l, next, &d->asked) {
		struct asked *a = LIST_OF(l, struct asked, link);
		struct sup_node *n = sup_find(d->tree, a->node);

		if (n != NULL && a->call != NULL)
			asked_for |= begin(a, n);
		else if (n == NULL || a->call == NULL)
			look(a, n);
	}
	return asked_for;
}

void command_child_drop(struct daemon *d)
{
	while (!list_empty(&d->asked))
		asked_free(LIST_OF(d->asked.next, struct asked, link));
}

static int ask(struct client *c, struct kid *k, call_fn *call, int start, int away)
{
	struct timeval tv = { PATIENCE_S, 0 };
	struct daemon *d = client_daemon(c);
	struct asked *a = calloc(1, sizeof *a);

	if (a == NULL)
		return client_done(c, 1, "out of memory");
	a->d = d;
	a->client = client_id(c);
	a->node = k->node->id;
	a->call = call;
	a->start = start;
	a->away = away;
	fx_path(k, a->path, sizeof a->path);
	list_add_tail(&d->asked, &a->link);
	if ((a->deadline = evtimer_new(d->base, on_deadline, a)) == NULL || event_add(a->deadline, &tv) < 0) {
		asked_free(a);
		return client_done(c, 1, "out of memory");
	}
	fx_settle(d);
	return SSH_OK;
}

int command_TERMINATE_CHILD(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	char why[1000];
	struct kid *k = node_find(client_daemon(c), q->text, 0, why, sizeof why);

	if (k == NULL)
		return client_done(c, 1, "%s", why);
	/* OTP would leave a supervisor without its significant child; here that is a client nobody listens to. */
	if (k->node->spec.significant)
		return client_done(c, 1, "%s is a significant child: %s is what can be terminated", k->name,
		    ((struct kid *)k->node->parent->ctx)->name);
	log_ev(LOGL_INFO, "coppicectl terminate-child %s", fx_path(k, why, sizeof why));
	return ask(c, k, sup_terminate, 0, 0);
}

int command_RESTART_CHILD(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	char why[1000];
	struct kid *k = node_find(client_daemon(c), q->text, 0, why, sizeof why);

	if (k == NULL)
		return client_done(c, 1, "%s", why);
	log_ev(LOGL_INFO, "coppicectl restart-child %s", fx_path(k, why, sizeof why));
	return ask(c, k, sup_restart_child, 1, 0);
}

/* A listener's node goes with its socket; nothing of it may stay. */
static enum sup_refusal forget_listener(struct sup_node *n, uint64_t now_ms)
{
	enum sup_refusal no = sup_delete(n, now_ms);

	if (no == SUP_ALLOWED && sup_find(n->tree, n->id) != NULL)
		sup_stop(n, now_ms);
	return no;
}

int command_DELETE_CHILD(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	char why[1000];
	struct kid *k = node_find(client_daemon(c), q->text, 0, why, sizeof why);

	if (k == NULL)
		return client_done(c, 1, "%s", why);
	log_ev(LOGL_INFO, "coppicectl delete-child %s", fx_path(k, why, sizeof why));
	return ask(c, k, k->row->id == KID_LISTENER ? forget_listener : sup_delete, 0, 1);
}

/* ---- start_child ---------------------------------------------------------------------------- */

static enum sup_refusal start_new(struct sup_node *n, uint64_t now_ms)
{
	return sup_start(n, now_ms) == SSH_OK ? SUP_ALLOWED : SUP_NOT_NOW;
}

static int start_listener(struct client *c, const char *where)
{
	struct daemon *d = client_daemon(c);
	struct addr a = { 0 };
	char host[256], text[ADDR_TEXT_MAX];
	struct listener *l;
	int port, r;

	if (!d->up || d->stopping)
		return client_done(c, 1, "the daemon is starting or stopping");
	if (listen_split(where, host, sizeof host, &port) < 0 || port < 0 || addr_parse_ip(&a, host) < 0)
		return client_done(c, 1, "'%s' is no ADDRESS:PORT; the address as a number, not a name", where);
	a.port = (uint16_t)port;
	if ((l = listen_at(d, &a)) != NULL)
		return client_done(c, 1, "%s: %s", l->kid == NULL || l->kid->node->state == SUP_ST_DOWN ?
		    "already_present" : "already_started", addr_text(&l->local, text));
	errno = 0;
	if ((r = listen_add(d, &a, &l)) < 0)
		return client_done(c, 1, "%s: %s", where, r == SSH_E_SYS ? strerror(errno) : err_text(r));
	log_ev(LOGL_INFO, "coppicectl start-child listener %s", addr_text(&l->local, text));
	return ask(c, l->kid, start_new, 1, 0);
}

int command_START_CHILD(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	static const char listener[] = "listener ";
	char why[1000], text[200];
	struct kid *k;

	snprintf(text, sizeof text, "%.*s", (int)q->text.len, (const char *)q->text.p);
	if (strncmp(text, listener, sizeof listener - 1) == 0 && strchr(text, '/') == NULL)
		return start_listener(c, text + sizeof listener - 1);
	if (strncmp(text, "session", 7) == 0 && strcmp(text, "sessions") != 0)
		return client_done(c, 1, "only a client can start a session, by connecting");
	if (text[0] == '\0')
		return client_done(c, 1, "start what? listener ADDRESS:PORT, or a node that was deleted");
	if ((k = node_find(client_daemon(c), q->text, 1, why, sizeof why)) == NULL)
		return client_done(c, 1, "%s", why);
	log_ev(LOGL_INFO, "coppicectl start-child %s", fx_path(k, why, sizeof why));
	return ask(c, k, sup_start_again, 1, 0);
}
