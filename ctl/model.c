#include "ctl/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "ctl/print.h"
#include "ctl/words.h"

void model_init(struct model *m, const char *proc)
{
	memset(m, 0, sizeof *m);
	m->proc = proc;
	m->in_rate = m->out_rate = -1;
	table_init(&m->procs.at);
	table_init(&m->ticks_before);
}

void model_drop(struct model *m)
{
	free(m->v);
	free(m->nodes);
	ctl_rows_free(&m->status);
	ctl_tree_free(&m->tree);
	procs_drop(&m->procs);
	table_drop(&m->ticks_before);
	memset(m, 0, sizeof *m);
}

const struct model_session *model_session(const struct model *m, uint64_t id)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].id == id)
			return &m->v[i];
	return NULL;
}

/* ---- the daemon's rows ------------------------------------------------------------------- */

static void copy(char *out, size_t size, const struct ctl_row *row, const char *name)
{
	snprintf(out, size, "%s", ctl_text(row, name));
}

static void read_session(struct model_session *s, const struct ctl_row *row)
{
	const struct ctl_field *rtt = ctl_field(row, "rtt_us");

	memset(s, 0, sizeof *s);
	s->id = (uint64_t)ctl_number(row, "session");
	copy(s->user, sizeof s->user, row, "user");
	copy(s->from, sizeof s->from, row, "from");
	copy(s->what, sizeof s->what, row, "what");
	copy(s->tty, sizeof s->tty, row, "tty");
	copy(s->state, sizeof s->state, row, "state");
	copy(s->log_level, sizeof s->log_level, row, "log_level");
	s->idle_ms = ctl_number(row, "idle_ms");
	s->rtt_us = rtt != NULL ? rtt->number : -1;
	s->unsent = ctl_number(row, "unsent_bytes");
	s->retransmits = ctl_number(row, "retransmits");
	s->in_bytes = ctl_number(row, "in_bytes");
	s->out_bytes = ctl_number(row, "out_bytes");
	s->pid = (pid_t)ctl_number(row, "pid");
	s->window_in = s->window_out = -1;
	s->in_rate = s->out_rate = s->cpu = -1;
}

static void least(int64_t *window, int64_t value)
{
	if (*window < 0 || value < *window)
		*window = value;
}

/* Sessions, each with its channels behind it; their processes get their owner. */
static int read_rows(struct model *m, const struct ctl_rows *who, struct model_session **res, size_t *count)
{
	struct model_session *v = calloc(who->n + 1, sizeof *v), *s = NULL;
	size_t n = 0;

	if (v == NULL)
		return SSH_E_NOMEM;
	for (size_t i = 0; i < who->n; i++) {
		const struct ctl_row *row = &who->v[i];

		if (strcmp(row->kind, "session") == 0) {
			s = &v[n++];
			read_session(s, row);
			procs_own(&m->procs, s->pid, s->id);
		} else if (strcmp(row->kind, "channel") == 0 && s != NULL) {
			least(&s->window_in, ctl_number(row, "window_in_bytes"));
			least(&s->window_out, ctl_number(row, "window_out_bytes"));
			procs_own(&m->procs, (pid_t)ctl_number(row, "pid"), s->id);
		}
	}
	*res = v;
	*count = n;
	return SSH_OK;
}

/* ---- what changed ------------------------------------------------------------------------- */

