#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "ssh/crypto/crypto.h"
#include "ssh/crypto/filecrypt.h"
#include "ssh/der.h"
#include "ssh/keyfile_internal.h"

/*
 * keyfile_pem - private keys as OpenSSL, PuTTY and old ssh-keygens write them. Each is rewritten as the private part of
 * OpenSSH's format, so that privkey_read_private() is the one place that checks a key.
 */

#define NUMBER_MAX 2048u		/* RSA 16384 */

struct reader { const struct pem *pem; const struct keyfile_secret *secret; struct keyfile_fault *fault; };

static int fail(const struct reader *r, int error, const char *why)
{
	return keyfile_fail(r->fault, error, r->pem->line, why);
}

/* ---- names of DER ---- */

#define OID(...) { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }

static const struct view oid_rsa = OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1);	/* RFC 8017 A.1 */
static const struct view oid_dsa = OID(0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1);		/* RFC 3279 2.3.2 */
static const struct view oid_ec = OID(0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1);		/* RFC 5480 2.1.1 */
static const struct view oid_pbes2 = OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13);	/* RFC 8018 A.4 */
static const struct view oid_pbkdf2 = OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12);
static const struct view oid_scrypt = OID(0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11);		/* RFC 7914 7 */

static const struct { struct view oid; enum key_kind kind; } kinds[] = {
	{ OID(0x2b, 0x65, 0x70), KEY_ED25519 },					/* RFC 8410 3 */
	{ OID(0x2b, 0x65, 0x71), KEY_ED448 },
	{ OID(0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7), KEY_P256 },		/* RFC 5480 2.1.1.1 */
	{ OID(0x2b, 0x81, 4, 0, 0x22), KEY_P384 },
	{ OID(0x2b, 0x81, 4, 0, 0x23), KEY_P521 },
};

static const struct { struct view oid; enum hash_id hash; } prfs[] = {		/* RFC 8018 B.1 */
	{ OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 7), HASH_SHA1 },
	{ OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9), HASH_SHA256 },
	{ OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 10), HASH_SHA384 },
	{ OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 11), HASH_SHA512 },
};

static const struct { struct view oid; const char *dek, *name; } ciphers[] = {	/* RFC 8018 B.2, RFC 3565 */
	{ OID(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x02), "AES-128-CBC", "aes128-cbc" },
	{ OID(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x16), "AES-192-CBC", "aes192-cbc" },
	{ OID(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a), "AES-256-CBC", "aes256-cbc" },
	{ OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7), "DES-EDE3-CBC", "3des-cbc" },
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static enum key_kind kind_of(struct view oid)
{
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (view_same(oid, kinds[i].oid))
			return kinds[i].kind;
	return KEY_NONE;
}

/* ---- the formats, each into the private part of OpenSSH's ---- */

static void put(struct wr *w, struct view v)
{
	wr_mpint(w, v.p, v.len);
}

/* RFC 8017 A.1.2 */
static int put_rsa(struct wr *w, struct view der)
{
	struct rd in = rd_view(der), seq = der_open(&in, DER_SEQUENCE);
	struct view v[8];
	uint64_t version = der_small(&seq);

	for (size_t i = 0; i < COUNT(v); i++)		/* n e d p q dp dq iqmp */
		v[i] = der_number(&seq, NUMBER_MAX);
	if (rd_done(&seq) < 0 || rd_done(&in) < 0 || version != 0)
		return SSH_E_FORMAT;
	wr_cstr(w, "ssh-rsa");
	put(w, v[0]), put(w, v[1]), put(w, v[2]), put(w, v[7]), put(w, v[3]), put(w, v[4]);
	return wr_done(w);
}

/* OpenSSL's own: version, p, q, g, y, x */
static int put_dsa(struct wr *w, struct view der)
{
	struct rd in = rd_view(der), seq = der_open(&in, DER_SEQUENCE);
	uint64_t version = der_small(&seq);
	struct view v[5];

	for (size_t i = 0; i < COUNT(v); i++)
		v[i] = der_number(&seq, NUMBER_MAX);
	if (rd_done(&seq) < 0 || rd_done(&in) < 0 || version != 0)
		return SSH_E_FORMAT;
	wr_cstr(w, "ssh-dss");
	for (size_t i = 0; i < COUNT(v); i++)
		put(w, v[i]);
	return wr_done(w);
}

