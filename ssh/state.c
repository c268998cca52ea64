#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/ident.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "ssh/transport.h"

/*
 * state - a live connection as bytes. It is read back by the same program or the next one, from a
 * place only we write to; still every field is checked, so that a damaged state is an error and not a crash.
 */

#define STATE_MAGIC   0x43535348u	/* "CSSH" */
#define STATE_VERSION 3u
#define STATE_VERSION_OLDEST 2u	/* 2: without compression, and without an open key exchange */

/* ---- out --------------------------------------------------------------------------------- */

static int exportable(const struct ssh *s)
{
	return !s->error && s->event_count == 0 && kex_exportable(s) && !s->more->msg_open && !s->more->fill_open;
}

static int put_dir(const struct packet_dir *d, struct wr *w)
{
	wr_u32(w, d->seq);
	wr_u64(w, d->total);
	wr_u64(w, d->packets);
	wr_u64(w, d->bytes);
	wr_u32(w, cipher_head_open(d->cipher) ? d->length : 0);	/* the others learn it again */
	return cipher_export(d->cipher, w);
}

static int put_transport(struct ssh *s, struct wr *w)
{
	const struct session_more *m = s->more;
	struct rd rest = rd_of(buf_head(&s->in), buf_len(&s->in));	/* less the packet handled last */
	int r;

	wr_u32(w, STATE_MAGIC);
	wr_u32(w, STATE_VERSION);
	wr_u8(w, (uint8_t)s->role);
	wr_u32(w, (uint32_t)s->phase);
	wr_bool(w, s->authenticated);
	wr_cstr(w, m->version);
	wr_cstr(w, s->peer_version);
	wr_string(w, s->session_id.v, s->session_id.len);
	wr_bool(w, s->kex->strict);
	wr_bool(w, s->kex->peer_ext_info);
	kex_choice_export(&s->kex->now, w);
	TRY(kex_export(s, w));
	wr_u32(w, s->kex->rekeys);
	wr_u64(w, s->now - s->kex->done_at);
	TRY(put_dir(s->rx, w));
	TRY(put_dir(s->tx, w));
	wr_u64(w, m->preauth_bytes);
	wr_u64(w, m->bytes_in);
	wr_u64(w, m->bytes_out);
	wr_u64(w, m->packets_in);
	wr_u64(w, m->packets_out);
	wr_u8(w, (uint8_t)m->ext_info_seen);
	wr_cstr(w, m->peer_sig_algs);
	TRY(packet_compress_export(s, w));
	rd_raw(&rest, s->in_packet);
	wr_view(w, rd_rest(&rest));
	wr_string(w, buf_head(&s->out), buf_len(&s->out));
	return wr_done(w);
}

static int put_upper(const struct ssh *s, struct wr *w)
{
	size_t mark = wr_string_begin(w);
	int r;

	TRY(s->role == SSH_SERVER ? userauth_server_export(s, w) : userauth_client_export(s, w));
	wr_string_end(w, mark);
	mark = wr_string_begin(w);
	TRY(mux_export(s, w));
	wr_string_end(w, mark);
	return wr_done(w);
}

int ssh_export(struct ssh *s, struct buf *to)
{
	size_t before = buf_len(to);
	struct wr w = wr_to(to);
	int r;

	if (s->error)
		return s->error;
	if (!exportable(s))
		return SSH_E_NOT_NOW;
	TRY(ssh_input_keep(s));
	if ((r = put_transport(s, &w)) < 0 || (r = put_upper(s, &w)) < 0) {
		if (buf_len(to) > before)
			secret_wipe(buf_head(to) + before, buf_len(to) - before);
		buf_truncate(to, before);
	}
	return r;
}

/* ---- back in ------------------------------------------------------------------------------- */

static int get_text(struct rd *in, size_t max, const struct mem *mem, char **to)
{
	struct view v = rd_string(in, max);

	if (in->bad || (v.len > 0 && memchr(v.p, '\0', v.len) != NULL))
		return SSH_E_STATE;
	mem_free(mem, *to);
	*to = mem_strndup(mem, (const char *)v.p, v.len);
	return *to != NULL ? SSH_OK : SSH_E_NOMEM;
}

static int get_phase(struct ssh *s, struct rd *in)
{
	uint32_t phase = rd_u32(in);
	int authenticated = rd_bool(in);

	if (phase != P_SERVICE && phase != P_AUTH && phase != P_OPEN && phase != P_REKEY)
		return SSH_E_STATE;
	if (authenticated != (phase == P_OPEN || phase == P_REKEY))
		return SSH_E_STATE;
	s->phase = (enum ssh_phase)phase;
	s->authenticated = authenticated;
	return SSH_OK;
}

