#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/names.h"
#include "ipc/clock.h"
#include "ipc/row.h"
#include "supervisor/command.h"
#include "supervisor/counters.h"
#include "supervisor/hail.h"
#include "supervisor/look.h"
#include "supervisor/proc.h"
#include "supervisor/state.h"
#include "supervisor/stats.h"
#include "supervisor/worker.h"

/* command_session - who is there, and what can be done about them: who, kick, message, loglevel. */

#define ROW_MOST 16384u

/* ---- words and sessions ------------------------------------------------------------------- */

/* The first word of *rest, which goes on behind it and the blanks. */
static struct view next_word(struct view *rest)
{
	size_t n = 0;
	struct view w;

	while (n < rest->len && rest->p[n] != ' ')
		n++;
	w = view_of(rest->p, n);
	while (n < rest->len && rest->p[n] == ' ')
		n++;
	*rest = view_of(rest->p + n, rest->len - n);
	return w;
}

static const char *text_of(char *out, size_t size, struct view v)
{
	size_t n = v.len < size - 1 ? v.len : size - 1;

	if (n > 0)
		memcpy(out, v.p, n);
	out[n] = '\0';
	return out;
}

static struct session *by_number(const struct daemon *d, struct view word)
{
	char text[24], *end;
	unsigned long long n;

	if (word.len == 0 || word.len >= sizeof text || word.p[0] < '0' || word.p[0] > '9')
		return NULL;
	n = strtoull(text_of(text, sizeof text, word), &end, 10);
	return *end == '\0' ? table_get(&d->sessions, n) : NULL;
}

static int is_of(const struct session *s, struct view user)
{
	return s->grant != NULL && view_is(user, s->grant->user);
}