static struct model_session *of(struct model_session *v, size_t n, uint64_t id)
{
	size_t low = 0, high = n;	/* the daemon tells them by number */

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (v[mid].id == id)
			return &v[mid];
		if (v[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void add_processes(struct model *m, struct model_session *v, size_t n)
{
	for (size_t i = 0; i < m->procs.n; i++) {
		uint64_t owner = procs_owner(&m->procs, i);
		struct model_session *s = owner != 0 ? of(v, n, owner) : NULL;

		if (s == NULL)
			continue;
		s->ticks += m->procs.v[i].ticks;
		s->memory_kib += procs_memory(m->proc, m->procs.v[i].pid);
	}
}

static double rate(int64_t now, int64_t before, double seconds)
{
	return now >= before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static double cpu(uint64_t now, uint64_t before, double seconds)
{
	return now >= before && seconds > 0 ? (double)(now - before) * 100 / (double)sysconf(_SC_CLK_TCK) / seconds : 0;
}

static void compare(struct model *m, struct model_session *v, size_t n, double seconds)
{
	m->in_rate = m->out_rate = 0;
	for (size_t i = 0; i < n; i++) {
		const struct model_session *was = of(m->v, m->n, v[i].id);

		if (was == NULL)
			continue;
		v[i].in_rate = rate(v[i].in_bytes, was->in_bytes, seconds);
		v[i].out_rate = rate(v[i].out_bytes, was->out_bytes, seconds);
		v[i].cpu = cpu(v[i].ticks, was->ticks, seconds);
		m->in_rate += v[i].in_rate;
		m->out_rate += v[i].out_rate;
	}
}

static void remember_ticks(struct model *m)
{
	table_drop(&m->ticks_before);
	table_init(&m->ticks_before);
	for (size_t i = 0; i < m->procs.n; i++)
		table_put(&m->ticks_before, (uint64_t)m->procs.v[i].pid, (void *)(uintptr_t)(m->procs.v[i].ticks + 1));
}

int model_take(struct model *m, const struct ctl_rows *who, uint64_t now_ms)
{
	struct model_session *v;
	size_t n;
	int r;

	remember_ticks(m);
	procs_read(&m->procs, m->proc);
	TRY(read_rows(m, who, &v, &n));
	add_processes(m, v, n);
	if (m->at_ms != 0)
		compare(m, v, n, (double)(now_ms - m->at_ms) / 1000);
	m->before_ms = m->at_ms;
	m->at_ms = now_ms;
	free(m->v);
	m->v = v;
	m->n = n;
	return SSH_OK;
}

void model_take_status(struct model *m, struct ctl_rows *rows)
{
	ctl_rows_free(&m->status);
	m->status = *rows;
	memset(rows, 0, sizeof *rows);
}

int model_take_tree(struct model *m, struct ctl_tree *t)
{
	double seconds = m->before_ms != 0 ? (double)(m->at_ms - m->before_ms) / 1000 : 0;

	ctl_tree_free(&m->tree);
	free(m->nodes);
	m->tree = *t;
	memset(t, 0, sizeof *t);
	if ((m->nodes = calloc(m->tree.n + 1, sizeof *m->nodes)) == NULL) {
		ctl_tree_free(&m->tree);
		return SSH_E_NOMEM;
	}
	for (size_t i = 0; i < m->tree.n; i++) {
		const struct procs_one *p = procs_find(&m->procs, (pid_t)m->tree.v[i].pid);
		uint64_t before = (uintptr_t)table_get(&m->ticks_before, m->tree.v[i].pid);

		m->nodes[i].cpu = -1;
		if (p == NULL)
			continue;
		m->nodes[i].memory_kib = procs_memory(m->proc, p->pid);
		if (before > 0 && seconds > 0)
			m->nodes[i].cpu = cpu(p->ticks, before - 1, seconds);
	}
	return SSH_OK;
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void put_rate(FILE *f, const char *name, double v)
{
	if (v < 0)
		fprintf(f, ",\"%s\":null", name);
	else
		fprintf(f, ",\"%s\":%.1f", name, v);
}

static void put_text(FILE *f, const char *name, const char *v)
{
	fprintf(f, ",\"%s\":", name);
	words_json(f, v);
}

void model_json(const struct model *m, int64_t unix_s, FILE *f)
{
	fprintf(f, "{\"time\":%" PRId64, unix_s);
	put_rate(f, "in_rate", m->in_rate);
	put_rate(f, "out_rate", m->out_rate);
	fputs(",\"status\":", f);
	if (m->status.n > 0)
		print_row_json(&m->status.v[0], f);
	else
		fputs("null", f);
	fputs(",\"sessions\":[", f);
	for (size_t i = 0; i < m->n; i++) {
		const struct model_session *s = &m->v[i];

		fprintf(f, "%s{\"session\":%" PRIu64, i > 0 ? "," : "", s->id);
		put_text(f, "user", s->user);
		put_text(f, "from", s->from);
		put_text(f, "what", s->what);
		put_text(f, "state", s->state);
		fprintf(f, ",\"idle_ms\":%" PRId64 ",\"rtt_us\":%" PRId64 ",\"window_in\":%" PRId64 ",\"window_out\":%" PRId64
		    ",\"retransmits\":%" PRId64 ",\"memory_kib\":%" PRIu64, s->idle_ms, s->rtt_us, s->window_in, s->window_out,
		    s->retransmits, s->memory_kib);
		put_rate(f, "in_rate", s->in_rate);
		put_rate(f, "out_rate", s->out_rate);
		put_rate(f, "cpu", s->cpu);
		putc('}', f);
	}
	fputs("]}\n", f);
}
