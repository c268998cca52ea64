#include "ssh/session.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/compress.h"
#include "ssh/ident.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "ssh/transport.h"

/* How much unsent output stops us from reading once logged in: above what channels alone can cause, or two
 * peers that both send at full speed would wait for each other for ever. */
#define OUTPUT_STOP (2 * SSH_OUTPUT_HIGH + CHAN_FILL_MAX * CHAN_SEND_MAX)

/* ---- life -------------------------------------------------------------------------------- */

static int auth_new(struct ssh *s)
{
	return s->role == SSH_SERVER ? userauth_server_new(s) : userauth_client_new(s);
}

static void auth_free(struct ssh *s)
{
	if (s->auth == NULL)
		return;
	if (s->role == SSH_SERVER)
		userauth_server_free(s);
	else
		userauth_client_free(s);
}

static int parts_new(struct ssh *s)
{
	const struct mem *mem = s->env.mem;
	int r;

	if ((s->more = mem_zalloc(mem, sizeof *s->more)) == NULL ||
	    (s->rx = mem_zalloc(mem, sizeof *s->rx)) == NULL || (s->tx = mem_zalloc(mem, sizeof *s->tx)) == NULL)
		return SSH_E_NOMEM;
	s->rx->bytes_max = s->tx->bytes_max = UINT64_MAX;
	s->more->in_room = INPUT_ROOM_MIN;
	s->more->shrink_at = UINT64_MAX;
	TRY(kex_new(s));
	TRY(auth_new(s));
	return mux_new(s);
}

int session_alloc(struct ssh **res, enum ssh_role role, const struct ssh_env *env, const struct ssh_policy *policy)
{
	struct ssh *s = mem_zalloc(env->mem, sizeof *s);
	int r;

	*res = NULL;
	if (s == NULL)
		return SSH_E_NOMEM;
	s->role = role;
	s->env = *env;
	s->phase = P_IDENT;
	buf_init(&s->in, 2 * SSH_INPUT_HIGH, env->mem);
	buf_init(&s->out, SSH_OUTPUT_MAX, env->mem);
	buf_init(&s->held, SSH_OUTPUT_HIGH, env->mem);
	if ((r = policy_copy(&s->policy, policy, env->mem)) < 0 || (r = parts_new(s)) < 0) {
		ssh_free(s);
		return r;
	}
	*res = s;
	return SSH_OK;
}

int ssh_new(struct ssh **res, enum ssh_role role, const struct ssh_env *env, const struct ssh_policy *policy)
{
	struct ssh *s;
	struct wr w;
	int r;

	*res = NULL;
	if (policy->version != NULL)
		TRY(ident_check_own(policy->version));
	TRY(session_alloc(&s, role, env, policy));
	w = wr_to(&s->out);
	wr_raw(&w, s->policy.version, strlen(s->policy.version));
	wr_raw(&w, "\r\n", 2);
	s->more->version = mem_strndup(env->mem, s->policy.version, strlen(s->policy.version));
	if ((r = wr_done(&w)) < 0 || s->more->version == NULL) {
		ssh_free(s);
		return r < 0 ? r : SSH_E_NOMEM;
	}
	*res = s;
	return SSH_OK;
}

static void more_free(struct ssh *s)
{
	const struct mem *mem = s->env.mem;

	if (s->more == NULL)
		return;
	keeps_drop(s);
	mem_free(mem, s->more->version);
	mem_free(mem, s->more->peer_sig_algs);
	mem_free(mem, s->more);
}

static void dir_free(const struct mem *mem, struct packet_dir *d)
{
	if (d != NULL) {
		cipher_free(d->cipher);
		packet_compress_end(d);
	}
	mem_free(mem, d);
}

void ssh_free(struct ssh *s)
{
	const struct mem *mem;

	if (s == NULL)
		return;
	mem = s->env.mem;
	mux_free(s);
	auth_free(s);
	kex_free(s);
	dir_free(mem, s->rx);
	dir_free(mem, s->tx);
	more_free(s);
	buf_drop(&s->in);
	buf_drop(&s->out);
	buf_drop(&s->held);
	mem_free(mem, s->peer_version);
	policy_drop(&s->policy, mem);
	secret_wipe(s, sizeof *s);
	mem_free(mem, s);
}

/* ---- time -------------------------------------------------------------------------------- */

