#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/kex.h"
#include "ssh/transport.h"

/*
 * kex_state - a server's open rekey as bytes (state.c). What is in it depends on how far it is: our KEXINIT alone; both, and what they agree
 * on; the group; the secret and what was to be signed; the new key of the direction that waits for its NEWKEYS.
 */

int kex_exportable(const struct ssh *s)
{
	const struct kex *k = s->kex;

	if (k->state == KEX_IDLE)
		return s->wait == WAIT_NOTHING && (s->phase & (P_SERVICE | P_AUTH | P_OPEN));
	return s->role == SSH_SERVER && s->authenticated && s->wait == (k->state == KEX_WAIT_SIGN ? WAIT_SIGN : WAIT_NOTHING);
}

/* ---- what two offers agreed on -------------------------------------------------------------- */

void kex_choice_export(const struct kex_choice *c, struct wr *w)
{
	wr_cstr(w, c->kex->name);
	wr_cstr(w, c->sig->name);
	for (int d = 0; d < 2; d++) {
		wr_cstr(w, c->cipher[d]->name);
		wr_cstr(w, c->mac[d] ? c->mac[d]->name : "");
	}
}

int kex_choice_import(struct kex_choice *c, struct rd *in)
{
	c->kex = kex_alg_find(rd_string(in, SSH_ALG_NAME_MAX));
	c->sig = sig_alg_find(rd_string(in, SSH_ALG_NAME_MAX));
	for (int d = 0; d < 2; d++) {
		struct view mac;

		c->cipher[d] = cipher_alg_find(rd_string(in, SSH_ALG_NAME_MAX));
		mac = rd_string(in, SSH_ALG_NAME_MAX);
		c->mac[d] = mac.len > 0 ? mac_alg_find(mac) : NULL;
		if (c->cipher[d] == NULL || (c->mac[d] == NULL) != (c->cipher[d]->tag_len != 0))
			return SSH_E_STATE;
	}
	return c->kex != NULL && c->sig != NULL ? SSH_OK : SSH_E_STATE;
}

/* ---- out -------------------------------------------------------------------------------------- */

static void put_buf(struct wr *w, const struct buf *b)
{
	wr_string(w, buf_len(b) > 0 ? buf_head(b) : NULL, buf_len(b));
}

int kex_export(const struct ssh *s, struct wr *w)
{
	const struct kex *k = s->kex;
	const struct kex_run *run = k->run;

	wr_u8(w, (uint8_t)k->state);
	if (k->state == KEX_IDLE)
		return wr_done(w);
	wr_u64(w, s->now - k->started_at);
	wr_u64(w, s->now - k->alive_at);
	wr_u64(w, k->moved);
	put_buf(w, &s->held);
	put_buf(w, &run->ours);
	if (k->state == KEX_WAIT_KEXINIT)
		return wr_done(w);
	put_buf(w, &run->theirs);
	wr_bool(w, run->skip_guess);
	kex_choice_export(&k->next, w);
	for (int d = 0; d < 2; d++)		/* what is in use stands with its stream (packet_compress.c) */
		wr_cstr(w, k->next.comp[d]->name);
	put_buf(w, &run->gex);
	if (k->state == KEX_WAIT_SIGN) {
		wr_view(w, kex_shown(run));
		wr_string(w, run->public, run->public_len);
		wr_string(w, run->k.v, run->k.len);
		wr_string(w, run->hash.v, run->hash.len);
	}
	return k->state == KEX_WAIT_NEWKEYS ? cipher_export(run->next_rx, w) : wr_done(w);
}

/* ---- back in ------------------------------------------------------------------------------------ */

static int get_buf(struct buf *b, struct rd *in)
{
	struct view v = rd_string(in, b->max);

	return in->bad ? SSH_E_STATE : buf_append(b, v.p, v.len);
}

/* Whole payloads with a type byte, as msg_end() holds them back. */
static int held_ok(const struct buf *b)
{
	struct rd in = rd_of(buf_len(b) > 0 ? buf_head(b) : NULL, buf_len(b));

	while (rd_left(&in) > 0)
		if (rd_string(&in, SSH_OUTPUT_MAX).len == 0)
			return 0;
	return !in.bad;
}

