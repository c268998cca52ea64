#include "tests/fuzz/ssh_fuzz.h"

/*
 * A packet that was changed on its way, with every cipher and MAC and in both roles. Input: which two; the receiver's role and how its bytes
 * come; the payload's length (two bytes); what is exclusive-ored to the cipher text from its beginning on; the rest, up to the longest packet, is noise.
 * A packet nobody changed is taken, and one that somebody did is a wrong MAC; where the length is encrypted with the rest
 * it shows at one byte and at no other.
 */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define PAIRS_MAX 128
#define HEAD 5u

static struct pairing { const char *cipher, *mac; struct buf state[2]; } pairs[PAIRS_MAX];

static unsigned find_pairs(void)
{
	static unsigned n;
	const char *cipher, *mac;

	if (n > 0)
		return n;
	for (size_t i = 0; (cipher = alg_name(ALG_CIPHER, i, NULL)) != NULL; i++)
		for (size_t k = 0; (mac = alg_name(ALG_MAC, k, NULL)) != NULL; k++)
			if (mac_alg_find(view_str(mac))->hash != HASH_NONE && (k == 0 || cipher_alg_find(view_str(cipher))->tag_len == 0) && n < PAIRS_MAX)
				pairs[n++] = (struct pairing){ .cipher = cipher, .mac = mac };
	return n;
}

static void restore(struct fuzz_side *f, enum ssh_role role, struct pairing *u)
{
	if (buf_len(&u->state[0]) == 0)
		fuzz_saved_with(u->state, P_OPEN, u->cipher, u->mac);
	fuzz_side_init(f, role);
	FUZZ_MUST(ssh_import(&f->ssh, &f->env, &f->policy, view_of(buf_head(&u->state[role]), buf_len(&u->state[role])), 1) == SSH_OK);
}

/* DEBUG of that many bytes of text, as the peer would send it. */
static size_t make(struct fuzz_side *peer, size_t len, uint8_t *to, size_t room)
{
	static uint8_t payload[SSH_PACKET_MAX];
	const uint8_t *out;
	size_t n;

	payload[0] = SSH_MSG_DEBUG;
	put_u32(payload + 2, (uint32_t)len);
	put_u32(payload + 6 + len, 0);
	FUZZ_MUST(packet_send(peer->ssh, view_of(payload, 10 + len)) == SSH_OK);
	out = ssh_output(peer->ssh, &n);
	FUZZ_MUST(n <= room);
	memcpy(to, out, n);
	ssh_sent(peer->ssh, n);
	memset(payload, 0, 10 + len);
	return n;
}

/* How many of the n bytes it took until the side said something. */
static size_t feed(struct fuzz_side *f, const uint8_t *p, size_t n, size_t piece)
{
	for (size_t at = 0; at < n;) {
		size_t k = n - at < piece ? n - at : piece;

		(void)ssh_input(f->ssh, p + at, k, 1);
		fuzz_drain(f);
		at += k;
		if (ssh_error(f->ssh) != SSH_OK || f->count > 0)
			return at;
	}
	return n;
}

static void judge(struct fuzz_side *f, const uint8_t *bytes, size_t whole, int changed)
{
	size_t limit = 4 + SSH_PACKET_MAX + cipher_tag_len(f->ssh->rx->cipher);

	if (!changed) {
		FUZZ_MUST(feed(f, bytes, whole, 1 + whole / 3) == whole && f->count == 1 && ssh_error(f->ssh) == SSH_OK);
		return;
	}
	if (cipher_length_apart(f->ssh->rx->cipher)) {
		feed(f, bytes, limit, 100000);
		FUZZ_MUST(f->count == 0 && ssh_error(f->ssh) == SSH_E_MAC);
		return;
	}
	FUZZ_MUST(feed(f, bytes, limit - 1, 1 + bytes[0] * 1000u) == limit - 1);
	FUZZ_MUST(f->count == 0 && ssh_error(f->ssh) == SSH_OK && ssh_output_len(f->ssh) == 0);
	FUZZ_MUST(feed(f, bytes + limit - 1, 1, 1) == 1);
	FUZZ_MUST(f->count == 0 && ssh_error(f->ssh) == SSH_E_MAC && ssh_output_len(f->ssh) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	static uint8_t bytes[SSH_PACKET_MAX + 4 + 128];
	struct fuzz_side f, peer;
	struct pairing *u;
	enum ssh_role role;
	size_t whole;
	int changed = 0;

	if (n < HEAD)
		return 0;
	fuzz_init();
	u = &pairs[d[0] % find_pairs()];
	role = d[1] & 1 ? SSH_CLIENT : SSH_SERVER;
	restore(&f, role, u);
	restore(&peer, role == SSH_CLIENT ? SSH_SERVER : SSH_CLIENT, u);
	memset(bytes, d[4], sizeof bytes);
	whole = make(&peer, (size_t)d[2] << 8 | d[3], bytes, sizeof bytes);
	for (size_t i = 0; i < n - HEAD && i < whole; i++) {
		bytes[i] ^= d[HEAD + i];
		changed |= d[HEAD + i] != 0;
	}
	judge(&f, bytes, whole, changed);
	fuzz_side_free(&f);
	fuzz_side_free(&peer);
	return 0;
}
