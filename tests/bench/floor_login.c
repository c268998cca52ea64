#include <err.h>
#include <fcntl.h>
#include <gcrypt.h>
#include <grp.h>
#include <sodium.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "floor.h"
#include "ssh/crypto/mlkem768.h"

/* floor_login - what no login can do without, in parts: arithmetic, processes, the shell. */

enum { NOBODY = 65534, KEYS = 4, SIGNED = 250, FILE_MOST = 16384 };

static const uint8_t text[8192];	/* what is hashed and signed does not matter, only how much */

/* The peer of every exchange. */
struct client {
	uint8_t x25519[32], mlkem[MLKEM768_PUBLIC];
	uint8_t pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES], sig[crypto_sign_BYTES];
	int hybrid;
};

static void client_new(struct client *c, const char *kex)
{
	uint8_t secret[32], seed[MLKEM768_SEED], dk[MLKEM768_PRIVATE];

	c->hybrid = !strcmp(kex, "mlkem768x25519-sha256");
	if (!c->hybrid && strcmp(kex, "curve25519-sha256") != 0)
		errx(2, "%s: curve25519-sha256 or mlkem768x25519-sha256", kex);
	crypto_sign_keypair(c->pk, c->sk);
	crypto_sign_detached(c->sig, NULL, text, SIGNED, c->sk);
	randombytes_buf(secret, sizeof secret);
	randombytes_buf(seed, sizeof seed);
	if (crypto_scalarmult_base(c->x25519, secret) || mlkem768_keygen(seed, c->mlkem, dk) != 0)
		errx(1, "keys");
}

/* libgcrypt's from 1.11 on; with an older one the product's own has to do. */
static void encapsulate(const struct client *c, uint8_t cipher[MLKEM768_CIPHER], uint8_t shared[MLKEM768_SHARED])
{
#if GCRYPT_VERSION_NUMBER >= 0x010b00
	if (gcry_kem_encap(GCRY_KEM_MLKEM768, c->mlkem, sizeof c->mlkem, cipher, MLKEM768_CIPHER, shared, MLKEM768_SHARED, NULL, 0))
		errx(1, "ML-KEM");
#else
	uint8_t m[32];

	randombytes_buf(m, sizeof m);
	if (mlkem768_encaps(c->mlkem, m, cipher, shared) != 0)
		errx(1, "ML-KEM");
#endif
}

static void hash(size_t n)
{
	uint8_t digest[32];

	gcry_md_hash_buffer(GCRY_MD_SHA256, digest, text, n);
}

/* RFC 4253 7.2 and 8 with RFC 8731: secret, exchange hash (two KEXINITs, host key, both shares), keys and IVs. */
static void exchange(const struct client *c)
{
	uint8_t secret[32], public[32], shared[32], cipher[MLKEM768_CIPHER], kem[MLKEM768_SHARED];

	randombytes_buf(secret, sizeof secret);
	if (crypto_scalarmult_base(public, secret) || crypto_scalarmult(shared, secret, c->x25519))
		errx(1, "X25519");
	if (c->hybrid) {
		encapsulate(c, cipher, kem);
		hash(sizeof kem + sizeof shared);
	}
	hash(2600 + (c->hybrid ? sizeof c->mlkem + sizeof cipher : 0));
	for (int i = 0; i < KEYS; i++)
		hash(102);
}

/* The server's part of a handshake and of a login with an Ed25519 key; it checks its own signature before it sends it. */
static void handshake(const struct client *c)
{
	uint8_t sig[crypto_sign_BYTES];

	exchange(c);
	crypto_sign_detached(sig, NULL, text, 32, c->sk);
	if (crypto_sign_verify_detached(sig, text, 32, c->pk) || crypto_sign_verify_detached(c->sig, text, SIGNED, c->pk))
		errx(1, "Ed25519");
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	return pid;
}

static void ended_well(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0 || status != 0)
		errx(1, "a child failed");
}

static void empty(void)
{
	pid_t pid = child();

	if (pid == 0)
		_exit(0);
	ended_well(pid);
}

static void become(unsigned uid)
{
	if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
		err(1, "uid %u", uid);
}

static void shell(unsigned uid)
{
	pid_t pid = child();

	if (pid == 0) {
		if (uid != 0)
			become(uid);
		execl("/bin/sh", "sh", "-c", "true", (char *)NULL);
		_exit(127);
	}
	ended_well(pid);
}

static struct cost plus(struct cost a, struct cost b)
{
	return (struct cost){a.cpu + b.cpu, a.wall + b.wall};
}

/* The parts in turn, so that they meet the same moments of the machine. */
void floor_login(size_t count, const char *kex)
{
	struct cost arithmetic = {0, 0}, forks = {0, 0}, shells = {0, 0};
	struct client c;

	client_new(&c, kex);
	for (size_t i = 0; i <= count; i++) {
		struct cost a = spent(1), b, d, e;

		handshake(&c);
		b = spent(1);
		empty();
		d = spent(1);
		shell(0);
		e = spent(1);
		if (i == 0)	/* the first one warms up */
			continue;
		arithmetic = plus(arithmetic, less(b, a));
		forks = plus(forks, less(d, b));
		shells = plus(shells, less(e, d));
	}
	report("arithmetic", arithmetic);
	report("fork", forks);
	report("exec", less(shells, forks));
	report("login", plus(arithmetic, shells));
}

static void read_keys(unsigned uid, const char *file)
{
	static char buffer[FILE_MOST];
	pid_t pid = child();
	int fd;

	if (pid == 0) {
		become(uid);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, buffer, sizeof buffer) <= 0)
			err(1, "%s", file);
		_exit(0);
	}
	ended_well(pid);
}

/* One login by processes that have no more rights than they need; what they would tell each other is not counted. */
static void separated(const struct client *c, unsigned uid, const char *file)
{
	pid_t pid = child();

	if (pid == 0) {
		become(NOBODY);
		handshake(c);
		_exit(0);
	}
	read_keys(uid, file);
	shell(uid);
	ended_well(pid);
}

void floor_separated(size_t count, const char *kex, unsigned uid, const char *file)
{
	struct client c;
	struct cost before;

	client_new(&c, kex);
	separated(&c, uid, file);
	before = spent(1);
	for (size_t i = 0; i < count; i++)
		separated(&c, uid, file);
	report("separated", less(spent(1), before));
}
