#include "guard/signer.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "guard/budget.h"
#include "ipc/values.h"
#include "ssh/crypto/crypto.h"
#include "ssh/ssh.h"
#include "tests/unit/guard/rig.h"

static struct rig rig;
static struct signer signer;
static uint8_t hash[64];

static void make(void)
{
	cr_assert_eq(crypto_init(), SSH_OK);
	rig_make(&rig, ROLE_KEY);
	signer_init(&signer, &rig.self);
	rig.self.message = signer_message;
	rig.self.ctx = &signer;
	cr_assert_eq(privkey_generate(&signer.keys.v[0].key, KEY_ED25519, 0), SSH_OK);
	cr_assert_eq(privkey_generate(&signer.keys.v[1].key, KEY_P256, 0), SSH_OK);
	signer.keys.n = 2;
	memset(hash, 0x42, sizeof hash);
}

TestSuite(signer, .init = make);

static void ask(int fd, uint32_t req, uint8_t key, const char *alg, size_t n)
{
	struct ipc_SIGN m = { .req = req, .key = key, .alg = view_str(alg), .hash = view_of(hash, n) };

	cr_assert_eq(link_say(fd, ROLE_CONN, ROLE_KEY, W_UP, IPC_SIGN, &m, NULL, 0), SSH_OK);
}

static int signed_ok(int fd, uint32_t req, unsigned key, const char *alg, size_t n)
{
	struct pubkey *p;
	int ok;

	if (!rig_wait(&rig, fd, ROLE_CONN, ROLE_KEY) || rig.m.type != IPC_SIGNED || rig.m.u.SIGNED.req != req ||
	    rig.m.u.SIGNED.status != SIGNED_OK)
		return 0;
	cr_assert_eq(pubkey_parse(&p, privkey_blob(signer.keys.v[key].key), NULL), SSH_OK);
	ok = pubkey_verify(p, sig_alg_find(view_str(alg)), view_of(hash, n), rig.m.u.SIGNED.sig) == VERIFY_ACCEPT;
	pubkey_free(p);
	return ok;
}

/* What the supervisor says once auth has granted the connection. */
static void authed(uint64_t conn)
{
	struct ipc_msg m = { .type = IPC_CONN_AUTHED, .u.CONN_AUTHED.conn = conn };

	cr_assert_eq(signer_message(&rig.self, &m), SSH_OK);
}

Test(signer, signs_with_each_key)
{
	int a = rig_peer(&rig, ROLE_CONN, 1), b = rig_peer(&rig, ROLE_CONN, 2);

	ask(a, 7, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(a, 7, 0, "ssh-ed25519", 32));
	ask(b, 8, 1, "ecdsa-sha2-nistp256", 64);
	cr_assert(signed_ok(b, 8, 1, "ecdsa-sha2-nistp256", 64));
}

Test(signer, signs_the_hash_of_every_exchange)
{
	const char *name;

	for (size_t i = 0; (name = alg_name(ALG_KEX, i, NULL)) != NULL; i++) {
		size_t n = hash_len(kex_alg_find(view_str(name))->hash);
		int c = rig_peer(&rig, ROLE_CONN, 100 + i);

		ask(c, 7, 0, "ssh-ed25519", n);
		cr_assert(signed_ok(c, 7, 0, "ssh-ed25519", n), "%s", name);
	}
}

Test(signer, nurseries_get_the_public_keys_and_only_those)
{
	int n = rig_peer(&rig, ROLE_NUR, 0);

	for (unsigned i = 0; i < 2; i++) {
		cr_assert(rig_wait(&rig, n, ROLE_NUR, ROLE_KEY));
		cr_assert_eq(rig.m.type, IPC_HOSTKEYS);
		cr_assert_eq(rig.m.u.HOSTKEYS.index, i);
		cr_assert_eq(rig.m.u.HOSTKEYS.count, 2);
		cr_assert(view_same(rig.m.u.HOSTKEYS.blob, privkey_blob(signer.keys.v[i].key)));
	}
	cr_assert(rig_silent(&rig, n, 20));
}

