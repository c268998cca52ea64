#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "ipc/row.h"
#include "supervisor/command.h"
#include "supervisor/counters.h"
#include "supervisor/manager.h"
#include "supervisor/reload_internal.h"
#include "supervisor/reports.h"

/* reload_rows - what a reload says: to the log, to coppicectl, to the service manager. */

/* ---- rows ----------------------------------------------------------------------------------- */

static struct client *asker(const struct daemon *d)
{
	return d->reload->now.client != 0 ? client_find((struct daemon *)(uintptr_t)d, d->reload->now.client) : NULL;
}

static const char *vote_of(const struct proc *p, const struct proc *culprit, const char *why)
{
	if (p == culprit)
		return why;
	if (p->trial)
		return p->is_ready ? "a successor is ready" : "a successor was starting";
	return p->voted ? "accepted" : "had not answered";
}

static void tell_role(struct client *c, const char *role, pid_t pid, const char *result)
{
	struct buf b;
	struct wr w;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_text(&w, "role", role);
	row_number(&w, "pid", pid);
	row_text(&w, "result", result);
	client_row(c, "role", &b, wr_done(&w));
	buf_drop(&b);
}

void reload_tell_roles(struct daemon *d, const struct proc *culprit, const char *why)
{
	const struct reload *r = d->reload;
	const uint64_t generation = r->trial != NULL ? r->trial->generation : 0;
	struct client *c = asker(d);

	if (c == NULL)
		return;
	LIST_EACH(l, &d->procs) {
		const struct proc *p = LIST_OF(l, struct proc, all);

		if (p->tried == generation || p == r->keysign || p == r->nursery || p == culprit)
			tell_role(c, ipc_role_name(p->role), p->pid, vote_of(p, culprit, why));
		else if (p->kid != NULL && p->kid->row->count != COUNT_PER_CLIENT && p->kid->row->count != COUNT_ON_DEMAND && !(r->changed & 1u << p->role))
			tell_role(c, ipc_role_name(p->role), p->pid, "not concerned");
	}
}

static int tell_change(void *ctx, const char *keyword, int restart, const char *was, const char *is)
{
	struct client *c = ctx;
	struct buf b;
	struct wr w;

	log_ev(LOGL_VERBOSE, "ev=config keyword=%s was=\"%.200s\" now=\"%.200s\"%s", keyword, was, is, restart ? " needs=restart" : "");
	if (c == NULL)
		return SSH_OK;
	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_text(&w, "keyword", keyword);
	row_view(&w, "was", view_of(was, strnlen(was, 4000)));
	row_view(&w, "now", view_of(is, strnlen(is, 4000)));
	row_bool(&w, "needs_restart", restart);
	client_row(c, "change", &b, wr_done(&w));
	buf_drop(&b);
	return SSH_OK;
}

/* For coppicectl status. */
static void note_outcome(struct daemon *d, int ok, const char *text)
{
	d->last_reload.at_ms = clock_ms();
	d->last_reload.ok = ok;
	snprintf(d->last_reload.text, sizeof d->last_reload.text, "%s", text);
	reports_tell(d, HAPPENS_RELOAD, LOGL_INFO, NULL, (struct tell[]){ TELL_TEXT("result", ok ? "ok" : "refused"), TELL_TEXT("why", text),
		TELL_NUMBER("generation", d->generation), TELL_END });
	count(ok ? COUNT_RELOADS : COUNT_RELOADS_REFUSED);
}

void reload_tell(struct daemon *d, const struct config *was, const char *sentence)
{
	const struct reload *r = d->reload;
	struct client *c = asker(d);
	char more[200] = "";

	if (was == NULL) {
		log_ev(LOGL_ERROR, "%s", sentence);
		log_ev(LOGL_ERROR, "The new configuration is not usable; the old one stays in force.");
		manager_reloaded(d, sentence);
		note_outcome(d, 0, sentence);
		if (c != NULL)
			client_done(c, 1, "%.700s; configuration %llu stays in force", sentence, (unsigned long long)d->generation);
		return;
	}
	conf_diff(was->values, d->values, tell_change, c);
	if (!conf_same_blocks(was->conf, d->conf))
		tell_change(c, "Match", 0, "as before", "other blocks");
	if (r->now.confirm_s > 0)
		snprintf(more, sizeof more, " It goes back in %u s unless confirmed (coppicectl confirm).", r->now.confirm_s);
	else if (r->confirm_by_ms != 0 && r->now.kind == RELOAD_FILE)
		snprintf(more, sizeof more, " It waits for the confirmation asked for before.");
	log_ev(more[0] != '\0' ? LOGL_ERROR : LOGL_INFO, "%s%s", sentence, more);
	manager_reloaded(d, NULL);
	note_outcome(d, 1, "");
	if (c == NULL)
		return;
	reload_status(c);
	client_done(c, 0, "%s%s", sentence, more);
}

/* ---- status ----------------------------------------------------------------------------------- */

int reload_status(struct client *c)
{
	struct daemon *d = client_daemon(c);
	const struct reload *r = d->reload;
	uint64_t now = clock_ms();
	struct buf b;
	struct wr w;
	int result;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_number(&w, "generation", (int64_t)d->generation);
	row_text(&w, "file", d->opt.conf);
	row_number(&w, "since", r != NULL ? r->since : 0);
	row_text(&w, "state", r != NULL && r->trial != NULL ? "reloading" : d->fallback != NULL ? "fallback" : r != NULL && r->confirm_by_ms != 0 ? "unconfirmed" : "in force");
	if (r != NULL && r->confirm_by_ms != 0)
		row_number(&w, "goes_back_in_s", r->confirm_by_ms > now ? (int64_t)((r->confirm_by_ms - now + 999) / 1000) : 0);
	if (d->fallback != NULL)
		row_text(&w, "fallback", d->fallback);
	if (r != NULL && r->refused[0] != '\0')
		row_text(&w, "last_refused", r->refused);
	result = client_row(c, "configuration", &b, wr_done(&w));
	buf_drop(&b);
	return result;
}
