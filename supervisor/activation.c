#include "supervisor/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "supervisor/listen.h"
#include "supervisor/store.h"

#define FIRST_FD 3			/* SD_LISTEN_FDS_START */
#define FDS_MAX  8192		/* what the manager stores for us, and its own sockets */

static struct passed { int fd; char name[ACTIVATION_NAME_MAX]; } *passed;
static size_t passed_n;

__attribute__((format(printf, 3, 4)))
static int refuse(char *why, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, size, format, ap);
	va_end(ap);
	return SSH_E_CONFIG;
}

int activation_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

/* ---- the environment ------------------------------------------------------------------------- */

/* How many there are for us: not for a process we were forked from. */
static long count_of(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	char *end;
	long n;

	if (pid == NULL || fds == NULL || strtol(pid, NULL, 10) != (long)getpid())
		return 0;
	n = strtol(fds, &end, 10);
	return *fds == '\0' || *end != '\0' || n < 0 || n > FDS_MAX ? -1 : n;
}

/* Names are separated by colons; there may be fewer than descriptors. Returns where the next one begins. */
static const char *copy_name(char out[ACTIVATION_NAME_MAX], const char *names)
{
	size_t n = strcspn(names, ":");

	snprintf(out, ACTIVATION_NAME_MAX, "%.*s", (int)n, names);
	for (char *c = out; *c != '\0'; c++)
		if (*c < '!' || *c > '~' || *c == '/')	/* it becomes the name of a node */
			*c = '_';
	if (out[0] == '\0')
		snprintf(out, ACTIVATION_NAME_MAX, "unknown");
	return names[n] == ':' ? names + n + 1 : names + n;
}

static int open_them(char *why, size_t size)
{
	const char *names = getenv("LISTEN_FDNAMES");
	long n = count_of();

	if (n < 0)
		return refuse(why, size, "LISTEN_FDS=%.40s is no number of descriptors", getenv("LISTEN_FDS"));
	if (n == 0)
		return SSH_OK;
	if ((passed = calloc((size_t)n, sizeof *passed)) == NULL)
		return refuse(why, size, "out of memory");
	names = names != NULL ? names : "";
	for (long i = 0; i < n; i++) {
		struct passed *p = &passed[passed_n];

		names = copy_name(p->name, names);
		p->fd = FIRST_FD + (int)i;
		if (fcntl(p->fd, F_SETFD, FD_CLOEXEC) < 0)
			return refuse(why, size, "LISTEN_FDS=%ld, but descriptor %d is not open", n, p->fd);
		passed_n++;
	}
	return SSH_OK;
}

int activation_open(char *why, size_t size)
{
	int r = open_them(why, size);

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv("LISTEN_PIDFDID");
	return r;
}

/* ---- stored descriptors -------------------------------------------------------------------------- */

static int is_stored(const struct passed *p)
{
	return strncmp(p->name, ACTIVATION_STORED, sizeof ACTIVATION_STORED - 1) == 0;
}

int activation_take(const char *name)
{
	for (size_t i = 0; i < passed_n; i++)
		if (passed[i].fd >= 0 && is_stored(&passed[i]) && strcmp(passed[i].name, name) == 0) {
			int fd = passed[i].fd;

			passed[i].fd = -1;
			return fd;
		}
	return -1;
}

#define LISTENING ACTIVATION_STORED "listen-"

int activation_next(size_t *at, const char **name, int *fd)
{
	while (*at < passed_n) {
		struct passed *p = &passed[(*at)++];

		if (!is_stored(p) || strncmp(p->name, LISTENING, sizeof LISTENING - 1) == 0)
			continue;
		*name = p->name;
		*fd = p->fd;
		p->fd = -1;
		return 1;
	}
	return 0;
}