static int get_bytes(struct rd *in, uint8_t *to, size_t max, size_t *len)
{
	struct view v = rd_string(in, max);

	if (in->bad || v.len == 0)
		return SSH_E_STATE;
	memcpy(to, v.p, v.len);
	*len = v.len;
	return SSH_OK;
}

/* Both payloads are only hashed again; what they agreed on stands by itself. */
static int get_agreed(struct ssh *s, struct rd *in)
{
	struct kex *k = s->kex;
	struct kex_run *run = k->run;
	int gex, r;

	TRY(get_buf(&run->theirs, in));
	run->skip_guess = rd_bool(in);
	TRY(kex_choice_import(&k->next, in));
	for (int d = 0; d < 2; d++)
		if ((k->next.comp[d] = comp_alg_find(rd_string(in, SSH_ALG_NAME_MAX))) == NULL)
			return SSH_E_STATE;
	TRY(get_buf(&run->gex, in));
	gex = k->next.kex->kem == KEM_DH_GEX;
	if ((k->state == KEX_WAIT_INIT && gex) || ((k->state == KEX_WAIT_GEX_REQUEST || k->state == KEX_WAIT_GEX_INIT) && !gex))
		return SSH_E_STATE;
	if (gex && k->state != KEX_WAIT_GEX_REQUEST)
		return kex_gex_restore(run);
	return buf_len(&run->gex) == 0 ? SSH_OK : SSH_E_STATE;
}

static int get_signing(struct ssh *s, struct rd *in)
{
	struct kex_run *run = s->kex->run;
	int r;

	TRY(get_buf(&run->shown, in));
	TRY(get_bytes(in, run->public, sizeof run->public, &run->public_len));
	TRY(get_bytes(in, run->k.v, sizeof run->k.v, &run->k.len));
	TRY(get_bytes(in, run->hash.v, sizeof run->hash.v, &run->hash.len));
	if (buf_len(&run->shown) == 0 || run->hash.len != hash_len(s->kex->next.kex->hash))
		return SSH_E_STATE;
	s->wait = WAIT_SIGN;
	return SSH_OK;
}

static int get_new_key(struct ssh *s, struct rd *in)
{
	struct kex *k = s->kex;
	int r;

	TRY(cipher_import(&k->run->next_rx, in, s->env.mem));
	return cipher_fits(k->run->next_rx, k->next.cipher[0], k->next.mac[0], 0) && buf_len(&s->held) == 0 ? SSH_OK : SSH_E_STATE;
}

int kex_import(struct ssh *s, struct rd *in)
{
	struct kex *k = s->kex;
	uint8_t state = rd_u8(in);
	uint64_t started, alive;
	int r;

	if (state == KEX_IDLE)
		return s->phase != P_REKEY ? SSH_OK : SSH_E_STATE;
	if (state >= KEX_MAX || s->role != SSH_SERVER || !s->authenticated || (s->phase == P_REKEY) != (state != KEX_WAIT_KEXINIT))
		return SSH_E_STATE;
	if (state != KEX_WAIT_KEXINIT && state != KEX_WAIT_GEX_REQUEST && state != KEX_WAIT_GEX_INIT && state != KEX_WAIT_INIT &&
	    state != KEX_WAIT_SIGN && state != KEX_WAIT_NEWKEYS)
		return SSH_E_STATE;
	TRY(kex_run_new(s));
	k->state = (enum kex_state)state;
	k->tx_closed = state != KEX_WAIT_NEWKEYS;
	started = rd_u64(in);
	alive = rd_u64(in);
	k->started_at = started < s->now ? s->now - started : 0;
	k->alive_at = alive < s->now ? s->now - alive : 0;
	k->moved = rd_u64(in);
	TRY(get_buf(&s->held, in));
	if (!held_ok(&s->held))
		return SSH_E_STATE;
	TRY(get_buf(&k->run->ours, in));
	if (state != KEX_WAIT_KEXINIT)
		TRY(get_agreed(s, in));
	if (state == KEX_WAIT_SIGN)
		return get_signing(s, in);
	return state == KEX_WAIT_NEWKEYS ? get_new_key(s, in) : SSH_OK;
}
