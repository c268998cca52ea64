#include "ssh/keyfile.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "ssh/base64.h"
#include "ssh/crypto/crypto.h"
#include "ssh/crypto/filecrypt.h"
#include "ssh/keyfile_internal.h"

#define LABEL      "OPENSSH PRIVATE KEY"
#define MAGIC      "openssh-key-v1"	/* and its NUL (PROTOCOL.key) */
#define LINE_CHARS 70u			/* as ssh-keygen breaks lines */
#define PAD_BLOCK  8u			/* of cipher "none" */
#define RFC4716_HEADER_MAX (64u + 2 + 1024)	/* RFC 4716 3.3: tag, colon, blank and value */
#define PAD_MAX   16u			/* PuTTY fills blocks of 16 where there is no cipher */

int keyfile_decode_base64(struct buf *b, struct view text)
{
	size_t before = buf_len(b);
	int r = text.len == 0 ? SSH_E_FORMAT : base64_decode(b, text, 0, NULL);

	if (r < 0)
		buf_truncate(b, before);
	return r;
}

/* ---- OpenSSH's own format (PROTOCOL.key) ---- */

struct v1 {
	struct view cipher, kdf, options, blob, section, tag;
	size_t block;
};

static int v1_parse(struct v1 *v, const struct pem *p, struct keyfile_fault *f)
{
	struct rd in = rd_of(buf_head(&p->body), buf_len(&p->body));
	struct view magic = rd_raw(&in, sizeof MAGIC);
	size_t tag_len;
	uint32_t keys;

	if (in.bad || memcmp(magic.p, MAGIC, sizeof MAGIC) != 0)
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "it does not begin with openssh-key-v1");
	v->cipher = rd_string(&in, SSH_ALG_NAME_MAX);
	v->kdf = rd_string(&in, SSH_ALG_NAME_MAX);
	v->options = rd_string(&in, SSH_BLOB_MAX);
	keys = rd_u32(&in);
	v->blob = rd_string(&in, SSH_BLOB_MAX);
	v->section = rd_string(&in, KEYFILE_MAX);
	if (in.bad)
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "it ends in the middle of the key");
	if (keys != 1)
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "it holds another number of keys than one");
	v->block = PAD_BLOCK;
	tag_len = 0;
	if (!view_is(v->cipher, "none") && (v->block = filecrypt_block(v->cipher, &tag_len)) == 0)
		return keyfile_fail(f, SSH_E_PASSPHRASE, p->line, "it is encrypted with a cipher that we do not have");
	v->tag = rd_raw(&in, tag_len);
	if (rd_done(&in) < 0)
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "the length of the key is not that of the file");
	if (v->section.len == 0 || v->section.len % v->block != 0)
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "the private part has no whole number of blocks");
	return SSH_OK;
}

/* bcrypt's salt and rounds */
static int v1_decrypt(const struct v1 *v, const struct pem *p, const struct keyfile_secret *secret, struct buf *out, struct keyfile_fault *f)
{
	struct rd options = rd_view(v->options);
	struct filecrypt how = { .cipher = v->cipher, .kdf = FILE_KDF_BCRYPT };
	uint8_t *to;
	int r;

	how.salt = rd_string(&options, SSH_BLOB_MAX);
	how.rounds = rd_u32(&options);
	if (!view_is(v->kdf, "bcrypt") || rd_done(&options) < 0)
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "its key derivation is not bcrypt");
	if (secret == NULL || secret->passphrase.len == 0)
		return keyfile_fail(f, SSH_E_PASSPHRASE, p->line, "it needs a passphrase");
	if ((to = buf_reserve(out, v->section.len)) == NULL)
		return SSH_E_NOMEM;
	r = filecrypt_open(&how, secret->passphrase, secret->effort, v->section, v->tag, to);
	if (r == SSH_E_LIMIT)
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "it asks for more rounds of bcrypt than we are willing to compute");
	if (r == SSH_E_BAD_VALUE)
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "salt or rounds of bcrypt are nonsense");
	if (r == SSH_E_MAC)
		return keyfile_fail(f, SSH_E_PASSPHRASE, p->line, "wrong passphrase");
	if (r == SSH_OK)
		buf_commit(out, v->section.len);
	return r;
}

