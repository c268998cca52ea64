#include <string.h>

#include "base/err.h"
#include "ssh/kex.h"
#include "ssh/transport.h"

/* kex_keys - the exchange hash and the keys made from it. */

#define KEY_MATERIAL_MAX 128u	/* whole hashes: two of the largest kind, four of the smallest; the longest key is 64 */

int kex_hash(struct ssh *s, struct view hostkey, struct view client_public, struct view server_public)
{
	struct kex_run *run = s->kex->run;
	int server = s->role == SSH_SERVER;
	struct view ours = view_str(s->more->version), theirs = view_str(s->peer_version);
	struct view my_init = view_of(buf_head(&run->ours), buf_len(&run->ours));
	struct view peer_init = view_of(buf_head(&run->theirs), buf_len(&run->theirs));
	const struct view strings[] = { server ? theirs : ours, server ? ours : theirs,
	    server ? peer_init : my_init, server ? my_init : peer_init, hostkey, client_public, server_public };
	enum { STRINGS = sizeof strings / sizeof strings[0] };
	uint8_t len[STRINGS][4];
	enum { BEFORE_GEX = 5 };
	struct view parts[2 * STRINGS + 2], *to = parts;

	for (size_t i = 0; i < STRINGS; i++) {
		if (i == BEFORE_GEX)
			*to++ = view_of(buf_head(&run->gex), buf_len(&run->gex));	/* RFC 4419 3 */
		put_u32(len[i], (uint32_t)strings[i].len);
		*to++ = view_of(len[i], 4);
		*to++ = strings[i];
	}
	*to++ = view_of(run->k.v, run->k.len);
	run->hash.len = hash_len(s->kex->next.kex->hash);
	return hash_parts(s->kex->next.kex->hash, parts, (size_t)(to - parts), run->hash.v);
}

/* RFC 4253 7.2: HASH(K || H || letter || session_id), and longer: HASH(K || H || K1 || K2 …). */
static int derive(struct ssh *s, char letter, uint8_t out[KEY_MATERIAL_MAX], size_t need)
{
	const struct kex_run *run = s->kex->run;
	enum hash_id hash = s->kex->next.kex->hash;
	struct view first[] = { view_of(run->k.v, run->k.len), view_of(run->hash.v, run->hash.len),
	    view_of(&letter, 1), view_of(s->session_id.v, s->session_id.len) };
	size_t have = hash_len(hash);
	int r;

	TRY(hash_parts(hash, first, 4, out));
	while (have < need) {
		struct view more[] = { first[0], first[1], view_of(out, have) };
		uint8_t next[SSH_HASH_MAX];

		if (have + hash_len(hash) > KEY_MATERIAL_MAX)
			return SSH_E_BUG;
		TRY(hash_parts(hash, more, 3, next));
		memcpy(out + have, next, hash_len(hash));
		secret_wipe(next, sizeof next);
		have += hash_len(hash);
	}
	return SSH_OK;
}

struct material { uint8_t iv[KEY_MATERIAL_MAX], key[KEY_MATERIAL_MAX], mac[KEY_MATERIAL_MAX]; };

/* dir: 0 client to server (letters A C E), 1 server to client (B D F). */
static int direction(struct ssh *s, int dir, int encrypt, struct cipher **res)
{
	const struct cipher_alg *alg = s->kex->next.cipher[dir];
	const struct mac_alg *mac = s->kex->next.mac[dir];
	struct cipher_keys keys = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
	struct material m;
	int r;

	if ((r = derive(s, (char)('A' + dir), m.iv, alg->iv_len)) == SSH_OK &&
	    (r = derive(s, (char)('C' + dir), m.key, alg->key_len)) == SSH_OK &&
	    (r = derive(s, (char)('E' + dir), m.mac, mac ? mac->key_len : 0)) == SSH_OK) {
		keys.iv = view_of(m.iv, alg->iv_len);
		keys.key = view_of(m.key, alg->key_len);
		if (mac != NULL)
			keys.mac_key = view_of(m.mac, mac->key_len);
		r = cipher_new(res, alg, mac, &keys, encrypt, s->env.mem);
	}
	secret_wipe(&m, sizeof m);
	return r;
}

int kex_derive(struct ssh *s, struct cipher **rx, struct cipher **tx)
{
	int out = s->role == SSH_SERVER ? 1 : 0, r;

	*rx = *tx = NULL;
	TRY(direction(s, !out, 0, rx));
	if ((r = direction(s, out, 1, tx)) < 0) {
		cipher_free(*rx);
		*rx = NULL;
	}
	return r;
}
