#include <criterion/criterion.h>
#include <gcrypt.h>
#include <sodium.h>

#include "base/buf.h"
#include "base/err.h"
#include "ssh/crypto/crypto.h"
#include "tests/unit/ssh/crypto/claims_keys.h"
#include "tests/unit/ssh/crypto/hex.h"

/*
 * faults - a fault in the computation of a signature: the linker puts our functions before the library's (--wrap), and these
 * spoil the result when told to. Nothing of it may leave privkey_sign(): one wrong RSA-CRT signature gives the key away (Boneh,
 * DeMillo, Lipton 1997), one wrong EdDSA signature, too (Poddebniak and others 2018).
 */

static int spoil;		/* signatures to spoil, from now on */
static unsigned calls;

gcry_error_t __real_gcry_pk_sign(gcry_sexp_t *sig, gcry_sexp_t data, gcry_sexp_t key);
gcry_error_t __wrap_gcry_pk_sign(gcry_sexp_t *sig, gcry_sexp_t data, gcry_sexp_t key);
int __real_crypto_sign_detached(unsigned char *, unsigned long long *, const unsigned char *, unsigned long long, const unsigned char *);
int __wrap_crypto_sign_detached(unsigned char *, unsigned long long *, const unsigned char *, unsigned long long, const unsigned char *);

/* One bit of the last number: of its opaque bytes for EdDSA. */
static gcry_sexp_t spoilt(gcry_sexp_t sig)
{
	size_t n = gcry_sexp_sprint(sig, GCRYSEXP_FMT_CANON, NULL, 0);
	char *text = malloc(n);
	gcry_sexp_t out;

	cr_assert_gt(gcry_sexp_sprint(sig, GCRYSEXP_FMT_CANON, text, n), 0);
	text[n - 5 - 10] ^= 1;		/* "...)))" and a NUL behind it: inside the number */
	cr_assert_eq(gcry_sexp_new(&out, text, n - 1, 0), 0);
	gcry_sexp_release(sig);
	free(text);
	return out;
}

gcry_error_t __wrap_gcry_pk_sign(gcry_sexp_t *sig, gcry_sexp_t data, gcry_sexp_t key)
{
	gcry_error_t e = __real_gcry_pk_sign(sig, data, key);

	calls++;
	if (e == 0 && spoil > 0) {
		spoil--;
		*sig = spoilt(*sig);
	}
	return e;
}

int __wrap_crypto_sign_detached(unsigned char *sig, unsigned long long *len, const unsigned char *m, unsigned long long n, const unsigned char *sk)
{
	int r = __real_crypto_sign_detached(sig, len, m, n, sk);

	calls++;
	if (r == 0 && spoil > 0) {
		spoil--;
		sig[40] ^= 1;
	}
	return r;
}

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(faults, .init = setup);

/* Nobody makes DSA keys: RFC 6979's. */
static struct privkey *dsa_key(void)
{
	struct buf b;
	struct wr w = wr_to(&b);
	struct privkey *k;
	uint8_t v[128];
	struct rd in;

	buf_init(&b, SSH_BLOB_MAX, NULL);
	wr_cstr(&w, "ssh-dss");
	wr_mpint(&w, v, hex(v, claims_dsa_p));
	wr_mpint(&w, v, hex(v, claims_dsa_q));
	wr_mpint(&w, v, hex(v, claims_dsa_g));
	wr_mpint(&w, v, hex(v, claims_dsa_y));
	wr_mpint(&w, v, hex(v, "411602cb19a6ccc34494d79d98ef1e7ed5af25f7"));
	in = rd_of(buf_head(&b), buf_len(&b));
	cr_assert_eq(privkey_read_private(&k, &in), SSH_OK);
	buf_drop(&b);
	return k;
}

Test(faults, no_wrong_signature_leaves, .timeout = 100)
{
	const char *name;
	unsigned rows = 0;

	for (size_t i = 0; (name = alg_name(ALG_SIG, i, NULL)) != NULL; i++, rows++) {
		const struct sig_alg *row = sig_alg_find(view_str(name));
		struct privkey *k = NULL;
		struct buf out;
		struct wr w = wr_to(&out);

		buf_init(&out, SSH_SIG_MAX, NULL);
		if (row->kind == KEY_DSA)
			k = dsa_key();
		else
			cr_assert_eq(privkey_generate(&k, row->kind, row->kind == KEY_RSA ? 2048 : 0), SSH_OK);
		calls = 0;
		for (int round = 0; round < 3; round++) {
			spoil = 1;
			cr_assert_eq(privkey_sign(k, row, view_str("an exchange hash"), &w), SSH_E_CRYPTO, "%s", name);
			cr_assert_eq(spoil, 0, "%s was not signed by the library", name);
			cr_assert_eq(buf_len(&out), 0, "%s: bytes left", name);
		}
		cr_assert_eq(privkey_sign(k, row, view_str("an exchange hash"), &w), SSH_OK, "%s: without a fault", name);
		cr_assert_gt(buf_len(&out), 0);
		cr_assert_eq(calls, 4);
		buf_drop(&out);
		privkey_free(k);
	}
	cr_assert_eq(rows, 9u);
}

/* A key file whose halves do not belong together, or a machine that computes wrongly at start: no key. */
Test(faults, a_key_that_cannot_sign_is_not_loaded)
{
	static const enum key_kind kinds[] = { KEY_ED25519, KEY_ED448, KEY_P256, KEY_P384, KEY_P521, KEY_RSA };

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct privkey *k;

		spoil = 1;
		cr_assert_eq(privkey_generate(&k, kinds[i], kinds[i] == KEY_RSA ? 2048 : 0), SSH_E_BAD_VALUE);
		cr_assert_null(k);
		cr_assert_eq(spoil, 0);
	}
}
