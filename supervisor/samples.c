#include "supervisor/samples.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/clock.h"
#include "ipc/row.h"
#include "supervisor/counters.h"
#include "supervisor/drain.h"
#include "supervisor/listen.h"
#include "supervisor/session.h"
#include "supervisor/stats.h"
#include "supervisor/supervise.h"
#include "supervisor/procfs.h"

#define SAMPLES_MAX  32768u
#define LOOKED_AT    256u		/* processes one answer reads /proc for; of more, only the helpers */

struct use { unsigned n; uint64_t rss, cpu_ms; int unknown; };

static uint64_t ended_ms[ROLE_COUNT];

static uint64_t ms_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

void samples_ended(const struct proc *p, const struct rusage *used)
{
	ended_ms[p->role] += ms_of(used->ru_utime) + ms_of(used->ru_stime);
}

static void put(struct wr *w, const char *family, const char *label, const char *value, uint64_t n)
{
	char name[ROW_NAME_MAX];

	if (label == NULL || label[0] == '\0')
		snprintf(name, sizeof name, "%s", family);
	else
		snprintf(name, sizeof name, "%s %s=%s", family, label, value);
	row_number(w, name, (int64_t)n);
}

/* ---- the tree ------------------------------------------------------------------------------ */

static void put_counters(struct wr *w, const struct daemon *d)
{
	const struct counter_row *row;
	uint64_t in, out;

	stats_traffic(d, &in, &out);
	for (unsigned i = 0; (row = counter_row((enum counter)i)) != NULL; i++)
		put(w, row->family, row->label, row->value, i == COUNT_BYTES_IN ? in : i == COUNT_BYTES_OUT ? out : counter_get((enum counter)i));
}

static void put_sessions(struct wr *w, const struct daemon *d)
{
	uint64_t waiting = 0, open = 0, works = 0, listeners = 0;
	unsigned throttled = 0;
	const struct session *s;
	size_t at = 0;

	while ((s = table_next(&d->sessions, &at)) != NULL) {
		*(s->grant != NULL ? &open : &waiting) += 1;
		works += s->nworks;
	}
	LIST_EACH(l, &d->listeners)
		listeners++;
	supervise_throttled(d, &throttled);
	put(w, "sessions", "phase", "login", waiting);
	put(w, "sessions", "phase", "open", open);
	put(w, "channels", NULL, NULL, works);
	put(w, "listeners", NULL, NULL, listeners);
	put(w, "children_throttled", NULL, NULL, throttled);
}

/* ---- processes -------------------------------------------------------------------------------- */

/* Resident bytes and CPU time of one (proc(5)); the name in it may be anything, so the numbers are counted from its end. */
static int look_at(pid_t pid, struct use *u)
{
	unsigned long long utime, stime, rss;
	char text[PROCFS_STAT_MAX];
	const char *at = procfs_stat(pid, text);

	if (at == NULL)
		return SSH_E_SYS;
	if (sscanf(at, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %*u %llu", &utime, &stime, &rss) != 3)
		return SSH_E_FORMAT;
	u->rss += rss * (uint64_t)sysconf(_SC_PAGESIZE);
	u->cpu_ms += (utime + stime) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
	return SSH_OK;
}

static void put_processes(struct wr *w, const struct daemon *d)
{
	struct use all[ROLE_COUNT] = { { .n = 0 } };
	unsigned looked = 0;

	all[ROLE_SUP].n = 1;
	look_at(getpid(), &all[ROLE_SUP]);
	LIST_EACH(l, &d->procs) {
		const struct proc *p = LIST_OF(l, struct proc, all);
		struct use *u = &all[p->role];

		u->n++;
		/* A user's program is the user's. */
		if (p->pid <= 0 || p->role == ROLE_WRK)
			continue;
		if (p->role == ROLE_CONN && looked++ >= LOOKED_AT)
			u->unknown = 1;
		else
			look_at(p->pid, u);
	}
	for (int role = 0; role < ROLE_COUNT; role++) {
		const char *name = ipc_role_name((enum ipc_role)role);

		if (role == ROLE_CTL)
			continue;
		put(w, "processes", "role", name, all[role].n);
		if (role == ROLE_WRK || all[role].unknown)
			continue;
		put(w, "process_resident_bytes", "role", name, all[role].rss);
		put(w, "process_cpu_seconds", "role", name, all[role].cpu_ms + ended_ms[role]);
	}
}

static uint64_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	uint64_t n = 0;

	if (dir == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n - 1;		/* its own */
}

static void put_daemon(struct wr *w, const struct daemon *d)
{
	static int64_t started;
	uint64_t queued = 0;

	if (started == 0)	/* the root came up then; a clock that is set later does not move it */
		started = (int64_t)time(NULL) - (int64_t)((clock_ms() - d->kids[KID_ROOT]->up_ms) / 1000);
	LIST_EACH(l, &d->procs)
		if (LIST_OF(l, struct proc, all)->link != NULL)
			queued += link_queued(LIST_OF(l, struct proc, all)->link);
	put(w, "start_time_seconds", NULL, NULL, (uint64_t)started);
	put(w, "config_generation", NULL, NULL, d->generation);
	put(w, "ready", NULL, NULL, d->up && !d->stopping && drain_state(d) == DRAIN_OFF);
	put(w, "open_fds", NULL, NULL, open_fds());
	put(w, "link_queued_messages", NULL, NULL, queued);
	put(w, "records_lost", NULL, NULL, d->untold);
}

int samples_tell(struct proc *reporter, uint32_t seq)
{
	struct ipc_SAMPLES m = { .seq = seq };
	struct buf b;
	struct wr w;
	int r;

	buf_init(&b, SAMPLES_MAX, NULL);
	w = wr_to(&b);
	put_daemon(&w, reporter->d);
	put_sessions(&w, reporter->d);
	put_processes(&w, reporter->d);
	put_counters(&w, reporter->d);
	if ((r = wr_done(&w)) == SSH_OK) {
		m.samples = view_of(buf_head(&b), buf_len(&b));
		r = link_send(reporter->link, IPC_SAMPLES, &m);
	}
	buf_drop(&b);
	return r;
}