/* Private part: check numbers, key, comment, padding 1 2 3 … */
static int read_section(struct privkey **res, const struct v1 *v, struct view section, struct view *comment)
{
	struct rd in = rd_view(section);
	uint32_t check = rd_u32(&in);
	int r;

	if (check != rd_u32(&in))
		return SSH_E_MAC;
	TRY(privkey_read_private(res, &in));
	*comment = rd_string(&in, SSH_BLOB_MAX);
	if (rd_left(&in) > PAD_MAX)
		return SSH_E_KEYFILE;
	for (uint8_t want = 1; rd_left(&in) > 0; want++)
		if (rd_u8(&in) != want)
			return SSH_E_KEYFILE;
	TRY(rd_done(&in));
	return view_same(v->blob, privkey_blob(*res)) ? SSH_OK : SSH_E_KEYFILE;
}

static void keep_comment(char comment[256], struct view text)
{
	size_t n = text.len < 255 ? text.len : 255;

	if (comment == NULL)
		return;
	if (n > 0)
		memcpy(comment, text.p, n);
	comment[n] = '\0';
}

static int v1_read(struct privkey **res, const struct pem *p, const struct keyfile_secret *secret, char comment[256], struct keyfile_fault *f)
{
	struct view text = { NULL, 0 }, section;
	struct buf plain;
	struct v1 v;
	int r;

	TRY(v1_parse(&v, p, f));
	buf_init(&plain, KEYFILE_MAX, NULL);
	section = v.section;
	if (!view_is(v.cipher, "none")) {
		r = v1_decrypt(&v, p, secret, &plain, f);
		section = view_of(buf_head(&plain), buf_len(&plain));
	} else {
		r = view_is(v.kdf, "none") && v.options.len == 0 ? SSH_OK
		    : keyfile_fail(f, SSH_E_KEYFILE, p->line, "a key derivation without a cipher");
	}
	if (r == SSH_OK && (r = read_section(res, &v, section, &text)) == SSH_OK)
		keep_comment(comment, text);
	else if (r == SSH_E_MAC)
		r = section.p != v.section.p ? keyfile_fail(f, SSH_E_PASSPHRASE, p->line, "wrong passphrase")
		    : keyfile_fail(f, SSH_E_KEYFILE, p->line, "its check numbers differ");
	buf_drop(&plain);
	return r;
}

/* ---- any format ---- */

/* Whatever is wrong inside, the caller hears that the file is damaged. */
static int file_error(int r, const struct pem *p, struct keyfile_fault *f)
{
	switch (r) {
	case SSH_E_FORMAT:
	case SSH_E_FULL:
	case SSH_E_KEYFILE:
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "the key in it is damaged");
	case SSH_E_BAD_VALUE:
		return keyfile_fail(f, SSH_E_KEYFILE, p->line, "its numbers make no key, or one of a length that is not allowed");
	case SSH_E_UNKNOWN_KEY:
		return keyfile_fail(f, r, p->line, "a type of key that we do not have");
	default:
		return keyfile_fail(f, r, p->line, err_text(r));
	}
}

static int is_label(const struct pem *p, const char *label)
{
	return view_is(p->label, label);
}

/* OpenSSL puts a curve's name in front of the key. */
static int first_key(struct lines *l, struct pem *p, struct keyfile_fault *f)
{
	int r;

	do {
		buf_consume(&p->body, buf_len(&p->body));
		TRY(pem_next(l, p, f));
	} while (is_label(p, "EC PARAMETERS") || is_label(p, "DSA PARAMETERS"));
	return SSH_OK;
}

int keyfile_read_private(struct privkey **res, struct view file, const struct keyfile_secret *secret, char comment[256],
    struct keyfile_fault *fault)
{
	struct keyfile_fault nobody, *f = fault != NULL ? fault : &nobody;
	struct lines l = { file, 0 };
	struct pem p = { .line = 0 };
	int r;

	*res = NULL;
	memset(f, 0, sizeof *f);
	if (comment != NULL)
		comment[0] = '\0';
	if (file.len > KEYFILE_MAX)
		return keyfile_fail(f, SSH_E_KEYFILE, 0, "too long for a key");
	buf_init(&p.body, KEYFILE_MAX, NULL);
	if ((r = first_key(&l, &p, f)) == SSH_OK)
		r = is_label(&p, LABEL) ? v1_read(res, &p, secret, comment, f) : pem_read_private(res, &p, secret, f);
	if (r < 0) {
		privkey_free(*res);
		*res = NULL;
		r = file_error(r, &p, f);
	}
	buf_drop(&p.body);
	return r;
}

/* ---- public keys ---- */

