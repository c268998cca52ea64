#include "supervisor/reports.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/reserve.h"
#include "ipc/box.h"
#include "ipc/clock.h"
#include "supervisor/boxes.h"
#include "supervisor/detach.h"
#include "supervisor/effects.h"
#include "supervisor/grant.h"
#include "supervisor/report.h"
#include "supervisor/session.h"
#include "supervisor/worker.h"

#define FIELDS_MAX 40

/* seen_ms: when we looked last at what an adopted process used, whose true account went to whoever reaped it. */
struct kept { struct rusage used; int crashed, asked, adopted; uint64_t seen_ms; uint8_t *box; };

/* A list of named values with the room its texts need. */
struct paper {
	struct tell v[FIELDS_MAX + 1];
	unsigned n;
	char node[400], above[400], how[40], signal[24], shutdown[16], peer[ADDR_TEXT_MAX];
};

static void put(struct paper *p, struct tell t)
{
	if (p->n < FIELDS_MAX)
		p->v[p->n++] = t;
}

static void put_text(struct paper *p, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		put(p, (struct tell)TELL_TEXT(name, text));
}

static void put_number(struct paper *p, const char *name, uint64_t number)
{
	put(p, (struct tell)TELL_NUMBER(name, number));
}

void reports_tell(struct daemon *d, enum happening kind, enum log_level level, const char *line, const struct tell *fields)
{
	detach_tell(d, kind, level, line, fields, view_of("", 0));
}

/* ---- what is the same in all reports ------------------------------------------------------ */

/* Which child: OTP's child specification. */
static void about(struct paper *p, const struct kid *k)
{
	const struct sup_node *n = k->node;
	const struct sup_spec *s = &n->spec;

	put_text(p, "node", fx_path(k, p->node, sizeof p->node));
	if (n->parent != NULL && n->parent->ctx != NULL)
		put_text(p, "supervisor", fx_path(n->parent->ctx, p->above, sizeof p->above));
	put_text(p, "role", s->kind == SUP_WORKER ? k->row->name : "supervisor");
	put_text(p, "type", s->kind == SUP_WORKER ? "worker" : "supervisor");
	put_text(p, "restart", sup_restart_name(s->restart));
	put(p, (struct tell)TELL_BOOL("significant", s->significant));
	if (s->shutdown_ms == SUP_BRUTAL_KILL)
		put_text(p, "shutdown", "brutal_kill");
	else if (s->shutdown_ms == SUP_INFINITY)
		put_text(p, "shutdown", "infinity");
	else if (snprintf(p->shutdown, sizeof p->shutdown, "%u", s->shutdown_ms) > 0)
		put_text(p, "shutdown", p->shutdown);
	if (k->session != NULL) {
		put_number(p, "session", k->session->conn);
		if (k->session->grant != NULL)
			put_text(p, "user", k->session->grant->user);
		put_text(p, "peer", addr_text(&k->session->peer, p->peer));
	}
}

/* How it ended. */
static void the_end(struct paper *p, const struct kid *k)
{
	int w = k->last_status;

	if (k->last_pid > 0)
		put_number(p, "pid", (uint64_t)k->last_pid);
	put_text(p, "how", k->hung ? "hung" : report_how(p->how, sizeof p->how, w));
	if (w != -1 && WIFSIGNALED(w)) {
		const char *name = sigabbrev_np(WTERMSIG(w));

		snprintf(p->signal, sizeof p->signal, "SIG%s", name != NULL ? name : "?");
		put_text(p, "signal", p->signal);
		put(p, (struct tell)TELL_BOOL("core", WCOREDUMP(w)));
	} else if (w != -1) {
		put_number(p, "status", (uint64_t)WEXITSTATUS(w));
	}
	put_number(p, "lived_ms", k->lived_ms);
}

static const char *reason_of(const struct kid *k)
{
	int w = k->last_status;

	if (k->node->spec.kind == SUP_SUPERVISOR)
		return "shutdown";
	if (w == -1)
		return "not_started";
	if (k->kept != NULL && k->kept->asked)
		return k->killed ? "killed" : "shutdown";
	if (k->hung)
		return "hung";
	if (k->killed)
		return "killed_by_supervisor";
	return WIFSIGNALED(w) ? "signal" : WEXITSTATUS(w) == 0 ? "normal" : "exit_status";
}

static uint64_t ms_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