/* auth must know the id before the client can log in with it. */
Test(signer, session_id_goes_to_auth_before_the_signature)
{
	int a = rig_peer(&rig, ROLE_AUTH, 0), c = rig_peer(&rig, ROLE_CONN, 4711);
	struct view blob = privkey_blob(signer.keys.v[0].key);
	uint8_t digest[SSH_HASH_MAX];

	ask(c, 1, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(c, 1, 0, "ssh-ed25519", 32));
	cr_assert_eq(link_wait(a, ROLE_AUTH, ROLE_KEY, W_UP, 5, &rig.m, rig.storage), SSH_OK, "already there");
	cr_assert_eq(rig.m.type, IPC_SESSION_ID);
	cr_assert_eq(rig.m.u.SESSION_ID.conn, 4711);
	cr_assert(view_same(rig.m.u.SESSION_ID.hash, view_of(hash, 32)));
	cr_assert_eq(hash_parts(HASH_SHA256, &blob, 1, digest), SSH_OK);
	cr_assert(view_same(rig.m.u.SESSION_ID.hostkey, view_of(digest, SSH_HOST_DIGEST)), "and which key was shown");
	/* A rekey's hash is no session id. */
	authed(4711);
	hash[0] ^= 1;
	ask(c, 2, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(c, 2, 0, "ssh-ed25519", 32));
	cr_assert(rig_silent(&rig, a, 20));
}

Test(signer, a_new_auth_is_told_the_ids_of_the_living)
{
	enum { N = 300 };	/* more than a link's queue holds */
	static int c[N];
	static unsigned char seen[N];
	int old = rig_peer(&rig, ROLE_AUTH, 0), a;

	for (unsigned i = 0; i < N; i++) {
		c[i] = rig_peer(&rig, ROLE_CONN, i);
		hash[0] = (uint8_t)i;
		ask(c[i], i, 0, "ssh-ed25519", 32);
		cr_assert(signed_ok(c[i], i, 0, "ssh-ed25519", 32));
		cr_assert(rig_wait(&rig, old, ROLE_AUTH, ROLE_KEY));
	}
	hash[0] = 99;
	authed(5);
	ask(c[5], 1, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(c[5], 1, 0, "ssh-ed25519", 32));
	close(c[7]);
	rig_turn(&rig, 20);
	a = rig_peer(&rig, ROLE_AUTH, 0);
	cr_assert_eq(rig_wait(&rig, old, ROLE_AUTH, ROLE_KEY), 0, "the old link is closed");
	for (unsigned i = 0; i < N - 1; i++) {
		cr_assert(rig_wait(&rig, a, ROLE_AUTH, ROLE_KEY));
		cr_assert_lt(rig.m.u.SESSION_ID.conn, N);
		cr_assert_eq(rig.m.u.SESSION_ID.hash.p[0], (uint8_t)rig.m.u.SESSION_ID.conn, "the first one, not the rekey's");
		cr_assert_eq(seen[rig.m.u.SESSION_ID.conn]++, 0);
	}
	cr_assert_eq(seen[7], 0);
	cr_assert(rig_silent(&rig, a, 30));
}

/* A connection that moved to another process, or a keysign that is new: its first hash is no session id. */
Test(signer, a_rekey_of_one_that_is_logged_in_is_no_session_id)
{
	int a = rig_peer(&rig, ROLE_AUTH, 0), c = rig_peer(&rig, ROLE_CONN, 5);

	authed(5);
	ask(c, 1, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(c, 1, 0, "ssh-ed25519", 32));
	cr_assert(rig_silent(&rig, a, 30));
}

Test(signer, over_the_budget_waits)
{
	int c = rig_peer(&rig, ROLE_CONN, 1);

	authed(1);
	for (uint32_t i = 0; i < BUDGET_BURST + 4; i++) {
		ask(c, i, 0, "ssh-ed25519", 32);
		cr_assert(signed_ok(c, i, 0, "ssh-ed25519", 32), "%u", i);
	}
}