/* The blob begins with its own name, and is a whole key when it is one of ours; certificates are others' to look into. */
static int check_blob(struct view blob, struct view name, unsigned line, struct keyfile_fault *f)
{
	struct rd in = rd_view(blob);
	struct view own = rd_string(&in, SSH_ALG_NAME_MAX);
	struct pubkey *k;
	int r;

	if (in.bad || own.len == 0 || (name.len > 0 && !view_same(own, name)))
		return keyfile_fail(f, SSH_E_KEYFILE, line, "the key is not of the type that its line names");
	if ((r = pubkey_parse(&k, blob, NULL)) == SSH_E_BAD_VALUE)
		return keyfile_fail(f, SSH_E_KEYFILE, line, "its numbers make no key, or one of a length that is not allowed");
	pubkey_free(k);
	return r == SSH_E_FORMAT ? keyfile_fail(f, SSH_E_KEYFILE, line, "the key in it is damaged") : r == SSH_E_UNKNOWN_KEY ? SSH_OK : r;
}

static int take_blob(struct buf *out, struct view text, struct view name, unsigned line, struct keyfile_fault *f)
{
	size_t before = buf_len(out), at;
	int r = base64_decode(out, text, 1, &at);

	if (r == SSH_OK)
		r = buf_len(out) == before ? keyfile_fail(f, SSH_E_KEYFILE, line, "there is no key in it")
		    : check_blob(view_of(buf_head(out) + before, buf_len(out) - before), name, line, f);
	else if (r == SSH_E_FORMAT)
		r = keyfile_fail(f, SSH_E_KEYFILE, line, "not base64");
	else if (r == SSH_E_FULL)
		r = keyfile_fail(f, SSH_E_KEYFILE, line, "too long for a key");
	if (r < 0)
		buf_truncate(out, before);
	return r;
}

/* "ssh-ed25519 AAAA… comment" */
static int take_line(struct buf *out, struct view line, unsigned number, char comment[256], struct keyfile_fault *f)
{
	struct view word[2];
	int r;

	for (int i = 0; i < 2; i++) {
		size_t n = 0;

		while (n < line.len && line.p[n] != ' ' && line.p[n] != '\t')
			n++;
		word[i] = view_of(line.p, n);
		line = view_trim(view_of(line.p + n, line.len - n));
	}
	if (word[1].len == 0)
		return keyfile_fail(f, SSH_E_KEYFILE, number, "no public key: a line with the key's type and base64 is wanted");
	TRY(take_blob(out, word[1], word[0], number, f));
	keep_comment(comment, line);
	return SSH_OK;
}

/* RFC 4716 3.3: a line, and what follows it behind a backslash, as one; what does not fit is left out. */
static size_t logical_line(struct lines *l, struct view line, uint8_t *to, size_t size)
{
	size_t have = 0;
	int more;

	do {
		size_t n = line.len;

		more = n > 0 && line.p[n - 1] == '\\';
		n -= (size_t)more;
		if (n > size - have)
			n = size - have;
		if (n > 0)
			memcpy(to + have, line.p, n);
		have += n;
	} while (more && lines_next(l, &line));
	return have;
}

/* 3.3.2: the marks around it are not part of it. */
static struct view unquote(struct view v)
{
	int quoted = v.len > 1 && (v.p[0] == '"' || v.p[0] == '\'') && v.p[v.len - 1] == v.p[0];

	return quoted ? view_of(v.p + 1, v.len - 2) : v;
}

/* 3.3: in capitals, too, which are ASCII's. */
static int begins_with_tag(const uint8_t *text, size_t n, const char *tag)
{
	size_t i = 0;

	while (i < n && tag[i] != '\0' && (text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]) == tag[i])
		i++;
	return tag[i] == '\0';
}

static void rfc4716_headers(struct lines *l, char comment[256])
{
	static const char tag[] = "comment:";
	uint8_t text[RFC4716_HEADER_MAX];
	struct lines ahead = *l;
	struct view line;

	while (lines_next(&ahead, &line) && line.len > 0 && memchr(line.p, ':', line.len) != NULL) {
		size_t n = logical_line(&ahead, line, text, sizeof text), tag_len = sizeof tag - 1;

		if (begins_with_tag(text, n, tag))
			keep_comment(comment, unquote(view_trim(view_of(text + tag_len, n - tag_len))));
		*l = ahead;
	}
}

static int take_rfc4716(struct buf *out, struct lines *l, char comment[256], struct keyfile_fault *f)
{
	struct view line, text;
	unsigned first;

	rfc4716_headers(l, comment);
	text = l->rest;
	first = l->number + 1;
	while (lines_next(l, &line))
		if (view_is(view_trim(line), "---- END SSH2 PUBLIC KEY ----"))
			return take_blob(out, view_of(text.p, (size_t)(line.p - text.p)), view_of(NULL, 0), first, f);
	return keyfile_fail(f, SSH_E_KEYFILE, l->number, "the END line is missing");
}