static void peaks(struct paper *p, const struct kept *k)
{
	const struct rusage *u = &k->used;

	if (k->adopted && k->seen_ms == 0) {
		put_text(p, "resources", "not known: its supervisor was killed");
		return;
	}
	if (k->adopted)
		put_number(p, "resources_seen_ms_ago", clock_ms() - k->seen_ms);
	put_number(p, "maxrss_kib", (uint64_t)u->ru_maxrss);
	put_number(p, "user_ms", ms_of(u->ru_utime));
	put_number(p, "system_ms", ms_of(u->ru_stime));
	put_number(p, "minor_faults", (uint64_t)u->ru_minflt);
	put_number(p, "major_faults", (uint64_t)u->ru_majflt);
	put_number(p, "voluntary", (uint64_t)u->ru_nvcsw);
	put_number(p, "involuntary", (uint64_t)u->ru_nivcsw);
}

/* What the supervisor does about it. */
static void decision(struct paper *p, const struct kid *k, const char *action)
{
	const struct sup_node *s = k->node->parent != NULL ? k->node->parent : k->node;

	put_number(p, "restarts", sup_window(s, clock_ms()));
	put_number(p, "intensity", s->spec.intensity);
	put_number(p, "period_s", s->spec.period_ms / 1000);
	put_number(p, "restarted", k->node->restarts);
	put_text(p, "action", action);
}

/* ---- the reports ----------------------------------------------------------------------------- */

void reports_ended(struct proc *p, int wstatus, const struct rusage *used, int crashed)
{
	struct kid *k = p->kid;
	/* A user's own program may end as it likes; our sftp server is ours. */
	int users = p->role == ROLE_WRK && (k == NULL || k->work == NULL || !k->work->sftp);

	if (k == NULL)
		return;
	reports_drop(k);
	if ((k->kept = reserve_zalloc(sizeof *k->kept)) == NULL)
		return;
	k->kept->used = *used;
	k->kept->adopted = p->adopted;
	k->kept->seen_ms = p->seen_ms;
	k->kept->asked = p->ending || k->node->state == SUP_ST_STOPPING || k->node->state == SUP_ST_KILLING;
	if (users || k->kept->asked)
		return;
	k->kept->crashed = crashed || p->broke_rules || (WIFEXITED(wstatus) && WEXITSTATUS(wstatus) != 0);
	if (k->kept->crashed)
		k->kept->box = boxes_read(p);
}

void reports_drop(struct kid *k)
{
	if (k->kept != NULL)
		free(k->kept->box);
	reserve_free(k->kept);
	k->kept = NULL;
}

static void crash(struct kid *k, const char *action)
{
	struct view box = k->kept->box != NULL ? view_of(k->kept->box, BOX_SIZE) : view_of("", 0);
	char line[LOG_LINE_MAX], how[40];
	struct paper p = { .n = 0 };

	about(&p, k);
	the_end(&p, k);
	put_text(&p, "reason", reason_of(k));
	decision(&p, k, action);
	peaks(&p, k->kept);
	snprintf(line, sizeof line, "ev=crash node=%s pid=%d how=%s", p.node, (int)k->last_pid, report_how(how, sizeof how, k->last_status));
	detach_tell(k->d, HAPPENS_CRASH, LOGL_WARN, line, p.v, box);
}

/* OTP's errorContext; NULL: daily life, which no supervisor report tells. */
static const char *context_of(const struct kid *k, enum sup_did did, int bad)
{
	switch (did) {
	case SUP_DID_GIVE_UP:
		return "shutdown";
	case SUP_DID_FAIL_START:
		return "start_error";
	case SUP_DID_BACK_OFF:
		return "start_error";
	case SUP_DID_RESTART:
		return k->last_status == -1 && k->node->spec.kind == SUP_WORKER ? "start_error" : "child_terminated";
	case SUP_DID_STOP:
		return k->killed && k->node->spec.kind == SUP_WORKER && k->row->role != ROLE_WRK ? "shutdown_error" : NULL;
	case SUP_DID_LEAVE:
	case SUP_DID_REMOVE:
	case SUP_DID_AUTO_SHUTDOWN:
		break;
	}
	return bad ? "child_terminated" : NULL;
}