static int by_age(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/*
 * The sessions a word means: a number, else a user; an empty word and "all" (with all): everybody who is logged in, or
 * everybody. How many, oldest first; ids is malloc'd. -1: no memory.
 */
static int sessions_of(const struct daemon *d, struct view word, int strangers, uint64_t **ids)
{
	const struct session *one = by_number(d, word), *s;
	size_t n = 0, at = 0;

	*ids = calloc(d->sessions.used + 1, sizeof **ids);
	if (*ids == NULL)
		return -1;
	if (one != NULL) {
		(*ids)[n++] = one->conn;
		return 1;
	}
	while ((s = table_next(&d->sessions, &at)) != NULL)
		if (word.len > 0 ? is_of(s, word) : strangers || s->grant != NULL)
			(*ids)[n++] = s->conn;
	qsort(*ids, n, sizeof **ids, by_age);
	return (int)n;
}

static int none_such(struct client *c, uint64_t *ids, int n, struct view word)
{
	char text[300];

	free(ids);
	if (n < 0)
		return client_done(c, 1, "out of memory");
	return client_done(c, 1, "no session and no logged-in user '%s'", log_escape(text, sizeof text, word.p, word.len));
}

/* ---- who ------------------------------------------------------------------------------------ */

#define WHO_VERBOSE 1u

static const char *kind_of(const struct session *s, uint64_t worker, const struct work **w)
{
	*w = NULL;
	LIST_EACH(l, &s->works)
		if (LIST_OF(l, struct work, link)->id == worker)
			*w = LIST_OF(l, struct work, link);
	return *w != NULL && (*w)->kid != NULL ? (*w)->kid->name : "";
}

/* "shell,sftp", and the first terminal. */
static void programs(const struct session *s, char *what, size_t size, char *tty, size_t tty_size)
{
	size_t n = 0;

	what[0] = tty[0] = '\0';
	LIST_EACH(l, &s->works) {
		const struct work *w = LIST_OF(l, struct work, link);
		const char *name = w->kid != NULL ? w->kid->name : "";

		if (n < size)
			n += (size_t)snprintf(what + n, size - n, "%s%s", n > 0 ? "," : "", name);
		if (tty[0] == '\0' && w->tty[0] != '\0')
			snprintf(tty, tty_size, "%s", strncmp(w->tty, "/dev/", 5) == 0 ? w->tty + 5 : w->tty);
	}
}

static void put_algorithms(struct wr *w, const struct ipc_CONN_STATS *m)
{
	row_view(w, "client", m->client);
	row_view(w, "kex", m->kex);
	row_view(w, "hostkey", m->hostkey);
	row_view(w, "cipher_in", m->cipher_in);
	row_view(w, "cipher_out", m->cipher_out);
	row_view(w, "mac_in", m->mac_in);
	row_view(w, "mac_out", m->mac_out);
	row_view(w, "compression_in", m->compression_in);
	row_view(w, "compression_out", m->compression_out);
	row_bool(w, "strict_kex", m->strict);
	row_number(w, "rekeys", m->rekeys);
	row_number(w, "in_bytes", (int64_t)m->bytes_in);
	row_number(w, "out_bytes", (int64_t)m->bytes_out);
	row_number(w, "in_packets", (int64_t)m->packets_in);
	row_number(w, "out_packets", (int64_t)m->packets_out);
	row_number(w, "output_bytes", (int64_t)m->output);
	row_text(w, "log_level", names_word(names_level, m->log_level));
}

static void put_tcp(struct wr *w, const struct session *s)
{
	struct tcp_stats t;

	stats_tcp(s, &t);
	if (!t.has)
		return;
	row_number(w, "rtt_us", t.rtt_us);
	row_number(w, "rtt_var_us", t.rtt_var_us);
	row_number(w, "rtt_min_us", t.min_rtt_us);
	row_number(w, "cwnd", t.cwnd);
	row_number(w, "mss", t.mss);
	row_number(w, "retransmits", t.retransmits);
	row_number(w, "unacked", t.unacked);
	row_number(w, "unsent_bytes", (int64_t)t.unsent);
	row_number(w, "tcp_in_bytes", (int64_t)t.bytes_in);
	row_number(w, "tcp_out_bytes", (int64_t)t.bytes_out);
}

static int tell_channel(struct client *c, const struct session *s, const struct ipc_CHAN_STATS *m, struct buf *b)
{
	static const char *const states[] = { "opening", "starting", "running", "closing" };
	struct wr w = wr_to(b);
	const struct work *work;
	const char *what = kind_of(s, m->worker, &work);

	row_number(&w, "session", (int64_t)s->conn);
	row_number(&w, "channel", m->chan);
	row_text(&w, "what", what);
	row_number(&w, "pid", work != NULL && work->kid->proc != NULL ? work->kid->proc->pid : 0);
	row_text(&w, "tty", work == NULL ? "" : strncmp(work->tty, "/dev/", 5) == 0 ? work->tty + 5 : work->tty);
	row_text(&w, "state", m->state < sizeof states / sizeof states[0] ? states[m->state] : "unknown");
	row_number(&w, "in_bytes", (int64_t)m->bytes_in);
	row_number(&w, "out_bytes", (int64_t)m->bytes_out);
	row_number(&w, "window_in_bytes", (int64_t)m->window_in);
	row_number(&w, "window_out_bytes", (int64_t)m->window_out);
	row_number(&w, "pending_bytes", (int64_t)m->pending);
	return client_row(c, "channel", b, wr_done(&w));
}

static const char *phase_word(const struct session *s, int answered)
{
	static const char *const words[] = { "greeting", "key-exchange", "logging-in", "open" };

	if (s->kid->node->state != SUP_ST_UP)
		return sup_state_name(s->kid->node->state);
	if (s->grant != NULL)
		return "open";
	return answered && s->stats != NULL && s->stats->now.phase < PHASE_OPEN ? words[s->stats->now.phase] : "logging-in";
}

static void put_session(struct wr *w, const struct session *s, int answered, unsigned flags)
{
	char ip[ADDR_TEXT_MAX], what[100], tty[64];
	const struct grant *g = s->grant;
	struct tcp_stats t;

	programs(s, what, sizeof what, tty, sizeof tty);
	stats_tcp(s, &t);
	row_number(w, "session", (int64_t)s->conn);
	row_text(w, "user", g != NULL ? g->user : "");
	row_text(w, "from", s->peer.family != ADDR_NONE ? addr_ip_text(&s->peer, ip) : "");
	row_number(w, "port", addr_port(&s->peer));
	row_number(w, "since_time", (int64_t)s->since);
	row_number(w, "idle_ms", answered ? (int64_t)s->stats->now.idle_ms : t.quiet_ms);
	row_text(w, "tty", tty);
	row_text(w, "what", what);
	row_text(w, "state", phase_word(s, answered));
	row_text(w, "method", g != NULL ? g->method : "");
	row_text(w, "key", g != NULL ? g->key : "");
	if (!(flags & WHO_VERBOSE))
		return;
	row_text(w, "local", s->local.family != ADDR_NONE ? addr_ip_text(&s->local, ip) : "");
	row_number(w, "local_port", addr_port(&s->local));
	row_number(w, "pid", s->connection != NULL && s->connection->proc != NULL ? s->connection->proc->pid : 0);
	row_number(w, "channels", answered ? (int64_t)s->stats->nchans : s->nworks);
	row_bool(w, "answers", answered);
	put_tcp(w, s);
	if (answered)
		put_algorithms(w, &s->stats->now);
}

static int tell_who(struct client *c, struct session *s, int answered, unsigned flags)
{
	struct buf b;
	struct wr w;
	int r;

	buf_init(&b, ROW_MOST, NULL);
	w = wr_to(&b);
	answered = answered && s->stats != NULL;
	put_session(&w, s, answered, flags);
	r = client_row(c, "session", &b, wr_done(&w));
	for (size_t i = 0; r == SSH_OK && answered && (flags & WHO_VERBOSE) && i < s->stats->nchans; i++)
		r = tell_channel(c, s, &s->stats->chans[i], &b);
	buf_drop(&b);
	return r;
}

static int ask_stats(struct session *s, uint32_t req, const char *text)
{
	(void)text;
	return stats_ask(s, req);
}

int command_WHO(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	static const struct look_how how = { ask_stats, tell_who };
	struct view rest = q->text, word = next_word(&rest);
	unsigned flags = 0;
	uint64_t *ids;
	int n;

	if (view_is(word, "-v")) {
		flags = WHO_VERBOSE;
		word = next_word(&rest);
	}
	n = sessions_of(client_daemon(c), word, 1, &ids);
	if (n < 0 || (n == 0 && word.len > 0))
		return none_such(c, ids, n, word);
	return look_start(c, ids, (size_t)n, &how, flags, "");
}

/* ---- kick ----------------------------------------------------------------------------------- */

/* What the client reads, then the shutdown of the session's node: SIGHUP to its programs, SIGKILL to who stays. */
static int kick(struct client *c, struct session *s, const char *text)
{
	char ip[ADDR_TEXT_MAX], who[80], user[128];
	uint64_t number = s->conn;
	struct buf b;
	struct wr w;
	int r, told;

	log_escape(user, sizeof user, s->grant != NULL ? s->grant->user : "", s->grant != NULL ? strlen(s->grant->user) : 0);
	log_ev(LOGL_INFO, "ev=kick session=%llu user=%s from %s port %u by=\"%s\": %s", (unsigned long long)number, user,
	    addr_ip_text(&s->peer, ip), addr_port(&s->peer), client_who(c, who, sizeof who), text);
	count(COUNT_KICKED);
	buf_init(&b, ROW_MOST, NULL);
	w = wr_to(&b);
	row_number(&w, "session", (int64_t)number);
	row_text(&w, "user", s->grant != NULL ? s->grant->user : "");
	row_text(&w, "from", addr_ip_text(&s->peer, ip));
	hail_end(s, text, &told);	/* the record may be gone after it */
	row_bool(&w, "told", told);
	r = client_row(c, "kicked", &b, wr_done(&w));
	buf_drop(&b);
	return r;
}

int command_KICK(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	struct view rest = q->text, word = next_word(&rest);
	char text[200];
	uint64_t *ids = NULL;
	int n = word.len > 0 ? sessions_of(client_daemon(c), word, 1, &ids) : 0, r = SSH_OK;

	if (n <= 0)
		return none_such(c, ids, n, word);
	if (rest.len == 0)
		snprintf(text, sizeof text, "ended by the administrator");
	else
		text_of(text, sizeof text, rest);
	for (int i = 0; i < n && r == SSH_OK; i++) {
		struct session *s = table_get(&client_daemon(c)->sessions, ids[i]);

		if (s != NULL)
			r = kick(c, s, text);
	}
	free(ids);
	return r < 0 ? r : client_done(c, 0, "%s", "");
}

/* ---- message -------------------------------------------------------------------------------- */

static int ask_notice(struct session *s, uint32_t req, const char *text)
{
	int r;

	free(s->notice.text);
	s->notice = (struct session_notice){ .req = req };
	if ((r = hail_session(s, req, text)) == SSH_OK)
		s->notice.text = strdup(text);
	return r;
}

void command_notice_again(struct session *s)
{
	if (s->notice.text != NULL)
		hail_session(s, s->notice.req, s->notice.text);
}

int command_notice_shown(struct session *s, const struct ipc_NOTICE_SHOWN *m)
{
	if (m->req != s->notice.req)
		return SSH_OK;
	free(s->notice.text);
	s->notice.text = NULL;
	s->notice.terminals = m->terminals;
	s->notice.shown = m->shown;
	look_answered(s, m->req);
	return SSH_OK;
}

static int tell_notice(struct client *c, struct session *s, int answered, unsigned flags)
{
	const struct session_notice *n = &s->notice;
	struct buf b;
	struct wr w;
	int r;

	(void)flags;
	buf_init(&b, ROW_MOST, NULL);
	w = wr_to(&b);
	row_number(&w, "session", (int64_t)s->conn);
	row_text(&w, "user", s->grant != NULL ? s->grant->user : "");
	row_number(&w, "terminals", n->terminals);
	row_number(&w, "shown", n->shown);
	row_text(&w, "result", s->grant == NULL ? "not logged in" : !answered ? "no answer" : n->terminals == 0 ? "no terminal" :
	    n->shown < n->terminals ? "terminal busy" : "shown");
	r = client_row(c, "message", &b, wr_done(&w));
	buf_drop(&b);
	return r;
}

int command_MESSAGE(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	static const struct look_how how = { ask_notice, tell_notice };
	struct view rest = q->text, word = next_word(&rest);
	char text[1001], what[900], who[80];
	uint64_t *ids = NULL;
	int n;

	if (word.len == 0 || rest.len == 0)
		return client_done(c, 1, "to whom, and what?");
	n = sessions_of(client_daemon(c), view_is(word, "all") ? view_of(NULL, 0) : word, 0, &ids);
	if (n < 0 || (n == 0 && !view_is(word, "all")))
		return none_such(c, ids, n, word);
	hail_words(text, sizeof text, client_who(c, who, sizeof who), text_of(what, sizeof what, rest));
	return look_start(c, ids, (size_t)n, &how, 0, text);
}

/* ---- loglevel ------------------------------------------------------------------------------- */

static void tell_level(struct proc *p, uint64_t conn, int level)
{
	if (p != NULL && p->link != NULL && p->is_ready)
		link_send(p->link, IPC_LOGLEVEL, &(struct ipc_LOGLEVEL){ .conn = conn, .level = (uint8_t)level });
}

static int level_of(const struct proc *p)
{
	const struct session *s = p->role == ROLE_CONN && p->kid != NULL ? p->kid->session : NULL;

	if (s != NULL && s->log_level >= 0)
		return s->log_level;
	return p->d->log_level;
}

void command_tell_level(struct proc *p)
{
	if (level_of(p) >= 0)
		tell_level(p, 0, level_of(p));
}

static void set_for_all(struct daemon *d, int level)
{
	d->log_level = level;
	state_daemon(d);
	if (level < 0)
		level = (int)d->values->LogLevel;
	log_set_level((enum log_level)level);
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->role != ROLE_CONN || p->kid == NULL || p->kid->session == NULL || p->kid->session->log_level < 0)
			tell_level(p, 0, level);
	}
}

