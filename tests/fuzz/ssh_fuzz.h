#ifndef TESTS_FUZZ_SSH_FUZZ_H
#define TESTS_FUZZ_SSH_FUZZ_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/packet.h"
#include "ssh/session.h"

/* ssh_fuzz - what the targets of the protocol core share: fixed randomness, one host key, canned answers. */

/* RFC 8032 7.1, test 1: a key pair that everybody knows. */
static const uint8_t fuzz_seed[32] = {
	0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
	0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60 };
static const uint8_t fuzz_public[32] = {
	0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
	0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a };

static struct privkey *fuzz_key;
static const char *fuzz_compression;	/* NULL: what the defaults agree on, none */

/* Whatever the target promises and does not keep is a crash. */
#define FUZZ_MUST(x) do { if (!(x)) abort(); } while (0)

static inline void fuzz_init(void)
{
	struct buf b;
	struct wr w;
	struct rd in;
	uint8_t both[64];

	if (fuzz_key != NULL)
		return;
	FUZZ_MUST(crypto_init() == SSH_OK);
	memcpy(both, fuzz_seed, 32);
	memcpy(both + 32, fuzz_public, 32);
	buf_init(&b, 4096, NULL);
	w = wr_to(&b);
	wr_cstr(&w, "ssh-ed25519");
	wr_string(&w, fuzz_public, 32);
	wr_string(&w, both, 64);
	FUZZ_MUST(wr_done(&w) == SSH_OK);
	in = rd_of(buf_head(&b), buf_len(&b));
	FUZZ_MUST(privkey_read_private(&fuzz_key, &in) == SSH_OK);
	buf_drop(&b);
}

/* splitmix64, a byte at a time */
static inline void fuzz_random(void *ctx, uint8_t *p, size_t n)
{
	uint64_t *state = ctx;

	for (size_t i = 0; i < n; i++) {
		uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		p[i] = (uint8_t)(z >> 56);
	}
}

/* Counts blocks, so that a leak shows even without a sanitizer. */
static inline void *fuzz_counted(void *ctx, void *p, size_t n)
{
	long *live = ctx;

	if (n == 0) {
		*live -= p != NULL;
		free(p);
		return NULL;
	}
	*live += p == NULL;
	return realloc(p, n);
}

struct fuzz_side {
	struct ssh *ssh;
	uint64_t rng;
	long live;
	struct mem mem;
	struct ssh_env env;
	struct ssh_policy policy;
	uint32_t events;	/* a sum over all that were raised */
	unsigned count;
};

static inline void fuzz_side_init(struct fuzz_side *f, enum ssh_role role)
{
	fuzz_init();
	memset(f, 0, sizeof *f);
	f->rng = (uint64_t)role + 1;
	f->mem = (struct mem){ fuzz_counted, &f->live };
	f->env = (struct ssh_env){ .random = fuzz_random, .ctx = &f->rng, .mem = &f->mem };
	ssh_policy_defaults(&f->policy);
	if (fuzz_compression != NULL)
		f->policy.comps[0] = f->policy.comps[1] = fuzz_compression;
}

static inline void fuzz_side_keys(struct fuzz_side *f)
{
	FUZZ_MUST(ssh_add_hostkey(f->ssh, 0, privkey_blob(fuzz_key)) == SSH_OK);
}

/* With the policy that it has by now. */
static inline void fuzz_side_begin(struct fuzz_side *f, enum ssh_role role)
{
	FUZZ_MUST(ssh_new(&f->ssh, role, &f->env, &f->policy) == SSH_OK);
	FUZZ_MUST(ssh_tick(f->ssh, 1) == SSH_OK);
	if (role == SSH_SERVER)
		fuzz_side_keys(f);
}

static inline void fuzz_side_new(struct fuzz_side *f, enum ssh_role role)
{
	fuzz_side_init(f, role);
	fuzz_side_begin(f, role);
}