/* RFC 5915 3; the curve stands in it, or around it in PKCS #8. The public key is not needed: it is computed. */
static int put_ec(struct wr *w, enum key_kind kind, struct view der)
{
	struct rd in = rd_view(der), seq = der_open(&in, DER_SEQUENCE), inner;
	uint64_t version = der_small(&seq);
	struct view d = der_get(&seq, DER_OCTETS);
	enum key_kind named = kind;

	if (der_peek(&seq) == DER_CONTEXT_OF(0)) {
		inner = der_open(&seq, DER_CONTEXT_OF(0));
		named = kind_of(der_get(&inner, DER_OID));
		if (rd_done(&inner) < 0)
			return SSH_E_FORMAT;
	}
	if (der_peek(&seq) == DER_CONTEXT_OF(1)) {
		inner = der_open(&seq, DER_CONTEXT_OF(1));
		der_bits(&inner);
		if (rd_done(&inner) < 0)
			return SSH_E_FORMAT;
	}
	if (rd_done(&seq) < 0 || rd_done(&in) < 0 || version != 1)
		return SSH_E_FORMAT;
	if (kind != KEY_NONE && named != kind)
		return SSH_E_BAD_VALUE;
	if (named != KEY_P256 && named != KEY_P384 && named != KEY_P521)
		return SSH_E_UNKNOWN_KEY;
	return privkey_complete(named, d, w);
}

/* RFC 8410 7: the seed, wrapped once more */
static int put_eddsa(struct wr *w, enum key_kind kind, struct view der)
{
	struct rd in = rd_view(der);
	struct view seed = der_get(&in, DER_OCTETS);
	int r;

	TRY(rd_done(&in));
	return privkey_complete(kind, seed, w);
}

/* p, q and g are the algorithm's parameters, x the key. */
static int put_dsa_of(struct wr *w, struct rd *params, struct view der)
{
	struct rd in = rd_view(der), seq = der_open(params, DER_SEQUENCE);
	struct view v[4];
	struct buf b;
	struct wr numbers = wr_to(&b);
	int r;

	for (size_t i = 0; i < 3; i++)
		v[i] = der_number(&seq, NUMBER_MAX);
	v[3] = der_number(&in, NUMBER_MAX);
	if (rd_done(&seq) < 0 || rd_done(&in) < 0)
		return SSH_E_FORMAT;
	buf_init(&b, SSH_BLOB_MAX, NULL);
	for (size_t i = 0; i < COUNT(v); i++)
		put(&numbers, v[i]);
	if ((r = wr_done(&numbers)) == SSH_OK)
		r = privkey_complete(KEY_DSA, view_of(buf_head(&b), buf_len(&b)), w);
	buf_drop(&b);
	return r;
}

/* RFC 5208 5, RFC 5958 2 */
static int put_pkcs8(struct wr *w, struct view der)
{
	struct rd in = rd_view(der), seq = der_open(&in, DER_SEQUENCE), alg;
	uint64_t version = der_small(&seq);
	struct view oid, key;

	alg = der_open(&seq, DER_SEQUENCE);
	oid = der_get(&alg, DER_OID);
	key = der_get(&seq, DER_OCTETS);
	if (der_peek(&seq) == DER_CONTEXT_OF(0))	/* attributes */
		der_get(&seq, DER_CONTEXT_OF(0));
	if (der_peek(&seq) == DER_CONTEXT(1))		/* the public key */
		der_get(&seq, DER_CONTEXT(1));
	if (rd_done(&seq) < 0 || rd_done(&in) < 0 || alg.bad || version > 1)
		return SSH_E_FORMAT;
	if (view_same(oid, oid_rsa))
		return put_rsa(w, key);
	if (view_same(oid, oid_dsa))
		return put_dsa_of(w, &alg, key);
	if (view_same(oid, oid_ec)) {
		enum key_kind kind = kind_of(der_get(&alg, DER_OID));

		return kind == KEY_NONE ? SSH_E_UNKNOWN_KEY : put_ec(w, kind, key);
	}
	if (kind_of(oid) == KEY_ED25519 || kind_of(oid) == KEY_ED448)
		return put_eddsa(w, kind_of(oid), key);
	return SSH_E_UNKNOWN_KEY;
}

