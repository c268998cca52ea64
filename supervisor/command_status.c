#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/names.h"
#include "ipc/clock.h"
#include "ipc/row.h"
#include "ipc/values.h"
#include "supervisor/command.h"
#include "supervisor/version.h"
#include "supervisor/counters.h"
#include "supervisor/drain.h"
#include "supervisor/listen.h"
#include "supervisor/report.h"
#include "supervisor/stats.h"

/* command_status - the daemon as a whole: status, stats. */

/* ---- status --------------------------------------------------------------------------------- */

static const char *state_word(const struct daemon *d)
{
	if (d->stopping || !d->up)
		return d->stopping ? "stopping" : "starting";
	return drain_state(d) != DRAIN_OFF ? drain_state_name(d) : "serving";
}

static void put_listeners(struct wr *w, const struct daemon *d)
{
	char text[1000] = "", addr[ADDR_TEXT_MAX];
	size_t n = 0;

	LIST_EACH(at, &d->listeners) {
		const struct listener *l = LIST_OF(at, struct listener, link);

		if (n < sizeof text && l->halt == LISTEN_ON)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n > 0 ? " " : "", addr_text(&l->local, addr));
	}
	row_text(w, "listeners", text);
}

static void put_sessions(struct wr *w, const struct daemon *d)
{
	const struct session *s;
	size_t at = 0, strangers = 0;

	while ((s = table_next(&d->sessions, &at)) != NULL)
		strangers += s->grant == NULL;
	row_number(w, "sessions", (int64_t)d->sessions.used);
	row_number(w, "authenticating", (int64_t)strangers);
}

/* Workers and supervisors that should be up and are not. */
static unsigned not_up(const struct sup_node *n)
{
	unsigned sum = n->state != SUP_ST_UP && n->state != SUP_ST_DOWN;

	LIST_EACH(l, &n->children)
		sum += not_up(LIST_OF(l, struct sup_node, link));
	return sum;
}

static unsigned restarts(const struct sup_node *n)
{
	unsigned sum = n->restarts;

	LIST_EACH(l, &n->children)
		sum += restarts(LIST_OF(l, struct sup_node, link));
	return sum;
}

static unsigned throttled(const struct sup_node *n)
{
	unsigned sum = n->state == SUP_ST_RETRY || n->state == SUP_ST_WAITING;

	LIST_EACH(l, &n->children)
		sum += throttled(LIST_OF(l, struct sup_node, link));
	return sum;
}

static void put_reload(struct wr *w, const struct daemon *d)
{
	char text[300], ago[40];

	if (d->last_reload.at_ms == 0)
		snprintf(text, sizeof text, "never");
	else
		snprintf(text, sizeof text, "%s %s ago%s%s", d->last_reload.ok ? "taken" : "refused",
		    report_time(ago, sizeof ago, clock_ms() - d->last_reload.at_ms), d->last_reload.text[0] != '\0' ? ": " : "",
		    d->last_reload.text);
	row_text(w, "last_reload", text);
}

static void put_descriptors(struct wr *w)
{
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit l = { 0, 0 };
	int64_t n = -3;		/* . and .. and the folder itself */

	if (dir != NULL) {
		while (readdir(dir) != NULL)
			n++;
		closedir(dir);
		row_number(w, "descriptors", n);
	}
	getrlimit(RLIMIT_NOFILE, &l);
	row_number(w, "descriptors_most", (int64_t)l.rlim_cur);
}

int command_STATUS(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	const struct daemon *d = client_daemon(c);
	const struct sup_node *root = sup_root(d->tree);
	struct buf b;
	struct wr w;
	int r;

	(void)q;
	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_text(&w, "state", state_word(d));
	row_bool(&w, "ready", drain_word(d) == HEALTH_READY);
	row_text(&w, "version", program_version.name);
	row_number(&w, "pid", getpid());
	row_number(&w, "upgrades", d->upgrades);
	row_number(&w, "upgraded", (int64_t)d->upgraded);
	row_number(&w, "adoptions", d->adoptions);
	row_number(&w, "up_ms", (int64_t)(clock_ms() - d->born_ms));
	row_number(&w, "generation", (int64_t)d->generation);
	row_text(&w, "config", d->opt.conf != NULL ? d->opt.conf : d->places.conf);
	put_listeners(&w, d);
	put_sessions(&w, d);
	row_number(&w, "restarts", restarts(root));
	row_number(&w, "not_up", not_up(root));
	row_number(&w, "throttled", throttled(root));
	put_reload(&w, d);
	row_text(&w, "log_level", names_word(names_level, (int)log_get_level()));
	row_bool(&w, "privileged", d->privileged);
	put_descriptors(&w);
	r = client_row(c, "status", &b, wr_done(&w));
	if (r == SSH_OK && drain_state(d) != DRAIN_OFF) {
		w = wr_to(&b);
		drain_row(d, &w);
		r = client_row(c, "drain", &b, wr_done(&w));
	}
	buf_drop(&b);
	return r < 0 ? r : client_done(c, 0, "%s", "");
}

/* ---- stats ---------------------------------------------------------------------------------- */

int command_STATS(struct client *c, const struct ipc_CTL_REQUEST *q)
{
	struct buf b;
	uint64_t in, out;
	int r = SSH_OK;

	(void)q;
	stats_traffic(client_daemon(c), &in, &out);
	buf_init(&b, ROW_BYTES_MAX, NULL);
	for (int i = 0; i < COUNTERS && r == SSH_OK; i++) {
		const struct counter_row *row = counter_row((enum counter)i);
		uint64_t v = i == COUNT_BYTES_IN ? in : i == COUNT_BYTES_OUT ? out : counter_get((enum counter)i);
		struct wr w = wr_to(&b);

		row_text(&w, "counter", row->family);
		row_text(&w, "of", row->value);
		row_number(&w, "value", (int64_t)v);
		r = client_row(c, "counter", &b, wr_done(&w));
	}
	buf_drop(&b);
	return r < 0 ? r : client_done(c, 0, "%s", "");
}