/* Who asks on while a request waits is cut off: nothing is queued for it. */
Test(signer, asking_on_over_the_budget_ends_the_link)
{
	int c = rig_peer(&rig, ROLE_CONN, 1);
	uint32_t answers = 0;

	authed(1);
	for (uint32_t i = 0; i < BUDGET_BURST + 56; i++)
		ask(c, i, 0, "ssh-ed25519", 32);
	while (rig_wait(&rig, c, ROLE_CONN, ROLE_KEY))
		cr_assert_eq(rig.m.u.SIGNED.req, answers++);
	cr_assert_lt(answers, BUDGET_BURST + 56);
}

Test(signer, unlawful_requests_end_the_link)
{
	static const struct { uint8_t key; const char *alg; size_t n; } rows[] = {
		{ 2, "ssh-ed25519", 32 }, { 255, "ssh-ed25519", 32 }, { 0, "ecdsa-sha2-nistp256", 32 }, { 1, "ssh-ed25519", 32 },
		{ 0, "rsa-sha2-512", 32 }, { 0, "", 32 }, { 0, "ssh-ed25519x", 32 }, { 0, "ssh-ed25519", 0 }, { 0, "ssh-ed25519", 31 },
		{ 0, "ssh-ed25519", 33 }, { 0, "ssh-ed25519", 63 },
	};
	int other = rig_peer(&rig, ROLE_CONN, 1000);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int c = rig_peer(&rig, ROLE_CONN, i);

		ask(c, 1, rows[i].key, rows[i].alg, rows[i].n);
		cr_assert_eq(rig_wait(&rig, c, ROLE_CONN, ROLE_KEY), 0, "row %zu", i);
		close(c);
	}
	ask(other, 1, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(other, 1, 0, "ssh-ed25519", 32), "others are served");
}

/* A process taken over before login has had its one signature; the grant releases what waited. */
Test(signer, no_second_signature_before_the_grant)
{
	int c = rig_peer(&rig, ROLE_CONN, 9);

	ask(c, 1, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(c, 1, 0, "ssh-ed25519", 32));
	ask(c, 2, 0, "ssh-ed25519", 32);
	cr_assert(rig_silent(&rig, c, 200));
	authed(9);
	cr_assert(signed_ok(c, 2, 0, "ssh-ed25519", 32));
	authed(12345);		/* nobody: no harm */
}

/* ---- proofs (OpenSSH PROTOCOL 2.5) ------------------------------------------------------------ */

static void ask_proof(int fd, uint32_t req, uint8_t key, const char *alg)
{
	struct ipc_PROVE m = { .req = req, .key = key, .alg = view_str(alg) };

	cr_assert_eq(link_say(fd, ROLE_CONN, ROLE_KEY, W_UP, IPC_PROVE, &m, NULL, 0), SSH_OK);
}

static int proved(int fd, uint32_t req, unsigned key, const char *alg, struct view id)
{
	struct pubkey *p;
	struct buf text;
	int ok;

	if (!rig_wait(&rig, fd, ROLE_CONN, ROLE_KEY) || rig.m.type != IPC_SIGNED || rig.m.u.SIGNED.req != req || rig.m.u.SIGNED.status != SIGNED_OK)
		return 0;
	buf_init(&text, 1 << 16, NULL);
	cr_assert_eq(ssh_prove_text(&text, id, privkey_blob(signer.keys.v[key].key)), SSH_OK);
	cr_assert_eq(pubkey_parse(&p, privkey_blob(signer.keys.v[key].key), NULL), SSH_OK);
	ok = pubkey_verify(p, sig_alg_find(view_str(alg)), view_of(buf_head(&text), buf_len(&text)), rig.m.u.SIGNED.sig) == VERIFY_ACCEPT;
	pubkey_free(p);
	buf_drop(&text);
	return ok;
}

