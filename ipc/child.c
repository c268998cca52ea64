#include "ipc/child.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "ipc/box.h"
#include "ipc/datagram.h"

#define BEGIN_TIMEOUT_MS 30000
#define CONF_SLICE_MAX ((size_t)CONF_FILE_MAX * 2)

/* ---- the log socket --------------------------------------------------------- */

static struct { int fd; enum ipc_role role; uint64_t node; unsigned dropped; } logger = { .fd = -1 };

static int say(enum log_level level, const char *line)
{
	struct ipc_LOG m = {
		.role = (uint8_t)logger.role, .node = logger.node, .level = (uint8_t)level, .line = view_str(line),
	};
	struct buf b;
	int r;

	buf_init(&b, LOG_LINE_MAX + 64, NULL);
	if ((r = ipc_encode(&b, IPC_LOG, &m)) == SSH_OK)
		r = datagram_send(logger.fd, buf_head(&b), buf_len(&b), NULL, 0, MSG_DONTWAIT);
	buf_drop(&b);
	return r;
}

/* A full log socket must never hold a session up: lines are counted instead, and the count told later. */
static void to_log_socket(void *ctx, enum log_level level, const char *line)
{
	char text[64];

	(void)ctx;
	if (logger.dropped > 0) {
		snprintf(text, sizeof text, "ev=log dropped=%u", logger.dropped);
		if (say(LOGL_WARN, text) < 0) {
			logger.dropped++;
			return;
		}
		logger.dropped = 0;
	}
	if (say(level, line) < 0)
		logger.dropped++;
}

void child_tell(enum happening kind, enum log_level level, const char *line, const struct tell *fields)
{
	char text[LOG_LINE_MAX + 1];
	struct buf b;

	if (logger.fd < 0) {
		if (line != NULL)
			log_ev(level, "%s", line);
		return;
	}
	if (line != NULL) {
		line = log_worded(text, line);
		log_tapped(level, line);
	}
	buf_init(&b, TELL_MAX, NULL);
	if (tell_encode(&b, logger.role, logger.node, kind, level, level <= log_get_level() ? line : NULL, fields, view_of("", 0)) < 0
	    || datagram_send(logger.fd, buf_head(&b), buf_len(&b), NULL, 0, MSG_DONTWAIT) < 0)
		logger.dropped++;
	buf_drop(&b);
}

void child_log_to(int fd, enum ipc_role role, uint64_t node)
{
	logger.fd = fd;
	logger.role = role;
	logger.node = node;
	logger.dropped = 0;
	log_to(to_log_socket, NULL);
}

/* ---- begin ---------------------------------------------------------------------- */

static void give_up(const char *role, const char *what, const char *why)
{
	dprintf(2, "%s: %s: %s\n", role, what, why);
	log_ev(LOGL_ERROR, "%s: %s", what, why);
	_exit(1);
}

/* The slice out of its memfd: sealed, or a sender could change it while it is parsed. */
static char *read_slice(int fd, size_t len)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	char *text;
	size_t have = 0;

	if (seals < 0 || !(seals & F_SEAL_WRITE) || len > CONF_SLICE_MAX)
		return NULL;
	if (fstat(fd, &st) != 0 || (size_t)st.st_size != len || (text = malloc(len + 1)) == NULL)
		return NULL;
	while (have < len) {
		ssize_t r = pread(fd, text + have, len - have, (off_t)have);

		if (r <= 0) {
			free(text);
			return NULL;
		}
		have += (size_t)r;
	}
	text[len] = '\0';
	return text;
}

static void get_config(struct child *c, struct ipc_msg *m)
{
	int fd = ipc_take_fd(m, 0);

	if ((c->conf = read_slice(fd, m->u.CONFIG.length)) == NULL)
		give_up(ipc_role_name(c->role), "configuration", "the supervisor's slice cannot be read");
	close(fd);
	c->conf_len = m->u.CONFIG.length;
	c->generation = m->u.CONFIG.generation;
}

static void expect(struct child *c, struct ipc_msg *m, uint8_t *storage, enum ipc_type type)
{
	int r = link_wait(c->fds.link, c->role, ROLE_SUP, W_NEW, BEGIN_TIMEOUT_MS, m, storage);

	if (r < 0)
		give_up(ipc_role_name(c->role), "must be started by coppiced", err_text(r));
	if (m->type != type)
		give_up(ipc_role_name(c->role), "unexpected message", ipc_rule(m->type)->name);
}

static void shake_hands(struct child *c)
{
	struct ipc_HELLO hello = {
		.proto_min = IPC_PROTO, .proto_max = IPC_PROTO, .role = (uint8_t)c->role, .build = view_str(COPPICE_VERSION),
	};
	uint8_t *storage = malloc(IPC_MESSAGE_MAX);
	struct ipc_msg m;

	if (storage == NULL)
		give_up(ipc_role_name(c->role), "start", "out of memory");
	if (link_say(c->fds.link, c->role, ROLE_SUP, W_NEW, IPC_HELLO, &hello, NULL, 0) < 0)
		give_up(ipc_role_name(c->role), "must be started by coppiced", "no link on descriptor 3");
	expect(c, &m, storage, IPC_WELCOME);
	if (m.u.WELCOME.proto != IPC_PROTO)
		give_up(ipc_role_name(c->role), "start", "the supervisor speaks another protocol");
	c->node = m.u.WELCOME.node;
	c->flags = m.u.WELCOME.flags;
	c->uid = m.u.WELCOME.uid;
	c->gid = m.u.WELCOME.gid;
	c->sink = ipc_take_fd(&m, 0);
	log_set_level((enum log_level)m.u.WELCOME.log_level);
	child_log_to(c->fds.log, c->role, c->node);
	expect(c, &m, storage, IPC_CONFIG);
	get_config(c, &m);
	free(storage);
}