const char *activation_listening_name(const struct addr *a, char out[ACTIVATION_NAME_MAX])
{
	char text[ADDR_TEXT_MAX];

	snprintf(out, ACTIVATION_NAME_MAX, LISTENING "%s", addr_text(a, text));
	for (char *c = out; *c != '\0'; c++)		/* no colons in names (sd_pid_notify_with_fds(3)) */
		if (strchr(":[]%", *c) != NULL)
			*c = '_';
	return out;
}

int activation_take_listening(const struct addr *a)
{
	char name[ACTIVATION_NAME_MAX];
	struct addr peer, local;
	int fd;

	if (a->port == 0)
		return -1;
	while ((fd = activation_take(activation_listening_name(a, name))) >= 0) {
		listen_addresses(fd, &peer, &local);
		if (activation_option(fd, SO_ACCEPTCONN) == 1 && local.family == a->family && local.port == a->port && local.scope == a->scope &&
		    addr_same_ip(&local, a) && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
			return fd;
		close(fd);
	}
	return -1;
}

void activation_settle(const struct daemon *d)
{
	for (size_t i = 0; i < passed_n; i++) {
		struct passed *p = &passed[i];
		int used = 0;

		if (p->fd < 0 || strncmp(p->name, LISTENING, sizeof LISTENING - 1) != 0)
			continue;
		LIST_EACH(at, &d->listeners) {
			char name[ACTIVATION_NAME_MAX];

			used |= strcmp(activation_listening_name(&LIST_OF(at, struct listener, link)->local, name), p->name) == 0;
		}
		if (!used)
			store_leave(p->name);
		close(p->fd);
		p->fd = -1;
	}
}

void activation_drop(void)
{
	for (size_t i = 0; i < passed_n; i++)
		if (passed[i].fd >= 0)
			close(passed[i].fd);
	free(passed);
	passed = NULL;
	passed_n = 0;
}

/* ---- listening sockets ------------------------------------------------------------------------------ */

static int is_servable(const struct passed *p, char *why, size_t size)
{
	int domain = activation_option(p->fd, SO_DOMAIN);

	if (activation_option(p->fd, SO_TYPE) != SOCK_STREAM)
		return refuse(why, size, "\"%s\" of the service manager is no stream socket (ListenStream=)", p->name);
	if (activation_option(p->fd, SO_ACCEPTCONN) != 1)
		return refuse(why, size, "\"%s\" of the service manager does not listen (Accept=yes is not for this daemon)", p->name);
	if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX && domain != AF_VSOCK)
		return refuse(why, size, "\"%s\" of the service manager has address family %d, which cannot be served", p->name, domain);
	return SSH_OK;
}

/* "/run/x" or "@x"; "" for what has no path. */
static void path_of(int fd, char *out, size_t size)
{
	union { struct sockaddr sa; struct sockaddr_un un; } a = { .sa.sa_family = AF_UNSPEC };
	socklen_t len = sizeof a.un;

	out[0] = '\0';
	if (getsockname(fd, &a.sa, &len) < 0 || a.sa.sa_family != AF_UNIX || len <= offsetof(struct sockaddr_un, sun_path))
		return;
	len -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
	if (a.un.sun_path[0] == '\0')
		snprintf(out, size, "@%.*s", (int)len - 1, a.un.sun_path + 1);
	else
		snprintf(out, size, "%.*s", (int)len, a.un.sun_path);
}

static int only_one(const struct passed *p)
{
	size_t n = 0;

	for (size_t i = 0; i < passed_n; i++)
		n += strcmp(passed[i].name, p->name) == 0;
	return n == 1;
}