static void set_for_one(struct session *s, int level)
{
	s->log_level = level;
	state_session(s);
	/* To auth a number that is no level means: as the others. */
	tell_level(proc_of(s->d, KID_AUTH), s->conn, level < 0 ? UINT8_MAX : level);
	if (level < 0)
		level = s->d->log_level >= 0 ? s->d->log_level : (int)s->d->values->LogLevel;
	if (s->connection != NULL)
		tell_level(s->connection->proc, 0, level);
}

static int show_level(struct client *c, const struct session *s)
{
	const struct daemon *d = client_daemon(c);
	int own = s != NULL ? s->log_level : d->log_level;
	struct buf b;
	struct wr w;
	int r;

	buf_init(&b, ROW_MOST, NULL);
	w = wr_to(&b);
	if (s != NULL)
		row_number(&w, "session", (int64_t)s->conn);
	row_text(&w, "level", names_word(names_level, own >= 0 ? own : d->log_level >= 0 ? d->log_level : (int)d->values->LogLevel));
	row_text(&w, "configured", names_word(names_level, (int)d->values->LogLevel));
	row_bool(&w, "overridden", own >= 0);
	r = client_row(c, "loglevel", &b, wr_done(&w));
	buf_drop(&b);
	return r < 0 ? r : client_done(c, 0, "%s", "");
}

int command_LOGLEVEL(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	struct daemon *d = client_daemon(c);
	struct view rest = q->text, word = next_word(&rest);
	struct session *s = by_number(d, word);
	char text[40];
	int level;

	if (s == NULL && word.len > 0 && word.p[0] >= '0' && word.p[0] <= '9')
		return none_such(c, NULL, 0, word);
	if (s != NULL)
		word = next_word(&rest);
	if (word.len == 0)
		return show_level(c, s);
	text_of(text, sizeof text, word);
	if (strcmp(text, "default") == 0)
		level = -1;
	else if (names_value(names_level, text, &level) < 0)
		return client_done(c, 1, "'%s' is no log level: QUIET ERROR INFO VERBOSE DEBUG DEBUG2, or default", text);
	if (s != NULL)
		set_for_one(s, level);
	else
		set_for_all(d, level);
	return show_level(c, s);
}
