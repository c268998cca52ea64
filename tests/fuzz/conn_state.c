/* A connection's state that another process wrote, damaged: refused, or a connection that can be served for a while. */
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "connection/export.h"
#include "connection/handover.h"
#include "connection/import.h"
#include "ssh/crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct event_base *base;
static struct ssh_policy policy;
static struct hostkeys keys;

static void quiet(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level, (void)line;
}

static void once(void)
{
	if (base != NULL)
		return;
	signal(SIGPIPE, SIG_IGN);
	log_to(quiet, NULL);
	if (crypto_init() < 0 || (base = event_base_new()) == NULL)
		abort();
	ssh_policy_defaults(&policy);
	policy.version = "SSH-2.0-Coppice_fuzz";
}

/* Sockets with nobody at the other end: readable, ended, never full. */
static int give(void *ctx, uint32_t chan, unsigned ends, int fds[3])
{
	int pair[2];

	(void)ctx, (void)chan;
	for (int i = 0; i < __builtin_popcount(ends); i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			abort();
		close(pair[1]);
		fds[i] = pair[0];
	}
	return SSH_OK;
}

static void serve(struct conn *c)
{
	struct buf again;
	int r;

	buf_init(&again, 64 << 20, NULL);
	r = conn_export(c, &again);
	if (r != SSH_OK && r != SSH_E_NOT_NOW)
		abort();
	buf_drop(&again);
	c->still = 1;
	handover_serve(c);
	for (int i = 0; i < 4 && !c->over; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	int link[2], client[2], r;
	struct conn c;

	once();
	if (link_pair(link) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) < 0)
		abort();
	if (conn_init(&c, base, link[0], 7, &policy, &keys) < 0 || loop_start(&c, client[0], client[0]) < 0)
		abort();
	link_enter(c.sup, W_AUTHED);
	r = conn_import(&c, view_of(d, n), give, NULL);
	if (r == SSH_OK)
		serve(&c);
	else if (r != SSH_E_STATE)
		abort();
	conn_drop(&c);
	close(link[1]);
	close(client[1]);
	return 0;
}
