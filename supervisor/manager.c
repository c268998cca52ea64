#include "supervisor/manager.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ipc/clock.h"
#include "supervisor/notify.h"
#include "supervisor/session.h"
#include "supervisor/timer.h"

#define STATUS_MS   1000u	/* between two STATUS */
#define STOP_SAY_MS 5000u	/* while sessions end: say so this often ... */
#define STOP_MORE_MS 15000u	/* ... and ask for that much each time */
#define STATUS_MAX  600u

static struct {
	struct event *status, *stop;
	char told[STATUS_MAX];		/* the last STATUS */
	char note[300];			/* what became of the last reload, when it failed */
	uint64_t told_ms, stop_ms;
	uint64_t watchdog_us;
	unsigned restarts;
	unsigned ready : 1;		/* READY was due */
	unsigned owe_ready : 1;		/* and did not get through */
} m;

void manager_open(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	notify_open();
	if (us != NULL && (pid == NULL || strtol(pid, NULL, 10) == (long)getpid()) && notify_is_on())
		m.watchdog_us = strtoull(us, NULL, 10);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* ---- STATUS ------------------------------------------------------------------------------- */

/* Nodes whose next start is put off; sessions have none. */
static unsigned put_off(const struct daemon *d, const struct sup_node *n)
{
	unsigned sum = n->state == SUP_ST_WAITING;

	if (d->kids[KID_SESSIONS] != NULL && n == d->kids[KID_SESSIONS]->node)
		return 0;
	LIST_EACH(l, &n->children)
		sum += put_off(d, LIST_OF(l, struct sup_node, link));
	return sum;
}

/* In s, at most size: one line, as the manager shows it. */
static void describe(const struct daemon *d, char *s, size_t size)
{
	unsigned in = 0, before = 0, waiting;
	const struct session *at;
	size_t walk = 0;

	while ((at = table_next(&d->sessions, &walk)) != NULL)
		*(at->grant != NULL ? &in : &before) += 1;
	snprintf(s, size, "%s%s%s%u sessions, %u authenticating, %u restarts", d->stopping ? "stopping: " : "", m.note,
	    m.note[0] != '\0' ? "; " : "", in, before, m.restarts);
	if (d->tree != NULL && (waiting = put_off(d, sup_root(d->tree))) > 0)
		snprintf(s + strlen(s), size - strlen(s), ", %u throttled", waiting);
}

static void arm(struct event *ev, uint32_t ms)
{
	if (ev != NULL)
		timer_start(ev, ms);
}

static void on_status(evutil_socket_t fd, short what, void *arg)
{
	char text[STATUS_MAX];
	int r;

	(void)fd, (void)what;
	describe(arg, text, sizeof text);
	if (!m.owe_ready && strcmp(text, m.told) == 0)
		return;
	m.told_ms = clock_ms();
	if (m.owe_ready)
		r = notify_say("READY=1\nSTATUS=%s\nMAINPID=%d", text, (int)getpid());
	else
		r = notify_say("STATUS=%s", text);
	if (r == SSH_OK) {
		snprintf(m.told, sizeof m.told, "%s", text);
		m.owe_ready = 0;
	} else {
		arm(m.status, STATUS_MS);	/* the last word has to get through */
	}
}

void manager_touch(struct daemon *d)
{
	uint64_t since;

	if (!m.ready || !notify_is_on())
		return;
	if (m.status == NULL)
		m.status = evtimer_new(d->base, on_status, d);
	if (m.status == NULL || event_pending(m.status, EV_TIMEOUT, NULL))
		return;
	since = clock_ms() - m.told_ms;
	arm(m.status, since < STATUS_MS ? (uint32_t)(STATUS_MS - since) : 0);
}

void manager_restarted(void)
{
	m.restarts++;
}

/* ---- start, reload, stop --------------------------------------------------------------------- */

static void say_ready(struct daemon *d)
{
	m.ready = 1;
	m.owe_ready = 1;
	manager_touch(d);	/* the timer for what does not get through */
	on_status(-1, 0, d);
}

void manager_ready(struct daemon *d)
{
	if (notify_is_on())
		say_ready(d);
}

void manager_reloading(struct daemon *d)
{
	struct timespec now;

	(void)d;
	if (!notify_is_on())
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_say("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
}

void manager_reloaded(struct daemon *d, const char *why)
{
	m.note[0] = '\0';
	if (why != NULL)
		snprintf(m.note, sizeof m.note, "reload failed: %.240s, old configuration kept", why);
	for (char *s = m.note; *s != '\0'; s++)
		if (*s == '\n')
			*s = ' ';
	if (notify_is_on())
		say_ready(d);
}

static void on_stop_goes_on(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd, (void)what;
	if (clock_ms() - m.stop_ms >= MANAGER_STOP_MS || d->sessions.used == 0)
		return;
	notify_say("EXTEND_TIMEOUT_USEC=%" PRIu64, (uint64_t)STOP_MORE_MS * 1000u);
	arm(m.stop, STOP_SAY_MS);
}

void manager_stopping(struct daemon *d)
{
	if (!notify_is_on() || m.stop_ms != 0)
		return;
	m.stop_ms = clock_ms();
	notify_say("STOPPING=1\nSTATUS=stopping: %zu sessions end", d->sessions.used);
	if (m.stop == NULL)
		m.stop = evtimer_new(d->base, on_stop_goes_on, d);
	on_stop_goes_on(-1, 0, d);
}

void manager_leaving(void)
{
	notify_say("STOPPING=1\nSTATUS=leaving to the next program; sessions live on");
}

void manager_failed(int status, int error, const char *why)
{
	char number[24] = "";

	if (!notify_is_on() || m.ready)
		return;
	if (error != 0)
		snprintf(number, sizeof number, "\nERRNO=%d", error);
	notify_say("EXIT_STATUS=%d%s\nSTATUS=cannot start%s%.500s", status, number, why[0] != '\0' ? ": " : "; see the log", why);
}

/* ---- watchdog ------------------------------------------------------------------------------------ */

uint32_t manager_watchdog_ms(void)
{
	return (uint32_t)(m.watchdog_us / 1000);
}

void manager_alive(void)
{
	if (m.watchdog_us != 0)
		notify_say("WATCHDOG=1");
}

void manager_damaged(const char *why)
{
	log_ev(LOGL_ERROR, "ev=damaged: %s", why);
	notify_say("WATCHDOG=trigger\nSTATUS=damaged: %.300s", why);
}

void manager_drop(void)
{
	if (m.status != NULL)
		event_free(m.status);
	if (m.stop != NULL)
		event_free(m.stop);
	m.status = m.stop = NULL;
	m.ready = 0;
}
