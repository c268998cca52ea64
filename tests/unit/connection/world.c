#include "world.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "ipc/clock.h"
#include "ipc/datagram.h"
#include "ipc/permits.h"
#include "ipc/values.h"
#include "ssh/crypto/crypto.h"

__attribute__((format(printf, 3, 4)))
static void hear(char *where, size_t size, const char *fmt, ...)
{
	size_t n = strlen(where);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(where + n, size - n, fmt, ap);
	va_end(ap);
}
#define HEAR(where, ...) hear(where, sizeof (where), __VA_ARGS__)

static void lend(int fd, enum ipc_role me, enum ipc_when when, enum ipc_type type, const void *body, const int *fds, int nfds)
{
	int r = link_say(fd, me, ROLE_CONN, when, type, body, fds, nfds);

	cr_assert_eq(r, SSH_OK, "cannot say %s: %s", ipc_rule(type)->name, err_text(r));
}

static void say(int fd, enum ipc_role me, enum ipc_when when, enum ipc_type type, const void *body, const int *fds, int nfds)
{
	lend(fd, me, when, type, body, fds, nfds);
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

void world_tell(struct world *w, enum ipc_type type, const void *body, const int *fds, int nfds)
{
	lend(w->sup, ROLE_SUP, w->sup_when, type, body, fds, nfds);
}

/* ---- keysign, auth, supervisor ---------------------------------------------------- */

static void sign(struct world *w, const struct ipc_SIGN *m)
{
	const struct sig_alg *alg = sig_alg_find(m->alg);
	struct buf b;
	struct wr wr = wr_to(&b);

	HEAR(w->key_heard, "SIGN ");
	w->sign_req = m->req;
	if (!w->sign)
		return;
	buf_init(&b, SSH_SIG_MAX, NULL);
	cr_assert_eq(privkey_sign(w->host, alg, m->hash, &wr), SSH_OK);
	say(w->key, ROLE_KEY, W_UP, IPC_SIGNED, &(struct ipc_SIGNED){ .req = m->req, .sig = view_of(buf_head(&b), buf_len(&b)) },
	    NULL, 0);
	buf_drop(&b);
}

static void prove(struct world *w, const struct ipc_PROVE *m)
{
	struct privkey *key = m->key == 0 ? w->host : w->host2;
	struct buf text, b;
	struct wr wr = wr_to(&b);

	HEAR(w->key_heard, "PROVE:%u ", m->key);
	w->sign_req = m->req;
	if (!w->sign)
		return;
	buf_init(&text, 1 << 16, NULL);
	buf_init(&b, SSH_SIG_MAX, NULL);
	cr_assert_eq(ssh_prove_text(&text, ssh_session_id(w->client), privkey_blob(key)), SSH_OK);
	cr_assert_eq(privkey_sign(key, sig_alg_find(m->alg), view_of(buf_head(&text), buf_len(&text)), &wr), SSH_OK);
	say(w->key, ROLE_KEY, W_UP, IPC_SIGNED, &(struct ipc_SIGNED){ .req = m->req, .sig = view_of(buf_head(&b), buf_len(&b)) }, NULL, 0);
	buf_drop(&text);
	buf_drop(&b);
}

/* The client asked for proofs of both keys, the second one first. */
static void look_at_proofs(struct world *w, struct view data)
{
	struct privkey *keys[] = { w->host2, w->host };
	struct rd in = rd_view(data);
	struct pubkey *pub;
	struct buf text;

	for (int i = 0; i < 2 && data.len > 0; i++) {
		struct view sig = rd_string(&in, SSH_SIG_MAX);
		const struct sig_alg *alg = i == 0 ? sig_alg_find(view_str("ecdsa-sha2-nistp256")) : sig_alg_find(view_str("ssh-ed25519"));

		buf_init(&text, 1 << 16, NULL);
		cr_assert_eq(ssh_prove_text(&text, ssh_session_id(w->client), privkey_blob(keys[i])), SSH_OK);
		cr_assert_eq(pubkey_parse(&pub, privkey_blob(keys[i]), NULL), SSH_OK);
		w->proofs_ok += pubkey_verify(pub, alg, view_of(buf_head(&text), buf_len(&text)), sig) == VERIFY_ACCEPT ? 1 : -1000;
		pubkey_free(pub);
		buf_drop(&text);
	}
	cr_assert_eq(rd_done(&in), SSH_OK);
}

void world_verdict(struct world *w, uint8_t verdict, int counted, int last, const char *methods, const char *banner)
{
	struct ipc_AUTH_POLICY p = {
		.max_sessions = w->max_sessions, .permits = w->permits, .accept_env = view_str(w->accept_env),
	};
	struct ipc_AUTH_VERDICT v = {
		.req = w->auth_req, .verdict = verdict, .counted = (uint8_t)counted, .last = (uint8_t)last,
		.methods = view_str(methods), .banner = view_str(banner),
	};

	if (verdict == 3) {
		say(w->auth, ROLE_AUTH, W_UP, IPC_AUTH_POLICY, &p, NULL, 0);
		w->sup_when = W_AUTHED;
	}
	say(w->auth, ROLE_AUTH, W_UP, IPC_AUTH_VERDICT, &v, NULL, 0);
}

static void on_auth(struct world *w, struct ipc_msg *m)
{
	switch (m->type) {
	case IPC_AUTH_BEGIN:
		w->auth_req = m->u.AUTH_BEGIN.req;
		HEAR(w->auth_heard, "BEGIN:%.*s ", (int)m->u.AUTH_BEGIN.user.len, (const char *)m->u.AUTH_BEGIN.user.p);
		if (w->verdicts)
			world_verdict(w, 0, 0, 0, "publickey,password", "hello\n");
		return;
	case IPC_AUTH_PASSWORD:
		w->auth_req = m->u.AUTH_PASSWORD.req;
		HEAR(w->auth_heard, "PASSWORD:%.*s ", (int)m->u.AUTH_PASSWORD.password.len,
		    (const char *)m->u.AUTH_PASSWORD.password.p);
		break;
	case IPC_AUTH_INTERACT:
		w->auth_req = m->u.AUTH_INTERACT.req;
		HEAR(w->auth_heard, "INTERACT ");
		return;
	case IPC_AUTH_REPLY:
		w->auth_req = m->u.AUTH_REPLY.req;
		HEAR(w->auth_heard, "REPLY:%u:%.*s ", m->u.AUTH_REPLY.count, (int)m->u.AUTH_REPLY.answer.len,
		    (const char *)m->u.AUTH_REPLY.answer.p);
		break;
	case IPC_AUTH_KEY_OK:
		w->auth_req = m->u.AUTH_KEY_OK.req;
		HEAR(w->auth_heard, "KEY_OK ");
		return;
	default:
		HEAR(w->auth_heard, "%s ", ipc_rule(m->type)->name);
		return;
	}
	if (w->verdicts)
		world_verdict(w, 3, 0, 0, "", "");
}

static void on_sup(struct world *w, struct ipc_msg *m, size_t len, const uint8_t *bytes)
{
	struct ipc_msg again;

	switch (m->type) {
	case IPC_READY:
		w->sup_when = W_UP;
		break;
	case IPC_SPAWN:
		memcpy(w->spawn_bytes, bytes, len);
		cr_assert_eq(ipc_decode(&again, w->spawn_bytes, len), SSH_OK);
		w->spawn = again.u.SPAWN;
		break;
	case IPC_CHAN_SHUT:
		world_shut(w, m->u.CHAN_SHUT.worker, m->u.CHAN_SHUT.ends);
		HEAR(w->sup_heard, "SHUT:%d:%d ", (int)m->u.CHAN_SHUT.worker, m->u.CHAN_SHUT.ends);
		return;
	case IPC_NOTICE_SHOWN:
		HEAR(w->sup_heard, "NOTICE:%u:%u:%u ", m->u.NOTICE_SHOWN.req, m->u.NOTICE_SHOWN.terminals, m->u.NOTICE_SHOWN.shown);
		return;
	case IPC_CHAN_STATS:
		HEAR(w->sup_heard, "CHAN_STATS:%u:%u:%u:%u ", m->u.CHAN_STATS.req, (unsigned)m->u.CHAN_STATS.worker,
		    (unsigned)m->u.CHAN_STATS.bytes_in, (unsigned)m->u.CHAN_STATS.bytes_out);
		return;
	case IPC_CONN_STATS:
		HEAR(w->sup_heard, "CONN_STATS:%u:%u ", m->u.CONN_STATS.req, m->u.CONN_STATS.phase);
		return;
	case IPC_WORKER_SIGNAL:
		HEAR(w->sup_heard, "SIGNAL:%d:%.*s ", (int)m->u.WORKER_SIGNAL.worker, (int)m->u.WORKER_SIGNAL.name.len,
		    (const char *)m->u.WORKER_SIGNAL.name.p);
		return;
	case IPC_HANDOFF_STATE:
		w->move_status = m->u.HANDOFF_STATE.status;
		w->move_length = m->u.HANDOFF_STATE.length;
		return;
	case IPC_ADOPTED:
		w->adopt_status = m->u.ADOPTED.status;
		return;
	default:
		break;
	}
	HEAR(w->sup_heard, "%s ", ipc_rule(m->type)->name);
}

static int hear_link(struct world *w, int fd, enum ipc_role me, enum ipc_when when)
{
	static uint8_t storage[IPC_MESSAGE_MAX];
	struct ipc_msg m;
	size_t n;

	if (fd < 0 || datagram_recv(fd, storage, sizeof storage, &n, &m, MSG_DONTWAIT) != SSH_OK)
		return 0;
	cr_assert_eq(datagram_accept(&m, storage, n, ROLE_CONN, me, when), SSH_OK, "illegal message %d", storage[0]);
	if (me == ROLE_SUP) {
		w->told += (uint64_t)memory_counts(m.type);
		on_sup(w, &m, n, storage);
	} else if (me == ROLE_KEY) {
		if (m.type == IPC_PROVE)
			prove(w, &m.u.PROVE);
		else
			sign(w, &m.u.SIGN);
	} else {
		on_auth(w, &m);
	}
	return 1;
}

/* ---- the client ----------------------------------------------------------------------- */

static void on_request(struct world *w, const struct ssh_event *ev)
{
	const struct ssh_req *q = &ev->req;

	switch (q->type) {
	case SSH_REQ_EXIT_STATUS:
		HEAR(w->heard, "status:%u ", q->code);
		break;
	case SSH_REQ_EXIT_SIGNAL:
		HEAR(w->heard, "signal:%.*s%s ", (int)q->name.len, (const char *)q->name.p, q->code ? "+core" : "");
		break;
	case SSH_REQ_EOW:
		HEAR(w->heard, "eow ");
		break;
	default:
		HEAR(w->heard, "request ");
	}
}

static void on_data(struct world *w, const struct ssh_event *ev)
{
	w->data_in += ev->data.len;
	if (ev->data.len < 64)
		HEAR(w->heard, "%s:%.*s ", ev->ext ? "err" : "out", (int)ev->data.len, (const char *)ev->data.p);
	if (w->hold_window)
		w->unconsumed += ev->data.len;
	else
		ssh_chan_consumed(w->client, ev->chan, ev->data.len);
}

static void on_client(struct world *w, const struct ssh_event *ev)
{
	switch (ev->type) {
	case SSH_EV_NEED_HOSTKEY_OK:
		ssh_answer_hostkey(w->client, 1);
		break;
	case SSH_EV_AUTH_READY:
		HEAR(w->heard, "auth ");
		if (w->logs_in)
			ssh_auth_password(w->client, "ada", "sesame", NULL);
		break;
	case SSH_EV_AUTH_BANNER:
		HEAR(w->heard, "banner ");
		break;
	case SSH_EV_AUTH_FAILURE:
		HEAR(w->heard, "no:%.*s%s ", (int)ev->text.len, (const char *)ev->text.p, ev->partial ? "+partial" : "");
		break;
	case SSH_EV_AUTH_PROMPT:
		HEAR(w->heard, "prompt:%u ", ev->count);
		break;
	case SSH_EV_AUTH_KEY_OK:
		HEAR(w->heard, "keyok ");
		break;
	case SSH_EV_OPEN:
		HEAR(w->heard, "open ");
		break;
	case SSH_EV_CHAN_OPENED:
		HEAR(w->heard, "opened ");
		break;
	case SSH_EV_CHAN_REFUSED:
		HEAR(w->heard, "refused:%u:%.*s ", ev->count, (int)ev->text.len, (const char *)ev->text.p);
		break;
	case SSH_EV_CHAN_REPLY:
		HEAR(w->heard, ev->ok ? "ok " : "fail ");
		break;
	case SSH_EV_GLOBAL_REPLY:
		HEAR(w->heard, ev->ok ? "gok " : "gfail ");
		if (ev->ok)
			look_at_proofs(w, ev->data);
		break;
	case SSH_EV_CHAN_DATA:
		on_data(w, ev);
		break;
	case SSH_EV_CHAN_EOF:
		HEAR(w->heard, "eof ");
		break;
	case SSH_EV_CHAN_CLOSE:
		HEAR(w->heard, "close ");
		break;
	case SSH_EV_CHAN_REQUEST:
		on_request(w, ev);
		break;
	case SSH_EV_DISCONNECT:
		HEAR(w->heard, "bye:%u:%.*s ", ev->count, (int)ev->text.len, (const char *)ev->text.p);
		break;
	default:
		break;
	}
}

static int run_client(struct world *w)
{
	uint8_t bytes[65536];
	struct ssh_event ev;
	const uint8_t *p;
	int moved = 0;
	ssize_t n;
	size_t len;

	if (ssh_want_read(w->client) && (n = read(w->sock, bytes, sizeof bytes)) > 0) {
		ssh_input(w->client, bytes, (size_t)n, clock_ms());
		moved = 1;
	}
	while (ssh_next(w->client, &ev) > 0)
		on_client(w, &ev);
	while ((p = ssh_output(w->client, &len)) != NULL && len > 0 && (n = send(w->sock, p, len, MSG_NOSIGNAL)) > 0) {
		ssh_sent(w->client, (size_t)n);
		moved = 1;
	}
	return moved;
}

int world_hear(struct world *w)
{
	return hear_link(w, w->sup, ROLE_SUP, w->sup_when);
}

void world_run(struct world *w)
{
	for (int quiet = 0; quiet < 3; quiet++) {
		if (w->always_moves && !w->conn.over)
			world_move(w);
		if (!w->conn.over)
			event_base_loop(w->base, EVLOOP_NONBLOCK);
		else if (w->conn.ssh != NULL)
			loop_flush_last(&w->conn);
		if (w->dies > 0)
			world_dies_sometimes(w);
		if (hear_link(w, w->sup, ROLE_SUP, w->sup_when) || hear_link(w, w->key, ROLE_KEY, W_UP) ||
		    hear_link(w, w->auth, ROLE_AUTH, W_UP) || run_client(w))
			quiet = -1;
	}
}

void world_step(struct world *w)
{
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	hear_link(w, w->sup, ROLE_SUP, w->sup_when);
	hear_link(w, w->key, ROLE_KEY, W_UP);
	run_client(w);
}

void world_until(struct world *w, const char *where, const char *text)
{
	for (int i = 0; i < 10000; i++) {
		world_run(w);
		if (strstr(where, text) != NULL)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	cr_assert_fail("\"%s\" never came; heard \"%s\"", text, where);
}

/* ---- life -------------------------------------------------------------------------------- */

static void peer_link(struct world *w, enum ipc_role role, int *ours)
{
	int fds[2];

	if (*ours >= 0)
		close(*ours);
	cr_assert_eq(link_pair(fds), SSH_OK);
	*ours = fds[0];
	say(w->sup, ROLE_SUP, w->sup_when, IPC_PEER_LINK, &(struct ipc_PEER_LINK){ .peer_role = (uint8_t)role, .conn = 7 },
	    &fds[1], 1);
}

void world_new_key(struct world *w)
{
	peer_link(w, ROLE_KEY, &w->key);
}

void world_new_auth(struct world *w)
{
	peer_link(w, ROLE_AUTH, &w->auth);
}

static void make_client(struct world *w, int *theirs)
{
	static const struct ssh_env env = { .random = crypto_random };
	static struct ssh_policy policy;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	w->sock = fds[0];
	*theirs = fds[1];
	ssh_policy_defaults(&policy);
	policy.version = "SSH-2.0-OpenSSH_9.2";
	if (getenv("WORLD_COMPRESSES") != NULL)
		policy.comps[0] = policy.comps[1] = "zlib@openssh.com";
	cr_assert_eq(ssh_new(&w->client, SSH_CLIENT, &env, &policy), SSH_OK);
}

static void add_hostkey(struct world *w)
{
	struct view blob;

	cr_assert_eq(privkey_generate(&w->host, KEY_ED25519, 0), SSH_OK);
	blob = privkey_blob(w->host);
	cr_assert_eq(hostkeys_put(&w->keys, &(struct ipc_HOSTKEYS){ .index = 0, .count = 2, .blob = blob }), SSH_OK);
	cr_assert_eq(privkey_generate(&w->host2, KEY_P256, 0), SSH_OK);
	blob = privkey_blob(w->host2);
	cr_assert_eq(hostkeys_put(&w->keys, &(struct ipc_HOSTKEYS){ .index = 1, .count = 2, .blob = blob }), SSH_OK);
}

void world_init(struct world *w)
{
	struct ipc_CONN_START start = { .conn = 7 };
	int fds[2], theirs;

	memset(w, 0, sizeof *w);
	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(crypto_init(), SSH_OK);
	w->key = w->auth = -1;
	w->sup_when = W_NEW;
	w->sign = w->verdicts = w->logs_in = 1;
	w->max_sessions = 10;
	w->permits = PERMIT_PTY;
	w->accept_env = "LANG LC_*";
	w->always_moves = getenv("WORLD_MOVES") != NULL;
	w->dies = getenv("WORLD_DIES") != NULL ? (unsigned)atoi(getenv("WORLD_DIES")) : 0;
	w->books = -1;
	buf_init(&w->state, WORLD_STATE, NULL);
	add_hostkey(w);
	make_client(w, &theirs);
	ssh_policy_defaults(&w->policy);
	w->policy.version = "SSH-2.0-Coppice_test";
	w->base = event_base_new();
	cr_assert_eq(link_pair(fds), SSH_OK);
	w->sup = fds[0];
	cr_assert_eq(conn_init(&w->conn, w->base, fds[1], 7, &w->policy, &w->keys), SSH_OK);
	addr_parse_ip(&start.peer, "192.0.2.7");
	start.peer.port = 50122;
	say(w->sup, ROLE_SUP, W_NEW, IPC_CONN_START, &start, &theirs, 1);
	world_new_key(w);
	world_new_auth(w);
}

void world_drop(struct world *w)
{
	conn_drop(&w->conn);
	buf_drop(&w->state);
	world_drop_books(w);
	ssh_free(w->client);
	privkey_free(w->host);
	privkey_free(w->host2);
	hostkeys_drop(&w->keys);
	event_base_free(w->base);
	close(w->sock);
	close(w->sup);
	if (w->key >= 0)
		close(w->key);
	if (w->auth >= 0)
		close(w->auth);
}

void world_forget(struct world *w)
{
	w->heard[0] = w->sup_heard[0] = w->auth_heard[0] = w->key_heard[0] = '\0';
}

void world_login(struct world *w)
{
	world_init(w);
	world_run(w);
	cr_assert_not_null(strstr(w->heard, "open "), "heard \"%s\"", w->heard);
	world_forget(w);
}

/* ---- programs ------------------------------------------------------------------------------ */

void world_spawned(struct world *w, uint64_t worker, int ours[3])
{
	int in[2], out[2], err[2], theirs[3];

	cr_assert(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
	ours[0] = in[0], ours[1] = out[1], ours[2] = err[1];
	theirs[0] = in[1], theirs[1] = out[0], theirs[2] = err[0];
	fcntl(ours[0], F_SETFL, O_NONBLOCK);
	fcntl(ours[1], F_SETFL, O_NONBLOCK);
	fcntl(ours[2], F_SETFL, O_NONBLOCK);
	if (w->dies > 0)
		world_hold(w, worker, theirs, 3);
	say(w->sup, ROLE_SUP, W_AUTHED, IPC_SPAWNED, &(struct ipc_SPAWNED){ .req = w->spawn.req, .worker = worker }, theirs, 3);
}

void world_spawned_pty(struct world *w, uint64_t worker, int *slave)
{
	int master;

	cr_assert_eq(openpty(&master, slave, NULL, NULL, NULL), 0);
	if (w->dies > 0)
		world_hold(w, worker, &master, 1);
	say(w->sup, ROLE_SUP, W_AUTHED, IPC_SPAWNED, &(struct ipc_SPAWNED){ .req = w->spawn.req, .worker = worker }, &master, 1);
}

void world_spawn_failed(struct world *w)
{
	say(w->sup, ROLE_SUP, W_AUTHED, IPC_SPAWNED, &(struct ipc_SPAWNED){ .req = w->spawn.req, .status = 1 }, NULL, 0);
}

void world_exit(struct world *w, uint64_t worker, int signalled, uint32_t code, int core)
{
	say(w->sup, ROLE_SUP, W_AUTHED, IPC_WORKER_EXIT,
	    &(struct ipc_WORKER_EXIT){ .worker = worker, .signalled = (uint8_t)signalled, .code = code, .core = (uint8_t)core },
	    NULL, 0);
}