void session_now(struct ssh *s, uint64_t now_ms)
{
	if (now_ms > s->now)
		s->now = now_ms;
	if (s->more->clock_known)
		return;
	s->more->clock_known = 1;
	kex_clock(s);
}

/* Traffic: if it made a buffer big, somebody has to look later whether it can go. */
static void note_traffic(struct ssh *s)
{
	if (s->in.size > INPUT_ROOM_MIN || s->out.size > INPUT_ROOM_MIN || packet_plain_size(s) > INPUT_ROOM_MIN)
		s->more->shrink_at = s->now + IDLE_SHRINK_MS;
}

/* Memory of an idle connection counts: thousands of them stand open for days. */
static void shrink(struct ssh *s)
{
	s->more->shrink_at = UINT64_MAX;
	s->more->in_room = INPUT_ROOM_MIN;
	if (s->wait == WAIT_NOTHING && s->event_count == 0) {
		dispatch_forget(s);
		packet_plain_shrink(s);
	}
	buf_shrink(&s->in);
	buf_shrink(&s->out);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ssh_deadline(const struct ssh *s)
{
	if (s->error)
		return UINT64_MAX;
	return earlier(earlier(kex_deadline(s), mux_deadline(s)), s->more->shrink_at);
}

int ssh_tick(struct ssh *s, uint64_t now_ms)
{
	int r;

	session_now(s, now_ms);
	if (s->error)
		return s->error;
	if (s->now >= s->more->shrink_at)
		shrink(s);
	if ((r = kex_tick(s)) < 0 || (r = mux_tick(s)) < 0)
		return ssh_fail(s, r);
	return SSH_OK;
}

/* ---- bytes --------------------------------------------------------------------------------- */

int ssh_input(struct ssh *s, const uint8_t *p, size_t n, uint64_t now_ms)
{
	int r;

	session_now(s, now_ms);
	if (s->error)
		return s->error;
	if ((r = packet_lent_keep(s)) == SSH_OK)
		r = buf_append(&s->in, p, n);
	note_traffic(s);
	return r == SSH_E_NOMEM ? ssh_fail(s, r) : r;
}

size_t ssh_input_room(struct ssh *s)
{
	size_t have, want = s->more->in_room;

	if (ssh_input_keep(s) < 0 || (have = buf_len(&s->in)) >= s->in.max)
		return 0;
	/* One storage size for all small reads: what is left of the last packet takes from the room. Large ones are always whole. */
	if (want < INPUT_ROOM_MAX)
		want = want >= 2 * have ? want - have : want / 2;
	return want < s->in.max - have ? want : s->in.max - have;
}

uint8_t *ssh_input_space(struct ssh *s, size_t *len)
{
	size_t want = ssh_input_room(s);
	uint8_t *p;

	*len = 0;
	if (want == 0)
		return NULL;
	if ((p = buf_reserve(&s->in, want)) == NULL) {
		ssh_fail(s, SSH_E_NOMEM);
		return NULL;
	}
	*len = want;
	return p;
}

/* A read that brought much: the next one may bring more. */
static void note_read(struct ssh *s, size_t n)
{
	if (n >= s->more->in_room / 2 && s->more->in_room < INPUT_ROOM_MAX)
		s->more->in_room *= 2;
	note_traffic(s);
}

int ssh_input_done(struct ssh *s, size_t n, uint64_t now_ms)
{
	session_now(s, now_ms);
	if (s->error)
		return s->error;
	if (n > s->in.size - s->in.tail)
		return ssh_fail(s, SSH_E_BUG);
	buf_commit(&s->in, n);
	note_read(s, n);
	return SSH_OK;
}

int ssh_input_lend(struct ssh *s, const uint8_t *p, size_t n, uint64_t now_ms)
{
	session_now(s, now_ms);
	if (s->error)
		return s->error;
	if (s->more->lent.len > 0 || !s->authenticated || n > s->in.max - buf_len(&s->in))
		return ssh_fail(s, SSH_E_BUG);
	if (buf_reserve(&s->in, n) == NULL)	/* all of it at once: it does not move then while its packets are opened */
		return ssh_fail(s, SSH_E_NOMEM);
	s->more->lent = view_of(p, n);
	note_read(s, n);
	return SSH_OK;
}

int ssh_input_keep(struct ssh *s)
{
	int r;

	if (s->error)
		return s->error;
	r = packet_lent_keep(s);
	return r < 0 ? ssh_fail(s, r) : SSH_OK;
}

const uint8_t *ssh_output(struct ssh *s, size_t *len)
{
	*len = buf_len(&s->out);
	return *len > 0 ? buf_head(&s->out) : NULL;
}

void ssh_sent(struct ssh *s, size_t n)
{
	buf_consume(&s->out, n);
	s->more->room_again = 1;
	note_traffic(s);
}

size_t ssh_output_len(const struct ssh *s)
{
	return buf_len(&s->out);
}

/* A peer that makes us talk and does not listen is not heard, neither what it sends nor what is read already. */
static int output_full(const struct ssh *s)
{
	return buf_len(&s->out) >= (s->authenticated ? OUTPUT_STOP : SSH_OUTPUT_PREAUTH);
}

int ssh_want_read(const struct ssh *s)
{
	size_t kept = buf_len(&s->in) - s->in_packet + s->more->lent.len;

	if (s->error || output_full(s))
		return 0;
	return kept < (s->wait != WAIT_NOTHING ? INPUT_KEPT_MAX : SSH_INPUT_HIGH);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Our KEXINIT follows the identification at once; there is no need to know the peer's for it. */
static int start(struct ssh *s)
{
	s->more->started = 1;
	return kex_start(s);
}

static int step(struct ssh *s)
{
	int r;

	if (!s->more->started)
		TRY(start(s));
	TRY(kex_check(s));
	if (s->more->room_again) {
		s->more->room_again = 0;
		mux_room_again(s);
		if (s->event_count > 0) {
			s->more->room_again = 1;	/* there may be more of them than slots */
			return 1;
		}
	}
	dispatch_forget(s);
	return output_full(s) ? 0 : dispatch_one(s);
}

int ssh_next(struct ssh *s, struct ssh_event *ev)
{
	for (;;) {
		int r;

		if (s->event_count > 0) {
			*ev = s->events[s->event_first];
			s->event_first = (s->event_first + 1) % SSH_EVENTS_MAX;
			s->event_count--;
			return 1;
		}
		if (s->error || s->wait != WAIT_NOTHING)
			return 0;
		if ((r = step(s)) < 0)
			ssh_fail(s, r);
		else if (r == 0)
			return 0;
	}
}

/* ---- looking ------------------------------------------------------------------------------------ */

int ssh_error(const struct ssh *s)
{
	return s->error;
}

const char *ssh_mismatch(const struct ssh *s, struct view *offer)
{
	*offer = s->mismatch_offer;
	return s->mismatch;
}

unsigned ssh_disconnect_reason(const struct ssh *s, struct view *text)
{
	*text = view_of(s->bye_text, s->bye_len);
	return s->bye_reason;
}

struct view ssh_session_id(const struct ssh *s)
{
	return view_of(s->session_id.v, s->session_id.len);
}

void ssh_get_info(const struct ssh *s, struct ssh_info *i)
{
	const struct kex_choice *c = &s->kex->now;
	const struct session_more *m = s->more;

	memset(i, 0, sizeof *i);
	i->peer_version = view_str(s->peer_version);
	i->kex = c->kex ? c->kex->name : NULL;
	i->hostkey = c->sig ? c->sig->name : NULL;
	for (int d = 0; d < 2; d++) {
		i->cipher[d] = c->cipher[d] ? c->cipher[d]->name : NULL;
		i->comp[d] = c->comp[d] ? c->comp[d]->name : NULL;
		i->mac[d] = c->mac[d] ? c->mac[d]->name : c->cipher[d] ? "<implicit>" : NULL;
	}
	i->strict = s->kex->strict;
	i->open = s->authenticated && !s->error;
	i->bytes_in = m->bytes_in, i->bytes_out = m->bytes_out;
	i->packets_in = m->packets_in, i->packets_out = m->packets_out;
	i->rekeys = s->kex->rekeys;
	i->channels = mux_count(s);
}

void ssh_get_mark(const struct ssh *s, struct ssh_mark *m)
{
	*m = (struct ssh_mark){
		.chain = s->more->chain, .packets_in = s->more->packets_in, .now_ms = s->now, .once = s->more->once,
		.signing = s->wait == WAIT_SIGN,
	};
}

void ssh_mark_start(struct ssh *s)
{
	s->more->chain = 0;
	if (s->tx->deflate != NULL)
		deflater_mark(s->tx->deflate);
	s->more->once = 0;
	mux_mark(s);
}
