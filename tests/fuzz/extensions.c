#include "ssh/transport.h"
#include "tests/fuzz/ssh_fuzz.h"

/* Bodies of EXT_INFO, PING, PONG and hostkeys-prove-00@openssh.com. The first byte says which, and of whom. */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* RFC 8308: taken or refused, and what is kept is a text. */
static void ext_info(enum ssh_role role, const uint8_t *d, size_t n)
{
	struct fuzz_side f;

	fuzz_restored(&f, role, P_AUTH);
	for (int i = 0; i < 3; i++) {
		struct rd in = rd_of(d, n);
		struct view kept;

		if (ssh_on_ext_info(f.ssh, &in) < 0)
			break;
		kept = session_peer_sig_algs(f.ssh);
		FUZZ_MUST(kept.len <= SIG_ALGS_MAX && (kept.len == 0 || role == SSH_CLIENT));
		FUZZ_MUST(kept.len == 0 || memchr(kept.p, '\0', kept.len) == NULL);
	}
	fuzz_side_free(&f);
}

/* An answer is its question, and nobody answers a PONG. */
static void ping(enum ssh_role role, int pong, const uint8_t *d, size_t n)
{
	struct fuzz_side f;
	struct rd in = rd_of(d, n);
	size_t before;
	int r;

	fuzz_restored(&f, role, P_OPEN);
	before = ssh_output_len(f.ssh);
	r = pong ? ssh_on_pong(f.ssh, &in) : ssh_on_ping(f.ssh, &in);
	FUZZ_MUST(ssh_output_len(f.ssh) == before + (r == SSH_OK && !pong ? packet_overhead(f.ssh, n + 1) : 0));
	fuzz_side_free(&f);
}

static void prove(const uint8_t *d, size_t n)
{
	struct fuzz_side f;
	struct view blob = privkey_blob(fuzz_key);
	const char *alg;
	unsigned index;
	int keys;

	fuzz_restored(&f, SSH_SERVER, P_OPEN);
	keys = ssh_prove_check(f.ssh, view_of(d, n));
	/* There is one key. */
	FUZZ_MUST(keys == (n == 4 + blob.len && get_u32(d) == blob.len && memcmp(d + 4, blob.p, blob.len) == 0) || keys < 0);
	if (ssh_prove_key(f.ssh, view_of(d, n), &index, &alg) == SSH_OK)
		FUZZ_MUST(index == 0 && view_same(view_of(d, n), blob));
	FUZZ_MUST(ssh_announce_hostkeys(f.ssh) == SSH_OK);
	fuzz_side_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	enum ssh_role role;

	if (n == 0 || n > 65536)
		return 0;
	fuzz_init();
	role = d[0] & 1 ? SSH_CLIENT : SSH_SERVER;
	switch (d[0] >> 1 & 3) {
	case 0:
		ext_info(role, d + 1, n - 1);
		break;
	case 1:
	case 2:
		ping(role, (d[0] >> 1 & 3) == 2, d + 1, n - 1);
		break;
	default:
		prove(d + 1, n - 1);
	}
	return 0;
}