static int read_plain(struct privkey **res, struct reader *r, struct view label, struct view der)
{
	struct buf b;
	struct wr w = wr_to(&b);
	struct rd in;
	int e;

	buf_init(&b, SSH_BLOB_MAX, NULL);
	if (view_is(label, "RSA PRIVATE KEY"))
		e = put_rsa(&w, der);
	else if (view_is(label, "EC PRIVATE KEY"))
		e = put_ec(&w, KEY_NONE, der);
	else if (view_is(label, "DSA PRIVATE KEY"))
		e = put_dsa(&w, der);
	else if (view_is(label, "PRIVATE KEY"))
		e = put_pkcs8(&w, der);
	else
		e = fail(r, SSH_E_KEYFILE, "this is no private key");
	if (e == SSH_OK) {
		in = rd_of(buf_head(&b), buf_len(&b));
		e = privkey_read_private(res, &in);
	}
	buf_drop(&b);
	return e;
}

/* ---- encrypted ---- */

/* Takes the padding off (RFC 8018 6.1.1); a wrong passphrase leaves nonsense there. */
static int unpad(struct view *v, size_t block)
{
	size_t pad = v->len > 0 ? v->p[v->len - 1] : 0;

	if (pad == 0 || pad > block || pad > v->len)
		return SSH_E_MAC;
	for (size_t i = 0; i < pad; i++)
		if (v->p[v->len - 1 - i] != pad)
			return SSH_E_MAC;
	v->len -= pad;
	return SSH_OK;
}

static int decrypted(struct privkey **res, struct reader *r, const struct filecrypt *how, struct view label, struct view in)
{
	size_t tag_len, block = filecrypt_block(how->cipher, &tag_len);
	struct view plain;
	struct buf b;
	uint8_t *to;
	int e;

	if (r->secret == NULL || r->secret->passphrase.len == 0)
		return fail(r, SSH_E_PASSPHRASE, "it needs a passphrase");
	buf_init(&b, KEYFILE_MAX, NULL);
	if ((to = buf_reserve(&b, in.len)) == NULL)
		return SSH_E_NOMEM;
	buf_commit(&b, in.len);
	plain = view_of(to, in.len);
	e = filecrypt_open(how, r->secret->passphrase, r->secret->effort, in, view_of(NULL, 0), to);
	if (e == SSH_E_LIMIT)
		e = fail(r, SSH_E_KEYFILE, "it asks for more work from a passphrase than we are willing to do");
	else if (e == SSH_E_BAD_VALUE)
		e = fail(r, SSH_E_KEYFILE, "the numbers of its encryption are nonsense");
	else if (e == SSH_OK && (unpad(&plain, block) < 0 || ((e = read_plain(res, r, label, plain)) == SSH_E_FORMAT)))
		e = fail(r, SSH_E_PASSPHRASE, "wrong passphrase");
	buf_drop(&b);
	return e;
}

/* "AES-128-CBC,0123…" */
static int read_dek(struct privkey **res, struct reader *r, struct view body)
{
	struct filecrypt how = { .kdf = FILE_KDF_MD5 };
	const uint8_t *comma = memchr(r->pem->dek.p, ',', r->pem->dek.len);
	struct view name = view_of(r->pem->dek.p, comma != NULL ? (size_t)(comma - r->pem->dek.p) : 0), hex;
	uint8_t iv[16];

	for (size_t i = 0; i < COUNT(ciphers); i++)
		if (view_is(name, ciphers[i].dek))
			how.cipher = view_str(ciphers[i].name);
	if (how.cipher.len == 0)
		return fail(r, SSH_E_PASSPHRASE, "it is encrypted with a cipher that we do not have");
	hex = view_of(comma + 1, r->pem->dek.len - name.len - 1);
	for (size_t i = 0; i < hex.len; i++) {
		int c = hex.p[i], d = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

		if (d < 0 || i >= 2 * sizeof iv)
			return fail(r, SSH_E_KEYFILE, "the DEK-Info line is damaged");
		iv[i / 2] = (uint8_t)(i % 2 == 0 ? d << 4 : iv[i / 2] | d);
	}
	how.iv = view_of(iv, hex.len / 2);
	return decrypted(res, r, &how, r->pem->label, body);
}

