#include "supervisor/observe.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/detach.h"
#include "supervisor/held.h"
#include "supervisor/resume.h"

#define USUAL_CRASHES "/var/lib/coppice/crashes"
#define BACKLOG 16

int observe_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(2, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* ---- the crash directory ---------------------------------------------------------------------- */

/* As configured; without a word of the administrator below the state directory (*usual). NULL: none. */
static const char *crash_path(const struct daemon *d, char out[PLACE_MAX], int *usual)
{
	const char *configured = d->values->CrashDirectory;

	*usual = configured != NULL && strcmp(configured, USUAL_CRASHES) == 0;
	if (configured == NULL || d->opt.inetd)
		return NULL;
	if (!*usual)
		return configured;
	return snprintf(out, PLACE_MAX, "%s/crashes", d->places.state) < (int)PLACE_MAX ? out : NULL;
}

static int is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e = NULL;

	while (dir != NULL && (e = readdir(dir)) != NULL && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0))
		;
	if (dir != NULL)
		closedir(dir);
	return dir != NULL && e == NULL;
}

/* Made when it is missing. One of ours, or an empty one of root's, becomes the reporter's; what somebody else made and owns is left to him. */
static int open_crashes(struct daemon *d, const char *path, int ours)
{
	struct id_pair id = ids_of(&d->ids, "coppice-log");
	struct stat st;
	int fd;

	if (access(path, F_OK) < 0) {
		detach_make_folder(path, 0755);
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -1;
		ours = 1;
	}
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return -1;
	if (!d->privileged || (fstat(fd, &st) == 0 && st.st_uid == id.uid))
		return fd;
	ours |= st.st_uid == 0 && is_empty(path);
	if (!ours)
		errno = EPERM;
	if (!ours || fchown(fd, id.uid, id.gid) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- the metrics socket --------------------------------------------------------------------------- */

static int bind_inet(const struct addr *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
	int six = a->family == ADDR_IPV6, fd, on = 1;

	memcpy(&in.sin_addr, a->ip, 4);
	memcpy(&in6.sin6_addr, a->ip, 16);
	if ((fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, six ? (struct sockaddr *)&in6 : (struct sockaddr *)&in, six ? sizeof in6 : sizeof in) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	close(fd);
	return -1;
}

void observe_open(struct daemon *d)
{
	char room[PLACE_MAX];
	int usual;
	const char *path = crash_path(d, room, &usual), *unix_path;
	struct addr a;

	if (path != NULL && (d->crash_dir = open_crashes(d, path, usual)) < 0)
		log_ev(LOGL_WARN, "crash reports cannot be kept in %s: %s", path,
		    errno == EPERM ? "it is not empty, and does not belong to coppice-log" : strerror(errno));
	if (d->opt.inetd || !conf_metrics_place(d->values, &a, &unix_path))
		return;
	/* Numbers about the machine: for root and its group, as far as the folder lets them. */
	if ((d->metrics = resume_socket(d, DAEMON_METRICS, unix_path != NULL ? NULL : &a, unix_path)) < 0)
		d->metrics = unix_path != NULL ? control_stream(d, unix_path, 0660) : bind_inet(&a);
	if (d->metrics < 0)
		log_ev(LOGL_ERROR, "metrics are not served at %s: %s", d->values->Metrics, strerror(errno));
}

void observe_close(struct daemon *d)
{
	const char *unix_path;
	struct addr a;

	if (d->metrics >= 0) {
		if (d->values != NULL && conf_metrics_place(d->values, &a, &unix_path) && unix_path != NULL)
			unlink(unix_path);
		close(d->metrics);
	}
	if (d->crash_dir >= 0)
		close(d->crash_dir);
	d->crash_dir = d->metrics = -1;
}
