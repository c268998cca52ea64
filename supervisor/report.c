#include "supervisor/report.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *signal_name(int sig, char out[16])
{
	const char *name = sigabbrev_np(sig);

	if (name != NULL)
		return name;
	snprintf(out, 16, "%d", sig);
	return out;
}

const char *report_how(char *out, size_t size, int wstatus)
{
	char number[16];

	if (wstatus == STATUS_NONE)
		snprintf(out, size, "not-started");
	else if (wstatus == STATUS_UNKNOWN)
		snprintf(out, size, "unknown");
	else if (WIFSIGNALED(wstatus))
		snprintf(out, size, "signal:%s%s", signal_name(WTERMSIG(wstatus), number), WCOREDUMP(wstatus) ? ",core" : "");
	else
		snprintf(out, size, "exit:%d", WEXITSTATUS(wstatus));
	return out;
}

const char *report_last_exit(char *out, size_t size, int wstatus)
{
	char number[16];

	if (wstatus == STATUS_NONE)
		snprintf(out, size, "could not be started");
	else if (wstatus == STATUS_UNKNOWN)
		snprintf(out, size, "exit status unknown");
	else if (WIFSIGNALED(wstatus))
		snprintf(out, size, "signal %d (%s)", WTERMSIG(wstatus), signal_name(WTERMSIG(wstatus), number));
	else
		snprintf(out, size, "exit status %d", WEXITSTATUS(wstatus));
	return out;
}

const char *report_time(char *out, size_t size, uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out, size, "%" PRIu64 "ms", ms);
	else if (s < 60)
		snprintf(out, size, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(out, size, "%" PRIu64 "m%" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, size, "%" PRIu64 "h%" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, size, "%" PRIu64 "d%" PRIu64 "h", s / 86400, s / 3600 % 24);
	return out;
}

const char *report_line(char *out, size_t size, const struct report *r)
{
	char how[40], lived[32], pid[32] = "";

	if (r->pid > 0)
		snprintf(pid, sizeof pid, " pid=%d", r->pid);
	report_how(how, sizeof how, r->wstatus);
	if (r->hung)
		snprintf(how, sizeof how, "hung");
	if (strcmp(r->role, "supervisor") == 0)		/* no process: it ends by a decision */
		snprintf(how, sizeof how, "shutdown");
	snprintf(out, size, "ev=exit node=%s role=%s%s how=%s lived=%s restarts=%u/%u in=%us do=%s", r->node, r->role, pid,
	    how, report_time(lived, sizeof lived, r->lived_ms), r->restarts,
	    r->intensity, r->period_ms / 1000, sup_did_name(r->did));
	return out;
}

int report_crashed(int wstatus)
{
	if (wstatus < 0 || !WIFSIGNALED(wstatus))
		return 0;
	return WTERMSIG(wstatus) != SIGTERM && WTERMSIG(wstatus) != SIGHUP && WTERMSIG(wstatus) != SIGINT;
}

enum sup_reason report_reason(int wstatus)
{
	if (wstatus >= 0 && WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0)
		return SUP_NORMAL;
	if (wstatus >= 0 && WIFSIGNALED(wstatus) && !report_crashed(wstatus))
		return SUP_SHUTDOWN;
	return SUP_ABNORMAL;
}

enum log_level report_level(const struct report *r)
{
	switch (r->did) {
	case SUP_DID_GIVE_UP:
	case SUP_DID_FAIL_START:
		return LOGL_ERROR;
	case SUP_DID_RESTART:
	case SUP_DID_BACK_OFF:
		return LOGL_WARN;
	case SUP_DID_LEAVE:
	case SUP_DID_REMOVE:
	case SUP_DID_AUTO_SHUTDOWN:
	case SUP_DID_STOP:
		break;
	}
	if (!report_crashed(r->wstatus) || r->by_us || r->did == SUP_DID_STOP)
		return LOGL_DEBUG;
	return strcmp(r->role, "worker") != 0 ? LOGL_WARN : LOGL_DEBUG;	/* a user's program may end as it likes */
}