static inline void fuzz_side_free(struct fuzz_side *f)
{
	ssh_free(f->ssh);
	f->ssh = NULL;
	FUZZ_MUST(f->live == 0);
}

static inline void fuzz_sign(struct fuzz_side *f, const struct ssh_event *e)
{
	struct buf b;
	struct wr w;

	buf_init(&b, SSH_SIG_MAX, NULL);
	w = wr_to(&b);
	FUZZ_MUST(privkey_sign(fuzz_key, sig_alg_find(e->alg), e->data, &w) == SSH_OK);
	ssh_answer_sign(f->ssh, 0, view_of(buf_head(&b), buf_len(&b)));
	buf_drop(&b);
}

static inline void fuzz_answer_login(struct fuzz_side *f, const struct ssh_event *e)
{
	static const struct ssh_prompt ask[] = { { "Password: ", 0 } };
	struct view answer = view_str("secret");

	if (e->type == SSH_EV_AUTH_NONE)
		ssh_answer_auth(f->ssh, view_is(e->user, "ada") ? SSH_AUTH_YES : SSH_AUTH_NO, "publickey,password", 1);
	else if (e->type == SSH_EV_AUTH_KEY_QUERY)
		ssh_answer_auth(f->ssh, SSH_AUTH_KEY_OK, NULL, 0);
	else if (e->type == SSH_EV_AUTH_INTERACTIVE)
		ssh_answer_prompt(f->ssh, "", "", ask, 1);
	else if (e->type == SSH_EV_AUTH_PASSWORD || e->type == SSH_EV_AUTH_KEY || e->type == SSH_EV_AUTH_REPLY)
		ssh_answer_auth(f->ssh, SSH_AUTH_NO, "publickey,password,keyboard-interactive", 1);
	else if (e->type == SSH_EV_AUTH_READY)
		ssh_auth_none(f->ssh, "ada");
	else if (e->type == SSH_EV_AUTH_FAILURE)
		ssh_auth_interactive(f->ssh, "ada");
	else if (e->type == SSH_EV_AUTH_PROMPT)
		ssh_auth_reply(f->ssh, &answer, 1);
}

static inline void fuzz_answer_chan(struct fuzz_side *f, const struct ssh_event *e)
{
	uint32_t chan;

	if (e->type == SSH_EV_CHAN_OPEN && (e->ctype.len & 1))
		ssh_chan_accept(f->ssh, e->chan);
	else if (e->type == SSH_EV_CHAN_OPEN)
		ssh_chan_refuse(f->ssh, e->chan, 3, "no");
	else if (e->type == SSH_EV_CHAN_DATA)
		ssh_chan_consumed(f->ssh, e->chan, e->data.len);
	else if (e->type == SSH_EV_CHAN_REQUEST && e->want_reply)
		ssh_chan_reply(f->ssh, e->chan, e->req.type != SSH_REQ_OTHER);
	else if (e->type == SSH_EV_GLOBAL_REQUEST && e->want_reply)
		ssh_global_reply(f->ssh, 0, view_of(NULL, 0));
	else if (e->type == SSH_EV_CHAN_EOF)
		ssh_chan_close(f->ssh, e->chan);
	else if (e->type == SSH_EV_CHAN_OPENED)
		ssh_chan_write(f->ssh, e->chan, 0, fuzz_seed, sizeof fuzz_seed);
	else if (e->type == SSH_EV_OPEN && f->ssh->role == SSH_CLIENT)
		ssh_chan_open(f->ssh, "session", view_of(NULL, 0), &chan);
}

/* Reads every byte an event points to, so that a wild view is a crash. */
static inline void fuzz_look(struct fuzz_side *f, const struct ssh_event *e)
{
	const struct view views[] = { e->user, e->service, e->alg, e->text, e->data, e->data2, e->data3, e->ctype,
	    e->req.name, e->req.value, e->req.term, e->req.modes };

	f->events = f->events * 31 + (uint32_t)e->type;
	for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
		for (size_t k = 0; k < views[i].len; k++)
			f->events = f->events * 31 + views[i].p[k];
	f->count++;
}