static int take_pbkdf2(struct filecrypt *how, struct rd params)
{
	struct rd prf;
	struct view oid;

	how->kdf = FILE_KDF_PBKDF2;
	how->hash = HASH_SHA1;		/* RFC 8018 A.2: the default */
	how->salt = der_get(&params, DER_OCTETS);
	how->rounds = der_small(&params);
	if (der_peek(&params) == DER_INTEGER)
		der_small(&params);
	if (der_peek(&params) == DER_SEQUENCE) {
		prf = der_open(&params, DER_SEQUENCE);
		oid = der_get(&prf, DER_OID);
		how->hash = HASH_NONE;
		for (size_t i = 0; i < COUNT(prfs); i++)
			if (view_same(oid, prfs[i].oid))
				how->hash = prfs[i].hash;
	}
	return rd_done(&params);
}

static int take_scrypt(struct filecrypt *how, struct rd params)
{
	how->kdf = FILE_KDF_SCRYPT;
	how->salt = der_get(&params, DER_OCTETS);
	how->rounds = der_small(&params);
	how->r = der_small(&params);
	how->p = der_small(&params);
	if (der_peek(&params) == DER_INTEGER)
		der_small(&params);
	return rd_done(&params);
}

/* RFC 8018 A.4 around RFC 5208 6 */
static int read_pbes2(struct privkey **res, struct reader *r, struct view body)
{
	struct filecrypt how = { .hash = HASH_SHA1 };
	struct rd in = rd_view(body), seq = der_open(&in, DER_SEQUENCE), alg = der_open(&seq, DER_SEQUENCE), both, kdf, enc, params;
	struct view sealed = der_get(&seq, DER_OCTETS), oid;
	int e;

	if (rd_done(&seq) < 0 || rd_done(&in) < 0)
		return SSH_E_FORMAT;
	if (!view_same(der_get(&alg, DER_OID), oid_pbes2))
		return fail(r, SSH_E_PASSPHRASE, "it is encrypted in another way than PBES2");
	both = der_open(&alg, DER_SEQUENCE);
	kdf = der_open(&both, DER_SEQUENCE);
	enc = der_open(&both, DER_SEQUENCE);
	oid = der_get(&enc, DER_OID);
	for (size_t i = 0; i < COUNT(ciphers); i++)
		if (view_same(oid, ciphers[i].oid))
			how.cipher = view_str(ciphers[i].name);
	how.iv = der_get(&enc, DER_OCTETS);
	oid = der_get(&kdf, DER_OID);
	params = der_open(&kdf, DER_SEQUENCE);
	if (rd_done(&both) < 0 || rd_done(&alg) < 0)
		return SSH_E_FORMAT;
	e = view_same(oid, oid_pbkdf2) ? take_pbkdf2(&how, params) : view_same(oid, oid_scrypt) ? take_scrypt(&how, params) : SSH_E_UNKNOWN_KEY;
	if (e == SSH_E_FORMAT)
		return e;
	if (e < 0 || how.cipher.len == 0 || how.hash == HASH_NONE)
		return fail(r, SSH_E_PASSPHRASE, "it is encrypted in a way that we do not have");
	if (rd_done(&enc) < 0)
		return SSH_E_FORMAT;
	return decrypted(res, r, &how, view_str("PRIVATE KEY"), sealed);
}

int pem_read_private(struct privkey **res, const struct pem *p, const struct keyfile_secret *secret, struct keyfile_fault *f)
{
	struct reader r = { p, secret, f };
	struct view body = view_of(buf_head(&p->body), buf_len(&p->body));

	if (view_is(p->label, "ENCRYPTED PRIVATE KEY"))
		return read_pbes2(res, &r, body);
	return p->dek.len > 0 ? read_dek(res, &r, body) : read_plain(res, &r, p->label, body);
}