/* The public half stands in the clear in front of the private one. */
static int take_v1(struct buf *out, struct view file, struct keyfile_fault *f)
{
	struct lines l = { file, 0 };
	struct pem p = { .line = 0 };
	struct v1 v;
	int r;

	buf_init(&p.body, KEYFILE_MAX, NULL);
	if ((r = pem_next(&l, &p, f)) == SSH_OK && (r = v1_parse(&v, &p, f)) == SSH_OK &&
	    (r = check_blob(v.blob, view_of(NULL, 0), p.line, f)) == SSH_OK)
		r = buf_append(out, v.blob.p, v.blob.len);
	buf_drop(&p.body);
	return r;
}

int keyfile_read_public(struct buf *out, struct view file, char comment[256], struct keyfile_fault *fault)
{
	struct keyfile_fault nobody, *f = fault != NULL ? fault : &nobody;
	struct lines l = { file, 0 };
	struct view line;

	memset(f, 0, sizeof *f);
	if (comment != NULL)
		comment[0] = '\0';
	if (file.len > KEYFILE_MAX)
		return keyfile_fail(f, SSH_E_KEYFILE, 0, "too long for a key");
	while (lines_next(&l, &line)) {
		line = view_trim(line);
		if (line.len == 0 || line.p[0] == '#')
			continue;
		if (view_is(line, "---- BEGIN SSH2 PUBLIC KEY ----"))
			return take_rfc4716(out, &l, comment, f);
		if (view_is(line, "-----BEGIN " LABEL "-----"))
			return take_v1(out, file, f);
		return take_line(out, line, l.number, comment, f);
	}
	return keyfile_fail(f, SSH_E_KEYFILE, 0, "no public key in it");
}

/* ---- writing ---- */

static int write_section(struct wr *w, const struct privkey *k, const char *comment)
{
	size_t mark = wr_string_begin(w);
	uint8_t check[4];
	int r;

	crypto_random(NULL, check, sizeof check);
	wr_raw(w, check, sizeof check);
	wr_raw(w, check, sizeof check);
	TRY(privkey_write_private(k, w));
	wr_cstr(w, comment);
	for (uint8_t pad = 1; w->error == 0 && (buf_len(w->b) - mark) % PAD_BLOCK != 0; pad++)
		wr_u8(w, pad);
	wr_string_end(w, mark);
	return wr_done(w);
}

int keyfile_write_private(struct buf *out, const struct privkey *k, const char *comment)
{
	static const char begin[] = "-----BEGIN " LABEL "-----\n", end[] = "-----END " LABEL "-----\n";
	struct buf b;
	struct wr w = wr_to(&b), text = wr_to(out);
	size_t before = buf_len(out);
	int r;

	buf_init(&b, KEYFILE_MAX, NULL);
	wr_raw(&w, MAGIC, sizeof MAGIC);
	wr_cstr(&w, "none");
	wr_cstr(&w, "none");
	wr_cstr(&w, "");
	wr_u32(&w, 1);
	wr_view(&w, privkey_blob(k));
	if ((r = write_section(&w, k, comment)) == SSH_OK) {
		wr_raw(&text, begin, sizeof begin - 1);
		base64_encode(&text, view_of(buf_head(&b), buf_len(&b)), LINE_CHARS);
		wr_raw(&text, end, sizeof end - 1);
		r = wr_done(&text);
	}
	if (r < 0)
		buf_truncate(out, before);
	buf_drop(&b);
	return r;
}

static int one_line(struct view text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] < ' ' || text.p[i] == 0x7f)
			return 0;
	return 1;
}

int keyfile_write_public(struct buf *out, struct view blob, const char *comment)
{
	struct rd in = rd_view(blob);
	struct view name = rd_string(&in, SSH_ALG_NAME_MAX);
	struct wr w = wr_to(out);
	size_t before = buf_len(out);
	int r;

	if (in.bad || !one_line(view_str(comment)))
		return SSH_E_FORMAT;
	if (!one_line(name) || (name.len > 0 && memchr(name.p, ' ', name.len) != NULL))
		return SSH_E_FORMAT;
	wr_raw(&w, name.p, name.len);
	wr_u8(&w, ' ');
	base64_encode(&w, blob, 0);
	if (comment != NULL && *comment != '\0') {
		wr_u8(&w, ' ');
		wr_raw(&w, comment, strlen(comment));
	}
	wr_u8(&w, '\n');
	if ((r = wr_done(&w)) < 0)
		buf_truncate(out, before);
	return r;
}