static inline void fuzz_answer(struct fuzz_side *f, const struct ssh_event *e)
{
	if (e->type == SSH_EV_NEED_SIGN)
		fuzz_sign(f, e);
	else if (e->type == SSH_EV_NEED_HOSTKEY_OK)
		ssh_answer_hostkey(f->ssh, 1);
	else if (e->type >= SSH_EV_AUTH_NONE && e->type <= SSH_EV_AUTH_PROMPT)
		fuzz_answer_login(f, e);
	else
		fuzz_answer_chan(f, e);
}

static inline void fuzz_drain(struct fuzz_side *f)
{
	struct ssh_event e;

	while (ssh_next(f->ssh, &e)) {
		fuzz_look(f, &e);
		fuzz_answer(f, &e);
	}
	FUZZ_MUST(ssh_error(f->ssh) != SSH_E_BUG && ssh_error(f->ssh) != SSH_E_NOMEM);
}

/* Hands over what from has to say; 1 when there was something. */
static inline int fuzz_move(struct fuzz_side *from, struct fuzz_side *to)
{
	size_t n;
	const uint8_t *out = ssh_output(from->ssh, &n);

	if (n == 0)
		return 0;
	if (to != NULL)
		(void)ssh_input(to->ssh, out, n, 1);
	ssh_sent(from->ssh, n);
	return 1;
}

static inline void fuzz_run(struct fuzz_side *a, struct fuzz_side *b)
{
	do {
		fuzz_drain(a);
		fuzz_drain(b);
	} while (fuzz_move(a, b) | fuzz_move(b, a));
}

/* ---- targets that feed raw bytes: the first byte of a piece says how long it is ---- */

static inline int fuzz_raw(enum ssh_role role, const uint8_t *d, size_t n)
{
	struct fuzz_side f;

	fuzz_side_new(&f, role);
	fuzz_drain(&f);
	while (n > 0 && ssh_error(f.ssh) == SSH_OK) {
		size_t k = n;

		if (d[n - 1] & 1)		/* the last byte chooses: at once, or in pieces */
			k = 1 + (size_t)d[n - 1] % 61 < n ? 1 + (size_t)d[n - 1] % 61 : n;
		(void)ssh_input(f.ssh, d, k, 1);
		fuzz_drain(&f);
		d += k, n -= k;
	}
	(void)ssh_tick(f.ssh, 100000);
	fuzz_side_free(&f);
	return 0;
}

/* ---- targets that inject payloads behind the crypto ---- */

/* The peer of the side under test, and a saved state of each for the phases that have keys; NULL: the default cipher and MAC. */
static inline void fuzz_saved_with(struct buf state[2], enum ssh_phase phase, const char *cipher, const char *mac)
{
	struct fuzz_side f[2];

	for (int i = 0; i < 2; i++) {
		fuzz_side_init(&f[i], (enum ssh_role)i);
		for (int d = 0; d < 2 && cipher != NULL; d++) {
			f[i].policy.ciphers[d] = cipher;
			f[i].policy.macs[d] = mac;
		}
		fuzz_side_begin(&f[i], (enum ssh_role)i);
	}
	while (f[SSH_SERVER].ssh->phase != phase || f[SSH_CLIENT].ssh->phase != phase) {
		for (int i = 0; i < 2; i++) {
			struct ssh_event e;

			while (f[i].ssh->phase != phase && ssh_next(f[i].ssh, &e)) {
				if (e.type == SSH_EV_NEED_SIGN)
					fuzz_sign(&f[i], &e);
				else if (e.type == SSH_EV_NEED_HOSTKEY_OK)
					ssh_answer_hostkey(f[i].ssh, 1);
				else if (phase == P_OPEN)
					fuzz_answer_login(&f[i], &e);
			}
			fuzz_move(&f[i], &f[!i]);
		}
	}
	for (int i = 0; i < 2; i++) {
		struct ssh_event e;

		/* What is raised but not yet told is nothing anybody waits for. */
		while (f[i].ssh->event_count > 0)
			ssh_next(f[i].ssh, &e);
		buf_init(&state[i], 1 << 20, NULL);
		FUZZ_MUST(ssh_export(f[i].ssh, &state[i]) == SSH_OK);
		fuzz_side_free(&f[i]);
	}
}