/* Over the id that keysign signed itself, whatever the connection would like; and not before the grant. */
Test(signer, proves_each_key_for_this_session)
{
	int c = rig_peer(&rig, ROLE_CONN, 9);
	uint8_t id[32];

	memcpy(id, hash, 32);
	ask(c, 1, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(c, 1, 0, "ssh-ed25519", 32));
	ask_proof(c, 2, 0, "ssh-ed25519");
	cr_assert(rig_silent(&rig, c, 200), "before the grant");
	authed(9);
	cr_assert(proved(c, 2, 0, "ssh-ed25519", view_of(id, 32)));
	hash[0] ^= 1;		/* a rekey's is another one */
	ask(c, 3, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(c, 3, 0, "ssh-ed25519", 32));
	ask_proof(c, 4, 1, "ecdsa-sha2-nistp256");
	cr_assert(proved(c, 4, 1, "ecdsa-sha2-nistp256", view_of(id, 32)));
}

/* A connection that moved, or a new keysign: the supervisor's record has the id; without one there is no proof. */
Test(signer, the_supervisor_knows_the_session)
{
	struct ipc_msg m = { .type = IPC_CONN_AUTHED, .u.CONN_AUTHED = { .conn = 5, .hash = view_of(hash, 32) } };
	int a = rig_peer(&rig, ROLE_AUTH, 0), c = rig_peer(&rig, ROLE_CONN, 5), d = rig_peer(&rig, ROLE_CONN, 6);

	cr_assert_eq(signer_message(&rig.self, &m), SSH_OK);
	ask_proof(c, 1, 0, "ssh-ed25519");
	cr_assert(proved(c, 1, 0, "ssh-ed25519", view_of(hash, 32)));
	cr_assert(rig_silent(&rig, a, 30), "auth was told by the supervisor, too");
	authed(6);
	ask_proof(d, 1, 0, "ssh-ed25519");
	cr_assert(rig_wait(&rig, d, ROLE_CONN, ROLE_KEY));
	cr_assert_eq(rig.m.u.SIGNED.status, SIGNED_FAILED);
}

Test(signer, unlawful_proofs_end_the_link)
{
	static const struct { uint8_t key; const char *alg; } rows[] = { { 2, "ssh-ed25519" }, { 0, "ecdsa-sha2-nistp256" }, { 1, "ssh-ed25519" }, { 0, "" }, { 3, "x" } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int c = rig_peer(&rig, ROLE_CONN, i);

		authed(i);
		ask_proof(c, 1, rows[i].key, rows[i].alg);
		cr_assert_eq(rig_wait(&rig, c, ROLE_CONN, ROLE_KEY), 0, "row %zu", i);
		close(c);
	}
	signer.keys.v[1].cert = 1;
	{
		int c = rig_peer(&rig, ROLE_CONN, 77);

		authed(77);
		ask_proof(c, 1, 1, "ecdsa-sha2-nistp256");
		cr_assert_eq(rig_wait(&rig, c, ROLE_CONN, ROLE_KEY), 0, "a certificate");
		close(c);
	}
}

/* No memory for a client: the supervisor hears it and introduces him again. */
Test(signer, no_memory_for_a_client)
{
	struct ipc_msg m;
	uint8_t storage[1000];
	int c;

	rig_starves = 1;
	c = rig_peer(&rig, ROLE_CONN, 7);
	rig_starves = 0;
	cr_assert_not(rig_wait(&rig, c, ROLE_CONN, ROLE_KEY), "closed");
	cr_assert_eq(link_wait(rig.sup, ROLE_SUP, ROLE_KEY, W_UP, 1000, &m, storage), SSH_OK);
	cr_assert_eq(m.type, IPC_PEER_AGAIN);
	cr_assert_eq(m.u.PEER_AGAIN.conn, 7);
	close(c);
	c = rig_peer(&rig, ROLE_CONN, 7);
	ask(c, 1, 0, "ssh-ed25519", 32);
	cr_assert(signed_ok(c, 1, 0, "ssh-ed25519", 32));
}