static void decided(struct kid *k, enum sup_did did, uint32_t next_ms, const char *context)
{
	char line[LOG_LINE_MAX];
	struct paper p = { .n = 0 };

	put_text(&p, "context", context);
	put_text(&p, "reason", did == SUP_DID_GIVE_UP ? "reached_max_restart_intensity" : reason_of(k));
	about(&p, k);
	if (k->node->spec.kind == SUP_WORKER)
		the_end(&p, k);
	decision(&p, k, sup_did_name(did));
	if (next_ms > 0)
		put_number(&p, "next_ms", next_ms);
	if (did == SUP_DID_BACK_OFF)
		put_number(&p, "fails", k->node->fails);
	put_text(&p, "why", k->last_exit);
	snprintf(line, sizeof line, "ev=supervisor node=%s context=%s reason=%s do=%s", p.node, context,
	    did == SUP_DID_GIVE_UP ? "reached_max_restart_intensity" : reason_of(k), sup_did_name(did));
	detach_tell(k->d, HAPPENS_SUPERVISOR, did == SUP_DID_GIVE_UP || did == SUP_DID_FAIL_START ? LOGL_ERROR : LOGL_WARN, line, p.v,
	    view_of("", 0));
	if (next_ms > 0)
		reports_tell(k->d, HAPPENS_THROTTLE, LOGL_DEBUG, NULL, p.v);
}

/* Followers of events want the daily ends, too. */
static void daily(struct kid *k, enum sup_did did)
{
	struct paper p = { .n = 0 };
	enum happening kind = HAPPENS_EXIT;

	if (k->row->id == KID_SESSION)
		kind = HAPPENS_SESSION_END;
	else if (k->row->id == KID_WORKER)
		kind = HAPPENS_CHANNEL_EXIT;
	else if (k->row->id == KID_CONN && (k->kept == NULL || !k->kept->crashed))
		return;		/* its session's end says it */
	about(&p, k);
	if (k->row->id == KID_WORKER)
		put_text(&p, "kind", k->name);
	if (k->node->spec.kind == SUP_WORKER)
		the_end(&p, k);
	else
		put_number(&p, "lived_ms", clock_ms() - k->up_ms);
	decision(&p, k, sup_did_name(did));
	if (k->kept != NULL)
		peaks(&p, k->kept);
	reports_tell(k->d, kind, LOGL_DEBUG, NULL, p.v);
}

void reports_decided(struct kid *k, enum sup_did did, uint32_t next_ms)
{
	int bad = k->kept != NULL && k->kept->crashed;
	const char *context = context_of(k, did, bad);

	if (bad)
		crash(k, sup_did_name(did));
	if (context != NULL)
		decided(k, did, next_ms, context);
	daily(k, did);
	reports_drop(k);
}

void reports_revived(struct kid *k)
{
	if (k->kept != NULL && k->kept->crashed)
		crash(k, "revive");
	reports_drop(k);
}

void reports_up(struct kid *k)
{
	struct paper p = { .n = 0 };

	/* Clients come and go: that they do is told by other events. */
	if (k->row->count == COUNT_PER_CLIENT || k->row->count == COUNT_ON_DEMAND)
		return;
	about(&p, k);
	if (k->proc != NULL)
		put_number(&p, "pid", (uint64_t)k->proc->pid);
	put_number(&p, "restarted", k->node->restarts);
	reports_tell(k->d, HAPPENS_PROGRESS, LOGL_DEBUG, NULL, p.v);
}

void reports_started(struct kid *k)
{
	struct paper p = { .n = 0 };

	put_text(&p, "node", fx_path(k, p.node, sizeof p.node));
	put_number(&p, "session", k->session->conn);
	put_text(&p, "user", k->session->grant != NULL ? k->session->grant->user : NULL);
	put_text(&p, "peer", addr_text(&k->session->peer, p.peer));
	put_text(&p, "kind", k->name);
	if (k->proc != NULL)
		put_number(&p, "pid", (uint64_t)k->proc->pid);
	reports_tell(k->d, HAPPENS_CHANNEL_START, LOGL_DEBUG, NULL, p.v);
}

void reports_connected(struct session *s)
{
	struct paper p = { .n = 0 };

	put_number(&p, "session", s->conn);
	put_text(&p, "peer", addr_text(&s->peer, p.peer));
	put_text(&p, "local", addr_text(&s->local, p.node));
	reports_tell(s->d, HAPPENS_CONNECTION, LOGL_DEBUG, NULL, p.v);
}