/* ---- while it runs ----------------------------------------------------------------- */

static void drop_slice(char **text, size_t len)
{
	if (*text != NULL)
		secret_wipe(*text, len);
	free(*text);
	*text = NULL;
}

static void forget(struct child *c)
{
	if (c->next == NULL)
		return;
	drop_slice(&c->next, c->next_len);
	c->forget(c);
}

/* The first half: could we live with it? */
static int on_config(struct child *c, struct ipc_msg *m)
{
	char why[400] = "this process takes no new configuration while it runs", *text;
	struct ipc_CONFIG_OK ok = { .generation = m->u.CONFIG.generation };
	int fd = ipc_take_fd(m, 0);

	forget(c);
	text = read_slice(fd, m->u.CONFIG.length);
	close(fd);
	if (text == NULL)
		snprintf(why, sizeof why, "the slice cannot be read");
	else if (c->prepare != NULL)
		ok.accepted = c->prepare(c, text, m->u.CONFIG.length, why, sizeof why) == SSH_OK;
	if (ok.accepted) {
		c->next = text;
		c->next_len = m->u.CONFIG.length;
		c->next_generation = ok.generation;
	} else {
		drop_slice(&text, m->u.CONFIG.length);
		ok.why = view_str(why);
	}
	return link_send(c->sup, IPC_CONFIG_OK, &ok);
}

/* The second half: everybody could, or nobody does. */
static int on_commit(struct child *c, const struct ipc_CONFIG_COMMIT *m)
{
	int waiting = c->next != NULL && c->next_generation == m->generation;

	if (!m->commit) {
		if (waiting)
			forget(c);
		return SSH_OK;
	}
	if (!waiting)
		return SSH_E_RULE;
	drop_slice(&c->conf, c->conf_len);
	c->conf = c->next;
	c->conf_len = c->next_len;
	c->generation = m->generation;
	c->next = NULL;
	c->commit(c);
	return SSH_OK;
}

static int on_message(struct link *l, struct ipc_msg *m, void *ctx)
{
	struct child *c = ctx;

	switch (m->type) {
	case IPC_PING:
		return link_send(l, IPC_PONG, &(struct ipc_PONG){ .seq = m->u.PING.seq });
	case IPC_CONFIG:
		return on_config(c, m);
	case IPC_CONFIG_COMMIT:
		return on_commit(c, &m->u.CONFIG_COMMIT);
	case IPC_LOGLEVEL:
		if (m->u.LOGLEVEL.conn != 0)	/* about one client: who serves more than one knows how */
			return c->message != NULL ? c->message(c, m) : SSH_E_RULE;
		log_set_level((enum log_level)m->u.LOGLEVEL.level);
		return SSH_OK;
	default:
		return c->message != NULL ? c->message(c, m) : SSH_E_RULE;
	}
}

static int failed;

static void on_gone(struct link *l, int error, void *ctx)
{
	struct child *c = ctx;

	(void)l;
	failed = error != 0;
	event_base_loopbreak(c->base);
}

static const struct link_ops ops = { on_message, on_gone };

int child_take_over(struct child *c, int fd)
{
	int r;

	link_free(c->sup);
	c->sup = NULL;
	failed = 0;
	TRY(link_new(&c->sup, c->base, fd, c->role, ROLE_SUP, &ops, c));
	link_enter(c->sup, W_UP);
	return SSH_OK;
}

void child_begin(struct child *c, enum ipc_role role)
{
	child_begin_on(c, role, (struct child_fds){ CHILD_LINK_FD, CHILD_LOG_FD, CHILD_BOX_FD });
}

void child_begin_on(struct child *c, enum ipc_role role, struct child_fds fds)
{
	struct rlimit none = { 0, 0 };

	c->role = role;
	c->sink = -1;
	c->fds = fds;
	box_enter(box_map(fds.box, 1), 1, 0);
	close(fds.box);
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
	shake_hands(c);
	if ((c->base = event_base_new()) == NULL)
		give_up(ipc_role_name(role), "start", "no event loop");
	if (link_new(&c->sup, c->base, fds.link, role, ROLE_SUP, &ops, c) < 0)
		give_up(ipc_role_name(role), "start", "no link");
	fcntl(fds.link, F_SETFD, FD_CLOEXEC);
	fcntl(fds.log, F_SETFD, FD_CLOEXEC);
}

void child_lock(struct child *c, void (*sandbox)(const struct child *))
{
	sandbox(c);
}

void child_ready(struct child *c)
{
	if (link_send(c->sup, IPC_READY, &(struct ipc_READY){ .generation = c->generation }) < 0)
		give_up(ipc_role_name(c->role), "start", "the supervisor is gone");
	link_enter(c->sup, W_UP);
}

int child_run(struct child *c)
{
	if (event_base_dispatch(c->base) < 0)
		failed = 1;
	return failed ? 1 : 0;
}