int activation_listeners(struct daemon *d, char *why, size_t size)
{
	for (size_t i = 0; i < passed_n; i++) {
		struct passed *p = &passed[i];
		char path[LISTEN_PATH_MAX], text[ADDR_TEXT_MAX], name[LISTEN_NAME_MAX];
		struct addr peer, local;
		struct listener *l;
		int r;

		if (p->fd < 0 || is_stored(p))
			continue;
		TRY(is_servable(p, why, size));
		listen_addresses(p->fd, &peer, &local);
		path_of(p->fd, path, sizeof path);
		if (only_one(p))
			snprintf(name, sizeof name, "%s", p->name);
		else	/* one unit with several addresses: they share its name */
			snprintf(name, sizeof name, "%s %s", p->name, path[0] != '\0' ? path : addr_text(&local, text));
		if (fcntl(p->fd, F_SETFL, O_NONBLOCK) < 0 || (l = listen_take(d, p->fd, name, path)) == NULL)
			return refuse(why, size, "\"%s\" of the service manager: out of memory", p->name);
		p->fd = -1;
	}
	return SSH_OK;
}

/* ---- what the file says ---------------------------------------------------------------------------- */

/* An IPv6 socket for every address takes IPv4 clients too, unless told not to. */
static int takes_ipv4(const struct listener *l)
{
	int only = 1;
	socklen_t len = sizeof only;
	static const uint8_t any[16];

	return l->local.family == ADDR_IPV6 && memcmp(l->local.ip, any, sizeof any) == 0 &&
	    getsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0 && only == 0;
}

static int covers(const struct listener *l, const struct addr *wanted, int only_port)
{
	static const uint8_t any[4];

	if (wanted->port != 0 && l->local.port != wanted->port)
		return 0;
	if (only_port)
		return 1;
	if (l->local.family == wanted->family)
		return l->local.scope == wanted->scope && addr_same_ip(&l->local, wanted);
	return wanted->family == ADDR_IPV4 && memcmp(wanted->ip, any, sizeof any) == 0 && takes_ipv4(l);
}

static int is_ip(const struct listener *l)
{
	return l->activated && (l->local.family == ADDR_IPV4 || l->local.family == ADDR_IPV6);
}

static int is_covered(const struct daemon *d, const struct addr *wanted, int only_port)
{
	LIST_EACH(at, &d->listeners) {
		const struct listener *l = LIST_OF(at, struct listener, link);

		if (is_ip(l) && covers(l, wanted, only_port))
			return 1;
	}
	return 0;
}

static int is_wanted(const struct listener *l, const struct addr *wanted, size_t n, int only_port)
{
	for (size_t i = 0; i < n; i++)
		if (covers(l, &wanted[i], only_port))
			return 1;
	return 0;
}

static int compare(const struct daemon *d, const struct addr *wanted, size_t n, int only_port, struct conf_error *e)
{
	const char *keyword = only_port ? "Port" : "ListenAddress", *file = strcmp(d->opt.conf, "none") != 0 ? d->opt.conf : "command line";
	char text[ADDR_TEXT_MAX], port[16];

	for (size_t i = 0; i < n; i++) {
		snprintf(port, sizeof port, "port %u", addr_port(&wanted[i]));
		if (!is_covered(d, &wanted[i], only_port))
			return refuse(e->text, sizeof e->text, "%.150s: %s asks for %s, but the service manager passed no such socket; remove the keyword, or make it agree with the socket unit",
			    file, keyword, only_port ? port : addr_text(&wanted[i], text));
	}
	LIST_EACH(at, &d->listeners) {
		const struct listener *l = LIST_OF(at, struct listener, link);

		if (is_ip(l) && !is_wanted(l, wanted, n, only_port))
			return refuse(e->text, sizeof e->text, "%.150s: %s does not name %s, which the service manager passed as \"%s\"; remove the keyword, or make it agree with the socket unit",
			    file, keyword, addr_text(&l->local, text), l->name);
	}
	return SSH_OK;
}

int activation_agrees(const struct daemon *d, const struct conf *c, const struct conf_values *v, struct conf_error *e)
{
	int address = conf_sets(c, "ListenAddress"), r;
	struct addr *wanted;
	size_t n;

	if (!listen_is_activated(d) || (!address && !conf_sets(c, "Port")))
		return SSH_OK;
	TRY(conf_listeners(v, &wanted, &n, e));
	r = compare(d, wanted, n, !address, e);
	free(wanted);
	return r;
}
