#include "ctl/procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

/* The name stands in parentheses and may hold anything, parentheses too (proc(5)): the last one ends it. */
int procs_parse(const char *line, struct procs_one *p)
{
	const char *open = strchr(line, '('), *close = strrchr(line, ')');
	uint64_t user, system;
	size_t n;
	int pid, parent;

	if (open == NULL || close == NULL || close < open || sscanf(line, "%d", &pid) != 1 ||
	    sscanf(close + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &parent, &user, &system) != 3)
		return SSH_E_FORMAT;
	memset(p, 0, sizeof *p);
	p->pid = pid;
	p->parent = parent;
	p->ticks = user + system;
	n = (size_t)(close - open - 1);
	memcpy(p->name, open + 1, n < sizeof p->name ? n : sizeof p->name - 1);
	return SSH_OK;
}

static int read_file(const char *proc, const char *pid, const char *name, char *out, size_t size)
{
	char path[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/%s/%s", proc, pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return SSH_E_SYS;
	n = read(fd, out, size - 1);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? SSH_OK : SSH_E_SYS;
}

static int add(struct procs *p, const struct procs_one *one)
{
	if (p->n == p->room) {
		size_t room = p->room > 0 ? p->room * 2 : 256;
		struct procs_one *v = realloc(p->v, room * sizeof *v);

		if (v == NULL)
			return SSH_E_NOMEM;
		p->v = v;
		p->room = room;
	}
	p->v[p->n++] = *one;
	return SSH_OK;
}

int procs_read(struct procs *p, const char *proc)
{
	DIR *dir = opendir(proc);
	struct dirent *e;
	struct procs_one one;
	char line[1024];

	p->n = 0;
	table_drop(&p->at);
	table_init(&p->at);
	if (dir == NULL)
		return SSH_E_SYS;
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && read_file(proc, e->d_name, "stat", line, sizeof line) == SSH_OK
		    && procs_parse(line, &one) == SSH_OK && add(p, &one) < 0)
			break;
	closedir(dir);
	for (size_t i = 0; i < p->n; i++)
		table_put(&p->at, (uint64_t)p->v[i].pid, &p->v[i]);
	return SSH_OK;
}

void procs_drop(struct procs *p)
{
	free(p->v);
	table_drop(&p->at);
	memset(p, 0, sizeof *p);
}

const struct procs_one *procs_find(const struct procs *p, pid_t pid)
{
	return pid > 0 ? table_get(&p->at, (uint64_t)pid) : NULL;
}

void procs_own(struct procs *p, pid_t pid, uint64_t owner)
{
	struct procs_one *one = pid > 0 ? table_get(&p->at, (uint64_t)pid) : NULL;

	if (one != NULL)
		one->owner = owner;
}

uint64_t procs_owner(struct procs *p, size_t i)
{
	const struct procs_one *one = &p->v[i];

	/* Bounded: a snapshot of /proc is not taken at one instant, and a reused pid could close a ring. */
	for (int steps = 0; one != NULL && steps < 64; steps++) {
		if (one->owner != 0)
			return p->v[i].owner = one->owner;
		one = procs_find(p, one->parent);
	}
	return 0;
}

uint64_t procs_memory(const char *proc, pid_t pid)
{
	char line[256], name[16];
	uint64_t resident, shared;

	snprintf(name, sizeof name, "%d", (int)pid);
	if (read_file(proc, name, "statm", line, sizeof line) < 0 ||
	    sscanf(line, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2 || shared > resident)
		return 0;
	return (resident - shared) * ((uint64_t)sysconf(_SC_PAGESIZE) / 1024);
}