/* which: 0 client to server, 1 server to client */
static int get_dir(struct ssh *s, struct packet_dir *d, int which, struct rd *in)
{
	/* Between our NEWKEYS and the peer's only ours has changed. */
	const struct kex_choice *choice = d == s->tx && s->kex->state == KEX_WAIT_NEWKEYS ? &s->kex->next : &s->kex->now;
	const struct cipher_alg *alg = choice->cipher[which];
	struct cipher *c;
	uint32_t length;
	int r;

	d->seq = rd_u32(in);
	d->total = rd_u64(in);
	d->packets = rd_u64(in);
	d->bytes = rd_u64(in);
	d->bytes_max = packet_bytes_max(alg, s->policy.rekey_bytes);
	length = rd_u32(in);
	TRY(cipher_import(&c, in, s->env.mem));
	d->cipher = c;
	if ((length != 0) != cipher_head_open(c) || length > SSH_PACKET_MAX)
		return SSH_E_STATE;
	d->length = length;
	return cipher_fits(c, alg, choice->mac[which], d == s->tx) ? SSH_OK : SSH_E_STATE;
}

static int get_keys(struct ssh *s, struct rd *in, uint32_t version)
{
	struct kex *k = s->kex;
	int in_dir = s->role == SSH_SERVER ? 0 : 1, r;
	struct view id = rd_string(in, SECRET_MAX);
	uint64_t age;

	if (id.len == 0)
		return SSH_E_STATE;
	memcpy(s->session_id.v, id.p, id.len);
	s->session_id.len = id.len;
	k->strict = rd_bool(in);
	k->peer_ext_info = rd_bool(in);
	TRY(kex_choice_import(&k->now, in));
	if (version >= 3)
		TRY(kex_import(s, in));
	k->rekeys = rd_u32(in);
	age = rd_u64(in);
	k->done_at = age < s->now ? s->now - age : 0;
	TRY(get_dir(s, s->rx, in_dir, in));
	return get_dir(s, s->tx, !in_dir, in);
}

static int get_more(struct ssh *s, struct rd *in, uint32_t version)
{
	struct session_more *m = s->more;
	struct view v;
	int r;

	m->preauth_bytes = rd_u64(in);
	m->bytes_in = rd_u64(in);
	m->bytes_out = rd_u64(in);
	m->packets_in = rd_u64(in);
	m->packets_out = rd_u64(in);
	m->ext_info_seen = rd_u8(in);
	TRY(get_text(in, SIG_ALGS_MAX, s->env.mem, &m->peer_sig_algs));
	if (version > 2)
		TRY(packet_compress_import(s, in));
	else
		packet_compress_none(s);
	v = rd_string(in, s->in.max);
	TRY(buf_append(&s->in, v.p, v.len));
	v = rd_string(in, s->out.max);
	return buf_append(&s->out, v.p, v.len);
}

static int get_upper(struct ssh *s, struct rd *in)
{
	struct rd auth = rd_view(rd_string(in, SIZE_MAX)), mux = rd_view(rd_string(in, SIZE_MAX));
	int r;

	if (rd_done(in) < 0)
		return SSH_E_STATE;
	TRY(s->role == SSH_SERVER ? userauth_server_import(s, &auth) : userauth_client_import(s, &auth));
	TRY(mux_import(s, &mux));
	return rd_done(&auth) < 0 || rd_done(&mux) < 0 ? SSH_E_STATE : SSH_OK;
}

static int get_all(struct ssh *s, struct rd *in, uint32_t version)
{
	const struct mem *mem = s->env.mem;
	int r;

	TRY(get_phase(s, in));
	TRY(get_text(in, SSH_IDENT_MAX, mem, &s->more->version));
	TRY(ident_check_own(s->more->version));
	TRY(get_text(in, SSH_IDENT_MAX, mem, &s->peer_version));
	TRY(get_keys(s, in, version));
	TRY(get_more(s, in, version));
	return get_upper(s, in);
}

int ssh_import(struct ssh **res, const struct ssh_env *env, const struct ssh_policy *policy, struct view state,
    uint64_t now_ms)
{
	struct rd in = rd_view(state);
	uint32_t magic = rd_u32(&in), version = rd_u32(&in);
	uint8_t role = rd_u8(&in);
	struct ssh *s;
	int r;

	*res = NULL;
	if (in.bad || magic != STATE_MAGIC || version < STATE_VERSION_OLDEST || version > STATE_VERSION || role > SSH_CLIENT)
		return SSH_E_STATE;
	TRY(session_alloc(&s, (enum ssh_role)role, env, policy));
	s->now = now_ms;
	s->more->clock_known = 1;
	s->more->started = 1;
	s->more->room_again = 1;
	if ((r = get_all(s, &in, version)) < 0) {
		ssh_free(s);
		/* Whatever a field's reader calls it: the state is at fault, or memory is. */
		return r == SSH_E_NOMEM || r == SSH_E_CRYPTO ? r : SSH_E_STATE;
	}
	*res = s;
	return SSH_OK;
}
