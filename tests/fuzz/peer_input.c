/*
 * peer_input - every value of a peer that reaches a crypto library. The first byte picks the door:
 * parse a public key, verify a signature under each row, answer and finish a key exchange,
 * read a private key, import a cipher. Nothing may crash or abort, and no forged signature may pass.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void fixed(void *ctx, uint8_t *p, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 5 + 1);
}

/* string blob, then a signature: nobody signed this input over itself. */
static void verify(struct view in)
{
	struct rd r = rd_view(in);
	struct view blob = rd_string(&r, SSH_BLOB_MAX), sig = rd_rest(&r);
	struct pubkey *k;
	const char *name;

	if (r.bad || pubkey_parse(&k, blob, NULL) < 0)
		return;
	for (size_t i = 0; (name = alg_name(ALG_SIG, i, NULL)) != NULL; i++)
		if (pubkey_verify(k, sig_alg_find(view_str(name)), in, sig) != VERIFY_REJECT)
			abort();
	pubkey_free(k);
}

static void parse(struct view in)
{
	struct pubkey *k;
	char print[64];

	if (pubkey_parse(&k, in, NULL) == SSH_OK && (pubkey_bits(k) < 256 || pubkey_bits(k) > 16384))
		abort();
	key_fingerprint(in, print);
	pubkey_free(k);
}

/* A group of the peer's, where there is one: string p, string g. */
static int group_of(enum kem_id kem, struct view *in, struct dh_group *group)
{
	struct rd r = rd_view(*in);

	if (kem != KEM_DH_GEX)
		return 1;
	group->p = rd_string(&r, SSH_KEX_PUBLIC_MAX);
	group->g = rd_string(&r, SSH_KEX_PUBLIC_MAX);
	*in = rd_rest(&r);
	return !r.bad && dh_group_check(group, 0, UINT32_MAX) == SSH_OK;
}

/* What comes out is one mpint or string, and never nothing. */
static void look(const struct kem_shared *k)
{
	struct rd r = rd_of(k->v, k->len);

	if (rd_string(&r, SSH_KEX_SHARED_MAX).len == 0 || rd_done(&r) < 0)
		abort();
}

/* The first byte picks the exchange. */
static void respond(struct view in)
{
	enum kem_id kem = (enum kem_id)(in.len > 0 ? in.p[0] % KEM_MAX : 0);
	struct view peer = in.len > 0 ? view_of(in.p + 1, in.len - 1) : in;
	uint8_t pub[SSH_KEX_PUBLIC_MAX];
	struct dh_group group;
	struct kem_shared k;
	size_t n;

	if (group_of(kem, &peer, &group) && kem_respond(kem, &group, fixed, NULL, peer, pub, &n, &k) == SSH_OK)
		look(&k);
}

static void finish(struct view in)
{
	enum kem_id kem = (enum kem_id)(in.len > 0 ? in.p[0] % KEM_MAX : 0);
	struct view peer = in.len > 0 ? view_of(in.p + 1, in.len - 1) : in;
	uint8_t pub[SSH_KEX_PUBLIC_MAX];
	struct dh_group group;
	struct kem_secret s;
	struct kem_shared k;
	size_t n;

	if (!group_of(kem, &peer, &group) || kem_start(kem, &group, fixed, NULL, &s, pub, &n) < 0)
		return;
	if (kem_finish(&s, peer, &k) == SSH_OK)
		look(&k);
}

static void private_key(struct view in)
{
	struct rd r = rd_view(in);
	struct privkey *k;

	if (privkey_read_private(&k, &r) == SSH_OK)
		parse(privkey_blob(k));
	privkey_free(k);
}

static void import(struct view in)
{
	struct rd r = rd_view(in);
	struct cipher *c;
	uint8_t pkt[4 + 64 + 64] = { 0, 0, 0, 60 };
	uint32_t length;

	if (cipher_import(&c, &r, NULL) < 0)
		return;
	if (cipher_seal(c, 1, pkt, pkt, 64) == SSH_E_BUG && cipher_length(c, 1, pkt, &length) == SSH_OK)
		(void)cipher_open(c, 1, pkt, pkt, cipher_length_apart(c) ? 68 : 64);
	cipher_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const doors[])(struct view) = { parse, verify, respond, finish, private_key, import };
	static int ready;

	if (!ready && crypto_init() < 0)
		abort();
	ready = 1;
	if (n > 0)
		doors[data[0] % (sizeof doors / sizeof doors[0])](view_of(data + 1, n - 1));
	return 0;
}