static inline void fuzz_saved(struct buf state[2], enum ssh_phase phase)
{
	fuzz_saved_with(state, phase, NULL, NULL);
}

static inline void fuzz_restored(struct fuzz_side *f, enum ssh_role role, enum ssh_phase phase)
{
	static struct buf auth[2], open[2];
	struct buf *state = phase == P_AUTH ? auth : open;

	fuzz_init();
	if (buf_len(&state[0]) == 0)
		fuzz_saved(state, phase);
	fuzz_side_init(f, role);
	FUZZ_MUST(ssh_import(&f->ssh, &f->env, &f->policy, view_of(buf_head(&state[role]), buf_len(&state[role])), 1) == SSH_OK);
	if (role == SSH_SERVER)
		fuzz_side_keys(f);
}

/* Before keys: a packet as it stands. */
static inline void fuzz_clear_packet(struct fuzz_side *f, const uint8_t *p, size_t n)
{
	uint8_t packet[4096 + 32] = { 0 };
	size_t pad = 8 - (5 + n) % 8;

	if (pad < 4)
		pad += 8;
	put_u32(packet, (uint32_t)(1 + n + pad));
	packet[4] = (uint8_t)pad;
	memcpy(packet + 5, p, n);
	(void)ssh_input(f->ssh, packet, 5 + n + pad, 1);
}

/*
 * Input: a phase byte, then pieces of uint16 length and payload. Lengths above 4096 are taken modulo;
 * a piece of length 0 lets the peer's own answers through.
 */
static inline int fuzz_payloads(enum ssh_role role, const uint8_t *d, size_t n)
{
	struct fuzz_side f, peer;
	int kind;

	if (n == 0)
		return 0;
	kind = d[0] % 4;		/* first exchange, login, open, rekey */
	d++, n--;
	if (kind == 0) {
		fuzz_side_new(&f, role);
		fuzz_side_new(&peer, role == SSH_SERVER ? SSH_CLIENT : SSH_SERVER);
		(void)ssh_input(f.ssh, (const uint8_t *)"SSH-2.0-x\r\n", 11, 1);
	} else {
		fuzz_restored(&f, role, kind == 1 ? P_AUTH : P_OPEN);
		fuzz_restored(&peer, role == SSH_SERVER ? SSH_CLIENT : SSH_SERVER, kind == 1 ? P_AUTH : P_OPEN);
	}
	if (kind == 3)
		FUZZ_MUST(ssh_rekey(peer.ssh) == SSH_OK);
	while (n >= 2 && ssh_error(f.ssh) == SSH_OK && ssh_error(peer.ssh) == SSH_OK) {
		size_t k = ((size_t)d[0] << 8 | d[1]) % 4097;

		d += 2, n -= 2;
		if (k > n)
			k = n;
		if (k == 0 && kind != 0)
			fuzz_run(&f, &peer);
		else if (k > 0 && kind == 0)
			fuzz_clear_packet(&f, d, k);
		else if (k > 0)
			FUZZ_MUST(packet_send(peer.ssh, view_of(d, k)) == SSH_OK);
		if (kind != 0)
			fuzz_move(&peer, &f);
		fuzz_drain(&f);
		d += k, n -= k;
	}
	(void)ssh_tick(f.ssh, 100000);
	fuzz_side_free(&f);
	fuzz_side_free(&peer);
	return 0;
}

#endif
